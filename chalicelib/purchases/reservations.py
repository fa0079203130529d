"""Reservations: check the limits and the waiting-room pass (`waiting_room.service.require_pass`), hold the tickets, and write the purchase.

The purchase owns the holds. `store.create` enforces the limit for each buyer, also against simultaneous requests. Tickets that need an
access code are held together with a use of the code.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import MAX_COMPANIONS, MAX_RESALE_TICKETS, Event, Tier
from chalicelib.catalog.sale_rules import event_phase, longer_hold_seconds
from chalicelib.dynamodb import dynamo
from chalicelib.edge.rate_limits import Attempt
from chalicelib.foundation import clock, log, settings
from chalicelib.foundation.errors import ApiError, InvalidInput, NotFound
from chalicelib.foundation.log import logger
from chalicelib.inventory import service as inventory
from chalicelib.inventory.allocation import HoldRequest, check_figures
from chalicelib.inventory.model import Hold, NotEnoughTickets, PoolMismatch
from chalicelib.payments.model import PaymentNotCompleted, ProviderUnavailable
from chalicelib.promotions.model import (
    PATH,
    PromoCode,
    PromoCodeLimitReached,
    PromoCodeNotApplicable,
    PromoCodeOpensOther,
    PromoCodeRequired,
    PromoCodeUsedUp,
)
from chalicelib.purchases import checkout, hold_recovery, holds, queries, resale, settlement, store, transitions
from chalicelib.purchases.errors import (
    ActiveReservationExists,
    CompanionsWithoutSpace,
    OwnTicketsForResale,
    PassUsed,
    PurchaseLimitExceeded,
    ReservationConverted,
    ReservationEnded,
    ReservationNotFound,
    TierLimitExceeded,
    refusal_of_ended,
)
from chalicelib.purchases.model import ANY_USES, MOVED_PREFIX, BuyerRecord, LineItem, Purchase, ReservationRequest
from chalicelib.waiting_room import service as waiting_room
from chalicelib.waiting_room.model import TOKEN_ERRORS, Arrival, TokenOfAnotherUser

_HOLD_ATTEMPTS = 4
_CREATE_ATTEMPTS = 4


def reserve(request: ReservationRequest, purchase_id: str, attempt: Attempt) -> Purchase:
    """Hold the requested tickets for the user and write the purchase. Takes two round trips if there is stock and nothing is refused.

    An access code takes two more round trips, or three if it limits the uses of one person: read the code, and hold one of its uses.

    The buyer's record counts the `attempt` for the rate limit. `purchase_id` is the same for repeated executions of one request: the first
    execution to write the purchase wins, and the others release their holds and return that purchase. A refusal leaves no holds. Raises
    what `catalog.get_sellable_tiers`, `waiting_room.require_pass` and `find_earlier` raise, the errors of an access code, and
    NotEnoughTickets, SalePaused, TierLimitExceeded, PurchaseLimitExceeded, ActiveReservationExists, PassUsed and RateLimited.
    ActiveReservationExists takes precedence over every other refusal, except InvalidInput and NotFound.
    """
    for _ in range(_HOLD_ATTEMPTS):
        try:
            plan = _plan(request, purchase_id)
            with inventory.all_or_none() as held:
                if plan.code is not None:
                    stock_id = plan.code.promo_code.stock_id
                    held[stock_id] = checkout.hold_use(
                        plan.purchase, plan.code.promo_code, plan.purchase.expires_at, request.now, is_written=False
                    )
                for wanted in plan.hold_requests:
                    held[wanted.stock_id] = hold_recovery.hold_for_buyer(wanted, request.user_id)
        except PoolMismatch:  # the event got a capacity of its own after this instance loaded the catalog
            catalog.refresh_snapshot()
        except (InvalidInput, NotFound):  # the request itself is invalid, whether or not the buyer has a reservation
            raise
        except ApiError as refusal:
            if isinstance(refusal, NotEnoughTickets):
                _note_shortage(request.event_id, refusal)
            own = _find_own(request, purchase_id, refusal)
            if own is not None:
                return require_active(own, request.now)
        else:
            purchase = require_active(_create_purchase(plan.with_holds(held), plan, attempt, request.now), request.now)
            store.keep_copy(purchase, request.now)
            log.count("reservations_created")
            details = {"quantity": purchase.quantity, "expires_at": purchase.expires_at}
            logger.info("reservation.created", purchase_id=purchase.id, event_id=purchase.event_id, extra=details)
            return purchase
    raise dynamo.Contention("the event or the buyer's reservations kept changing")


def find_earlier(purchase_id: str, now: int) -> Purchase | None:
    """Return the reservation that an earlier execution of the same request wrote, if any. Raises what `require_active` raises."""
    purchase = store.load(purchase_id)
    return require_active(purchase, now) if purchase is not None else None


def require_active(purchase: Purchase, now: int) -> Purchase:
    """Return the purchase if it still holds its tickets.

    Otherwise raises ReservationEnded, ReservationConverted or PaymentRefunded.
    """
    if purchase.is_active(now):
        return purchase
    raise refusal_of_ended(purchase)


def get_active_reservation(user_id: str, event_id: str, now: int) -> Purchase:
    """Return the user's active reservation for an event. Raises ReservationNotFound."""
    buyer = store.load_buyer(user_id, event_id)
    purchase = store.load(buyer.active_id) if buyer is not None and buyer.active_id is not None else None
    if purchase is None or not purchase.is_active(now):
        raise ReservationNotFound()
    return purchase


