"""The high-water mark: how far the journal reached at least, kept in a file of its own, so that a journal without its end is noticed.

SQLite takes a damaged or missing end of its log for a crash during a write, and goes on without it. Therefore the number of the
last entry and the digest of the journal up to it are written here after each commit, before any call is answered. The write goes
to mapped memory, which outlives the process and costs a microsecond. Two slots are written in turn, so that an interrupted write
leaves the other slot valid. The operating system writes the page to disk after the journal, so the mark is never ahead of the
journal after a power cut.
"""

import mmap
import os
import struct
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple, Self

from devtools.dynamodb.errors import StoreDamaged

_SLOT_BYTES = 64
_BODY = struct.Struct("<q16s")  # number of the last entry, digest of the journal up to it
_CHECK_BYTES = 8


class HighWaterMark(NamedTuple):
    """An end of the journal: the number of its last entry, and the digest of all entries up to it."""

    number: int
    digest: bytes


class HighWaterMarkFile:
    """The open file, for writing."""

    def __init__(self, file: Path) -> None:
        descriptor = os.open(file, os.O_RDWR)
        try:
            self._memory = mmap.mmap(descriptor, 2 * _SLOT_BYTES)
        finally:
            os.close(descriptor)
        self._next_slot = 0

    @classmethod
    def create(cls, file: Path, mark: HighWaterMark) -> Self:
        new_file = file.with_suffix(".new")
        new_file.write_bytes(_encoded(mark) * 2)
        with new_file.open("rb") as written:
            os.fsync(written.fileno())
        new_file.replace(file)
        return cls(file)

    def write(self, mark: HighWaterMark) -> None:
        start = self._next_slot * _SLOT_BYTES
        self._memory[start : start + _SLOT_BYTES] = _encoded(mark)
        self._next_slot = 1 - self._next_slot

    def close(self) -> None:
        self._memory.flush()
        self._memory.close()


def read_high_water_mark(file: Path) -> HighWaterMark:
    """The later one of the valid slots. Raises StoreDamaged when there is none."""
    content = file.read_bytes() if file.exists() else b""
    slots = [content[start : start + _SLOT_BYTES] for start in (0, _SLOT_BYTES)]
    valid = [mark for slot in slots if (mark := _decoded(slot)) is not None]
    if len(content) != 2 * _SLOT_BYTES or not valid:
        raise StoreDamaged(f"{file} is damaged or missing, so it is unknown whether the journal beside it is complete.")
    return max(valid)


def _encoded(mark: HighWaterMark) -> bytes:
    body = _BODY.pack(*mark)
    return (body + blake2b(body, digest_size=_CHECK_BYTES).digest()).ljust(_SLOT_BYTES, b"\0")


def _decoded(slot: bytes) -> HighWaterMark | None:
    """None: the slot is damaged or incomplete."""
    if len(slot) != _SLOT_BYTES:
        return None
    mark = HighWaterMark(*_BODY.unpack_from(slot))
    return mark if slot == _encoded(mark) else None
