"""The engine: the state of all tables, the dispatch of operations, and the records that rebuild the state.

**For callers.** `Engine.call(operation, request)` takes a request as it travels in JSON (binaries are base64 text), may keep and change it,
and returns the response in the same form, or raises `ApiError`. Operations of DynamoDB and of DynamoDB Streams have different names, so
one method serves both. All methods may be called from any thread.

**For the journal.** A change of the state is a list of records, which belong together: all of them are kept, or none. The engine passes
each list to `commit`, under its lock, so in the order in which the changes happen. `commit` returns a waiter at once; the engine calls
the waiter outside the lock and replies when the waiter returns. A waiter may be called by several threads and more than once, also by
readers of what was written; it raises when the records could not be made durable. `Engine.apply` makes the changes of records again, and
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

import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from devtools.dynamodb_engine import definitions, items, queries, streams, transactions
from devtools.dynamodb_engine.requests import validator
from devtools.dynamodb_engine.streams import RECORD_SECONDS, Stream
from devtools.dynamodb_engine.tables import Key, Table
from devtools.dynamodb_engine.transactions import TOKEN_SECONDS, Token
from devtools.dynamodb_engine.values import ApiError, Item, decode_item, encode_item

__all__ = ["OPERATIONS", "ApiError", "Change", "Commit", "Engine", "Pending", "Record", "Waiter"]

Record = tuple[Any, ...]
Waiter = Callable[[], None]
Commit = Callable[[list[Record]], Waiter]
Change = tuple[Table, Key, bytes | None, Item | None, bytes | None, Item | None]  # the old item, encoded and decoded, and the new one
T = TypeVar("T")

_EXPIRY_LIMIT_SECONDS = 5 * 365 * 24 * 60 * 60  # an item that expired longer ago is not deleted
_OPERATIONS: dict[str, Callable[[Any, dict[str, Any]], dict[str, Any]]] = {
    "BatchGetItem": items.batch_get_item,
    "BatchWriteItem": items.batch_write_item,
    "CreateTable": definitions.create_table,
    "DeleteItem": items.delete_item,
    "DeleteTable": definitions.delete_table,
    "DescribeContinuousBackups": definitions.describe_continuous_backups,
    "DescribeEndpoints": definitions.describe_endpoints,
    "DescribeLimits": definitions.describe_limits,
    "DescribeStream": streams.describe_stream,
    "DescribeTable": definitions.describe_table,
    "DescribeTimeToLive": definitions.describe_time_to_live,
    "GetItem": items.get_item,
    "GetRecords": streams.get_records,
    "GetShardIterator": streams.get_shard_iterator,
    "ListStreams": streams.list_streams,
    "ListTables": definitions.list_tables,
    "ListTagsOfResource": definitions.list_tags,
    "PutItem": items.put_item,
    "Query": queries.query,
    "Scan": queries.scan,
    "TagResource": definitions.tag_resource,
    "TransactGetItems": transactions.transact_get_items,
    "TransactWriteItems": transactions.transact_write_items,
    "UntagResource": definitions.untag_resource,
    "UpdateContinuousBackups": definitions.update_continuous_backups,
    "UpdateItem": items.update_item,
    "UpdateTable": definitions.update_table,
    "UpdateTimeToLive": definitions.update_time_to_live,
}
OPERATIONS = frozenset(_OPERATIONS)

_log = logging.getLogger(__name__)


class Pending:
    """A change that may not be durable yet."""

    __slots__ = ("is_settled", "is_transaction", "locations", "waiter")

    def __init__(self, waiter: Waiter, locations: list[tuple[Table, Key]], is_transaction: bool) -> None:
        self.waiter, self.locations, self.is_transaction = waiter, locations, is_transaction
        self.is_settled = False


class Engine:
    """One DynamoDB in memory. `commit` makes changes durable; without it they are in memory only. It may be set after `apply`.

    A write of an item conflicts with a transaction that is being made durable, as in DynamoDB; without `has_conflicts`, they take turns.

    `hold_back` may be set to a function that a thread calls with a change before it waits for it. If it returns True, the thread goes on:
    its caller holds the answer back until the change is durable, and then calls `settle` with the change.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.time,
        region: str = "us-east-1",
        commit: Commit | None = None,
        *,
        has_conflicts: bool = True,
    ) -> None:
        self.clock, self.region, self.commit, self.has_conflicts = clock, region, commit, has_conflicts
        self.hold_back: Callable[[Pending], bool] | None = None
        self.lock = threading.RLock()
        self.tables: dict[str, Table] = {}
        self.streams: dict[str, Stream] = {}  # also those that were closed in the last 24 hours
        self.tokens: dict[str, Token] = {}
        self.positions: dict[str, tuple[str, str]] = {}  # consumer -> stream and sequence number
        self.sequence = 0
        self.last_label = 0
        self.last_pending: Pending | None = None
        self._tokens_trimmed_at = 0.0

    def call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """Execute an operation; raises ApiError, and what a waiter raises."""
        execute = _OPERATIONS.get(operation)
        if execute is None:
            raise ApiError("UnknownOperationException", "")
        validator(operation)(request)
        return execute(self, request)

    # State, for the operations

    def table(self, name: Any, *, is_admin: bool = False) -> Table:
        """The table with this name or ARN. Raises ApiError."""
        table = self.tables.get(name)
        if table is None:
            if name.startswith("arn:"):
                return self.table(name.rpartition(":table/")[2].partition("/")[0], is_admin=is_admin)
            definitions.check_name("TableName", name)
            problem = f"Requested resource not found: Table: {name} not found" if is_admin else "Requested resource not found"
            raise ApiError("ResourceNotFoundException", problem)
        return table

    def read(self, table: Table, key: Key) -> bytes | None:
        """The encoded item, when it is durable."""
        if not table.pending:
            return table.items.get(key)
        with self.lock:
            encoded, pending = table.items.get(key), table.pending.get(key)
        self.await_reading(pending)
        return encoded

    def check_no_conflict(self, table: Table, key: Key) -> None:
        pending = table.pending.get(key)
        if pending is not None and pending.is_transaction and self.has_conflicts:
            raise ApiError("TransactionConflictException", "Transaction is ongoing for the item")

    def write(
        self, changes: list[Change], records: list[Record] | None = None, *, is_transaction: bool = False, expired: bool = False
    ) -> Pending | None:
        """Make and commit changes; called under the lock. What has not changed makes neither a record nor a change record."""
        records, now = records or [], self.clock()
        made: list[tuple[Change, int]] = []
        sequence = self.sequence
        for change in changes:
            table, _, old_encoded, old, encoded, new = change
            if old_encoded == encoded or (old == new and encoded is not None):
                continue
            number = 0
            if table.stream is not None:
                number = sequence = sequence + 1
            made.append((change, number))
            if encoded is not None:
                records.append(("p", table.name, encoded, number, now))
            else:
                assert old is not None
                records.append(("d", table.name, encode_item(table.key_attributes(old)), number, now, expired))
        pending = None
        if self.commit is not None and records:
            locations = [(change[0], change[1]) for change in changes]
            pending = Pending(self.commit(records), locations, is_transaction)
            for table, key in locations:
                table.pending[key] = table.last_pending = pending
            self.last_pending = pending
        self.sequence = sequence
        for (table, key, old_encoded, old, encoded, new), number in made:
            table.store(key, old, new, encoded)
            if number:
                table.stream.add(key, number, now, expired, old_encoded, encoded)
        if pending is None and changes:
            return changes[0][0].pending.get(changes[0][1]) if self.commit is not None else None
        return pending

    def define(self, name: str, definition: dict[str, Any] | None) -> Pending | None:
        """Define, redefine or delete a table; called under the lock."""
        now = self.clock()
        pending: Pending | None = None
        if self.commit is not None:
            self.last_pending = pending = Pending(self.commit([("t", name, definition, now)]), [], False)
        self._define(name, definition, now)
        return pending

    def settle(self, pending: Pending | None) -> None:
        """Return when the change is durable; called by the thread that made it."""
        if pending is None or pending.is_settled or (self.hold_back is not None and self.hold_back(pending)):
            return
        pending.waiter()
        with self.lock:
            pending.is_settled = True
            for table, key in pending.locations:
                if table.pending.get(key) is pending:
                    del table.pending[key]
                if table.last_pending is pending:
                    table.last_pending = None
            if self.last_pending is pending:
                self.last_pending = None

    def await_reading(self, pending: Pending | None) -> None:
        """Return when what was read is durable."""
        if pending is not None and not pending.is_settled and not (self.hold_back is not None and self.hold_back(pending)):
            pending.waiter()

    def forget_closed_streams(self) -> None:
        for arn, stream in list(self.streams.items()):
            if stream.closed_at is not None and self.clock() - stream.closed_at > RECORD_SECONDS:
                del self.streams[arn]

    # Records

    def apply(self, records: Iterable[Record]) -> None:
        """Make the changes of one or more lists of records again, without `commit`. Not for use while other threads call the engine."""
        for kind, *values in records:
            if kind in ("p", "d"):
                self._apply_write(kind, *values)
            elif kind == "t":
                self._define(*values)
            elif kind == "c":
                arn, sequence, at, expired, old, new = values
                stream = self.streams[arn]
                stream.add(streams.key_at(stream, old or new), sequence, at, expired, old, new)
            elif kind == "s":
                self.streams[values[0]] = Stream(*values)
            elif kind == "n":
                self.sequence = max(self.sequence, values[0])
            elif kind == "k":
                self.tokens[values[0]] = Token(*values[1:])
            elif kind == "h":
                self._set_position(*values)

    def _apply_write(self, kind: str, name: str, encoded: bytes, sequence: int, at: float, expired: bool = False) -> None:
        table = self.tables[name]
        item = decode_item(encoded)
        key = table.key_of_item(item)
        old_encoded = table.items.get(key)
        old = decode_item(old_encoded) if table.indexes and old_encoded is not None else None
        new = encoded if kind == "p" else None
        if new is not None or old_encoded is not None:
            table.store(key, old, item if new is not None else None, new)
        if sequence:
            self.sequence = max(self.sequence, sequence)
            if table.stream is not None:
                table.stream.add(key, sequence, at, expired, old_encoded, new)

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
            arn = definition["description"]["LatestStreamArn"]
            table.stream = self.streams[arn] = Stream(arn, stream_definition)

    def dump(self, mark: Callable[[], T]) -> tuple[T, list[Record]]:
        """Records that rebuild the state, and what `mark` returned at the same moment, under the lock: where the journal ends, for instance."""
        with self.lock:
            now = self.clock()
            self.forget_closed_streams()
            records: list[Record] = [("t", table.name, table.definition, now) for table in self.tables.values()]
            records += [("p", table.name, encoded, 0, now) for table in self.tables.values() for encoded in table.items.values()]
            for stream in self.streams.values():
                stream.trim(now)
                if stream.closed_at is not None:
                    records.append(("s", stream.arn, stream.definition))
                records += [("c", stream.arn, sequence, *record) for sequence, at, _, *rest in stream.records for record in [(at, *rest)]]
            records += [("k", token, known.digest, known.at) for token, known in self.tokens.items() if now - known.at < TOKEN_SECONDS]
            records += [("h", consumer, *position) for consumer, position in self.positions.items()]
            records.append(("n", self.sequence))
            return mark(), records

    # Consumers that read streams as Lambda does

    def stream_arns(self) -> dict[str, str]:
        """Table -> ARN of its stream, for the tables whose stream is on."""
        with self.lock:
            return {table.name: table.stream.arn for table in self.tables.values() if table.stream is not None}

    def stream_records(self, stream_arn: str, after: str, limit: int) -> list[dict[str, Any]] | None:
        """Records after a sequence number, in Lambda's shape; None when the stream is closed and read to its end."""
        with self.lock:
            stream = self.streams.get(stream_arn)
            if stream is None:
                return None
            start = stream.after(streams.sequence_number(after))
            records, pending = stream.records[start : start + limit], self.last_pending
        self.await_reading(pending)
        if not records and stream.closed_at is not None:
            return None
        return [stream.lambda_record(record, self.region) for record in records]

    def stream_position(self, consumer: str) -> tuple[str, str] | None:
        """The stream that a consumer reads, and the sequence number up to which it has processed it."""
        return self.positions.get(consumer)

    def save_stream_position(self, consumer: str, stream_arn: str, sequence: str) -> None:
        """Save that a consumer has processed a stream up to and including this sequence number ("": nothing yet)."""
        with self.lock:
            pending = Pending(self.commit([("h", consumer, stream_arn, sequence)]), [], False) if self.commit is not None else None
            self._set_position(consumer, stream_arn, sequence)
        self.settle(pending)

    def _set_position(self, consumer: str, stream_arn: str, sequence: str) -> None:
        for stream in self.streams.values():
            stream.processed.pop(consumer, None)
        self.positions[consumer] = stream_arn, sequence
        if stream_arn in self.streams:
            self.streams[stream_arn].processed[consumer] = streams.sequence_number(sequence)

    # Expiry

    def delete_expired(self, limit: int = 1000) -> int:
        """Delete up to `limit` items whose time to live is over; returns their number."""
        now, deleted = self.clock(), 0
        for table in list(self.tables.values()):
            if table.ttl_attribute is None:
                continue
            with self.lock:
                candidates = list(table.items.items())
            for key, encoded in candidates:
                if deleted == limit:
                    return deleted
                if self._is_expired(table, encoded, now) and self._delete_expired(table, key, encoded):
                    deleted += 1
        return deleted

    def _is_expired(self, table: Table, encoded: bytes, now: float) -> bool:
        value = decode_item(encoded).get(table.ttl_attribute or "", {}).get("N")
        return value is not None and now - _EXPIRY_LIMIT_SECONDS <= float(value) <= now

    def _delete_expired(self, table: Table, key: Key, encoded: bytes) -> bool:
        with self.lock:
            if table.items.get(key) != encoded or key in table.pending:
                return False
            pending = self.write([(table, key, encoded, decode_item(encoded), None, None)], expired=True)
        self.settle(pending)
        return True
