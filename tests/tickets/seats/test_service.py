"""Seats: the owner of a ticket names a guest for each, who gets a code and a link of their own; and the guest can be erased."""

import json

import pytest

from chalicelib.audit import service as audit
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock, settings
from chalicelib.tickets import qr, seats
from chalicelib.tickets.store import GuestRow
from tests import builders, invariants
from tests.simulation import faults
from tests.tickets.seats.conftest import Table


def refusal(reply):
    assert reply.status >= 400, reply.json
    return reply.status, reply.json["error"]


def stored_guests():
    return {row.id: row.serialize(null_check=False) for row in GuestRow.scan()}


def test_a_ticket_has_a_seat_for_each_person_it_admits(table):
    ticket = table.tickets[0]
    reply = table.api.get(f"/tickets/{ticket.id}/seats", user="ada").json
    assert [(seat["id"], seat["ticket_id"], seat["seat"], seat["guest"]) for seat in reply["seats"]] == [
        (f"{ticket.id}.{number}", ticket.id, number, None) for number in (1, 2, 3, 4)
    ]
    assert reply["guests_until"] == clock.iso(table.time.now + 86_400 - 3600)


def test_a_guest_is_named_with_answers_and_invited_by_mail(table, mailbox):
    reply = table.name(2, "Bob", "bob@example.com", answers={"diet": "vegan"})
    assert reply.status == 200
    guest = reply.json["guest"]
    assert (guest["name"], guest["email"], guest["answers"]) == ("Bob", "bob@example.com", {"diet": "vegan"})
    assert guest["invited_at"] == clock.iso(table.time.now)
    assert table.seats()[1] == reply.json
    assert mailbox.recipients == ["bob@example.com"]
    assert guest["url"] in mailbox.mails[0].text
    assert "Bob" not in mailbox.mails[0].text  # nothing that the owner has written
    page = table.page(mailbox.token("bob@example.com")).json
    assert (page["id"], page["seat"], page["name"], page["answers"]) == (table.seat(2), 2, "Bob", {"diet": "vegan"})
    assert (page["event"]["id"], page["tier_name"], page["state"], page["admitted"]) == (table.event_id, "Floor", "valid", False)
    assert page["code"] == table.guest(2).code != table.ticket.code
    assert audit.list_entries(f"ticket#{table.ticket.id}")[-1].details == {"order_id": table.order_id, "seat": 2}


NAMES_THAT_LIE = ["Bob\n99 people", "\x1b[2JBob", "Bob\x9b1A", "\u202eboB", "Bob\u2028Eve", "\u2067Bob", "\x00", " "]


@pytest.mark.parametrize("name", NAMES_THAT_LIE)
def test_a_name_changes_nothing_around_it(table, name):
    """At the door, in lists and in terminals."""
    assert refusal(table.name(1, name)) == (400, "invalid_input")
    path = f"/tickets/{table.ticket.id}"
    if name.strip():
        assert table.api.patch(path, json={"attendee": {"name": name}}, user="ada").status == 400
    for genuine in ("Bob \u200d\u200e O'Neill", "\u05d3\u05d5\u05d3", "Zo\u00eb\u00a0L."):
        assert table.name(1, genuine).status == 200
        assert table.api.patch(path, json={"attendee": {"name": genuine}}, user="ada").status == 200


def test_a_guest_without_an_address_gets_the_link_from_the_owner(table, mailbox):
    assert table.name(1, "Bob").json["guest"]["invited_at"] is None
    assert mailbox.mails == []
    assert table.page(table.token_of(1)).json["name"] == "Bob"
    assert refusal(table.invite(1)) == (409, "no_invitation")
    assert refusal(table.invite(2)) == (409, "no_invitation")


