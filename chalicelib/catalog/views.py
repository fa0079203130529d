"""Events, tiers and stock as the API shows them to the public and to managers."""

from collections.abc import Mapping
from typing import Any, Literal

from msgspec import UNSET, Struct
from msgspec.structs import asdict, replace

from chalicelib.accounts.profiles import PublicSeller
from chalicelib.catalog.custom_options import CustomOption, in_option_order
from chalicelib.catalog.fields import extended, optional_fields, view_fields, view_values
from chalicelib.catalog.images import ImageView, image_view
from chalicelib.catalog.model import (
    NO_BRAND,
    BallotCards,
    Brand,
    CancelledDate,
    Catalog,
    Event,
    ManagedBy,
    PublicChange,
    PublicEventStatus,
    PublicValue,
    ReleaseTo,
    Seating,
    Tier,
    TierStatus,
)
from chalicelib.catalog.sale_rules import (
    DATE_CANCELLED,
    cheapest_tier,
    current_tier_status,
    effective_tax,
    public_event_status,
    sale_refusal,
)
from chalicelib.edge.languages import Language
from chalicelib.foundation import addons, clock, settings
from chalicelib.foundation.clock import Timestamp
from chalicelib.foundation.money import Tax
from chalicelib.inventory.model import NO_STOCK, Stock, finite

MAX_LISTED_CHANGES = 50  # of an event with its tiers
MAX_LISTED_DESCRIPTION = 300  # characters of an event's description in public lists
MAX_LISTED_DATES = 5  # of an event in public lists: otherwise, a few tours would push all other events off the first page

Stocks = Mapping[str, Stock]


@extended(view_fields(Event, "public"))
class EventFieldsView(Struct, frozen=True, kw_only=True):
    """The fields that all views of an event have.

    `price_from_cents` is the lowest price among the tiers on sale. If no tier is on sale, it is the lowest price among the tiers whose sale
    begins later, or else among the sold-out tiers. Hidden tiers do not count. If there is no such tier, `price_from_cents` and `currency`
    are null. `included_fee_cents` is the fee that this price includes; nothing is added to a price. While the sale is `paused`, nobody can
    reserve tickets, whatever the `status`. If `has_waiting_room` is true, buyers may join the line at any time, and the line starts to move
    at `on_sale_at`. If `has_ballot` is true, the draw at `on_sale_at` decides instead who is offered tickets. `ballot_cards` says whether
    people can or must save a card when they register. With a `shop_url`, people buy there when their turn has come. An uploaded `image` has
    several sizes; its `image_url` is an address in the shop.
    """

    id: str
    name: str
    venue: str
    starts_at: Timestamp | None
    ends_at: Timestamp | None
    on_sale_at: Timestamp | None
    status: PublicEventStatus | Literal["draft", "test"]
    paused: bool
    image_url: str | None
    image: ImageView | None
    featured: bool
    display_order: int
    purchase_limit: int
    slug: str
    price_from_cents: int | None
    included_fee_cents: int | None
    currency: str | None
    has_waiting_room: bool
    has_ballot: bool
    ballot_cards: BallotCards
    shop_url: str | None
    has_waitlist: bool
    promoter_id: str | None
    cancellation_reason: str | None
    cancelled_dates: list[CancelledDate]


class BrandView(Struct, frozen=True):
    """How a promoter's pages look: the color of buttons and links on light and on dark pages, `#rrggbb`, and the logo."""

    color: str | None
    dark_color: str | None
    logo: ImageView | None


class EventView(EventFieldsView, frozen=True, kw_only=True):
    """An event as the public sees it."""

    starts_at: Timestamp
    status: PublicEventStatus


class ListedEventView(EventView, frozen=True, kw_only=True):
    """An event in a public list, with the beginning of its description and only the next five of its dates that take place.

    `seller_name` is the event's promoter if an admin has verified the promoter, or else the shop. The name is at most ten minutes old.
    """

    seller_name: str


@extended(view_fields(Event, "managers"))
class AdminEventView(EventFieldsView, frozen=True, kw_only=True):
    """An event as its managers see it, including drafts and test events. A draft may have no start."""

    managed_by: ManagedBy
    removed: bool
    hold_seconds: int
    guests_until: Timestamp | None
    refundable_until: Timestamp | None
    cancellation_reasons: dict[Language, str]
    metadata: dict[str, Any]
    version: int
    created_at: Timestamp
    updated_at: Timestamp


