"""Create, copy, change, reorder and delete tiers through the API, with their stock and custom options."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, count
from typing import Any, ClassVar

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.audit import service as audit
from chalicelib.catalog import capacities, forms, publications, quotas, sale_rules, snapshots, store
from chalicelib.catalog.capacities import CatalogStock, HoldbackInUse
from chalicelib.catalog.custom_options import MAX_OPTIONS, CustomOption, check_option
from chalicelib.catalog.forms import TierChanges, TierFields
from chalicelib.catalog.model import MAX_HOLDBACK_IDS, Catalog, Event, EventDate, Holdback, ReleaseTo, Tier, in_display_order
from chalicelib.catalog.revisions import (
    ANY_VERSION,
    CatalogChange,
    CatalogChanging,
    Expected,
    change_event,
    commit,
    differences,
    get_changeable_event,
)
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import ids, money, settings
from chalicelib.foundation.errors import ApiError, InvalidInput, NotFound
from chalicelib.inventory import service as inventory
from chalicelib.inventory.availability import read_stock
from chalicelib.inventory.capacity import resize_stock
from chalicelib.inventory.model import UNLIMITED, CapacityInUse, Shard, Stock, default_shard_count

DEFAULT_CURRENCY = "USD"
MAX_SETTLE_ROUNDS = 10
MAX_SETTLED_TIERS = 20  # in one transaction
MAX_NAME_LENGTH = 100  # for the name of a copy


class TierNameTaken(ApiError):
    code: ClassVar[str] = "tier_name_taken"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "The event already has a ticket type with this name. Choose another name."


class TierHasSales(ApiError):
    """Tickets of the tier are sold or held."""

    code: ClassVar[str] = "tier_has_sales"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = (
        "Tickets of this type have been sold or reserved, so it cannot be deleted. Set `on_sale` to false instead."
    )


class ChangedTier(Struct, frozen=True):
    """A tier after a change. `stocks` maps stock ids to the stocks that were read or written after the change."""

    tier: Tier
    stocks: Mapping[str, Stock]


def create_tier(tier_id: str, event_id: str, fields: TierFields, actor: str, now: int) -> Tier:
    """Create a tier with its stock, which is closed while the event is closed. If `tier_id` exists, return that tier unchanged.

    Stock that is too large for the transaction is written beforehand, as a publication. Raises InvalidInput, NotFound,
    ManagedByBootstrap, TierNameTaken, TooManyTiers, TooManyTickets and SaleFrozen.
    """
    new = _new_tier(tier_id, event_id, fields, now)
    currency = fields.currency if isinstance(fields.currency, str) else None

    def complete(catalog: Catalog, tier: Tier) -> Tier:
        tier = replace(tier, currency=currency or common_currency(_others(catalog, tier)))
        _check(catalog, tier, currency)
        return tier

    return _create_tier(new, complete, actor, now)


def duplicate_tier(tier_id: str, source_id: str, actor: str, now: int) -> Tier:
    """Create a closed copy of a tier in the same event, with its own name and stock, at the end of the list.

    Raises the errors of `create_tier`. If `tier_id` exists, return that tier unchanged.
    """
    source = get_changeable_tier(snapshots.load_current(), source_id)
    return _create_copy(source, replace(source, id=tier_id, status="closed"), actor, now)


def tiers_of_date(event_id: str, date_id: str) -> list[Tier]:
    """Return the tiers that are only for this date. Raises InvalidInput if there are none."""
    tiers = [tier for tier in snapshots.load_current().event_tiers(event_id) if not tier.removed and tier.date_ids == [date_id]]
    if not tiers:
        raise InvalidInput("This date has no ticket types of its own.", path="$.tiers_of", rule="without_tiers")
    return tiers


def check_copies(catalog: Catalog, event: Event, tiers: Sequence[Tier], dates: Sequence[EventDate]) -> None:
    """Raise TooManyTiers if an event may not have all the copies that `copy_tiers` creates."""
    more = sum(copied.id not in catalog.tiers for _, copied in _copies(tiers, dates))
    if more:
        quotas.check_tier_count(catalog, event, more)


def copy_tiers(tiers: Sequence[Tier], dates: Sequence[EventDate], actor: str, now: int) -> None:
    """Copy tiers that are for one date to these dates of their event, with the date in the name. A repeated call creates what is missing.

    Raises the errors of `create_tier`.
    """
    for tier, copied in _copies(tiers, dates):
        _create_copy(tier, copied, actor, now)


def _copies(tiers: Sequence[Tier], dates: Sequence[EventDate]) -> Iterator[tuple[Tier, Tier]]:
    for date in dates:
        for tier in tiers:
            if tier.date_ids != [date.id]:
                name = f"{tier.name[: MAX_NAME_LENGTH - len(date.id) - 2].rstrip()}, {date.id}"
                yield tier, replace(tier, id=f"{tier.id}.{date.id}", name=name, date_ids=[date.id])


def _create_copy(source: Tier, copied: Tier, actor: str, now: int) -> Tier:
    """Create a copy of a tier with its own stock, at the end of the list, and with another name if a tier of the event has this name.

    The copy has no image, because the files belong to the original, and no price at the payment provider.
    """
    new = replace(
        copied,
        stock_id=copied.id,
        shards=_default_shards(source.capacity, snapshots.find_event(source.event_id)),
        holdbacks=source.active_holdbacks,
        releases=[],
        issuing=[],
        resale_prices=[],
        public_changes=[],
        image_url=None,
        image=None,
        stripe_price_id=None,
        options=[replace(option, id=ids.new_id()) for option in source.options],
        version=1,
        created_at=now,
        updated_at=now,
    )

    def complete(catalog: Catalog, tier: Tier) -> Tier:
        others = _others(catalog, tier)
        return replace(tier, name=_copy_name(tier.name, others), display_order=next_position(others))

    return _create_tier(new, complete, actor, now)


def update_tier(tier_id: str, changes: TierChanges, actor: str, now: int, expected: Expected = ANY_VERSION) -> ChangedTier:
    """Change fields of a tier. Returns the tier after the change. Open reservations keep their original price.

    The stock shrinks before the tier is written, because shrinking can be refused, and grows afterwards. So the stock never has more
    tickets than the tier, and after a crash, a repeated call with the same capacity completes the change. Raises InvalidInput, NotFound,
    ManagedByBootstrap, TierNameTaken, TooManyTickets, CapacityTooSmall, HoldbacksTooLarge, HoldbackInUse, SaleFrozen and the errors of
    `expected.check`.
    """
    values = changes.values()
    changes_stock, changes_pool = "capacity" in values or "holdbacks" in values, "holdbacks" in values
    shards: list[Shard] | None = None
    shrunk: Tier | None = None  # as before the change
    released_to: ReleaseTo | None = None

    def build(catalog: Catalog) -> CatalogChange[Tier]:
        nonlocal shards, shrunk, released_to
        before = get_changeable_tier(catalog, tier_id)
        expected.check(before)
        after = replace(before, **values, **forms.image_after(before, values))
        if changes_pool:
            ids = {holdback.id for holdback in after.holdbacks}
            _check_holdback_ids(before, ids)
            after = replace(after, releases=[release for release in before.releases if release.issued or release.holdback_id in ids])
        _check(catalog, after, changes.currency if isinstance(changes.currency, str) else None)
        _check_frozen(catalog, before, after, now)
        items = capacities.holdback_stock_items(before, after) if changes_pool else []
        if changes_stock:
            after = replace(after, shards=max(before.shards, _default_shards(after.capacity, catalog.events.get(after.event_id))))
            quotas.check_ticket_count(catalog, after)
            shrunk = before
            shards = capacities.shrink_stocks(catalog, before, after)
            released_to = capacities.released_to(before, after)
        _check_date_capacities(catalog, before, after)
        after = sale_rules.with_tier_changes(catalog, before, after, now)
        change = change_tier(before, after, "tier.changed", actor, now)
        return replace(change, items=[*change.items, *items])

    try:
        _, tier = commit(build)
    except ApiError:
        if shrunk is not None:
            settle_stock(shrunk.event_id, tier_id, actor, now)
        raise
    if shrunk is None:
        return ChangedTier(tier, {})
    try:
        stock = capacities.resize_stocks(tier, shards, with_pool=changes_pool, released_to=released_to)
    except CapacityInUse as error:
        settle_stock(tier.event_id, tier_id, actor, now)
        raise capacities.refusal(tier, error, is_by_holdbacks=changes_pool) from None
    return ChangedTier(tier, {tier.stock_id: stock})


def settle_stock(event_id: str, tier_id: str | None, actor: str, now: int) -> None:
    """Resize the event's pool, and the stock of the tier if given, to match the catalog. Release holdbacks if too many tickets are sold.

    This happens if another change of the event enlarges the stock between the shrinking of the stock and the write of the catalog, and the
    tickets are sold in the meantime. The catalog must not claim that these tickets are held back.
    """
    for _ in range(MAX_SETTLE_ROUNDS):
        try:
            if tier_id is None:
                capacities.complete_pool(event_id)
            else:
                capacities.resize_stocks(snapshots.load_current().tiers[tier_id], with_pool=True)
            return
        except CapacityInUse:
            commit(lambda catalog: _without_oversold(catalog, event_id, tier_id, actor, now))
    raise CatalogChanging(retry_after_seconds=1)


def _without_oversold(catalog: Catalog, event_id: str, tier_id: str | None, actor: str, now: int) -> CatalogChange[Event]:
    """Shrink holdbacks by the tickets that are sold or held, and enlarge the capacity of the tier and of the event by the rest.

    The tier's own holdbacks shrink first, starting with the last one. For the event's pool, holdbacks of other tiers may shrink too.
    """
    event = catalog.events[event_id]
    pool = {} if event.pool_id is None else {event.pool_id: event.pool_shards}
    shared = sum(max(0, stock.sold + stock.held - catalog.pool_capacity(event)) for stock in read_stock(pool).values())
    items: list[dynamo.TransactItem] = []
    others: list[Tier] = []
    for tier in sorted(catalog.listed_tiers(event_id), key=lambda tier: tier.id != tier_id):
        own = 0
        if tier.id == tier_id:
            stock = read_stock({tier.stock_id: tier.shards})[tier.stock_id]
            own = max(0, stock.sold + stock.held - tier.stock_capacity)
        elif shared == 0 or len(others) == MAX_SETTLED_TIERS:
            break
        after = _with_smaller_holdbacks(tier, max(own, shared))
        taken = tier.held_back - after.held_back
        if own > taken and tier.capacity is not None:
            after = replace(after, capacity=tier.capacity + own - taken)
        shared = max(0, shared - taken)
        if after != tier:
            change = change_tier(tier, after, "tier.changed", actor, now)
            items += [*change.items, *capacities.holdback_stock_items(tier, after)]
            others.append(change.result)
    if shared and event.capacity is not None and len(others) < MAX_SETTLED_TIERS:
        changed = change_event(event, replace(event, capacity=event.capacity + shared), "event.changed", actor, now)
        event, items = changed.result, [*items, *changed.items]
    return CatalogChange(event, items, others)


def _with_smaller_holdbacks(tier: Tier, excess: int) -> Tier:
    """Return the tier with up to `excess` fewer held-back tickets. A holdback keeps the tickets that were issued from it."""
    active = tier.active_holdbacks
    if not active or not excess:
        return tier
    issued, kept = capacities.issued_counts(tier), list[Holdback]()
    for holdback in reversed(tier.holdbacks):
        taken = min(excess, holdback.quantity - issued.get(holdback.id, 0)) if holdback in active else 0
        excess -= taken
        if taken < holdback.quantity:
            kept.insert(0, replace(holdback, quantity=holdback.quantity - taken))
    return replace(tier, holdbacks=kept)


def without_texts(tier: Tier) -> Tier:
    """Return a tier without its picture and its long texts, in any language."""
    return replace(tier, description="", descriptions={}, names={}, metadata={}, image=None, image_url=None, options=[])


def delete_tier(tier_id: str, actor: str, now: int, expected: Expected = ANY_VERSION) -> Tier:
    """Delete a tier without sold or held tickets. Its stock shrinks to zero first, so nothing can be sold in the meantime.

    The tier stays in the catalog as `removed`, for refunded orders, but appears in no list, and its long texts are emptied. A repeated
    call changes nothing. Raises NotFound, ManagedByBootstrap, TierHasSales and the errors of `expected.check`.
    """
    resizes_pool = True  # a repeated call completes a deletion that a crash interrupted
    shrunk: Tier | None = None  # as before the deletion

    def build(catalog: Catalog) -> CatalogChange[Tier]:
        nonlocal resizes_pool, shrunk
        current = catalog.tiers.get(tier_id)
        if current is not None and current.removed and current.managed_by == "api":
            return CatalogChange(current, [])
        before = get_changeable_tier(catalog, tier_id)
        expected.check(before)
        after = replace(without_texts(before), capacity=0, status="closed", removed=True, holdbacks=[], releases=[])
        try:
            items = capacities.holdback_stock_items(before, after)
            resize_stock(before.stock_id, before.shards, 0)
            shrunk = before
        except HoldbackInUse as error:
            raise TierHasSales(tier_id=tier_id, sold=error.details["minimum"], held=0) from None
        except CapacityInUse as error:
            raise TierHasSales(tier_id=tier_id, sold=error.details["sold"], held=error.details["held"]) from None
        resizes_pool = before.held_back > 0
        after = sale_rules.with_tier_changes(catalog, before, after, now)
        change = change_tier(before, after, "tier.deleted", actor, now)
        return replace(change, items=[*change.items, *items])

    try:
        _, tier = commit(build)
    except ApiError:
        if shrunk is not None:
            settle_stock(shrunk.event_id, tier_id, actor, now)
        raise
    if resizes_pool:
        capacities.complete_pool(tier.event_id)  # with the tickets that the tier held back
    return tier


def common_currency(others: Sequence[Tier]) -> str:
    """Return the currency for a tier that specifies none: the currency of the event's other tiers, or the default."""
    return next((other.currency for other in others), DEFAULT_CURRENCY)


