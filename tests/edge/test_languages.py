"""The choice of a language by Accept-Language, and what makes a language."""

import json
import re
import unicodedata
from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.edge import languages
from chalicelib.notifications import templates
from tests.repository import ROOT


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "en"),
        ("", "en"),
        ("es", "es"),
        ("es-MX,es;q=0.9,en;q=0.8", "es"),
        ("en;q=0.5, es;q=0.7", "es"),
        ("xx, yy;q=0.9", "en"),
        ("xx, es;q=0.1", "es"),
        ("es;q=0", "en"),
        ("ES", "es"),
        ("es;q=nan, en;q=0.1", "en"),
        ("es;q=2", "en"),
        ("*", "en"),
        (";;;,,,=", "en"),
        ("x" * 100_000, "en"),
    ],
)
def test_the_language_that_is_liked_best_is_chosen(header, language):
    assert languages.choose_language(header) == language


# A language is files only: docs/web.md lists them.

OF_A_LANGUAGE = re.compile(r"(texts|templates)/[a-z]{2}[-./]|edge/words/[a-z]{2}\.json$")
SOURCES = [
    path
    for folder in ("chalicelib", "infra", "bootstrap", "web/src", "web/public")
    for path in (ROOT / folder).rglob("*")
    if path.suffix in {".py", ".ts", ".tsx", ".js", ".html", ".css", ".jinja"} and not OF_A_LANGUAGE.search(path.as_posix())
]


@pytest.mark.parametrize("language", [language for language in languages.LANGUAGES if language != languages.DEFAULT])
def test_no_source_but_the_files_of_a_language_names_it(language):
    assert len(SOURCES) > 600
    named = re.compile(rf"""["'`]{language}["'`]|["'`/]{language}-\w+["'`]|\b{language}: ["'`{{]|[/`]{language}[./]""")
    files = [*SOURCES, *(ROOT / "web").glob("*.html"), *(ROOT / "web").glob("*.js")]
    assert [path for path in files if named.search(path.read_text())] == []


@pytest.mark.parametrize("language", languages.LANGUAGES)
def test_a_language_has_all_words_with_the_placeholders_of_english(language):
    english, other = (shape_of(json.loads((languages.WORDS / f"{code}.json").read_bytes())) for code in (languages.DEFAULT, language))
    assert other == english


@pytest.mark.parametrize("language", languages.LANGUAGES)
def test_a_language_that_is_written_from_right_to_left_says_so_in_both_files(language):
    texts = (ROOT / "web" / "src" / "texts" / f"{language}-language.ts").read_text()
    own_name = re.search(r'name: "(.+?)"', texts)[1]
    direction = "rtl" if unicodedata.bidirectional(own_name[0]) in ("R", "AL") else "ltr"
    assert languages.DIRECTIONS[language] == direction
    assert ('dir: "rtl"' in texts) == (direction == "rtl")


def shape_of(words: Any, name: str = "") -> Any:
    """Return the keys and lengths of words, and the placeholders of their texts. Formats and symbols differ between languages."""
    if name in ("dates", "symbols"):
        return sorted(words) if name == "dates" else None
    if isinstance(words, dict):
        return {key: shape_of(value, key) for key, value in words.items()}
    if isinstance(words, list):
        return [shape_of(value) for value in words]
    return sorted(re.findall(r"\{\w*\}", words)) if isinstance(words, str) else None


@pytest.mark.parametrize("language", languages.LANGUAGES)
def test_a_language_has_every_email(language):
    folders = [templates.FOLDER / code for code in (languages.DEFAULT, language)]
    english, other = ({path.name for path in folder.iterdir()} for folder in folders)
    assert other == english


def test_a_request_is_answered_in_german():
    assert languages.choose_language("de-AT,de;q=0.9,en;q=0.8") == "de"
    assert languages.time_text(datetime(2026, 7, 4, 9, 5, tzinfo=UTC), "de") == "09:05 UTC"
    assert languages.day_text(datetime(2026, 7, 4, tzinfo=UTC), "de") == "Samstag, 4. Juli 2026"
