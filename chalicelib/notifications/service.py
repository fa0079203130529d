"""Immediate emails, which are sent within the request. A user waits for such an email (for example with a link) and can repeat the request.

Emails about changes go through the outbox instead (`outbox`, `delivery`). Both kinds use the same templates, and neither is sent to a
suppressed address.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from chalicelib.edge.languages import Language
from chalicelib.foundation import log, settings
from chalicelib.notifications import providers
from chalicelib.notifications.model import MailMessage
from chalicelib.notifications.providers import MailFailed


class MailDraft(Struct, frozen=True):
    """An email of a `kind`, with the values that its template needs. The text is rendered only when the email is sent."""

    kind: str
    to: str
    language: Language
    values: Mapping[str, Any]

    def compose(self) -> MailMessage:
        from chalicelib.notifications import templates  # few requests send emails

        shop = settings.current().shop_name
        mail = templates.render(self.kind, self.language, {"shop": shop, **self.values})
        return MailMessage(self.kind, self.to, mail.subject, mail.text, mail.html)


def send(draft: MailDraft) -> bool:
    """Send an email. Returns False and logs the reason if the email was not sent. Raises SettingsError for a malformed setting."""
    provider = providers.find_provider()
    if provider is None:
        log.info("mail.not_sent", kind=draft.kind, reason="no mail server is set (FAIRGATE_SMTP_URL)")
        return False
    from chalicelib.notifications import outbox, ses_reports  # few requests send emails

    if ses_reports.is_suppressed(draft.to):
        log.count("mails_suppressed")
        log.info("mail.not_sent", kind=draft.kind, reason="the address is suppressed")
        return False
    try:
        provider.send(outbox.encode_mail(draft.compose()))
    except MailFailed as error:
        log.count("mails_failed")
        log.warning("mail.failed", kind=draft.kind, error=str(error))
        return False
    log.count("mails_sent")
    return True