def test_the_qr_code_of_a_guest_has_the_seat_and_a_signature_of_its_own(table):
    table.name(3)
    token = table.token_of(3)
    guest = table.guest(3)
    text = qr.guest_text(table.ticket, guest)
    assert qr.parse_ticket_text(text) == (table.seat(3), guest.code, guest.qr_sig, None)
    shown = table.page(token).json["qr_url"].removeprefix("/api/v1")
    reply = table.api.get(shown, query={"format": "svg"})
    assert reply.body == qr.svg(qr.modules(text))
    assert table.api.get(shown, headers={"If-None-Match": reply.headers["etag"]}).status == 304


def test_naming_the_same_person_again_sends_no_second_mail(table, mailbox):
    first = table.name(1, "Bob", "bob@example.com").json
    code = table.guest(1).code
    with faults.record_calls() as calls:
        assert table.name(1, "Bob", "bob@example.com").json == first
    assert "TransactWriteItems" not in calls.names
    corrected = table.name(1, "Robert", "BOB@example.com", answers={"diet": "none"}).json
    assert (corrected["guest"]["name"], corrected["guest"]["url"]) == ("Robert", first["guest"]["url"])
    assert (table.guest(1).code, mailbox.recipients) == (code, ["bob@example.com"])


def test_a_guest_keeps_the_code_when_their_address_becomes_known(table, mailbox):
    table.name(1, "Bob")
    code = table.guest(1).code
    table.name(1, "Bob", "bob@example.com")
    assert (table.guest(1).code, mailbox.recipients) == (code, ["bob@example.com"])
    table.name(1, "Bob", "other@example.com")  # the reader of the first address has no business here any more
    assert table.guest(1).code != code
    assert refusal(table.page(mailbox.token("bob@example.com"))) == (404, "invitation_not_found")
    assert table.page(mailbox.token("other@example.com")).status == 200


def test_a_reassigned_seat_leaves_nothing_to_its_first_guest(table, mailbox, open_doors):
    table.name(1, "Bob", "bob@example.com")
    before, text = table.guest(1), qr.guest_text(table.ticket, table.guest(1))
    table.name(1, "Eve", "eve@example.com")
    assert table.names() == {1: "Eve"}
    assert refusal(table.page(mailbox.token("bob@example.com"))) == (404, "invitation_not_found")
    open_doors()
    assert table.refusal(text) == (410, "code_replaced")
    assert table.refusal(before.code) == (404, "code_unknown")
    assert table.scan(table.guest(1).code).status == 200


def test_a_guest_is_removed_and_what_is_kept_of_them_too(table, mailbox):
    table.name(1, "Bob", "bob@example.com")
    assert table.remove(1).json["guest"] is None
    assert (table.remove(1).status, table.names(), stored_guests()) == (200, {}, {})
    assert refusal(table.page(mailbox.token("bob@example.com"))) == (404, "invitation_not_found")
    actions = [entry.action for entry in audit.list_entries(f"ticket#{table.ticket.id}")]
    assert sorted(actions) == ["ticket.guest_named", "ticket.guest_removed"]


def test_the_invitation_can_be_sent_again(table, mailbox):
    mailbox.is_down = True
    assert table.name(1, "Bob", "bob@example.com").json["guest"]["invited_at"] is None
    mailbox.is_down = False
    table.time.advance(60)
    assert table.invite(1).json["guest"]["invited_at"] == clock.iso(table.time.now)
    assert mailbox.recipients == ["bob@example.com"]


def test_naming_again_sends_the_mail_that_a_crash_or_the_server_prevented(table, mailbox):
    mailbox.is_down = True
    table.name(1, "Bob", "bob@example.com")
    mailbox.is_down = False
    assert table.name(1, "Bob", "bob@example.com").json["guest"]["invited_at"] is not None
    assert mailbox.recipients == ["bob@example.com"]


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "$.name"),
        ({"name": ""}, "$.name"),
        ({"name": "x" * 101}, "$.name"),
        ({"name": "Bob", "email": "nobody"}, "$.email"),
        ({"name": "Bob", "answers": {str(number): "" for number in range(21)}}, "$.answers"),
        ({"name": "Bob", "answers": {"diet": "x" * 501}}, "$.answers.diet"),
        ({"name": "Bob", "phone": "1"}, "$.phone"),
    ],
)
def test_a_fault_of_a_guest_names_its_field(table, body, path):
    reply = table.api.put(f"/seats/{table.seat(1)}/guest", json=body, user="ada")
    assert (reply.status, reply.json["path"]) == (400, path)
    assert table.names() == {}


