"""The journal: it makes an engine durable in a folder.

Every change is on disk before a response that depends on it leaves. The journal has no writer thread: the first thread that waits writes
and synchronizes all pending entries, and the others wait for that thread (group commit). When the journal has grown large, another thread
writes the whole state as a snapshot and deletes the journal up to it, while calls continue.

`snapshot-<generation>` has the whole state after some entry, `journal-<generation>` the entries since about then, and `high-water-mark` the
place up to which writes were acknowledged. An entry has the records of one request; entries are numbered from 1.

Snapshots and journals are files of frames. A frame has one or more entries, which are on disk together or not at all. Its header has the
length, a digest of the content and of the previous frame, and a checksum of the header itself that depends on its place. So an incomplete
frame, which nothing follows, differs from a damaged one, and each journal continues the chain of digests of the previous journal.
"""

import fcntl
import gc
import logging
import mmap
import os
import struct
import threading
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from hashlib import blake2b
from itertools import chain
from math import inf
from pathlib import Path
from typing import IO, Any, NamedTuple

import msgspec

from devtools.dynamodb.engine import Engine, Record, Waiter
from devtools.dynamodb.engine import StoreFailed as StoreFailed

FORMAT_VERSION = 1
FORMER_FILE = "store.sqlite"  # of the format before
MIN_COMPACTION_BYTES = 8 * 1024 * 1024  # of journal: compaction begins when it is larger than this, and than some snapshots
BYTES_AHEAD = 256 * 1024  # by which the file of a journal grows
_COMPACTION_RATIO = 4  # how many times as large as the compressed snapshot
_RECORDS_PER_FRAME = 500  # of a snapshot
_SYNC_BYTES = 1024 * 1024  # of a snapshot, so that a large write never delays the journal for long

_MAGIC = b"\x89DDBLOG"  # the version follows as one byte
_FRAME = struct.Struct("<I8sI")  # length, digest, checksum of both and of the place
_PLACE = struct.Struct("<QQ")  # generation, offset
_SLOT = struct.Struct("<QQ8s")  # generation, offset, digest
_SLOT_BYTES = 64

_log = logging.getLogger(__name__)
_encode = msgspec.msgpack.Encoder().encode
_decode_entries = msgspec.msgpack.Decoder(list[list[tuple[Any, ...]]]).decode


class StoreInUse(Exception):
    """Another process, or another store of this process, has the folder open."""


class StoreDamaged(Exception):
    """The files on disk are not what was written. The check did not change them."""

    def __init__(self, fault: str) -> None:
        super().__init__(f"{fault} Put a copy of the folder in its place, or start with an empty folder.")


class StoreTooOld(Exception):
    """An earlier version of this program wrote the store, in a format that this version does not read."""


class StoreTooNew(Exception):
    """A newer version of this program wrote the store."""


class Position(NamedTuple):
    """The end of a frame, and the frame's digest. Later positions in journals are greater."""

    generation: int
    offset: int
    digest: bytes


class Header(msgspec.Struct, array_like=True):
    """The first frame of a file. `last_entry` is the last entry in the snapshot, or the last one before the journal."""

    kind: str  # "snapshot" or "journal"
    generation: int
    last_entry: int
    previous: Position = Position(0, 0, b"")  # the end of the previous journal


_START = Position(0, 0, b"")  # before all journals
_decode_header = msgspec.msgpack.Decoder(Header).decode


