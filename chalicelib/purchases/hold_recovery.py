"""Recovery of expired holds: the hold's purchase decides whether it is released, converted or extended.

The sweep recovers all of them: first those for which nobody has to be asked, then checkouts whose payment must be cancelled at its
provider. A buyer's request recovers only what it needs. The rules are those of the protocol model in tests/protocol; change the model
first.
"""

import random
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from chalicelib.dynamodb import dynamo
from chalicelib.foundation import deadline, log
from chalicelib.inventory import service as inventory
from chalicelib.inventory.model import Hold, NotEnoughTickets
from chalicelib.payments import service as payments
from chalicelib.payments.model import ProviderPayment
from chalicelib.payments.provider_tasks import RETRY_SECONDS, Failure, ProviderTask
from chalicelib.purchases import holds as holds_service
from chalicelib.purchases import settlement, store, transitions
from chalicelib.purchases.errors import FATAL_ERRORS
from chalicelib.purchases.model import Purchase
from chalicelib.purchases.settlement import CancellationResult

# When to look again at a checkout whose bank has yet to decide, which takes days: this look is for events that got lost. Until then only
# its holds are extended. The purchase's own time stays over, so its buyer, and the event of the bank's answer, end it at once.
BANK_CHECK_SECONDS = 3 * 3600

MAX_PURCHASES_READ = 100  # at once: one round trip
SECONDS_FOR_PURCHASE = 2  # with less time left, none is begun: it takes three or four calls of the store
MAX_STORE_ERRORS = 3  # in a row, before the store counts as down


class RecoveryReport(Struct):
    """What a run did, counted in holds; but `expired` counts purchases that ended, `orphans` tombstones that were put.

    `undecided`: the purchase cannot end yet, or an error kept it from ending. `remaining`: nobody came to it.
    """

    released: int = 0
    converted: int = 0
    extended: int = 0
    expired: int = 0
    orphans: int = 0
    undecided: int = 0
    remaining: int = 0


class LapsedCheckout(Struct, frozen=True):
    """A `paying` purchase whose time is over and whose payment is at an external provider, with those of its holds that have expired."""

    purchase: Purchase
    holds: list[Hold]


def recover_holds(holds: Iterable[Hold], now: int, report: RecoveryReport) -> list[LapsedCheckout]:
    """Release, convert or extend these expired holds, in their order, as their purchases say; two runs at once do no harm.

    Returns the checkouts for which the payment provider must be asked. What there is no time for is counted as remaining, and so is
    everything after MAX_STORE_ERRORS in a row. Raises the store's errors if the purchases cannot be read.
    """
    by_purchase = _group_by_purchase(holds)
    lapsed: list[LapsedCheckout] = []
    store_errors = 0
    for purchase_ids in _chunks(list(by_purchase)):
        purchases = store.load_many(purchase_ids) if deadline.remaining() >= SECONDS_FOR_PURCHASE else {}
        for purchase_id in purchase_ids:
            purchase, purchase_holds = purchases.get(purchase_id), by_purchase[purchase_id]
            if deadline.remaining() < SECONDS_FOR_PURCHASE or store_errors >= MAX_STORE_ERRORS:
                report.remaining += len(purchase_holds)
            elif purchase is not None and _needs_provider(purchase, purchase_holds, now):
                lapsed.append(LapsedCheckout(purchase, purchase_holds))
            else:
                try:
                    _recover_purchase(purchase_id, purchase_holds, purchases, now, report)
                    store_errors = 0
                except dynamo.STORE_ERRORS:  # perhaps of one shard or item alone
                    store_errors += 1
                    log.exception("recovery.not_dealt_with", purchase_id=purchase_id)
                    report.undecided += len(purchase_holds)
    return lapsed


def expiry_tasks(lapsed: Sequence[LapsedCheckout], now: int, report: RecoveryReport) -> Iterator[ProviderTask]:
    """A task for each lapsed checkout: cancel its payment, then end it, or settle it if its money has come in.

    Those that are never taken from the iterator are counted as remaining.
    """
    report.remaining += sum(len(checkout.holds) for checkout in lapsed)
    return (_expiry_task(checkout, now, report) for checkout in lapsed)


