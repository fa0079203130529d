"""Mails and notifications: a notification is one mail to one user about one change, with its status."""

from typing import ClassVar, Literal

from msgspec import Struct

from chalicelib.edge.languages import DEFAULT, Language
from chalicelib.foundation.errors import ApiError, NotFound

# `sent`: accepted by the provider. `dropped`: no address, or the mail had become moot. `failed`: given up, or rejected after acceptance.
NotificationStatus = Literal["queued", "sent", "delivered", "bounced", "complained", "suppressed", "failed", "dropped"]
Problem = Literal["bounced", "complained", "suppressed", "failed"]
PROBLEMS: tuple[Problem, ...] = ("bounced", "complained", "suppressed", "failed")

Fact = str | int


class Attachment(Struct, frozen=True):
    """A file in a mail. A file with a `content_id` appears in the HTML, which refers to it as `cid:<content id>`."""

    name: str
    media_type: str
    content: bytes
    content_id: str | None = None


class MailMessage(Struct, frozen=True):
    """A mail to one address, with the same content as plain text and as HTML. `kind` is all that logs contain of the mail.

    `notification_id` is the id of its notification. The Message-ID is derived from it, so that a repeated mail can be recognised.
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
    """A mail in the form that providers accept. `raw` is an RFC 5322 message. `sender` and `to` are bare addresses."""

    sender: str
    to: str
    raw: bytes
    notification_id: str | None = None


class Notification(Struct, frozen=True, kw_only=True):
    """A mail that the user `user_id` is to get. Times are epoch seconds.

    `subject_id` is the id of its subject: a purchase, a ticket or a waitlist entry. `facts` are the other values that its text needs; they
    contain no secrets. A `queued` notification is sent at `next_at` or later; every attempt first moves `next_at`. `due_at` is the planned
    time; a notification still queued after that is late. `failure` is the reason why the last attempt failed.
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
    """The id of a notification: the same for the same change, however often it is reported. `kind` and `version` contain no dot."""
    return f"{kind}.{subject_id}.{version}"
