"""Routes of the images of events: a form with a small file, or a form that sends a larger one straight to the bucket."""

from typing import Literal

from chalice.app import Blueprint
from msgspec import Struct

from chalicelib import clock
from chalicelib.catalog import admin_queries, permissions
from chalicelib.catalog.image_uploads import service
from chalicelib.catalog.managed_views import AdminEventWithTiersView
from chalicelib.catalog.revisions import CHANGE_ERRORS, Expected
from chalicelib.clock import Timestamp
from chalicelib.edge.http import Reply, RequestContext, route
from chalicelib.edge.operation import IF_MATCH, FormFile
from chalicelib.images import service as images
from chalicelib.images.model import IMAGE_TYPES, MAX_IMAGE_BYTES, ImageRefused, ImageTooLarge

bp = Blueprint(__name__)

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
    """What came of an upload: `waiting` until the file has come and was checked. `error`, `reason` and `message` say why it was refused."""

    id: str
    state: Literal["waiting", "done", "refused"]
    error: str | None = None
    reason: str | None = None
    message: str | None = None


@route(
    bp,
    "POST",
    "/events/{event_id}/image",
    access="manager",
    headers=(IF_MATCH,),
    errors=(*CHANGE_ERRORS, ImageRefused),
    file=IMAGE_FILE,
)
def set_event_image(request: RequestContext, event_id: str, file: bytes) -> Reply[AdminEventWithTiersView]:
    """Make an uploaded picture the image of an event.

    The picture is drawn anew, without its metadata. On AWS a form may have some 4.5 MB; a larger picture goes by `.../image/upload`.
    """
    actor = _require_manager(request, event_id)
    service.set_event_image(event_id, file, actor, request.now, _expected(request))
    return _event_reply(event_id, request.now)


@route(bp, "DELETE", "/events/{event_id}/image", access="manager", headers=(IF_MATCH,), errors=CHANGE_ERRORS)
def remove_event_image(request: RequestContext, event_id: str) -> Reply[AdminEventWithTiersView]:
    """Remove the image of an event."""
    actor = _require_manager(request, event_id)
    service.remove_event_image(event_id, actor, request.now, _expected(request))
    return _event_reply(event_id, request.now)


@route(bp, "POST", "/events/{event_id}/image/upload", access="manager", statuses=(201,), errors=CHANGE_ERRORS[:1])
def begin_event_image_upload(request: RequestContext, event_id: str, body: NewUploadBody) -> Reply[UploadView]:
    """Get a form that sends a picture of an event straight to the bucket.

    It is checked there, and becomes the image of the event a few seconds later; `GET .../image/upload/{upload_id}` says how it went.
    """
    actor = _require_manager(request, event_id)
    upload = service.begin_upload(event_id, body.content_type, actor, request.now)
    view = UploadView(
        id=upload.upload_id,
        url=upload.form.url,
        fields=upload.form.fields,
        max_bytes=MAX_IMAGE_BYTES,
        expires_at=clock.iso(upload.expires_at),
    )
    return Reply(view, 201)


@route(bp, "GET", "/events/{event_id}/image/upload/{upload_id}", access="manager")
def show_event_image_upload(request: RequestContext, event_id: str, upload_id: str) -> Reply[UploadStateView]:
    """Show what came of an upload."""
    _require_manager(request, event_id)
    outcome = images.find_outcome(event_id, upload_id)
    if outcome is None:
        return Reply(UploadStateView(id=upload_id, state="waiting"))
    view = UploadStateView(id=upload_id, state=outcome.state, error=outcome.code, reason=outcome.reason, message=outcome.message)
    return Reply(view)


def _require_manager(request: RequestContext, event_id: str) -> str:
    caller = request.require_user()
    permissions.require_manager(caller, event_id)
    return caller.user_id


def _expected(request: RequestContext) -> Expected:
    return Expected(if_match=request.header("if-match"))


def _event_reply(event_id: str, now: int) -> Reply[AdminEventWithTiersView]:
    view = admin_queries.get_event(event_id, now)
    return Reply(view, headers={"ETag": f'"{view.version}"'})
