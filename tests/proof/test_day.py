"""Simulated days end well, a seed repeats its day exactly, and a mistake is found in a small case."""

from pathlib import Path
from unittest import mock

import pytest
from msgspec.structs import replace

from chalicelib.tickets import store
from tests import seeds
from tests.proof.day import make_plan, run_day
from tests.proof.day_cases import find_failure, load_case, minimise, save_case, search

CASES = Path(".build/cases")


def test_a_short_day_ends_well_and_its_seed_repeats_it():
    plan = make_plan(seeds.first, buyers=60, hours=0.5, fault_rate=0.4, background_faults=10)
    first = run_day(plan)
    assert run_day(plan).digest == first.digest
    other = run_day(replace(plan, seed=plan.seed + 1))
    assert other.digest != first.digest
    assert first.purchases + other.purchases > 60
    assert first.faults.total() + other.faults.total() > 20


def test_a_whole_day_ends_well(pytestconfig, record_property):
    if pytestconfig.option.proof != "all":
        pytest.skip("--proof=all runs a whole day")
    report = run_day(make_plan(seeds.first))
    assert report.purchases > 1800
    assert report.faults.total() > 800
    record_property("day", f"{report.purchases} purchases, {report.calls} calls and replies, {report.faults.total()} faults")


def test_a_mistake_is_found_in_a_small_case_that_can_be_replayed(tmp_path):
    """The product forgets that another door may admit a ticket at the same time."""
    plan = make_plan(5, buyers=400, hours=0.3, recovery_hours=0.2, background_faults=40)  # in which two doors scan a ticket at once
    plan = replace(plan, actors=tuple(name for name in plan.actors if name.startswith("free") or name in ("sweep", "streams")))
    with mock.patch.object(store, "_same_scans", return_value=store.TicketRow.id.exists()):
        failure = find_failure(plan)
        assert failure.startswith("AssertionError: two doors admitted one ticket")
        case = minimise(plan, failure, tries=40)
        assert len(case.plan.actors) == 1
        assert case.plan.faults == ()
        path = save_case(case, tmp_path)
        assert find_failure(load_case(path).plan) == failure
    assert "two doors" not in find_failure(load_case(path).plan)


def test_the_case_of_the_option_ends_well(pytestconfig):
    if pytestconfig.option.case is None:
        pytest.skip("--case=FILE replays a case that a simulated day has found")
    run_day(load_case(Path(pytestconfig.option.case)).plan)


def test_fresh_days_end_well(pytestconfig):
    if not pytestconfig.option.days:
        pytest.skip("--days=MINUTES runs days with fresh seeds for so long")
    found = search(seeds.first, pytestconfig.option.days, CASES)
    assert not found, "\n".join(f"{path}: {load_case(path).failure}" for path in found)
