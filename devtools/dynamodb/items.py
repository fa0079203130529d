"""Items: GetItem, PutItem, UpdateItem, DeleteItem, batches and transactions.

Every write is prepared and checked outside the lock, as a `Write`, and then attempted under the lock. A transaction is a list of writes.
"""

from collections import Counter, defaultdict
from functools import partial
from hashlib import blake2b
from typing import Any

import msgspec

from devtools.dynamodb.expressions import Evaluate, Update, Values, apply_update, compile_expressions, project
from devtools.dynamodb.syntax import Path, Request, translate_older_parameters
from devtools.dynamodb.tables import Index, Key, KeyFault, Outcome, Table
from devtools.dynamodb.values import KB, MAX_ITEM_BYTES, ApiError, Item, check_item, decode_item, encode_item, invalid, item_size, refuse_if

TOKEN_SECONDS = 600
_CONFLICT = ("TransactionConflictException", "Transaction is ongoing for the item")
_MAX_BATCH_BYTES, _MAX_TRANSACTION_BYTES = 16 * KB * KB, 4 * KB * KB
_MAX_WRITES, _MAX_READS = 25, 100
_SEVERAL = "Transaction request cannot include multiple operations on one item"
_encode_deterministically = msgspec.msgpack.Encoder(order="deterministic").encode
Response = dict[str, Any]


class Write(msgspec.Struct, gc=False):
    """A prepared Put, Update, Delete or ConditionCheck."""

    kind: str
    table: Table
    key: Key
    request: Request
    test: Evaluate | None
    values: Values
    update: Update | None

    def attempt(self) -> Outcome:
        """Return what the write would do now; called under the lock. Raises ApiError."""
        table, key = self.table, self.key
        old_encoded = table.items.get(key)
        old = decode_item(old_encoded) if old_encoded is not None else None
        if self.test is not None and not self.test(old or {}, self.values):
            returns_item = old and self.request.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
            members: dict[str, Any] = {"Item": old} if returns_item else {}
            raise ApiError("ConditionalCheckFailedException", "The conditional request failed", **members)
        new = self._changed(old)
        if new is None or self.kind == "ConditionCheck":
            return Outcome(table, key, old_encoded, old, old_encoded if new else None, new)
        for index in table.indexes.values():
            index.check(new)
        encoded = encode_item(new)
        # An encoded value is never smaller than its size as DynamoDB counts it.
        if len(encoded) > MAX_ITEM_BYTES and item_size(new) > MAX_ITEM_BYTES:
            raise invalid("Item size to update has exceeded the maximum allowed size")
        return Outcome(table, key, old_encoded, old, encoded, new)

    def _changed(self, old: Item | None) -> Item | None:
        """Return the item after the write, None for no item."""
        if self.kind != "Update":
            return {"Put": self.request.get("Item"), "ConditionCheck": old}.get(self.kind)
        update, base = self.update, old if old is not None else self.request["Key"]
        if update is None or (old is None and not update.creates_item):
            return dict(base) if update is None else None
        return apply_update(update, base, self.values)


def _prepared(engine: Any, kind: str, request: Request) -> Write:
    """Return the write of a request after checking the request. Raises ApiError."""
    table: Table = engine.table(request["TableName"])
    translate_older_parameters(request)
    (condition, update), values = compile_expressions(request, "ConditionExpression", "UpdateExpression")
    if kind == "Put":
        refuse_if(check_item(request["Item"]) > MAX_ITEM_BYTES, "Item size has exceeded the maximum allowed size")
        key = table.key_of_item(request["Item"])
        for index in table.indexes.values():
            index.check(request["Item"])
    else:
        key = table.key_of(request["Key"])
    if update is not None and not update.roots.isdisjoint(table.key_names):
        raise invalid(f"Cannot update attribute {min(update.roots & {*table.key_names})}. This attribute is part of the key")
    return Write(kind, table, key, request, condition.test if condition is not None else None, values, update)


