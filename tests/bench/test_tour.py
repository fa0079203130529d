"""What the whole API does to the store, seen on a tour of all its routes."""

from bench import tour
from bench.app_in_process import app_in_process
from tests.simulation.call_log import record_calls


def test_no_route_reads_a_whole_table():
    with app_in_process() as api, record_calls() as calls:
        tour.visit_all(api)
    assert [entry.text for entry in calls.of("Scan")] == []
    assert len(calls.of("Query")) > 10
