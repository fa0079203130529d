"""The table of the display items: the figures of each group of stocks, and which instance refreshes them."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib.dynamodb import dynamo
from chalicelib.inventory.display.model import LEASE_SECONDS, Display, Figures

_figures = msgspec.json.Decoder(dict[str, Figures])


class DisplayRow(dynamo.Table):
    """`figures` is JSON: stock id -> the fields of `Figures` as a list, which is a third of their size with names."""

    feature = "stock-display"
    contents = "The stock figures of an event that all instances show."
    personal_data = None

    class Meta:
        table_name = None

    id = UnicodeAttribute(hash_key=True)
    version = NumberAttribute()
    holder = UnicodeAttribute()
    leased_until = NumberAttribute()
    figures = UnicodeAttribute(null=True)


def table_name() -> str:
    return DisplayRow.name()


def read_displays(group_ids: Iterable[str]) -> dict[str, Display]:
    """Read the items of these groups, an empty one for a group without an item; half a unit each, one round trip for each 100.

    Eventually consistent: what they say was read from the shards earlier anyway, and each write of them is conditional.
    """
    ids = list(group_ids)
    displays = {group_id: Display(group_id) for group_id in ids}
    for item in dynamo.batch_get(DisplayRow.name(), [{"id": {"S": group_id}} for group_id in ids]):
        display = _display(item)
        displays[display.group_id] = display
    return displays


def take_lease(display: Display, instance: str, now: int) -> tuple[bool, Display]:
    """Take the lease of an item that is still as it was read. Returns whether that worked, and the item as it is then."""
    changes = {"version": display.version + 1, "holder": instance, "leased_until": now + LEASE_SECONDS}
    condition, operands = _version_is(display.version)
    done, item = dynamo.update_if_returning(DisplayRow(display.group_id), changes, condition, **operands)
    current = _display(item) if item else Display(display.group_id)
    # botocore repeats a call whose response was lost; then the first one took the lease.
    return done or (current.holder == instance and current.version == display.version + 1), current


def write_figures(display: Display, instance: str, figures: Mapping[str, Figures]) -> Display:
    """Write new figures into an item that is still as it was read, and end its lease. Returns the item with these figures.

    If another instance has written it meanwhile, its figures stay in the store, and ours are for this instance only.
    """
    after = display.with_figures(figures)
    text = msgspec.json.encode(after.figures).decode()
    changes = {"version": display.version + 1, "holder": instance, "leased_until": 0, "figures": text}
    condition, operands = _version_is(display.version)
    if dynamo.update_if(DisplayRow(display.group_id), changes, condition, **operands):
        return msgspec.structs.replace(after, version=display.version + 1, holder=instance, leased_until=0)
    return after


def _version_is(version: int) -> tuple[str, dict[str, Any]]:
    """The condition that an item has this version, 0 for an item that does not exist, and its operands."""
    return ("version = :before", {"before": version}) if version else ("attribute_not_exists(id)", {})


def _display(item: dict[str, Any]) -> Display:
    row = DisplayRow.from_raw_data(item)
    figures = _figures.decode(row.figures) if row.figures else {}
    return Display(row.id, int(row.version), row.holder, int(row.leased_until), figures)
