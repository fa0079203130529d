"""The bucket: files by name, and forms by which browsers send files straight to it. Only this module and the client know S3.

Names begin with `media/` (what everybody may see, by CloudFront), `uploads/` (what nobody has checked yet) and `outcomes/`.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from botocore.config import Config
from botocore.exceptions import ClientError
from msgspec import Struct

from chalicelib.foundation import clock, sdk_calls, settings
from chalicelib.foundation.settings import SettingsError

FOREVER = "public, max-age=31536000, immutable"  # a name never gets another content


class StoredFile(Struct, frozen=True):
    """A file with the type and the notes that it was stored with."""

    body: bytes
    content_type: str
    notes: dict[str, str]


class ListedFile(Struct, frozen=True):
    """`stored_at`: epoch seconds."""

    key: str
    stored_at: int


class UploadForm(Struct, frozen=True):
    """Where a browser sends a file, and the fields that its form has before the file."""

    url: str
    fields: dict[str, str]


def put(key: str, body: bytes, content_type: str, *, cache_control: str = "no-store") -> None:
    client().put_object(Bucket=_bucket(), Key=key, Body=body, ContentType=content_type, CacheControl=cache_control)


def find(key: str, max_bytes: int) -> StoredFile | None:
    """The file, of a longer one `max_bytes` + 1; None if there is none."""
    try:
        found = client().get_object(Bucket=_bucket(), Key=key, Range=f"bytes=0-{max_bytes}")
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchKey":
            return None
        if error.response["Error"]["Code"] == "InvalidRange":  # of a file without a byte
            return StoredFile(b"", "", {})
        raise
    return StoredFile(found["Body"].read(), found.get("ContentType", ""), found.get("Metadata", {}))


def delete(key: str) -> None:
    """Delete a file, if it is there."""
    client().delete_object(Bucket=_bucket(), Key=key)


def list_files(prefix: str) -> Iterator[ListedFile]:
    """All files whose names begin like this."""
    for page in client().get_paginator("list_objects_v2").paginate(Bucket=_bucket(), Prefix=prefix):
        for file in page.get("Contents", ()):
            yield ListedFile(file["Key"], clock.epoch_seconds(file["LastModified"]))


def upload_form(key: str, content_type: str, max_bytes: int, seconds: int, notes: dict[str, str]) -> UploadForm:
    """A form that stores one file under `key`, of this type and with these notes, within so many seconds. S3 refuses any other file."""
    fields = {"Content-Type": content_type, **{f"x-amz-meta-{name}": value for name, value in notes.items()}}
    conditions = [["content-length-range", 1, max_bytes], *({name: value} for name, value in fields.items())]
    form = client().generate_presigned_post(_bucket(), key, Fields=fields, Conditions=conditions, ExpiresIn=seconds)
    return UploadForm(form["url"], form["fields"])


def _bucket() -> str:
    name = settings.current().images_bucket
    if not name:
        raise SettingsError("FAIRGATE_IMAGES_BUCKET is not set: it names the bucket of the images")
    return name


# The client of S3, for the bucket of the images.


def client() -> Any:
    """The S3 client of this process."""
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
