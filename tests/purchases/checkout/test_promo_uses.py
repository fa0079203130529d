"""Buying with a promo code: what it takes off, why it is refused, and that its uses are counted exactly."""

import pytest

from chalicelib.foundation import clock, settings
from chalicelib.foundation.ids import new_id
from chalicelib.inventory import model as stocks
from chalicelib.inventory import service as inventory
from chalicelib.inventory.allocation import HoldRequest, hold_tickets
from chalicelib.promotions import management
from chalicelib.promotions import model as promotions
from chalicelib.purchases import store
from tests import builders, invariants


@pytest.fixture(autouse=True)
def _check(api, time):
    yield
    invariants.check(time.now)


@pytest.fixture
def shop(api, time):
    return builders.create_shop(api, capacity=10, price_cents=3333)


def checkout(api, shop, user="ada", quantity=2, **fields):
    """The reply to a checkout of a new reservation."""
    reservation_id = builders.reserve(api, user, *shop, quantity).json["id"]
    return builders.start_checkout(api, user, reservation_id, key=reservation_id, **fields)


def uses(event_id, code="SAVE"):
    """(times used, times held) of a code."""
    stock = management.get_code(event_id, code).uses
    return stock.sold, stock.held


def test_the_discount_is_taken_off_once_and_split_over_the_tickets(api, shop):
    builders.create_promo_code(api, shop[0], discount_value=25)
    opened = checkout(api, shop, promo_code=" save").json
    reservation = opened["reservation"]
    # 6666 * 25 % = 1666.5, rounded half up.
    assert (reservation["promo_code"], reservation["discount_cents"], reservation["total_price_cents"]) == ("SAVE", 1667, 4999)
    assert uses(shop[0]) == (0, 1)
    order = builders.confirm(api, "ada", opened["id"]).json["order"]
    assert (order["promo_code"], order["discount_cents"], order["total_price_cents"]) == ("SAVE", 1667, 4999)
    assert [(item["price_cents"], item["discount_cents"], item["total_price_cents"]) for item in order["items"]] == [(3333, 1667, 4999)]
    assert uses(shop[0]) == (1, 0)
    tickets = api.get("/me/tickets", user="ada").json["tickets"]
    assert sorted(ticket["tier"]["price_cents"] for ticket in tickets) == [2499, 2500]


def test_a_preview_shows_the_price_with_a_code_and_holds_no_use(api, shop):
    builders.create_promo_code(api, shop[0], discount_value=25)
    reservation = builders.reserve(api, "ada", *shop, 2).json
    path = f"/events/{shop[0]}/reservations"
    shown = api.get(path, query={"promo_code": " save"}, user="ada").json
    assert (shown["promo_code"], shown["discount_cents"], shown["total_price_cents"]) == ("SAVE", 1667, 4999)
    assert (uses(shop[0]), api.get(path, user="ada").json) == ((0, 0), reservation)
    opened = builders.start_checkout(api, "ada", reservation["id"], promo_code="SAVE").json
    assert opened["reservation"]["total_price_cents"] == shown["total_price_cents"]
    assert api.get(path, query={"promo_code": "SAVE"}, user="ada").json["promo_code"] == "SAVE"  # its checkout holds the last use
    assert api.get(path, query={"promo_code": "OTHER"}, user="ada").json["error"] == "promo_code_invalid"


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        (None, "promo_code_invalid"),
        ({"is_active": False}, "promo_code_invalid"),
        ({"minimum_total": 1000}, "promo_code_minimum_not_reached"),
        ({"max_total_uses": 1}, "promo_code_used_up"),
    ],
)
def test_a_preview_is_refused_like_the_checkout(api, shop, fields, refusal):
    if fields is not None:
        builders.create_promo_code(api, shop[0], **fields)
        if refusal == "promo_code_used_up":
            checkout(api, shop, user="bob", promo_code="SAVE")
    reservation_id = builders.reserve(api, "ada", *shop, 2).json["id"]
    preview = api.get(f"/events/{shop[0]}/reservations", query={"promo_code": "save"}, user="ada")
    opened = builders.start_checkout(api, "ada", reservation_id, promo_code="save")
    assert preview.json["error"] == opened.json["error"] == refusal
    assert preview.status == opened.status


