"""Create, change and delete events through the API. State changes, such as publication, are in `event_states`."""

from collections.abc import Callable, Sequence
from typing import ClassVar

from msgspec.structs import replace

from chalicelib.audit import service as audit
from chalicelib.catalog import capacities, event_states, forms, quotas, sale_rules, search, snapshots, store, tier_management
from chalicelib.catalog.forms import DateRule, EventChanges, EventFields
from chalicelib.catalog.model import Catalog, Event, EventStatus, Tier
from chalicelib.catalog.revisions import ANY_VERSION, CatalogChange, Expected, change_event, commit, get_changeable_event
from chalicelib.catalog.tier_management import settle_stock, without_texts
from chalicelib.dynamodb import dynamo
from chalicelib.edge.auth import Forbidden
from chalicelib.foundation import clock
from chalicelib.foundation.errors import ApiError, InvalidInput
from chalicelib.inventory.model import CapacityInUse, Shard

MAX_EMPTIED = dynamo.MAX_TRANSACT_ITEMS - 4  # tiers of a deleted event, in addition to the event, the audit entry, the head and the log


class EventNotDraft(ApiError):
    code: ClassVar[str] = "event_not_draft"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "Only drafts can be deleted. Unpublish the event first. Cancelled events are kept."


_opening_change_checks = list[Callable[[Event, Event, int], None]]()


def register_opening_change_check(check: Callable[[Event, Event, int], None]) -> None:
    """Call `check(before, after, now)` before an event's opening time changes. It raises an ApiError to refuse the change."""
    _opening_change_checks.append(check)


def create_event(
    event_id: str, fields: EventFields, actor: str, now: int, *, status: EventStatus = "draft", promoter_id: str | None = None
) -> Event:
    """Create an event. If an earlier attempt has already created the event `event_id`, return that event unchanged.

    If the event has a capacity, a repeated call also completes its pool. Raises InvalidInput, Forbidden, EventQuotaReached or
    EventLimitReached.
    """
    values = fields.values()
    forms.image_after(None, values)
    forms.check_dates(values["dates"])
    promoter_id = values.pop("promoter_id", promoter_id)
    new = Event(
        id=event_id,
        status=status,
        date=_date(values["starts_at"]),
        managed_by="api",
        promoter_id=promoter_id,
        created_at=now,
        updated_at=now,
        **values,
    ).with_times_of_dates()
    forms.check_event(new)

    def build(catalog: Catalog) -> CatalogChange[Event]:
        if event_id in catalog.events:
            return CatalogChange(catalog.events[event_id], [])
        if promoter_id in catalog.stopped_promoters:
            raise Forbidden("This promoter is locked. Contact the shop.")
        if promoter_id == actor:  # admins may give a promoter any number of events
            quotas.check_event_count(catalog, actor, now)
        event = replace(new, slug=search.new_slug(catalog, event_id, new.name))
        event, shards = (event, []) if event.capacity is None else capacities.add_pool(catalog, event)
        details = {"name": event.name, "status": event.status}
        entry = audit.entry_item(f"event#{event_id}", "event.created", actor, now, details)
        return CatalogChange(event, [store.create_event_item(event), entry, *shards])

    catalog, event = commit(build)
    if event.pool_id is not None:
        capacities.resize_pool(catalog, event)
    return event


def update_event(event_id: str, changes: EventChanges, actor: str, now: int, expected: Expected = ANY_VERSION) -> Event:
    """Change fields of an event. Returns the event after the change. No new version is written if nothing differs.

    A smaller capacity shrinks the pool before the event is written; a larger capacity grows the pool afterwards. Raises InvalidInput,
    NotFound, ManagedByBootstrap, CapacityNeedsDraft, CapacityTooSmall, EventHasSales, RoundPublic, SaleFrozen and the
    errors of `expected.check`.
    """
    values = changes.values()
    forms.check_dates(values.get("dates", []))
    known: list[Shard] | None = None

    def build(catalog: Catalog) -> CatalogChange[Event]:
        nonlocal known
        before = get_changeable_event(catalog, event_id)
        expected.check(before)
        after = replace(before, **values, **forms.image_after(before, values))
        if after.dates and "dates" not in values and (after.starts_at, after.ends_at) != (before.starts_at, before.ends_at):
            message = "The times of this event follow from its dates. Change `dates` instead."
            raise InvalidInput(message, path="$.starts_at", rule="follows_from_dates")
        after = replace(after, date=_date(after.starts_at)).with_times_of_dates()
        _check_removed_dates(catalog, before, after)
        if after.announced != before.announced and "change_note" not in values:
            after = replace(after, change_note=None)  # it was about an earlier change
        if before.status == "draft" and after.name != before.name:  # the URLs of a published event never change
            after = replace(after, slug=search.new_slug(catalog, event_id, after.name))
        forms.check_event(after)
        if after.on_sale_at != before.on_sale_at:
            for check in _opening_change_checks:
                check(before, after, now)
        sale_rules.check_frozen_event(catalog, before, after, now)
        _check_room(before, after)
        loses_tax_address = before.tax_address is not None and sale_rules.lacks_tax_address(catalog, after)
        if loses_tax_address and before.status != "draft" and any(tier.price_cents for tier in catalog.event_tiers(event_id)):
            raise InvalidInput(sale_rules.TAX_ADDRESS_NEEDED, path="$.postal_code", rule="tax_address_needed")
        shards: list[dynamo.TransactItem] = []
        if before.pool_id is not None and "capacity" in values:
            after, known = capacities.with_changed_pool(catalog, before, after)
        elif after.capacity is not None and before.pool_id is None:
            after, shards = capacities.add_pool(catalog, after)
        if "dates" in values or "capacity" in values:
            tiers = [tier for tier in catalog.event_tiers(event_id) if not tier.removed]
            capacities.check_date_capacities(after, tiers, None if "dates" in values else "$.capacity", values.get("dates", ()))
        after = sale_rules.with_event_changes(before, after, now)
        change = change_event(before, after, "event.changed", actor, now)
        return replace(change, items=[*change.items, *shards])

    try:
        catalog, event = commit(build)
    except ApiError:
        if known is not None:
            settle_stock(event_id, None, actor, now)
        raise
    if event.pool_id is not None and "capacity" in values:
        try:
            capacities.resize_pool(catalog, event, known)
        except CapacityInUse as error:  # another change has enlarged the pool in the meantime, and the tickets were sold
            settle_stock(event_id, None, actor, now)
            raise capacities.pool_refusal(catalog, event, error) from None
    return event


