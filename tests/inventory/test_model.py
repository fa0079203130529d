"""The rules of shards without a store."""

from chalicelib.inventory.model import default_shard_count, split_evenly


def test_the_number_of_shards_grows_with_the_capacity_up_to_a_limit():
    assert [default_shard_count(capacity) for capacity in (1, 100, 101, 400, 5000)] == [1, 1, 3, 12, 32]
    assert split_evenly(11, 3) == [4, 4, 3]
