"""How a version is stored."""

import random

import pytest

from chalicelib.catalog import store
from chalicelib.catalog.model import VersionContent

pytestmark = pytest.mark.usefixtures("store")


def test_the_number_of_a_publication_is_never_used_twice():
    assert [store.begin_publication(0) for _ in range(3)] == [1, 2, 3]
    store.abandon_publication(3)
    store.delete_publication(3)
    assert store.begin_publication(0) == 4


def test_a_large_version_is_stored_in_several_parts_and_read_back():
    document = random.Random(1).randbytes(2 * store.PART_BYTES)  # does not compress
    store.write_version(1, VersionContent([], [], {}), document)
    assert store._load_parts(1, "document") == document


def test_the_document_of_a_version_that_was_never_served_is_not_available():
    store.write_version(1, VersionContent([], [], {}), b"{}")
    assert store.load_document(1) is None
