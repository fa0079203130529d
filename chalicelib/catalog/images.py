"""The picture of an event or a tier: one JPEG, and WebP thumbnails for pages.

The `images` add-on stores pictures and puts their files on the CDN.
"""

from msgspec import Struct


class StoredImage(Struct, frozen=True):
    """An image whose files are stored. `path` is the common prefix of the file names: `media/<owner>/<image id>-<digest>`.

    `width` and `height` are the size of the JPEG in pixels; `widths` are the widths of the thumbnails in ascending order.
    """

    path: str
    width: int
    height: int
    widths: tuple[int, ...]

    @property
    def uploaded_at(self) -> str:
        """The first ten characters of the image id. They encode the start of the upload in milliseconds and sort by time."""
        return self.path.rpartition("/")[2][:10]

    @property
    def digest(self) -> str:
        """The digest of the file that was uploaded."""
        return self.path.rpartition("-")[2]

    @property
    def address(self) -> str:
        """The path of the JPEG in the shop."""
        return f"/{self.path}.jpg"

    @property
    def keys(self) -> list[str]:
        """The names of the image's files in the bucket."""
        return [f"{self.path}.jpg", *(self.thumbnail_key(width) for width in self.widths)]

    def thumbnail_key(self, width: int) -> str:
        return f"{self.path}-{width}.webp"


class ThumbnailView(Struct, frozen=True):
    """A smaller picture. `url` is an address in the shop; `width` and `height` are in pixels."""

    url: str
    width: int
    height: int


class ImageView(Struct, frozen=True):
    """An uploaded picture: a JPEG at `url` (an address in the shop), and smaller WebP versions (`thumbnails`)."""

    url: str
    width: int
    height: int
    thumbnails: list[ThumbnailView]


def image_view(image: StoredImage | None) -> ImageView | None:
    """Return an image as the public sees it. Returns None if there is no image."""
    if image is None:
        return None
    thumbnails = [
        ThumbnailView(f"/{image.thumbnail_key(width)}", width, scaled_height(image.width, image.height, width)) for width in image.widths
    ]
    return ImageView(image.address, image.width, image.height, thumbnails)


def scaled_height(width: int, height: int, new_width: int) -> int:
    """Return the height of an image after scaling it to `new_width`."""
    return max(1, round(height * new_width / width))
