"""Store images for their owners, and accept uploads. An owner is an event (`<event id>`) or a tier (`<event id>/<tier id>`).

File names include the id of the upload, so no two uploads share a file and deleting one image never affects another. Files are stored
before the catalog refers to them and deleted after it stops doing so; `delete_unused` removes files that a crash left unreferenced.
"""

from collections.abc import Set
from hashlib import sha256
from typing import Literal

import msgspec
from msgspec import Struct

from chalicelib.foundation import ids, log
from chalicelib.foundation.errors import ApiError
from chalicelib.foundation.parallel import call_each
from chalicelib.images import rendering, store
from chalicelib.images.model import MAX_IMAGE_BYTES, StoredImage

UPLOAD_SECONDS = 600
UNUSED_SECONDS = 3600  # longer than any request or function takes between storing a file and referring to it

_MAX_OUTCOME_BYTES = 10_000


class Upload(Struct, frozen=True):
    """A file that a user uploaded to the bucket, and the user id of that `actor`."""

    owner: str
    upload_id: str
    actor: str
    raw: bytes


class UploadOutcome(Struct, frozen=True, omit_defaults=True):
    """The result of an upload. `code`, `message` and `reason` describe a refusal."""

    state: Literal["done", "refused"]
    code: str | None = None
    message: str | None = None
    reason: str | None = None


class NewUpload(Struct, frozen=True):
    """A prepared upload. The bucket accepts the form until `expires_at`, in epoch seconds."""

    upload_id: str
    form: store.UploadForm
    expires_at: int


def image_digest(raw: bytes) -> str:
    """Return the digest of an uploaded file and the rendering. The same file always gives the same digest."""
    return sha256(rendering.RENDERING.encode() + raw).hexdigest()[:16]


def save_image(owner: str, image_id: str, raw: bytes) -> StoredImage:
    """Re-encode an uploaded file and store the result, which nothing refers to yet.

    Raises ImageRefused and ImageTooLarge; in both cases nothing is stored.
    """
    rendered = rendering.render_image(raw)
    path = f"media/{owner}/{image_id}-{image_digest(raw)}"
    image = StoredImage(path, rendered.width, rendered.height, tuple(sorted(rendered.thumbnails)))
    files = [(image.address[1:], rendered.jpeg, "image/jpeg")]
    files += [(image.thumbnail_key(width), body, "image/webp") for width, body in rendered.thumbnails.items()]
    call_each(lambda file: store.put(*file, cache_control=store.FOREVER), files)
    return image


def delete_image(image: StoredImage) -> None:
    """Delete the files of an unreferenced image. If that fails, `delete_unused` deletes them later."""
    try:
        call_each(store.delete, image.keys)
    except Exception as error:
        log.warning("image.not_deleted", path=image.path, error=type(error).__name__)


def delete_unused(used: Set[str], now: int) -> int:
    """Delete all stored images whose paths are not in `used`, except recent ones. Returns the number of deleted files."""
    unused = [
        file.key for file in store.list_files("media/") if file.stored_at < now - UNUSED_SECONDS and _image_path(file.key) not in used
    ]
    call_each(store.delete, unused)
    return len(unused)


def begin_upload(owner: str, actor: str, content_type: str, now: int) -> NewUpload:
    """Create a form that uploads one file of this type directly to the bucket, where it is checked."""
    upload_id = ids.new_id()
    form = store.upload_form(f"uploads/{owner}/{upload_id}", content_type, MAX_IMAGE_BYTES, UPLOAD_SECONDS, {"actor": actor})
    return NewUpload(upload_id, form, now + UPLOAD_SECONDS)


def find_upload(key: str) -> Upload | None:
    """Return the upload stored as `key`, or None if it was already processed."""
    owner, _, upload_id = key.removeprefix("uploads/").rpartition("/")
    file = store.find(key, MAX_IMAGE_BYTES)
    return None if file is None else Upload(owner, upload_id, file.notes.get("actor", ""), file.body)


def end_upload(upload: Upload, error: ApiError | None) -> None:
    """Record the outcome of an upload, then delete the uploaded file."""
    outcome = UploadOutcome("done")
    if error is not None:
        outcome = UploadOutcome("refused", error.code, error.message, error.details.get("reason"))
    store.put(_outcome_key(upload.owner, upload.upload_id), msgspec.json.encode(outcome), "application/json")
    store.delete(f"uploads/{upload.owner}/{upload.upload_id}")


def find_outcome(owner: str, upload_id: str) -> UploadOutcome | None:
    """Return the outcome of an upload, or None if there is none yet."""
    file = store.find(_outcome_key(owner, upload_id), _MAX_OUTCOME_BYTES)
    return None if file is None else msgspec.json.decode(file.body, type=UploadOutcome)


def _outcome_key(owner: str, upload_id: str) -> str:
    return f"outcomes/{owner}/{upload_id}.json"


def _image_path(key: str) -> str:
    """Return the image path, `media/<owner>/<image id>-<digest>`, of a file name."""
    folder, _, name = key.rpartition("/")
    return f"{folder}/{'-'.join(name.partition('.')[0].split('-')[:2])}"