def test_codes_cannot_be_guessed_by_previews(api, shop):
    builders.reserve(api, "ada", *shop, 1)
    path = f"/events/{shop[0]}/reservations"
    with settings.override(rate_limits="on", limit_promo_code="1/60", address_factor=2):
        replies = [api.get(path, query={"promo_code": f"GUESS{number}"}, user="ada").status for number in range(3)]
        assert (replies, api.get(path, user="ada").status) == ([400, 400, 429], 200)


def test_an_amount_takes_off_at_most_everything_and_then_nobody_has_to_pay(api, shop):
    builders.create_promo_code(api, shop[0], discount_type="fixed_amount", discount_value="99.50")
    opened = checkout(api, shop, promo_code="SAVE").json
    assert (opened["payment"]["provider"], opened["reservation"]["total_price_cents"]) == ("free", 0)
    paid = builders.confirm(api, "ada", opened["id"], simulate=None)
    assert (paid.status, paid.json["order"]["total_price_cents"], uses(shop[0])) == (201, 0, (1, 0))
    assert paid.json["message"] == "Here are your tickets."
    assert builders.refund(api, opened["id"]).json["refund"]["amount_cents"] == 0


def test_a_partial_refund_returns_the_price_paid_and_keeps_the_use(api, shop):
    builders.create_promo_code(api, shop[0], discount_value=25)
    order_id = builders.buy(api, "ada", *shop, 2, promo_code="SAVE").json["order"]["id"]
    first = builders.refund(api, order_id, tickets=builders.ticket_ids(order_id, 1), key="a").json["refund"]["amount_cents"]
    second = builders.refund(api, order_id, tickets=builders.ticket_ids(order_id, 2), key="b").json["refund"]["amount_cents"]
    assert (first, second) == (2499, 2500)
    assert uses(shop[0]) == (1, 0)


def test_a_code_for_some_tiers_takes_nothing_off_the_others(api, shop):
    event_id, floor = shop
    balcony = builders.create_tier(api, event_id, "Balcony", price_cents=1000)
    builders.create_promo_code(api, event_id, discount_value=50, package_ids=[balcony])
    reply = builders.order(api, "ada", event_id, {floor: 1, balcony: 2}, promo_code="SAVE")
    items = {item["tier_id"]: item["discount_cents"] for item in reply.json["order"]["items"]}
    assert items == {floor: 0, balcony: 1000}
    assert reply.json["order"]["total_price_cents"] == 3333 + 1000


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        (lambda now, other: {"is_active": False}, (400, "promo_code_invalid")),
        (lambda now, other: {"starts_at": clock.iso(now + 60)}, (400, "promo_code_invalid")),
        (lambda now, other: {"expires_at": clock.iso(now + 9)}, (409, "promo_code_expired")),
        (lambda now, other: {"minimum_total": 66.67}, (409, "promo_code_minimum_not_reached")),
        (lambda now, other: {"package_ids": [other]}, (409, "promo_code_not_applicable")),
    ],
)
def test_a_code_that_cannot_be_used_is_refused_and_the_reservation_stays(api, shop, time, fields, refusal):
    builders.create_promo_code(api, shop[0], **fields(time.now, builders.create_tier(api, shop[0], "Balcony")))
    reservation_id = builders.reserve(api, "ada", *shop, 2).json["id"]
    time.advance(10)
    reply = builders.start_checkout(api, "ada", reservation_id, promo_code="SAVE")
    assert (reply.status, reply.json["error"]) == refusal, reply.json
    assert store.load(reservation_id).state == "held"
    assert uses(shop[0]) == (0, 0)
    again = builders.start_checkout(api, "ada", reservation_id)
    assert (again.status, again.json["reservation"]["total_price_cents"]) == (201, 6666)


def test_an_unknown_code_is_refused_by_its_field(api, shop):
    reply = checkout(api, shop, promo_code="NOSUCH")
    assert (reply.status, reply.json["error"], reply.json["path"]) == (400, "promo_code_invalid", "$.promo_code")


def test_the_code_of_another_event_is_unknown(api, shop):
    other, _ = builders.create_shop(api)
    builders.create_promo_code(api, other)
    assert checkout(api, shop, promo_code="SAVE").json["error"] == "promo_code_invalid"


