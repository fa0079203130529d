"""Routes about the service itself: is it alive, and what has this instance counted."""

from chalice.app import Blueprint
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from chalicelib import clock, log, settings
from chalicelib.edge.http import Reply, RequestContext, route

bp = Blueprint(__name__)


@route(bp, "GET", "/health")
def health(request: RequestContext) -> Reply:
    """Says that this instance answers. It asks nothing of the store, so that a store that is down does not restart instances."""
    return Reply({"status": "ok", "service": log.SERVICE, "stage": settings.current().stage, "time": clock.iso(request.now)})


@route(bp, "GET", "/metrics")
def metrics(request: RequestContext) -> Reply:  # noqa: ARG001
    """Prometheus' text format. The figures are this instance's; CloudWatch has those of all instances."""
    text = generate_latest(log.registry).decode()
    return Reply(text, headers={"Content-Type": CONTENT_TYPE_LATEST, "Cache-Control": "no-store"})
