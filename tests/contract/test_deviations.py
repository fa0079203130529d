"""The listed deviations name existing tests, and docs/engines.md shows the same list."""

import pytest

from tests.contract import conftest, deviations
from tests.contract.deviation import case_id


@pytest.mark.parametrize("engine", deviations.DEVIATIONS)
def test_all_listed_tests_exist(engine):
    """Of the files that were collected in this run."""
    known = {case_id(node) for node in conftest.collected_tests}
    files = {test.partition("::")[0] for test in known}
    listed = [test for deviation in deviations.DEVIATIONS[engine] for test in deviation.results]
    assert [test for test in listed if test.partition("::")[0] in files and test not in known] == []
    assert len(listed) == len(set(listed))


def test_the_page_shows_the_list():
    assert deviations.PAGE.read_text(encoding="utf-8") == deviations.rendered_page(), "run `python -m tests.contract.deviations`"
