"""Transfers: a ticket changes hands once, its old code dies with it, and nothing else about its order changes."""

import itertools
from concurrent.futures import ThreadPoolExecutor

import pytest

from chalicelib.audit import service as audit
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock, settings
from chalicelib.tickets import qr
from chalicelib.tickets import service as tickets
from tests import builders, invariants
from tests.purchases.transfers.conftest import Sender
from tests.simulation import faults


def refusal(reply):
    assert reply.status >= 400, reply.json
    return reply.status, reply.json["error"]


def test_the_new_owner_has_a_new_code_and_the_old_one_is_dead(sender):
    ticket, second = sender.tickets
    token = sender.token_of_offer()
    assert sender.wallet("ada") == [ticket.id, second.id]  # until somebody accepts it
    accepted = sender.accept(token)
    assert accepted.status == 201
    assert accepted.json["code"] not in (ticket.code, second.code)
    assert (sender.wallet("ada"), sender.wallet("bob")) == ([second.id], [ticket.id])
    assert [sender.api.get(f"/tickets/{ticket.id}", user=user).status for user in ("ada", "bob")] == [404, 200]
    assert sender.refusal(qr.text(ticket)) == (410, "code_replaced")
    assert sender.refusal(ticket.code) == (404, "code_unknown")
    assert sender.scan(accepted.json["code"], qr_sig=accepted.json["qr_sig"]).status == 200
    assert audit.list_entries(f"ticket#{ticket.id}")[-1].action == "ticket.transferred"


def test_the_name_on_a_ticket_does_not_go_to_its_new_owner(sender):
    def rename(name, user):
        with settings.override(attendee_lock_seconds=1):
            return sender.api.patch(f"/tickets/{sender.tickets[0].id}", json={"attendee": {"name": name}}, user=user)

    assert rename("Ada", "ada").status == 200
    assert sender.accept(sender.token_of_offer()).json["attendee"] is None
    assert sender.ticket.attendee is None
    assert rename("Bob", "bob").json["attendee"] == {"name": "Bob"}
    assert rename("Ada", "ada").status == 404


def test_the_order_shows_its_buyer_that_a_ticket_is_gone_and_not_its_code(sender):
    accepted = sender.accept(sender.token_of_offer()).json
    replies = [sender.api.get(f"/orders/{sender.order_id}", user="ada"), builders.confirm(sender.api, "ada", sender.order_id)]
    replies.append(sender.api.get(f"/admin/orders/{sender.order_id}", token=builders.admin_token()))
    for reply in replies:
        first, second = reply.json["tickets"]
        assert (first["transferred"], first["code"], first["qr_sig"]) == (True, None, None)
        assert (second["transferred"], second["code"]) == (False, sender.tickets[1].code)
        assert accepted["code"] not in reply.body.decode()


def test_a_link_is_the_same_until_it_is_cancelled(sender, time):
    first = sender.offer()
    assert (first.json["expires_at"], first.json["ticket_id"]) == (clock.iso(time.now + 7 * 86_400), sender.tickets[0].id)
    assert first.json["url"].endswith(f"/transfer#token={first.json['token']}")
    again = sender.offer()
    assert (again.status, again.json) == (200, first.json)
    assert sender.api.get(f"/tickets/{sender.tickets[0].id}", user="ada").json["transfer_expires_at"] == first.json["expires_at"]
    assert [sender.cancel().json["transfer_expires_at"] for _ in range(2)] == [None, None]
    assert refusal(sender.accept(first.json["token"])) == (404, "transfer_not_found")
    assert sender.token_of_offer() != first.json["token"]


def test_a_repeated_acceptance_is_the_same_and_another_user_comes_too_late(sender):
    token = sender.token_of_offer()
    first = sender.accept(token)
    again = sender.accept(token)
    assert (again.status, again.json) == (200, first.json)
    assert refusal(sender.accept(token, "eve")) == (404, "transfer_not_found")
    assert refusal(sender.cancel()) == (404, "not_found")


def test_a_ticket_may_be_passed_on_and_come_back(sender):
    ticket_id = sender.tickets[0].id
    for giver, receiver in (("ada", "bob"), ("bob", "eve"), ("eve", "ada"), ("ada", "bob")):
        token = sender.offer(giver).json["token"]
        assert sender.accept(token, receiver).status == 201
        assert ticket_id in sender.wallet(receiver)
        assert ticket_id not in sender.wallet(giver)


def test_transfers_that_are_refused(sender, time):
    token = sender.token_of_offer()
    assert refusal(sender.offer("bob")) == (404, "not_found")
    assert refusal(sender.accept(token, "ada")) == (409, "transfer_to_self")
    assert refusal(sender.accept(token[:-1] + "x")) == (404, "transfer_not_found")
    assert refusal(sender.accept("none")) == (404, "transfer_not_found")
    sender.scan()
    assert refusal(sender.accept(token)) == (409, "ticket_used")
    assert refusal(sender.offer()) == (409, "ticket_used")
    sender.undo()
    assert sender.accept(token).status == 201


