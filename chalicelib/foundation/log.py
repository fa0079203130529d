"""Powertools' Logger and Metrics, and this instance's totals for `GET /metrics`.

`logger.info("order.paid", purchase_id=...)` logs one line: a constant event name, and details in separate fields, so that the line can be
searched. It never contains a secret. `count` and `gauge` collect the metrics of a request or job, and `scope` writes them at its end with
Powertools' Metrics: code that counts needs no namespace, unit or flush, and `GET /metrics` of a local run shows the same numbers.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from logging import Handler, LogRecord, StreamHandler
from typing import TextIO, get_args

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from chalicelib.foundation import settings
from chalicelib.foundation.memory import Memory

SERVICE = "fairgate"
NAMESPACE = "Fairgate"  # namespace of the metrics in CloudWatch

COUNTERS = {
    "reservations_created": "Reservations created.",
    "reservations_refused": "Reservations refused because too few tickets were left.",
    "oversell_attempts": "Attempts to hold more tickets than a shard had, refused by the condition of the write.",
    "holds_expired": "Holds that expired and were released.",
    "holds_left_to_recovery": "Holds that were not converted, released or extended after their purchase was saved; the sweep does this.",
    "orders_paid": "Orders paid, including free ones.",
    "payments_failed": "Payments that were declined.",
    "saved_cards_refused": "Saved cards of people with an offer that could not be charged; they have a day to pay.",
    "late_payments": "Payments that arrived after their purchase had expired or was cancelled.",
    "payment_mismatches": "Payments of an amount that was not requested; they are refunded, and no tickets are issued.",
    "price_mismatches": "Checkouts refused because a price at the payment provider differs from the price in the catalog.",
    "payments_unknown": "Payments for a purchase that does not exist; they are refunded.",
    "refunds": "Refunds requested.",
    "refunds_failed": "Refunds that failed despite retries; an admin must look at them.",
    "disputes_open": "Disputes opened by a buyer's bank; the bank withdraws the amount until it has decided.",
    "disputes_won": "Disputes won.",
    "disputes_lost": "Disputes lost; the tickets are void.",
    "reconciliation_repaired": "Differences between our records and the payment provider's that reconciliation has corrected.",
    "reconciliation_findings": "Differences from the payment provider's records, and between our own, that an admin must look at.",
    **{
        f"{name}_calls": f"Calls to {name.capitalize()}. The gauge {name}_call_budget is how many calls it accepts in a second."
        for name in get_args(settings.ExternalProviderName)
    },
    "webhooks": "Accepted webhooks of payment providers.",
    "webhooks_refused": "Webhooks refused because their signature is not the payment provider's.",
    "tickets_issued": "Tickets issued.",
    "invoices_issued": "Invoices and credit notes issued.",
    "vies_failures": "VAT ids of buyers that VIES could not check.",
    "tickets_checked_in": "People who came in with a ticket.",
    "duplicate_check_ins": "Scans made without a network for more people than the ticket still admitted.",
    "tickets_transferred": "Tickets that a new owner has accepted.",
    "tickets_listed": "Tickets that their buyers offered for resale.",
    "tickets_resold": "Tickets for resale that other buyers have paid for.",
    "cache_hit": "Reads served from an instance's cache.",
    "cache_miss": "Reads that loaded from the store.",
    "cache_stale": "Reads served with old data because the store was unavailable.",
    "secrets_stale": "Failed attempts to read the secrets again; the last values are used.",
    "waiting_room_joins": "Users who joined a waiting room.",
    "beacon_failures": "Attempts to get a round of the beacon for a draw that failed, or returned a wrong signature.",
    "waitlist_joins": "Users who joined the waitlist of an event.",
    "waitlist_offers": "Offers of returned tickets, made to people on a waitlist.",
    "logins_delayed": "Attempts to sign in that were refused because of too many earlier attempts for the account or from the address.",
    "mails_sent": "Emails that the mail server accepted.",
    "mails_failed": "Emails that the mail server did not accept.",
    "mails_delivered": "Emails that arrived, according to SES.",
    "mails_bounced": "Emails that bounced, according to SES.",
    "mails_rejected": "Emails that SES accepted and then did not send, because it found a virus in them.",
    "mails_complained": "Emails that recipients marked as spam, according to SES.",
    "mails_suppressed": "Emails that were not sent, because earlier emails to the address bounced or were marked as spam.",
    "mails_withheld": "Requested emails that were not sent, because the stage had reached the limit and nobody had confirmed the address.",
    "notifications_queued": "Notifications queued to be sent by email.",
    "notifications_given_up": "Notifications that the mail server did not accept despite all attempts; an admin must look at them.",
    "pushes_sent": "Push messages that a browser's push service accepted.",
    "pushes_failed": "Push messages that a browser's push service did not accept, or that could not be sent to it.",
    "pass_updates_sent": "Changed tickets and events whose passes in wallets were updated.",
    "pass_updates_failed": "Attempts to update passes in wallets that Google or Apple did not accept; they are retried.",
    "rate_limited": "Requests refused because a user or an address exceeded a rate limit.",
    "rate_limits_skipped": "Requests that were not counted for rate limits because the store was unavailable.",
    "holdbacks_released": "Holdbacks released at their time or when tickets sold out.",
    "low_stocks": "Tiers whose number of tickets left fell to their `low_stock_at` or below.",
    "outgoing_webhooks_delivered": "Webhooks of promoters that their endpoints accepted.",
    "outgoing_webhooks_failed": "Attempts to send a webhook of a promoter that its endpoint did not accept.",
    "outgoing_webhooks_dead": "Webhooks of promoters that are no longer retried; they can be replayed for 30 days.",
    "orders_not_indexed": "Orders whose names and addresses could not be written to the index of the search for orders.",
    "publications_abandoned": "Bootstrap files and new tiers that were only partly written; they are not on sale.",
    "sweep_runs": "Runs of the scheduled sweep.",
    "sweeps_unfinished": "Runs of the sweep that left work to the next run, because time ran out or calls failed.",
    "store_unavailable": "Requests refused because the store was unavailable or throttled.",
}
GAUGES: dict[str, tuple[str, tuple[str, ...]]] = {
    **{
        f"{name}_call_budget": (f"Calls that {name.capitalize()} accepts from us per second.", ())
        for name in get_args(settings.ExternalProviderName)
    },
    "mail_backlog": ("Notifications that are due and not yet sent, as of the last run.", ()),
    "mail_oldest_seconds": ("Delay of the oldest notification that is due and not yet sent, in seconds.", ()),
    "money_matters": (
        "Open cases: pending refunds, undecided disputes, and differences between our records and the payment provider's.",
        (),
    ),
    "catalog_version": ("Version of the bootstrap file that is on sale, as of the last sweep.", ()),
    "outgoing_webhooks_oldest_seconds": ("Seconds that the oldest webhook to a working endpoint has been due, as of the last run.", ()),
    "active_holds": ("Tickets on hold in the stock that the last sweep read.", ()),
    "queue_length": ("Users in a waiting room who are not admitted yet.", ("event_id",)),
    "active_passes": ("Admitted users whose pass is still valid.", ("event_id",)),
    "admitted": ("Users whom a waiting room has admitted.", ("event_id",)),
}


def _add_request_id(record: LogRecord) -> bool:
    if current := _scope.get():
        record.request_id = current.request_id
    return True


class _StdoutHandler(StreamHandler[TextIO]):
    """Writes to the current `sys.stdout`: commands and the local run redirect it after this module is imported.

    Adds the request id to each line. Telling Powertools' Logger at each request would cost more than a request without lines.
    """

    def __init__(self) -> None:
        Handler.__init__(self)
        self.addFilter(_add_request_id)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stdout


logger = Logger(service=SERVICE, logger_handler=_StdoutHandler(), utc=True, build=settings.build())
metrics = Metrics(namespace=NAMESPACE, service=SERVICE)


class _Scope:
    """The current request or job, and its metrics so far."""

    __slots__ = ("caller_address", "pending", "request_id")

    def __init__(self, request_id: str, caller_address: Callable[[], str | None] | None) -> None:
        self.request_id, self.caller_address = request_id, caller_address
        self.pending: dict[str, float] = {}


_scope: ContextVar[_Scope | None] = ContextVar("scope", default=None)
_totals: Memory[str, float] = Memory()
_gauges: Memory[tuple[str, tuple[str, ...]], float] = Memory()  # (name, values of its labels) -> the value that was set last

# Counters that change on every cached read. Each line costs money, so these counters are written with the next line that is needed anyway.
_CARRIED_ALONG = frozenset({"cache_hit"})
_written: Memory[str, float] = Memory()  # their totals at the last line


def count(name: str, amount: float = 1) -> None:
    """Add to a counter; `name` is a key of COUNTERS."""
    if name not in COUNTERS:
        raise KeyError(name)
    current = _scope.get()
    with _totals.lock:  # the local runtime has several threads, and the threads of a request or job share its scope
        _totals.entries[name] = _totals.entries.get(name, 0) + amount
        if current is not None and name not in _CARRIED_ALONG:
            current.pending[name] = current.pending.get(name, 0) + amount


def gauge(name: str, value: float, /, **labels: str) -> None:
    """Set a gauge; `name` is a key of GAUGES.

    The EMF line has no labels, because each label would cost a metric. For a gauge with labels, it has the highest value that was set.
    """
    names = GAUGES[name][1]
    _gauges.entries[name, tuple(labels[label] for label in names)] = value
    current = _scope.get()
    if current is not None:
        pending = current.pending
        pending[name] = max(value, pending[name]) if names and name in pending else value


def total(name: str) -> float:
    """Return this instance's total of a counter; `name` is a key of COUNTERS."""
    return _totals.entries.get(name, 0)


