"""What changes the state of an event: publish, unpublish, pause, resume and cancel it. The state decides whether its stock is open.

The event is written first, so that tiers which are created at the same time are opened or closed as it says; then the shards, which
decide what is sold. After a crash in between the sweep writes them, or a repetition of the call.
"""

from collections.abc import Callable, Sequence
from typing import ClassVar

from msgspec.structs import replace

from chalicelib import dynamo
from chalicelib.audit import service as audit
from chalicelib.catalog import snapshots, store
from chalicelib.catalog.model import Catalog, Event, EventStatus, Tier
from chalicelib.catalog.revisions import ANY_VERSION, CatalogChange, CatalogChanging, Expected, change_event, commit, get_changeable_event
from chalicelib.errors import ApiError, NotFound
from chalicelib.inventory import service as inventory
from chalicelib.inventory.model import Shard, Stock, shard_ids

MAX_ROUNDS = 5


class EventIncomplete(ApiError):
    """A draft lacks what a sale needs; `problems` has all of it: the field and what to do."""

    code: ClassVar[str] = "event_incomplete"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "This event cannot be published yet. Correct what `problems` lists, and publish it again."


class EventHasSales(ApiError):
    """Tickets of the event are sold or held."""

    code: ClassVar[str] = "event_has_sales"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "Tickets of this event are sold or reserved. Cancel the event instead; buyers get their money back."


class AlreadyCancelled(ApiError):
    code: ClassVar[str] = "event_cancelled"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "This event was cancelled, which cannot be undone. Create a new event."


def publish(event_id: str, actor: str, now: int, expected: Expected = ANY_VERSION) -> Event:
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


def unpublish(event_id: str, actor: str, now: int, expected: Expected = ANY_VERSION) -> Event:
    """Make a published event a draft again, if no ticket of it is sold or held. Raises EventHasSales and those of `publish`.

    Whether that is so is known for certain only when the stock is closed. If a buyer was faster, the event is published again.
    """
    check_no_sales(snapshots.load_current(), event_id)
    event = _set_status(event_id, "draft", "event.unpublished", actor, now, expected)
    try:
        check_no_sales(snapshots.load_current(), event_id)
    except EventHasSales:
        _set_status(event_id, "active", "event.published", actor, now, ANY_VERSION)
        raise
    return event


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

    return _commit_and_follow(event_id, build)


def set_paused(event_id: str, paused: bool, actor: str, now: int) -> Event:
    """Pause or resume the sale of an event. Repeating the call completes a pause that was interrupted by a crash."""

    def build(catalog: Catalog) -> CatalogChange[Event]:
        event = catalog.find_event(event_id)
        if event is None:
            raise NotFound("There is no event with this id.", event_id=event_id)
        if event.paused == paused:
            return CatalogChange(event, [])
        action = "event.paused" if paused else "event.resumed"
        entry = audit.entry_item(f"event#{event_id}", action, actor, now, {})
        return CatalogChange(replace(event, paused=paused), [store.set_paused_item(event_id, paused, actor, now), entry])

    return _commit_and_follow(event_id, build)


def close_draft(event_id: str) -> None:
    """Make sure that nothing can be held of a draft, also if a crash left its stock open."""
    event = snapshots.load_current().find_event(event_id)
    if event is not None and event.status == "draft":
        _follow_state(event_id)


def check_no_sales(catalog: Catalog, event_id: str) -> None:
    """Raises EventHasSales if tickets of the event are sold or held; strongly consistent."""
    stock = Stock.total_of(inventory.read_stock({tier.stock_id: tier.shards for tier in catalog.tiers_of(event_id)}).values())
    if stock.sold or stock.held:
        raise EventHasSales(event_id=event_id, sold=stock.sold, held=stock.held)


def list_problems(catalog: Catalog, event: Event, now: int) -> list[dict[str, str]]:
    """All that keeps a draft from being published, each with its field and what to do."""
    problems = []
    if not event.venue:
        problems.append({"path": "$.venue", "message": "Say where the event is."})
    if not event.starts_at:
        problems.append({"path": "$.starts_at", "message": "Say when the event starts."})
    elif event.last_sale_at <= now:
        problems.append({"path": "$.starts_at", "message": "The event would be over already. Choose a later time."})
    tiers = [tier for tier in catalog.tiers_of(event.id) if not tier.removed]
    if not tiers:
        problems.append({"path": "$.tiers", "message": "Create at least one ticket type."})
    elif event.pool_id is None and any(shard.is_pooled for shard in _shards_of(tiers)):
        message = "Setting the capacity was interrupted. Set it again; then to null, if the event should have none."
        problems.append({"path": "$.capacity", "message": message})
    return problems


def _shards_of(tiers: Sequence[Tier]) -> list[Shard]:
    return inventory.read_shards([shard_id for tier in tiers for shard_id in shard_ids(tier.stock_id, tier.shards)])


def _set_status(event_id: str, status: EventStatus, action: str, actor: str, now: int, expected: Expected) -> Event:
    def build(catalog: Catalog) -> CatalogChange[Event]:
        before = get_changeable_event(catalog, event_id)
        if before.status == "cancelled":
            raise AlreadyCancelled(event_id=event_id)
        if before.status == status:
            return CatalogChange(before, [])
        expected.check(before)
        return change_event(before, replace(before, status=status), action, actor, now)

    return _commit_and_follow(event_id, build)


def _commit_and_follow(event_id: str, build: Callable[[Catalog], CatalogChange[Event]]) -> Event:
    event = commit(build)
    _follow_state(event_id)
    return event


def _follow_state(event_id: str) -> None:
    """Open or close the shards as the event says. Of several changes at once the last to finish follows what it says then."""
    event = snapshots.load_current().events[event_id]
    for _ in range(MAX_ROUNDS):
        catalog = snapshots.load_current()
        for stock_id, shard_count in catalog.shard_counts([event_id]).items():
            if event.pool_id not in (None, stock_id) and not event.is_closed:
                inventory.mark_pooled(stock_id, shard_count)  # shards may be newer than the pool
            inventory.set_open(stock_id, shard_count, not event.is_closed)
        inventory.invalidate()
        event, before = snapshots.load_current().events[event_id], event
        if event.is_closed == before.is_closed:
            return
    raise CatalogChanging(retryAfterSeconds=1)
