"""Routes of the public catalog, and of the admins' events and tiers."""

from typing import get_args

from chalice.app import Blueprint

from chalicelib.catalog import admin_queries, response_cache, service
from chalicelib.catalog.management import NewEvent, NewTier
from chalicelib.catalog.model import TierStatus
from chalicelib.edge import idempotency
from chalicelib.edge.http import CacheableReply, Reply, RequestContext, route
from chalicelib.errors import InvalidInput

bp = Blueprint(__name__)


@route(bp, "GET", "/events")
def list_events(request: RequestContext) -> CacheableReply:
    return response_cache.events_reply(request.now)


@route(bp, "GET", "/events/{event_id}")
def show_event(request: RequestContext, event_id: str) -> CacheableReply:
    return response_cache.event_reply(event_id, request.now)


@route(bp, "GET", "/events/{event_id}/availability")
def show_availability(request: RequestContext, event_id: str) -> CacheableReply:
    return response_cache.availability_reply(event_id, request.now)


@route(bp, "GET", "/tickets/types")
def list_ticket_types(request: RequestContext) -> CacheableReply:
    status = request.query("status")
    if status is not None and status not in get_args(TierStatus):
        raise InvalidInput(f"`status` must be one of {', '.join(get_args(TierStatus))}.", path="$.status")
    return response_cache.ticket_types_reply(request.query_id("event_id"), status, request.now)


@route(bp, "GET", "/admin/events")
def list_events_for_admins(request: RequestContext) -> Reply:
    request.require_role("admin")
    return Reply(admin_queries.list_events(request.now))


@route(bp, "POST", "/admin/events")
def create_event(request: RequestContext) -> Reply:
    admin, new = request.require_role("admin"), request.parse_body(NewEvent)

    def execute(event_id: str) -> Reply:
        event = service.create_event(event_id, new, admin.user_id, request.now)
        return Reply(admin_queries.created_event_view(event, request.now), 201)

    return idempotency.execute_once(request, admin.user_id, execute)


@route(bp, "GET", "/admin/events/{event_id}")
def show_event_for_admins(request: RequestContext, event_id: str) -> Reply:
    request.require_role("admin")
    return Reply(admin_queries.get_event(event_id, request.now))


@route(bp, "GET", "/admin/tiers")
def list_tiers_for_admins(request: RequestContext) -> Reply:
    request.require_role("admin")
    return Reply(admin_queries.list_tiers(request.query_id("event_id"), request.now))


@route(bp, "POST", "/admin/tiers")
def create_tier(request: RequestContext) -> Reply:
    admin, new = request.require_role("admin"), request.parse_body(NewTier)

    def execute(tier_id: str) -> Reply:
        states = service.snapshot().states  # before the tier is written, because its reply must not depend on a later read
        tier = service.create_tier(tier_id, new, admin.user_id, request.now)
        return Reply(admin_queries.created_tier_view(tier, states, request.now), 201)

    return idempotency.execute_once(request, admin.user_id, execute)


@route(bp, "GET", "/admin/tiers/{tier_id}")
def show_tier_for_admins(request: RequestContext, tier_id: str) -> Reply:
    request.require_role("admin")
    return Reply(admin_queries.get_tier(tier_id, request.now))


@route(bp, "POST", "/admin/catalog/invalidate")
def invalidate(request: RequestContext) -> Reply:
    admin = request.require_role("admin")
    service.invalidate_everywhere(admin.user_id, request.now)
    return Reply({"message": "All instances will load the catalog again within a few seconds."})
