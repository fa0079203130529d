"""Set and remove the images of events and tiers, from direct uploads or from uploads to the bucket, and the logos of promoters.

A change stores the new files, points the catalog to them, and then deletes the old files. File names include the id of the upload, so no
two uploads share a file, and deleting one image never affects another. A crash between these steps leaves unreferenced files, never a
reference to missing files; `delete_unused` removes the leftovers.
"""

from collections.abc import Iterator
from functools import partial
from hashlib import sha256
from typing import Any, ClassVar, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from chalicelib.addons.images import rendering, store
from chalicelib.catalog import snapshots
from chalicelib.catalog.images import StoredImage
from chalicelib.catalog.model import Brand, Catalog, Event, Tier
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
from chalicelib.edge.auth import Forbidden
from chalicelib.foundation import ids, memory
from chalicelib.foundation.errors import ApiError
from chalicelib.foundation.log import logger
from chalicelib.foundation.parallel import call_each

UPLOAD_SECONDS = 600
UNUSED_SECONDS = 3600  # longer than any request or function takes from storing a file to referring to it

_MAX_OUTCOME_BYTES = 10_000


class NewerImage(ApiError):
    """A later upload became the image while this upload was being checked."""

    code: ClassVar[str] = "newer_image"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "A newer picture has replaced this one in the meantime."


class ImageOwner(Struct, frozen=True):
    """The owner of an image: an event, or one of its tiers."""

    event_id: str
    tier_id: str | None = None

    @property
    def name(self) -> str:
        """The owner's name in the bucket: `<event id>` or `<event id>/<tier id>`."""
        return self.event_id if self.tier_id is None else f"{self.event_id}/{self.tier_id}"

    @classmethod
    def from_name(cls, name: str) -> "ImageOwner":
        event_id, _, tier_id = name.partition("/")
        return cls(event_id, tier_id or None)


class NewUpload(Struct, frozen=True):
    """A prepared upload. The bucket accepts the form until `expires_at`, in epoch seconds."""

    upload_id: str
    form: store.UploadForm
    expires_at: int


class UploadOutcome(Struct, frozen=True, omit_defaults=True):
    """The result of an upload. `code`, `message` and `reason` describe a refusal."""

    state: Literal["done", "refused"]
    code: str | None = None
    message: str | None = None
    reason: str | None = None


def set_image(owner: ImageOwner, raw: bytes, actor: str, now: int, expected: Expected = ANY_VERSION) -> None:
    """Make an uploaded file the image of an event or tier. Uploading the current file again changes nothing.

    Raises ImageRefused, ImageTooLarge, NotFound, ManagedByBootstrap and the errors of `expected`. Nothing is stored in any of these cases.
    """
    entry = _get_changeable(snapshots.load_current(), owner)
    expected.check(entry)
    if entry.image is None or entry.image.digest != _image_digest(raw):
        _replace_image(owner, _save_image(owner.name, ids.new_id(), raw), actor, now, expected)


def remove_image(owner: ImageOwner, actor: str, now: int, expected: Expected = ANY_VERSION) -> None:
    """Remove the image of an event or tier, whether or not the image was uploaded. A repeated call changes nothing."""
    _replace_image(owner, None, actor, now, expected)


def set_logo(promoter_id: str, raw: bytes, actor: str, now: int) -> Brand:
    """Make an uploaded file the logo of a promoter. Returns the new brand. Raises ImageRefused, ImageTooLarge and CatalogChanging."""
    brand = snapshots.load_current().choices_of(promoter_id).brand
    if brand.logo is not None and brand.logo.digest == _image_digest(raw):
        return brand
    return _replace_logo(promoter_id, _save_image("logos", ids.new_id(), raw), actor, now)


def remove_logo(promoter_id: str, actor: str, now: int) -> Brand:
    """Remove the logo of a promoter, and return the new brand. A repeated call changes nothing. Raises CatalogChanging."""
    return _replace_logo(promoter_id, None, actor, now)


def begin_upload(owner: ImageOwner, content_type: str, actor: str, now: int) -> NewUpload:
    """Create a form that uploads one file of this type directly to the bucket. Raises NotFound and ManagedByBootstrap."""
    _get_changeable(snapshots.load_current(), owner)
    upload_id = ids.new_id()
    form = store.upload_form(f"uploads/{owner.name}/{upload_id}", content_type, rendering.MAX_IMAGE_BYTES, UPLOAD_SECONDS, {"actor": actor})
    return NewUpload(upload_id, form, now + UPLOAD_SECONDS)


def find_outcome(owner: ImageOwner, upload_id: str) -> UploadOutcome | None:
    """Return the outcome of an upload, or None if it has no outcome yet."""
    file = store.find(_outcome_key(owner, upload_id), _MAX_OUTCOME_BYTES)
    return None if file is None else memory.decoder(UploadOutcome).decode(file.body)