def next_position(others: Sequence[Tier]) -> int:
    """Return the position after all other tiers of the event."""
    return max((other.display_order + 1 for other in others), default=0)


def _create_tier(new: Tier, complete: Callable[[Catalog, Tier], Tier], actor: str, now: int) -> Tier:
    """Create a tier. `complete` adapts the tier to the other tiers of its event."""
    if new.shards <= capacities.MAX_SHARDS_IN_TRANSACTION:
        return _commit_tier(new, complete, actor, now, None)
    with publications.open_publication(now) as publication:
        tier = _commit_tier(replace(new, stock_id=publication.stock_id(new.id)), complete, actor, now, publication)
        if tier.stock_id != publication.stock_id(new.id):  # an earlier attempt has created the tier
            publication.discard()
    return tier


def _commit_tier(
    new: Tier, complete: Callable[[Catalog, Tier], Tier], actor: str, now: int, publication: publications.Publication | None
) -> Tier:
    def build(catalog: Catalog) -> CatalogChange[Tier]:
        if new.id in catalog.tiers:
            return CatalogChange(catalog.tiers[new.id], [])
        event = get_changeable_event(catalog, new.event_id)
        tier = complete(catalog, new)
        _check_frozen(catalog, None, tier, now)
        quotas.check_tier_count(catalog, event)
        quotas.check_ticket_count(catalog, tier)
        _check_date_capacities(catalog, None, tier)
        tier = sale_rules.with_tier_changes(catalog, None, tier, now)
        details = {"name": tier.name, "price_cents": tier.price_cents, "capacity": tier.capacity}
        entry = audit.entry_item(f"tier#{tier.id}", "tier.created", actor, now, details, event_id=event.id)
        if tier.held_back:
            capacities.shrink_stocks(catalog, None, tier)
        stock = CatalogStock.from_tier(catalog, tier)
        shards = inventory.new_shards(
            stock.stock_id, capacity=stock.capacity, sold=0, shard_count=stock.shards, is_open=stock.is_open, is_pooled=stock.is_pooled
        )
        return CatalogChange(tier, [store.create_tier_item(tier), entry, *_stock_items(shards, publication)])

    try:
        return commit(build)[1]
    finally:
        if new.held_back:
            capacities.complete_pool(new.event_id)


