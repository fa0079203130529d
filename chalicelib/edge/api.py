"""Routes about the service itself: whether it is up, and the metrics of this instance."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from chalice.app import Blueprint

from chalicelib import clock, log, settings
from chalicelib.edge.http import Reply, RequestContext, route

if TYPE_CHECKING:
    from prometheus_client import Metric

bp = Blueprint(__name__)


@route(bp, "GET", "/health")
def health(request: RequestContext) -> Reply:
    """Report that this instance responds. Does not call the store, so that instances are not restarted when the store is down."""
    return Reply({"status": "ok", "service": log.SERVICE, "stage": settings.current().stage, "time": clock.iso(request.now)})


@route(bp, "GET", "/metrics")
def metrics(request: RequestContext) -> Reply:  # noqa: ARG001
    """Return this instance's metrics in Prometheus' text format. CloudWatch has those of all instances."""
    from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

    registry: Any = _Metrics()
    text = generate_latest(registry).decode()
    return Reply(text, headers={"Content-Type": CONTENT_TYPE_LATEST, "Cache-Control": "no-store"})


class _Metrics:
    """What `log` has, as the registry that Prometheus' library writes. The library is imported here, because no other route needs it."""

    def collect(self) -> "Iterator[Metric]":
        from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily

        for name, text in log.COUNTERS.items():
            yield CounterMetricFamily(f"{log.SERVICE}_{name}", text, log.total(name))
        for name, (text, labels) in log.GAUGES.items():
            family = GaugeMetricFamily(f"{log.SERVICE}_{name}", text, labels=labels)
            values = log.gauge_values(name)
            for label_values, value in (values if labels else {(): 0.0} | values).items():
                family.add_metric(label_values, value)
            yield family
