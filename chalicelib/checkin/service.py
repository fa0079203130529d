"""The door: admit people with a ticket exactly once, undo a check-in, and record scans that were made without a network.

This module also checks whether the caller may work at the door, because that depends on the ticket's event.
"""

import hmac
from collections.abc import Callable, Iterable
from datetime import date
from http import HTTPStatus
from itertools import accumulate
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from chalicelib.audit import service as audit
from chalicelib.catalog import permissions
from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import Event
from chalicelib.checkin.model import (
    AlreadyAdmitted,
    CodeExpired,
    CodeReplaced,
    CodeUnknown,
    DoorsNotOpen,
    EventCancelled,
    EventOver,
    NotCheckedIn,
    ReentryNotAllowed,
    Scan,
    ScanUndone,
    SignatureInvalid,
    TicketRefunded,
    TooManyPeople,
    TooManyScans,
    WrongDay,
    WrongEvent,
    checkin_details,
)
from chalicelib.dynamodb import dynamo
from chalicelib.edge.auth import Identity
from chalicelib.edge.error_replies import ServiceUnavailable
from chalicelib.foundation import clock, log
from chalicelib.foundation.errors import ApiError
from chalicelib.foundation.log import logger
from chalicelib.tickets import service as tickets
from chalicelib.tickets import signature
from chalicelib.tickets.model import (
    MAX_DUPLICATES,
    MAX_UNDONE,
    CheckIn,
    Guest,
    Ticket,
    TicketFrozen,
    TicketNotFound,
    TicketVoid,
    has_our_code_format,
    seat_id,
    split_seat_id,
)
from chalicelib.tickets.store import (
    add_duplicate_item,
    change_checkins_item,
    change_undone_item,
    current_ticket,
    find_seat_id,
    find_ticket_id,
)

MAX_ATTEMPTS = 5  # without a pause, because each failed attempt means that another change of the ticket has succeeded
MAX_CHECKINS = 200  # per ticket; beyond this number, old exits and returns are removed, so that the ticket's item stays small
KEPT_CHECKINS = 50  # the newest check-ins and exits always stay, because a removed scan would count again if its device resent it

T = TypeVar("T")


class TicketConflict(Exception):
    """The ticket has changed since it was read, so nothing was written. `ticket` is the current ticket."""

    def __init__(self, ticket: Ticket) -> None:
        self.ticket = ticket
        super().__init__()


class CheckInResult(Struct, frozen=True):
    """A ticket, and the check-in or exit that was recorded or undone. `repeated` is true if it was already recorded and nothing changed."""

    ticket: Ticket
    checkin: CheckIn
    repeated: bool = False


class SyncedScan(Struct, frozen=True):
    """A scan that was made without a network, and its outcome. `refusal` is the reason why a scan does not count."""

    scan: Scan
    outcome: Literal["admitted", "exited", "repeated", "conflict", "refused"]
    ticket: Ticket | None = None
    refusal: ApiError | None = None


def check_in(user: Identity, scan: Scan, now: int) -> CheckInResult:
    """Admit people with a ticket. However many scans arrive at once, they never admit more people than the ticket allows.

    A scan with the direction `out` records that people go out, so that the same number may come back in. The event must allow this.

    Takes two round trips: read the ticket, then change it together with its audit entry in one transaction. Finding the ticket of a typed
    code takes one or two more. The transaction's condition (`tickets.store.change_checkins_item`) requires that the ticket has the
    check-ins that were read, and for an entry also that it is valid and still has the same codes.

    Raises the refusals of `checkin.model`, TicketFrozen and TicketVoid. If the user does not work at `scan.event_id`, raises Forbidden, or
    NotFound for an unknown event. If the user does not work at the ticket's event, raises TicketNotFound for a scan without a code, and
    otherwise WrongEvent or CodeUnknown, unless the code or the signature is refused first.
    """
    if scan.event_id is not None:
        permissions.require_door(user, scan.event_id)
    ticket, seat = _find_scanned_ticket(user, scan)
    return _retry_conflicts(ticket, lambda ticket: _record_scan(user, ticket, seat, scan, now))


