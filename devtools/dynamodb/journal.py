"""The journal: every entry on disk before its call is answered, many in one commit when many wait.

One SQLite file with three tables. `journal` has one row per commit: its entries and the running digest of all rows so far.
`snapshot` has everything as it was after some entry, in parts with digests. `head` names the snapshot that counts.
"""

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from typing import IO

import msgspec

from devtools.dynamodb.effects import Effect, Entry, encoder
from devtools.dynamodb.errors import StoreDamaged, StoreFailed, StoreTooNew
from devtools.dynamodb.witness import Seen, Witness

APPLICATION = 0x46474A31  # marks the file as ours
FORMAT = 1

_MAGIC = b"SQLite format 3\0"
_PAGE_BYTES = 8192
_LOG_PAGES = 1000
_PART_EFFECTS = 500
_DIGEST_BYTES = 16
_SCHEMA = """
CREATE TABLE journal (first INTEGER PRIMARY KEY, last INTEGER NOT NULL, entries BLOB NOT NULL, digest BLOB NOT NULL) STRICT;
CREATE TABLE snapshot (generation INTEGER, part INTEGER, effects BLOB NOT NULL, digest BLOB NOT NULL,
                       PRIMARY KEY (generation, part)) STRICT, WITHOUT ROWID;
CREATE TABLE head (only_one INTEGER PRIMARY KEY CHECK (only_one = 1), head BLOB NOT NULL, digest BLOB NOT NULL) STRICT;
"""


class Head(msgspec.Struct, array_like=True):
    """The snapshot that counts: it has all entries up to `number`. The journal goes on behind `base`, at a commit's end."""

    generation: int
    parts: int
    number: int
    checksum: int
    base: Seen


def _digest(content: bytes, before: bytes = b"") -> bytes:
    return blake2b(content, digest_size=_DIGEST_BYTES, key=before).digest()


NOTHING = Seen(0, _digest(b""))  # an empty journal


def create(file: Path) -> None:
    """An empty journal; the file appears as a whole."""
    part = file.with_suffix(".new")
    part.unlink(missing_ok=True)
    with _connection(part) as new:
        new.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
        new.execute(f"PRAGMA application_id = {APPLICATION}")
        new.execute(f"PRAGMA user_version = {FORMAT}")
        new.executescript(_SCHEMA)
        empty = encoder.encode(Head(0, 0, 0, 0, NOTHING))
        new.execute("INSERT INTO head VALUES (1, ?, ?)", (empty, _digest(empty)))
    part.replace(file)


@contextmanager
def _connection(file: Path) -> Iterator[sqlite3.Connection]:
    opened = sqlite3.connect(file, isolation_level=None)
    try:
        yield opened
    finally:
        opened.close()


class Contents:
    """What is in the file, read without changing it: SQLite would write its log into it and so destroy the traces of a damage."""

    def __init__(self, file: Path) -> None:
        self._file = file
        with file.open("rb") as raw:
            if raw.read(len(_MAGIC)) != _MAGIC:  # SQLite throws the log of an empty file away, even one that it only reads
                raise StoreDamaged(f"{file} is not the file of a store.")
        self._connection = sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)

    def close(self) -> None:
        self._connection.close()

    def head(self) -> Head:
        (application,) = self._connection.execute("PRAGMA application_id").fetchone()
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if application != APPLICATION:
            raise StoreDamaged(f"{self._file} is not the file of a store.")
        if version > FORMAT:
            raise StoreTooNew(f"{self._file} has format {version}; this program reads up to {FORMAT}. Use the program that wrote it.")
        if version < FORMAT:
            raise StoreDamaged(f"{self._file} says that it has format {version}, which never was.")
        rows = self._connection.execute("SELECT head, digest FROM head").fetchall()
        if len(rows) != 1 or _digest(rows[0][0]) != rows[0][1]:
            raise StoreDamaged(f"{self._file} has a damaged head.")
        return msgspec.msgpack.decode(rows[0][0], type=Head)

    def snapshot(self, head: Head) -> Iterator[bytes]:
        wanted = "SELECT part, effects, digest FROM snapshot WHERE generation = ? ORDER BY part"
        part = -1
        for part, (number, effects, known) in enumerate(self._connection.execute(wanted, (head.generation,))):
            if number != part or _digest(effects) != known:
                raise StoreDamaged(f"{self._file} has a damaged snapshot (part {part}).")
            yield effects
        if part + 1 != head.parts:
            raise StoreDamaged(f"{self._file} has {part + 1} parts of a snapshot of {head.parts}.")

    def journal(self, head: Head) -> Iterator[tuple[bytes, Seen]]:
        """The commits behind the snapshot's base: their entries, and what the witness says of them."""
        seen = head.base
        for first, last, content, known in self._connection.execute(
            "SELECT first, last, entries, digest FROM journal WHERE last > ? ORDER BY first", (head.base.number,)
        ):
            if first != seen.number + 1 or _digest(content, seen.digest) != known:
                raise StoreDamaged(f"{self._file} is damaged at entry {seen.number + 1}.")
            seen = Seen(last, known)
            yield content, seen