def release(user_id: str, purchase_id: str, now: int) -> Purchase:
    """Cancel a reservation and its payment, and release its holds. A reservation that has already ended is returned unchanged.

    Raises ReservationConverted for an order, even if the reservation becomes an order only now because its money has come in. Also raises
    ReservationNotFound, ProviderUnavailable, and PaymentNotCompleted while the bank is deciding about the payment.
    """
    return release_purchase(queries.get_own_purchase(user_id, purchase_id), now)


def release_purchase(purchase: Purchase, now: int, items: Sequence[dynamo.TransactItem] = ()) -> Purchase:
    """Do the same as `release` for anybody's purchase, and write `items` with the change."""
    return store.retry_on_conflict(purchase, lambda current: _release(current, now, items))


def _release(purchase: Purchase, now: int, items: Sequence[dynamo.TransactItem]) -> Purchase:
    action = transitions.action_for(purchase.state, "release_requested")
    if action == "refuse":
        raise ReservationConverted()
    if action == "ignore":
        return purchase
    result = settlement.cancel_purchase(purchase, "cancelled", now, items=items).require_decided()
    if result.outcome == "paid" and result.purchase.is_order:  # a payment of a wrong amount gets no tickets and is refunded
        raise ReservationConverted()
    return result.purchase


class _AccessCode(Struct, frozen=True):
    """An access code that the reservation needs, and how many promo code uses the buyer's record may have when the purchase is written."""

    promo_code: PromoCode
    promo_uses: int

    def is_used_up_by(self, buyer: BuyerRecord) -> bool:
        """Return whether the buyer has used the code as often as one person may."""
        return self.promo_code.is_used_up_by(buyer.count_uses(self.promo_code.code))

    def limit_reached(self) -> PromoCodeLimitReached:
        return PromoCodeLimitReached(promo_code=self.promo_code.code, limit=self.promo_code.max_uses_per_donor)


class _Admission(Struct, frozen=True):
    """The event and the requested tiers that the user may buy now, and the arrival or the access code that admits the user, if any."""

    event: Event
    tiers: list[Tier]
    arrival: Arrival | None
    promo_code: PromoCode | None


class _Plan(Struct, frozen=True):
    """A reservation that the user may make: the purchase without holds, the requests for its holds, and the user's limit for the event.

    `code` is the access code, if the reservation needs one.
    """

    purchase: Purchase
    event: Event
    tiers: Mapping[str, Tier]
    hold_requests: Sequence[HoldRequest]
    limit: int
    code: _AccessCode | None

    def with_holds(self, held: Mapping[str, list[Hold]]) -> Purchase:
        purchase = holds.with_holds(self.purchase, self.event, self.tiers, held)
        return purchase if self.code is None else replace(purchase, promo_holds=held[self.code.promo_code.stock_id])


