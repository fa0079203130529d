"""Access codes: promo codes that open tiers which need a code, the sale before its opening, or the way past the waiting room."""

import pytest

from chalicelib.foundation import clock, settings
from chalicelib.promotions import management
from tests import builders, invariants
from tests.simulation import faults
from tests.waiting_room import sale


@pytest.fixture(autouse=True)
def _check(api, time):
    yield
    invariants.check(time.now)


@pytest.fixture
def shop(api):
    """The ids of an event on sale and its tier, which needs a code."""
    shop = builders.create_shop(api)
    require_code(api, shop[1])
    return shop


def require_code(api, tier_id, is_required=True):
    changed = api.patch(f"/tiers/{tier_id}", json={"requires_code": is_required}, token=builders.admin_token())
    assert changed.status == 200, changed.json


def create_code(api, event_id, *tier_ids, code="FANS", **fields):
    """Create a code that opens these tiers, without a discount unless `fields` set one."""
    body = {"code": code, "opens_package_ids": list(tier_ids)} | fields
    reply = api.post(f"/admin/events/{event_id}/promo-codes", json=body, token=builders.admin_token())
    assert reply.status == 201, reply.json
    return reply.json


def change_code(api, event_id, code="FANS", **fields):
    reply = api.patch(f"/admin/events/{event_id}/promo-codes/{code}", json=fields, token=builders.admin_token())
    assert reply.status == 200, reply.json


def reserve(api, user, event_id, tier_id, code=None, quantity=1, **fields):
    return api.post(f"/events/{event_id}/reservations", json=wanted(tier_id, code, quantity) | fields, user=user)


def wanted(tier_id, code=None, quantity=1):
    return {"tier_id": tier_id, "quantity": quantity, "promo_code": code}


def uses(event_id, code="FANS"):
    """(times used, times held) of a code."""
    stock = management.get_code(event_id, code).uses
    return stock.sold, stock.held


def test_a_tier_that_requires_a_code_is_sold_only_with_a_code_that_opens_it(api, shop):
    event_id, floor = shop
    balcony = builders.create_tier(api, event_id, "Balcony")
    create_code(api, event_id, floor)
    create_code(api, event_id, balcony, code="BALCONY")
    builders.create_promo_code(api, event_id)
    refused = reserve(api, "ada", *shop)
    assert (refused.status, refused.json["error"], refused.json["path"]) == (400, "promo_code_required", "$.promo_code")
    assert refused.json["tier_id"] == floor
    for other in ("SAVE", "BALCONY"):
        refused = reserve(api, "ada", *shop, code=other)
        assert (refused.status, refused.json["error"], refused.json["path"]) == (409, "promo_code_opens_other", "$.promo_code")
    assert reserve(api, "ada", *shop, code="WRONG").json["error"] == "promo_code_invalid"
    reserved = reserve(api, "ada", *shop, code=" fans", quantity=2)
    assert (reserved.status, reserved.json["promo_code"], reserved.json["total_price_cents"]) == (201, "FANS", 10000)
    assert uses(event_id) == (0, 1)
    assert reserve(api, "bob", event_id, balcony).status == 201


def test_buyers_see_that_a_tier_requires_a_code(api, shop):
    event_id, floor = shop
    shown = api.get(f"/events/{event_id}").json["tiers"][0]
    assert (shown["id"], shown["requires_code"], shown["status"]) == (floor, True, "available")
    create_code(api, event_id, floor)
    assert api.get(f"/events/{event_id}/promo-codes/fans/validate").json["opens_package_ids"] == [floor]


def test_the_checkout_keeps_the_code_and_its_use(api, shop, time):
    event_id = shop[0]
    create_code(api, event_id, shop[1], discount_value=10)
    builders.create_promo_code(api, event_id, discount_value=50)
    reservation = reserve(api, "ada", *shop, code="FANS").json
    assert (reservation["discount_cents"], reservation["total_price_cents"]) == (500, 4500)
    other = builders.start_checkout(api, "ada", reservation["id"], promo_code="SAVE")
    assert (other.status, other.json["error"], other.json["promo_code"]) == (409, "promo_code_fixed", "FANS")
    preview = api.get(f"/events/{event_id}/reservations", query={"promo_code": "SAVE"}, user="ada")
    assert preview.json["error"] == "promo_code_fixed"
    change_code(api, event_id, is_active=False)  # a code that was deactivated stays with the reservations that have it
    opened = builders.start_checkout(api, "ada", reservation["id"], key="other").json
    assert (opened["reservation"]["promo_code"], opened["reservation"]["total_price_cents"], uses(event_id)) == ("FANS", 4500, (0, 1))
    changed = builders.start_checkout(api, "ada", reservation["id"], key="third", replace=True)
    assert (changed.status, changed.json["reservation"]["total_price_cents"], uses(event_id)) == (200, 4500, (0, 1))
    refused = builders.start_checkout(api, "ada", reservation["id"], key="fourth", replace=True, promo_code="SAVE")
    assert refused.json["error"] == "promo_code_fixed"
    paid = builders.confirm(api, "ada", opened["id"])
    assert (paid.status, paid.json["order"]["promo_code"], uses(event_id)) == (201, "FANS", (1, 0))
    assert reserve(api, "bob", *shop, code="FANS").json["error"] == "promo_code_invalid"


