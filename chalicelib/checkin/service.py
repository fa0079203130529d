"""The door: admit people with a ticket exactly once, undo a check-in, and record scans that were made without a network.

This module also checks whether the caller may work at the door, because that depends on the ticket's event.
"""

import hmac
from collections.abc import Iterable
from datetime import date
from http import HTTPStatus
from itertools import accumulate
from typing import Any, Literal

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
    Ticket,
    TicketFrozen,
    TicketNotFound,
    TicketVoid,
    may_be_own_code,
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
MAX_CHECKINS = 200  # per ticket; beyond this number, old exits are removed, so that the ticket's item stays small
KEPT_CHECKINS = 50  # the newest check-ins and exits always stay, because devices may send them again


class CheckInResult(Struct, frozen=True):
    """A ticket, and the check-in that was made or undone. `repeated` is true if the scan was already counted and nothing changed."""

    ticket: Ticket
    checkin: CheckIn
    repeated: bool = False


class SyncedScan(Struct, frozen=True):
    """A scan that was made without a network, and its outcome. `refusal` is the reason why the scan does not count."""

    scan: Scan
    outcome: Literal["admitted", "exited", "repeated", "conflict", "refused"]
    ticket: Ticket | None = None
    refusal: ApiError | None = None


def check_in(user: Identity, scan: Scan, now: int) -> CheckInResult:
    """Admit people with a ticket. However many scans arrive at once, they never admit more people than the ticket allows.

    A scan with the direction `out` records that people go out, so that the same number may come back in. The event must allow this.

    Takes two round trips: read the ticket, then change it together with its audit entry in one transaction. The transaction's condition
    (`tickets.store.change_checkins_item`) requires that the ticket is valid, has this code, and has the check-ins that were read.
    Raises the refusals of `checkin.model`, TicketFrozen and TicketVoid. For a door at which the user does not work, raises NotFound or
    Forbidden, or TicketNotFound if only the ticket's id is given.
    """
    if scan.event_id is not None:
        permissions.require_door(user, scan.event_id)
    ticket, seat = _find_scanned(user, scan)
    for _ in range(MAX_ATTEMPTS):
        _require_genuine(user, ticket, seat, scan)  # first, because anybody may guess the id of a scan
        earlier = _find_checkin(ticket.checkins, scan.id)
        if earlier is not None:
            return CheckInResult(ticket, earlier, repeated=True)
        if scan.id in ticket.undone:
            raise ScanUndone(ticket_id=ticket.id)
        _require_current(ticket, scan)
        checkin = _exit_checkin(user, ticket, seat, scan) if scan.direction == "out" else _entry_checkin(user, ticket, seat, scan)
        known = ticket.checkins if len(ticket.checkins) < MAX_CHECKINS else without_old_exits(ticket)
        after = replace(ticket, checkins=[*known, checkin])
        is_entry = checkin.direction == "in"
        action = "ticket.checked_in" if is_entry else "ticket.checked_out"
        newer = _save_checkins(ticket, after, action, user, _details(after, checkin), now, admits=is_entry)
        if newer is None:
            log.count("tickets_checked_in", max(0, checkin.count))
            logger.info(action, ticket_id=ticket.id, event_id=ticket.event_id, people=abs(checkin.count), gate=scan.gate)
            return CheckInResult(after, checkin)
        ticket = newer
    raise dynamo.Contention("the ticket kept changing")