def _check_date_capacities(catalog: Catalog, before: Tier | None, after: Tier) -> None:
    """Raise InvalidInput if a new tier, or a tier with more tickets or more dates, would exceed the capacity of a date."""
    event = catalog.events[after.event_id]
    is_larger = before is None or before.stock_limit < after.stock_limit
    if is_larger or (before is not None and _loses_date(event, after, before)):
        path = "$.capacity" if is_larger else "$.date_ids"
        capacities.check_date_capacities(event, [*_others(catalog, after), after], path)


def _check_frozen(catalog: Catalog, before: Tier | None, after: Tier, now: int) -> None:
    """Raise SaleFrozen if a new or changed tier breaks the promise around an opening."""
    frozen = sale_rules.frozen_tier_field(catalog, before, after, now)
    if frozen is not None and frozen.field == "status":
        frozen = replace(frozen, field="on_sale")  # the name of the field in the API
    if frozen is not None:
        raise sale_rules.SaleFrozen(frozen)


def _new_tier(tier_id: str, event_id: str, fields: TierFields, now: int) -> Tier:
    """Return the tier that the fields describe, with the stock id that a small stock gets. `complete` sets the final currency later."""
    values = {"currency": DEFAULT_CURRENCY, **fields.values()}
    forms.image_after(None, values)
    if values["per_user_limit"] is None:
        values["per_user_limit"] = settings.current().tier_purchase_limit
    capacity = values["capacity"]
    shards = _default_shards(capacity, snapshots.find_event(event_id) if capacity is None else None)
    new = Tier(id=tier_id, event_id=event_id, stock_id=tier_id, shards=shards, managed_by="api", created_at=now, updated_at=now, **values)
    forms.check_tier(new)
    return new


