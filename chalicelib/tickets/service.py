"""Issue, read, freeze and void tickets. A purchase gets its tickets exactly once, however often its confirmation is repeated."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.audit import service as audit
from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import Catalog, Event, TransferPolicy
from chalicelib.dynamodb import dynamo
from chalicelib.edge.languages import Language
from chalicelib.foundation import clock, settings
from chalicelib.tickets import signature, store
from chalicelib.tickets.model import (
    MAX_TICKETS,
    Attendee,
    AttendeeLocked,
    HolderErased,
    Ticket,
    TicketGift,
    TicketIssue,
    TicketLine,
    TicketNotFound,
    TicketVoid,
    VoidReason,
    may_be_ticket_id,
    new_code,
    ticket_id,
)

MAX_ATTEMPTS = 5


def issue_tickets(
    purchase_id: str,
    owner_id: str,
    event_id: str,
    lines: Sequence[TicketLine],
    now: int,
    attendees: Sequence[Attendee] = (),
    language: Language | None = None,
    codes: Sequence[str] = (),
    transfers: TransferPolicy | None = None,
) -> TicketIssue:
    """Create the tickets of a purchase that is being paid. Commit their items in the transaction that marks the purchase as paid.

    The first tickets get the `attendees`, in this order. `language` is the language of emails to the owner. If the tickets were already
    printed, `codes` are their codes, which `new_code` made. The tickets keep `transfers`.

    Without `codes`, every call creates the same codes for the same ids. If a purchase's tickets are issued twice, the second transaction is
    cancelled (`dynamo.ConditionFailed`), and its caller reads the tickets from the first transaction with `load_purchase_tickets`.
    """
    priced = [(line, price) for line in lines for price in line.prices]
    if not 1 <= len(priced) <= MAX_TICKETS:
        raise ValueError(f"a purchase has 1 to {MAX_TICKETS} tickets, not {len(priced)}")
    tickets = [
        _new_ticket(purchase_id, number, owner_id, event_id, line, price, codes[number - 1] if codes else None, now)
        for number, (line, price) in enumerate(priced, start=1)
    ]
    tickets = [replace(ticket, language=language, transfers=transfers) for ticket in tickets]
    for index, attendee in enumerate(attendees[: len(tickets)]):
        tickets[index] = replace(tickets[index], attendee=attendee)
    return TicketIssue(tickets, [store.create_ticket_item(ticket) for ticket in tickets])


def import_ticket_item(
    purchase_id: str, owner_id: str, event_id: str, line: TicketLine, code: str, attendee: Attendee | None, now: int
) -> dynamo.TransactItem:
    """Return the transaction item that writes the only ticket of a purchase from another system, with the ticket's original code.

    The code has the form that `normalize_code` returns. The transaction is cancelled if the ticket exists.
    """
    [price_cents] = line.prices
    ticket = _new_ticket(purchase_id, 1, owner_id, event_id, line, price_cents, code, now)
    return store.create_ticket_item(replace(ticket, attendee=attendee))


def load_purchase_tickets(purchase_id: str, count: int) -> list[Ticket]:
    """Load tickets 1 to `count` of a purchase, in this order. The reads are strongly consistent. Missing tickets are left out."""
    return sorted(store.load_tickets(ticket_id(purchase_id, number) for number in range(1, count + 1)), key=attrgetter("number"))


def load_owned_tickets(owner_id: str, ticket_ids: Iterable[str]) -> list[Ticket]:
    """Load the given tickets that belong to the owner and are valid or frozen. Tickets of the newest purchase come first."""
    tickets = [ticket for ticket in load_all_owned_tickets(owner_id, ticket_ids) if ticket.state != "void"]
    tickets.sort(key=attrgetter("number"))
    tickets.sort(key=lambda ticket: (ticket.created_at, ticket.purchase_id), reverse=True)
    return tickets


def load_all_owned_tickets(owner_id: str, ticket_ids: Iterable[str]) -> list[Ticket]:
    """Load the given tickets that belong to the owner, in any state and no particular order."""
    return [ticket for ticket in store.load_tickets(ticket_ids) if ticket.owner_id == owner_id]


def list_purchase_ids(event_id: str, after: str | None = None) -> Iterator[tuple[str, str]]:
    """Yield the purchase id and the position of each ticket of an event after the position `after`, the least recently changed first.

    A purchase with several tickets appears several times. Reads the keys of the tickets page by page.
    """
    for found_id, position in store.iterate_ticket_ids(event_id, after or store.position_at(0)):
        yield found_id.rpartition("-")[0], position


def get_ticket(ticket_id: str) -> Ticket:
    """Return a ticket in any state. Raises TicketNotFound."""
    ticket = find_ticket(ticket_id)
    if ticket is None:
        raise TicketNotFound()
    return ticket


def find_ticket(ticket_id: str) -> Ticket | None:
    """Return a ticket in any state, or None if it does not exist. Reads nothing for text that cannot be an id."""
    return store.find_ticket(ticket_id) if may_be_ticket_id(ticket_id) else None


def get_owned_ticket(owner_id: str, ticket_id: str) -> Ticket:
    """Return the owner's ticket in any state. Raises TicketNotFound if the ticket does not exist or has another owner."""
    ticket = get_ticket(ticket_id)
    if ticket.owner_id != owner_id:
        raise TicketNotFound()
    return ticket


