"""What an instance knows of a counter: requests in progress count, withdrawn requests do not, and few are unreported."""

import pytest

from chalicelib.edge import rate_limits
from chalicelib.edge.rate_limits import Counter
from chalicelib.foundation.gcra import Quota
from tests.simulation.call_log import record_calls
from tests.simulation.threads import run_in_threads

QUOTA = Quota(5, 60)
NOW = 1_000_000_000

pytestmark = pytest.mark.usefixtures("store", "_new_instance")


@pytest.fixture
def _new_instance():
    rate_limits._local_counters.forget()
    yield
    rate_limits._local_counters.forget()


def counter(seconds=0, key="ada"):
    return Counter(key, QUOTA, NOW + seconds * 1000)


def test_no_more_requests_than_the_limit_are_under_way_at_once():
    assert sum(run_in_threads(16, lambda _: counter().begin(), range(160))) == 5
    assert counter().wait() == 12_000


def test_a_withdrawn_request_does_not_count():
    for _ in range(20):
        assert counter().begin()
        counter().withdraw()
    assert counter().remaining() == 5


def test_withdrawing_takes_back_nothing_that_the_store_has():
    counter().begin()
    counter().add(0)
    counter().begin()
    counter().withdraw()
    counter().withdraw()
    assert counter().remaining() == 4


def test_requests_are_reported_together_once_too_many_are_unreported():
    with record_calls() as log:
        for _ in range(3):
            assert counter().begin()
            assert counter().add(2)
    assert list(log) == ["UpdateItem"]
    rate_limits._local_counters.forget()
    counter().begin()
    counter().add(0)
    assert counter().remaining() == 1  # three were reported, and this one


def test_unreported_requests_are_forgotten_after_a_period():
    for seconds, calls in ((0, 0), (59, 1), (119, 0), (179, 0)):
        with record_calls() as log:
            assert counter(seconds).begin()
            counter(seconds).add(1)
        assert len(log) == calls, seconds


def test_a_counter_that_is_known_to_be_exceeded_is_refused_without_a_call():
    counter().set_exceeded(NOW + 60_000)
    with record_calls() as log:
        assert not counter().begin()
        assert not counter().add(0)
    assert (list(log), counter().wait()) == ([], 12_000)
    assert counter(12).begin()