def undo_check_in(user: Identity, scanned_id: str, checkin_id: str | None, reason: str, now: int) -> CheckInResult:
    """Undo a check-in, so that the same people may come in again, or undo an exit, so that they count as inside again.

    Returns the ticket and the undone scan. Without `checkin_id`, the last scan is undone. `scanned_id` is the id of a ticket or of a seat;
    for a seat, only a check-in or exit of its guest can be undone. If the undone scan arrives after this call, again or for the first
    time, it does not count, as long as it is among the last MAX_UNDONE undone scans of the ticket.

    Raises NotCheckedIn if there is nothing to undo or the people have gone out again, AlreadyAdmitted if others have taken the place
    since the exit or two people would be inside with a guest's code, and TicketNotFound if there is no such ticket or the user does not
    work at its event.
    """
    ticket_id, seat = split_seat_id(scanned_id)
    return _retry_conflicts(_get_door_ticket(user, ticket_id), lambda ticket: _undo_scan(user, ticket, seat, checkin_id, reason, now))


def sync_scans(user: Identity, scans: Iterable[Scan], now: int) -> list[SyncedScan]:
    """Record scans that were made without a network, earliest first. Returns the outcome of each scan, in that order.

    The scan that reaches the store first wins. A scan for more people than the ticket still admits is a conflict; the ticket keeps its
    first MAX_DUPLICATES conflicts, and each kept conflict is audited. Repeating the call counts no scan twice, and checks each
    scan that did not count again.
    """
    return [_sync_scan(user, scan, now) for scan in sorted(scans, key=lambda scan: scan.at)]


def without_old_exit_pairs(ticket: Ticket) -> list[CheckIn]:
    """Return the check-ins of a ticket without old pairs of an exit and the return of as many people with the same code.

    The number of people inside and the first entries stay the same. Scans with an override are kept.
    """
    first_entry_ids = {checkin.id for checkin in ticket.first_entries}
    kept: list[CheckIn] = []
    for checkin in ticket.checkins[:-KEPT_CHECKINS]:
        is_return = bool(kept) and _is_return_after(kept[-1], checkin) and checkin.id not in first_entry_ids
        if is_return and checkin.override_reason is None:
            kept.pop()
        else:
            kept.append(checkin)
    return kept + ticket.checkins[-KEPT_CHECKINS:]


def _is_return_after(previous: CheckIn, checkin: CheckIn) -> bool:
    """Return whether a check-in lets in as many people as the `previous` exit let out, with the same code and on the same date."""
    return previous.count < 0 and (previous.seat, previous.date, previous.count) == (checkin.seat, checkin.date, -checkin.count)


def door_span(event: Event) -> tuple[int, int]:
    """Return when the doors of an event open for its first date, and when they close after its last date, in epoch seconds."""
    dates = tickets.all_door_times(event)
    return min(times.opens_at for times in dates), max(times.closes_at for times in dates)


def _retry_conflicts(ticket: Ticket, attempt: Callable[[Ticket], T]) -> T:
    """Call `attempt` with a ticket, and after each TicketConflict again with the current ticket. Raises Contention."""
    for _ in range(MAX_ATTEMPTS):
        try:
            return attempt(ticket)
        except TicketConflict as conflict:
            ticket = conflict.ticket
    raise dynamo.Contention("the ticket kept changing")


def _record_scan(user: Identity, ticket: Ticket, seat: int | None, scan: Scan, now: int) -> CheckInResult:
    """Add the check-in or exit of a scan to its ticket, unless it was already recorded. Raises the refusal, or TicketConflict."""
    # These checks come before the reply to a repeated scan, which shows the ticket, because anybody may guess the id of a scan.
    holder = _require_valid_code(ticket, seat, scan)
    _require_valid_signature(user, ticket, holder, scan)
    _require_right_event(user, ticket, holder, scan)
    recorded_checkin = _find_checkin(ticket.checkins, scan.id)
    if recorded_checkin is not None:
        return CheckInResult(ticket, recorded_checkin, repeated=True)
    if scan.id in ticket.undone:
        raise ScanUndone(ticket_id=ticket.id)
    _require_unexpired_password(ticket, scan)  # only now, because a recorded scan may be repeated later
    is_entry = scan.direction == "in"
    checkin = _entry_checkin(user, ticket, seat, scan) if is_entry else _exit_checkin(user, ticket, seat, scan)
    kept = ticket.checkins if len(ticket.checkins) < MAX_CHECKINS else without_old_exit_pairs(ticket)
    after = replace(ticket, checkins=[*kept, checkin])
    action = "ticket.checked_in" if is_entry else "ticket.checked_out"
    _save_checkins(ticket, after, action, user, _audit_details(after, checkin), now, is_entry=is_entry)
    log.count("tickets_checked_in", max(0, checkin.count))
    logger.info(action, ticket_id=ticket.id, event_id=ticket.event_id, people=abs(checkin.count), gate=scan.gate)
    return CheckInResult(after, checkin)


