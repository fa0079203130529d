"""Recovery of the uses of promo codes, which a purchase comes to list only when its checkout opens. See docs/protocol.md."""

import pytest

from chalicelib.inventory.allocation import HoldRequest, hold_tickets
from chalicelib.inventory.store import extend_hold
from chalicelib.promotions import management
from chalicelib.promotions import service as promotions
from chalicelib.purchases import store
from tests import builders, invariants
from tests.simulation import faults
from tests.simulation.interleavings import explore

pytestmark = pytest.mark.usefixtures("threaded_store")


@pytest.fixture
def shop(api):
    shop = builders.create_shop(api)
    builders.create_promo_code(api, shop[0], max_total_uses=1)
    return shop


def uses(event_id):
    stock = management.get_code(event_id, "SAVE").uses
    return stock.sold, stock.held


def die_with_a_use(api, user, reservation_id):
    """Open a checkout that dies when it has held a use, before its purchase lists it."""
    with faults.crash_after(1, table="inventory") as crash:
        builders.start_checkout(api, user, reservation_id, promo_code="SAVE")
    assert crash.was_triggered


def test_an_unlisted_use_is_released_after_its_purchase_was_written(api, time, shop):
    reservation_id = builders.reserve(api, "ada", *shop).json["id"]
    version = store.load(reservation_id).version
    promo_code = promotions.find_promo_code(shop[0], "SAVE")
    hold_tickets(HoldRequest(promo_code.stock_id, promo_code.shards, 1, reservation_id, time.now - 1, time.now - 1))
    assert builders.run_sweep()["released"] == 1
    assert (uses(shop[0]), store.load(reservation_id).version) == ((0, 0), version + 1)
    assert store.load(reservation_id).state == "held"
    assert builders.start_checkout(api, "ada", reservation_id, promo_code="SAVE").status == 201
    invariants.check(time.now)


def test_a_checkout_whose_use_was_released_takes_another(api, time, shop):
    """In every order of a checkout and a sweep that finds its use expired at once."""

    def scenario(play):
        shop = builders.create_shop(api)
        builders.create_promo_code(api, shop[0], max_total_uses=2)
        reservation_id = builders.reserve(api, "ada", *shop).json["id"]
        promo_code = promotions.find_promo_code(shop[0], "SAVE")
        hold_tickets(HoldRequest(promo_code.stock_id, promo_code.shards, 1, reservation_id, time.now - 1, time.now - 1))
        actors = {
            "ada": lambda: builders.start_checkout(api, "ada", reservation_id, promo_code="SAVE"),
            "sweep": builders.run_sweep,
        }
        run = play(actors)
        assert run.results["ada"].status == 201
        builders.run_sweep()
        assert uses(shop[0]) == (0, 1)
        invariants.check(time.now)

    explore(scenario, preemptions=1)


def test_the_last_use_survives_a_crash_of_its_buyers_checkout(api, time, shop):
    reservation_id = builders.reserve(api, "ada", *shop).json["id"]
    die_with_a_use(api, "ada", reservation_id)
    assert uses(shop[0]) == (0, 1)
    assert builders.start_checkout(api, "ada", reservation_id, promo_code="SAVE").status == 201
    assert uses(shop[0]) == (0, 1)
    invariants.check(time.now)


def test_a_use_that_nobody_listed_goes_back_when_its_time_is_over(api, time, shop):
    reservation_id = builders.reserve(api, "ada", *shop).json["id"]
    die_with_a_use(api, "ada", reservation_id)
    time.advance(181)
    builders.run_sweep()
    assert (uses(shop[0]), store.load(reservation_id).state) == ((0, 0), "expired")
    invariants.check(time.now, recovered=True)


def test_the_use_of_a_refunded_order_stays_used_after_a_crash(api, time, shop):
    reservation_id = builders.reserve(api, "ada", *shop).json["id"]
    builders.start_checkout(api, "ada", reservation_id, promo_code="SAVE")
    with faults.crash_before(1, table="inventory"):
        builders.confirm(api, "ada", reservation_id)
    assert uses(shop[0]) == (0, 1)
    assert builders.refund(api, reservation_id).status == 201
    assert store.load(reservation_id).state == "refunded"
    time.advance(181)
    assert builders.run_sweep()["converted"] == 1
    assert uses(shop[0]) == (1, 0)
    invariants.check(time.now, recovered=True)


def test_an_unextended_use_is_extended_with_its_purchase(api, time, shop):
    reservation_id = builders.reserve(api, "ada", *shop).json["id"]
    builders.start_checkout(api, "ada", reservation_id, promo_code="SAVE")
    [use] = store.load(reservation_id).promo_holds
    extend_hold(use, time.now)
    assert builders.run_sweep()["extended"] == 1
    assert uses(shop[0]) == (0, 1)
    invariants.check(time.now)
