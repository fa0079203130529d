"""The write-ahead journal: every entry is on disk before anything that rests on it leaves the process.

One thread writes. It commits all entries that have come as one row, and then wakes the threads that wait for them. A commit costs as much
processor time as a call, so threads that can work meanwhile let entries come together (`Threads`), for MAX_DELAY_SECONDS at most.
"""

import sqlite3
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO, Protocol

from devtools.dynamodb.changes import Change, JournalEntry, encoder
from devtools.dynamodb.errors import StoreFailed
from devtools.dynamodb.high_water_mark import HighWaterMark, HighWaterMarkFile
from devtools.dynamodb.journal_file import SnapshotHeader, digest

MAX_DELAY_SECONDS = 0.002
_LOG_PAGES = 1000
_CHANGES_PER_PART = 500


class WaitEvent(Protocol):
    """What a thread waits for, like threading.Event."""

    def set(self) -> None:
        """Let the thread that waits go on."""

    def wait(self) -> object:
        """Return when the event is set."""


class Threads(Protocol):
    """Threads that work while entries come together. They call `Journal.commit` when none of them can go on."""

    def hold_back(self, entry: int) -> bool:
        """Let the calling thread go on, and hold back what it answers until this entry is on disk; False if it is not one of these."""

    def new_event(self) -> WaitEvent | None:
        """What the calling thread waits at; None if it is not one of these threads."""

    def release(self) -> None:
        """More entries are on disk, or the journal has failed. Called by the thread that writes."""


