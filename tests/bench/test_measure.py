"""A measure's ratio to its floor says how many times as long, or as much, it takes."""

import pytest

from bench.measure import Measure, markdown_table


@pytest.mark.parametrize(
    ("measure", "ratio", "misses"),
    [
        (Measure("a", 30.0, "µs", ("bare", 20.0), goal=1.5), 1.5, False),
        (Measure("a", 31.0, "µs", ("bare", 20.0), goal=1.5), 1.55, True),
        (Measure("a", 500.0, "purchases/s", ("bare", 20_000.0)), 40.0, False),
        (Measure("a", 500.0, "requests/s", ("bare", 1000.0), goal=1.9), 2.0, True),
        (Measure("a", 500.0, "µs"), None, False),
    ],
)
def test_a_ratio_is_time_also_for_figures_per_second(measure, ratio, misses):
    assert measure.ratio == ratio
    assert measure.misses_goal is misses


def test_the_table_has_a_row_for_each_measure():
    machine = {"cpu": "CPU", "cores": 2, "python": "3.11", "system": "Linux"}
    rows = markdown_table(machine, [Measure("reads", 2000.0, "requests/s", ("bare", 5000.0), 3, "note"), Measure("b", 12.34, "µs")])
    assert rows.splitlines()[-2:] == ["| reads | 2,000 requests/s | 2.50 x bare | <= 3 x | note |", "| b | 12.3 µs |  |  |  |"]
