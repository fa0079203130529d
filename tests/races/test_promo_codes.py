"""Checkouts of one purchase at once, on real threads, with a promo code. Many buyers of one code are in `tests/proof`."""

import pytest

from chalicelib.promotions import management
from tests import builders, invariants
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
