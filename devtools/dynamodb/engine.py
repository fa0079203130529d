"""MiniStack's DynamoDB as a plain object: the one file that touches its private things; contract.py lists them.

Each engine executes MiniStack's two modules into modules of its own, so that engines share no tables, no counters and no lock,
and what is replaced here is replaced nowhere else. Replaced are:

- the thread that importing the module starts: it deletes expired items under another lock and without change records; see `expire`.
- `time`: the clock is an argument.
- `copy.deepcopy`: items are trees of JSON values, and the general one is most of the cost of an update.
- the checks of numbers: the same few numbers come again and again, so their results are kept.
- `_set_item`, `_remove_item`, `_build_change_record`: every change of an item and every change record passes through them.
  Numbers are written in their shortest form there when a transaction updates them, as DynamoDB does; MiniStack forgets it.
- `_txn_token_lookup`, `_txn_token_store`: they keep whole requests, and compare them after having rewritten their numbers.
- `_next_stream_seq`, `_stream_label`: sequence numbers and labels must never go back, not even when the clock does.
- `_trim_stream_records`: a consumer of ours that was down for a day still gets its records.

Not safe for threads: whoever owns the engine holds one lock around each of its methods.
"""

import logging
import time
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from decimal import localcontext
from functools import lru_cache
from hashlib import blake2b
from types import SimpleNamespace
from typing import Any

import msgspec
from ministack.core import responses

from devtools.dynamodb.answers import TTL_IDENTITY, error, json_response, json_response_of_streams
from devtools.dynamodb.contract import OPERATIONS, PURE, STREAM_OPERATIONS
from devtools.dynamodb.copies import deep_copy, private_copy
from devtools.dynamodb.effects import Closed, Count, Define, Effect, Emit, Handled, Item, Put, Remember, Remove, Trimmed

ACCOUNT = "000000000000"

_DEFINING = frozenset(
    {"CreateTable", "DeleteTable", "TagResource", "UntagResource", "UpdateContinuousBackups", "UpdateTable", "UpdateTimeToLive"}
)
_UNSUPPORTED = {"UpdateTable": "ReplicaUpdates", "CreateTable": "VectorIndexes"}
_NOT_DEFINITION = frozenset({"items", "ItemCount", "TableSizeBytes", "_index_members"})
_NO_SORT_KEY = "__no_sort__"
_FIRST_SEQUENCE = 10**20  # DynamoDB's sequence numbers have 21 digits or more

_DAY = 24 * 60 * 60
_STREAM_SECONDS = _DAY  # "stream records are removed after 24 hours"
_UNHANDLED_SECONDS = 7 * _DAY  # those that a consumer of ours still waits for
_TOKEN_SECONDS = 600
_TTL_OLDEST_SECONDS = 5 * 365 * _DAY  # "items with an expiration time more than five years in the past are not deleted"

_sorted = msgspec.msgpack.Encoder(order="deterministic")
_log = logging.getLogger(__name__)

Step = tuple[Effect, Item | None]  # an effect, and for items what was there before