def gauge_values(name: str) -> dict[tuple[str, ...], float]:
    """Return the last values of a gauge by the values of its labels; `name` is a key of GAUGES."""
    return {labels: value for (gauge, labels), value in list(_gauges.entries.items()) if gauge == name}


@contextmanager
def scope(request_id: str, caller_address: Callable[[], str | None] | None = None) -> Iterator[None]:
    """Add `request_id` to all log lines of the block, and write the block's metrics as one EMF line at the end.

    `caller_address` returns the IP address that the request came from; it is called only if the address is needed.
    """
    current = _Scope(request_id, caller_address)
    token = _scope.set(current)
    try:
        yield
    finally:
        _scope.reset(token)
        if current.pending:
            _flush(current.pending)


def request_id() -> str:
    """Return the request id of the current scope. Outside of a scope, returns an empty string."""
    current = _scope.get()
    return current.request_id if current is not None else ""


def caller_address() -> str | None:
    """Return the IP address that the current request came from. Returns None in a job or command."""
    current = _scope.get()
    return current.caller_address() if current is not None and current.caller_address is not None else None


def _flush(values: dict[str, float]) -> None:
    """Write the metrics as one line."""
    with _totals.lock:  # the threads of the local runtime share `metrics`
        for name in _CARRIED_ALONG:
            if increase := total(name) - _written.entries.get(name, 0):
                values[name] = increase
                _written.entries[name] = total(name)
        metrics.add_dimension(name="stage", value=_stage())  # not a default dimension, because settings are not read at import
        for name, value in values.items():
            metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)
        metrics.flush_metrics()
        metrics.clear_metrics()  # where metrics are disabled, `flush_metrics` keeps the values


def _stage() -> str:
    try:
        return settings.current().stage
    except settings.SettingsError:  # the handler reports the invalid settings in its reply
        return "unknown"
