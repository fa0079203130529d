"""How events and tiers look over HTTP."""

import pytest

from chalicelib.foundation import clock
from tests import builders
from tests.bootstrap.conftest import event, ticket
from tests.catalog.requests import hold_tickets

INTERNAL = {"created_at", "updated_at", "managed_by", "stock_id", "shards", "removed", "metadata"}


def test_events_are_an_array_in_display_order(api, apply_document):
    apply_document([event("b", display_order=2), event("a", display_order=3), event("c", display_order=1)], [])
    reply = api.get("/events")
    assert reply.status == 200
    assert [listed["id"] for listed in reply.json] == ["c", "b", "a"]
    fields = {"id", "name", "venue", "description", "starts_at", "on_sale_at", "status"}
    assert all(fields <= set(listed) and not INTERNAL & set(listed) for listed in reply.json)


def test_a_ticket_type_has_its_fields_event_and_availability(api, apply_document):
    tickets = [ticket("late", display_order=2, sold_count=3), ticket("early", display_order=1)]
    apply_document([event("fest"), event("other", display_order=9)], [*tickets, ticket("x", "other")])
    reply = api.get("/tickets/types", query={"event_id": "fest"}).json
    assert reply["total"] == 2
    early, late = reply["ticket_types"]
    assert {key: late[key] for key in tickets[0]} == tickets[0]
    assert (early["event_name"], early["event_date"], early["event_venue"]) == ("Fest", "2026-09-01", "Hall")
    assert (late["available_quantity"], late["is_available"]) == (7, True)


@pytest.mark.parametrize("status", [None, "available", "coming-soon"])
def test_a_ticket_type_has_the_status_of_its_public_event(api, apply_document, status):
    """Also when the list leaves out tiers that decide about the event: one that opens later keeps a sold-out event scheduled."""
    events = [event("fest"), event("full"), event("later", on_sale_at="2026-08-01"), event("off", status="cancelled")]
    passes = [ticket(f"{entry['id']}-pass", entry["id"], sold_count=10 if entry["id"] == "full" else 0) for entry in events]
    apply_document(events, [*passes, ticket("full-soon", "full", status="coming-soon")])
    public = {listed["id"]: listed["status"] for listed in api.get("/events").json}
    assert public == {"fest": "on_sale", "full": "scheduled", "later": "scheduled", "off": "cancelled"}
    ticket_types = api.get("/tickets/types", query={"status": status} if status else {}).json["ticket_types"]
    assert len(ticket_types) == {None: 5, "available": 4, "coming-soon": 1}[status]
    assert all(ticket_type["event_status"] == public[ticket_type["event_id"]] for ticket_type in ticket_types)


@pytest.mark.parametrize(
    ("tiers", "price"),
    [
        ({"over": {"status": "closed"}, "usual": {}, "dear": {}}, 200),
        ({"gone": {"sold_count": 10}, "usual": {}}, 200),
        ({"soon": {"status": "coming-soon"}, "usual": {}}, 200),
        ({"gone": {"sold_count": 10}, "soon": {"status": "coming-soon"}}, 200),
        ({"gone": {"sold_count": 10}, "dear": {"sold_count": 10}}, 100),
        ({"free": {"price_cents": 0}, "usual": {}}, 0),
        ({"over": {"status": "closed"}}, None),
        ({}, None),
    ],
)
def test_an_event_says_the_lowest_price_that_can_be_paid(api, apply_document, tiers, price):
    """What can be bought now goes before what can be bought later, and that before what is sold out. Each tier costs 100 more."""
    apply_document(None, [ticket(name, **({"price_cents": 100 * n} | fields)) for n, (name, fields) in enumerate(tiers.items(), start=1)])
    for shown in (api.get("/events").json[0], api.get("/events?q=fest").json[0], api.get("/events/fest").json):
        assert (shown["price_from_cents"], shown["currency"]) == (price, None if price is None else "USD")


def test_the_price_of_a_hidden_tier_is_not_announced(api, time):
    event_id = builders.create_event(api)
    builders.create_tier(api, event_id, "Floor", price_cents=5000)
    friends = {"name": "Friends", "price_cents": 100, "capacity": 10, "hidden": True}
    assert api.post(f"/events/{event_id}/tiers", json=friends, token=builders.admin_token()).status == 201
    assert api.get(f"/events/{event_id}").json["price_from_cents"] == 5000


def test_an_event_says_whether_buyers_wait_in_line(api, time):
    opens_at = clock.iso(time.now + 60)
    for fields, expected in (
        ({"on_sale_at": opens_at, "waiting_room": None}, True),
        ({"on_sale_at": opens_at, "waiting_room": {"enabled": True}}, True),
        ({"on_sale_at": opens_at, "waiting_room": {"enabled": False}}, False),
    ):
        event_id = builders.create_event(api, f"Night {fields}", **fields)
        assert api.get(f"/events/{event_id}").json["has_waiting_room"] is expected
        assert api.get(f"/events/{event_id}/waiting-room/state").status == (200 if expected else 404)


def test_an_event_has_its_tiers_by_price(api, apply_document):
    apply_document(None, [ticket("dear", price_cents=900), ticket("free", price_cents=0, per_user_limit=2), ticket("mid", price_cents=5)])
    reply = api.get("/events/fest")
    assert [tier["id"] for tier in reply.json["tiers"]] == ["free", "mid", "dear"]
    free = reply.json["tiers"][0]
    expected = {"event_id": "fest", "name": "free", "price_cents": 0, "capacity": 10, "per_user_limit": 2, "status": "available"}
    assert expected.items() <= free.items()


def test_the_figures_of_availability_add_up(api, apply_document, time):
    apply_document(None, [ticket("fest-pass", sold_count=2)])
    hold_tickets("fest-pass", 3)
    reply = api.get("/events/fest/availability")
    line = {
        "tier_id": "fest-pass",
        "tier_name": "fest-pass",
        "capacity": 10,
        "available": 5,
        "remaining": 5,
        "reserved": 3,
        "sold": 2,
        "reserved_for_waitlist": 0,
    }
    assert reply.json == {
        "event_id": "fest",
        "event_name": "Fest",
        "paused": False,
        "capacity": 10,
        "available": 5,
        "availability": [line | {"price_cents": 5000, "included_fee_cents": 0, "per_user_limit": 4, "resale": []}],
        "dates": [],
        "last_updated": clock.iso(time.now),
    }


def test_display_states_decide_visibility_and_message(api, apply_document):
    states = {
        "closed": {"purchasable": False, "display": True, "message": "Gone"},
        "coming-soon": {"purchasable": True, "display": True, "message": "Presale"},
        "available": {"purchasable": True, "display": False, "message": None},
    }
    tickets = [ticket("a"), ticket("b", status="closed"), ticket("c", status="coming-soon")]
    apply_document(None, tickets, ticket_states=states)
    ticket_types = api.get("/tickets/types").json["ticket_types"]
    assert [(ticket_type["id"], ticket_type["message"], ticket_type["is_available"]) for ticket_type in ticket_types] == [
        ("b", "Gone", False),
        ("c", "Presale", True),
    ]
