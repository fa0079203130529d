"""Delivery of the outbox: a run each minute sends the due notifications, no faster than the provider accepts emails.

A run claims a notification by compare-and-set before sending it, so that two simultaneous runs do not send the same notification. If a run
crashes after the provider has accepted an email and before the store records this, the email is sent again with the same Message-ID when
the claim expires.
"""

import random
from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.edge import rate_limits
from chalicelib.edge.rate_limits import RateLimit
from chalicelib.foundation import clock, deadline, log, parallel
from chalicelib.foundation.log import logger
from chalicelib.foundation.memory import Memory
from chalicelib.notifications import outbox, providers, ses_reports, store
from chalicelib.notifications.model import MailMessage, Notification, recipient_key
from chalicelib.notifications.providers import MailFailed, MailProvider, MailRefused, ProviderBusy, SendingStopped
from chalicelib.notifications.store import MAX_WAIT_SECONDS, Due


class Postponed(Exception):
    """Raised by `compose`: the email must not be sent before `until` (epoch seconds)."""

    def __init__(self, until: int) -> None:
        super().__init__()
        self.until = until


Compose = Callable[[Notification], MailMessage | None]

NOT_COMPOSED = "not composed: "  # the beginning of the failure of an attempt that did not reach the provider
CLAIM_SECONDS = 120  # longer than an attempt may take
MAX_ATTEMPTS = 12
FIRST_WAIT_SECONDS = 30  # doubles after each attempt, up to MAX_WAIT_SECONDS; all attempts take up to about ten hours
MAX_BUSY_SECONDS = 4  # the longest wait for a busy provider; the first wait takes a second, and each further one twice as long
BUSY_TRIES = 4  # refusals of a chunk of which nothing is accepted, until the refused emails count as failed
REDUCED = " (reduced)"  # the end of the failure of an attempt to send an email in its reduced form
MAX_RUN_SECONDS = 50  # the next run begins after 60 seconds
RESERVE_SECONDS = 10  # with less time left before the deadline, no further emails are sent
SHORT_WAIT_SECONDS = 2 * 86_400  # how long a short email may wait for others to its address about the same event
# An email that waits for a limit is tried at most this much later than the first such email, so a raised limit soon takes effect. An email
# that has waited longer is tried again after as long as it has waited, but after a week at most: anybody can make very many emails wait.
MAX_LINE_SECONDS, MAX_PAUSE_SECONDS = 3600, 7 * 86_400
COUNTED = 5_000  # per lane: a larger backlog is reported as this number

_full_until: Memory[tuple[str, str], int] = Memory()  # when an exceeded limit grants the next email, by limit name and key
_line_ends: Memory[tuple[str, str], int] = Memory()  # when the last email that waits for a limit is due


class DeliveryReport(Struct):
    """The result of a run. `backlog` counts the due notifications that are not sent yet; `oldest_seconds` is how late the oldest is.

    `busy` is why the provider did not accept some emails at once, and is empty if it accepted all. These emails have not failed.
    """

    sent: int = 0
    failed: int = 0
    dropped: int = 0
    backlog: int = 0
    oldest_seconds: int = 0
    busy: str = ""


def send_due(compose: Compose, wait: Callable[[float], None] = deadline.wait) -> DeliveryReport:
    """Send the due notifications, at most `outbox.mail_rate` emails per second.

    `compose` returns the email for a notification, or None if the notification is no longer needed. It raises Postponed if the email must
    wait. Without a provider, nothing is sent and all notifications stay queued.
    """
    report, provider, queued = DeliveryReport(), providers.find_provider(), _query_queued()
    due = [entry for entry in queued if entry.next_at <= clock.now()]
    if due and provider is not None:
        _send_all(due, provider, compose, report, wait)
        if report.busy:
            logger.warning("mail.provider_busy", error=report.busy, sent=report.sent)
        queued = _query_queued()
    _measure_backlog(queued, report)
    return report


def _query_queued() -> list[Due]:
    """Read the queued notifications that are due or wait for a retry, and the few notifications that become due within MAX_WAIT_SECONDS."""
    return store.query_queued(clock.now() + MAX_WAIT_SECONDS, COUNTED)


