"""The journal: makes an engine durable in a folder.

Every change is on disk before an answer that rests on it leaves. No thread of its own writes: the first thread that waits writes and
synchronises all entries that have come, while the others wait for it (group commit). When the journal has grown large, another thread
writes the whole state as a snapshot, and the journal up to it is deleted; calls continue meanwhile.
"""

import gc
import logging
import threading
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from itertools import chain
from math import inf
from pathlib import Path
from typing import IO, NamedTuple

import msgspec

from devtools.dynamodb_engine.engine import Engine, Record, Waiter
from devtools.dynamodb_engine.former_store import FORMER_FILE, read_former_store
from devtools.dynamodb_engine.journal_files import (
    Frame,
    FrameFile,
    Header,
    HighWaterMark,
    Position,
    StoreDamaged,
    StoreFailed,
    decode_entries,
    decode_header,
    encode,
    lock_folder,
    new_file,
    read_frames,
    sync_folder,
)

MIN_COMPACTION_BYTES = 8 * 1024 * 1024  # of journal: compaction begins when it is larger than this, and than some snapshots
BYTES_AHEAD = 256 * 1024  # by which the file of a journal grows
_COMPACTION_RATIO = 4  # how many times as large as the snapshot, which is compressed
_RECORDS_PER_FRAME = 500  # of a snapshot
_SYNC_BYTES = 1024 * 1024  # of a snapshot, so that the disk is never busy for long when the journal needs it

_log = logging.getLogger(__name__)


class _Recovered(NamedTuple):
    snapshot: int  # its generation; 0: there is none
    snapshot_bytes: int
    last_entry: int
    end: Position


