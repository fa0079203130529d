"""Requests of the promoter of an event about its packages."""

from chalicelib.foundation import clock
from tests import builders
from tests.client import Client, ClientReply

PACKAGE = {"name": "VIP table", "price": 1200, "seats_per_package": 8, "quantity_limit": 10}
CHOICES = {"label": "Dinner", "option_type": "multi_select", "choices": ["Fish", "Vegan"]}


def promoter(user_id: str = "pia") -> str:
    return builders.token(user_id, "promoter")


def create_event(api: Client) -> str:
    """A published event of the promoter pia, without any package. Returns its id."""
    fields = {"name": "Gala", "venue": "Hall", "starts_at": clock.iso(clock.now() + 30 * 86_400)}
    event_id = str(api.post("/events", json=fields, token=promoter()).json["id"])
    api.post(f"/events/{event_id}/tiers", json={"name": "Floor", "price_cents": 100, "capacity": 1}, token=promoter())
    assert api.post(f"/events/{event_id}/publish", token=promoter()).status == 200
    floor = api.get(f"/events/{event_id}/tiers").json["tiers"][0]["id"]
    assert api.delete(f"/tiers/{floor}", token=promoter()).status == 200
    return event_id


def path(event_id: str, *parts: str) -> str:
    return "/".join((f"/admin/events/{event_id}/tickets/packages", *parts))


def call(api: Client, method: str, event_id: str, *parts: str, by: str = "", **options) -> ClientReply:
    """A call of the event's promoter, or with the token `by`."""
    return api.request(method, path(event_id, *parts), token=by or promoter(), **options)


def create_package(api: Client, event_id: str, **fields) -> dict:
    reply = call(api, "POST", event_id, json=PACKAGE | fields)
    assert reply.status == 201, reply.json
    return reply.json


def create_option(api: Client, event_id: str, package_id: str, **fields) -> dict:
    reply = call(api, "POST", event_id, package_id, "options", json=CHOICES | fields)
    assert reply.status == 201, reply.json
    return reply.json
