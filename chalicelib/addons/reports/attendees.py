"""The attendees of an event: a row for each person whom its tickets admit, in pages, also as CSV.

The rows are read from tickets, checkouts and accounts, and not from a copy, so erased data appears in no list. The audit log records each
reading.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal, NamedTuple

from msgspec import Meta, Struct

from chalicelib.accounts import service as accounts
from chalicelib.accounts.model import email_key
from chalicelib.addons.reports import order_search, store
from chalicelib.addons.reports.answers import GivenAnswer, buyer_answers, guest_answers
from chalicelib.addons.reports.audit_views import record_reading
from chalicelib.catalog.model import Event
from chalicelib.edge import cursors
from chalicelib.edge.csv_replies import Cell, csv_part
from chalicelib.edge.cursors import Cursor
from chalicelib.edge.routes import Reply
from chalicelib.foundation import clock, ids, parallel
from chalicelib.foundation.clock import Timestamp
from chalicelib.foundation.ids import Id
from chalicelib.purchases import queries
from chalicelib.purchases.model import Buyer, CheckoutDetails, Purchase
from chalicelib.tickets import seats
from chalicelib.tickets.model import MAX_TICKETS, CheckIn, Seat, Ticket, TicketState, order_number, ticket_id
from chalicelib.tickets.store import load_readable_tickets

MAX_ORDERS = 500  # orders that are read for one page, even if the filters accept few of their tickets
SEARCHED_ORDERS = 20  # orders on a page of search results

# Add new columns at the end: programs may read the file by column position.
COLUMNS = (
    *("number", "name", "email", "owner_name", "tier_id", "tier_name", "order_number", "order_id", "ticket_id", "seat", "state"),
    *("came_in", "came_in_at", "gate", "answers"),
)

# The order, ticket and seat of the last row that was read.
_CursorKey = tuple[Annotated[str, Meta(pattern=rf"^{ids.FORM}\Z")], int, int]
_END_OF_ORDER = (MAX_TICKETS + 1, 0)


class AttendeesQuery(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Which people to list. Without `state`, void tickets are left out. `search` works like the search for orders."""

    search: Annotated[str, Meta(min_length=1, max_length=254)] | None = None
    tier_id: Id | None = None
    state: TicketState | None = None
    came_in: bool | None = None
    format: Literal["json", "csv"] = "json"
    bom: bool = False
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    cursor: Cursor | None = None


class AttendeeAnswer(Struct, frozen=True):
    """The answer to a question, with the label that the question had at the time."""

    label: str
    answer: str


class AttendeeView(Struct, frozen=True, kw_only=True):
    """A person whom a ticket admits: the guest of a seat, or a person without a name.

    `name` is null if nobody has named the person. `email` is the person's address or, if it is unknown, the address of the ticket's owner.
    `number` is null in the first seconds after the sale. People who come in with the ticket's own code fill the seats without a guest
    first.
    """

    ticket_id: Id
    seat: int
    number: str | None
    name: str | None
    email: str | None
    owner_name: str | None
    tier_id: str
    tier_name: str
    order_id: str
    order_number: str
    state: TicketState
    came_in: bool
    came_in_at: Timestamp | None
    gate: str | None
    answers: list[AttendeeAnswer]


class AttendeesView(Struct, frozen=True):
    """A page of attendees, newest orders first. It may be short or empty even if another page follows."""

    attendees: list[AttendeeView]
    next_cursor: str | None


class _Place(NamedTuple):
    """A seat of an issued ticket, and the check-in of its person, if the person has come in."""

    purchase: Purchase
    ticket: Ticket
    seat: int
    checkin: CheckIn | None

    @property
    def key(self) -> tuple[str, int, int]:
        return self.purchase.id, self.ticket.number, self.seat


def attendees_reply(event: Event, query: AttendeesQuery, reader: str, now: int) -> Reply[AttendeesView | str]:
    """Return a page of attendees as JSON or CSV, and record in the audit log that `reader` has read it. Raises InvalidInput."""
    found, next_cursor = _search(event, query) if query.search is not None else _read_page(event, query)
    record_reading(event.id, reader, now, "attendees", len(found), query.format)
    if query.format == "csv":
        return csv_part(query, f"{event.id}-attendees.csv", COLUMNS, map(_csv_row, found), next_cursor)
    return Reply(AttendeesView(found, next_cursor))


