"""Scans that were made without a network: taken over once, in the order of their times, and every conflict reported."""

import pytest

from chalicelib.dynamodb import dynamo
from chalicelib.tickets.model import MAX_UNDONE
from chalicelib.tickets.store import TicketRow
from tests import builders
from tests.documented import document
from tests.simulation import faults


def outcomes(reply):
    assert reply.status == 200, reply.json
    return [scan["outcome"] for scan in reply.json["scans"]]


def test_two_devices_without_a_network_admitted_the_same_ticket(door):
    assert outcomes(door.sync("north", door.offline_scan("1", -10, gate="N"))) == ["admitted"]
    reply = door.sync("south", door.offline_scan("1", -5, gate="S"))
    assert outcomes(reply) == ["conflict"]
    assert (reply.json["conflicts"], reply.json["scans"][0]["error"]) == (1, "already_admitted")
    ticket = reply.json["scans"][0]["ticket"]
    assert [(checkin["device"], checkin["gate"]) for checkin in ticket["checkins"]] == [("north", "N")]
    assert [(duplicate["device"], duplicate["gate"]) for duplicate in ticket["duplicates"]] == [("south", "S")]
    assert door.audited() == ["ticket.checked_in", "ticket.duplicate_scanned"]


def test_a_ticket_of_a_newer_version_stops_no_other_scan_and_no_list(door):
    scans = [door.offline_scan("1", -10), door.offline_scan("2", -9, code=door.tickets[1].code)]
    with builders.unreadable_ticket(door.tickets[0].id):
        assert outcomes(door.sync("north", *scans)) == ["refused", "admitted"]
        manifest = door.api.get(f"/events/{door.event_id}/manifest", token=door.token)
        assert [ticket["id"] for ticket in manifest.json["tickets"]] == [door.tickets[1].id]


def test_a_scan_with_a_network_was_first(door):
    door.scan(gate="main")
    assert outcomes(door.sync("north", door.offline_scan("1", -10))) == ["conflict"]
    assert door.ticket.checkins[0].gate == "main"


def test_a_sync_may_be_repeated_and_says_the_same(door):
    scans = [door.offline_scan("1", -10), door.offline_scan("2", -9), door.offline_scan("3", -8, code=door.tickets[1].code)]
    assert outcomes(door.sync("north", *scans)) == ["admitted", "conflict", "admitted"]
    again = door.sync("north", *scans)
    assert outcomes(again) == ["repeated", "conflict", "repeated"]
    assert (again.json["admitted"], again.json["conflicts"]) == (2, 1)
    assert len(door.ticket.duplicates) == 1
    assert door.audited() == ["ticket.checked_in", "ticket.duplicate_scanned"]


def test_the_earliest_scan_of_a_device_is_taken_first(door):
    reply = door.sync("north", door.offline_scan("late", -1), door.offline_scan("early", -20))
    assert [(scan["id"], scan["outcome"]) for scan in reply.json["scans"]] == [("north/early", "admitted"), ("north/late", "conflict")]


def test_a_refused_scan_says_why_and_the_others_are_taken_over(door):
    builders.refund(door.api, door.order_id, tickets=[door.tickets[0].id])
    scans = [door.offline_scan("1"), door.offline_scan("2", code="hello"), door.offline_scan("3", code=door.tickets[1].code)]
    reply = door.sync("north", *scans)
    assert [(scan["outcome"], scan["error"]) for scan in reply.json["scans"]] == [
        ("refused", "ticket_refunded"),
        ("refused", "code_unknown"),
        ("admitted", None),
    ]


def test_more_people_than_a_table_has_left_are_a_conflict(table):
    table.scan(count=3)
    reply = table.sync("north", table.offline_scan("1", count=2))
    assert (outcomes(reply), reply.json["scans"][0]["error"]) == (["conflict"], "too_many_people")
    assert (table.ticket.inside_count, table.ticket.duplicates[0].count) == (3, 2)


def test_the_clock_of_a_device_that_is_ahead_is_not_believed(door, time):
    door.sync("north", door.offline_scan("1", +90))
    assert door.ticket.checkins[0].at == time.now


def test_a_ticket_keeps_a_bounded_number_of_duplicates(door):
    door.scan()
    for start in range(0, 30, 10):
        assert outcomes(door.sync("north", *(door.offline_scan(str(start + number)) for number in range(10)))) == ["conflict"] * 10
    assert len(door.ticket.duplicates) == 20


def test_a_scan_whose_answer_was_lost_counts_once_when_it_is_synced(door):
    door.scan(device="north", scan_id="1")
    assert outcomes(door.sync("north", door.offline_scan("1"))) == ["repeated"]
    assert outcomes(door.sync("north", door.offline_scan("2", code=door.tickets[1].code))) == ["admitted"]
    again = door.scan(door.tickets[1].code, device="north", scan_id="2")
    assert (again.status, again.json["repeated"]) == (200, True)
    assert outcomes(door.sync("south", door.offline_scan("1"))) == ["conflict"]
    assert door.audited() == ["ticket.checked_in", "ticket.duplicate_scanned"]