def allows_transfers(ticket: Ticket, event: Event | None) -> bool:
    """Return whether the event's rules allow a transfer of the ticket, either now or when it was sold."""
    return ticket.transfers is None or event is None or event.transfers == "free"


def event_of(ticket: Ticket, snapshot: Catalog) -> Event | None:
    """Return a ticket's event with only the dates for which the ticket is valid. Returns None if the event is not in the catalog."""
    return snapshot.event_for(ticket.event_id, [ticket.tier_id])


def attendee_until(event: Event) -> int:
    """Return when the names on the event's tickets become final, in epoch seconds."""
    return event.starts_at - settings.current().attendee_lock_seconds


class DoorTimes(Struct, frozen=True):
    """The times of an event, or of one of its dates (`date` is the id). The doors are open from `opens_at` through `closes_at`."""

    date: str | None
    starts_at: int
    opens_at: int
    closes_at: int


def all_door_times(event: Event) -> list[DoorTimes]:
    """Return the times of each date of an event, or of an event without dates, in epoch seconds.

    If a date has no end, its doors close before the doors of the next date at the same place open. If those doors open before this date
    starts, its doors close no later than the next date starts. Without `doors_minutes`, the doors open no earlier than halfway between the
    previous start and this start, but at least an hour before this start.
    """
    close_seconds = settings.current().doors_close_seconds
    if not event.dates:
        closes_at = event.starts_at + close_seconds if event.ends_at is None else event.ends_at
        return [DoorTimes(None, event.starts_at, _opens_at(event, event.starts_at, None), closes_at)]
    starts_by_place: dict[str, list[int]] = defaultdict(list)
    for date in event.dates:
        starts_by_place[date.venue or event.venue].append(date.start)
    found = []
    for date in event.dates:
        starts, start = starts_by_place[date.venue or event.venue], date.start
        earlier, later = (max((at for at in starts if at < start), default=None), min((at for at in starts if at > start), default=None))
        closes_at = start + close_seconds if date.end is None else date.end
        if date.end is None and later is not None:
            next_opens_at = _opens_at(event, later, start)
            closes_at = min(closes_at, next_opens_at - 1 if next_opens_at > start else later)
        found.append(DoorTimes(date.id, start, _opens_at(event, start, earlier), closes_at))
    return found


