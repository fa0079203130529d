"""Items: GetItem, PutItem, UpdateItem, DeleteItem, batches and transactions.

Every write is prepared and checked outside the lock, as a `Write`, and then attempted under the lock. A transaction is a list of writes.
"""

from hashlib import blake2b
from typing import Any

import msgspec

from devtools.dynamodb.expressions import WRONG_TYPE, Evaluate, Update, Values, apply_update, compile_expressions, project
from devtools.dynamodb.syntax import Path, translate_older_parameters, value_at
from devtools.dynamodb.tables import Index, Key, KeyFault, Table
from devtools.dynamodb.values import (
    KB,
    MAX_ITEM_BYTES,
    ApiError,
    Item,
    check_item,
    decode_item,
    encode_item,
    invalid,
    item_size,
    refuse_if,
    refuse_parameter_if,
)

TOKEN_SECONDS = 600
_MAX_BATCH_BYTES, _MAX_TRANSACTION_BYTES = 16 * KB * KB, 4 * KB * KB
_MAX_WRITES, _MAX_READS = 25, 100
_CONDITION_FAILED = "The conditional request failed"
_CONFLICT = "Transaction is ongoing for the item"
_encode_deterministically = msgspec.msgpack.Encoder(order="deterministic").encode

Request = dict[str, Any]
Response = dict[str, Any]
Outcome = tuple[Table, Key, bytes | None, Item | None, bytes | None, Item | None]  # old item, encoded and decoded; new item likewise


class Write(msgspec.Struct):
    """A prepared Put, Update, Delete or ConditionCheck."""

    kind: str
    table: Table
    key: Key
    request: Request
    test: Evaluate | None
    values: Values
    update: Update | None = None

    def attempt(self) -> tuple[Outcome, list[Path]]:
        """Return what the write would do now, and the paths that it changes; called under the lock. Raises ApiError."""
        old_encoded = self.table.items.get(self.key)
        old = decode_item(old_encoded) if old_encoded is not None else None
        if self.test is not None and not self.test(old or {}, self.values):
            returns_item = old and self.request.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
            members: dict[str, Any] = {"Item": old} if returns_item else {}
            raise ApiError("ConditionalCheckFailedException", _CONDITION_FAILED, **members)
        new, paths = self._change(old)
        if new is None:
            return (self.table, self.key, old_encoded, old, None, None), paths
        self.table.check_index_keys(new)
        encoded = encode_item(new)
        # An encoded value is never smaller than its size as DynamoDB counts it.
        if len(encoded) > MAX_ITEM_BYTES and item_size(new) > MAX_ITEM_BYTES:
            raise invalid("Item size to update has exceeded the maximum allowed size")
        return (self.table, self.key, old_encoded, old, encoded, new), paths

    def _change(self, old: Item | None) -> tuple[Item | None, list[Path]]:
        """Return the item after the write, None for no item, and the paths that the write changes."""
        if self.kind != "Update":
            return {"Put": self.request.get("Item"), "ConditionCheck": old}.get(self.kind), []
        update, base = self.update, old if old is not None else self.request["Key"]
        if update is None:
            return dict(base), []
        if old is None and not update.creates_item:
            return None, []
        new = dict(base) if update.is_flat else decode_item(encode_item(base))
        try:
            return new, apply_update(update, base, new, self.values)
        except ApiError as error:
            if error is WRONG_TYPE and "AttributeUpdates" in self.request:
                raise invalid("Type mismatch for attribute to update") from None
            raise


def _prepared(engine: Any, kind: str, request: Request) -> Write:
    """Return the write of a request after checking the request. Raises ApiError."""
    table: Table = engine.table(request["TableName"])
    translate_older_parameters(request)
    (condition, update), values = compile_expressions(request, "ConditionExpression", "UpdateExpression")
    if kind == "Put":
        refuse_if(check_item(request["Item"]) > MAX_ITEM_BYTES, "Item size has exceeded the maximum allowed size")
        key = table.key_of_item(request["Item"])
        table.check_index_keys(request["Item"])
    else:
        key = _key(table, request)
    if update is not None:
        for name in table.key_names:
            refuse_parameter_if(name in update.roots, f"Cannot update attribute {name}. This attribute is part of the key")
    return Write(kind, table, key, request, condition.test if condition is not None else None, values, update)


def _key(table: Table, request: Request) -> Key:
    check_item(request["Key"])
    return table.key_of(request["Key"])


