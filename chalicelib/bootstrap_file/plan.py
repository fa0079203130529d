"""The plan of an apply: its changes in readable form, and the steps that make them.

A plan is built by comparing a document with the served catalog and its stock.
"""

from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from msgspec import Struct, to_builtins
from msgspec.structs import asdict, replace

from chalicelib.bootstrap_file import validation
from chalicelib.bootstrap_file.findings import ChangedField, EntryChange, EntryKind, Refusal, Sign, in_use, new_field, quoted, refusal_lines
from chalicelib.bootstrap_file.validation import ValidDocument
from chalicelib.catalog import sale_rules
from chalicelib.catalog.model import DEFAULT_STATES, Catalog, CatalogHead, DisplayState, Event, Tier, VersionContent
from chalicelib.catalog.quotas import MAX_FILE_TIERS
from chalicelib.catalog.service import new_stock_id
from chalicelib.foundation import clock
from chalicelib.inventory.model import MAX_HOLDS, Stock, default_shard_count, finite
from chalicelib.promotions import management
from chalicelib.promotions.management import Key
from chalicelib.promotions.model import CodeWithUses, PromoCode
from chalicelib.promotions.service import with_uses

# Changes to promo codes, computed from the codes in the document, the stored codes and their uses.


class CodeChange(Struct, frozen=True):
    """A change to a promo code, from `stored` (with its current uses) to `declared`.

    `stored` is None for a new code. `declared` is None for a code that is no longer in the file.
    """

    stored: CodeWithUses | None
    declared: PromoCode | None

    @property
    def key(self) -> Key:
        promo_code = self.declared or (self.stored.promo_code if self.stored else None)
        assert promo_code is not None
        return promo_code.event_id, promo_code.code

    @property
    def name(self) -> str:
        return "/".join(self.key)

    @property
    def refusal(self) -> Refusal | None:
        """The reason why the change cannot be made. It is None if the change can be made."""
        if self.stored is None or self.declared is None:
            return None
        uses = self.stored.uses
        if self.stored.promo_code.managed_by == "api":
            return Refusal("code_of_api", {}, "promo code", self.name)
        if uses.sold + uses.held > self.declared.capacity:
            figures = {"limit": self.declared.capacity, "in_use": uses.sold + uses.held, **in_use(uses)}
            return Refusal("uses_in_use", figures, "promo code", self.name)
        return None

    @property
    def reduces(self) -> bool:
        """Whether buyers lose a discount that they can use now."""
        if self.stored is None or not self.stored.promo_code.is_active:
            return False
        return self.declared is None or not self.declared.is_active or self.declared.capacity < self.stored.promo_code.capacity

    @property
    def sign(self) -> Sign:
        return "+" if self.stored is None else "-" if self.declared is None else "~"

    @property
    def text(self) -> str:
        if self.stored is None:
            return _terms(self.declared) if self.declared else ""
        figures = _figures(self.stored.uses)
        if self.declared is None:
            return f"is no longer in the file: it stops working ({figures}; buyers who used it keep the discount)"
        return f"{as_text(self.fields)} ({figures})"

    @property
    def fields(self) -> list[ChangedField]:
        """The fields that differ. A new code lists its discount and its limit; a code that is no longer in the file lists no fields."""
        if self.declared is None:
            return []
        return _new_fields(self.declared) if self.stored is None else differences(self.stored.promo_code, self.declared)

    @property
    def _currency(self) -> str | None:
        if self.declared is None or (self.stored is not None and self.stored.promo_code.currency != self.declared.currency):
            return None
        return self.declared.currency

    def as_entry(self) -> EntryChange:
        """Return the change as an entry of a plan."""
        uses = None if self.stored is None else self.stored.uses
        return EntryChange(self.sign, "promo code", self.name, self.text, self.fields, uses, self.reduces, self._currency)


def load_code_changes(codes: Iterable[PromoCode], event_ids: Iterable[str]) -> list[CodeChange]:
    """Return the changes that store these codes and make all other bootstrap codes unusable.

    `event_ids` are the ids of all events that were ever in a bootstrap file.
    """
    declared = {(promo_code.event_id, promo_code.code): promo_code for promo_code in codes}
    stored = management.load_declared_codes(declared, event_ids)
    changes = [_change(stored, key, promo_code) for key, promo_code in declared.items() if _differs(stored.get(key), promo_code)]
    outdated = [promo_code for key, promo_code in stored.items() if key not in declared and promo_code.is_active]
    return [*changes, *(CodeChange(with_uses(promo_code), None) for promo_code in outdated)]


