"""The measures of `make run`, in short: that each of them still works, and that the drop must be exact."""

import pytest

from bench import local_runtime
from bench.buyers import BuyerResults, run_buyers


def test_every_measure_of_the_local_run_still_works(monkeypatch, tmp_path):
    short = {"READ_SECONDS": 0, "CONNECTIONS": 2, "TOKENS": 4, "JOINING_BUYERS": 2, "THREE_STEP_BUYERS": (1, 2)}
    drop = {"FIVE_STEP_BUYERS": (2,), "DROP_BUYERS": 6, "DROP_CONNECTIONS": 3, "DROP_TICKETS": 2}
    for name, value in {**short, **drop}.items():
        monkeypatch.setattr(local_runtime, name, value)

    def run_some_buyers(*sale, seconds, buyers=4, **options):  # a number of buyers, because on a busy machine none may buy within a time
        return run_buyers(*sale, seconds=600, buyers=buyers, **options)

    monkeypatch.setattr(local_runtime, "run_buyers", run_some_buyers)
    measures = list(local_runtime.take_measures(tmp_path))
    assert len(measures) == 9
    assert all(measure.value > 0 for measure in measures)
    assert measures[-1].note == "3 at once; exactly 2 were sold"


def test_failed_requests_end_the_measure():
    results = BuyerResults()
    results.errors["reserve", 503, "store_unavailable"] += 1
    with pytest.raises(RuntimeError, match="store_unavailable"):
        local_runtime._checked(results)
