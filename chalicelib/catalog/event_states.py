"""What changes the state of an event: publish, unpublish, pause, resume and cancel it. The state decides whether its stock is open.

The event is written first, so that tiers which are created at the same time are opened or closed as it says; then the shards, which
decide what is sold. After a crash in between the sweep writes them, or a repetition of the call.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.audit import service as audit
from chalicelib.catalog import snapshots, store
from chalicelib.catalog.model import Catalog, Event, EventStatus, Tier
from chalicelib.catalog.revisions import ANY_VERSION, CatalogChange, CatalogChanging, Expected, change_event, commit, get_changeable_event
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import parallel
from chalicelib.foundation.errors import ApiError, NotFound
from chalicelib.inventory import service as inventory
from chalicelib.inventory.model import Shard, Stock, shard_ids

MAX_ROUNDS = 5


class EventIncomplete(ApiError):
    """A draft lacks what a sale needs; `problems` has all of it: the field and what to do."""

    code: ClassVar[str] = "event_incomplete"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "This event cannot be published yet. Fix the listed `problems`, then publish it again."


class EventHasSales(ApiError):
    """Tickets of the event are sold or held."""

    code: ClassVar[str] = "event_has_sales"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "Tickets for this event have been sold or reserved. Cancel the event instead; buyers are refunded."


class AlreadyCancelled(ApiError):
    code: ClassVar[str] = "event_cancelled"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "This event has been cancelled, and that cannot be undone. Create a new event."


class EventState(Struct, frozen=True):
    """An event whose stock is as open as its state says, with the catalog and its stocks (by id) as they were found then."""

    catalog: Catalog
    event: Event
    stocks: Mapping[str, Stock]


def publish(event_id: str, actor: str, now: int, expected: Expected = ANY_VERSION) -> EventState:
    """Publish a draft and open its stock. Repeated, it finishes what a crash left.

    Raises EventIncomplete with all that is missing, AlreadyCancelled, NotFound, ManagedByBootstrap and those of `expected`.
    """

    def build(catalog: Catalog) -> CatalogChange[Event]:
        before = get_changeable_event(catalog, event_id)
        if before.status == "active":
            return CatalogChange(before, [])
        expected.check(before)
        if before.status == "cancelled":
            raise AlreadyCancelled(event_id=event_id)
        problems = list_problems(catalog, before, now)
        if problems:
            raise EventIncomplete(event_id=event_id, problems=problems)
        return change_event(before, replace(before, status="active"), "event.published", actor, now)

    return _commit_and_follow(event_id, build)


def unpublish(event_id: str, actor: str, now: int, expected: Expected = ANY_VERSION) -> EventState:
    """Make a published event a draft again, if no ticket of it is sold or held. Raises EventHasSales and those of `publish`.

    Whether that is so is known for certain only when the stock is closed. If a buyer was faster, the event is published again.
    """

    def build(catalog: Catalog) -> CatalogChange[Event]:
        change = _build_status(catalog, event_id, "draft", "event.unpublished", actor, now, expected)
        if change.items:
            check_no_sales(catalog, event_id, inventory.read_stock(catalog.shard_counts([event_id])))
        return change

    state = _commit_and_follow(event_id, build)
    try:
        check_no_sales(state.catalog, event_id, state.stocks)
    except EventHasSales:
        _commit_and_follow(event_id, lambda catalog: _build_status(catalog, event_id, "active", "event.published", actor, now, ANY_VERSION))
        raise
    return state


def cancel(event_id: str, actor: str, now: int, items: Sequence[dynamo.TransactItem] = ()) -> Event:
    """Cancel an event and close its stock, for good. Repeated, it finishes what a crash left.

    `items` are written with the change, if it is one: `purchases` refunds what was paid. An event of the bootstrap file must have been
    cancelled there. Raises NotFound and ManagedByBootstrap.
    """

    def build(catalog: Catalog) -> CatalogChange[Event]:
        known = catalog.find_event(event_id)
        if known is not None and known.status == "cancelled":
            return CatalogChange(known, [])
        before = get_changeable_event(catalog, event_id)
        change = change_event(before, replace(before, status="cancelled"), "event.cancelled", actor, now)
        return replace(change, items=[*change.items, *items])

    return _commit_and_follow(event_id, build).event


def set_paused(event_id: str, paused: bool, actor: str, now: int, follow: Callable[[Catalog], object] = lambda _: None) -> Event:
    """Pause or resume the sale of an event. Repeating the call completes a pause that was interrupted by a crash.

    `follow` is what else follows a pause. It is called with the catalog that says so, while the stock is opened or closed.
    """

    def build(catalog: Catalog) -> CatalogChange[Event]:
        event = catalog.find_event(event_id)
        if event is None:
            raise NotFound("There is no event with this id.", event_id=event_id)
        if event.paused == paused:
            return CatalogChange(event, [])
        action = "event.paused" if paused else "event.resumed"
        entry = audit.entry_item(f"event#{event_id}", action, actor, now, {})
        return CatalogChange(replace(event, paused=paused), [store.set_paused_item(event_id, paused, actor, now), entry])

    catalog, _ = commit(build)
    state, _ = parallel.both(lambda: follow_state(catalog, event_id), lambda: follow(catalog))
    return state.event


def read_draft_stock(catalog: Catalog, event: Event) -> Mapping[str, Stock]:
    """The stocks of an event, strongly consistent; of a draft nothing can be held after this, also if a crash has left its stock open."""
    by_stock = inventory.read_shards_by_stock(catalog.shard_counts([event.id]))
    if event.status == "draft" and any(shard.is_open for shards in by_stock.values() for shard in shards):
        return follow_state(catalog, event.id).stocks
    return {stock_id: Stock.total_of(shards) for stock_id, shards in by_stock.items()}


def check_no_sales(catalog: Catalog, event_id: str, stocks: Mapping[str, Stock]) -> None:
    """Raises EventHasSales if tickets of the event are sold or held, according to the stocks of its tiers."""
    stock = Stock.total_of(stocks[tier.stock_id] for tier in catalog.tiers_of(event_id) if tier.stock_id in stocks)
    if stock.sold or stock.held:
        raise EventHasSales(event_id=event_id, sold=stock.sold, held=stock.held)


def follow_state(catalog: Catalog, event_id: str) -> EventState:
    """Open or close the shards as the event says. Of several changes at once the last to finish follows what it says then.

    `catalog`: as it is now, or as a change of this request has made it.
    """
    for _ in range(MAX_ROUNDS):
        event = catalog.events[event_id]
        is_open = not event.is_closed
        if is_open and event.pool_id is not None:
            for tier in catalog.tiers_of(event_id):  # their shards may be newer than the pool
                inventory.mark_pooled(tier.stock_id, tier.shards)
        stocks = inventory.set_open(catalog.shard_counts([event_id]), is_open)
        inventory.invalidate()
        catalog = snapshots.load_current()
        event = catalog.events[event_id]
        if event.is_closed != is_open:
            return EventState(catalog, event, stocks)
    raise CatalogChanging(retryAfterSeconds=1)


def list_problems(catalog: Catalog, event: Event, now: int) -> list[dict[str, str]]:
    """All that keeps a draft from being published, each with its field and what to do."""
    problems = []
    if not event.venue:
        problems.append({"path": "$.venue", "message": "Add a venue."})
    if not event.starts_at:
        problems.append({"path": "$.starts_at", "message": "Add a start time."})
    elif event.last_sale_at <= now:
        problems.append({"path": "$.starts_at", "message": "The event would already be over. Choose a later time."})
    tiers = [tier for tier in catalog.tiers_of(event.id) if not tier.removed]
    if not tiers:
        problems.append({"path": "$.tiers", "message": "Add at least one ticket type."})
    elif event.pool_id is None and any(shard.is_pooled for shard in _shards_of(tiers)):
        message = "Setting the capacity was interrupted. Set it again, and then to null if the event should have none."
        problems.append({"path": "$.capacity", "message": message})
    return problems


def _shards_of(tiers: Sequence[Tier]) -> list[Shard]:
    return inventory.read_shards([shard_id for tier in tiers for shard_id in shard_ids(tier.stock_id, tier.shards)])


def _build_status(
    catalog: Catalog, event_id: str, status: EventStatus, action: str, actor: str, now: int, expected: Expected
) -> CatalogChange[Event]:
    before = get_changeable_event(catalog, event_id)
    if before.status == "cancelled":
        raise AlreadyCancelled(event_id=event_id)
    if before.status == status:
        return CatalogChange(before, [])
    expected.check(before)
    return change_event(before, replace(before, status=status), action, actor, now)


def _commit_and_follow(event_id: str, build: Callable[[Catalog], CatalogChange[Event]]) -> EventState:
    catalog, _ = commit(build)
    return follow_state(catalog, event_id)
