"""The manifest, for devices that scan without a network: all tickets of an event, or only the tickets changed since an earlier manifest.

A device needs no key. It stores the SHA-256 of each code, and compares the hash of every scanned code with the stored hashes. The hashes do
not reveal our codes, which have 100 random bits, so a stolen device cannot be used to forge our tickets. It reveals only the names on the
tickets. Short codes that were imported from another system could be guessed from their hashes.
"""

from hashlib import sha256
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import asdict

from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import Catalog, Event
from chalicelib.checkin.service import door_span
from chalicelib.checkin.views import TicketAtDoorView, ticket_at_door_view
from chalicelib.edge import cursors
from chalicelib.foundation import clock, settings
from chalicelib.foundation.clock import Timestamp
from chalicelib.tickets import signature
from chalicelib.tickets.model import Ticket, VoidReason, seat_id
from chalicelib.tickets.service import all_door_times
from chalicelib.tickets.store import position_at, query_changed_tickets

# A change carries the time at which its request began to write. The change may become readable later: the request may take its whole
# deadline, the clocks of two instances may differ, and the index may lag. Together, these delays are much shorter than this overlap.
OVERLAP_SECONDS = 60

# `as_of`, and the position of the last ticket of the previous page.
_CursorKey = tuple[Annotated[int, Meta(ge=0, le=99_999_999_999)], Annotated[str, Meta(min_length=1)]]


class ManifestDateView(Struct, frozen=True, kw_only=True):
    """A date of the event, the times at which its doors open and close, and the tiers whose tickets are valid for it.

    If `cancelled` is true, nobody is admitted on this date.
    """

    id: str
    name: str | None
    starts_at: Timestamp
    doors_open_at: Timestamp
    doors_close_at: Timestamp
    tier_ids: list[str]
    cancelled: bool


class ManifestEventView(Struct, frozen=True, kw_only=True):
    """The event and the times at which its doors open and close. If `cancelled` is true, nobody is admitted.

    If `allows_reentry` is true, the door may scan people out. An event with `dates` opens its doors for each date.
    """

    id: str
    name: str
    timezone: str
    starts_at: Timestamp
    doors_open_at: Timestamp
    doors_close_at: Timestamp
    cancelled: bool
    allows_reentry: bool
    dates: list[ManifestDateView]


class ManifestGuestView(Struct, frozen=True, kw_only=True):
    """The guest of a seat, who is inside with the guest's own code if `admitted` is true.

    The code admits one person once, while the ticket is valid and the ticket's `admitted` is below its `admits`.
    """

    id: str
    seat: int
    number: str | None
    code_sha256: str
    name: str | None
    admitted: bool


class ManifestCheckInView(Struct, frozen=True):
    """A check-in: `count` people came in on a `date` of the event; a negative `count` is an exit.

    `seat` is set if the guest of that seat came in.
    """

    at: Timestamp
    count: int
    gate: str | None
    seat: int | None
    date: str | None


class ManifestTicketView(TicketAtDoorView, frozen=True, kw_only=True):
    """A ticket in its current state. `checkins` is in the order in which the check-ins were recorded.

    `code_sha256` is the SHA-256 (hex) of the code as printed; our codes are printed in capital letters with hyphens. `void_reason` says
    why a void ticket is void. `wallet_sha256` is the SHA-256 (hex) of the fixed part of the ticket's rotating code
    (`FG2:<id>:<fixed part>:<password>`). It is left out if the stage puts no tickets into Google Wallet.
    """

    code_sha256: str
    wallet_sha256: str | UnsetType = UNSET
    void_reason: VoidReason | None
    checkins: list[ManifestCheckInView]
    guests: list[ManifestGuestView]


class ManifestView(Struct, frozen=True, kw_only=True):
    """A page of an event's tickets. When `next_cursor` is null, keep `as_of`, and send it as `since` to get the next manifest."""

    event: ManifestEventView
    tickets: list[ManifestTicketView]
    as_of: Timestamp
    next_cursor: str | None


