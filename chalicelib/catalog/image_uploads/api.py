"""Routes for images of events: direct uploads of small files, and forms that send larger files to the bucket."""

from chalice.app import Blueprint

from chalicelib.catalog import admin_queries, permissions
from chalicelib.catalog.image_uploads import service
from chalicelib.catalog.image_uploads.service import ImageOwner
from chalicelib.catalog.image_uploads.views import IMAGE_FILE, NewUploadBody, UploadStateView, UploadView
from chalicelib.catalog.revisions import CHANGE_ERRORS, expected_version, versioned_reply
from chalicelib.catalog.views import AdminEventWithTiersView
from chalicelib.edge.operation import IF_MATCH
from chalicelib.edge.routes import Reply, RequestContext, route
from chalicelib.images.model import ImageRefused

bp = Blueprint(__name__)


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
    """Upload the image of an event.

    The picture is re-encoded without its metadata. On AWS, the request can have about 4.5 MB; use `.../image/upload` for a larger picture.
    """
    actor = permissions.require_actor(request.require_user(), event_id)
    service.set_image(ImageOwner(event_id), file, actor, request.now, expected_version(request))
    return _event_reply(event_id, request.now)


@route(bp, "DELETE", "/events/{event_id}/image", access="manager", headers=(IF_MATCH,), errors=CHANGE_ERRORS)
def remove_event_image(request: RequestContext, event_id: str) -> Reply[AdminEventWithTiersView]:
    """Remove the image of an event."""
    actor = permissions.require_actor(request.require_user(), event_id)
    service.remove_image(ImageOwner(event_id), actor, request.now, expected_version(request))
    return _event_reply(event_id, request.now)


@route(bp, "POST", "/events/{event_id}/image/upload", access="manager", statuses=(201,), errors=CHANGE_ERRORS[:1])
def begin_event_image_upload(request: RequestContext, event_id: str, body: NewUploadBody) -> Reply[UploadView]:
    """Get a form that uploads the image of an event directly to the bucket.

    The file is checked there and becomes the image of the event a few seconds later. `GET .../image/upload/{upload_id}` shows the outcome.
    """
    actor = permissions.require_actor(request.require_user(), event_id)
    return Reply(service.begin_upload(ImageOwner(event_id), body.content_type, actor, request.now), 201)


@route(bp, "GET", "/events/{event_id}/image/upload/{upload_id}", access="manager")
def show_event_image_upload(request: RequestContext, event_id: str, upload_id: str) -> Reply[UploadStateView]:
    """Show the outcome of an upload."""
    permissions.require_manager(request.require_user(), event_id)
    return Reply(service.get_upload(ImageOwner(event_id), upload_id))


def _event_reply(event_id: str, now: int) -> Reply[AdminEventWithTiersView]:
    return versioned_reply(admin_queries.get_event(event_id, now))