def _stock_items(shards: inventory.NewShards, publication: publications.Publication | None) -> list[dynamo.TransactItem]:
    """Return the transaction items that create the shards. For a publication, write the shards now and return the item that ends it."""
    if publication is None:
        return inventory.create_shard_items(shards)
    publication.write_shards(shards)
    return [publication.end_item()]


def _default_shards(capacity: int | None, event: Event | None) -> int:
    """Return the number of shards for a new tier. If the tier has no limit, its event's capacity decides."""
    if capacity is not None:
        return default_shard_count(capacity)
    return default_shard_count(UNLIMITED if event is None else event.pool_limit)


def change_tier(before: Tier, after: Tier, action: str, actor: str, now: int) -> CatalogChange[Tier]:
    """Return the change from `before` to `after`, audited as `action`. The change is empty if nothing differs."""
    if after == before:
        return CatalogChange(before, [])
    after = replace(after, version=before.version + 1, updated_at=now)
    changes = differences(before, after)
    entry = audit.entry_item(f"tier#{after.id}", action, actor, now, {}, event_id=after.event_id, changes=changes)
    return CatalogChange(after, [store.put_tier_item(after), entry])


def get_changeable_tier(catalog: Catalog, tier_id: str) -> Tier:
    """Return a tier that was created through the API. Raises NotFound or ManagedByBootstrap."""
    tier = catalog.tiers.get(tier_id)
    if tier is None or (tier.removed and tier.managed_by == "api"):
        raise NotFound("There is no ticket type with this id.", tier_id=tier_id)
    get_changeable_event(catalog, tier.event_id)
    return tier


