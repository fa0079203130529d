"""Many buyers want a promo code that few may use, on real threads."""

import pytest

from chalicelib.promotions import management
from tests import builders, invariants
from tests.simulation.threads import run_in_threads

pytestmark = pytest.mark.usefixtures("threaded_store")


def test_ten_of_200_threads_use_a_code_with_ten_uses(api, time):
    shop = builders.create_shop(api, capacity=200)
    builders.create_promo_code(api, shop[0], max_total_uses=10)
    held = {f"user-{number}": builders.reserve(api, f"user-{number}", *shop).json["id"] for number in range(200)}

    def buy(user):
        opened = builders.start_checkout(api, user, held[user], promo_code="SAVE")
        return opened.status, builders.confirm(api, user, held[user]).status if opened.status == 201 else opened.json["error"]

    outcomes = run_in_threads(200, buy, held)
    assert sorted(outcomes, key=str) == [(201, 201)] * 10 + [(409, "promo_code_used_up")] * 190
    stock = management.get_code(shop[0], "SAVE").uses
    assert (stock.sold, stock.held, stock.available) == (10, 0, 0)
    invariants.check(time.now)


def test_checkouts_of_one_purchase_at_once_take_one_use(api, time):
    shop = builders.create_shop(api)
    builders.create_promo_code(api, shop[0], max_total_uses=5)
    reservation_id = builders.reserve(api, "ada", *shop).json["id"]
    open_with = lambda key: builders.start_checkout(api, "ada", reservation_id, key=key, promo_code="SAVE").status  # noqa: E731
    assert sorted(run_in_threads(8, open_with, [f"key-{number}" for number in range(8)])) == [200] * 7 + [201]
    stock = management.get_code(shop[0], "SAVE").uses
    assert (stock.sold, stock.held, stock.available) == (0, 1, 4)
    invariants.check(time.now)


def test_a_shrinking_code_never_has_fewer_uses_than_were_taken(api, time):
    shop = builders.create_shop(api, capacity=60)
    builders.create_promo_code(api, shop[0], max_total_uses=40)
    held = {f"user-{number}": builders.reserve(api, f"user-{number}", *shop).json["id"] for number in range(60)}
    path, token = f"/admin/events/{shop[0]}/promo-codes/SAVE", builders.admin_token()

    def act(user):
        if user.endswith("5"):
            return api.patch(path, json={"max_total_uses": 20 + int(user[5:])}, token=token).status in (200, 409)
        return builders.start_checkout(api, user, held[user], promo_code="SAVE").status in (201, 409)

    assert all(run_in_threads(16, act, held))
    invariants.check(time.now)