def _send_all(due: list[Due], provider: MailProvider, compose: Compose, report: DeliveryReport, wait: Callable[[float], None]) -> None:
    """Send the due notifications in chunks while time is left, and wait for a busy provider.

    Only emails that reach the provider use up its rate. Emails that are postponed or dropped do not hold up the emails behind them. All
    emails of a chunk are sent at once, and the run ends if another chunk as slow as the slowest one could miss the deadline.

    Emails that are still refused while all others of their chunk have been accepted count as failed: a mail server may refuse them, and
    only them, with the same answer as for its rate.
    """
    began, rate, slowest, pause, refusals = clock.monotonic(), outbox.mail_rate(), 0.0, 0.0, 0
    size, start = min(rate, parallel.MAX_THREADS), 0
    while start < len(due):
        if clock.monotonic() - began + pause > MAX_RUN_SECONDS or deadline.remaining() < RESERVE_SECONDS + slowest + pause:
            return
        if pause:
            wait(pause)
        chunk_began = clock.monotonic()
        outcomes = _send_chunk(due[start : start + size], provider, compose, report, is_last_try=refusals == BUSY_TRIES - 1)
        if "stopped" in outcomes:
            return
        took = clock.monotonic() - chunk_began
        slowest = max(slowest, took)
        if "busy" in outcomes:  # the same chunk again: the emails that were sent are no longer due
            refusals = 1 if "sent" in outcomes else refusals + 1
            pause = min(MAX_BUSY_SECONDS, 2.0 ** (refusals - 1))
        else:
            start, refusals = start + size, 0
            pause = max(0.0, (outcomes.count("sent") + outcomes.count("failed")) / rate - took)


def _send_chunk(chunk: list[Due], provider: MailProvider, compose: Compose, report: DeliveryReport, *, is_last_try: bool) -> list[str]:
    """Send one chunk. Returns the outcome of each attempt."""
    found = {notification.id: notification for notification in store.load_notifications(due.id for due in chunk)}
    waiting = [notification for due in chunk if (notification := found.get(due.id)) is not None and _is_due(notification)]
    outcomes = parallel.call_each(lambda notification: _attempt(notification, provider, compose, report, is_last_try), waiting)
    report.sent += outcomes.count("sent")
    report.dropped += outcomes.count("dropped")
    report.failed += outcomes.count("failed")
    return outcomes


def _is_due(notification: Notification) -> bool:
    """Return whether the notification is still due. Another run may have claimed it after the index was read."""
    return notification.next_at is not None and notification.next_at <= clock.now()


def _attempt(notification: Notification, provider: MailProvider, compose: Compose, report: DeliveryReport, is_last_try: bool) -> str:
    """Make one attempt to send a notification, unless another run has claimed it. Returns the outcome in one word."""
    now = clock.now()
    claimed = store.claim(notification, now + CLAIM_SECONDS, now)
    if claimed is None:
        return "claimed"
    if claimed.attempts > MAX_ATTEMPTS:  # `_fail` counts every attempt that ends, so this email has crashed its runs
        _give_up(claimed, f"{NOT_COMPOSED}the run did not end")
        return "failed"
    try:
        return _send(claimed, provider, compose)
    except (ProviderBusy, SendingStopped) as error:  # not the notification's fault: it keeps its place, and the attempt does not count
        report.busy = failure = str(error)
        if is_last_try and isinstance(error, ProviderBusy):
            _fail(claimed, failure)
            return "failed"
        _save_outcome(claimed, replace(notification, failure=failure))
        return "busy" if isinstance(error, ProviderBusy) else "stopped"
    except Postponed as postponed:
        _save_outcome(claimed, replace(notification, due_at=postponed.until, next_at=postponed.until))
        return "postponed"
    except MailRefused as error:
        _give_up(claimed, str(error))
        return "failed"
    except MailFailed as error:
        _fail(claimed, str(error))
        return "failed"
    except Exception as error:
        # An error in our own templates must neither block other emails nor be retried forever.
        logger.exception("notification.not_composed", kind=claimed.kind, notification_id=claimed.id)
        _fail(claimed, f"{NOT_COMPOSED}{type(error).__name__}")
        return "failed"


def _send(claimed: Notification, provider: MailProvider, compose: Compose) -> str:
    message = compose(claimed)
    if message is None:
        _save_outcome(claimed, replace(claimed, status="dropped", next_at=None))
        return "dropped"
    if ses_reports.is_suppressed(message.to):
        log.count("mails_suppressed")
        _save_outcome(claimed, replace(claimed, status="suppressed", next_at=None))
        return "dropped"
    allowed = _within_limits(claimed, message)
    if allowed is None:
        logger.info("mail.not_sent", kind=message.kind, reason="the address got another short email about this event every day")
        _save_outcome(claimed, replace(claimed, status="dropped", next_at=None))
        return "dropped"
    try:
        provider_id = provider.send(outbox.encode_mail(allowed))
    except MailFailed as error:
        if allowed is message:
            raise
        raise type(error)(f"{error}{REDUCED}") from None
    log.count("mails_sent")
    _save_outcome(claimed, replace(claimed, status="sent", next_at=None, provider_id=provider_id, failure=None))
    return "sent"


