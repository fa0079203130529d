"""Recovery of expired holds: the purchase decides whether its holds are released, converted or extended.

The sweep, which runs every minute, finds the expired holds (`sweep.StockPass`) and calls this module to recover them: first the holds that
need no payment provider, then checkouts whose payment must be cancelled at the provider. A buyer's request recovers only as many holds as
it needs. The protocol model in tests/proof/model defines the rules; change the model first.
"""

import random
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from chalicelib.dynamodb import dynamo
from chalicelib.foundation import deadline, log, parallel
from chalicelib.foundation.log import logger
from chalicelib.inventory import service as inventory
from chalicelib.inventory.allocation import HoldRequest, hold_tickets, leave_expired_holds
from chalicelib.inventory.model import Hold, NotEnoughTickets
from chalicelib.inventory.store import extend_hold
from chalicelib.payments import service as payments
from chalicelib.payments.model import ProviderPayment
from chalicelib.payments.provider_tasks import RETRY_SECONDS, Failure, ProviderTask, take_turns
from chalicelib.purchases import settlement, store, transitions
from chalicelib.purchases.errors import FATAL_ERRORS
from chalicelib.purchases.holds import extend_holds
from chalicelib.purchases.model import ACTIVE_STATES, Purchase
from chalicelib.purchases.settlement import CancellationResult

# The time until the next check of a checkout whose bank has yet to decide, which can take days. The check matters only if the provider's
# event with the bank's answer was lost. Until the check, the holds in the shards are extended, but the purchase's `expires_at` is not, so
# the buyer or the provider's event can end the purchase at once.
BANK_CHECK_SECONDS = 3 * 3600

MAX_HOLD_ATTEMPTS = 3  # for a buyer, with a recovery before every attempt except the first
MAX_PURCHASES_READ = 100  # in one round trip
SECONDS_FOR_PURCHASE = 2  # one purchase takes three or four calls to the store; with less time left, recovery stops
MAX_STORE_ERRORS = 3  # after this many errors in a row, the store counts as down


class RecoveryReport(Struct):
    """The results of a run: numbers of holds, except that `expired` counts purchases that ended and `orphans` counts written tombstones.

    `undecided` counts holds whose purchase cannot end yet, or did not end because of an error. `remaining` counts holds that the run did
    not process.
    """

    released: int = 0
    converted: int = 0
    extended: int = 0
    expired: int = 0
    orphans: int = 0
    undecided: int = 0
    remaining: int = 0

    def add(self, other: "RecoveryReport") -> None:
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class LapsedCheckout(Struct, frozen=True):
    """A `paying` purchase that has expired and whose payment is at an external provider, with its expired holds."""

    purchase: Purchase
    holds: list[Hold]


class _ExpiredHolds(Struct, frozen=True):
    """Expired holds of one purchase, and the purchase as it was read.

    `purchase` is None if the purchase was never written. `has_tombstone` means that a tombstone prevents it from ever being written.
    """

    purchase_id: str
    holds: list[Hold]
    purchase: Purchase | None
    has_tombstone: bool

    @property
    def quantity(self) -> int:
        return sum(hold.quantity for hold in self.holds)