def read_manifest(event: Event, since: int | None, limit: int, cursor: str | None, now: int) -> ManifestView:
    """Read a page of all tickets of an event, or only of the tickets that changed in or after the second `since` (epoch seconds).

    A page of tickets with very many guests has fewer than `limit` tickets. Raises InvalidInput for an invalid cursor.

    The tickets are in order of their last change. A ticket that changes while a client reads page by page appears again on a later page.
    A change that becomes readable late, with a time that the client has already passed, appears in the next manifest, because `as_of` is
    OVERLAP_SECONDS before the request for the first page. The cursor contains `as_of`.
    """
    if cursor is None:
        as_of, position = now - OVERLAP_SECONDS, position_at(since or 0)
    else:
        as_of, position = cursors.decode_key(cursor, _CursorKey)
    tickets, last_position = query_changed_tickets(event.id, position, limit)
    snapshot = catalog.snapshot()
    views = [_ticket_view(ticket, snapshot) for ticket in tickets]
    fitting_count = len(cursors.fit(views))
    if fitting_count < len(views):
        # Tickets with many named guests make the page too large for one reply. Read a shorter page, whose cursor follows its last ticket.
        tickets, last_position = query_changed_tickets(event.id, position, fitting_count)
        views = [_ticket_view(ticket, snapshot) for ticket in tickets]
    return ManifestView(
        event=_event_view(event, snapshot),
        tickets=views,
        as_of=clock.iso(as_of),
        next_cursor=cursors.encode_key((as_of, last_position)) if last_position else None,
    )


def _event_view(event: Event, snapshot: Catalog) -> ManifestEventView:
    date_names, tiers = {date.id: date.name for date in event.dates}, snapshot.event_tiers(event.id)
    opens_at, closes_at = door_span(event)
    return ManifestEventView(
        id=event.id,
        name=event.name,
        timezone=event.timezone,
        starts_at=clock.iso(event.starts_at),
        doors_open_at=clock.iso(opens_at),
        doors_close_at=clock.iso(closes_at),
        cancelled=event.status == "cancelled",
        allows_reentry=event.allows_reentry,
        dates=[
            ManifestDateView(
                id=times.date,
                name=date_names[times.date],
                starts_at=clock.iso(times.starts_at),
                doors_open_at=clock.iso(times.opens_at),
                doors_close_at=clock.iso(times.closes_at),
                tier_ids=[tier.id for tier in tiers if tier.is_valid_on(times.date)],
                cancelled=times.date in event.cancelled_date_ids,
            )
            for times in all_door_times(event)
            if times.date is not None
        ],
    )


def _ticket_view(ticket: Ticket, snapshot: Catalog) -> ManifestTicketView:
    ticket_on_date, has_wallet_codes = ticket.with_checkins_on(ticket.last_checkin_date), settings.current().google_wallet_issuer
    return ManifestTicketView(
        **asdict(ticket_at_door_view(ticket, ticket.last_checkin_date, snapshot)),
        code_sha256=_sha256_hex(ticket.code),
        wallet_sha256=_sha256_hex(signature.wallet_fixed_part(ticket.code, ticket.qr_sig)) if has_wallet_codes else UNSET,
        void_reason=ticket.void_reason,
        checkins=[
            ManifestCheckInView(clock.iso(checkin.at), checkin.count, checkin.gate, checkin.seat, checkin.date)
            for checkin in ticket.checkins
        ],
        guests=[
            ManifestGuestView(
                id=seat_id(ticket.id, guest.seat),
                seat=guest.seat,
                number=ticket.seat_number(guest.seat),
                code_sha256=_sha256_hex(guest.code),
                name=guest.name,
                admitted=ticket_on_date.inside_with_guest_code(guest.seat) > 0,
            )
            for guest in ticket.guests
        ],
    )


def _sha256_hex(code: str) -> str:
    return sha256(code.encode()).hexdigest()