def _plan(request: ReservationRequest, purchase_id: str) -> _Plan:
    """Return the plan of the reservation, after all checks that do not read the stock. Raises what `reserve` raises."""
    admission = _admit(request)
    event, tiers = admission.event, admission.tiers
    limit = event.limit(settings.current().event_purchase_limit)
    _check_limits(request, tiers, limit)
    hold_seconds = event.effective_hold_seconds(settings.current().hold_seconds)  # the event's own, or FAIRGATE_HOLD_SECONDS
    if admission.arrival is not None and admission.arrival.is_longer:
        hold_seconds = longer_hold_seconds(hold_seconds)
    if tiers[0].is_resale and resale.has_listed(request.user_id, event.id):  # nobody can buy their own ticket
        raise OwnTicketsForResale()
    purchase = Purchase(
        id=purchase_id,
        user_id=request.user_id,
        event_id=event.id,
        state="held",
        version=1,
        lines=[
            LineItem.for_tier(tier, item.quantity, catalog.effective_tax(event, tier))
            for tier, item in zip(tiers, request.items, strict=True)
        ],
        currency=tiers[0].currency,
        created_at=request.now,
        expires_at=request.now + hold_seconds,
        pass_id=None if admission.arrival is None else admission.arrival.pass_id,
    ).with_terms(event)
    code = None
    if admission.promo_code is not None:
        code = _AccessCode(admission.promo_code, checkout.check_code(admission.promo_code, purchase, request.now))
        purchase = replace(checkout.with_discount(purchase, code.promo_code), needs_code=True)
        if code.promo_code.holdback_id is not None:
            if purchase.is_resale:
                raise PromoCodeNotApplicable(promo_code=code.promo_code.code, package_ids=code.promo_code.package_ids)
            tiers = [_open_holdback(tier, code.promo_code, code.promo_code.holdback_id, request.now) for tier in tiers]
            days = code.promo_code.bank_transfer_days
            purchase = replace(purchase, holdback_id=code.promo_code.holdback_id, bank_transfer_days=days)
    by_id = {tier.id: tier for tier in tiers}
    group = catalog.stock_group(event.id) if purchase.holdback_id is None else None
    hold_requests = holds.hold_requests(purchase, event, by_id, expires_at=purchase.expires_at, now=request.now, group=group)
    is_pooled = event.pool_id is not None and purchase.holdback_id is None and not purchase.is_resale
    if is_pooled:  # check the pool first, so that no tickets of its tiers are held for nothing
        check_figures(hold_requests[-1])
    return _Plan(purchase, event, by_id, hold_requests, limit, code)


def _admit(request: ReservationRequest) -> _Admission:
    """Return what the user may buy now. Raises the refusals of the catalog and the waiting room, and refusals of an access code.

    Before the sale opens, the waiting room's refusal comes first, because it tells the buyer what to do until then. Afterwards, the
    catalog's refusals come first. A code is read only if the reservation cannot be made without it.
    """
    tier_ids, price = [item.tier_id for item in request.items], request.items[0].resale_price_cents
    try:
        event, tiers = catalog.get_sellable_tiers(request.event_id, tier_ids, request.now, resale_price_cents=price)
    except ApiError:
        _, event = catalog.get_visible_event(request.event_id)
        if event_phase(event, request.now) != "scheduled":
            raise
        promo_code = _find_access_code(request)
        if promo_code is None:
            waiting_room.require_pass(event, request.user_id, request.token, request.now, request.entry_proof)
            raise
        event, tiers = catalog.get_sellable_tiers(request.event_id, tier_ids, request.now, is_presale=True, resale_price_cents=price)
        return _Admission(event, tiers, None, _require_opens(promo_code, tier_ids))
    promo_code = None
    try:
        arrival = waiting_room.require_pass(event, request.user_id, request.token, request.now, request.entry_proof)
    except TOKEN_ERRORS:
        promo_code = _find_access_code(request)
        if promo_code is None or not (promo_code.skips_waiting_room and promo_code.opens(tier_ids)):
            raise
        arrival = None
    locked_ids = [tier.id for tier in tiers if tier.requires_code]
    if promo_code is None and any(tier.active_holdbacks for tier in tiers):  # without holdbacks, no read is needed
        promo_code = _find_access_code(request)
        if promo_code is not None and promo_code.holdback_id is not None:
            _require_opens(promo_code, tier_ids)
        elif promo_code is not None:
            promo_code = _require_opens(promo_code, locked_ids) if locked_ids else None
    if locked_ids and promo_code is None:
        if request.promo_code is None:
            raise PromoCodeRequired(PromoCodeRequired.default_message, path=PATH, tier_id=locked_ids[0])
        promo_code = _require_opens(checkout.read_code(request.user_id, request.event_id, request.promo_code, request.now), locked_ids)
    return _Admission(event, tiers, arrival, promo_code)