@pytest.mark.parametrize(("change", "expected"), [("refund", (410, "ticket_void")), ("freeze", (409, "ticket_frozen"))])
def test_a_void_or_frozen_ticket_stays_with_its_owner(api, time, change, expected):
    sender = Sender(api, time)
    token = sender.token_of_offer()
    if change == "refund":
        sender.refund()
    else:
        dynamo.transact(tickets.freeze_items([sender.ticket]))
    assert refusal(sender.accept(token)) == expected
    assert sender.cancel().status == 200
    assert refusal(sender.offer()) == expected


def test_a_link_expires_and_nothing_changes_hands_after_the_event(api, time):
    with settings.override(transfer_seconds=60):
        sender = Sender(api, time)
        token = sender.token_of_offer()
        time.advance(60)
        assert refusal(sender.accept(token)) == (410, "transfer_expired")
        token = sender.token_of_offer()
    time.advance(14 * 3600)
    assert refusal(sender.offer()) == (409, "transfer_closed")
    assert refusal(sender.accept(token)) == (410, "transfer_expired")


def test_a_refund_of_the_order_voids_the_ticket_of_its_new_owner(sender):
    sender.accept(sender.token_of_offer())
    assert sender.refund().status == 201
    assert sender.wallet("bob") == []
    assert sender.api.get(f"/tickets/{sender.tickets[0].id}", user="bob").json["state"] == "void"
    assert sender.refusal(sender.ticket.code) == (410, "ticket_refunded")


def test_the_limit_counts_for_the_buyer_and_not_for_the_receiver(api, time):
    sender = Sender(api, time, quantity=4)
    sender.accept(sender.token_of_offer())
    assert builders.reserve(api, "ada", sender.event_id, sender.tier_id, 3).json["error"] == "purchase_limit_exceeded"
    assert len(builders.buy(api, "bob", sender.event_id, sender.tier_id, 4).json["tickets"]) == 4
    assert len(sender.wallet("bob")) == 5
    invariants.check(time.now)


@pytest.mark.usefixtures("threaded_store")
def test_one_of_many_acceptances_gets_the_ticket(api, time):
    sender = Sender(api, time)
    token = sender.token_of_offer()
    with ThreadPoolExecutor(20) as pool:
        replies = list(pool.map(lambda number: _accept_until_answered(sender, token, f"user-{number}"), range(20)))
    assert sorted(reply.status for reply in replies) == [201] + [404] * 19
    invariants.check(time.now)


def _accept_until_answered(sender, token, user):
    while (reply := sender.accept(token, user)).status == 503:
        pass
    return reply


@pytest.mark.parametrize("fault", [faults.crash_after, faults.crash_before, faults.lose_answer])
@pytest.mark.parametrize("number", [1, 2])
def test_after_a_fault_at_any_call_a_ticket_has_one_owner(sender, time, fault, number):
    with fault(number):
        sender.offer()
    token = sender.offer().json["token"]
    with faults.record_calls() as calls, fault(number):
        sender.accept(token)
    assert len(calls) <= 2
    invariants.check(time.now)
    assert sender.accept(token).status in (200, 201)
    assert (sender.wallet("ada"), sender.wallet("bob")) == ([sender.tickets[1].id], [sender.tickets[0].id])


def test_tickets_are_listed_by_page_with_those_that_were_received(api, time):
    shops = []
    for _ in range(4):
        shops.append(Sender(api, time, quantity=2))
        time.advance(1)
    shops[1].accept(shops[1].token_of_offer())
    mine = [ticket.id for shop in reversed(shops) for ticket in shop.tickets if ticket.id != shops[1].tickets[0].id]
    gift = Sender(api, time, quantity=1)
    gift.accept(gift.token_of_offer(), "eve")
    back = gift.offer("eve").json["token"]
    assert gift.accept(back, "ada").status == 201
    for limit in (1, 2, 3, 100):
        assert list(itertools.chain(*list_pages(api, "ada", limit))) == [gift.tickets[0].id, *mine]
    assert list_pages(api, "bob", 1) == [[shops[1].tickets[0].id]]
    assert list_pages(api, "nobody", 1) == [[]]
    invariants.check(time.now)


def list_pages(api, user, limit):
    pages, cursor = [], None
    while True:
        reply = api.get("/tickets", user=user, query={"limit": limit} | ({"cursor": cursor} if cursor else {}))
        assert reply.status == 200, reply.json
        pages.append([ticket["id"] for ticket in reply.json["tickets"]])
        cursor = reply.json["next_cursor"]
        if cursor is None:
            return pages


@pytest.mark.parametrize("query", [{"limit": 0}, {"cursor": "x"}, {"user": "bob"}])
def test_a_wrong_page_of_tickets_is_refused(api, time, query):
    assert api.get("/tickets", user="ada", query=query).status == 400


def test_wrong_links_count_nothing_for_an_address(sender):
    token, email = sender.token_of_offer(), "bob@example.com"
    with settings.override(rate_limits="on", limit_mail="1/900"):
        assert [sender.accept(f"{token[:-1]}x", "eve", email=email).status for _ in range(3)] == [404] * 3
        assert sender.accept(token, email=email).status == 201