class FrameFile:
    """A file to which frames are appended after `end`; what follows `end` is cut.

    `bytes_ahead` zeros are written whenever the file must grow. Synchronizing a write into them takes a fraction of the time, because the
    file system has nothing else to write. `close` cuts them; a reader takes them for a frame that was not written.
    """

    def __init__(self, path: Path, end: Position, bytes_ahead: int = 0) -> None:
        self.end, self.bytes_ahead, self._zeros_end = end, bytes_ahead, 0
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        os.ftruncate(self._descriptor, end.offset)
        os.lseek(self._descriptor, end.offset, os.SEEK_SET)

    def add(self, content: bytes) -> None:
        """Append a frame. It is on disk after `sync`."""
        digest = _digest(content, self.end.digest)
        self.write(_frame_header(len(content), digest, self.end) + content)
        self.end = self.end._replace(digest=digest)

    def write(self, content: bytes) -> None:
        if self.bytes_ahead and self.end.offset + len(content) > self._zeros_end:
            zeros = bytes(len(content) + self.bytes_ahead)
            self._zeros_end = self.end.offset + os.pwrite(self._descriptor, zeros, self.end.offset)
        written = os.write(self._descriptor, content)
        while written < len(content):  # a disk that becomes full takes a part, and raises the next time
            written += os.write(self._descriptor, content[written:])
        self.end = self.end._replace(offset=self.end.offset + written)

    def sync(self) -> None:
        getattr(os, "fdatasync", os.fsync)(self._descriptor)  # macOS has no fdatasync

    def close(self) -> None:
        os.ftruncate(self._descriptor, self.end.offset)
        os.close(self._descriptor)


@contextmanager
def _new_file(folder: Path, header: Header) -> Iterator[FrameFile]:
    """Yield a new file, which is on disk and has its name after the block, unless the block raises."""
    path = _path(folder, header.kind, header.generation)
    new_path = path.with_name(f"{path.name}.new")
    file = FrameFile(new_path, Position(header.generation, 0, b""))
    try:
        file.write(_MAGIC + bytes((FORMAT_VERSION,)))
        file.add(_encode(header))
        yield file
        file.sync()
        new_path.replace(path)
    except BaseException:
        file.close()
        new_path.unlink()
        raise


def _new_journal(folder: Path, generation: int, last_entry: int, previous: Position) -> FrameFile:
    with _new_file(folder, Header("journal", generation, last_entry, previous)) as file:
        return file


def _write_snapshot(folder: Path, generation: int, last_entry: int, records: list[Record], check: Callable[[], None]) -> int:
    """Write a snapshot, which gets its name after `check`; returns its size."""
    with _new_file(folder, Header("snapshot", generation, last_entry)) as snapshot:
        synced = 0
        for first in range(0, len(records), _RECORDS_PER_FRAME):
            snapshot.add(zlib.compress(_encode([records[first : first + _RECORDS_PER_FRAME]]), 1))
            if snapshot.end.offset - synced > _SYNC_BYTES:
                snapshot.sync()
                synced = snapshot.end.offset
        snapshot.add(zlib.compress(_encode([])))  # the last frame has no entries
        check()
    snapshot.close()
    return snapshot.end.offset


def _read_frames(path: Path, kind: str, generation: int, acknowledged: Position | None = None) -> Iterator[tuple[bytes, Position]]:
    """Yield the content and the end of each frame, the header first. Raises StoreDamaged, which names the place, and StoreTooNew.

    `acknowledged` is only given for the journal that a killed process may have been writing. After that position, the last frame may be
    incomplete, and is then left out.
    """
    file = path.read_bytes() + bytes(2 * _FRAME.size)  # so that a header can be looked for at the end of each frame
    magic, version = file[: len(_MAGIC)], file[len(_MAGIC)]
    if magic != _MAGIC or not version:
        raise StoreDamaged(f"{path} is not the file of a store: it is damaged at byte 0.")
    if version != FORMAT_VERSION:
        raise StoreTooNew(f"{path} has format {version}, but this program reads format {FORMAT_VERSION}. Use the one that wrote it.")
    end = Position(generation, len(_MAGIC) + 1, b"")
    while found := _header_at(file, end, end.offset):
        (length, digest), first = found, end.offset + _FRAME.size
        content = file[first : first + length]
        if len(content) < length or _digest(content, end.digest) != digest:
            break
        if end.digest == b"":
            header = _decode_header(content)
            if (header.kind, header.generation) != (kind, generation):
                raise StoreDamaged(f"{path} is in fact the {header.kind} of generation {header.generation}.")
        end = Position(generation, first + length, digest)
        yield content, end
    rest = range(end.offset + 1, len(file.rstrip(b"\0")))
    is_incomplete = acknowledged is not None and acknowledged[:2] <= end[:2] and not any(_header_at(file, end, place) for place in rest)
    if end.digest == b"" or (file[end.offset :].strip(b"\0") and not is_incomplete):
        raise StoreDamaged(f"{path} is damaged at byte {end.offset}.")


