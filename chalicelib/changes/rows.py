"""Changes to the catalog, purchases and tickets, derived from the old and new images of their rows.

A row without an old image is new, or a copy, for example from a backup. A copy is older than its record in the stream, or has a version
that no new row has. This does not depend on when the record is delivered.
"""

from collections import Counter
from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from chalicelib.catalog.model import CatalogHead, Event, Tier
from chalicelib.catalog.service import CatalogItem, PauseFlag, PublicationPosition
from chalicelib.changes.model import (
    AdmissionRestored,
    AdmissionSuspended,
    BuyerErased,
    CatalogPublished,
    Change,
    CheckInUndone,
    CheckoutOpened,
    DisputeDecided,
    DisputeOpened,
    EventChanged,
    EventPaused,
    EventResumed,
    OrderMoved,
    OrderPaid,
    OrderRefunded,
    OrderRejected,
    OrderResent,
    PaymentFailed,
    PurchaseChange,
    PurchaseForgotten,
    RefundFailed,
    RefundSucceeded,
    ReservationCancelled,
    ReservationExpired,
    ReservationMade,
    ReturnDeclined,
    ReturnRequested,
    SeatsReturned,
    TicketChange,
    TicketCheckedIn,
    TicketIssued,
    TicketNamesChanged,
    TicketTransferred,
    TicketVoided,
    TierChanged,
    WaitlistOffered,
)
from chalicelib.purchases.model import ACTIVE_STATES, Purchase
from chalicelib.tickets.model import Ticket

WRITE_SECONDS = 60  # longer than it takes to write a new item after its own time; a request ends within 14 seconds

# Changes to the catalog.


def catalog_changes(before: CatalogItem | None, after: CatalogItem | None, at: int) -> list[Change]:
    """Return the changes between two states of an item of the catalog. A state is None if there is no item, or if no consumer needs it."""
    match before, after:
        case CatalogHead() | None, CatalogHead() | None:
            return _head_changes(before, after, at)
        case _, PublicationPosition():
            return [CatalogPublished(at=after.at, before=after.version_before, version=after.version, position=after.position)]
        case None, PauseFlag():
            return [EventPaused(at=at, is_copy=at - after.at > WRITE_SECONDS, event_id=after.id)]
        case PauseFlag(), None:
            return [EventResumed(at=at, event_id=before.id)]
        case (Event() | None, Event() | None) if (event := after or before) and before != after:
            is_copy = before is None and at - event.updated_at > WRITE_SECONDS
            return [EventChanged(at=at, is_copy=is_copy, event_id=event.id, before=before, after=after)]
        case (Tier() | None, Tier() | None) if (tier := after or before) and before != after:
            is_copy = before is None and at - tier.updated_at > WRITE_SECONDS
            return [TierChanged(at=at, is_copy=is_copy, tier_id=tier.id, before=before, after=after)]
    return []


def _head_changes(before: CatalogHead | None, after: CatalogHead | None, at: int) -> list[Change]:
    versions = [head.version if head is not None else 0 for head in (before, after)]
    is_copy = before is None and after is not None and after.revision > 1  # the head has had more changes than the one that wrote it
    published = CatalogPublished(at=at, is_copy=is_copy, before=versions[0], version=versions[1])
    return [published] if versions[0] != versions[1] else []


# Changes to purchases.


def purchase_changes(before: Purchase | None, after: Purchase | None, at: int) -> list[PurchaseChange]:
    """Return the changes between two states of a purchase, in logical order.

    A state is None if there is no item or only a tombstone. The list is empty if nothing visible outside the purchase has changed, for
    example if a payment was opened or only the version increased.
    """
    if after is None:
        return [PurchaseForgotten(at=at, purchase=before)] if before is not None else []
    erased = [BuyerErased(at=at, purchase=after)] if after.is_erased and not (before is not None and before.is_erased) else []
    moved = [OrderMoved(at=at, purchase=after)] if before is not None and before.user_id != after.user_id else []
    resent = [OrderResent(at=at, purchase=after)] if before is not None and before.resent_at != after.resent_at else []
    states, refunds, disputes = _state_changes(before, after, at), _refund_changes(before, after, at), _dispute_changes(before, after, at)
    changes = [*states, *refunds, *_return_changes(before, after, at), *disputes, *resent, *erased, *moved]
    is_copy = before is None and (after.version > 1 or at - after.created_at > WRITE_SECONDS)
    return [replace(change, is_copy=True) for change in changes] if is_copy else changes