def _attempt(
    engine: Any, writes: list[Write], records: list[Any] | None = None, *, is_transaction: bool = False
) -> tuple[list[Outcome], list[Any], list[ApiError | None]]:
    """Make all writes, or none if one fails; returns what they did, the changes that this depends on, and their errors."""
    outcomes: list[Outcome] = []
    pending: list[Any] = []
    errors: list[ApiError | None] = []
    with engine.lock:
        for write in writes:
            try:
                if engine.tables.get(write.table.name) is not write.table:  # it was deleted meanwhile
                    raise ApiError("ResourceNotFoundException", "Requested resource not found")
                if (change := write.table.pending.get(write.key)) is not None:
                    if change.is_transaction and engine.has_conflicts:
                        raise ApiError(*_CONFLICT)
                    pending.append(change)
                outcomes.append(write.attempt())
                errors.append(None)
            except ApiError as fault:
                errors.append(fault)
        if len(outcomes) == len(writes):
            pending = [engine.write(outcomes, records or [], is_transaction=is_transaction)]
    return outcomes, pending, errors


def _write(kind: str, allowed_returns: tuple[str, ...], engine: Any, request: Request) -> Response:
    """Execute PutItem, DeleteItem or UpdateItem."""
    returns = request.get("ReturnValues", "NONE")
    refuse_if(returns not in allowed_returns, "ReturnValues can only be ALL_OLD or NONE")
    write = _prepared(engine, kind, request)
    outcomes, pending, (error,) = _attempt(engine, [write])
    engine.settle(*pending)
    if error is not None:
        raise error
    table, old, new = write.table, outcomes[0].old, outcomes[0].new
    response: Response = {}
    if returns != "NONE" and (attributes := old if returns.endswith("_OLD") else new):
        if returns.startswith("UPDATED"):
            attributes = project(attributes, [path for path, _ in write.update.actions] if write.update is not None else [], write.values)
        response |= {"Attributes": attributes} if attributes else {}
    if "ReturnConsumedCapacity" in request:
        response |= Capacity(request).write(table, old, new).report(is_list=False)
    return response


put_item = partial(_write, "Put", ("NONE", "ALL_OLD"))
delete_item = partial(_write, "Delete", ("NONE", "ALL_OLD"))
update_item = partial(_write, "Update", ("NONE", "ALL_OLD", "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW"))


def batch_write_item(engine: Any, request: Request) -> Response:
    """Make writes one by one. An invalid write makes the whole batch fail before the first write."""
    actions = [(name, action) for name, actions in request["RequestItems"].items() for action in actions]
    refuse_if(len(actions) > _MAX_WRITES, f"Too many items requested for the BatchWriteItem call: the limit is {_MAX_WRITES}")
    writes = []
    for name, action in actions:
        kind, parameters = _only(action, ("PutRequest", "DeleteRequest"))
        writes.append(_prepared(engine, kind.removesuffix("Request"), {**parameters, "TableName": name}))
    _check_distinct(writes, "Provided list of item keys contains duplicates")
    capacity, changes = Capacity(request), []
    for write in writes:
        outcomes, pending, (error,) = _attempt(engine, [write])
        if error is not None:
            raise error
        changes += pending
        capacity.write(write.table, outcomes[0].old, outcomes[0].new)
    engine.settle(*changes)
    return {"UnprocessedItems": {}, **capacity.report()}


def _only(action: Request, kinds: tuple[str, ...]) -> tuple[str, Request]:
    refuse_if(len(action) != 1 or min(action) not in kinds, "Supplied AttributeValue has more than one datatypes set, or none is valid")
    return next(iter(action.items()))


def _check_distinct(accesses: "list[Write] | list[Read]", problem: str) -> None:
    refuse_if(len({(access.table.name, access.key) for access in accesses}) < len(accesses), problem)


class Read(msgspec.Struct, gc=False):
    """A prepared read of the item with the key `wanted`. `paths` are the parts that it returns, None for the whole item."""

    table: Table
    key: Key
    wanted: Item
    request: Request
    paths: list[Path] | None
    values: Values

    def returned(self, encoded: bytes) -> Item:
        item = decode_item(encoded)
        return item if self.paths is None else project(item, self.paths, self.values)


def _prepared_reads(engine: Any, request: Request, keys: list[Item]) -> list[Read]:
    """Return the reads of these keys of the request's table after checking the request. Raises ApiError."""
    translate_older_parameters(request)
    (paths,), values = compile_expressions(request, "ProjectionExpression")
    table = engine.table(request["TableName"])
    return [Read(table, table.key_of(key), key, request, paths, values) for key in keys]


