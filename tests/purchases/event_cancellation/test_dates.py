"""A cancelled date of a tour: tickets that are valid only for it are refunded, and all others stay valid."""

import pytest

from chalicelib.audit import service as audit
from chalicelib.catalog.model import MAX_DATES
from chalicelib.edge.languages import LANGUAGES
from chalicelib.purchases import event_cancellation
from chalicelib.purchases import store as purchases
from chalicelib.tickets import service as tickets
from chalicelib.tickets.store import scan_listings
from tests import builders, invariants
from tests.addons.waitlist import lines
from tests.checkin.test_dates import Tour
from tests.checkin.test_web_admission import Device, outcome
from tests.purchases.test_box_office import COUNTER, sell
from tests.purchases.test_complimentary import issue, order_ids, press, row


@pytest.fixture
def tour(api, time):
    return Tour(api, time)


def cancel(tour, date_id=None, status=200, **fields):
    body = fields if date_id is None else {"date_id": date_id} | fields
    reply = tour.api.post(f"/events/{tour.event_id}/cancel", json=body, token=builders.admin_token())
    assert reply.status == status, reply.json
    return reply.json


def finish(tour, date_id=None):
    """Run the sweep until the refunds have ended. Returns the cancellation."""
    for _ in range(10):
        builders.run_sweep()
        found = event_cancellation.find_cancellation(tour.event_id, date_id)
        if found is not None and found.finished_at is not None:
            return found
        tour.time.advance(60)
    raise AssertionError("the refunds did not end")


def buy_items(tour, user, *names):
    reserved = builders.reserve_items(tour.api, user, tour.event_id, {tour.tier_ids[name]: 1 for name in names})
    assert reserved.status == 201, reserved.json
    checkout = builders.start_checkout(tour.api, user, reserved.json["id"])
    reply = builders.confirm(tour.api, user, checkout.json["id"])
    assert reply.status == 201, reply.json
    return reply.json["order"]["id"]


def event_of(tour):
    return tour.api.get(f"/events/{tour.event_id}").json


def test_only_tickets_of_the_cancelled_date_are_refunded(tour, time):
    orders = {name: buy_items(tour, name, name) for name in ("friday", "saturday", "weekend", "pass")}
    mixed = buy_items(tour, "mixed", "friday", "saturday")
    held = builders.reserve_items(tour.api, "held", tour.event_id, {tour.tier_ids["friday"]: 1}).json["id"]
    other = builders.reserve_items(tour.api, "other", tour.event_id, {tour.tier_ids["saturday"]: 1}).json["id"]
    assert cancel(tour, "friday", reason="The hall is flooded.").items() >= {"date_id": "friday", "status": "refunding"}.items()
    cancellation = finish(tour, "friday")
    assert (cancellation.orders, cancellation.reservations) == (2, 1)
    states = {name: purchases.load(order_id).state for name, order_id in orders.items()}
    assert states == {"friday": "refunded", "saturday": "paid", "weekend": "paid", "pass": "paid"}
    order = purchases.load(mixed)
    [refund] = order.refunds
    assert (order.state, refund.fee_cents, refund.amount_cents) == ("partially_refunded", 0, order.ticket_price(1))
    assert {ticket.tier_id: ticket.state for ticket in tickets.load_purchase_tickets(order.id, 2)} == {
        tour.tier_ids["friday"]: "void",
        tour.tier_ids["saturday"]: "valid",
    }
    assert (purchases.load(held).state, purchases.load(other).state) == ("cancelled", "held")
    assert cancel(tour, "friday").items() >= {"status": "finished", "refunded_orders": 2}.items()
    assert "event.date_cancelled" in [entry.action for entry in audit.list_entries(f"event#{tour.event_id}")]
    invariants.check(time.now, recovered=True)


