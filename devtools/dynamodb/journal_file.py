"""The SQLite file of the journal: its format, how it is made, and how it is read and verified.

It has three tables. `journal` has one row per commit: the entries, and the running digest of all rows so far. `snapshot` has the
whole state after some entry, in parts with digests. `head` has one row, the header of the snapshot that is valid.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path

import msgspec

from devtools.dynamodb.changes import encoder
from devtools.dynamodb.errors import StoreDamaged, StoreTooNew
from devtools.dynamodb.high_water_mark import HighWaterMark

APPLICATION_ID = 0x46474A31  # marks the file as a store's
FORMAT_VERSION = 1

_SQLITE_MAGIC = b"SQLite format 3\0"
_PAGE_BYTES = 8192
_DIGEST_BYTES = 16
_SCHEMA = """
CREATE TABLE journal (first INTEGER PRIMARY KEY, last INTEGER NOT NULL, entries BLOB NOT NULL, digest BLOB NOT NULL) STRICT;
CREATE TABLE snapshot (generation INTEGER, part INTEGER, effects BLOB NOT NULL, digest BLOB NOT NULL,
                       PRIMARY KEY (generation, part)) STRICT, WITHOUT ROWID;
CREATE TABLE head (only_one INTEGER PRIMARY KEY CHECK (only_one = 1), head BLOB NOT NULL, digest BLOB NOT NULL) STRICT;
"""


class SnapshotHeader(msgspec.Struct, array_like=True):
    """Describes the valid snapshot. It contains all entries up to `last_entry`.

    The rows of the journal continue after `journal_start`, the end of a commit; the first of them may repeat entries of the snapshot.
    """

    generation: int
    part_count: int
    last_entry: int
    checksum: int
    journal_start: HighWaterMark


def digest(content: bytes, previous: bytes = b"") -> bytes:
    """The digest of a row; with that of the row before it, the rows become a chain."""
    return blake2b(content, digest_size=_DIGEST_BYTES, key=previous).digest()


EMPTY_JOURNAL = HighWaterMark(0, digest(b""))


def create_journal_file(file: Path) -> None:
    """Write an empty journal; the file appears as a whole."""
    new_file = file.with_suffix(".new")
    new_file.unlink(missing_ok=True)
    with _connection(new_file) as connection:
        connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {FORMAT_VERSION}")
        connection.executescript(_SCHEMA)
        header = encoder.encode(SnapshotHeader(0, 0, 0, 0, EMPTY_JOURNAL))
        connection.execute("INSERT INTO head VALUES (1, ?, ?)", (header, digest(header)))
    new_file.replace(file)


@contextmanager
def _connection(file: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(file, isolation_level=None)
    try:
        yield connection
    finally:
        connection.close()


class JournalReader:
    """Reads the file without changing it: SQLite would write its log into the file, and so destroy the traces of damage.

    All methods raise StoreDamaged when what they read is not what was written.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        with file.open("rb") as raw:
            if raw.read(len(_SQLITE_MAGIC)) != _SQLITE_MAGIC:  # SQLite discards the log of an empty file, even of one that it only reads
                raise StoreDamaged(f"{file} is not the file of a store.")
        self._connection = sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)

    def close(self) -> None:
        self._connection.close()

    def header(self) -> SnapshotHeader:
        """Also checks the format of the file. Raises StoreTooNew when it is a later one."""
        (application_id,) = self._connection.execute("PRAGMA application_id").fetchone()
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if application_id != APPLICATION_ID:
            raise StoreDamaged(f"{self._file} is not the file of a store.")
        if version > FORMAT_VERSION:
            raise StoreTooNew(
                f"{self._file} has format {version}, but this program reads formats up to {FORMAT_VERSION}. Use the program that wrote it."
            )
        if version < FORMAT_VERSION:
            raise StoreDamaged(f"{self._file} claims to have format {version}, which never existed.")
        rows = self._connection.execute("SELECT head, digest FROM head").fetchall()
        if len(rows) != 1 or digest(rows[0][0]) != rows[0][1]:
            raise StoreDamaged(f"The header in {self._file} is damaged.")
        return msgspec.msgpack.decode(rows[0][0], type=SnapshotHeader)

    def snapshot_parts(self, header: SnapshotHeader) -> Iterator[bytes]:
        query = "SELECT part, effects, digest FROM snapshot WHERE generation = ? ORDER BY part"
        part = -1
        for part, (number, changes, expected_digest) in enumerate(self._connection.execute(query, (header.generation,))):
            if number != part or digest(changes) != expected_digest:
                raise StoreDamaged(f"Part {part} of the snapshot in {self._file} is damaged.")
            yield changes
        if part + 1 != header.part_count:
            raise StoreDamaged(f"The snapshot in {self._file} has {part + 1} parts instead of {header.part_count}.")

    def commits(self, header: SnapshotHeader) -> Iterator[tuple[bytes, HighWaterMark]]:
        """The rows of the journal after the snapshot: their entries, and the end of the journal after each."""
        end = header.journal_start
        query = "SELECT first, last, entries, digest FROM journal WHERE last > ? ORDER BY first"
        for first, last, entries, expected_digest in self._connection.execute(query, (header.journal_start.number,)):
            if first != end.number + 1 or digest(entries, end.digest) != expected_digest:
                raise StoreDamaged(f"{self._file} is damaged at entry {end.number + 1}.")
            end = HighWaterMark(last, expected_digest)
            yield entries, end
