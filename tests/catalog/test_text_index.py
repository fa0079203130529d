"""Search by words: without accents and case, by beginnings, and with typing errors."""

import pytest

from chalicelib.catalog.search import TextIndex

INDEX = TextIndex(
    [
        ("concert", {"Sommerkonzert": 3, "Große Halle": 2}),
        ("reading", {"Lesung": 3, "Konzert für Leser": 1}),
        ("festival", {"Festival": 3, "Halle": 2}),
    ]
)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("konzert", ["reading"]),
        ("sommer", ["concert"]),
        ("grosse", ["concert"]),
        ("halle fest", ["festival"]),
        ("festvial", ["festival"]),
        ("lesng", ["reading"]),
        ("fes", ["festival"]),
        ("xyz", []),
        ("halle unbekanntes", []),
        ("", []),
    ],
)
def test_documents_with_all_words_are_found(query, found):
    assert list(INDEX.search(query)) == found


def test_whole_words_in_heavy_texts_count_most():
    scores = TextIndex([("a", {"jazz": 3}), ("b", {"jazz": 1}), ("c", {"jazzband": 3})]).search("jazz")
    assert scores["a"] > scores["c"] > scores["b"]


def test_a_similar_word_counts_only_where_no_word_fits():
    assert set(TextIndex([("a", {"concert": 3}), ("b", {"concept": 3})]).search("concert")) == {"a"}
