"""Holds of a purchase: the stocks that the purchase takes tickets from, and how its holds are converted, released or extended.

`reservations.py` decides how long a hold lasts, `checkout.py` extends it, and `hold_recovery.py` ends holds that have expired.
"""

from collections.abc import Callable, Mapping

from msgspec.structs import replace

from chalicelib.catalog.model import Event, Tier
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import log
from chalicelib.foundation.log import logger
from chalicelib.inventory import service as inventory
from chalicelib.inventory.allocation import HoldRequest
from chalicelib.inventory.display import StockGroup
from chalicelib.inventory.model import Hold
from chalicelib.inventory.store import extend_hold
from chalicelib.purchases.model import Purchase

# A purchase takes its tickets from the stocks of its tiers. If the event has a capacity of its own, the purchase also takes the same number
# from the event's pool. A purchase with an access code for a holdback takes them from the stock of the holdback instead, and the pool does
# not have these tickets.


def hold_requests(
    purchase: Purchase,
    event: Event,
    tiers: Mapping[str, Tier],
    *,
    expires_at: int,
    now: int,
    group: StockGroup | None = None,
    takes_kept: bool = False,
) -> list[HoldRequest]:
    """Return a request for each stock that the purchase takes tickets from, in the order in which to hold them. `tiers` maps ids to tiers.

    All purchases use the same order. Otherwise, if two buyers want the last tickets of two tiers, each could hold the tickets of one tier
    and be refused the other. The pool comes last, so that its tickets are held only for buyers who already hold the tickets of their tiers.
    It already counts the seats of tickets for resale.
    """

    def request(stock_id: str, shard_count: int, quantity: int, *, is_pooled: bool = False) -> HoldRequest:
        is_offer = purchase.waitlist_entry_id is not None
        return HoldRequest(stock_id, shard_count, quantity, purchase.id, expires_at, now, group, is_pooled, takes_kept, is_offer)

    tier_quantities = [(tiers[line.tier_id], line.quantity) for line in sorted(purchase.lines, key=lambda line: line.tier_id)]
    if purchase.holdback_id is not None:
        return [request(tier.holdback_stock_id(purchase.holdback_id), 1, quantity) for tier, quantity in tier_quantities]
    is_pooled = event.pool_id is not None and not purchase.is_resale
    requests = [request(tier.stock_id, tier.shards, quantity, is_pooled=is_pooled) for tier, quantity in tier_quantities]
    if event.pool_id is not None and is_pooled:
        requests.append(request(event.pool_id, event.pool_shards, purchase.quantity))
    return requests


def with_holds(purchase: Purchase, event: Event, tiers: Mapping[str, Tier], held: Mapping[str, list[Hold]]) -> Purchase:
    """Return the purchase with the holds of its tickets. `held` maps stock ids to holds."""
    if purchase.is_resale:
        return replace(purchase, lines=[replace(line, resale_holds=held[tiers[line.tier_id].stock_id]) for line in purchase.lines])
    holdback_id, pool_id = purchase.holdback_id, event.pool_id if purchase.holdback_id is None else None
    found = {tier.id: tier.stock_id if holdback_id is None else tier.holdback_stock_id(holdback_id) for tier in tiers.values()}
    lines = [replace(line, holds=held[found[line.tier_id]]) for line in purchase.lines]
    return replace(purchase, lines=lines, pool_holds=held[pool_id] if pool_id is not None else [])


# Conversion, release or extension of the holds after the purchase is saved.
#
# The outcome is already saved in the purchase, so the reply to the buyer no longer depends on the shards. A failed update is logged and
# counted, and hold recovery repeats the update when the hold expires.


def convert_holds(purchase: Purchase) -> int:
    """Count the tickets of a new order as sold. Returns how many holds were converted; hold recovery converts the rest."""
    return _update_each(purchase, "convert", lambda hold: inventory.convert_holds([hold]))


def release_holds(purchase: Purchase, *, is_unpaid: bool = False) -> int:
    """Return tickets to the stock. Returns how many holds were released; hold recovery releases the rest.

    `is_unpaid` means that the purchase has ended without a payment.
    """
    return _update_each(purchase, "release", lambda hold: inventory.release_holds([hold], is_unpaid=is_unpaid))


def extend_holds(purchase: Purchase, expires_at: int) -> int:
    """Set the expiry of an active purchase's holds. Returns how many holds were extended; hold recovery extends the rest."""
    return _update_each(purchase, "extend", lambda hold: extend_hold(hold, expires_at))


def _update_each(purchase: Purchase, action: str, update: Callable[[Hold], int]) -> int:
    """Update each hold. A failure does not stop the other updates, which may be in other shards. Returns how many holds were updated."""
    updated = 0
    for hold in purchase.holds:
        try:
            updated += update(hold)
        except dynamo.STORE_ERRORS as error:
            log.count("holds_left_to_recovery")
            details = {"purchase_id": purchase.id, "shard_id": hold.shard_id, "error": type(error).__name__}
            logger.warning("hold.left_to_recovery", update=action, store_code=dynamo.error_code(error), extra=details)
    return updated