class Journal:
    """Appends. `add` is called under the store's lock, so that the order of the entries is that in which they happened."""

    def __init__(self, file: Path, witness: Witness, head: Head, seen: Seen, size: int, lock: IO[str]) -> None:
        self._witness = witness
        self._lock = lock  # keeps others out of the folder while it is open
        self._head = head
        self._running = seen.digest
        self.durable = self.last = seen.number
        self.size = size  # bytes of entries behind the snapshot
        self.failure: BaseException | None = None
        self._mutex = threading.Lock()
        self._pending: list[bytes] = []
        self._committing = False
        self._waiting: list[tuple[int, threading.Lock]] = []  # for an entry; whoever waits holds on to its lock
        self._ready: list[threading.Lock] = []  # those that have waited long enough, first who commits next
        self._disk = threading.Lock()  # held around each transaction of SQLite
        self._connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False, cached_statements=16)
        # A log that is soon used again from its beginning does not grow, and a file that does not grow is synchronised faster.
        for pragma in ("journal_mode = WAL", "synchronous = FULL", f"wal_autocheckpoint = {_LOG_PAGES}", "cache_size = -4000"):
            self._connection.execute(f"PRAGMA {pragma}").fetchall()
        self._tidy()

    def add(self, at: float, effects: list[Effect], checksum: int) -> None:
        content = encoder.encode(Entry(self.last + 1, at, effects, checksum))
        self.last += 1
        with self._mutex:
            self._pending.append(content)

    def wait(self, number: int) -> None:
        """Return when the entry with this number, and all before it, are on disk; raises StoreFailed when they won't be.

        Whoever finds nobody committing commits what all have added; who comes meanwhile waits, and one of them is next.
        """
        while self.durable < number:
            with self._mutex:
                if self.failure is not None:
                    raise StoreFailed(f"The store can't write its journal: {self.failure}. Make room, and start again.")
                if self.durable >= number:
                    return
                leads = not self._committing
                self._committing = True
                turn = threading.Lock()
                if not leads:
                    turn.acquire()
                    self._waiting.append((number, turn))
            if leads:
                self._commit()
            else:
                self._take(turn)

    def _take(self, turn: threading.Lock) -> None:
        """Wait for one's turn, then wake the next one: woken all at once, they would only push each other aside."""
        try:
            turn.acquire()
        except BaseException:
            # Who is interrupted while it waits must not keep its turn from the others, least of all the turn to commit.
            with self._mutex:
                self._waiting = [waiting for waiting in self._waiting if waiting[1] is not turn]
                self._ready = [ready for ready in self._ready if ready is not turn]
                if self._waiting and not self._committing:
                    self._ready.append(self._waiting.pop(0)[1])
            raise
        finally:
            self._wake()

    def _wake(self) -> None:
        with self._mutex:
            turn = self._ready.pop(0) if self._ready else None
        if turn is not None:
            turn.release()

    def _commit(self) -> None:
        with self._mutex:
            group, self._pending = self._pending, []
        content = _array(group)
        seen = Seen(self.durable + len(group), _digest(content, self._running))
        try:
            with self._disk:
                row = (self.durable + 1, seen.number, content, seen.digest)
                self._connection.execute("INSERT INTO journal VALUES (?, ?, ?, ?)", row)
            self._witness.say(seen)
        except BaseException as fault:
            self._finish(fault)
            if not isinstance(fault, sqlite3.Error):
                raise
            return
        self._running, self.durable = seen.digest, seen.number
        self.size += len(content)
        self._finish(None)

    def _finish(self, failure: BaseException | None) -> None:
        with self._mutex:
            self.failure = self.failure or failure
            self._committing = False
            done = self.durable if failure is None else self.last
            ready = [turn for number, turn in self._waiting if number <= done]
            self._waiting = [(number, turn) for number, turn in self._waiting if number > done]
            following = [self._waiting.pop(0)[1]] if self._waiting else []
            self._ready = following + self._ready + ready
        self._wake()

    def replace(self, effects: Iterable[Effect], number: int, checksum: int) -> None:
        """Make these effects the snapshot, in place of the old one and of the entries up to `number`.

        Each part is a transaction of its own, between which others commit; the last one, of the head, decides.
        """
        generation, count, part = self._head.generation + 1, 0, list[Effect]()
        with self._disk:  # what a snapshot that failed has left
            self._connection.execute("DELETE FROM snapshot WHERE generation >= ?", (generation,))
        for effect in effects:
            part.append(effect)
            if len(part) == _PART_EFFECTS:
                count = self._write_part(generation, count, part)
                part = []
        count = self._write_part(generation, count, part) if part else count
        with self._disk:
            ended = "SELECT last, digest FROM journal WHERE last <= ? ORDER BY last DESC LIMIT 1"
            base = self._connection.execute(ended, (number,)).fetchone()
            head = Head(generation, count, number, checksum, Seen(*base) if base else self._head.base)
            content = encoder.encode(head)
            self._connection.execute("UPDATE head SET head = ?, digest = ?", (content, _digest(content)))
        self._head = head
        self._tidy()

    def _write_part(self, generation: int, part: int, effects: list[Effect]) -> int:
        content = encoder.encode(effects)
        with self._disk:
            self._connection.execute("INSERT INTO snapshot VALUES (?, ?, ?, ?)", (generation, part, content, _digest(content)))
        return part + 1

    def _tidy(self) -> None:
        """Delete what does not count: the old snapshot, an unfinished one, commits that the snapshot has."""
        for statement, value in (
            ("DELETE FROM snapshot WHERE generation = (SELECT min(generation) FROM snapshot) AND generation < ?", self._head.generation),
            ("DELETE FROM snapshot WHERE generation > ?", self._head.generation),
            ("DELETE FROM journal WHERE last <= ?", self._head.base.number),
        ):
            with self._disk:
                self._connection.execute(statement, (value,))
        with self._disk:
            (size,) = self._connection.execute("SELECT coalesce(sum(length(entries)), 0) FROM journal").fetchone()
        with self._mutex:
            self.size = size

    def close(self) -> None:
        with suppress(StoreFailed):
            self.wait(self.last)
        with self._disk:
            self._connection.close()
        self._witness.close()
        self._lock.close()


def _array(encoded: list[bytes]) -> bytes:
    """A MessagePack array of things that are encoded already."""
    return b"\xdd" + len(encoded).to_bytes(4, "big") + b"".join(encoded)
