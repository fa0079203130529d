"""Recovery of expired holds: the hold's purchase decides whether it is released, converted or extended.

The rules are those of the protocol model in tests/protocol; change the model first.
"""

from collections.abc import Iterable

from msgspec import Struct

from chalicelib import log
from chalicelib.inventory import service as inventory
from chalicelib.inventory.model import Hold
from chalicelib.purchases.record import hold_updates, store, transitions
from chalicelib.purchases.record.errors import FATAL_ERRORS
from chalicelib.purchases.record.model import Purchase
from chalicelib.purchases.settlement import cancellation

# While the bank decides about a payment, which takes days, the provider's event says when it has. This look is for events that got lost.
BANK_CHECK_SECONDS = 3 * 3600


class RecoveryReport(Struct):
    """What a run did, counted in holds; but `expired` counts purchases that ended, `orphans` tombstones that were put."""

    released: int = 0
    converted: int = 0
    extended: int = 0
    expired: int = 0
    orphans: int = 0
    undecided: int = 0
    provider_silent: bool = False  # the payment provider did not answer, so purchases that need it were left for the next run


def recover_holds(holds: Iterable[Hold], now: int) -> RecoveryReport:
    """Release, convert or extend each of these expired holds, as its purchase says. Two runs at once do no harm."""
    report = RecoveryReport()
    by_purchase: dict[str, list[Hold]] = {}
    for hold in holds:
        by_purchase.setdefault(hold.purchase_id, []).append(hold)
    if not by_purchase:
        return report
    purchases = store.load_many(by_purchase)
    # Purchases that need no provider come first, so that a provider that hangs does not delay them.
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
            # For example a payment that the provider has lost: it must not keep other buyers' tickets out of the sale.
            log.exception("recovery.not_dealt_with", purchase_id=purchase_id)
            report.undecided += len(purchase_holds)
    return report


def expire_purchase(purchase: Purchase, now: int) -> Purchase:
    """End a purchase that has expired and release its holds. Returns it as it is then; one that is active or has ended is unchanged.

    If its money turns out to have come in, it is settled instead. Raises Conflict; and ProviderUnavailable or PaymentNotCompleted if it
    cannot end yet, because it is not known whether it will be paid.
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
    """Recover the holds of one purchase. In `purchases` its id is absent if it was never written, None for a tombstone."""
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
        case "paid" | "partially_refunded":
            report.converted += inventory.convert_holds(owned)
        case "held" | "paying" if purchase.is_active(now):
            # A checkout extended the purchase and died before it extended the shard's hold.
            report.extended += sum(inventory.extend_hold(hold, purchase.expires_at) for hold in owned)
        case "held" | "paying":
            if owned:
                _expire(purchase, owned, now, report)
        case _:
            # Fence: raising the version first keeps a late payment that read the old one from becoming an order with these holds.
            store.save(purchase, purchase)
            report.released += inventory.release_holds(owned)
    # Strays are the holds of a repeated request that another execution was faster than: no purchase will ever own them.
    report.released += inventory.release_holds(strays)


def _expire(purchase: Purchase, owned: list[Hold], now: int, report: RecoveryReport) -> None:
    result = cancellation.cancel_purchase(purchase, "expired", now)
    report.expired += result.outcome == "ended"
    report.released += result.released
    report.undecided += len(owned) if result.outcome in ("unknown", "processing") else 0
    report.provider_silent |= result.outcome == "unknown"
    log.count("holds_expired", result.released)
    if result.outcome == "processing":
        # Only the holds: the purchase's own time stays over, so its buyer and the event of the bank's answer end it at once.
        hold_updates.extend_holds(purchase, now + BANK_CHECK_SECONDS)
