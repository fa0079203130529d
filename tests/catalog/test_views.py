"""How events and tiers look over HTTP."""

import pytest

from chalicelib import clock
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


def test_a_ticket_type_has_the_fields_of_the_file_with_its_event_and_availability(api, apply_document):
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
    line = {"tier_id": "fest-pass", "tier_name": "fest-pass", "capacity": 10, "available": 5, "reserved": 3, "sold": 2}
    assert reply.json == {
        "event_id": "fest",
        "event_name": "Fest",
        "availability": [line | {"price_cents": 5000, "per_user_limit": 4}],
        "last_updated": clock.iso(time.now),
    }


def test_the_display_states_of_the_file_decide_what_is_visible_and_its_message(api, apply_document):
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
