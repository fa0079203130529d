"""Routes for webhook endpoints: promoters manage their own endpoints, and admins manage all endpoints."""

from typing import Annotated

from chalice.app import Blueprint
from msgspec import Meta, Struct
from msgspec.structs import replace

from chalicelib.accounts.model import AddressNotVerified
from chalicelib.addons.outgoing_webhooks import endpoints, outbox
from chalicelib.addons.outgoing_webhooks.model import (
    AttemptUnderWay,
    DeliveryState,
    Endpoint,
    EndpointChanging,
    EndpointDisabled,
    TooManyEndpoints,
)
from chalicelib.addons.outgoing_webhooks.store import list_endpoints
from chalicelib.addons.outgoing_webhooks.views import (
    DeliveriesView,
    DeliveryView,
    EndpointChanges,
    EndpointsView,
    EndpointView,
    FailedDeliveries,
    FullDeliveryView,
    NewEndpoint,
    ReplayedView,
    delivery_view,
    endpoint_view,
    full_delivery_view,
)
from chalicelib.catalog.revisions import Expected, PreconditionFailed, VersionConflict
from chalicelib.edge import cursors
from chalicelib.edge.cursors import Cursor
from chalicelib.edge.idempotency import IDEMPOTENCY_KEY, execute_once
from chalicelib.edge.languages import ACCEPT_LANGUAGE
from chalicelib.edge.operation import IF_MATCH
from chalicelib.edge.rate_limits import WEBHOOK, RateLimited, limited
from chalicelib.edge.routes import Done, Reply, RequestContext, route
from chalicelib.foundation import clock

bp = Blueprint(__name__)

_ENDPOINTS = "/promoters/{promoter_id}/webhook-endpoints"
_ENDPOINT = _ENDPOINTS + "/{endpoint_id}"
_CHANGE_ERRORS = (VersionConflict, PreconditionFailed, EndpointChanging)
_DELIVERY_ID = r"msg_[0-9A-Z]{26}"