def _projection(request: Request) -> list[Path] | None:
    """Return the paths that a read returns; None for whole items."""
    translate_older_parameters(request)
    (paths,), _ = compile_expressions(request, "ProjectionExpression")
    return paths  # type: ignore[no-any-return]


def _returned(encoded: bytes, paths: list[Path] | None) -> Item:
    item = decode_item(encoded)
    return item if paths is None else project(item, paths)


# Single items


def get_item(engine: Any, request: Request) -> Response:
    table, paths = engine.table(request["TableName"]), _projection(request)
    encoded = engine.read(table, _key(table, request))
    response: Response = {"Item": _returned(encoded, paths)} if encoded is not None else {}
    if "ReturnConsumedCapacity" in request:
        Capacity(request).read(table, _size(encoded), request).add_to(response, is_list=False)
    return response


def put_item(engine: Any, request: Request) -> Response:
    return _execute(engine, _prepared(engine, "Put", request), ("NONE", "ALL_OLD"))


def delete_item(engine: Any, request: Request) -> Response:
    return _execute(engine, _prepared(engine, "Delete", request), ("NONE", "ALL_OLD"))


def update_item(engine: Any, request: Request) -> Response:
    return _execute(engine, _prepared(engine, "Update", request))


def _execute(engine: Any, write: Write, allowed_returns: tuple[str, ...] | None = None) -> Response:
    request, table, returns = write.request, write.table, write.request.get("ReturnValues", "NONE")
    refuse_if(allowed_returns is not None and returns not in allowed_returns, "ReturnValues can only be ALL_OLD or NONE")
    failure = None
    with engine.lock:
        engine.check_writable(table, write.key)
        try:
            outcome, paths = write.attempt()
            pending = engine.write([outcome])
        except ApiError as error:
            failure, pending = error, table.pending.get(write.key)
    engine.settle(pending)
    if failure is not None:
        raise failure
    _, _, _, old, _, new = outcome
    response: Response = {}
    if returns != "NONE":
        attributes = old if returns.endswith("_OLD") else new
        if attributes and returns.startswith("UPDATED"):
            attributes = project(attributes, [path for path in paths if value_at(attributes, path) is not None])
        if attributes:
            response["Attributes"] = attributes
    if "ReturnConsumedCapacity" in request:
        Capacity(request).write(table, old, new).add_to(response, is_list=False)
    if request.get("ReturnItemCollectionMetrics") == "SIZE" and any(index.is_local for index in table.indexes.values()):
        name = table.key_names[0]
        key = {name: (request.get("Item") or request["Key"])[name]}
        response["ItemCollectionMetrics"] = {"ItemCollectionKey": key, "SizeEstimateRangeGB": [0.0, 1.0]}
    return response


# Capacity


