"""The door: exactly one success for each person, every refusal by its code, undo, and who may scan."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from chalicelib.audit import service as audit
from chalicelib.catalog import snapshots
from chalicelib.dynamodb import dynamo
from chalicelib.edge import auth
from chalicelib.foundation import clock, settings
from chalicelib.purchases import direct_orders
from chalicelib.tickets import qr, signature
from chalicelib.tickets import service as tickets
from chalicelib.tickets.store import change_checkins_item
from tests import builders, invariants
from tests.checkin.conftest import Door
from tests.simulation import faults


def test_the_second_scan_learns_when_and_where_the_first_was(door, time):
    reply = door.scan(gate="North", device="d1")
    assert reply.status == 200
    assert (reply.json["ticket"]["admitted"], reply.json["ticket"]["remaining"], reply.json["repeated"]) == (1, 0, False)
    first = {"at": clock.iso(time.now), "count": 1, "gate": "North", "device": "d1"}
    time.advance(60)
    second = door.scan(gate="South")
    assert (second.status, second.json["error"]) == (409, "already_admitted")
    assert second.json["first"] == first | {"id": reply.json["checkin"]["id"]}
    assert door.scan(door.tickets[1].code).status == 200
    assert door.audited() == ["ticket.checked_in"]


@pytest.mark.parametrize("form", ["qr", "code and signature", "code", "typed", "id", "id and code"])
def test_a_ticket_is_found_by_everything_that_names_it(door, form):
    ticket = door.tickets[0]
    by_id = f"/tickets/{ticket.id}/validate"
    reply = {
        "qr": lambda: door.scan(qr.text(ticket)),
        "code and signature": lambda: door.scan(ticket.code, qr_sig=ticket.qr_sig),
        "code": lambda: door.scan(ticket.code),
        "typed": lambda: door.scan(ticket.code.replace("-", " ").replace("0", "o").replace("1", "l").lower()),
        "id": lambda: door.api.post(by_id, token=door.token),
        "id and code": lambda: door.api.post(by_id, json={"code": ticket.code, "gate": "A"}, token=door.token),
    }[form]()
    assert (reply.status, reply.json["ticket"]["id"]) == (200, ticket.id)
    assert ticket.code not in reply.body.decode()
    assert door.refusal(qr.text(ticket)) == (409, "already_admitted")


def test_a_scan_takes_a_read_and_a_transaction(door):
    ticket = door.tickets[0]
    with faults.record_calls() as calls:
        assert door.scan(qr.text(ticket)).status == 200
    assert calls == ["GetItem", "TransactWriteItems"]
    with faults.record_calls() as calls:
        assert door.refusal(qr.text(ticket)) == (409, "already_admitted")
    assert calls == ["GetItem"]


@pytest.mark.usefixtures("threaded_store")
@pytest.mark.parametrize("admits", [1, 3])
def test_fifty_scanners_admit_as_many_people_as_the_ticket_says(api, time, admits):
    door = Door(api, time, quantity=1, admits=admits)
    with ThreadPoolExecutor(50) as pool:
        replies = list(pool.map(lambda number: _scan_until_answered(door, number), range(50)))
    assert sorted(reply.status for reply in replies) == [200] * admits + [409] * (50 - admits)
    assert {reply.json["error"] for reply in replies if reply.status == 409} == {"already_admitted"}
    assert {reply.json["first"]["id"] for reply in replies if reply.status == 409} == {door.ticket.checkins[0].id}
    assert door.ticket.inside_count == admits
    assert door.audited() == ["ticket.checked_in"] * admits


def _scan_until_answered(door, number):
    """A scanner tries again while the store is busy, with the same key."""
    while (reply := door.scan(gate=f"gate {number}", key=f"k{number}")).status == 503:
        pass
    return reply


def test_a_repeated_scan_with_its_key_is_not_refused_and_admits_nobody(door):
    first = door.scan(key="k")
    again = door.scan(key="k")
    assert (again.status, again.json["repeated"]) == (200, True)
    assert again.json["checkin"] == first.json["checkin"]
    assert door.refusal(key="other") == (409, "already_admitted")
    assert door.scan(door.tickets[1].code, key="k").json["repeated"] is False
    assert door.audited() == ["ticket.checked_in"]


def test_a_repeated_scan_needs_the_right_and_the_code_like_the_first(door):
    known = {"device": "phone", "scan_id": "1"}
    named = {"ticket_id": door.tickets[0].id}
    assert door.scan(**known).status == 200
    stranger = auth.issue_token("eve", {"user", "promoter"})
    assert door.refusal(token=stranger, **known) == (409, "wrong_event")
    assert door.refusal(door.tickets[1].code[:-1] + "~", **known)[0] == 404
    wrong = {"code": door.tickets[1].code, **known}
    assert door.api.post(f"/tickets/{named['ticket_id']}/validate", json=wrong, token=door.token).json["error"] == "code_unknown"
    assert door.scan(**known).json["repeated"] is True


@pytest.mark.parametrize("kind", faults.KINDS)
@pytest.mark.parametrize("number", [1, 2])
def test_after_a_fault_the_scanner_that_tries_again_succeeds(door, kind, number):
    with faults.KINDS[kind](number):
        door.scan(key="k")
    assert door.scan(key="k").status == 200
    assert door.ticket.inside_count == 1
    assert door.audited() == ["ticket.checked_in"]


def test_people_of_a_table_come_in_one_by_one_or_all(table):
    assert table.scan().json["ticket"]["remaining"] == 3
    refused = table.scan(count=4)
    assert (refused.status, refused.json["error"], refused.json["remaining"]) == (409, "too_many_people", 3)
    assert table.scan(count=2).json["ticket"]["admitted"] == 3
    assert table.scan(count="all").json["checkin"]["count"] == 1
    assert table.refusal(count="all") == (409, "already_admitted")
    assert [checkin.count for checkin in table.ticket.checkins] == [1, 2, 1]


def test_an_undone_check_in_lets_the_people_in_again_and_is_audited(table):
    first = table.scan(count=2).json["checkin"]["id"]
    table.scan()
    undone = table.undo(checkin_id=first, reason="wrong ticket")
    assert (undone.status, undone.json["checkin"]["id"], undone.json["ticket"]["admitted"]) == (200, first, 1)
    assert undone.json["message"] == "The check-in has been undone. These people no longer count as inside."
    assert table.undo(checkin_id=first).json["error"] == "not_checked_in"
    assert table.undo().json["ticket"]["admitted"] == 0
    assert (table.undo().status, table.undo().json["error"]) == (409, "not_checked_in")
    assert table.scan(count="all").json["checkin"]["count"] == 4
    assert table.audited() == ["ticket.checked_in"] * 2 + ["ticket.check_in_undone"] * 2 + ["ticket.checked_in"]


def test_a_code_that_nobody_has_is_unknown(door):
    ticket = door.tickets[0]
    assert door.refusal("7K3MX-0QWZ9-H4TRB-V81CD") == (404, "code_unknown")
    for text in ("hello", "  ", ":", "FG1:::", f"FG1:{ticket.id}::x"):
        assert door.refusal(text) == (404, "code_unknown")
    assert door.refusal(f"FG1:{ticket.id}:7K3MX-0QWZ9-H4TRB-V81CD:k1.x") == (404, "code_unknown")
    assert door.refusal(f"FG1:{'x' * 200}:7K3MX-0QWZ9-H4TRB-V81CD:k1.x") == (404, "code_unknown")
    unknown = door.api.post("/tickets/none-1/validate", token=door.token)
    assert (unknown.status, unknown.json["error"]) == (404, "not_found")


@pytest.mark.parametrize("signature", [None, "k1.x"])
def test_who_guesses_a_short_imported_code_does_not_learn_that_it_exists(door, time, signature):
    snapshot = snapshots.load_current()
    event, tier = snapshot.events[door.event_id], snapshot.tiers[door.tickets[0].tier_id]
    stock = direct_orders.EventStock(event, {tier.id: tier})
    direct_orders.import_batch(event, {tier.id: tier}, stock, [direct_orders.SoldTicket("AB12", tier.id)], [], time.now)
    stranger = builders.token("mallory", "user", "promoter")

    def answer(code, token):
        reply = door.api.post("/checkin", json={"code": code} | ({"qr_sig": signature} if signature else {}), token=token)
        return reply.status, reply.json["error"]

    assert answer("AB12", stranger) == answer("AB13", stranger) == (404, "code_unknown")
    if signature:
        assert answer("AB12", door.token) == (409, "signature_invalid")


def test_another_signature_than_the_ticket_has_is_refused(door):
    ticket = door.tickets[0]
    assert door.refusal(qr_sig=door.tickets[1].qr_sig) == (409, "signature_invalid")
    old_code = "7K3MX-0QWZ9-H4TRB-V81CD"
    old_sig = signature.sign(ticket.id, ticket.event_id, old_code)
    assert door.refusal(f"FG1:{ticket.id}:{old_code}:{old_sig}") == (410, "code_replaced")
    with settings.override(ticket_keys="k2:" + "r" * 32):  # the key that has signed it was removed
        assert door.scan(qr.text(ticket)).status == 200


def test_a_refunded_ticket_a_void_one_and_a_frozen_one_are_refused(api, time):
    door = Door(api, time, quantity=4)
    first, second, third, fourth = door.tickets
    assert builders.refund(api, door.order_id, tickets=[first.id]).status == 201
    assert door.refusal(first.code) == (410, "ticket_refunded")
    dynamo.transact(tickets.void_items([second.id], "disputed"))
    assert door.refusal(second.code) == (410, "ticket_void")
    dynamo.transact(tickets.freeze_items([third]))
    assert door.refusal(third.code) == (409, "ticket_frozen")
    assert door.scan(fourth.code).status == 200


def test_a_void_ticket_keeps_its_check_ins(door):
    assert door.scan(gate="North").status == 200
    assert builders.refund(door.api, door.order_id).status == 201
    assert (door.ticket.state, [checkin.gate for checkin in door.ticket.checkins]) == ("void", ["North"])


def test_a_refund_between_the_read_and_the_write_is_in_time(door):
    stale = door.ticket
    builders.refund(door.api, door.order_id)
    with pytest.raises(dynamo.ConditionFailed):
        dynamo.transact([change_checkins_item(stale, stale, is_entry=True)])


def test_a_ticket_of_another_event_is_refused(door, time):
    other = Door(door.api, time, name="Other")
    assert door.refusal(other.tickets[0].code) == (409, "wrong_event")
    assert door.refusal(event_id=other.event_id, token=builders.admin_token()) == (409, "wrong_event")
    assert door.refusal(event_id=other.event_id)[0] == 403
    assert door.refusal(event_id="no-event") == (404, "not_found")
    hidden = door.api.post(f"/tickets/{other.tickets[0].id}/validate", token=door.token)
    assert (hidden.status, hidden.json["error"]) == (404, "not_found")
    assert door.scan(event_id=door.event_id).status == 200


def test_doors_open_some_hours_before_the_start_and_close_with_the_end(api, time):
    start = (time.now // 86_400 + 3) * 86_400 + 20 * 3600
    door = Door(api, time, starts_at=clock.iso(start))
    assert door.refusal() == (409, "wrong_day")
    time.set(start - 12 * 3600 - 1)
    early = door.scan()
    assert (early.json["error"], early.json["doors_open_at"]) == ("doors_not_open", clock.iso(start - 12 * 3600))
    time.set(start + 12 * 3600 + 1)
    assert door.refusal() == (409, "event_over")
    time.set(start - 12 * 3600)
    assert door.scan().status == 200
    time.set(start + 12 * 3600)
    assert door.scan(door.tickets[1].code).status == 200


def test_only_people_who_work_at_the_event_scan(door):
    assert door.api.post("/checkin", json={"code": "x"}).status == 401
    assert door.api.post("/checkin", json={"code": "x"}, user="ada").status == 403
    assert door.refusal(token=builders.staff_token()) == (409, "wrong_event")
    assert door.api.post(f"/tickets/{door.tickets[0].id}/undo", token=builders.staff_token("other")).status == 404
    coordinator = auth.issue_token("cora", {"user"}, events={door.event_id: "coordinator"})
    assert door.scan(token=coordinator).status == 200
    assert door.scan(door.tickets[1].code, token=builders.admin_token()).json["checkin"]["by"] == "root"


def test_an_instance_that_has_not_heard_of_a_new_event_looks_it_up(api, time):
    old = snapshots.snapshot()
    door = Door(api, time, starts_at=clock.iso(time.now + 20 * 86_400))
    with pytest.MonkeyPatch.context() as patched:
        real, before = snapshots.snapshot, [old]
        patched.setattr(snapshots, "snapshot", lambda: before.pop() if before else real())
        assert door.refusal() == (409, "wrong_day")


def test_staff_let_somebody_in_with_a_used_ticket_and_say_why(door):
    first = door.scan(gate="North").json["checkin"]
    reply = door.scan(gate="South", override_reason="Went out with a steward")
    assert (reply.status, reply.json["ticket"]["remaining"]) == (200, 0)
    checkin = reply.json["checkin"]
    assert (checkin["count"], checkin["gate"], checkin["override_reason"]) == (1, "South", "Went out with a steward")
    assert (door.ticket.inside_count, first["override_reason"]) == (2, None)
    entry = audit.list_entries(f"ticket#{door.tickets[0].id}")[0]
    assert (entry.action, entry.actor, entry.details["override_reason"]) == ("ticket.checked_in", checkin["by"], "Went out with a steward")
    assert door.refusal() == (409, "already_admitted")  # an override is for one person
    assert door.undo(checkin_id=checkin["id"]).status == 200
    assert door.ticket.inside_count == 1


@pytest.mark.parametrize("hours", [2, 72])
def test_staff_let_somebody_in_before_the_doors_open(api, time, hours):
    door = Door(api, time, starts_at=clock.iso(time.now + hours * 3600))
    with settings.override(doors_open_seconds=600):
        assert door.refusal()[1] in ("doors_not_open", "wrong_day")
        assert door.scan(override_reason="Crew").status == 200
        assert door.refusal(door.tickets[1].code)[1] in ("doors_not_open", "wrong_day")
    invariants.check(time.now)


def test_an_override_lets_in_as_many_people_as_the_ticket_still_admits_and_then_one_more(api, time):
    table = Door(api, time, quantity=1, admits=4, starts_at=clock.iso(time.now + 72 * 3600))
    with settings.override(doors_open_seconds=600):
        early = table.scan(count=3, override_reason="Crew")
        assert (early.status, early.json["message"]) == (200, "3 people admitted.")
        assert table.refusal(count=2, override_reason="Crew") == (409, "too_many_people")
        assert table.scan(count="all", override_reason="Crew").json["checkin"]["count"] == 1
        assert table.scan(count="all", override_reason="Crew").json["checkin"]["count"] == 1  # the ticket was used
    assert table.ticket.inside_count == 5
    invariants.check(time.now)


def test_no_reason_admits_a_ticket_that_is_not_valid_or_not_for_this_door(api, time):
    door, other = Door(api, time, quantity=3), Door(api, time)
    refunded, void, frozen = door.tickets
    builders.refund(api, door.order_id, tickets=[refunded.id])
    assert door.refusal(refunded.code, override_reason="Please") == (410, "ticket_refunded")
    assert door.refusal(other.tickets[0].code, event_id=door.event_id, override_reason="Please") == (409, "wrong_event")
    assert door.refusal("7K3MX-0QWZ9-H4TRB-V81CD", override_reason="Please") == (404, "code_unknown")
    assert door.refusal(void.code, count=2, override_reason="Please") == (409, "too_many_people")
    for reason in ("", "  ", "x" * 201):
        assert door.refusal(void.code, override_reason=reason)[0] == 400
    api.post(f"/events/{door.event_id}/cancel", json={}, token=builders.admin_token())
    assert door.refusal(frozen.code, override_reason="Please")[1] in ("event_cancelled", "ticket_refunded")
    time.advance(14 * 3600)
    assert other.refusal(override_reason="Please") == (409, "event_over")
