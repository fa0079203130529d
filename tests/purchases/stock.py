"""How much of the stock is sold and available, for tests of purchases."""

from chalicelib.inventory.store import scan_shards
from tests import builders
from tests.client import Client


def sold_and_available() -> dict[str, tuple[int, int]]:
    """Shard id -> (sold, available)."""
    return {shard.id: (shard.sold, shard.available) for shard in scan_shards()}


def available_by_tier(api: Client, event_id: str) -> dict[str, int]:
    """Name of the tier -> available, as admins see it."""
    reply = api.get(f"/admin/events/{event_id}/status", token=builders.admin_token())
    return {tier["tier_name"]: tier["available"] for tier in reply.json["tiers"]}
