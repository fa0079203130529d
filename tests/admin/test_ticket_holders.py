"""Whom a change to an event reaches, and what a cancellation refunds: counted before a manager saves or cancels."""

import pytest

from chalicelib.accounts import service as accounts
from chalicelib.accounts.model import Account
from chalicelib.addons.waitlist import service as waitlist
from chalicelib.admin import ticket_holders
from chalicelib.foundation import clock
from tests import builders, invariants
from tests.addons.waitlist import lines
from tests.checkin.test_dates import Tour
from tests.waiting_room import sale

NOBODY = {"tickets": 0, "people": 0, "people_without_email": 0, "refunds": [], "refunds_without_email": 0}
NOTHING_ELSE = {"date_id": None, "tiers": [], "queue_length": 0, "waitlist_length": 0}
NOTHING_ELSE |= {"orders_without_payment": 0, "disputed_orders": 0, "sends_note": True, "is_complete": True}


def count(api, event_id, **query):
    reply = api.get(f"/admin/events/{event_id}/ticket-holders", query=query, token=builders.admin_token())
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


def buy_for_tour(tour, user, **quantities):
    items = {tour.tier_ids[name]: quantity for name, quantity in quantities.items()}
    reserved = builders.reserve_items(tour.api, user, tour.event_id, items)
    checkout = builders.start_checkout(tour.api, user, reserved.json["id"])
    assert builders.confirm(tour.api, user, checkout.json["id"]).status == 201


def money_of(api, event_id):
    builders.project_changes()
    return api.get(f"/admin/events/{event_id}/money", token=builders.admin_token()).json["takings"][0]["refunded_cents"]


def cancel(tour, date_id):
    """Cancel a date, and wait for its refunds. Returns the number of refunded orders, and their sum."""
    path, body, before = f"/events/{tour.event_id}/cancel", {"date_id": date_id}, money_of(tour.api, tour.event_id)
    for _ in range(4):
        reply = tour.api.post(path, json=body, token=builders.admin_token())
        assert reply.status == 200, reply.json
        tour.time.advance(60)
        builders.run_sweep()
    assert reply.json["status"] == "finished"
    return reply.json["refunded_orders"], money_of(tour.api, tour.event_id) - before


@pytest.mark.not_on_moto  # follows the streams
def test_the_cancellation_of_a_date_refunds_what_was_counted_and_leaves_passes(api, time):
    tour = Tour(api, time)
    buy_for_tour(tour, "ada", friday=2, saturday=1)
    buy_for_tour(tour, "bob", friday=1)
    buy_for_tour(tour, "cleo", **{"pass": 1}, weekend=2)
    builders.reserve_items(api, "dan", tour.event_id, {tour.tier_ids["friday"]: 3})
    time.advance(10)
    shown = count(api, tour.event_id, date_id="friday")
    assert (shown["date_id"], shown["tickets"], shown["people"]) == ("friday", 3, 2)
    [expected] = shown["refunds"]
    assert (expected["orders"], expected["amount_cents"]) == (2, 15_000)
    rows = {tier["tier_name"]: (tier["sold"], tier["sold_cents"], tier["reserved"], tier["stays_valid"]) for tier in shown["tiers"]}
    assert rows == {"friday": (3, 15_000, 3, False), "pass": (1, 5000, 0, True)}
    assert cancel(tour, "friday") == (2, 15_000)
    assert count(api, tour.event_id, date_id="friday")["refunds"] == []
    invariants.check(time.now, recovered=True)


@pytest.mark.not_on_moto  # follows the streams
def test_tickets_for_several_dates_count_with_the_last_of_them(api, time):
    tour = Tour(api, time)
    buy_for_tour(tour, "ada", weekend=1)
    buy_for_tour(tour, "bob", **{"pass": 1})
    for date_id, refunded in (("friday", 0), ("saturday", 0), ("sunday", 2)):  # with Sunday, the event is cancelled
        shown = count(api, tour.event_id, date_id=date_id)
        assert sum(refund["orders"] for refund in shown["refunds"]) == refunded
        assert cancel(tour, date_id) == (refunded, refunded * 5000)
    refused = api.get(f"/admin/events/{tour.event_id}/ticket-holders", query={"date_id": "monday"}, token=builders.admin_token())
    assert (refused.status, refused.json["date_id"]) == (404, "monday")


def test_people_in_the_waiting_room_count_unless_other_dates_remain(api, time):
    tour = Tour(api, time, on_sale_at=clock.iso(time.now + 600), waiting_room={"wave_size": 1, "wave_seconds": 3600})
    tokens = sale.join_many(api, tour.event_id, 3)
    time.advance(601)
    sale.get_status(api, tour.event_id, tokens["u0"])  # draws
    assert [count(api, tour.event_id, **query)["queue_length"] for query in ({}, {"date_id": "friday"})] == [2, 0]


@pytest.mark.needs_addon
def test_people_on_the_waitlist_count_unless_other_dates_remain(api, time, monkeypatch):
    tour = Tour(api, time)
    for name in tour.tier_ids:
        tour.change_tier(tour.tier_ids[name], capacity=1)
        tour.buy(name, user=f"buyer-{name}")
    time.advance(5)  # figures are no older than that
    for user in ("ada", "bob", "cleo"):
        assert lines.join(api, user, tour.event_id).status == 201
    lines.run_allocator()  # counts the line
    entry = lines.own(api, "ada")[0]
    assert api.delete(f"/waitlist/{entry['id']}", user="ada").status == 200
    counted = [count(api, tour.event_id, **query)["waitlist_length"] for query in ({}, {"date_id": "friday"})]
    assert counted == [2, 0]
    monkeypatch.setattr(waitlist, "MAX_COUNTED", 1)  # a long line is as long as it was when it was counted
    assert count(api, tour.event_id)["waitlist_length"] == 3


def test_a_large_event_is_counted_in_part(api, monkeypatch):
    event_id, tier_id = builders.create_shop(api)
    for user in ("ada", "bob", "cleo"):
        builders.create_order(api, (event_id, tier_id), 1, user)
    monkeypatch.setattr(ticket_holders, "MAX_TICKETS", 2)
    shown = count(api, event_id)
    assert (shown["tickets"], shown["people"], shown["is_complete"]) == (2, 2, False)
    [tier] = shown["tiers"]
    assert (tier["tier_id"], tier["sold"], tier["sold_cents"], tier["currency"]) == (tier_id, 3, 15_000, "USD")


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
