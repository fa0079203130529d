"""Publish, unpublish, pause, resume and cancel events. The state of an event decides whether its stock is open.

The event is written first, so that tiers created at the same time are opened or closed accordingly. The shards, which decide what can be
sold, are written afterwards. If a crash prevents that, the sweep or a repeated call writes the shards.

`sale_rules` decides what buyers see: upcoming, on sale, sold out or over.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from chalicelib.audit import service as audit
from chalicelib.catalog import sale_rules, snapshots, store
from chalicelib.catalog.model import (
    NO_BRAND,
    CancelledDate,
    Catalog,
    Event,
    EventStatus,
    PaymentAccountState,
    PromoterAccount,
    PromoterChoices,
    PromoterStop,
    Tier,
)
from chalicelib.catalog.revisions import (
    ANY_VERSION,
    CatalogChange,
    CatalogChanging,
    Expected,
    attempts,
    change_event,
    commit,
    get_changeable_event,
)
from chalicelib.dynamodb import dynamo
from chalicelib.edge.languages import Language
from chalicelib.foundation import addons, parallel
from chalicelib.foundation.errors import ApiError, InvalidInput, NotFound
from chalicelib.inventory import service as inventory
from chalicelib.inventory.availability import read_stock
from chalicelib.inventory.display import invalidate_figures, read_shards_by_stock
from chalicelib.inventory.model import Shard, Stock, shard_ids
from chalicelib.inventory.store import read_shards

MAX_ROUNDS = 5
MAX_REASONS_BYTES = 100_000  # of the cancelled dates of an event, whose item may have 400 KB


class EventIncomplete(ApiError):
    """A draft cannot be published yet. `problems` lists every missing field and what to do about it."""

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
    """An event whose stock was opened or closed to match its state, with the catalog and the stocks (by id) as they were read then."""

    catalog: Catalog
    event: Event
    stocks: Mapping[str, Stock]


def publish(event_id: str, actor: str, now: int, expected: Expected = ANY_VERSION) -> EventState:
    """Publish a draft and open its stock. A repeated call completes a publication that a crash interrupted.

    Raises EventIncomplete with all problems, AlreadyCancelled, SaleFrozen, NotFound, ManagedByBootstrap and the errors of `expected.check`.
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
        after = replace(before, status="active", withdrawn_opening=None)
        sale_rules.check_frozen_event(catalog, before, after, now)
        return change_event(before, after, "event.published", actor, now)

    return _commit_and_follow(event_id, build)


def unpublish(event_id: str, actor: str, now: int, expected: Expected = ANY_VERSION) -> EventState:
    """Make a published event a draft again if none of its tickets are sold or held.

    Raises EventHasSales and the errors of `publish`.

    Only closed stock shows for certain whether there are sales, so the stock is closed before the final check. If a buyer was faster, the
    event is published again.
    """

    def build(catalog: Catalog) -> CatalogChange[Event]:
        change = _build_status(catalog, event_id, "draft", "event.unpublished", actor, now, expected)
        if change.items:
            sale_rules.check_frozen_event(catalog, catalog.events[event_id], change.result, now)
            check_no_sales(catalog, event_id, read_stock(catalog.shard_counts([event_id])))
        return change

    state = _commit_and_follow(event_id, build)
    try:
        check_no_sales(state.catalog, event_id, state.stocks)
    except EventHasSales:
        _commit_and_follow(event_id, lambda catalog: _build_status(catalog, event_id, "active", "event.published", actor, now, ANY_VERSION))
        raise
    return state