def _undo_scan(user: Identity, ticket: Ticket, seat: int | None, checkin_id: str | None, reason: str, now: int) -> CheckInResult:
    """Remove a check-in or exit from a ticket (see `undo_check_in`). Raises the refusal, or TicketConflict."""
    checkins = [checkin for checkin in ticket.checkins if seat is None or checkin.seat == seat]
    undone = _find_checkin(checkins, checkin_id) if checkin_id is not None else next(reversed(checkins), None)
    if undone is None:
        if checkin_id is not None and _find_checkin(ticket.checkins, checkin_id) is None and checkin_id not in ticket.undone:
            # The scan has not been counted, for example because an offline device has not sent it yet. Remember the undo, so that the
            # scan will not count. If it arrives at this moment, the write conflicts, and the next attempt finds the scan.
            _write(change_undone_item(ticket, _with_undone(ticket, checkin_id)))
            message = "No scan with this id counts for this ticket. If one arrives later, it will not count."
            raise NotCheckedIn(message, ticket_id=ticket.id)
        raise NotCheckedIn(ticket_id=ticket.id)
    after = replace(_with_undone(ticket, undone.id), checkins=[checkin for checkin in ticket.checkins if checkin.id != undone.id])
    _require_undoable(ticket, after, undone)
    details = {**_audit_details(ticket, undone), "reason": reason}
    action = "ticket.check_in_undone" if undone.direction == "in" else "ticket.check_out_undone"
    _save_checkins(ticket, after, action, user, details, now, is_entry=False)
    logger.info(action, ticket_id=ticket.id, event_id=ticket.event_id, people=abs(undone.count))
    return CheckInResult(after, undone)


def _sync_scan(user: Identity, scan: Scan, now: int) -> SyncedScan:
    try:
        result = check_in(user, scan, now)
    except (AlreadyAdmitted, TooManyPeople) as refusal:
        seat = refusal.seat
        ticket = _retry_conflicts(refusal.ticket, lambda ticket: _keep_duplicate(user, ticket, seat, scan, now))
        return SyncedScan(scan, "conflict", ticket, refusal)
    except ApiError as refusal:
        if refusal.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise
        return SyncedScan(scan, "refused", refusal=refusal)
    except msgspec.DecodeError:
        # A newer release wrote the ticket and was rolled back. One such ticket must not stop the device's other scans.
        logger.exception("ticket.not_readable", scan_id=scan.id)
        return SyncedScan(scan, "refused", refusal=ServiceUnavailable())
    outcome: Literal["admitted", "exited"] = "admitted" if scan.direction == "in" else "exited"
    return SyncedScan(scan, "repeated" if result.repeated else outcome, result.ticket)


def _keep_duplicate(user: Identity, ticket: Ticket, seat: int | None, scan: Scan, now: int) -> Ticket:
    """Return the ticket after adding a scan to its duplicates, once and at most MAX_DUPLICATES per ticket. Raises TicketConflict."""
    if _find_checkin(ticket.duplicates, scan.id) is not None or len(ticket.duplicates) >= MAX_DUPLICATES:
        return ticket
    all_people = ticket.admits if seat is None else 1
    duplicate = _checkin(user, scan, all_people if scan.count == "all" else scan.count, seat)
    entry = _audit_item(ticket, "ticket.duplicate_scanned", user, _audit_details(ticket, duplicate), now)
    _write(add_duplicate_item(ticket, duplicate), entry)
    log.count("duplicate_check_ins")
    logger.warning("ticket.duplicate_scanned", ticket_id=ticket.id, event_id=ticket.event_id, gate=scan.gate, device=scan.device)
    return replace(ticket, duplicates=[*ticket.duplicates, duplicate])


def _find_scanned_ticket(user: Identity, scan: Scan) -> tuple[Ticket, int | None]:
    """Find the ticket of a scan, and the seat if the scan has a seat's id or a guest's code. Raises CodeUnknown and TicketNotFound."""
    if scan.code is None and scan.rotating is None:
        ticket_id, seat = split_seat_id(scan.ticket_id or "")
        return _get_door_ticket(user, ticket_id), seat
    scanned_id = scan.ticket_id or (scan.code and (find_ticket_id(scan.code) or find_seat_id(scan.code)))
    ticket_id, seat = split_seat_id(scanned_id or "")
    ticket = tickets.find_ticket(ticket_id)  # None for "", which is no ticket's id
    if ticket is None and scan.ticket_id is not None and scan.code is not None:
        ticket = _find_imported_ticket(scan.code)
    if ticket is None:
        raise CodeUnknown()
    if seat is None and scan.code is not None:  # a device may send the id of the ticket with the code of a guest
        seat = next((guest.seat for guest in ticket.guests if guest.code == scan.code), None)
    return ticket, seat


