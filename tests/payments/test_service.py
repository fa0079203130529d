"""Which provider takes a payment, and prices that differ from Stripe's."""

import pytest
from msgspec.structs import replace

from chalicelib.foundation import log, settings
from chalicelib.payments import service as payments
from chalicelib.payments.model import (
    Payment,
    PaymentMetadata,
    PaymentsUnavailable,
    ProviderNotOffered,
    SimulationRefused,
    SimulationRequired,
)
from chalicelib.purchases import store
from tests import builders
from tests.bootstrap.conftest import ticket
from tests.payment_pages import on_either_page


def count_price_mismatches():
    return log.total("price_mismatches")


@pytest.mark.parametrize(
    "price_at_stripe",
    [{"unit_amount": 4000}, {"unit_amount": 9000}, {"currency": "eur"}],
    ids=["less", "more", "another currency"],
)
def test_a_price_that_differs_at_stripe_opens_no_hosted_page(shop, price_at_stripe):
    shop.sell_tiers(ticket("floor"))
    shop.fake.add_price("price_floor", **{"unit_amount": 5000, "currency": "usd", "name": "Floor"} | price_at_stripe)
    reservation_id = shop.reserve()
    before = count_price_mismatches()
    for key in ("one", "two"):
        refused = shop.request_checkout(reservation_id, key=key)
        assert (refused.status, refused.json["error"]) == (503, "price_mismatch")
    assert count_price_mismatches() == before + 2
    pages = shop.dashboard.v1.checkout.sessions.list().data
    assert [page.status for page in pages] == ["expired"]
    shop.fake.deliver()
    assert (shop.load_purchase(reservation_id).state, shop.available_tickets()) == ("paying", 8)
    shop.time.advance(181)
    builders.run_sweep()
    assert (shop.load_purchase(reservation_id).state, shop.available_tickets()) == ("expired", 10)


@on_either_page
def test_an_amount_below_stripes_minimum_is_refused_without_an_alarm(shop, page, capsys):
    shop.tier_id = builders.create_tier(shop.api, shop.event_id, "Sticker", price_cents=49)
    before = count_price_mismatches()
    refused = shop.request_checkout(shop.reserve(quantity=1), page=page)
    assert (refused.status, refused.json["error"], refused.json["reason"]) == (409, "amount_not_payable", "amount_too_small")
    order = builders.order(shop.api, "bob", shop.event_id, {shop.tier_id: 1}, page=page)
    assert (order.status, order.json["error"], count_price_mismatches()) == (409, "amount_not_payable", before)
    assert sorted(purchase.state for purchase in store.scan_purchases()) == ["cancelled", "paying"], "the order holds no tickets any more"
    assert "Traceback" not in capsys.readouterr().out


def test_a_promo_code_that_leaves_less_than_stripes_minimum_is_refused_by_name(shop):
    builders.create_promo_code(shop.api, shop.event_id, "ALMOST", discount_type="fixed_amount", discount_value="49.60")
    order = builders.order(shop.api, "bob", shop.event_id, {shop.tier_id: 1}, promo_code="ALMOST")
    assert (order.status, order.json["error"], shop.available_tickets()) == (409, "promo_code_minimum_not_reached", 4)
    reservation = shop.reserve(quantity=1)
    refused = shop.request_checkout(reservation, promo_code="ALMOST")
    assert (refused.status, refused.json["error"], refused.json["promo_code"]) == (409, "promo_code_minimum_not_reached", "ALMOST")
    assert shop.request_checkout(reservation, key="again", replace=True).status == 200


def test_a_price_that_stripe_does_not_have_opens_no_hosted_page(shop):
    shop.sell_tiers(ticket("floor"), at_stripe=False)
    refused = shop.request_checkout(shop.reserve())
    assert (refused.status, refused.json["error"]) == (503, "price_mismatch")


def test_without_a_provider_only_free_orders_can_be_paid(api, time):
    event_id, tier_id = builders.create_shop(api)
    reservation_id = builders.reserve(api, "ada", event_id, tier_id, 2).json["id"]
    with settings.override(payment_simulation="off"):
        reply = builders.start_checkout(api, "ada", reservation_id)
    assert (reply.status, reply.json["error"]) == (503, "payments_unavailable")
    builders.start_checkout(api, "ada", reservation_id, key="k2")
    with settings.override(payment_simulation="off"):
        assert builders.confirm(api, "ada", reservation_id).status == 503
    assert builders.confirm(api, "ada", reservation_id).status == 201


# ------------------------------------------------------------------ the choice of a provider
KEY = {"stripe_api_key": "sk_test_key"}


