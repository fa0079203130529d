"""The files of a store: their format, how they are written, and how they are read and verified.

`snapshot-<generation>` has the whole state after some entry, `journal-<generation>` the entries from about there on, `high-water-mark` the
place up to which calls were acknowledged. An entry has the records of one request; entries are numbered from 1.

Snapshots and journals are files of frames. A frame has one or more entries, which are on disk together or not at all: its header has the
length, a digest of the content and of the frame before it, and a checksum of the header itself that depends on its place. So a frame
that was not written to its end (nothing follows it) can be told from a damaged one (others follow), and each journal continues
the chain of digests of the journal before it.
"""

import fcntl
import mmap
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import IO, Any, NamedTuple

import msgspec

FORMAT_VERSION = 1

_MAGIC = b"\x89DDBLOG"  # the version follows as one byte
_FRAME = struct.Struct("<I8sI")  # length, digest, checksum of the two and of the place
_PLACE = struct.Struct("<QQ")  # generation, offset
_SLOT = struct.Struct("<QQ8s")  # generation, offset, digest
_SLOT_BYTES = 64
_ADVICE = "Put a copy of the folder in its place, or start with an empty folder."

encode = msgspec.msgpack.Encoder().encode
decode_entries = msgspec.msgpack.Decoder(list[list[tuple[Any, ...]]]).decode


class StoreFailed(Exception):
    """The store accepts no more writes: its journal could not be written, or it is closed. All earlier answers are safe on disk."""


class StoreInUse(Exception):
    """Another process, or another store of this process, has the folder open."""


class StoreDamaged(Exception):
    """The files on disk are not what was written. The check did not change them."""

    def __init__(self, fault: str) -> None:
        super().__init__(f"{fault} {_ADVICE}")


class StoreTooNew(Exception):
    """A newer version of this program wrote the store."""


class Position(NamedTuple):
    """The end of a frame of a journal, and the frame's digest. Later positions are greater."""

    generation: int
    offset: int
    digest: bytes


class Header(msgspec.Struct, array_like=True):
    """The first frame of a file. `last_entry` is the last entry of the snapshot, or the one before the journal.

    `previous` is the end of the journal before it; generation 0 for a snapshot and for the first journal.
    """

    kind: str  # "snapshot" or "journal"
    generation: int
    last_entry: int
    previous: Position = Position(0, 0, b"")


decode_header = msgspec.msgpack.Decoder(Header).decode


class Frame(NamedTuple):
    content: bytes
    end: Position


class FrameFile:
    """A file, for appending after `end`; what follows it is cut.

    `bytes_ahead` of zeros are written whenever the file must grow. Synchronising what is written into them takes a fraction of the time,
    because the file system has nothing else to write. `close` cuts them; a reader takes them for a frame that was not written.
    """

    def __init__(self, path: Path, end: Position) -> None:
        self.end, self.bytes_ahead, self._zeros_end = end, 0, 0
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
def new_file(path: Path, header: Header) -> Iterator[FrameFile]:
    """A new file, which is on disk and appears under its name after the block, unless that raises."""
    new_path = path.with_name(f"{path.name}.new")
    file = FrameFile(new_path, Position(header.generation, 0, b""))
    try:
        file.write(_MAGIC + bytes((FORMAT_VERSION,)))
        file.add(encode(header))
        yield file
        file.sync()
        new_path.replace(path)
    except BaseException:
        file.close()
        new_path.unlink()
        raise


def read_frames(path: Path, kind: str, generation: int, acknowledged: Position | None = None) -> Iterator[Frame]:
    """The frames of a file, the header first. Raises StoreDamaged, naming the place, and StoreTooNew.

    Only the end of a journal that may have been written to when a process died is given as `acknowledged`: what follows it may be
    incomplete, and is then left out.
    """
    with path.open("rb", buffering=1 << 20) as file:
        magic = file.read(len(_MAGIC) + 1)
        if magic[: len(_MAGIC)] != _MAGIC or len(magic) == len(_MAGIC):
            raise StoreDamaged(f"{path} is not the file of a store: it is damaged at byte 0.")
        if magic[-1] != FORMAT_VERSION:
            raise StoreTooNew(f"{path} has format {magic[-1]}, but this program reads format {FORMAT_VERSION}. Use the one that wrote it.")
        end = Position(generation, len(magic), b"")
        while frame := _next_frame(file, end):
            if end.digest == b"":
                header = decode_header(frame.content)
                if (header.kind, header.generation) != (kind, generation):
                    raise StoreDamaged(f"{path} is in fact the {header.kind} of generation {header.generation}.")
            yield frame
            end = frame.end
        file.seek(end.offset)
        rest = file.read().rstrip(b"\0")
        if end.digest == b"" or (rest and (acknowledged is None or acknowledged[:2] > end[:2] or _has_frame(rest, end))):
            raise StoreDamaged(f"{path} is damaged at byte {end.offset}.")


def _next_frame(file: IO[bytes], start: Position) -> Frame | None:
    """The frame at the place of the file; None when there is none, or not what was written."""
    header = file.read(_FRAME.size)
    if len(header) < _FRAME.size:
        return None
    length, digest, _ = _FRAME.unpack(header)
    if header != _frame_header(length, digest, start):
        return None
    content = file.read(length)
    if len(content) < length or _digest(content, start.digest) != digest:
        return None
    return Frame(content, Position(start.generation, start.offset + _FRAME.size + length, digest))


def _has_frame(rest: bytes, start: Position) -> bool:
    """Whether the header of a frame is anywhere in the rest of a file, but not at its beginning."""
    padded = rest + bytes(_FRAME.size)
    for index in range(1, len(rest)):
        length, digest, check = _FRAME.unpack_from(padded, index)
        if _FRAME.pack(length, digest, check) == _frame_header(length, digest, start._replace(offset=start.offset + index)):
            return True
    return False


def _frame_header(length: int, digest: bytes, place: Position) -> bytes:
    start = _FRAME.pack(length, digest, 0)[:-4]
    return start + zlib.crc32(start, zlib.crc32(_PLACE.pack(*place[:2]))).to_bytes(4, "little")


def _digest(content: bytes, previous: bytes) -> bytes:
    return blake2b(content, digest_size=8, key=previous).digest()


def sync_folder(folder: Path) -> None:
    """See to it that files that were made, renamed and deleted in the folder are so after a power cut too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class HighWaterMark:
    """How far calls were acknowledged, in a file of its own, so that a journal without its end is noticed.

    Written to mapped memory, which outlives the process and costs a microsecond; two slots in turn, so that an interrupted write
    leaves the other slot valid. The operating system writes it to disk after the journal, so it is never ahead of it after a power cut.
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
        """The later one of the valid slots. Raises StoreDamaged when there is none."""
        content = path.read_bytes() if path.exists() else b""
        slots = [content[:_SLOT_BYTES], content[_SLOT_BYTES:]]
        positions = [Position(*_SLOT.unpack_from(slot)) for slot in slots if len(slot) == _SLOT_BYTES]
        valid = [position for position in positions if _slot(position) in slots]
        if len(content) != 2 * _SLOT_BYTES or not valid:
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


def lock_folder(folder: Path) -> IO[str]:
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