def _check_holdback_ids(before: Tier, holdback_ids: set[str]) -> None:
    """Raise InvalidInput if new holdbacks could give a tier too many stocks."""
    if not holdback_ids <= {holdback.id for holdback in before.holdbacks} and len({*holdback_ids, *before.issuing}) > MAX_HOLDBACK_IDS:
        message = f"Tickets of one type can be issued from at most {MAX_HOLDBACK_IDS} holdbacks. Reuse the `id` of an earlier holdback."
        raise InvalidInput(message, path="$.holdbacks")


def _check(catalog: Catalog, tier: Tier, currency: str | None) -> None:
    """Raise InvalidInput or TierNameTaken for a tier that conflicts with other tiers of its event. `currency` is the requested currency."""
    forms.check_tier(tier)
    if currency is not None:
        money.check_currency(currency, "$.currency")
    before = catalog.tiers.get(tier.id)
    if before is None or (before.price_cents, before.currency) != (tier.price_cents, tier.currency):
        money.check_last_digit(tier.price_cents, tier.currency, "$.price_cents")
    event = catalog.events[tier.event_id]
    forms.check_date_ids(tier.date_ids, event.dates)
    if tier.held_back and tier.capacity is None and event.capacity is None:
        message = "Neither this ticket type nor its event has a capacity from which tickets could be held back. Set one first."
        raise InvalidInput(message, path="$.holdbacks", rule="no_limit")
    others = _others(catalog, tier)
    currencies = {other.currency for other in others}
    if currency is not None and currencies and currency not in currencies:
        message = f"The other tickets of this event are sold in {', '.join(sorted(currencies))}. Use the same currency."
        raise InvalidInput(message, path="$.currency", rule="other_currency")
    if any(_comparable_name(other.name) == _comparable_name(tier.name) for other in others):
        raise TierNameTaken(name=tier.name)
    if before is not None and _loses_date(event, before, tier) and has_sales(before):
        message = "Tickets of this type have been sold or reserved, so they stay valid for their dates. You can add dates."
        raise InvalidInput(message, path="$.date_ids", rule="date_in_use", tier_id=tier.id)
    was_cancelled = before is not None and event.status != "cancelled" and event.for_tiers([before]).status == "cancelled"
    if before is not None and was_cancelled and before.date_ids != tier.date_ids:
        message = "All dates of this ticket type are cancelled and its tickets are refunded. Create a new ticket type for other dates."
        raise InvalidInput(message, path="$.date_ids", rule="date_cancelled", tier_id=tier.id)
    costs_money_now = tier.price_cents > 0 and (before is None or before.price_cents == 0)
    if costs_money_now and event.status != "draft" and sale_rules.lacks_account(catalog, event):
        raise InvalidInput(sale_rules.ACCOUNT_NEEDED, path="$.price_cents", rule="account_needed")
    if costs_money_now and event.status != "draft" and sale_rules.lacks_tax_address(catalog, event):
        raise InvalidInput(sale_rules.TAX_ADDRESS_NEEDED, path="$.price_cents", rule="tax_address_needed")


