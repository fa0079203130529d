"""Holds of a purchase: which stocks it takes tickets from, and how its holds are converted, released or extended."""

from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct

from chalicelib.catalog.model import Event, Tier
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import log
from chalicelib.inventory import service as inventory
from chalicelib.inventory.model import Hold
from chalicelib.inventory.store import extend_hold
from chalicelib.purchases.model import Purchase

# Stock claims: a purchase takes tickets of its tiers and, if the event has a capacity of its own, as many tickets from the event's pool.


class StockClaim(Struct, frozen=True):
    """`quantity` tickets of one stock. `tier_id` is null for the pool. `is_pooled`: a claim on the pool goes with this claim."""

    stock_id: str
    shard_count: int
    quantity: int
    tier_id: str | None = None
    is_pooled: bool = False


def list_claims(event: Event, items: Iterable[tuple[Tier, int]]) -> list[StockClaim]:
    """Return the claims for these tiers and quantities, in the order in which to hold their tickets.

    All purchases use the same order. Otherwise two buyers of the last tickets of two tiers could each hold one and be refused the other.
    The pool comes last, so that its tickets are held only for buyers who already hold the tickets of their tiers.
    """
    has_pool = event.pool_id is not None
    claims = [
        StockClaim(tier.stock_id, tier.shards, quantity, tier.id, has_pool) for tier, quantity in sorted(items, key=lambda item: item[0].id)
    ]
    if event.pool_id is not None:
        claims.append(StockClaim(event.pool_id, event.pool_shards, sum(claim.quantity for claim in claims)))
    return claims


def assign_holds(claims: Sequence[StockClaim], holds: Sequence[list[Hold]]) -> tuple[dict[str, list[Hold]], list[Hold]]:
    """Return the holds by tier id, and the holds in the pool. `holds` has the holds of each claim, in the order of the claims."""
    by_tier = {claim.tier_id: held for claim, held in zip(claims, holds, strict=True)}
    pool_holds = by_tier.pop(None, [])
    return {tier_id: held for tier_id, held in by_tier.items() if tier_id is not None}, pool_holds


# Conversion, release or extension of the holds after the purchase is saved.
#
# The saved purchase has decided, so the reply to the buyer no longer depends on the shards. A failed update is logged and counted, and
# hold recovery makes it when the hold expires.


def convert_holds(purchase: Purchase) -> int:
    """Count the tickets of a new order as sold. Returns how many holds were converted; hold recovery converts the rest."""
    return _update_each(purchase, "convert", lambda hold: inventory.convert_holds([hold]))


def release_holds(purchase: Purchase) -> int:
    """Return the tickets of an ended purchase to the stock. Returns how many holds were released; hold recovery releases the rest."""
    return _update_each(purchase, "release", lambda hold: inventory.release_holds([hold]))


def extend_holds(purchase: Purchase, expires_at: int) -> int:
    """Set the expiry of an active purchase's holds. Returns how many holds were extended; hold recovery extends the rest."""
    return _update_each(purchase, "extend", lambda hold: extend_hold(hold, expires_at))


def _update_each(purchase: Purchase, what: str, update: Callable[[Hold], int]) -> int:
    """Update each hold. A failure does not stop the others, which may be in other shards. Returns how many holds were updated."""
    updated = 0
    for hold in purchase.holds:
        try:
            updated += update(hold)
        except dynamo.STORE_ERRORS as error:
            log.count("holds_left_to_recovery")
            details = {"purchase_id": purchase.id, "shard_id": hold.shard_id, "error": type(error).__name__}
            log.warning("hold.left_to_recovery", update=what, store_code=dynamo.error_code(error), **details)
    return updated
