"""Tables and their indexes: where items are, in which order, and what a key must be.

Items are kept encoded, which takes a fifth of the memory of dictionaries and spares the garbage collector. A key is a tuple of values that
compare as DynamoDB orders them.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from typing import Any
from zlib import crc32

from devtools.dynamodb_engine.values import Item, Value, decode_item, invalid, invalid_parameter, sortable, type_of

Key = tuple[Any, ...]  # of the hash key and, if the table has one, the range key
Entry = tuple[Any, ...]  # of an index: the values of its range key, then the key of the item

MAX_HASH_KEY_BYTES, MAX_RANGE_KEY_BYTES = 2048, 1024
MISMATCH = "The provided key element does not match the schema"
_EMPTY = {"S": "string", "B": "binary"}


class Partitions:
    """Entries by partition, sorted. Partitions are in the order of a hash, which parallel scans divide."""

    def __init__(self) -> None:
        self.entries: dict[Any, list[Entry]] = {}
        self._order: list[tuple[int, Any]] = []
        self._added: list[Any] = []  # not in `_order` yet

    def add(self, partition: Any, entry: Entry) -> None:
        entries = self.entries.get(partition)
        if entries is None:
            self.entries[partition] = [entry]
            self._added.append(partition)
        elif entries[-1] < entry:
            entries.append(entry)
        else:
            insort(entries, entry)

    def remove(self, partition: Any, entry: Entry) -> None:
        entries = self.entries[partition]
        del entries[bisect_left(entries, entry)]
        if not entries:
            del self.entries[partition]

    def scan(self, start: tuple[Any, Entry] | None, segment: int, segments: int) -> Iterator[tuple[Any, Entry]]:
        """All entries of a segment after `start`, a partition and an entry."""
        first, end = -(-segment * 2**32 // segments), -(-(segment + 1) * 2**32 // segments)
        after: Entry = ()
        if start is not None:
            after, first = start[1], max(first, _hash(start[0]))
        order = self._sorted_order()
        for number, partition in order[bisect_left(order, (first,)) :]:
            if number >= end:
                return
            entries = self.entries.get(partition, [])
            if start is not None and number == _hash(start[0]) and partition <= start[0]:
                entries = entries[bisect_right(entries, after) :] if partition == start[0] else []
            for entry in entries:
                yield partition, entry

    def _sorted_order(self) -> list[tuple[int, Any]]:
        if self._added:
            self._order += [(_hash(partition), partition) for partition in self._added]
            self._added = []
            # Partitions that were removed, and perhaps added again, are in the list too.
            self._order = sorted(
                {pair for pair in self._order if pair[1] in self.entries} if len(self._order) > len(self.entries) else self._order
            )
        return self._order


def _hash(partition: Any) -> int:
    if type(partition) is tuple and len(partition) == 1:
        (partition,) = partition
    return crc32(partition.encode() if type(partition) is str else partition if type(partition) is bytes else repr(partition).encode())


class Index:
    """A secondary index. Its hash key and its range key may have several attributes each."""

    def __init__(self, table: "Table", definition: dict[str, Any], *, is_local: bool) -> None:
        self.name: str = definition["IndexName"]
        self.is_local, self.definition = is_local, definition
        self.hash_names, self.range_names = key_names(definition["KeySchema"])
        self.types = {name: table.types[name] for name in (*self.hash_names, *self.range_names)}
        projection = definition["Projection"]
        self.projected: frozenset[str] | None = None
        if projection["ProjectionType"] != "ALL":
            names = (*table.key_names, *self.types, *projection.get("NonKeyAttributes", ()))
            self.projected = frozenset(names)
        self.partitions = Partitions()

    def location(self, item: Item, key: Key) -> tuple[Key, Entry] | None:
        """The partition and the entry of an item; None if it lacks a key attribute of the index."""
        if any(name not in item for name in self.types):
            return None
        return tuple(sortable(item[name]) for name in self.hash_names), (*(sortable(item[name]) for name in self.range_names), key)

    def check(self, item: Item) -> None:
        """Raise ApiError if the item has a value that cannot be a key of this index."""
        for name, kind in self.types.items():
            value = item.get(name)
            if value is not None:
                self._check_key_attribute(name, value, kind)

    def _check_key_attribute(self, name: str, value: Value, kind: str) -> None:
        if kind not in value:
            raise invalid_parameter(f"Type mismatch for Index Key {name} Expected: {kind} Actual: {type_of(value)} IndexName: {self.name}")
        if not value[kind]:
            raise invalid(
                "One or more parameter values are not valid. A value specified for a secondary index key is not supported. The AttributeValue"
                f"for a key attribute cannot contain an empty {_EMPTY[kind]} value. IndexName: {self.name}, IndexKey: {name}"
            )
        limit = MAX_HASH_KEY_BYTES if name in self.hash_names else MAX_RANGE_KEY_BYTES
        if _key_bytes(sortable(value)) > limit:
            raise invalid_parameter(
                f"Size of {'hashkey' if name in self.hash_names else 'rangekey'} has exceeded the maximum size limit of {limit} bytes: "
                f"Aggregated size of all {'hash' if name in self.hash_names else 'range'} keys, IndexName: {self.name}"
            )


class Table:
    """A table: `description` is what DescribeTable reports, its other settings are beside it in `definition`."""

    def __init__(self, name: str, definition: dict[str, Any]) -> None:
        self.name = name
        self.items: dict[Key, bytes] = {}
        self.partitions: Partitions = Partitions()
        self.indexes: dict[str, Index] = {}
        self.stream: Any = None
        self.pending: dict[Key, Any] = {}  # writes that are not durable yet
        self.last_pending: Any = None
        self.define(definition)

    def define(self, definition: dict[str, Any]) -> None:
        """Take over a new definition: indexes are filled or removed."""
        self.definition = definition
        self.description: dict[str, Any] = definition["description"]
        hash_names, range_names = key_names(self.description["KeySchema"])
        self.key_names = (*hash_names, *range_names)
        self.types: dict[str, str] = {
            attribute["AttributeName"]: attribute["AttributeType"] for attribute in self.description["AttributeDefinitions"]
        }
        self.hash_name, self.range_name = hash_names[0], range_names[0] if range_names else None
        self.hash_type, self.range_type = self.types[self.hash_name], self.types.get(self.range_name or "")
        self.ttl_attribute: str | None = definition.get("ttl")
        wanted: dict[str, Index] = {}
        for kind in ("LocalSecondaryIndexes", "GlobalSecondaryIndexes"):
            for index in self.description.get(kind, ()):
                known = self.indexes.get(index["IndexName"])
                if known is not None and known.definition["KeySchema"] == index["KeySchema"]:
                    known.definition = index
                    wanted[index["IndexName"]] = known
                else:
                    wanted[index["IndexName"]] = self._filled(Index(self, index, is_local=kind[0] == "L"))
        self.indexes = wanted

    def _filled(self, index: Index) -> Index:
        for key, encoded in self.items.items():
            item = decode_item(encoded)
            if all(kind in item.get(name, {}) and item[name][kind] for name, kind in index.types.items()):
                location = index.location(item, key)
                assert location is not None
                index.partitions.add(*location)
        return index

    def key_of(self, attributes: Any) -> Key:
        """The key of a request that gives exactly the key attributes. Raises ApiError."""
        if type(attributes) is not dict or len(attributes) != len(self.key_names):
            raise invalid(MISMATCH)
        return self._key(attributes, is_item=False)

    def key_of_item(self, item: Item) -> Key:
        """The key of an item with valid values. Raises ApiError."""
        return self._key(item, is_item=True)

    def _key(self, attributes: Item, *, is_item: bool) -> Key:
        hash_key = self._key_part(attributes, self.hash_name, self.hash_type, is_item)
        if self.range_name is None:
            return (hash_key,)
        return hash_key, self._key_part(attributes, self.range_name, self.range_type, is_item)

    def _key_part(self, attributes: Item, name: str, kind: Any, is_item: bool) -> Any:
        value = attributes.get(name)
        if value is None:
            raise invalid_parameter(f"Missing the key {name} in the item") if is_item else invalid(MISMATCH)
        if kind not in value:
            actual = type_of(value) if value else "NULL"
            raise invalid_parameter(f"Type mismatch for key {name} expected: {kind} actual: {actual}") if is_item else invalid(MISMATCH)
        part = sortable(value)
        if kind != "N":
            if not part:
                raise invalid(
                    "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty "
                    f"{_EMPTY[kind]} value. Key: {name}"
                )
            if len(part) > 256 and _key_bytes(part) > (MAX_HASH_KEY_BYTES if name == self.hash_name else MAX_RANGE_KEY_BYTES):
                if name == self.hash_name:
                    raise invalid_parameter("Size of hashkey has exceeded the maximum size limit of2048 bytes")
                raise invalid_parameter("Aggregated size of all range keys has exceeded the size limit of 1024 bytes")
        return part

    def key_attributes(self, item: Item) -> Item:
        return {name: item[name] for name in self.key_names}

    def check_index_keys(self, item: Item) -> None:
        for index in self.indexes.values():
            index.check(item)

    def store(self, key: Key, old: Item | None, new: Item | None, encoded: bytes | None) -> None:
        """Put an item, or delete it if there is no new one. `old` is only looked at if there are indexes."""
        if encoded is None:
            del self.items[key]
            self.partitions.remove(key[0], key[1:])
        else:
            if key not in self.items:
                self.partitions.add(key[0], key[1:])
            self.items[key] = encoded
        for index in self.indexes.values():
            before = index.location(old, key) if old is not None else None
            after = index.location(new, key) if new is not None else None
            if before != after:
                if before is not None:
                    index.partitions.remove(*before)
                if after is not None:
                    index.partitions.add(*after)

    def index(self, name: Any) -> Index:
        try:
            return self.indexes[name]
        except (KeyError, TypeError):
            raise invalid(f"The table does not have the specified index: {name}") from None


def key_names(schema: list[dict[str, Any]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of the hash key's attributes and of the range key's."""
    names: dict[str, list[str]] = {"HASH": [], "RANGE": []}
    for element in schema:
        names[element["KeyType"]].append(element["AttributeName"])
    return tuple(names["HASH"]), tuple(names["RANGE"])


def _key_bytes(part: Any) -> int:
    return len(part.encode()) if type(part) is str else len(part) if type(part) is bytes else 0
