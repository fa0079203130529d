"""The rules of shards without a store."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.inventory.model import default_shard_count, level, split_evenly


def test_the_number_of_shards_follows_the_capacity_up_to_a_limit():
    capacities = (1, 80, 81, 1000, 10_000, 100_000, 1_000_000)
    assert [default_shard_count(capacity) for capacity in capacities] == [1, 1, 2, 13, 125, 1250, 1250]
    assert split_evenly(11, 3) == [4, 4, 3]


@given(st.lists(st.integers(0, 50), min_size=1, max_size=8), st.integers(-100, 100))
def test_a_change_makes_the_amounts_as_equal_as_it_can(amounts, change):
    change = max(change, -sum(amounts))
    after = level(amounts, change)
    assert sum(after) == sum(amounts) + change
    moved = [(old, new) for old, new in zip(amounts, after, strict=True) if new != old]
    assert all((new > old) == (change > 0) and new >= 0 for old, new in moved)
    if moved and change > 0:
        assert max(new for _, new in moved) <= min(after) + 1
    if moved and change < 0:
        assert min(new for _, new in moved) >= max(after) - 1


def test_more_cannot_be_removed_than_there_is():
    with pytest.raises(ValueError, match="more"):
        level([1, 2], -4)
