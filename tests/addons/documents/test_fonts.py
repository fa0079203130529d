"""Letters in documents, as another program reads them, and the replacements of letters that no font has."""

import pytest

from chalicelib.addons.documents.pages import LEFT, RIGHT, Cell, Pages, drawable, runs, width
from tests import pdfs

EAST_ASIAN = {
    "simplified Chinese": "王小明，你好",
    "traditional Chinese": "臺灣戲劇節",
    "Japanese": "さくらコンサート東京",
    "Japanese in half width": "ﾄｳｷｮｳ",
    "Korean": "한국어 뷁뷁",
    "full width": "ＡＢＣ！",
}


def written(*cells):
    pages = Pages("Letters", "en", 1_780_315_200)
    pages.write(*cells)
    return pages.finish()


@pytest.mark.parametrize("script", EAST_ASIAN)
@pytest.mark.parametrize("weight", ["regular", "bold"])
def test_chinese_japanese_and_korean_are_written(script, weight):
    text = f"For {EAST_ASIAN[script]} (Zoë)"
    [page] = pdfs.read(written(Cell(text, weight=weight)))
    assert page.text == text


def test_letters_that_languages_share_are_of_the_language_of_the_text():
    assert [run.font for run in runs("東京", "regular")] == ["STSong-Light"]
    assert {run.font for run in runs("東京タワー", "regular")} == {"HeiseiKakuGo-W5"}
    assert [(run.font, run.text) for run in runs("Kim 김 Łukasz", "bold")] == [
        ("fairgate-bold", "Kim "),
        ("HYSMyeongJo-Medium", "김"),
        ("fairgate-bold", " Łukasz"),
    ]


def test_a_letter_that_no_font_has_is_a_question_mark():
    assert drawable("שלום محمد हिन्दी ไทย 🎉") == "???? ???? ????? ??? ?"
    assert drawable("\u202eevil\u202c\x07") == "evil"
    assert drawable("a\u3000b") == "a\u3000b"


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
    assert b"STSong" not in written(Cell("Zoë"))
    assert b"STSong" in written(Cell("王"))
