"""Immediate emails, which are sent within the request. A user waits for such an email (for example with a link) and can repeat the request.

Emails about changes go through the outbox instead (`outbox`, `delivery`). Both kinds use the same templates, and neither is sent to a
suppressed address.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from chalicelib.edge import rate_limits
from chalicelib.edge.error_replies import ServiceUnavailable
from chalicelib.edge.languages import Language
from chalicelib.edge.rate_limits import REQUESTED_MAIL, RateLimit
from chalicelib.foundation import clock, deadline, log, parallel, settings
from chalicelib.foundation.log import logger
from chalicelib.notifications import providers
from chalicelib.notifications.model import EncodedMail, MailMessage, recipient_key
from chalicelib.notifications.providers import MailFailed, MailProvider, ProviderBusy


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


BUSY_SECONDS = 1.0, 2.0  # the waits for a busy provider, about: requests that come together must not repeat their emails together
SECONDS_TO_SEND = 6  # a mail server may take five
RETRY_SECONDS = 60


def send(draft: MailDraft, *, waits: Sequence[float] = BUSY_SECONDS, is_requested: bool = False) -> bool:
    """Send an email. While the provider is busy, repeat this after each of these `waits`.

    Returns False and logs the reason if the email was not sent. Raises SettingsError for a malformed setting, and ServiceUnavailable if the
    email `is_requested` and the provider is still busy.
    """
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
        _repeat_while_busy(waits, provider, outbox.encode_mail(draft.compose()))
    except MailFailed as error:
        log.count("mails_failed")
        logger.warning("mail.failed", kind=draft.kind, error=str(error))
        if is_requested and isinstance(error, ProviderBusy):
            raise ServiceUnavailable("Too many emails are being sent at the moment.", retry_after_seconds=RETRY_SECONDS) from None
        return False
    log.count("mails_sent")
    return True


def _repeat_while_busy(waits: Sequence[float], provider: MailProvider, mail: EncodedMail) -> None:
    for seconds in waits:
        try:
            provider.send(mail)
            return
        except ProviderBusy:
            if deadline.remaining() < 2 * seconds + SECONDS_TO_SEND:
                raise
            deadline.wait(seconds * random.uniform(0.75, 1.25))
    provider.send(mail)


# Emails that anybody can request for any address. Bounces of many made-up addresses would ruin the sender's reputation, so a stage sends
# only a limited number of such emails, and few a day to one mailbox (decisions 165 and 246 in docs/decisions).

WITHHELD_SECONDS = 1.0  # longer than handing over an email usually takes

_exemptions = list[Callable[[str], bool]]()


def register_mail_limit_exemption(is_exempt: Callable[[str], bool]) -> None:
    """Let requested emails still go to addresses for which `is_exempt(address)` is true, once the stage has reached its limit."""
    _exemptions.append(is_exempt)


def send_requested(draft: MailDraft, now: int, stage_limit: RateLimit = REQUESTED_MAIL, prepare: Callable[[], None] = lambda: None) -> bool:
    """Send an email that anybody can request. Above the limit for the whole stage, send it only to an exempt address.

    `prepare` stores what the email contains. It is called right before the email is sent, and not for an email above a limit.

    Up to the limits, the call looks nothing up. Above a limit, it takes WITHHELD_SECONDS for every address, because its duration must not
    reveal who is a customer: the `kind` of the email depends on that. Returns False and logs the reason if the email was not sent.

    Up to the limits, raises ServiceUnavailable if the provider is busy, whatever the address. Above a limit, an email that the provider
    refuses is lost, because only emails to exempt addresses could be refused.
    """
    ends_at = clock.monotonic() + WITHHELD_SECONDS
    may_mail, stage_may_mail = parallel.both(lambda: may_mail_mailbox(draft, now), lambda: rate_limits.may_mail_strangers(now, stage_limit))
    is_usual, is_sent = may_mail and stage_may_mail, False
    if is_usual or (may_mail and _is_exempt(draft)):
        prepare()
        try:
            is_sent = send(draft, is_requested=True) if is_usual else send(draft, waits=())
        except ServiceUnavailable:  # requests without an email must not use up the mailbox's limit
            rate_limits.take_back_mailbox(recipient_key(draft.to), now)
            raise
    if not is_usual:
        deadline.wait(max(0.0, min(ends_at - clock.monotonic(), deadline.remaining() - 1)))
    return is_sent


def may_mail_mailbox(draft: MailDraft, now: int) -> bool:
    """Count a requested email for its mailbox. Returns False and logs the reason above the limit or the share of the caller's network."""
    return rate_limits.may_mail_mailbox(recipient_key(draft.to), now) or _withhold(draft, "to this mailbox", "RECIPIENT")


def _is_exempt(draft: MailDraft) -> bool:
    if any(is_exempt(draft.to) for is_exempt in _exemptions):
        return True
    log.count("mails_withheld")  # raises an alarm, unlike an email for one mailbox
    return _withhold(draft, "of the stage", "REQUESTED_MAIL")


def _withhold(draft: MailDraft, whose: str, limit: str) -> bool:
    logger.info("mail.not_sent", kind=draft.kind, reason=f"the limit of requested emails {whose} is reached (FAIRGATE_LIMIT_{limit})")
    return False
