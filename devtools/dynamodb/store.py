"""A DynamoDB in this process: an engine, a lock around it and, if it has a folder, a journal."""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from devtools.dynamodb.change_recorder import RecordedChange
from devtools.dynamodb.changes import ConsumerPosition, ItemDeletion, ItemPut, TableDefinition
from devtools.dynamodb.checksum import Checksum
from devtools.dynamodb.engine import Engine
from devtools.dynamodb.errors import StoreFailed
from devtools.dynamodb.journal import Journal, Threads
from devtools.dynamodb.lock_file import lock
from devtools.dynamodb.recovery import recover
from devtools.dynamodb.responses import error_response

SNAPSHOT_AT_START_BYTES = 4 * 1024 * 1024  # of journal
SNAPSHOT_BYTES = 64 * 1024 * 1024  # of journal
MAX_TRACKED_CHANGES = 1000  # items and tables whose last change is remembered, before those that are on disk are forgotten
EXPIRY_BATCH_SIZE = 200  # expired items that one entry deletes, so that other calls never wait for long

_log = logging.getLogger(__name__)

DYNAMODB, STREAMS = "dynamodb", "dynamodb-streams"


def open_store(folder: Path | None = None, *, clock: Callable[[], float] = time.time, region: str = "us-east-1") -> "LocalStore":
    """Open the store in this folder, which is made if it is missing; without a folder, make an empty store in memory.

    Raises StoreInUse, StoreDamaged or StoreTooNew; the folder is then unchanged.
    """
    engine = Engine(clock, region)
    if folder is None:
        return LocalStore(engine)
    folder.mkdir(parents=True, exist_ok=True)
    lock_file = lock(folder / "store.lock")
    try:
        checksum = Checksum()
        journal = recover(folder, engine, checksum, lock_file)
        store = LocalStore(engine, journal, checksum)
        if journal.size > SNAPSHOT_AT_START_BYTES:
            store.write_snapshot()
    except BaseException:
        lock_file.close()
        raise
    return store