def _find_imported_ticket(code: str) -> Ticket | None:
    """Return the imported ticket with this code, or None.

    An imported ticket may have the QR code of another shop that runs Fairgate: its code is known here, but the ticket id in it is not.
    """
    ticket_id = find_ticket_id(code)
    ticket = tickets.find_ticket(ticket_id) if ticket_id is not None else None
    return ticket if ticket is not None and ticket.is_imported else None


def _get_door_ticket(user: Identity, ticket_id: str) -> Ticket:
    """Return a ticket for an event at which the user works. Raises TicketNotFound."""
    ticket = tickets.get_ticket(ticket_id)
    if not permissions.may_admit(user, ticket.event_id):
        raise TicketNotFound()
    return ticket


def _require_valid_code(ticket: Ticket, seat: int | None, scan: Scan) -> Ticket | Guest:
    """Return the ticket or the seat's guest if the scan has their code, or no code. Raises CodeUnknown, CodeReplaced or TicketNotFound."""
    holder = ticket if seat is None else ticket.guest_of(seat)
    if scan.rotating is not None:
        fixed_part = signature.wallet_fixed_part(ticket.code, ticket.qr_sig)
        if seat is not None or not hmac.compare_digest(scan.rotating.fixed_part.encode(), fixed_part.encode()):
            raise CodeUnknown()
    if scan.code is not None and (holder is None or scan.code != holder.code):
        signed_id = ticket.id if seat is None else seat_id(ticket.id, seat)
        is_former_code = scan.qr_sig is not None and signature.is_genuine(scan.qr_sig, signed_id, ticket.event_id, scan.code)
        raise CodeReplaced(ticket_id=ticket.id) if is_former_code else CodeUnknown()
    if holder is None:
        raise TicketNotFound()
    return holder


def _require_valid_signature(user: Identity, ticket: Ticket, holder: Ticket | Guest, scan: Scan) -> None:
    """Raise SignatureInvalid or CodeUnknown if the scan has a signature other than the stored one. Another shop's signature is ignored.

    The stored signature decides, so that a ticket stays valid after a leaked key has been removed.
    """
    if _has_comparable_signature(ticket, scan) and scan.qr_sig != holder.qr_sig:
        raise SignatureInvalid() if _may_learn_that_code_exists(user, ticket, holder) else CodeUnknown()


def _require_right_event(user: Identity, ticket: Ticket, holder: Ticket | Guest, scan: Scan) -> None:
    """Raise WrongEvent or CodeUnknown unless the ticket is for the scan's event.

    If the scan names no event, the user must work at the ticket's event.
    """
    is_right = permissions.may_admit(user, ticket.event_id) if scan.event_id is None else ticket.event_id == scan.event_id
    if not is_right:
        is_unguessed = _has_comparable_signature(ticket, scan) or scan.rotating is not None  # the signature has been compared already
        raise WrongEvent() if is_unguessed or _may_learn_that_code_exists(user, ticket, holder) else CodeUnknown()


def _has_comparable_signature(ticket: Ticket, scan: Scan) -> bool:
    """Return whether the scan has a signature that must equal the stored signature.

    The signature on an imported ticket may be another shop's, so it is not compared.
    """
    is_foreign = ticket.is_imported and scan.ticket_id is not None and split_seat_id(scan.ticket_id)[0] != ticket.id
    return scan.qr_sig is not None and not is_foreign


def _may_learn_that_code_exists(user: Identity, ticket: Ticket, holder: Ticket | Guest) -> bool:
    """Return whether a refusal may tell the user that a code exists. Codes from other systems may be short enough to be guessed."""
    return permissions.may_admit(user, ticket.event_id) or has_our_code_format(holder.code)


def _require_unexpired_password(ticket: Ticket, scan: Scan) -> None:
    """Raise CodeExpired if the one-time password of a wallet's code is not current."""
    password = scan.rotating.password if scan.rotating is not None else None
    if password is not None and not signature.is_current(password, signature.totp_key(ticket.code, ticket.qr_sig), scan.at):
        raise CodeExpired(ticket_id=ticket.id)


