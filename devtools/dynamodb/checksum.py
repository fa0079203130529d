"""A checksum of all tables. A write updates it in microseconds, however many items there are."""

from hashlib import blake2b
from typing import Any

from devtools.dynamodb.changes import Change, Item, ItemDeletion, ItemPut, TableDefinition, encoder

_MASK = 2**64 - 1


class Checksum:
    """The sum of the hashes of all items and table definitions, which does not depend on the order of the writes."""

    def __init__(self) -> None:
        self._definitions: dict[str, int] = {}
        self._items: dict[str, int] = {}

    @property
    def value(self) -> int:
        return (sum(self._definitions.values()) + sum(self._items.values())) & _MASK

    def add(self, change: Change, old_item: Item | None = None) -> None:
        """Account for a change. `old_item` is the item that a put or a deletion replaced."""
        if isinstance(change, ItemPut):
            self._items[change.table] += _hash(change.item) - (_hash(old_item) if old_item is not None else 0)
        elif isinstance(change, ItemDeletion):
            self._items[change.table] -= _hash(old_item)
        elif isinstance(change, TableDefinition):
            if change.definition is None:
                self._definitions.pop(change.table, None)
                self._items.pop(change.table, None)
            else:
                self._definitions[change.table] = _hash(change)
                self._items.setdefault(change.table, 0)


def _hash(value: Any) -> int:
    return int.from_bytes(blake2b(encoder.encode(value), digest_size=8).digest(), "little")
