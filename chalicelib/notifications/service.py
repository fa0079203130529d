"""Immediate emails, which are sent within the request. A user waits for such an email (for example with a link) and can repeat the request.

Emails about changes go through the outbox instead (`outbox`, `delivery`). Both kinds use the same templates, and neither is sent to a
suppressed address.
"""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from chalicelib.edge import rate_limits
from chalicelib.edge.languages import Language
from chalicelib.edge.rate_limits import REQUESTED_MAIL, RateLimit
from chalicelib.foundation import clock, deadline, log, settings
from chalicelib.foundation.log import logger
from chalicelib.notifications import providers
from chalicelib.notifications.model import MailMessage, mailbox_key
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
        logger.info("mail.not_sent", kind=draft.kind, reason="no mail server is set (FAIRGATE_SMTP_URL)")
        return False
    from chalicelib.notifications import outbox, ses_reports  # few requests send emails

    if ses_reports.is_suppressed(draft.to):
        log.count("mails_suppressed")
        logger.info("mail.not_sent", kind=draft.kind, reason="the address is suppressed")
        return False
    try:
        provider.send(outbox.encode_mail(draft.compose()))
    except MailFailed as error:
        log.count("mails_failed")
        logger.warning("mail.failed", kind=draft.kind, error=str(error))
        return False
    log.count("mails_sent")
    return True


# Emails that anybody can request for any address. Bounces of many made-up addresses would ruin the sender's reputation, so a stage sends
# only a limited number of such emails, and few a day to one mailbox (decisions 165 and 246 in docs/decisions).

WITHHELD_SECONDS = 1.0  # longer than handing over an email usually takes

_exemptions = list[Callable[[str], bool]]()


def register_mail_limit_exemption(is_exempt: Callable[[str], bool]) -> None:
    """Let requested emails still go to addresses for which `is_exempt(address)` is true, once the stage has reached its limit."""
    _exemptions.append(is_exempt)


def send_requested(draft: MailDraft, now: int, stage_limit: RateLimit = REQUESTED_MAIL) -> bool:
    """Send an email that anybody can request. Above the limit for the whole stage, send it only to an exempt address.

    Up to the limits, the call looks nothing up. Above a limit, it takes WITHHELD_SECONDS for every address, because its duration must not
    reveal who is a customer: the `kind` of the email depends on that. Returns False and logs the reason if the email was not sent.
    """
    ends_at = clock.monotonic() + WITHHELD_SECONDS
    is_usual = rate_limits.may_mail_mailbox(mailbox_key(draft.to), now)
    if not (is_usual or _may_mail_kind(draft, now)):
        is_sent = False
    elif not rate_limits.may_mail_strangers(now, stage_limit):
        is_sent = _send_if_exempt(draft)
    else:
        is_sent = send(draft)
        if is_usual:
            return is_sent
    deadline.wait(max(0.0, min(ends_at - clock.monotonic(), deadline.remaining() - 1)))
    return is_sent


def may_mail_mailbox(draft: MailDraft, now: int) -> bool:
    """Count a requested email for its mailbox. Returns False and logs the reason above the limit for the mailbox."""
    return rate_limits.may_mail_mailbox(mailbox_key(draft.to), now) or _may_mail_kind(draft, now)


def _may_mail_kind(draft: MailDraft, now: int) -> bool:
    if rate_limits.may_mail_kind(draft.kind, mailbox_key(draft.to), now):
        return True
    logger.info(
        "mail.not_sent", kind=draft.kind, reason="the limit of requested emails to this mailbox is reached (FAIRGATE_LIMIT_RECIPIENT)"
    )
    return False


def _send_if_exempt(draft: MailDraft) -> bool:
    if any(is_exempt(draft.to) for is_exempt in _exemptions):
        return send(draft)
    log.count("mails_withheld")
    logger.info("mail.not_sent", kind=draft.kind, reason="the limit of requested emails is reached (FAIRGATE_LIMIT_REQUESTED_MAIL)")
    return False
