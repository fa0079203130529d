"""Send a mail at once, within the request that asks for it: for mails that somebody waits for and can request again, such as links.

A mail that follows from something that has happened goes through the outbox instead (`outbox`, `delivery`).
"""

from chalicelib import log
from chalicelib.notifications.model import MailMessage
from chalicelib.notifications.providers import protocol
from chalicelib.notifications.providers.protocol import MailFailed

__all__ = ["MailMessage", "send"]


def send(message: MailMessage) -> bool:
    """Send a mail. Returns False, and logs why, if it was not sent. Raises SettingsError for a malformed setting."""
    from chalicelib.notifications import encoding  # few requests send mails

    provider = protocol.find_provider()
    if provider is None:
        log.info("mail.not_sent", kind=message.kind, reason="no mail server is set (FAIRGATE_SMTP_URL)")
        return False
    try:
        provider.send(encoding.encode(message))
    except MailFailed as error:
        log.count("mails_failed")
        log.warning("mail.failed", kind=message.kind, error=str(error))
        return False
    log.count("mails_sent")
    return True