def has_sales(tier: Tier) -> bool:
    """Return whether tickets of a tier are sold or held. Reads its shards."""
    shards = {tier.stock_id: tier.shards, **tier.holdback_shard_counts}
    return any(stock.sold or stock.held for stock in read_stock(shards).values())


def _loses_date(event: Event, before: Tier, after: Tier) -> bool:
    """Return whether tickets of a tier would no longer be valid for one of the event's dates."""
    valid, still_valid = (set(tier.date_ids) or {date.id for date in event.dates} for tier in (before, after))
    return not valid <= still_valid


def _others(catalog: Catalog, tier: Tier) -> list[Tier]:
    """Return the other tiers of the event, without deleted ones."""
    return [other for other in catalog.event_tiers(tier.event_id) if other.id != tier.id and not other.removed]


def _copy_name(name: str, others: list[Tier]) -> str:
    """Return the name or, if another tier of the event has it, an unused name for a copy."""
    taken = {_comparable_name(other.name) for other in others}
    endings = chain(("", " (copy)"), (f" (copy {number})" for number in count(2)))
    names = (f"{name[: MAX_NAME_LENGTH - len(ending)].rstrip()}{ending}" for ending in endings)
    return next(copy for copy in names if _comparable_name(copy) not in taken)


def _comparable_name(name: str) -> str:
    """Return the name for comparisons. Case and repeated white space are ignored, because people would not notice them."""
    return " ".join(name.split()).casefold()


# Custom options: each change to an option is a change to its tier, with its own entry in the audit log.


class TooManyOptions(ApiError):
    code: ClassVar[str] = "too_many_options"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = f"A package can ask at most {MAX_OPTIONS} questions. Delete one first."


def create_option(tier_id: str, new: CustomOption, actor: str, now: int) -> CustomOption:
    """Add an option to a tier. If the tier already has an option with this id, return that option unchanged.

    Raises InvalidInput, NotFound, ManagedByBootstrap and TooManyOptions.
    """

    def add(options: list[CustomOption]) -> list[CustomOption]:
        if any(option.id == new.id for option in options):
            return options
        if len(options) >= MAX_OPTIONS:
            raise TooManyOptions()
        check_option(new)
        return [*options, new]

    return _get_option(_change_options(tier_id, add, actor, now), new.id)


