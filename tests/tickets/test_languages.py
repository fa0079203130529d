"""A buyer's tickets and orders have the names of the language that the caller prefers."""

import pytest

from tests import builders

SPANISH = {"Accept-Language": "es"}


@pytest.fixture
def order_id(api, time):
    shop = builders.create_shop(api)
    for path, names in ((f"/events/{shop[0]}", {"es": "Noche"}), (f"/tiers/{shop[1]}", {"es": "Pista"})):
        assert api.patch(path, json={"names": names}, token=builders.admin_token()).status == 200
    return builders.create_order(api, shop, 1)


@pytest.mark.parametrize(("headers", "event", "tier"), [(SPANISH, "Noche", "Pista"), ({}, "Night", "Floor")])
def test_tickets_orders_and_offered_tickets_have_the_names_of_a_language(api, order_id, headers, event, tier):
    ticket_id = f"{order_id}-1"
    tickets = api.get("/tickets", user="ada", headers=headers).json["tickets"]
    shown = [*tickets, api.get(f"/tickets/{ticket_id}", user="ada", headers=headers).json]
    assert [(ticket["event"]["name"], ticket["tier"]["name"]) for ticket in shown] == [(event, tier)] * 2
    order = api.get(f"/orders/{order_id}", user="ada", headers=headers).json["order"]
    assert (order["event_name"], order["items"][0]["tier_name"]) == (event, "Floor")  # as the tickets were sold
    token = api.post(f"/tickets/{ticket_id}/transfer", user="ada").json["token"]
    offered = api.post("/transfers/preview", json={"token": token}, headers=headers).json
    assert (offered["event"]["name"], offered["tier_name"]) == (event, tier)
