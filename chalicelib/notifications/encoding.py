"""Mails as messages of RFC 5322, with what RFC 3834 asks of mails that no person has written."""

from email import policy
from email.message import EmailMessage, MIMEPart
from email.utils import formatdate, make_msgid, parseaddr
from hashlib import sha256

from chalicelib.foundation import clock, settings
from chalicelib.notifications.model import EncodedMail, MailMessage


def encode(message: MailMessage) -> EncodedMail:
    """The mail for a provider, from the sender of the settings."""
    sender = settings.current().mail_from
    address = parseaddr(sender)[1]
    mail = EmailMessage(policy=policy.SMTP)
    mail["From"], mail["To"], mail["Subject"] = sender, message.to, message.subject
    mail["Date"] = formatdate(clock.now())
    mail["Message-ID"] = _message_id(message, address.rpartition("@")[2])
    mail["Auto-Submitted"] = "auto-generated"
    for name, value in message.headers.items():
        mail[name] = value
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


def _message_id(message: MailMessage, domain: str) -> str:
    """The same for each mail about the same: many mail programs show only one of them, if it was sent twice."""
    if message.notification_id is None:
        return make_msgid(domain=domain)
    return f"<{sha256(message.notification_id.encode()).hexdigest()[:32]}@{domain}>"
