"""Reservations: limits, holds, and the purchase that owns them."""

from collections.abc import Sequence

from msgspec import Struct

from chalicelib import clock, dynamo, log, settings
from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import Event, Tier, event_phase
from chalicelib.inventory import service as inventory
from chalicelib.inventory.model import Hold, NotEnoughTickets
from chalicelib.payments.model import PaymentNotCompleted, ProviderUnavailable
from chalicelib.purchases.record import store, transitions
from chalicelib.purchases.record.errors import (
    ActiveReservationExists,
    PassUsed,
    PurchaseLimitExceeded,
    ReservationConverted,
    ReservationEnded,
    ReservationNotFound,
    TierLimitExceeded,
)
from chalicelib.purchases.record.model import BuyerRecord, LineItem, Purchase
from chalicelib.purchases.reservations import hold_recovery
from chalicelib.purchases.settlement import cancellation
from chalicelib.waiting_room import service as waiting_room

_OPEN_ATTEMPTS = 4
_HOLD_ATTEMPTS = 3


class RequestedItem(Struct, frozen=True):
    tier_id: str
    quantity: int


def reserve(user_id: str, event_id: str, wanted: Sequence[RequestedItem], token: str | None, purchase_id: str, now: int) -> Purchase:
    """Hold the wanted tickets for the user; two round trips when nothing stands in the way and each tier has stock.

    `purchase_id` is the same for repeated executions of one request: the one that is first wins, the others give their
    holds back and return its purchase. Raises the refusals of `catalog.sellable`, NotEnough, StockClosed, TierLimitExceeded,
    PurchaseLimitExceeded, ActiveReservationExists, PassUsed and those of `waiting_room.admit`; nothing stays held then.
    """
    _, event = catalog.get_visible_event(event_id)
    if event_phase(event, now) == "scheduled":
        waiting_room.admit(event, user_id, token, now)  # refuses with the place in the line, where there is one
    event, tiers = catalog.get_sellable_tiers(event_id, [one.tier_id for one in wanted], now)
    pass_id = waiting_room.admit(event, user_id, token, now)
    limit = event.limit(settings.current().event_purchase_limit)
    _check_limits(user_id, event, tiers, wanted, limit)
    until = now + settings.current().hold_seconds
    lines = _hold_items(purchase_id, tiers, wanted, until, now)
    purchase = Purchase(
        id=purchase_id,
        user_id=user_id,
        event_id=event_id,
        state="held",
        version=1,
        lines=lines,
        currency=tiers[0].currency,
        created_at=now,
        expires_at=until,
        pass_id=pass_id,
    )
    opened = _open_purchase(purchase, limit, now)
    if not opened.is_active(now):  # an earlier execution of this request made it, long ago
        raise ReservationEnded()
    log.count("reservations_created")
    log.info("reservation.created", purchase_id=opened.id, event_id=event_id, quantity=opened.quantity, expires_at=opened.expires_at)
    return opened


def get_active_reservation(user_id: str, event_id: str, now: int) -> Purchase:
    """The user's reservation of an event; raises ReservationNotFound when there is none that lives."""
    buying = store.load_buyer(user_id, event_id)
    purchase = store.load(buying.active_id) if buying is not None and buying.active_id is not None else None
    if purchase is None or not purchase.is_active(now):
        raise ReservationNotFound()
    return purchase


def release(user_id: str, purchase_id: str, now: int) -> Purchase:
    """Give a reservation back, and cancel its payment. Repeating it, or doing it after the hold's end, is fine.

    Raises ReservationConverted for an order, also if it became one just now because the money had come in, ProviderUnavailable, and
    PaymentNotCompleted while the bank has yet to answer.
    """
    return store.retry_on_conflict(get_owned(user_id, purchase_id), lambda current: _release(current, now))


def get_owned(user_id: str, purchase_id: str) -> Purchase:
    """The purchase if it is this user's; somebody else's is as unknown as one that never was."""
    purchase = store.load(purchase_id)
    if purchase is None or purchase.user_id != user_id:
        raise ReservationNotFound()
    return purchase


def _release(purchase: Purchase, now: int) -> Purchase | None:
    """None if the purchase is to be looked at again: it has changed since it was read, just now or by this."""
    answer = transitions.action_for(purchase.state, "released")
    if answer == "refuse":
        raise ReservationConverted()
    if answer == "keep":
        return purchase
    ended = cancellation.cancel_purchase(purchase, "cancelled", now).require_decided()
    return ended.purchase if ended.how == "ended" else None