def get_item(engine: Any, request: Request) -> Response:
    (read,) = _prepared_reads(engine, request, [request["Key"]])
    encoded = engine.read(read.table, read.key)
    response: Response = {"Item": read.returned(encoded)} if encoded is not None else {}
    if "ReturnConsumedCapacity" in request:
        response |= Capacity(request).read(read.table, _size(encoded), request).report(is_list=False)
    return response


def batch_get_item(engine: Any, request: Request) -> Response:
    """Read keys one by one. Keys beyond 16 MB come back as unprocessed."""
    tables = request["RequestItems"]
    reads: list[Read] = []
    for name, wanted in tables.items():
        reads += _prepared_reads(engine, {**wanted, "TableName": name}, wanted["Keys"])
    _check_distinct(reads, "Provided list of item keys contains duplicates")
    refuse_if(len(reads) > _MAX_READS, "Too many items requested for the BatchGetItem call")
    responses: dict[str, list[Item]] = {name: [] for name in tables}
    unprocessed: dict[str, Any] = {}
    capacity, total = Capacity(request), 0
    for read in reads:
        name, encoded = read.request["TableName"], engine.read(read.table, read.key)
        size = _size(encoded)
        if total + size > _MAX_BATCH_BYTES:
            unprocessed.setdefault(name, {**tables[name], "Keys": []})["Keys"].append(read.wanted)
            continue
        total += size
        capacity.read(read.table, size, read.request)
        if encoded is not None:
            responses[name].append(read.returned(encoded))
    return {"Responses": responses, "UnprocessedKeys": unprocessed, **capacity.report()}


# Transactions


class Token(msgspec.Struct):
    """A ClientRequestToken: the digest of its request, its time, and the change, which may not be durable yet."""

    digest: bytes
    at: float
    pending: Any = None


def transact_write_items(engine: Any, request: Request) -> Response:
    actions, token, now = request["TransactItems"], request.get("ClientRequestToken"), engine.clock()
    encoded, writes = _encode_deterministically(actions), _prepared_actions(engine, actions)
    digest = blake2b(encoded, digest_size=16).digest()
    if len(encoded) > _MAX_TRANSACTION_BYTES:  # as in `Write.attempt`, the size is computed only if it can be too large
        size = sum(item_size(write.request.get("Item") or write.request.get("ExpressionAttributeValues") or {}) for write in writes)
        refuse_if(size > _MAX_TRANSACTION_BYTES, "Transaction request size cannot exceed 4 MB")
    with engine.lock:
        is_repeated = token is not None and _is_known(engine, token, digest)
        records = [("k", token, digest, now)] if token is not None else None
        outcomes, pending, errors = ([], [], []) if is_repeated else _attempt(engine, writes, records, is_transaction=True)
        if token is not None and not is_repeated and not any(errors):
            engine.tokens[token] = Token(digest, now, pending[0])
            engine.forget_old_tokens(now)
    engine.settle(*pending)
    if any(errors):
        raise _canceled(errors)
    if "ReturnConsumedCapacity" not in request:
        return {}
    capacity = Capacity(request, 2, "Read" if is_repeated else "Write")
    for outcome in outcomes:
        capacity.write(outcome.table, outcome.old, outcome.new)
    for write in writes if is_repeated and capacity.level != "NONE" else ():
        capacity.read(write.table, _size(engine.read(write.table, write.key)), request)
    return capacity.report()


def _is_known(engine: Any, token: str, digest: bytes) -> bool:
    """Return whether this transaction was made with this token. Raises ApiError if it differs, or is in progress."""
    known: Token | None = engine.tokens.get(token)
    if known is None or engine.clock() - known.at >= TOKEN_SECONDS:
        return False
    if known.digest != digest:
        raise ApiError("IdempotentParameterMismatchException", "The client token was used before, for a request that was different.")
    if known.pending is not None and not known.pending.is_settled:
        raise ApiError("TransactionInProgressException", "The transaction with the given request token is already in progress.")
    return True


def _prepared_actions(engine: Any, actions: list[dict[str, Any]]) -> list[Write]:
    writes = []
    for position, action in enumerate(actions):
        kind, parameters = _only(action, ("Put", "Update", "Delete", "ConditionCheck"))
        try:
            writes.append(_prepared(engine, kind, parameters))
        except KeyFault as fault:
            raise _canceled([fault if number == position else None for number in range(len(actions))]) from None
    _check_distinct(writes, _SEVERAL)
    return writes


