"""Access codes for holdbacks: they sell only tickets that are held back, from the stock of which staff issue and sell tickets too."""

import pytest

from chalicelib.catalog import service as catalog
from chalicelib.foundation import clock
from chalicelib.inventory.availability import read_stock
from chalicelib.inventory.store import read_shards
from chalicelib.purchases import store
from tests import builders, invariants
from tests.purchases.reservations.test_access_codes import change_code, create_code, require_code, reserve, uses
from tests.simulation import faults


@pytest.fixture(autouse=True)
def _check(api, time):
    yield
    invariants.check(time.now)


def fans(quantity=4, **fields):
    return {"id": "fans", "reason": "presale", "quantity": quantity} | fields


def hold_back(api, tier_id, *holdbacks):
    changed = api.patch(f"/tiers/{tier_id}", json={"holdbacks": list(holdbacks)}, token=builders.admin_token())
    assert changed.status == 200, changed.json


@pytest.fixture
def shop(api):
    """An event on sale with a tier of 10 tickets, 4 of which are held back for fans, who have the code FANS."""
    shop = builders.create_shop(api)
    hold_back(api, shop[1], fans())
    create_code(api, *shop, holdback_id="fans")
    return shop


def pay(api, user, reservation_id):
    builders.start_checkout(api, user, reservation_id)
    paid = builders.confirm(api, user, reservation_id)
    assert paid.status == 201, paid.json
    return paid.json["order"]["id"]


def issued(api, tier_id):
    """(tickets issued or sold from the holdback, tickets left in it)."""
    [shown] = api.get(f"/admin/tiers/{tier_id}", token=builders.admin_token()).json["complimentary"]
    return shown["issued"], shown["left"]


def on_sale(tier_id):
    stock = read_stock({tier_id: 1})[tier_id]
    return stock.available, stock.held, stock.sold


def run_sweep(time, seconds=0):
    time.advance(seconds)
    catalog.invalidate()
    builders.run_sweep()


def test_a_code_sells_held_back_tickets_when_the_others_have_sold_out(api, shop, time):
    event_id, tier_id = shop
    for user, quantity in (("bob", 3), ("cleo", 3)):
        builders.create_order(api, shop, quantity, user)
    assert reserve(api, "eve", *shop).json["error"] == "not_enough_tickets"
    reserved = reserve(api, "ada", *shop, code="fans", quantity=3)
    assert (reserved.status, reserved.json["promo_code"], uses(event_id)) == (201, "FANS", (0, 1))
    assert (issued(api, tier_id), on_sale(tier_id)) == ((0, 1), (0, 0, 6))
    refused = reserve(api, "dan", *shop, code="FANS", quantity=2)
    assert (refused.status, refused.json["error"], refused.json["tier_id"]) == (409, "not_enough_tickets", tier_id)
    order_id = pay(api, "ada", reserved.json["id"])
    assert (issued(api, tier_id), on_sale(tier_id), uses(event_id)) == ((3, 1), (0, 0, 6), (1, 0))
    refunded = builders.refund(api, order_id, tickets=builders.ticket_ids(order_id, 1))
    assert (refunded.status, issued(api, tier_id), on_sale(tier_id)) == (201, (2, 2), (0, 0, 6))


def test_an_unpaid_reservation_returns_its_tickets_to_the_holdback(api, shop, time):
    for end in ("release", "expire"):
        reserved = reserve(api, "ada", *shop, code="FANS", quantity=4)
        assert reserved.status == 201, reserved.json
        if end == "release":
            assert api.delete(f"/reservations/{reserved.json['id']}", user="ada").status == 200
        else:
            run_sweep(time, 3600)
        assert (issued(api, shop[1]), on_sale(shop[1]), uses(shop[0])) == ((0, 4), (6, 0, 0), (0, 0))


def test_before_the_opening_the_code_sells_nothing_but_the_holdback(api, time):
    event_id = builders.create_event(api, on_sale_at=clock.iso(time.now + 3600), status="scheduled")
    shop = event_id, builders.create_tier(api, event_id)
    hold_back(api, shop[1], fans(2))
    create_code(api, *shop, holdback_id="fans", expires_at=clock.iso(time.now + 1800))
    assert reserve(api, "ada", *shop).status == 409
    pay(api, "ada", reserve(api, "ada", *shop, code="FANS", quantity=2).json["id"])
    assert reserve(api, "bob", *shop, code="FANS").json["error"] == "not_enough_tickets"
    assert (issued(api, shop[1]), on_sale(shop[1])) == ((2, 0), (8, 0, 0))
    time.advance(1801)
    assert reserve(api, "bob", *shop, code="FANS").json["error"] == "promo_code_expired"


