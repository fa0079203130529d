"""The plan of an apply: its changes in readable form, and the steps that make them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from msgspec import Struct, to_builtins
from msgspec.structs import asdict, replace

from chalicelib.bootstrap_file.findings import ChangedField, EntryChange, EntryKind, Refusal, Sign, in_use, new_field, quoted, refusal_lines
from chalicelib.catalog.model import CatalogHead, DisplayState, Event, Tier, VersionContent
from chalicelib.catalog.service import new_stock_id
from chalicelib.foundation import clock
from chalicelib.inventory.model import Stock
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
