"""What a purchase takes from which stock: tickets of its tiers, and as many of the pool of an event with a capacity of its own."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from chalicelib.catalog.model import Event, Tier
from chalicelib.inventory.model import Hold


class StockClaim(Struct, frozen=True):
    """`quantity` tickets of one stock. `tier_id` is null for the pool; `is_pooled`: a claim on the pool goes with it."""

    stock_id: str
    shard_count: int
    quantity: int
    tier_id: str | None = None
    is_pooled: bool = False


def list_claims(event: Event, items: Iterable[tuple[Tier, int]]) -> list[StockClaim]:
    """The claims of a purchase of these tiers and quantities, in the order in which their tickets are held.

    All purchases use the same order: otherwise two buyers of the last tickets of two tiers could each hold one and be refused the other.
    The pool comes last, so its tickets are held only for buyers who have those of their tiers.
    """
    has_pool = event.pool_id is not None
    claims = [
        StockClaim(tier.stock_id, tier.shards, quantity, tier.id, has_pool) for tier, quantity in sorted(items, key=lambda item: item[0].id)
    ]
    if event.pool_id is not None:
        claims.append(StockClaim(event.pool_id, event.pool_shards, sum(claim.quantity for claim in claims)))
    return claims


def assign_holds(claims: Sequence[StockClaim], holds: Sequence[list[Hold]]) -> tuple[dict[str, list[Hold]], list[Hold]]:
    """The holds of these claims, given in the same order: by tier id, and those in the pool."""
    by_tier = {claim.tier_id: held for claim, held in zip(claims, holds, strict=True)}
    pool_holds = by_tier.pop(None, [])
    return {tier_id: held for tier_id, held in by_tier.items() if tier_id is not None}, pool_holds