def undo_check_in(user: Identity, scanned_id: str, checkin_id: str | None, reason: str, now: int) -> CheckInResult:
    """Undo a check-in, so that the same people may come in again, or undo an exit, so that they count as inside again.

    Returns the ticket and the undone scan. Without `checkin_id`, the last scan is undone. `scanned_id` is the id of a ticket or of a seat;
    for a seat, only a check-in or exit of its guest can be undone. The undone scan never counts again, not even if it arrives after this
    call. Raises NotCheckedIn if there is nothing to undo or the people have gone out again, AlreadyAdmitted if others have come in since
    the exit, and TicketNotFound if there is no such ticket or the user does not work at its door.
    """
    ticket_id, seat = split_seat_id(scanned_id)
    ticket = _get_door_ticket(user, ticket_id)
    for _ in range(MAX_ATTEMPTS):
        checkins = [checkin for checkin in ticket.checkins if seat is None or checkin.seat == seat]
        undone = _find_checkin(checkins, checkin_id) if checkin_id is not None else next(reversed(checkins), None)
        if undone is None:
            if checkin_id is not None and _find_checkin(ticket.checkins, checkin_id) is None and checkin_id not in ticket.undone:
                newer = _transact([change_undone_item(ticket, _with_undone(ticket, checkin_id))])
                if newer is not None:  # perhaps this very scan has changed the ticket
                    ticket = newer
                    continue
            raise NotCheckedIn(ticket_id=ticket.id)
        after = replace(_with_undone(ticket, undone.id), checkins=[checkin for checkin in ticket.checkins if checkin.id != undone.id])
        _require_undoable(ticket, after, undone)
        details = {**_details(ticket, undone), "reason": reason}
        action = "ticket.check_in_undone" if undone.direction == "in" else "ticket.check_out_undone"
        newer = _save_checkins(ticket, after, action, user, details, now, admits=False)
        if newer is None:
            logger.info(action, ticket_id=ticket.id, event_id=ticket.event_id, people=abs(undone.count))
            return CheckInResult(after, undone)
        ticket = newer
    raise dynamo.Contention("the ticket kept changing")


def sync_scans(user: Identity, scans: Iterable[Scan], now: int) -> list[SyncedScan]:
    """Record scans that were made without a network, earliest first. Returns the outcome of each scan, in that order.

    The scan that reaches the store first wins. A scan for more people than the ticket still admits is a conflict; the scan is kept
    with the ticket and audited. Repeating the call with the same scans changes nothing and reports the same conflicts.
    """
    return [_sync_scan(user, scan, now) for scan in sorted(scans, key=lambda scan: scan.at)]


def without_old_exits(ticket: Ticket) -> list[CheckIn]:
    """Return the check-ins of a ticket without each old exit that was followed by a return of as many people with the same code.

    The numbers of people who are inside and who have arrived stay the same, and so does every scan with an override.
    """
    arrived = {checkin.id for checkin in ticket.arrivals}  # they brought more people inside than ever before
    kept: list[CheckIn] = []
    for checkin in ticket.checkins[:-KEPT_CHECKINS]:
        left = kept[-1] if kept else checkin
        is_return = left.count < 0 and (left.seat, left.date, left.count) == (checkin.seat, checkin.date, -checkin.count)
        if is_return and checkin.id not in arrived and checkin.override_reason is None:
            kept.pop()
        else:
            kept.append(checkin)
    return kept + ticket.checkins[-KEPT_CHECKINS:]


def door_times(event: Event) -> tuple[int, int]:
    """Return the first and the last second in which the doors of an event are open on any of its dates, in epoch seconds."""
    dates = tickets.all_door_times(event)
    return min(times.opens_at for times in dates), max(times.closes_at for times in dates)


def _sync_scan(user: Identity, scan: Scan, now: int) -> SyncedScan:
    try:
        result = check_in(user, scan, now)
    except (AlreadyAdmitted, TooManyPeople) as refusal:
        return SyncedScan(scan, "conflict", _keep_duplicate(user, refusal.ticket, refusal.seat, scan, now), refusal)
    except ApiError as refusal:
        if refusal.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise
        return SyncedScan(scan, "refused", refusal=refusal)
    except msgspec.DecodeError:  # after a rollback: one ticket must not stop the other scans of a device
        logger.exception("ticket.not_readable", scan_id=scan.id)
        return SyncedScan(scan, "refused", refusal=ServiceUnavailable())
    outcome: Literal["admitted", "exited"] = "admitted" if scan.direction == "in" else "exited"
    return SyncedScan(scan, "repeated" if result.repeated else outcome, result.ticket)


