"""Open a store: make it, or read it and prove that it is whole."""

import fcntl
import gc
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

import msgspec

from devtools.dynamodb import journal as journals
from devtools.dynamodb import witness as witnesses
from devtools.dynamodb.checksum import Checksum
from devtools.dynamodb.effects import entries, snapshot_part
from devtools.dynamodb.engine import Engine
from devtools.dynamodb.errors import StoreDamaged, StoreInUse
from devtools.dynamodb.journal import Contents, Head, Journal
from devtools.dynamodb.store import Store
from devtools.dynamodb.witness import Seen, Witness

SNAPSHOT_AT_START_BYTES = 4 * 1024 * 1024  # of journal

_TO_DO = "Put a copy of the folder in its place, or start with empty data (RESET=1)."


def open_store(folder: Path | None = None, *, clock: Callable[[], float] = time.time, region: str = "us-east-1") -> Store:
    """The store in this folder (made if it is missing); in memory without one.

    Raises StoreInUse, StoreDamaged or StoreTooNew; the folder is then as it was.
    """
    engine = Engine(clock, region)
    if folder is None:
        return Store(engine)
    folder.mkdir(parents=True, exist_ok=True)
    lock = _lock(folder / "store.lock")
    try:
        return _open(folder, engine, lock)
    except BaseException:
        lock.close()
        raise


def _lock(file: Path) -> IO[str]:
    opened = file.open("a+")
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        opened.seek(0)
        holder = opened.read().strip()
        opened.close()
        raise StoreInUse(f"The store in {file.parent} is in use by process {holder}. Stop it, or choose another folder.") from None
    opened.truncate(0)
    opened.write(f"{os.getpid()}\n")
    opened.flush()
    return opened


def _open(folder: Path, engine: Engine, lock: IO[str]) -> Store:
    file, witness_file = folder / "store.sqlite", folder / "store.witness"
    if not file.exists():
        _create(file, witness_file)
    checksum = Checksum()
    head, seen, size = _load(file, witness_file, engine, checksum)
    journal = Journal(file, Witness(witness_file), head, seen, size, lock)
    store = Store(engine, journal, checksum)
    if size > SNAPSHOT_AT_START_BYTES:
        store.snapshot()
    return store


def _create(file: Path, witness_file: Path) -> None:
    # The witness first: one that has seen nothing, without a journal, is what a crash in here leaves.
    if not witness_file.exists():
        Witness.create(witness_file, journals.NOTHING).close()
    elif witnesses.last_seen(witness_file) != journals.NOTHING:
        raise StoreDamaged(f"{file} is missing. {_TO_DO}")
    for leftover in ("-wal", "-shm"):
        file.with_name(file.name + leftover).unlink(missing_ok=True)
    journals.create(file)


def _load(file: Path, witness_file: Path, engine: Engine, checksum: Checksum) -> tuple[Head, Seen, int]:
    """Fill the engine; the snapshot's head, the last entry, and the bytes of journal that were read."""
    gc_was_on = gc.isenabled()
    gc.disable()  # it would look at every item, again and again
    contents: Contents | None = None
    try:
        witness = witnesses.last_seen(witness_file)
        contents = Contents(file)
        return _replay(contents, witness, engine, checksum)
    except StoreDamaged as damage:
        raise StoreDamaged(f"{damage} {_TO_DO}") from None
    except (sqlite3.Error, msgspec.MsgspecError, KeyError, ValueError, OverflowError) as damage:
        raise StoreDamaged(f"{file} is damaged ({type(damage).__name__}: {damage}). {_TO_DO}") from damage
    finally:
        if contents is not None:
            contents.close()
        if gc_was_on:
            gc.enable()


def _replay(contents: Contents, witness: Seen, engine: Engine, checksum: Checksum) -> tuple[Head, Seen, int]:
    head = contents.head()
    for part in contents.snapshot(head):
        engine.load(snapshot_part.decode(part))
    expected, size, seen, met = head.checksum, 0, head.base, witness.number <= head.base.number
    for content, seen in contents.journal(head):
        size += len(content)
        met = met or seen == witness
        for entry in entries.decode(content):
            if entry.number > head.number:
                engine.load(entry.effects, entry.at)
                expected = entry.checksum
    if not met:
        raise StoreDamaged(f"The journal ends at entry {seen.number}, but entry {witness.number} was written: its end is lost.")
    engine.loaded()
    for effect in engine.dump():
        checksum.add(effect)
    if checksum.value != expected:
        raise StoreDamaged("The tables, made again from the journal, are not what they were.")
    return head, seen, size