def apply_code_change(change: CodeChange, version: int, actor: str, now: int) -> None:
    """Make a change, on condition that this version of the catalog is served.

    Raises the errors of `put_declared_code` or `withdraw_declared_code`.
    """
    if change.declared is None:
        management.withdraw_declared_code(*change.key, version, actor, now)
    else:
        management.put_declared_code(change.declared, version, actor, now)


def _change(stored: Mapping[Key, PromoCode], key: Key, declared: PromoCode) -> CodeChange:
    current = stored.get(key)
    return CodeChange(None if current is None else with_uses(current), declared)


def _differs(stored: PromoCode | None, declared: PromoCode) -> bool:
    return stored is None or management.with_stored_fields(stored, declared) != stored


def _terms(promo_code: PromoCode) -> str:
    is_percentage = promo_code.discount_type == "percentage"
    value = f"{promo_code.discount_value} percent" if is_percentage else f"discount_cents {promo_code.discount_value} {promo_code.currency}"
    uses = "without a limit" if promo_code.max_total_uses is None else f"{promo_code.max_total_uses} uses"
    opened = f", opens {', '.join(promo_code.opens_package_ids)}" if promo_code.opens_package_ids else ""
    opened += f" from the holdback {promo_code.holdback_id}" if promo_code.holdback_id is not None else ""
    effect = "admits to the draw" if promo_code.admits_to_draw else f"{value} off{opened}"
    return f"{effect}, {uses} (event {promo_code.event_id})"


def _new_fields(promo_code: PromoCode) -> list[ChangedField]:
    discount = "discount_value" if promo_code.discount_type == "percentage" else "discount_cents"
    limit = "no limit" if promo_code.max_total_uses is None else str(promo_code.max_total_uses)
    return [new_field(discount, str(promo_code.discount_value)), new_field("max_total_uses", limit)]


def _figures(uses: Stock) -> str:
    return f"used {uses.sold}, in use {uses.held}"


_Timed = TypeVar("_Timed", Event, Tier)

NEW_POOL = ""  # the pool of a new event, until the version has a number


class NewStock(Struct, frozen=True):
    """The stock of a new tier, or the pool of a new event. `owner` is the prefix of the stock id."""

    owner: str
    capacity: int
    sold: int
    shards: int
    is_open: bool
    is_pooled: bool = False


class Resize(Struct, frozen=True):
    """Resize a stock from its current capacity to the capacity in the file. The number of shards never decreases.

    `kind` and `name` identify the event or tier that owns the stock.
    """

    kind: EntryKind
    name: str
    stock_id: str
    old_capacity: int
    new_capacity: int
    old_shards: int
    new_shards: int
    is_open: bool
    is_of_holdback: bool = False


class OpenChange(Struct, frozen=True):
    """Open or close a stock that missed a pause or resume of its event."""

    stock_id: str
    shards: int
    is_open: bool


class Plan(Struct, frozen=True):
    """The plan of an apply; `entries` are its changes. If there are `refusals`, nothing may be applied.

    `is_served` means that the document is already served.
    """

    head: CatalogHead
    checksum: str
    entries: list[EntryChange]
    refusals: list[Refusal]
    is_served: bool
    events: list[Event]
    tiers: list[Tier]
    states: dict[str, DisplayState]
    new_stocks: list[NewStock]
    resizes: list[Resize]
    open_changes: list[OpenChange]
    code_changes: list[CodeChange]

    @property
    def changes(self) -> list[str]:
        """The lines of the diff."""
        return [str(change) for change in self.entries]

    @property
    def reductions(self) -> list[str]:
        """The lines of the diff for the changes that close or shrink a sale."""
        return [str(change) for change in self.entries if change.reduces]

    @property
    def reasons(self) -> list[str]:
        """The refusals as the lines that commands print."""
        return refusal_lines(self.refusals)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to change in the catalog, the stock and the promo codes."""
        return self.is_served and not (self.resizes or self.open_changes or self.code_changes or self.refusals)

    def content(self, version: int, now: int) -> VersionContent:
        """Return the content of this version, which is applied at `now`. The stock ids of new tiers and pools contain this number."""
        events = [
            replace(event, pool_id=new_stock_id(pool_owner(event), version)) if event.pool_id == NEW_POOL else event
            for event in self.events
        ]
        tiers = [replace(tier, stock_id=tier.stock_id or new_stock_id(tier.id, version)) for tier in self.tiers]
        return VersionContent([_with_times(event, now) for event in events], [_with_times(tier, now) for tier in tiers], self.states)


def _with_times(entry: _Timed, now: int) -> _Timed:
    return replace(entry, created_at=entry.created_at or now, updated_at=entry.updated_at or now)


def pool_owner(event: Event) -> str:
    """Return the prefix of the stock id of an event's pool."""
    return f"event:{event.id}"  # no tier has this id


