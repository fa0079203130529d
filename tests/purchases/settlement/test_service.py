"""Payments that do not fit their purchase: late, of another amount, or a second time. They end in tickets or go back."""

import pytest

from chalicelib.dynamodb import dynamo
from chalicelib.foundation import settings
from chalicelib.inventory.store import scan_shards
from chalicelib.purchases.store import PurchaseRow
from tests import builders
from tests.bootstrap.conftest import ticket
from tests.payment_pages import on_either_page


def pay_and_expire(shop, page="own"):
    """Open a checkout that expires without asking Stripe although it was paid. Returns its session."""
    session = shop.open_checkout(page=page)
    shop.pay(session)
    shop.expire_without_asking_stripe(session["id"])
    return session


@on_either_page
def test_a_late_payment_gets_tickets_while_there_are_any(shop, page):
    session = pay_and_expire(shop, page)
    shop.fake.deliver()
    assert (shop.purchase_state(session), shop.received_and_kept()) == ("paid", (10_000, 10_000))


@on_either_page
def test_a_late_payment_is_refunded_when_too_few_tickets_are_left(shop, page):
    session = pay_and_expire(shop, page)
    builders.reserve(shop.api, "bob", shop.event_id, shop.tier_id, 3)
    shop.fake.deliver()
    assert (shop.purchase_state(session), shop.received_and_kept()) == ("refunded", (10_000, 0))
    shown = shop.api.get(f"/checkout/sessions/{session['id']}", user="ada").json
    assert (shown["status"], [(refund["status"], refund["amount_cents"]) for refund in shown["refunds"]]) == (
        "refunded",
        [("succeeded", 10_000)],
    )
    for refused in (shop.confirm(session), shop.request_checkout(session["id"], key="again")):
        assert (refused.status, refused.json["error"]) == (409, "payment_refunded")


def test_a_late_payment_over_the_buyers_limit_is_refunded(shop):
    with settings.override(event_purchase_limit=2):
        session = pay_and_expire(shop)
        other = shop.open_checkout()
        shop.pay(other)
        assert shop.confirm(other).status == 201
        shop.fake.deliver()
        assert (shop.purchase_state(session), shop.purchase_state(other)) == ("refunded", "paid")
        assert sum(shard.held for shard in scan_shards()) == 0  # at once, without recovery


def test_a_late_payment_is_refunded_when_its_pass_has_bought_another_order(shop):
    """One pass of a waiting room buys one order."""
    session = shop.open_checkout(quantity=1)
    dynamo.update_now(PurchaseRow(session["id"]), [PurchaseRow.pass_id.set("1.0.7")])
    shop.pay(session)
    shop.expire_without_asking_stripe(session["id"])
    other = shop.open_checkout(quantity=1)
    dynamo.update_now(PurchaseRow(other["id"]), [PurchaseRow.pass_id.set("1.0.7")])
    shop.pay(other)
    assert shop.confirm(other).status == 201
    shop.fake.deliver()
    assert (shop.purchase_state(session), shop.purchase_state(other)) == ("refunded", "paid")


def test_a_late_payment_is_refunded_when_the_event_is_over(shop):
    session = pay_and_expire(shop)
    shop.time.advance(31 * 86_400)
    builders.run_sweep()
    assert shop.confirm(session).json["error"] == "payment_refunded"
    assert (shop.purchase_state(session), shop.received_and_kept()) == ("refunded", (10_000, 0))


def test_a_late_payment_is_refunded_when_the_event_was_cancelled(shop):
    shop.sell_tiers(ticket("fest-pass"))
    session = pay_and_expire(shop)
    shop.cancel_event()
    assert shop.confirm(session).json["error"] == "payment_refunded"
    assert shop.purchase_state(session) == "refunded"


def test_a_payment_of_another_amount_is_refunded(shop):
    session = shop.open_checkout()
    shop.dashboard.v1.payment_intents.update(shop.fetch_payment_intent(session).id, {"amount": 100})
    shop.pay(session)
    shop.fake.deliver()
    assert (shop.purchase_state(session), shop.received_and_kept()) == ("refunded", (100, 0))


def test_a_payment_for_a_simulated_order_is_refunded(shop):
    """Somebody takes a payment in the dashboard, with the order's metadata."""
    order = builders.buy(shop.api, "ada", shop.event_id, shop.tier_id, 1, provider="simulated").json["order"]
    shop.pay_in_dashboard(order["id"], 5000)
    shop.fake.deliver()
    assert (shop.load_purchase(order["id"]).state, shop.received_and_kept()) == ("paid", (5000, 0))


@pytest.mark.parametrize("first", ["dashboard", "hosted page"])
def test_a_second_payment_in_the_dashboard_is_refunded(shop, first):
    session = shop.open_checkout(page="hosted")
    if first == "hosted page":
        shop.pay(session)
    shop.pay_in_dashboard(session["id"])
    shop.fake.deliver()
    if first == "dashboard":
        shop.pay(session)
    reply = shop.confirm(session)
    assert (reply.status in (200, 201), len(reply.json["tickets"])) == (True, 2)
    assert [refund.reason for refund in shop.load_purchase(session["id"]).refunds] == ["duplicate"]
    assert shop.received_and_kept() == (20_000, 10_000)
