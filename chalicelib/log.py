"""Telemetry: structured log lines, EMF metrics for CloudWatch and counters for `GET /metrics`.

Log lines carry a static event name and facts, never a secret and never a sentence made of variables: one can search them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit
from prometheus_client import CollectorRegistry, Counter, Gauge

SERVICE = "fairgate"

COUNTERS = {
    "reservations_created": "Reservations granted.",
    "reservations_refused": "Reservations refused for want of stock.",
    "oversell_attempts": "Stock changes that a condition refused.",
    "holds_expired": "Holds given back because their time was over.",
    "orders_paid": "Purchases paid, free ones included.",
    "payments_failed": "Payments declined.",
    "late_payments": "Payments that came in for a purchase that was over.",
    "payment_mismatches": "Payments of another sum than was asked for; refunded, never issued.",
    "price_mismatches": "Payments that were not opened, because the prices at Stripe are not ours.",
    "payments_unknown": "Payments for a purchase that does not exist; refunded.",
    "refunds": "Refunds of orders that were asked for.",
    "refunds_failed": "Refunds that could not be made although they were tried again; a person must look.",
    "disputes_open": "Payments that a buyer's bank took back for now.",
    "disputes_won": "Disputes that ended in our favour.",
    "disputes_lost": "Disputes that ended in the buyer's favour; the tickets are void.",
    "reconciliation_repaired": "Differences from Stripe's books that reconciliation has put right.",
    "reconciliation_findings": "Differences from Stripe's books that a person must look at.",
    "stripe_calls": "Calls to Stripe; the gauge stripe_call_budget says how many a second it takes.",
    "webhooks": "Webhooks of Stripe that were taken in.",
    "webhooks_refused": "Webhooks whose signature was not Stripe's.",
    "tickets_issued": "Tickets issued.",
    "cache_hit": "Reads answered from an instance's cache.",
    "cache_miss": "Reads that had to load from the store.",
    "cache_stale": "Reads answered with old data because loading failed.",
    "waiting_room_joins": "Places taken in a waiting room.",
    "rate_limited": "Requests refused because a user or an address sent too many.",
    "rate_limits_skipped": "Requests let through uncounted because the store did not answer.",
    "sweep_runs": "Runs of the sweep.",
    "store_unavailable": "Requests turned away because the store was down or throttled.",
}
GAUGES = {
    "stripe_call_budget": ("Calls a second that Stripe takes from us.", ()),
    "money_matters": ("Refunds that are not through, disputes that are not decided, and differences from Stripe's books.", ()),
    "active_holds": ("Tickets on hold, as the last look at the stock said.", ()),
    "queue_length": ("People in a waiting room who are not admitted yet.", ("event_id",)),
    "active_passes": ("People who were admitted and may still reserve.", ("event_id",)),
    "admitted": ("People of a waiting room who were admitted.", ("event_id",)),
}

_request_id: ContextVar[str] = ContextVar("request_id", default="")
_pending: ContextVar[dict[str, float] | None] = ContextVar("pending_metrics", default=None)

registry = CollectorRegistry()
_counters = {name: Counter(f"{SERVICE}_{name}", text, registry=registry) for name, text in COUNTERS.items()}
_gauges = {name: Gauge(f"{SERVICE}_{name}", text, labels, registry=registry) for name, (text, labels) in GAUGES.items()}

# What a warm read counts on every call stays out of EMF: it would cost a log line per request.
_ONLY_COUNTED = frozenset({"cache_hit"})


@cache
def _logger() -> Logger:
    return Logger(service=SERVICE, utc=True, location=None)


def info(event: str, /, **details: Any) -> None:
    """One line about a happening: `event` is a constant such as `reservation.created`."""
    _logger().info(event, extra={"request_id": _request_id.get(), **details})


def warning(event: str, /, **details: Any) -> None:
    _logger().warning(event, extra={"request_id": _request_id.get(), **details})


def exception(event: str, /, **details: Any) -> None:
    """An error line with the traceback of the exception that is being handled."""
    _logger().exception(event, extra={"request_id": _request_id.get(), **details})


def count(name: str, amount: float = 1) -> None:
    """Add to a counter of COUNTERS."""
    _counters[name].inc(amount)
    pending = _pending.get()
    if pending is not None and name not in _ONLY_COUNTED:
        pending[name] = pending.get(name, 0) + amount


def gauge(name: str, value: float, /, **labels: str) -> None:
    """Set a gauge of GAUGES. Those with labels stay out of EMF, where each label's value would be a metric to pay for."""
    if labels:
        _gauges[name].labels(**labels).set(value)
        return
    _gauges[name].set(value)
    pending = _pending.get()
    if pending is not None:
        pending[name] = value


@contextmanager
def scope(request_id: str) -> Iterator[None]:
    """Everything logged inside carries `request_id`; what was counted leaves as one EMF line at the end."""
    pending: dict[str, float] = {}
    id_token, pending_token = _request_id.set(request_id), _pending.set(pending)
    try:
        yield
    finally:
        _pending.reset(pending_token)
        _request_id.reset(id_token)
        if pending:
            _emit(pending)


def request_id() -> str:
    return _request_id.get()


def _emit(values: dict[str, float]) -> None:
    metrics = EphemeralMetrics(namespace="Fairgate", service=SERVICE)
    for name, value in values.items():
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)
    metrics.flush_metrics()