def _within_limits(claimed: Notification, message: MailMessage) -> MailMessage | None:
    """Count an email toward the limits of its address and its promoter. Returns the email to send: this one, or its reduced form.

    Returns None for a short email that has waited for SHORT_WAIT_SECONDS because its address keeps getting other emails about the same
    event. Raises Postponed if the email must wait for a limit. An email that the provider refused is not counted again when it is retried,
    and keeps its form.
    """
    if claimed.failure is not None and not claimed.failure.startswith(NOT_COMPOSED):
        return message.reduced() if message.reduced is not None and claimed.failure.endswith(REDUCED) else message
    now, mailbox = clock.now(), recipient_key(message.to)
    counted: list[tuple[RateLimit, str]] = []
    if message.is_to_stranger:
        counted.append((rate_limits.RECIPIENT, mailbox))
    elif message.is_returnable:  # counted apart, so that free orders cannot delay it
        counted.append((rate_limits.RECIPIENT, f"paid {mailbox}"))
    if message.budget is not None:
        counted.append((rate_limits.UNVERIFIED_MAIL if message.is_short else rate_limits.PROMOTER_MAIL, message.budget))
    if message.is_short:  # last, so that an email that waits for another limit does not use up its day
        counted.append((rate_limits.SHORT_MAIL, f"{mailbox} {claimed.event_id}"))
    exceeded, until = _count(counted, now)
    if exceeded is None:
        return message
    limit, key = exceeded
    if limit is rate_limits.RECIPIENT and message.reduced is not None:
        reduced = message.reduced()
        return None if reduced is None else _within_limits(claimed, reduced)
    if limit is rate_limits.SHORT_MAIL and until > claimed.created_at + SHORT_WAIT_SECONDS:
        return None
    raise Postponed(_place_in_line(limit, key, until, now - claimed.created_at))


def _place_in_line(limit: RateLimit, key: str, until: int, waited: int) -> int:
    """Return when an email that waits for an exceeded limit is due again: one email each time the limit grants one, from `until` on.

    If all waiting emails were due together, they would hold up all other emails each time the limit grants one. Emails beyond
    MAX_LINE_SECONDS get a random time, which is later the longer they have `waited` (seconds), and take a place when they are due.
    """
    if limit is rate_limits.SHORT_MAIL:  # other emails that wait for it are dropped
        return until
    with _line_ends.lock:
        place = max(until, _line_ends.entries.get((limit.name, key), 0) + -(-limit.quota.interval // 1000))
        if place > until + MAX_LINE_SECONDS:
            longest = min(max(MAX_LINE_SECONDS, waited), MAX_PAUSE_SECONDS)
            return until + int(random.uniform(longest / 2, longest))
        _line_ends.entries[limit.name, key] = place
        return place


def _count(counted: list[tuple[RateLimit, str]], now: int) -> tuple[tuple[RateLimit, str] | None, int]:
    """Count an email. Returns the exceeded limit with its key, or None, and the time until which the email must wait.

    Counts nothing if a limit is already known to be exceeded, so that an email that waits for one limit does not use up the others.
    """
    waits = [((limit, key), _full_until.entries.get((limit.name, key), 0)) for limit, key in counted]
    if waits and (latest := max(waits, key=lambda wait: wait[1]))[1] > now:
        return latest
    for limit, key in counted:
        seconds = rate_limits.count_effect(limit, key, now)
        if seconds:
            _full_until.entries[limit.name, key] = now + seconds
            return (limit, key), now + seconds
    return None, now


def _fail(claimed: Notification, failure: str) -> None:
    if claimed.attempts >= MAX_ATTEMPTS:
        _give_up(claimed, failure)
        return
    log.count("mails_failed")
    logger.warning("notification.failed", kind=claimed.kind, notification_id=claimed.id, attempts=claimed.attempts, error=failure)
    _save_outcome(claimed, replace(claimed, next_at=clock.now() + wait_seconds(claimed.attempts), failure=failure))


def _give_up(claimed: Notification, failure: str) -> None:
    log.count("mails_failed")
    log.count("notifications_given_up")
    logger.warning("notification.given_up", kind=claimed.kind, notification_id=claimed.id, attempts=claimed.attempts, error=failure)
    _save_outcome(claimed, replace(claimed, status="failed", next_at=None, failure=failure))


def _save_outcome(claimed: Notification, after: Notification) -> None:
    store.end_attempt(claimed, replace(after, changed_at=clock.now()))


def wait_seconds(attempts: int) -> int:
    """Return a random wait before the next attempt, between half of a maximum and the maximum, which doubles with each attempt.

    The wait is random so that retries are spread out.
    """
    longest = min(MAX_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2 ** (attempts - 1))
    return int(random.uniform(longest / 2, longest))


def _measure_backlog(queued: list[Due], report: DeliveryReport) -> None:
    """Measure the backlog. A zero is written only after a backlog, because each metric costs money even in a month without sales."""
    late = [clock.now() - due.due_at for due in queued if due.due_at <= clock.now()]
    report.backlog, report.oldest_seconds = len(late), max(late, default=0)
    if report.backlog or any(log.gauge_values("mail_backlog").values()):
        log.gauge("mail_backlog", report.backlog)
        log.gauge("mail_oldest_seconds", report.oldest_seconds)
