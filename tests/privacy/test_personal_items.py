"""What a table of its own stores about a person is deleted with them, as the table declares."""

from chalicelib.foundation import addons
from infra import tables

# What `privacy/service.py` deletes by itself: other things depend on it.
BY_THEMSELVES = {"accounts", "memberships", "promoters", "sessions"}


def test_each_table_that_declares_erasure_is_exported_and_erased():
    """The add-ons declare what they keep, named as the table, with _ for -."""
    deleted = {table for table, data in tables.personal_data().items() if data is not None and data.erasure == "deleted"}
    assert deleted >= BY_THEMSELVES
    assert {kind.field.replace("_", "-") for kind in addons.hooks("personal_items")} == deleted - BY_THEMSELVES
