"""Event notices and announcements, for the ticket holders of an event, and turn notices, for people in a waiting room."""

from collections.abc import Collection
from typing import Annotated, ClassVar, Literal
from urllib.parse import unquote

from msgspec import Meta, Struct
from msgspec.structs import replace

from chalicelib.catalog.model import Event
from chalicelib.edge.languages import Language
from chalicelib.foundation.errors import ApiError, NotFound
from chalicelib.foundation.outbound_http import MAX_URL_LENGTH
from chalicelib.waiting_room.model import Arrival

UNRECORDED = "?"  # stands for a venue that is not recorded


class EventDetails(Struct, frozen=True):
    """The details of an event. Ticket holders get an email when a detail changes. `starts_at` is in epoch seconds, or 0 without a start.

    `dates` has the id, the start and the quoted venue of each date, as `friday=1782000000@ saturday=1782086400@Old%20Mill`. A cancelled
    date has the start 0. The venue `?`, which is never a quoted venue, means that the venue is not recorded.
    """

    name: str
    place: str
    starts_at: int
    timezone: str
    dates: str = ""

    @property
    def starts(self) -> dict[str, int]:
        """The start of each date by its id. An event without dates has its own start, under an empty id."""
        pairs = (pair.partition("=") for pair in self.dates.split())
        return {date_id: int(start.partition("@")[0]) for date_id, _, start in pairs} or {"": self.starts_at}

    @property
    def places(self) -> dict[str, str]:
        """The place of each date by its id, for the dates whose place is recorded."""
        pairs = ((date_id, rest.partition("@")[2]) for date_id, _, rest in (pair.partition("=") for pair in self.dates.split()))
        return {date_id: unquote(venue) or self.place for date_id, venue in pairs if venue != UNRECORDED}

    def former_start(self, after: "EventDetails", date_ids: Collection[str]) -> int | None:
        """Return the start of the first of these dates whose time differs in `after`, or None. Without ids, all dates count."""
        moved = [
            start
            for date_id, start in self.starts.items()
            if (not date_ids or date_id in date_ids or not date_id)
            and (start or not date_id)
            and (after.starts.get(date_id, start if date_id else after.starts_at) != start or self.timezone != after.timezone)
        ]
        return min(moved, default=None)

    def former_place(self, after: "EventDetails", date_ids: Collection[str]) -> str | None:
        """Return the place of the first of these dates that takes place elsewhere in `after`, or None. Without ids, all dates count."""
        places = {date_id: place for date_id, place in self.places.items() if not date_ids or date_id in date_ids}
        if not places and UNRECORDED not in self.dates:
            places = {"": self.place}
        moved = (place for date_id, place in places.items() if after.places.get(date_id, place if date_id else after.place) != place)
        return next(moved, None)

    def newly_cancelled(self, after: "EventDetails", date_ids: Collection[str]) -> list[int]:
        """Return the starts of these dates that are cancelled in `after` but not here."""
        return [start for date_id, start in self.starts.items() if date_id in date_ids and start and after.starts.get(date_id) == 0]

    def narrowed(self, after: "EventDetails", date_ids: Collection[str]) -> "EventDetails":
        """Return only the details that an email about the difference to `after` needs, for tickets that are valid for these dates.

        An email names only the first place that has changed, so the venues of other dates are left out. This saves space, because every
        holder gets an email, and an event may have MAX_DATES dates with long venues.
        """
        kept = list[str]()
        former, places, has_place = self.places, after.places, False
        for pair in self.dates.split():
            date_id, _, rest = pair.partition("=")
            if not date_ids or date_id in date_ids:
                place = former.get(date_id, self.place)
                is_named = not has_place and place != places.get(date_id, place)
                kept.append(pair if is_named else f"{date_id}={rest.partition('@')[0]}@{UNRECORDED}")
                has_place = has_place or is_named
        return replace(self, dates=" ".join(kept)) if kept else self

    def has_changed(self, after: "EventDetails", date_ids: Collection[str]) -> bool:
        """Return whether a detail differs in `after` for tickets that are valid for these dates. Without ids, all dates count."""
        is_moved = (self.former_start(after, date_ids), self.former_place(after, date_ids)) != (None, None)
        return is_moved or self.name != after.name


class Mailing(Struct, frozen=True, kw_only=True):
    """The emails about one change, or about several changes in quick succession, while they are being queued. Times are epoch seconds.

    `before` has the details that holders knew until the change. The emails for tickets up to `position` are queued. People who got their
    ticket more than HEARD_SECONDS after `changed_at` need no email.
    """

    began_at: int
    changed_at: int
    before: EventDetails
    position: str


class EventNotice(Struct, frozen=True, kw_only=True):
    """The details that ticket holders of an event know, and the changes about which they must be emailed. Times are epoch seconds.

    `known` has the details that holders know, or will learn from the current `mailing`. `first_at` and `last_at` are the times of the first
    and the last change since then, if any. The mailing about these changes begins at `due_at`.
    """

    event_id: str
    known: EventDetails
    first_at: int | None = None
    last_at: int | None = None
    due_at: int | None = None
    mailing: Mailing | None = None

    @property
    def next_at(self) -> int | None:
        """When to queue emails, in epoch seconds: 0 while they are being queued, and None if there are no emails to queue."""
        return self.due_at if self.mailing is None else 0

    @property
    def has_ended(self) -> bool:
        return self.next_at is None


AnnouncementStatus = Literal["scheduled", "sending", "queued", "stopped"]
Door = Literal["entered", "not_entered"]
Audience = Literal["holders", "waiting"]  # people with tickets, or people on the waitlist


class Announcement(Struct, frozen=True, kw_only=True):
    """An email that the managers of an event write to its ticket holders, or to the people on its waitlist. Times are epoch seconds.

    The email goes to people who have or want tickets of the types `tier_ids`, or of any type if `tier_ids` is empty. With `date_ids`, it
    goes only to people whose tickets are, or would be, valid on one of these dates. With `door`, it goes only to people who have entered,
    or only to people who have not. `subjects` and `texts` have the subject and the text in other languages, by language. `written_at` is
    the time of the last change. An announcement is `sending` while its emails are put into the outbox, and `queued` once all of them are in
    the outbox. The tickets or entries up to `position` have been read. `tickets` counts the tickets that the readers hold or wait for.
    """

    id: str
    event_id: str
    subject: str
    text: str
    created_at: int
    written_at: int
    due_at: int
    subjects: dict[str, str] = {}
    texts: dict[str, str] = {}
    tier_ids: list[str] = []
    date_ids: list[str] = []
    door: Door | None = None
    audience: Audience = "holders"
    status: AnnouncementStatus = "scheduled"
    position: str | None = None
    tickets: int = 0


def event_details(event: Event) -> EventDetails:
    return EventDetails(*event.announced)


class PushSubscription(Struct, frozen=True, forbid_unknown_fields=True):
    """A browser's subscription to push messages: the address at its push service, and the key and the secret that encrypt the messages.

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
