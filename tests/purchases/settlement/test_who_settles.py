"""Webhooks, the sweep and the reconciliation can each finish an order, and their roles allow each call that this takes."""

import pytest

from chalicelib.inventory import store
from chalicelib.inventory.model import Hold
from chalicelib.inventory.store import scan_shards
from chalicelib.payments import service as payments
from chalicelib.payments.providers import stripe
from chalicelib.purchases import settlement
from chalicelib.tickets import service as tickets
from tests import builders, store_calls
from tests.bootstrap.conftest import ticket
from tests.purchases.checkout.test_service_details import DETAILS
from tests.reconciliation.comparing import compare_last_hour


def webhook_comes(shop):
    shop.fake.deliver()


def sweep_runs(shop):
    """After the hold has expired, and no webhook came."""
    shop.lose_webhooks()
    shop.time.advance(181)
    builders.run_sweep()


def reconciliation_runs(shop):
    """And no webhook came."""
    shop.lose_webhooks()
    compare_last_hour(shop)


everybody = pytest.mark.parametrize("somebody_settles", [webhook_comes, sweep_runs, reconciliation_runs])


@everybody
def test_the_names_that_a_buyer_gave_come_onto_the_tickets(shop, somebody_settles):
    session = shop.open_checkout(**DETAILS)
    shop.pay(session)
    somebody_settles(shop)
    assert shop.purchase_state(session) == "paid"
    issued = tickets.load_purchase_tickets(session["id"], 2)
    assert [issued_ticket.attendee.name for issued_ticket in issued] == ["Ada", "Bob"]


@pytest.mark.parametrize("somebody_settles", [webhook_comes, reconciliation_runs])
def test_a_late_payment_takes_its_tickets_from_wherever_some_are_left(shop, somebody_settles):
    shop.sell_tiers(ticket("fest-pass", max_quantity=1000))
    session = shop.open_checkout(**DETAILS)
    shop.pay(session)
    shop.expire_without_asking_stripe(session["id"])
    leave_one_in_each_of_two_shards()
    somebody_settles(shop)
    assert shop.purchase_state(session) == "paid"
    assert len(shop.load_purchase(session["id"]).holds) == 2


@pytest.mark.parametrize("function", ["webhooks", "sweep", "reconcile"])
def test_every_function_finds_a_use_for_a_late_payment(shop, function):
    """The sweep finds one only if it is late at the same moment at which it asks, so here each settles it by itself."""
    builders.create_promo_code(shop.api, shop.event_id, max_total_uses=100)  # in two shards
    code = f"/admin/events/{shop.event_id}/promo-codes/SAVE"
    assert shop.api.patch(code, json={"max_total_uses": 1}, token=builders.admin_token()).status == 200
    session = shop.open_checkout(promo_code="SAVE")
    shop.pay(session)
    shop.expire_without_asking_stripe(session["id"])
    shop.open_checkout("bob", 1, promo_code="SAVE")
    late = shop.load_purchase(session["id"])
    provider_payment = payments.fetch_payment(late.payment)
    with store_calls.made_by(function):
        assert settlement.settle_payment(late, provider_payment, shop.time.now).purchase.state == "refunded"


def leave_one_in_each_of_two_shards():
    shards = [shard for shard in scan_shards() if shard.id.startswith("fest-pass@")]
    for number, shard in enumerate(shards):
        store.hold_in_shard(Hold(shard.id, f"others.{number}", shard.available - (number < 2)), 4_000_000_000)


def test_the_sweep_continues_if_a_webhook_was_faster(shop, monkeypatch):
    session = shop.open_checkout()
    shop.pay(session)
    shop.time.advance(181)
    ask = stripe.call

    def ask_while_the_webhook_comes(*arguments):
        monkeypatch.setattr(stripe, "call", ask)
        shop.fake.deliver()
        return ask(*arguments)

    monkeypatch.setattr(stripe, "call", ask_while_the_webhook_comes)
    builders.run_sweep()
    assert stripe.call is ask
    assert shop.purchase_state(session) == "paid"
    assert shop.received_and_kept() == (10_000, 10_000)
