"""What somebody sees behind a transfer link before they accept, and what nobody sees."""

import json

import pytest

from chalicelib.accounts import service as accounts
from chalicelib.accounts.model import Account
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import settings
from chalicelib.tickets import service as tickets
from chalicelib.tickets.seat_numbers import number_tickets
from tests import builders
from tests.purchases.transfers.conftest import Sender
from tests.simulation import faults


def refusal(reply):
    return reply.status, reply.json["error"]


def test_a_preview_shows_event_ticket_giver_and_deadline_and_nothing_else(sender, time):
    accounts.create_account(
        Account(user_id="ada", email="ada@example.com", roles=("user",), created_at=time.now, first_name="Ada", last_name="Lovelace"),
        "seven grey owls",
    )
    number_tickets([sender.tickets[0]])
    offer = sender.offer().json
    reply = sender.preview(offer["token"])
    assert reply.status == 200, reply.json
    assert reply.headers["Cache-Control"] == "no-store"
    [ticket] = [each for each in sender.api.get("/me/tickets", user="ada").json["tickets"] if each["id"] == sender.tickets[0].id]
    assert reply.json == {
        "event": ticket["event"],
        "tier_name": ticket["tier"]["name"],
        "number": ticket["number"],
        "admits": 1,
        "giver_name": "Ada Lovelace",
        "expires_at": offer["expires_at"],
    }
    assert None not in (ticket["number"], ticket["event"]["timezone"])
    text = json.dumps(reply.json)
    assert not [secret for secret in (ticket["code"], ticket["qr_sig"], ticket["order_number"], "ada@example.com") if secret in text]
    assert sender.accept(offer["token"]).status == 201  # the preview has changed nothing


def test_a_token_that_is_over_shows_nothing_about_its_ticket(sender, time):
    cancelled = sender.token_of_offer()
    assert sender.cancel().status == 200
    with settings.override(transfer_seconds=60):
        expired = sender.token_of_offer()
    time.advance(60)
    replies = {"cancelled": sender.preview(cancelled), "expired": sender.preview(expired)}
    used = sender.token_of_offer()
    assert sender.preview(used).status == 200
    assert sender.accept(used).status == 201
    replies |= {"used": sender.preview(used), "wrong": sender.preview(f"{used[:-1]}x"), "foreign": sender.preview(f"{used[:-1]}é")}
    assert {name: refusal(reply) for name, reply in replies.items()} == {
        "cancelled": (404, "transfer_not_found"),
        "expired": (410, "transfer_expired"),
        "used": (404, "transfer_not_found"),
        "wrong": (404, "transfer_not_found"),
        "foreign": (404, "transfer_not_found"),
    }
    for reply in replies.values():
        assert set(reply.json) == {"error", "message", "request_id"}


@pytest.mark.parametrize("change", ["refund", "dispute", "check_in", "cancel"])
def test_a_preview_is_refused_like_the_acceptance(api, time, change):
    sender = Sender(api, time)
    token = sender.token_of_offer()
    if change == "refund":
        assert sender.refund().status == 201
    elif change == "dispute":
        dynamo.transact(tickets.freeze_items([sender.ticket]))
    elif change == "check_in":
        assert sender.scan().status == 200
    else:
        assert api.post(f"/events/{sender.event_id}/cancel", json={}, token=builders.admin_token()).status == 200
        time.advance(5)
    preview = sender.preview(token)
    assert preview.status in (409, 410)
    assert refusal(preview) == refusal(sender.accept(token))


def test_unknown_tokens_cost_the_same_read_whether_or_not_the_ticket_exists(sender):
    token = sender.token_of_offer()
    ticket_id = token.partition(".")[0]
    works = []
    for wrong in (f"{ticket_id}.{32 * '0'}", f"{ticket_id[:-3]}0-1.{32 * '0'}"):
        with faults.record_calls() as log:
            assert sender.preview(wrong).status == 404
        works.append(list(log))
    assert works[0] == works[1]
    assert len(works[0]) == 1


def test_a_source_address_may_look_only_so_often(sender):
    token = sender.token_of_offer()
    with settings.override(rate_limits="on", limit_transfer="1/60", address_factor=2):
        replies = [sender.preview(each) for each in (token, "wrong.token", token)]
        assert [reply.status for reply in replies] == [200, 404, 429]
        assert replies[2].json["limiter"] == "transfer"
        assert refusal(sender.accept(token)) == (429, "rate_limited")


def test_the_giver_without_an_account_is_named_by_the_first_ticket_but_not_by_the_given_one(api, time):
    shop = builders.create_shop(api)
    reservation = builders.reserve(api, "ada", *shop, quantity=2).json["id"]
    builders.start_checkout(api, "ada", reservation, attendees=[{"name": "Ada"}, {"name": "Bob"}])
    order_id = builders.confirm(api, "ada", reservation).json["order"]["id"]
    names = []
    for number, receiver in ((1, "bob"), (2, "bob")):
        token = api.post(f"/tickets/{order_id}-{number}/transfer", user="ada").json["token"]
        names.append(api.post("/transfers/preview", json={"token": token}).json["giver_name"])
        assert api.post(f"/transfers/{token}/accept", user=receiver).status == 201
    token = api.post(f"/tickets/{order_id}-2/transfer", user="bob").json["token"]
    names.append(api.post("/transfers/preview", json={"token": token}).json["giver_name"])
    assert names == [None, "Ada", None]