def test_only_the_owner_of_the_ticket_names_guests_and_only_for_its_seats(table):
    table.name(1)
    for reply in (table.name(2, user="eve"), table.remove(1, user="eve"), table.invite(1, user="eve"), table.name(5)):
        assert refusal(reply) == (404, "not_found")
    for seat in ("nothing", f"{table.tickets[0].id}", f"{table.tickets[0].id}.0", f"{table.order_id}-9.1"):
        assert refusal(table.api.put(f"/seats/{seat}/guest", json={"name": "Bob"}, user="ada")) == (404, "not_found")
    assert table.api.get(f"/tickets/{table.tickets[0].id}/seats", user="eve").status == 404
    assert table.names() == {1: "Bob"}


def test_guests_cannot_be_changed_shortly_before_the_event(table, open_doors):
    table.name(1)
    open_doors()
    assert [refusal(reply) for reply in (table.name(1, "Eve"), table.name(2), table.remove(1))] == [(409, "attendee_locked")] * 3
    assert table.names() == {1: "Bob"}


def test_an_event_says_until_when_guests_can_be_named(table, open_doors):
    def set_until(until):
        return table.api.patch(f"/events/{table.event_id}", json={"guests_until": until}, token=builders.admin_token())

    until = clock.iso(table.time.now + 3600)
    shown = set_until(until)
    assert (shown.status, shown.json["guests_until"]) == (200, until)
    assert table.api.get(f"/tickets/{table.ticket.id}/seats", user="ada").json["guests_until"] == until
    assert table.name(1).status == 200
    open_doors()  # after the time until which names on tickets can be changed
    refused = table.name(1, "Eve")
    assert (refused.status, refused.json["error"], refused.json["guests_until"]) == (409, "attendee_locked", until)
    assert refusal(table.remove(1)) == (409, "attendee_locked")
    assert set_until(clock.iso(table.time.now + 900_000)).status == 200
    assert table.name(1, "Eve").status == 200, "the event allows it now"
    assert set_until(None).json["guests_until"] is None
    assert refusal(table.name(1, "Zed")) == (409, "attendee_locked")
    set_until(clock.iso(table.time.now + 900_000))
    table.time.advance(3601)
    assert refusal(table.name(1, "Zed")) == (409, "attendee_locked"), "not after the start"
    assert table.names() == {1: "Eve"}
    assert set_until("tomorrow").json["path"] == "$.guests_until"


def test_the_seats_of_an_order_are_listed_page_by_page(api, time):
    table = Table(api, time, quantity=2, starts_at=clock.iso(time.now + 86_400))
    table.name(4, "Bob")
    table.name(1, "Eve", ticket=1)
    found, query = [], {"limit": "3"}
    while query.get("cursor", "") is not None:
        page = api.get(f"/orders/{table.order_id}/seats", query=query, user="ada").json
        found += [(seat["id"], seat["guest"]["name"] if seat["guest"] else None) for seat in page["seats"]]
        query["cursor"] = page["next_cursor"]
    expected = [(table.seat(number, ticket), None) for ticket in (0, 1) for number in (1, 2, 3, 4)]
    expected[3], expected[4] = (table.seat(4), "Bob"), (table.seat(1, 1), "Eve")
    assert found == expected
    assert api.get(f"/orders/{table.order_id}/seats", user="eve").status == 404


