"""The engine: the state of all tables, the dispatch of operations, and the records that rebuild the state.

**For callers.** `Engine.call(operation, request)` takes a request as it travels in JSON (binaries are base64 text), or as a dictionary
whose items it may keep and change. It returns the response as a dictionary in the same form, and raises `ApiError`. Operations
of DynamoDB and of DynamoDB Streams have different names, so one method serves both. All methods may be called from any thread.

**For clients.** `respond` takes and returns JSON: `devtools.in_process_clients` uses it for boto3's clients in this process, and
`devtools.dynamodb.server` for clients that send requests.

**For the journal.** A change of the state is a list of records, which belong together: all of them are kept, or none. The engine passes
each list to `commit`, under its lock, so in the order in which the changes happen. `commit` returns a waiter at once; the engine calls
the waiter outside the lock and replies when the waiter returns. A waiter may be called by several threads and more than once, also by
readers of what was written; it raises when the records could not be made durable. `Engine.apply` repeats the changes of records, and
`Engine.dump` returns records that rebuild the whole state. A record is a tuple of text, bytes, numbers, None, lists and dictionaries
(MessagePack has them all), which begins with its kind:

    ("t", table, definition, at)                    the table has this definition (a dictionary); None: it is deleted with its items
    ("p", table, item, sequence, at)                put: `item` is the whole item, encoded (bytes)
    ("d", table, key, sequence, at, expired)        delete: `key` is the item's key, encoded; `expired`: by time to live
    ("c", stream, sequence, at, expired, old, new)  a change record with its images, encoded or None (only in dumps)
    ("s", stream, definition)                       a stream that was closed (only in dumps)
    ("n", sequence)                                 the last sequence number that was used (only in dumps)
    ("k", token, digest, at)                        a transaction was made with this ClientRequestToken
    ("h", consumer, stream, sequence)               a consumer has processed the stream up to this sequence number

`sequence` is the number of the change record that the write makes, 0 if it makes none; `apply` makes the change record again.
`at` is the time in seconds. An encoded item is MessagePack of the attributes in their JSON form.
"""

import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from typing import Any, TypeVar

import msgspec
from botocore import xform_name

from devtools.dynamodb import items, queries, streams, tables
from devtools.dynamodb.items import TOKEN_SECONDS, Token
from devtools.dynamodb.streams import RECORD_SECONDS, Stream, sequence_number
from devtools.dynamodb.tables import Key, Outcome, Table, check_table_name
from devtools.dynamodb.values import ApiError, Item, checked_request, decode_item, encode_item, malformed, operation_models

__all__ = ["ApiError", "Commit", "Engine", "Record", "StoreFailed", "Waiter", "respond"]

Record = tuple[Any, ...]
Waiter = Callable[[], None]
Commit = Callable[[list[Record]], Waiter]
T = TypeVar("T")

_encode = msgspec.json.Encoder().encode
_WITHOUT_OUTPUT = frozenset({"TagResource", "UntagResource"})  # their responses have no body
_log = logging.getLogger(__name__)


@lru_cache(100)
def _operation(name: str) -> Callable[["Engine", dict[str, Any]], dict[str, Any]]:
    """Return the function of an operation, such as `items.get_item` for GetItem. Raises ApiError."""
    for module in (items, queries, streams, tables) if name in operation_models() else ():
        if function := getattr(module, xform_name(name), None):
            return function  # type: ignore[no-any-return]
    raise ApiError("UnknownOperationException", "")


class StoreFailed(Exception):
    """The store accepts no more writes: it is closed, or its journal could not be written. All earlier responses are safe on disk."""


class Pending(msgspec.Struct, eq=False):
    """A change that may not be durable yet: its waiter, and the items that it wrote."""

    waiter: Waiter
    locations: list[tuple[Table, Key]]
    is_transaction: bool
    is_settled: bool = False


