"""What is shown of an uploaded file: its pixels, upright and in sRGB, and nothing else."""

import io
import tracemalloc

import pytest
from PIL import Image, ImageCms

from chalicelib.addons.images import rendering
from chalicelib.addons.images.rendering import ImageRefused, ImageTooLarge
from tests import pictures


def opened(raw):
    return Image.open(io.BytesIO(raw))


def is_near(pixel, color, tolerance=6):
    return all(abs(have - want) <= tolerance for have, want in zip(pixel, color, strict=True))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_a_picture_becomes_a_jpeg_and_thumbnails(form):
    rendered = rendering.render_image(pictures.picture(form, (2000, 1500)))
    shown = opened(rendered.jpeg)
    assert (shown.format, shown.size) == ("JPEG", (1600, 1200)) == ("JPEG", (rendered.width, rendered.height))
    assert is_near(shown.getpixel((1500, 1100)), pictures.RED)
    assert is_near(shown.getpixel((10, 10)), pictures.BLUE)
    sizes = {width: opened(raw).size for width, raw in rendered.thumbnails.items()}
    assert sizes == {320: (320, 240), 640: (640, 480), 1280: (1280, 960)}
    assert {opened(raw).format for raw in rendered.thumbnails.values()} == {"WEBP"}


def test_letters_that_turn_up_in_a_photo_by_chance_are_no_reason_to_refuse_it():
    assert rendering.render_image(pictures.picture() + b"\x07<SvG\x93").width
    with pytest.raises(ImageRefused):
        rendering.render_image(pictures.picture()[:2] + b"\xff\xe1\x00\x08<svg>" + pictures.picture()[2:])


def test_a_small_picture_is_not_made_larger():
    rendered = rendering.render_image(pictures.picture(size=(200, 100)))
    assert (rendered.width, rendered.height, list(rendered.thumbnails)) == (200, 100, [200])


def test_no_metadata_is_shown_and_the_picture_is_upright():
    raw = pictures.photo_with_metadata()
    assert b"SecretCam" in raw
    assert opened(raw).getexif().get_ifd(pictures.GPS_INFO)
    rendered = rendering.render_image(raw)
    for file in (rendered.jpeg, *rendered.thumbnails.values()):
        shown = opened(file)
        assert not shown.getexif()
        assert shown.info.keys().isdisjoint({"exif", "xmp", "comment", "icc_profile"})
        assert b"SecretCam" not in file
        assert b"home" not in file
    upright = opened(rendered.jpeg)
    assert upright.size == (600, 800)
    assert is_near(upright.getpixel((590, 10)), pictures.BLUE)  # the upper left corner has been turned to the right


def test_transparency_becomes_white():
    clear = pictures.encoded(Image.new("RGBA", (100, 100), (0, 0, 0, 0)), "PNG")
    assert is_near(opened(rendering.render_image(clear).jpeg).getpixel((50, 50)), (255, 255, 255))
    palette = Image.new("P", (100, 100), 0)
    assert is_near(
        opened(rendering.render_image(pictures.encoded(palette, "PNG", transparency=0)).jpeg).getpixel((50, 50)), (255, 255, 255)
    )


def test_colors_of_print_and_of_16_bits_are_converted():
    cmyk = pictures.picture(mode="CMYK", color=(0, 255, 255, 0))
    shown = opened(rendering.render_image(cmyk).jpeg)
    assert (shown.mode, is_near(shown.getpixel((50, 50)), (255, 0, 0), 12)) == ("RGB", True)
    grey = pictures.encoded(Image.new("I;16", (100, 100), 0x8000), "PNG")
    assert is_near(opened(rendering.render_image(grey).jpeg).getpixel((50, 50)), (128, 128, 128))


def test_a_color_profile_is_applied_and_left_out():
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    rendered = rendering.render_image(pictures.picture(icc_profile=lab))
    assert "icc_profile" not in opened(rendered.jpeg).info
    broken = rendering.render_image(pictures.picture(icc_profile=b"nonsense" * 40))
    assert is_near(opened(broken.jpeg).getpixel((700, 500)), pictures.RED)


@pytest.mark.parametrize("name", pictures.HOSTILE)
def test_hostile_files_are_refused_with_a_reason(name):
    raw, status, reason = pictures.HOSTILE[name]
    with pytest.raises(ImageRefused if status == 400 else ImageTooLarge) as refused:
        rendering.render_image(raw)
    assert refused.value.status == status
    assert refused.value.details.get("reason") == reason


def test_a_bomb_is_refused_before_its_pixels_are_decoded(monkeypatch):
    monkeypatch.setattr(Image.Image, "load", lambda _: pytest.fail("decoded"))
    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", lambda _: pytest.fail("decoded"))
    with pytest.raises(ImageRefused):
        rendering.render_image(pictures.bomb())


@pytest.mark.parametrize(("form", "size"), [("JPEG", (600, 800)), ("PNG", (600, 800)), ("WEBP", (600, 800)), ("text", (800, 600))])
def test_metadata_that_claims_the_same_bytes_again_and_again_takes_little_memory(form, size):
    raw = pictures.with_many_entries(form)
    tracemalloc.start()
    try:
        rendered = rendering.render_image(raw)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (rendered.width, rendered.height) == size
    assert peak < 10_000_000


def test_five_megabytes_are_taken():
    raw = pictures.picture()
    assert rendering.render_image(raw + bytes(5 * 1024 * 1024 - len(raw))).width == 800
