"""Once a change of a purchase is saved, a store that fails at its holds does not change the reply, and hold recovery does the rest."""

import pytest

from chalicelib.foundation import log, settings
from chalicelib.inventory.store import scan_shards
from chalicelib.purchases import store
from tests import builders, invariants
from tests.simulation import faults

ERRORS = {
    "throttled": faults.throttled,
    "conflict": faults.conflict,
    "timeout": faults.timeout,
    "internal error": faults.internal_error,
}


@pytest.fixture
def checkout(api, time):
    """The id of ada's open checkout of two tickets. At the end the sweep has finished everything."""
    event_id, tier_id = builders.create_shop(api)
    reservation_id = builders.reserve(api, "ada", event_id, tier_id, 2).json["id"]
    assert builders.start_checkout(api, "ada", reservation_id).status == 201
    yield reservation_id
    time.advance(1000)
    builders.run_sweep()
    invariants.check(time.now, recovered=True)
    assert [shard.held for shard in scan_shards()] == [0]


def count_left_to_recovery():
    return log.total("holds_left_to_recovery")


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
def test_an_order_is_paid_although_its_hold_cannot_be_converted(api, checkout, error):
    before = count_left_to_recovery()
    with faults.fail_from(1, error, table="inventory") as fault:
        reply = builders.confirm(api, "ada", checkout)
    assert fault.was_triggered
    assert (reply.status, len(reply.json["tickets"]), store.load(checkout).state) == (201, 2, "paid")
    assert [(shard.held, shard.sold) for shard in scan_shards()] == [(2, 0)]
    assert count_left_to_recovery() == before + 1


def test_a_conversion_whose_answer_is_lost_is_not_repeated(api, time, checkout):
    with faults.lose_answer(1, table="inventory"):
        assert builders.confirm(api, "ada", checkout).status == 201
    assert [(shard.held, shard.sold) for shard in scan_shards()] == [(0, 2)]


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
def test_a_checkout_is_cancelled_although_its_hold_cannot_be_released(api, checkout, error):
    with faults.fail_from(1, error, table="inventory"):
        assert api.delete(f"/reservations/{checkout}", user="ada").status == 200
    assert store.load(checkout).state == "cancelled"


def test_a_payment_is_declined_although_its_hold_cannot_be_released(api, checkout):
    with faults.fail(1, faults.throttled, table="inventory"):
        reply = builders.confirm(api, "ada", checkout, "fail")
    assert (reply.status, store.load(checkout).state) == (200, "cancelled")


def test_an_unconvertible_hold_does_not_stop_the_others_of_its_order(api, time):
    event_id, floor = builders.create_shop(api)
    balcony = builders.create_tier(api, event_id, "Balcony")
    reservation_id = builders.reserve_items(api, "ada", event_id, {floor: 2, balcony: 1}).json["id"]
    builders.start_checkout(api, "ada", reservation_id)
    with faults.fail(1, faults.timeout, table="inventory"):
        assert builders.confirm(api, "ada", reservation_id).status == 201
    assert sorted((shard.held, shard.sold) for shard in scan_shards()) in ([(0, 1), (2, 0)], [(0, 2), (1, 0)])
    time.advance(181)
    assert builders.run_sweep()["converted"] == 1
    invariants.check(time.now, recovered=True)


def test_a_checkout_is_open_although_its_hold_cannot_be_extended(api, time):
    event_id, tier_id = builders.create_shop(api)
    reservation_id = builders.reserve(api, "ada", event_id, tier_id, 2).json["id"]
    with settings.override(checkout_seconds=600), faults.fail(1, faults.throttled, table="inventory") as fault:
        assert builders.start_checkout(api, "ada", reservation_id).status == 201
    assert fault.was_triggered
    time.advance(200)
    assert builders.run_sweep()["extended"] == 1
    assert builders.confirm(api, "ada", reservation_id).status == 201
    invariants.check(time.now, recovered=True)


def test_a_payment_is_refunded_although_its_hold_cannot_be_released(shop):
    session = shop.open_checkout()
    shop.dashboard.v1.payment_intents.update(shop.fetch_payment_intent(session).id, {"amount": 100})
    shop.pay(session)
    with faults.fail(1, faults.throttled, table="inventory") as fault:
        assert shop.confirm(session).json["error"] == "payment_refunded"
    assert fault.was_triggered
    assert shop.list_refunds() == [(100, "succeeded")]
    shop.time.advance(181)
    assert builders.run_sweep()["released"] == 1
