"""What the public reads, and what admins make."""

from typing import get_args

from chalice.app import Blueprint

from chalicelib.catalog import admin_views, pages, service
from chalicelib.catalog.management import NewEvent, NewTier
from chalicelib.catalog.model import TierStatus
from chalicelib.edge import idempotency
from chalicelib.edge.respond import Answer, Call, Document, route
from chalicelib.errors import InvalidInput

bp = Blueprint(__name__)


@route(bp, "GET", "/events")
def list_events(call: Call) -> Document:
    return pages.events(call.now)


@route(bp, "GET", "/events/{event_id}")
def show_event(call: Call, event_id: str) -> Document:
    return pages.event(event_id, call.now)


@route(bp, "GET", "/events/{event_id}/availability")
def show_availability(call: Call, event_id: str) -> Document:
    return pages.availability(event_id, call.now)


@route(bp, "GET", "/tickets/types")
def list_ticket_types(call: Call) -> Document:
    status = call.query("status")
    if status is not None and status not in get_args(TierStatus):
        raise InvalidInput(f"`status` is one of {', '.join(get_args(TierStatus))}.", path="$.status")
    return pages.ticket_types(call.query("event_id"), status, call.now)


@route(bp, "GET", "/admin/events")
def list_events_for_admins(call: Call) -> Answer:
    call.require("admin")
    return Answer(admin_views.events(call.now))


@route(bp, "POST", "/admin/events")
def create_event(call: Call) -> Answer:
    admin, new = call.require("admin"), call.body(NewEvent)

    def execute(event_id: str) -> Answer:
        service.create_event(event_id, new, admin.user_id, call.now)
        return Answer(admin_views.event(event_id, call.now), 201)

    return idempotency.once(call, admin.user_id, execute)


@route(bp, "GET", "/admin/events/{event_id}")
def show_event_for_admins(call: Call, event_id: str) -> Answer:
    call.require("admin")
    return Answer(admin_views.event(event_id, call.now))


@route(bp, "GET", "/admin/tiers")
def list_tiers_for_admins(call: Call) -> Answer:
    call.require("admin")
    return Answer(admin_views.tiers(call.query("event_id"), call.now))


@route(bp, "POST", "/admin/tiers")
def create_tier(call: Call) -> Answer:
    admin, new = call.require("admin"), call.body(NewTier)

    def execute(tier_id: str) -> Answer:
        service.create_tier(tier_id, new, admin.user_id, call.now)
        return Answer(admin_views.tier(tier_id, call.now), 201)

    return idempotency.once(call, admin.user_id, execute)


@route(bp, "GET", "/admin/tiers/{tier_id}")
def show_tier_for_admins(call: Call, tier_id: str) -> Answer:
    call.require("admin")
    return Answer(admin_views.tier(tier_id, call.now))


@route(bp, "POST", "/admin/catalog/invalidate")
def invalidate(call: Call) -> Answer:
    admin = call.require("admin")
    service.drop_caches(admin.user_id, call.now)
    return Answer({"message": "Every instance loads the catalog again within seconds."})
