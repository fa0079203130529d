"""A DynamoDB in this process: an engine, a lock around it and, when it has a folder, a journal."""

import logging
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import msgspec

from devtools.dynamodb.answers import error
from devtools.dynamodb.checksum import Checksum
from devtools.dynamodb.effects import Define, Handled, Put, Remove
from devtools.dynamodb.engine import Engine, Step
from devtools.dynamodb.errors import StoreFailed
from devtools.dynamodb.journal import Journal

SNAPSHOT_BYTES = 64 * 1024 * 1024  # of journal
CHANGED_AT_MOST = 1000  # items that are remembered as changed, before those that are on disk are forgotten
EXPIRE_AT_ONCE = 200  # items deleted by one entry, so that the sweep never keeps others waiting for long

_log = logging.getLogger(__name__)

DYNAMODB, STREAMS = "dynamodb", "dynamodb-streams"


class Store:
    """Made by `open_store`. All methods may be called from any thread."""

    def __init__(self, engine: Engine, journal: Journal | None = None, checksum: Checksum | None = None) -> None:
        self.engine = engine
        self._journal = journal
        self._checksum = checksum
        self._lock: Any = threading.Lock()
        self._changed: dict[Any, int] = {}  # items and tables -> the entry that last changed them; those on disk may be missing
        self._snapshot: threading.Thread | None = None
        self._closed = False

    def call(self, service: str, operation: str, body: bytes) -> tuple[int, bytes]:
        """HTTP status and JSON body, once everything that they tell of is on disk. Raises StoreFailed."""
        try:
            data = msgspec.json.decode(body, type=dict[str, Any]) if body else {}
        except (msgspec.DecodeError, RecursionError) as fault:
            return error(400, "SerializationException", str(fault))
        with self._change(data if operation == "GetItem" else None):
            return self.engine.stream_call(operation, data) if service == STREAMS else self.engine.call(operation, data)

    def expire(self) -> int:
        """Delete all items whose time to live is over by the store's clock, as DynamoDB does some time later; their number."""
        total = 0
        while True:
            with self._change():
                gone = self.engine.expire(EXPIRE_AT_ONCE)
            total += gone
            if gone < EXPIRE_AT_ONCE:
                return total

    def streams(self) -> dict[str, str]:
        """Table -> ARN of its stream."""
        with self._change():
            return self.engine.streams()

    def records(self, stream: str, after: str, limit: int) -> list[dict[str, Any]] | None:
        """See Engine.records; the records are the caller's own."""
        with self._change():
            found = self.engine.records(stream, after, limit)
        return None if found is None else msgspec.json.decode(msgspec.json.encode(found))

    def position(self, consumer: str) -> Handled | None:
        return self.engine.positions.get(consumer)

    def handled(self, consumer: str, stream: str, sequence: str) -> None:
        """Remember that the consumer is done with the stream up to there."""
        with self._change():
            self.engine.handled(Handled(consumer, stream, sequence))

    def snapshot(self) -> None:
        """Write everything anew and forget the journal up to here. Others go on meanwhile."""
        if self._journal is None or self._checksum is None:
            return
        with self._lock:
            effects = list(self.engine.dump())
            number, checksum = self._journal.last, self._checksum.value
        self._journal.wait(number)
        self._journal.replace(effects, number, checksum)

    def close(self) -> None:
        with self._lock:
            self._closed = True
        if self._snapshot is not None:
            self._snapshot.join()
        if self._journal is not None:
            self._journal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @contextmanager
    def _change(self, get: dict[str, Any] | None = None) -> Iterator[None]:
        """The lock; afterwards, what was done is journaled, and so is everything that may have been seen.

        What a `get` may have seen is one item; who looks at anything else waits for all that was done before.
        """
        journal = self._journal
        with self._lock:
            if self._closed:
                raise StoreFailed("The store is closed.")
            if journal is not None and journal.failure is not None:
                raise StoreFailed(f"The store can't write its journal: {journal.failure}. Make room, and start again.")
            try:
                yield
            finally:
                steps = self.engine.take()
                if journal is not None and steps:
                    self._note(journal, steps)
                number = 0 if journal is None else journal.last if get is None else self._last_change(get, journal.last)
        if journal is not None:
            journal.wait(number)
            if journal.size > SNAPSHOT_BYTES:
                self._snapshot_behind()

    def _last_change(self, get: dict[str, Any], otherwise: int) -> int:
        """The entry that last changed the item or its table, 0 when that is on disk for long."""
        try:
            place = self.engine.place(get["TableName"], get["Key"])
            return max(self._changed.get(place, 0), self._changed.get(get["TableName"], 0))
        except (KeyError, TypeError, AttributeError):
            return otherwise

    def _note(self, journal: Journal, steps: list[Step]) -> None:
        assert self._checksum is not None, "a journal comes with a checksum"
        try:
            for effect, old in steps:
                self._checksum.add(effect, old)
            journal.add(self.engine.clock(), [effect for effect, _ in steps], self._checksum.value)
            self._mark(steps, journal)
        except BaseException as fault:
            journal.failure = fault  # what is in the tables now will never be in the journal
            raise

    def _mark(self, steps: list[Step], journal: Journal) -> None:
        for effect, _ in steps:
            if isinstance(effect, Put | Remove):
                place = self.engine.place(effect.table, effect.item if isinstance(effect, Put) else effect.key)
                self._changed[place] = journal.last
            elif isinstance(effect, Define):
                self._changed[effect.table] = journal.last
        if len(self._changed) > CHANGED_AT_MOST:
            self._changed = {place: number for place, number in self._changed.items() if number > journal.durable}

    def _snapshot_behind(self) -> None:
        with self._lock:
            if self._closed or (self._snapshot is not None and self._snapshot.is_alive()):
                return
            self._snapshot = threading.Thread(target=self._try_snapshot, name="store-snapshot")
            self._snapshot.start()

    def _try_snapshot(self) -> None:
        try:
            self.snapshot()
        except (StoreFailed, sqlite3.Error) as fault:
            _log.warning("the journal stays long, since no snapshot could be written: %s", fault)
