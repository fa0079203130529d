"""How a version is stored."""

import random

import pytest

from chalicelib.catalog import store
from chalicelib.catalog.model import VersionContent

pytestmark = pytest.mark.usefixtures("store")


def test_version_numbers_are_never_allocated_twice():
    assert [store.allocate_version() for _ in range(3)] == [1, 2, 3]


def test_a_large_version_is_stored_in_several_parts_and_read_back():
    document = random.Random(1).randbytes(2 * store.PART_BYTES)  # does not compress
    store.write_version(1, VersionContent([], [], {}), document)
    assert store._load_parts(1, "document") == document


def test_the_document_of_a_version_that_was_never_served_is_not_available():
    store.write_version(1, VersionContent([], [], {}), b"{}")
    assert store.load_document(1) is None
