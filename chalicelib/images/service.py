"""Store the images of owners, and take uploads. An owner is an event, `<event id>`, or one of its tiers, `<event id>/<tier id>`.

The names of files have the id of their upload, so no two uploads share one: what one deletes, no other needs. Files are stored before
anything refers to them and deleted afterwards; those that a crash left without a reference are found by `delete_unused`.
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
UNUSED_SECONDS = 3600  # no request and no function takes so long to refer to what it has stored

_MAX_OUTCOME_BYTES = 10_000


class Upload(Struct, frozen=True):
    """A file that somebody sent to the bucket."""

    owner: str
    upload_id: str
    actor: str
    raw: bytes


class UploadOutcome(Struct, frozen=True, omit_defaults=True):
    """What came of an upload. `code` and `message` say why it was refused."""

    state: Literal["done", "refused"]
    code: str | None = None
    message: str | None = None
    reason: str | None = None


class NewUpload(Struct, frozen=True):
    """`expires_at`: epoch seconds until which the form is accepted."""

    upload_id: str
    form: store.UploadForm
    expires_at: int


def digest(raw: bytes) -> str:
    """Names the image that is drawn of a file: the same one for the same file."""
    return sha256(rendering.RENDERING.encode() + raw).hexdigest()[:16]


def save(owner: str, image_id: str, raw: bytes) -> StoredImage:
    """Draw an uploaded file and store the result, which nothing refers to yet. Raises ImageRefused and ImageTooLarge: nothing is stored."""
    rendered = rendering.render(raw)
    path = f"media/{owner}/{image_id}-{digest(raw)}"
    image = StoredImage(path, rendered.width, rendered.height, tuple(sorted(rendered.thumbnails)))
    files = [(image.address[1:], rendered.jpeg, "image/jpeg")]
    files += [(image.thumbnail_key(width), body, "image/webp") for width, body in rendered.thumbnails.items()]
    call_each(lambda file: store.put(*file, cache_control=store.FOREVER), files)
    return image


def delete(image: StoredImage) -> None:
    """Delete the files of an image that nothing refers to any more. What fails is left to `delete_unused`."""
    try:
        call_each(store.delete, image.keys)
    except Exception as error:
        log.warning("image.not_deleted", path=image.path, error=type(error).__name__)


def delete_unused(used: Set[str], now: int) -> int:
    """Delete all stored images that are not among these paths, except new ones; returns how many files there were."""
    unused = [file.key for file in store.list_files("media/") if file.stored_at < now - UNUSED_SECONDS and _path_of(file.key) not in used]
    call_each(store.delete, unused)
    return len(unused)


def begin_upload(owner: str, actor: str, content_type: str, now: int) -> NewUpload:
    """A form for one file of this type, which goes straight to the bucket and is checked there."""
    upload_id = ids.new_id()
    form = store.upload_form(f"uploads/{owner}/{upload_id}", content_type, MAX_IMAGE_BYTES, UPLOAD_SECONDS, {"actor": actor})
    return NewUpload(upload_id, form, now + UPLOAD_SECONDS)


def find_upload(key: str) -> Upload | None:
    """The upload that is stored as `key`; None if it was dealt with before."""
    owner, _, upload_id = key.removeprefix("uploads/").rpartition("/")
    file = store.find(key, MAX_IMAGE_BYTES)
    return None if file is None else Upload(owner, upload_id, file.notes.get("actor", ""), file.body)


def end_upload(upload: Upload, error: ApiError | None) -> None:
    """Write down what came of an upload, then delete it."""
    outcome = UploadOutcome("done")
    if error is not None:
        outcome = UploadOutcome("refused", error.code, error.message, error.details.get("reason"))
    store.put(_outcome_key(upload.owner, upload.upload_id), msgspec.json.encode(outcome), "application/json")
    store.delete(f"uploads/{upload.owner}/{upload.upload_id}")


def find_outcome(owner: str, upload_id: str) -> UploadOutcome | None:
    """What came of an upload; None if nothing has yet."""
    file = store.find(_outcome_key(owner, upload_id), _MAX_OUTCOME_BYTES)
    return None if file is None else msgspec.json.decode(file.body, type=UploadOutcome)


def _outcome_key(owner: str, upload_id: str) -> str:
    return f"outcomes/{owner}/{upload_id}.json"


def _path_of(key: str) -> str:
    """`media/<owner>/<image id>-<digest>` of the name of a file."""
    folder, _, name = key.rpartition("/")
    return f"{folder}/{'-'.join(name.partition('.')[0].split('-')[:2])}"
