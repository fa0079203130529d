"""Notices: what the holders of an event's tickets get to know when the event has changed."""

from msgspec import Struct

from chalicelib.catalog.model import Event


class EventDetails(Struct, frozen=True):
    """What holders get a mail about when it changes. `starts_at` is in epoch seconds, 0 without a start."""

    name: str
    place: str
    starts_at: int
    timezone: str


class Mailing(Struct, frozen=True, kw_only=True):
    """The mails about one change, or several in short succession, while they are being queued. Times are epoch seconds.

    `before`: what holders knew until then. Tickets up to `position` are done. Who got one long after `changed_at` needs no mail.
    """

    began_at: int
    changed_at: int
    before: EventDetails
    position: str


class EventNotice(Struct, frozen=True, kw_only=True):
    """What the holders of an event's tickets know, and what they are to get to know. Times are epoch seconds.

    `known`: the details that they have, or are getting by the present `mailing`. The event was changed since, first at `first_at` and last
    at `last_at`, if these are set; then a mailing begins at `due_at`.
    """

    event_id: str
    known: EventDetails
    first_at: int | None = None
    last_at: int | None = None
    due_at: int | None = None
    mailing: Mailing | None = None

    @property
    def is_over(self) -> bool:
        return self.due_at is None and self.mailing is None


def event_details(event: Event) -> EventDetails:
    return EventDetails(event.name, event.place, event.starts_at, event.timezone)