def open_journal(folder: Path, engine: Engine) -> "Journal":
    """Fill the empty engine from the folder, which is made if it is missing, and make its changes durable from now on.

    Raises StoreInUse, StoreDamaged or StoreTooNew; the files are then unchanged.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock_file, collects_garbage = lock_folder(folder), gc.isenabled()
    gc.disable()  # it would visit every item again and again
    try:
        if not _generations(folder, "journal"):
            _create_files(folder)
        return Journal(folder, engine, lock_file, _load(folder, engine))
    except BaseException:
        lock_file.close()
        raise
    finally:
        if collects_garbage:
            gc.enable()


class Journal(AbstractContextManager["Journal"]):
    """`open_journal` makes it. `last` is the number of the last entry, `durable` of the last one that is on disk."""

    def __init__(self, folder: Path, engine: Engine, lock_file: IO[str], recovered: _Recovered) -> None:
        self._folder, self._engine, self._lock_file = folder, engine, lock_file
        self.durable = self.last = recovered.last_entry
        self.failure: str | None = None  # why it cannot go on, and what to do
        self._pending: deque[bytes] = deque()
        self._mutex = threading.Lock()
        self._is_writing = False
        self._waiting: list[tuple[float, threading.Lock]] = []
        self._compaction_lock = threading.Lock()
        self._compaction: threading.Thread | None = None
        self._file = FrameFile(_path(folder, "journal", recovered.end.generation), recovered.end)
        self._file.bytes_ahead = BYTES_AHEAD
        self._file.sync()  # what a killed process has written may not be on disk yet
        self._mark = HighWaterMark(folder / "high-water-mark", recovered.end)
        self._compaction_bytes = max(MIN_COMPACTION_BYTES, _COMPACTION_RATIO * recovered.snapshot_bytes)
        self._delete_before(recovered.snapshot)
        engine.commit = self.append

    def append(self, records: list[Record]) -> Waiter:
        """Append an entry; the caller holds the engine's lock. The waiter returns when it is on disk, and raises StoreFailed."""
        if self.failure is None:
            self._pending.append(encode(records))
        self.last += 1
        return partial(self.flush, self.last)

    def flush(self, number: int | None = None) -> None:
        """Return when all entries that have come are on disk, or the one with this number. Raises StoreFailed."""
        self._alone(self._write_pending, self.last if number is None else number)

    def _alone(self, write: Callable[[], None], number: float = inf) -> None:
        """Call the function when no other thread writes, unless the entry with this number is on disk by then."""
        gate = threading.Lock()
        with self._mutex:
            if self._is_writing and self.durable < number:
                gate.acquire()
                self._waiting.append((number, gate))
            elif self.durable < number:
                self._is_writing = True
        with gate:  # opened when the entry is on disk, or when it is this thread's turn to write
            if self.durable >= number:
                return
        try:
            if self.failure is not None:
                raise StoreFailed(self.failure)
            write()
        finally:
            with self._mutex:
                done = [gate for waiting, gate in self._waiting if waiting <= self.durable]
                self._waiting = [waiter for waiter in self._waiting if waiter[0] > self.durable]
                self._is_writing = bool(self._waiting)
                if self._waiting:
                    done.append(self._waiting.pop(0)[1])
            for gate in done:
                gate.release()

    def compact(self) -> None:
        """Write the whole state as a snapshot, and delete the journal up to it. Other calls go on meanwhile."""
        with self._compaction_lock:
            self._alone(self._start_file)
            last_entry, records = self._engine.dump(lambda: self.last)
            generation = self._file.end.generation
            with new_file(_path(self._folder, "snapshot", generation), Header("snapshot", generation, last_entry)) as snapshot:
                _write_snapshot(snapshot, records)
                self.flush(last_entry)  # a snapshot must not be ahead of the journal
            snapshot.close()
            self._compaction_bytes = max(MIN_COMPACTION_BYTES, _COMPACTION_RATIO * snapshot.end.offset)
            self._delete_before(generation)

    def close(self) -> None:
        with suppress(StoreFailed):
            self.flush()
        if self._compaction is not None:
            self._compaction.join()
        with suppress(StoreFailed):
            self._alone(partial(setattr, self, "failure", "The store is closed."))
        self._file.close()
        self._mark.close()
        self._lock_file.close()

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _never_tried_again(self) -> Iterator[None]:
        """Make the journal fail for good if the block raises: nobody knows then what is on disk."""
        try:
            yield
        except BaseException as failure:
            self.failure = f"The store cannot write its journal: {failure}. Free some disk space, then start again."
            if isinstance(failure, OSError):
                raise StoreFailed(self.failure) from failure
            raise

    def _write_pending(self) -> None:
        if not self._pending:
            return
        with self._never_tried_again():
            group = [self._pending.popleft() for _ in range(len(self._pending))]
            self._file.add(b"\xdd" + len(group).to_bytes(4, "big") + b"".join(group))  # an array in MessagePack
            self._file.sync()
        self._mark.write(self._file.end)
        self.durable += len(group)
        if self._file.end.offset > self._compaction_bytes and (self._compaction is None or not self._compaction.is_alive()):
            self._compaction = threading.Thread(target=self._try_to_compact, name="journal-compaction", daemon=True)
            self._compaction.start()

    def _start_file(self) -> None:
        """Write what has come, and continue in a new file. If it cannot be made, the present one remains."""
        self._write_pending()
        file = _new_journal(self._folder, self._file.end.generation + 1, self.durable, self._file.end)
        file.bytes_ahead = BYTES_AHEAD
        self._file.close()
        self._file = file
        with self._never_tried_again():
            sync_folder(self._folder)

    def _try_to_compact(self) -> None:
        try:
            self.compact()
        except (StoreFailed, OSError) as fault:
            self._compaction_bytes = 2 * max(self._compaction_bytes, self._file.end.offset)
            _log.warning("no snapshot could be written, so the journal keeps growing: %s", fault)

    def _delete_before(self, generation: int) -> None:
        sync_folder(self._folder)  # the snapshot must have its name before others are deleted
        for kind in ("journal", "snapshot"):
            for old in _generations(self._folder, kind):
                if old < generation:
                    _path(self._folder, kind, old).unlink()


def _write_snapshot(snapshot: FrameFile, records: list[Record]) -> None:
    synced = 0
    for first in range(0, len(records), _RECORDS_PER_FRAME):
        snapshot.add(zlib.compress(encode([records[first : first + _RECORDS_PER_FRAME]]), 1))
        if snapshot.end.offset - synced > _SYNC_BYTES:
            snapshot.sync()
            synced = snapshot.end.offset
    snapshot.add(zlib.compress(encode([])))