@pytest.mark.parametrize("end", ["release", "expire"])
def test_an_ended_reservation_returns_its_use(api, shop, time, end):
    create_code(api, *shop, max_total_uses=1)
    reserved = reserve(api, "ada", *shop, code="FANS").json
    assert reserve(api, "bob", *shop, code="FANS").json["error"] == "promo_code_used_up"
    if end == "release":
        assert api.delete(f"/reservations/{reserved['id']}", user="ada").status == 200
        assert uses(shop[0]) == (0, 0)
    else:
        time.advance(reserved["expires_in_seconds"])  # the next buyer recovers the use
    assert reserve(api, "bob", *shop, code="FANS").status == 201
    assert uses(shop[0]) == (0, 1)


def test_a_refused_reservation_holds_no_use(api, shop):
    event_id, floor = shop
    create_code(api, *shop)
    api.patch(f"/tiers/{floor}", json={"capacity": 1}, token=builders.admin_token())
    assert reserve(api, "ada", *shop, code="FANS", quantity=2).json["error"] == "not_enough_tickets"
    assert uses(event_id) == (0, 0)


def test_a_reservation_that_dies_with_a_use_gives_it_back(api, shop, time):
    create_code(api, *shop, max_total_uses=1)
    with faults.crash_after(1, table="inventory") as crash:
        reserve(api, "ada", *shop, code="FANS")
    assert (crash.was_triggered, uses(shop[0])) == (True, (0, 1))
    time.advance(3600)
    builders.run_sweep()
    assert uses(shop[0]) == (0, 0)


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"starts_at": "2026-06-01T13:00:00Z"}, "promo_code_invalid"),
        ({"expires_at": "2026-06-01T11:00:00Z"}, "promo_code_expired"),
        ({"is_active": False}, "promo_code_invalid"),
        ({"minimum_total": "50.01"}, "promo_code_minimum_not_reached"),
    ],
)
def test_the_terms_of_a_code_are_checked_by_the_reservation(api, shop, fields, refusal):
    create_code(api, *shop, **fields)
    assert reserve(api, "ada", *shop, code="FANS").json["error"] == refusal
    assert uses(shop[0]) == (0, 0)


def test_one_person_uses_a_code_as_often_as_it_allows(api, shop):
    create_code(api, *shop, max_uses_per_donor=1)
    order = builders.order(api, "ada", shop[0], {shop[1]: 1}, promo_code="FANS")
    assert order.status == 201, order.json
    assert builders.confirm(api, "ada", order.json["order"]["id"]).status == 201
    assert reserve(api, "ada", *shop, code="FANS").json["error"] == "promo_code_limit_reached"
    assert reserve(api, "bob", *shop, code="FANS").status == 201
    assert uses(shop[0]) == (1, 1)


def test_guests_cannot_guess_codes_by_reserving(api, shop):
    create_code(api, *shop)
    guests = [api.post("/auth/guest").json["access_token"] for _ in range(5)]

    def guess(number, code):
        body, address = wanted(shop[1], code), f"198.51.100.{number}"
        return api.post(f"/events/{shop[0]}/reservations", json=body, token=guests[number], source_ip=address).json

    with settings.override(rate_limits="on", limit_invalid_code="3/3600"):
        errors = [guess(number, f"GUESS{number}")["error"] for number in range(4)]
        assert errors == ["promo_code_invalid"] * 3 + ["rate_limited"]
        assert guess(3, "FANS")["limiter"] == "invalid_code"
        assert guess(4, "FANS")["state"] == "active", "a network without wrong guesses"
        assert reserve(api, "ada", *shop, code="FANS").status == 201


def test_a_code_opens_the_sale_before_its_opening(api, time):
    event_id, floor = sale.create_sale(api, time)
    balcony = builders.create_tier(api, event_id, "Balcony")
    create_code(api, event_id, floor, expires_at=clock.iso(time.now + 300))
    builders.create_promo_code(api, event_id)
    assert reserve(api, "ada", event_id, floor).json["error"] == "not_admitted"
    assert reserve(api, "ada", event_id, floor, code="SAVE").json["error"] == "not_admitted"
    assert reserve(api, "ada", event_id, balcony, code="FANS").json["error"] == "promo_code_opens_other"
    both = {"items": [{"tier_id": floor, "quantity": 1}, {"tier_id": balcony, "quantity": 1}], "promo_code": "FANS"}
    assert api.post(f"/events/{event_id}/reservations", json=both, user="ada").json["error"] == "promo_code_opens_other"
    reserved = reserve(api, "ada", event_id, floor, code="FANS")
    assert reserved.status == 201, reserved.json
    assert builders.start_checkout(api, "ada", reserved.json["id"]).status == 201
    assert builders.confirm(api, "ada", reserved.json["id"]).status == 201
    assert uses(event_id) == (1, 0)
    time.advance(301)
    assert reserve(api, "bob", event_id, floor, code="FANS").json["error"] == "promo_code_expired"