class ResaleOfferView(Struct, frozen=True):
    """Tickets of a tier that buyers offer for resale at the price that they paid: how many are available or reserved, or were sold.

    `included_fee_cents` is the fee that the price includes.
    """

    price_cents: int
    included_fee_cents: int
    available: int
    reserved: int
    sold: int


@extended(view_fields(Tier, "public"))
class TierFieldsView(Struct, frozen=True, kw_only=True):
    """The fields that all views of a tier have. `resale` has an entry for each price at which tickets were ever for resale.

    Buyers pay `price_cents` for a ticket and nothing on top. It includes `included_fee_cents` and the `effective_tax`: the tier's own
    `tax`, or else the default for the event's country and region. `effective_tax` is null if documents do not mention tax.
    """

    id: str
    event_id: str
    name: str
    price_cents: int
    included_fee_cents: int
    effective_tax: Tax | None
    currency: str
    capacity: int | None
    available: int | None
    per_user_limit: int
    status: TierStatus
    message: str | None
    sale_starts_at: Timestamp | None
    sale_ends_at: Timestamp | None
    display_order: int
    metadata: dict[str, Any]
    position: int
    sold: int
    on_sale: bool
    max_per_order: int | None
    image_url: str | None
    image: ImageView | None
    options: list[CustomOption]
    resale: list[ResaleOfferView]


class HoldbackReleaseView(Struct, frozen=True):
    """The release of a holdback. `is_complete` is false for the moment until all of its tickets are on sale.

    `issued` complimentary tickets of the holdback are not released.
    """

    holdback_id: str
    quantity: int
    at: Timestamp
    cause: Literal["time", "sold_out"]
    to: ReleaseTo
    is_complete: bool
    issued: int


class HoldbackIssueView(Struct, frozen=True):
    """How many complimentary tickets were `issued` from a holdback and not revoked, and how many it has `left`."""

    holdback_id: str
    issued: int
    left: int


@extended(view_fields(Tier, "managers"))
class AdminTierView(TierFieldsView, frozen=True, kw_only=True):
    """A tier as the managers of its event see it, including its held tickets (`reserved`).

    `held_back` counts the tickets that are held back; `releases` lists the holdbacks that were released at a time or when tickets sold out.
    `complimentary` lists the holdbacks from which complimentary tickets were issued. It is empty in replies to changes of the event.
    `reserved_for_waitlist` counts the `reserved` tickets that are kept for people on the waitlist or held for their offers.
    """

    reserved: int
    reserved_for_waitlist: int
    held_back: int
    releases: list[HoldbackReleaseView]
    complimentary: list[HoldbackIssueView]
    stripe_price_id: str | None
    managed_by: ManagedBy
    removed: bool
    version: int
    created_at: Timestamp
    updated_at: Timestamp


class ChangedTierView(AdminTierView, frozen=True, kw_only=True):
    """A tier after a change. `warnings` explain what the change means if tickets are sold or reserved."""

    warnings: list[str] = []


class PublicChangeView(Struct, frozen=True, kw_only=True):
    """A change of a published event, or of one of its tiers. `tier_id` and `tier_name` are null for a change of the event.

    `field` is a field of the event or tier; `before` and `after` are its values, and times are ISO 8601. A new tier is `on_sale` after the
    change, and a closed, hidden or deleted tier is not.
    """

    at: Timestamp
    tier_id: str | None
    tier_name: str | None
    field: str
    before: bool | int | str | None
    after: bool | int | str | None


class AdminEventWithTiersView(AdminEventView, frozen=True, kw_only=True):
    """An event with all its tiers, as its managers see it, the latest `changes` that its page lists, newest first, and its `brand`."""

    tiers: list[AdminTierView]
    changes: list[PublicChangeView]
    brand: BrandView | None


@extended(optional_fields(AdminTierView, without=TierFieldsView.__struct_fields__))
class TierView(TierFieldsView, frozen=True, kw_only=True):
    """A tier as the public sees it. `status` and `message` depend on the time and the stock.

    `available` never exceeds the number of tickets that the event's capacity leaves. `capacity` is null for a tier without a limit of its
    own; `available` is also null if the event has no limit either. Only managers of the event see the optional fields.
    """


