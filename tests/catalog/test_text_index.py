"""Search by words: without accents and case, by beginnings, and with typing errors."""

from random import Random

import pytest

from chalicelib.catalog.search import MAX_CHARACTERS, MAX_WORD_LENGTH, MAX_WORDS, TextIndex

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


def test_the_index_has_only_the_first_words_of_a_long_text():
    """Every instance keeps an index in its memory, so one promoter must not fill it with long descriptions."""
    words = [f"w{number:04}x" for number in range(2 * MAX_WORDS)]
    index = TextIndex([("a", {" ".join([words[0], *words]): 1}), ("b", {" " * MAX_CHARACTERS + "late": 1})])
    assert index.search(words[MAX_WORDS - 1]) == {"a": 100}, "a repeated word counts once"
    assert index._words == words[:MAX_WORDS]


def test_the_index_has_only_the_beginning_of_a_long_word():
    long = "x" * MAX_WORD_LENGTH
    index = TextIndex([("a", {long + "y" * 10_000: 1})])
    assert index._words == [long]
    assert index.search(long + "yyy") == {"a": 100}


@pytest.mark.parametrize("seed", range(3))
def test_an_updated_index_finds_the_same_as_a_new_one(seed):
    choices = Random(seed)
    words = [f"{first}{middle}{last}" for first in ("jazz", "fest", "konz") for middle in ("", "er", "ival") for last in ("", "a", "en")]
    index, documents = TextIndex(), dict[str, dict[str, int]]()
    for _ in range(60):
        changed = {str(choices.randrange(8)) for _ in range(choices.randrange(4))}
        removed = [(key, documents.pop(key)) for key in changed if key in documents]
        added = [(key, {" ".join(choices.sample(words, 3)): weight for weight in (1, 3)}) for key in changed if choices.random() < 0.8]
        documents.update(added)
        index.update(removed, added)
        fresh = TextIndex(documents.items())
        assert index._words == fresh._words
        for query in (*words, "jaz", "festvalen", "konzzert"):
            assert index.search(query) == fresh.search(query)