def _header_at(file: bytes, start: Position, offset: int) -> tuple[int, bytes] | None:
    """Return the length and the digest in the header of a frame; None if no header is there."""
    length, digest, _ = _FRAME.unpack_from(file, offset)
    is_header = file[offset : offset + _FRAME.size] == _frame_header(length, digest, start._replace(offset=offset))
    return (length, digest) if is_header else None


def _frame_header(length: int, digest: bytes, place: Position) -> bytes:
    start = _FRAME.pack(length, digest, 0)[:-4]
    return start + zlib.crc32(start, zlib.crc32(_PLACE.pack(*place[:2]))).to_bytes(4, "little")


def _digest(content: bytes, previous: bytes) -> bytes:
    return blake2b(content, digest_size=8, key=previous).digest()


def _path(folder: Path, kind: str, generation: int) -> Path:
    return folder / f"{kind}-{generation:08}"


def _generations(folder: Path, kind: str) -> list[int]:
    return sorted(int(path.name.partition("-")[2]) for path in folder.glob(f"{kind}-????????"))


def _sync_folder(folder: Path) -> None:
    """Make the creation, renaming and deletion of files in the folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class HighWaterMark:
    """The place up to which writes were acknowledged, in a file of its own, so that a journal without its end is noticed.

    The mark is written to mapped memory, which outlives the process and costs a microsecond. It has two slots in turn, so an interrupted
    write leaves the other slot valid. The operating system writes it to disk after the journal, so it is never ahead of the journal.
    """

    def __init__(self, path: Path, position: Position) -> None:
        if not path.exists():
            new_path = path.with_name(f"{path.name}.new")
            new_path.write_bytes(_slot(position) * 2)
            new_path.replace(path)
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 2 * _SLOT_BYTES)
        self._next_slot = 0
        self.write(position)
        self._memory.flush()

    @staticmethod
    def read(path: Path) -> Position:
        """Return the later of the valid slots. Raises StoreDamaged if neither is valid."""
        content = path.read_bytes() if path.exists() else b""
        slots = [content[:_SLOT_BYTES], content[_SLOT_BYTES:]] if len(content) == 2 * _SLOT_BYTES else []
        valid = [position for slot in slots if _slot(position := Position(*_SLOT.unpack_from(slot))) == slot]
        if not valid:
            raise StoreDamaged(f"{path} is damaged or missing, so it is unknown whether the journal beside it is complete.")
        return max(valid)

    def write(self, position: Position) -> None:
        start = self._next_slot * _SLOT_BYTES
        self._memory[start : start + _SLOT_BYTES] = _slot(position)
        self._next_slot = 1 - self._next_slot

    def close(self) -> None:
        self._memory.flush()
        self._memory.close()


def _slot(position: Position) -> bytes:
    body = _SLOT.pack(*position)
    return (body + blake2b(body, digest_size=8).digest()).ljust(_SLOT_BYTES, b"\0")


def _lock_folder(folder: Path) -> IO[str]:
    """Lock the folder until the returned handle is closed, and write the process id into the lock file. Raises StoreInUse."""
    handle = (folder / "store.lock").open("a+")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        handle.seek(0)
        process_id = handle.read().strip()
        handle.close()
        raise StoreInUse(f"The store in {folder} is in use by process {process_id}. Stop it, or choose another folder.") from None
    handle.truncate(0)
    handle.write(f"{os.getpid()}\n")
    handle.flush()
    return handle


def open_journal(folder: Path, engine: Engine, read_initial: Callable[[Path], list[Record]] | None = None) -> "Journal":
    """Fill the empty engine from the folder, which is made if it is missing, and make the engine's changes durable from now on.

    If the folder has no journal yet, the store begins with the records that `read_initial` returns for the folder.
    Raises StoreInUse, StoreDamaged, StoreTooOld, StoreTooNew, or what `read_initial` raises; the files are then unchanged.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock_file, collects_garbage = _lock_folder(folder), gc.isenabled()
    gc.disable()  # it would visit every item again and again
    try:
        if not _generations(folder, "journal"):
            _create_files(folder, read_initial)
        return Journal(folder, engine, lock_file)
    except BaseException:
        lock_file.close()
        raise
    finally:
        if collects_garbage:
            gc.enable()