def cancel(
    event_id: str,
    actor: str,
    now: int,
    items: Callable[[Event], Sequence[dynamo.TransactItem]] = lambda _: (),
    *,
    reason: str | None = None,
    reasons: Mapping[Language, str] | None = None,
    date_id: str | None = None,
) -> Event:
    """Cancel an event and close its stock permanently, or cancel one of its dates. With its last date, the event is cancelled.

    Buyers see the `reason`, or one of the `reasons` in their language. A repeated call with other reasons replaces them all, and completes
    a cancellation that a crash interrupted. `items` of the cancelled event are written in the transaction that cancels it or its date;
    `purchases` uses them to start the refunds. The stock of a date stays open, because the sale rules refuse its ticket types. An event of
    the bootstrap file must already be cancelled in the file. Raises NotFound and ManagedByBootstrap.
    """
    given = CancelledDate(date_id or "", reason, dict(reasons or {}))

    def build(catalog: Catalog) -> CatalogChange[Event]:
        known = catalog.find_event(event_id)
        if known is not None and date_id is not None:
            return _build_cancelled_date(catalog, known, given, actor, now, items)
        if known is not None and known.status == "cancelled":
            if not given.has_reasons or known.cancelled(given) == known:
                return CatalogChange(known, [])
            before = get_changeable_event(catalog, event_id)
            return change_event(before, before.cancelled(given), "event.changed", actor, now)
        before = get_changeable_event(catalog, event_id)
        after = before.cancelled(given)
        change = change_event(before, after, "event.cancelled", actor, now)
        return replace(change, items=[*change.items, *items(after)])

    return _commit_and_follow(event_id, build, is_urgent=True).event


def require_date(event: Event, date_id: str) -> None:
    """Raise NotFound unless the event has a date with this id, which may be cancelled."""
    if all(date.id != date_id for date in event.dates):
        raise NotFound("The event has no date with this id.", event_id=event.id, date_id=date_id)


def _build_cancelled_date(
    catalog: Catalog,
    known: Event,
    given: CancelledDate,
    actor: str,
    now: int,
    items: Callable[[Event], Sequence[dynamo.TransactItem]],
) -> CatalogChange[Event]:
    require_date(known, given.id)
    cancelled = next((each for each in known.cancelled_dates if each.id == given.id), None)
    if cancelled is not None and (not given.has_reasons or given == cancelled):
        return CatalogChange(known, [])
    if cancelled is None and known.status == "cancelled":
        return CatalogChange(known, [])
    before = get_changeable_event(catalog, known.id)
    if given.reasons and len(msgspec.json.encode([*before.cancelled_dates, given])) > MAX_REASONS_BYTES:
        raise InvalidInput("The reasons for the cancelled dates of this event are too long together. Send shorter ones.", path="$.reasons")
    if cancelled is not None:
        others = [each for each in before.cancelled_dates if each.id != given.id]
        return change_event(before, replace(before, cancelled_dates=[*others, given]), "event.changed", actor, now)
    after = before.with_cancelled_date(given)
    change = change_event(before, after, "event.cancelled" if after.status == "cancelled" else "event.date_cancelled", actor, now)
    return replace(change, items=[*change.items, *items(after)])


def set_paused(event_id: str, paused: bool, actor: str, now: int, follow: Callable[[Catalog], object] = lambda _: None) -> Event:
    """Pause or resume the sale of an event. A repeated call completes a pause that a crash interrupted.

    `follow` is called with the changed catalog, in parallel with opening or closing the stock.
    """
    is_repeated = False

    def build(catalog: Catalog) -> CatalogChange[Event]:
        nonlocal is_repeated
        event = catalog.find_event(event_id)
        if event is None:
            raise NotFound("There is no event with this id.", event_id=event_id)
        is_repeated = event.paused == paused
        if is_repeated:
            return CatalogChange(event, [])
        action = "event.paused" if paused else "event.resumed"
        entry = audit.entry_item(f"event#{event_id}", action, actor, now, {})
        return CatalogChange(replace(event, paused=paused), [store.set_paused_item(event_id, paused, actor, now), entry])

    catalog, event = commit(build, is_urgent=True)
    may_match = is_repeated or event.status == "draft"
    result, _ = parallel.both(lambda: _follow_pause(catalog, event_id, may_match=may_match), lambda: follow(catalog))
    return result


