"""Catalog routes: public reads, changes by promoters and admins, older admin routes, calendar files and pages as HTML."""

from typing import Annotated
from urllib.parse import urlsplit

from chalice.app import Blueprint
from msgspec import Meta, Struct

from chalicelib.catalog import (
    admin_queries,
    capacities,
    event_management,
    event_states,
    pages,
    permissions,
    response_cache,
    revisions,
    service,
    sharing,
    snapshots,
    tier_management,
)
from chalicelib.catalog.capacities import NO_STOCK_LEFT, CapacityNeedsDraft, CapacityTooSmall, HoldbackInUse, HoldbacksTooLarge
from chalicelib.catalog.event_management import EventNotDraft
from chalicelib.catalog.event_states import AlreadyCancelled, EventHasSales, EventIncomplete
from chalicelib.catalog.forms import DateRule, EventChanges, EventFields, NewEvent, NewTier, StateChange, TierChanges, TierFields
from chalicelib.catalog.model import MAX_DATES, EventStatus
from chalicelib.catalog.permissions import PromoterUnverified
from chalicelib.catalog.quotas import EventLimitReached, EventQuotaReached, TooManyTickets, TooManyTiers
from chalicelib.catalog.response_cache import MAX_LISTED, TicketTypesQuery
from chalicelib.catalog.revisions import CHANGE_ERRORS, CatalogChanging, expected_version, versioned_reply
from chalicelib.catalog.sale_rules import RoundPublic, SaleFrozen
from chalicelib.catalog.search import EventQuery
from chalicelib.catalog.stock_ledger import MAX_PAGES, StockLedgerView
from chalicelib.catalog.tier_management import TierHasSales, TierNameTaken
from chalicelib.catalog.views import (
    AdminEventView,
    AdminEventWithTiersView,
    AdminTierView,
    AvailabilityView,
    CatalogView,
    ChangedTierView,
    DeletedView,
    EventWithTiersView,
    ListedEventView,
    TicketTypesView,
    TierAvailabilityView,
    TiersView,
    TierView,
)
from chalicelib.edge import cursors, idempotency
from chalicelib.edge.auth import Forbidden, Unauthenticated
from chalicelib.edge.cursors import Cursor
from chalicelib.edge.languages import ACCEPT_LANGUAGE, Language, LanguageQuery
from chalicelib.edge.operation import IF_MATCH
from chalicelib.edge.rate_limits import CATALOG, RateLimited, limit_writes, limited_for_caller
from chalicelib.edge.routes import CacheableReply, Done, Reply, RequestContext, route
from chalicelib.foundation import clock, settings
from chalicelib.foundation.errors import NotFound
from chalicelib.foundation.ids import Id
from chalicelib.inventory.model import CapacityInUse, default_shard_count

bp = Blueprint(__name__)

# Errors of changes to an event and to a tier, by PUT and by PATCH.
EVENT_ERRORS = (
    *CHANGE_ERRORS,
    AlreadyCancelled,
    EventIncomplete,
    CapacityNeedsDraft,
    CapacityTooSmall,
    EventHasSales,
    RoundPublic,
    SaleFrozen,
)
TIER_ERRORS = (
    *CHANGE_ERRORS,
    TierNameTaken,
    TooManyTickets,
    CapacityTooSmall,
    HoldbacksTooLarge,
    HoldbackInUse,
    CapacityInUse,
    SaleFrozen,
)


