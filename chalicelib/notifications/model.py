"""Mails, and notifications: something that somebody gets one mail about, with its status."""

from typing import ClassVar, Literal

from msgspec import Struct

from chalicelib.edge.languages import DEFAULT, Language
from chalicelib.foundation.errors import ApiError, NotFound

# `sent`: the provider has taken it. `dropped`: there was no address, or nothing to say any more. `failed`: given up, or refused after that.
NotificationStatus = Literal["queued", "sent", "delivered", "bounced", "complained", "suppressed", "failed", "dropped"]
Problem = Literal["bounced", "complained", "suppressed", "failed"]
PROBLEMS: tuple[Problem, ...] = ("bounced", "complained", "suppressed", "failed")

Fact = str | int


class Attachment(Struct, frozen=True):
    """A file of a mail. With a `content_id` it is shown in the HTML, which names it as `cid:<content id>`."""

    name: str
    media_type: str
    content: bytes
    content_id: str | None = None


class MailMessage(Struct, frozen=True):
    """A mail to one address, with the same content as plain text and as HTML. `kind` names it in logs, which have nothing else of it.

    `notification_id`: which notification it is. Its Message-ID follows from that, so a second mail of the same one can be recognised.
    """

    kind: str
    to: str
    subject: str
    text: str
    html: str
    attachments: tuple[Attachment, ...] = ()
    notification_id: str | None = None
    headers: dict[str, str] = {}


class EncodedMail(Struct, frozen=True):
    """A mail as it goes to a provider: `raw` is a message of RFC 5322. `sender` and `to` are bare addresses."""

    sender: str
    to: str
    raw: bytes
    notification_id: str | None = None


class Notification(Struct, frozen=True, kw_only=True):
    """Something that the user `user_id` gets a mail about. Times are epoch seconds.

    `subject_id` is what it is about: a purchase, a ticket, an entry of a waitlist. `facts` are what its text needs beside that; they have
    no secret. While it is `queued`, it is sent at `next_at` or later; every attempt moves that first. `due_at` is when it is to be sent if
    all goes well: later than that it is late. `failure`: why the last attempt failed.
    """

    id: str
    kind: str
    subject_id: str
    user_id: str
    event_id: str
    created_at: int
    due_at: int
    language: Language = DEFAULT
    facts: dict[str, Fact] = {}
    status: NotificationStatus = "queued"
    next_at: int | None = None
    attempts: int = 0
    changed_at: int = 0
    provider_id: str | None = None
    failure: str | None = None


class NotificationNotFound(NotFound):
    default_message: ClassVar[str] = "There is no message with this id."


class NotResendable(ApiError):
    code: ClassVar[str] = "not_resendable"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "This message is already about to be sent."


class NotSuppressed(NotFound):
    code: ClassVar[str] = "not_suppressed"
    default_message: ClassVar[str] = "Emails to this address are not blocked. Check its spelling."


class UnsubscribeLinkInvalid(NotFound):
    code: ClassVar[str] = "unsubscribe_link_invalid"
    default_message: ClassVar[str] = "This link is incomplete. Open it again from the email."


class SnsRefused(ApiError):
    code: ClassVar[str] = "sns_message_refused"
    status: ClassVar[int] = 400
    default_message: ClassVar[str] = "This is no message of the shop's topic at Amazon SNS."


def notification_id(kind: str, subject_id: str, version: str | int) -> str:
    """The id of a notification: the same for the same change, however often it comes. `kind` and `version` have no dot."""
    return f"{kind}.{subject_id}.{version}"
