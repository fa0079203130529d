"""Whom a change to an event reaches, and what a cancellation refunds: counted before a manager saves or cancels."""

import pytest

from chalicelib.accounts import service as accounts
from chalicelib.accounts.model import Account
from chalicelib.admin import ticket_holders
from tests import builders, invariants

NOBODY = {"tickets": 0, "people": 0, "people_without_email": 0, "refunds": [], "refunds_without_email": 0}
NOTHING_ELSE = {"orders_without_payment": 0, "disputed_orders": 0, "sends_note": True, "is_complete": True}


def count(api, event_id):
    reply = api.get(f"/admin/events/{event_id}/ticket-holders", token=builders.admin_token())
    assert reply.status == 200, reply.json
    return reply.json


def give(api, ticket_id, giver, receiver, **body):
    token = api.post(f"/tickets/{ticket_id}/transfer", user=giver).json["token"]
    assert api.post(f"/transfers/{token}/accept", user=receiver, json=body).status == 201


def test_an_event_without_sales_reaches_nobody(api):
    event_id, _ = builders.create_shop(api)
    assert count(api, event_id) == {"event_id": event_id, **NOBODY, **NOTHING_ELSE}


def test_holders_count_once_and_those_without_an_address_are_named(api, time):
    event_id, tier_id = builders.create_shop(api)
    accounts.create_account(Account(user_id="max", email="max@example.com", roles=("user",), created_at=time.now), "seven grey owls")
    for quantity in (2, 1):
        builders.buy(api, "ada", event_id, tier_id, quantity, customer_email="ada@home.test")
    unreached = builders.create_order(api, (event_id, tier_id), 2, "guest-1")
    builders.create_order(api, (event_id, tier_id), 1, "max")
    given = builders.create_order(api, (event_id, tier_id), 1, "ida")
    give(api, f"{given}-1", "ida", "max")
    builders.refund(api, builders.create_order(api, (event_id, tier_id), 1, "eve"), key="eve")
    builders.refund(api, unreached, tickets=[f"{unreached}-1"], fee_cents=500, key="fee")
    shown = count(api, event_id)
    assert (shown["tickets"], shown["people"], shown["people_without_email"]) == (6, 3, 1)
    assert (shown["refunds"], shown["refunds_without_email"]) == ([{"currency": "USD", "orders": 5, "amount_cents": 30_000}], 2)
    invariants.check(time.now)


def test_an_address_typed_at_the_provider_or_when_accepting_a_ticket_is_an_address(shop):
    session = shop.open_checkout("guest-1", 2, page="hosted", success_url="https://shop.test/done")
    shop.pay(session)  # as ada@example.com
    assert shop.confirm(session, "guest-1").status == 201
    shop.fake.deliver()
    give(shop.api, f"{session['id']}-2", "guest-1", "guest-2", email="bob@home.test")
    shown = count(shop.api, shop.event_id)
    assert (shown["people"], shown["people_without_email"], shown["refunds_without_email"]) == (2, 0, 0)


@pytest.mark.not_on_moto
def test_a_cancellation_refunds_what_was_counted(shop):
    api, event_id = shop.api, shop.event_id
    shop.buy("ada", 1)
    shop.buy("bob", 1, "pm_card_createDispute")
    free = builders.create_tier(api, event_id, "Free", price_cents=0)
    builders.buy(api, "cleo", event_id, free)
    partly = shop.buy("dan", 2)
    builders.refund(api, partly, tickets=[f"{partly}-1"], fee_cents=500)
    shop.fake.deliver()
    shown = count(api, event_id)
    assert (shown["orders_without_payment"], shown["disputed_orders"]) == (1, 1)
    [expected] = shown["refunds"]
    builders.project_changes()
    before = api.get(f"/admin/events/{event_id}/money", token=builders.admin_token()).json["takings"][0]["refunded_cents"]
    assert api.post(f"/events/{event_id}/cancel", token=builders.admin_token()).status == 200
    for _ in range(3):
        shop.time.advance(60)
        builders.run_sweep()
        shop.fake.deliver()
    builders.project_changes()
    after = api.get(f"/admin/events/{event_id}/money", token=builders.admin_token()).json["takings"][0]["refunded_cents"]
    progress = api.post(f"/events/{event_id}/cancel", token=builders.admin_token()).json
    assert (progress["refunded_orders"], after - before) == (expected["orders"], expected["amount_cents"])
    assert count(api, event_id)["refunds"] == []


def test_a_large_event_is_counted_in_part(api, monkeypatch):
    event_id, tier_id = builders.create_shop(api)
    for user in ("ada", "bob", "cleo"):
        builders.create_order(api, (event_id, tier_id), 1, user)
    monkeypatch.setattr(ticket_holders, "MAX_TICKETS", 2)
    shown = count(api, event_id)
    assert (shown["tickets"], shown["people"], shown["is_complete"]) == (2, 2, False)


def test_a_note_needs_a_promoter_whom_an_admin_has_verified(api):
    event_id = builders.create_event(api)
    as_admin = {"token": builders.admin_token()}
    assert api.patch(f"/events/{event_id}", json={"promoter_id": "pia"}, **as_admin).status == 200
    for is_verified in (False, True):
        assert api.put("/promoters/pia", json={"name": "Pia", "verified": is_verified}, **as_admin).status == 200
        assert count(api, event_id)["sends_note"] == is_verified


def test_only_managers_of_the_event_see_the_counts(api):
    event_id, _ = builders.create_shop(api)
    path = f"/admin/events/{event_id}/ticket-holders"
    assert api.get(path, token=builders.staff_token(event_id)).status == 403
    assert api.get(path, token=builders.token("other", "promoter")).status == 403