class Capacity:
    """The units that a request consumed, by table: one per KB written, one per 4 KB read, half of that for eventual consistency."""

    def __init__(self, request: Request, factor: int = 1, kind: str = "") -> None:
        self.level = request.get("ReturnConsumedCapacity", "NONE")
        self.factor, self.kind = factor, kind
        self.units: dict[str, dict[Index | None, float]] = {}

    def add(self, table: Table, units: float, index: Index | None = None) -> "Capacity":
        of_table = self.units.setdefault(table.name, {})
        of_table[index] = of_table.get(index, 0) + units * self.factor
        return self

    def read(self, table: Table, size: int, request: Request, index: Index | None = None) -> "Capacity":
        is_whole = request.get("ConsistentRead") or self.factor > 1
        return self.add(table, max(1, -(-size // (4 * KB))) / (1 if is_whole else 2), index)

    def write(self, table: Table, old: Item | None, new: Item | None) -> "Capacity":
        if self.level != "NONE":
            self.add(table, _write_units(old, new))
            for index in table.indexes.values():
                before, after = (_indexed(index, item) for item in (old, new))
                if before and after and any(before[name] != after[name] for name in index.types):
                    self.add(table, _write_units(before, None) + _write_units(None, after), index)
                elif before != after:
                    self.add(table, _write_units(before, after), index)
        return self

    def add_to(self, response: Response, *, is_list: bool = True) -> None:
        """Add the capacity to a response if the request wants it: one entry per table, or that of the only table."""
        described = []
        for name, units in self.units.items():
            consumed: dict[str, Any] = {"TableName": name, **self._described(sum(units.values()))}
            if self.level == "INDEXES":
                for index, amount in units.items():
                    if index is None:
                        consumed["Table"] = self._described(amount)
                    else:
                        group = "LocalSecondaryIndexes" if index.is_local else "GlobalSecondaryIndexes"
                        consumed.setdefault(group, {})[index.name] = self._described(amount)
            described.append(consumed)
        if self.level != "NONE":
            response["ConsumedCapacity"] = described if is_list else described[0]

    def _described(self, units: float) -> dict[str, float]:
        return {"CapacityUnits": float(units), **({f"{self.kind}CapacityUnits": float(units)} if self.kind else {})}


def _size(encoded: bytes | None) -> int:
    return item_size(decode_item(encoded)) if encoded is not None else 0


def _write_units(old: Item | None, new: Item | None) -> int:
    return max(1, -(-max(item_size(old or {}), item_size(new or {})) // KB))


def _indexed(index: Index, item: Item | None) -> Item | None:
    if item is None or any(name not in item for name in index.types):
        return None
    return {name: value for name, value in item.items() if index.projected is None or name in index.projected}


# Batches


def batch_write_item(engine: Any, request: Request) -> Response:
    """Make writes one by one. An invalid write makes the whole batch fail before the first write."""
    writes = []
    if sum(map(len, request["RequestItems"].values())) > _MAX_WRITES:
        raise invalid(f"Too many items requested for the BatchWriteItem call: the limit is {_MAX_WRITES}")
    for name, actions in request["RequestItems"].items():
        for action in actions:
            ((kind, parameters),) = action.items() if len(action) == 1 else (("", {}),)
            if kind not in ("PutRequest", "DeleteRequest"):
                raise invalid("Supplied AttributeValue has more than one datatypes set, or a write request is not one of Put and Delete")
            writes.append(_prepared(engine, kind.removesuffix("Request"), {**parameters, "TableName": name}))
    _check_distinct(writes, "Provided list of item keys contains duplicates")
    capacity, pending = Capacity(request), None
    for write in writes:
        with engine.lock:
            engine.check_writable(write.table, write.key)
            outcome, _ = write.attempt()
            pending = engine.write([outcome]) or pending
        capacity.write(write.table, outcome[3], outcome[5])
    engine.settle(pending)
    response: Response = {"UnprocessedItems": {}}
    capacity.add_to(response)
    return response


def _check_distinct(writes: list[Write], problem: str) -> None:
    refuse_if(len({(write.table.name, write.key) for write in writes}) < len(writes), problem)


def batch_get_item(engine: Any, request: Request) -> Response:
    """Read keys one by one. Keys beyond 16 MB come back as unprocessed."""
    reads = []
    for name, wanted in request["RequestItems"].items():
        table, paths = engine.table(name), _projection(dict(wanted))
        keys = [_key(table, {"Key": key}) for key in wanted["Keys"]]
        refuse_if(len(set(keys)) < len(keys), "Provided list of item keys contains duplicates")
        reads += [(name, table, key, attributes, wanted, paths) for key, attributes in zip(keys, wanted["Keys"], strict=True)]
    refuse_if(len(reads) > _MAX_READS, "Too many items requested for the BatchGetItem call")
    responses: dict[str, list[Item]] = {name: [] for name in request["RequestItems"]}
    unprocessed: dict[str, Any] = {}
    capacity, total = Capacity(request), 0
    for name, table, key, attributes, wanted, paths in reads:
        encoded = engine.read(table, key)
        size = _size(encoded)
        if total + size > _MAX_BATCH_BYTES:
            unprocessed.setdefault(name, {**wanted, "Keys": []})["Keys"].append(attributes)
            continue
        total += size
        capacity.read(table, size, wanted)
        if encoded is not None:
            responses[name].append(_returned(encoded, paths))
    response: Response = {"Responses": responses, "UnprocessedKeys": unprocessed}
    capacity.add_to(response)
    return response


# Transactions

_KINDS = ("Put", "Update", "Delete", "ConditionCheck")


class Token(msgspec.Struct):
    """A ClientRequestToken: the digest of its request, its time, and the change, which may not be durable yet."""

    digest: bytes
    at: float
    pending: Any = None


def transact_write_items(engine: Any, request: Request) -> Response:
    actions, token = request["TransactItems"], request.get("ClientRequestToken")
    digest = blake2b(_encode_deterministically(actions), digest_size=16).digest() if token is not None else b""
    writes = _prepared_actions(engine, actions)
    response: Response = {}
    with engine.lock:
        is_repeated = token is not None and _is_known(engine, token, digest)
        outcomes, failure = ([], None) if is_repeated else _attempted(engine, writes)
        pending = engine.last_pending if failure is not None and "TransactionConflict" not in failure.message else None
        if outcomes and failure is None:
            now = engine.clock()
            pending = engine.write(outcomes, [("k", token, digest, now)] if token is not None else [], is_transaction=True)
            if token is not None:
                engine.tokens[token] = Token(digest, now, pending)
                engine.forget_old_tokens(now)
    if failure is not None:
        engine.await_durable(pending)
        raise failure
    engine.settle(pending)
    capacity = Capacity(request, 2, "Read" if is_repeated else "Write")
    for table, _, _, old, _, new in outcomes:
        capacity.write(table, old, new)
    for write in writes if is_repeated and capacity.level != "NONE" else ():
        capacity.read(write.table, _size(engine.read(write.table, write.key)), request)
    capacity.add_to(response)
    return response


def _is_known(engine: Any, token: str, digest: bytes) -> bool:
    """Return whether this transaction was made with this token. Raises ApiError if it differs, or is in progress."""
    known: Token | None = engine.tokens.get(token)
    if known is None or engine.clock() - known.at >= TOKEN_SECONDS:
        return False
    if known.digest != digest:
        problem = "The request uses the same client token as a previous, but non-identical request."
        raise ApiError("IdempotentParameterMismatchException", problem)
    if known.pending is not None and not known.pending.is_settled:
        raise ApiError("TransactionInProgressException", "The transaction with the given request token is already in progress.")
    return True


def _prepared_actions(engine: Any, actions: list[dict[str, Any]]) -> list[Write]:
    writes, size = [], 0
    for position, action in enumerate(actions):
        ((kind, parameters),) = action.items() if len(action) == 1 else (("", {}),)
        refuse_if(kind not in _KINDS, "TransactItems can only contain one of Check, Put, Update or Delete")
        try:
            writes.append(_prepared(engine, kind, parameters))
        except KeyFault as fault:
            reasons = [{"Code": "None"} for _ in actions]
            reasons[position] = {"Code": "ValidationError", "Message": fault.message}
            raise _canceled(reasons) from None
        size += item_size(parameters.get("Item") or parameters.get("ExpressionAttributeValues") or {})
    refuse_if(size > _MAX_TRANSACTION_BYTES, "Transaction request size cannot exceed 4 MB")
    _check_distinct(writes, "Transaction request cannot include multiple operations on one item")
    return writes


def _attempted(engine: Any, writes: list[Write]) -> tuple[list[Outcome], ApiError | None]:
    """Return what the writes would do, and the error if one of them fails; called under the lock."""
    outcomes: list[Outcome] = []
    reasons: list[dict[str, Any]] = []
    for write in writes:
        try:
            engine.check_writable(write.table, write.key)
            outcomes.append(write.attempt()[0])
            reasons.append({"Code": "None"})
        except ApiError as error:
            code = error.code.removesuffix("Exception")
            reasons.append({"Code": "ValidationError" if code == "Validation" else code, "Message": error.message, **error.members})
    return outcomes, _canceled(reasons) if len(outcomes) < len(writes) else None


def _canceled(reasons: list[dict[str, Any]]) -> ApiError:
    codes = ", ".join(reason["Code"] for reason in reasons)
    message = f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]"
    return ApiError("TransactionCanceledException", message, Message=message, CancellationReasons=reasons)


def transact_get_items(engine: Any, request: Request) -> Response:
    reads = []
    for action in request["TransactItems"]:
        get = action["Get"]
        table, paths = engine.table(get["TableName"]), _projection(get)
        reads.append((table, _key(table, get), paths))
    if len({(table.name, key) for table, key, _ in reads}) < len(reads):
        raise invalid("Transaction request cannot include multiple operations on one item")
    with engine.lock:
        conflicts = [engine.has_conflicts and key in table.pending for table, key, _ in reads]
        encoded = [table.items.get(key) for table, key, _ in reads]
        pending = engine.last_pending
    if any(conflicts):
        raise _canceled([{"Code": "TransactionConflict", "Message": _CONFLICT} if found else {"Code": "None"} for found in conflicts])
    engine.await_durable(pending)
    sizes = [_size(content) for content in encoded]
    refuse_if(sum(sizes) > _MAX_TRANSACTION_BYTES, "Transaction response size cannot exceed 4 MB")
    capacity = Capacity(request, 2, "Read")
    response: Response = {"Responses": []}
    for (table, _, paths), content, size in zip(reads, encoded, sizes, strict=True):
        capacity.read(table, size, request)
        response["Responses"].append({"Item": _returned(content, paths)} if content is not None else {})
    capacity.add_to(response)
    return response