def _find_access_code(request: ReservationRequest) -> PromoCode | None:
    """Return the request's promo code if it opens any tiers. Returns None if the request has no code, or a code that only discounts.

    Raises PromoCodeInvalid and RateLimited.
    """
    if request.promo_code is None:
        return None
    promo_code = checkout.read_code(request.user_id, request.event_id, request.promo_code, request.now)
    return promo_code if promo_code.opens_package_ids else None


def _require_opens(promo_code: PromoCode, tier_ids: Sequence[str]) -> PromoCode:
    """Return the code if it opens all of these tiers. Otherwise raise PromoCodeOpensOther."""
    if promo_code.opens(tier_ids):
        return promo_code
    raise PromoCodeOpensOther(path=PATH, promo_code=promo_code.code, opens_package_ids=promo_code.opens_package_ids)


def _open_holdback(tier: Tier, promo_code: PromoCode, holdback_id: str, now: int) -> Tier:
    """Return the tier with a stock of its own for the holdback, which the first purchase with the code creates.

    Raises PromoCodeUsedUp. A released holdback has no tickets left for the code.
    """
    if any(holdback.id == holdback_id for holdback in tier.active_holdbacks):
        if holdback_id in tier.issuing:
            return tier
        from chalicelib.catalog import capacities, holdbacks  # imported here, because few purchases need them

        with suppress(capacities.HoldbackReleased, NotFound):
            return holdbacks.open_stock(tier.id, holdback_id, holdbacks.ACTOR, now)
    raise PromoCodeUsedUp(promo_code=promo_code.code)


def _check_limits(request: ReservationRequest, tiers: Sequence[Tier], limit: int) -> None:
    default_limit = settings.current().tier_purchase_limit
    for number, (tier, item) in enumerate(zip(tiers, request.items, strict=True)):
        max_quantity = tier.limit(default_limit)
        if tier.is_resale:
            max_quantity = min(max_quantity, MAX_RESALE_TICKETS)
        if item.quantity > max_quantity:
            path = "$.quantity" if len(tiers) == 1 else f"$.items[{number}].quantity"
            message = f"You can buy at most {max_quantity} {'ticket' if max_quantity == 1 else 'tickets'} of this type at once."
            raise TierLimitExceeded(message, path=path, tier_id=tier.id, limit=max_quantity, requested=item.quantity)
    _check_companions(request, tiers)
    requested = sum(item.quantity for item in request.items)
    if requested > limit:
        raise PurchaseLimitExceeded.for_buyer(limit, requested, store.load_buyer(request.user_id, request.event_id))


def _check_companions(request: ReservationRequest, tiers: Sequence[Tier]) -> None:
    """Raise CompanionsWithoutSpace if companion seats are bought without enough wheelchair spaces, unless they are for resale."""
    seats = {"wheelchair": 0, "companion": 0}
    for tier, item in zip(tiers, request.items, strict=True):
        if tier.seating is not None:
            seats[tier.seating] += item.quantity
    limit = MAX_COMPANIONS * seats["wheelchair"]
    if seats["companion"] > limit and not tiers[0].is_resale:
        path = "$.tier_id" if len(tiers) == 1 else "$.items"
        raise CompanionsWithoutSpace(CompanionsWithoutSpace.default_message, path=path, limit=limit, requested=seats["companion"])


def _note_shortage(event_id: str, refusal: NotEnoughTickets) -> None:
    """Count a refusal for lack of tickets, and add the tier to its details. A stock that belongs to no tier is the event's pool."""
    log.count("reservations_refused")
    for tier in catalog.snapshot().event_tiers(event_id):
        if refusal.stock_id in (tier.stock_id, *tier.holdback_shard_counts):
            refusal.details["tier_id"] = tier.id


