"""How two versions of an entry differ, field by field."""

from collections.abc import Sequence
from typing import Any

from msgspec import to_builtins
from msgspec.structs import asdict

from chalicelib.catalog.model import DisplayState, Event, Tier
from chalicelib.foundation import clock
from chalicelib.promotions.model import PromoCode
from chalicelib.rollouts.changes import ChangedField
from chalicelib.rollouts.faults import quoted

Entry = Event | Tier | DisplayState | PromoCode

# What the diff of an entry leaves out: fields that the store keeps, and fields that repeat another one.
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
        }
    ),
    Tier: frozenset({"stock_id", "shards", "capacity", "availability", "managed_by", "removed"}),
    DisplayState: frozenset[str](),
    PromoCode: frozenset({"stock_id", "shards", "managed_by", "version", "created_at", "updated_at"}),
}
_TIMES = frozenset({"starts_at", "ends_at", "on_sale_at", "sale_starts_at", "sale_ends_at", "expires_at", "guests_until"})


def differences(old: Entry, new: Entry) -> list[ChangedField]:
    """Each field that differs, and each option and key of metadata that differs."""
    before, after = _flat(old), _flat(new)
    changed = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return [ChangedField(name, _value(name, before.get(name)), _value(name, after.get(name))) for name in changed]


def as_text(fields: Sequence[ChangedField]) -> str:
    """`name old -> new` for each field."""
    return ", ".join(map(str, fields))


def _flat(entry: Entry) -> dict[str, Any]:
    fields = {name: value for name, value in asdict(entry).items() if name not in _NOT_COMPARED[type(entry)]}
    if fields.get("discount_type") == "fixed_amount":
        fields["discount_cents"] = fields.pop("discount_value")
    metadata = fields.pop("metadata", {})
    options = {f"options.{option.id}": to_builtins(option) for option in fields.pop("options", [])}
    return {**fields, **options, **{f"metadata.{key}": value for key, value in metadata.items()}}


def _value(name: str, value: Any) -> str:
    if value is None:
        return "none"
    return clock.iso(value) if name in _TIMES else quoted(value)
