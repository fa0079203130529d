"""Every race in every order of its people, and in orders that a seed and the machine choose."""

from contextlib import contextmanager

import pytest
from msgspec.structs import replace

from tests import seeds
from tests.proof.races import try_race
from tests.proof.sales import RACES
from tests.simulation.faults import without_lower_bound

SEEDS = 12


@pytest.mark.parametrize("name", RACES)
def test_people_at_once_end_as_one_after_the_other(time, name, pytestconfig, record_property):
    cell = try_race(RACES[name], time, seeds.count(SEEDS), everything=pytestconfig.option.proof == "all")
    record_property("race", (name, (cell.tried, len(cell.wrong))))
    assert not cell.wrong, f"{len(cell.wrong)} of {cell.tried}: {cell.wrong[0]}"


def test_a_race_oversells_without_the_condition(time):
    race = RACES["three buyers of the last ticket"]

    @contextmanager
    def open_unguarded(time):
        with race.open(time) as scene, without_lower_bound("available"):
            yield scene

    cell = try_race(replace(race, open=open_unguarded), time, 1, everything=False)
    assert "something is negative" in cell.wrong[0]
    assert "order: [" in cell.wrong[0]
