"""What a saved change of a purchase means for its holds: they are converted, released or extended.

The purchase is the arbiter and has decided, so its reply does not depend on the shards any more. An update that fails is logged and
counted, and hold recovery makes it when the hold expires.
"""

from collections.abc import Callable

from chalicelib.dynamodb import dynamo
from chalicelib.foundation import log
from chalicelib.inventory import service as inventory
from chalicelib.inventory.model import Hold
from chalicelib.purchases.record.model import Purchase


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