class CatalogListQuery(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The page of a list to return."""

    limit: Annotated[int, Meta(ge=1, le=MAX_LISTED)] = MAX_LISTED
    cursor: Cursor | None = None


class PageQuery(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The path of a page or a feed in the shop, such as `/` or `/events/<id>`. The page at `/preview` has no content.

    Without a language, Accept-Language decides.
    """

    path: Annotated[str, Meta(max_length=400)] = "/"
    language: Language | None = None


class StockLedgerQuery(Struct, forbid_unknown_fields=True, frozen=True):
    """The number of the page, from 0."""

    page: Annotated[int, Meta(ge=0, lt=MAX_PAGES)] = 0


class TiersQuery(CatalogListQuery, forbid_unknown_fields=True, frozen=True, kw_only=True):
    event_id: Id | None = None


@route(bp, "GET", "/catalog", access="public")
def show_catalog(request: RequestContext) -> Reply[CatalogView]:  # noqa: ARG001
    """Show which version of the catalog this instance serves. A new version reaches all instances within a few seconds."""
    catalog = service.snapshot()
    return Reply(CatalogView(catalog.version, catalog.head.public_revision, catalog.head.checksum))


@route(bp, "GET", "/events", access="public")
def list_events(request: RequestContext, query: EventQuery) -> CacheableReply[list[ListedEventView]]:
    """List the public events with the beginning of their descriptions. Events that are over come last. With filters, the list has pages.

    A page is at most 1 MB.
    """
    if not query.has_filters:
        return response_cache.events_reply(query.language, request.now)
    return response_cache.filtered_events_reply(query, request.now)


@route(
    bp,
    "POST",
    "/events",
    access="manager",
    statuses=(201, 200),
    headers=(idempotency.IDEMPOTENCY_KEY,),
    errors=(CatalogChanging, EventIncomplete, EventLimitReached, EventQuotaReached, RateLimited),
)
@limited_for_caller(CATALOG)
def create_event(request: RequestContext, body: EventFields) -> Reply[AdminEventWithTiersView]:
    """Create a draft event. Promoters create their own events; admins may name any promoter."""
    caller = request.require_user()
    if not caller.roles & {"admin", "promoter"}:
        raise Forbidden("Only promoters and admins may create events.")
    promoter_id = None if "admin" in caller.roles else caller.user_id
    _check_promoter(request, body, promoter_id)

    def execute(event_id: str) -> Reply[AdminEventWithTiersView]:
        limit_writes(request, CATALOG, default_shard_count(body.values().get("capacity") or 0))
        event = event_management.create_event(event_id, body, caller.user_id, request.now, promoter_id=promoter_id)
        return versioned_reply(admin_queries.created_event_view(event, request.now), 201)

    return idempotency.execute_once(request, caller.user_id, execute)


@route(bp, "GET", "/events/{event_id}", access="public")
def show_event(request: RequestContext, event_id: str, query: LanguageQuery) -> CacheableReply[EventWithTiersView]:
    """Show an event with its tiers, cheapest first. The event's managers also see drafts, hidden tiers and additional fields."""
    if _is_manager(request, event_id):
        return admin_queries.managed_event_reply(event_id, query.language, request.now)
    return response_cache.event_reply(event_id, query.language, request.now)


@route(
    bp,
    "PUT",
    "/events/{event_id}",
    access="manager",
    headers=(IF_MATCH,),
    errors=EVENT_ERRORS,
)
@limited_for_caller(CATALOG)
def replace_event(request: RequestContext, event_id: str, body: EventFields) -> Reply[AdminEventWithTiersView]:
    """Replace the fields of an event; omitted fields get their defaults."""
    return _update_event(request, event_id, body)


@route(
    bp,
    "PATCH",
    "/events/{event_id}",
    access="manager",
    headers=(IF_MATCH,),
    errors=EVENT_ERRORS,
)
@limited_for_caller(CATALOG)
def change_event(request: RequestContext, event_id: str, body: EventChanges) -> Reply[AdminEventWithTiersView]:
    """Change some fields of an event."""
    return _update_event(request, event_id, body)


@route(
    bp,
    "POST",
    "/admin/events/{event_id}/dates",
    access="manager",
    headers=(IF_MATCH,),
    errors=(*EVENT_ERRORS, TooManyTiers, TooManyTickets),
)
@limited_for_caller(CATALOG)
def add_event_dates(request: RequestContext, event_id: str, body: DateRule) -> Reply[AdminEventWithTiersView]:
    """Add the dates of a repetition rule to an event, with ticket types if requested. Dates that the event already has are left out."""
    actor = permissions.require_actor(request.require_user(), event_id)
    tiers = [] if body.tiers_of is None else tier_management.tiers_of_date(event_id, body.tiers_of)
    limit_writes(request, CATALOG, MAX_DATES * sum(tier.shards for tier in tiers))
    event_management.add_dates(event_id, body, tiers, actor, request.now, expected_version(request, body))
    return versioned_reply(admin_queries.changed_event_view(event_id, request.now))


@route(bp, "DELETE", "/events/{event_id}", access="manager", headers=(IF_MATCH,), errors=(*CHANGE_ERRORS, EventHasSales, EventNotDraft))
@limited_for_caller(CATALOG)
def delete_event(request: RequestContext, event_id: str) -> Reply[DeletedView]:
    """Delete a draft."""
    actor = permissions.require_actor(request.require_user(), event_id)
    event = event_management.delete_event(event_id, actor, request.now, expected_version(request))
    return Reply(DeletedView(id=event_id, deleted_at=clock.iso(event.updated_at), message="The event is deleted."))


_ANY_STATE = StateChange()


@route(
    bp,
    "POST",
    "/events/{event_id}/publish",
    access="manager",
    headers=(IF_MATCH,),
    errors=(*CHANGE_ERRORS, AlreadyCancelled, EventIncomplete, PromoterUnverified, SaleFrozen),
)
@limited_for_caller(CATALOG)
def publish_event(request: RequestContext, event_id: str, body: StateChange = _ANY_STATE) -> Reply[AdminEventWithTiersView]:
    """Publish a draft. The error lists everything that is missing."""
    actor = permissions.require_publisher(request.require_user(), event_id)
    state = event_states.publish(event_id, actor, request.now, expected_version(request, body))
    return versioned_reply(admin_queries.event_state_view(state, request.now))


@route(
    bp,
    "POST",
    "/events/{event_id}/unpublish",
    access="manager",
    headers=(IF_MATCH,),
    errors=(*CHANGE_ERRORS, AlreadyCancelled, EventHasSales, SaleFrozen),
)
@limited_for_caller(CATALOG)
def unpublish_event(request: RequestContext, event_id: str, body: StateChange = _ANY_STATE) -> Reply[AdminEventWithTiersView]:
    """Make a published event a draft again."""
    state = event_states.unpublish(
        event_id, permissions.require_actor(request.require_user(), event_id), request.now, expected_version(request, body)
    )
    return versioned_reply(admin_queries.event_state_view(state, request.now))


@route(bp, "GET", "/events/{event_id}/stock-ledger", access="public")
def show_stock_ledger(request: RequestContext, event_id: str, query: StockLedgerQuery) -> CacheableReply[StockLedgerView]:
    """Show a page of the signed list of all tickets of an event: for sale, held back and why, sold and returned, since its publication."""
    return response_cache.stock_ledger_reply(event_id, query.page, request.now)


@route(bp, "GET", "/events/{event_id}/tiers", access="public")
def list_tiers(request: RequestContext, event_id: str, query: LanguageQuery) -> CacheableReply[TiersView]:
    """List the tiers of an event by position. The event's managers also see hidden tiers."""
    if _is_manager(request, event_id):
        return admin_queries.managed_tiers_reply(event_id, query.language, request.now)
    return response_cache.tiers_reply(event_id, query.language, request.now)


@route(
    bp,
    "POST",
    "/events/{event_id}/tiers",
    access="manager",
    statuses=(201, 200),
    headers=(idempotency.IDEMPOTENCY_KEY,),
    errors=(*CHANGE_ERRORS, TierNameTaken, TooManyTickets, TooManyTiers, HoldbacksTooLarge, SaleFrozen),
)
@limited_for_caller(CATALOG)
def create_tier(request: RequestContext, event_id: str, body: TierFields) -> Reply[AdminTierView]:
    """Create a tier for an event."""
    return _create_tier(request, event_id, body, permissions.require_actor(request.require_user(), event_id))


@route(bp, "GET", "/tiers/{tier_id}", access="public")
def show_tier(request: RequestContext, tier_id: str, query: LanguageQuery) -> CacheableReply[TierView]:
    """Show a tier."""
    event_id = _find_event_id(tier_id)
    if event_id is not None and _is_manager(request, event_id):
        return admin_queries.managed_tier_reply(tier_id, query.language, request.now)
    return response_cache.tier_reply(tier_id, query.language, request.now)


@route(
    bp,
    "PUT",
    "/tiers/{tier_id}",
    access="manager",
    headers=(IF_MATCH,),
    errors=TIER_ERRORS,
)
@limited_for_caller(CATALOG)
def replace_tier(request: RequestContext, tier_id: str, body: TierFields) -> Reply[ChangedTierView]:
    """Replace the fields of a tier; omitted fields get their defaults."""
    return _update_tier(request, tier_id, body)


@route(
    bp,
    "PATCH",
    "/tiers/{tier_id}",
    access="manager",
    headers=(IF_MATCH,),
    errors=TIER_ERRORS,
)
@limited_for_caller(CATALOG)
def change_tier(request: RequestContext, tier_id: str, body: TierChanges) -> Reply[ChangedTierView]:
    """Change some fields of a tier."""
    return _update_tier(request, tier_id, body)


@route(bp, "DELETE", "/tiers/{tier_id}", access="manager", headers=(IF_MATCH,), errors=(*CHANGE_ERRORS, TierHasSales))
@limited_for_caller(CATALOG)
def delete_tier(request: RequestContext, tier_id: str) -> Reply[DeletedView]:
    """Delete a tier without sales."""
    actor = _require_tier_manager(request, tier_id)
    limit_writes(request, CATALOG, capacities.count_writes(NO_STOCK_LEFT, str(_find_event_id(tier_id)), tier_id))
    tier = tier_management.delete_tier(tier_id, actor, request.now, expected_version(request))
    return Reply(DeletedView(id=tier_id, deleted_at=clock.iso(tier.updated_at), message="The ticket type is deleted."))


@route(bp, "GET", "/tiers/{tier_id}/availability", access="public")
def show_tier_availability(request: RequestContext, tier_id: str, query: LanguageQuery) -> CacheableReply[TierAvailabilityView]:
    """Show how many tickets of a tier are left."""
    return response_cache.tier_availability_reply(tier_id, query.language, request.now)


@route(bp, "GET", "/events/{event_id}/availability", access="public")
def show_availability(request: RequestContext, event_id: str, query: LanguageQuery) -> CacheableReply[AvailabilityView]:
    """Show how many tickets of each tier of an event are left."""
    return response_cache.availability_reply(event_id, query.language, request.now)


@route(bp, "GET", "/tickets/types", access="public")
def list_ticket_types(request: RequestContext, query: TicketTypesQuery) -> CacheableReply[TicketTypesView]:
    """List the tiers of all events in the shape of the bootstrap file."""
    return response_cache.ticket_types_reply(query, request.now)


@route(bp, "GET", "/admin/events", access="admin")
def list_events_for_admins(request: RequestContext, query: CatalogListQuery) -> Reply[list[AdminEventView]]:
    """List all events, including drafts."""
    events, next_cursor = admin_queries.list_events(query.limit, query.cursor, request.now)
    return Reply(events, headers=cursors.link_headers(query, next_cursor))


@route(bp, "POST", "/admin/events", access="admin", statuses=(201, 200), headers=(idempotency.IDEMPOTENCY_KEY,), errors=(CatalogChanging,))
def create_event_for_admins(request: RequestContext, body: NewEvent) -> Reply[AdminEventWithTiersView]:
    """Create an event that only admins manage."""
    admin = request.require_user()
    status: EventStatus = "draft" if body.status == "draft" else "active"

    def execute(event_id: str) -> Reply[AdminEventWithTiersView]:
        event = event_management.create_event(event_id, body.fields(), admin.user_id, request.now, status=status)
        return Reply(admin_queries.created_event_view(event, request.now), 201)

    return idempotency.execute_once(request, admin.user_id, execute)


@route(bp, "GET", "/admin/events/{event_id}", access="admin")
def show_event_for_admins(request: RequestContext, event_id: str) -> Reply[AdminEventWithTiersView]:
    """Show an event with all its tiers, including drafts."""
    return Reply(admin_queries.get_event(event_id, request.now))


@route(bp, "GET", "/admin/tiers", access="admin", errors=(NotFound,))
def list_tiers_for_admins(request: RequestContext, query: TiersQuery) -> Reply[list[AdminTierView]]:
    """List the tiers of one event, or of all events."""
    tiers, next_cursor = admin_queries.list_tiers(query.event_id, query.limit, query.cursor, request.now)
    return Reply(tiers, headers=cursors.link_headers(query, next_cursor))


@route(
    bp,
    "POST",
    "/admin/tiers",
    access="admin",
    statuses=(201, 200),
    headers=(idempotency.IDEMPOTENCY_KEY,),
    errors=(*CHANGE_ERRORS, NotFound, TierNameTaken, TooManyTickets, TooManyTiers, SaleFrozen),
)
def create_tier_for_admins(request: RequestContext, body: NewTier) -> Reply[AdminTierView]:
    """Create a tier for any event."""
    return _create_tier(request, body.event_id, body.fields(), request.require_user().user_id)


@route(bp, "GET", "/admin/tiers/{tier_id}", access="admin")
def show_tier_for_admins(request: RequestContext, tier_id: str) -> Reply[AdminTierView]:
    """Show a tier with its held and sold tickets."""
    return Reply(admin_queries.get_tier(tier_id, request.now))


@route(bp, "POST", "/admin/catalog/invalidate", access="admin", errors=(CatalogChanging,))
def invalidate_catalog(request: RequestContext) -> Reply[Done]:
    """Make all instances load the catalog again."""
    admin = request.require_user()
    revisions.invalidate_everywhere(admin.user_id, request.now)
    return Reply(Done("All instances will reload the catalog within a few seconds."))


def _create_tier(request: RequestContext, event_id: str, fields: TierFields, actor: str) -> Reply[AdminTierView]:
    def execute(tier_id: str) -> Reply[AdminTierView]:
        values = fields.values()
        held_back = sum(holdback.quantity for holdback in values.get("holdbacks", ()))
        limit_writes(request, CATALOG, capacities.count_new_shards(event_id, values["capacity"], held_back))
        known = service.snapshot()  # read before the tier is written, so that the reply needs no read afterwards
        tier = tier_management.create_tier(tier_id, event_id, fields, actor, request.now)
        return versioned_reply(admin_queries.created_tier_view(tier, known, request.now), 201)

    return idempotency.execute_once(request, actor, execute)


def _update_event(request: RequestContext, event_id: str, body: EventChanges) -> Reply[AdminEventWithTiersView]:
    event = permissions.require_manager(request.require_user(), event_id)
    _check_promoter(request, body, event.promoter_id)
    limit_writes(request, CATALOG, capacities.count_writes(body.values(), event_id))
    event_management.update_event(event_id, body, request.require_user().user_id, request.now, expected_version(request, body))
    return versioned_reply(admin_queries.changed_event_view(event_id, request.now))


def _update_tier(request: RequestContext, tier_id: str, body: TierChanges) -> Reply[ChangedTierView]:
    actor = _require_tier_manager(request, tier_id)
    limit_writes(request, CATALOG, capacities.count_writes(body.values(), str(_find_event_id(tier_id)), tier_id))
    changed = tier_management.update_tier(tier_id, body, actor, request.now, expected_version(request, body))
    return versioned_reply(admin_queries.changed_tier_view(changed, request.now))


def _check_promoter(request: RequestContext, body: EventChanges, own: str | None) -> None:
    """Raise Forbidden if a caller who is not an admin names another promoter."""
    if isinstance(body.promoter_id, str) and body.promoter_id != own and "admin" not in request.require_user().roles:
        raise Forbidden("Only admins may assign an event to another promoter.")


def _is_manager(request: RequestContext, event_id: str) -> bool:
    """Return whether the caller of a public route manages the event. A caller with an invalid token still gets the public reply."""
    if request.header("authorization") is None:
        return False
    try:
        identity = request.identity
    except Unauthenticated:
        return False
    return identity is not None and permissions.may_manage(identity, event_id) and snapshots.find_event(event_id) is not None


def _require_tier_manager(request: RequestContext, tier_id: str) -> str:
    """Return the caller's user id if the caller may manage the tier's event. Raises NotFound or Forbidden."""
    event_id = _find_event_id(tier_id)
    if event_id is None:
        raise NotFound("There is no ticket type with this id.", tier_id=tier_id)
    return permissions.require_actor(request.require_user(), event_id)


def _find_event_id(tier_id: str) -> str | None:
    tier = service.find_snapshot(lambda catalog: tier_id in catalog.tiers).tiers.get(tier_id)
    return tier.event_id if tier is not None else None


# Events for other programs: calendar files, and pages as HTML. The CDN keeps a page for some seconds, and serves it while it fetches a new
# one; browsers keep no pages.

CACHING = {"Cache-Control": "public, max-age=300"}
PAGE_CACHING = "public, max-age=0, s-maxage=20, stale-while-revalidate=60, stale-if-error=300"
MISSING_PAGE_CACHING = "public, max-age=0, s-maxage=5"


class CalendarQuery(LanguageQuery, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """`tiers` are the ids of ticket types, with commas between them; the file then has only the dates for which their tickets are valid.

    Without a language, Accept-Language decides.
    """

    tiers: Annotated[str, Meta(max_length=2000)] | None = None


@route(
    bp, "GET", "/events/{event_id}/calendar.ics", access="public", headers=(ACCEPT_LANGUAGE,), media_types=(sharing.CALENDAR_MEDIA_TYPE,)
)
def show_calendar_file(request: RequestContext, event_id: str, query: CalendarQuery) -> Reply[str]:
    """Return an event as a calendar file, with the opening of its sale and an alarm if the opening is still ahead."""
    language = query.language or request.language
    catalog, event = service.get_visible_event(event_id, language)
    if query.tiers is not None:
        event = catalog.narrow(event, query.tiers.split(","))
    url = settings.current().page_url(f"events/{event_id}")
    host = urlsplit(url).hostname or "fairgate"
    text = sharing.render_calendar(event, url, host, catalog.revision, language, request.now)
    headers = {
        "Content-Type": f"{sharing.CALENDAR_MEDIA_TYPE}; charset=utf-8",
        "Content-Disposition": f'attachment; filename="{event_id}.ics"',
        "Vary": "Accept-Language",
    }
    return Reply(text, headers=headers | CACHING)


@route(bp, "GET", "/events/{event_id}/preview", access="public", headers=(ACCEPT_LANGUAGE,), media_types=(pages.MEDIA_TYPE,))
def show_preview_page(request: RequestContext, event_id: str) -> Reply[str]:
    """Return the page of an event as HTML."""
    text = pages.render_event(pages.load_shell(), event_id, f"/events/{event_id}", request.language, request.now)
    return Reply(text, headers=pages.HEADERS | CACHING)


@route(
    bp,
    "GET",
    "/pages/index.html",
    access="public",
    statuses=(200, 404),
    headers=(ACCEPT_LANGUAGE,),
    media_types=(pages.MEDIA_TYPE, *(feed.media_type for feed in sharing.FEEDS.values())),
)
def show_page(request: RequestContext, query: PageQuery) -> Reply[str]:
    """Return the shop's start page or the page of an event as HTML, or a feed of events, for the CDN.

    If the event does not exist, the page says so.
    """
    language = query.language or request.language
    if query.path in sharing.FEEDS:
        headers = {"Content-Type": f"{sharing.FEEDS[query.path].media_type}; charset=utf-8", "Vary": "Accept-Language"}
        return Reply(pages.render_feed(query.path, language, request.now), headers=headers | CACHING)
    text, status = pages.render_page(query.path, language, request.now)
    return Reply(text, status, pages.HEADERS | {"Cache-Control": PAGE_CACHING if status == 200 else MISSING_PAGE_CACHING})