@extended(optional_fields(AdminEventView, without=EventFieldsView.__struct_fields__))
class EventWithTiersView(EventFieldsView, frozen=True, kw_only=True):
    """An event with its tiers, cheapest first, and its latest `changes` that matter to buyers, newest first.

    The `brand` is the promoter's; null means that the event's page looks like the shop. Only managers of the event see drafts (which may
    have no start), hidden tiers and the optional fields.
    """

    tiers: list[TierView]
    changes: list[PublicChangeView]
    brand: BrandView | None


class TiersView(Struct, frozen=True, kw_only=True):
    """The tiers of an event by position. They always fit on one page."""

    tiers: list[TierView]
    next_cursor: str | None = None


class TierAvailabilityView(Struct, frozen=True, kw_only=True):
    """The tickets of one tier, as they were at `last_updated`: `capacity = available + reserved + sold`.

    `available` is lower if the capacity of the event leaves fewer tickets. Null means no limit.
    """

    tier_id: str
    event_id: str
    tier_name: str
    status: TierStatus
    capacity: int | None
    available: int | None
    reserved: int
    sold: int
    last_updated: Timestamp


class CatalogView(Struct, frozen=True):
    """The served catalog. `checksum` is empty until a bootstrap file is applied. Each change that buyers can see increases `revision`."""

    version: int
    revision: int
    checksum: str


class DeletedView(Struct, frozen=True, kw_only=True):
    """A confirmation that an entry was deleted."""

    id: str
    deleted_at: Timestamp
    message: str


class AvailabilityLine(Struct, frozen=True, kw_only=True):
    """The tickets of one tier: `capacity = available + reserved + sold`, unless the event's capacity leaves fewer tickets `available`.

    `reserved_for_waitlist` counts the `reserved` tickets that are kept for people on the waitlist or held for their offers. `remaining` is
    the same as `available`, under the name that early clients read. `price_cents` includes `included_fee_cents`. `resale` has an entry for
    each price of tickets for resale.
    """

    tier_id: str
    tier_name: str
    capacity: int | None
    available: int | None
    remaining: int | None
    reserved: int
    reserved_for_waitlist: int
    sold: int
    price_cents: int
    included_fee_cents: int
    per_user_limit: int
    resale: list[ResaleOfferView]


class DateAvailability(Struct, frozen=True, kw_only=True):
    """The tickets for a date that has a capacity: `available` tickets of the tiers that are valid on the date, passes included."""

    date_id: str
    capacity: int
    available: int


class AvailabilityView(Struct, frozen=True, kw_only=True):
    """The tickets of each tier of an event, as they were at `last_updated`.

    `capacity` and `available` are totals over all tiers of the event, including hidden ones. Null means no limit. `dates` has the dates
    with a capacity, and does not count hidden tiers. While the sale is `paused`, nobody can reserve tickets.
    """

    event_id: str
    event_name: str
    paused: bool
    capacity: int | None
    available: int | None
    availability: list[AvailabilityLine]
    dates: list[DateAvailability]
    last_updated: Timestamp


class TicketTypeView(Struct, frozen=True, kw_only=True):
    """A tier in the shape of the bootstrap file, with its event and stock. `price_cents` includes `included_fee_cents`.

    `status` is the status in the file; `message` depends on the time.
    """

    id: str
    event_id: str
    stripe_price_id: str | None
    name: str
    description: str
    price_cents: int
    included_fee_cents: int
    currency: str
    status: TierStatus
    max_quantity: int | None
    sold_count: int
    display_order: int
    metadata: dict[str, Any]
    availability: dict[str, Any]
    admits: int
    seating: Seating | None
    requires_code: bool
    per_user_limit: int
    event_name: str
    event_date: str
    event_venue: str
    event_status: PublicEventStatus
    available_quantity: int | None
    is_available: bool
    message: str | None
    created_at: Timestamp
    updated_at: Timestamp


class TicketTypesView(Struct, frozen=True, kw_only=True):
    """The tiers of all events, or the tiers that match the filters."""

    ticket_types: list[TicketTypeView]
    total: int