def _state_changes(before: Purchase | None, after: Purchase, at: int) -> Iterator[PurchaseChange]:
    if before is None:
        yield ReservationMade(at=at, purchase=after)
    is_offer = after.waitlist_entry_id is not None and after.state in ACTIVE_STATES and not after.is_erased
    if is_offer and not after.is_being_charged and (before is None or before.is_being_charged):
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


def _return_changes(before: Purchase | None, after: Purchase, at: int) -> Iterator[PurchaseChange]:
    known = before.return_requests if before is not None else []
    for number, request in enumerate(after.return_requests, start=1):
        earlier = known[number - 1] if number <= len(known) else None
        if earlier is None or (earlier.withdrawn_at is not None and request.withdrawn_at is None):
            yield ReturnRequested(at=at, purchase=after, request=request)
        if request.declined_at is not None and (earlier is None or earlier.declined_at is None):
            yield ReturnDeclined(at=at, purchase=after, request=request, number=number)


def _dispute_changes(before: Purchase | None, after: Purchase, at: int) -> Iterator[PurchaseChange]:
    for dispute in after.disputes:
        known = before.find_dispute(dispute.id) if before is not None else None
        if known is None:
            yield DisputeOpened(at=at, purchase=after, dispute=dispute)
        if dispute.status != "open" and (known is None or known.status != dispute.status):
            yield DisputeDecided(at=at, purchase=after, dispute=dispute)
        voided = set(dispute.voided) - set(known.voided if known is not None else ())
        if voided:
            yield SeatsReturned(at=at, purchase=after, seats=_seats(after, voided))


def _seats(purchase: Purchase, numbers: Iterable[int]) -> dict[str, int]:
    """Map each tier id to the number of these tickets that belong to the tier."""
    return dict(Counter(purchase.ticket_line(number).tier_id for number in numbers))


# Changes to tickets.

_STATE_CHANGES: dict[tuple[str, str], type[TicketChange]] = {
    ("valid", "void"): TicketVoided,
    ("frozen", "void"): TicketVoided,
    ("valid", "frozen"): AdmissionSuspended,
    ("frozen", "valid"): AdmissionRestored,
}


def ticket_changes(before: Ticket | None, after: Ticket | None, at: int, sequence: str) -> list[TicketChange]:
    """Return the changes between two states of a ticket. Tickets are never deleted: without `after`, the list is empty."""
    if after is None:
        return []
    if before is None:
        return [TicketIssued(at=at, ticket=after, sequence=sequence)]
    return list(_differences(before, after, at, sequence))


def _differences(before: Ticket, after: Ticket, at: int, sequence: str) -> Iterator[TicketChange]:
    if before.owner_id != after.owner_id and before.code != after.code:  # a guest's ticket keeps its code when it moves to an account
        yield TicketTransferred(at=at, ticket=after, sequence=sequence, from_user_id=before.owner_id, from_language=before.language)
    if _names(before) != _names(after):
        yield TicketNamesChanged(at=at, ticket=after, sequence=sequence)
    people = after.inside_count - before.inside_count
    if people > 0:
        yield TicketCheckedIn(at=at, ticket=after, sequence=sequence, people=people)
    elif people < 0:
        yield CheckInUndone(at=at, ticket=after, sequence=sequence, people=-people)
    kind = _STATE_CHANGES.get((before.state, after.state))
    if kind is not None:
        yield kind(at=at, ticket=after, sequence=sequence)


def _names(ticket: Ticket) -> tuple[str | None, list[str | None]]:
    return ticket.attendee.name if ticket.attendee else None, [guest.name for guest in ticket.guests]
