"""Rows in wire format are what PynamoDB makes of them; expressions have a placeholder for each name and nothing else of their own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pynamodb.attributes import (
    BinaryAttribute,
    BooleanAttribute,
    NumberAttribute,
    NumberSetAttribute,
    UnicodeAttribute,
    UnicodeSetAttribute,
)
from pynamodb.exceptions import AttributeNullError
from pynamodb.models import Model

from chalicelib.dynamodb import dynamo, wire_format


class Note(dynamo.Table):
    feature = "notes"

    class Meta:
        table_name = None

    id = UnicodeAttribute(hash_key=True)
    at = NumberAttribute(range_key=True)
    text = UnicodeAttribute(null=True)
    size = NumberAttribute(null=True)
    read = BooleanAttribute(null=True)
    tags = UnicodeSetAttribute(null=True)
    pages = NumberSetAttribute(null=True)
    body = BinaryAttribute(legacy_encoding=False, null=True)


numbers = st.integers(-(10**30), 10**30)
rows = st.fixed_dictionaries(
    {"id": st.text(min_size=1), "at": numbers},
    optional={
        "text": st.none() | st.text(),
        "size": st.none() | numbers | st.floats(-1e6, 1e6),
        "read": st.none() | st.booleans(),
        "tags": st.none() | st.sets(st.text()),
        "pages": st.none() | st.sets(numbers),
        "body": st.none() | st.binary(),
    },
)


@given(rows)
def test_rows_are_serialized_and_read_as_by_pynamodb(values):
    row = Note(**values)
    item = wire_format.serialize_row(row)
    assert item == row.serialize()
    ours, pynamodb = Note.from_raw_data(item), Note(values["id"], values["at"])
    pynamodb.deserialize(item)
    assert all(getattr(ours, name) == getattr(pynamodb, name) for name in Note.get_attributes())
    assert wire_format.serialize_key(row) == {"id": {"S": values["id"]}, "at": {"N": str(values["at"])}}


def test_unknown_attributes_are_left_out():
    row = Note.from_raw_data({"id": {"S": "a"}, "other": {"S": "b"}, "text": {"NULL": True}})
    assert (row.id, row.text, row.at) == ("a", None, None)


def test_an_attribute_of_another_table_is_refused():
    with pytest.raises(ValueError, match="Note has no attribute"):
        Note("a", 1, titel="b")


def test_a_row_without_a_required_attribute_is_refused():
    with pytest.raises(AttributeNullError):
        dynamo.put(Note("a"))


def test_a_row_is_still_a_row_of_pynamodb():
    assert issubclass(dynamo.Table, Model)
    assert Note("a", 1, size=2).get_save_kwargs_from_instance()["Item"] == wire_format.serialize_row(Note("a", 1, size=2))


@pytest.mark.parametrize(
    ("condition", "text", "names"),
    [
        ("", None, None),
        ("attribute_not_exists(id)", "attribute_not_exists(#id)", {"#id": "id"}),
        (
            "size = :size AND (attribute_not_exists(text) OR contains(tags, :id))",
            "#size = :size AND (attribute_not_exists(#text) OR contains(#tags, :id))",
            {"#size": "size", "#text": "text", "#tags": "tags"},
        ),
        (
            "read IN (:a, :b) AND NOT at BETWEEN :c AND :d",
            "#read IN (:a, :b) AND NOT #at BETWEEN :c AND :d",
            {"#read": "read", "#at": "at"},
        ),
    ],
)
def test_a_condition_gets_placeholders_for_its_names(condition, text, names):
    arguments = dynamo.delete(Note("a", 1), condition)["Delete"]
    assert (arguments.get("ConditionExpression"), arguments.get("ExpressionAttributeNames")) == (text, names)


def test_operands_are_texts_integers_and_truth_values():
    arguments = dynamo.put(Note("a", 1), "size < :most AND read = :read AND text = :text", most=3, read=True, text="x")["Put"]
    assert arguments["ExpressionAttributeValues"] == {":most": {"N": "3"}, ":read": {"BOOL": True}, ":text": {"S": "x"}}
    with pytest.raises(TypeError, match="not list"):
        dynamo.put(Note("a", 1), "size = :list", list=[])


def test_an_update_sets_removes_adds_and_discards():
    changes = {"text": "new", "read": None}
    arguments = dynamo.update(Note("a", 1), changes, "size = :before", add={"size": 2}, discard={"tags": {"x"}}, before=1)["Update"]
    assert arguments["Key"] == {"id": {"S": "a"}, "at": {"N": "1"}}
    assert arguments["UpdateExpression"] == "SET #text = :new_text REMOVE #read ADD #size :added_size DELETE #tags :discarded_tags"
    assert arguments["ConditionExpression"] == "#size = :before"
    assert arguments["ExpressionAttributeNames"] == {"#text": "text", "#read": "read", "#size": "size", "#tags": "tags"}
    assert arguments["ExpressionAttributeValues"] == {
        ":new_text": {"S": "new"},
        ":added_size": {"N": "2"},
        ":discarded_tags": {"SS": ["x"]},
        ":before": {"N": "1"},
    }


@pytest.mark.parametrize("condition", ["titel = :before", "attribute_exists(titel)"])
def test_a_condition_on_an_unknown_attribute_is_refused(condition):
    with pytest.raises(ValueError, match="no attribute 'titel'"):
        dynamo.update(Note("a", 1), {"size": 1}, condition, before=1)


def test_a_change_of_an_unknown_attribute_is_refused():
    for changes in ({"titel": "x"}, {"titel": None}):
        with pytest.raises((KeyError, ValueError), match="titel"):
            dynamo.update(Note("a", 1), changes)