def _opens_at(event: Event, start: int, earlier: int | None) -> int:
    """Return when the doors open for a start. `earlier` is the previous start at the same place."""
    if event.doors_minutes is not None:
        return start - 60 * event.doors_minutes
    opens_at = start - settings.current().doors_open_seconds
    return opens_at if earlier is None else max(opens_at, min((earlier + start) // 2, start - 3600))


def door_times_at(event: Event, valid: Event, at: int) -> DoorTimes:
    """Return the times of the date to which a scan at `at` (epoch seconds) belongs, among the dates of the ticket's event `valid`.

    This is the date whose doors opened last and are still open, or else the next date, or else the last date. Among dates whose doors are
    open, a cancelled date comes last.
    """
    valid_ids = {date.id for date in valid.dates}
    dates = [times for times in all_door_times(event) if times.date is None or times.date in valid_ids]
    is_open = [times for times in dates if times.opens_at <= at <= times.closes_at]
    if is_open:
        return max(is_open, key=lambda times: (times.date not in event.cancelled_date_ids, times.starts_at, times.date))
    coming = [times for times in dates if times.opens_at > at]
    return min(coming or dates, key=lambda times: (times.starts_at if coming else -times.closes_at, times.date))


def change_attendee(ticket: Ticket, attendee: Attendee | None, now: int) -> Ticket:
    """Change the attendee of a ticket. The last change wins. Raises AttendeeLocked, TicketVoid, HolderErased and TicketNotFound."""
    event = event_of(ticket, catalog.snapshot())
    if event is not None and now >= attendee_until(event):
        raise AttendeeLocked(starts_at=clock.iso(event.starts_at))
    _require_nameable(ticket)
    try:
        dynamo.transact([store.change_attendee_item(ticket, attendee)])
    except dynamo.ConditionFailed:
        _require_nameable(get_owned_ticket(ticket.owner_id, ticket.id))
        raise TicketNotFound() from None
    return replace(ticket, attendee=attendee)


def name_ticket(order_id: str, ticket_id: str, name: str | None, by: str, now: int, *, erased_id: str | None = None) -> Ticket:
    """Change the name on a ticket of an order for `by`, who manages the event; None removes the attendee. There is no deadline.

    `erased_id` is the user id of the order's buyer if the order's personal data has been erased.

    The last change wins. The audit entry has no names, because the audit log outlives an erasure. Raises TicketNotFound, TicketVoid
    and HolderErased.
    """
    for _ in range(MAX_ATTEMPTS):
        ticket = get_ticket(ticket_id)
        if ticket.purchase_id != order_id:
            raise TicketNotFound()
        if ticket.owner_id == erased_id:
            raise HolderErased()
        _require_nameable(ticket)
        known = ticket.attendee
        attendee = None if name is None else Attendee(name) if known is None else replace(known, name=name)
        if attendee == known:
            return ticket
        entry = audit.entry_item(f"ticket#{ticket.id}", "ticket.named", by, now, {"order_id": order_id}, event_id=ticket.event_id)
        try:
            dynamo.transact([store.change_attendee_item(ticket, attendee), entry])
        except dynamo.ConditionFailed:
            continue
        return replace(ticket, attendee=attendee)
    raise dynamo.Contention("the ticket kept changing")


def _require_nameable(ticket: Ticket) -> None:
    if ticket.state == "void":
        raise TicketVoid()
    if ticket.erased_at is not None:
        raise HolderErased()


def give_ticket(ticket: Ticket, owner_id: str, language: Language, now: int) -> TicketGift:
    """Give a ticket with an open transfer to a new owner. The ticket's names are removed, and its old codes become invalid.

    `language` is the language of emails to the new owner. Commit the item together with the other changes of the transfer. The transaction
    is cancelled if the ticket has changed in any relevant way, so if several people accept the transfer at once, only one gets the ticket.
    """
    assert ticket.transfer is not None
    code = new_code()
    after = replace(
        ticket,
        owner_id=owner_id,
        code=code,
        qr_sig=signature.sign(ticket.id, ticket.event_id, code),
        attendee=None,
        guests=[],
        transfer=replace(ticket.transfer, accepted_at=now),
        language=language,
        erased_at=None,
    )
    return TicketGift(after, store.transfer_item(ticket, after))


def freeze_items(tickets: Sequence[Ticket]) -> list[dynamo.TransactItem]:
    """Return the transaction items that change the tickets from `valid` to `frozen`.

    The transaction is cancelled if any ticket is not valid, so a void ticket stays void when the dispute is won.
    """
    return [store.change_state_item(ticket.id, "valid", "frozen") for ticket in tickets]


def thaw_items(tickets: Sequence[Ticket]) -> list[dynamo.TransactItem]:
    """Return the items that change the tickets from `frozen` to `valid`. The transaction is cancelled if any ticket is not frozen."""
    return [store.change_state_item(ticket.id, "frozen", "valid") for ticket in tickets]


def void_items(ticket_ids: Iterable[str], reason: VoidReason, *, only_if_unused_by: str | None = None) -> list[dynamo.TransactItem]:
    """Return the items that void tickets permanently. Safe to repeat. The transaction is cancelled if a ticket does not exist.

    With `only_if_unused_by`, the transaction is also cancelled unless all tickets are valid, unused and owned by this user.
    """
    return [store.void_item(ticket_id, reason, only_if_unused_by=only_if_unused_by) for ticket_id in ticket_ids]


def _new_ticket(
    purchase_id: str, number: int, owner_id: str, event_id: str, line: TicketLine, price_cents: int, code: str | None, now: int
) -> Ticket:
    new_id = ticket_id(purchase_id, number)
    code = code or signature.derive_code(new_id)
    return Ticket(
        id=new_id,
        code=code,
        # The signature is stored, not computed for each display, so that after a key rotation a repeated confirmation still returns the
        # same ticket, and printed tickets still match the tickets on the screen.
        qr_sig=signature.sign(new_id, event_id, code),
        purchase_id=purchase_id,
        owner_id=owner_id,
        event_id=event_id,
        tier_id=line.tier_id,
        admits=line.admits,
        price_cents=price_cents,
        currency=line.currency,
        state="valid",
        created_at=now,
    )
