"""A month of promoters ends with books that agree, whatever buyers, promoters and banks do."""

import pytest

from tests import seeds
from tests.proof.month import run_month


def test_the_books_of_a_small_month_agree(api, time):
    report = run_month(api, time, orders=40, seed=seeds.first, days=3)
    assert report.net_cents > 0


def test_the_books_of_a_month_agree(api, time, pytestconfig, record_property):
    if pytestconfig.option.proof != "all":
        pytest.skip("--proof=all plays a whole month")
    report = run_month(api, time, orders=5000, seed=seeds.first)
    record_property("month", str(report.counts))
