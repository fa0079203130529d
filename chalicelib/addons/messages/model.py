"""Event notices and announcements, for the ticket holders of an event, and turn notices, for people in a waiting room."""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta, Struct

from chalicelib.catalog.model import Event
from chalicelib.edge.languages import Language
from chalicelib.foundation.errors import ApiError, NotFound
from chalicelib.foundation.outbound_http import MAX_URL_LENGTH
from chalicelib.waiting_room.model import Arrival


class EventDetails(Struct, frozen=True):
    """The details of an event. Ticket holders get an email when a detail changes. `starts_at` is in epoch seconds, or 0 without a start."""

    name: str
    place: str
    starts_at: int
    timezone: str


class Mailing(Struct, frozen=True, kw_only=True):
    """The emails about one change, or several in quick succession, while they are being queued. Times are epoch seconds.

    `before` has the details that holders knew until the change. Tickets up to `position` are done. People who got their ticket more than
    HEARD_SECONDS after `changed_at` need no email.
    """

    began_at: int
    changed_at: int
    before: EventDetails
    position: str


class EventNotice(Struct, frozen=True, kw_only=True):
    """The details that ticket holders of an event know, and the changes to tell them about. Times are epoch seconds.

    `known` has the details that holders know, or will learn from the current `mailing`. `first_at` and `last_at` are the times of the first
    and the last change since then, if any; a mailing about these changes begins at `due_at`.
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


AnnouncementStatus = Literal["scheduled", "sending", "queued", "stopped"]
Door = Literal["entered", "not_entered"]


class Announcement(Struct, frozen=True, kw_only=True):
    """An email that the managers of an event write to its ticket holders. Times are epoch seconds.

    It goes to the holders of these ticket types, or of all types if `tier_ids` is empty, and with `door` only to people who have or have
    not entered. `written_at` is the time of the last change. An announcement is `sending` while its emails are put into the outbox, and
    `queued` once all are there. The tickets up to `position` have been read, and `tickets` counts the ones that it is for.
    """

    id: str
    event_id: str
    subject: str
    text: str
    created_at: int
    written_at: int
    due_at: int
    tier_ids: list[str] = []
    door: Door | None = None
    status: AnnouncementStatus = "scheduled"
    position: str | None = None
    tickets: int = 0


def event_details(event: Event) -> EventDetails:
    return EventDetails(*event.announced)


class PushSubscription(Struct, frozen=True, forbid_unknown_fields=True):
    """A browser's subscription to push messages: the address of its push service, and the key and the secret that encrypt messages for it.

    `p256dh` and `auth` are in base64url, as browsers show them.
    """

    endpoint: Annotated[str, Meta(max_length=MAX_URL_LENGTH)]
    p256dh: Annotated[str, Meta(max_length=100)]
    auth: Annotated[str, Meta(max_length=50)]


class TurnNotice(Struct, frozen=True, kw_only=True):
    """A user's request for emails and push messages about their turn in a waiting room.

    `email` is the address of a user without a verified account, if the user gave one. Emails to an account go to the account's current
    address. `push` is None if the user wants emails only.
    """

    user_id: str
    event_id: str
    arrival: Arrival
    language: Language
    email: str | None = None
    push: PushSubscription | None = None


class Place(Struct, frozen=True):
    """A place in one of the lanes of a waiting room. `key` sorts by arrival or position; `ttl` is in epoch seconds."""

    key: str
    user_id: str
    ttl: int


class TurnNotAhead(ApiError):
    code: ClassVar[str] = "turn_not_ahead"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "Your turn has begun, so we cannot notify you before it."


class AnnouncementNotFound(NotFound):
    default_message: ClassVar[str] = "This event has no announcement with this id."


class AnnouncementStarted(ApiError):
    code: ClassVar[str] = "announcement_started"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "This announcement is already being sent or was stopped, so it can no longer be changed."


class AnnouncementsRefused(ApiError):
    code: ClassVar[str] = "announcements_need_verification"
    status: ClassVar[int] = 403
    default_message: ClassVar[str] = "An admin of the shop must verify the event's promoter before you can write to ticket holders."
