"""Requests of an admin to the catalog, and the state of the stock after them."""

from chalicelib.catalog import service as catalog
from chalicelib.inventory import service as inventory
from chalicelib.inventory.model import shard_ids
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
    return {shard.is_open for shard in inventory.scan_shards() if shard.id in ids}


def hold_tickets(tier_id: str, quantity: int) -> None:
    tier = catalog.load_current().tiers[tier_id]
    inventory.hold(tier.stock_id, tier.shards, quantity, f"p{quantity}.1", 4_000_000_000, 0)
