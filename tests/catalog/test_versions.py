"""Publishing a version of the catalog."""

import pytest
from msgspec.structs import replace

from chalicelib.audit import service as audit
from chalicelib.catalog import service as catalog


def test_a_version_is_not_published_over_a_changed_head(apply_document, time):
    apply_document()
    read, _ = catalog.load_head_and_catalog()
    catalog.set_paused("fest", True, "root", time.now)
    entries = audit.list_entries("catalog")
    new = replace(read, version=read.version + 1, revision=read.revision + 1)
    with pytest.raises(catalog.HeadChanged) as conflict:
        catalog.publish_version(read, new, "catalog.applied", {})
    head, _ = catalog.load_head_and_catalog()
    assert conflict.value.head == head == read.next()
    assert audit.list_entries("catalog") == entries
