"""A checksum of all tables that a write changes in microseconds, whatever the number of items."""

from hashlib import blake2b
from typing import Any

from devtools.dynamodb.effects import Define, Effect, Item, Put, Remove, encoder

_MASK = 2**64 - 1


def _hash(thing: Any) -> int:
    return int.from_bytes(blake2b(encoder.encode(thing), digest_size=8).digest(), "little")


class Checksum:
    """The sum of the hashes of all items and definitions: the order in which they were written does not matter."""

    def __init__(self) -> None:
        self._definitions: dict[str, int] = {}
        self._items: dict[str, int] = {}

    @property
    def value(self) -> int:
        return (sum(self._definitions.values()) + sum(self._items.values())) & _MASK

    def add(self, effect: Effect, old: Item | None = None) -> None:
        """`old` is the item that was in the place of the one that is put or removed."""
        if isinstance(effect, Put):
            self._items[effect.table] += _hash(effect.item) - (_hash(old) if old is not None else 0)
        elif isinstance(effect, Remove):
            self._items[effect.table] -= _hash(old)
        elif isinstance(effect, Define):
            if effect.definition is None:
                self._definitions.pop(effect.table, None)
                self._items.pop(effect.table, None)
            else:
                self._definitions[effect.table] = _hash(effect)
                self._items.setdefault(effect.table, 0)
