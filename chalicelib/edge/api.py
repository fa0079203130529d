"""Routes about the service itself: its health, the metrics of this instance, and the OpenAPI document."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from chalice.app import Blueprint
from msgspec import Struct

from chalicelib.edge import error_replies
from chalicelib.edge.routes import CacheableReply, Reply, RequestContext, route
from chalicelib.foundation import addons, clock, log, settings
from chalicelib.foundation.clock import Timestamp
from chalicelib.foundation.errors import NotFound
from chalicelib.foundation.memory import Memory

if TYPE_CHECKING:
    from prometheus_client import Metric

DOCUMENT_MAX_AGE = 300

bp = Blueprint(__name__)

_documents: Memory[str, CacheableReply[dict[str, Any]]] = Memory()  # the OpenAPI document, under the key ""


class HealthView(Struct, frozen=True):
    """The health of the instance that replies. `identity` says how its stage identifies callers: `demo` accepts the
    `X-User-Id` header as well as tokens.

    `staff_sign_in`: whether the operator's staff sign in through a provider.

    `build` is the version and commit of the running code. `addons` lists the names of the enabled add-ons. The paths of other add-ons do
    not exist. `errors` names the setup errors that occurred on this instance in the last minute: errors from AWS and Stripe such as
    `NoCredentialsError`, and wrong settings. The status is then `not_set_up`. `errors` also names problems with the keys of add-ons, such
    as an expired certificate; the status stays `ok`, because the shop sells without them.
    """

    status: Literal["ok", "not_set_up"]
    service: str
    build: str
    stage: str
    identity: Literal["demo", "jwt"]
    staff_sign_in: bool
    addons: list[str]
    errors: list[str]
    time: Timestamp


@route(bp, "GET", "/health", access="public")
def health(request: RequestContext) -> Reply[HealthView]:
    """Report that this instance responds. It does not call the store, so that a store failure does not cause restarts."""
    current = settings.current()
    errors = error_replies.list_setup_errors(request.now)
    return Reply(
        HealthView(
            status="not_set_up" if errors else "ok",
            service=log.SERVICE,
            build=settings.build(),
            stage=current.stage,
            identity=current.identity,
            staff_sign_in=current.has_staff_sign_in,
            addons=list(addons.enabled()),
            errors=errors + [error for find in addons.hooks("setup_errors") for error in find(request.now)],
            time=clock.iso(request.now),
        )
    )


@route(bp, "GET", "/metrics", access="public", media_types=("text/plain",), errors=(NotFound,))
def metrics(request: RequestContext) -> Reply[str]:  # noqa: ARG001
    """Return this instance's metrics in Prometheus' text format. A deployed stage has its metrics in CloudWatch instead."""
    if settings.build() != settings.DEVELOPMENT:
        raise NotFound
    from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

    registry: Any = _Metrics()
    text = generate_latest(registry).decode()
    return Reply(text, headers={"Content-Type": CONTENT_TYPE_LATEST, "Cache-Control": "no-store"})


@route(bp, "GET", "/openapi.json", access="public")
def show_openapi_document(request: RequestContext) -> CacheableReply[dict[str, Any]]:  # noqa: ARG001
    """Return this OpenAPI document."""
    from chalicelib.edge.openapi import build_document

    reply = _documents.entries.get("")
    if reply is None:
        reply = CacheableReply.encode(build_document(bp.current_app.routes), max_age=DOCUMENT_MAX_AGE)
        _documents.entries[""] = reply
    return reply


class _Metrics:
    """The metrics of `log` as a registry for Prometheus' library, which is imported only here because no other route needs it."""

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
