"""Readable ids of events."""

import pytest

from chalicelib.catalog.model import Catalog
from chalicelib.catalog.search import MAX_SLUG_LENGTH, new_slug


@pytest.mark.parametrize(
    ("name", "slug"),
    [("Café Noir", "cafe-noir"), ("  A & B!  ", "a-b"), ("Straße", "strasse"), ("東京", "event"), ("x" * 300, "x" * MAX_SLUG_LENGTH)],
)
def test_a_slug_has_the_words_of_the_name(name, slug):
    assert new_slug(Catalog.build([], []), "id", name) == slug
