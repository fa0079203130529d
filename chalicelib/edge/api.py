"""Routes about the service itself: whether it is up, and the metrics of this instance."""

from chalice.app import Blueprint
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from chalicelib import clock, log, settings
from chalicelib.edge.http import Reply, RequestContext, route

bp = Blueprint(__name__)


@route(bp, "GET", "/health")
def health(request: RequestContext) -> Reply:
    """Report that this instance responds. Does not call the store, so that instances are not restarted when the store is down."""
    return Reply({"status": "ok", "service": log.SERVICE, "stage": settings.current().stage, "time": clock.iso(request.now)})


@route(bp, "GET", "/metrics")
def metrics(request: RequestContext) -> Reply:  # noqa: ARG001
    """Return this instance's metrics in Prometheus' text format. CloudWatch has those of all instances."""
    text = generate_latest(log.registry).decode()
    return Reply(text, headers={"Content-Type": CONTENT_TYPE_LATEST, "Cache-Control": "no-store"})
