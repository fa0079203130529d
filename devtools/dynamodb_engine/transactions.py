"""Transactions: all writes or none, reads of one moment, tokens that make a repeated request harmless."""

from collections.abc import Callable
from hashlib import blake2b
from typing import Any

import msgspec

from devtools.dynamodb_engine.expressions import project
from devtools.dynamodb_engine.items import (
    CONDITION_FAILED,
    Request,
    Response,
    Write,
    add_consumed_capacities,
    check_key,
    prepare_check,
    prepare_delete,
    prepare_put,
    prepare_update,
    projection_of,
    read_units,
    write_units,
)
from devtools.dynamodb_engine.values import KB, ApiError, Item, decode_item, invalid, item_size

TOKEN_SECONDS = 600
_MAX_ACTIONS, _MAX_BYTES = 100, 4 * KB * KB
_CONFLICT = "Transaction is ongoing for the item"
_PREPARE: dict[str, Callable[[Any, Request], Write]] = {
    "Put": prepare_put,
    "Update": prepare_update,
    "Delete": prepare_delete,
    "ConditionCheck": prepare_check,
}
_ENCODER = msgspec.msgpack.Encoder(order="deterministic")


class Token(msgspec.Struct):
    """A ClientRequestToken: the digest of its request, its time, and the write that may not be durable yet."""

    digest: bytes
    at: float
    pending: Any = None


def transact_write_items(engine: Any, request: Request) -> Response:
    actions = request["TransactItems"]
    token, digest = request.get("ClientRequestToken"), b""
    if token is not None:
        digest = blake2b(_ENCODER.encode(actions), digest_size=16).digest()
        if (known := _known_token(engine, token, digest)) is not None:
            engine.settle(known.pending)
            return _response(engine, request, [_prepared(engine, action) for action in actions], is_repeated=True)
    writes = [_prepared(engine, action) for action in actions]
    if len({(write.table.name, write.key) for write in writes}) < len(writes):
        raise invalid("Transaction request cannot include multiple operations on one item")
    with engine.lock:
        if token is not None and _known_token(engine, token, digest) is not None:
            raise ApiError("TransactionInProgressException", "The transaction with the given request token is already in progress.")
        changes: list[Any] = []
        reasons = [_attempt(engine, write, changes) for write in writes]
        failed = any(reason["Code"] != "None" for reason in reasons)
        if not failed:
            if sum(len(change[4] or change[2] or b"") for change in changes) > _MAX_BYTES:
                _check_sizes([item_size(change[5] or change[3] or {}) for change in changes])
            records = [("k", token, digest, engine.clock())] if token is not None else []
            pending = engine.write(changes, records, is_transaction=True)
            if token is not None:
                engine.tokens[token] = Token(digest, engine.clock(), pending)
        else:
            pending = engine.last_pending
    if failed:
        engine.await_reading(pending)
        raise _canceled(reasons)
    engine.settle(pending)
    return _response(engine, request, writes, changes=changes)


def _check_sizes(sizes: list[int]) -> None:
    if sum(sizes) > _MAX_BYTES:
        raise invalid("Collection size exceeded: The aggregate size of the items in the transaction exceeds 4 MB")


def _known_token(engine: Any, token: str, digest: bytes) -> Token | None:
    known: Token | None = engine.tokens.get(token)
    if known is None or engine.clock() - known.at >= TOKEN_SECONDS:
        return None
    if known.digest != digest:
        raise ApiError(
            "IdempotentParameterMismatchException",
            "The request uses the same client token as a previous, but non-identical request.",
        )
    if known.pending is not None and not known.pending.is_settled:
        raise ApiError("TransactionInProgressException", "The transaction with the given request token is already in progress.")
    return known


def _prepared(engine: Any, action: Any) -> Write:
    if len(action) != 1 or not action.keys() <= _PREPARE.keys():
        raise invalid("TransactItems can only contain one of Check, Put, Update or Delete")
    ((kind, parameters),) = action.items()
    return _PREPARE[kind](engine, parameters)


def _attempt(engine: Any, write: Write, changes: list[Any]) -> dict[str, Any]:
    """Add the change that the write makes to `changes`, or return why it cannot be made."""
    pending = write.table.pending.get(write.key)
    if pending is not None and pending.is_transaction and engine.has_conflicts:
        return {"Code": "TransactionConflict", "Message": _CONFLICT}
    old_encoded = write.table.items.get(write.key)
    old = decode_item(old_encoded) if old_encoded is not None else None
    if not write.permits(old):
        reason: dict[str, Any] = {"Code": "ConditionalCheckFailed", "Message": CONDITION_FAILED}
        if old is not None and write.request.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD":
            reason["Item"] = old
        return reason
    try:
        new, encoded, _ = write.new_item(old, old_encoded)
    except ApiError as error:
        return {"Code": "ValidationError", "Message": error.message}
    changes.append((write.table, write.key, old_encoded, old, encoded, new))
    return {"Code": "None"}


def _canceled(reasons: list[dict[str, Any]]) -> ApiError:
    codes = ", ".join(reason["Code"] for reason in reasons)
    message = f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]"
    return ApiError("TransactionCanceledException", message, Message=message, CancellationReasons=reasons)


def _response(engine: Any, request: Request, writes: list[Write], *, changes: Any = (), is_repeated: bool = False) -> Response:
    response: Response = {}
    units: dict[str, float] = {}
    if request.get("ReturnConsumedCapacity", "NONE") != "NONE":
        for position, write in enumerate(writes):
            if is_repeated:
                encoded = engine.read(write.table, write.key)
                amount = read_units(item_size(decode_item(encoded)) if encoded else 0, request, 2)
            else:
                amount = 2 * write_units(changes[position][3], changes[position][5])
            units[write.table.name] = units.get(write.table.name, 0) + amount
    add_consumed_capacities(engine, response, request, units, "Read" if is_repeated else "Write")
    return response


def transact_get_items(engine: Any, request: Request) -> Response:
    reads = []
    for action in request["TransactItems"]:
        if type(action) is not dict or action.keys() != {"Get"} or not {"TableName", "Key"} <= action["Get"].keys():
            raise invalid("TransactItems of TransactGetItems need one Get each, with TableName and Key")
        get = action["Get"]
        table, paths = engine.table(get["TableName"]), projection_of(get)
        check_key(get["Key"])
        reads.append((table, table.key_of(get["Key"]), paths))
    if len({(table.name, key) for table, key, _ in reads}) < len(reads):
        raise invalid("Transaction request cannot include multiple operations on one item")
    with engine.lock:
        conflicts = [engine.has_conflicts and key in table.pending for table, key, _ in reads]
        encoded = [table.items.get(key) for table, key, _ in reads]
    if any(conflicts):
        raise _canceled([{"Code": "TransactionConflict", "Message": _CONFLICT} if conflict else {"Code": "None"} for conflict in conflicts])
    items: list[Item | None] = [decode_item(content) if content is not None else None for content in encoded]
    sizes = [item_size(item) if item else 0 for item in items]
    _check_sizes(sizes)
    units: dict[str, float] = {}
    responses: list[dict[str, Any]] = []
    for (table, _, paths), item, size in zip(reads, items, sizes, strict=True):
        units[table.name] = units.get(table.name, 0) + read_units(size, request, 2)
        responses.append({"Item": item if paths is None else project(item, paths)} if item is not None else {})
    response: Response = {"Responses": responses}
    add_consumed_capacities(engine, response, request, units, "Read")
    return response