def test_the_id_of_a_scan_needs_the_device_that_gave_it(door):
    reply = door.scan(scan_id="1")
    assert (reply.status, reply.json["path"]) == (400, "$.device")
    assert door.ticket.inside_count == 0


def test_after_a_crash_at_any_call_a_sync_is_finished_by_its_repetition(door):
    scans = [door.offline_scan("1", -10), door.offline_scan("2", -9)]
    for number in range(1, 7):
        with faults.crash_after(number):
            door.sync("north", *scans)
    assert outcomes(door.sync("north", *scans)) == ["repeated", "conflict"]
    assert door.audited() == ["ticket.checked_in", "ticket.duplicate_scanned"]


def test_a_scan_without_a_ticket_or_a_time_is_refused(door):
    assert door.sync("north", {"id": "1", "at": "2026-01-01T20:00:00Z"}).json["path"] == "$.scans[0].code"
    assert door.sync("north", {"id": "1", "at": "0001-01-01T20:00:00Z", "code": "x"}).json["path"] == "$.scans[0].at"
    assert door.sync("north").status == 400


def test_an_override_without_a_network_is_recorded_later(door):
    door.scan(gate="main")
    reply = door.sync("north", door.offline_scan("1", -10), door.offline_scan("2", -9, override_reason="Lost in the queue"))
    assert outcomes(reply) == ["conflict", "admitted"]
    assert outcomes(door.sync("north", door.offline_scan("2", -9, override_reason="Lost in the queue"))) == ["repeated"]
    assert [checkin.override_reason for checkin in door.ticket.checkins] == [None, "Lost in the queue"]
    builders.refund(door.api, door.order_id, tickets=[door.tickets[1].id])
    refused = door.sync("north", door.offline_scan("3", code=door.tickets[1].code, override_reason="Please")).json["scans"]
    assert [(scan["outcome"], scan["error"]) for scan in refused] == [("refused", "ticket_refunded")]


def test_an_undone_scan_does_not_count_again_when_its_device_sends_it_again(door):
    """The reply to the first sync was lost, and another device undid the check-in."""
    scan = door.offline_scan("1", -10)
    assert outcomes(door.sync("north", scan)) == ["admitted"]
    assert door.undo(checkin_id="north/1").status == 200
    again = door.sync("north", scan).json["scans"]
    assert [(scan["outcome"], scan["error"]) for scan in again] == [("refused", "scan_undone")]
    assert door.refusal(device="north", scan_id="1") == (409, "scan_undone")
    assert (door.ticket.inside_count, door.scan().status) == (0, 200)


def test_a_scan_that_arrives_after_its_undo_does_not_count(door):
    """The device gave up waiting for the first request, which was only slow."""
    assert door.undo(checkin_id="north/1").json["error"] == "not_checked_in"
    assert door.refusal(device="north", scan_id="1") == (409, "scan_undone")
    assert (door.ticket.inside_count, door.scan(device="north", scan_id="2").status) == (0, 200)


def test_a_repeated_request_does_not_count_after_its_undo(door):
    door.scan(key="k")
    assert door.undo().status == 200
    assert door.scan(key="k").json["error"] == "scan_undone"
    assert door.ticket.inside_count == 0


def test_a_ticket_keeps_a_bounded_number_of_undone_scans(door):
    for number in range(30):
        door.scan(device="north", scan_id=str(number))
        assert door.undo(checkin_id=f"north/{number}").status == 200
    assert len(door.ticket.undone) == MAX_UNDONE
    assert door.refusal(device="north", scan_id="29") == (409, "scan_undone")


@pytest.mark.not_on_moto  # which lets an update make an item larger than 400 KB
def test_a_ticket_that_the_store_refuses_to_change_keeps_no_other_scans_waiting(door):
    builders.fill_ticket(door.tickets[0].id)
    scans = [door.offline_scan("1", -10), door.offline_scan("2", -9, code=door.tickets[1].code)]
    reply = door.sync("north", *scans)
    assert (outcomes(reply), reply.json["scans"][0]["error"]) == (["refused", "admitted"], "too_many_scans")
    assert door.refusal() == (409, "too_many_scans")
    assert door.undo(checkin_id="unknown").json["error"] == "too_many_scans"
    dynamo.update_now(TicketRow(door.tickets[0].id), [TicketRow.guests.remove()])
    assert outcomes(door.sync("north", *scans)) == ["admitted", "repeated"]


def test_undo_and_sync_declare_only_errors_that_they_answer():
    undo, sync = (document()["paths"][path]["post"]["responses"] for path in ("/tickets/{ticket_id}/undo", "/checkin/sync"))
    assert undo["409"]["x-error-codes"] == ["already_admitted", "not_checked_in", "too_many_scans"]
    assert "410" not in undo
    assert "404" not in sync
