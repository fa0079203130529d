"""The S3 bucket for images: files by name, and forms for direct uploads from browsers. Only this module calls S3.

Names begin with `media/` (published through CloudFront), `uploads/` (not checked yet) or `outcomes/` (results of uploads).
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from botocore.config import Config
from botocore.exceptions import ClientError
from msgspec import Struct

from chalicelib.foundation import clock, sdk_calls, settings
from chalicelib.foundation.settings import SettingsError

FOREVER = "public, max-age=31536000, immutable"  # the content behind a name never changes


class StoredFile(Struct, frozen=True):
    """A file with its content type, its metadata (`notes`), and the ETag that S3 gave its content."""

    body: bytes
    content_type: str
    notes: dict[str, str]
    etag: str = ""


class ListedFile(Struct, frozen=True):
    """A file in a listing. `stored_at` is in epoch seconds."""

    key: str
    stored_at: int


class UploadForm(Struct, frozen=True):
    """The address for an upload, and the form fields that precede the file."""

    url: str
    fields: dict[str, str]


def put(key: str, body: bytes, content_type: str, *, cache_control: str = "no-store") -> None:
    client().put_object(Bucket=_bucket(), Key=key, Body=body, ContentType=content_type, CacheControl=cache_control)


def find(key: str, max_bytes: int) -> StoredFile | None:
    """Return a file, or None if it does not exist. Reads at most `max_bytes` + 1 bytes, so that callers can detect a longer file."""
    try:
        found = client().get_object(Bucket=_bucket(), Key=key, Range=f"bytes=0-{max_bytes}")
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchKey":
            return None
        if error.response["Error"]["Code"] == "InvalidRange":  # the file is empty
            return StoredFile(b"", "", {})
        raise
    return StoredFile(found["Body"].read(), found.get("ContentType", ""), found.get("Metadata", {}), found["ETag"].strip('"'))


def delete(key: str) -> None:
    """Delete a file if it exists."""
    client().delete_object(Bucket=_bucket(), Key=key)


def list_files(prefix: str) -> Iterator[ListedFile]:
    """List all files whose names begin with `prefix`."""
    for page in client().get_paginator("list_objects_v2").paginate(Bucket=_bucket(), Prefix=prefix):
        for file in page.get("Contents", ()):
            yield ListedFile(file["Key"], clock.epoch_seconds(file["LastModified"]))


def upload_form(key: str, content_type: str, max_bytes: int, seconds: int, notes: dict[str, str]) -> UploadForm:
    """Create a form, valid for `seconds`, that stores one file under `key` with this type and these notes. S3 refuses any other file."""
    fields = {"Content-Type": content_type, **{f"x-amz-meta-{name}": value for name, value in notes.items()}}
    conditions = [["content-length-range", 1, max_bytes], *({name: value} for name, value in fields.items())]
    form = client().generate_presigned_post(_bucket(), key, Fields=fields, Conditions=conditions, ExpiresIn=seconds)
    return UploadForm(form["url"], form["fields"])


def _bucket() -> str:
    name = settings.current().images_bucket
    if not name:
        raise SettingsError("FAIRGATE_IMAGES_BUCKET is not set. Set it to the name of the images bucket.")
    return name


def client() -> Any:
    """Return the S3 client of this process."""
    current = settings.current()
    return _client(current.images_endpoint, current.region)


@lru_cache(maxsize=8)
def _client(endpoint: str, region: str) -> Any:
    config = Config(
        connect_timeout=1,
        read_timeout=5,
        retries={"mode": "standard", "total_max_attempts": 3},
        signature_version="s3v4",
        s3={"addressing_style": "path" if endpoint else "virtual"},
    )
    created = sdk_calls.create_client("s3", region, config, endpoint)
    sdk_calls.keep_deadline(created, "s3")
    return created