def test_staff_and_buyers_with_the_code_share_the_tickets(api, shop):
    event_id, tier_id = shop
    reserve(api, "ada", *shop, code="FANS", quantity=3)
    body = {
        "tier_id": tier_id,
        "holdback_id": "fans",
        "rows": [{"id": name, "name": name, "email": f"{name}@example.com"} for name in "ab"],
    }
    reply = api.post(f"/events/{event_id}/complimentary-orders", json=body, token=builders.admin_token())
    assert [row["status"] for row in reply.json["rows"]] == ["issued", "no_tickets_left"]
    refused = api.patch(f"/tiers/{tier_id}", json={"holdbacks": [fans(3)]}, token=builders.admin_token())
    assert (refused.json["error"], refused.json["minimum"]) == ("holdback_in_use", 4)


def test_the_pool_of_the_event_does_not_have_these_tickets(api, time):
    shop = builders.create_shop(api, event_capacity=8)
    hold_back(api, shop[1], fans())
    create_code(api, *shop, holdback_id="fans")
    builders.create_order(api, shop, 4, "bob")
    order_id = pay(api, "ada", reserve(api, "ada", *shop, code="FANS", quantity=4).json["id"])
    assert reserve(api, "eve", *shop).json["error"] == "not_enough_tickets"
    assert store.load(order_id).pool_holds == []
    run_sweep(time, 60)
    assert builders.refund(api, order_id).status == 201
    assert reserve(api, "eve", *shop).json["error"] == "not_enough_tickets"


def test_a_code_opens_only_the_holdback_of_all_requested_tiers(api, shop):
    event_id, floor = shop
    balcony = builders.create_tier(api, event_id, "Balcony")
    items = [{"tier_id": tier_id, "quantity": 1} for tier_id in (floor, balcony)]
    refused = api.post(f"/events/{event_id}/reservations", json={"items": items, "promo_code": "FANS"}, user="ada")
    assert (refused.json["error"], refused.json["opens_package_ids"]) == ("promo_code_opens_other", [floor])
    hold_back(api, balcony, fans(1))
    change_code(api, event_id, opens_package_ids=[floor, balcony])
    catalog.refresh_snapshot()
    reserved = api.post(f"/events/{event_id}/reservations", json={"items": items, "promo_code": "FANS"}, user="ada")
    assert reserved.status == 201, reserved.json
    assert [issued(api, tier_id) for tier_id in (floor, balcony)] == [(0, 3), (0, 0)]


def test_other_codes_leave_the_holdback_alone(api, shop):
    event_id, tier_id = shop
    create_code(api, *shop, code="EARLY")
    builders.create_promo_code(api, event_id)
    for user, code in (("ada", "EARLY"), ("bob", "SAVE"), ("cleo", None)):
        reserved = reserve(api, user, *shop, code=code)
        assert (reserved.status, reserved.json["promo_code"]) == (201, None), reserved.json
    assert on_sale(tier_id) == (3, 3, 0)
    require_code(api, tier_id)
    catalog.refresh_snapshot()
    assert reserve(api, "dan", *shop, code="EARLY").json["promo_code"] == "EARLY"
    assert reserve(api, "eve", *shop, code="SAVE").json["error"] == "promo_code_opens_other"
    assert on_sale(tier_id) == (2, 4, 0)


def test_a_purchase_without_a_code_makes_the_same_calls_with_and_without_holdbacks(api, shop):
    plain = builders.create_shop(api)
    reserve(api, "warm", *plain)
    calls = []
    for number, where in enumerate((plain, shop)):
        with faults.record_calls() as log:
            assert reserve(api, f"u{number}", *where).status == 201
        calls.append([(entry.operation, entry.tables) for entry in log.entries])
    assert calls[0] == calls[1]


def test_after_the_release_the_code_sells_nothing_and_open_checkouts_are_paid(api, time):
    shop = builders.create_shop(api)
    hold_back(api, shop[1], fans(release_at=clock.iso(time.now + 60)))
    require_code(api, shop[1])
    create_code(api, *shop, holdback_id="fans")
    reserved = reserve(api, "ada", *shop, code="FANS", quantity=3).json
    run_sweep(time, 60)
    assert reserve(api, "bob", *shop, code="FANS").json["error"] == "promo_code_used_up"
    assert on_sale(shop[1]) == (7, 0, 0)
    order_id = pay(api, "ada", reserved["id"])
    assert builders.refund(api, order_id, tickets=builders.ticket_ids(order_id, 1, 2)).status == 201
    run_sweep(time, 60)
    assert on_sale(shop[1]) == (9, 0, 0)


