"""Routes for waitlists: buyers join, leave and list their own entries; event managers see the line and make offers by hand."""

from typing import Annotated, Literal

from chalice.app import Blueprint
from msgspec import Meta, Struct

from chalicelib.addons.waitlist import service
from chalicelib.addons.waitlist.model import (
    MAX_TIERS,
    AccountRequired,
    AmountChanged,
    CardNotWanted,
    EntryBusy,
    EntryNotFound,
    EntryNotWaiting,
    TicketsAvailable,
    WaitlistClosed,
    entry_event_id,
)
from chalicelib.addons.waitlist.service import EntryCardFormView, JoinRequest
from chalicelib.addons.waitlist.views import (
    BallotView,
    CardSavingView,
    ManagedEntryView,
    OwnEntriesView,
    WaitlistEntryView,
    WaitlistView,
    ballot_offer_view,
    card_saving_view,
    demand_views,
    managed_entry_view,
    own_entry_view,
)
from chalicelib.catalog import permissions
from chalicelib.catalog import service as catalog
from chalicelib.catalog.sale_rules import EventNotOnSale, TierNotOnSale
from chalicelib.edge import cursors, rate_limits
from chalicelib.edge.cursors import Cursor
from chalicelib.edge.languages import ACCEPT_LANGUAGE
from chalicelib.edge.rate_limits import RateLimited
from chalicelib.edge.routes import CacheableReply, Reply, RequestContext, route
from chalicelib.foundation.errors import InvalidInput, NotFound
from chalicelib.foundation.ids import Id
from chalicelib.foundation.money import Cents
from chalicelib.inventory.model import NotEnoughTickets, SalePaused, TooManyHolds
from chalicelib.payments.model import PROVIDER_ERRORS, CardRefused, PaymentNotCompleted, PaymentsUnavailable, ProviderId
from chalicelib.purchases.errors import (
    ActiveReservationExists,
    PurchaseLimitExceeded,
    ReservationConverted,
    ReservationNotFound,
    TierLimitExceeded,
)
from chalicelib.purchases.model import MAX_QUANTITY
from chalicelib.waiting_room.model import TOKEN_ERRORS, DrawnByBallot
from chalicelib.waiting_room.views import WaitingRoomToken

bp = Blueprint(__name__)


class NewEntry(Struct, forbid_unknown_fields=True):
    """A request to join. `tier_ids` are in order of preference; the default is the tiers that are sold out or not on sale yet.

    `tier_id` is short for a list of one tier. `max_price_cents` is the highest accepted price of one ticket. Before the draw of a ballot,
    `token` is your token from the event's waiting room, which gives you your number in the draw.
    """

    event_id: Id
    quantity: Annotated[int, Meta(ge=1, le=MAX_QUANTITY)] = 1
    tier_ids: Annotated[list[Id], Meta(min_length=1, max_length=MAX_TIERS)] | None = None
    tier_id: Id | None = None
    max_price_cents: Cents | None = None
    token: WaitingRoomToken | None = None


class NewCard(Struct, forbid_unknown_fields=True):
    """The amount that you accept, and either the `card` that the provider's form returned or the `check_id` of an earlier reply."""

    max_cents: Cents
    card: ProviderId | None = None
    check_id: ProviderId | None = None


BALLOT_MAX_AGE = 30  # seconds; offers are made once a minute