# Compare two versions of an entry field by field.

Entry = Event | Tier | DisplayState | PromoCode

# Fields that the diff of an entry omits, because only the store has them or they repeat another field.
_NOT_COMPARED = {
    Event: frozenset(
        {
            "starts_at",
            "ends_at",
            "description",
            "timezone",
            "city",
            "image_url",
            "featured",
            "promoter_id",
            "managed_by",
            "paused",
            "removed",
            "capacity",
            "pool_id",
            "pool_shards",
            "withdrawn_opening",
            "public_changes",
        }
    ),
    Tier: frozenset(
        {
            "stock_id",
            "shards",
            "capacity",
            "availability",
            "managed_by",
            "removed",
            "releases",
            "issuing",
            "resale_prices",
            "public_changes",
        }
    ),
    DisplayState: frozenset[str](),
    PromoCode: frozenset({"stock_id", "shards", "managed_by", "version", "created_at", "updated_at"}),
}
_TIMES = frozenset({"starts_at", "ends_at", "on_sale_at", "sale_starts_at", "sale_ends_at", "expires_at", "guests_until"})


def differences(old: Entry, new: Entry) -> list[ChangedField]:
    """Return each field, option and metadata key that differs."""
    before, after = _flat(old), _flat(new)
    changed = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return [ChangedField(name, _value(name, before.get(name)), _value(name, after.get(name))) for name in changed]


def as_text(fields: Sequence[ChangedField]) -> str:
    """Return `name old -> new` for each field."""
    return ", ".join(map(str, fields))


def _flat(entry: Entry) -> dict[str, Any]:
    fields = {name: to_builtins(value) for name, value in asdict(entry).items() if name not in _NOT_COMPARED[type(entry)]}
    if fields.get("discount_type") == "fixed_amount":
        fields["discount_cents"] = fields.pop("discount_value")
    metadata = fields.pop("metadata", {})
    options = {f"options.{option['id']}": option for option in fields.pop("options", [])}
    holdbacks = {f"holdbacks.{holdback['id']}": holdback for holdback in fields.pop("holdbacks", [])}
    return {**fields, **options, **holdbacks, **{f"metadata.{key}": value for key, value in metadata.items()}}


def _value(name: str, value: Any) -> str:
    if value is None:
        return "none"
    return clock.iso(value) if name in _TIMES else quoted(value)


# Compare a document with the served catalog and its stock.

_ON_SALE = frozenset({"active", "available"})  # the statuses of events and tiers that are on sale


def all_stock(catalog: Catalog) -> dict[str, int]:
    """Map the stock ids of all tiers, of their holdbacks and of the event pools of bootstrap files to their numbers of shards."""
    ids = [event.id for event in catalog.events.values() if event.managed_by == "bootstrap"]
    return catalog.all_shard_counts(ids)


def changed_stock(valid: ValidDocument, catalog: Catalog) -> dict[str, int]:
    """Map the ids of the stocks that the document affects to their numbers of shards, so that a small change need not read all stock."""
    file_tiers = _file_tiers(valid, catalog)
    held_back = _held_back(file_tiers)
    changed = {}
    for old in catalog.tiers.values():
        new = file_tiers.get(old.id)
        if old.managed_by == "bootstrap":
            changed.update(old.holdback_shard_counts)
        if old.managed_by == "bootstrap" and (
            (new is None and not old.removed)
            or (new is not None and _compared_with_stock(old) != _compared_with_stock(new))
            or (new is not None and _shards(old, new) != old.shards)
        ):
            changed[old.stock_id] = old.shards
    for event in validation.to_events(valid).values():
        old_event = catalog.events.get(event.id)
        if old_event is None or old_event.pool_id is None:
            continue
        if catalog.pool_capacity(old_event) != event.pool_capacity(held_back[event.id]):
            changed[old_event.pool_id] = old_event.pool_shards
    return changed