def _keep_duplicate(user: Identity, ticket: Ticket, seat: int | None, scan: Scan, now: int) -> Ticket:
    """Add a scan to the duplicates of its ticket, once and at most MAX_DUPLICATES per ticket. Returns the updated ticket."""
    all_people = ticket.admits if seat is None else 1
    count = all_people if scan.count == "all" else scan.count
    duplicate = _checkin(user, scan, count, seat)
    for _ in range(MAX_ATTEMPTS):
        if _find_checkin(ticket.duplicates, scan.id) is not None or len(ticket.duplicates) >= MAX_DUPLICATES:
            return ticket
        entry = _audit_item(ticket, "ticket.duplicate_scanned", user, _details(ticket, duplicate), now)
        newer = _transact([add_duplicate_item(ticket, duplicate), entry])
        if newer is None:
            log.count("duplicate_check_ins")
            logger.warning("ticket.duplicate_scanned", ticket_id=ticket.id, event_id=ticket.event_id, gate=scan.gate, device=scan.device)
            return replace(ticket, duplicates=[*ticket.duplicates, duplicate])
        ticket = newer
    raise dynamo.Contention("the ticket kept changing")


def _find_scanned(user: Identity, scan: Scan) -> tuple[Ticket, int | None]:
    """Find the ticket that a scan names, and the seat if the scan has a guest's code. Raises CodeUnknown and TicketNotFound."""
    if scan.code is None and scan.rotating is None:
        ticket_id, seat = split_seat_id(scan.ticket_id or "")
        return _get_door_ticket(user, ticket_id), seat
    scanned_id = scan.ticket_id or (scan.code and (find_ticket_id(scan.code) or find_seat_id(scan.code)))
    ticket_id, seat = split_seat_id(scanned_id or "")
    ticket = tickets.find_ticket(ticket_id)  # None for "", which is no ticket's id
    if ticket is None and scan.ticket_id is not None and scan.code is not None:
        ticket = _find_imported(scan.code)
    if ticket is None:
        raise CodeUnknown()
    if seat is None and scan.code is not None:  # a device may send the id of the ticket with the code of a guest
        seat = next((guest.seat for guest in ticket.guests if guest.code == scan.code), None)
    return ticket, seat


def _find_imported(code: str) -> Ticket | None:
    """Return the imported ticket with a code. The QR code of another shop that runs Fairgate has an id that this shop does not know."""
    found = find_ticket_id(code)
    ticket = tickets.find_ticket(found) if found is not None else None
    return ticket if ticket is not None and ticket.is_imported else None


def _get_door_ticket(user: Identity, ticket_id: str) -> Ticket:
    ticket = tickets.get_ticket(ticket_id)
    if not permissions.may_admit(user, ticket.event_id):
        raise TicketNotFound()
    return ticket


def _require_genuine(user: Identity, ticket: Ticket, seat: int | None, scan: Scan) -> None:
    """Raise the refusal if the scanned code is not the ticket's, or the ticket is for another door."""
    holder = ticket if seat is None else ticket.guest_of(seat)
    if scan.rotating is not None:
        fixed_part = signature.wallet_code(ticket.code, ticket.qr_sig)
        if seat is not None or not hmac.compare_digest(scan.rotating.fixed_part.encode(), fixed_part.encode()):
            raise CodeUnknown()
    if scan.code is not None and (holder is None or scan.code != holder.code):
        signed_id = ticket.id if seat is None else seat_id(ticket.id, seat)
        is_old = scan.qr_sig is not None and signature.is_genuine(scan.qr_sig, signed_id, ticket.event_id, scan.code)
        raise CodeReplaced(ticket_id=ticket.id) if is_old else CodeUnknown()
    if holder is None:
        raise TicketNotFound()
    # Compare with the stored signature, so that a ticket stays valid after a leaked key has been removed. The signature in an imported
    # ticket's QR code may come from another shop.
    is_foreign = ticket.is_imported and scan.ticket_id is not None and split_seat_id(scan.ticket_id)[0] != ticket.id
    is_signed = scan.qr_sig is not None and not is_foreign
    works_there = permissions.may_admit(user, ticket.event_id)
    # Codes from other systems may be short. The answer must not tell people who guess codes that a code exists.
    may_know = works_there or may_be_own_code(holder.code)
    if is_signed and scan.qr_sig != holder.qr_sig:
        raise SignatureInvalid() if may_know else CodeUnknown()
    if ticket.event_id != scan.event_id and (scan.event_id is not None or not works_there):
        raise WrongEvent() if may_know or is_signed or scan.rotating is not None else CodeUnknown()


