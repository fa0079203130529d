"""Re-encode uploaded images. The first bytes of a file and a decoder determine its type; its name and declared type are ignored.

Only pixels pass from an upload to the published files: no metadata, no color profile, and no bytes around the image data.
"""

import io
import re
import struct
from typing import TYPE_CHECKING, Any, ClassVar

from msgspec import Struct

from chalicelib.catalog.images import scaled_height
from chalicelib.foundation.errors import ApiError

if TYPE_CHECKING:
    from PIL import Image

MAX_IMAGE_BYTES = 5 * 1024 * 1024
# Lambda accepts requests of up to 6 MB, and base64 makes a file a third larger.
MAX_SENT_BYTES = 4_500_000
IMAGE_TYPES = ("image/jpeg", "image/png", "image/webp")
MAX_SIDE = 10_000
MAX_PIXELS = 40_000_000  # 160 MB in memory
MIN_SIDE = 16
# Programs write JPEGs of about ten scans. The format allows any number, and a decoder goes through all pixels for each scan, even for
# one of a few bytes. In 5 MB of other data after a picture, such as a short film, the marker of a scan occurs about 80 times by chance.
MAX_SCANS = 150
MAX_SHOWN_SIDE = 1600
THUMBNAIL_WIDTHS = (320, 640, 1280)
RENDERING = "1"  # part of an image's digest: increase it when the output of this module changes

JPEG_QUALITY, WEBP_QUALITY = 85, 80

_WHITE = (255, 255, 255)
# Names of segments of a JPEG from which Pillow would read a directory of metadata. Pillow copies the bytes that each entry points to, so a
# picture of a few KB, all of whose entries point to the same bytes, could fill the memory.
_DIRECTORY = re.compile(rb"(\xff(?:\xe1..Exif|\xe2..MPF))\0", re.DOTALL)
_EXIF = re.compile(rb"\xff\xe1..Exif\0\0", re.DOTALL)
_MAX_EXIF_BYTES = 65_536  # of a segment
_ORIENTATION, _SHORT = 0x0112, 3  # the number and the type of the entry
_SCAN = b"\xff\xda"  # begins each scan of a JPEG, and never occurs in its pixels
# Signatures of content that other programs would run or unpack. Those in `_MARKUP` are too long to occur in a file by chance. The shorter
# signatures are searched for only at the start: one photo in a hundred contains "<svg" somewhere.
_MARKUP = (b"<script", b"<?php", b"<html", b"<!doctype")
_AT_THE_START, _START_BYTES = (b"<svg", b"%pdf-"), 1024  # PDF readers accept the signature anywhere in these first bytes
_ZIP_END, _ZIP_BYTES = b"pk\x05\x06", 65_557  # the last record of a ZIP archive, with the longest possible comment


class ImageRefused(ApiError):
    """The uploaded file is not an image that we accept; `reason` is a machine-readable word."""

    code: ClassVar[str] = "image_refused"
    status: ClassVar[int] = 400
    default_message: ClassVar[str] = "We cannot display this picture. Send a JPEG, PNG or WebP file."

    def __init__(self, message: str | None = None, *, reason: str = "unreadable") -> None:
        super().__init__(message, path="$.image", reason=reason)


class ImageTooLarge(ApiError):
    code: ClassVar[str] = "image_too_large"
    status: ClassVar[int] = 413
    default_message: ClassVar[str] = (
        f"The picture is too large. The API takes files of up to {MAX_SENT_BYTES / 10**6} MB. "
        f"For files of up to {MAX_IMAGE_BYTES // 1024**2} MB, POST .../image/upload returns a form that uploads to the bucket directly."
    )


class Rendering(Struct, frozen=True):
    """A JPEG of `width` by `height` pixels, and WebP thumbnails by width."""

    jpeg: bytes
    width: int
    height: int
    thumbnails: dict[int, bytes]


def render_image(raw: bytes) -> Rendering:
    """Decode an uploaded file and encode the JPEG and its thumbnails. Raises ImageRefused and ImageTooLarge."""
    from PIL import Image

    image = _upright_rgb(raw)
    image.thumbnail((MAX_SHOWN_SIDE, MAX_SHOWN_SIDE), Image.Resampling.LANCZOS)
    width, height = image.size
    widths = [size for size in THUMBNAIL_WIDTHS if size < width] or [width]
    thumbnails = {size: _webp(image.resize((size, scaled_height(width, height, size)), Image.Resampling.LANCZOS)) for size in widths}
    return Rendering(_encode(image, "JPEG", quality=JPEG_QUALITY, optimize=True, progressive=True), width, height, thumbnails)


def media_type(raw: bytes) -> str | None:
    """Return the type from IMAGE_TYPES that the first bytes identify. Returns None for any other file."""
    if raw.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if raw.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    return "image/webp" if raw[:4] == b"RIFF" and raw[8:12] == b"WEBP" else None


