"""Files that are not strict JSON are refused, and several files are one document."""

import json

import pytest

from bootstrap.files import MAX_BYTES
from tests.bootstrap.conftest import event, ticket

RAW = [
    ("empty", b"", "empty"),
    ("truncated", json.dumps({"version": "1", "events": {}}).encode()[:-4], "cut off"),
    ("not JSON", b"version: 1", "not JSON"),
    ("byte order mark", b"\xef\xbb\xbf{}", "byte order mark"),
    ("UTF-16", '{"version": "1"}'.encode("utf-16-le"), "UTF-16"),
    ("Latin-1", '{"version": "é"}'.encode("latin-1"), "not UTF-8"),
    ("duplicate key", b'{"events": {"a": {"id": 1, "id": 2}}}', "$.events.a.id: this key appears twice"),
    ("duplicate entry", b'{"events": {"a": {}, "a": {}}}', "$.events.a: this key appears twice"),
    ("NaN", b'{"ticket_types": {"a": {"price_cents": NaN}}}', "$.ticket_types.a.price_cents: NaN is not a JSON number"),
    ("Infinity", b'{"events": [-Infinity]}', "$.events[0]: -Infinity is not"),
    ("overflow", b'{"version": 1e999}', "$.version: the number is too large"),
    ("long integer", b'{"version": 9223372036854775808}', "$.version: the number is too large"),
    ("thousands of digits", b'{"version": ' + b"9" * 5000 + b"}", "too many digits"),
    ("half a surrogate", b'{"version": "\\ud800"}', "$.version: half of a surrogate"),
    ("deep", b'{"a":' * 30 + b"1" + b"}" * 30, "nested deeper"),
    ("bottomless", b"[" * 200_000, "nested deeper"),
    ("a list", b"[]", "$: must be a JSON object"),
    ("huge", b" " * (MAX_BYTES + 1), "more than"),
]


@pytest.mark.parametrize(("raw", "message"), [pytest.param(*rest, id=name) for name, *rest in RAW])
def test_a_file_that_is_not_strict_json_is_refused(run, write, raw, message):
    result = run("validate", write(raw))
    assert result.code == 1
    assert message in result.err


@pytest.mark.parametrize("name", [".", "absent.json"])
def test_a_file_that_cannot_be_read_is_refused(run, tmp_path, name):
    result = run("validate", tmp_path / name)
    assert result.code == 1
    assert "cannot be read" in result.err


class TestSeveralFiles:
    def test_are_one_document(self, run, write, tree):
        more = {
            "version": "1",
            "events": {"b": event("b")},
            "ticket_types": {"b1": ticket("b1", "b")},
            "ticket_states": tree["ticket_states"],
        }
        result = run("validate", write(tree), write(more, "more.json"))
        assert "2 events, 2 ticket types" in result.out

    def test_may_refer_to_each_other(self, run, write, tree):
        tickets = {"ticket_types": tree.pop("ticket_types")}
        assert run("validate", write(tree), write(tickets, "more.json")).code == 0

    def test_have_no_entry_in_common(self, run, write, tree):
        again = {"events": {"fest": event("fest")}}
        result = run("validate", write(tree), write(again, "again.json"))
        assert "again.json: $.events.fest: is also in" in result.err

    def test_do_not_contradict_each_other(self, run, write, tree):
        other = {"environment": "prod", "ticket_states": {"closed": {"purchasable": True, "display": True}}, "events": 5}
        result = run("validate", write(tree), write(other, "other.json"))
        for path in ("$.environment", "$.ticket_states.closed", "$.events"):
            assert f"other.json: {path}" in result.err

    def test_a_fault_names_its_file(self, run, write, tree):
        more = {"events": {"b": event("b", venue=3)}}
        result = run("validate", write(tree), write(more, "more.json"))
        assert "more.json: $.events.b.venue" in result.err

    def test_all_broken_files_are_reported(self, run, write):
        result = run("validate", write(b"{"), write(b"[]", "more.json"))
        assert "tickets.json: $" in result.err
        assert "more.json: $" in result.err
