"""What is kept of a person in tables of its own goes with them, as the page says."""

import re

from chalicelib.privacy.kept import KEPT
from tests.repository import ROOT

# What `privacy/service.py` deletes by itself: other things depend on it.
BY_THEMSELVES = {"accounts", "memberships", "promoters", "sessions"}


def test_each_table_that_the_page_calls_deleted_is_exported_and_erased():
    section = (ROOT / "docs/accounts.md").read_text(encoding="utf-8").partition("### Personal data, by table")[2]
    rows = re.findall(r"^\| (`.+?`) \| [^|]+ \| [^|]+ \| deleted\b", section, flags=re.MULTILINE)
    deleted = {table for row in rows for table in re.findall(r"`([\w-]+)`", row)}
    assert deleted >= BY_THEMSELVES
    advice = "docs/accounts.md says what is deleted; KEPT of privacy/kept.py has a line for each, named as the table, with _ for -"
    assert {field.replace("_", "-") for field in KEPT} == deleted - BY_THEMSELVES, advice