def process_upload(key: str, scanned: str | None, now: int) -> None:
    """Check a file in the bucket and make it the image of its owner, or record why the file was refused. Safe to repeat.

    The bucket accepts a form any number of times until it expires, so only its first file counts. Otherwise, one form, which counts once
    toward the rate limit, could change the catalog again and again. If the stage scans files, `scanned` is the ETag of the clean file; a
    later file under this name waits for its own scan.
    """
    file = store.find(key, rendering.MAX_IMAGE_BYTES)
    if file is None or scanned not in (None, file.etag):  # already processed, or replaced
        return
    name, _, upload_id = key.removeprefix("uploads/").rpartition("/")
    owner = ImageOwner.from_name(name)
    if find_outcome(owner, upload_id) is not None:
        store.delete(key)
        return
    outcome = UploadOutcome("done")
    try:
        current = snapshots.load_current()
        _get_changeable(current, owner)
        if current.events[owner.event_id].suspended:  # after the form was made
            raise Forbidden("This event's promoter is locked. Contact the shop.")
        image = _save_image(owner.name, upload_id, file.body)
        _replace_image(owner, image, file.notes.get("actor", ""), now, ANY_VERSION, is_checked_later=True)
    except ApiError as refused:
        if refused.status >= 500 or isinstance(refused, CatalogChanging):
            raise
        outcome = UploadOutcome("refused", refused.code, refused.message, refused.details.get("reason"))
        logger.info("image.upload_refused", owner=name, upload_id=upload_id, error=refused.code)
    store.put(_outcome_key(owner, upload_id), msgspec.json.encode(outcome), "application/json")
    store.delete(key)


def delete_unused(now: int) -> int:
    """Delete the files of images that no event, tier or promoter uses, except recent files. Returns the number of deleted files."""
    used = {image.path for image in _used_images(snapshots.load_current())}
    unused = [
        file.key for file in store.list_files("media/") if file.stored_at < now - UNUSED_SECONDS and _image_path(file.key) not in used
    ]
    call_each(store.delete, unused)
    return len(unused)


def _used_images(catalog: Catalog) -> Iterator[StoredImage]:
    for event in catalog.events.values():
        if event.deleted_at is None:
            yield from filter(None, (event.image, *(tier.image for tier in catalog.listed_tiers(event.id))))
    yield from filter(None, (choices.brand.logo for choices in catalog.choices.values()))


def _get_changeable(catalog: Catalog, owner: ImageOwner) -> Event | Tier:
    return get_changeable_event(catalog, owner.event_id) if owner.tier_id is None else get_changeable_tier(catalog, owner.tier_id)


def _replace_image(
    owner: ImageOwner, image: StoredImage | None, actor: str, now: int, expected: Expected, *, is_checked_later: bool = False
) -> None:
    """Set or clear the owner's image in the catalog, then delete the previous image. The same file again changes nothing.

    If the catalog refuses the change, deletes the new image instead. With `is_checked_later`, raises NewerImage if the current image was
    uploaded after the new image.
    """
    replaced: StoredImage | None = None

    def build(catalog: Catalog) -> CatalogChange[Any]:
        nonlocal replaced
        before = _get_changeable(catalog, owner)
        if image is None or before.image != image:  # an equal image means a repeated call
            expected.check(before)
        if is_checked_later and image is not None and before.image is not None and before.image.uploaded_at > image.uploaded_at:
            raise NewerImage()
        replaced = before.image if before.image != image else None
        if replaced is not None and image is not None and replaced.digest == image.digest:  # somebody else has just uploaded the same file
            replaced = image
            return CatalogChange(before, [])
        values: dict[str, Any] = {"image": image, "image_url": image.address if image is not None else None}
        if isinstance(before, Event):
            return change_event(before, replace(before, **values), "event.image_changed", actor, now)
        return change_tier(before, replace(before, **values), "tier.image_changed", actor, now)

    try:
        commit(build)
    except ApiError:
        if image is not None:
            _delete_image(image)
        raise
    if replaced is not None:
        _delete_image(replaced)


def _replace_logo(promoter_id: str, logo: StoredImage | None, actor: str, now: int) -> Brand:
    """Set or clear the logo, then delete the files of the former logo. If the catalog refuses the change, delete the new files instead."""
    from chalicelib.promoters import service as promoters  # the functions that only process uploads load no promoters

    try:
        before, after = promoters.change_brand(promoter_id, partial(replace, logo=logo), actor, now)
    except ApiError:
        if logo is not None:
            _delete_image(logo)
        raise
    if before.logo is not None and before.logo != logo:
        _delete_image(before.logo)
    return after


def _image_digest(raw: bytes) -> str:
    """Return the digest of an uploaded file and RENDERING. The same file has the same digest until RENDERING changes."""
    return sha256(rendering.RENDERING.encode() + raw).hexdigest()[:16]


def _save_image(folder: str, image_id: str, raw: bytes) -> StoredImage:
    """Re-encode an uploaded file and store the result, without a reference from the catalog.

    Raises ImageRefused and ImageTooLarge; in both cases nothing is stored.
    """
    rendered = rendering.render_image(raw)
    path = f"media/{folder}/{image_id}-{_image_digest(raw)}"
    image = StoredImage(path, rendered.width, rendered.height, tuple(sorted(rendered.thumbnails)))
    files = [(image.address[1:], rendered.jpeg, "image/jpeg")]
    files += [(image.thumbnail_key(width), body, "image/webp") for width, body in rendered.thumbnails.items()]
    call_each(lambda file: store.put(*file, cache_control=store.FOREVER), files)
    return image


def _delete_image(image: StoredImage) -> None:
    """Delete the files of an unreferenced image. If that fails, `delete_unused` deletes them later."""
    try:
        call_each(store.delete, image.keys)
    except Exception as error:
        logger.warning("image.not_deleted", path=image.path, error=type(error).__name__)


def _outcome_key(owner: ImageOwner, upload_id: str) -> str:
    return f"outcomes/{owner.name}/{upload_id}.json"


def _image_path(key: str) -> str:
    """Return the path of the image that a file belongs to: `media/<owner>/<image id>-<digest>`."""
    folder, _, name = key.rpartition("/")
    return f"{folder}/{'-'.join(name.partition('.')[0].split('-')[:2])}"
