"""Mails: one message to one person, through the SMTP server of the setting `smtp_url`.

A mail that cannot be sent is logged and does not fail the request that caused it: what the request changed is saved, and each mail can be
requested again. smtplib is imported where it is used, because few requests send mails.
"""

from urllib.parse import unquote, urlsplit

from msgspec import Struct

from chalicelib import deadline, log, secret_settings, settings
from chalicelib.settings import SettingsError

DEFAULT_PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
TIMEOUT_SECONDS = 5


class MailMessage(Struct, frozen=True):
    """A mail to one address, with the same content as plain text and as HTML. `kind` names it in logs, which have nothing else of it."""

    kind: str
    to: str
    subject: str
    text: str
    html: str


class SmtpServer(Struct, frozen=True):
    """`security` is the scheme of the setting: `smtps` (TLS from the start), `smtp+starttls`, or `smtp` (not encrypted)."""

    security: str
    host: str
    port: int
    user: str
    password: str


def send(message: MailMessage) -> bool:
    """Send a mail. Returns False, and logs why, if it was not sent. Raises SettingsError for a malformed setting."""
    url = secret_settings.optional_secret("smtp_url")
    if not url:
        log.info("mail.not_sent", kind=message.kind, reason="no mail server is set (FAIRGATE_SMTP_URL)")
        return False
    try:
        _deliver(parse_server(url), message)
    except OSError as error:  # smtplib's errors are OSErrors too
        log.count("mails_failed")
        log.warning("mail.failed", kind=message.kind, error=type(error).__name__)
        return False
    log.count("mails_sent")
    return True


def parse_server(url: str) -> SmtpServer:
    """The server that the setting names; raises SettingsError, which does not repeat the setting, because it has a password."""
    try:
        parts = urlsplit(url)
        port = parts.port or DEFAULT_PORTS[parts.scheme]
    except (ValueError, KeyError):
        raise _malformed() from None
    if not parts.hostname or parts.path.strip("/") or parts.query:
        raise _malformed()
    return SmtpServer(parts.scheme, parts.hostname, port, unquote(parts.username or ""), unquote(parts.password or ""))


def _malformed() -> SettingsError:
    return SettingsError(
        "FAIRGATE_SMTP_URL: must be smtps://user:password@host:465, smtp+starttls://user:password@host:587 or smtp://host:25"
    )


def _deliver(server: SmtpServer, message: MailMessage) -> None:
    import smtplib
    import ssl

    deadline.require(TIMEOUT_SECONDS)
    if server.security == "smtps":
        connection: smtplib.SMTP = smtplib.SMTP_SSL(server.host, server.port, timeout=TIMEOUT_SECONDS, context=ssl.create_default_context())
    else:
        connection = smtplib.SMTP(server.host, server.port, timeout=TIMEOUT_SECONDS)
    with connection:
        if server.security == "smtp+starttls":
            connection.starttls(context=ssl.create_default_context())
        if server.user:
            connection.login(server.user, server.password)
        connection.sendmail(_address_of(settings.current().mail_from), [message.to], _encode(message))


def _encode(message: MailMessage) -> bytes:
    from email import policy
    from email.message import EmailMessage
    from email.utils import formatdate, make_msgid

    from chalicelib import clock

    mail = EmailMessage(policy=policy.SMTP)
    sender = settings.current().mail_from
    mail["From"], mail["To"], mail["Subject"] = sender, message.to, message.subject
    mail["Date"] = formatdate(clock.now())
    mail["Message-ID"] = make_msgid(domain=_address_of(sender).rpartition("@")[2])
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.text)
    mail.add_alternative(message.html, subtype="html")
    return mail.as_bytes()


def _address_of(sender: str) -> str:
    """The address in `Name <address>`."""
    from email.utils import parseaddr

    return parseaddr(sender)[1]
