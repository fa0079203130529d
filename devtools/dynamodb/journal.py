"""The write-ahead journal: every entry is on disk before its call is answered. Concurrent calls share a commit."""

import sqlite3
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO

from devtools.dynamodb.changes import Change, JournalEntry, encoder
from devtools.dynamodb.errors import StoreFailed
from devtools.dynamodb.high_water_mark import HighWaterMark, HighWaterMarkFile
from devtools.dynamodb.journal_file import SnapshotHeader, digest

_LOG_PAGES = 1000
_CHANGES_PER_PART = 500


class Journal:
    """Appends entries and replaces snapshots.

    `add` is called under the store's lock, so that the entries are in the order in which the calls happened. `last` is the number
    of the last entry that was added, `durable` of the last one that is on disk, `size` the bytes of entries after the snapshot.
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
        self._is_committing = False
        self._waiters: list[tuple[int, threading.Lock]] = []  # the entry that each thread waits for, and the lock that it waits at
        self._ready: list[threading.Lock] = []  # of the threads that may go on; the one that commits next comes first
        self._disk_lock = threading.Lock()  # held during each transaction of SQLite
        self._connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False, cached_statements=16)
        # A log that is soon reused from its beginning does not grow, and a file that does not grow is synchronised faster.
        for pragma in ("journal_mode = WAL", "synchronous = FULL", f"wal_autocheckpoint = {_LOG_PAGES}", "cache_size = -4000"):
            self._connection.execute(f"PRAGMA {pragma}").fetchall()
        self._delete_obsolete_rows()

    def add(self, at: float, changes: list[Change], checksum: int) -> None:
        """Append an entry. It is on disk when `wait` for its number (`last`) returns."""
        content = encoder.encode(JournalEntry(self.last + 1, at, changes, checksum))
        self.last += 1
        with self._mutex:
            self._pending.append(content)

    def wait(self, number: int) -> None:
        """Return when the entry with this number and all before it are on disk. Raises StoreFailed when they cannot be written.

        A thread that finds no other one committing commits the entries of all threads. The others wait, and one of them is next.
        """
        while self.durable < number:
            with self._mutex:
                self.raise_failure()
                if self.durable >= number:
                    return
                commits = not self._is_committing
                self._is_committing = True
                turn = threading.Lock()
                if not commits:
                    turn.acquire()
                    self._waiters.append((number, turn))
            if commits:
                self._commit()
            else:
                self._await_turn(turn)

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
        with self._disk_lock:
            self._connection.close()
        self._mark_file.close()
        self._lock_file.close()

    def _await_turn(self, turn: threading.Lock) -> None:
        """Wait until this thread may go on, then wake the next one: if all woke up at once, they would only compete for the mutex."""
        try:
            turn.acquire()
        except BaseException:
            # An interrupted thread must give its turn to the others, above all the turn to commit.
            with self._mutex:
                self._waiters = [waiter for waiter in self._waiters if waiter[1] is not turn]
                self._ready = [ready for ready in self._ready if ready is not turn]
                if self._waiters and not self._is_committing:
                    self._ready.append(self._waiters.pop(0)[1])
            raise
        finally:
            self._wake_next()

    def _wake_next(self) -> None:
        with self._mutex:
            turn = self._ready.pop(0) if self._ready else None
        if turn is not None:
            turn.release()

    def _commit(self) -> None:
        with self._mutex:
            group, self._pending = self._pending, []
        content = _encoded_array(group)
        end = HighWaterMark(self.durable + len(group), digest(content, self._digest))
        try:
            with self._disk_lock:
                row = (self.durable + 1, end.number, content, end.digest)
                self._connection.execute("INSERT INTO journal VALUES (?, ?, ?, ?)", row)
            self._mark_file.write(end)
        except BaseException as fault:
            self._finish_commit(fault)
            if not isinstance(fault, sqlite3.Error):
                raise
            return
        self._digest, self.durable = end.digest, end.number
        self.size += len(content)
        self._finish_commit(None)

    def _finish_commit(self, failure: BaseException | None) -> None:
        with self._mutex:
            self.failure = self.failure or failure
            self._is_committing = False
            done = self.durable if failure is None else self.last
            ready = [turn for number, turn in self._waiters if number <= done]
            self._waiters = [(number, turn) for number, turn in self._waiters if number > done]
            next_to_commit = [self._waiters.pop(0)[1]] if self._waiters else []
            self._ready = next_to_commit + self._ready + ready
        self._wake_next()

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
