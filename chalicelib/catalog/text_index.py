"""A search index over the words of texts, in memory: accents and case do not count, words may be unfinished or slightly misspelt.

Built once for each snapshot of the catalog, by the first search. A word of a query that stands nowhere, whole or as a beginning, is
compared by its trigrams with all words, so `metalica` finds `Metallica`.
"""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping

from chalicelib.catalog.slugs import fold

MIN_SIMILARITY = 0.5  # Dice coefficient of the trigrams of two words
MIN_TYPO_LENGTH = 4  # shorter words have too few trigrams
MAX_QUERY_WORDS = 10

_WORD = re.compile(r"\w+")

# How well a word of the query has to fit is worth more than where it stands.
_WHOLE, _BEGINNING, _SIMILAR = 100, 60, 20


def words_of(text: str) -> list[str]:
    """The words of a text as they are compared."""
    return _WORD.findall(fold(text))


class TextIndex:
    """The words of documents. A document is an id with texts that have a weight each: a name counts more than a description."""

    def __init__(self, documents: Iterable[tuple[str, Mapping[str, int]]]) -> None:
        self._weights: dict[str, dict[str, int]] = {}  # word -> document id -> the weight of the heaviest text that has it
        for document_id, texts in documents:
            for text, weight in texts.items():
                for word in words_of(text):
                    known = self._weights.setdefault(word, {})
                    known[document_id] = max(weight, known.get(document_id, 0))
        self._words = sorted(self._weights)
        self._words_by_trigram: dict[str, list[str]] = {}
        for word in self._words:
            for trigram in _trigrams(word):
                self._words_by_trigram.setdefault(trigram, []).append(word)

    def search(self, query: str) -> dict[str, int]:
        """The documents that have all words of the query -> how well they fit. None for a query without words."""
        scores: dict[str, int] | None = None
        for word in words_of(query)[:MAX_QUERY_WORDS]:
            found = self._find_word(word)
            scores = found if scores is None else {key: score + found[key] for key, score in scores.items() if key in found}
        return scores or {}

    def _find_word(self, word: str) -> dict[str, int]:
        scores: dict[str, int] = {}
        for match, fit in self._matches(word):
            for document_id, weight in self._weights[match].items():
                scores[document_id] = max(fit * weight, scores.get(document_id, 0))
        return scores

    def _matches(self, word: str) -> list[tuple[str, int]]:
        """The words of the index that stand for a word of a query, and how well they fit."""
        matches = []
        for position in range(bisect_left(self._words, word), len(self._words)):
            known = self._words[position]
            if not known.startswith(word):
                break
            matches.append((known, _WHOLE if known == word else _BEGINNING))
        if matches or len(word) < MIN_TYPO_LENGTH:
            return matches
        trigrams = _trigrams(word)
        shared = Counter(known for trigram in trigrams for known in self._words_by_trigram.get(trigram, ()))
        similar = ((known, 2 * count / (len(trigrams) + len(_trigrams(known)))) for known, count in shared.items())
        return [(known, round(_SIMILAR * similarity)) for known, similarity in similar if similarity >= MIN_SIMILARITY]


def _trigrams(word: str) -> set[str]:
    padded = f"  {word} "
    return {padded[start : start + 3] for start in range(len(padded) - 2)}