def event_view(catalog: Catalog, event: Event, stocks: Stocks, now: int) -> EventView:
    """Return an event as the public sees it."""
    cheapest = cheapest_tier(catalog, event, now, stocks)
    return EventView(
        id=event.id,
        name=event.name,
        venue=event.venue,
        starts_at=clock.iso(event.starts_at),
        ends_at=iso_or_none(event.ends_at),
        on_sale_at=iso_or_none(event.on_sale_at),
        status=public_event_status(catalog, event, now, stocks),
        paused=event.is_paused,
        image_url=event.image_url,
        image=image_view(event.image),
        featured=event.featured,
        display_order=event.display_order,
        purchase_limit=_event_limit(event),
        slug=event.slug or event.id,
        price_from_cents=cheapest.price_cents if cheapest else None,
        included_fee_cents=cheapest.included_fee_cents if cheapest else None,
        currency=cheapest.currency if cheapest else None,
        has_waiting_room=event.has_waiting_room,
        has_ballot=event.has_ballot,
        ballot_cards=event.ballot_cards,
        shop_url=event.shop_url,
        has_waitlist=event.has_waitlist and addons.is_on("waitlist"),
        promoter_id=event.promoter_id,
        cancellation_reason=event.cancellation_reason,
        cancelled_dates=event.cancelled_dates,
        **view_values(event, "public"),
    )


def listed_event_view(catalog: Catalog, event: Event, stocks: Stocks, now: int, sellers: Mapping[str, PublicSeller]) -> ListedEventView:
    """Return an event as public lists show it. `sellers` has the verified promoters by their ids."""
    coming = [date for date in event.open_dates if (date.end or date.start) >= now]
    view = replace(
        event_view(catalog, event, stocks, now),
        description=shortened(event.description, MAX_LISTED_DESCRIPTION),
        dates=coming[:MAX_LISTED_DATES],
        cancelled_dates=[],
    )
    seller = sellers.get(event.promoter_id or "")
    return ListedEventView(**asdict(view), seller_name=settings.current().shop_name if seller is None else seller.name)


def event_with_tiers_view(catalog: Catalog, event: Event, stocks: Stocks, now: int) -> EventWithTiersView:
    """Return an event and its visible tiers as the public sees them."""
    tiers = [tier_view(catalog, tier, stocks, now) for tier in catalog.visible_tiers(event)]
    return EventWithTiersView(
        **asdict(event_view(catalog, event, stocks, now)),
        tiers=tiers,
        changes=change_views(catalog, event),
        brand=promoter_brand(catalog, event.promoter_id),
    )


def brand_view(brand: Brand) -> BrandView:
    return BrandView(brand.color, brand.dark_color, image_view(brand.logo))


def promoter_brand(catalog: Catalog, promoter_id: str | None) -> BrandView | None:
    """Return the brand of a promoter. Returns None if the promoter has none, so that pages look like the shop."""
    brand = catalog.choices_of(promoter_id).brand
    return None if brand == NO_BRAND else brand_view(brand)


def change_views(catalog: Catalog, event: Event) -> list[PublicChangeView]:
    """Return the latest public changes of an event and its tiers, newest first."""
    changes: list[tuple[Tier | None, PublicChange]] = [(None, change) for change in event.public_changes]
    changes += [(tier, change) for tier in catalog.event_tiers(event.id) for change in tier.public_changes]
    changes.sort(key=lambda pair: pair[1].at)
    return [
        PublicChangeView(
            at=clock.iso(change.at),
            tier_id=None if tier is None else tier.id,
            tier_name=None if tier is None else tier.name,
            field=change.field,
            before=_public_value(change.field, change.before),
            after=_public_value(change.field, change.after),
        )
        for tier, change in reversed(changes[-MAX_LISTED_CHANGES:])
    ]


def _public_value(field: str, value: PublicValue) -> bool | int | str | None:
    return clock.iso(value) if value is not None and field.endswith("_at") else value


def tier_view(catalog: Catalog, tier: Tier, stocks: Stocks, now: int) -> TierView:
    """Return a tier as the public sees it in its event. `status` and `message` depend on the time and the stock."""
    stock = catalog.tier_stock(tier, stocks)
    status = current_tier_status(catalog, tier, now, stock)
    return TierView(
        id=tier.id,
        event_id=tier.event_id,
        name=tier.name,
        price_cents=tier.price_cents,
        included_fee_cents=tier.included_fee_cents,
        effective_tax=effective_tax(catalog, tier),
        currency=tier.currency,
        capacity=finite(tier.stock_capacity),
        available=finite(stock.available),
        per_user_limit=_tier_limit(tier),
        status=status,
        message=catalog.states[status].message,
        sale_starts_at=iso_or_none(tier.sale_starts_at),
        sale_ends_at=iso_or_none(tier.sale_ends_at),
        display_order=tier.display_order,
        metadata=tier.metadata,
        position=tier.display_order,
        sold=stock.sold,
        on_sale=catalog.states[tier.status].purchasable,
        max_per_order=tier.max_per_transaction,
        image_url=tier.image_url,
        image=image_view(tier.image),
        options=in_option_order(tier.options),
        resale=_resale_offers(tier, stocks),
        **view_values(tier, "public"),
    )