def _check_limits(user_id: str, event: Event, tiers: Sequence[Tier], wanted: Sequence[RequestedItem], limit: int) -> None:
    default = settings.current().tier_purchase_limit
    for number, (tier, one) in enumerate(zip(tiers, wanted, strict=True)):
        most = tier.limit(default)
        if one.quantity > most:
            path = "$.quantity" if len(wanted) == 1 else f"$.items[{number}].quantity"
            message = f"At most {most} tickets of this kind in one purchase."
            raise TierLimitExceeded(message, path=path, tier_id=tier.id, limit=most, requested=one.quantity)
    requested = sum(one.quantity for one in wanted)
    if requested > limit:
        raise _limit_exceeded(limit, requested, store.load_buyer(user_id, event.id))


def _limit_exceeded(limit: int, requested: int, buying: BuyerRecord | None) -> PurchaseLimitExceeded:
    return PurchaseLimitExceeded(
        limit=limit,
        alreadyPurchased=buying.bought if buying else 0,
        activeHolds=buying.active_quantity if buying else 0,
        requested=requested,
    )


def _hold_items(purchase_id: str, tiers: Sequence[Tier], wanted: Sequence[RequestedItem], until: int, now: int) -> list[LineItem]:
    """A hold for each tier, or none at all; lines as `wanted`."""
    # In the order of the ids, whatever the buyer's is: of two that want the same tiers, each could hold what the other one
    # lacks, and both would hear "sold out".
    pairs = sorted(zip(tiers, wanted, strict=True), key=lambda pair: pair[0].id)
    held = inventory.hold_all(_hold_tier(tier, one.quantity, purchase_id, until, now) for tier, one in pairs)
    lines = {
        tier.id: LineItem(tier.id, tier.name, one.quantity, tier.price_cents, tier.admits, holds, tier.stripe_price_id)
        for (tier, one), holds in zip(pairs, held, strict=True)
    }
    return [lines[tier.id] for tier in tiers]


def _hold_tier(tier: Tier, quantity: int, purchase_id: str, until: int, now: int) -> list[Hold]:
    """Holds over their time are given back before anybody hears "sold out"."""
    for attempt in range(_HOLD_ATTEMPTS):
        try:
            return inventory.hold(tier.stock_id, tier.shards, quantity, purchase_id, until, now)
        except NotEnoughTickets as short:
            if not short.expired_holds or attempt + 1 == _HOLD_ATTEMPTS:
                log.count("reservations_refused")
                short.details["tier_id"] = tier.id
                raise
            # Try again also if nothing was left to give back: a sweep that was quicker has done it since we were refused.
            hold_recovery.recover_holds(short.expired_holds, now)
    raise AssertionError("unreachable")


def _open_purchase(purchase: Purchase, limit: int, now: int) -> Purchase:
    """Write the purchase. Every way out other than success gives its holds back, unless the store left it open what it did:

    then the purchase may be there, and only the arbiter knows; recovery asks it when the hold's time is over.
    """
    for _ in range(_OPEN_ATTEMPTS):
        met = store.open_purchase(purchase, limit)
        if met is None:
            return purchase
        if met.existing is not None:
            inventory.release_holds(purchase.holds)
            return met.existing
        refusal = _refusal(met.buyer, purchase, limit, now)
        if refusal is not None:
            inventory.release_holds(purchase.holds)
            raise refusal
    inventory.release_holds(purchase.holds)
    raise dynamo.StoreUnavailable("the buyer's record kept changing")


def _refusal(buying: BuyerRecord | None, purchase: Purchase, limit: int, now: int) -> Exception | None:
    """The refusal, or None when trying again may work: the reservation in the way was over and has been ended."""
    if buying is None:
        # A tombstone: recovery took this execution for dead. Its id is burnt; the client may ask again.
        return ReservationEnded()
    if buying.active_id is not None:
        until = clock.iso(buying.active_until)
        exists = ActiveReservationExists(reservation_id=buying.active_id, expires_at=until, activeHolds=buying.active_quantity)
        if buying.active_until > now:
            return exists
        blocking = store.load(buying.active_id)
        try:
            if blocking is not None:
                hold_recovery.expire_purchase(blocking, now)
        except PaymentNotCompleted:
            return exists
        except ProviderUnavailable as down:
            return down
        return None
    if purchase.pass_id in buying.passes:
        return PassUsed()
    if buying.bought + purchase.quantity > limit:
        return _limit_exceeded(limit, purchase.quantity, buying)
    return None
