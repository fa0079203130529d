"""How a version is stored."""

import random
import string

import pytest

from chalicelib.catalog import service as catalog
from chalicelib.catalog import snapshots, store
from chalicelib.catalog.model import VersionContent
from chalicelib.dynamodb import dynamo
from tests.bootstrap.conftest import event, ticket
from tests.simulation.call_log import record_calls

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


def load_as_a_new_instance():
    snapshots.invalidate()
    return set(catalog.snapshot().events)


@pytest.fixture
def large_file(apply_document, monkeypatch):
    """`large_file(number)`: apply a file with so many events, whose content has several parts. The ids of the events."""
    monkeypatch.setattr(store, "SNAPSHOT_PART_BYTES", 100)

    def apply(number):
        events = [event(f"e{index}") for index in range(number)]
        apply_document(events, [ticket(f"{each['id']}-pass", each["id"]) for each in events])
        return {each["id"] for each in events}

    return apply


def test_new_instances_read_a_large_file_from_many_keys(large_file, monkeypatch):
    """One key has 3,000 read units a second: enough for nine starts a second with 10,000 events of three ticket types."""
    event_ids = large_file(3)
    monkeypatch.setattr(store, "load_content", None)
    assert load_as_a_new_instance() == event_ids


def test_no_key_of_a_file_exceeds_half_its_limit_with_300_starts_in_a_second(apply_document):
    """A read of the version itself, which must not be stale, takes twice the units of a read of the copy."""
    letters = random.Random(1)
    apply_document([event(f"e{index}", name="".join(letters.choices(string.ascii_letters, k=100))) for index in range(300)], [])
    with record_calls(measured=True) as calls:
        load_as_a_new_instance()
    assert [entry.read_units for entry in calls.of("Query", "catalog")] == [1]  # `live`
    assert [1 < entry.read_units <= 5 for entry in calls.of("BatchGetItem", "catalog")] == [True]


def test_a_copy_that_a_later_attempt_has_begun_to_replace_is_not_used(large_file):
    event_ids, head = large_file(3), store.read_head()
    store.CatalogRow(store._copy_key(head.version, head.copied_parts - 1), "part", revision=head.version + 4, body=b"newer").save()
    assert load_as_a_new_instance() == event_ids


def test_the_previous_version_publishes_without_a_copy(large_file):
    large_file(3)
    head = store.read_head()
    store.write_version(head.version + 1, VersionContent([], [], {}), b"{}")
    row = store.CatalogRow
    dynamo.update_now(row("head", "head"), [row.version.set(head.version + 1), row.revision.set(head.revision + 1)])  # as it does
    assert load_as_a_new_instance() == set()


def test_a_small_file_has_no_copy(apply_document):
    apply_document()
    assert store.read_head().copied_parts == 0