def _path(folder: Path, kind: str, generation: int) -> Path:
    return folder / f"{kind}-{generation:08}"


def _generations(folder: Path, kind: str) -> list[int]:
    return sorted(int(path.name.partition("-")[2]) for path in folder.glob(f"{kind}-????????"))


def _new_journal(folder: Path, generation: int, last_entry: int, previous: Position) -> FrameFile:
    with new_file(_path(folder, "journal", generation), Header("journal", generation, last_entry, previous)) as file:
        return file


def _create_files(folder: Path) -> None:
    """Make the files of a store, which is empty unless the folder is a former engine's.

    The mark comes first, the journal last: after a crash in here there is the mark of an empty journal, and no journal.
    """
    mark, nothing = folder / "high-water-mark", Position(0, 0, b"")
    if mark.exists() and HighWaterMark.read(mark)[:2] != nothing[:2]:
        raise StoreDamaged(f"The journal in {folder} is missing.")
    HighWaterMark(mark, nothing).close()
    if (folder / FORMER_FILE).exists():
        with new_file(_path(folder, "snapshot", 1), Header("snapshot", 1, 0)) as snapshot:
            _write_snapshot(snapshot, read_former_store(folder))
        snapshot.close()
        _log.warning("%s was converted. Its file %s is not read again: delete it, or keep it as a copy.", folder, FORMER_FILE)
    _new_journal(folder, 1, 0, nothing).close()
    sync_folder(folder)


def _load(folder: Path, engine: Engine) -> _Recovered:
    """Fill the engine from the files, and prove that they are complete and undamaged."""
    mark = HighWaterMark.read(folder / "high-water-mark")
    snapshot = max(_generations(folder, "snapshot"), default=0)
    first = snapshot or 1
    journals = [generation for generation in _generations(folder, "journal") if generation >= first]
    last = max(mark.generation, first, *journals)
    if missing := sorted(set(range(first, last + 1)) - set(journals)):
        raise StoreDamaged(f"{_path(folder, 'journal', missing[0])} is missing.")
    snapshot_bytes, snapshot_entry = _load_snapshot(_path(folder, "snapshot", snapshot), snapshot, engine) if snapshot else (0, 0)
    number, end, reaches_mark = 0, Position(0, 0, b""), mark.generation < first
    for generation in journals:
        path, previous = _path(folder, "journal", generation), end
        for frame in read_frames(path, "journal", generation, mark if generation == last else None):
            if end is previous:
                header = decode_header(frame.content)
                number = number if generation > first else header.last_entry
                if generation > first and header.previous != previous:
                    raise StoreDamaged(f"{_path(folder, 'journal', generation - 1)} ends at byte {previous.offset}: its end is lost.")
            else:
                number += _apply(engine, frame, max(0, snapshot_entry - number), path)
            end = frame.end
            reaches_mark = reaches_mark or end == mark
    if not reaches_mark or number < snapshot_entry:
        raise StoreDamaged(f"{path} ends at byte {end.offset}, but more was acknowledged: its end is lost.")
    return _Recovered(snapshot, snapshot_bytes, number, end)


def _load_snapshot(path: Path, generation: int, engine: Engine) -> tuple[int, int]:
    """Fill the engine from a snapshot; returns the bytes that were read, and the last entry that it contains."""
    frames = read_frames(path, "snapshot", generation)
    header, end = next(frames)
    count = 1
    for frame in frames:
        count, end = _apply(engine, frame._replace(content=zlib.decompress(frame.content)), 0, path), frame.end
    if count:  # the last frame has no entries
        raise StoreDamaged(f"{path} ends at byte {end.offset}: its end is lost.")
    return end.offset, decode_header(header).last_entry


def _apply(engine: Engine, frame: Frame, skipped: int, path: Path) -> int:
    """Apply the entries of a frame but the first ones; returns the number of its entries."""
    try:
        entries = decode_entries(frame.content)
        engine.apply(chain.from_iterable(entries[skipped:]))
    except (msgspec.MsgspecError, LookupError, TypeError, ValueError) as fault:
        reason = f"{type(fault).__name__}: {fault}"
        raise StoreDamaged(f"{path} has entries before byte {frame.end.offset} that cannot be applied ({reason}).") from fault
    return len(entries)