class Engine:
    """One DynamoDB. `take` hands over what its calls did."""

    def __init__(self, clock: Callable[[], float] = time.time, region: str = "us-east-1") -> None:
        self.region = region
        self.clock = clock
        self.positions: dict[str, Handled] = {}
        self._sequence = 0
        self._steps: list[Step] = []
        self._tokens: dict[str, Remember] = {}
        self._swept_at = 0.0
        self._request = b""
        self._in_transaction = False
        self._ttl_at_work = False
        self._last_label = 0
        self._ddb: Any = private_copy("ministack.services.dynamodb")
        self._streams: Any = private_copy("ministack.services.dynamodb_streams", dynamodb=self._ddb)
        self._replace()
        self._handlers = {name: getattr(self._ddb, function) for name, function in OPERATIONS.items()}
        self._stream_handlers = {name: getattr(self._streams, function) for name, function in STREAM_OPERATIONS.items()}

    def call(self, operation: str, data: dict[str, Any]) -> tuple[int, bytes]:
        """HTTP status and JSON body of a DynamoDB call. `data` is the engine's from now on."""
        handler = self._handlers.get(operation)
        if handler is None or _UNSUPPORTED.get(operation) in data:
            return error(400, "UnknownOperationException", f"{operation}, as asked for, is not part of the local store")
        if operation == "TransactWriteItems" and "ClientRequestToken" in data:
            asked = {name: value for name, value in data.items() if name != "ClientRequestToken"}
            self._request = blake2b(_sorted.encode(asked), digest_size=16).digest()
        return self._guarded(handler, operation, data)

    def stream_call(self, operation: str, data: dict[str, Any]) -> tuple[int, bytes]:
        """The same for DynamoDB Streams."""
        if (handler := self._stream_handlers.get(operation)) is None:
            return error(400, "UnknownOperationException", f"{operation} is not part of the local store")
        return self._guarded(handler, operation, data)

    def take(self) -> list[Step]:
        """What happened since the last time."""
        taken, self._steps = self._steps, []
        return taken

    def expire(self, limit: int) -> int:
        """Delete up to `limit` items whose time to live is over, with change records; the number of them."""
        self._enter()
        found = self._expired(limit)
        self._ttl_at_work = True
        try:
            for name, table, pk, sk in found:
                self._ddb._emit_stream_event(name, "REMOVE", self._ddb._remove_item(table, pk, sk), None)
        finally:
            self._ttl_at_work = False
        return len(found)

    def place(self, table: str, attributes: Item) -> tuple[str, str, str]:
        """Where the item with these attributes is; KeyError and the like when there can be none."""
        self._enter()
        return table, *self._key(self._ddb._tables[table], attributes)

    def streams(self) -> dict[str, str]:
        """Table -> ARN of its stream, for the tables whose stream is on."""
        self._enter()
        return {
            name: table["LatestStreamArn"]
            for name, table in self._ddb._tables.items()
            if (table.get("StreamSpecification") or {}).get("StreamEnabled")
        }

    def records(self, stream: str, after: str, limit: int) -> list[dict[str, Any]] | None:
        """Records of a stream behind a sequence number, as Lambda gets them; None when the stream is over and read to its end."""
        table = next((name for name, arn in self.streams().items() if arn == stream), None)
        if table is not None:
            live = self._ddb.stream_live_records(table)
            return list(live[_behind(live, after) :][:limit])
        closed = self._ddb.closed_stream(stream)
        return (closed["records"][_behind(closed["records"], after) :][:limit] if closed else None) or None

    def handled(self, position: Handled) -> None:
        """Move a consumer's position in a stream."""
        self.positions[position.consumer] = position
        self._steps.append((position, None))

    def __len__(self) -> int:
        """The number of items."""
        self._enter()
        return sum(len(rows) for table in self._ddb._tables.values() for rows in table["items"].values())

    def dump(self) -> Iterator[Effect]:
        """Everything, as effects that make it again; items and records are shared with the engine, which never changes them."""
        self._enter()
        ddb = self._ddb
        yield Count(self._sequence)
        yield from self.positions.values()
        yield from (token for token in self._tokens.values() if self._fresh(token))
        for name, table in ddb._tables.items():
            yield self._definition(name)
            for rows in table["items"].values():
                for item in rows.values():
                    yield Put(name, item)
            records = ddb.stream_live_records(name)  # this is what trims them
            if count := ddb._stream_trimmed.get(name, 0):
                yield Trimmed(name, count)
            for record in records:
                yield Emit(name, record)
        for stream in ddb._closed_streams.keys():  # noqa: SIM118  (MiniStack's own kind of dictionary)
            if contents := ddb.closed_stream(stream):
                yield Closed(stream, {**contents, "records": list(contents["records"])})

    def load(self, effects: list[Effect], at: float | None = None) -> None:
        """Repeat effects of the time `at`; call `loaded` after the last ones."""
        self._enter()
        clock = self.clock
        if at is not None:
            self.clock = lambda: at
        try:
            for effect in effects:
                self._load(effect)
        finally:
            self.clock = clock

    def loaded(self) -> None:
        """Count the items, and forget the indexes: they are made again when they are asked for."""
        self._enter()
        for table in self._ddb._tables.values():
            self._ddb._items_replaced(table)

    def _enter(self) -> None:
        """MiniStack keeps its tables by account and region, which it reads from the context of the thread."""
        responses.set_request_account_id(ACCOUNT)
        responses.set_request_region(self.region)

    def _guarded(self, handler: Callable[[dict[str, Any]], Any], operation: str, data: dict[str, Any]) -> tuple[int, bytes]:
        self._enter()
        self._in_transaction = operation == "TransactWriteItems"
        before = len(self._steps)
        try:
            with localcontext(prec=38):  # DynamoDB's; a thread of Python's has 28
                status, _, body = handler(data)
        except BaseException as fault:
            # Half a transaction must never be seen.
            self._undo(self._steps[before:])
            del self._steps[before:]
            if not isinstance(fault, Exception):
                raise
            _log.exception("the engine failed in %s", operation)
            status, body = error(500, "InternalServerError", f"{type(fault).__name__}: {fault}")
        if operation in _DEFINING:
            # After refusals too: some of them have changed a part before they were refused.
            name = data.get("TableName") or self._ddb._table_name_from_arn(data.get("ResourceArn", ""))
            if isinstance(name, str):
                self._steps.append((self._definition(name), None))
        return status, body

    def _undo(self, steps: list[Step]) -> None:
        tables, set_item, remove_item = self._ddb._tables, self._set_item, self._remove_item
        for effect, old in reversed(steps):
            if isinstance(effect, Put | Remove):
                table = tables[effect.table]
                key = self._key(table, effect.item if isinstance(effect, Put) else effect.key)
                set_item(table, *key, old) if old is not None else remove_item(table, *key)
            elif isinstance(effect, Emit):
                with suppress(KeyError, ValueError):
                    self._ddb._stream_records[effect.table].remove(effect.record)

    def _definition(self, name: str) -> Define:
        ddb = self._ddb
        table = ddb._tables.get(name)
        if table is None:
            return Define(name, None)
        definition = {key: value for key, value in table.items() if key not in _NOT_DEFINITION}
        ttl, tags, pitr = ddb._ttl_settings.get(name), ddb._tags.get(table["TableArn"]), ddb._pitr_settings.get(name)
        return Define(name, *(deep_copy(part) for part in (definition, ttl, tags, pitr)))

    def _key(self, table: Any, attributes: Item) -> tuple[str, str]:
        value, sort = self._ddb._extract_key_val, table["sk_name"]
        return value(attributes[table["pk_name"]]), value(attributes[sort]) if sort else _NO_SORT_KEY

    def _replace(self) -> None:
        ddb = self._ddb
        self._set_item, self._remove_item, self._build = ddb._set_item, ddb._remove_item, ddb._build_change_record
        ddb._set_item, ddb._remove_item, ddb._build_change_record = self._noted_set, self._noted_remove, self._noted_record
        ddb._txn_token_lookup, ddb._txn_token_store = self._token, self._remember
        ddb._next_stream_seq, ddb._stream_label, ddb._trim_stream_records = self._next_sequence, self._label, self._trim
        ddb.time = self._streams.time = SimpleNamespace(time=lambda: self.clock())
        ddb.copy = SimpleNamespace(deepcopy=deep_copy)
        for name in PURE:
            setattr(ddb, name, _kept(getattr(ddb, name)))
        ddb.json_response, self._streams.json_response = json_response, json_response_of_streams

    def _noted_set(self, table: Any, pk: str, sk: str, item: Item) -> Item | None:
        if self._in_transaction:
            for name, value in item.items():
                self._ddb._validate_attribute_value(name, value)
        old: Item | None = self._set_item(table, pk, sk, item)
        self._steps.append((Put(table["TableName"], item), old))
        return old

    def _noted_remove(self, table: Any, pk: str, sk: str) -> Item | None:
        old: Item | None = self._remove_item(table, pk, sk)
        if old is not None:
            key = {name: old[name] for name in (table["pk_name"], table["sk_name"]) if name}
            self._steps.append((Remove(table["TableName"], key), old))
        return old

    def _noted_record(self, table: Any, event: str, old: Item | None, new: Item | None, view: str) -> dict[str, Any]:
        record: dict[str, Any] = self._build(table, event, old, new, view)
        change = record["dynamodb"]
        change["SizeBytes"] = sum(self._ddb._item_size_bytes(change[part]) for part in ("Keys", "OldImage", "NewImage") if part in change)
        if self._ttl_at_work:
            record["userIdentity"] = TTL_IDENTITY
        self._steps.append((Emit(table["TableName"], record), None))
        return record

    def _token(self, token: str) -> dict[str, Any] | None:
        known = self._tokens.get(token)
        if known is None or not self._fresh(known):
            return None
        return {"signature": _SameRequest(known.digest == self._request), "response": known.response, "sizes": known.sizes}

    def _remember(self, token: str, entry: dict[str, Any]) -> None:
        now = self.clock()
        if now - self._swept_at >= 60:
            self._swept_at = now
            self._tokens = {name: one for name, one in self._tokens.items() if self._fresh(one)}
        self._tokens[token] = Remember(token, self._request, entry["response"], entry["sizes"], now)
        self._steps.append((self._tokens[token], None))

    def _fresh(self, token: Remember) -> bool:
        return self.clock() - token.completed_at < _TOKEN_SECONDS

    def _next_sequence(self) -> str:
        self._sequence += 1
        return str(_FIRST_SEQUENCE + self._sequence)

    def _label(self) -> str:
        """A time, later than every label before."""
        self._last_label = max(self._last_label + 1, int(self.clock() * 1000))
        return datetime.fromtimestamp(self._last_label / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]

    def _trim(self, table: str, **_: Any) -> None:
        records = self._ddb._stream_records.get(table)
        if not records:
            return
        waiting = [one.sequence for one in self.positions.values() if one.stream == records[0]["eventSourceARN"]]
        now, gone = self.clock(), 0
        for record in records:
            change = record["dynamodb"]
            unhandled = waiting and change["SequenceNumber"] > min(waiting)
            if now - change["ApproximateCreationDateTime"] <= (_UNHANDLED_SECONDS if unhandled else _STREAM_SECONDS):
                break
            gone += 1
        if gone:
            del records[:gone]
            self._ddb._stream_trimmed[table] = self._ddb._stream_trimmed.get(table, 0) + gone

    def _expired(self, limit: int) -> list[tuple[str, Any, str, str]]:
        now, found = self.clock(), []
        for name, setting in self._ddb._ttl_settings.items():
            table = self._ddb._tables.get(name)
            if setting["TimeToLiveStatus"] != "ENABLED" or table is None:
                continue
            for pk, rows in table["items"].items():
                for sk, item in rows.items():
                    ends = item.get(setting["AttributeName"], {}).get("N")
                    if ends is not None and now - _TTL_OLDEST_SECONDS < float(ends) < now:
                        found.append((name, table, pk, sk))
                        if len(found) == limit:
                            return found
        return found

    def _load(self, effect: Effect) -> None:
        ddb = self._ddb
        match effect:
            case Put(name, item):
                pk, sk = self._key(ddb._tables[name], item)
                ddb._tables[name]["items"].setdefault(pk, {})[sk] = item
            case Remove(name, key):
                pk, sk = self._key(ddb._tables[name], key)
                rows = ddb._tables[name]["items"]
                del rows[pk][sk]
                if not rows[pk]:
                    del rows[pk]
            case Emit(name, record):
                ddb._stream_records.setdefault(name, []).append(record)
                self._sequence = max(self._sequence, int(record["dynamodb"]["SequenceNumber"]) - _FIRST_SEQUENCE)
            case Define():
                self._load_definition(effect)
            case Remember():
                self._tokens[effect.token] = effect
            case Handled():
                self.positions[effect.consumer] = effect
            case Trimmed(name, count):
                ddb._stream_trimmed[name] = count
            case Closed(stream, contents):
                ddb._closed_streams[stream] = contents
            case Count(sequence):
                self._sequence = sequence

    def _load_definition(self, effect: Define) -> None:
        ddb, name = self._ddb, effect.table
        old = ddb._tables.pop(name, None)
        if old is not None and (effect.definition is None or _stream_of(effect.definition) != _stream_of(old)):
            ddb.drop_stream_records(name, old)
        for settings, value in ((ddb._ttl_settings, effect.ttl), (ddb._pitr_settings, effect.pitr)):
            settings.pop(name, None)
            if value is not None:
                settings[name] = value
        arn = (effect.definition or old or {}).get("TableArn")
        ddb._tags.pop(arn, None)
        if effect.definition is not None:
            ddb._tables[name] = {**effect.definition, "items": old["items"] if old else defaultdict(dict)}
            if effect.tags is not None:
                ddb._tags[arn] = effect.tags


class _SameRequest:
    """Stands for a request that was made before: equal to the one that is made now, or not."""

    def __init__(self, same: bool) -> None:
        self._same = same

    def __eq__(self, other: object) -> bool:
        return self._same

    __hash__ = None  # type: ignore[assignment]


def _kept(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A function of strings that remembers what it said of them; other values are refused with a message that names them."""
    kept = lru_cache(4096)(function)
    return lambda value: kept(value) if type(value) is str else function(value)


def _behind(records: list[dict[str, Any]], sequence: str) -> int:
    return bisect_right(records, sequence, key=lambda record: str(record["dynamodb"]["SequenceNumber"]))


def _stream_of(definition: dict[str, Any]) -> str | None:
    return definition.get("LatestStreamArn") if (definition.get("StreamSpecification") or {}).get("StreamEnabled") else None
