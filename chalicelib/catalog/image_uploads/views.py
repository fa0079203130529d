"""Image uploads as the API shows them."""

from typing import Literal

from msgspec import Struct

from chalicelib.edge.operation import FormFile
from chalicelib.foundation import clock
from chalicelib.foundation.clock import Timestamp
from chalicelib.images import service as images
from chalicelib.images.model import IMAGE_TYPES, MAX_IMAGE_BYTES, ImageTooLarge

IMAGE_FILE = FormFile("image", IMAGE_TYPES, MAX_IMAGE_BYTES, ImageTooLarge)


class NewUploadBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The type of the file that will be sent."""

    content_type: Literal["image/jpeg", "image/png", "image/webp"]


class UploadView(Struct, frozen=True, kw_only=True):
    """Send `fields` and then the file, as the part `file`, in a form (multipart/form-data) to `url`, before `expires_at`."""

    id: str
    url: str
    fields: dict[str, str]
    max_bytes: int
    expires_at: Timestamp


class UploadStateView(Struct, frozen=True, kw_only=True):
    """The outcome of an upload: `waiting` until the file has arrived and was checked. `error`, `reason` and `message` explain a refusal."""

    id: str
    state: Literal["waiting", "done", "refused"]
    error: str | None = None
    reason: str | None = None
    message: str | None = None


def upload_view(upload: images.NewUpload) -> UploadView:
    return UploadView(
        id=upload.upload_id,
        url=upload.form.url,
        fields=upload.form.fields,
        max_bytes=MAX_IMAGE_BYTES,
        expires_at=clock.iso(upload.expires_at),
    )


def upload_state_view(upload_id: str, outcome: images.UploadOutcome | None) -> UploadStateView:
    if outcome is None:
        return UploadStateView(id=upload_id, state="waiting")
    return UploadStateView(id=upload_id, state=outcome.state, error=outcome.code, reason=outcome.reason, message=outcome.message)