def test_a_cancelled_date_is_not_sold_and_shown(tour):
    cancel(tour, "friday", reason="The hall is flooded.")
    event = event_of(tour)
    assert event["cancelled_dates"] == [{"id": "friday", "reason": "The hall is flooded."}]
    assert (event["status"], event["starts_at"]) == ("on_sale", tour.dates[1]["starts_at"])
    statuses = {tier["name"]: tier["status"] for tier in event["tiers"]}
    assert statuses == {"friday": "closed", "saturday": "available", "sunday": "available", "pass": "available", "weekend": "available"}
    refused = builders.reserve(tour.api, "ada", tour.event_id, tour.tier_ids["friday"])
    assert (refused.status, refused.json["error"], refused.json["reason"]) == (409, "tier_not_on_sale", "cancelled")
    calendar = tour.api.get(f"/events/{tour.event_id}/calendar.ics").body.decode()
    assert (calendar.count("STATUS:CANCELLED"), calendar.count("STATUS:CONFIRMED")) == (1, 2)
    page = tour.api.get("/pages/index.html", query={"path": f"/events/{event['slug']}"}).body.decode()
    assert page.count("EventCancelled") == 1
    assert page.count("</s></time> · Friday · cancelled · The hall is flooded.") == 1


def test_a_reservation_of_a_cancelled_date_cannot_be_paid(tour, time):
    reserved = builders.reserve_items(tour.api, "ada", tour.event_id, {tour.tier_ids["friday"]: 1, tour.tier_ids["sunday"]: 1}).json["id"]
    cancel(tour, "friday")
    refused = builders.start_checkout(tour.api, "ada", reserved)
    assert (refused.status, refused.json["error"]) == (409, "event_not_on_sale")
    finish(tour, "friday")
    assert purchases.load(reserved).state == "cancelled"
    invariants.check(time.now, recovered=True)


def test_the_door_refuses_on_a_cancelled_date(tour):
    single, whole = tour.buy("friday", user="ada"), tour.buy("pass", user="bob")
    cancel(tour, "friday")
    tour.go_to(0)
    for ticket in (single, whole):
        refused = tour.scan(ticket)
        assert (refused.status, refused.json["error"], refused.json["date"]) == (409, "event_cancelled", "friday")
        assert Device(tour).decide(ticket.code)["code"] == "event_cancelled"
    tour.go_to(1)
    assert Device(tour).decide(whole.code)["code"] == outcome(tour.scan(whole)) == "admitted"
    manifest = tour.api.get(f"/events/{tour.event_id}/manifest", token=tour.token).json
    assert [date["cancelled"] for date in manifest["event"]["dates"]] == [True, False, False]
    seen = tour.api.get(f"/tickets/{single.id}", user="ada").json["event"]
    assert (seen["cancelled"], [date["id"] for date in seen["dates"]]) == (True, ["friday"])


def test_with_its_last_date_the_event_is_cancelled(tour, time):
    orders = [buy_items(tour, name, name) for name in ("friday", "weekend", "pass")]
    for date_id in ("friday", "saturday"):
        assert cancel(tour, date_id)["date_id"] == date_id
        finish(tour, date_id)
    assert [purchases.load(order_id).state for order_id in orders] == ["refunded", "paid", "paid"]
    assert cancel(tour, "sunday", reason="The tour is off.")["date_id"] is None
    assert finish(tour).orders == 2
    assert (event_of(tour)["status"], event_of(tour)["cancellation_reason"]) == ("cancelled", "The tour is off.")
    assert [purchases.load(order_id).state for order_id in orders] == ["refunded"] * 3
    invariants.check(time.now, recovered=True)


def test_tickets_for_two_dates_are_refunded_when_both_are_cancelled(tour, time):
    order_id = buy_items(tour, "ada", "weekend")
    for date_id, state in (("sunday", "paid"), ("saturday", "refunded")):
        cancel(tour, date_id)
        finish(tour, date_id)
        assert purchases.load(order_id).state == state
    invariants.check(time.now, recovered=True)