def test_a_presale_without_a_waiting_room_ends_with_the_opening(api, time):
    event_id = builders.create_event(api, on_sale_at=clock.iso(time.now + 600), status="scheduled")
    tier_id = builders.create_tier(api, event_id)
    create_code(api, event_id, tier_id)
    assert reserve(api, "ada", event_id, tier_id).json["error"] == "event_not_on_sale"
    assert reserve(api, "ada", event_id, tier_id, code="FANS").status == 201
    time.advance(600)
    assert reserve(api, "bob", event_id, tier_id, code="FANS").json["promo_code"] is None  # not needed any more
    assert uses(event_id) == (0, 1)


@pytest.mark.parametrize("stop", ["pause", "cancel"])
def test_no_code_opens_a_sale_that_was_stopped(api, time, stop):
    event_id = builders.create_event(api, on_sale_at=clock.iso(time.now + 600), status="scheduled")
    tier_id = builders.create_tier(api, event_id)
    create_code(api, event_id, tier_id)
    path = f"/events/{event_id}/cancel" if stop == "cancel" else f"/admin/events/{event_id}/pause"
    stopped = api.post(path, token=builders.admin_token())
    assert stopped.status == 200, stopped.json
    refusal = {"pause": "event_paused", "cancel": "event_not_on_sale"}[stop]
    assert reserve(api, "ada", event_id, tier_id, code="FANS").json["error"] == refusal
    assert uses(event_id) == (0, 0)


def test_after_the_opening_only_a_code_that_skips_the_waiting_room_replaces_a_pass(api, time):
    event_id, tier_id = sale.create_sale(api, time)
    create_code(api, event_id, tier_id)
    create_code(api, event_id, tier_id, code="GUESTS", skips_waiting_room=True)
    token = sale.join(api, event_id, "carol")
    time.advance(sale.SECONDS_TO_OPENING)
    assert reserve(api, "ada", event_id, tier_id, code="FANS").json["error"] == "not_admitted"
    assert reserve(api, "ada", event_id, tier_id, code="GUESTS").status == 201
    assert uses(event_id, "GUESTS") == (0, 1)
    with_pass = reserve(api, "carol", event_id, tier_id, code="GUESTS", token=token)  # the pass is enough
    assert (with_pass.status, with_pass.json["promo_code"], uses(event_id, "GUESTS")) == (201, None, (0, 1))


def test_one_call_orders_with_an_access_code(api, shop):
    create_code(api, *shop)
    assert builders.order(api, "ada", shop[0], {shop[1]: 1}).json["error"] == "promo_code_required"
    order = builders.order(api, "ada", shop[0], {shop[1]: 1}, key="second", promo_code="fans")
    assert (order.status, order.json["order"]["promo_code"], uses(shop[0])) == (201, "FANS", (0, 1))


def test_a_reservation_with_a_code_takes_two_round_trips_more(api, shop):
    create_code(api, *shop)
    api.get(f"/events/{shop[0]}")  # warms the catalog
    with faults.record_calls() as calls:
        assert reserve(api, "ada", *shop, code="FANS").status == 201
    assert calls == ["GetItem", "UpdateItem", "UpdateItem", "TransactWriteItems"]
    reservation_id = api.get(f"/events/{shop[0]}/reservations", user="ada").json["id"]
    with faults.record_calls() as calls:
        assert builders.start_checkout(api, "ada", reservation_id).status == 201
    assert calls == ["UpdateItem"]


def test_a_code_without_a_discount_has_to_open_tickets(api, shop):
    path = f"/admin/events/{shop[0]}/promo-codes"
    refusals = [
        ({"code": "NONE"}, "$.discount_value"),
        ({"code": "NONE", "discount_type": "fixed_amount", "discount_value": 0}, "$.discount_value"),
        ({"code": "NONE", "discount_value": 10, "skips_waiting_room": True}, "$.skips_waiting_room"),
        ({"code": "NONE", "opens_package_ids": ["other"]}, "$.opens_package_ids[0]"),
    ]
    for body, field in refusals:
        refused = api.post(path, json=body, token=builders.admin_token())
        assert (refused.status, refused.json["path"]) == (400, field)
    created = create_code(api, *shop, skips_waiting_room=True)
    assert (created["discount_value"], created["opens_package_ids"], created["skips_waiting_room"]) == (0, [shop[1]], True)
