"""The archive of a promoter: a ZIP file of JSON and CSV files with a manifest. docs/promoter-archive.md describes the format.

Archives come from people, so nothing in one is trusted: no name becomes a path on this machine, no file is larger than the manifest
says, and all digests are checked before anything is read.
"""

import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Literal, NamedTuple
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

import msgspec
from msgspec import Struct

from chalicelib.bootstrap_file.findings import quoted

FORMAT, VERSION = "fairgate-promoter", 1
MANIFEST = "manifest.json"
MAX_FILES, MAX_BYTES, MAX_MANIFEST_BYTES = 10_000, 1 << 30, 4 << 20
_ID = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
_NAME = re.compile(rf"promoter\.json|team\.csv|events/{_ID}\.json|orders/{_ID}\.jsonl|tickets/{_ID}\.csv|waiting/{_ID}\.csv")
_CHUNK = 1 << 16


class ArchiveInvalid(Exception):
    """The archive cannot be used; the message names the reason."""


class FileEntry(Struct, frozen=True, forbid_unknown_fields=True):
    """What the manifest says about a file. `rows` is the number of its entries: tickets, orders, people, or 1."""

    sha256: str
    bytes: int
    rows: int


class Manifest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an archive has. `address` is the address of the promoter's account, and `left_out` says what the archive lacks."""

    format: Literal["fairgate-promoter"]
    version: int
    exported_at: str
    stage: str
    address: str | None
    files: dict[str, FileEntry]
    left_out: list[str]

    def rows(self, folder: str, event_id: str) -> int:
        """Return the number of entries that an event has in a folder."""
        return sum(entry.rows for name, entry in self.files.items() if name.rpartition(".")[0] == f"{folder}/{event_id}")


class _Head(Struct, frozen=True):
    format: str = ""
    version: int = 0


class Member(NamedTuple):
    """A file to write: its name, the text before its entries, and the entries."""

    name: str
    head: str
    entries: Iterable[str]


class Archive(NamedTuple):
    """An archive whose files all have the digests of its manifest. `digest` is the SHA-256 of the manifest."""

    manifest: Manifest
    digest: str
    zip_file: ZipFile

    def read(self, name: str) -> bytes:
        """Return the content of a file, or nothing if the archive does not have it. Raises ArchiveInvalid."""
        entry = self.manifest.files.get(name)
        return b"" if entry is None else b"".join(_chunks(self.zip_file, name, entry.bytes))


def write_archive(file: Path, members: Iterable[Member], left_out: Sequence[str], stage: str, address: str | None, at: str) -> Manifest:
    """Write an archive. An interrupted call leaves no file of this name. Raises OSError."""
    part = file.with_name(f"{file.name}.part")
    files = {}
    try:
        with ZipFile(part, "w", ZIP_DEFLATED) as archive:
            for member in members:
                files[member.name] = _write(archive, member)
            manifest = Manifest(
                format="fairgate-promoter", version=VERSION, exported_at=at, stage=stage, address=address, files=files, left_out=[*left_out]
            )
            _write(archive, Member(MANIFEST, "", [msgspec.json.format(msgspec.json.encode(manifest)).decode() + "\n"]))
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
    return manifest


def _write(archive: ZipFile, member: Member) -> FileEntry:
    digest, size, rows = sha256(), 0, 0
    info = ZipInfo(member.name)  # with a fixed date, so that the same content makes the same file
    info.compress_type = ZIP_DEFLATED
    with archive.open(info, "w", force_zip64=True) as out:
        for text in chain([member.head], member.entries):
            size += out.write(text.encode())
            digest.update(text.encode())
            rows += 1
    return FileEntry(digest.hexdigest(), size, rows - 1)


@contextmanager
def open_archive(file: Path) -> Iterator[Archive]:
    """Open an archive and check all of its files. Raises ArchiveInvalid."""
    with _readable(file):
        if file.stat().st_size > MAX_BYTES:
            raise ArchiveInvalid(f"{file} has more than {MAX_BYTES:,} bytes.")
        zip_file = ZipFile(file)
    with zip_file:
        with _readable(file):
            archive = _check(zip_file)
        yield archive


@contextmanager
def _readable(file: Path) -> Iterator[None]:
    """Raise ArchiveInvalid if the block cannot read the file."""
    try:
        yield
    except OSError as error:
        raise ArchiveInvalid(f"{file} cannot be read ({error.strerror or error})") from None
    except (BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, UnicodeDecodeError) as error:
        raise ArchiveInvalid(f"{file} is not an archive, or it is damaged: {error}") from None


def _check(zip_file: ZipFile) -> Archive:
    members = zip_file.infolist()
    names = [member.filename for member in members]
    if MANIFEST not in names:
        raise ArchiveInvalid(f"The archive has no {MANIFEST}, so it is not an archive of a promoter.")
    if len(names) > MAX_FILES or len(set(names)) < len(names):
        raise ArchiveInvalid(f"The archive has a file twice, or more than {MAX_FILES:,} files.")
    for member in members:
        if member.flag_bits & 1 or member.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
            raise ArchiveInvalid(f"{quoted(member.filename)} is encrypted, or compressed in a way that is not supported.")
    text = b"".join(_chunks(zip_file, MANIFEST, MAX_MANIFEST_BYTES))
    manifest = _read_manifest(text)
    if odd := sorted(name for name in {*names, *manifest.files} - {MANIFEST} if not _NAME.fullmatch(name)):
        raise ArchiveInvalid(f"{quoted(odd[0])} is not the name of a file of an archive.")
    if different := sorted(manifest.files.keys() ^ (set(names) - {MANIFEST})):
        raise ArchiveInvalid(f"{quoted(different[0])} is in the manifest or in the archive, but not in both.")
    if sum(entry.bytes for entry in manifest.files.values()) > MAX_BYTES:
        raise ArchiveInvalid(f"The files have more than {MAX_BYTES:,} bytes together.")
    for name, entry in manifest.files.items():
        digest, size = sha256(), 0
        for chunk in _chunks(zip_file, name, entry.bytes):
            digest.update(chunk)
            size += len(chunk)
        if (digest.hexdigest(), size) != (entry.sha256, entry.bytes):
            raise ArchiveInvalid(f"{quoted(name)} does not have the size and the SHA-256 that the manifest says. Export the archive again.")
    return Archive(manifest, sha256(text).hexdigest(), zip_file)


def _read_manifest(text: bytes) -> Manifest:
    try:
        head = msgspec.json.decode(text, type=_Head)
        if head.format == FORMAT and head.version != VERSION:
            raise ArchiveInvalid(
                f"The archive has version {head.version}; this release reads version {VERSION}. Use a release that reads it."
            )
        return msgspec.json.decode(text, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ArchiveInvalid(f"{MANIFEST} is not the manifest of an archive: {error}") from None


def _chunks(zip_file: ZipFile, name: str, max_bytes: int) -> Iterator[bytes]:
    """Yield the content of a file. Raises ArchiveInvalid once it has more than `max_bytes`, whatever the archive says about its size."""
    size = 0
    with zip_file.open(name) as content:
        while chunk := content.read(_CHUNK):
            size += len(chunk)
            if size > max_bytes:
                raise ArchiveInvalid(f"{quoted(name)} has more than the {max_bytes:,} bytes that it may have.")
            yield chunk
