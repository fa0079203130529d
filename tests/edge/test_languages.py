"""The choice of a language by Accept-Language."""

import pytest

from chalicelib.edge import languages


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
