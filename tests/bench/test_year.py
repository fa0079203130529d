"""The year of a shop: what grows, and what is gone after the retention."""

import re

import pytest

from bench import year

pytestmark = pytest.mark.slow


@pytest.fixture
def bounds(capsys):
    """The figures of a few days, by name, and the tables that they print."""
    measured = {bound.name.partition(",")[0]: bound for bound in year.take_bounds(events=4, days=8)}
    return measured, capsys.readouterr().out


def test_only_what_is_kept_on_purpose_stays(bounds):
    measured, printed = bounds
    assert measured["items that stay"].figure == 0
    assert measured["unfinished purchases at the end"].figure == 0
    assert "4 x event, 4 x tier" in printed
    for table, left in (("tickets", r"[1-9]\d*"), ("waitlist", "0"), ("email-notifications", "0")):
        assert re.search(rf"\| {table} \| 0 \| [1-9]\d* \| {left} \|", printed), table


def test_a_table_that_grows_without_a_reason_is_named(monkeypatch, capsys):
    monkeypatch.delitem(year.KEPT, "ticket-numbers")
    first = next(iter(year.take_bounds(events=4, days=8)))
    assert first.is_missed
    assert "ticket-numbers" in first.name