def _compared_with_stock(tier: Tier) -> tuple[int, int, str]:
    return tier.stock_capacity, tier.price_cents, tier.event_id


def _file_tiers(valid: ValidDocument, catalog: Catalog) -> dict[str, Tier]:
    """Return the document's tiers by id. Holdbacks that the catalog has released stay released, and all stocks are kept."""
    tiers = validation.to_tiers(valid)
    kept = {key: catalog.tiers[key] for key in tiers if key in catalog.tiers}
    return {
        key: replace(tier, releases=kept[key].releases, issuing=kept[key].issuing, resale_prices=kept[key].resale_prices)
        if key in kept
        else tier
        for key, tier in tiers.items()
    }


def _held_back(file_tiers: Mapping[str, Tier]) -> Counter[str]:
    """Map the ids of the document's events to the number of tickets that their tiers hold back."""
    held_back = Counter[str]()
    for tier in file_tiers.values():
        held_back[tier.event_id] += tier.held_back
    return held_back


def build_plan(
    valid: ValidDocument,
    head: CatalogHead,
    catalog: Catalog,
    stock_ids: Container[str],
    stocks: Mapping[str, Stock],
    code_changes: Sequence[CodeChange] = (),
    *,
    now: int,
) -> Plan:
    """Return the plan for applying a document at `now`.

    `stocks` are the stocks in `stock_ids`, read with strong consistency. Any other stock is assumed to match the catalog.
    """
    return _PlanBuilder(valid, head, catalog, stock_ids, stocks, now).build(code_changes)


def _default_shards(tier: Tier, event: Event) -> int:
    """Return the default number of shards for a new tier. If the tier has no limit, its event's capacity decides."""
    return default_shard_count(event.pool_limit if tier.capacity is None else tier.capacity)


def _amount(capacity: int) -> str:
    shown = finite(capacity)
    return "no limit" if shown is None else str(shown)


