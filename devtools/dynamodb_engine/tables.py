"""Tables and their indexes: where items are, in which order, what a key must be; and the operations that define them.

Items are kept encoded, which takes a fifth of the memory of dictionaries and spares the garbage collector. A key is a tuple of values that
compare as DynamoDB orders them.
"""

import uuid
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from datetime import UTC, datetime
from re import fullmatch
from typing import Any
from zlib import crc32

from devtools.dynamodb_engine.values import ApiError, Item, Value, decode_item, invalid, invalid_parameter, sortable, type_of

Key = tuple[Any, ...]  # of the hash key and, if the table has one, the range key
Entry = tuple[Any, ...]  # of an index: the values of its range key, then the key of the item; of a table: the range key

MISMATCH = "The provided key element does not match the schema"
_MAX_HASH_BYTES, _MAX_RANGE_BYTES = 2048, 1024


class KeyFault(ApiError):
    """An item has no valid key. A transaction reports it as the reason why it is canceled."""

    def __init__(self, message: str) -> None:
        super().__init__("ValidationException", message)


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
        else:
            insort(entries, entry)

    def remove(self, partition: Any, entry: Entry) -> None:
        entries = self.entries[partition]
        del entries[bisect_left(entries, entry)]
        if not entries:
            del self.entries[partition]

    def scan(self, start: tuple[Any, Entry] | None, segment: int, segments: int) -> Iterator[tuple[Any, Entry]]:
        """All entries of a segment after `start`, a partition and an entry. Raises ApiError if `start` is in another segment."""
        first, end = (-(-number * 2**32 // segments) for number in (segment, segment + 1))
        position: tuple[Any, ...] = (first,)
        if start is not None:
            position = _hash(start[0]), start[0]
            if not first <= position[0] < end:
                raise invalid("The provided starting key is invalid: Exclusive start key is not in the segment")
        order = self._sorted_order()
        for number, partition in order[bisect_left(order, position) :]:
            if number >= end:
                return
            entries = self.entries.get(partition, [])
            is_first = start is not None and partition == start[0]
            for entry in entries[bisect_right(entries, start[1]) :] if start is not None and is_first else entries:
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
    """A secondary index. Its hash key and its range key may have several attributes each."""

    def __init__(self, table: "Table", definition: dict[str, Any], *, is_local: bool) -> None:
        self.name: str = definition["IndexName"]
        self.is_local, self.definition = is_local, definition
        self.hash_names, self.range_names = key_names(definition["KeySchema"])
        self.types = {name: table.types[name] for name in (*self.hash_names, *self.range_names)}
        projection = definition["Projection"]
        names = frozenset((*table.key_names, *self.types, *projection.get("NonKeyAttributes", ())))
        self.projected = names if projection["ProjectionType"] != "ALL" else None
        self.partitions = Partitions()

    def location(self, item: Item, key: Key) -> tuple[Key, Entry] | None:
        """The partition and the entry of an item; None if it lacks a key attribute of the index."""
        if any(name not in item for name in self.types):
            return None
        return tuple(sortable(item[name]) for name in self.hash_names), (*(sortable(item[name]) for name in self.range_names), key)

    def check(self, item: Item) -> None:
        """Raise ApiError if the item has a value that cannot be a key of this index."""
        for name, kind in self.types.items():
            if (value := item.get(name)) is not None:
                self._check_key_attribute(name, value, kind)

    def _check_key_attribute(self, name: str, value: Value, kind: str) -> None:
        if kind not in value:
            raise KeyFault(
                f"One or more parameter values were invalid: Type mismatch for Index Key {name} Expected: {kind} Actual: {type_of(value)} "
                f"IndexName: {self.name}"
            )
        if kind != "N":
            _check_key_size(value, kind, name, _MAX_HASH_BYTES if name in self.hash_names else _MAX_RANGE_BYTES, f" IndexName: {self.name}")


class Table:
    """A table: `description` is what DescribeTable reports, its other settings are beside it in `definition`."""

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
        """Take over a new definition: indexes are filled or removed."""
        self.definition = definition
        self.description: dict[str, Any] = definition["description"]
        hash_names, range_names = key_names(self.description["KeySchema"])
        self.key_names = (*hash_names, *range_names)
        self.types = {attribute["AttributeName"]: attribute["AttributeType"] for attribute in self.description["AttributeDefinitions"]}
        self._key_parts = [(name, self.types[name], limit) for name, limit in zip(self.key_names, (2048, 1024), strict=False)]
        self.ttl_attribute: str | None = definition["ttl"]
        known, self.indexes = self.indexes, {}
        for kind in ("LocalSecondaryIndexes", "GlobalSecondaryIndexes"):
            for wanted in self.description.get(kind, ()):
                name = wanted["IndexName"]
                self.indexes[name] = known[name] if name in known else self._filled(Index(self, wanted, is_local=kind[0] == "L"))

    def _filled(self, index: Index) -> Index:
        for key, encoded in self.items.items():
            item = decode_item(encoded)
            try:
                index.check(item)
            except KeyFault:
                continue
            if (location := index.location(item, key)) is not None:
                index.partitions.add(*location)
        return index

    def key_of(self, attributes: Item) -> Key:
        """The key of a request that gives exactly the key attributes. Raises ApiError."""
        if len(attributes) != len(self._key_parts):
            raise KeyFault(MISMATCH)
        return self._key(attributes, is_item=False)

    def key_of_item(self, item: Item) -> Key:
        """The key of an item with valid values. Raises ApiError."""
        return self._key(item, is_item=True)

    def _key(self, attributes: Item, *, is_item: bool) -> Key:
        parts = []
        for name, kind, limit in self._key_parts:
            value = attributes.get(name)
            if value is None or kind not in value:
                problem = f"Missing the key {name} in the item"
                if value is not None:
                    problem = f"Type mismatch for key {name} expected: {kind} actual: {type_of(value)}"
                raise KeyFault(f"One or more parameter values were invalid: {problem}" if is_item else MISMATCH)
            if kind != "N" and (not value[kind] or len(value[kind]) > 256):
                _check_key_size(value, kind, name, limit)
            parts.append(sortable(value))
        return tuple(parts)

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
            before, after = (index.location(item, key) if item is not None else None for item in (old, new))
            if before != after:
                if before is not None:
                    index.partitions.remove(*before)
                if after is not None:
                    index.partitions.add(*after)

    def index(self, name: str) -> Index:
        if name not in self.indexes:
            raise invalid(f"The table does not have the specified index: {name}")
        return self.indexes[name]


def key_names(schema: list[dict[str, Any]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of the hash key's attributes and of the range key's."""
    names: dict[str, list[str]] = {"HASH": [], "RANGE": []}
    for element in schema:
        names[element["KeyType"]].append(element["AttributeName"])
    return tuple(names["HASH"]), tuple(names["RANGE"])


def _check_key_size(value: Value, kind: str, name: str, limit: int, where: str = "") -> None:
    part = sortable(value)
    if not part:
        problem = f"contain an empty {'string' if kind == 'S' else 'binary'} value. Key: {name}{where}"
        raise KeyFault(f"One or more parameter values are not valid. The AttributeValue for a key attribute cannot {problem}")
    if len(part.encode() if kind == "S" else part) > limit:
        which = f"Size of hashkey has exceeded the maximum size limit of{limit} bytes"
        if limit == _MAX_RANGE_BYTES:
            which = f"Aggregated size of all range keys has exceeded the size limit of {limit} bytes"
        raise KeyFault(f"One or more parameter values were invalid: {which}{where}")


# Operations

ACCOUNT = "000000000000"
_MAX_COUNTS = {"LocalSecondaryIndexes": 5, "GlobalSecondaryIndexes": 20}
_MAX_TAGS, _MAX_PROJECTED = 50, 100
_NO_THROUGHPUT = {"NumberOfDecreasesToday": 0, "ReadCapacityUnits": 0, "WriteCapacityUnits": 0}
_NO_UNITS = "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST"

Request = dict[str, Any]
Definition = dict[str, Any]


def check_table_name(name: str, parameter: str = "TableName") -> None:
    if not 3 <= len(name) <= 255:
        raise invalid(f"{parameter} must be at least 3 characters long and at most 255 characters long")
    if not fullmatch(r"[a-zA-Z0-9_.-]+", name):
        raise invalid(f"{parameter} '{name}' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+")


def create_table(engine: Any, request: Request) -> Request:
    name, types = request["TableName"], _attribute_types(request.get("AttributeDefinitions") or [])
    check_table_name(name)
    description: Definition = {
        "AttributeDefinitions": request.get("AttributeDefinitions") or [],
        "TableName": name,
        "KeySchema": request.get("KeySchema") or [],
        "TableStatus": "ACTIVE",
        "CreationDateTime": round(engine.clock(), 3),
        "TableArn": f"arn:aws:dynamodb:{engine.region}:{ACCOUNT}:table/{name}",
        "TableId": str(uuid.uuid4()),
        "DeletionProtectionEnabled": bool(request.get("DeletionProtectionEnabled")),
        "TableClassSummary": {"TableClass": request.get("TableClass", "STANDARD")},
    }
    _check_key_schema(description["KeySchema"], types)
    _set_billing(engine, description, request)
    for kind in _MAX_COUNTS:
        if (wanted := request.get(kind)) is not None:
            if not wanted:
                raise invalid_parameter(f"List of {kind} is empty")
            description[kind] = [_new_index(description, index, types, kind) for index in wanted]
    _check_indexes(description, types)
    definition = {"description": description, "ttl": None, "tags": _valid_tags(request.get("Tags") or []), "pitr": False}
    with engine.lock:
        if name in engine.tables:
            raise ApiError("ResourceInUseException", f"Table already exists: {name}")
        _set_stream(engine, definition, request.get("StreamSpecification"))
        pending = engine.define(name, definition)
    engine.settle(pending)
    return {"TableDescription": {**description, "TableStatus": "CREATING", "ItemCount": 0, "TableSizeBytes": 0}}


def _attribute_types(attributes: list[dict[str, str]]) -> dict[str, str]:
    types: dict[str, str] = {}
    for attribute in attributes:
        name = attribute["AttributeName"]
        if name in types:
            raise invalid_parameter(f"Duplicate AttributeName in AttributeDefinitions: {name}")
        if len(name) > 255:
            raise invalid(f"AttributeName in AttributeDefinitions must have at most 255 characters, not {len(name)}")
        types[name] = attribute["AttributeType"]
    return types


def _check_key_schema(schema: list[dict[str, str]], types: dict[str, str], *, is_global: bool = False) -> None:
    kinds, names = [element["KeyType"] for element in schema], [element["AttributeName"] for element in schema]
    if not kinds or kinds[0] != "HASH":
        raise invalid_parameter("Invalid KeySchema: The first KeySchemaElement is not a HASH key type; HASH must precede RANGE")
    if is_global and (kinds != sorted(kinds) or kinds.count("HASH") > 4 or kinds.count("RANGE") > 4):
        raise invalid_parameter("Invalid KeySchema: HASH key attributes must precede RANGE key attributes, at most 4 of each")
    if not is_global and len(kinds) > 2:
        raise invalid("Invalid KeySchema: Value at 'keySchema' must have length less than or equal to 2")
    if not is_global and kinds[1:] not in ([], ["RANGE"]):
        raise invalid_parameter("Invalid KeySchema: The second KeySchemaElement is not a RANGE key type")
    if len(set(names)) < len(names):
        raise invalid_parameter("Both the Hash Key and the Range Key element in the KeySchema have the same name")
    if missing := [name for name in names if name not in types]:
        problem = "Some index key attributes are not defined in AttributeDefinitions"
        raise invalid_parameter(f"{problem}. Keys: {missing}, AttributeDefinitions: {list(types)}")


def _set_billing(engine: Any, description: Definition, request: Request) -> None:
    throughput = request.get("ProvisionedThroughput")
    if request.get("BillingMode") == "PAY_PER_REQUEST":
        if throughput is not None:
            raise invalid_parameter(_NO_UNITS)
        description["BillingModeSummary"] = {
            "BillingMode": "PAY_PER_REQUEST",
            "LastUpdateToPayPerRequestDateTime": round(engine.clock(), 3),
        }
    elif throughput is None:
        raise invalid("No provisioned throughput specified for the table")
    else:
        description.pop("BillingModeSummary", None)
    description["ProvisionedThroughput"] = {**_NO_THROUGHPUT, **(throughput or {})}


def _new_index(description: Definition, wanted: Definition, types: dict[str, str], kind: str) -> Definition:
    name, schema, projection, is_global = wanted["IndexName"], wanted["KeySchema"], wanted["Projection"], kind[0] == "G"
    check_table_name(name, "IndexName")
    _check_key_schema(schema, types, is_global=is_global)
    if not is_global:
        if len(description["KeySchema"]) < 2:
            raise invalid_parameter("Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex")
        if schema[0] != description["KeySchema"][0]:
            raise invalid_parameter(f"Index KeySchema does not have the same leading hash key as table KeySchema for index: {name}")
        if len(schema) < 2:
            raise invalid_parameter(f"Index KeySchema does not have a range key for index: {name}")
    projected, others = projection.get("ProjectionType"), projection.get("NonKeyAttributes")
    if projected is None:
        raise invalid_parameter("Unknown ProjectionType: null")
    if (projected == "INCLUDE") != bool(others) or (projected != "INCLUDE" and others is not None):
        raise invalid_parameter(f"ProjectionType is {projected}, but NonKeyAttributes is {'not ' if not others else ''}specified")
    for attribute in others or ():
        if not 1 <= len(attribute) <= 255 or others.count(attribute) > 1:
            raise invalid_parameter(f"Duplicate value in NonKeyAttributes, or a length beyond the limit of 255: {attribute}")
    index = {"IndexName": name, "KeySchema": schema, "Projection": projection, "IndexArn": f"{description['TableArn']}/index/{name}"}
    return _with_billing(description, {**index, "IndexStatus": "ACTIVE"}, wanted) if is_global else index


def _with_billing(description: Definition, index: Definition, wanted: Definition) -> Definition:
    throughput = wanted.get("ProvisionedThroughput")
    if ("BillingModeSummary" in description) == (throughput is not None):
        raise invalid_parameter(
            f"ProvisionedThroughput must be specified for index {index['IndexName']} unless BillingMode is PAY_PER_REQUEST: {_NO_UNITS}"
        )
    return {**index, "ProvisionedThroughput": {**_NO_THROUGHPUT, **(throughput or {})}}


def _check_indexes(description: Definition, types: dict[str, str]) -> None:
    """Check the indexes together, and keep the definitions of the attributes that are in keys."""
    indexes = [index for kind in _MAX_COUNTS for index in description.get(kind, ())]
    names = [index["IndexName"] for index in indexes]
    for name in names:
        if names.count(name) > 1:
            raise invalid_parameter(f"Duplicate index name: {name}")
    for kind, limit in _MAX_COUNTS.items():
        if len(description.get(kind, ())) > limit:
            raise invalid_parameter(f"{kind} count exceeds the per-table limit of {limit}")
    if sum(len(index["Projection"].get("NonKeyAttributes", ())) for index in indexes) > _MAX_PROJECTED:
        raise invalid_parameter(f"Aggregated number of attributes in NonKeyAttributes exceeds the limit of {_MAX_PROJECTED}")
    schemas = [description["KeySchema"], *(index["KeySchema"] for index in indexes)]
    used = {element["AttributeName"] for schema in schemas for element in schema}
    if types.keys() - used:
        raise invalid_parameter(f"Some AttributeDefinitions are not used. AttributeDefinitions: {list(types)}, keys used: {sorted(used)}")


def _set_stream(engine: Any, definition: Definition, wanted: Definition | None) -> None:
    """Switch the stream of a table on or off; called under the lock."""
    if wanted is None:
        return
    description, view = definition["description"], wanted.get("StreamViewType")
    name, is_present = description["TableName"], "stream" in definition
    if wanted["StreamEnabled"] == is_present and (is_present or name in engine.tables):
        raise invalid_parameter(f"Table {name} {'already has an enabled stream' if is_present else 'has no stream to disable'}")
    if wanted["StreamEnabled"] != bool(view):
        raise invalid_parameter("StreamViewType must be specified if StreamEnabled is true, and only then")
    definition.pop("stream", None)
    description.pop("StreamSpecification", None)
    if not view:
        return
    engine.last_label = max(engine.last_label + 1, int(engine.clock() * 1000))
    label = datetime.fromtimestamp(engine.last_label / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
    stream = {"table": name, "label": label, "view": view, "created": engine.clock(), "sequence": engine.sequence}
    definition["stream"] = {**stream, "key_schema": description["KeySchema"], "arn": f"{description['TableArn']}/stream/{label}"}
    description |= {"StreamSpecification": wanted, "LatestStreamLabel": label, "LatestStreamArn": definition["stream"]["arn"]}


def described(table: Table) -> Definition:
    """The table as DescribeTable returns it."""
    sizes = {"TableSizeBytes": sum(map(len, table.items.values())), "ItemCount": len(table.items)}
    description: Definition = {**table.description, **sizes}
    for kind in _MAX_COUNTS:
        if kind in description:
            of_index = {"IndexSizeBytes": sizes["TableSizeBytes"], "ItemCount": sizes["ItemCount"]}
            description[kind] = [{**index, **of_index} for index in description[kind]]
    return description


def describe_table(engine: Any, request: Request) -> Request:
    with engine.lock:
        return {"Table": described(engine.table(request["TableName"], names_it=True))}


def delete_table(engine: Any, request: Request) -> Request:
    with engine.lock:
        table = engine.table(request["TableName"], names_it=True)
        if table.description["DeletionProtectionEnabled"]:
            raise invalid(f"Resource cannot be deleted as it is currently protected against deletion: {table.name}")
        description = {**described(table), "TableStatus": "DELETING"}
        pending = engine.define(table.name, None)
    engine.settle(pending)
    hidden = ("AttributeDefinitions", "CreationDateTime", "KeySchema", *_MAX_COUNTS)
    return {"TableDescription": {name: value for name, value in description.items() if name not in hidden}}


def list_tables(engine: Any, request: Request) -> Request:
    start, limit = request.get("ExclusiveStartTableName", ""), request.get("Limit", 100)
    with engine.lock:
        names = sorted(name for name in engine.tables if name > start)
    return {"TableNames": names[:limit], **({"LastEvaluatedTableName": names[limit - 1]} if len(names) > limit else {})}


def update_table(engine: Any, request: Request) -> Request:
    if not any(value for name, value in request.items() if name not in ("TableName", "AttributeDefinitions")):
        raise invalid(
            "At least one of ProvisionedThroughput, BillingMode, GlobalSecondaryIndexUpdates or others must be given to UpdateTable"
        )
    with engine.lock:
        table = engine.table(request["TableName"], names_it=True)
        definition = {**table.definition, "description": dict(table.description)}
        description = definition["description"]
        if "BillingMode" in request or "ProvisionedThroughput" in request:
            if "BillingMode" not in request and "BillingModeSummary" in description:
                raise invalid_parameter(_NO_UNITS)
            _set_billing(engine, description, request)
        if "DeletionProtectionEnabled" in request:
            description["DeletionProtectionEnabled"] = request["DeletionProtectionEnabled"]
        if "TableClass" in request:
            description["TableClassSummary"] = {"TableClass": request["TableClass"]}
        _set_stream(engine, definition, request.get("StreamSpecification"))
        if updates := request.get("GlobalSecondaryIndexUpdates"):
            _update_indexes(description, _attribute_types(request.get("AttributeDefinitions") or []), updates)
        pending = engine.define(table.name, definition)
        response = {"TableDescription": {**described(table), "TableStatus": "UPDATING"}}
    engine.settle(pending)
    return response


def _update_indexes(description: Definition, new_types: dict[str, str], updates: list[Definition]) -> None:
    if any(len(update) != 1 or not update.keys() <= {"Create", "Update", "Delete"} for update in updates):
        raise invalid_parameter("Only one of Create, Update and Delete can be in a GlobalSecondaryIndexUpdate")
    if sum("Update" not in update for update in updates) > 1:
        raise ApiError("LimitExceededException", "Only 1 online index can be created or deleted simultaneously per table")
    types = _attribute_types(description["AttributeDefinitions"])
    if changed := [name for name, kind in new_types.items() if types.setdefault(name, kind) != kind]:
        raise invalid_parameter(f"Attributes cannot be redefined. Please check that they have the same type as before: {changed}")
    indexes = {index["IndexName"]: index for index in description.get("GlobalSecondaryIndexes", ())}
    local = {index["IndexName"] for index in description.get("LocalSecondaryIndexes", ())}
    for update in updates:
        ((kind, wanted),) = update.items()
        name = wanted["IndexName"]
        if kind == "Create":
            if name in indexes or name in local:
                raise invalid(f"Attempting to create an index which already exists: Index with name {name} already exists")
            indexes[name] = _new_index(description, wanted, new_types, "GlobalSecondaryIndexes")
        elif name not in indexes:
            raise ApiError("ResourceNotFoundException", f"Requested resource not found: index {name} of {description['TableName']}")
        elif kind == "Delete":
            del indexes[name]
        else:
            indexes[name] = _with_billing(description, indexes[name], wanted)
    description["GlobalSecondaryIndexes"] = list(indexes.values())
    if not indexes:
        del description["GlobalSecondaryIndexes"]
    schemas = [description["KeySchema"], *(index["KeySchema"] for kind in _MAX_COUNTS for index in description.get(kind, ()))]
    used = {element["AttributeName"] for schema in schemas for element in schema}
    kept = {name: kind for name, kind in types.items() if name in used or name in new_types}
    _check_indexes(description, kept)
    description["AttributeDefinitions"] = [{"AttributeName": name, "AttributeType": kind} for name, kind in kept.items()]


def update_time_to_live(engine: Any, request: Request) -> Request:
    wanted = request["TimeToLiveSpecification"]
    attribute = wanted["AttributeName"]
    with engine.lock:
        table = engine.table(request["TableName"])
        present = table.ttl_attribute
        if wanted["Enabled"] == (present is not None) and present in (attribute, None):
            raise invalid(f"TimeToLive is already {'enabled' if present else 'disabled'}")
        if present not in (attribute, None):
            raise invalid(f"TimeToLive is active on a different AttributeName: current AttributeName is {present}")
        pending = engine.define(table.name, {**table.definition, "ttl": attribute if wanted["Enabled"] else None})
    engine.settle(pending)
    return {"TimeToLiveSpecification": wanted}


def describe_time_to_live(engine: Any, request: Request) -> Request:
    attribute = engine.table(request["TableName"]).ttl_attribute
    status = {"TimeToLiveStatus": "ENABLED", "AttributeName": attribute} if attribute else {"TimeToLiveStatus": "DISABLED"}
    return {"TimeToLiveDescription": status}


def _valid_tags(tags: list[dict[str, str]]) -> dict[str, str]:
    found = {}
    for tag in tags:
        key, value = tag["Key"], tag["Value"]
        if key in found or not fullmatch(r"[\w\s_.:/=+@-]+", key + value):
            raise invalid(f"The tag with the key {key!r} occurs twice, or has a character that is not allowed")
        found[key] = value
    if len(found) > _MAX_TAGS:
        raise invalid(f"Too many tags: the limit is {_MAX_TAGS}")
    return found


def _tagged_table(engine: Any, request: Request) -> Table:
    arn = request["ResourceArn"]
    if not fullmatch(r"arn:aws:dynamodb:[a-z0-9-]+:\d*:table/([^/]+)", arn):
        problem = "Invalid TableArn: Invalid ResourceArn provided as input" if arn.startswith("arn:") else "ResourceArn: ARNs must be valid"
        raise invalid(f"{problem} {arn}")
    table: Table | None = engine.tables.get(arn.rpartition("/")[2])
    if table is None:
        raise ApiError("ResourceNotFoundException", f"Requested resource not found: ResourcArn: {arn} not found")
    return table


def _change_tags(engine: Any, request: Request, added: dict[str, str], removed: list[str]) -> Request:
    if not added and not removed:
        raise invalid("Atleast one Tag or Tag Key needs to be provided as Input.")
    with engine.lock:
        table = _tagged_table(engine, request)
        tags = {key: value for key, value in (table.definition["tags"] | added).items() if key not in removed}
        if len(tags) > _MAX_TAGS:
            raise invalid(f"One or more tags could not be added: the limit is {_MAX_TAGS} tags")
        pending = engine.define(table.name, {**table.definition, "tags": tags})
    engine.settle(pending)
    return {}


def tag_resource(engine: Any, request: Request) -> Request:
    return _change_tags(engine, request, _valid_tags(request["Tags"]), [])


def untag_resource(engine: Any, request: Request) -> Request:
    return _change_tags(engine, request, {}, request["TagKeys"])


def list_tags_of_resource(engine: Any, request: Request) -> Request:
    return {"Tags": [{"Key": key, "Value": value} for key, value in _tagged_table(engine, request).definition["tags"].items()]}


def describe_limits(_engine: Any, _request: Request) -> Request:
    limits = {"Account": 80_000, "Table": 40_000}
    return {f"{scope}Max{kind}CapacityUnits": limit for scope, limit in limits.items() for kind in ("Read", "Write")}


def update_continuous_backups(engine: Any, request: Request) -> Request:
    with engine.lock:
        table = engine.table(request["TableName"])
        is_enabled = request["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"]
        pending = engine.define(table.name, {**table.definition, "pitr": is_enabled})
    engine.settle(pending)
    return describe_continuous_backups(engine, request)


def describe_continuous_backups(engine: Any, request: Request) -> Request:
    status = {"PointInTimeRecoveryStatus": "ENABLED" if engine.table(request["TableName"]).definition["pitr"] else "DISABLED"}
    return {"ContinuousBackupsDescription": {"ContinuousBackupsStatus": "ENABLED", "PointInTimeRecoveryDescription": status}}
