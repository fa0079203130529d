"""The audit log is complete, in order, and written together with the changes that it records."""

import pytest

from chalicelib import dynamo
from chalicelib.audit import service


def test_entries_of_a_subject_are_listed_newest_first_up_to_the_limit(store, time):
    for number in range(3):
        dynamo.transact([service.entry_item("event#a", f"step.{number}", "root", time.advance(1), {"number": number})])
    dynamo.transact([service.entry_item("event#b", "other", "root", time.now, {})])
    entries = service.list_entries("event#a", limit=2)
    assert [(entry.action, entry.details) for entry in entries] == [("step.2", {"number": 2}), ("step.1", {"number": 1})]
    assert (entries[0].actor, entries[0].at) == ("root", "2026-06-01T12:00:03Z")


def test_many_entries_of_the_same_second_are_all_kept(store, time):
    dynamo.transact([service.entry_item("catalog", "step", "root", time.now, {"number": number}) for number in range(20)])
    assert len(service.list_entries("catalog")) == 20


def test_an_existing_entry_cancels_the_transaction_and_is_not_overwritten(store, time):
    entry_item = service.entry_item("catalog", "step", "root", time.now, {})
    dynamo.transact([entry_item])
    with pytest.raises(dynamo.TransactionCanceled) as canceled:
        dynamo.transact([service.entry_item("catalog", "other", "root", time.now, {}), entry_item])
    assert canceled.value.failed(1)
    assert [entry.action for entry in service.list_entries("catalog")] == ["step"]
