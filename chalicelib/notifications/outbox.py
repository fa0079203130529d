"""The outbox: the queued notifications, and the encoding of emails as messages. `delivery` sends the notifications."""

from email import policy
from email.message import EmailMessage, MIMEPart
from email.utils import formatdate, make_msgid, parseaddr
from hashlib import sha256

from chalicelib.audit import service as audit
from chalicelib.dynamodb import dynamo
from chalicelib.edge.languages import DEFAULT, Language
from chalicelib.foundation import clock, log, settings
from chalicelib.notifications import store
from chalicelib.notifications.model import (
    EncodedMail,
    Fact,
    MailMessage,
    Notification,
    NotificationNotFound,
    NotResendable,
    notification_id,
)
from chalicelib.notifications.store import Due

URGENT_SECONDS = 86_400  # how much earlier urgent notifications are queued; no email should ever wait this long
BULK_SECONDS = 50  # how long a run sends emails
RATE_SHARE = 0.8  # of FAIRGATE_MAIL_RATE; the rest is for the emails that requests send themselves


def mail_rate() -> int:
    """Return how many emails per second the outbox sends."""
    return round(settings.current().mail_rate * RATE_SHARE)


def bulk_limit() -> int:
    """Return how many emails to many people a run queues: as many as a run sends. Other emails are sent before them."""
    return mail_rate() * BULK_SECONDS


def new_notification(
    kind: str,
    subject_id: str,
    version: str | int,
    *,
    user_id: str,
    event_id: str,
    now: int,
    due_at: int | None = None,
    language: Language | None = None,
    facts: dict[str, Fact] | None = None,
    is_urgent: bool = False,
) -> Notification:
    """Return a notification to be sent at `due_at` (epoch seconds), or as soon as possible.

    The queue sends an urgent notification before all others that became due in the last URGENT_SECONDS, and notifications of BULK_KINDS
    after all others.

    At most one notification exists for the same `kind`, `subject_id` and `version`, because they form its id.
    """
    due_at = now if due_at is None else due_at
    return Notification(
        id=notification_id(kind, subject_id, version),
        kind=kind,
        subject_id=subject_id,
        user_id=user_id,
        event_id=event_id,
        created_at=now,
        changed_at=now,
        due_at=due_at,
        next_at=due_at - URGENT_SECONDS if is_urgent else due_at,
        language=language or DEFAULT,
        facts=facts or {},
    )


def queue_notification(notification: Notification) -> bool:
    """Queue a notification. Returns False if a notification with this id already exists, in any status."""
    is_new = store.put_new(notification)
    if is_new:
        log.count("notifications_queued")
    return is_new


def queue_notification_item(notification: Notification) -> dynamo.TransactItem:
    """Return a transaction item that queues a notification. It is refused if a notification with this id already exists."""
    return store.put_new_item(notification)


def list_late_notifications(now: int, limit: int) -> list[Due]:
    """List the queued notifications that are late or wait for a retry, at most `limit` from each lane."""
    return [due for due in store.query_queued(now + store.MAX_WAIT_SECONDS, limit) if due.due_at <= now]


def get_notification(wanted_id: str) -> Notification:
    """Return a notification. Raises NotificationNotFound."""
    found = store.find_notification(wanted_id)
    if found is None:
        raise NotificationNotFound()
    return found


def resend_notification(notification: Notification, actor: str, now: int) -> Notification:
    """Queue a notification again, with an audit entry, and return it. Raises NotResendable if it is queued or has just changed."""
    if notification.status == "queued":
        raise NotResendable(message_id=notification.id)
    details = {"message_id": notification.id, "status": notification.status}
    entry = audit.entry_item(f"event#{notification.event_id}", "message.resent", actor, now, details)
    try:
        dynamo.transact([store.requeue_item(notification, now), entry])
    except dynamo.ConditionFailed:
        raise NotResendable(message_id=notification.id) from None
    return get_notification(notification.id)


# Encode emails as RFC 5322 messages, with the header that RFC 3834 requires for automatic emails.


def encode_mail(message: MailMessage) -> EncodedMail:
    """Encode an email for a provider, with the sender from the settings."""
    sender = settings.current().mail_from
    address = parseaddr(sender)[1]
    mail = EmailMessage(policy=policy.SMTP)
    mail["From"], mail["To"], mail["Subject"] = sender, _literal(message.to), _literal(message.subject)
    mail["Date"] = formatdate(clock.now())
    mail["Message-ID"] = _message_id(message, address.rpartition("@")[2])
    mail["Auto-Submitted"] = "auto-generated"
    for name, value in message.headers.items():
        mail[name] = _literal(value)
    mail.set_content(message.text)
    mail.add_alternative(message.html, subtype="html")
    html = mail.get_payload()[1]  # type: ignore[index]
    assert isinstance(html, MIMEPart)
    for attachment in message.attachments:
        main, _, subtype = attachment.media_type.partition("/")
        if attachment.content_id is not None:
            html.add_related(
                attachment.content, main, subtype, cid=f"<{attachment.content_id}>", filename=attachment.name, disposition="inline"
            )
    for attachment in message.attachments:
        main, _, subtype = attachment.media_type.partition("/")
        if attachment.content_id is None:
            mail.add_attachment(attachment.content, main, subtype, filename=attachment.name)
    return EncodedMail(address, message.to, mail.as_bytes(), message.notification_id)


def _literal(text: str) -> str:
    """Return a header's text so that Python's email package does not decode any part of it.

    The package decodes encoded words (RFC 2047) such as `=?utf-8?q?=0D=0ABcc:...?=` even in a text that a program assigns. The name of an
    event could then add headers or a whole body to an email. The address of the recipient on the envelope stays unchanged.
    """
    return text.replace("=?", "= ?")


def _message_id(message: MailMessage, domain: str) -> str:
    """Return the Message-ID, which is the same for all emails of a notification.

    Many email programs then show an email only once even if it was sent twice.
    """
    if message.notification_id is None:
        return make_msgid(domain=domain)
    return f"<{sha256(message.notification_id.encode()).hexdigest()[:32]}@{domain}>"
