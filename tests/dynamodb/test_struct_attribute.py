"""Attributes of structured values: maps and lists are written, and the text of earlier releases is read and compared too (decision 182)."""

import json
import math
from typing import Any

import hypothesis
import msgspec
import pytest
from hypothesis import strategies
from msgspec import Struct
from pynamodb.attributes import UnicodeAttribute

from chalicelib.dynamodb import dynamo
from chalicelib.dynamodb.struct_attribute import StructAttribute
from chalicelib.tickets.model import CheckIn
from chalicelib.tickets.store import TicketRow

FORMS = ("text", "maps")
wire_format = StructAttribute.wire


class Part(Struct, frozen=True):
    name: str
    count: int
    note: str | None = None
    tags: frozenset[str] = frozenset()


class Thing(dynamo.Table):
    feature = "idempotency"

    id = UnicodeAttribute(hash_key=True)
    parts = StructAttribute(list[Part], null=True)
    free = StructAttribute(Any, null=True)
    by_number = StructAttribute(dict[int, str], null=True)


@pytest.fixture(params=FORMS)
def form(request, monkeypatch) -> str:
    write_form(monkeypatch, request.param)
    return str(request.param)


def write_form(monkeypatch, form):
    """Write text as releases up to 0.2.0 did, or what this release writes."""
    forms = {"text": lambda attribute, value: attribute._text(attribute._decode(wire_format(attribute, value))), "maps": wire_format}
    monkeypatch.setattr(StructAttribute, "wire", forms[form])


def stored(name="free"):
    [item] = dynamo.client().scan(TableName=Thing.name(), ConsistentRead=True)["Items"]
    return item[name]


PARTS = [Part("", 0), Part("é\N{GRINNING FACE}", -5, "n"), Part("many", 2**60, tags=frozenset({"a"}))]


def test_structs_come_back_in_either_form(store, form):
    Thing("a", parts=PARTS, by_number={1: "one"}).save()
    row = Thing.find("a")
    assert (row.parts, row.by_number) == (PARTS, {1: "one"})
    assert set(stored("parts")) == {"S" if form == "text" else "L"}


def test_the_text_of_earlier_releases_is_read(store):
    text = '[{"name":"é\N{GRINNING FACE}","count":-5,"note":"n","tags":[]}]'
    dynamo.client().put_item(TableName=Thing.name(), Item={"id": {"S": "a"}, "parts": {"S": text}})
    assert Thing.find("a").parts == PARTS[1:2]
    assert Thing.parts._text(PARTS[1:2]) == {"S": text}


NATIVE = [
    [],
    {},
    [[]],
    {"a": {}},
    [""],
    [None, True, False],
    [0, -1, 2**62],
    [0.1, -1e-7, 2.5e20 + 0.0, 123456789.25],
    {"S": "x"},
    {"N": 1},
]
# A map or list would return another value, or DynamoDB would refuse it.
TEXT_ONLY = [[1.0], [-0.0], [1e200], [1e-200], [2**70], [2.0**80], {"": 1}, json.loads("[" * 33 + "]" * 33), "text", 5, 1.5, True]


@pytest.mark.parametrize("value", [*NATIVE, *TEXT_ONLY], ids=str)
def test_a_value_comes_back_unchanged(store, form, value):
    Thing("a", free=value).save()
    dynamo.transact_update(Thing("b"), [Thing.free.set(value)])
    found = Thing.find("a").free
    assert (found, json.dumps(found)) == (value, json.dumps(value))


@pytest.mark.parametrize("value", TEXT_ONLY, ids=str)
def test_a_value_that_a_map_cannot_hold_stays_text(store, value):
    Thing("a", free=value).save()
    assert set(stored()) == {"S"}


JSON_VALUES = strategies.recursive(
    strategies.none() | strategies.booleans() | strategies.integers() | strategies.floats(allow_nan=False, allow_infinity=False)
    | strategies.text(strategies.characters(codec="utf-8")),
    lambda values: strategies.lists(values, max_size=3) | strategies.dictionaries(strategies.text(max_size=3), values, max_size=3),
    max_leaves=10,
)  # fmt: skip


