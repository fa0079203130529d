"""Emails and notifications. A notification is one email to one user about one change, with its status."""

from collections.abc import Callable
from typing import ClassVar, Literal

from msgspec import Struct

from chalicelib.edge.languages import DEFAULT, Language
from chalicelib.foundation.errors import ApiError, NotFound

# `sent`: the provider accepted the email. `dropped`: the user has no address, or the email was no longer needed. `failed`: all attempts
# failed, or the provider rejected the email.
NotificationStatus = Literal["queued", "sent", "delivered", "bounced", "complained", "suppressed", "failed", "dropped"]
Problem = Literal["bounced", "complained", "suppressed", "failed"]
PROBLEMS: tuple[Problem, ...] = ("bounced", "complained", "suppressed", "failed")

Fact = str | int

SHOP_BUDGET = ""  # no promoter has this id


class Attachment(Struct, frozen=True):
    """A file in an email. A file with a `content_id` appears in the HTML, which refers to the file as `cid:<content id>`."""

    name: str
    media_type: str
    content: bytes
    content_id: str | None = None


class MailMessage(Struct, frozen=True):
    """An email to one address, with the same content as plain text and as HTML. Logs contain only the email's `kind`.

    `notification_id` is the id of its notification. The Message-ID is derived from that id, so that an email that was sent twice can be
    recognized.

    The last five fields decide toward which limits the email counts. `is_to_stranger` means that a stranger may have caused the email,
    because nobody has paid and the address is not the verified address of an account. `is_returnable` means that it is not such an address
    either, and that somebody has paid but may get the whole price back. While the shop has this money, `reduced` composes the email that is
    sent above the limit for these emails, without text that a stranger may have typed. `is_short` means that the email contains no text of
    the promoter or the buyer, because a stranger may have caused it, and that stricter limits apply. `budget` is the id of the event's
    promoter, SHOP_BUDGET for an event of the shop, or None if something else limits such emails, for example the price of the tickets.
    """

    kind: str
    to: str
    subject: str
    text: str
    html: str
    attachments: tuple[Attachment, ...] = ()
    notification_id: str | None = None
    headers: dict[str, str] = {}
    is_to_stranger: bool = False
    is_returnable: bool = False
    reduced: "Callable[[], MailMessage | None] | None" = None
    is_short: bool = False
    budget: str | None = None


class EncodedMail(Struct, frozen=True):
    """An email in the form that providers accept. `raw` is an RFC 5322 message. `sender` and `to` are bare addresses."""

    sender: str
    to: str
    raw: bytes
    notification_id: str | None = None


# Each of these goes to many people at once, and is sent after all others.
BULK_KINDS = {"announcement", "ballot_lost", "event_cancelled", "event_changed", "place_drawn", "waitlist_cancelled"}


class Notification(Struct, frozen=True, kw_only=True):
    """An email to be sent to the user `user_id`. Times are epoch seconds.

    `subject_id` is the id of the purchase, ticket or waitlist entry that the email is about. `facts` are the other values that the email's
    text needs; they contain no secrets. A `queued` notification is sent at `next_at` or later, the earliest first; every attempt begins by
    moving `next_at` into the future. `due_at` is the planned time; a notification that is still queued after that time is late. `failure`
    is the reason why the last attempt failed.
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
    default_message: ClassVar[str] = "This message is already waiting to be sent."


class NotSuppressed(NotFound):
    code: ClassVar[str] = "not_suppressed"
    default_message: ClassVar[str] = "Emails to this address are not blocked. Check its spelling."


class UnsubscribeLinkInvalid(NotFound):
    code: ClassVar[str] = "unsubscribe_link_invalid"
    default_message: ClassVar[str] = "This link is incomplete. Open it again from the email."


class SnsRefused(ApiError):
    code: ClassVar[str] = "sns_message_refused"
    status: ClassVar[int] = 400
    default_message: ClassVar[str] = "This message does not come from the shop's topic at Amazon SNS."


def notification_id(kind: str, subject_id: str, version: str | int) -> str:
    """Return a notification's id, which is the same whenever the same change is reported. `kind` and `version` contain no dot."""
    return f"{kind}.{subject_id}.{version}"


# Providers that deliver `name+anything` to `name`, as their manuals say. Gmail also ignores dots and has two domains. For all other
# domains, a plus or a dot may be part of another person's address.
_GMAIL = ("gmail.com", "googlemail.com")
_WITH_TAGS = {
    *_GMAIL,
    *("outlook.com", "hotmail.com", "live.com", "msn.com"),
    *("icloud.com", "me.com", "mac.com"),
    *("proton.me", "protonmail.com", "pm.me"),
    *("fastmail.com", "fastmail.fm"),
}


def mailbox_key(email: str) -> str:
    """Return the mailbox that an address leads to: the address in lower case, without the parts that well-known providers ignore."""
    name, _, domain = email.lower().rpartition("@")
    if domain in _WITH_TAGS:
        name = name.partition("+")[0] or name
    if domain in _GMAIL:
        name, domain = name.replace(".", ""), _GMAIL[0]
    return f"{name}@{domain}"


def recipient_key(email: str) -> str:
    """Return the mailbox for which emails to an address count: `mailbox_key`, without the tag after a plus at any domain.

    Many more providers than the well-known ones ignore tags. If two people share a counter, neither loses anything but a few emails.
    """
    name, _, domain = mailbox_key(email).rpartition("@")
    return f"{name.partition('+')[0] or name}@{domain}"
