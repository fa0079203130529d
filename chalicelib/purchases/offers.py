"""Offers: reservations of returned tickets for people on the waitlist. An offer needs no admission by the waiting room."""

from collections.abc import Callable, Mapping, Sequence

from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import Event, Tier
from chalicelib.dynamodb import dynamo
from chalicelib.edge.languages import Language
from chalicelib.foundation import ids, log, settings
from chalicelib.foundation.errors import ApiError
from chalicelib.foundation.log import logger
from chalicelib.inventory import service as inventory
from chalicelib.purchases import holds, store
from chalicelib.purchases.errors import ActiveReservationExists, PurchaseLimitExceeded
from chalicelib.purchases.model import ACTIVE_STATES, BuyerRecord, LineItem, Purchase
from chalicelib.purchases.store import Conflict

__all__ = ["Conflict", "check_buyer", "check_limit", "create_offer", "find_blocked", "return_tickets"]

# How long tickets are held until the purchase is written. Only then are the holds extended to the end of the offer, so holds that a crash
# leaves behind expire within a minute.
WRITE_SECONDS = 60


def check_limit(user_id: str, event: Event, quantity: int) -> None:
    """Raise PurchaseLimitExceeded if this many tickets, added to what the user has bought and holds, would exceed the event's limit."""
    buyer = store.load_buyer(user_id, event.id)
    if buyer is not None:
        _check_limit(buyer, event, quantity, buyer.active_quantity)


def find_blocked(event: Event, quantities: Mapping[str, int]) -> dict[str, ApiError]:
    """Return, by user id, the errors of the users who cannot have an offer of their quantity now, as `check_buyer` would raise them."""
    blocked: dict[str, ApiError] = {}
    for buyer in store.load_buyers(quantities, event.id):
        try:
            _check(buyer, event, quantities[buyer.user_id])
        except (ActiveReservationExists, PurchaseLimitExceeded) as error:
            blocked[buyer.user_id] = error
    return blocked


def check_buyer(user_id: str, event: Event, quantity: int) -> None:
    """Raise ActiveReservationExists or PurchaseLimitExceeded if the user cannot have an offer of this many tickets now."""
    _check(store.load_buyer(user_id, event.id), event, quantity)


def create_offer(
    user_id: str,
    event: Event,
    tier: Tier,
    quantity: int,
    entry_id: str,
    expires_at: int,
    items_for: Callable[[str], Sequence[dynamo.TransactItem]],
    now: int,
    language: Language | None = None,
) -> Purchase:
    """Hold tickets for a user on the waitlist, and write the purchase and `items_for(purchase id)` in one transaction.

    `language` is the language of emails about the offer.

    The offer may take tickets that are kept for the waitlist. Raises NotEnoughTickets, SalePaused, PoolMismatch, ActiveReservationExists
    and PurchaseLimitExceeded. Raises Conflict if a condition of the items fails or the buyer's record has just changed.
    """
    offered = Purchase(
        id=ids.new_id(),
        user_id=user_id,
        event_id=event.id,
        state="held",
        version=1,
        lines=[LineItem.for_tier(tier, quantity, catalog.effective_tax(event, tier))],
        currency=tier.currency,
        created_at=now,
        expires_at=expires_at,
        waitlist_entry_id=entry_id,
        language=language,
    ).with_terms(event)
    tiers = {tier.id: tier}
    requests = holds.hold_requests(offered, event, tiers, expires_at=now + WRITE_SECONDS, now=now, takes_kept=True)
    purchase = holds.with_holds(offered, event, tiers, inventory.hold_all(requests))
    try:
        store.create(purchase, event.limit(settings.current().event_purchase_limit), items=items_for(purchase.id))
    except store.CreateConflict as conflict:
        inventory.release_holds(purchase.holds)
        if conflict.existing is None and conflict.buyer is not None:
            _check(conflict.buyer, event, quantity)
        raise Conflict from conflict
    except Conflict:
        inventory.release_holds(purchase.holds)
        raise
    holds.extend_holds(purchase, expires_at)
    log.count("waitlist_offers")
    logger.info("waitlist.offered", purchase_id=purchase.id, event_id=event.id, entry_id=entry_id, quantity=quantity, expires_at=expires_at)
    return purchase


def return_tickets(purchase: Purchase) -> None:
    """Release the holds that a crash left after an offer ended unpaid. Otherwise, they would expire with the offer, by default in a day."""
    if not purchase.was_order and purchase.state not in ACTIVE_STATES:
        inventory.release_holds(purchase.holds, is_unpaid=True)


def _check(buyer: BuyerRecord | None, event: Event, quantity: int) -> None:
    if buyer is None:
        return
    if buyer.active_id is not None:
        raise ActiveReservationExists(reservation_id=buyer.active_id, active_holds=buyer.active_quantity)
    _check_limit(buyer, event, quantity, 0)


def _check_limit(buyer: BuyerRecord, event: Event, quantity: int, held: int) -> None:
    limit = event.limit(settings.current().event_purchase_limit)
    if buyer.bought + held + quantity > limit:
        raise PurchaseLimitExceeded.for_buyer(limit, quantity, buyer)