class Engine:
    """A DynamoDB in memory. `commit` makes its changes durable, and may be set after `apply`; without it, they are in memory only.

    A write of an item conflicts with a transaction that is being made durable, as in DynamoDB; without `has_conflicts`, they take turns.

    `hold_back` may be set to a function that a thread calls with a change before it waits for it. If it returns True, the thread does
    not wait: its caller holds the response back until the change is durable, and then calls `settle` with the change.
    """

    def __init__(
        self, clock: Callable[[], float] = time.time, region: str = "us-east-1", commit: Commit | None = None, *, has_conflicts: bool = True
    ) -> None:
        self.clock, self.region, self.commit, self.has_conflicts = clock, region, commit, has_conflicts
        self.hold_back: Callable[[Pending], bool] | None = None
        self.lock = threading.RLock()
        self.tables: dict[str, Table] = {}
        self.streams: dict[str, Stream] = {}  # including streams that were closed in the last 24 hours
        self.tokens: dict[str, Token] = {}
        self.positions: dict[str, tuple[str, str]] = {}  # consumer -> its stream, and the last sequence number that it has processed
        self.sequence = self.last_label = 0
        self.last_pending: Pending | None = None

    def call(self, operation: str, request: dict[str, Any] | bytes | str) -> dict[str, Any]:
        """Execute an operation; raises ApiError, and what a waiter raises."""
        return _operation(operation)(self, checked_request(operation, request))

    def table(self, name: str) -> Table:
        """Return the table with this name or ARN. Raises ApiError."""
        table = self.tables.get(name)
        if table is None and name.startswith("arn:"):
            return self.table(name.rpartition(":table/")[2].partition("/")[0])
        if table is None:
            check_table_name(name)
            raise ApiError("ResourceNotFoundException", f"Requested resource not found: Table: {name} not found")
        return table

    def read(self, table: Table, key: Key) -> bytes | None:
        """Return the encoded item when it is durable."""
        encoded = table.items.get(key)
        if not table.pending:  # checked after reading the item, so the item was durable
            return encoded
        with self.lock:
            encoded, pending = table.items.get(key), table.pending.get(key)
        self.settle(pending)
        return encoded

    def write(
        self, outcomes: list[Outcome], records: list[Record], *, is_transaction: bool = False, expired: bool = False
    ) -> Pending | None:
        """Commit and make changes, with other records; called under the lock. An unchanged item makes no record."""
        now, commit, sequence = self.clock(), self.commit, self.sequence
        made: list[Outcome] = []
        for outcome in outcomes:
            table, old, new = outcome.table, outcome.old_encoded, outcome.encoded
            if old == new or (old and new and len(old) == len(new) and outcome.old == outcome.new):  # or in another order
                continue
            made.append(outcome)
            if table.stream is not None:
                sequence = outcome.sequence = sequence + 1
            if commit is not None and new is not None:
                records.append(("p", table.name, new, outcome.sequence, now))
            elif commit is not None:
                records.append(("d", table.name, encode_item(table.key_attributes(outcome.old or {})), outcome.sequence, now, expired))
        if commit is not None and records:
            locations = [(outcome.table, outcome.key) for outcome in outcomes]
            pending = self.last_pending = Pending(commit(records), locations, is_transaction)
            for table, key in locations:
                table.pending[key] = table.last_pending = pending
        for outcome in made:
            self._store(outcome, now, expired)
        return outcomes[0].table.pending.get(outcomes[0].key)

    def record(self, record: Record) -> Pending | None:
        """Commit and apply a record that concerns no item; called under the lock."""
        pending = Pending(self.commit([record]), [], False) if self.commit is not None else None
        self.last_pending = pending or self.last_pending
        self.apply([record])
        return pending

    def settle(self, *changes: Pending | None) -> None:
        """Return when the changes are durable; called by the thread that made them, or read what they made."""
        for pending in changes:
            if pending is None or pending.is_settled or (self.hold_back is not None and self.hold_back(pending)):
                continue
            pending.waiter()
            with self.lock:
                pending.is_settled = True
                for table, key in pending.locations:
                    if table.pending.get(key) is pending:
                        del table.pending[key]

    def forget_old_tokens(self, now: float) -> None:
        """Forget the oldest tokens that are no longer valid."""
        for token in list(itertools.islice(self.tokens, 2)):
            if now - self.tokens[token].at >= TOKEN_SECONDS:
                del self.tokens[token]

    def forget_closed_streams(self) -> None:
        first = self.clock() - RECORD_SECONDS
        self.streams = {arn: stream for arn, stream in self.streams.items() if stream.closed_at is None or stream.closed_at >= first}

    def apply(self, records: Iterable[Record]) -> None:
        """Repeat the changes of records, without `commit`. No other thread may call the engine meanwhile."""
        apply: dict[str, Callable[..., Any]] = {
            "t": self._define,
            "p": partial(self._apply_write, False),
            "d": partial(self._apply_write, True),
            "c": lambda arn, *record: self.streams[arn].add(*record),
            "s": lambda arn, definition: self.streams.update({arn: Stream(definition)}),
            "n": lambda sequence: setattr(self, "sequence", max(self.sequence, sequence)),
            "k": lambda token, *known: self.tokens.update({token: Token(*known)}),
            "h": self._set_position,
        }
        for kind, *values in records:
            apply[kind](*values)

    def _apply_write(self, is_deleted: bool, name: str, encoded: bytes, sequence: int, at: float, expired: bool = False) -> None:
        table, item = self.tables[name], decode_item(encoded)
        key = table.key_of_item(item)
        old_encoded = table.items.get(key)
        old = decode_item(old_encoded) if table.indexes and old_encoded is not None else None
        new: tuple[bytes | None, Item | None] = (None, None) if is_deleted else (encoded, item)
        self._store(Outcome(table, key, old_encoded, old, *new, sequence), at, expired)

    def _store(self, outcome: Outcome, at: float, expired: bool) -> None:
        """Make a write, and its change record if it has a number."""
        outcome.table.store(outcome)
        if outcome.sequence:
            self.sequence = max(self.sequence, outcome.sequence)
            if outcome.table.stream is not None:
                outcome.table.stream.add(outcome.sequence, at, expired, outcome.old_encoded, outcome.encoded)

    def _define(self, name: str, definition: dict[str, Any] | None, at: float) -> None:
        table = self.tables.get(name)
        stream_definition = (definition or {}).get("stream")
        if table is not None and table.stream is not None and table.stream.definition != stream_definition:
            closed = {**table.stream.definition, "closed_at": at, "end": self.sequence}
            table.stream.definition, table.stream.closed_at, table.stream = closed, at, None
        if definition is None:
            self.tables.pop(name, None)
            return
        if table is None:
            table = self.tables[name] = Table(name, definition)
        else:
            table.define(definition)
        if stream_definition is not None and table.stream is None:
            table.stream = self.streams[stream_definition["arn"]] = Stream(stream_definition)
            self.last_label = max(self.last_label, round(stream_definition["created"] * 1000))

    def dump(self, mark: Callable[[], T]) -> tuple[T, list[Record]]:
        """Return what `mark` returns under the lock, such as the end of the journal, and records that rebuild the state at that moment."""
        with self.lock:
            now = self.clock()
            self.forget_closed_streams()
            records: list[Record] = [("t", table.name, table.definition, now) for table in self.tables.values()]
            records += [("p", table.name, encoded, 0, now) for table in self.tables.values() for encoded in table.items.values()]
            records += [("s", stream.arn, stream.definition) for stream in self.streams.values() if stream.closed_at is not None]
            # Positions come before change records, because records that all consumers have read are forgotten.
            records += [("h", consumer, *position) for consumer, position in self.positions.items()]
            for stream in self.streams.values():
                stream.trim(now)
                records += [("c", stream.arn, *record) for record in stream.records]
            records += [("k", token, known.digest, known.at) for token, known in self.tokens.items() if now - known.at < TOKEN_SECONDS]
            records.append(("n", self.sequence))
            return mark(), records

    # Consumers that read streams as Lambda does

    def stream_arns(self) -> dict[str, str]:
        """Return the ARN of each table's stream, for the tables whose stream is on."""
        with self.lock:
            return {table.name: table.stream.arn for table in self.tables.values() if table.stream is not None}

    def stream_records(self, stream_arn: str, after: str, limit: int) -> list[dict[str, Any]] | None:
        """Return records after a sequence number, in Lambda's shape; None when the stream is closed and read to its end."""
        with self.lock:
            stream = self.streams.get(stream_arn)
            if stream is None:
                return None
            start = stream.after(sequence_number(after))
            records, pending = stream.records[start : start + limit], self.last_pending
        self.settle(pending)
        if not records and stream.closed_at is not None:
            return None
        return [stream.wire_record(record, self.region, for_lambda=True) for record in records]

    def save_stream_position(self, consumer: str, stream_arn: str, sequence: str) -> None:
        """Save that a consumer has processed a stream up to and including this sequence number ("": nothing yet)."""
        with self.lock:
            pending = self.record(("h", consumer, stream_arn, sequence))
        self.settle(pending)

    def _set_position(self, consumer: str, stream_arn: str, sequence: str) -> None:
        for stream in self.streams.values():
            stream.processed.pop(consumer, None)
        self.positions[consumer] = stream_arn, sequence
        if stream_arn in self.streams:
            self.streams[stream_arn].processed[consumer] = sequence_number(sequence)
            self.streams[stream_arn].trim(self.clock())

    def delete_expired(self) -> int:
        """Delete all expired items; returns their number. Other calls continue meanwhile."""
        now = self.clock()
        return sum(self._delete_expired(table, key, encoded) for table in list(self.tables.values()) for key, encoded in table.expired(now))

    def _delete_expired(self, table: Table, key: Key, encoded: bytes) -> bool:
        with self.lock:
            if table.items.get(key) != encoded or key in table.pending or self.tables.get(table.name) is not table:
                return False
            pending = self.write([Outcome(table, key, encoded, decode_item(encoded), None, None)], [], expired=True)
        self.settle(pending)
        return True


def respond(engine: Engine, operation: str, body: bytes) -> tuple[int, bytes]:
    """Execute a request in JSON; returns the HTTP status and the body of the response."""
    try:
        response = engine.call(operation, body if body.isascii() else body.decode())
        return 200, b"" if operation in _WITHOUT_OUTPUT else _encode(response)
    except ApiError as fault:
        return fault.response()
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return malformed("").response()  # as DynamoDB, which gives no reason
    except Exception as fault:
        if not isinstance(fault, StoreFailed):
            _log.exception("the engine failed in %s", operation)
        return ApiError("InternalServerError", f"{type(fault).__name__}: {fault}", 500).response()
