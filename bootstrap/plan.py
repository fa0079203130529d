"""What an apply would do: pure, from a document, what is served and what is in stock, to a diff that a person can read."""

from collections.abc import Container, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict, replace

from bootstrap import entities
from bootstrap.faults import shown
from bootstrap.validate import Checked
from chalicelib import clock
from chalicelib.catalog.model import DEFAULT_STATES, Catalog, Content, DisplayState, Event, Head, Tier
from chalicelib.inventory.model import Stock, default_shards

# What the diff of an entry leaves out: kept by the store, or said in other words.
_NOT_COMPARED = {
    Event: frozenset({"starts_at", "ends_at", "description", "timezone", "image_url", "featured", "managed_by", "paused", "removed"}),
    Tier: frozenset({"stock_id", "shards", "capacity", "availability", "managed_by", "removed"}),
    DisplayState: frozenset[str](),
}
_TIMES = frozenset({"starts_at", "ends_at", "on_sale_at", "sale_starts_at", "sale_ends_at"})


class NewStock(Struct, frozen=True):
    tier_id: str
    capacity: int
    sold: int
    shards: int
    is_open: bool


class Resize(Struct, frozen=True):
    """Bring a stock from what it has now to what the file says. `shards` never shrink."""

    tier_id: str
    stock_id: str
    was: int
    capacity: int
    shards: int
    to_shards: int
    is_open: bool


class Plan(Struct, frozen=True):
    """`lines` are the diff; with `refusals` nothing may be applied. `same` says that the head already is this document."""

    head: Head
    checksum: str
    lines: list[str]
    refusals: list[str]
    same: bool
    events: list[Event]
    tiers: list[Tier]
    states: dict[str, DisplayState]
    new: list[NewStock]
    resizes: list[Resize]
    reopen: list[tuple[str, int, bool]]

    @property
    def clean(self) -> bool:
        """Neither the catalog nor the stock has anything to change."""
        return self.same and not (self.resizes or self.reopen or self.refusals)

    def content(self, version: int) -> Content:
        """What readers will load as this version; tiers that never existed get a stock that is named after it."""
        tiers = [replace(tier, stock_id=tier.stock_id or stock_id(tier.id, version)) for tier in self.tiers]
        return Content(self.events, tiers, self.states)


def stock_id(tier_id: str, version: int) -> str:
    """See docs/decisions/0002-stock-ids.md."""
    return f"{tier_id}@{version}"


def all_stock(catalog: Catalog) -> dict[str, int]:
    """The stock of every tier that a file made: stock id -> shards."""
    return {tier.stock_id: tier.shards for tier in catalog.tiers.values() if tier.managed_by == "bootstrap"}


def touched_stock(checked: Checked, catalog: Catalog) -> dict[str, int]:
    """The stock about which the plan has anything to say, so that a change of one tier does not read a thousand."""
    wanted = entities.tiers(checked)
    touched = {}
    for old in catalog.tiers.values():
        new = wanted.get(old.id)
        if old.managed_by == "bootstrap" and (
            (new is None and not old.removed)
            or (new is not None and (old.capacity, old.price_cents, old.event_id) != (new.capacity, new.price_cents, new.event_id))
            or (new is not None and _shards(old, new) != old.shards)
        ):
            touched[old.stock_id] = old.shards
    return touched


def make(checked: Checked, head: Head, catalog: Catalog, asked: Container[str], stocks: Mapping[str, Stock]) -> Plan:
    """`stocks` is what the store strongly read for the `asked` stock ids; the rest is taken to be as the catalog says."""
    return _Planner(checked, head, catalog, asked, stocks).plan()


def _shards(old: Tier, new: Tier) -> int:
    """Shards are only ever added: taking one away would mean to move holds, which belong to purchases."""
    return max(old.shards, new.shards or default_shards(new.capacity))


