"""What an apply would do, as a diff that a person can read: computed from a document, the served catalog and its stock."""

from collections.abc import Container, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict, replace

from bootstrap import conversion
from bootstrap.faults import quoted
from bootstrap.validation import ValidDocument
from chalicelib import clock
from chalicelib.catalog.model import DEFAULT_STATES, Catalog, CatalogHead, DisplayState, Event, Tier, VersionContent
from chalicelib.catalog.service import new_stock_id
from chalicelib.inventory.model import MAX_HOLDS, Stock, default_shard_count

# What the diff of an entry leaves out: fields that the store keeps, and fields that repeat another one.
_NOT_COMPARED = {
    Event: frozenset(
        {
            "starts_at",
            "ends_at",
            "description",
            "timezone",
            "image_url",
            "featured",
            "promoter_id",
            "managed_by",
            "paused",
            "removed",
        }
    ),
    Tier: frozenset({"stock_id", "shards", "capacity", "availability", "managed_by", "removed"}),
    DisplayState: frozenset[str](),
}
_ON_SALE = frozenset({"active", "available"})  # the statuses in which an event and a tier are sold
_TIMES = frozenset({"starts_at", "ends_at", "on_sale_at", "sale_starts_at", "sale_ends_at"})


class NewStock(Struct, frozen=True):
    """The stock of a tier that never existed."""

    tier_id: str
    capacity: int
    sold: int
    shards: int
    is_open: bool


class Resize(Struct, frozen=True):
    """Bring a stock from its present capacity to that of the file. The number of shards never shrinks."""

    tier_id: str
    stock_id: str
    old_capacity: int
    new_capacity: int
    old_shards: int
    new_shards: int
    is_open: bool


class OpenChange(Struct, frozen=True):
    """Open or close a stock that missed a pause or a resume of its event."""

    stock_id: str
    shards: int
    is_open: bool


class Plan(Struct, frozen=True):
    """`changes` are the lines of the diff; with `refusals` nothing may be applied. `is_served`: the head already is this document.

    `reductions` are those of the changes that close or shrink what is on sale.
    """

    head: CatalogHead
    checksum: str
    changes: list[str]
    reductions: list[str]
    refusals: list[str]
    is_served: bool
    events: list[Event]
    tiers: list[Tier]
    states: dict[str, DisplayState]
    new_stocks: list[NewStock]
    resizes: list[Resize]
    open_changes: list[OpenChange]

    @property
    def is_empty(self) -> bool:
        """Whether neither the catalog nor the stock has anything to change."""
        return self.is_served and not (self.resizes or self.open_changes or self.refusals)

    def content(self, version: int) -> VersionContent:
        """What readers will load as this version; a tier that never existed gets a stock named after it."""
        tiers = [replace(tier, stock_id=tier.stock_id or new_stock_id(tier.id, version)) for tier in self.tiers]
        return VersionContent(self.events, tiers, self.states)


def all_stock(catalog: Catalog) -> dict[str, int]:
    """The stock of every tier that came from a bootstrap file: stock id -> number of shards."""
    return {tier.stock_id: tier.shards for tier in catalog.tiers.values() if tier.managed_by == "bootstrap"}


def changed_stock(valid: ValidDocument, catalog: Catalog) -> dict[str, int]:
    """The stock that the document changes: stock id -> number of shards. A change of one tier need not read a thousand."""
    file_tiers = conversion.to_tiers(valid)
    changed = {}
    for old in catalog.tiers.values():
        new = file_tiers.get(old.id)
        if old.managed_by == "bootstrap" and (
            (new is None and not old.removed)
            or (new is not None and (old.capacity, old.price_cents, old.event_id) != (new.capacity, new.price_cents, new.event_id))
            or (new is not None and _shards(old, new) != old.shards)
        ):
            changed[old.stock_id] = old.shards
    return changed


def build_plan(valid: ValidDocument, head: CatalogHead, catalog: Catalog, stock_ids: Container[str], stocks: Mapping[str, Stock]) -> Plan:
    """The plan of one document. `stocks` is what was strongly read for `stock_ids`; other stock is assumed to match the catalog."""
    return _PlanBuilder(valid, head, catalog, stock_ids, stocks).build()


