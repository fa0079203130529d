"""The holds of a purchase: which stocks it takes tickets from, and the conversion, release or extension of its holds."""

from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct

from chalicelib.catalog.model import Event, Tier
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import log
from chalicelib.inventory import service as inventory
from chalicelib.inventory.model import Hold
from chalicelib.purchases.model import Purchase

# What a purchase takes from which stock: tickets of its tiers, and as many of the pool of an event with a capacity of its own.


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


# What a saved change of a purchase means for its holds: they are converted, released or extended.
#
# The purchase is the arbiter and has decided, so its reply does not depend on the shards any more. An update that fails is logged and
# counted, and hold recovery makes it when the hold expires.


def convert_holds(purchase: Purchase) -> int:
    """Count the tickets of a new order as sold. Returns how many holds were converted; hold recovery converts the rest."""
    return _update_each(purchase, "convert", lambda hold: inventory.convert_holds([hold]))


def release_holds(purchase: Purchase) -> int:
    """Make the tickets of a purchase that has ended available. Returns how many holds were released; hold recovery releases the rest."""
    return _update_each(purchase, "release", lambda hold: inventory.release_holds([hold]))


def extend_holds(purchase: Purchase, expires_at: int) -> int:
    """Let the holds of an active purchase expire at this time. Returns how many were extended; hold recovery extends the rest."""
    return _update_each(purchase, "extend", lambda hold: inventory.extend_hold(hold, expires_at))


def _update_each(purchase: Purchase, what: str, update: Callable[[Hold], int]) -> int:
    """Update each hold, also those after one that fails: they may be in other shards."""
    updated = 0
    for hold in purchase.holds:
        try:
            updated += update(hold)
        except dynamo.STORE_ERRORS as error:
            log.count("holds_left_to_recovery")
            details = {"purchase_id": purchase.id, "shard_id": hold.shard_id, "error": type(error).__name__}
            log.warning("hold.left_to_recovery", update=what, store_code=dynamo.error_code(error), **details)
    return updated
