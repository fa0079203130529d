"""GCRA by conditional updates: it grants what the algorithm grants, whatever a writer expects of the counter."""

import random

import pytest

from chalicelib.edge import store as counters
from chalicelib.foundation.gcra import Quota


@pytest.mark.parametrize(("count", "seconds", "interval"), [(5, 60, 12_000), (7, 60, 8572), (1, 1, 1000), (100, 7, 70)])
def test_an_interval_is_rounded_up(count, seconds, interval):
    assert Quota(count, seconds).interval == interval


def test_a_full_budget_can_be_used_at_once_and_then_one_per_interval():
    quota = Quota(5, 60)
    assert [quota.wait(12_000 * used, 0) for used in range(7)] == [-48_000, -36_000, -24_000, -12_000, 0, 12_000, 24_000]
    assert [quota.remaining(12_000 * used, 0) for used in range(7)] == [5, 4, 3, 2, 1, 0, 0]
    assert quota.remaining(0, 1_000_000) == 5


@pytest.mark.parametrize("seed", range(6))
def test_the_store_grants_what_the_algorithm_grants(store, seed):
    """The expected `tat` is right, unknown or old; a wrong one is refused without counting, and the actual one is returned."""
    chance = random.Random(seed)
    quota, now, tat, known = Quota(chance.randint(1, 6), 60), 1_000_000, 0, [0]
    for _ in range(60):
        now += chance.choice((0, 0, 100, quota.interval // 2, quota.interval, 70_000))
        amount = chance.choice((1, 1, 2))
        charge, expected = quota.charge(now, amount), chance.choice(known[-3:])
        result = counters.advance_counter("c", expected, charge, 9)
        if (expected <= now) != (tat <= now):
            assert (result.granted, result.tat) == (False, tat)
            result = counters.advance_counter("c", result.tat, charge, 9)
        assert result.granted == (quota.wait(tat, now) <= 0)
        tat = max(tat, now) + amount * quota.interval if result.granted else tat
        assert result.tat == tat
        known.append(tat)
