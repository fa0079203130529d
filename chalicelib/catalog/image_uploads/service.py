"""Set and remove the images of events and tiers, from direct uploads or from uploads to the bucket.

A change stores the new files, refers to them in the catalog, and then deletes the old files. A crash in between leaves unreferenced files,
never a reference to missing files; `delete_unused` removes the leftovers.
"""

from collections.abc import Iterator
from typing import Any, ClassVar

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.catalog import snapshots
from chalicelib.catalog.image_uploads.views import UploadStateView, UploadView, upload_state_view, upload_view
from chalicelib.catalog.model import Catalog, Event, Tier
from chalicelib.catalog.revisions import (
    ANY_VERSION,
    CatalogChange,
    CatalogChanging,
    Expected,
    change_event,
    commit,
    get_changeable_event,
)
from chalicelib.catalog.tier_management import change_tier, get_changeable_tier
from chalicelib.foundation import ids, log
from chalicelib.foundation.errors import ApiError
from chalicelib.images import service as images
from chalicelib.images.model import StoredImage


class NewerImage(ApiError):
    """A later upload was set while this one was being checked."""

    code: ClassVar[str] = "newer_image"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "A newer picture has replaced this one in the meantime."


class ImageOwner(Struct, frozen=True):
    """The owner of an image: an event, or one of its tiers."""

    event_id: str
    tier_id: str | None = None

    @property
    def name(self) -> str:
        """The owner's name in the bucket."""
        return self.event_id if self.tier_id is None else f"{self.event_id}/{self.tier_id}"

    @classmethod
    def from_name(cls, name: str) -> "ImageOwner":
        event_id, _, tier_id = name.partition("/")
        return cls(event_id, tier_id or None)


def set_image(owner: ImageOwner, raw: bytes, actor: str, now: int, expected: Expected = ANY_VERSION) -> None:
    """Make an uploaded file the image of an event or tier. Uploading the current file again changes nothing.

    Raises ImageRefused, ImageTooLarge, NotFound, ManagedByBootstrap and the errors of `expected`; in all cases nothing is stored.
    """
    entry = _get_changeable(snapshots.load_current(), owner)
    expected.check(entry)
    if entry.image is None or entry.image.digest != images.image_digest(raw):
        _replace_image(owner, images.save_image(owner.name, ids.new_id(), raw), actor, now, expected)


def remove_image(owner: ImageOwner, actor: str, now: int, expected: Expected = ANY_VERSION) -> None:
    """Remove the image of an event or tier, whether it was uploaded or not. A repeated call changes nothing."""
    _replace_image(owner, None, actor, now, expected)


def begin_upload(owner: ImageOwner, content_type: str, actor: str, now: int) -> UploadView:
    """Create a form with which a browser uploads an image to the bucket. Raises NotFound and ManagedByBootstrap."""
    _get_changeable(snapshots.load_current(), owner)
    return upload_view(images.begin_upload(owner.name, actor, content_type, now))


def get_upload(owner: ImageOwner, upload_id: str) -> UploadStateView:
    """Return the state of an upload. An unknown upload is `waiting`."""
    return upload_state_view(upload_id, images.find_outcome(owner.name, upload_id))


def process_upload(key: str, now: int) -> None:
    """Check a file in the bucket and make it the image of its owner, or record why it was refused. Repeatable."""
    upload = images.find_upload(key)
    if upload is None:
        return
    owner = ImageOwner.from_name(upload.owner)
    error: ApiError | None = None
    try:
        _get_changeable(snapshots.load_current(), owner)
        image = images.save_image(upload.owner, upload.upload_id, upload.raw)
        _replace_image(owner, image, upload.actor, now, ANY_VERSION, is_checked_later=True)
    except ApiError as refused:
        if refused.status >= 500 or isinstance(refused, CatalogChanging):
            raise
        error = refused
        log.info("image.upload_refused", owner=upload.owner, upload_id=upload.upload_id, error=refused.code)
    images.end_upload(upload, error)


def delete_unused(now: int) -> int:
    """Delete the stored images that no event or tier has. Returns the number of deleted files."""
    return images.delete_unused({image.path for image in _used_images(snapshots.load_current())}, now)


def _used_images(catalog: Catalog) -> Iterator[StoredImage]:
    for event in catalog.events.values():
        if event.deleted_at is None:
            yield from filter(None, (event.image, *(tier.image for tier in catalog.listed_tiers(event.id))))


def _get_changeable(catalog: Catalog, owner: ImageOwner) -> Event | Tier:
    return get_changeable_event(catalog, owner.event_id) if owner.tier_id is None else get_changeable_tier(catalog, owner.tier_id)


def _replace_image(
    owner: ImageOwner, image: StoredImage | None, actor: str, now: int, expected: Expected, *, is_checked_later: bool = False
) -> None:
    """Refer to a stored image, then delete the previous one. If the catalog refuses the change, delete the new image instead.

    With `is_checked_later`, raises NewerImage if the current image was uploaded after this one.
    """
    replaced: StoredImage | None = None

    def build(catalog: Catalog) -> CatalogChange[Any]:
        nonlocal replaced
        before = _get_changeable(catalog, owner)
        if image is None or before.image != image:  # otherwise the call is a repetition
            expected.check(before)
        if is_checked_later and image is not None and before.image is not None and before.image.uploaded_at > image.uploaded_at:
            raise NewerImage()
        replaced = before.image if before.image != image else None
        values: dict[str, Any] = {"image": image, "image_url": image.address if image is not None else None}
        if isinstance(before, Event):
            return change_event(before, replace(before, **values), "event.image_changed", actor, now)
        return change_tier(before, replace(before, **values), "tier.image_changed", actor, now)

    try:
        commit(build)
    except ApiError:
        if image is not None:
            images.delete_image(image)
        raise
    if replaced is not None:
        images.delete_image(replaced)