def _create_files(folder: Path, read_initial: Callable[[Path], list[Record]] | None) -> None:
    """Make the files of a store, the journal last: a crash in here leaves the mark of an empty journal, and no journal."""
    if read_initial is None and (folder / FORMER_FILE).exists():
        raise StoreTooOld(f"An earlier version wrote the store in {folder}, in the file {FORMER_FILE}. Choose another folder.")
    mark = folder / "high-water-mark"
    if mark.exists() and HighWaterMark.read(mark)[:2] != _START[:2]:
        raise StoreDamaged(f"The journal in {folder} is missing.")
    HighWaterMark(mark, _START).close()
    if read_initial is not None and (records := read_initial(folder)):
        _write_snapshot(folder, 1, 0, records, lambda: None)
    _new_journal(folder, 1, 0, _START).close()
    _sync_folder(folder)


def _load(folder: Path, engine: Engine) -> tuple[int, Position, int, int]:
    """Fill the engine from the files, and prove that they are complete and undamaged.

    Returns the number of the last entry, the end of the journal, and the generation and the size of the snapshot (0 without one).
    """
    mark = HighWaterMark.read(folder / "high-water-mark")
    snapshot = max(_generations(folder, "snapshot"), default=0)
    first = snapshot or 1
    journals = [generation for generation in _generations(folder, "journal") if generation >= first]
    if missing := sorted(set(range(first, max(mark.generation, first, *journals) + 1)) - set(journals)):
        raise StoreDamaged(f"{_path(folder, 'journal', missing[0])} is missing.")
    snapshot_bytes, snapshot_entry = _load_snapshot(folder, snapshot, engine) if snapshot else (0, 0)
    number, end, reaches_mark = 0, _START, mark.generation < first
    for generation in journals:
        path, previous = _path(folder, "journal", generation), end
        for content, frame_end in _read_frames(path, "journal", generation, mark if generation == journals[-1] else None):
            if end is previous:
                header = _decode_header(content)
                number = number if generation > first else header.last_entry
                if generation > first and header.previous != previous:
                    raise StoreDamaged(f"{_path(folder, 'journal', generation - 1)} ends at byte {previous.offset}: its end is lost.")
            else:
                number += _apply(engine, content, max(0, snapshot_entry - number), path, frame_end.offset)
            end = frame_end
            reaches_mark = reaches_mark or end == mark
    if not reaches_mark or number < snapshot_entry:
        raise StoreDamaged(f"{path} ends at byte {end.offset}, but more was acknowledged: its end is lost.")
    return number, end, snapshot, snapshot_bytes


def _load_snapshot(folder: Path, generation: int, engine: Engine) -> tuple[int, int]:
    """Fill the engine from a snapshot; returns its size and the last entry that it contains."""
    path = _path(folder, "snapshot", generation)
    frames = _read_frames(path, "snapshot", generation)
    header, end = next(frames)
    count = 1
    for content, end in frames:
        count = _apply(engine, zlib.decompress(content), 0, path, end.offset)
    if count:
        raise StoreDamaged(f"{path} ends at byte {end.offset}: its end is lost.")
    return end.offset, _decode_header(header).last_entry


def _apply(engine: Engine, content: bytes, skipped: int, path: Path, offset: int) -> int:
    """Apply the entries of a frame after the first ones; returns the number of its entries."""
    try:
        entries = _decode_entries(content)
        engine.apply(chain.from_iterable(entries[skipped:]))
    except (msgspec.MsgspecError, LookupError, TypeError, ValueError) as fault:
        reason = f"{type(fault).__name__}: {fault}"
        raise StoreDamaged(f"{path} has entries before byte {offset} that cannot be applied ({reason}).") from fault
    return len(entries)


