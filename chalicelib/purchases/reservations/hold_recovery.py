"""Recovery of holds whose time is over: the hold's purchase decides whether it is released, converted or extended.

The rules are those of the protocol model in tests/protocol; change the model first.
"""

from collections.abc import Iterable

from msgspec import Struct

from chalicelib import log
from chalicelib.inventory import service as inventory
from chalicelib.inventory.model import Hold
from chalicelib.purchases.record import store, transitions
from chalicelib.purchases.record.errors import FATAL_ERRORS
from chalicelib.purchases.record.model import Purchase
from chalicelib.purchases.settlement import cancellation

_MAX_ATTEMPTS = 5


class RecoveryReport(Struct):
    """What a run did, counted in holds. `expired` counts purchases that ended, `orphans` tombstones that were put."""

    released: int = 0
    converted: int = 0
    extended: int = 0
    expired: int = 0
    orphans: int = 0
    undecided: int = 0
    provider_silent: bool = False  # the payment provider did not answer, so it was not asked about other purchases


def recover_holds(holds: Iterable[Hold], now: int) -> RecoveryReport:
    """End each of these expired holds as its purchase says. Two runs at once do no harm."""
    report = RecoveryReport()
    by_purchase: dict[str, list[Hold]] = {}
    for hold in holds:
        by_purchase.setdefault(hold.purchase_id, []).append(hold)
    if not by_purchase:
        return report
    purchases = store.load_many(by_purchase)
    # Purchases that need no provider come first: a provider that hangs keeps no other tickets out of the sale.
    for purchase_id in sorted(by_purchase, key=lambda purchase_id: _needs_provider(purchases.get(purchase_id))):
        purchase_holds = by_purchase[purchase_id]
        if report.provider_silent and _needs_provider(purchases.get(purchase_id)):
            report.undecided += len(purchase_holds)
            continue
        try:
            _recover_purchase(purchase_id, purchase_holds, purchases, now, report)
        except FATAL_ERRORS:
            raise
        except Exception:
            # E.g. a payment that the provider does not know any more. It must not keep other buyers' tickets out of the sale.
            log.exception("recovery.not_dealt_with", purchase_id=purchase_id)
            report.undecided += len(purchase_holds)
    return report


def expire_purchase(purchase: Purchase, now: int) -> Purchase:
    """End a purchase whose time is over and release its holds; return it as it is then. An active or ended one stays as it is.

    If its money turns out to have come in, it is settled instead. Raises ProviderUnavailable or PaymentNotCompleted if it cannot end
    yet because the payment is not decided, and Conflict.
    """
    if purchase.is_active(now) or transitions.action_for(purchase.state, "hold_expired") == "ignore":
        return purchase
    result = cancellation.cancel_purchase(purchase, "expired", now).require_decided()
    log.count("holds_expired", result.released)
    return result.purchase


def _needs_provider(purchase: Purchase | None) -> bool:
    """Whether ending the purchase takes a call to the payment provider."""
    payment = purchase.payment if purchase is not None and purchase.state == "paying" else None
    return payment is not None and payment.provider_id is not None


def _recover_purchase(purchase_id: str, holds: list[Hold], purchases: dict[str, Purchase | None], now: int, report: RecoveryReport) -> None:
    """`purchases` has this one as it was read: absent if nobody wrote it, None for a tombstone. On Conflict it is read again."""
    for _ in range(_MAX_ATTEMPTS):
        try:
            purchase = purchases.get(purchase_id)
            if purchase is None:
                _recover_orphans(purchase_id, holds, purchase_id in purchases, now, report)
            else:
                _recover_holds_of(purchase, holds, now, report)
            return
        except store.Conflict:
            purchases = store.load_many([purchase_id])
    report.undecided += len(holds)


def _recover_orphans(purchase_id: str, holds: list[Hold], has_tombstone: bool, now: int, report: RecoveryReport) -> None:
    """Holds without a purchase: the reserve died after its hold, or is slow. After the tombstone it cannot write the purchase any more."""
    if not has_tombstone:
        store.put_tombstone(purchase_id, now)
        report.orphans += 1
    report.released += inventory.release_holds(holds)


def _recover_holds_of(purchase: Purchase, holds: list[Hold], now: int, report: RecoveryReport) -> None:
    listed = [hold for hold in holds if hold in purchase.holds]
    strays = [hold for hold in holds if hold not in purchase.holds]
    match purchase.state:
        case "paid" | "partially_refunded":
            report.converted += inventory.convert_holds(listed)
        case "held" | "paying" if purchase.is_active(now):
            # A checkout extended the purchase and died before it extended the shard's hold.
            report.extended += sum(inventory.extend_hold(hold, purchase.expires_at) for hold in listed)
        case "held" | "paying":
            if listed:
                _expire(purchase, listed, now, report)
        case _:
            # Fence: a late payment that read this version can no longer list these holds.
            store.save(purchase, purchase)
            report.released += inventory.release_holds(listed)
    # Strays are holds of an execution that lost against another one for the same purchase: no purchase will ever list them.
    report.released += inventory.release_holds(strays)


def _expire(purchase: Purchase, listed: list[Hold], now: int, report: RecoveryReport) -> None:
    result = cancellation.cancel_purchase(purchase, "expired", now)
    report.expired += result.outcome == "ended"
    report.released += result.released
    report.undecided += len(listed) if result.outcome in ("unknown", "processing") else 0
    report.provider_silent |= result.outcome == "unknown"
    log.count("holds_expired", result.released)
