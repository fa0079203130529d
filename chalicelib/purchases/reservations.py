"""Reservations: check the limits, hold the tickets, and write the purchase that owns the holds."""

from collections.abc import Sequence

from msgspec import Struct

from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import Event, Tier
from chalicelib.catalog.sale_rules import event_phase
from chalicelib.dynamodb import dynamo
from chalicelib.edge.rate_limits import Attempt
from chalicelib.foundation import clock, log, settings
from chalicelib.foundation.errors import ApiError, InvalidInput, NotFound
from chalicelib.inventory import service as inventory
from chalicelib.inventory.allocation import check_figures, hold_tickets, leave_expired_holds
from chalicelib.inventory.display import StockGroup
from chalicelib.inventory.model import Hold, NotEnoughTickets, PoolMismatch
from chalicelib.payments.model import PaymentNotCompleted, ProviderUnavailable
from chalicelib.purchases import hold_recovery, holds, queries, settlement, store, transitions
from chalicelib.purchases.errors import (
    ActiveReservationExists,
    PassUsed,
    PaymentRefunded,
    PurchaseLimitExceeded,
    ReservationConverted,
    ReservationEnded,
    ReservationNotFound,
    TierLimitExceeded,
)
from chalicelib.purchases.holds import StockClaim
from chalicelib.purchases.model import BuyerRecord, LineItem, Purchase
from chalicelib.waiting_room import service as waiting_room

_CREATE_ATTEMPTS = 4
_HOLD_ATTEMPTS = 3


class RequestedItem(Struct, frozen=True):
    tier_id: str
    quantity: int


def reserve(
    user_id: str, event_id: str, items: Sequence[RequestedItem], token: str | None, purchase_id: str, attempt: Attempt, now: int
) -> Purchase:
    """Hold the requested tickets for the user and write their purchase. Takes two round trips if there is stock and nothing refuses.

    The buyer's record counts the `attempt`. `purchase_id` is the same for repeated executions of one request: the first execution to write
    the purchase wins, and the others release their holds and return that purchase. A refusal leaves no holds. Raises what
    `catalog.get_sellable_tiers`, `waiting_room.require_pass` and `find_earlier` raise, and NotEnoughTickets, SalePaused, TierLimitExceeded,
    PurchaseLimitExceeded, ActiveReservationExists, PassUsed and RateLimited. ActiveReservationExists takes precedence over every other
    refusal, except InvalidInput and NotFound.
    """
    try:
        new, limit = _hold(user_id, event_id, items, token, purchase_id, now)
    except (InvalidInput, NotFound):  # the request itself is invalid, whatever the buyer has
        raise
    except ApiError as refusal:
        own = _find_own(user_id, event_id, purchase_id, refusal, now)
        if own is not None:
            return _require_active(own, now)
        new, limit = _hold(user_id, event_id, items, token, purchase_id, now)
    purchase = _require_active(_create_purchase(new, limit, attempt, now), now)
    store.remember(purchase, now)
    log.count("reservations_created")
    details = {"quantity": purchase.quantity, "expires_at": purchase.expires_at}
    log.info("reservation.created", purchase_id=purchase.id, event_id=event_id, **details)
    return purchase


def find_earlier(purchase_id: str, now: int) -> Purchase | None:
    """Return the reservation that an earlier execution of the same request wrote, if any.

    Raises ReservationEnded, ReservationConverted or PaymentRefunded if that reservation no longer holds its tickets.
    """
    purchase = store.load(purchase_id)
    return _require_active(purchase, now) if purchase is not None else None


def get_active_reservation(user_id: str, event_id: str, now: int) -> Purchase:
    """Return the user's active reservation for an event. Raises ReservationNotFound."""
    buyer = store.load_buyer(user_id, event_id)
    purchase = store.load(buyer.active_id) if buyer is not None and buyer.active_id is not None else None
    if purchase is None or not purchase.is_active(now):
        raise ReservationNotFound()
    return purchase


def release(user_id: str, purchase_id: str, now: int) -> Purchase:
    """Cancel a reservation and its payment, and release its holds. A reservation that has already ended is returned unchanged.

    Raises ReservationConverted for an order, also if the reservation becomes one now because its money has come in; ReservationNotFound;
    ProviderUnavailable; and PaymentNotCompleted while the bank is deciding about the payment.
    """
    purchase = queries.get_own_purchase(user_id, purchase_id)
    return store.retry_on_conflict(purchase, lambda current: _release(current, now))


def refusal_of_ended(purchase: Purchase) -> ApiError:
    """Return the error for a purchase that no longer holds tickets: already paid, refunded, or ended unpaid."""
    if purchase.was_order:
        return ReservationConverted("This reservation is already paid. Your tickets are in your order.")
    refunds = [refund for refund in purchase.refunds if not refund.tickets]
    if refunds:
        return PaymentRefunded(
            order_id=purchase.id,
            amount_cents=sum(refund.amount_cents for refund in refunds),
            refund_status=refunds[-1].status,
        )
    return ReservationEnded()


