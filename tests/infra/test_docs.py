"""The generated tables of the documentation match the code."""

import pytest

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