def test_a_ticket_that_is_given_away_leaves_without_its_guests(table, mailbox, open_doors):
    table.name(1, "Bob", "bob@example.com")
    code = table.guest(1).code
    token = table.api.post(f"/tickets/{table.ticket.id}/transfer", user="ada").json["token"]
    assert table.api.post(f"/transfers/{token}/accept", user="zoe").status == 201
    assert (table.ticket.guests, stored_guests()) == ([], {})
    assert refusal(table.page(mailbox.token("bob@example.com"))) == (404, "invitation_not_found")
    shown = table.api.get(f"/orders/{table.order_id}/seats", user="ada").json["seats"]
    assert [(seat["transferred"], seat["guest"]) for seat in shown] == [(True, None)] * 4
    assert table.name(1, user="ada").status == 404
    assert table.name(1, "Zed", user="zoe").status == 200
    assert table.api.get(f"/orders/{table.order_id}/seats", user="ada").json["seats"][0]["guest"] is None
    open_doors()
    assert table.refusal(code) == (404, "code_unknown")


def test_a_crash_after_a_transfer_leaves_nothing_that_anybody_can_read(table, mailbox):
    table.name(1, "Bob", "bob@example.com")
    token = table.api.post(f"/tickets/{table.ticket.id}/transfer", user="ada").json["token"]
    with faults.crash_before(1, table="guests") as crash:
        table.api.post(f"/transfers/{token}/accept", user="zoe")
    assert crash.was_triggered
    assert refusal(table.page(mailbox.token("bob@example.com"))) == (404, "invitation_not_found")
    assert [seat["guest"] for seat in table.seats("zoe")] == [None] * 4
    left_over = stored_guests()[table.seat(1)]
    assert int(left_over["ttl"]["N"]) == table.time.now + 86_400 + seats.RETENTION_SECONDS
    assert table.name(1, "Zed", user="zoe").status == 200
    assert "bob@example.com" not in json.dumps(stored_guests())


@pytest.mark.parametrize(
    ("change", "state", "expected"), [("refund", "void", (410, "ticket_void")), ("freeze", "frozen", (409, "ticket_frozen"))]
)
def test_the_seats_of_a_ticket_end_with_it(table, change, state, expected, open_doors):
    from chalicelib.tickets import service as tickets

    table.name(1, "Bob", "bob@example.com")
    token, code = table.token_of(1), table.guest(1).code
    if change == "refund":
        assert table.refund().status == 201
        assert refusal(table.name(2)) == refusal(table.remove(1)) == refusal(table.invite(1)) == expected
    else:
        dynamo.transact(tickets.freeze_items([table.ticket]))
    page = table.page(token).json
    assert (page["state"], page["code"], page["qr_url"]) == (state, None, None)
    assert refusal(table.api.get(f"/guests/{token}/qr")) == expected
    open_doors()
    assert table.refusal(code) == ((410, "ticket_refunded") if change == "refund" else expected)
    if change == "freeze":
        dynamo.transact(tickets.thaw_items([table.ticket]))
        assert table.page(token).json["code"] == code


@pytest.mark.parametrize("is_void", [False, True])
def test_a_guest_gives_the_seat_back_and_is_erased(table, mailbox, is_void):
    table.name(1, "Bob", "bob@example.com", answers={"diet": "vegan"})
    table.name(2, "Eve")
    token = mailbox.token("bob@example.com")
    if is_void:
        table.refund()
    assert table.api.delete(f"/guests/{token}").status == 200
    assert refusal(table.api.delete(f"/guests/{token}")) == (404, "invitation_not_found")
    assert table.names() == {2: "Eve"}
    assert list(stored_guests()) == [table.seat(2)]
    entry = audit.list_entries(f"ticket#{table.ticket.id}")[-1 if not is_void else 0]
    assert "Bob" not in json.dumps(entry.details)