def add_dates(event_id: str, rule: DateRule, tiers: Sequence[Tier], actor: str, now: int, expected: Expected = ANY_VERSION) -> None:
    """Add the dates of a rule to an event, each with copies of these tiers. A repeated call adds what is missing.

    Raises the errors of `update_event` and `create_tier`. If the event changes at the same time, raises VersionConflict.
    """
    catalog = snapshots.load_current()
    before = get_changeable_event(catalog, event_id)
    expected.check(before)
    dates, repeated = forms.expand_rule(rule, before.dates, before.timezone)
    tier_management.check_copies(catalog, before, tiers, repeated)
    update_event(event_id, EventChanges(dates=dates), actor, now, Expected(before.version))
    tier_management.copy_tiers(tiers, repeated, actor, now)


def delete_event(event_id: str, actor: str, now: int, expected: Expected = ANY_VERSION) -> Event:
    """Delete a draft. The event stays in the store with `deleted_at`, but appears in no list. A repeated call changes nothing.

    The long texts and the dates of the event and its tiers are deleted too, because every instance keeps all events in its memory. Raises
    NotFound, ManagedByBootstrap, EventNotDraft, EventHasSales and the errors of `expected.check`.
    """

    def build(catalog: Catalog) -> CatalogChange[Event]:
        known = catalog.events.get(event_id)
        if known is not None and known.deleted_at is not None:
            return CatalogChange(known, [])
        before = get_changeable_event(catalog, event_id)
        expected.check(before)
        event_states.check_no_sales(catalog, event_id, event_states.read_draft_stock(catalog, before))
        if before.status != "draft":
            raise EventNotDraft(event_id=event_id)
        emptied = replace(
            before, image=None, image_url=None, description="", descriptions={}, names={}, metadata={}, cancellation_reasons={}
        )
        after = replace(emptied, deleted_at=now, change_note=None, dates=[], cancelled_dates=[])
        change = change_event(before, after, "event.deleted", actor, now)
        tiers = [
            replace(without, version=tier.version + 1, updated_at=now)
            for tier in catalog.event_tiers(event_id)
            if (without := _without_texts(tier)) != tier
        ][:MAX_EMPTIED]
        return replace(change, items=[*change.items, *map(store.put_tier_item, tiers)], others=tiers)

    return commit(build)[1]


def _check_room(before: Event, after: Event) -> None:
    """Raise InvalidInput if a published event would get a waiting room that this shop cannot run. Drafts may have one."""
    if after.status == "draft":
        return
    known = event_states.list_room_problems(before)
    for problem in event_states.list_room_problems(after):
        if problem not in known:
            raise InvalidInput(problem["message"], path=problem["path"])


def _check_removed_dates(catalog: Catalog, before: Event, after: Event) -> None:
    """Raise InvalidInput for a removed date that is cancelled or that a tier names, or if tickets for all dates are sold or held.

    Also raise InvalidInput if only cancelled dates are left.
    """
    kept = {date.id for date in after.dates}
    removed = [date.id for date in before.dates if date.id not in kept]
    if not before.cancelled_date_ids.isdisjoint(removed) or (after.dates and kept <= before.cancelled_date_ids):
        message = "Cancelled dates cannot be removed, and at least one date must take place. To cancel all dates, cancel the event."
        raise InvalidInput(message, path="$.dates", rule="date_cancelled")
    tiers = [tier for tier in catalog.event_tiers(before.id) if not tier.removed] if removed else []
    for tier in tiers:
        named = next((date_id for date_id in removed if date_id in tier.date_ids), None)
        if named is not None or (not tier.date_ids and tier_management.has_sales(tier)):
            cause = f"the date `{named}`" if named is not None else "all dates, and some are sold or reserved"
            message = f"Tickets of the type {tier.name} are valid for {cause}. Keep the date, or change the ticket type first."
            raise InvalidInput(message, path="$.dates", rule="date_in_use", tier_id=tier.id)


def _without_texts(tier: Tier) -> Tier:
    """Return a tier without long texts and dates. Its holdbacks stay if one of them has a stock, because they define its capacity."""
    emptied = replace(without_texts(tier), date_ids=[])
    return emptied if tier.issuing else replace(emptied, holdbacks=[], releases=[])


def _date(starts_at: int) -> str:
    return clock.iso(starts_at) if starts_at else ""