@hypothesis.given(JSON_VALUES)
def test_any_json_comes_back_unchanged_from_both_forms(value):
    attribute = Thing.free
    for wire in filter(None, (attribute._text(value), attribute._native(value))):
        found = Thing.from_raw_data({"id": {"S": "a"}, "free": wire}).free
        expected = msgspec.json.decode(msgspec.json.encode(value))
        assert json.dumps(found, sort_keys=True) == json.dumps(expected, sort_keys=True)


@pytest.mark.parametrize("first", FORMS)
@pytest.mark.parametrize("then", FORMS)
@pytest.mark.parametrize("change", ["put", "update"])
def test_a_condition_compares_the_value_and_not_the_form(store, monkeypatch, first, then, change):
    """An instance of the other release may have written the item."""
    write_form(monkeypatch, first)
    Thing("a", parts=PARTS).save()
    write_form(monkeypatch, then)
    known = Thing.find("a").parts
    write = {
        "put": lambda condition: dynamo.put_if(Thing("a", parts=PARTS[:1]), condition),
        "update": lambda condition: dynamo.update_if(Thing("a"), [Thing.parts.set(PARTS[:1])], condition),
    }[change]
    assert not write(Thing.parts == PARTS[1:])
    assert not write(Thing.parts != known)
    assert write(Thing.parts == known)
    assert not write(Thing.parts == known)
    assert Thing.find("a").parts == PARTS[:1]


@pytest.mark.parametrize("value", [{"S": "x"}, {"M": {}}, {"N": 5}, [1.0]], ids=str)
def test_a_condition_never_mistakes_a_value_for_the_format_of_the_wire(store, form, value):
    Thing("a", free=value).save()
    assert dynamo.update_if(Thing("a"), [Thing.free.set(value)], Thing.free == value)
    assert Thing.find("a").free == value


def test_a_row_that_is_saved_again_gets_the_form_of_this_release(store, monkeypatch):
    for form, kinds in (("maps", {"L"}), ("text", {"S"}), ("maps", {"L"})):
        write_form(monkeypatch, form)
        (Thing.find("a") or Thing("a", parts=PARTS)).save()
        assert set(stored("parts")) == kinds


POISON = [{"S": "{"}, {"S": "{}"}, {"M": {}}, {"L": [{"M": {"name": {"S": "x"}}}]}, {"SS": ["x"]}, {"L": [{"B": b"x"}]}, {"BOOL": True}]


@pytest.mark.parametrize("poison", POISON, ids=str)
def test_a_row_that_cannot_be_decoded_spoils_no_batch(store, poison):
    dynamo.batch_put([Thing("a", parts=PARTS), Thing("c", parts=[])])
    dynamo.client().put_item(TableName=Thing.name(), Item={"id": {"S": "b"}, "parts": poison})
    for rows in (Thing.find_all(["a", "b", "c"]), list(Thing.scan())):
        by_id = {row.id: row for row in rows}
        assert (by_id["a"].parts, by_id["c"].parts) == (PARTS, [])
        with pytest.raises(msgspec.DecodeError):
            _ = by_id["b"].parts


def test_a_missing_and_a_null_attribute_are_none(store):
    Thing("a").save()
    assert Thing.find("a").parts is None
    assert Thing.from_raw_data({"id": {"S": "a"}, "parts": {"NULL": True}}).parts is None


@pytest.mark.parametrize("form", FORMS)
def test_check_ins_leave_out_empty_last_fields(monkeypatch, form):
    write_form(monkeypatch, form)
    checkins = [CheckIn("c1", 5, 1, "staff"), CheckIn("c2", 6, 1, "staff", seat=3), CheckIn("c3", 7, 1, "staff", override_reason="vip")]
    wire = TicketRow.checkins.wire(checkins)
    written = [entry["L"] for entry in wire["L"]] if form == "maps" else json.loads(wire["S"])
    assert [len(entry) for entry in written] == [6, 7, 8]
    assert TicketRow.from_raw_data({"checkins": wire}).checkins == checkins


def test_numbers_of_other_writers_are_read():
    """DynamoDB may return a number in another notation than it was written in."""
    numbers = ["1", "-1", "0.5", "1E-7", "0.0000001"]
    row = Thing.from_raw_data({"free": {"L": [{"N": number} for number in numbers]}})
    assert row.free == [1, -1, 0.5, 1e-7, 1e-7]
    assert not any(math.isnan(number) for number in row.free)
