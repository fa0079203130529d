"""What the old and the new item of a purchase say about what happened."""

from collections import Counter
from collections.abc import Iterable, Iterator

from chalicelib.changes.model import (
    BuyerErased,
    CheckoutOpened,
    DisputeDecided,
    DisputeOpened,
    OrderPaid,
    OrderRefunded,
    OrderRejected,
    PaymentFailed,
    PurchaseChange,
    PurchaseForgotten,
    RefundFailed,
    RefundSucceeded,
    ReservationCancelled,
    ReservationExpired,
    ReservationMade,
    SeatsReturned,
    WaitlistOffered,
)
from chalicelib.purchases.record.model import ACTIVE_STATES, Purchase


def purchase_changes(before: Purchase | None, after: Purchase | None, at: int) -> list[PurchaseChange]:
    """What happened, in the order in which it is to be read. None stands for no item, and for a tombstone.

    Empty if nothing happened that anybody outside of the purchase sees: its payment was opened, or only its version is higher.
    """
    if after is None:
        return [PurchaseForgotten(at=at, purchase=before)] if before is not None else []
    erased = [BuyerErased(at=at, purchase=after)] if after.is_erased and not (before is not None and before.is_erased) else []
    return [*_state_changes(before, after, at), *_refund_changes(before, after, at), *_dispute_changes(before, after, at), *erased]


def _state_changes(before: Purchase | None, after: Purchase, at: int) -> Iterator[PurchaseChange]:
    if before is None:
        yield ReservationMade(at=at, purchase=after)
        if after.waitlist_entry_id is not None:
            yield WaitlistOffered(at=at, purchase=after)
    if after.checkout_at is not None and (before is None or before.checkout_at is None):
        yield CheckoutOpened(at=at, purchase=after)
    if after.was_order and (before is None or not before.was_order):
        yield OrderPaid(at=at, purchase=after)
    if before is not None and before.state == after.state:
        return
    if after.state == "refunded" and not after.was_order:
        yield OrderRejected(at=at, purchase=after)
    elif after.state == "expired":
        yield ReservationExpired(at=at, purchase=after)
    elif after.is_declined:
        yield PaymentFailed(at=at, purchase=after)
    elif after.state == "cancelled":
        yield ReservationCancelled(at=at, purchase=after)
    if before is not None and before.state in ACTIVE_STATES and after.state not in ACTIVE_STATES and not after.was_order:
        yield SeatsReturned(at=at, purchase=after, seats=_seats(after, range(1, after.quantity + 1)))


def _refund_changes(before: Purchase | None, after: Purchase, at: int) -> Iterator[PurchaseChange]:
    for refund in after.refunds:
        known = before.find_refund(refund.id) if before is not None else None
        if known is None:
            yield OrderRefunded(at=at, purchase=after, refund=refund)
            if refund.tickets and refund.seats_returned:
                yield SeatsReturned(at=at, purchase=after, seats=_seats(after, refund.tickets))
        if refund.status == "succeeded" and (known is None or known.status != "succeeded"):
            yield RefundSucceeded(at=at, purchase=after, refund=refund)
        if refund.status == "failed" and (known is None or known.status != "failed"):
            yield RefundFailed(at=at, purchase=after, refund=refund)


def _dispute_changes(before: Purchase | None, after: Purchase, at: int) -> Iterator[PurchaseChange]:
    for dispute in after.disputes:
        known = before.find_dispute(dispute.id) if before is not None else None
        if known is None:
            yield DisputeOpened(at=at, purchase=after, dispute=dispute)
        if dispute.status != "open" and (known is None or known.status == "open"):
            yield DisputeDecided(at=at, purchase=after, dispute=dispute)
        voided = set(dispute.voided) - set(known.voided if known is not None else ())
        if voided:
            yield SeatsReturned(at=at, purchase=after, seats=_seats(after, voided))


def _seats(purchase: Purchase, numbers: Iterable[int]) -> dict[str, int]:
    """Tier id -> how many of these tickets are of the tier."""
    return dict(Counter(purchase.ticket_line(number).tier_id for number in numbers))