def update_option(
    tier_id: str, option_id: str, values: Mapping[str, Any], actor: str, now: int, expected: Expected = ANY_VERSION
) -> CustomOption:
    """Change fields of an option. Existing answers stay unchanged.

    `expected` is a version of the tier. Raises InvalidInput, NotFound, ManagedByBootstrap and the errors of `expected.check`.
    """

    def change(options: list[CustomOption]) -> list[CustomOption]:
        changed = [replace(option, **values) if option.id == option_id else option for option in options]
        for option in changed:
            check_option(option)
        return changed

    return _get_option(_change_options(tier_id, change, actor, now, expected), option_id)


def delete_option(tier_id: str, option_id: str, actor: str, now: int, expected: Expected = ANY_VERSION) -> None:
    """Delete an option. Existing answers stay. A repeated call changes nothing. Raises the errors of `update_option`."""

    def drop(options: list[CustomOption]) -> list[CustomOption]:
        return [option for option in options if option.id != option_id]

    _change_options(tier_id, drop, actor, now, expected)


def _change_options(
    tier_id: str,
    change: Callable[[list[CustomOption]], list[CustomOption]],
    actor: str,
    now: int,
    expected: Expected = ANY_VERSION,
) -> Tier:
    def build(catalog: Catalog) -> CatalogChange[Tier]:
        before = get_changeable_tier(catalog, tier_id)
        expected.check(before)
        return change_tier(before, replace(before, options=change(before.options)), "tier.options_changed", actor, now)

    return commit(build)[1]


def _get_option(tier: Tier, option_id: str) -> CustomOption:
    for option in tier.options:
        if option.id == option_id:
            return option
    raise NotFound("This package has no option with this id.", option_id=option_id)


# The order of an event's tiers, which is set for all of them at once.


class StaleOrder(ApiError):
    """The caller has seen an outdated list or order of the event's tiers; `package_ids` is the current order."""

    code: ClassVar[str] = "stale_order"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = (
        "The list has changed in the meantime, so nothing was reordered. Load it again, then send each of its ids once."
    )


def reorder_tiers(event_id: str, tier_ids: Sequence[str], seen_ids: Sequence[str] | None, actor: str, now: int) -> Catalog:
    """Set the order of all tiers of an event at once. Returns the catalog with the new order.

    The event's history shows this as one change. Raises NotFound and ManagedByBootstrap. Raises StaleOrder unless `tier_ids` has every tier
    of the event and `seen_ids`, if given, is the current order, and InvalidInput if a tier is in `tier_ids` twice.
    """
    for place, tier_id in enumerate(tier_ids):
        if tier_id in tier_ids[:place]:
            raise InvalidInput("This id is in the list twice. Send each id once.", path=f"$.package_ids[{place}]")

    def build(catalog: Catalog) -> CatalogChange[Event]:
        event = get_changeable_event(catalog, event_id)
        present = {tier.id: tier for tier in in_display_order(catalog.listed_tiers(event_id))}
        if sorted(tier_ids) != sorted(present) or seen_ids not in (None, list(present)):
            raise StaleOrder(package_ids=list(present))
        # Some events have one tier more than MAX_TIERS, from earlier versions. In their order, the first tier keeps its number.
        first_place = present[tier_ids[0]].display_order if len(tier_ids) > quotas.MAX_TIERS else 0
        moved = [
            replace(present[tier_id], display_order=place, version=present[tier_id].version + 1, updated_at=now)
            for place, tier_id in enumerate(tier_ids, first_place)
            if present[tier_id].display_order != place
        ]
        if not moved:
            return CatalogChange(event, [])
        changes = {"tier_order": (list(present), list(tier_ids))}
        entry = audit.entry_item(f"event#{event_id}", "event.tiers_reordered", actor, now, {}, changes=changes)
        return CatalogChange(event, [entry, *map(store.put_tier_item, moved)], moved)

    catalog, _ = commit(build)
    return catalog
