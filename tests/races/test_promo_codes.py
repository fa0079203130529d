"""Checkouts of one purchase, and reservations with an access code, at once and on real threads. More buyers are in `tests/proof`."""

import pytest

from chalicelib.promotions import management
from tests import builders, invariants
from tests.simulation.interleavings import explore
from tests.simulation.threads import run_in_threads

pytestmark = pytest.mark.usefixtures("threaded_store")


def test_checkouts_of_one_purchase_at_once_take_one_use(api, time):
    shop = builders.create_shop(api)
    builders.create_promo_code(api, shop[0], max_total_uses=5)
    reservation_id = builders.reserve(api, "ada", *shop).json["id"]
    open_with = lambda key: builders.start_checkout(api, "ada", reservation_id, key=key, promo_code="SAVE").status  # noqa: E731
    assert sorted(run_in_threads(8, open_with, [f"key-{number}" for number in range(8)])) == [200] * 7 + [201]
    stock = management.get_code(shop[0], "SAVE").uses
    assert (stock.sold, stock.held, stock.available) == (0, 1, 4)
    invariants.check(time.now)


def test_buyers_at_once_get_only_the_uses_of_an_access_code(api, time):
    event_id, tier_id = builders.create_shop(api, capacity=50)
    api.patch(f"/tiers/{tier_id}", json={"requires_code": True}, token=builders.admin_token())
    body = {"code": "FANS", "opens_package_ids": [tier_id], "max_total_uses": 3}
    assert api.post(f"/admin/events/{event_id}/promo-codes", json=body, token=builders.admin_token()).status == 201
    wanted = {"tier_id": tier_id, "quantity": 1, "promo_code": "FANS"}
    reserve = lambda user: api.post(f"/events/{event_id}/reservations", json=wanted, user=user).status  # noqa: E731
    assert sorted(run_in_threads(8, reserve, [f"u{number}" for number in range(8)])) == [201] * 3 + [409] * 5
    stock = management.get_code(event_id, "FANS").uses
    assert (stock.sold, stock.held, stock.available) == (0, 3, 0)
    invariants.check(time.now)


def test_a_buyer_who_pays_meanwhile_does_not_get_a_second_use(api, time):
    """In every order of the payment of the only allowed use and a reservation that has read the buyer's record before it."""

    def scenario(play):
        event_id, tier_id = builders.create_shop(api)
        builders.create_promo_code(api, event_id, "FANS", opens_package_ids=[tier_id], max_uses_per_donor=1)
        api.patch(f"/tiers/{tier_id}", json={"requires_code": True}, token=builders.admin_token())
        wanted = {"tier_id": tier_id, "quantity": 1, "promo_code": "FANS"}
        reserve = lambda: api.post(f"/events/{event_id}/reservations", json=wanted, user="ada")  # noqa: E731
        first = reserve().json["id"]
        builders.start_checkout(api, "ada", first, key=first)
        run = play({"pay": lambda: builders.confirm(api, "ada", first), "reserve": reserve})
        assert (run.results["pay"].status, run.results["reserve"].status) == (201, 409)
        stock = management.get_code(event_id, "FANS").uses
        assert (stock.sold, stock.held) == (1, 0)
        invariants.check(time.now)

    explore(scenario, preemptions=1)