def _find_own(request: ReservationRequest, purchase_id: str, refusal: ApiError) -> Purchase | None:
    """Return the purchase that another execution of this request wrote while this execution was refused.

    If there is no such purchase but the buyer has another active reservation, raises ActiveReservationExists, because that reservation may
    hold the missing tickets. Otherwise raises the refusal. Returns None if the buyer's reservation had expired and has now ended: another
    attempt may find the tickets of that reservation.
    """
    buyer = store.load_buyer(request.user_id, request.event_id)
    if buyer is None or buyer.active_id is None:
        raise refusal
    if buyer.active_id == purchase_id:
        return store.load(purchase_id)
    if buyer.active_until <= request.now:
        if not isinstance(refusal, NotEnoughTickets):
            raise refusal
        if any(hold.purchase_id == buyer.active_id for hold in refusal.expired_holds):
            raise _active_reservation(buyer) from refusal  # recovery has just tried to end it, but its payment does not allow that yet
    conflict = _refusal_by_active(buyer, buyer.active_id, request.now)
    if conflict is not None:
        raise conflict from refusal
    return None


def _active_reservation(buyer: BuyerRecord) -> ActiveReservationExists:
    expires_at = clock.iso(buyer.active_until)
    return ActiveReservationExists(reservation_id=buyer.active_id, expires_at=expires_at, active_holds=buyer.active_quantity)


def _create_purchase(purchase: Purchase, plan: _Plan, attempt: Attempt, now: int) -> Purchase:
    """Write the purchase, or return the purchase that another execution of the request wrote. A refusal releases the holds.

    If the store does not report whether it wrote the purchase, the holds stay. Hold recovery checks them when they expire.
    """
    expected_tat, promo_uses = 0, plan.code.promo_uses if plan.code is not None else ANY_USES
    for _ in range(_CREATE_ATTEMPTS):
        try:
            store.create(purchase, plan.limit, attempt.charge, expected_tat, promo_uses=promo_uses)
            return purchase
        except store.CreateConflict as conflict:
            if conflict.existing is not None:
                inventory.release_holds(purchase.holds)
                return conflict.existing
            refusal = _refusal(conflict.buyer, purchase, plan, attempt, now)
            expected_tat = conflict.buyer.reserve_tat if conflict.buyer is not None else 0
            if conflict.buyer is not None and promo_uses < ANY_USES:
                promo_uses = len(conflict.buyer.promo_uses)
        if refusal is not None:
            inventory.release_holds(purchase.holds)
            raise refusal
    inventory.release_holds(purchase.holds)
    raise dynamo.Contention("the buyer's record kept changing")


def _refusal(buyer: BuyerRecord | None, purchase: Purchase, plan: _Plan, attempt: Attempt, now: int) -> Exception | None:
    """Return the error that explains why the buyer cannot have the purchase. Returns None if another attempt may succeed.

    Another attempt may succeed if the reservation in the way has ended, or if the record's `reserve_tat` or its number of promo uses was
    not the expected value.
    """
    if buyer is None:
        return ReservationEnded()  # a tombstone: this execution was so slow that hold recovery took its id
    if buyer.active_id is not None:
        return _refusal_by_active(buyer, buyer.active_id, now)
    if not buyer.may_buy(purchase.quantity, plan.limit):  # checked before the pass, because joining the waiting room again would not help
        return PurchaseLimitExceeded.for_buyer(plan.limit, purchase.quantity, buyer)
    if plan.code is not None and plan.code.is_used_up_by(buyer):
        return plan.code.limit_reached()
    if purchase.pass_id in buyer.passes:
        return TokenOfAnotherUser() if f"{MOVED_PREFIX}{purchase.pass_id}" in buyer.passes else PassUsed()
    if attempt.charge is not None and buyer.reserve_tat > attempt.charge.max_tat:
        return attempt.refusal(buyer.reserve_tat)
    return None


def _refusal_by_active(buyer: BuyerRecord, active_id: str, now: int) -> Exception | None:
    """Return the refusal for a buyer with an active reservation. Returns None if that reservation had expired and has ended or changed."""
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