def recover_for_buyer(refusal: NotEnoughTickets, user_id: str, now: int) -> bool:
    """Recover as many of the expired holds in the way of a buyer as they need. Returns whether to try again.

    Nobody is asked about the payment of another buyer: such checkouts are left to the sweep, and the refusal says then that tickets may
    come back. For the buyer's own the provider is asked, in two calls at most (and one more if its money has to be refunded).
    """
    by_purchase = _group_by_purchase(refusal.expired_holds)
    # A sample, so that many refused buyers do not all end the same purchases.
    purchase_ids = random.sample(list(by_purchase), min(len(by_purchase), MAX_PURCHASES_READ))
    purchases = store.load_many(purchase_ids)
    missing = max(1, refusal.details["requested"] - refusal.details["available"])
    report, own, may_return, tries_again = RecoveryReport(), None, 0, len(purchase_ids) < len(by_purchase)
    for purchase_id in purchase_ids:
        purchase, holds = purchases.get(purchase_id), by_purchase[purchase_id]
        quantity = sum(hold.quantity for hold in holds)
        if purchase is not None and _needs_provider(purchase, holds, now):
            if purchase.user_id == user_id:
                own = purchase
            else:
                may_return += quantity
        elif missing > 0 and (purchase is None or not _keeps_tickets(purchase, holds, now)):
            _recover_purchase(purchase_id, holds, purchases, now, report)
            missing -= quantity
            tries_again = True
    if missing > 0 and own is not None:
        _recover_purchase(own.id, by_purchase[own.id], purchases, now, report)
        tries_again = tries_again or report.undecided == 0
    if not tries_again and may_return and refusal.details["available"] < refusal.details["requested"]:
        refusal.message = (
            "Not enough tickets are available right now. Some may become available within two minutes, "
            "because their buyers have not paid in time."
        )
        refusal.details["may_return"] = may_return
    return tries_again


def release_strays(purchase: Purchase, holds: Sequence[Hold]) -> None:
    """Release holds that an earlier execution of a request has left and that its `held` purchase does not list.

    The purchase has another version then. Raises Conflict if it has changed, perhaps because that execution goes on.
    """
    store.save(purchase, purchase)
    inventory.release_holds([hold for hold in holds if hold not in purchase.holds])


def expire_purchase(purchase: Purchase, now: int) -> Purchase:
    """End a purchase that has expired and release its holds. Returns it as it is then; one that is active or has ended is unchanged.

    If its money turns out to have come in, it is settled instead. Raises Conflict; and ProviderUnavailable or PaymentNotCompleted if it
    cannot end yet, because it is not known whether it will be paid.
    """
    if purchase.is_active(now) or transitions.action_for(purchase.state, "hold_expired") == "ignore":
        return purchase
    result = settlement.cancel_purchase(purchase, "expired", now).require_decided()
    log.count("holds_expired", result.released)
    return result.purchase


def _group_by_purchase(holds: Iterable[Hold]) -> dict[str, list[Hold]]:
    by_purchase: dict[str, list[Hold]] = {}
    for hold in holds:
        by_purchase.setdefault(hold.purchase_id, []).append(hold)
    return by_purchase


def _chunks(purchase_ids: list[str]) -> Iterator[list[str]]:
    return (purchase_ids[start : start + MAX_PURCHASES_READ] for start in range(0, len(purchase_ids), MAX_PURCHASES_READ))


def _needs_provider(purchase: Purchase, holds: list[Hold], now: int) -> bool:
    """Whether the payment provider must be asked before these expired holds can be released."""
    is_lapsed = purchase.state == "paying" and not purchase.is_active(now)
    has_payment = purchase.payment is not None and purchase.payment.provider_id is not None
    return is_lapsed and has_payment and any(hold in purchase.holds for hold in holds)