def _release(purchase: Purchase, now: int) -> Purchase:
    action = transitions.action_for(purchase.state, "release_requested")
    if action == "refuse":
        raise ReservationConverted()
    if action == "ignore":
        return purchase
    result = settlement.cancel_purchase(purchase, "cancelled", now).require_decided()
    if result.outcome == "paid":
        raise ReservationConverted()
    return result.purchase


def _hold(
    user_id: str, event_id: str, items: Sequence[RequestedItem], token: str | None, purchase_id: str, now: int
) -> tuple[Purchase, int]:
    """Hold the tickets. Returns the purchase that will own them, not yet written, and the buyer's purchase limit."""
    try:
        return _hold_once(user_id, event_id, items, token, purchase_id, now)
    except PoolMismatch:  # the event got a capacity of its own after this instance loaded the catalog
        catalog.refresh_snapshot()
    try:
        return _hold_once(user_id, event_id, items, token, purchase_id, now)
    except PoolMismatch as error:
        raise dynamo.StoreUnavailable("the capacity of the event is being changed") from error


def _hold_once(
    user_id: str, event_id: str, items: Sequence[RequestedItem], token: str | None, purchase_id: str, now: int
) -> tuple[Purchase, int]:
    _, event = catalog.get_visible_event(event_id)
    if event_phase(event, now) == "scheduled":
        waiting_room.require_pass(event, user_id, token, now)  # its refusal, if any, tells the buyer what to do until the opening
    event, tiers = catalog.get_sellable_tiers(event_id, [item.tier_id for item in items], now)
    pass_id = waiting_room.require_pass(event, user_id, token, now)
    limit = event.limit(settings.current().event_purchase_limit)
    _check_limits(user_id, event, tiers, items, limit)
    expires_at = now + event.effective_hold_seconds(settings.current().hold_seconds)
    lines, pool_holds = _hold_items(user_id, purchase_id, event, tiers, items, expires_at, now)
    purchase = Purchase(
        id=purchase_id,
        user_id=user_id,
        event_id=event_id,
        state="held",
        version=1,
        lines=lines,
        pool_holds=pool_holds,
        currency=tiers[0].currency,
        created_at=now,
        expires_at=expires_at,
        pass_id=pass_id,
    )
    return purchase, limit


def _find_own(user_id: str, event_id: str, purchase_id: str, refusal: ApiError, now: int) -> Purchase | None:
    """Return the purchase that another execution of this request wrote while this execution was refused.

    Otherwise raises ActiveReservationExists if the buyer has another reservation, whose tickets may be the ones that are missing, or else
    the refusal. Returns None if the buyer's reservation had expired and has now ended, so another attempt may find its tickets.
    """
    buyer = store.load_buyer(user_id, event_id)
    if buyer is None or buyer.active_id is None:
        raise refusal
    if buyer.active_id == purchase_id:
        return store.load(purchase_id)
    if buyer.active_until <= now:
        if not isinstance(refusal, NotEnoughTickets):
            raise refusal
        if any(hold.purchase_id == buyer.active_id for hold in refusal.expired_holds):
            raise _active_reservation(buyer) from refusal  # recovery has just done all that this reservation's payment allows
    conflict = _refusal_by_active(buyer, buyer.active_id, now)
    if conflict is not None:
        raise conflict from refusal
    return None


def _require_active(purchase: Purchase, now: int) -> Purchase:
    """Return the purchase that an earlier execution of a request wrote if it still holds its tickets. Otherwise raise its refusal."""
    if purchase.is_active(now):
        return purchase
    raise refusal_of_ended(purchase)


def _active_reservation(buyer: BuyerRecord) -> ActiveReservationExists:
    expires_at = clock.iso(buyer.active_until)
    return ActiveReservationExists(reservation_id=buyer.active_id, expires_at=expires_at, active_holds=buyer.active_quantity)


def _check_limits(user_id: str, event: Event, tiers: Sequence[Tier], items: Sequence[RequestedItem], limit: int) -> None:
    default_limit = settings.current().tier_purchase_limit
    for number, (tier, item) in enumerate(zip(tiers, items, strict=True)):
        max_quantity = tier.limit(default_limit)
        if item.quantity > max_quantity:
            path = "$.quantity" if len(items) == 1 else f"$.items[{number}].quantity"
            message = f"You can buy at most {max_quantity} tickets of this type at once."
            raise TierLimitExceeded(message, path=path, tier_id=tier.id, limit=max_quantity, requested=item.quantity)
    requested = sum(item.quantity for item in items)
    if requested > limit:
        raise _limit_exceeded(limit, requested, store.load_buyer(user_id, event.id))


def _limit_exceeded(limit: int, requested: int, buyer: BuyerRecord | None) -> PurchaseLimitExceeded:
    return PurchaseLimitExceeded(
        limit=limit,
        already_purchased=buyer.bought if buyer else 0,
        active_holds=buyer.active_quantity if buyer else 0,
        requested=requested,
    )


