"""Promo code routes for the event's managers. `purchases/api.py` has the public check of a code, which depends on the buyer."""

from typing import Annotated

from chalice.app import Blueprint
from msgspec import Meta, Struct

from chalicelib.catalog import permissions
from chalicelib.catalog import service as catalog
from chalicelib.catalog.revisions import ManagedByBootstrap, PreconditionFailed, VersionConflict, expected_version, versioned_reply
from chalicelib.dynamodb.cache import TtlCache
from chalicelib.edge import cursors
from chalicelib.edge.cursors import Cursor
from chalicelib.edge.idempotency import IDEMPOTENCY_KEY, execute_once
from chalicelib.edge.operation import IF_MATCH
from chalicelib.edge.rate_limits import CATALOG, RateLimited, limit_writes, limited_for_caller
from chalicelib.edge.routes import CacheableReply, Reply, RequestContext, route
from chalicelib.promotions import management, service
from chalicelib.promotions.model import CodeWithUses, MaxUsesTooSmall, PromoCodeChanging, PromoCodeTaken, TooManyPromoCodes, shard_count
from chalicelib.promotions.views import (
    AccessCodesView,
    CreatedPromoCodesView,
    DeletedPromoCodeView,
    NewPromoCode,
    NewPromoCodes,
    PromoCodeChanges,
    PromoCodesView,
    PromoCodeView,
    promo_code_view,
)

bp = Blueprint(__name__)

_CHANGE_ERRORS = (ManagedByBootstrap, VersionConflict, PreconditionFailed, PromoCodeChanging, RateLimited)
_CODE_PATTERN = r"[A-Z0-9-]{4,20}"
MAX_AGE_SECONDS = 60
_access_codes: TtlCache[CacheableReply[AccessCodesView]] = TtlCache(lambda: MAX_AGE_SECONDS, max_keys=1000)  # by event id
ITEMS_PER_CODE = 2  # besides the shards of its uses: the code and its audit entry


class PromoCodesQuery(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The requested page of the list."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    cursor: Cursor | None = None


@route(bp, "GET", "/admin/events/{event_id}/promo-codes", access="manager")
def list_promo_codes(request: RequestContext, event_id: str, query: PromoCodesQuery) -> Reply[PromoCodesView]:
    """List the promo codes of an event."""
    event = permissions.require_manager(request.require_user(), event_id)
    after = None if query.cursor is None else cursors.decode(query.cursor, _CODE_PATTERN)
    found = management.list_codes_with_uses(event.id, query.limit + 1, after)
    shown = found[: query.limit]
    next_cursor = cursors.encode(shown[-1].promo_code.code) if len(found) > query.limit else None
    return Reply(PromoCodesView([promo_code_view(entry.promo_code, entry.uses) for entry in shown], next_cursor))


@route(
    bp,
    "POST",
    "/admin/events/{event_id}/promo-codes",
    access="manager",
    statuses=(201, 200),
    headers=(IDEMPOTENCY_KEY,),
    errors=(PromoCodeTaken, TooManyPromoCodes, RateLimited),
)
@limited_for_caller(CATALOG)
def create_promo_code(request: RequestContext, event_id: str, body: NewPromoCode) -> Reply[PromoCodeView]:
    """Create a promo code for an event."""
    caller = request.require_user()
    event = permissions.require_manager(caller, event_id)

    def execute(new_id: str) -> Reply[PromoCodeView]:
        return _code_reply(management.create_code(event, body, new_id, caller.user_id, request.now), 201)

    return execute_once(request, caller.user_id, execute)


@route(
    bp,
    "POST",
    "/admin/events/{event_id}/promo-codes/batch",
    access="manager",
    statuses=(201, 200),
    headers=(IDEMPOTENCY_KEY,),
    errors=(PromoCodeTaken, TooManyPromoCodes, RateLimited),
)
@limited_for_caller(CATALOG)
def create_promo_codes(request: RequestContext, event_id: str, body: NewPromoCodes) -> Reply[CreatedPromoCodesView]:
    """Create many promo codes with the same terms and random names, such as one code for each member."""
    caller = request.require_user()
    event = permissions.require_manager(caller, event_id)

    def execute(batch_id: str) -> Reply[CreatedPromoCodesView]:
        limit_writes(request, CATALOG, body.count * (ITEMS_PER_CODE + shard_count(body.max_total_uses)))
        return Reply(CreatedPromoCodesView(management.create_codes(event, body, batch_id, caller.user_id, request.now)), 201)

    return execute_once(request, caller.user_id, execute)


@route(bp, "GET", "/events/{event_id}/access-codes", access="public")
def show_access_codes(request: RequestContext, event_id: str) -> CacheableReply[AccessCodesView]:
    """Show whether an event has access codes that buyers may enter, so that a page can ask for a code. The answer may be a minute old."""
    catalog.get_visible_event(event_id)  # refuses an event that the public may not see

    def fetch() -> CacheableReply[AccessCodesView]:
        return CacheableReply.encode(AccessCodesView(service.has_access_codes(event_id, request.now)), max_age=MAX_AGE_SECONDS)

    return _access_codes.get(request.now, dependency=None, fetch=fetch, key=event_id)


@route(bp, "GET", "/admin/events/{event_id}/promo-codes/{code_id}", access="manager")
def show_promo_code(request: RequestContext, event_id: str, code_id: str) -> Reply[PromoCodeView]:
    """Show a promo code and how often it has been used."""
    return _code_reply(management.get_code(permissions.require_manager(request.require_user(), event_id).id, code_id))


@route(
    bp,
    "PATCH",
    "/admin/events/{event_id}/promo-codes/{code_id}",
    access="manager",
    headers=(IF_MATCH,),
    errors=(*_CHANGE_ERRORS, MaxUsesTooSmall),
)
@limited_for_caller(CATALOG)
def change_promo_code(request: RequestContext, event_id: str, code_id: str, body: PromoCodeChanges) -> Reply[PromoCodeView]:
    """Change some fields of a promo code, or deactivate it."""
    caller = request.require_user()
    event = permissions.require_manager(caller, event_id)
    return _code_reply(management.change_code(event.id, code_id, body, caller.user_id, request.now, expected_version(request, body)))


@route(bp, "DELETE", "/admin/events/{event_id}/promo-codes/{code_id}", access="manager", headers=(IF_MATCH,), errors=_CHANGE_ERRORS)
@limited_for_caller(CATALOG)
def delete_promo_code(request: RequestContext, event_id: str, code_id: str) -> Reply[DeletedPromoCodeView]:
    """Delete a promo code; a code that has been used is deactivated instead."""
    caller = request.require_user()
    event = permissions.require_manager(caller, event_id)
    promo_code, is_deleted = management.delete_code(event.id, code_id, caller.user_id, request.now, expected_version(request))
    message = (
        "The promo code has been deleted."
        if is_deleted
        else "The promo code has already been used, so it was deactivated instead of deleted."
    )
    return Reply(DeletedPromoCodeView(id=promo_code.code, deleted=is_deleted, is_active=False, message=message))


def _code_reply(found: CodeWithUses, status: int = 200) -> Reply[PromoCodeView]:
    return versioned_reply(promo_code_view(found.promo_code, found.uses), status)
