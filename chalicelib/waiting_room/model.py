"""The room in front of a sale: its public document, what a token says, and the refusals."""

from typing import ClassVar

from msgspec import Struct

from chalicelib.errors import ApiError, NotFound
from chalicelib.waiting_room.admission_plan import Segment

LATE = -1


class RoomState(Struct, frozen=True, kw_only=True):
    """The public state document: the same for everybody, enough to compute any place in the line from a token alone.

    Times are epoch seconds. `key` (hex) and `n` are null until the opening; `offsets` says where each counter's arrivals begin.
    `total` counts all that joined. `stopped` says why nobody can join any more; `may_return` how many tickets are on hold
    while nothing is left.
    """

    event_id: str
    room: int
    on_sale_at: int
    commitment: str
    key: str | None
    n: int | None
    offsets: list[int]
    segments: list[Segment]
    total: int
    pass_seconds: int
    stopped: str | None = None
    may_return: int | None = None


class Arrival(
    Struct, frozen=True, rename={"event_id": "e", "room": "r", "user": "u", "counter": "s", "number": "c", "joined_at": "t", "until": "x"}
):
    """What a token says. `number` counts from 1 within `counter`; counter LATE (-1) is that of arrivals after the opening.

    `user` is a digest of the user's id: a token that is shown or logged names nobody.
    """

    event_id: str
    room: int
    user: str
    counter: int
    number: int
    joined_at: int
    until: int

    @property
    def pass_id(self) -> str:
        """Names the pass that this arrival gets: what it bought is remembered under it."""
        return f"{self.room}.{self.counter}.{self.number}"


class TokenUnknown(NotFound):
    code: ClassVar[str] = "token_unknown"
    default_message: ClassVar[str] = "This is not a token of this waiting room."


class TokenInvalid(ApiError):
    code: ClassVar[str] = "token_invalid"
    status: ClassVar[int] = 403
    default_message: ClassVar[str] = "The token is not one of ours."


class TokenOfAnotherEvent(ApiError):
    code: ClassVar[str] = "token_of_another_event"
    status: ClassVar[int] = 403
    default_message: ClassVar[str] = "The token belongs to another event."


class TokenOfAnotherUser(ApiError):
    code: ClassVar[str] = "token_of_another_user"
    status: ClassVar[int] = 403
    default_message: ClassVar[str] = "The token belongs to somebody else; places in the line cannot be passed on."


class TokenExpired(ApiError):
    code: ClassVar[str] = "token_expired"
    status: ClassVar[int] = 403
    default_message: ClassVar[str] = "The token has expired."


class RoomCleared(ApiError):
    code: ClassVar[str] = "waiting_room_cleared"
    status: ClassVar[int] = 410
    default_message: ClassVar[str] = "The waiting room was cleared. Join again."


class NotAdmitted(ApiError):
    code: ClassVar[str] = "not_admitted"
    status: ClassVar[int] = 403
    default_message: ClassVar[str] = "It is not your turn yet."


class PassExpired(ApiError):
    code: ClassVar[str] = "pass_expired"
    status: ClassVar[int] = 403
    default_message: ClassVar[str] = "Your time to buy is over. Join again to queue up behind."


class JoiningStopped(ApiError):
    code: ClassVar[str] = "waiting_room_stopped"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "Nobody can join this waiting room any more."


class NoWaitingRoom(NotFound):
    code: ClassVar[str] = "no_waiting_room"
    default_message: ClassVar[str] = "This event has no waiting room: it can be bought from directly."


class TooManyChanges(ApiError):
    code: ClassVar[str] = "too_many_changes"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "The room's plan has changed too often to change again; clear the room to start over."
