"""People who go out and come back, if the event allows it: each exit makes one admission of the ticket free again."""

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from msgspec import structs

from chalicelib.checkin.service import KEPT_CHECKINS, MAX_CHECKINS, without_old_exit_pairs
from chalicelib.foundation import clock, settings
from chalicelib.tickets.model import CheckIn, Ticket
from tests import builders, invariants
from tests.checkin.conftest import Door

NOT_COUNTED = "No scan with this id counts for this ticket. If one arrives later, it will not count."


def open_door(api, time, *, set_fields, **fields):
    door = Door(api, time, **fields)
    assert api.patch(f"/events/{door.event_id}", json=set_fields, token=builders.admin_token()).status == 200
    return door


@pytest.fixture
def venue(api, time):
    """The door of an event that allows re-entry."""
    yield open_door(api, time, set_fields={"allows_reentry": True})
    invariants.check(time.now)


@pytest.fixture
def table(api, time):
    """The same, with one ticket for four people."""
    yield open_door(api, time, quantity=1, admits=4, set_fields={"allows_reentry": True})
    invariants.check(time.now)


def leave(door, *arguments, **fields):
    return door.scan(*arguments, direction="out", **fields)


def add_guest(table):
    """The guest of the second seat."""
    ticket = table.tickets[0]
    with settings.override(attendee_lock_seconds=0):
        assert table.api.put(f"/seats/{ticket.id}.2/guest", json={"name": "Bob"}, user=ticket.owner_id).status == 200
    return table.ticket.guest_of(2)


def test_a_ticket_that_was_scanned_out_admits_once_more(venue, time):
    venue.scan(gate="North")
    time.advance(600)
    out = leave(venue, gate="South", device="d1")
    assert (out.status, out.json["ticket"]["admitted"], out.json["ticket"]["remaining"]) == (200, 0, 1)
    exit_scan = {"count": -1, "gate": "South", "device": "d1", "direction": "out"}
    assert exit_scan.items() <= out.json["checkin"].items()
    assert out.json["message"] == "1 person scanned out."
    time.advance(600)
    assert venue.scan(gate="West").status == 200
    refused = venue.scan()
    assert (refused.status, refused.json["error"]) == (409, "already_admitted")
    assert (refused.json["first"]["gate"], refused.json["first"]["at"]) == ("West", clock.iso(time.now))
    assert venue.audited() == ["ticket.checked_in", "ticket.checked_out", "ticket.checked_in"]
    assert [checkin.direction for checkin in venue.ticket.checkins] == ["in", "out", "in"]


@pytest.mark.usefixtures("threaded_store")
def test_of_many_gates_one_admits_a_ticket_after_its_exit(venue):
    venue.scan()
    leave(venue)
    with ThreadPoolExecutor(20) as pool:
        replies = list(pool.map(lambda gate: _retry(venue, gate, "in"), range(20)))
    assert sorted(reply.status for reply in replies) == [200] + [409] * 19
    with ThreadPoolExecutor(20) as pool:
        replies = list(pool.map(lambda gate: _retry(venue, gate, "out"), range(20, 40)))
    assert sorted(reply.status for reply in replies) == [200] + [409] * 19
    assert venue.ticket.inside_count == 0


def _retry(door, gate, direction):
    while (reply := door.scan(gate=f"gate {gate}", key=f"k{gate}", direction=direction)).status == 503:
        pass
    return reply


def test_nobody_is_scanned_out_who_is_not_in(venue):
    reply = leave(venue)
    assert (reply.status, reply.json["error"]) == (409, "not_checked_in")
    assert reply.json["message"] == "Nobody with this code is inside. Nobody was scanned out."
    venue.scan()
    assert leave(venue).status == 200
    assert (leave(venue).json["error"], leave(venue, "hello").json["error"]) == ("not_checked_in", "code_unknown")
    assert venue.ticket.inside_count == 0


def test_an_event_must_allow_it(door, api):
    door.scan()
    reply = leave(door)
    assert (reply.status, reply.json["error"], door.ticket.inside_count) == (409, "reentry_not_allowed", 1)
    assert api.patch(f"/events/{door.event_id}", json={"allows_reentry": True}, token=builders.admin_token()).status == 200
    assert leave(door).status == 200


def test_a_direction_is_in_or_out_and_an_exit_needs_no_override(venue):
    venue.scan()
    assert venue.scan(direction="up").json["path"] == "$.direction"
    reply = leave(venue, override_reason="Please")
    assert (reply.status, reply.json["path"]) == (400, "$.override_reason")
    reply = venue.sync("north", venue.offline_scan("1", direction="out", override_reason="Please"))
    assert (reply.status, reply.json["path"]) == (400, "$.scans[0].override_reason")


def test_people_leave_whatever_has_happened_to_their_ticket_and_stay_out(venue, api):
    venue.scan()
    builders.refund(api, venue.order_id, tickets=[venue.tickets[0].id])
    assert leave(venue).status == 200
    assert venue.refusal() == (410, "ticket_refunded")


