"""Checkouts of one purchase, and reservations with an access code, at once and on real threads. More buyers are in `tests/proof`."""

import pytest

from chalicelib.catalog import service as catalog
from chalicelib.foundation import clock
from chalicelib.inventory.availability import read_stock
from chalicelib.promotions import management
from chalicelib.purchases import store
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


@pytest.mark.not_on_moto
def test_buyers_with_a_code_staff_and_the_box_office_at_once_get_only_what_a_holdback_has_until_it_is_released(api, time):
    """More people want its tickets than it has, while the sweep releases the holdback."""
    event_id, tier_id = builders.create_shop(api, capacity=30)
    held_back = {"id": "fans", "reason": "box_office", "quantity": 9, "release_at": clock.iso(time.now + 60)}
    token, shop = builders.admin_token(), {"tier_id": tier_id, "holdback_id": "fans"}
    assert api.patch(f"/tiers/{tier_id}", json={"holdbacks": [held_back]}, token=token).status == 200
    builders.create_promo_code(api, event_id, "FANS", opens_package_ids=[tier_id], holdback_id="fans")
    wanted = {"tier_id": tier_id, "quantity": 2, "promo_code": "FANS"}
    rows = lambda name: [{"id": f"{name}-{n}", "name": name, "email": f"{name}@example.com"} for n in range(3)]  # noqa: E731
    sale = {**shop, "quantity": 1, "price_cents": 5000, "method": "cash"}
    quota = {**shop, "quantity": 2}
    work = {
        "buyer": lambda name: api.post(f"/events/{event_id}/reservations", json=wanted, user=name),
        "list": lambda name: api.post(f"/events/{event_id}/complimentary-orders", json={**shop, "rows": rows(name)}, token=token),
        "sale": lambda name: api.post(f"/events/{event_id}/box-office-orders", json={**sale, "id": f"till/{name}"}, token=token),
        "quota": lambda name: api.post(f"/events/{event_id}/box-office-quotas", json={**quota, "id": f"till/{name}"}, token=token),
        "sweep": lambda _: builders.run_sweep(),
    }
    time.advance(60)
    catalog.invalidate()
    names = [f"{kind}-{number}" for number in range(3) for kind in work]
    replies = run_in_threads(8, lambda name: work[name.partition("-")[0]](name), names)
    assert {reply.status for reply in replies if not isinstance(reply, dict)} <= {200, 201, 409}
    invariants.check(time.now)
    time.advance(3 * 3600)
    for _ in range(3):
        catalog.invalidate()
        builders.run_sweep()
    invariants.check_recovery(time)
    issued = sum(len(purchase.kept_tickets) for purchase in store.scan_purchases() if purchase.is_order)
    stocks = read_stock({tier_id: 1, f"{tier_id}/fans": 1})
    assert (stocks[f"{tier_id}/fans"].sold, stocks[f"{tier_id}/fans"].available) == (issued, 0)
    assert stocks[tier_id].available == 30 - issued


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