def _keeps_tickets(purchase: Purchase, holds: list[Hold], now: int) -> bool:
    """Whether recovering these holds releases nothing: their purchase is an order or active, and owns all of them."""
    return (purchase.is_order or purchase.is_active(now)) and all(hold in purchase.holds for hold in holds)


def _expiry_task(checkout: LapsedCheckout, now: int, report: RecoveryReport) -> ProviderTask:
    purchase = checkout.purchase
    report.remaining -= len(checkout.holds)

    def finish(provider_payment: ProviderPayment | None) -> None:
        try:
            _count_expiry(settlement.finish_cancellation(purchase, provider_payment, "expired", now), checkout.holds, now, report)
        except store.Conflict:
            _recover_purchase(purchase.id, checkout.holds, store.load_many([purchase.id]), now, report)

    def postpone(failure: Failure) -> None:
        report.undecided += len(checkout.holds)
        holds_service.extend_holds(purchase, now + RETRY_SECONDS[failure])

    return ProviderTask(f"expire {purchase.id}", lambda: payments.cancel_payment(purchase.payment), finish, postpone)


def _recover_purchase(purchase_id: str, holds: list[Hold], purchases: dict[str, Purchase | None], now: int, report: RecoveryReport) -> None:
    """Recover the holds of one purchase. In `purchases` its id is absent if it was never written, None for a tombstone.

    An error that is not the store's is logged: it must not keep the tickets of other purchases out of the sale.
    """
    try:
        for _ in range(store.MAX_ATTEMPTS):
            try:
                purchase = purchases.get(purchase_id)
                if purchase is None:
                    _recover_orphans(purchase_id, holds, purchase_id in purchases, now, report)
                else:
                    _recover_holds_of(purchase, holds, now, report)
                return
            except store.Conflict:
                purchases = store.load_many([purchase_id])
    except FATAL_ERRORS:
        raise
    except Exception:
        log.exception("recovery.not_dealt_with", purchase_id=purchase_id)
    report.undecided += len(holds)


def _recover_orphans(purchase_id: str, holds: list[Hold], has_tombstone: bool, now: int, report: RecoveryReport) -> None:
    """Release holds without a purchase, whose request died or is slow. A tombstone first makes sure that it cannot write the purchase."""
    if not has_tombstone:
        store.put_tombstone(purchase_id, now)
        report.orphans += 1
    report.released += inventory.release_holds(holds)


def _recover_holds_of(purchase: Purchase, holds: list[Hold], now: int, report: RecoveryReport) -> None:
    owned = [hold for hold in holds if hold in purchase.holds]
    strays = [hold for hold in holds if hold not in purchase.holds]
    match purchase.state:
        case _ if purchase.was_order:
            # Also if all its tickets were refunded: then this is the use of its promo code, which stays used.
            report.converted += inventory.convert_holds(owned)
        case "held" | "paying" if owned and not purchase.is_active(now):
            _count_expiry(settlement.cancel_purchase(purchase, "expired", now), owned, now, report)
        case "held" | "paying":
            # A checkout extended the purchase and died before it extended the shard's hold.
            report.extended += sum(inventory.extend_hold(hold, purchase.expires_at) for hold in owned)
            if strays and purchase.state == "held":
                # Fence: a checkout that read the old version may be about to list this very use of a promo code.
                store.save(purchase, purchase)
        case _:
            # Fence: raising the version first keeps a late payment that read the old one from becoming an order with these holds.
            store.save(purchase, purchase)
            report.released += inventory.release_holds(owned)
    # Strays are the holds of a request that another execution was faster than, or that died: no purchase will ever own them.
    report.released += inventory.release_holds(strays)


def _count_expiry(result: CancellationResult, holds: list[Hold], now: int, report: RecoveryReport) -> None:
    report.expired += result.outcome == "ended"
    report.released += result.released
    log.count("holds_expired", result.released)
    if result.outcome in ("unknown", "processing"):
        report.undecided += len(holds)
    if result.outcome == "processing":
        holds_service.extend_holds(result.purchase, now + BANK_CHECK_SECONDS)
