"""Tables and their indexes: where items are, their order and their keys; and the operations that define tables.

Items are kept encoded, which takes a fifth of the memory of dictionaries and spares the garbage collector. A key is a tuple of values in
Python, which compare as DynamoDB orders them.
"""

import uuid
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from re import fullmatch
from typing import Any
from zlib import crc32

import msgspec

from devtools.dynamodb.syntax import Request
from devtools.dynamodb.values import INVALID, SCALARS, ApiError, Item, Value, check_item, decode_item, refuse_if, refuse_value_if, type_of

Key = tuple[Any, ...]  # of the hash key and, if the table has one, the range key
Entry = tuple[Any, ...]  # of an index: the values of its range key, then the key of the item; of a table: the range key
Definition = dict[str, Any]

ACCOUNT = "000000000000"
_MAX_COUNTS = {"LocalSecondaryIndexes": 5, "GlobalSecondaryIndexes": 20}
_MAX_TAGS, _MAX_PROJECTED = 50, 100
_NO_THROUGHPUT = {"NumberOfDecreasesToday": 0, "ReadCapacityUnits": 0, "WriteCapacityUnits": 0}
MAX_HASH_BYTES, MAX_RANGE_BYTES = 2048, 1024
_EXPIRY_SECONDS = 5 * 365 * 24 * 60 * 60


class KeyFault(ApiError):
    """An item has no valid key. A transaction reports this error as the reason for its cancellation."""

    def __init__(self, message: str) -> None:
        super().__init__("ValidationException", INVALID + message)


class Outcome(msgspec.Struct, gc=False):
    """What a write does to an item: the old and the new item, encoded and decoded; None for no item."""

    table: "Table"
    key: Key
    old_encoded: bytes | None
    old: Item | None  # only given if the table has indexes
    encoded: bytes | None
    new: Item | None
    sequence: int = 0  # of the change record; 0: none