def recover_holds(holds: Iterable[Hold], now: int, report: RecoveryReport) -> list[LapsedCheckout]:
    """Release, convert or extend these expired holds, as their purchases decide. Concurrent runs are safe.

    Groups of MAX_PURCHASES_READ purchases are processed in order, and the purchases of a group in parallel.

    Returns the checkouts whose payment must first be cancelled at the provider. Holds for which too little time is left, and all holds
    after MAX_STORE_ERRORS errors in a row, count as remaining. Raises the store's errors if the purchases cannot be read.
    """
    by_purchase = _group_by_purchase(holds)
    lapsed: list[LapsedCheckout] = []
    store_errors: list[str] = []  # the purchases that have failed in a row

    def recover(expired: _ExpiredHolds) -> RecoveryReport:
        result = RecoveryReport()
        if deadline.remaining() < SECONDS_FOR_PURCHASE or len(store_errors) >= MAX_STORE_ERRORS:
            result.remaining += len(expired.holds)
            return result
        try:
            _recover(expired, now, result)
            store_errors.clear()
        except dynamo.STORE_ERRORS:  # the error may affect only one shard or item
            store_errors.append(expired.purchase_id)
            logger.exception("recovery.not_dealt_with", purchase_id=expired.purchase_id)
            result.undecided += len(expired.holds)
        return result

    for purchase_ids in _chunks(list(by_purchase)):
        is_possible = deadline.remaining() >= SECONDS_FOR_PURCHASE and len(store_errors) < MAX_STORE_ERRORS
        purchases, unreadable = store.load_readable(purchase_ids) if is_possible else ({}, set())
        without_provider: list[_ExpiredHolds] = []
        for purchase_id in purchase_ids:
            expired = _expired_holds(purchase_id, by_purchase[purchase_id], purchases)
            if purchase_id in unreadable:
                report.undecided += len(expired.holds)
            elif expired.purchase is not None and _needs_provider(expired.purchase, expired.holds, now):
                lapsed.append(LapsedCheckout(expired.purchase, expired.holds))
            else:
                without_provider.append(expired)
        for result in parallel.call_each(recover, without_provider):
            report.add(result)
    return lapsed


def expiry_tasks(lapsed: Sequence[LapsedCheckout], now: int, report: RecoveryReport) -> Iterator[ProviderTask]:
    """Return a task for each lapsed checkout: cancel the payment, then end the purchase, or settle the payment if its money has come in.

    The accounts of the payments take turns. Tasks that are never taken from the iterator count as remaining.
    """
    report.remaining += sum(len(checkout.holds) for checkout in lapsed)
    in_turns = take_turns(lapsed, lambda checkout: checkout.purchase.account)
    return (_expiry_task(checkout, now, report) for checkout in in_turns)


def hold_for_buyer(request: HoldRequest, user_id: str, purchase: Purchase | None = None) -> list[Hold]:
    """Hold tickets from one stock. If there are too few, recover expired holds and try again. Raises what `hold_tickets` raises.

    `purchase` is the purchase of the request, if it has already been written. If an earlier execution of the request died and left holds
    that the purchase does not list, this function releases those holds and raises Conflict.
    """
    for attempt in range(1, MAX_HOLD_ATTEMPTS + 1):
        try:
            return hold_tickets(request)
        except NotEnoughTickets as refusal:
            if purchase is not None and refusal.own_holds:
                _release_strays(purchase, refusal.own_holds)
                raise store.Conflict from None
            is_last = not refusal.expired_holds or attempt == MAX_HOLD_ATTEMPTS
            if is_last or not _recover_for_buyer(refusal, user_id, request.now):
                if refusal.expired_holds:
                    leave_expired_holds(request.stock_id, request.now)
                raise
    raise AssertionError("unreachable")


def expire_purchase(purchase: Purchase, now: int) -> Purchase:
    """End an expired purchase and release its holds. Returns the purchase, unchanged if it is active or has already ended.

    A purchase whose money has come in is settled instead. Raises Conflict. Raises ProviderUnavailable or PaymentNotCompleted if the
    purchase cannot end yet because it may still be paid.
    """
    if purchase.is_active(now) or transitions.action_for(purchase.state, "hold_expired") == "ignore":
        return purchase
    result = settlement.cancel_purchase(purchase, "expired", now).require_decided()
    log.count("holds_expired", result.released)
    return result.purchase