def _follow_pause(catalog: Catalog, event_id: str, *, may_match: bool) -> Event:
    """Open or close the shards after a pause. With `may_match`, writes nothing if the shards already match the event.

    A pause has no rate limit, and an event has thousands of shards. So a pause that changes nothing must not cause writes.
    """
    event = catalog.events[event_id]
    if may_match:
        by_stock = read_shards_by_stock(catalog.all_shard_counts([event_id]))
        if all(shard.is_open != event.is_closed for shards in by_stock.values() for shard in shards):
            return event
    return follow_state(catalog, event_id).event


def set_promoter_stopped_items(catalog: Catalog, stop: PromoterStop, actor: str, now: int, *, is_logged: bool) -> list[dynamo.TransactItem]:
    """Return transaction items that suspend all events of a promoter, or end the suspension.

    They fail if `catalog` is no longer current. Without `is_logged`, they succeed even then, but all instances reload the whole catalog.
    """
    flag = store.set_promoter_stopped_item(stop, actor, now)
    if not is_logged:
        return [flag, store.increment_revision_item()]
    return [flag, *store.next_revision_items(catalog.head, catalog.with_changes([stop]).head, [stop])]


def change_account(
    promoter_id: str, change: Callable[[PromoterAccount | None], PromoterAccount | None], actor: str, now: int
) -> PromoterAccount | None:
    """Change a promoter's payment account, with an audit entry, and pause or resume the promoter's events if the change requires it.

    `change` gets the stored account and returns the new one, or the same one if nothing changes. If a crash prevents the stock from being
    closed or opened, the sweep closes or opens it. Returns the account after the change. Raises CatalogChanging.
    """
    for _ in attempts(is_urgent=True):
        catalog = snapshots.load_current()
        before = catalog.accounts.get(promoter_id)
        after = change(before)
        if after is None or after == before:
            return after
        state_before = before.state if before is not None else None
        subject, changes = f"promoter#{promoter_id}", {"state": (state_before, after.state)}
        entry = audit.entry_item(subject, "promoter.account_changed", actor, now, {"account": after.id}, changes=changes)
        if not _is_written(catalog, after, store.put_account_item(after, actor, now), entry):
            continue
        if "restricted" in (state_before, after.state):
            follow_promoter(promoter_id, now)
        return after
    raise AssertionError("attempts ends with an exception")


_CHOSEN = {"brand": "brand", "default_taxes": "taxes", "automatic_tax": "automatic_tax"}  # name in the audit log -> field


def change_choices(
    promoter_id: str, build: Callable[[PromoterChoices], PromoterChoices], actor: str, now: int
) -> tuple[PromoterChoices, PromoterChoices]:
    """Replace a promoter's taxes or brand, with an audit entry. Returns the former and the new choices. Raises CatalogChanging."""
    for _ in attempts(is_urgent=False):
        catalog = snapshots.load_current()
        before = catalog.choices_of(promoter_id)
        after = build(before)
        if before == after:
            return before, after
        is_brand = before.brand != after.brand
        chosen = {name: (getattr(before, of), getattr(after, of)) for name, of in _CHOSEN.items()}
        changes = {name: (old, new) for name, (old, new) in chosen.items() if old != new}
        action = "promoter.brand_changed" if is_brand else "promoter.taxes_changed"
        entry = audit.entry_item(f"promoter#{promoter_id}", action, actor, now, {}, changes=changes)
        if _is_written(catalog, after, store.put_choices_item(after, actor, now), entry):
            return before, after
    raise AssertionError("attempts ends with an exception")


def forget_brand(promoter_id: str, now: int) -> None:
    """Remove the colors and the logo of a promoter whose data is erased. Files of unused logos are deleted within a day."""
    if snapshots.load_current().choices_of(promoter_id).brand != NO_BRAND:
        change_choices(promoter_id, lambda before: replace(before, brand=NO_BRAND), promoter_id, now)


