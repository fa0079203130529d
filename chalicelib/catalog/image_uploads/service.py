"""The images of events: set from a form or from an upload to the bucket, and removed.

The steps of a change: store the new files, refer to them in the event, delete the old files. A crash in between leaves files that nothing
refers to, never a reference to files that are not there; `delete_unused` finds them.
"""

from typing import ClassVar

from msgspec.structs import replace

from chalicelib import ids, log
from chalicelib.catalog import snapshots
from chalicelib.catalog.model import Catalog, Event
from chalicelib.catalog.revisions import ANY_VERSION, CatalogChange, CatalogChanging, Expected, change_event, commit, get_changeable_event
from chalicelib.errors import ApiError
from chalicelib.images import service as images
from chalicelib.images.model import StoredImage


class NewerImage(ApiError):
    """While an upload was checked, a later one was set."""

    code: ClassVar[str] = "newer_image"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "A later picture has been set meanwhile."


def set_event_image(event_id: str, raw: bytes, actor: str, now: int, expected: Expected = ANY_VERSION) -> Event:
    """Make an uploaded file the image of an event. The file that it is already changes nothing.

    Raises ImageRefused, ImageTooLarge, NotFound, ManagedByBootstrap and those of `expected`; then nothing is stored.
    """
    event = get_changeable_event(snapshots.load_current(), event_id)
    expected.check(event)
    if event.image is not None and event.image.digest == images.digest(raw):
        return event
    image = images.save(event_id, ids.new_id(), raw)
    return _replace_image(event_id, image, actor, now, expected)


def remove_event_image(event_id: str, actor: str, now: int, expected: Expected = ANY_VERSION) -> Event:
    """Remove the image of an event, uploaded or not. Repeated, it changes nothing."""
    return _replace_image(event_id, None, actor, now, expected)


def begin_upload(event_id: str, content_type: str, actor: str, now: int) -> images.NewUpload:
    """A form by which a browser sends an image of an event to the bucket. Raises NotFound and ManagedByBootstrap."""
    get_changeable_event(snapshots.load_current(), event_id)
    return images.begin_upload(event_id, actor, content_type, now)


def process_upload(key: str, now: int) -> None:
    """Check a file that was sent to the bucket, and make it the image of its event, or write down why it was refused. Repeatable."""
    upload = images.find_upload(key)
    if upload is None:
        return
    error: ApiError | None = None
    try:
        get_changeable_event(snapshots.load_current(), upload.owner)
        image = images.save(upload.owner, upload.upload_id, upload.raw)
        _replace_image(upload.owner, image, upload.actor, now, ANY_VERSION, is_checked_later=True)
    except ApiError as refused:
        if refused.status >= 500 or isinstance(refused, CatalogChanging):
            raise
        error = refused
        log.info("image.upload_refused", owner=upload.owner, upload_id=upload.upload_id, error=refused.code)
    images.end_upload(upload, error)


def delete_unused(now: int) -> int:
    """Delete the stored images that no event has; returns how many files there were."""
    catalog = snapshots.load_current()
    return images.delete_unused({event.image.path for event in catalog.events.values() if event.image and event.deleted_at is None}, now)


def _replace_image(
    event_id: str, image: StoredImage | None, actor: str, now: int, expected: Expected, *, is_checked_later: bool = False
) -> Event:
    """Refer to an image that is stored, then delete the one before. If that is not possible, the new one is deleted.

    Raises NewerImage for one that was sent before the present one and is only now checked.
    """
    replaced: StoredImage | None = None

    def build(catalog: Catalog) -> CatalogChange[Event]:
        nonlocal replaced
        before = get_changeable_event(catalog, event_id)
        if image is not None and before.image == image:  # a repetition
            return CatalogChange(before, [])
        expected.check(before)
        if is_checked_later and image is not None and before.image is not None and before.image.uploaded_at > image.uploaded_at:
            raise NewerImage()
        replaced = before.image
        after = replace(before, image=image, image_url=image.address if image is not None else None)
        return change_event(before, after, "event.image_changed", actor, now)

    try:
        _, event = commit(build)
    except ApiError:
        if image is not None:
            images.delete(image)
        raise
    if replaced is not None:
        images.delete(replaced)
    return event