class DeliveriesQuery(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Which page of the deliveries to show, optionally only deliveries in one `state`."""

    state: DeliveryState | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    cursor: Cursor | None = None


@route(bp, "GET", _ENDPOINTS, access="manager")
def list_webhook_endpoints(request: RequestContext, promoter_id: str) -> Reply[EndpointsView]:
    """List the webhook endpoints of a promoter."""
    endpoints.require_owner(request.require_user(), promoter_id)
    found = list_endpoints(promoter_id)
    return Reply(EndpointsView([endpoint_view(endpoint, request.now) for endpoint in found]))


@route(
    bp,
    "POST",
    _ENDPOINTS,
    access="manager",
    statuses=(201, 200),
    headers=(IDEMPOTENCY_KEY, ACCEPT_LANGUAGE),
    errors=(AddressNotVerified, TooManyEndpoints, RateLimited),
)
def create_webhook_endpoint(request: RequestContext, promoter_id: str, body: NewEndpoint) -> Reply[EndpointView]:
    """Create a webhook endpoint. Only this reply shows its secret. The promoter gets an email."""
    actor = _require_owner(request, promoter_id)
    created: list[Endpoint] = []

    def execute(new_id: str) -> Reply[EndpointView]:
        with limited(request, WEBHOOK, actor):
            types = list(dict.fromkeys(body.event_types))
            fields = promoter_id, new_id, body.url, body.description, types
            created.append(endpoints.create_endpoint(*fields, actor, request.now, request.language))
        return _endpoint_reply(created[0], request.now, 201)

    return _with_secret(execute_once(request, actor, execute), created)


@route(bp, "GET", _ENDPOINT, access="manager")
def show_webhook_endpoint(request: RequestContext, promoter_id: str, endpoint_id: str) -> Reply[EndpointView]:
    """Show a webhook endpoint, without its secret."""
    return _endpoint_reply(_get_endpoint(request, promoter_id, endpoint_id), request.now)


@route(bp, "PATCH", _ENDPOINT, access="manager", headers=(IF_MATCH, ACCEPT_LANGUAGE), errors=(*_CHANGE_ERRORS, RateLimited))
def change_webhook_endpoint(request: RequestContext, promoter_id: str, endpoint_id: str, body: EndpointChanges) -> Reply[EndpointView]:
    """Change some fields of a webhook endpoint, or disable or enable it. The promoter gets an email about a new address."""
    actor = _require_owner(request, promoter_id)
    expected = Expected(body.version if isinstance(body.version, int) else None, request.header("if-match"))
    with limited(request, WEBHOOK, actor):
        changed = endpoints.change_endpoint(promoter_id, endpoint_id, body.values(), actor, request.now, expected, request.language)
    return _endpoint_reply(changed, request.now)


@route(bp, "DELETE", _ENDPOINT, access="manager", headers=(IF_MATCH,), errors=(VersionConflict, PreconditionFailed))
def delete_webhook_endpoint(request: RequestContext, promoter_id: str, endpoint_id: str) -> Reply[Done]:
    """Delete a webhook endpoint and its pending deliveries."""
    actor = _require_owner(request, promoter_id)
    endpoints.delete_endpoint(promoter_id, endpoint_id, actor, request.now, Expected(None, request.header("if-match")))
    return Reply(Done("The webhook endpoint has been deleted. It receives no further deliveries."))


@route(bp, "POST", f"{_ENDPOINT}/rotate-secret", access="manager", headers=(IDEMPOTENCY_KEY,), errors=(EndpointChanging, RateLimited))
def rotate_webhook_secret(request: RequestContext, promoter_id: str, endpoint_id: str) -> Reply[EndpointView]:
    """Give a webhook endpoint a new secret. Messages are also signed with the previous secret for another 24 hours."""
    actor = _require_owner(request, promoter_id)
    rotated: list[Endpoint] = []

    def execute(_: str) -> Reply[EndpointView]:
        with limited(request, WEBHOOK, actor):
            rotated.append(endpoints.rotate_secret(promoter_id, endpoint_id, actor, request.now))
        return _endpoint_reply(rotated[0], request.now)

    return _with_secret(execute_once(request, actor, execute), rotated)


@route(
    bp,
    "POST",
    f"{_ENDPOINT}/test",
    access="manager",
    statuses=(202,),
    headers=(IDEMPOTENCY_KEY,),
    errors=(EndpointDisabled, RateLimited),
)
def test_webhook_endpoint(request: RequestContext, promoter_id: str, endpoint_id: str) -> Reply[DeliveryView]:
    """Send a `ping` to a webhook endpoint. The delivery shows the outcome a moment later."""
    actor = _require_owner(request, promoter_id)

    def execute(nonce: str) -> Reply[DeliveryView]:
        with limited(request, WEBHOOK, actor):
            endpoint = endpoints.get_endpoint(promoter_id, endpoint_id)
            delivery = outbox.send_ping(endpoint, nonce, request.now)
            endpoints.record_action(endpoint, "webhook_endpoint.tested", actor, request.now, delivery_id=delivery.id)
        return Reply(delivery_view(delivery), 202)

    return execute_once(request, actor, execute)


@route(bp, "GET", f"{_ENDPOINT}/deliveries", access="manager")
def list_webhook_deliveries(request: RequestContext, promoter_id: str, endpoint_id: str, query: DeliveriesQuery) -> Reply[DeliveriesView]:
    """List the deliveries of a webhook endpoint in the last 30 days, including pending deliveries."""
    endpoint = _get_endpoint(request, promoter_id, endpoint_id)
    before = None if query.cursor is None else cursors.decode(query.cursor, _DELIVERY_ID)
    page = outbox.list_deliveries(endpoint, query.state, query.limit, before)
    next_cursor = None if page.next_before is None else cursors.encode(page.next_before)
    return Reply(DeliveriesView([delivery_view(delivery) for delivery in page.deliveries], next_cursor))


@route(bp, "GET", f"{_ENDPOINT}/deliveries/{{delivery_id}}", access="manager")
def show_webhook_delivery(request: RequestContext, promoter_id: str, endpoint_id: str, delivery_id: str) -> Reply[FullDeliveryView]:
    """Show a delivery with its attempts and the beginning of the last reply."""
    return Reply(full_delivery_view(outbox.get_delivery(_get_endpoint(request, promoter_id, endpoint_id), delivery_id)))


@route(
    bp,
    "POST",
    f"{_ENDPOINT}/deliveries/{{delivery_id}}/replay",
    access="manager",
    statuses=(202,),
    headers=(IDEMPOTENCY_KEY,),
    errors=(EndpointDisabled, AttemptUnderWay, RateLimited),
)
def replay_webhook_delivery(request: RequestContext, promoter_id: str, endpoint_id: str, delivery_id: str) -> Reply[DeliveryView]:
    """Send a message again with the same id and body, and with a full round of attempts."""
    actor = _require_owner(request, promoter_id)

    def execute(_: str) -> Reply[DeliveryView]:
        with limited(request, WEBHOOK, actor):
            endpoint = endpoints.get_endpoint(promoter_id, endpoint_id)
            delivery = outbox.replay_delivery(endpoint, delivery_id, request.now)
            endpoints.record_action(endpoint, "webhook_delivery.replayed", actor, request.now, delivery_id=delivery_id)
        return Reply(delivery_view(delivery), 202)

    return execute_once(request, actor, execute)


@route(
    bp,
    "POST",
    f"{_ENDPOINT}/replay-failed",
    access="manager",
    statuses=(202,),
    headers=(IDEMPOTENCY_KEY,),
    errors=(EndpointDisabled, RateLimited),
)
def replay_failed_webhooks(request: RequestContext, promoter_id: str, endpoint_id: str, body: FailedDeliveries) -> Reply[ReplayedView]:
    """Resend messages that failed permanently, up to 100 per call, optionally only messages from a time range."""
    actor = _require_owner(request, promoter_id)
    since, until = body.seconds(request.now)
    before = None if body.cursor is None else cursors.decode(body.cursor, _DELIVERY_ID)

    def execute(_: str) -> Reply[ReplayedView]:
        with limited(request, WEBHOOK, actor):
            endpoint = endpoints.get_endpoint(promoter_id, endpoint_id)
            page = outbox.replay_failed_deliveries(endpoint, since, until, before, request.now)
            span = {"since": clock.iso(since), "until": clock.iso(until)}
            endpoints.record_action(endpoint, "webhook_endpoint.failed_replayed", actor, request.now, replayed=page.replayed, **span)
        next_cursor = None if page.next_before is None else cursors.encode(page.next_before)
        return Reply(ReplayedView(page.replayed, next_cursor), 202)

    return execute_once(request, actor, execute)


def _require_owner(request: RequestContext, promoter_id: str) -> str:
    """Return the caller's id. Raises Forbidden unless the caller may act for this promoter."""
    identity = request.require_user()
    endpoints.require_owner(identity, promoter_id)
    return identity.user_id


def _get_endpoint(request: RequestContext, promoter_id: str, endpoint_id: str) -> Endpoint:
    """Return the endpoint if the caller may manage it. Raises EndpointNotFound or Forbidden."""
    _require_owner(request, promoter_id)
    return endpoints.get_endpoint(promoter_id, endpoint_id)


def _endpoint_reply(endpoint: Endpoint, now: int, status: int = 200) -> Reply[EndpointView]:
    return Reply(endpoint_view(endpoint, now), status, {"ETag": f'"{endpoint.version}"'})


def _with_secret(reply: Reply[EndpointView], changed: list[Endpoint]) -> Reply[EndpointView]:
    """Add the secret if this request created it. The reply that is stored for repeated requests does not contain the secret."""
    return replace(reply, body=replace(reply.body, secret=changed[0].secret)) if changed else reply
