"""Picture files for tests, made with Pillow: harmless files, hostile files, and forms that upload them."""

import io
import struct
import zipfile
import zlib
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.client import Client, ClientReply

RED, BLUE = (200, 30, 30), (30, 30, 200)
GPS_INFO, ORIENTATION = 0x8825, 0x0112


def picture(form: str = "JPEG", size: tuple[int, int] = (800, 600), mode: str = "RGB", color: Any = RED, **options: Any) -> bytes:
    """Return a picture in one color, with a blue rectangle in the upper left corner if the mode is RGB."""
    image = Image.new(mode, size, color)
    if mode == "RGB":
        image.paste(BLUE, (0, 0, size[0] // 4, size[1] // 4))
    return encoded(image, form, **options)


def encoded(image: Image.Image, form: str, **options: Any) -> bytes:
    target = io.BytesIO()
    image.save(target, form, **options)
    return target.getvalue()


def photo_with_metadata() -> bytes:
    """Return a photo taken with the camera on its side; its metadata has a location, a comment, and the name of a program."""
    image = Image.new("RGB", (800, 600), RED)
    image.paste(BLUE, (0, 0, 200, 150))
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # the picture must be rotated by 90 degrees clockwise
    exif[0x0131] = "SecretCam 9"
    exif.get_ifd(GPS_INFO)[1] = "N"
    exif.get_ifd(GPS_INFO)[2] = (52.0, 31.0, 12.0)
    return encoded(image, "JPEG", exif=exif, comment=b"taken at home")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bomb() -> bytes:
    """Return a PNG of a few kilobytes that claims to have 30,000 x 30,000 pixels."""
    head = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(bytes(100_000))) + _chunk(b"IEND", b"")


def jpeg_of_scans(count: int) -> bytes:
    """Return a progressive JPEG that stores its last part this many times. A decoder goes through the whole picture for each of them."""
    start, mark, last = picture(progressive=True).removesuffix(b"\xff\xd9").rpartition(b"\xff\xda")
    return start + count * (mark + last) + b"\xff\xd9"


def with_many_entries(form: str) -> bytes:
    """Return a picture on its side, whose EXIF data has 1,000 entries that all point to the same 50 KB.

    The form `text` is a PNG with the EXIF data as compressed text, which makes the file small.
    """
    entries = [struct.pack(">HHLHH", ORIENTATION, 3, 1, 6, 0)]
    entries += [struct.pack(">HHLL", number, 7, 50_000, 8) for number in range(0x9000, 0x9000 + 1000)]
    exif = b"Exif\0\0" + (b"MM\0*\0\0\0\x08" + struct.pack(">H", len(entries)) + b"".join(entries)).ljust(60_000, b"\0")
    if form != "text":
        return picture(form, exif=exif)
    texts = PngInfo()
    texts.add_text("Raw profile type exif", f"\nexif\n{len(exif):8}\n{exif.hex()}", zip=True)
    return picture("PNG", pnginfo=texts)


def zip_after(raw: bytes) -> bytes:
    """Return the picture, followed by a zip archive that programs can unpack."""
    target = io.BytesIO(raw)
    target.seek(0, io.SEEK_END)
    with zipfile.ZipFile(target, "a") as archive:
        archive.writestr("run.sh", "echo")
    return target.getvalue()


def animation(form: str) -> bytes:
    frames = [Image.new("RGB", (64, 64), color) for color in (RED, BLUE)]
    return encoded(frames[0], form, save_all=True, append_images=frames[1:])


SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'

# Name -> file, and status and reason of the refusal.
HOSTILE: dict[str, tuple[bytes, int, str | None]] = {
    "not an image": (b"GIF89a, or so", 400, "unknown_type"),
    "nothing": (b"", 400, "unknown_type"),
    "svg with a script": (SVG, 400, "unknown_type"),
    "gif": (picture("GIF"), 400, "unknown_type"),
    "tiff": (picture("TIFF"), 400, "unknown_type"),
    "jpeg by its first bytes only": (b"\xff\xd8\xff\xe0" + bytes(1000), 400, "damaged"),
    "png head, jpeg inside": (b"\x89PNG\r\n\x1a\n" + picture(), 400, "damaged"),
    "bomb": (bomb(), 400, "too_many_pixels"),
    "jpeg of many scans": (jpeg_of_scans(200), 400, "damaged"),
    "one side too long": (picture("PNG", (10_001, 20)), 400, "too_many_pixels"),
    "too small": (picture("PNG", (15, 15)), 400, "too_few_pixels"),
    "truncated jpeg": (picture()[:-600], 400, "damaged"),
    "truncated png": (picture("PNG")[:-30], 400, "damaged"),
    "truncated webp": (picture("WEBP", lossless=True, size=(300, 300), color=(1, 2, 3))[:-40], 400, "damaged"),
    "script after a jpeg": (picture() + b"<ScRiPt>alert(1)</script>", 400, "not_only_an_image"),
    "php in a comment": (picture(comment=b"<?php system($_GET[1]); ?>"), 400, "not_only_an_image"),
    "archive after a png": (zip_after(picture("PNG")), 400, "not_only_an_image"),
    "pdf in a comment": (picture(comment=b"%PDF-1.7"), 400, "not_only_an_image"),
    "animated png": (animation("PNG"), 400, "animated"),
    "animated webp": (animation("WEBP"), 400, "animated"),
    "5 MB and 1": (picture() + bytes(5 * 1024 * 1024 + 1 - len(picture())), 413, None),
}


def form(raw: bytes, *, name: str = "image", fields: dict[str, str] | None = None, filename: str = "x.jpg") -> tuple[bytes, str]:
    """Return a form with a file as its last part: the body and its Content-Type."""
    parts = [f'--b0undary\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n' for key, value in (fields or {}).items()]
    head = f'--b0undary\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\nContent-Type: image/jpeg\r\n\r\n'
    return "".join([*parts, head]).encode() + raw + b"\r\n--b0undary--\r\n", "multipart/form-data; boundary=b0undary"


def send(api: Client, path: str, raw: bytes, token: str, headers: dict[str, str] | None = None, name: str = "image") -> ClientReply:
    """Send a picture to an upload route."""
    body, content_type = form(raw, name=name)
    return api.post(path, body=body, headers={"Content-Type": content_type, **(headers or {})}, token=token)