def test_a_removed_holdback_sells_nothing(api, time):
    event_id = builders.create_event(api, on_sale_at=clock.iso(time.now + 3600), status="scheduled")
    shop = event_id, builders.create_tier(api, event_id)
    hold_back(api, shop[1], fans())
    create_code(api, *shop, holdback_id="fans")
    hold_back(api, shop[1])
    catalog.refresh_snapshot()
    assert reserve(api, "ada", *shop, code="FANS").json["error"] == "promo_code_used_up"
    change_code(api, event_id, is_active=False)  # still possible


def test_a_pause_closes_the_holdback_at_once_and_a_resumed_sale_opens_it(api, shop):
    event_id, tier_id = shop
    first = reserve(api, "ada", *shop, code="FANS").json["id"]
    [shard_id] = [f"{tier_id}/fans#0"]
    assert api.post(f"/admin/events/{event_id}/pause", token=builders.admin_token()).status == 200
    assert not read_shards([shard_id])[0].is_open
    assert reserve(api, "bob", *shop, code="FANS").json["error"] == "event_paused"
    pay(api, "ada", first)
    assert api.post(f"/admin/events/{event_id}/resume", token=builders.admin_token()).status == 200
    assert reserve(api, "bob", *shop, code="FANS").status == 201


def test_the_sweep_opens_the_stock_of_a_holdback_that_an_earlier_release_closed(api, shop, time):
    reserve(api, "ada", *shop, code="FANS")
    shard_id = f"{shop[1]}/fans#0"
    catalog.load_current()
    from chalicelib.inventory import service as inventory

    inventory.set_open({f"{shop[1]}/fans": 1}, False)
    run_sweep(time, 60)
    assert read_shards([shard_id])[0].is_open
    assert not read_shards([shard_id])[0].is_pooled


def test_a_cancelled_event_ends_reservations_and_refunds_orders_from_the_holdback(api, shop, time):
    paid = pay(api, "ada", reserve(api, "ada", *shop, code="FANS", quantity=2).json["id"])
    held = reserve(api, "bob", *shop, code="FANS").json["id"]
    assert api.post(f"/events/{shop[0]}/cancel", token=builders.admin_token()).status == 200
    for _ in range(3):
        run_sweep(time, 60)
    assert [store.load(purchase_id).state for purchase_id in (paid, held)] == ["refunded", "cancelled"]


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"opens_package_ids": []}, "$.holdback_id"),
        ({"holdback_id": "nothing"}, "$.holdback_id"),
        ({"holdback_id": "a b"}, "$.holdback_id"),
    ],
)
def test_a_code_names_a_holdback_of_the_tiers_that_it_opens(api, shop, fields, path):
    event_id, tier_id = shop
    body = {"code": "MORE", "discount_value": 10, "opens_package_ids": [tier_id], "holdback_id": "fans"} | fields
    refused = api.post(f"/admin/events/{event_id}/promo-codes", json=body, token=builders.admin_token())
    assert (refused.status, refused.json["path"]) == (400, path)
    shown = api.get(f"/admin/events/{event_id}/promo-codes/FANS", token=builders.admin_token()).json
    assert shown["holdback_id"] == "fans"


def test_a_page_learns_only_whether_there_are_access_codes(api, time):
    event_id, tier_id = builders.create_shop(api)
    asked = lambda: api.get(f"/events/{event_id}/access-codes").json  # noqa: E731
    builders.create_promo_code(api, event_id)
    assert asked() == {"has_access_codes": False}
    create_code(api, event_id, tier_id, expires_at=clock.iso(time.now + 3600))
    assert asked() == {"has_access_codes": False}, "the answer may be a minute old"
    time.advance(61)
    assert asked() == {"has_access_codes": True}
    time.advance(3601)
    assert asked() == {"has_access_codes": False}
    assert api.get("/events/none/access-codes").status == 404


@pytest.mark.slow
def test_a_crash_at_any_call_leaves_no_ticket_behind(api, time):
    def create():
        shop = builders.create_shop(api)
        hold_back(api, shop[1], fans(2))
        create_code(api, *shop, holdback_id="fans")
        return shop

    shop = create()
    with faults.record_calls() as calls:
        reserve(api, "ada", *shop, code="FANS")
    for number in range(1, len(calls) + 1):
        shop = create()
        with faults.crash_after(number):
            reserve(api, "ada", *shop, code="FANS")
        run_sweep(time, 3600)
        run_sweep(time, 60)
        assert reserve(api, "bob", *shop, code="FANS", quantity=2).status == 201
        assert on_sale(shop[1]) == (8, 0, 0)
