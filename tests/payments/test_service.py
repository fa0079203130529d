"""Which provider takes a payment, and prices that differ from Stripe's."""

import pytest

from chalicelib import log, settings
from tests import builders
from tests.bootstrap.conftest import ticket


def count_price_mismatches():
    return log.registry.get_sample_value("fairgate_price_mismatches_total")


@pytest.mark.parametrize(
    "price_at_stripe",
    [{"unit_amount": 4000}, {"unit_amount": 9000}, {"currency": "eur"}, {"unit_amount": 10}],
    ids=["less", "more", "another currency", "below Stripe's minimum"],
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
    assert [page.status for page in pages] == ([] if price_at_stripe.get("unit_amount") == 10 else ["expired"])
    shop.fake.deliver()
    assert (shop.load_purchase(reservation_id).state, shop.available_tickets()) == ("paying", 8)
    shop.time.advance(181)
    builders.run_sweep()
    assert (shop.load_purchase(reservation_id).state, shop.available_tickets()) == ("expired", 10)


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