def test_buyers_read_the_reason_for_a_date_in_their_language(tour, time):
    ticket = tour.buy("friday", user="ada")
    body = {"reason": "The hall is flooded.", "reasons": {"es": "La sala se ha inundado."}}
    cancel(tour, "friday", **body)

    def reasons(language):
        headers = {"Accept-Language": language}
        page = tour.api.get(f"/events/{tour.event_id}/preview", headers=headers).body.decode()
        public = tour.api.get(f"/events/{tour.event_id}", query={"language": language}).json
        held = tour.api.get(f"/tickets/{ticket.id}", user="ada", headers=headers).json["event"]
        [(shown,)] = {tuple(date["reason"] for date in found["cancelled_dates"]) for found in (public, held)}
        assert shown in page
        return shown

    assert [reasons(language) for language in ("en", "es", "de")] == [body["reason"], body["reasons"]["es"], body["reason"]]
    for date_id in ("saturday", "sunday"):
        cancel(tour, date_id, reasons={"es": "La gira se ha cancelado."})
    last = tour.api.get(f"/events/{tour.event_id}", query={"language": "es"}).json
    assert (last["status"], last["cancellation_reason"]) == ("cancelled", "La gira se ha cancelado.")


def test_the_longest_reasons_in_all_languages_are_refused_before_they_fill_the_item(tour):
    starts = [tour.dates[0]["starts_at"].replace("2026", str(year)) for year in range(2030, 2030 + MAX_DATES - 3)]
    tour.change(dates=[*tour.dates, *({"id": f"d{number}", "starts_at": at} for number, at in enumerate(starts))])
    sign = "\N{GRINNING FACE}" * 500
    statuses = [
        tour.api.post(
            f"/events/{tour.event_id}/cancel",
            json={"date_id": f"d{number}", "reason": sign, "reasons": dict.fromkeys(LANGUAGES, sign)},
            token=builders.admin_token(),
        ).status
        for number in range(20)
    ]
    assert statuses == sorted(statuses)
    assert set(statuses) == {200, 400}


def test_a_cancelled_date_stays(tour):
    cancel(tour, "monday", 404)
    cancel(tour, "friday", reason="The hall is flooded.")
    tour.change_tier(tour.tier_ids["friday"], 400, date_ids=["friday", "saturday"])
    tour.change_tier(tour.tier_ids["weekend"], date_ids=["friday", "saturday", "sunday"])
    refused = tour.change(400, dates=tour.dates[1:])
    assert (refused["path"], refused["rule"]) == ("$.dates", "date_cancelled")
    assert cancel(tour, "friday", reason="The hall has no power.")["status"] == "refunding"
    assert event_of(tour)["cancelled_dates"] == [{"id": "friday", "reason": "The hall has no power."}]
    refused = tour.api.post(f"/events/{tour.event_id}/cancel", json={"date_id": "saturday"}, user="ada")
    assert refused.status == 403


def test_a_listing_for_a_cancelled_date_closes(tour, time):
    tour.change(returns={"policy": "resale"})
    order_id = buy_items(tour, "ada", "friday")
    assert tour.api.post(f"/orders/{order_id}/resale", json={}, user="ada").status == 200
    cancel(tour, "friday")
    item = {"tier_id": tour.tier_ids["friday"], "quantity": 1, "resale_price_cents": 5000}
    refused = tour.api.post(f"/events/{tour.event_id}/reservations", json={"items": [item]}, user="bob")
    assert (refused.status, refused.json["error"], refused.json["reason"]) == (409, "tier_not_on_sale", "cancelled")
    finish(tour, "friday")
    assert list(scan_listings()) == []
    assert purchases.load(order_id).refunded_cents == 5000
    invariants.check(time.now, recovered=True)