class Journal(AbstractContextManager["Journal"]):
    """`open_journal` makes it. `last` is the number of the last entry, `durable` the number of the last one on disk."""

    def __init__(self, folder: Path, engine: Engine, lock_file: IO[str]) -> None:
        self._folder, self._engine, self._lock_file = folder, engine, lock_file
        self.last, end, snapshot, snapshot_bytes = _load(folder, engine)
        self.durable = self.last
        self.failure: str | None = None  # why it accepts no more writes, and what to do
        self._pending: deque[bytes] = deque()
        self._mutex, self._compaction_lock = threading.Lock(), threading.Lock()
        self._waiting: list[tuple[float, threading.Lock]] = []
        self._is_writing, self._compaction_bytes = False, 0
        self._compaction: threading.Thread | None = None
        self._file = FrameFile(_path(folder, "journal", end.generation), end, BYTES_AHEAD)
        self._file.sync()  # what a killed process wrote may not be on disk yet
        self._mark = HighWaterMark(folder / "high-water-mark", end)
        self._keep_only(snapshot, snapshot_bytes)
        engine.commit = self.append

    def append(self, records: list[Record]) -> Waiter:
        """Append an entry; the caller holds the engine's lock. The waiter returns when the entry is on disk, and raises StoreFailed."""
        if self.failure is None:
            self._pending.append(_encode(records))
        self.last += 1
        return partial(self.flush, self.last)

    def flush(self, number: int | None = None) -> None:
        """Return when the entry with this number is on disk, or all entries so far. Raises StoreFailed."""
        self._alone(self._write_pending, self.last if number is None else number)

    def _alone(self, write: Callable[[], None], number: float = inf) -> None:
        """Call the function while no other thread writes, unless the entry with this number is on disk by then."""
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
                opened = [gate for waiting, gate in self._waiting if waiting <= self.durable]
                self._waiting = [waiter for waiter in self._waiting if waiter[0] > self.durable]
                self._is_writing = bool(self._waiting)
                if self._waiting:  # the next writer comes last, so that the others can add entries before it writes
                    opened.append(self._waiting.pop(0)[1])
            for gate in opened:
                gate.release()

    def compact(self) -> None:
        """Write the whole state as a snapshot, and delete the journal up to it. Other calls continue meanwhile."""
        with self._compaction_lock:
            self._alone(self._start_file)
            last_entry, records = self._engine.dump(lambda: self.last)
            generation = self._file.end.generation
            # A snapshot must not be ahead of the journal.
            size = _write_snapshot(self._folder, generation, last_entry, records, partial(self.flush, last_entry))
            self._keep_only(generation, size)

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
        """Make the journal fail for good if the block raises, because nobody knows then what is on disk."""
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
        """Write the pending entries, and continue in a new file. If that file cannot be made, the present one remains."""
        self._write_pending()
        file = _new_journal(self._folder, self._file.end.generation + 1, self.durable, self._file.end)
        file.bytes_ahead = BYTES_AHEAD
        self._file.close()
        self._file = file
        with self._never_tried_again():
            _sync_folder(self._folder)

    def _try_to_compact(self) -> None:
        try:
            self.compact()
        except (StoreFailed, OSError) as fault:
            self._compaction_bytes = 2 * max(self._compaction_bytes, self._file.end.offset)
            _log.warning("no snapshot could be written, so the journal keeps growing: %s", fault)

    def _keep_only(self, generation: int, snapshot_bytes: int) -> None:
        """Delete the files that this snapshot replaces."""
        self._compaction_bytes = max(MIN_COMPACTION_BYTES, _COMPACTION_RATIO * snapshot_bytes)
        _sync_folder(self._folder)  # the snapshot must have its name before others are deleted
        for kind in ("journal", "snapshot"):
            for old in _generations(self._folder, kind):
                if old < generation:
                    _path(self._folder, kind, old).unlink()