def _entry_checkin(user: Identity, ticket: Ticket, seat: int | None, scan: Scan) -> CheckIn:
    """Return the check-in that a scan records. Raises the refusal if the ticket is not valid at this time, or has nobody left to admit."""
    if ticket.state == "void":
        raise TicketRefunded(ticket_id=ticket.id) if ticket.void_reason == "refunded" else TicketVoid(ticket_id=ticket.id)
    if ticket.state == "frozen":
        raise TicketFrozen(ticket_id=ticket.id)
    date = _date_at_open_doors(ticket, scan.at, may_be_early=scan.override_reason is not None)
    count = _count_to_admit(ticket, seat, date, scan)
    return _checkin(user, scan, count, seat, override_reason=scan.override_reason, date=date)


def _exit_checkin(user: Identity, ticket: Ticket, seat: int | None, scan: Scan) -> CheckIn:
    """Return the exit that a scan records. The ticket's state and the time do not matter, because people who are inside may leave.

    A guest who came in with the ticket's code goes out with that code or with the guest's own code. The exit belongs to the date of the
    last check-in. Raises ReentryNotAllowed and NotCheckedIn.
    """
    date = ticket.last_checkin_date
    ticket_on_date = ticket.with_checkins_on(date)
    event = catalog.find_event(ticket.event_id)
    if event is None or not event.allows_reentry:
        raise ReentryNotAllowed(event_id=ticket.event_id)
    if seat is None:
        inside_count = ticket_on_date.inside_with_ticket_code
    elif ticket_on_date.inside_with_guest_code(seat):
        inside_count = 1  # a guest's code lets out one person, even if an override let in more
    else:
        seat, inside_count = None, min(1, ticket_on_date.inside_with_ticket_code)  # the guest may have come in with the ticket's code
    count = max(1, inside_count) if scan.count == "all" else scan.count
    if count > inside_count:
        subject = "Only 1 person" if inside_count == 1 else f"Only {inside_count} people"
        reason = f"{subject} can go out with this code." if inside_count else "Nobody with this code is inside."
        raise NotCheckedIn(f"{reason} Nobody was scanned out.", ticket_id=ticket.id, admitted=ticket_on_date.inside_count)
    return _checkin(user, scan, -count, seat, date=date)


def _checkin(
    user: Identity, scan: Scan, count: int, seat: int | None, *, override_reason: str | None = None, date: str | None = None
) -> CheckIn:
    return CheckIn(
        id=scan.id,
        at=scan.at,
        count=count,
        by=user.user_id,
        gate=scan.gate,
        device=scan.device,
        seat=seat,
        override_reason=override_reason,
        date=date,
    )


def _with_undone(ticket: Ticket, scan_id: str) -> Ticket:
    return replace(ticket, undone=[*ticket.undone, scan_id][-MAX_UNDONE:])


def _require_undoable(ticket: Ticket, after: Ticket, undone: CheckIn) -> None:
    """Raise the refusal if the scans that remain on the date of the undone scan would contradict each other.

    Raises AlreadyAdmitted if undoing an exit would put more people inside than the ticket and its overrides admit, or more than one with
    a guest's code. Raises NotCheckedIn if undoing a check-in would leave an exit of people who had not come in.
    """
    before_on_date, after_on_date = ticket.with_checkins_on(undone.date), after.with_checkins_on(undone.date)
    if undone.direction == "out":
        totals = accumulate(checkin.count for checkin in before_on_date.checkins)
        scans = zip(before_on_date.checkins, totals, strict=True)
        admitted_by_override = sum(checkin.count for checkin, total in scans if checkin.override_reason and total > ticket.admits)
        is_guest_inside_twice = undone.seat is not None and after_on_date.inside_with_guest_code(undone.seat) > 1
        if after_on_date.inside_count > ticket.admits + admitted_by_override or is_guest_inside_twice:
            raise AlreadyAdmitted(ticket, seat=undone.seat, date=undone.date)
    elif any(total < 0 for total in accumulate(checkin.count for checkin in after_on_date.checkins if checkin.seat == undone.seat)):
        raise NotCheckedIn("These people have gone out since this check-in. Undo their exit first.", ticket_id=ticket.id)


