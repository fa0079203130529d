"""The orders of an event over HTTP, for who manages it."""

import pytest

from tests import builders
from tests.addons.reports.conftest import pages


def test_orders_are_listed_newest_first_and_filtered(api, event_ids):
    for event_id in event_ids:
        orders = pages(api, "/orders", "orders", event_id=event_id, limit=4)
        assert [order["id"] for order in orders] == sorted((order["id"] for order in orders), reverse=True)
        assert {order["event_id"] for order in orders} == {event_id}
        refunded = pages(api, "/orders", "orders", event_id=event_id, status="partially_refunded", limit=2)
        assert refunded == [order for order in orders if order["status"] == "partially_refunded"]
        assert pages(api, "/orders", "orders", event_id=event_id, user_id=orders[0]["user_id"]) == [orders[0]]


def test_only_managers_see_the_orders_of_an_event(api, poller, time):
    event_id, _ = builders.create_shop(api)
    coordinator = builders.auth.issue_token("cleo", {"user"}, events={event_id: "coordinator"})
    assert api.get(f"/orders?event_id={event_id}", token=coordinator).json == {"orders": [], "next_cursor": None}
    for token in (builders.staff_token(event_id), builders.token("pia", "promoter"), builders.token()):
        assert api.get(f"/orders?event_id={event_id}", token=token).status == 403
    assert api.get("/orders?event_id=nowhere", token=builders.admin_token()).status == 404


def test_a_page_with_few_matches_ends_early_with_a_cursor(api, poller, time, monkeypatch):
    from chalicelib.addons.reports import orders

    monkeypatch.setattr(orders, "MAX_ROWS_READ", 2)
    shop = builders.create_shop(api, capacity=20)
    ids = [builders.create_order(api, shop, 1, user=f"user-{number}") for number in range(5)]
    poller.drain()
    reply = api.get(f"/orders?event_id={shop[0]}&user_id=user-0", token=builders.admin_token()).json
    assert reply["orders"] == []
    assert [order["id"] for order in pages(api, "/orders", "orders", event_id=shop[0], user_id="user-0")] == ids[:1]


@pytest.mark.parametrize("query", [{"status": "paid"}, {"user_id": "ada"}, {"limit": 101}, {"cursor": "?"}, {"event_id": "?"}, {"page": 2}])
def test_wrong_parameters_are_named(api, store, query):
    reply = api.get("/orders", query=query, user="ada")
    assert (reply.status, reply.json["path"]) == (400, next(iter(query)))