@pytest.mark.parametrize(
    ("configured", "requested", "chosen"),
    [
        ({}, None, "simulated"),
        ({}, "simulated", "simulated"),
        (KEY, None, "stripe"),
        (KEY, "simulated", "simulated"),
        (KEY, "stripe", "stripe"),
        (KEY | {"payment_provider": "simulated"}, None, "simulated"),
        (KEY | {"payment_provider": "simulated"}, "stripe", "stripe"),
        (KEY | {"payment_provider": "stripe", "payment_simulation": "off"}, None, "stripe"),
    ],
)
def test_a_new_payment_has_the_requested_provider_or_the_usual_one(configured, requested, chosen):
    with settings.override(**configured):
        assert payments.new_payment(5000, "USD", requested) == Payment(chosen, "open", 5000, "USD")


@pytest.mark.parametrize("requested", [None, "simulated", "stripe"])
def test_a_payment_of_nothing_is_free_whatever_is_requested_or_offered(requested):
    with settings.override(payment_simulation="off"):
        assert payments.new_payment(0, "USD", requested) == Payment("free", "open", 0, "USD")


@pytest.mark.parametrize(
    ("configured", "requested"),
    [({}, "stripe"), ({"payment_simulation": "off"}, "simulated"), ({}, "free"), (KEY, "free"), ({}, "imported")],
    ids=["stripe without a key", "simulated but off", "free", "free although stripe is offered", "imported"],
)
def test_a_requested_provider_that_is_not_offered_is_refused(configured, requested):
    with settings.override(**configured), pytest.raises(ProviderNotOffered, match=f"`{requested}`") as refusal:
        payments.new_payment(5000, "USD", requested)
    assert refusal.value.details == {"path": "$.provider"}


@pytest.mark.parametrize("usual", ["auto", "simulated", "stripe"])
def test_without_any_provider_a_payment_is_unavailable(usual):
    with settings.override(payment_simulation="off", payment_provider=usual), pytest.raises(PaymentsUnavailable):
        payments.new_payment(5000, "USD")


@pytest.mark.parametrize(("provider", "is_external"), [("free", False), ("simulated", False), ("stripe", True), ("imported", False)])
def test_only_stripe_is_an_external_provider(provider, is_external):
    assert payments.is_external(provider) == is_external


def test_an_unknown_provider_is_not_external():
    assert not payments.is_external("cash")


def test_an_external_provider_takes_payments_only_with_its_key():
    assert not payments.has_external_provider()
    with settings.override(**KEY):
        assert payments.has_external_provider()


# ------------------------------------------------------------------ outcomes that need no provider
@pytest.mark.parametrize(
    ("provider", "simulate", "status"),
    [
        *(("free", simulate, "captured") for simulate in (None, "success", "fail")),
        ("simulated", "success", "captured"),
        ("simulated", "decline", "declined"),
        ("simulated", "fail", "declined"),
    ],
)
def test_the_outcome_of_a_free_or_simulated_payment_is_decided_here(provider, simulate, status):
    payment = Payment(provider, "open", 5000, "USD")
    assert payments.local_outcome(payment, simulate) == replace(payment, status=status)


def test_the_caller_must_say_how_a_simulated_payment_ends():
    with pytest.raises(SimulationRequired) as refusal:
        payments.local_outcome(Payment("simulated", "open", 5000, "USD"), None)
    assert refusal.value.details == {"path": "$.simulate"}


@pytest.mark.parametrize("simulate", [None, "success", "fail"])
@pytest.mark.parametrize("provider", ["simulated", "imported"])
def test_where_nothing_is_simulated_only_free_orders_have_an_outcome(provider, simulate):
    with settings.override(payment_simulation="off"):
        with pytest.raises(PaymentsUnavailable):
            payments.local_outcome(Payment(provider, "open", 5000, "USD"), simulate)
        assert payments.local_outcome(Payment("free", "open", 0, "USD"), simulate) == Payment("free", "captured", 0, "USD")


@pytest.mark.parametrize("simulate", [None, "success", "fail"])
def test_an_imported_order_cannot_be_paid_even_where_payments_are_simulated(simulate):
    with pytest.raises(PaymentsUnavailable):
        payments.local_outcome(Payment("imported", "open", 5000, "USD"), simulate)


def test_the_outcome_of_a_payment_at_stripe_is_not_decided_here():
    payment = Payment("stripe", "open", 5000, "USD", "pi_1")
    assert payments.local_outcome(payment, None) is None
    with pytest.raises(SimulationRefused, match=r"^Stripe processes this payment"):
        payments.local_outcome(payment, "success")


@pytest.mark.parametrize("provider", ["free", "simulated", "imported"])
def test_an_internal_payment_opens_nothing_and_can_be_cancelled(provider):
    payment = Payment(provider, "open", 5000, "USD")
    assert payments.open_payment(payment, PaymentMetadata("p1", "fest", "ada"), None) is None
    assert payments.cancel_payment(payment) is None


def test_a_purchase_without_a_payment_has_nothing_to_cancel():
    assert payments.cancel_payment(None) is None