def _read_page(event: Event, query: AttendeesQuery) -> tuple[list[AttendeeView], str | None]:
    after: tuple[str, int, int] | None = cursors.decode_key(query.cursor, _CursorKey) if query.cursor is not None else None
    purchases, last_read = _load_orders(event.id, query, after)
    places = _load_places(purchases, query)
    if after is not None:
        places = [place for place in places if place.key[0] != after[0] or place.key[1:] > after[1:]]
    position = (last_read, *_END_OF_ORDER) if last_read is not None else None
    if len(places) > query.limit:
        position = places[query.limit - 1].key
    page = places[: query.limit]
    keyed_views = zip((place.key for place in page), _views(event, page), strict=True)
    return cursors.fit_page(keyed_views, cursors.encode_key(position) if position is not None else None)


def _load_orders(event_id: str, query: AttendeesQuery, after: tuple[str, int, int] | None) -> tuple[list[Purchase], str | None]:
    """Load orders for a page, newest first. Returns them, and the id of the last order that was read, or None if no orders follow.

    Loads only as many orders as fill the page, unless tickets must be read to apply the filters.
    """
    is_known = query.came_in is None and query.state in (None, "void")
    max_orders = min(query.limit, MAX_ORDERS) if is_known and query.tier_id is None else MAX_ORDERS
    resumed = [after[0]] if after is not None and after[1:] < _END_OF_ORDER else []  # the previous page ended in this order
    found = list(resumed)
    last_read = None
    for order in store.query_orders(store.load_generations().current, event_id, after[0] if after is not None else None):
        if len(found) == len(resumed) + max_orders:
            last_read = found[-1]
            break
        found.append(order.order_id)
    loaded = queries.load_readable(found)[0]
    purchases: list[Purchase] = []
    people = 0
    for number, order_id in enumerate(found):
        purchase = loaded.get(order_id)
        if purchase is None or purchase.event_id != event_id:
            continue
        if is_known and people >= query.limit:
            return purchases, found[number - 1]
        purchases.append(purchase)
        if order_id not in resumed:
            people += sum(purchase.ticket_line(ticket).admits for ticket in _wanted_tickets(purchase, query))
    return purchases, last_read


def _wanted_tickets(purchase: Purchase, query: AttendeesQuery) -> list[int]:
    """Return the numbers of the tickets that the filters may accept, judging by the purchase. The tickets are checked later."""
    numbers = sorted(purchase.returned_tickets) if query.state == "void" else purchase.kept_tickets
    return [number for number in numbers if query.tier_id in (None, purchase.ticket_line(number).tier_id)]


def _load_places(purchases: Sequence[Purchase], query: AttendeesQuery) -> list[_Place]:
    """Load the tickets of orders, and return the places that the filters accept, in order."""
    wanted = [(purchase, number) for purchase in purchases for number in _wanted_tickets(purchase, query)]
    issued = {ticket.id: ticket for ticket in load_readable_tickets(ticket_id(purchase.id, number) for purchase, number in wanted)}
    places = []
    for purchase, number in wanted:
        ticket = issued.get(ticket_id(purchase.id, number))
        if ticket is None or query.state not in (None, ticket.state) or (query.state is None and ticket.state == "void"):
            continue
        arrivals = seat_arrivals(ticket)
        numbers = (seat for seat in range(1, ticket.admits + 1) if query.came_in in (None, seat in arrivals))
        places += [_Place(purchase, ticket, seat, arrivals.get(seat)) for seat in numbers]
    return places


def seat_arrivals(ticket: Ticket) -> dict[int, CheckIn]:
    """Return the check-ins by seat. People who came in with the ticket's own code fill the seats without a guest first."""
    found = {seat: checkin for seat in range(1, ticket.admits + 1) if (checkin := ticket.first_checkin_of(seat)) is not None}
    free = sorted(set(range(1, ticket.admits + 1)) - found.keys(), key=lambda seat: (ticket.guest_of(seat) is not None, seat))
    others = (checkin for checkin in ticket.first_entries if checkin.seat is None for _ in range(checkin.count))
    return found | dict(zip(free, others, strict=False))