class Partitions:
    """Sorted entries by partition. Partitions are in the order of a hash, whose range parallel scans divide."""

    def __init__(self) -> None:
        self.entries: dict[Any, list[Entry]] = {}
        self._order: list[tuple[int, Any]] = []
        self._added: list[Any] = []  # not in `_order` yet

    def add(self, partition: Any, entry: Entry) -> None:
        entries = self.entries.get(partition)
        if entries is None:
            self.entries[partition] = [entry]
            self._added.append(partition)
        else:
            insort(entries, entry)

    def remove(self, partition: Any, entry: Entry) -> None:
        """Remove an entry if it exists: an index lacks older items whose values cannot be its keys."""
        entries = self.entries.get(partition, [])
        position = bisect_left(entries, entry)
        if entries[position : position + 1] == [entry]:
            del entries[position]
            if not entries:
                del self.entries[partition]

    def scan(self, start: tuple[Any, Entry] | None, segment: int, segments: int) -> Iterator[tuple[Any, Entry]]:
        """Yield the entries of a segment after `start`, a partition and an entry. Raises ApiError if `start` is in another segment."""
        first, end = (-(-number * 2**32 // segments) for number in (segment, segment + 1))
        position: tuple[Any, ...] = (first,)
        if start is not None:
            position = _hash(start[0]), start[0]
            refuse_if(not first <= position[0] < end, "The provided starting key is invalid: Exclusive start key is not in the segment")
        order = self._sorted_order()
        for _, partition in order[bisect_left(order, position) : bisect_left(order, (end,))]:
            entries = self.entries.get(partition, [])
            first_entry = bisect_right(entries, start[1]) if start is not None and partition == start[0] else 0
            for entry in entries[first_entry:]:
                yield partition, entry

    def _sorted_order(self) -> list[tuple[int, Any]]:
        if self._added:
            self._order += [(_hash(partition), partition) for partition in self._added]
            self._added = []
            if len(self._order) > len(self.entries):  # some were removed, and perhaps added again
                self._order = list({pair for pair in self._order if pair[1] in self.entries})
            self._order.sort()
        return self._order


def _hash(partition: Any) -> int:
    (part,) = partition if type(partition) is tuple and len(partition) == 1 else (partition,)
    return crc32(part.encode() if type(part) is str else part if type(part) is bytes else repr(part).encode())


class Index:
    """A secondary index. Its hash key and range key may have several attributes each."""

    def __init__(self, table: "Table", definition: dict[str, Any], kind: str) -> None:
        self.name: str = definition["IndexName"]
        self.kind, self.is_local = kind, kind == "LocalSecondaryIndexes"
        self.hash_names, self.range_names = _key_names(definition["KeySchema"], "HASH"), _key_names(definition["KeySchema"], "RANGE")
        self.types = {name: table.types[name] for name in (*self.hash_names, *self.range_names)}
        projection = definition["Projection"]
        names = frozenset((*table.key_names, *self.types, *projection.get("NonKeyAttributes", ())))
        self.projected = names if projection["ProjectionType"] != "ALL" else None
        self.partitions = Partitions()
        for key, encoded in table.items.items():
            with suppress(KeyFault):  # the index lacks items whose values cannot be its keys
                item = decode_item(encoded)
                self.check(item)
                self.store(key, None, item)

    def store(self, key: Key, old: Item | None, new: Item | None) -> None:
        """Replace the entry of an item."""
        before, after = [self.location(item, key) if item is not None else None for item in (old, new)]
        if before != after:
            if before is not None:
                self.partitions.remove(*before)
            if after is not None:
                self.partitions.add(*after)

    def location(self, item: Item, key: Key) -> tuple[Key, Entry] | None:
        """Return the partition and the entry of an item; None if the item lacks a valid key attribute of the index."""
        if [name for name, kind in self.types.items() if kind not in item.get(name, ())]:
            return None
        parts = {name: SCALARS[kind](item[name][kind]) for name, kind in self.types.items()}
        return tuple([parts[name] for name in self.hash_names]), (*[parts[name] for name in self.range_names], key)

    def part(self, item: Item) -> Item:
        """Return the attributes of an item that the index has."""
        return item if self.projected is None else {name: value for name, value in item.items() if name in self.projected}

    def check(self, item: Item) -> None:
        """Raise ApiError if the item has a value that cannot be a key of this index."""
        for name, kind in self.types.items():
            if name in item:
                limit = MAX_HASH_BYTES if name in self.hash_names else MAX_RANGE_BYTES
                key_part(item[name], name, kind, limit, f" IndexName: {self.name}")


class Table:
    """A table. `definition` has all its settings; `description` is the part that DescribeTable reports."""

    def __init__(self, name: str, definition: dict[str, Any]) -> None:
        self.name = name
        self.items: dict[Key, bytes] = {}
        self.partitions = Partitions()
        self.indexes: dict[str, Index] = {}
        self.stream: Any = None
        self.pending: dict[Key, Any] = {}  # writes that are not durable yet
        self.last_pending: Any = None
        self.define(definition)

    def define(self, definition: dict[str, Any]) -> None:
        """Adopt a new definition, and fill or remove indexes."""
        self.definition = definition
        self.description: dict[str, Any] = definition["description"]
        self.key_names = _key_names(self.description["KeySchema"])
        self.hash_names, self.range_names = self.key_names[:1], self.key_names[1:]
        self.types = {attribute["AttributeName"]: attribute["AttributeType"] for attribute in self.description["AttributeDefinitions"]}
        limits = (MAX_HASH_BYTES, MAX_RANGE_BYTES)
        self._key_parts = [(name, self.types[name], limit) for name, limit in zip(self.key_names, limits, strict=False)]
        self.ttl_attribute: str | None = definition["ttl"]
        known, self.indexes = self.indexes, {}
        for kind in _MAX_COUNTS:
            for wanted in self.description.get(kind, ()):
                name = wanted["IndexName"]
                self.indexes[name] = known[name] if name in known else Index(self, wanted, kind)

    def expired(self, now: float) -> list[tuple[Key, bytes]]:
        """Return the keys and the encoded items that expired in the last five years."""
        if self.ttl_attribute is None:
            return []
        fields: Any = [("value", dict[str, Any], msgspec.field(name=self.ttl_attribute, default_factory=dict))]
        decode: Any = msgspec.msgpack.Decoder(msgspec.defstruct("Expiry", fields)).decode  # of this attribute only, which is quick
        times = ((key, encoded, decode(encoded).value.get("N")) for key, encoded in list(self.items.items()))
        return [(key, encoded) for key, encoded, time in times if time is not None and now - _EXPIRY_SECONDS <= float(time) <= now]

    def key_of(self, attributes: Item) -> Key:
        """Return the key of a request, which has the key attributes and nothing else. Raises ApiError."""
        check_item(attributes)
        try:
            if len(attributes) == len(self._key_parts):
                return tuple([_key_content(attributes[name][kind], name, kind, limit) for name, kind, limit in self._key_parts])
        except KeyError:
            pass
        raise KeyFault("The provided key element does not match the schema")

    def key_of_item(self, item: Item) -> Key:
        """Return the key of an item with valid values. Raises ApiError."""
        try:
            return tuple([key_part(item[name], name, kind, limit) for name, kind, limit in self._key_parts])
        except KeyError as missing:
            raise KeyFault(f"Missing the key {missing.args[0]} in the item") from None

    def key_attributes(self, item: Item) -> Item:
        return {name: item[name] for name in self.key_names}

    def store(self, outcome: Outcome) -> None:
        key = outcome.key
        if outcome.encoded is not None:
            self.items[key] = outcome.encoded
        elif outcome.old_encoded is not None:
            del self.items[key]
        if (outcome.encoded is None) != (outcome.old_encoded is None):
            change = self.partitions.add if outcome.old_encoded is None else self.partitions.remove
            change(key[0], key[1:])
        for index in self.indexes.values():
            index.store(key, outcome.old, outcome.new)


def _key_names(schema: list[dict[str, Any]], kind: str = "") -> tuple[str, ...]:
    return tuple([element["AttributeName"] for element in schema if kind in ("", element["KeyType"])])


def key_part(value: Value, name: str, kind: str, limit: int, where: str = "") -> Any:
    """Return the value of a key attribute in Python. Raises ApiError if it has another type, is empty or too large."""
    if kind not in value:
        raise KeyFault(f"Type mismatch for key {name}: expected type {kind}, actual type {type_of(value)}{where}")
    return _key_content(value[kind], name, kind, limit, where)


def _key_content(content: str, name: str, kind: str, limit: int, where: str = "") -> Any:
    part = SCALARS[kind](content)
    if not content:
        raise KeyFault(f"A key attribute cannot contain an empty {'string' if kind == 'S' else 'binary'} value. Key: {name}{where}")
    if 4 * len(content) > limit and kind != "N" and len(part.encode() if kind == "S" else part) > limit:
        raise KeyFault(f"Size of the key {name} has exceeded the size limit of {limit} bytes{where}")
    return part


# Operations


def check_table_name(name: str, parameter: str = "TableName") -> None:
    pattern = "[a-zA-Z0-9_.-]{3,255}"
    refuse_if(not fullmatch(pattern, name), f"{parameter} '{name}': Member must satisfy regular expression pattern: {pattern}")


def create_table(engine: Any, request: Request) -> Request:
    name, types, now = request["TableName"], _attribute_types(request), round(engine.clock(), 3)
    check_table_name(name)
    description: Definition = {
        "TableName": name,
        "TableArn": f"arn:aws:dynamodb:{engine.region}:{ACCOUNT}:table/{name}",
        "TableId": str(uuid.uuid4()),
        "TableStatus": "ACTIVE",
        "CreationDateTime": now,
        "AttributeDefinitions": request.get("AttributeDefinitions", []),
        "KeySchema": request.get("KeySchema", []),
    }
    _check_key_schema(description["KeySchema"], types)
    definition = {"description": description, "ttl": None, "tags": _with_tags({}, request.get("Tags", []))}
    with engine.lock:
        if name in engine.tables:
            raise ApiError("ResourceInUseException", f"Table already exists: {name}")
        settings = {"BillingMode": "PROVISIONED", "TableClass": "STANDARD", "DeletionProtectionEnabled": False, **request}
        _set(engine, definition, settings, now)
        for kind in _MAX_COUNTS.keys() & request.keys():
            refuse_value_if(not request[kind], f"List of {kind} is empty")
            description[kind] = [_new_index(description, index, types, kind) for index in request[kind]]
        _check_indexes(description, types)
        pending = engine.record(("t", name, definition, now))
    engine.settle(pending)
    return {"TableDescription": {**description, "TableStatus": "CREATING", "ItemCount": 0, "TableSizeBytes": 0}}


def update_table(engine: Any, request: Request) -> Request:
    changed = [name for name, value in request.items() if value and name not in ("TableName", "AttributeDefinitions")]
    refuse_if(not changed, "At least one of ProvisionedThroughput, GlobalSecondaryIndexUpdates or others must be given to UpdateTable")
    with _redefinition(engine, request["TableName"]) as definition:
        _set(engine, definition, request, round(engine.clock(), 3))
        if updates := request.get("GlobalSecondaryIndexUpdates"):
            _update_indexes(definition["description"], _attribute_types(request), updates)
    return {"TableDescription": {**described(engine.table(request["TableName"])), "TableStatus": "UPDATING"}}


def _set(engine: Any, definition: Definition, request: Request, now: float) -> None:
    """Apply the settings that CreateTable and UpdateTable share; called under the lock."""
    description = definition["description"]
    if mode := request.get("BillingMode"):
        description.pop("BillingModeSummary", None)
        if mode == "PAY_PER_REQUEST":
            description["BillingModeSummary"] = {"BillingMode": mode, "LastUpdateToPayPerRequestDateTime": now}
    if mode or "ProvisionedThroughput" in request:
        description["ProvisionedThroughput"] = _throughput(description, request, "the table")
    if "DeletionProtectionEnabled" in request:
        description["DeletionProtectionEnabled"] = request["DeletionProtectionEnabled"]
    if "TableClass" in request:
        description["TableClassSummary"] = {"TableClass": request["TableClass"]}
    if "StreamSpecification" in request:
        _set_stream(engine, definition, request["StreamSpecification"])


def _set_stream(engine: Any, definition: Definition, wanted: Definition) -> None:
    description, view, is_wanted = definition["description"], wanted.get("StreamViewType"), wanted["StreamEnabled"]
    name, is_present = description["TableName"], "stream" in definition
    problem = f"Table {name} {'already has an enabled stream' if is_present else 'has no stream to disable'}"
    refuse_value_if(is_wanted == is_present and (is_present or name in engine.tables), problem)
    refuse_value_if(is_wanted != bool(view), "StreamViewType must be specified if StreamEnabled is true, and only then")
    definition.pop("stream", None)
    description.pop("StreamSpecification", None)
    if is_wanted:
        engine.last_label = max(engine.last_label + 1, int(engine.clock() * 1000))
        label = datetime.fromtimestamp(engine.last_label / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
        arn = f"{description['TableArn']}/stream/{label}"
        stream = {"table": name, "label": label, "view": view, "created": engine.last_label / 1000, "sequence": engine.sequence, "arn": arn}
        definition["stream"] = {**stream, "key_schema": description["KeySchema"]}
        description |= {"StreamSpecification": wanted, "LatestStreamLabel": label, "LatestStreamArn": arn}


def _attribute_types(request: Request) -> dict[str, str]:
    attributes = request.get("AttributeDefinitions", ())
    types = {attribute["AttributeName"]: attribute["AttributeType"] for attribute in attributes}
    refuse_value_if(len(types) < len(attributes), f"Duplicate AttributeName in AttributeDefinitions: {attributes}")
    return types


def _check_key_schema(schema: list[dict[str, str]], types: dict[str, str], *, max_parts: int = 1) -> None:
    kinds, names = [element["KeyType"] for element in schema], [element["AttributeName"] for element in schema]
    is_ordered = kinds[:1] == ["HASH"] and kinds == sorted(kinds)
    is_wrong = not is_ordered or max(map(kinds.count, kinds)) > max_parts
    refuse_value_if(is_wrong, f"Invalid KeySchema: HASH keys must precede RANGE keys, with at most {max_parts} of each of these two kinds")
    refuse_value_if(len(set(names)) < len(names), "Several elements in the KeySchema have the same name")
    missing = [name for name in names if name not in types]
    refuse_value_if(missing, f"Some index key attributes are not defined in AttributeDefinitions. Keys: {missing}")


def _new_index(description: Definition, wanted: Definition, types: dict[str, str], kind: str) -> Definition:
    name, schema, projection, is_global = wanted["IndexName"], wanted["KeySchema"], wanted["Projection"], kind[0] == "G"
    check_table_name(name, "IndexName")
    _check_key_schema(schema, types, max_parts=4 if is_global else 1)
    is_wrong = schema[0] != description["KeySchema"][0] or len(schema) < 2 or len(description["KeySchema"]) < 2
    refuse_value_if(is_wrong and not is_global, f"Table and local index {name} must have the same hash key, and both a range key")
    projected, others = projection.get("ProjectionType"), projection.get("NonKeyAttributes", ())
    is_wrong = projected is None or (projected == "INCLUDE") != bool(others)
    refuse_value_if(is_wrong, f"ProjectionType is {projected}, but NonKeyAttributes is {'' if others else 'not '}specified")
    refuse_value_if(len({*others}) < len(others), f"Duplicate value in NonKeyAttributes: {others}")
    index = {"IndexName": name, "KeySchema": schema, "Projection": projection, "IndexArn": f"{description['TableArn']}/index/{name}"}
    if is_global:
        index |= {"IndexStatus": "ACTIVE", "ProvisionedThroughput": _throughput(description, wanted, name)}
    return index


def _throughput(description: Definition, request: Request, name: str) -> Definition:
    throughput = request.get("ProvisionedThroughput")
    is_wrong = ("BillingModeSummary" in description) == (throughput is not None)
    refuse_value_if(is_wrong, f"ProvisionedThroughput must be specified for {name} if BillingMode is PROVISIONED, and only then")
    return {**_NO_THROUGHPUT, **(throughput or {})}


def _update_indexes(description: Definition, new_types: dict[str, str], updates: list[Definition]) -> None:
    is_wrong = any(len(update) != 1 or not update.keys() <= {"Create", "Update", "Delete"} for update in updates)
    refuse_value_if(is_wrong, "Only one of Create, Update and Delete can be in a GlobalSecondaryIndexUpdate")
    if sum("Update" not in update for update in updates) > 1:
        raise ApiError("LimitExceededException", "Only 1 online index can be created or deleted simultaneously per table")
    types = _attribute_types(description)
    changed = [name for name, kind in new_types.items() if types.setdefault(name, kind) != kind]
    refuse_value_if(changed, f"Attributes cannot be redefined. Please check that they have the same type as before: {changed}")
    all_names = [index["IndexName"] for index in _indexes(description)]
    indexes = {index["IndexName"]: index for index in description.pop("GlobalSecondaryIndexes", ())}
    for update in updates:
        ((kind, wanted),) = update.items()
        name = wanted["IndexName"]
        if kind == "Create":
            refuse_if(name in all_names, f"Attempting to create an index which already exists: {name} already exists")
            indexes[name] = _new_index(description, wanted, new_types, "GlobalSecondaryIndexes")
        elif name not in indexes:
            raise ApiError("ResourceNotFoundException", f"Requested resource not found: index {name} of {description['TableName']}")
        elif kind == "Delete":
            del indexes[name]
        else:
            indexes[name] = {**indexes[name], "ProvisionedThroughput": _throughput(description, wanted, name)}
    description |= {"GlobalSecondaryIndexes": list(indexes.values())} if indexes else {}
    kept = {name: kind for name, kind in types.items() if name in new_types or name in _key_attributes(description)}
    _check_indexes(description, kept)
    description["AttributeDefinitions"] = [{"AttributeName": name, "AttributeType": kind} for name, kind in kept.items()]


def _check_indexes(description: Definition, types: dict[str, str]) -> None:
    """Check the indexes together, and that each defined attribute is part of a key."""
    names = [index["IndexName"] for index in _indexes(description)]
    refuse_value_if(len(set(names)) < len(names), f"Duplicate index name: {names}")
    for kind, limit in _MAX_COUNTS.items():
        refuse_value_if(len(description.get(kind, ())) > limit, f"{kind} count exceeds the per-table limit of {limit}")
    total = sum(len(index["Projection"].get("NonKeyAttributes", ())) for index in _indexes(description))
    refuse_value_if(total > _MAX_PROJECTED, f"Aggregated number of NonKeyAttributes exceeds the limit of {_MAX_PROJECTED}")
    used = _key_attributes(description)
    refuse_value_if(types.keys() - used, f"Some AttributeDefinitions are not used. AttributeDefinitions: {list(types)}, keys: {used}")


def _indexes(description: Definition) -> list[Definition]:
    return [index for kind in _MAX_COUNTS for index in description.get(kind, ())]


def _key_attributes(description: Definition) -> set[str]:
    return {element["AttributeName"] for part in (description, *_indexes(description)) for element in part["KeySchema"]}


def described(table: Table) -> Definition:
    """Return the table as DescribeTable does."""
    size, count = sum(map(len, table.items.values())), len(table.items)
    description: Definition = {**table.description, "TableSizeBytes": size, "ItemCount": count}
    for kind in _MAX_COUNTS.keys() & description.keys():
        description[kind] = [{**index, "IndexSizeBytes": size, "ItemCount": count} for index in description[kind]]
    return description


def describe_table(engine: Any, request: Request) -> Request:
    with engine.lock:
        return {"Table": described(engine.table(request["TableName"]))}


def describe_limits(_engine: Any, _request: Request) -> Request:
    limits = {"Account": 80_000, "Table": 40_000}
    return {f"{scope}Max{kind}CapacityUnits": limit for scope, limit in limits.items() for kind in ("Read", "Write")}


def delete_table(engine: Any, request: Request) -> Request:
    with engine.lock:
        table = engine.table(request["TableName"])
        refuse_if(table.description["DeletionProtectionEnabled"], f"Table {table.name} is currently protected against deletion")
        description = {**described(table), "TableStatus": "DELETING"}
        pending = engine.record(("t", table.name, None, engine.clock()))
    engine.settle(pending)
    hidden = ("AttributeDefinitions", "CreationDateTime", "KeySchema", *_MAX_COUNTS)
    return {"TableDescription": {name: value for name, value in description.items() if name not in hidden}}


def list_tables(engine: Any, request: Request) -> Request:
    start, limit = request.get("ExclusiveStartTableName", ""), request.get("Limit", 100)
    names = sorted(name for name in list(engine.tables) if name > start)
    return {"TableNames": names[:limit], **({"LastEvaluatedTableName": names[limit - 1]} if len(names) > limit else {})}


@contextmanager
def _redefinition(engine: Any, name: str) -> Iterator[Definition]:
    """Yield the definition of a table, to be changed in the block, under the lock. The change is durable afterwards."""
    with engine.lock:
        table = engine.table(name)
        definition = {**table.definition, "description": dict(table.description)}
        yield definition
        pending = engine.record(("t", table.name, definition, engine.clock()))
    engine.settle(pending)


def update_time_to_live(engine: Any, request: Request) -> Request:
    wanted = request["TimeToLiveSpecification"]
    name, is_enabled = wanted["AttributeName"], wanted["Enabled"]
    with _redefinition(engine, request["TableName"]) as definition:
        present = definition["ttl"]
        refuse_if(present not in (name, None), f"TimeToLive is active on a different AttributeName: current AttributeName is {present}")
        refuse_if(is_enabled == (present is not None), f"TimeToLive is already {'enabled' if present else 'disabled'}")
        definition["ttl"] = name if is_enabled else None
    return {"TimeToLiveSpecification": wanted}


def describe_time_to_live(engine: Any, request: Request) -> Request:
    name = engine.table(request["TableName"]).ttl_attribute
    status = {"TimeToLiveStatus": "ENABLED", "AttributeName": name} if name else {"TimeToLiveStatus": "DISABLED"}
    return {"TimeToLiveDescription": status}


def _with_tags(present: dict[str, str], added: list[dict[str, str]]) -> dict[str, str]:
    valid = {tag["Key"]: tag["Value"] for tag in added if fullmatch(r"[\w\s_.:/=+@-]+", tag["Key"] + tag["Value"])}
    refuse_if(len(valid) < len(added), "A tag has the key of another tag, or a character that is not allowed")
    refuse_if(len(present | valid) > _MAX_TAGS, f"One or more tags could not be added: the limit is {_MAX_TAGS} tags")
    return present | valid


def _checked_arn(request: Request) -> str:
    arn: str = request["ResourceArn"]
    refuse_if(not fullmatch(r"arn:aws:dynamodb:[a-z0-9-]+:\d*:table/[^/]+", arn), f"Invalid ResourceArn: ARNs must name a table: {arn}")
    return arn


def tag_resource(engine: Any, request: Request) -> Request:
    added, removed = request.get("Tags", []), request.get("TagKeys", [])
    refuse_if(not added and not removed, "Atleast one Tag or Tag Key needs to be provided as Input.")
    with _redefinition(engine, _checked_arn(request)) as definition:
        kept = {key: value for key, value in definition["tags"].items() if key not in removed}
        definition["tags"] = _with_tags(kept, added)
    return {}


untag_resource = tag_resource


def list_tags_of_resource(engine: Any, request: Request) -> Request:
    tags = engine.table(_checked_arn(request)).definition["tags"]
    return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