def _recover_for_buyer(refusal: NotEnoughTickets, user_id: str, now: int) -> bool:
    """Recover as many expired holds as a refused buyer needs. Returns whether to try again.

    The payments of other buyers are not cancelled here: the sweep handles their checkouts, and the refusal says that tickets may come back.
    The buyer's own checkout takes at most two calls to the provider, and one more if its money must be refunded.
    """
    by_purchase = _group_by_purchase(refusal.expired_holds)
    # Choose purchases at random, so that many refused buyers do not all end the same purchases.
    purchase_ids = random.sample(list(by_purchase), min(len(by_purchase), MAX_PURCHASES_READ))
    purchases, unreadable = store.load_readable(purchase_ids)
    readable_ids = [purchase_id for purchase_id in purchase_ids if purchase_id not in unreadable]
    expired = [_expired_holds(purchase_id, by_purchase[purchase_id], purchases) for purchase_id in readable_ids]
    checkouts = [holds for holds in expired if _needs_provider(holds.purchase, holds.holds, now)]
    own_checkouts = [holds for holds in checkouts if holds.purchase is not None and holds.purchase.user_id == user_id]
    missing = max(1, refusal.details["requested"] - refusal.details["available"])
    report = RecoveryReport()
    is_worth_trying = len(purchase_ids) < len(by_purchase)
    for holds in expired:
        if missing > 0 and holds not in checkouts and not _keeps_tickets(holds.purchase, holds.holds, now):
            _recover(holds, now, report)
            missing -= holds.quantity
            is_worth_trying = True
    if missing > 0 and own_checkouts:  # a buyer has only one active checkout at a time
        _recover(own_checkouts[0], now, report)
        is_worth_trying = is_worth_trying or report.undecided == 0
    may_return = sum(holds.quantity for holds in checkouts if holds not in own_checkouts)  # when the sweep ends other buyers' checkouts
    if not is_worth_trying and may_return and refusal.details["available"] < refusal.details["requested"]:
        refusal.message = (
            "Not enough tickets are available right now. Some may become available within two minutes, "
            "because their buyers have not paid in time."
        )
        refusal.details["may_return"] = may_return
    return is_worth_trying


def _release_strays(purchase: Purchase, holds: Sequence[Hold]) -> None:
    """Release holds that an earlier execution of a request left behind and that its `held` purchase does not list.

    First writes a new version of the purchase, so that an execution that is still running cannot save these holds. Raises Conflict if the
    purchase has changed.
    """
    store.save(purchase, purchase)
    inventory.release_holds([hold for hold in holds if hold not in purchase.holds])


def _group_by_purchase(holds: Iterable[Hold]) -> dict[str, list[Hold]]:
    by_purchase: dict[str, list[Hold]] = {}
    for hold in holds:
        by_purchase.setdefault(hold.purchase_id, []).append(hold)
    return by_purchase


def _expired_holds(purchase_id: str, holds: list[Hold], purchases: dict[str, Purchase | None]) -> _ExpiredHolds:
    """Combine holds with their purchase.

    `purchases` comes from `store.load_many` or `load_readable`: None stands for a tombstone, and unwritten purchases have no key.
    """
    purchase = purchases.get(purchase_id)
    return _ExpiredHolds(purchase_id, holds, purchase, has_tombstone=purchase is None and purchase_id in purchases)


def _read_again(purchase_id: str, holds: list[Hold]) -> _ExpiredHolds:
    return _expired_holds(purchase_id, holds, store.load_many([purchase_id]))


def _chunks(purchase_ids: list[str]) -> Iterator[list[str]]:
    return (purchase_ids[start : start + MAX_PURCHASES_READ] for start in range(0, len(purchase_ids), MAX_PURCHASES_READ))


def _needs_provider(purchase: Purchase | None, holds: list[Hold], now: int) -> bool:
    """Whether a payment must be cancelled at the provider before these expired holds can be released.

    `purchase` is None if the purchase was never written.
    """
    if purchase is None:
        return False
    is_lapsed = purchase.state == "paying" and not purchase.is_active(now)
    has_payment = purchase.payment is not None and purchase.payment.provider_id is not None
    return is_lapsed and has_payment and any(hold in purchase.holds for hold in holds)


def _keeps_tickets(purchase: Purchase | None, holds: list[Hold], now: int) -> bool:
    """Whether recovering these holds releases nothing: their purchase is an order or is active, and owns all of these holds."""
    return purchase is not None and (purchase.is_order or purchase.is_active(now)) and all(hold in purchase.holds for hold in holds)


