"""The views of check-ins, tickets and synced scans over HTTP, for people at the door."""

from msgspec import Struct
from msgspec.structs import asdict

from chalicelib.catalog.model import Catalog
from chalicelib.checkin.service import CheckInResult, SyncedScan
from chalicelib.foundation import clock
from chalicelib.foundation.clock import Timestamp
from chalicelib.tickets.model import CheckIn, Direction, Ticket, TicketState


class CheckInView(Struct, frozen=True):
    """A check-in: `count` people came in. `seat` is set if the guest of that seat came in. `by` is the user who admitted them.

    The `direction` of an exit is `out`. Its `count` is negative, so that the counts add up to the number of people inside.
    `override_reason` is the reason for an override that the user sent with the scan. `date` is the id of the event's date.
    """

    id: str
    at: Timestamp
    count: int
    gate: str | None
    device: str | None
    by: str
    seat: int | None
    override_reason: str | None
    direction: Direction
    date: str | None


class DoorGuestView(Struct, frozen=True):
    """The guest of a seat, who has a separate code. `admitted` is true while the guest is inside with this code.

    An erasure sets `name` to null.
    """

    seat: int
    number: str | None
    name: str | None
    admitted: bool


class TicketAtDoorView(Struct, frozen=True, kw_only=True):
    """The fields of a ticket in replies to scans and on devices. `tier_name` is null if the catalog no longer has the tier.

    `admitted` counts the people who are inside on one date: the date of the scan, or of the last check-in if there is no scan.
    """

    id: str
    number: str | None
    state: TicketState
    tier_id: str
    tier_name: str | None
    attendee_name: str | None
    admits: int
    admitted: int


class DoorTicketView(TicketAtDoorView, frozen=True, kw_only=True):
    """A ticket without its code. `event_name` and `tier_name` are null if the catalog no longer has the event or tier."""

    order_id: str
    event_id: str
    event_name: str | None
    remaining: int
    guests: list[DoorGuestView]
    checkins: list[CheckInView]
    duplicates: list[CheckInView]


class CheckInReplyView(Struct, frozen=True):
    """The result of a check-in or an undo. `repeated` is true if the request was already counted and nothing changed."""

    ticket: DoorTicketView
    checkin: CheckInView
    repeated: bool
    message: str


class SyncedScanView(Struct, frozen=True):
    """`outcome` is `admitted`, `exited`, `repeated` (the scan was already counted), `conflict` or `refused`.

    `error` and `message` give the reason for a conflict or a refusal. For a conflict, the check-ins of `ticket` show who came in first.
    `ticket` is null if the scan was refused.
    """

    id: str
    outcome: str
    error: str | None
    message: str | None
    ticket: DoorTicketView | None


class SyncView(Struct, frozen=True):
    """The scans in chronological order, and the numbers of recorded entries and exits (including repeats), conflicts and refusals."""

    scans: list[SyncedScanView]
    admitted: int
    exited: int
    conflicts: int
    refused: int


def checkin_view(checkin: CheckIn) -> CheckInView:
    at = clock.iso(checkin.at)
    rest = (checkin.by, checkin.seat, checkin.override_reason, checkin.direction, checkin.date)
    return CheckInView(checkin.id, at, checkin.count, checkin.gate, checkin.device, *rest)


def ticket_at_door_view(ticket: Ticket, date: str | None, catalog: Catalog) -> TicketAtDoorView:
    tier = catalog.tiers.get(ticket.tier_id)
    return TicketAtDoorView(
        id=ticket.id,
        number=ticket.seat_number(1),
        state=ticket.state,
        tier_id=ticket.tier_id,
        tier_name=tier.name if tier else None,
        attendee_name=ticket.attendee.name if ticket.attendee else None,
        admits=ticket.admits,
        admitted=ticket.with_checkins_on(date).inside_count,
    )


def door_ticket_view(ticket: Ticket, date: str | None, catalog: Catalog) -> DoorTicketView:
    """Return the view of a ticket with the people who are inside on a date of the event."""
    event, ticket_on_date = catalog.events.get(ticket.event_id), ticket.with_checkins_on(date)
    return DoorTicketView(
        **asdict(ticket_at_door_view(ticket, date, catalog)),
        order_id=ticket.purchase_id,
        event_id=ticket.event_id,
        event_name=event.name if event else None,
        remaining=max(0, ticket.admits - ticket_on_date.inside_count),
        guests=[
            DoorGuestView(guest.seat, ticket.seat_number(guest.seat), guest.name, ticket_on_date.inside_with_guest_code(guest.seat) > 0)
            for guest in ticket.guests
        ],
        checkins=[checkin_view(checkin) for checkin in ticket.checkins],
        duplicates=[checkin_view(duplicate) for duplicate in ticket.duplicates],
    )


def reply_view(result: CheckInResult, catalog: Catalog, message: str) -> CheckInReplyView:
    ticket = door_ticket_view(result.ticket, result.checkin.date, catalog)
    return CheckInReplyView(ticket, checkin_view(result.checkin), result.repeated, message)


def sync_view(scans: list[SyncedScan], catalog: Catalog) -> SyncView:
    outcomes = [synced.outcome for synced in scans]
    recorded_directions = [synced.scan.direction for synced in scans if synced.outcome in ("admitted", "exited", "repeated")]
    return SyncView(
        scans=[
            SyncedScanView(
                id=synced.scan.id,
                outcome=synced.outcome,
                error=synced.refusal.code if synced.refusal else None,
                message=synced.refusal.message if synced.refusal else None,
                ticket=door_ticket_view(synced.ticket, synced.ticket.last_checkin_date, catalog) if synced.ticket else None,
            )
            for synced in scans
        ],
        admitted=recorded_directions.count("in"),
        exited=recorded_directions.count("out"),
        conflicts=outcomes.count("conflict"),
        refused=outcomes.count("refused"),
    )
