"""Routes for package images, in stages that enable both the `packages` and the `images` add-on."""

from chalice.app import Blueprint

from chalicelib.addons.images import service as images
from chalicelib.addons.images.api import IMAGE_FILE, NewUploadBody, UploadStateView, UploadView, upload_reply, upload_state_reply
from chalicelib.addons.images.rendering import ImageRefused
from chalicelib.addons.images.service import ImageOwner
from chalicelib.addons.packages import service
from chalicelib.addons.packages.api import PACKAGE, require_actor
from chalicelib.addons.packages.views import PackageView
from chalicelib.catalog.revisions import CHANGE_ERRORS, expected_version, versioned_reply
from chalicelib.edge.operation import IF_MATCH
from chalicelib.edge.rate_limits import CATALOG, limited_for_caller
from chalicelib.edge.routes import Reply, RequestContext, route

bp = Blueprint(__name__)


@route(
    bp,
    "POST",
    f"{PACKAGE}/image",
    access="manager",
    headers=(IF_MATCH,),
    errors=(*CHANGE_ERRORS, ImageRefused),
    file=IMAGE_FILE,
)
@limited_for_caller(CATALOG)
def set_package_image(request: RequestContext, event_id: str, package_id: str, file: bytes) -> Reply[PackageView]:
    """Upload the image of a package."""
    actor = require_actor(request, event_id, package_id)
    with service.add_current_to_conflicts(package_id):
        images.set_image(ImageOwner(event_id, package_id), file, actor, request.now, expected_version(request))
    return versioned_reply(service.get_package(package_id))


@route(bp, "DELETE", f"{PACKAGE}/image", access="manager", headers=(IF_MATCH,), errors=CHANGE_ERRORS)
@limited_for_caller(CATALOG)
def remove_package_image(request: RequestContext, event_id: str, package_id: str) -> Reply[PackageView]:
    """Remove the image of a package."""
    actor = require_actor(request, event_id, package_id)
    with service.add_current_to_conflicts(package_id):
        images.remove_image(ImageOwner(event_id, package_id), actor, request.now, expected_version(request))
    return versioned_reply(service.get_package(package_id))


@route(bp, "POST", f"{PACKAGE}/image/upload", access="manager", statuses=(201,), errors=CHANGE_ERRORS[:2])
@limited_for_caller(CATALOG)
def begin_package_image_upload(request: RequestContext, event_id: str, package_id: str, body: NewUploadBody) -> Reply[UploadView]:
    """Get a form that uploads the image of a package directly to the bucket."""
    actor = require_actor(request, event_id, package_id)
    return upload_reply(ImageOwner(event_id, package_id), body.content_type, actor, request.now)


@route(bp, "GET", f"{PACKAGE}/image/upload/{{upload_id}}", access="manager")
def show_package_image_upload(request: RequestContext, event_id: str, package_id: str, upload_id: str) -> Reply[UploadStateView]:
    """Show the outcome of an upload."""
    require_actor(request, event_id, package_id)
    return upload_state_reply(ImageOwner(event_id, package_id), upload_id)