def _is_written(
    catalog: Catalog, after: PromoterAccount | PromoterChoices, item: dynamo.TransactItem, audit_entry: dynamo.TransactItem
) -> bool:
    """Write a changed row of a promoter as the next revision. Returns False if the catalog has changed in the meantime."""
    changed = catalog.with_changes([after])
    try:
        dynamo.transact([*store.next_revision_items(catalog.head, changed.head, [after]), item, audit_entry])
    except dynamo.ConditionFailed:
        return False
    finally:
        snapshots.expire()
    return True


def record_account(account: PromoterAccount, *, takes_payments: bool, actor: str, now: int) -> PromoterAccount | None:
    """Record whether the provider lets a promoter's account take payments. An account that was removed or replaced stays as it is.

    Returns the promoter's account. Raises CatalogChanging.
    """

    def change(before: PromoterAccount | None) -> PromoterAccount | None:
        if before is None or before.id != account.id or before.state == "removed":
            return before
        not_taking: PaymentAccountState = "pending" if before.state == "pending" else "restricted"
        return replace(before, state="active" if takes_payments else not_taking)

    return change_account(account.promoter_id, change, actor, now)


def follow_promoter(promoter_id: str, now: int) -> int:
    """Open or close the stock of a promoter's published events that have not ended, after the promoter was stopped or may sell again.

    Returns the number of events.
    """
    current = snapshots.load_current()
    own = [event for event in current.events.values() if event.promoter_id == promoter_id and event.last_sale_at >= now]
    published = [event for event in own if event.status in ("active", "test")]
    for is_open in (False, True):
        inventory.set_open(current.all_shard_counts([event.id for event in published if event.is_closed != is_open]), is_open)
    invalidate_figures()
    return len(published)


def read_draft_stock(catalog: Catalog, event: Event) -> Mapping[str, Stock]:
    """Return the stocks of an event, read with strong consistency.

    If a crash has left a draft's stock open, the stock is closed first, so that no ticket of a draft can be held after this call.
    """
    by_stock = read_shards_by_stock(catalog.shard_counts([event.id]))
    if event.status == "draft" and any(shard.is_open for shards in by_stock.values() for shard in shards):
        return follow_state(catalog, event.id).stocks
    return {stock_id: Stock.total_of(shards) for stock_id, shards in by_stock.items()}


def check_no_sales(catalog: Catalog, event_id: str, stocks: Mapping[str, Stock]) -> None:
    """Raise EventHasSales if the stocks of the event's tiers show sold or held tickets, or complimentary tickets were issued."""
    holdbacks = catalog.holdback_shard_counts([event_id])
    tier_stocks = [stocks[tier.stock_id] for tier in catalog.event_tiers(event_id) if tier.stock_id in stocks]
    stock = Stock.total_of([*tier_stocks, *(read_stock(holdbacks).values() if holdbacks else [])])
    if stock.sold or stock.held:
        raise EventHasSales(event_id=event_id, sold=stock.sold, held=stock.held)


def follow_state(catalog: Catalog, event_id: str) -> EventState:
    """Open or close the shards to match the state of the event.

    If several changes run at once, the last one to finish applies the state that the event has by then. `catalog` is the current catalog,
    or the result of a change by this request.
    """
    for _ in range(MAX_ROUNDS):
        event = catalog.events[event_id]
        is_open = not event.is_closed
        if is_open and event.pool_id is not None:
            for tier in catalog.listed_tiers(event_id):  # their shards may have been created after the pool
                inventory.mark_pooled(tier.stock_id, tier.shards)
        stocks = inventory.set_open(catalog.all_shard_counts([event_id]), is_open)
        invalidate_figures()
        catalog = snapshots.load_current()
        event = catalog.events[event_id]
        if event.is_closed != is_open:
            return EventState(catalog, event, stocks)
    raise CatalogChanging(retry_after_seconds=1)


_can_check_cards: Callable[[], object] = bool  # false, until `set_card_checker` is called


def set_card_checker(find_card_checker: Callable[[], object]) -> None:
    """Register a function that returns the payment provider that can check the cards of people in waiting rooms, if there is one."""
    global _can_check_cards
    _can_check_cards = find_card_checker