def test_a_repeated_exit_counts_once(venue):
    venue.scan()
    replies = [leave(venue, device="d1", scan_id="1") for _ in range(2)]
    assert [reply.json["repeated"] for reply in replies] == [False, True]
    assert replies[1].json["message"] == "This scan was already counted: 1 person scanned out. Nobody was counted twice."
    venue.scan()
    assert leave(venue, device="d1", scan_id="1").json["repeated"]
    assert venue.ticket.inside_count == 1


def test_some_people_of_a_table_leave_and_as_many_come_back(table):
    table.scan(count=4)
    assert leave(table, count=3).json["ticket"]["admitted"] == 1
    reply = leave(table, count=2)
    assert (reply.status, reply.json["error"], reply.json["admitted"]) == (409, "not_checked_in", 1)
    assert reply.json["message"] == "Only 1 person can go out with this code. Nobody was scanned out."
    assert table.refusal(count=4) == (409, "too_many_people")
    assert table.scan(count="all").json["checkin"]["count"] == 3
    assert leave(table, count=5).json["message"] == "Only 4 people can go out with this code. Nobody was scanned out."
    assert leave(table, count="all").json["checkin"]["count"] == -4


def test_a_guest_leaves_with_the_own_code_and_comes_back(table):
    guest = add_guest(table)
    table.scan(guest.code)
    table.scan(count=2)
    assert leave(table, guest.code).json["checkin"]["seat"] == 2
    assert [one["admitted"] for one in table.scan(guest.code).json["ticket"]["guests"]] == [True]
    assert table.refusal(guest.code) == (409, "already_admitted")
    assert leave(table, count=3).json["error"] == "not_checked_in"  # the guest has a code
    assert table.ticket.inside_count == 3


def test_a_guest_whom_the_host_brought_in_leaves_with_the_own_code(table):
    guest = add_guest(table)
    table.scan(count=4)
    assert leave(table, guest.code, count=2).json["message"] == "Only 1 person can go out with this code. Nobody was scanned out."
    assert leave(table, guest.code).json["checkin"]["seat"] is None
    assert table.scan(guest.code).json["checkin"]["seat"] == 2
    assert table.refusal() == (409, "already_admitted")


def test_a_seat_stays_with_a_guest_who_went_out(table):
    guest = add_guest(table)
    table.scan(guest.code)
    leave(table, guest.code)
    with settings.override(attendee_lock_seconds=0):
        reply = table.api.put(f"/seats/{table.tickets[0].id}.2/guest", json={"name": "Eve"}, user=table.tickets[0].owner_id)
    assert (reply.status, reply.json["error"]) == (409, "guest_admitted")


def test_an_exit_is_undone_unless_somebody_has_come_in_since(venue):
    entered = venue.scan(gate="North").json["checkin"]["id"]
    out = leave(venue).json["checkin"]["id"]
    assert venue.undo(checkin_id=entered).json["error"] == "not_checked_in"  # the ticket would have gone out without having been in
    undone = venue.undo()
    assert (undone.status, undone.json["message"], undone.json["ticket"]["admitted"]) == (200, "The exit has been undone.", 1)
    assert venue.refusal() == (409, "already_admitted")
    out = leave(venue).json["checkin"]["id"]
    venue.scan()
    assert venue.undo(checkin_id=out).json["error"] == "already_admitted"
    assert venue.undo(checkin_id=entered).json["error"] == "not_checked_in"
    assert venue.audited()[:3] == ["ticket.checked_in", "ticket.checked_out", "ticket.check_out_undone"]
    assert venue.ticket.inside_count == 1


def test_an_undone_exit_does_not_count_when_its_device_sends_it_again(venue):
    venue.scan()
    assert leave(venue, device="north", scan_id="1").status == 200
    assert venue.undo().status == 200
    assert leave(venue, device="north", scan_id="1").json["error"] == "scan_undone"
    assert venue.ticket.inside_count == 1


def test_an_undone_exit_counts_the_people_whom_staff_let_in_beyond_the_ticket(venue):
    venue.scan()
    venue.scan(override_reason="Lost child")
    out = leave(venue).json["checkin"]["id"]
    assert venue.undo(checkin_id=out).json["ticket"]["admitted"] == 2


def test_an_entry_before_the_doors_open_does_not_admit_a_second_person_by_an_undo(api, time):
    door = open_door(api, time, starts_at=clock.iso(time.now + 7200), set_fields={"allows_reentry": True, "doors_minutes": 0})
    assert door.scan(override_reason="Rain").status == 200
    out = leave(door).json["checkin"]["id"]
    time.advance(7200)
    assert door.scan().status == 200
    assert door.undo(checkin_id=out).json["error"] == "already_admitted"
    assert door.ticket.inside_count == 1
    invariants.check(time.now)