def _expiry_task(checkout: LapsedCheckout, now: int, report: RecoveryReport) -> ProviderTask:
    purchase = checkout.purchase
    report.remaining -= len(checkout.holds)

    def finish(provider_payment: ProviderPayment | None) -> None:
        try:
            _count_expiry(settlement.finish_cancellation(purchase, provider_payment, "expired", now), checkout.holds, now, report)
        except store.Conflict:
            if not _recover(_read_again(purchase.id, checkout.holds), now, report):
                extend_holds(purchase, now + RETRY_SECONDS["error"])

    def postpone(failure: Failure) -> None:
        report.undecided += len(checkout.holds)
        extend_holds(purchase, now + RETRY_SECONDS[failure])

    return ProviderTask(
        f"expire {purchase.id}", lambda: payments.cancel_payment(purchase.payment), finish, postpone, account=purchase.account
    )


def _recover(expired: _ExpiredHolds, now: int, report: RecoveryReport) -> bool:
    """Recover the expired holds of one purchase and count them in `report`. Work that was done before an error is also counted.

    Raises only FATAL_ERRORS. Other errors are logged, because they must not keep the tickets of other purchases off sale. Returns False
    after such an error, and if every attempt ended in a Conflict.
    """
    try:
        for _ in range(store.MAX_ATTEMPTS):
            try:
                if expired.purchase is None:
                    _recover_orphans(expired, now, report)
                else:
                    _recover_purchase_holds(expired.purchase, expired.holds, now, report)
                return True
            except store.Conflict:
                expired = _read_again(expired.purchase_id, expired.holds)
    except FATAL_ERRORS:
        raise
    except Exception:
        logger.exception("recovery.not_dealt_with", purchase_id=expired.purchase_id)
    report.undecided += len(expired.holds)
    return False


def _recover_orphans(expired: _ExpiredHolds, now: int, report: RecoveryReport) -> None:
    """Release holds without a purchase. First write a tombstone, so that a request that is only slow cannot write the purchase later."""
    if not expired.has_tombstone:
        store.put_tombstone(expired.purchase_id, now)
        report.orphans += 1
    report.released += inventory.release_holds(expired.holds)


def _recover_purchase_holds(purchase: Purchase, holds: list[Hold], now: int, report: RecoveryReport) -> None:
    owned = [hold for hold in holds if hold in purchase.holds]
    strays = [hold for hold in holds if hold not in purchase.holds]
    is_unpaid = purchase.state in ACTIVE_STATES
    if purchase.was_order:
        # This includes fully refunded orders: only the use of their promo code is still held, and the code stays used.
        report.converted += inventory.convert_holds(owned)
    elif is_unpaid and owned and not purchase.is_active(now):
        _count_expiry(settlement.cancel_purchase(purchase, "expired", now), owned, now, report)
    elif is_unpaid:
        # A checkout extended the purchase but crashed before it extended the hold in the shard.
        report.extended += sum(extend_hold(hold, purchase.expires_at) for hold in owned)
        if strays:
            # Fence: raise the version, because a checkout that read the old version may be about to list this use of a promo code.
            store.save(purchase, purchase)
    else:
        # Fence: raise the version first, so that a settlement that read the old version cannot make an order with these holds.
        store.save(purchase, purchase)
        report.released += inventory.release_holds(owned, is_unpaid=purchase.state != "refunded")
    # Strays belong to a request that crashed or that lost to another execution of itself: no purchase will ever own them.
    report.released += inventory.release_holds(strays)


def _count_expiry(result: CancellationResult, holds: list[Hold], now: int, report: RecoveryReport) -> None:
    report.expired += result.outcome == "ended"
    report.released += result.released
    log.count("holds_expired", result.released)
    if result.outcome in ("unknown", "processing"):
        report.undecided += len(holds)
    if result.outcome == "processing":
        extend_holds(result.purchase, now + BANK_CHECK_SECONDS)
