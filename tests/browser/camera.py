"""A camera for Chromium that sees a picture: a film without end, in the only formats that it takes (Y4M)."""

import io
from pathlib import Path

from PIL import Image

SIZE = (640, 480)
FRAMES = 2
# Instead of a camera of the machine, and without asking; the file is opened anew each time that a page starts the camera.
ARGUMENTS = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", "--use-file-for-fake-video-capture={film}")
BLANK = Image.new("L", SIZE, 128)


def show(film: Path, picture: bytes | None) -> None:
    """Let the camera see a picture (PNG) as far as it fits, or nothing."""
    seen = BLANK.copy()
    if picture is not None:
        image = Image.open(io.BytesIO(picture)).convert("L")
        image.thumbnail(SIZE)
        seen.paste(image, ((SIZE[0] - image.width) // 2, (SIZE[1] - image.height) // 2))
    colors = bytes([128]) * (SIZE[0] * SIZE[1] // 2)  # none
    frame = b"FRAME\n" + seen.tobytes() + colors
    film.write_bytes(f"YUV4MPEG2 W{SIZE[0]} H{SIZE[1]} F10:1 Ip A1:1 C420\n".encode() + frame * FRAMES)
