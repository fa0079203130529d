"""Requests of an admin to the catalog, and the state of the stock after them."""

from chalicelib.catalog import service as catalog
from chalicelib.inventory import allocation
from chalicelib.inventory.model import shard_ids
from chalicelib.inventory.store import scan_shards
from tests import builders

EVENT = {"name": "Night", "venue": "Hall", "starts_at": "2026-07-01T20:00:00Z", "on_sale_at": "2026-05-01T10:00:00+02:00"}
TIER = {"name": "Floor", "price_cents": 5000, "capacity": 10}


def post(api, path, body, **options):
    return api.post(path, json=body, token=builders.admin_token(), **options)


def get(api, path):
    return api.get(path, token=builders.admin_token())


def open_flags(event_id: str) -> set[bool]:
    """The `is_open` of all shards of an event."""
    shard_counts = catalog.load_current().shard_counts([event_id])
    ids = {shard_id for stock_id, count in shard_counts.items() for shard_id in shard_ids(stock_id, count)}
    return {shard.is_open for shard in scan_shards() if shard.id in ids}


def hold_tickets(tier_id: str, quantity: int) -> None:
    tier = catalog.load_current().tiers[tier_id]
    allocation.hold_tickets(allocation.HoldRequest(tier.stock_id, tier.shards, quantity, f"p{quantity}.1", 4_000_000_000, 0))


DRAFT = {"name": "Café Noir", "venue": "Kleines Theater", "city": "Zürich", "starts_at": "2026-07-01T20:00:00Z"}
KIND = {"name": "Floor", "price_cents": 5000, "capacity": 10}


def promoter(user_id: str = "pia") -> dict[str, str]:
    """The token of a promoter, as a keyword argument of the client."""
    return {"token": builders.token(user_id, "promoter")}


def create_draft(api, **fields) -> dict:
    reply = api.post("/events", json=DRAFT | fields, **promoter())
    assert reply.status == 201, reply.json
    return reply.json


def create_kind(api, event_id: str, **fields) -> dict:
    reply = api.post(f"/events/{event_id}/tiers", json=KIND | fields, **promoter())
    assert reply.status == 201, reply.json
    return reply.json


def create_published(api, **tier_fields) -> tuple[str, str]:
    """A published event of the promoter pia with one tier. Returns both ids."""
    event_id = create_draft(api)["id"]
    tier_id = create_kind(api, event_id, **tier_fields)["id"]
    assert api.post(f"/events/{event_id}/publish", **promoter()).status == 200
    return event_id, tier_id
