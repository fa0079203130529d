"""What the old and the new item of a ticket say about what happened."""

from collections.abc import Iterator

from chalicelib.changes.model import (
    AdmissionRestored,
    AdmissionSuspended,
    CheckInUndone,
    TicketChange,
    TicketCheckedIn,
    TicketIssued,
    TicketNamesChanged,
    TicketTransferred,
    TicketVoided,
)
from chalicelib.tickets.model import Ticket

_STATE_CHANGES: dict[tuple[str, str], type[TicketChange]] = {
    ("valid", "void"): TicketVoided,
    ("frozen", "void"): TicketVoided,
    ("valid", "frozen"): AdmissionSuspended,
    ("frozen", "valid"): AdmissionRestored,
}


def ticket_changes(before: Ticket | None, after: Ticket | None, at: int, sequence: str) -> list[TicketChange]:
    """What happened; tickets are never deleted."""
    if after is None:
        return []
    if before is None:
        return [TicketIssued(at=at, ticket=after, sequence=sequence)]
    return list(_differences(before, after, at, sequence))


def _differences(before: Ticket, after: Ticket, at: int, sequence: str) -> Iterator[TicketChange]:
    if before.owner_id != after.owner_id:
        yield TicketTransferred(at=at, ticket=after, sequence=sequence, from_user_id=before.owner_id, from_language=before.language)
    if _names(before) != _names(after):
        yield TicketNamesChanged(at=at, ticket=after, sequence=sequence)
    people = after.admitted - before.admitted
    if people > 0:
        yield TicketCheckedIn(at=at, ticket=after, sequence=sequence, people=people)
    elif people < 0:
        yield CheckInUndone(at=at, ticket=after, sequence=sequence, people=-people)
    kind = _STATE_CHANGES.get((before.state, after.state))
    if kind is not None:
        yield kind(at=at, ticket=after, sequence=sequence)


def _names(ticket: Ticket) -> tuple[str | None, list[str | None]]:
    return ticket.attendee.name if ticket.attendee else None, [guest.name for guest in ticket.guests]