class Journal:
    """Appends entries and replaces snapshots.

    `add` is called under the store's lock, so that the entries are in the order in which the calls happened. `last` is the number
    of the last entry that was added, `durable` of the last one that is on disk, `size` the bytes of entries after the snapshot.
    Threads that are not of `threads` have their entries committed at once.
    """

    def __init__(
        self, file: Path, mark_file: HighWaterMarkFile, header: SnapshotHeader, end: HighWaterMark, size: int, lock_file: IO[str]
    ) -> None:
        self._mark_file = mark_file
        self._lock_file = lock_file  # keeps other processes out of the folder while it is open
        self._header = header
        self._digest = end.digest  # of all rows so far
        self.durable = self.last = end.number
        self.size = size
        self.failure: BaseException | None = None
        self._mutex = threading.Lock()
        self._pending: list[bytes] = []
        self.threads: Threads | None = None
        self._waiters: list[tuple[int, WaitEvent]] = []  # the entry that each thread waits for
        self._pending_since = 0.0
        self._is_commit_requested = False
        self._is_writer_idle = False
        self._is_closing = False
        self._wake_writer = threading.Lock()
        self._wake_writer.acquire()
        self._disk_lock = threading.Lock()  # held during each transaction of SQLite
        self._connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False, cached_statements=16)
        # A log that is soon reused from its beginning does not grow, and a file that does not grow is synchronised faster.
        for pragma in ("journal_mode = WAL", "synchronous = FULL", f"wal_autocheckpoint = {_LOG_PAGES}", "cache_size = -4000"):
            self._connection.execute(f"PRAGMA {pragma}").fetchall()
        self._delete_obsolete_rows()
        self._writer = threading.Thread(target=self._write, name="store-journal", daemon=True)
        self._writer.start()

    def add(self, at: float, changes: list[Change], checksum: int) -> None:
        """Append an entry. It is on disk when `wait` for its number (`last`) returns."""
        content = encoder.encode(JournalEntry(self.last + 1, at, changes, checksum))
        self.last += 1
        with self._mutex:
            if not self._pending:
                self._pending_since = time.monotonic()
            self._pending.append(content)

    def hold_back(self, number: int) -> None:
        """Let nothing that the calling thread answers leave before this entry and all before it are on disk. Raises as `wait`."""
        if self.durable < number:
            if self.threads is not None and self.threads.hold_back(number):
                self.commit(only_if_late=True)
            else:
                self.wait(number)

    def wait(self, number: int) -> None:
        """Return when the entry with this number and all before it are on disk. Raises StoreFailed when they cannot be written."""
        if self.durable >= number:
            return
        with self._mutex:
            self.raise_failure()
            if self.durable >= number:
                return
            event = self.threads.new_event() if self.threads is not None else None
            is_urgent = event is None
            event = event or threading.Event()
            self._waiters.append((number, event))
        self.commit(only_if_late=not is_urgent)
        event.wait()
        if self.durable < number:
            self.raise_failure()

    def commit(self, *, only_if_late: bool = False) -> None:
        """Have the writer commit what has come; with `only_if_late`, only if it has been waiting for MAX_DELAY_SECONDS."""
        with self._mutex:
            if self._pending and not (only_if_late and time.monotonic() < self._pending_since + MAX_DELAY_SECONDS):
                self._is_commit_requested = True
                self._wake_idle_writer()

    def raise_failure(self) -> None:
        """Raise StoreFailed if an earlier write failed."""
        if self.failure is not None:
            raise StoreFailed(f"The store cannot write its journal: {self.failure}. Free some disk space, then start again.")

    def replace_snapshot(self, changes: Iterable[Change], last_entry: int, checksum: int) -> None:
        """Write the state after `last_entry` as the new snapshot, and delete the old one and the entries that it covers.

        Each part is a transaction of its own, between which others commit. The last transaction makes the new header valid.
        """
        generation, count, part = self._header.generation + 1, 0, list[Change]()
        with self._disk_lock:  # the remains of a snapshot that failed
            self._connection.execute("DELETE FROM snapshot WHERE generation >= ?", (generation,))
        for change in changes:
            part.append(change)
            if len(part) == _CHANGES_PER_PART:
                count = self._write_part(generation, count, part)
                part = []
        count = self._write_part(generation, count, part) if part else count
        with self._disk_lock:
            query = "SELECT last, digest FROM journal WHERE last <= ? ORDER BY last DESC LIMIT 1"
            commit = self._connection.execute(query, (last_entry,)).fetchone()
            start = HighWaterMark(*commit) if commit else self._header.journal_start
            header = SnapshotHeader(generation, count, last_entry, checksum, start)
            content = encoder.encode(header)
            self._connection.execute("UPDATE head SET head = ?, digest = ?", (content, digest(content)))
        self._header = header
        self._delete_obsolete_rows()

    def close(self) -> None:
        with suppress(StoreFailed):
            self.wait(self.last)
        with self._mutex:
            self._is_closing = True
            self._wake_idle_writer()
        self._writer.join()
        with self._disk_lock:
            self._connection.close()
        self._mark_file.close()
        self._lock_file.close()

    def _wake_idle_writer(self) -> None:
        if self._is_writer_idle:
            self._is_writer_idle = False
            self._wake_writer.release()

    def _write(self) -> None:
        """The writer's thread: commit what has come whenever that is requested, until the journal is closed."""
        while True:
            with self._mutex:
                group = []
                if self._is_commit_requested:
                    group, self._pending, self._is_commit_requested = self._pending, group, False
                elif self._is_closing:
                    return
                self._is_writer_idle = not group
            if not group:
                self._wake_writer.acquire()
                continue
            try:
                self._commit(group)
            except BaseException as failure:
                self.failure = self.failure or failure
            with self._mutex:
                done = self.durable if self.failure is None else self.last
                events = [event for number, event in self._waiters if number <= done]
                self._waiters = [waiter for waiter in self._waiters if waiter[0] > done]
            for event in events:
                event.set()
            if self.threads is not None:
                self.threads.release()

    def _commit(self, group: list[bytes]) -> None:
        content = _encoded_array(group)
        end = HighWaterMark(self.durable + len(group), digest(content, self._digest))
        with self._disk_lock:
            row = (self.durable + 1, end.number, content, end.digest)
            self._connection.execute("INSERT INTO journal VALUES (?, ?, ?, ?)", row)
        self._mark_file.write(end)
        self._digest, self.durable = end.digest, end.number
        self.size += len(content)

    def _write_part(self, generation: int, part: int, changes: list[Change]) -> int:
        content = encoder.encode(changes)
        with self._disk_lock:
            self._connection.execute("INSERT INTO snapshot VALUES (?, ?, ?, ?)", (generation, part, content, digest(content)))
        return part + 1

    def _delete_obsolete_rows(self) -> None:
        """Delete the old snapshot, an unfinished one, and commits that the snapshot covers."""
        for statement, value in (
            ("DELETE FROM snapshot WHERE generation = (SELECT min(generation) FROM snapshot) AND generation < ?", self._header.generation),
            ("DELETE FROM snapshot WHERE generation > ?", self._header.generation),
            ("DELETE FROM journal WHERE last <= ?", self._header.journal_start.number),
        ):
            with self._disk_lock:
                self._connection.execute(statement, (value,))
        with self._disk_lock:
            (size,) = self._connection.execute("SELECT coalesce(sum(length(entries)), 0) FROM journal").fetchone()
        with self._mutex:
            self.size = size


def _encoded_array(encoded: list[bytes]) -> bytes:
    """A MessagePack array of elements that are already encoded."""
    return b"\xdd" + len(encoded).to_bytes(4, "big") + b"".join(encoded)