def _resale_offers(tier: Tier, stocks: Stocks) -> list[ResaleOfferView]:
    found = [(resale, stocks.get(resale.stock_id, NO_STOCK)) for resale in tier.resale_tiers] if tier.resale_prices else []
    return [
        ResaleOfferView(resale.price_cents, resale.included_fee_cents, stock.available, stock.held, stock.sold) for resale, stock in found
    ]


def tier_availability_view(catalog: Catalog, tier: Tier, stocks: Stocks, now: int) -> TierAvailabilityView:
    """Return the tickets of one tier."""
    stock = catalog.tier_stock(tier, stocks)
    return TierAvailabilityView(
        tier_id=tier.id,
        event_id=tier.event_id,
        tier_name=tier.name,
        status=current_tier_status(catalog, tier, now, stock),
        capacity=finite(stock.capacity),
        available=finite(stock.available),
        reserved=stock.held,
        sold=stock.sold,
        last_updated=clock.iso(now),
    )


def availability_view(catalog: Catalog, event: Event, stocks: Stocks, now: int) -> AvailabilityView:
    """Return the tickets of an event and of each of its tiers."""
    lines = [(tier, catalog.tier_stock(tier, stocks)) for tier in catalog.visible_tiers(event)]
    total = catalog.event_stock(event, stocks)
    return AvailabilityView(
        event_id=event.id,
        event_name=event.name,
        paused=event.is_paused,
        capacity=finite(total.capacity),
        available=finite(total.available),
        availability=[
            AvailabilityLine(
                tier_id=tier.id,
                tier_name=tier.name,
                capacity=finite(stock.capacity),
                available=finite(stock.available),
                remaining=finite(stock.available),
                reserved=stock.held,
                reserved_for_waitlist=stock.for_waitlist,
                sold=stock.sold,
                price_cents=tier.price_cents,
                included_fee_cents=tier.included_fee_cents,
                per_user_limit=_tier_limit(tier),
                resale=_resale_offers(tier, stocks),
            )
            for tier, stock in lines
        ],
        dates=[
            DateAvailability(
                date_id=date.id,
                capacity=date.capacity,
                available=min(total.available, sum(stock.available for tier, stock in lines if tier.is_valid_on(date.id))),
            )
            for date in event.dates
            if date.capacity is not None
        ],
        last_updated=clock.iso(now),
    )


def ticket_type_view(
    catalog: Catalog, event: Event, event_status: PublicEventStatus, tier: Tier, stocks: Stocks, now: int
) -> TicketTypeView:
    """Return a tier in the shape of the bootstrap file, with its event and stock."""
    stock = catalog.tier_stock(tier, stocks)
    status = current_tier_status(catalog, tier, now, stock)
    for_sale = not event.is_paused and sale_refusal(catalog, event, tier, now, allow_test=False) is None
    return TicketTypeView(
        id=tier.id,
        event_id=tier.event_id,
        stripe_price_id=tier.stripe_price_id,
        name=tier.name,
        description=tier.description,
        price_cents=tier.price_cents,
        included_fee_cents=tier.included_fee_cents,
        currency=tier.currency,
        status=tier.status,
        max_quantity=finite(tier.stock_capacity),
        sold_count=stock.sold,
        display_order=tier.display_order,
        metadata=tier.metadata,
        availability=tier.availability or {},
        admits=tier.admits,
        seating=tier.seating,
        requires_code=tier.requires_code,
        per_user_limit=_tier_limit(tier),
        event_name=event.name,
        event_date=event.date,
        event_venue=event.venue,
        event_status=event_status,
        available_quantity=finite(stock.available),
        is_available=for_sale and stock.available > 0,
        message=DATE_CANCELLED if event.for_tiers([tier]).status == "cancelled" else catalog.states[status].message,
        created_at=_time(catalog, tier.created_at),
        updated_at=_time(catalog, tier.updated_at),
    )


