"""Letters in documents, as another program reads them, and the replacements of letters that no font has."""

from importlib.util import find_spec
from pathlib import Path

import bidi
import pytest
import uharfbuzz
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.addons.documents import shaping
from chalicelib.addons.documents.pages import LEFT, RIGHT, Cell, Pages
from chalicelib.addons.documents.shaping import drawable, runs, width
from tests import pdfs

SCRIPTS = {
    "simplified Chinese": "王小明，你好",
    "traditional Chinese": "臺灣戲劇節",
    "Japanese": "さくらコンサート東京",
    "Japanese in half width": "ﾄｳｷｮｳ",
    "Korean": "한국어 뷁뷁",
    "full width": "ＡＢＣ！",
    "Arabic": "مهرجان الموسيقى في بيروت",
    "Persian": "می‌خواهم بلیت",
    "Hebrew": "פסטיבל המוזיקה",
    "Hindi": "नमस्ते क्षत्रिय हिन्दी",
    "Bengali": "বাংলা স্ত্রী",
    "Tamil": "தமிழ் கோ",
    "Thai": "สวัสดีครับ ที่นี่ น้ำ",
    "Khmer": "ខ្មែរ",
    "Burmese": "မြန်မာဘာသာ",
    "Amharic": "አማርኛ",
    "Georgian and Armenian": "ქართული Հայերեն",
    "Vietnamese": "Nguyễn Thị Ngọc Ánh",
    "emoji": "🎉👩‍👩‍👧",
}
NO_FONT = "𐤀𐤁"  # Phoenician


def written(*cells):
    pages = Pages("Letters", "en", 1_780_315_200)
    pages.write(*cells)
    return pages.finish()


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("weight", ["regular", "bold"])
def test_text_of_every_script_is_written_and_can_be_copied(script, weight):
    text = SCRIPTS[script]
    content = written(Cell(text, weight=weight))
    [page] = pdfs.read(content)
    assert page.text == text
    assert content.count(b"/FontFile") == content.count(b"/Type /FontDescriptor") > 0, "each font is embedded"


def test_a_text_in_two_directions_is_written_in_its_order():
    [page] = pdfs.read(written(Cell("2 × مهرجان (بيروت) VIP", size=14)))
    assert page.text == "2 × مهرجان (بيروت) VIP"


def expected_glyphs(text, file, direction):
    face = uharfbuzz.Face(uharfbuzz.Blob.from_file_path(str(Path(find_spec("manimgx_fonts").origin).with_name(f"{file}[wght].ttf"))))
    buffer = uharfbuzz.Buffer()
    buffer.add_str(text)
    buffer.guess_segment_properties()
    assert buffer.direction == direction
    uharfbuzz.shape(uharfbuzz.Font(face), buffer)
    return [glyph.codepoint for glyph in buffer.glyph_infos]


def glyphs(text):
    return [glyph.id for run in runs(text, "regular") for cluster in run.clusters for glyph in cluster.glyphs]


@pytest.mark.parametrize(
    ("text", "file", "direction"),
    [
        ("مهرجان", "NotoSansArabic", "rtl"),
        ("لا", "NotoSansArabic", "rtl"),
        ("שלום", "NotoSansHebrew", "rtl"),
        ("क्षत्रिय", "NotoSansDevanagari", "ltr"),
        ("ที่น้ำ", "NotoSansThai", "ltr"),
    ],
)
def test_letters_join_and_change_as_harfbuzz_says(text, file, direction):
    shaped = glyphs(text)
    assert shaped == expected_glyphs(text, file, direction)
    if file in ("NotoSansArabic", "NotoSansDevanagari"):
        assert set(shaped) != {glyph for letter in text for glyph in glyphs(letter)}, "letters look the same on their own"


def test_letters_that_languages_share_are_of_the_language_of_the_text():
    [chinese], [japanese] = runs("骨直角", "regular"), runs("骨直角の", "regular")
    assert [cluster.glyphs[0].id for cluster in chinese.clusters] != [cluster.glyphs[0].id for cluster in japanese.clusters][:3]
    assert ["".join(cluster.text for cluster in run.clusters) for run in runs("Kim 김 Łukasz", "bold")] == ["Kim ", "김", " Łukasz"]


def test_a_letter_that_no_font_has_is_a_question_mark():
    assert drawable(f"Zoë {NO_FONT}") == "Zoë ??"
    assert drawable("\u202eevil\u202c\x07") == "evil"
    assert drawable("a\u3000b") == "a\u3000b"


@pytest.fixture
def no_layer(monkeypatch):
    shaping._other_files.cache_clear()
    monkeypatch.setattr(shaping, "find_spec", lambda _: None)
    yield
    shaping._other_files.cache_clear()


def test_without_the_layer_only_the_letters_of_other_scripts_are_missing(no_layer):
    [page] = pdfs.read(written(Cell("Zoë Ωμέγα Привет שלום हि 王🎉")))
    assert page.text == "Zoë Ωμέγα Привет ???? ? ??"


def test_long_texts_are_broken_and_stay_between_their_edges():
    text = "".join(map(chr, range(0x4E00, 0x4E00 + 300)))
    assert width(text, "regular", 10) > RIGHT - LEFT
    for align in ("left", "right"):
        [page] = pdfs.read(written(Cell(text, align=align)))
        lines = page.text.split()
        assert "".join(lines) == text
        assert max(width(line, "regular", 10) for line in lines) <= RIGHT - LEFT
    [page] = pdfs.read(written(Cell(text, max_lines=2)))
    assert page.text.endswith("…")


def test_fonts_that_a_document_does_not_need_are_not_in_it():
    assert b"NotoSansCJK" not in written(Cell("Zoë"))
    assert b"NotoSansCJK" in written(Cell("王"))


@given(st.text(st.sampled_from("abאבجد12٣+,.%€ ()[]-!×"), max_size=12), st.sampled_from("LR"))
@example("2 × מוזיקה (חיפה) VIP", "R")
def test_the_order_of_a_line_is_that_of_another_implementation(text, base):
    text = text.strip()
    shown = "".join(cluster.text for run in runs(text, "regular", from_the_right=base == "R") for cluster in run.clusters)
    turned = str.maketrans(")]", "([")  # the other implementation does not turn brackets around
    assert shown.translate(turned) == bidi.get_display(text, base_dir=base).translate(turned)
