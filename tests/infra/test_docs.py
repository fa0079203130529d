"""The generated tables of the documentation match the code."""

import re

import msgspec
import pytest

from chalicelib.foundation import settings
from infra import docs


def test_the_tables_of_the_pages_are_fresh():
    assert [page.name for page in docs.stale_pages()] == [], "run `make docs` (python -m infra.docs)"


@pytest.fixture
def page(monkeypatch, tmp_path):
    monkeypatch.setattr(docs, "ROOT", tmp_path)
    (tmp_path / "docs").mkdir()
    page = tmp_path / "docs" / "limits.md"
    page.write_text("# Limits\n\n<!-- generated: sizes -->\n| an old table |\n<!-- end -->\n\nMore.\n")
    return page


def test_a_page_that_is_not_fresh_is_named(page, capsys):
    assert docs.main(["--check"]) == 1
    assert capsys.readouterr().err == f"docs/{page.name} has tables that are not fresh; run `make docs` (python -m infra.docs).\n"
    assert "an old table" in page.read_text()


def test_only_the_blocks_of_a_page_are_written(page):
    assert docs.main([]) == 0
    text = page.read_text()
    assert text.startswith("# Limits\n\n<!-- generated: sizes -->\n\n| what | at most |\n")
    assert text.endswith(" |\n\n<!-- end -->\n\nMore.\n")
    assert docs.main(["--check"]) == 0


def test_the_index_of_the_decisions_says_what_became_of_each(page):
    decisions = page.parent / "decisions"
    decisions.mkdir()
    (decisions / "0001-one.md").write_text("# 1. One\n")
    (decisions / "0006-six.md").write_text("# 6. Six\n")
    replaced = "## An old way\n\n*Decisions 2 and 3.* It was slow.\n\n## Half of one\n\n*Part of decision 6.* So.\n"
    history = f"{replaced}\n| 4 | Four | [6](0006-six.md) |\n"
    (decisions / "history.md").write_text(history)
    (decisions / "README.md").write_text("<!-- generated: decisions -->\n<!-- end -->\n")
    assert docs.main([]) == 0
    assert [line[2:-2].split(" | ") for line in (decisions / "README.md").read_text().splitlines()[4:-2]] == [
        ["1", "[One](0001-one.md)", "in force"],
        ["2", "An old way", "[replaced](history.md)"],
        ["3", "An old way", "[replaced](history.md)"],
        ["4", "Four", "in force, in [6](0006-six.md)"],
        ["5", "", "never used"],
        ["6", "[Six](0006-six.md)", "in force, [replaced in part](history.md)"],
    ]


def test_each_setting_is_in_one_group():
    """A group is short enough to be read: the settings of one subject."""
    groups = docs.BLOCKS["settings"]().split("## ")[1:]
    names = [re.findall(r"^\| `FAIRGATE_(\w+)` \|", group, re.MULTILINE) for group in groups]
    assert sorted(name for group in names for name in group) == sorted(
        field.name.upper() for field in msgspec.structs.fields(settings.Settings)
    )
    assert len(groups) >= 5
    assert max(len(group) for group in names) <= 20