def test_a_use_is_released_when_its_purchase_ends_unpaid(api, shop, time):
    builders.create_promo_code(api, shop[0], max_total_uses=1)
    opened = checkout(api, shop, promo_code="SAVE").json
    refused = checkout(api, shop, "bob", promo_code="SAVE")
    assert (refused.status, refused.json["error"]) == (409, "promo_code_used_up")
    builders.confirm(api, "ada", opened["id"], "fail")
    assert uses(shop[0]) == (0, 0)
    bobs = api.get(f"/events/{shop[0]}/reservations", user="bob").json["id"]
    assert builders.start_checkout(api, "bob", bobs, promo_code="SAVE").status == 201
    time.advance(181)
    builders.run_sweep()
    assert uses(shop[0]) == (0, 0)


def test_a_buyer_who_finds_an_expired_use_gets_it(api, shop, time):
    builders.create_promo_code(api, shop[0], max_total_uses=1)
    checkout(api, shop, promo_code="SAVE")
    time.advance(181)
    assert checkout(api, shop, "bob", promo_code="SAVE").status == 201
    assert uses(shop[0]) == (0, 1)


def test_each_buyer_may_use_a_code_as_often_as_it_says(api, shop):
    builders.create_promo_code(api, shop[0], max_uses_per_donor=2)
    for _ in range(2):
        builders.buy(api, "ada", *shop, 1, promo_code="SAVE")
    refused = checkout(api, shop, quantity=1, promo_code="SAVE")
    assert (refused.status, refused.json["error"], refused.json["limit"]) == (409, "promo_code_limit_reached", 2)
    assert builders.buy(api, "bob", *shop, 1, promo_code="SAVE").status == 201


def test_a_busy_code_is_refused_and_the_reservation_stays(api, shop, time, monkeypatch):
    monkeypatch.setattr(promotions, "MAX_SHARDS", 1)
    builders.create_promo_code(api, shop[0], max_total_uses=10_000)
    promo_code = management.get_code(shop[0], "SAVE").promo_code
    others = [
        hold_tickets(HoldRequest(promo_code.stock_id, promo_code.shards, 1, new_id(), time.now + 60, time.now))
        for _ in range(stocks.MAX_HOLDS)
    ]
    reservation_id = builders.reserve(api, "ada", *shop).json["id"]
    refused = builders.start_checkout(api, "ada", reservation_id, promo_code="SAVE")
    assert (refused.status, refused.json["error"], refused.headers["Retry-After"]) == (503, "promo_code_busy", "5")
    inventory.release_holds([hold for held in others for hold in held])
    assert builders.start_checkout(api, "ada", reservation_id, promo_code="SAVE").status == 201


def test_another_code_for_a_checkout_that_is_open_changes_nothing(api, shop):
    for code in ("SAVE", "MORE"):
        builders.create_promo_code(api, shop[0], code)
    opened = checkout(api, shop, promo_code="SAVE").json
    again = builders.start_checkout(api, "ada", opened["id"], key="another", promo_code="MORE")
    assert (again.status, again.json["reservation"]["promo_code"]) == (200, "SAVE")
    assert (uses(shop[0]), uses(shop[0], "MORE")) == ((0, 1), (0, 0))


def test_a_repeated_checkout_and_order_get_the_same_reply(api, shop):
    builders.create_promo_code(api, shop[0])
    first = checkout(api, shop, promo_code="SAVE").json
    again = builders.start_checkout(api, "ada", first["id"], key=first["id"], promo_code="SAVE").json
    assert {**again, "message": None} == {**first, "message": None}
    ordered = [builders.order(api, "bob", shop[0], {shop[1]: 1}, promo_code="SAVE").json for _ in range(2)]
    assert ordered[0]["order"] == ordered[1]["order"]
    assert uses(shop[0]) == (0, 2)


def test_a_refused_code_of_an_order_in_one_call_gives_the_tickets_back(api, shop):
    reply = builders.order(api, "ada", shop[0], {shop[1]: 2}, promo_code="NOSUCH")
    assert (reply.status, reply.json["error"]) == (400, "promo_code_invalid")
    assert api.get(f"/events/{shop[0]}/reservations", user="ada").status == 404