class LocalStore:
    """Made by `open_store`. All methods may be called from any thread, and raise StoreFailed when the store cannot go on."""

    def __init__(self, engine: Engine, journal: Journal | None = None, checksum: Checksum | None = None) -> None:
        self.engine = engine
        self._journal = journal
        self._checksum = checksum
        self._lock: Any = threading.Lock()
        # Items and tables -> the entry that last changed them. Those whose entry is on disk may be missing.
        self._last_changes: dict[Any, int] = {}
        self._snapshot_thread: threading.Thread | None = None
        self._is_closed = False

    def share_commits(self, threads: Threads) -> Journal | None:
        """Let these threads go on before what they have written is on disk, and hold back their answers; None if there is no journal."""
        if self._journal is not None:
            self._journal.threads = threads
        return self._journal

    @property
    def failure(self) -> str | None:
        """Why the store accepts no more calls, and what to do; None while it works."""
        try:
            if self._journal is not None:
                self._journal.raise_failure()
        except StoreFailed as failure:
            return str(failure)
        return None

    def call(self, service: str, operation: str, body: bytes) -> tuple[int, bytes]:
        """Process a call of DYNAMODB or STREAMS; returns HTTP status and JSON body, once everything they report is on disk.

        It returns sooner to threads that hold their answers back until then (`share_commits`).
        """
        try:
            request = msgspec.json.decode(body, type=dict[str, Any]) if body else {}
        except (msgspec.DecodeError, RecursionError) as fault:
            return error_response(400, "SerializationException", str(fault))
        with self._locked(request if operation == "GetItem" else None):
            return self.engine.call_streams(operation, request) if service == STREAMS else self.engine.call_dynamodb(operation, request)

    def delete_expired_items(self) -> int:
        """Delete all items whose time to live is over by the store's clock, which DynamoDB does some time later; returns their number."""
        total = 0
        while True:
            with self._locked():
                deleted = self.engine.delete_expired_items(EXPIRY_BATCH_SIZE)
            total += deleted
            if deleted < EXPIRY_BATCH_SIZE:
                return total

    def stream_arns(self) -> dict[str, str]:
        """Table -> ARN of its stream, for the tables whose stream is on."""
        with self._locked():
            return self.engine.stream_arns()

    def stream_records(self, stream: str, after: str, limit: int) -> list[dict[str, Any]] | None:
        """See Engine.stream_records; the records are copies that the caller may change."""
        with self._locked():
            records = self.engine.stream_records(stream, after, limit)
        return None if records is None else msgspec.json.decode(msgspec.json.encode(records))

    def stream_position(self, consumer: str) -> ConsumerPosition | None:
        return self.engine.stream_position(consumer)

    def save_stream_position(self, consumer: str, stream: str, sequence: str) -> None:
        """Save that the consumer has processed the stream up to and including this sequence number."""
        with self._locked():
            self.engine.save_stream_position(ConsumerPosition(consumer, stream, sequence))

    def write_snapshot(self) -> None:
        """Write the whole state, and delete the journal up to it. Other calls go on meanwhile."""
        if self._journal is None or self._checksum is None:
            return
        with self._lock:
            changes = list(self.engine.dump_state())
            number, checksum = self._journal.last, self._checksum.value
        self._journal.wait(number)
        self._journal.replace_snapshot(changes, number, checksum)

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
        if self._snapshot_thread is not None:
            self._snapshot_thread.join()
        if self._journal is not None:
            self._journal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @contextmanager
    def _locked(self, get_item: dict[str, Any] | None = None) -> Iterator[None]:
        """Hold the lock; afterwards, journal what was changed, and see to it that no answer leaves before what it may rest on is on disk.

        The request `get_item` may have read one item only. Every other call may rest on all changes before it.
        """
        journal = self._journal
        with self._lock:
            if self._is_closed:
                raise StoreFailed("The store is closed.")
            if journal is not None:
                journal.raise_failure()
            try:
                yield
            finally:
                changes = self.engine.take_changes()
                if journal is not None and changes:
                    self._write_entry(journal, changes)
                number = 0 if journal is None else journal.last if get_item is None else self._last_change(get_item, journal.last)
        if journal is not None:
            journal.hold_back(number)
            if journal.size > SNAPSHOT_BYTES:
                self._start_snapshot()

    def _last_change(self, get_item: dict[str, Any], default: int) -> int:
        """The number of the entry that last changed the item or its table; 0 when that entry is known to be on disk."""
        try:
            location = self.engine.item_location(get_item["TableName"], get_item["Key"])
            return max(self._last_changes.get(location, 0), self._last_changes.get(get_item["TableName"], 0))
        except (KeyError, TypeError, AttributeError):
            return default

    def _write_entry(self, journal: Journal, changes: list[RecordedChange]) -> None:
        assert self._checksum is not None, "a journal comes with a checksum"
        try:
            for change, old_item in changes:
                self._checksum.add(change, old_item)
            journal.add(self.engine.now(), [change for change, _ in changes], self._checksum.value)
            self._track(changes, journal)
        except BaseException as fault:
            journal.failure = fault  # the tables now contain what the journal will never have
            raise

    def _track(self, changes: list[RecordedChange], journal: Journal) -> None:
        for change, _ in changes:
            if isinstance(change, ItemPut | ItemDeletion):
                location = self.engine.item_location(change.table, change.item if isinstance(change, ItemPut) else change.key)
                self._last_changes[location] = journal.last
            elif isinstance(change, TableDefinition):
                self._last_changes[change.table] = journal.last
        if len(self._last_changes) > MAX_TRACKED_CHANGES:
            self._last_changes = {location: number for location, number in self._last_changes.items() if number > journal.durable}

    def _start_snapshot(self) -> None:
        with self._lock:
            if self._is_closed or (self._snapshot_thread is not None and self._snapshot_thread.is_alive()):
                return
            self._snapshot_thread = threading.Thread(target=self._try_snapshot, name="store-snapshot")
            self._snapshot_thread.start()

    def _try_snapshot(self) -> None:
        try:
            self.write_snapshot()
        except (StoreFailed, sqlite3.Error) as fault:
            _log.warning("no snapshot could be written, so the journal keeps growing: %s", fault)