def _search(event: Event, query: AttendeesQuery) -> tuple[list[AttendeeView], str | None]:
    """Return the people in a page of found orders. If anybody in an order matches the text, leaves out the others in that order."""
    text = query.search or ""
    found, next_cursor = order_search.find_order_ids(event.id, text, min(query.limit, SEARCHED_ORDERS), query.cursor)
    loaded = queries.load_readable(found)[0]
    purchases = [purchase for order_id in found if (purchase := loaded.get(order_id)) is not None and purchase.event_id == event.id]
    shown = _views(event, _load_places(purchases, query))
    matching = {view.order_id for view in shown if _matches(view, text)}
    return [view for view in shown if view.order_id not in matching or _matches(view, text)], next_cursor


def _matches(view: AttendeeView, text: str) -> bool:
    """Return whether the text is about this person rather than about the whole order."""
    if "@" in text:
        return view.email is not None and email_key(view.email) == email_key(text.strip())
    names = order_search.name_words(view.name or "")
    words = order_search.name_words(text)
    is_name = bool(words) and all(any(name.startswith(word) for name in names) for word in words)
    return is_name or text.strip().upper() == view.ticket_id


def _views(event: Event, places: Sequence[_Place]) -> list[AttendeeView]:
    """Return the rows of places, with names, addresses and answers. Takes two round trips per 100 orders, owners or guests."""
    purchases = {place.purchase.id: place.purchase for place in places}
    users = {place.ticket.owner_id for place in places} | {purchase.user_id for purchase in purchases.values()}
    (details, found), placed = parallel.both(
        lambda: parallel.both(lambda: queries.load_many_details(purchases.values()), lambda: accounts.find_accounts(users)),
        lambda: seats.list_seats((place.ticket, place.seat) for place in places),
    )
    by_user = {account.user_id: account for account in found}
    views = []
    for place, seat in zip(places, placed, strict=True):
        sent, account = details.get(place.purchase.id), by_user.get(place.ticket.owner_id)
        if place.ticket.owner_id == place.purchase.user_id:
            owner = queries.find_buyer(place.purchase, sent, account)
        else:
            owner = Buyer(account.name, account.email) if account is not None else Buyer()
        views.append(_view(event, place, seat, owner, sent))
    return views


def _view(event: Event, place: _Place, seat: Seat, owner: Buyer, details: CheckoutDetails | None) -> AttendeeView:
    purchase, ticket, number, checkin = place
    attendee = ticket.attendee if number == 1 else None
    name = seat.guest.name if seat.guest is not None else attendee.name if attendee is not None else None
    email = seat.details.email if seat.details is not None else attendee.email if attendee is not None else None
    return AttendeeView(
        ticket_id=ticket.id,
        seat=number,
        number=ticket.seat_number(number),
        name=name,
        email=email or owner.email,
        owner_name=owner.name,
        tier_id=ticket.tier_id,
        tier_name=purchase.ticket_line(ticket.number).tier_name,
        order_id=purchase.id,
        order_number=order_number(purchase.id, event),
        state=ticket.state,
        came_in=checkin is not None,
        came_in_at=clock.iso(checkin.at) if checkin is not None else None,
        gate=checkin.gate if checkin is not None else None,
        answers=[AttendeeAnswer(given.label, given.text) for given in _answers(place, seat, details)],
    )


def _answers(place: _Place, seat: Seat, details: CheckoutDetails | None) -> Iterator[GivenAnswer]:
    """Yield the answers about a place: the guest's answers and, for the first seat, the buyer's answers about the ticket and the order."""
    if seat.number == 1 and details is not None:
        for given in buyer_answers(place.purchase, details):
            if given.tier_id == place.ticket.tier_id and given.ticket in (None, place.ticket.number):
                yield given
    yield from guest_answers(place.purchase, seat)


def _csv_row(view: AttendeeView) -> list[Cell]:
    """Return a person as a row of COLUMNS."""
    cells = {"came_in": "yes" if view.came_in else "no", "answers": "; ".join(f"{each.label}: {each.answer}" for each in view.answers)}
    return [cells[name] if name in cells else getattr(view, name) for name in COLUMNS]
