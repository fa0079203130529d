"""The audit log is complete, in order, and written together with the changes that it records."""

import pytest

from chalicelib.audit import service
from chalicelib.audit.model import AuditFilter, FieldChange
from chalicelib.audit.store import AuditRow
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import log


def record(*entries):
    """Write one entry for each (subject, action, actor, time), and keyword arguments as a last element."""
    items = [service.entry_item(*entry[:4], {}, **(entry[4] if len(entry) > 4 else {})) for entry in entries]
    dynamo.transact(items)


def actions(wanted, limit=100, before=None):
    return [entry.action for entry in service.search_entries(wanted, limit, before).entries]


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
    with pytest.raises(dynamo.ConditionFailed) as cancelled:
        dynamo.transact([service.entry_item("catalog", "other", "root", time.now, {}), entry_item])
    assert cancelled.value.failed(1)
    assert [entry.action for entry in service.list_entries("catalog")] == ["step"]


def test_an_entry_names_its_request_and_address_but_not_for_a_job(store, time):
    with log.scope("r-1", lambda: "203.0.113.7"):
        record(("tier#t", "tier.changed", "pia", time.now, {"event_id": "e", "changes": {"price_cents": (100, 200)}}))
    with log.scope("job"):
        record(("tier#t", "tier.closed", "sweep", time.now))
    closed, changed = service.list_entries("tier#t")
    assert (changed.request_id, changed.address, changed.event_id) == ("r-1", "203.0.113.7", "e")
    assert changed.changes == {"price_cents": FieldChange(100, 200)}
    assert (closed.address, closed.event_id, closed.changes) == (None, None, {})


def test_an_actor_without_a_name_is_recorded_as_unknown(store, time):
    record(("catalog", "step", "", time.now))
    assert actions(AuditFilter(actor="unknown")) == ["step"]


def test_entries_are_found_by_event_actor_action_and_time(store, time):
    start = time.now
    record(("event#e", "event.created", "pia", start), ("tier#t", "tier.created", "pia", time.advance(60), {"event_id": "e"}))
    record(("order#o", "order.refunded", "root", time.advance(60), {"event_id": "e"}), ("event#f", "event.created", "root", time.now))
    assert actions(AuditFilter(event_id="e")) == ["order.refunded", "tier.created", "event.created"]
    assert actions(AuditFilter(event_id="e", actor="pia")) == ["tier.created", "event.created"]
    assert actions(AuditFilter(event_id="e", subjects=("tier#t",))) == ["tier.created"]
    assert sorted(actions(AuditFilter(actor="root"))) == ["event.created", "order.refunded"]
    assert actions(AuditFilter(action="order.refunded")) == ["order.refunded"]
    assert actions(AuditFilter(event_id="e", since=start + 60, until=start + 120)) == ["tier.created"]
    assert actions(AuditFilter(since=start + 120, until=start)) == []


def test_pages_of_all_entries_go_back_day_by_day_and_leave_nothing_out(store, time):
    for number in range(5):
        record(("catalog", f"step.{number}", "root", time.now), ("catalog", f"step.{number}", "pia", time.now))
        time.advance(86_400)
    found, before = [], None
    for _ in range(4):
        page = service.search_entries(AuditFilter(), 3, before)
        found += [(entry.at, entry.id) for entry in page.entries]
        before = page.next_before
    assert before is None
    assert len(found) == len(set(found)) == 10
    assert found == sorted(found, reverse=True)


def test_entries_of_a_day_share_no_single_key_and_come_in_order(store, time):
    for number in range(30):
        record(("catalog", f"step.{number}", "root", time.advance(number % 2)))
    assert len({row.day for row in AuditRow.scan()}) > 1
    found, before = [], None
    while not found or before:
        page = service.search_entries(AuditFilter(since=time.now - 60), 7, before)
        found += [(entry.at, entry.id) for entry in page.entries]
        before = page.next_before
    assert len(found) == 30
    assert found == sorted(found, reverse=True)


def test_entries_of_the_previous_version_are_in_the_list_of_all_entries(store, time):
    for number in range(12):
        record(("catalog", f"step.{number}", "root", time.advance(1)))
        if number % 2:
            [row] = [row for row in AuditRow.scan() if row.action == f"step.{number}"]
            row.day = row.at[:10]  # the previous version knew no lanes
            row.save()
    assert actions(AuditFilter()) == [f"step.{number}" for number in reversed(range(12))]


def test_a_page_with_few_matches_ends_early_with_a_cursor(store, time, monkeypatch):
    monkeypatch.setattr(service, "MAX_ROWS_READ", 3)
    wanted = AuditFilter(subjects=("catalog",), action="wanted")
    record(("catalog", "wanted", "root", time.now))
    for _ in range(5):
        record(("catalog", "other", "root", time.advance(1)))
    first = service.search_entries(wanted, 10)
    assert (first.entries, first.next_before is None) == ([], False)
    second = service.search_entries(wanted, 10, first.next_before)
    assert [entry.action for entry in second.entries] == ["wanted"]
