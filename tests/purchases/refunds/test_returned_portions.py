"""Orders whose tickets were held in so many shards that no transaction can give all of their seats back at once.

Nobody requests them here, so nobody can send two requests: a bank takes the money, or somebody in the provider's dashboard.
"""

import pytest

from chalicelib.foundation import settings
from chalicelib.inventory.store import scan_shards
from chalicelib.purchases import refunds
from tests import builders
from tests.bootstrap.conftest import ticket
from tests.simulation import faults

TICKETS = 50
CENTS = 100


@pytest.fixture(autouse=True)
def purchase_limit():
    with settings.override(event_purchase_limit=TICKETS):
        yield


@pytest.fixture
def order_id(shop):
    """An order of 50 tickets at 1.00, each from a shard of its own."""
    window = {"start_date": "2026-01-01T00:00:00Z", "end_date": "2026-08-31", "max_per_transaction": TICKETS}
    shop.sell_tiers(ticket("floor", price_cents=CENTS, max_quantity=TICKETS, shards=TICKETS, availability=window))
    order_id = shop.buy(quantity=TICKETS)
    assert len(shop.load_purchase(order_id).holds) == TICKETS
    return order_id


def sold(shop):
    return sum(shard.sold for shard in scan_shards() if shard.id.startswith("floor"))


def answers(shop):
    """The statuses of all deliveries to the webhook since the last look."""
    return {attempt.status for attempt in shop.fake.delivery_attempts}


@pytest.mark.parametrize("lost", [TICKETS, 40])
def test_a_lost_dispute_voids_tickets_of_any_number_of_shards(shop, order_id, lost):
    dispute_id = shop.create_dispute(order_id, lost * CENTS)
    shop.close_dispute(dispute_id, won=False)
    kept = TICKETS - lost
    assert shop.ticket_states(order_id) == ["valid"] * kept + ["void"] * lost
    order = shop.load_purchase(order_id)
    assert (order.state, sold(shop)) == ("partially_refunded" if kept else "refunded", kept)
    assert (order.disputes[0].status, len(order.disputes[0].voided)) == ("lost", lost)
    assert (answers(shop), shop.open_case_kinds()) == ({200}, [])


def test_an_external_refund_of_all_voids_tickets_of_any_number_of_shards(shop, order_id):
    shop.refund_in_dashboard(order_id, TICKETS * CENTS)
    shop.fake.deliver()
    assert (shop.ticket_states(order_id), sold(shop)) == (["void"] * TICKETS, 0)
    assert (shop.load_purchase(order_id).state, answers(shop)) == ("refunded", {200})
    assert shop.load_purchase(order_id).refunded_cents == TICKETS * CENTS


def test_the_other_tickets_are_refunded_with_nothing_if_a_refund_is_still_due(shop, order_id):
    """Together, the due refund and the refund in the dashboard are more than the payment."""
    shop.fake.fail_next_request("POST", "/v1/refunds", status=500, should_retry=False)
    assert builders.refund(shop.api, order_id, tickets=[f"{order_id}-1"]).json["refund"]["status"] == "due"
    shop.refund_in_dashboard(order_id, TICKETS * CENTS)
    shop.fake.deliver()
    assert (shop.ticket_states(order_id), sold(shop)) == (["void"] * TICKETS, 0)
    due, external, *rest = shop.load_purchase(order_id).refunds
    assert [(refund.amount_cents, refund.status) for refund in (due, external)] == [(CENTS, "due"), (TICKETS * CENTS, "succeeded")]
    assert [(refund.amount_cents, refund.status) for refund in rest] == [(0, "succeeded")]
    assert shop.open_case_kinds() == ["refund"]


@pytest.mark.parametrize("what", ["dispute", "refund"])
@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_a_crash_between_the_portions_is_finished_by_the_next_delivery(shop, monkeypatch, what, number):
    """Four tickets of one shard, of which a transaction takes two."""
    monkeypatch.setattr(refunds, "MAX_RETURN_ITEMS", 3)
    order_id = shop.buy(quantity=4)
    if what == "dispute":
        dispute_id = shop.create_dispute(order_id)
        shop.fake.close_dispute(dispute_id, won=False)
    else:
        shop.refund_in_dashboard(order_id, 20_000)
    with faults.crash_after(number, operation="TransactWriteItems"):
        shop.fake.deliver()
    shop.assert_books_balance()
    shop.time.advance(3600)
    shop.fake.deliver()
    assert shop.ticket_states(order_id) == ["void"] * 4
    assert (shop.load_purchase(order_id).state, shop.available_tickets(), shop.open_case_kinds()) == ("refunded", 4, [])
