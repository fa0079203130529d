"""A preview of a refund is what the refund then does, and changes nothing."""

import pytest

from chalicelib.foundation import settings
from chalicelib.purchases import store
from tests import builders


@pytest.fixture
def order_id(api):
    """Four tickets at 50.00 each."""
    return builders.create_order(api, builders.create_shop(api), 4)


def preview(api, order_id, **fields):
    return api.post(f"/admin/orders/{order_id}/refunds/preview", json={"reason": "goodwill"} | fields, token=builders.admin_token())


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"tickets": [2]},
        {"tickets": [1, 3], "fee_cents": 750},
        {"reason": "requested_by_customer"},
        {"tickets": [4], "fee_cents": 9999, "return_seats": False},
    ],
)
def test_a_refund_does_what_its_preview_says(api, order_id, fields):
    if "tickets" in fields:
        fields = fields | {"tickets": builders.ticket_ids(order_id, *fields["tickets"])}
    with settings.override(refund_fee_cents=200, refund_fee_percent=10):
        before = store.load(order_id)
        shown = preview(api, order_id, **fields)
        assert shown.status == 200, shown.json
        assert store.load(order_id) == before
        done = builders.refund(api, order_id, **fields).json
    expected, made = shown.json, done["refund"]
    for name in ("tickets", "amount_cents", "fee_cents", "currency", "seats_returned"):
        assert expected[name] == made[name], name
    assert expected["order_status"] == done["order"]["status"]
    assert expected["kept"] == sum(ticket["state"] == "valid" for ticket in done["tickets"])
    assert expected["price_cents"] == made["amount_cents"] + made["fee_cents"]


def test_a_preview_names_tickets_prices_and_fees(api, order_id):
    shown = preview(api, order_id, tickets=builders.ticket_ids(order_id, 1, 2), fee_cents=500).json
    assert shown == {
        "order_id": order_id,
        "tickets": builders.ticket_ids(order_id, 1, 2),
        "price_cents": 10_000,
        "fee_cents": 1000,
        "refunded_before_cents": 0,
        "amount_cents": 9000,
        "currency": "USD",
        "seats_returned": True,
        "kept": 2,
        "order_status": "partially_refunded",
    }


def test_refunds_made_at_the_provider_are_subtracted(shop):
    order_id = shop.buy("ada", 2)
    shop.refund_in_dashboard(order_id, 2000)
    shop.fake.deliver()
    shown = preview(shop.api, order_id).json
    assert (shown["price_cents"], shown["refunded_before_cents"], shown["amount_cents"]) == (10_000, 2000, 8000)


@pytest.mark.parametrize(
    ("fields", "status", "error", "path"),
    [
        ({"tickets": ["nonsense"]}, 400, "refund_invalid", "$.tickets[0]"),
        ({"reason": "because"}, 400, "invalid_input", "$.reason"),
    ],
)
def test_a_preview_refuses_what_the_refund_would_refuse(api, order_id, fields, status, error, path):
    shown, refused = preview(api, order_id, **fields), builders.refund(api, order_id, **fields)
    assert (shown.status, shown.json["error"], shown.json["path"]) == (refused.status, refused.json["error"], refused.json["path"])
    assert (error, path) == (shown.json["error"], shown.json["path"])
    assert status == shown.status


def test_nothing_is_left_to_refund_of_a_refunded_order(api, order_id):
    builders.refund(api, order_id)
    assert (preview(api, order_id).status, preview(api, order_id).json["error"]) == (409, "not_refundable")
