"""Every hold has an exit. Whoever meets a hold whose time is over asks the arbiter, its purchase, what becomes of it.

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

_ATTEMPTS = 5


class RecoveryReport(Struct):
    """What a run did, in holds; `expired` and `orphans` count purchases ended and tombstones put."""

    released: int = 0
    converted: int = 0
    extended: int = 0
    expired: int = 0
    orphans: int = 0
    undecided: int = 0
    provider_silent: bool = False  # the payment provider did not answer, so nobody else's payment was asked for


def recover_holds(holds: Iterable[Hold], now: int) -> RecoveryReport:
    """Bring each of the holds, all over by their shard's reckoning, to its end. Safe to run twice at once."""
    report = RecoveryReport()
    by_purchase: dict[str, list[Hold]] = {}
    for hold in holds:
        by_purchase.setdefault(hold.purchase_id, []).append(hold)
    if not by_purchase:
        return report
    known = store.load_many(by_purchase)
    # Those that nobody has to be asked about come first: a provider that hangs keeps no other tickets out of the sale.
    for purchase_id in sorted(by_purchase, key=lambda one: _needs_provider(known.get(one))):
        own = by_purchase[purchase_id]
        if report.provider_silent and _needs_provider(known.get(purchase_id)):
            report.undecided += len(own)
            continue
        try:
            _recover_purchase(purchase_id, own, known.get(purchase_id), purchase_id in known, now, report)
        except FATAL_ERRORS:
            raise
        except Exception:
            # E.g. a payment that the provider does not know any more: it must not keep everybody else's tickets out of the sale.
            log.exception("recovery.not_dealt_with", purchase_id=purchase_id)
            report.undecided += len(own)
    return report


def expire_purchase(purchase: Purchase, now: int) -> None:
    """End a purchase whose time is over and give back what it holds; nothing if it lives or ended otherwise.

    Raises ProviderUnavailable or PaymentNotCompleted when it goes on, because nobody knows yet what has become of its payment.
    """
    if purchase.is_active(now) or transitions.action_for(purchase.state, "time_over") == "keep":
        return
    log.count("holds_expired", cancellation.cancel_purchase(purchase, "expired", now).require_decided().released)


def _needs_provider(purchase: Purchase | None) -> bool:
    """Whether ending it takes a call to the provider."""
    payment = purchase.payment if purchase is not None and purchase.state == "paying" else None
    return payment is not None and payment.provider_id is not None


def _recover_purchase(
    purchase_id: str, holds: list[Hold], purchase: Purchase | None, present: bool, now: int, report: RecoveryReport
) -> None:
    for _ in range(_ATTEMPTS):
        if _recover_once(purchase_id, holds, purchase, present, now, report):
            return
        # The purchase has changed since it was read: read it again.
        known = store.load_many([purchase_id])
        purchase, present = known.get(purchase_id), purchase_id in known
    report.undecided += len(holds)


def _recover_once(purchase_id: str, holds: list[Hold], purchase: Purchase | None, present: bool, now: int, report: RecoveryReport) -> bool:
    """Act on what the arbiter says; False if it changed under us."""
    if purchase is None:
        # Absent: the reserve died after its hold, or is slow. The tombstone decides which: after it, nobody can write the purchase.
        if not present and not store.put_tombstone(purchase_id, now):
            return False
        report.orphans += not present
        report.released += inventory.release_holds(holds)
        return True
    listed = [hold for hold in holds if hold in purchase.holds]
    stray = [hold for hold in holds if hold not in purchase.holds]
    match purchase.state:
        case "paid" | "partially_refunded":
            report.converted += inventory.convert_holds(listed)
        case "held" | "paying" if purchase.is_active(now):
            # A checkout made it longer and died before telling the shard.
            report.extended += sum(inventory.extend_hold(hold, purchase.expires_at) for hold in listed)
        case "held" | "paying":
            if listed:
                ended = cancellation.cancel_purchase(purchase, "expired", now)
                if ended.how == "changed":
                    return False
                report.expired += ended.how == "ended"
                report.released += ended.released
                report.undecided += len(listed) if ended.how in ("unknown", "processing") else 0
                report.provider_silent |= ended.how == "unknown"
                log.count("holds_expired", ended.released)
        case _:
            # Fence: whoever read this version with late money in hand can no longer list these holds.
            if store.save(purchase, purchase) is None:
                return False
            report.released += inventory.release_holds(listed)
    # Stray holds are those of an execution that lost against another one for the same purchase: nobody will ever list them.
    report.released += inventory.release_holds(stray)
    return True