class _Planner:
    def __init__(self, checked: Checked, head: Head, catalog: Catalog, asked: Container[str], stocks: Mapping[str, Stock]) -> None:
        self.checked, self.head, self.catalog, self.asked, self.stocks = checked, head, catalog, asked, stocks
        self.lines: list[str] = []
        self.refusals: list[str] = []
        self.new: list[NewStock] = []
        self.resizes: list[Resize] = []
        self.reopen: list[tuple[str, int, bool]] = []

    def plan(self) -> Plan:
        events = self._events()
        tiers = self._tiers()
        states: dict[str, DisplayState] = {**DEFAULT_STATES}
        states.update({str(name): state for name, state in self.checked.document.ticket_states.items()})
        for name, state in states.items():
            if self.head.version and state != self.catalog.states[name]:
                self._line("~", "state", name, _difference(self.catalog.states[name], state))
        return Plan(
            head=self.head,
            checksum=self.checked.checksum,
            lines=self.lines,
            refusals=self.refusals,
            same=self._is_same(events, tiers, states),
            events=events,
            tiers=tiers,
            states=states,
            new=self.new,
            resizes=self.resizes,
            reopen=self.reopen,
        )

    def _is_same(self, events: list[Event], tiers: list[Tier], states: dict[str, DisplayState]) -> bool:
        """The checksum alone would miss a version that other code, or other hands, made of the same document."""
        unpaused = {event.id: replace(event, paused=False) for event in self.catalog.events.values() if event.managed_by == "bootstrap"}
        served = {tier.id: tier for tier in self.catalog.tiers.values() if tier.managed_by == "bootstrap"}
        return (
            self.head.version > 0
            and self.checked.checksum == self.head.checksum
            and {event.id: event for event in events} == unpaused
            and {tier.id: tier for tier in tiers} == served
            and states == self.catalog.states
        )

    def _events(self) -> list[Event]:
        wanted = entities.events(self.checked)
        for event in wanted.values():
            old = self.catalog.events.get(event.id)
            if old is None:
                self._line("+", "event", event.id, f"{shown(event.name)}, {event.date}, {event.venue}")
            elif old.managed_by == "api":
                self._refuse("event", event.id, "an event of this id was made through the API")
            else:
                self._changed("event", event.id, old, event)
        gone = [event for event in self.catalog.events.values() if event.managed_by == "bootstrap" and event.id not in wanted]
        for event in gone:
            if not event.removed:
                self._line("-", "event", event.id, "is not in the file any more: its sale is closed, what was sold stays valid")
        return [*wanted.values(), *(_closed(event) for event in gone)]

    def _tiers(self) -> list[Tier]:
        wanted = entities.tiers(self.checked)
        tiers = []
        for tier in wanted.values():
            old = self.catalog.tiers.get(tier.id)
            if old is None:
                tiers.append(self._new(tier))
            elif old.managed_by == "api":
                self._refuse("tier", tier.id, "a tier of this id was made through the API")
            else:
                tiers.append(self._kept(old, tier))
        gone = [tier for tier in self.catalog.tiers.values() if tier.managed_by == "bootstrap" and tier.id not in wanted]
        for tier in gone:
            if not tier.removed:
                self._line("-", "tier", tier.id, f"is not in the file any more: closed{self._in_use(tier)}")
        return [*tiers, *(replace(tier, status="closed", removed=True) for tier in gone)]

    def _new(self, tier: Tier) -> Tier:
        sold = self.checked.document.ticket_types[tier.id].sold_count
        shards = tier.shards or default_shards(tier.capacity)
        started = f", {sold} of them sold already" if sold else ""
        self._line(
            "+",
            "tier",
            tier.id,
            f"{tier.capacity} for {tier.price_cents} {tier.currency} (price_cents) each{started} (event {tier.event_id})",
        )
        self.new.append(NewStock(tier.id, tier.capacity, sold, shards, not self._is_paused(tier)))
        return replace(tier, shards=shards)

    def _kept(self, old: Tier, tier: Tier) -> Tier:
        shards = _shards(old, tier)
        tier = replace(tier, stock_id=old.stock_id, shards=shards)
        self._changed("tier", tier.id, old, tier)
        if old.stock_id not in self.asked:
            return tier
        stock = self.stocks.get(old.stock_id)
        if stock is None:
            self._refuse("tier", tier.id, f"its stock {old.stock_id} is missing in the store, so nobody knows what was sold")
            return tier
        in_use = stock.sold + stock.held
        if old.event_id != tier.event_id and in_use:
            self._refuse("tier", tier.id, f"can't move from event {old.event_id}, {self._figures(stock)}")
        if stock.capacity != tier.capacity or shards != old.shards:
            self._resized(old, tier, stock)
        elif stock.open == self._is_paused(tier):
            state = "closed, though its event is not paused" if not stock.open else "open, though its event is paused"
            self._line("~", "tier", tier.id, f"the stock is {state}: brought in line")
            self.reopen.append((tier.stock_id, shards, not stock.open))
        return tier

    def _resized(self, old: Tier, tier: Tier, stock: Stock) -> None:
        in_use, left = stock.sold + stock.held, tier.capacity - stock.sold - stock.held
        if left < 0:
            self._refuse("tier", tier.id, f"capacity {tier.capacity} is below {in_use} ({self._figures(stock)})")
            return
        if old.capacity != tier.capacity:
            self._line("~", "tier", tier.id, f"capacity {stock.capacity} -> {tier.capacity} ({self._figures(stock)}, {left} left)")
        elif stock.capacity != tier.capacity:
            message = f"the stock has {stock.capacity}, the file says {tier.capacity}: brought to {tier.capacity}"
            self._line("~", "tier", tier.id, f"{message} ({self._figures(stock)}, {left} left)")
        if tier.shards != old.shards:
            self._line("~", "tier", tier.id, f"shards {old.shards} -> {tier.shards}")
        is_open = not self._is_paused(tier)
        self.resizes.append(Resize(tier.id, tier.stock_id, stock.capacity, tier.capacity, old.shards, tier.shards, is_open))

    def _changed(self, kind: str, name: str, old: Event | Tier, new: Event | Tier) -> None:
        if old.removed:
            self._line("+", kind, name, "is back in the file")
        text = _difference(old, new)
        if text:
            stock = self.stocks.get(old.stock_id) if isinstance(old, Tier) else None
            keep = f" ({stock.held} on hold keep the old price)" if stock and stock.held and "price_cents" in text else ""
            self._line("~", kind, name, text + keep)

    def _in_use(self, tier: Tier) -> str:
        stock = self.stocks.get(tier.stock_id)
        if stock is None or not stock.sold + stock.held:
            return ", nothing was sold"
        return f" (sold {stock.sold} stay valid, on hold {stock.held} can still be paid)"

    def _is_paused(self, tier: Tier) -> bool:
        event = self.catalog.events.get(tier.event_id)
        return event is not None and event.paused

    def _figures(self, stock: Stock) -> str:
        return f"sold {stock.sold}, on hold {stock.held}"

    def _line(self, sign: str, kind: str, name: str, text: str) -> None:
        self.lines.append(f"{sign} {kind} {name}: {text}")

    def _refuse(self, kind: str, name: str, text: str) -> None:
        self.refusals.append(f"! {kind} {name}: {text}")


def _closed(event: Event) -> Event:
    """An event that left the file: over, unless it says something stronger; a test stays what nobody but testers sees."""
    status = event.status if event.status in ("cancelled", "test") else "past"
    return replace(event, status=status, removed=True, paused=False)


def _difference(old: Event | Tier | DisplayState, new: Event | Tier | DisplayState) -> str:
    """`name old -> new` for each field that differs; of metadata, for each key."""
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
    return clock.iso(value) if name in _TIMES else shown(value)