def list_problems(catalog: Catalog, event: Event, now: int) -> list[dict[str, str]]:
    """List everything that prevents a draft from being published, each with the path of its field and a message that says what to do."""
    problems = []
    if not event.venue:
        problems.append({"path": "$.venue", "message": "Add a venue."})
    if not event.starts_at:
        problems.append({"path": "$.starts_at", "message": "Add a start time."})
    elif event.last_sale_at <= now:
        problems.append({"path": "$.starts_at", "message": "The event would already have ended. Choose a later time."})
    tiers = [tier for tier in catalog.event_tiers(event.id) if not tier.removed]
    if not tiers and event.shop_url is None:
        problems.append({"path": "$.tiers", "message": "Add at least one ticket type."})
    elif event.pool_id is None and any(shard.is_pooled for shard in _read_tier_shards(tiers)):
        message = "Setting the capacity was interrupted. Set it again, and then to null if the event should have none."
        problems.append({"path": "$.capacity", "message": message})
    problems += list_room_problems(event)
    if any(tier.price_cents for tier in tiers) and sale_rules.lacks_account(catalog, event):
        problems.append({"path": "$.promoter_id", "message": sale_rules.ACCOUNT_NEEDED})
    if any(tier.price_cents for tier in tiers) and sale_rules.lacks_tax_address(catalog, event):
        problems.append({"path": "$.postal_code", "message": sale_rules.TAX_ADDRESS_NEEDED})
    return problems


def list_room_problems(event: Event) -> list[dict[str, str]]:
    """List the reasons why this shop cannot run the waiting room of an event, in the form of `list_problems`."""
    problems = []
    if event.has_waiting_room and event.needs_address:
        from chalicelib.notifications import providers  # few requests publish events

        if providers.find_provider() is None:
            message = "Buyers verify their addresses by email, but this shop sends no emails. Set up a mail provider, or let everybody in."
            problems.append({"path": "$.waiting_room.entry", "message": message})
    if event.has_waiting_room and event.entry_rule == "payment_card" and not _can_check_cards():
        message = "Buyers save a card on the shop's own page, but no payment provider of this shop offers that. Choose another rule."
        problems.append({"path": "$.waiting_room.entry", "message": message})
    if event.ballot_cards != "none" and not _can_check_cards():
        message = (
            "People save a card on the shop's own page, but no payment provider of this shop offers that. Choose a ballot without cards."
        )
        problems.append({"path": "$.waiting_room.ballot_cards", "message": message})
    if event.has_ballot and not addons.is_on("waitlist"):
        message = "The waitlist offers the tickets of a ballot, and this shop has no waitlist. Choose a sale without a ballot."
        problems.append({"path": "$.waiting_room.ballot", "message": message})
    if event.wants_better_odds and not event.has_better_odds:
        message = "Better odds need a ballot, and one place for each email address, account or payment card."
        problems.append({"path": "$.waiting_room.better_odds", "message": message})
    return problems


def _read_tier_shards(tiers: Sequence[Tier]) -> list[Shard]:
    return read_shards([shard_id for tier in tiers for shard_id in shard_ids(tier.stock_id, tier.shards)])


def _build_status(
    catalog: Catalog, event_id: str, status: EventStatus, action: str, actor: str, now: int, expected: Expected
) -> CatalogChange[Event]:
    before = get_changeable_event(catalog, event_id)
    if before.status == "cancelled":
        raise AlreadyCancelled(event_id=event_id)
    if before.status == status:
        return CatalogChange(before, [])
    expected.check(before)
    after = replace(before, status=status)
    after = replace(after, withdrawn_opening=sale_rules.withdrawn_opening(catalog, before, after, now))
    return change_event(before, after, action, actor, now)


def _commit_and_follow(event_id: str, build: Callable[[Catalog], CatalogChange[Event]], *, is_urgent: bool = False) -> EventState:
    catalog, _ = commit(build, is_urgent=is_urgent)
    return follow_state(catalog, event_id)
