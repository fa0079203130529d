"""Routes for images of events and logos of promoters: direct uploads of small files, and forms that send larger files to the bucket.

Also the Lambda functions for images: one processes files uploaded to the bucket, the other deletes unreferenced files.
"""

from typing import Any, Literal

from chalice.app import Blueprint
from msgspec import Struct

from chalicelib.addons.images import service
from chalicelib.addons.images.rendering import IMAGE_TYPES, MAX_IMAGE_BYTES, MAX_SENT_BYTES, ImageRefused, ImageTooLarge
from chalicelib.addons.images.service import ImageOwner
from chalicelib.catalog import admin_queries, permissions
from chalicelib.catalog.revisions import CHANGE_ERRORS, CatalogChanging, expected_version, versioned_reply
from chalicelib.catalog.views import AdminEventWithTiersView, BrandView, brand_view
from chalicelib.edge import scheduled
from chalicelib.edge.operation import IF_MATCH, FormFile
from chalicelib.edge.rate_limits import CATALOG, RateLimited, limited_for_caller
from chalicelib.edge.routes import Reply, RequestContext, route
from chalicelib.edge.scheduled import scheduled_job
from chalicelib.foundation import clock, deadline, ids, log
from chalicelib.foundation.clock import Timestamp
from chalicelib.foundation.log import logger
from chalicelib.promoters import service as promoters

bp = Blueprint(__name__)

IMAGE_FILE = FormFile("image", IMAGE_TYPES, MAX_SENT_BYTES, ImageTooLarge)


class NewUploadBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The type of the file that will be sent."""

    content_type: Literal["image/jpeg", "image/png", "image/webp"]


class UploadView(Struct, frozen=True, kw_only=True):
    """A form for one file. Before `expires_at`, post `fields`, then the file as the `file` part, to `url` as multipart/form-data."""

    id: str
    url: str
    fields: dict[str, str]
    max_bytes: int
    expires_at: Timestamp


class UploadStateView(Struct, frozen=True, kw_only=True):
    """The outcome of an upload. `state` is `waiting` until the file has been checked. `error`, `reason` and `message` explain a refusal."""

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
@limited_for_caller(CATALOG)
def set_event_image(request: RequestContext, event_id: str, file: bytes) -> Reply[AdminEventWithTiersView]:
    """Upload the image of an event.

    The picture is re-encoded without its metadata. For pictures of 4.5 to 5 MB, use `.../image/upload`.
    """
    actor = permissions.require_actor(request.require_user(), event_id)
    service.set_image(ImageOwner(event_id), file, actor, request.now, expected_version(request))
    return _event_reply(event_id, request.now)


@route(bp, "DELETE", "/events/{event_id}/image", access="manager", headers=(IF_MATCH,), errors=CHANGE_ERRORS)
@limited_for_caller(CATALOG)
def remove_event_image(request: RequestContext, event_id: str) -> Reply[AdminEventWithTiersView]:
    """Remove the image of an event."""
    actor = permissions.require_actor(request.require_user(), event_id)
    service.remove_image(ImageOwner(event_id), actor, request.now, expected_version(request))
    return _event_reply(event_id, request.now)


@route(bp, "POST", "/events/{event_id}/image/upload", access="manager", statuses=(201,), errors=CHANGE_ERRORS[:2])
@limited_for_caller(CATALOG)
def begin_event_image_upload(request: RequestContext, event_id: str, body: NewUploadBody) -> Reply[UploadView]:
    """Get a form that uploads the image of an event directly to the bucket.

    The file is checked and becomes the event's image within a few seconds. `GET .../image/upload/{upload_id}` shows the outcome.
    """
    actor = permissions.require_actor(request.require_user(), event_id)
    return upload_reply(ImageOwner(event_id), body.content_type, actor, request.now)


@route(bp, "GET", "/events/{event_id}/image/upload/{upload_id}", access="manager")
def show_event_image_upload(request: RequestContext, event_id: str, upload_id: str) -> Reply[UploadStateView]:
    """Show the outcome of an upload."""
    permissions.require_manager(request.require_user(), event_id)
    return upload_state_reply(ImageOwner(event_id), upload_id)


@route(
    bp,
    "POST",
    "/promoters/{promoter_id}/logo",
    access="manager",
    errors=(CatalogChanging, ImageRefused, RateLimited),
    file=IMAGE_FILE,
)
@limited_for_caller(CATALOG)
def set_logo(request: RequestContext, promoter_id: str, file: bytes) -> Reply[BrandView]:
    """Upload the logo of a verified promoter, which the pages of the promoter's events show. It is re-encoded like an event's image."""
    identity = request.require_user()
    promoters.require_brand(identity, promoter_id)
    return Reply(brand_view(service.set_logo(promoter_id, file, identity.user_id, request.now)))


@route(bp, "DELETE", "/promoters/{promoter_id}/logo", access="manager", errors=(CatalogChanging, RateLimited))
@limited_for_caller(CATALOG)
def remove_logo(request: RequestContext, promoter_id: str) -> Reply[BrandView]:
    """Remove the logo of a promoter."""
    identity = request.require_user()
    promoters.require_brand(identity, promoter_id, is_removal=True)
    return Reply(brand_view(service.remove_logo(promoter_id, identity.user_id, request.now)))


def upload_reply(owner: ImageOwner, content_type: str, actor: str, now: int) -> Reply[UploadView]:
    """Create a form for an upload. Raises NotFound and ManagedByBootstrap."""
    upload = service.begin_upload(owner, content_type, actor, now)
    view = UploadView(
        id=upload.upload_id,
        url=upload.form.url,
        fields=upload.form.fields,
        max_bytes=MAX_IMAGE_BYTES,
        expires_at=clock.iso(upload.expires_at),
    )
    return Reply(view, 201)


def upload_state_reply(owner: ImageOwner, upload_id: str) -> Reply[UploadStateView]:
    """Show the state of an upload. An unknown upload is `waiting`."""
    outcome = service.find_outcome(owner, upload_id)
    if outcome is None:
        return Reply(UploadStateView(id=upload_id, state="waiting"))
    return Reply(UploadStateView(id=upload_id, state=outcome.state, error=outcome.code, reason=outcome.reason, message=outcome.message))


def _event_reply(event_id: str, now: int) -> Reply[AdminEventWithTiersView]:
    return versioned_reply(admin_queries.get_event(event_id, now))


# Functions without a route.

_CLEAN = "NO_THREATS_FOUND"


@bp.lambda_function(name="process_image")
def process_image(event: Any, context: Any) -> None:
    """Process a file under `uploads/`. EventBridge calls this function once the file is stored or, if the stage scans files, scanned."""
    with log.scope(ids.new_id()), deadline.within(scheduled.lambda_seconds(context)):
        stored = _stored_file(event["detail"])
        if stored is not None:
            service.process_upload(*stored, clock.now())


@scheduled_job(bp, "clean_images", minutes=24 * 60, description="Deletes unused image files.")
def clean_images() -> dict[str, Any]:
    return {"deleted": service.delete_unused(clock.now())}


def _stored_file(detail: dict[str, Any]) -> tuple[str, str | None] | None:
    """Return the name of the file and, if the file was scanned, the ETag of its content.

    Returns None if GuardDuty did not find the file clean; the bucket deletes such a file after a day.
    """
    if "scanResultDetails" not in detail:
        return str(detail["object"]["key"]), None
    key = str(detail["s3ObjectDetails"]["objectKey"])
    status = detail["scanResultDetails"]["scanResultStatus"]
    if status == _CLEAN:
        return key, str(detail["s3ObjectDetails"]["eTag"]).strip('"')
    logger.warning("image.not_clean", key=key, status=status)
    return None
