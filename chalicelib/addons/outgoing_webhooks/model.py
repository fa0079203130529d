"""Webhook endpoints of promoters, the messages sent to them, and the rules for retries."""

import random
from hashlib import sha256
from typing import ClassVar, Literal, NamedTuple

from msgspec import Struct
from ulid import ULID

from chalicelib.foundation.errors import ApiError, NotFound

# The types that an endpoint can subscribe to.
EventType = Literal["order.paid", "order.refunded", "ticket.checked_in", "ticket.transferred", "event.changed", "waitlist.offered"]
MessageType = Literal[EventType, "ping"]
DeliveryState = Literal["pending", "delivered", "failed"]
DisabledReason = Literal["by_promoter", "gone", "failing"]
# The reason why an attempt failed. `status` means a reply without a 2xx status; any other error means that there was no valid reply.
AttemptError = Literal["status", "timeout", "unresolved", "address_refused", "connection_failed", "tls_failed", "bad_reply"]

MAX_ENDPOINTS = 10  # per promoter
MINUTE, HOUR, DAY = 60, 3600, 86_400
# Seconds from one attempt to the next: ten attempts in three days.
RETRY_DELAYS = (MINUTE, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR)
MAX_RETRY_AFTER = DAY  # the longest pause that an endpoint may request
JITTER = 0.1  # the largest share added to a delay, so that messages that failed together are not retried together
DISABLE_AFTER_SECONDS = 5 * DAY  # of failures without a success
KEPT_SECONDS = 30 * DAY  # since a delivery was last queued
MAX_ATTEMPTS_KEPT = 20
MAX_REPLAYED = 100  # per call
PREVIOUS_SECRET_SECONDS = DAY


class Endpoint(Struct, frozen=True, kw_only=True):
    """A promoter's address for messages. Times are epoch seconds. An empty list of `event_types` means all types.

    `secret` signs messages, and so does `previous_secret` until `previous_secret_until`. `failing_since` is the time of the first failed
    attempt since the last success.
    """

    promoter_id: str
    id: str
    url: str
    secret: str
    created_at: int
    updated_at: int
    description: str = ""
    event_types: list[EventType] = []
    disabled_reason: DisabledReason | None = None
    previous_secret: str | None = None
    previous_secret_until: int = 0
    failing_since: int | None = None
    version: int = 1

    @property
    def is_enabled(self) -> bool:
        return self.disabled_reason is None

    def wants(self, message: "Message") -> bool:
        """Return whether the endpoint gets a message: it is enabled, subscribes to the type, and existed when the change happened."""
        # The times in the stream of changes are only accurate to about a second.
        is_new = message.at >= self.created_at - MINUTE
        return self.is_enabled and is_new and (not self.event_types or message.type in self.event_types)

    def secrets(self, now: int) -> list[str]:
        """Return the secrets that messages are signed with now, newest first."""
        previous = [self.previous_secret] if self.previous_secret is not None and now < self.previous_secret_until else []
        return [self.secret, *previous]


class Message(Struct, frozen=True, kw_only=True):
    """A message to promoters. `event_id` is None for a ping. `payload` is the JSON exactly as it is signed and sent."""

    id: str
    type: MessageType
    event_id: str | None
    at: int
    payload: str


class SendAttempt(Struct, frozen=True, kw_only=True):
    """An attempt to send. `status` is None if there was no reply, and `error` is None after a success.

    `reply` is the beginning of the reply's body; only the last attempt keeps it.
    """

    at: int
    milliseconds: int
    status: int | None = None
    error: AttemptError | None = None
    reply: str = ""


class Delivery(Struct, frozen=True, kw_only=True):
    """A message for an endpoint, and its attempts.

    `attempts_made` counts all attempts, `attempts` has the latest attempts, and `round_start` is the value of `attempts_made` when the
    delivery was last queued. `next_attempt_at` is None unless the delivery is pending. Until `claimed_until`, an attempt is in progress.
    `lane` is the number of the endpoint's lane in which the delivery is stored (`store`).
    """

    endpoint_id: str
    lane: int
    message: Message
    state: DeliveryState
    attempts_made: int
    round_start: int
    attempts: list[SendAttempt]
    next_attempt_at: int | None
    claimed_until: int | None

    @property
    def id(self) -> str:
        return self.message.id


class QueuedDelivery(NamedTuple):
    """The ids of a delivery that was just queued, of its endpoint and of the endpoint's promoter."""

    promoter_id: str
    endpoint_id: str
    id: str


class EndpointNotFound(NotFound):
    default_message: ClassVar[str] = "This promoter has no webhook endpoint with this id."


class DeliveryNotFound(NotFound):
    default_message: ClassVar[str] = "This endpoint has no delivery with this id. Deliveries are kept for 30 days."


class TooManyEndpoints(ApiError):
    code: ClassVar[str] = "too_many_endpoints"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = (
        f"You cannot have more webhook endpoints. The limit is {MAX_ENDPOINTS}, and lower until an admin of the shop has verified you. "
        "Delete an endpoint that you no longer need."
    )


class EndpointChanging(ApiError):
    code: ClassVar[str] = "endpoint_changing"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "Someone else is changing this webhook endpoint right now. Try again."


class EndpointDisabled(ApiError):
    code: ClassVar[str] = "endpoint_disabled"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "This webhook endpoint is disabled. Enable it first."


class AttemptUnderWay(ApiError):
    code: ClassVar[str] = "attempt_under_way"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "The message is being sent right now. Check the result, then try again."


def message_id(identity: str, at: int) -> str:
    """Return the id of the message about a change. The same `identity` and time always give the same id, and ids sort by time."""
    return f"msg_{ULID.from_bytes((at * 1000).to_bytes(6, 'big') + sha256(identity.encode()).digest()[:10])}"


def first_message_id(at: int) -> str:
    """Return an id that sorts before the ids of all messages from this second."""
    return f"msg_{ULID.from_bytes((at * 1000).to_bytes(6, 'big') + bytes(10))}"


def retry_delay(failures: int, retry_after: int | None) -> int | None:
    """Return the seconds until the next attempt, or None to give up.

    `failures` is the number of failures in a row. `retry_after` is the pause that the endpoint requested, in seconds.
    """
    if failures > len(RETRY_DELAYS):
        return None
    delay = RETRY_DELAYS[failures - 1]
    return max(int(delay * random.uniform(1, 1 + JITTER)), min(retry_after or 0, MAX_RETRY_AFTER))