class BallotQuery(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Which page of the offers to show."""

    limit: Annotated[int, Meta(ge=1, le=1000)] = 1000
    cursor: Cursor | None = None


class WaitlistQuery(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Which page of which list to show: the people who are waiting, or the people with an offer."""

    status: Literal["waiting", "offered"] = "waiting"
    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    cursor: Cursor | None = None


@route(
    bp,
    "POST",
    "/waitlist",
    access="user",
    statuses=(201, 200),
    headers=(ACCEPT_LANGUAGE,),
    errors=(
        AccountRequired,
        NotFound,
        EventNotOnSale,
        TierNotOnSale,
        TicketsAvailable,
        WaitlistClosed,
        TierLimitExceeded,
        PurchaseLimitExceeded,
        RateLimited,
        *TOKEN_ERRORS,
    ),
)
def join_waitlist(request: RequestContext, body: NewEntry) -> Reply[WaitlistEntryView]:
    """Join the waitlist for tickets that are sold out or not yet on sale. A repeated request returns the same entry.

    Guests cannot join. For an event with a ballot, this registers your wishes.
    """
    request.mark_repeatable()
    identity = request.require_user()
    if "guest" in identity.roles:
        raise AccountRequired()
    user_id = identity.user_id
    if body.tier_ids is not None and len(set(body.tier_ids)) < len(body.tier_ids):
        raise InvalidInput("List each tier only once.", path="$.tier_ids")
    if body.tier_ids is not None and body.tier_id is not None:
        raise InvalidInput("Send either `tier_id` or `tier_ids`.", path="$.tier_id")
    tier_ids = [body.tier_id] if body.tier_id is not None else body.tier_ids
    with rate_limits.limited(request, rate_limits.WAITLIST, user_id, scope=body.event_id) as attempt:
        wanted = JoinRequest(body.event_id, body.quantity, tier_ids, body.max_price_cents, request.language, body.token)
        result = service.join_waitlist(user_id, wanted, request.now)
        attempt.is_bounded_by_record = not result.has_left_before  # a user can have only one open entry per event
    return Reply(own_entry_view(result.own, request.language, request.now), 201 if result.is_new else 200)


@route(bp, "GET", "/waitlist", access="user", headers=(ACCEPT_LANGUAGE,))
def list_own_entries(request: RequestContext) -> Reply[OwnEntriesView]:
    """List the caller's waitlist entries, including past entries, with their positions and offers."""
    own = service.list_own_entries(request.require_user().user_id, request.now)
    return Reply(OwnEntriesView([own_entry_view(entry, request.language, request.now) for entry in own]))


@route(
    bp,
    "DELETE",
    "/waitlist/{entry_id}",
    access="user",
    headers=(ACCEPT_LANGUAGE,),
    errors=(EntryNotFound, EntryBusy, ReservationConverted, ReservationNotFound, PaymentNotCompleted, *PROVIDER_ERRORS),
)
def leave_waitlist(request: RequestContext, entry_id: str) -> Reply[WaitlistEntryView]:
    """Leave a waitlist, or decline an offer. The declined tickets are offered to the next person."""
    own = service.leave_waitlist(request.require_user().user_id, entry_id, request.now)
    return Reply(own_entry_view(own, request.language, request.now))


@route(bp, "GET", "/waitlist/{entry_id}/card", access="user", errors=(EntryNotFound, CardNotWanted, PaymentsUnavailable))
def show_entry_card_form(request: RequestContext, entry_id: str) -> Reply[EntryCardFormView]:
    """Show what a page needs to save the card that is charged if the caller's entry is offered tickets."""
    return Reply(service.show_card_form(request.require_user().user_id, entry_id))


@route(
    bp,
    "POST",
    "/waitlist/{entry_id}/card",
    access="user",
    headers=(ACCEPT_LANGUAGE,),
    errors=(EntryNotFound, EntryBusy, CardNotWanted, AmountChanged, CardRefused, RateLimited, *PROVIDER_ERRORS),
)
def save_card(request: RequestContext, entry_id: str, body: NewCard) -> Reply[CardSavingView]:
    """Save the card that is charged once, up to the accepted amount, if the caller's entry is offered tickets.

    Nothing is charged or reserved now. An earlier card is replaced. Leaving the waitlist deletes the card.
    """
    user_id = request.require_user().user_id
    if body.check_id is not None:
        with rate_limits.limited(request, rate_limits.WAITLIST, user_id, scope=entry_id):
            return Reply(
                card_saving_view(
                    service.finish_card(user_id, entry_id, body.check_id, body.max_cents, request.now), request.language, request.now
                )
            )
    if body.card is None:
        raise InvalidInput("Send a `card`, or the `check_id` of an earlier reply.", path="$.card")
    rate_limits.count_effect_or_refuse(rate_limits.CARD_CHECK, user_id, request.now)  # refuses the request if the attempt cannot be counted
    with rate_limits.limited_by_address(request, rate_limits.CARD_CHECK):
        return Reply(
            card_saving_view(service.save_card(user_id, entry_id, body.card, body.max_cents, request.now), request.language, request.now)
        )


@route(bp, "GET", "/events/{event_id}/ballot", access="public")
def show_ballot(request: RequestContext, event_id: str, query: BallotQuery) -> CacheableReply[BallotView]:
    """Show the offers of an event's ballot in the drawn order. With the proof of the draw, anybody can check the order."""
    after = cursors.decode_key(query.cursor, tuple[int])[0] if query.cursor is not None else 0
    room, found = service.list_ballot_offers(event_id, query.limit + 1, after, request.now)
    shown = found[: query.limit]
    next_cursor = cursors.encode_key((shown[-1].position,)) if len(found) > query.limit else None
    view = BallotView(event_id, room, [ballot_offer_view(offer) for offer in shown], next_cursor)
    return CacheableReply.encode(view, max_age=BALLOT_MAX_AGE)


@route(bp, "GET", "/events/{event_id}/waitlist", access="manager")
def show_waitlist(request: RequestContext, event_id: str, query: WaitlistQuery) -> Reply[WaitlistView]:
    """List the people on an event's waitlist who are waiting or have an offer, in order of arrival. Includes the demand for each tier."""
    event = permissions.require_manager(request.require_user(), event_id)
    after = cursors.decode_key(query.cursor, tuple[Id])[0] if query.cursor is not None else None
    overview = service.line_overview(event.id, query.status, query.limit, after)
    return Reply(
        WaitlistView(
            entries=[managed_entry_view(place.entry, place.passed_at) for place in overview.page],
            waiting=overview.waiting,
            offered=overview.offered,
            accepted=overview.line.accepted,
            declined=overview.line.declined,
            expired=overview.line.expired,
            conversion=overview.line.conversion,
            tiers=demand_views(overview.tiers),
            next_cursor=None if overview.is_last else cursors.encode_key((overview.page[-1].entry.id,)),
        )
    )


@route(
    bp,
    "POST",
    "/waitlist/{entry_id}/notify",
    access="manager",
    errors=(
        EntryNotFound,
        EntryNotWaiting,
        NotEnoughTickets,
        TooManyHolds,
        SalePaused,
        EventNotOnSale,
        TierNotOnSale,
        ActiveReservationExists,
        PurchaseLimitExceeded,
        DrawnByBallot,
    ),
)
def offer_by_hand(request: RequestContext, entry_id: str) -> Reply[ManagedEntryView]:
    """Offer available tickets to a person on the waitlist out of turn."""
    identity = request.require_user()
    if catalog.find_event(entry_event_id(entry_id)) is None:
        raise EntryNotFound()
    permissions.require_manager(identity, entry_event_id(entry_id))
    return Reply(managed_entry_view(service.offer_by_hand(entry_id, identity.user_id, request.now)))