def shortened(text: str, max_length: int) -> str:
    """Return the text, or its beginning and an ellipsis if it is longer than `max_length` characters."""
    return text if len(text) <= max_length else f"{text[: max_length - 1].rstrip()}…"


def iso_or_none(epoch_seconds: int | None) -> str | None:
    return None if epoch_seconds is None else clock.iso(epoch_seconds)


def _time(catalog: Catalog, at: int) -> str:
    """Return a time of an entry. Versions that earlier releases applied have no times: their entries get the time of the version."""
    return clock.iso(at or catalog.head.applied_at)


def _event_limit(event: Event) -> int:
    return event.limit(settings.current().event_purchase_limit)


def _tier_limit(tier: Tier) -> int:
    return tier.limit(settings.current().tier_purchase_limit)


# Events and tiers as managers see them, including drafts and versions.


def managed_event_view(catalog: Catalog, event: Event, stocks: Stocks, now: int) -> AdminEventWithTiersView:
    """Return an event and all its tiers as its managers see them."""
    tiers = [admin_tier_view(catalog, tier, stocks, now) for tier in catalog.listed_tiers(event.id)]
    view = asdict(admin_event_view(catalog, event, stocks, now))
    brand = promoter_brand(catalog, event.promoter_id)
    return AdminEventWithTiersView(**view, tiers=tiers, changes=change_views(catalog, event), brand=brand)


def admin_event_view(catalog: Catalog, event: Event, stocks: Stocks, now: int) -> AdminEventView:
    """Return an event as its managers see it."""
    view = asdict(event_view(catalog, event, stocks, now))
    view["starts_at"] = iso_or_none(event.starts_at or None)
    if event.status in ("draft", "test"):
        view["status"] = event.status
    return AdminEventView(
        **view,
        managed_by=event.managed_by,
        removed=event.removed,
        hold_seconds=event.effective_hold_seconds(settings.current().hold_seconds),
        guests_until=iso_or_none(event.guests_until),
        refundable_until=iso_or_none(event.refundable_until),
        cancellation_reasons=event.cancellation_reasons,
        metadata=event.metadata,
        version=event.version,
        created_at=_time(catalog, event.created_at),
        updated_at=_time(catalog, event.updated_at),
        **view_values(event, "managers"),
    )


def sales_warnings(sold: int, reserved: int, for_waitlist: int, kept: str) -> list[str]:
    """Return a warning that existing buyers keep what `kept` names. Returns no warning if nothing is sold or reserved."""
    if not (sold or reserved):
        return []
    waiting = f" ({for_waitlist} of them for people on the waitlist)" if for_waitlist else ""
    return [f"Sold: {sold}, reserved: {reserved}{waiting}. Buyers keep the {kept} that they bought or reserved."]


def admin_tier_view(catalog: Catalog, tier: Tier, stocks: Stocks, now: int) -> AdminTierView:
    """Return a tier as the managers of its event see it."""
    view = {name: value for name, value in asdict(tier_view(catalog, tier, stocks, now)).items() if value is not UNSET}
    view["capacity"] = tier.capacity
    stock, listed_ids = stocks.get(tier.stock_id, NO_STOCK), {holdback.id for holdback in tier.holdbacks}
    return AdminTierView(
        **view,
        reserved=stock.held,
        reserved_for_waitlist=stock.for_waitlist,
        held_back=tier.held_back,
        releases=[
            HoldbackReleaseView(**asdict(release) | {"at": clock.iso(release.at)})
            for release in tier.releases
            if release.holdback_id in listed_ids
        ],
        complimentary=[
            HoldbackIssueView(holdback_id, holdback_stock.sold, holdback_stock.available)
            for holdback_id in tier.issuing
            if holdback_id in listed_ids and (holdback_stock := stocks.get(tier.holdback_stock_id(holdback_id))) is not None
        ],
        stripe_price_id=tier.stripe_price_id,
        managed_by=tier.managed_by,
        removed=tier.removed,
        version=tier.version,
        created_at=_time(catalog, tier.created_at),
        updated_at=_time(catalog, tier.updated_at),
        **view_values(tier, "managers"),
    )