def _hold_items(
    user_id: str, purchase_id: str, event: Event, tiers: Sequence[Tier], items: Sequence[RequestedItem], expires_at: int, now: int
) -> tuple[list[LineItem], list[Hold]]:
    """Hold all items or none. Returns the lines, in the order of the items, and the holds in the event's pool."""
    pairs = list(zip(tiers, items, strict=True))
    claims = holds.list_claims(event, ((tier, item.quantity) for tier, item in pairs))
    group = catalog.stock_group(event.id)
    if event.pool_id is not None:
        _check_pool(claims[-1], group, now)
    held = inventory.hold_all(_hold_claim(claim, group, user_id, purchase_id, expires_at, now) for claim in claims)
    by_tier, pool_holds = holds.assign_holds(claims, held)
    lines = [
        LineItem(tier.id, tier.name, item.quantity, tier.price_cents, tier.admits, by_tier[tier.id], tier.stripe_price_id)
        for tier, item in pairs
    ]
    return lines, pool_holds


def _check_pool(claim: StockClaim, group: StockGroup, now: int) -> None:
    """Raise NotEnoughTickets if the event is known to be sold out, before tickets of its tiers are held for nothing."""
    try:
        check_figures(claim.stock_id, claim.shard_count, claim.quantity, now, group)
    except NotEnoughTickets:
        log.count("reservations_refused")
        raise


def _hold_claim(claim: StockClaim, group: StockGroup, user_id: str, purchase_id: str, expires_at: int, now: int) -> list[Hold]:
    """Hold tickets of one stock. If there are too few, recover expired holds and try again. Raises NotEnoughTickets."""
    for attempt in range(_HOLD_ATTEMPTS):
        try:
            return hold_tickets(
                claim.stock_id, claim.shard_count, claim.quantity, purchase_id, expires_at, now, group, is_pooled=claim.is_pooled
            )
        except NotEnoughTickets as refusal:
            is_last = not refusal.expired_holds or attempt + 1 == _HOLD_ATTEMPTS
            if is_last or not hold_recovery.recover_for_buyer(refusal, user_id, now):
                log.count("reservations_refused")
                if refusal.expired_holds:
                    leave_expired_holds(claim.stock_id, now)
                if claim.tier_id is not None:  # otherwise the event's pool has too few tickets
                    refusal.details["tier_id"] = claim.tier_id
                raise
    raise AssertionError("unreachable")


def _create_purchase(purchase: Purchase, limit: int, attempt: Attempt, now: int) -> Purchase:
    """Write the purchase, or return the purchase that another execution of the request wrote. A refusal releases the holds.

    If the store does not report whether it wrote the purchase, the holds stay. Hold recovery decides about them when they expire.
    """
    expected_tat = 0
    for _ in range(_CREATE_ATTEMPTS):
        try:
            store.create(purchase, limit, attempt.charge, expected_tat)
            return purchase
        except store.CreateConflict as conflict:
            if conflict.existing is not None:
                inventory.release_holds(purchase.holds)
                return conflict.existing
            refusal = _refusal(conflict.buyer, purchase, limit, attempt, now)
            expected_tat = conflict.buyer.reserve_tat if conflict.buyer is not None else 0
        if refusal is not None:
            inventory.release_holds(purchase.holds)
            raise refusal
    inventory.release_holds(purchase.holds)
    raise dynamo.StoreUnavailable("the buyer's record kept changing")


def _refusal(buyer: BuyerRecord | None, purchase: Purchase, limit: int, attempt: Attempt, now: int) -> Exception | None:
    """Return why the buyer cannot have the purchase; None if another attempt may succeed.

    Another attempt may succeed if the reservation in the way has ended or the record's `reserve_tat` was not the expected one.
    """
    if buyer is None:
        return ReservationEnded()  # a tombstone: this execution was so slow that hold recovery took its id
    if buyer.active_id is not None:
        return _refusal_by_active(buyer, buyer.active_id, now)
    if buyer.bought + purchase.quantity > limit:  # checked before the pass, because joining the waiting room again would not help
        return _limit_exceeded(limit, purchase.quantity, buyer)
    if purchase.pass_id in buyer.passes:
        return PassUsed()
    if attempt.charge is not None and buyer.reserve_tat > attempt.charge.max_tat:
        return attempt.refusal(buyer.reserve_tat)
    return None


def _refusal_by_active(buyer: BuyerRecord, active_id: str, now: int) -> Exception | None:
    """Return why the buyer's active reservation is in the way; None if it had expired and has been ended or changed."""
    refusal = _active_reservation(buyer)
    if buyer.active_until > now:
        return refusal
    active = store.load(active_id)
    try:
        if active is not None:
            hold_recovery.expire_purchase(active, now)
    except store.Conflict:
        return None
    except PaymentNotCompleted:
        return refusal
    except ProviderUnavailable as unavailable:
        return unavailable
    return None
