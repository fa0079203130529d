"""The record of changes: complete, in order, and never apart from its changes."""

import pytest

from chalicelib import dynamo
from chalicelib.audit import service


def test_entries_come_newest_first_and_only_those_of_the_subject(store, time):
    for number in range(3):
        dynamo.transact([service.entry_item("event#a", f"step.{number}", "root", time.advance(1), {"number": number})])
    dynamo.transact([service.entry_item("event#b", "other", "root", time.now, {})])
    found = service.list_entries("event#a", limit=2)
    assert [(entry.action, entry.details) for entry in found] == [("step.2", {"number": 2}), ("step.1", {"number": 1})]
    assert (found[0].actor, found[0].at) == ("root", "2026-06-01T12:00:03Z")


def test_many_entries_of_one_second_are_all_kept(store, time):
    dynamo.transact([service.entry_item("catalog", "step", "root", time.now, {"number": number}) for number in range(20)])
    assert len(service.list_entries("catalog")) == 20


def test_an_entry_is_written_with_its_change_or_not_at_all(store, time):
    entry = service.entry_item("catalog", "step", "root", time.now, {})
    dynamo.transact([entry])
    with pytest.raises(dynamo.TransactionCanceled) as refused:
        dynamo.transact([service.entry_item("catalog", "other", "root", time.now, {}), entry])
    assert refused.value.failed(1)
    assert [one.action for one in service.list_entries("catalog")] == ["step"]
