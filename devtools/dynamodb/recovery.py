"""Recovery: fills an engine from the files of a store, and proves that they are complete and undamaged."""

import gc
import sqlite3
from pathlib import Path
from typing import IO, NamedTuple

import msgspec

from devtools.dynamodb.changes import changes_decoder, entries_decoder
from devtools.dynamodb.checksum import Checksum
from devtools.dynamodb.engine import Engine
from devtools.dynamodb.errors import StoreDamaged
from devtools.dynamodb.high_water_mark import HighWaterMark, HighWaterMarkFile, read_high_water_mark
from devtools.dynamodb.journal import Journal
from devtools.dynamodb.journal_file import EMPTY_JOURNAL, JournalReader, SnapshotHeader, create_journal_file

_ADVICE = "Put a copy of the folder in its place, or start with empty data (RESET=1)."


class _Recovered(NamedTuple):
    """The header of the snapshot, the end of the journal, and the bytes of journal that were read."""

    header: SnapshotHeader
    end: HighWaterMark
    size: int


def recover(folder: Path, engine: Engine, checksum: Checksum, lock_file: IO[str]) -> Journal:
    """Fill the empty engine and checksum from the folder, whose files are made if there are none; returns the journal to append to.

    Raises StoreDamaged or StoreTooNew; the files are then unchanged.
    """
    file, mark_file = folder / "store.sqlite", folder / "store.witness"
    if not file.exists():
        _create_files(file, mark_file)
    recovered = _load(file, mark_file, engine, checksum)
    return Journal(file, HighWaterMarkFile(mark_file), *recovered, lock_file)


def _create_files(file: Path, mark_file: Path) -> None:
    # The mark comes first: after a crash in here there is a mark of an empty journal, and no journal.
    if not mark_file.exists():
        HighWaterMarkFile.create(mark_file, EMPTY_JOURNAL).close()
    elif read_high_water_mark(mark_file) != EMPTY_JOURNAL:
        raise StoreDamaged(f"{file} is missing. {_ADVICE}")
    for suffix in ("-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)
    create_journal_file(file)


def _load(file: Path, mark_file: Path, engine: Engine, checksum: Checksum) -> _Recovered:
    gc_was_enabled = gc.isenabled()
    gc.disable()  # it would visit every item again and again
    reader: JournalReader | None = None
    try:
        mark = read_high_water_mark(mark_file)
        reader = JournalReader(file)
        return _replay(reader, mark, engine, checksum)
    except StoreDamaged as damage:
        raise StoreDamaged(f"{damage} {_ADVICE}") from None
    except (sqlite3.Error, msgspec.MsgspecError, KeyError, ValueError, OverflowError) as damage:
        raise StoreDamaged(f"{file} is damaged ({type(damage).__name__}: {damage}). {_ADVICE}") from damage
    finally:
        if reader is not None:
            reader.close()
        if gc_was_enabled:
            gc.enable()


def _replay(reader: JournalReader, mark: HighWaterMark, engine: Engine, checksum: Checksum) -> _Recovered:
    header = reader.header()
    for part in reader.snapshot_parts(header):
        engine.apply_changes(changes_decoder.decode(part))
    expected_checksum, size, end = header.checksum, 0, header.journal_start
    reaches_mark = mark.number <= end.number
    for content, end in reader.commits(header):
        size += len(content)
        reaches_mark = reaches_mark or end == mark
        for entry in entries_decoder.decode(content):
            if entry.number > header.last_entry:
                engine.apply_changes(entry.changes, entry.at)
                expected_checksum = entry.checksum
    if not reaches_mark:
        raise StoreDamaged(f"The journal ends at entry {end.number}, but entry {mark.number} was written: its end is lost.")
    engine.finish_loading()
    for change in engine.dump_state():
        checksum.add(change)
    if checksum.value != expected_checksum:
        raise StoreDamaged("The tables that result from the journal differ from those that were written to it.")
    return _Recovered(header, end, size)
