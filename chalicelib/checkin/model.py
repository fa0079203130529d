"""A scan at the door, and the errors that refuse a scan or an undo."""

from typing import ClassVar, Literal

from msgspec import Struct

from chalicelib.foundation import clock
from chalicelib.foundation.errors import ApiError, NotFound
from chalicelib.tickets.model import CheckIn, Direction, Ticket, TicketFrozen, TicketVoid


class RotatingCode(Struct, frozen=True):
    """A code from a wallet. The one-time `password` is None for an offline scan: then the fixed part alone decides."""

    fixed_part: str
    password: str | None


class Scan(Struct, frozen=True, kw_only=True):
    """A request to admit `count` people with a ticket at the time `at` (epoch seconds). A repeated scan has the same `id`.

    `ticket_id`, `code`, or both (as in a QR code) name the ticket. For the guest of a seat, they are the id of the seat and the guest's
    code. A code from a wallet is in `rotating` instead of `code`. `event_id` is the event at whose door the ticket was scanned, or None for
    any event at which the scanning user works. An `override_reason` admits people before the doors open, and one more person with a ticket
    that was used. With the direction `out`, the people go out instead.
    """

    id: str
    at: int
    ticket_id: str | None = None
    code: str | None = None
    qr_sig: str | None = None
    rotating: RotatingCode | None = None
    event_id: str | None = None
    count: int | Literal["all"] = 1
    gate: str | None = None
    device: str | None = None
    override_reason: str | None = None
    direction: Direction = "in"


class CodeUnknown(NotFound):
    code: ClassVar[str] = "code_unknown"
    default_message: ClassVar[str] = "No ticket has this code. Scan it again, or type it as printed."


class CodeReplaced(ApiError):
    code: ClassVar[str] = "code_replaced"
    status: ClassVar[int] = 410
    default_message: ClassVar[str] = "This code is out of date: the ticket or seat was transferred. Only the new owner's code is valid."


class CodeExpired(ApiError):
    code: ClassVar[str] = "code_expired"
    status: ClassVar[int] = 410
    default_message: ClassVar[str] = "This is an old picture of a code that changes. Ask to see the ticket in the wallet itself."


class SignatureInvalid(ApiError):
    code: ClassVar[str] = "signature_invalid"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "The signature does not match this ticket. Scan it again, or ask to see the ticket under My tickets."


class WrongEvent(ApiError):
    code: ClassVar[str] = "wrong_event"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "This ticket is for another event."


class WrongDay(ApiError):
    code: ClassVar[str] = "wrong_day"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "This ticket is for another day."


class DoorsNotOpen(ApiError):
    code: ClassVar[str] = "doors_not_open"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "The doors of this event are not open yet."


class EventOver(ApiError):
    code: ClassVar[str] = "event_over"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "This event has ended."


class EventCancelled(ApiError):
    code: ClassVar[str] = "event_cancelled"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "This event was cancelled."


class TicketRefunded(ApiError):
    code: ClassVar[str] = "ticket_refunded"
    status: ClassVar[int] = 410
    default_message: ClassVar[str] = "This ticket was refunded, so it is no longer valid."


class AlreadyAdmitted(ApiError):
    """Everyone on the ticket, or the guest of `seat`, is already inside on this date. `ticket` has the check-ins of all dates."""

    code: ClassVar[str] = "already_admitted"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "Everyone on this ticket is already in."

    def __init__(self, ticket: Ticket, *, seat: int | None, date: str | None) -> None:
        self.ticket, self.seat = ticket, seat
        ticket_on_date = ticket.with_checkins_on(date)
        checkins = ticket_on_date.checkins_inside
        first = next((checkin for checkin in checkins if seat is not None and checkin.seat == seat), checkins[0])
        gate = f" at gate {first.gate}" if first.gate else ""
        message, admitted = f"This ticket was used at {clock.iso(first.at)}{gate}.", ticket_on_date.inside_count
        super().__init__(message, ticket_id=ticket.id, admits=ticket.admits, admitted=admitted, first=checkin_details(first))


class TooManyPeople(ApiError):
    """The scan is for more people than the ticket, or the code of the guest of `seat`, still admits. `ticket` has all its check-ins."""

    code: ClassVar[str] = "too_many_people"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "This ticket does not admit that many people."

    def __init__(self, ticket: Ticket, *, count: int, remaining: int, seat: int | None, date: str | None) -> None:
        self.ticket, self.seat = ticket, seat
        inside_count = ticket.with_checkins_on(date).inside_count
        message = f"This ticket admits {ticket.admits} people, and {inside_count} are already in. Admit at most {remaining}."
        if seat is not None:
            message = "This is the code of one guest. It admits one person."
        super().__init__(message, ticket_id=ticket.id, admits=ticket.admits, admitted=inside_count, remaining=remaining, requested=count)


class NotCheckedIn(ApiError):
    code: ClassVar[str] = "not_checked_in"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "Nobody with this ticket is inside, or this check-in has already been undone."


class ScanUndone(ApiError):
    code: ClassVar[str] = "scan_undone"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "This scan was undone, so it does not count. To let these people in or out, scan the ticket again."


class TooManyScans(ApiError):
    code: ClassVar[str] = "too_many_scans"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "This ticket has so many scans that no more can be recorded. Call the supervisor."


class ReentryNotAllowed(ApiError):
    code: ClassVar[str] = "reentry_not_allowed"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "This event does not allow re-entry, so nobody can be scanned out."


def checkin_details(checkin: CheckIn) -> dict[str, str | int | None]:
    """Return the details of a check-in, for refusals and audit entries."""
    return {"id": checkin.id, "at": clock.iso(checkin.at), "count": checkin.count, "gate": checkin.gate, "device": checkin.device}


ADMIT_ERRORS: tuple[type[ApiError], ...] = (
    CodeUnknown,
    AlreadyAdmitted,
    DoorsNotOpen,
    EventCancelled,
    EventOver,
    SignatureInvalid,
    TooManyPeople,
    WrongDay,
    WrongEvent,
    NotCheckedIn,
    ScanUndone,
    TooManyScans,
    ReentryNotAllowed,
    CodeReplaced,
    CodeExpired,
    TicketRefunded,
    TicketFrozen,
    TicketVoid,
)