def _require_current(ticket: Ticket, scan: Scan) -> None:
    """Raise CodeExpired if a code from a wallet is not the current code. A scan that was already recorded may be repeated later."""
    password = scan.rotating.password if scan.rotating is not None else None
    if password is not None and not signature.is_current(password, signature.totp_key(ticket.code, ticket.qr_sig), scan.at):
        raise CodeExpired(ticket_id=ticket.id)


def _entry_checkin(user: Identity, ticket: Ticket, seat: int | None, scan: Scan) -> CheckIn:
    """Return the check-in of a scan. Raises the refusal if the ticket is not valid at this time, or has nobody left to admit."""
    if ticket.state == "void":
        raise TicketRefunded(ticket_id=ticket.id) if ticket.void_reason == "refunded" else TicketVoid(ticket_id=ticket.id)
    if ticket.state == "frozen":
        raise TicketFrozen(ticket_id=ticket.id)
    date = _date_at_open_doors(ticket, scan.at, may_be_early=scan.override_reason is not None)
    count = _admitted_count(ticket, seat, date, scan)
    return _checkin(user, scan, count, seat, override_reason=scan.override_reason, date=date)


def _exit_checkin(user: Identity, ticket: Ticket, seat: int | None, scan: Scan) -> CheckIn:
    """Return the exit that a scan records. The ticket's state and the time do not matter, because people who are inside may leave.

    A guest who came in with the ticket's code goes out with that code or with the guest's own code. The exit belongs to the date of the
    last check-in. Raises ReentryNotAllowed and NotCheckedIn.
    """
    date = ticket.last_date
    ticket = ticket.with_checkins_on(date)
    event = catalog.find_event(ticket.event_id)
    if event is None or not event.allows_reentry:
        raise ReentryNotAllowed(event_id=ticket.event_id)
    inside = ticket.inside_count(seat)
    if seat is not None and inside:
        inside = 1
    elif seat is not None:
        seat, inside = None, min(1, ticket.inside_count(None))  # with the ticket's own code
    count = max(1, inside) if scan.count == "all" else scan.count
    if count > inside:
        subject = "Only 1 person with this code is" if inside == 1 else f"Only {inside} people with this code are"
        people = f"{subject} inside." if inside else "Nobody with this ticket is inside."
        raise NotCheckedIn(f"{people} Nobody was scanned out.", ticket_id=ticket.id, admitted=ticket.inside)
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
    """Raise the refusal if the other scans of the ticket on this date would contradict each other without the undone scan."""
    today, after = ticket.with_checkins_on(undone.date), after.with_checkins_on(undone.date)
    if undone.direction == "out":
        inside = accumulate(checkin.count for checkin in today.checkins)
        scans = zip(today.checkins, inside, strict=True)
        extra = sum(checkin.count for checkin, people in scans if checkin.override_reason and people > ticket.admits)
        if after.inside > ticket.admits + extra or (undone.seat is not None and after.inside_count(undone.seat) > 1):
            raise AlreadyAdmitted(ticket, seat=undone.seat, date=undone.date)
    elif any(inside < 0 for inside in accumulate(checkin.count for checkin in after.checkins if checkin.seat == undone.seat)):
        raise NotCheckedIn("These people have gone out since this check-in. Undo their exit first.", ticket_id=ticket.id)


