"""Single items: GetItem, PutItem, UpdateItem, DeleteItem, and batches of reads and writes.

Every write is prepared first, outside the lock: a `Write` knows its table, its key, when it may happen and what the new item is.
Transactions are lists of the same writes.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from devtools.dynamodb_engine import legacy
from devtools.dynamodb_engine.expressions import apply_update, compile_condition, compile_projection, compile_update, project
from devtools.dynamodb_engine.syntax import Path, names_and_values, resolve, value_at
from devtools.dynamodb_engine.tables import Key, Table
from devtools.dynamodb_engine.values import (
    KB,
    MAX_ITEM_BYTES,
    ApiError,
    Item,
    check_item,
    decode_item,
    encode_item,
    invalid,
    invalid_parameter,
    item_size,
)

MAX_BATCH_BYTES = 16 * KB * KB
_MAX_WRITES, _MAX_READS = 25, 100
CONDITION_FAILED = "The conditional request failed"

Request = dict[str, Any]
Response = dict[str, Any]


class Write(msgspec.Struct):
    """`change` makes the new item of the old one: None deletes it. It also returns the paths that it wrote to."""

    table: Table
    key: Key
    request: Request
    condition: Callable[[Item], bool] | None
    change: Callable[[Item | None], tuple[Item | None, list[Path]]]

    def permits(self, old: Item | None) -> bool:
        return self.condition is None or self.condition(old or {})

    def new_item(self, old: Item | None, encoded: bytes | None) -> tuple[Item | None, bytes | None, list[Path]]:
        """The new item, its encoding, and the paths that were written to. Raises ApiError."""
        new, paths = self.change(old)
        if new is None:
            return None, None, paths
        encoded = encode_item(new)
        # An encoded value is never smaller than its size as DynamoDB counts it.
        if len(encoded) > MAX_ITEM_BYTES and item_size(new) > MAX_ITEM_BYTES:
            is_update = "Item" not in self.request
            raise invalid(
                "Item size to update has exceeded the maximum allowed size"
                if is_update
                else "Item size has exceeded the maximum allowed size"
            )
        return new, encoded, paths


def get_item(engine: Any, request: Request) -> Response:
    table = engine.table(request["TableName"])
    paths = projection_of(request)
    check_key(request["Key"])
    key = table.key_of(request["Key"])
    encoded = engine.read(table, key)
    item = decode_item(encoded) if encoded is not None else None
    response: Response = {}
    if item is not None:
        response["Item"] = item if paths is None else project(item, paths)
    units = read_units(item_size(item) if item else 0, request) if "ReturnConsumedCapacity" in request else 0
    add_consumed_capacity(response, request, table, units)
    return response


def check_key(key: Any) -> None:
    check_item(key)


def put_item(engine: Any, request: Request) -> Response:
    return _execute(engine, prepare_put(engine, request), ("NONE", "ALL_OLD"))


def update_item(engine: Any, request: Request) -> Response:
    return _execute(engine, prepare_update(engine, request))


def delete_item(engine: Any, request: Request) -> Response:
    return _execute(engine, prepare_delete(engine, request), ("NONE", "ALL_OLD"))


# Preparation


def prepare_put(engine: Any, request: Request) -> Write:
    table, item = engine.table(request["TableName"]), request["Item"]
    condition = _condition(request)
    if check_item(item) > MAX_ITEM_BYTES:
        raise invalid("Item size has exceeded the maximum allowed size")
    key = table.key_of_item(item)
    table.check_index_keys(item)
    return Write(table, key, request, condition, lambda _: (item, []))


def prepare_delete(engine: Any, request: Request) -> Write:
    table, condition = engine.table(request["TableName"]), _condition(request)
    check_key(request["Key"])
    return Write(table, table.key_of(request["Key"]), request, condition, lambda _: (None, []))


def prepare_check(engine: Any, request: Request) -> Write:
    table, condition = engine.table(request["TableName"]), _condition(request)
    check_key(request["Key"])
    return Write(table, table.key_of(request["Key"]), request, condition, lambda old: (old, []))


def prepare_update(engine: Any, request: Request) -> Write:
    table, key_item = engine.table(request["TableName"]), request["Key"]
    legacy.check_mixing(request)
    text, condition_text = request.get("UpdateExpression"), request.get("ConditionExpression")
    update = compile_update(text) if text is not None else None
    condition = compile_condition(condition_text) if condition_text is not None else None
    names, values = names_and_values(request, update, condition)
    check_key(key_item)
    key = table.key_of(key_item)
    test: Callable[[Item], bool] | None = None
    if condition is not None:
        holds = condition.test
        test = lambda item: holds(item, names, values)  # noqa: E731
    elif "Expected" in request:
        test = legacy.expected(request)
    if update is not None:
        written = {resolve(path, names)[0] for path in update.paths}
        is_flat = all(len(path) == 1 for path in update.paths)
    else:
        written, is_flat = set(request.get("AttributeUpdates") or ()), True
    for name in table.key_names:
        if name in written:
            raise invalid_parameter(f"Cannot update attribute {name}. This attribute is part of the key")

    def change(old: Item | None) -> tuple[Item | None, list[Path]]:
        base = old if old is not None else dict(key_item)
        new = dict(base) if is_flat else decode_item(encode_item(base))
        if update is not None:
            paths = apply_update(update, base, new, names, values)
        else:
            paths = legacy.apply_attribute_updates(request.get("AttributeUpdates") or {}, new)
            if old is None and not legacy.creates_item(request):
                return None, []
        if table.indexes:
            table.check_index_keys(new)
        return new, paths

    return Write(table, key, request, test, change)


def _condition(request: Request) -> Callable[[Item], bool] | None:
    legacy.check_mixing(request)
    text = request.get("ConditionExpression")
    if text is None:
        names_and_values(request)
        return legacy.expected(request) if "Expected" in request else None
    condition = compile_condition(text)
    names, values = names_and_values(request, condition)
    test = condition.test
    return lambda item: test(item, names, values)


def projection_of(request: Request) -> list[Path] | None:
    """The paths that a read returns; None for whole items."""
    legacy.check_mixing(request)
    text = request.get("ProjectionExpression")
    if text is None:
        names_and_values(request)
        return legacy.attributes_to_get(request)
    projection = compile_projection(text)
    names, _ = names_and_values(request, projection)
    return [resolve(path, names) for path in projection.paths]


# Execution


def _execute(engine: Any, write: Write, allowed_returns: tuple[str, ...] | None = None) -> Response:
    request, table, key = write.request, write.table, write.key
    returns = request.get("ReturnValues", "NONE")
    if allowed_returns is not None and returns not in allowed_returns:
        raise invalid("ReturnValues can only be ALL_OLD or NONE")
    with engine.lock:
        engine.check_no_conflict(table, key)
        old_encoded = table.items.get(key)
        old = decode_item(old_encoded) if old_encoded is not None else None
        failed = not write.permits(old)
        if not failed:
            new, encoded, paths = write.new_item(old, old_encoded)
            pending = engine.write([(table, key, old_encoded, old, encoded, new)])
        else:
            pending = table.pending.get(key)
    engine.settle(pending)
    if failed:
        members: Any = {"Item": old} if old and request.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD" else {}
        raise ApiError("ConditionalCheckFailedException", CONDITION_FAILED, **members)
    response: Response = {}
    if returns != "NONE":
        attributes = _returned(returns, old, new, paths)
        if attributes:
            response["Attributes"] = attributes
    add_write_metrics(response, write, old, new)
    return response


def _returned(returns: str, old: Item | None, new: Item | None, paths: list[Path]) -> Item | None:
    if returns in ("ALL_OLD", "ALL_NEW"):
        return old if returns == "ALL_OLD" else new
    item = (old if returns == "UPDATED_OLD" else new) or {}
    return project(item, [path for path in paths if value_at(item, path) is not None])


def add_write_metrics(response: Response, write: Write, old: Item | None, new: Item | None) -> None:
    request, table = write.request, write.table
    if request.get("ReturnConsumedCapacity", "NONE") != "NONE":
        indexes: dict[str, float] = {name: units for name, index in table.indexes.items() if (units := _index_write_units(index, old, new))}
        add_consumed_capacity(response, request, table, write_units(old, new), indexes)
    if request.get("ReturnItemCollectionMetrics") == "SIZE" and any(index.is_local for index in table.indexes.values()):
        attributes = request.get("Item") or request["Key"]
        response["ItemCollectionMetrics"] = {
            "ItemCollectionKey": {table.hash_name: attributes[table.hash_name]},
            "SizeEstimateRangeGB": [0.0, 1.0],
        }


# Capacity


def write_units(old: Item | None, new: Item | None) -> int:
    """One unit for each KB of the larger of the old and the new item."""
    size = max(item_size(old) if old else 0, item_size(new) if new else 0)
    return max(1, -(-size // KB))


def _index_write_units(index: Any, old: Item | None, new: Item | None) -> int:
    before, after = (
        {name: item[name] for name in item if index.projected is None or name in index.projected}
        if item and all(name in item for name in index.types)
        else None
        for item in (old, new)
    )
    if before == after:
        return 0
    is_moved = before and after and any(before[name] != after[name] for name in index.types)
    return write_units(before, None) + write_units(None, after) if is_moved else write_units(before, after)


def read_units(size: int, request: Request, factor: int = 1) -> float:
    """One unit for each 4 KB, half of it if the read is eventually consistent."""
    units = max(1, -(-size // (4 * KB))) * factor
    return units if request.get("ConsistentRead") or factor > 1 else units / 2


def add_consumed_capacity(
    response: Response, request: Request, table: Table, units: float, indexes: dict[str, float] | None = None, kind: str = ""
) -> None:
    """Add what one table consumed to the response, if the request asks for it."""
    if request.get("ReturnConsumedCapacity", "NONE") != "NONE":
        response["ConsumedCapacity"] = consumed_capacity(request, table, units, indexes, kind)


def consumed_capacity(
    request: Request, table: Table, units: float, indexes: dict[str, float] | None = None, kind: str = ""
) -> dict[str, Any]:
    indexes = indexes or {}

    def units_of(amount: float) -> dict[str, float]:
        return {"CapacityUnits": float(amount), **({f"{kind}CapacityUnits": float(amount)} if kind else {})}

    consumed: dict[str, Any] = {"TableName": table.name, **units_of(units + sum(indexes.values()))}
    if request["ReturnConsumedCapacity"] == "INDEXES":
        consumed["Table"] = units_of(units)
        for name, amount in indexes.items():
            group = "LocalSecondaryIndexes" if table.indexes[name].is_local else "GlobalSecondaryIndexes"
            consumed.setdefault(group, {})[name] = units_of(amount)
    return consumed


# Batches


def batch_write_item(engine: Any, request: Request) -> Response:
    """Each write is a unit of its own; the batch is refused as a whole if one is invalid."""
    writes = []
    requests = request["RequestItems"]
    if not requests:
        raise invalid("The batch write request must not be empty: RequestItems must have length greater than or equal to 1")
    if sum(len(actions) for actions in requests.values()) > _MAX_WRITES:
        raise invalid(f"Too many items requested for the BatchWriteItem call: the limit is {_MAX_WRITES}")
    for name, actions in requests.items():
        for action in actions:
            if len(action) != 1 or not action.keys() <= {"PutRequest", "DeleteRequest"}:
                raise invalid("Supplied AttributeValue has more than one datatypes set, or a write request is not one of Put and Delete")
            ((kind, parameters),) = action.items()
            prepare = prepare_put if kind == "PutRequest" else prepare_delete
            writes.append(prepare(engine, {**parameters, "TableName": name}))
    if len({(write.table.name, write.key) for write in writes}) < len(writes):
        raise invalid("Provided list of item keys contains duplicates")
    pending = None
    units: dict[str, float] = {}
    for write in writes:
        with engine.lock:
            engine.check_no_conflict(write.table, write.key)
            old_encoded = write.table.items.get(write.key)
            old = decode_item(old_encoded) if old_encoded is not None else None
            new, encoded, _ = write.new_item(old, old_encoded)
            pending = engine.write([(write.table, write.key, old_encoded, old, encoded, new)]) or pending
        if "ReturnConsumedCapacity" in request:
            units[write.table.name] = units.get(write.table.name, 0) + write_units(old, new)
    engine.settle(pending)
    response: Response = {"UnprocessedItems": {}}
    add_consumed_capacities(engine, response, request, units)
    return response


def batch_get_item(engine: Any, request: Request) -> Response:
    """Reads each key by itself; what is beyond 16 MB comes back as unprocessed keys."""
    requests = request["RequestItems"]
    if not requests or sum(len(wanted.get("Keys", ())) for wanted in requests.values()) > _MAX_READS:
        raise invalid("Too many items requested for the BatchGetItem call" if requests else "BatchGetItem: RequestItems must not be empty")
    reads = []
    for name, wanted in requests.items():
        table, paths = engine.table(name), projection_of(wanted)
        for key in wanted["Keys"]:
            check_key(key)
        keys = [table.key_of(key) for key in wanted["Keys"]]
        if len(set(keys)) < len(keys):
            raise invalid("Provided list of item keys contains duplicates")
        reads.append((name, table, keys, wanted, paths))
    responses: dict[str, list[Item]] = {name: [] for name in requests}
    unprocessed: dict[str, Any] = {}
    units: dict[str, float] = {}
    total = 0
    for name, table, keys, wanted, paths in reads:
        for key, key_item in zip(keys, wanted["Keys"], strict=True):
            encoded = engine.read(table, key)
            item = decode_item(encoded) if encoded is not None else None
            size = item_size(item) if item else 0
            if total + size > MAX_BATCH_BYTES:
                unprocessed.setdefault(name, {**wanted, "Keys": []})["Keys"].append(key_item)
                continue
            total += size
            units[table.name] = units.get(table.name, 0) + read_units(size, wanted)
            if item is not None:
                responses[name].append(item if paths is None else project(item, paths))
    response: Response = {"Responses": responses, "UnprocessedKeys": unprocessed}
    add_consumed_capacities(engine, response, request, units)
    return response


def add_consumed_capacities(engine: Any, response: Response, request: Request, units: dict[str, float], kind: str = "") -> None:
    """Add what each table consumed, if the request asks for it."""
    if request.get("ReturnConsumedCapacity", "NONE") != "NONE":
        tables = ((engine.table(name), amount) for name, amount in units.items())
        response["ConsumedCapacity"] = [consumed_capacity(request, table, amount, None, kind) for table, amount in tables]
