"""What SES reports about mails: delivered, bounced, rejected, or complained about."""

from typing import Literal

import msgspec
from msgspec import Struct

from chalicelib.foundation import log
from chalicelib.notifications import sns, store, suppression
from chalicelib.notifications.model import NotificationStatus, SnsRefused
from chalicelib.notifications.providers.ses import NOTIFICATION_TAG

Outcome = Literal["delivered", "bounced", "rejected", "complained"]

# Reports come in any order and more than once, so each only follows what is weaker. One may even be there before `sent` is written.
_EARLIER: dict[Outcome, tuple[NotificationStatus, ...]] = {
    "delivered": ("queued", "sent"),
    "rejected": ("queued", "sent"),
    "bounced": ("queued", "sent", "delivered"),
    "complained": ("queued", "sent", "delivered", "bounced"),
}


class Recipient(Struct, frozen=True, rename="camel"):
    """An address that a report names."""

    email_address: str


class Bounce(Struct, frozen=True, rename="camel"):
    """`bounce_type` is `Permanent`, `Transient` or `Undetermined`."""

    bounce_type: str
    bounced_recipients: list[Recipient]


class Complaint(Struct, frozen=True, rename="camel"):
    """Somebody has marked a mail as unwanted."""

    complained_recipients: list[Recipient]


class ReportedMail(Struct, frozen=True):
    """The mail, with the tags that it was sent with."""

    tags: dict[str, list[str]] = {}


class SesReport(Struct, frozen=True, rename="camel"):
    """A report by event publishing of a configuration set."""

    event_type: str
    mail: ReportedMail
    bounce: Bounce | None = None
    complaint: Complaint | None = None


def handle(raw: bytes, now: int) -> str:
    """Take in a message of the topic; returns the outcome in a word. Raises SnsRefused."""
    message = sns.read_message(raw, now)
    if message.type == "SubscriptionConfirmation":
        sns.confirm_subscription(message)
        return "subscribed"
    try:
        report = msgspec.json.decode(message.message, type=SesReport)
    except msgspec.MsgspecError:
        raise SnsRefused() from None
    return _apply(report, now)


def _apply(report: SesReport, now: int) -> str:
    match report.event_type:
        case "Delivery":
            return _change(report, "delivered", now)
        case "Reject":
            return _change(report, "rejected", now)
        case "Bounce" if report.bounce is not None:
            if report.bounce.bounce_type == "Permanent":
                _suppress(report.bounce.bounced_recipients, "bounced", now)
            return _change(report, "bounced", now)
        case "Complaint" if report.complaint is not None:
            _suppress(report.complaint.complained_recipients, "complained", now)
            return _change(report, "complained", now)
    return "ignored"


def _suppress(recipients: list[Recipient], reason: str, now: int) -> None:
    for recipient in recipients:
        suppression.suppress(recipient.email_address, reason, now)


def _change(report: SesReport, outcome: Outcome, now: int) -> str:
    """Write the status of the notification; mails without one, such as links, are only counted."""
    ids = report.mail.tags.get(NOTIFICATION_TAG, [])
    status: NotificationStatus = "failed" if outcome == "rejected" else outcome
    is_new = all(store.change_status(notification_id, status, _EARLIER[outcome], now) for notification_id in ids)
    if is_new:
        log.count(f"mails_{outcome}")
    return outcome if is_new else "known"