def _canceled(errors: list[ApiError | None]) -> ApiError:
    """Return the error of a transaction whose actions have these errors, None for actions that could have been done."""
    reasons: list[dict[str, Any]] = []
    for error in errors:
        code = error.code.replace("ValidationException", "ValidationError").removesuffix("Exception") if error is not None else "None"
        reasons.append({"Code": code, **({"Message": error.message, **error.members} if error is not None else {})})
    codes = ", ".join(reason["Code"] for reason in reasons)
    message = f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]"
    return ApiError("TransactionCanceledException", message, Message=message, CancellationReasons=reasons)


def transact_get_items(engine: Any, request: Request) -> Response:
    gets = [action["Get"] for action in request["TransactItems"]]
    reads = [read for get in gets for read in _prepared_reads(engine, get, [get["Key"]])]
    _check_distinct(reads, _SEVERAL)
    with engine.lock:
        conflicts = [engine.has_conflicts and read.key in read.table.pending for read in reads]
        encoded = [read.table.items.get(read.key) for read in reads]
        pending = engine.last_pending
    if any(conflicts):
        raise _canceled([ApiError(*_CONFLICT) if conflict else None for conflict in conflicts])
    engine.settle(pending)
    sizes = [_size(content) for content in encoded]
    refuse_if(sum(sizes) > _MAX_TRANSACTION_BYTES, "Transaction response size cannot exceed 4 MB")
    capacity = Capacity(request, 2, "Read")
    for read, size in zip(reads, sizes, strict=True):
        capacity.read(read.table, size, request)
    items = [{"Item": read.returned(content)} if content is not None else {} for read, content in zip(reads, encoded, strict=True)]
    return {"Responses": items, **capacity.report()}


class Capacity:
    """The units that a request consumed, by table: one per KB written, one per 4 KB read, half of that for eventual consistency."""

    def __init__(self, request: Request, factor: int = 1, kind: str = "") -> None:
        self.level = request.get("ReturnConsumedCapacity", "NONE")
        self.factor, self.kind = factor, kind
        self.units: defaultdict[str, Counter[Index | None]] = defaultdict(Counter)

    def read(self, table: Table, size: int, request: Request, index: Index | None = None) -> "Capacity":
        is_whole = request.get("ConsistentRead") or self.factor > 1
        self.units[table.name][index] += self.factor * max(1, -(-size // (4 * KB))) / (1 if is_whole else 2)  # type: ignore[assignment]
        return self

    def write(self, table: Table, old: Item | None, new: Item | None) -> "Capacity":
        for index in (None, *table.indexes.values()) if self.level != "NONE" else ():
            before, after = (_indexed(index, item) for item in (old, new))
            if index is None or before != after:
                is_moved = index is not None and before and after and any(before[name] != after[name] for name in index.types)
                for items in ((before,), (after,)) if is_moved else ((before, after),):
                    size = max(item_size(item or {}) for item in items)
                    self.units[table.name][index] += self.factor * max(1, -(-size // KB))
        return self

    def report(self, *, is_list: bool = True) -> Response:
        """Return the member of a response that has the capacity, if the request wants it: per table, or of the only table."""
        described = []
        for name, units in self.units.items() if self.level != "NONE" else ():
            consumed: dict[str, Any] = {"TableName": name, **self._described(units.total())}
            for index, amount in units.items() if self.level == "INDEXES" else ():
                if index is None:
                    consumed["Table"] = self._described(amount)
                else:
                    consumed.setdefault(index.kind, {})[index.name] = self._described(amount)
            described.append(consumed)
        return {"ConsumedCapacity": described if is_list else described[0]} if described else {}

    def _described(self, units: float) -> dict[str, float]:
        return {"CapacityUnits": float(units), **({f"{self.kind}CapacityUnits": float(units)} if self.kind else {})}


def _size(encoded: bytes | None) -> int:
    return item_size(decode_item(encoded)) if encoded is not None else 0


def _indexed(index: Index | None, item: Item | None) -> Item | None:
    """Return the part of an item that an index has; None if it does not have the item."""
    if index is None or item is None:
        return item
    return index.part(item) if item.keys() >= index.types.keys() else None