@pytest.mark.parametrize("policy", ["refund", "resale"])
def test_tickets_of_a_cancelled_date_are_not_returned_for_a_fee(tour, time, policy):
    """Until the sweep comes to the order, which may take an hour."""
    tour.change(returns={"policy": policy, "fee_percent": 50})
    order_id = buy_items(tour, "ada", "friday", "saturday")
    cancel(tour, "friday")
    path = f"/orders/{order_id}/{'return' if policy == 'refund' else 'resale'}"
    refused = tour.api.post(path, json={"tickets": [f"{order_id}-1"]}, user="ada")
    assert (refused.status, refused.json["error"], refused.json["reason"]) == (409, "tickets_not_returnable", "cancelled")
    shown = tour.api.get(f"/orders/{order_id}", user="ada").json
    found = shown["returnable"]["tickets"] if policy == "refund" else [each["ticket_id"] for each in shown["resale"]["tickets"]]
    assert found == [f"{order_id}-2"]
    finish(tour, "friday")
    assert purchases.load(order_id).refunded_cents == 5000
    invariants.check(time.now, recovered=True)


def test_a_requested_return_of_a_date_that_is_cancelled_meanwhile_keeps_no_fee(tour, time):
    tour.change(returns={"policy": "refund", "fee_percent": 50, "needs_approval": True})
    order_id = buy_items(tour, "ada", "friday", "saturday")
    asked = tour.api.post(f"/orders/{order_id}/return", json={"tickets": [f"{order_id}-1"]}, user="ada")
    assert asked.status == 200, asked.json
    cancel(tour, "friday")
    path = f"/admin/orders/{order_id}/return-requests/1"
    refused = tour.api.post(path, json={"accept": True}, token=builders.admin_token())
    assert (refused.status, refused.json.get("reason")) == (409, "cancelled"), refused.json
    finish(tour, "friday")
    assert purchases.load(order_id).refunded_cents == 5000
    invariants.check(time.now, recovered=True)


def test_offers_of_the_waitlist_end_and_none_follow(tour, time):
    tour.tier_ids["small"] = builders.create_tier(tour.api, tour.event_id, "small", capacity=1)
    tour.change_tier(tour.tier_ids["small"], date_ids=["friday"])
    order_id = buy_items(tour, "ada", "small")
    time.advance(5)
    for user in ("bob", "cleo"):
        joined = lines.join(tour.api, user, tour.event_id, tier_ids=[tour.tier_ids["small"]])
        assert joined.status == 201, joined.json
        time.advance(1)
    lines.give_back(tour.api, order_id)
    time.advance(5)
    lines.run_allocator()
    assert [lines.own(tour.api, user)[0]["status"] for user in ("bob", "cleo")] == ["offered", "waiting"]
    cancel(tour, "friday")
    finish(tour, "friday")
    lines.run_allocator()
    assert [lines.own(tour.api, user)[0]["status"] for user in ("bob", "cleo")] == ["declined", "waiting"]
    late = lines.join(tour.api, "dan", tour.event_id, tier_ids=[tour.tier_ids["small"]])
    assert (late.status, late.json["error"]) == (409, "tier_not_on_sale")
    invariants.check(time.now, recovered=True)


def test_nothing_is_issued_or_sold_at_the_counter_for_a_cancelled_date(tour, time):
    for name in ("friday", "saturday"):
        tour.change_tier(tour.tier_ids[name], holdbacks=[COUNTER, press(2)])
    admin = {"token": builders.admin_token()}
    shops = {name: (tour.event_id, tour.tier_ids[name]) for name in ("friday", "saturday")}
    [order_id] = order_ids(issue(tour.api, shops["friday"], row("ada"), **admin))
    assert tickets.get_ticket(f"{order_id}-1").state == "valid"
    cancel(tour, "friday")
    refused = [issue(tour.api, shops["friday"], row("bob"), **admin), sell(tour.api, shops["friday"])]
    assert [(reply.json["error"], reply.json["reason"]) for reply in refused] == [
        ("complimentary_closed", "cancelled"),
        ("box_office_closed", "cancelled"),
    ]
    assert refused[0].json["path"] == "$.tier_id"
    assert issue(tour.api, shops["saturday"], row("bob"), **admin).status == 200
    assert sell(tour.api, shops["saturday"]).status == 201
    finish(tour, "friday")
    assert tickets.get_ticket(f"{order_id}-1").state == "void"
    invariants.check(time.now, recovered=True)