def test_exits_without_a_network_are_recorded_later_in_their_order(venue):
    scans = [
        venue.offline_scan("3", -5),
        venue.offline_scan("1", -20),
        venue.offline_scan("2", -10, direction="out"),
        venue.offline_scan("4", -4, direction="out", code=venue.tickets[1].code),
    ]
    reply = venue.sync("north", *scans)
    assert [scan["outcome"] for scan in reply.json["scans"]] == ["admitted", "exited", "admitted", "refused"]
    assert reply.json["scans"][3]["error"] == "not_checked_in"
    assert [reply.json[name] for name in ("admitted", "exited", "refused")] == [2, 1, 1]
    again = venue.sync("north", *scans)
    assert [scan["outcome"] for scan in again.json["scans"]] == ["repeated", "repeated", "repeated", "refused"]
    assert (again.json["admitted"], again.json["exited"]) == (2, 1)
    assert venue.ticket.inside_count == 1


def test_a_device_with_an_older_page_counts_right(venue):
    venue.scan(gate="North")
    leave(venue, gate="South")
    manifest = venue.api.get(f"/events/{venue.event_id}/manifest", token=venue.token).json
    ticket = next(ticket for ticket in manifest["tickets"] if ticket["id"] == venue.tickets[0].id)
    assert (manifest["event"]["allows_reentry"], ticket["admitted"], sum(checkin["count"] for checkin in ticket["checkins"])) == (
        True,
        0,
        0,
    )


def test_a_ticket_that_went_out_cannot_be_given_away(venue):
    def shown():
        ticket = venue.api.get(f"/tickets/{venue.tickets[0].id}", user=venue.tickets[0].owner_id).json
        return ticket["event"]["allows_reentry"], ticket["admitted"], ticket["used"]

    assert shown() == (True, 0, False)
    venue.scan()
    assert shown() == (True, 1, True)
    leave(venue)
    assert shown() == (True, 0, True)
    reply = venue.api.post(f"/tickets/{venue.tickets[0].id}/transfer", user=venue.tickets[0].owner_id)
    assert (reply.status, reply.json["error"]) == (409, "ticket_used")


@pytest.mark.parametrize("minutes", [0, 90])
def test_the_doors_of_an_event_open_at_its_own_time(api, time, minutes):
    door = open_door(api, time, starts_at=clock.iso(time.now + 7200), set_fields={"doors_minutes": minutes})
    time.advance(7200 - 60 * minutes - 1)
    refused = door.scan()
    assert (refused.json["error"], refused.json["doors_open_at"]) == ("doors_not_open", clock.iso(time.now + 1))
    time.advance(1)
    assert door.scan().status == 200


@pytest.mark.slow
@pytest.mark.not_on_moto
def test_a_ticket_that_goes_in_and_out_for_days_stays_small(venue):
    """Crew leave and come back all the time. What the last scans show, and what the reports count, does not change."""
    venue.scan(gate="North")
    for _ in range(MAX_CHECKINS):
        assert (leave(venue).status, venue.scan(gate="South").status) == (200, 200)
        assert (venue.ticket.inside_count, len(venue.ticket.first_entries), len(venue.ticket.checkins_inside)) == (1, 1, 1)
    assert len(venue.ticket.checkins) <= MAX_CHECKINS
    assert (venue.ticket.first_entries[0].gate, venue.ticket.checkins_inside[0].gate) == ("North", "South")
    assert venue.refusal() == (409, "already_admitted")


@pytest.mark.parametrize("seed", range(20))
def test_forgotten_exits_change_no_numbers(seed):
    rng = random.Random(seed)
    checkins, inside = [], Counter()
    for number in range(300):
        seat, reason = rng.choice((None, None, 1, 2)), rng.choice((None, None, None, "Lost"))
        count = rng.choice((1, 1, 2)) if rng.random() < 0.5 else -rng.randint(0, inside[seat])
        if count:
            inside[seat] += count
            checkins.append(CheckIn(str(number), number, count, "door", seat=seat, override_reason=reason if count > 0 else None))
    ids = {"id": "1-1", "code": "", "qr_sig": "", "purchase_id": "1", "owner_id": "ada", "event_id": "e", "tier_id": "t"}
    ticket = Ticket(**ids, admits=4, price_cents=0, currency="USD", state="valid", created_at=0, checkins=checkins)
    after = structs.replace(ticket, checkins=without_old_exit_pairs(ticket))
    assert len(after.checkins) < len(checkins)
    assert after.checkins[-KEPT_CHECKINS:] == checkins[-KEPT_CHECKINS:]
    assert (after.first_entries, after.inside_count) == (ticket.first_entries, ticket.inside_count)
    assert after.inside_with_ticket_code == ticket.inside_with_ticket_code
    assert all(after.inside_with_guest_code(seat) == ticket.inside_with_guest_code(seat) for seat in (1, 2))
    assert [each for each in after.checkins if each.override_reason] == [each for each in checkins if each.override_reason]


def test_an_undo_of_a_scan_that_has_not_arrived_says_that_it_is_remembered(venue):
    venue.scan()
    reply = venue.undo(checkin_id="north/7", reason="A mistake")
    assert (reply.status, reply.json["error"]) == (409, "not_checked_in")
    assert reply.json["message"] == NOT_COUNTED