def _date_at_open_doors(ticket: Ticket, at: int, *, may_be_early: bool) -> str | None:
    """Return the date of a scan, which is None for an event without dates. Raises the refusal if nobody may come in at this time."""
    event = catalog.find_event(ticket.event_id)  # also finds an event that is newer than this instance's snapshot
    ticket_event = catalog.find_event_for_tiers(ticket.event_id, [ticket.tier_id])  # with only the dates for which the ticket is valid
    if event is None or ticket_event is None:  # for the type checker: an event with tickets is never deleted
        return None
    if event.dates and not ticket_event.dates:
        raise EventCancelled("The date of this ticket will not take place.", event_id=event.id)
    times = tickets.door_times_at(event, ticket_event, at)
    if times.date in event.cancelled_date_ids:
        raise EventCancelled("This date of the event was cancelled.", event_id=event.id, date=times.date)
    if event.status == "cancelled":
        raise EventCancelled(event_id=event.id)
    if at > times.closes_at:
        raise EventOver(event_id=event.id, ended_at=clock.iso(times.closes_at))
    if at < times.opens_at and not may_be_early:
        is_right_day = _local_date(event, at) == _local_date(event, times.starts_at)
        refusal = DoorsNotOpen if is_right_day else WrongDay
        raise refusal(event_id=event.id, starts_at=clock.iso(times.starts_at), doors_open_at=clock.iso(times.opens_at))
    return times.date


def _local_date(event: Event, at: int) -> date:
    """Return the date in the event's timezone."""
    return clock.local(at, event.timezone).date()


def _count_to_admit(ticket: Ticket, seat: int | None, date: str | None, scan: Scan) -> int:
    """Return how many people a scan admits on a date: at most one for a guest's code, or else at most as many as the ticket still admits.

    With an override, a ticket that admits nobody else admits one more person. Raises AlreadyAdmitted and TooManyPeople.
    """
    ticket_on_date = ticket.with_checkins_on(date)
    remaining = ticket.admits - ticket_on_date.inside_count
    if seat is not None:
        remaining = min(remaining, 0 if ticket_on_date.inside_with_guest_code(seat) else 1)
    if remaining <= 0 and scan.override_reason is not None:
        return 1
    if remaining <= 0:
        raise AlreadyAdmitted(ticket, seat=seat, date=date)
    count = remaining if scan.count == "all" else scan.count
    if count > remaining:
        raise TooManyPeople(ticket, count=count, remaining=remaining, seat=seat, date=date)
    return count


def _find_checkin(checkins: Iterable[CheckIn], checkin_id: str) -> CheckIn | None:
    return next((checkin for checkin in checkins if checkin.id == checkin_id), None)


def _save_checkins(
    before: Ticket, after: Ticket, action: str, user: Identity, details: dict[str, Any], now: int, *, is_entry: bool
) -> None:
    """Write `change_checkins_item` and an audit entry. Raises TicketConflict if the condition of the item fails."""
    entry = _audit_item(before, action, user, details, now, (before.inside_count, after.inside_count))
    _write(change_checkins_item(before, after, is_entry=is_entry), entry)


def _write(ticket_item: dynamo.TransactItem, *items: dynamo.TransactItem) -> None:
    """Write the item that changes a ticket, and other items. Raises TicketConflict if the condition of `ticket_item` fails.

    Raises TooManyScans if the store refuses the ticket because it would exceed the maximum size of an item. A transaction that only
    conflicted with another one is repeated by `dynamo.transact`, which raises Contention if the conflicts continue.
    """
    try:
        dynamo.transact([ticket_item, *items])
    except dynamo.ConditionFailed as cancelled:
        raise TicketConflict(current_ticket(cancelled)) from None
    except dynamo.STORE_ERRORS as error:
        if not dynamo.is_invalid_data(error):
            raise
        logger.exception("ticket.not_changed")
        raise TooManyScans() from None


def _audit_item(
    ticket: Ticket, action: str, user: Identity, details: dict[str, Any], now: int, inside_counts: tuple[int, int] | None = None
) -> dynamo.TransactItem:
    changes = {"admitted": inside_counts} if inside_counts else None  # before and after the scan
    return audit.entry_item(f"ticket#{ticket.id}", action, user.user_id, now, details, event_id=ticket.event_id, changes=changes)


def _audit_details(ticket: Ticket, checkin: CheckIn) -> dict[str, Any]:
    override = {"override_reason": checkin.override_reason} if checkin.override_reason else {}
    return {"order_id": ticket.purchase_id, **checkin_details(checkin), "count": abs(checkin.count), **override}