def _upright_rgb(raw: bytes) -> "Image.Image":
    """Decode an image to sRGB, rotate it according to its EXIF data, and give transparent parts a white background."""
    _check_file(raw)
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None  # `_check_size` limits the pixels, with a clearer message
    try:
        exif = b""
        if media_type(raw) == "image/jpeg":
            found = _EXIF.search(raw)
            exif = raw[found.end() : found.end() + _MAX_EXIF_BYTES] if found is not None else b""
            raw = _DIRECTORY.sub(rb"\1-", raw)  # Pillow ignores segments with names that it does not know
        image: Image.Image = Image.open(io.BytesIO(raw), formats=("JPEG", "PNG", "WEBP"))  # reads only the header
        _check_size(image)
        if image.format in ("PNG", "WEBP") and getattr(image, "n_frames", 1) > 1:
            raise ImageRefused("The picture is animated. Send a still picture.", reason="animated")
        image.draft("RGB", (2 * MAX_SHOWN_SIDE, 2 * MAX_SHOWN_SIDE))  # decodes a large JPEG at a reduced size
        image.load()
        return _to_rgb(_upright(image, _orientation(exif or image.info.get("exif", b"").removeprefix(b"Exif\0\0"))))
    except ImageRefused:
        raise
    except Exception as error:  # a decoder may raise any exception for a hostile file
        raise _damaged() from error


def _orientation(exif: bytes) -> int:
    """Return the orientation in EXIF data, from 1 (upright) to 8. Reads only the entries of the first directory."""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(f"{order}L", exif, 4)
        (count,) = struct.unpack_from(f"{order}H", exif, start)
        for number in range(count):
            tag, kind, _, value = struct.unpack_from(f"{order}HHLH", exif, start + 2 + 12 * number)
            if (tag, kind) == (_ORIENTATION, _SHORT):
                return int(value)
    except struct.error:  # the data is cut off
        pass
    return 1


def _upright(image: "Image.Image", orientation: int) -> "Image.Image":
    from PIL.Image import Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    return image.transpose(turns[orientation]) if orientation in turns else image


def _damaged() -> ImageRefused:
    return ImageRefused("The picture is damaged or incomplete. Save it again and send the new file.", reason="damaged")


def _check_file(raw: bytes) -> None:
    if len(raw) > MAX_IMAGE_BYTES:
        raise ImageTooLarge()
    if media_type(raw) is None:
        raise ImageRefused(reason="unknown_type")
    if raw.count(_SCAN) > MAX_SCANS and media_type(raw) == "image/jpeg":
        raise _damaged()
    lower = raw.lower()
    start = lower[:_START_BYTES]
    if any(mark in lower for mark in _MARKUP) or any(mark in start for mark in _AT_THE_START) or _ZIP_END in lower[-_ZIP_BYTES:]:
        raise ImageRefused("The file contains more than a picture: a document, a script or an archive.", reason="not_only_an_image")


def _check_size(image: "Image.Image") -> None:
    """Check the size before decoding any pixel, because a small file can claim any number of pixels."""
    width, height = image.size
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        message = f"The picture has {width} x {height} pixels. Send one with at most {MAX_SIDE:,} per side and {MAX_PIXELS:,} in total."
        raise ImageRefused(message, reason="too_many_pixels")
    if min(width, height) < MIN_SIDE:
        raise ImageRefused(f"The picture is too small. Send one with at least {MIN_SIDE} pixels per side.", reason="too_few_pixels")


def _to_rgb(image: "Image.Image") -> "Image.Image":
    from PIL import Image

    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        image = image.convert("I").point(lambda value: value / 256).convert("L")  # Pillow's own conversion would clip 16-bit values
    profile = image.info.get("icc_profile")
    if profile and image.mode in ("RGB", "CMYK", "L") and (converted := _in_srgb(image, profile)) is not None:
        return converted
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        layer = image.convert("RGBA")
        canvas = Image.new("RGB", layer.size, _WHITE)
        canvas.paste(layer, mask=layer.getchannel("A"))
        return canvas
    return image.convert("RGB")


def _in_srgb(image: "Image.Image", profile: bytes) -> "Image.Image | None":
    """Convert an image from its color profile to sRGB. Returns None if the profile is unusable."""
    from PIL import ImageCms

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        return ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None


def _webp(image: "Image.Image") -> bytes:
    return _encode(image, "WEBP", quality=WEBP_QUALITY, method=4)


def _encode(image: "Image.Image", form: str, **options: Any) -> bytes:
    target = io.BytesIO()
    image.info = {}  # Pillow would also write this metadata
    image.save(target, form, **options)
    return target.getvalue()