def _shards(old: Tier, new: Tier) -> int:
    """Return the new number of shards of a tier's stock.

    No shard is ever removed, because its holds belong to purchases. Tickets never move between shards, so a new shard gets only additional
    tickets, and no more shards are added than the additional tickets can fill.
    """
    added_tickets = max(0, new.stock_capacity - old.stock_capacity)
    filled = added_tickets if new.shards else -(-added_tickets // MAX_HOLDS)
    return max(old.shards, min(new.shards or default_shard_count(new.stock_capacity), old.shards + filled))


class _PlanBuilder:
    def __init__(
        self,
        valid: ValidDocument,
        head: CatalogHead,
        catalog: Catalog,
        stock_ids: Container[str],
        stocks: Mapping[str, Stock],
        now: int,
    ) -> None:
        self.now = now
        self.valid, self.head, self.catalog, self.stock_ids, self.stocks = valid, head, catalog, stock_ids, stocks
        self.entries: list[EntryChange] = []
        self.refusals: list[Refusal] = []
        self.new_stocks: list[NewStock] = []
        self.resizes: list[Resize] = []
        self.open_changes: list[OpenChange] = []
        self.events: dict[str, Event] = {}
        self.file_tiers = _file_tiers(valid, catalog)
        self.tiers_by_event = defaultdict[str, list[Tier]](list)
        for tier in self.file_tiers.values():
            self.tiers_by_event[tier.event_id].append(tier)
        self.held_back = _held_back(self.file_tiers)
        self.states: dict[str, DisplayState] = {**DEFAULT_STATES}
        self.states.update({str(name): state for name, state in valid.document.ticket_states.items()})

    def build(self, code_changes: Sequence[CodeChange]) -> Plan:
        events = self._compare_events()
        self.events = {event.id: event for event in events}
        tiers = self._compare_tiers()
        for name, state in self.states.items():
            if self.head.version and state != self.catalog.states[name]:
                fields = differences(self.catalog.states[name], state)
                self._add_change("~", "state", name, as_text(fields), fields)
        for change in code_changes:
            self._note_code(change)
        return Plan(
            head=self.head,
            checksum=self.valid.checksum,
            entries=self.entries,
            refusals=self.refusals,
            is_served=self._is_served(events, tiers),
            events=[self._with_times(event, self.catalog.events.get(event.id)) for event in events],
            tiers=[self._with_times(tier, self.catalog.tiers.get(tier.id)) for tier in tiers],
            states=self.states,
            new_stocks=self.new_stocks,
            resizes=self.resizes,
            open_changes=self.open_changes,
            code_changes=list(code_changes),
        )

    def _is_served(self, events: list[Event], tiers: list[Tier]) -> bool:
        """Return whether this document is served. Equal checksums are not enough, because other code may have created the version."""
        unpaused = {event.id: _unpaused(event) for event in self.catalog.events.values() if event.managed_by == "bootstrap"}
        served = {tier.id: tier for tier in self.catalog.tiers.values() if tier.managed_by == "bootstrap"}
        return (
            self.head.version > 0
            and self.valid.checksum == self.head.checksum
            and {event.id: event for event in events} == unpaused
            and {tier.id: tier for tier in tiers} == served
            and self.states == self.catalog.states
        )

    def _with_times(self, entry: _Timed, old: _Timed | None) -> _Timed:
        """Return an entry of the new version with its times; 0 stands for the time of the apply.

        Entries that were stored without times get the time at which the served version was applied.
        """
        if old is None:
            return entry
        served_since = self.head.applied_at
        is_same = entry == (_unpaused(old) if isinstance(old, Event) else old)
        return replace(entry, created_at=old.created_at or served_since, updated_at=(old.updated_at or served_since) if is_same else 0)

    def _compare_events(self) -> list[Event]:
        """Return the events of the new version, and record the changes."""
        file_events = validation.to_events(self.valid)
        for event in list(file_events.values()):
            old = self.catalog.events.get(event.id)
            if old is None:
                fields = [
                    new_field("name", quoted(event.name)),
                    new_field("date", quoted(event.date)),
                    new_field("venue", quoted(event.venue)),
                ]
                self._add_change("+", "event", event.id, f"{quoted(event.name)}, {event.date}, {event.venue}", fields)
                file_events[event.id] = self._with_new_pool(event)
            elif old.managed_by == "api":
                self._add_refusal("event_of_api", "event", event.id)
            else:
                file_event = replace(event, created_at=old.created_at, updated_at=old.updated_at)
                self._note_difference("event", event.id, old, file_event)
                tiers = self.tiers_by_event[event.id]
                self._note_frozen("event", event.id, sale_rules.frozen_event_field(self.catalog, old, file_event, self.now, tiers))
                withdrawn = sale_rules.withdrawn_opening(self.catalog, old, file_event, self.now)
                file_event = replace(file_event, withdrawn_opening=withdrawn, public_changes=old.public_changes)
                file_event = sale_rules.with_event_changes(old, file_event, self.now)
                file_events[event.id] = self._with_known_pool(old, file_event)
        removed = [event for event in self.catalog.events.values() if event.managed_by == "bootstrap" and event.id not in file_events]
        for event in removed:
            if not event.removed:
                self._add_change("-", "event", event.id, "is no longer in the file: its sale closes, sold tickets stay valid", reduces=True)
        return [*file_events.values(), *(_removed_event(event) for event in removed)]

    def _with_new_pool(self, event: Event) -> Event:
        """Return a new event. A capacity gives the event a pool, which also counts the tickets that were sold elsewhere (`sold_count`)."""
        if event.capacity is None:
            return event
        sold = sum(ticket.sold_count for ticket in self.valid.document.ticket_types.values() if ticket.event_id == event.id)
        shards, capacity = default_shard_count(event.capacity), event.pool_capacity(self.held_back[event.id])
        fields = [new_field("capacity", str(event.capacity))]
        self._add_change("+", "event", event.id, f"{event.capacity} tickets across all ticket types", fields)
        self.new_stocks.append(NewStock(pool_owner(event), capacity, sold, shards, is_open=True))
        return replace(event, pool_id=NEW_POOL, pool_shards=shards)

    def _with_known_pool(self, old: Event, event: Event) -> Event:
        """Return an existing event with its pool, and record the changes. The event keeps its pool even if its capacity is removed."""
        if old.pool_id is None:
            if event.capacity is not None:
                self._add_refusal("limit_too_late", "event", event.id)
            return event
        event = replace(event, pool_id=old.pool_id, pool_shards=max(old.pool_shards, default_shard_count(event.pool_limit)))
        if old.pool_id not in self.stock_ids:
            return event
        stock = self.stocks.get(old.pool_id)
        if stock is None:
            self._add_refusal("stock_missing", "event", event.id, stock_id=old.pool_id)
            return event
        held_back = self.held_back[event.id]
        capacity = event.pool_capacity(held_back)
        if stock.capacity != capacity or old.pool_shards != event.pool_shards:
            capacities, shards = (self.catalog.pool_capacity(old), capacity), (old.pool_shards, event.pool_shards)
            self._note_resize("event", event.id, old.pool_id, stock, capacities, shards, held_back, is_open=not old.is_paused)
        elif stock.is_open == old.is_paused:
            self._note_open_change("event", event.id, old.pool_id, event.pool_shards, stock)
        return event

    def _compare_tiers(self) -> list[Tier]:
        """Return the tiers of the new version, and record the changes."""
        file_tiers = self.file_tiers
        tiers = []
        for tier in file_tiers.values():
            old = self.catalog.tiers.get(tier.id)
            if old is None or old.managed_by == "bootstrap":
                self._note_frozen("tier", tier.id, sale_rules.frozen_tier_field(self.catalog, old, tier, self.now, self.states))
            if old is None:
                tiers.append(self._new_tier(tier))
            elif old.managed_by == "api":
                self._add_refusal("tier_of_api", "tier", tier.id)
            else:
                tiers.append(self._existing_tier(old, tier))
        removed = [tier for tier in self.catalog.tiers.values() if tier.managed_by == "bootstrap" and tier.id not in file_tiers]
        for tier in removed:
            if not tier.removed:
                stock = self.stocks.get(tier.stock_id)
                event = self.events.get(tier.event_id)
                if event is not None and event.pool_id is not None and not event.removed:  # the pool gets the held-back tickets
                    self._compare_holdbacks(tier, replace(tier, holdbacks=[], releases=[]))
                self._add_change(
                    "-", "tier", tier.id, f"is no longer in the file: it closes{self._in_use(tier)}", stock=stock, reduces=True
                )
        closed = [self._with_changes(tier, replace(tier, status="closed", removed=True)) for tier in removed]
        self._check_date_capacities([*tiers, *closed])
        self._check_tier_counts([*tiers, *closed])
        return [*tiers, *closed]

    def _check_tier_counts(self, tiers: Sequence[Tier]) -> None:
        """Refuse new and moved tiers of an event with too many. Tiers no longer in the file count too, because reports still name them."""
        counts = Counter(tier.event_id for tier in tiers)
        grown = {tier.event_id for tier in tiers if (old := self.catalog.tiers.get(tier.id)) is None or old.event_id != tier.event_id}
        for event_id in sorted(grown):
            if counts[event_id] > MAX_FILE_TIERS:
                self._add_refusal("too_many_tiers", "event", event_id, tiers=counts[event_id], limit=MAX_FILE_TIERS)

    def _check_date_capacities(self, tiers: Sequence[Tier]) -> None:
        """Refuse tickets that exceed the capacity of a date. Tiers that are no longer in the file count too: their tickets stay valid."""
        for event_id in self.valid.document.events:
            event = self.events[event_id]
            for date in event.dates:
                limits = [tier.stock_limit for tier in tiers if tier.event_id == event_id and tier.is_valid_on(date.id)]
                tickets = min(event.pool_limit, sum(limits))
                if date.capacity is not None and tickets > date.capacity:
                    self._add_refusal("above_date_capacity", "event", event_id, date_id=date.id, capacity=date.capacity, tickets=tickets)

    def _with_changes(self, old: Tier | None, tier: Tier) -> Tier:
        """Return a tier with the changes that the page of its event lists."""
        known = old if old is not None and old.event_id == tier.event_id else None
        tier = replace(tier, public_changes=[] if known is None else known.public_changes)
        event = self.events.get(tier.event_id)
        return sale_rules.with_tier_changes(self.catalog, known, tier, self.now, None if event is None else event.status)

    def _new_tier(self, tier: Tier) -> Tier:
        """Return a new tier with its number of shards, and record its new stock."""
        sold = self.valid.document.ticket_types[tier.id].sold_count
        event = self.events[tier.event_id]
        shards = tier.shards or _default_shards(tier, event)
        if sold and event.pool_id not in (None, NEW_POOL):
            self._add_refusal("sold_before", "tier", tier.id, sold=sold)
        already_sold = f", {sold} of them already sold" if sold else ""
        number = "unlimited tickets" if tier.capacity is None else f"{tier.capacity} tickets"
        number += f" ({tier.held_back} held back)" if tier.held_back else ""
        text = f"{number} at price_cents {tier.price_cents} {tier.currency}{already_sold} (event {tier.event_id})"
        capacity = "no limit" if tier.capacity is None else str(tier.capacity)
        fields = [
            new_field("capacity", capacity),
            new_field("price_cents", str(tier.price_cents)),
            new_field("event_id", quoted(tier.event_id)),
        ]
        self._add_change("+", "tier", tier.id, text, fields, currency=tier.currency)
        self.new_stocks.append(NewStock(tier.id, tier.stock_capacity, sold, shards, not self._is_paused(tier), event.pool_id is not None))
        return self._with_changes(None, replace(tier, shards=shards))

    def _existing_tier(self, old: Tier, tier: Tier) -> Tier:
        """Return an existing tier with its stock, and record the changes."""
        shards = _shards(old, tier)
        tier = replace(tier, stock_id=old.stock_id, shards=shards, created_at=old.created_at, updated_at=old.updated_at)
        tier = self._with_changes(old, tier)
        self._note_difference("tier", tier.id, old, tier)
        self._compare_holdbacks(old, tier)
        if old.stock_id not in self.stock_ids:
            return tier
        stock = self.stocks.get(old.stock_id)
        if stock is None:
            self._add_refusal("stock_missing", "tier", tier.id, stock_id=old.stock_id)
            return tier
        if old.event_id != tier.event_id and stock.sold + stock.held:
            self._add_refusal("moves_with_sales", "tier", tier.id, event_id=old.event_id, **in_use(stock))
        if old.event_id != tier.event_id and self._is_pooled(old, tier):
            self._add_refusal("moves_between_limits", "tier", tier.id, event_id=old.event_id)
        if stock.capacity != tier.stock_capacity or shards != old.shards:
            capacities = (old.stock_capacity, tier.stock_capacity)
            held_back = tier.stock_limit - tier.stock_capacity
            is_open = not self._is_paused(tier)
            self._note_resize("tier", tier.id, tier.stock_id, stock, capacities, (old.shards, shards), held_back, is_open=is_open)
        elif stock.is_open == self._is_paused(tier):
            self._note_open_change("tier", tier.id, tier.stock_id, shards, stock)
        return tier

    def _compare_holdbacks(self, old: Tier, tier: Tier) -> None:
        """Record the new capacities of the holdbacks' own stocks, which keep the complimentary tickets that were issued from them."""
        for holdback_id in old.issuing:
            stock_id, capacity = old.holdback_stock_id(holdback_id), tier.holdback_capacity(holdback_id)
            stock = self.stocks.get(stock_id)
            if stock is None:
                continue
            if stock.sold > capacity or (stock.sold and old.event_id != tier.event_id):
                self._add_refusal("holdback_issued", "tier", tier.id, holdback_id=holdback_id, issued=stock.sold)
            elif stock.capacity != capacity:
                self.resizes.append(Resize("tier", tier.id, stock_id, stock.capacity, capacity, 1, 1, is_open=False, is_of_holdback=True))

    def _note_resize(
        self,
        kind: EntryKind,
        name: str,
        stock_id: str,
        stock: Stock,
        capacities: tuple[int, int],
        shards: tuple[int, int],
        held_back: int,
        *,
        is_open: bool,
    ) -> None:
        """Record a change to a stock's capacity, which does not include the `held_back` tickets, or to its number of shards.

        `capacities` and `shards` are pairs of the value in the catalog and the value in the file.
        """
        (old_capacity, capacity), (old_shards, new_shards) = capacities, shards
        used = stock.sold + stock.held
        if used > capacity and held_back:
            maximum = max(0, capacity + held_back - used)
            self._add_refusal("holdbacks_in_use", kind, name, held_back=held_back, maximum=maximum, **in_use(stock))
            return
        if used > capacity:
            self._add_refusal("capacity_in_use", kind, name, capacity=capacity, in_use=used, **in_use(stock))
            return
        figures = f"(sold {stock.sold}, on hold {stock.held}, {_amount(capacity - used)} left)"
        reduces = capacity < stock.capacity
        if old_capacity != capacity:
            field = ChangedField("capacity", _amount(stock.capacity), _amount(capacity))
            self._add_change("~", kind, name, f"{field} {figures}", [field], stock=stock, reduces=reduces)
        elif stock.capacity != capacity:
            text = f"the stock has {_amount(stock.capacity)}, the file says {_amount(capacity)}: it becomes {_amount(capacity)}"
            field = ChangedField("stock", _amount(stock.capacity), _amount(capacity))
            self._add_change("~", kind, name, f"{text} {figures}", [field], stock=stock, reduces=reduces)
        if new_shards != old_shards:
            field = ChangedField("shards", str(old_shards), str(new_shards))
            self._add_change("~", kind, name, str(field), [field])
        self.resizes.append(Resize(kind, name, stock_id, stock.capacity, capacity, old_shards, new_shards, is_open))

    def _note_open_change(self, kind: EntryKind, name: str, stock_id: str, shards: int, stock: Stock) -> None:
        before, after, change = ("open", "closed", "closes") if stock.is_open else ("closed", "open", "opens")
        pause = "is paused" if stock.is_open else "is not paused"
        text = f"the stock is {before}, but its event {pause}: the stock {change}"
        self._add_change("~", kind, name, text, [ChangedField("stock", before, after)])
        self.open_changes.append(OpenChange(stock_id, shards, not stock.is_open))

    def _is_pooled(self, *tiers: Tier) -> bool:
        """Return whether the event of any of these tiers has a pool before or after the apply."""
        event_ids = {tier.event_id for tier in tiers}
        events = [*(self.events.get(event_id) for event_id in event_ids), *(self.catalog.events.get(event_id) for event_id in event_ids)]
        return any(event is not None and event.pool_id is not None for event in events)

    def _note_code(self, change: CodeChange) -> None:
        if change.refusal is not None:
            self.refusals.append(change.refusal)
        else:
            self.entries.append(change.as_entry())

    def _note_difference(self, kind: EntryKind, name: str, old: Event | Tier, new: Event | Tier) -> None:
        if old.removed:
            self._add_change("+", kind, name, "is back in the file", is_back=True)
        fields = differences(old, new)
        if fields:
            stock = self.stocks.get(old.stock_id) if isinstance(old, Tier) else None
            is_other_price = any(field.name == "price_cents" for field in fields)
            keep = f" ({stock.held} on hold keep the old price)" if stock and stock.held and is_other_price else ""
            closes = old.status in _ON_SALE and new.status not in _ON_SALE
            currency = old.currency if isinstance(old, Tier) and isinstance(new, Tier) and old.currency == new.currency else None
            self._add_change("~", kind, name, as_text(fields) + keep, fields, stock=stock, reduces=closes, currency=currency)

    def _in_use(self, tier: Tier) -> str:
        stock = self.stocks.get(tier.stock_id)
        if stock is None or not stock.sold + stock.held:
            return ", nothing was sold"
        return f" ({stock.sold} sold stay valid, {stock.held} on hold can still be paid)"

    def _is_paused(self, tier: Tier) -> bool:
        event = self.catalog.events.get(tier.event_id)
        return event is not None and event.is_paused

    def _add_change(
        self,
        sign: Sign,
        kind: EntryKind,
        name: str,
        text: str,
        fields: Sequence[ChangedField] = (),
        *,
        stock: Stock | None = None,
        reduces: bool = False,
        currency: str | None = None,
        is_back: bool = False,
    ) -> None:
        self.entries.append(EntryChange(sign, kind, name, text, fields, stock, reduces, currency, is_back))

    def _note_frozen(self, kind: EntryKind, name: str, frozen: sale_rules.FrozenField | None) -> None:
        if frozen is not None:
            field = _NAMES_IN_FILE.get(frozen.field, frozen.field)
            self._add_refusal("frozen", kind, name, field=field, until=clock.iso(frozen.until))

    def _add_refusal(self, code: str, kind: EntryKind, name: str, **figures: int | str) -> None:
        self.refusals.append(Refusal(code, figures, kind, name))


_NAMES_IN_FILE = {
    "sale_starts_at": "availability.start_date",
    "sale_ends_at": "availability.end_date",
    "max_per_order": "availability.max_per_transaction",
}


def _removed_event(event: Event) -> Event:
    """Return an event that is no longer in the file. Its status becomes `past`, unless it is cancelled or a test."""
    status = event.status if event.status in ("cancelled", "test") else "past"
    return replace(_unpaused(event), status=status, removed=True)


def _unpaused(event: Event) -> Event:
    """Return an event as its version stores it, without pauses, which are stored separately."""
    return replace(event, paused=False, suspended=False, payments_off=False)
