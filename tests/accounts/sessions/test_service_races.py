"""Refreshes at the same moment, in every order of their store calls with two preemptions."""

import itertools

import pytest

from tests.accounts.conftest import refresh, sign_up
from tests.simulation.interleavings import explore

pytestmark = pytest.mark.usefixtures("threaded_store")


def test_a_late_refresh_does_not_take_a_later_token_back(api, time):
    accounts = itertools.count()

    def scenario(play):
        first = sign_up(api, f"user{next(accounts)}@example.com")["refresh_token"]

        def refresh_twice() -> str:
            return refresh(api, refresh(api, first).json["refresh_token"]).json["refresh_token"]

        run = play({"slow tab": lambda: refresh(api, first).status, "client": refresh_twice})
        reuse_was_noticed = run.results["slow tab"] == 401
        assert refresh(api, run.results["client"]).status == 200 or reuse_was_noticed

    assert len(explore(scenario)) > 5
