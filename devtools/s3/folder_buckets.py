"""S3 buckets in a folder: each object is one file with its headers and its content."""

import os
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from hashlib import md5
from pathlib import Path
from urllib.parse import quote, unquote

import msgspec


class BucketObject(msgspec.Struct, frozen=True):
    """`headers`: Content-Type, Cache-Control and x-amz-meta-..., in lower case; `stored_at`: epoch seconds."""

    headers: dict[str, str]
    body: bytes
    stored_at: int

    @property
    def response_headers(self) -> dict[str, str]:
        digest = md5(self.body, usedforsecurity=False).hexdigest()
        return {**self.headers, "etag": f'"{digest}"', "last-modified": formatdate(self.stored_at, usegmt=True)}


class FolderBuckets:
    """All buckets below a folder; a bucket exists once it is named. Safe to use from many threads."""

    def __init__(self, folder: Path, now: Callable[[], float] = time.time) -> None:
        self._folder, self._now = folder, now

    def put(self, bucket: str, key: str, headers: dict[str, str], body: bytes) -> None:
        """Store an object atomically, replacing one with the same key."""
        kept = {
            name: value for name, value in headers.items() if name in ("content-type", "cache-control") or name.startswith("x-amz-meta-")
        }
        file = self._file(bucket, key)
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_name(f".{os.getpid()}-{time.monotonic_ns()}")
        draft.write_bytes(msgspec.msgpack.encode(BucketObject(kept, body, int(self._now()))))
        draft.replace(file)

    def find(self, bucket: str, key: str) -> BucketObject | None:
        try:
            return msgspec.msgpack.decode(self._file(bucket, key).read_bytes(), type=BucketObject)
        except OSError:  # no such file, or the name is too long
            return None

    def delete(self, bucket: str, key: str) -> None:
        self._file(bucket, key).unlink(missing_ok=True)

    def list_keys(self, bucket: str, prefix: str = "") -> Iterator[str]:
        """Return the keys that start with `prefix`, sorted."""
        folder = self._folder / bucket
        names = sorted(file.name for file in folder.iterdir() if not file.name.startswith(".")) if folder.exists() else []
        return (key for key in map(unquote, names) if key.startswith(prefix))

    def _file(self, bucket: str, key: str) -> Path:
        return self._folder / bucket / quote(key, safe="")
