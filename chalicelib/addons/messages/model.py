"""Event notices: what ticket holders are told when their event changes."""

from msgspec import Struct

from chalicelib.catalog.model import Event


class EventDetails(Struct, frozen=True):
    """Details whose changes are mailed to ticket holders. `starts_at` is in epoch seconds, 0 without a start."""

    name: str
    place: str
    starts_at: int
    timezone: str


class Mailing(Struct, frozen=True, kw_only=True):
    """The mails about one change, or several in quick succession, while they are being queued. Times are epoch seconds.

    `before` is what holders knew until then. Tickets up to `position` are done. People who got their ticket long after `changed_at` need
    no mail.
    """

    began_at: int
    changed_at: int
    before: EventDetails
    position: str


class EventNotice(Struct, frozen=True, kw_only=True):
    """What ticket holders of an event know, and what they are still to be told. Times are epoch seconds.

    `known` has the details that holders know or are told by the present `mailing`. If `first_at` and `last_at` are set, the event has
    changed since then, first and last at these times, and a mailing begins at `due_at`.
    """

    event_id: str
    known: EventDetails
    first_at: int | None = None
    last_at: int | None = None
    due_at: int | None = None
    mailing: Mailing | None = None

    @property
    def has_ended(self) -> bool:
        return self.due_at is None and self.mailing is None


def event_details(event: Event) -> EventDetails:
    return EventDetails(event.name, event.place, event.starts_at, event.timezone)