def test_an_admitted_guest_keeps_the_seat_when_erased(table, mailbox, open_doors):
    table.name(1, "Bob", "bob@example.com")
    token = mailbox.token("bob@example.com")
    open_doors()
    assert table.scan(table.guest(1).code).status == 200
    assert table.api.delete(f"/guests/{token}").status == 200
    assert table.guest(1).name is None
    assert set(stored_guests()[table.seat(1)]) == {"id", "code", "ttl"}
    assert [refusal(table.page(f"{table.seat(1)}.{secret}")) for secret in ("", "none")] == [(404, "invitation_not_found")] * 2
    assert table.refusal(table.guest(1).code) == (409, "already_admitted")


def test_erasing_the_owner_removes_names_and_keeps_codes_valid(table, open_doors):
    table.name(1, "Bob", "bob@example.com")
    exported = table.api.get("/me/export", user="ada").json["seats"]
    assert [(seat["id"], seat["guest"]["name"], seat["guest"]["email"]) for seat in exported] == [(table.seat(1), "Bob", "bob@example.com")]
    code = table.guest(1).code
    for _ in range(2):
        assert table.api.delete("/auth/me", json={}, user="ada").status == 200
    assert table.names() == {1: None}
    assert set(stored_guests()[table.seat(1)]) == {"id", "code", "ttl"}
    open_doors()
    assert table.scan(code).status == 200


def test_a_crash_at_any_step_of_naming_leaves_the_guest_or_nobody(table, mailbox):
    with faults.record_calls() as calls:
        table.name(4, "Bob", "bob@example.com")
    for number in range(1, len(calls) + 1):
        email = f"guest-{number}@example.com"
        for crash_at in (faults.crash_before, faults.crash_after):
            table.remove(1)
            with crash_at(number) as crash:
                table.name(1, "Eve", email)
            assert crash.was_triggered
            invariants.check(table.time.now)
            reply = table.name(1, "Eve", email)
            assert reply.status == 200
            assert table.page(reply.json["guest"]["url"].partition("#token=")[2]).json["name"] == "Eve"


def test_an_address_gets_few_mails_and_a_user_sends_a_limited_number(table, mailbox):
    with settings.override(rate_limits="on", limit_mail="3/900", limit_invite="10/900"):
        table.name(1, "Bob", "bob@example.com")
        replies = [table.invite(1) for _ in range(5)]
        assert replies[-1].json["limiter"] == "mail"
        assert len(mailbox.mails) <= 4
        replies = [table.name(2, f"Guest {number}") for number in range(12)]
        assert refusal(replies[-1]) == (429, "rate_limited")
        assert replies[-1].json["limiter"] == "invite"


def test_refused_guests_count_nothing_for_an_address(table, mailbox):
    with settings.override(rate_limits="on", limit_mail="1/900"):
        assert [table.name(1, email="bob@example.com", user="eve").status for _ in range(3)] == [404] * 3
        assert table.name(1, email="bob@example.com").status == 200
    assert len(mailbox.mails) == 1


def test_a_guest_who_was_often_invited_can_still_accept_a_ticket(table):
    with settings.override(rate_limits="on", limit_mail="1/900"):
        assert table.name(1, email="bob@example.com").status == 200
        assert table.invite(1).json["limiter"] == "mail"
        token = table.api.post(f"/tickets/{table.tickets[0].id}/transfer", user="ada").json["token"]
        assert table.api.post(f"/transfers/{token}/accept", json={"email": "bob@example.com"}, user="guest-bob").status == 201


def test_invitations_to_seats_leave_a_guest_the_email_that_resets_the_password(table):
    with settings.override(rate_limits="on", limit_mail="2/900"):
        assert [table.name(1, email="bob@example.com").status, table.invite(1).status, table.invite(1).status] == [200, 200, 429]
        assert table.api.post("/auth/password/forgot", json={"email": "bob@example.com"}).status == 200