def _shards(old: Tier, new: Tier) -> int:
    """How many shards the stock of a tier has from now on.

    Tickets never move between shards. So none is removed, since its holds belong to purchases, and only as many are added as the
    additional tickets fill: an empty shard serves nobody.
    """
    added_tickets = max(0, new.stock_capacity - old.stock_capacity)
    filled = added_tickets if new.shards else -(-added_tickets // MAX_HOLDS)
    return max(old.shards, min(new.shards or default_shard_count(new.stock_capacity), old.shards + filled))


class _PlanBuilder:
    def __init__(
        self, valid: ValidDocument, head: CatalogHead, catalog: Catalog, stock_ids: Container[str], stocks: Mapping[str, Stock]
    ) -> None:
        self.valid, self.head, self.catalog, self.stock_ids, self.stocks = valid, head, catalog, stock_ids, stocks
        self.changes: list[str] = []
        self.reductions: list[str] = []
        self.refusals: list[str] = []
        self.new_stocks: list[NewStock] = []
        self.resizes: list[Resize] = []
        self.open_changes: list[OpenChange] = []

    def build(self) -> Plan:
        events = self._compare_events()
        tiers = self._compare_tiers()
        states: dict[str, DisplayState] = {**DEFAULT_STATES}
        states.update({str(name): state for name, state in self.valid.document.ticket_states.items()})
        for name, state in states.items():
            if self.head.version and state != self.catalog.states[name]:
                self._add_change("~", "state", name, _difference(self.catalog.states[name], state))
        return Plan(
            head=self.head,
            checksum=self.valid.checksum,
            changes=self.changes,
            reductions=self.reductions,
            refusals=self.refusals,
            is_served=self._is_served(events, tiers, states),
            events=events,
            tiers=tiers,
            states=states,
            new_stocks=self.new_stocks,
            resizes=self.resizes,
            open_changes=self.open_changes,
        )

    def _is_served(self, events: list[Event], tiers: list[Tier], states: dict[str, DisplayState]) -> bool:
        """Whether the head is this document. The checksum alone would miss a version that other code created from the same document."""
        unpaused = {event.id: replace(event, paused=False) for event in self.catalog.events.values() if event.managed_by == "bootstrap"}
        served = {tier.id: tier for tier in self.catalog.tiers.values() if tier.managed_by == "bootstrap"}
        return (
            self.head.version > 0
            and self.valid.checksum == self.head.checksum
            and {event.id: event for event in events} == unpaused
            and {tier.id: tier for tier in tiers} == served
            and states == self.catalog.states
        )

    def _compare_events(self) -> list[Event]:
        """The events of the new version; notes what changes."""
        file_events = conversion.to_events(self.valid)
        for event in file_events.values():
            old = self.catalog.events.get(event.id)
            if old is None:
                self._add_change("+", "event", event.id, f"{quoted(event.name)}, {event.date}, {event.venue}")
            elif old.managed_by == "api":
                self._add_refusal("event", event.id, "an event with this id was made through the API; use another id")
            else:
                self._note_difference("event", event.id, old, event)
        removed = [event for event in self.catalog.events.values() if event.managed_by == "bootstrap" and event.id not in file_events]
        for event in removed:
            if not event.removed:
                self._add_change("-", "event", event.id, "is no longer in the file: its sale closes, sold tickets stay valid", reduces=True)
        return [*file_events.values(), *(_removed_event(event) for event in removed)]

    def _compare_tiers(self) -> list[Tier]:
        """The tiers of the new version; notes what changes."""
        file_tiers = conversion.to_tiers(self.valid)
        tiers = []
        for tier in file_tiers.values():
            old = self.catalog.tiers.get(tier.id)
            if old is None:
                tiers.append(self._new_tier(tier))
            elif old.managed_by == "api":
                self._add_refusal("tier", tier.id, "a tier with this id was made through the API; use another id")
            else:
                tiers.append(self._existing_tier(old, tier))
        removed = [tier for tier in self.catalog.tiers.values() if tier.managed_by == "bootstrap" and tier.id not in file_tiers]
        for tier in removed:
            if not tier.removed:
                self._add_change("-", "tier", tier.id, f"is no longer in the file: it closes{self._in_use(tier)}", reduces=True)
        return [*tiers, *(replace(tier, status="closed", removed=True) for tier in removed)]

    def _new_tier(self, tier: Tier) -> Tier:
        """A tier that never existed, with its number of shards; notes its new stock."""
        sold = self.valid.document.ticket_types[tier.id].sold_count
        shards = tier.shards or default_shard_count(tier.stock_capacity)
        already_sold = f", {sold} of them already sold" if sold else ""
        text = f"{tier.capacity} tickets at price_cents {tier.price_cents} {tier.currency}{already_sold} (event {tier.event_id})"
        self._add_change("+", "tier", tier.id, text)
        self.new_stocks.append(NewStock(tier.id, tier.stock_capacity, sold, shards, not self._is_paused(tier)))
        return replace(tier, shards=shards)

    def _existing_tier(self, old: Tier, tier: Tier) -> Tier:
        """A tier that exists, with its stock; notes what changes."""
        shards = _shards(old, tier)
        tier = replace(tier, stock_id=old.stock_id, shards=shards)
        self._note_difference("tier", tier.id, old, tier)
        if old.stock_id not in self.stock_ids:
            return tier
        stock = self.stocks.get(old.stock_id)
        if stock is None:
            reason = f"its stock {old.stock_id} is missing from the store, so the number sold is unknown; restore the table inventory"
            self._add_refusal("tier", tier.id, reason)
            return tier
        in_use = stock.sold + stock.held
        if old.event_id != tier.event_id and in_use:
            reason = f"cannot move from event {old.event_id} ({self._figures(stock)}); add a new ticket type to the other event"
            self._add_refusal("tier", tier.id, reason)
        if stock.capacity != tier.stock_capacity or shards != old.shards:
            self._note_resize(old, tier, stock)
        elif stock.is_open == self._is_paused(tier):
            text, change = ("open", "closes") if stock.is_open else ("closed", "opens")
            pause = "is paused" if stock.is_open else "is not paused"
            self._add_change("~", "tier", tier.id, f"the stock is {text}, though its event {pause}: it {change}")
            self.open_changes.append(OpenChange(tier.stock_id, shards, not stock.is_open))
        return tier

    def _note_resize(self, old: Tier, tier: Tier, stock: Stock) -> None:
        in_use, left = stock.sold + stock.held, tier.stock_capacity - stock.sold - stock.held
        if left < 0:
            self._add_refusal("tier", tier.id, f"capacity {tier.capacity} is below {in_use} ({self._figures(stock)}); use {in_use} or more")
            return
        reduces = tier.stock_capacity < stock.capacity
        if old.capacity != tier.capacity:
            text = f"capacity {stock.capacity} -> {tier.capacity} ({self._figures(stock)}, {left} left)"
            self._add_change("~", "tier", tier.id, text, reduces=reduces)
        elif stock.capacity != tier.stock_capacity:
            text = f"the stock has {stock.capacity}, the file says {tier.capacity}: it becomes {tier.capacity}"
            self._add_change("~", "tier", tier.id, f"{text} ({self._figures(stock)}, {left} left)", reduces=reduces)
        if tier.shards != old.shards:
            self._add_change("~", "tier", tier.id, f"shards {old.shards} -> {tier.shards}")
        is_open = not self._is_paused(tier)
        self.resizes.append(Resize(tier.id, tier.stock_id, stock.capacity, tier.stock_capacity, old.shards, tier.shards, is_open))

    def _note_difference(self, kind: str, name: str, old: Event | Tier, new: Event | Tier) -> None:
        if old.removed:
            self._add_change("+", kind, name, "is back in the file")
        text = _difference(old, new)
        if text:
            stock = self.stocks.get(old.stock_id) if isinstance(old, Tier) else None
            keep = f" ({stock.held} on hold keep the old price)" if stock and stock.held and "price_cents" in text else ""
            closes = old.status in _ON_SALE and new.status not in _ON_SALE
            self._add_change("~", kind, name, text + keep, reduces=closes)

    def _in_use(self, tier: Tier) -> str:
        stock = self.stocks.get(tier.stock_id)
        if stock is None or not stock.sold + stock.held:
            return ", nothing was sold"
        return f" ({stock.sold} sold stay valid, {stock.held} on hold can still be paid)"

    def _is_paused(self, tier: Tier) -> bool:
        event = self.catalog.events.get(tier.event_id)
        return event is not None and event.paused

    def _figures(self, stock: Stock) -> str:
        return f"sold {stock.sold}, on hold {stock.held}"

    def _add_change(self, sign: str, kind: str, name: str, text: str, *, reduces: bool = False) -> None:
        line = f"{sign} {kind} {name}: {text}"
        self.changes.append(line)
        if reduces:
            self.reductions.append(line)

    def _add_refusal(self, kind: str, name: str, text: str) -> None:
        self.refusals.append(f"! {kind} {name}: {text}")


def _removed_event(event: Event) -> Event:
    """An event that is no longer in the file: past, unless it was cancelled or a test, which it stays."""
    status = event.status if event.status in ("cancelled", "test") else "past"
    return replace(event, status=status, removed=True, paused=False)


def _difference(old: Event | Tier | DisplayState, new: Event | Tier | DisplayState) -> str:
    """`name old -> new` for each field that differs, and for each key of metadata that differs."""
    before, after = _flat(old), _flat(new)
    changed = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return ", ".join(f"{name} {_value(name, before.get(name))} -> {_value(name, after.get(name))}" for name in changed)


def _flat(entry: Event | Tier | DisplayState) -> dict[str, Any]:
    fields = {name: value for name, value in asdict(entry).items() if name not in _NOT_COMPARED[type(entry)]}
    metadata = fields.pop("metadata", {})
    return {**fields, **{f"metadata.{key}": value for key, value in metadata.items()}}


def _value(name: str, value: Any) -> str:
    if value is None:
        return "none"
    return clock.iso(value) if name in _TIMES else quoted(value)