def _date_at_open_doors(ticket: Ticket, at: int, *, may_be_early: bool) -> str | None:
    """Return the date of a scan, which is None for an event without dates. Raises the refusal if nobody may come in at this time."""
    event = catalog.find_event(ticket.event_id)  # also finds an event that is newer than this instance's snapshot
    valid = catalog.find_event_for_tiers(ticket.event_id, [ticket.tier_id])  # with only the dates for which the ticket is valid
    if event is None or valid is None:  # an event with tickets is never deleted
        return None
    if event.dates and not valid.dates:
        raise EventCancelled("The date of this ticket will not take place.", event_id=event.id)
    times = tickets.door_times_at(event, valid, at)
    if times.date in event.cancelled_date_ids:
        raise EventCancelled("This date of the event was cancelled.", event_id=event.id, date=times.date)
    if event.status == "cancelled":
        raise EventCancelled(event_id=event.id)
    if at > times.closes_at:
        raise EventOver(event_id=event.id, ended_at=clock.iso(times.closes_at))
    if at < times.opens_at and not may_be_early:
        is_today = _local_date(event, at) == _local_date(event, times.starts_at)
        error = DoorsNotOpen if is_today else WrongDay
        raise error(event_id=event.id, starts_at=clock.iso(times.starts_at), doors_open_at=clock.iso(times.opens_at))
    return times.date


def _local_date(event: Event, at: int) -> date:
    """Return the date in the event's timezone."""
    return clock.local(at, event.timezone).date()


def _admitted_count(ticket: Ticket, seat: int | None, date: str | None, scan: Scan) -> int:
    """Return how many people a scan admits on a date: at most one for a guest's code, or else at most as many as the ticket still admits.

    If staff override the refusal of a used ticket, the scan admits one person. Raises AlreadyAdmitted and TooManyPeople.
    """
    today = ticket.with_checkins_on(date)
    remaining = ticket.admits - today.inside
    if seat is not None:
        remaining = min(remaining, 0 if today.inside_count(seat) else 1)
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
    before: Ticket, after: Ticket, action: str, user: Identity, details: dict[str, Any], now: int, *, admits: bool
) -> Ticket | None:
    """Write the check-ins of `after` and an audit entry. Returns None on success, or the current ticket after a conflict."""
    write = change_checkins_item(before, after, admits=admits)
    return _transact([write, _audit_item(before, action, user, details, now, (before.inside, after.inside))])


def _transact(items: list[dynamo.TransactItem]) -> Ticket | None:
    """Write the items. The first item changes a ticket. Returns None on success, or the current ticket if its condition fails.

    Raises TooManyScans if the store refuses the ticket because it would exceed the maximum size of an item. A transaction that only
    conflicted with another one is repeated by `dynamo.transact`, which then raises Contention.
    """
    try:
        dynamo.transact(items)
    except dynamo.ConditionFailed as cancelled:
        return current_ticket(cancelled)
    except dynamo.STORE_ERRORS as error:
        if not dynamo.is_invalid_data(error):
            raise
        logger.exception("ticket.not_changed")
        raise TooManyScans() from None
    return None


def _audit_item(
    ticket: Ticket, action: str, user: Identity, details: dict[str, Any], now: int, admitted: tuple[int, int] | None = None
) -> dynamo.TransactItem:
    changes = {"admitted": admitted} if admitted else None
    return audit.entry_item(f"ticket#{ticket.id}", action, user.user_id, now, details, event_id=ticket.event_id, changes=changes)


def _details(ticket: Ticket, checkin: CheckIn) -> dict[str, Any]:
    override = {"override_reason": checkin.override_reason} if checkin.override_reason else {}
    return {"order_id": ticket.purchase_id, **checkin_details(checkin), "count": abs(checkin.count), **override}
