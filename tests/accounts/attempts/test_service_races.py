"""Guesses at the same moment, in every order of their store calls with two preemptions."""

import itertools

import pytest

from chalicelib.accounts.login_attempts import FREE_ATTEMPTS
from chalicelib.foundation import settings
from tests.accounts.conftest import log_in
from tests.simulation.interleavings import explore

pytestmark = pytest.mark.usefixtures("threaded_store")


@pytest.fixture(autouse=True)
def _no_limit_of_the_address():
    with settings.override(address_factor=10_000):
        yield


@pytest.mark.slow
def test_after_a_delay_one_of_two_guesses_is_compared(api, time):
    accounts = itertools.count()

    def scenario(play):
        email = f"user{next(accounts)}@example.com"
        for _ in range(FREE_ATTEMPTS):
            log_in(api, email)
        run = play({name: lambda: log_in(api, email).status for name in ("one", "two")})
        assert sorted(run.results.values()) == [401, 429]

    assert len(explore(scenario)) > 5


@pytest.mark.slow
def test_one_of_two_guesses_gets_the_last_free_attempt(api, time):
    accounts = itertools.count()

    def scenario(play):
        email = f"user{next(accounts)}@example.com"
        for _ in range(FREE_ATTEMPTS - 1):
            log_in(api, email)
        play({name: lambda: log_in(api, email).status for name in ("one", "two")})
        later = [log_in(api, email).status for _ in range(2)]
        assert later[-1] == 429  # both are counted: at most one delayed attempt is left

    assert len(explore(scenario)) > 5
