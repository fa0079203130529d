"""The texts of the pages: what the types of the languages cannot compare, because the API may send words that no page knows."""

import re
from pathlib import Path
from typing import get_args

import pytest

from chalicelib.edge.languages import Language
from infra.web import build
from tests.javascript import WEB

SOURCES = WEB / "src"
NAME = re.compile(r'(?:^ *|[{] |", )"?([\w.$-]+)"?:', re.MULTILINE)  # not parameters of functions


def files_of(language: str) -> list[Path]:
    """Files with texts in this language: a file of its own, one for a part of the shop's, and those of rooms."""
    return sorted(path for name in (f"{language}.ts", f"{language}-*.ts", f"{language}/*.ts") for path in SOURCES.rglob(f"texts/{name}"))


def names_in(path: Path) -> list[str]:
    return sorted(NAME.findall(path.read_text()))


def entries_of(language: str) -> list[Path]:
    """Return the folders of texts that the language has: the shop's, and those of the pages for managers and the door if it has them."""
    return sorted(path.parent for path in SOURCES.rglob(f"texts/{language}.ts"))


@pytest.mark.parametrize("language", get_args(Language))
def test_every_text_is_there_in_every_language(language):
    """A language may leave out the pages for managers or the door, but then it has no text of them."""
    entries = entries_of(language)
    assert SOURCES / "texts" in entries
    english = {path: names_in(path) for path in files_of("en") if any(folder in path.parents for folder in entries)}
    assert len(english) > 25
    translated = [Path(re.sub(r"/en([-/.])", rf"/{language}\1", str(path))) for path in english]
    assert files_of(language) == sorted(translated)
    for path, names in zip(translated, english.values(), strict=True):
        assert names_in(path) == names, path.relative_to(SOURCES)


@pytest.mark.parametrize("page", ["index.html", "manage.html", "door.html"])
def test_a_page_without_scripts_says_so_in_every_language(page):
    [said] = re.findall(r"<noscript>(.*?)</noscript>", (build() / page).read_text())
    assert said.count("JavaScript") == len(get_args(Language)), f"a sentence for each of {get_args(Language)}"
