"""Changing the capacity of a stock that may be selling."""

import itertools
from threading import Barrier, Lock

import pytest

from chalicelib.dynamodb import dynamo
from chalicelib.foundation import parallel
from chalicelib.inventory import service as inventory
from chalicelib.inventory import store
from chalicelib.inventory.capacity import resize_stock
from chalicelib.inventory.model import CapacityInUse, Stock
from chalicelib.inventory.store import ShardRow, read_shards, scan_shards
from tests.inventory.stocks import create_stock, hold, read_stock
from tests.simulation import faults
from tests.simulation.call_log import record_calls

pytestmark = pytest.mark.usefixtures("store")


@pytest.mark.parametrize("shard_count", [1, 2, 5])
@pytest.mark.parametrize("capacity", [10, 11, 25, 40])
def test_resize_reaches_the_capacity_and_keeps_what_is_sold_and_held(shard_count, capacity):
    create_stock(20, shard_count)
    inventory.convert_holds(hold(6, shard_count, "p"))
    hold(4, shard_count, "q")
    resize_stock("t", shard_count, capacity)
    assert read_stock(shard_count) == Stock(capacity=capacity, available=capacity - 10, held=4, sold=6, is_open=True)
    with record_calls() as calls:
        resize_stock("t", shard_count, capacity)
    assert calls == ["BatchGetItem"]


def test_resize_below_what_is_sold_and_held_changes_nothing():
    create_stock(20, 3)
    hold(8, 3)
    before = list(scan_shards())
    with pytest.raises(CapacityInUse) as refusal:
        resize_stock("t", 3, 7)
    assert refusal.value.details == {"capacity": 7, "sold": 0, "held": 8}
    assert list(scan_shards()) == before
    assert read_stock(3).capacity == 20


def test_new_shards_share_the_added_capacity():
    create_stock(10, 1)
    resize_stock("t", 1, 40, grow_to=4)
    assert [shard.capacity for shard in sorted(scan_shards(), key=lambda shard: shard.id)] == [10, 10, 10, 10]


def test_a_stock_that_shrinks_keeps_tickets_in_all_its_shards():
    create_stock(60, 3)
    resize_stock("t", 3, 30)
    assert [shard.available for shard in scan_shards()] == [10, 10, 10]


def test_the_shards_of_a_large_stock_are_created_and_resized_at_once(threaded_store, monkeypatch):
    """Each write waits until as many as there are threads are under way."""
    count = parallel.MAX_THREADS
    create_stock(count, count)
    together = Barrier(count)

    def waiting(write):
        return lambda *arguments: (together.wait(timeout=60), write(*arguments))[1]

    monkeypatch.setattr(store, "create_shard", waiting(store.create_shard))
    monkeypatch.setattr(store, "resize_shard", waiting(store.resize_shard))
    resize_stock("t", count, 80 * count, grow_to=2 * count)
    assert {shard.capacity for shard in scan_shards()} == {40}
    resize_stock("t", 2 * count, 20 * count)
    assert {shard.capacity for shard in scan_shards()} == {10}


def test_a_sale_in_the_middle_of_a_resize_is_kept(monkeypatch):
    create_stock(30, 3)
    resize_shard, sold, lock = store.resize_shard, [], Lock()

    def sell_first(shard, capacity):
        with lock:
            if not sold:
                sold.extend(hold(4, 3))
                inventory.convert_holds(sold)
        return resize_shard(shard, capacity)

    monkeypatch.setattr(store, "resize_shard", sell_first)
    resize_stock("t", 3, 6)
    assert read_stock(3) == Stock(capacity=6, available=2, held=0, sold=4, is_open=True)


def test_a_resize_that_writes_all_shards_knows_the_stock_without_a_read():
    create_stock(30, 3)
    with record_calls() as calls:
        shards = resize_stock("t", 3, 36)
    assert calls == ["BatchGetItem", "UpdateItem", "UpdateItem", "UpdateItem"]
    assert sorted(shards, key=lambda shard: shard.id) == sorted(scan_shards(), key=lambda shard: shard.id)


def test_a_resize_reads_again_the_shards_that_it_did_not_write(monkeypatch):
    """Another resize writes one of them between its read and its write."""
    create_stock(30, 3)
    resize_shard, others = store.resize_shard, []

    def meet_another(shard, capacity):
        if not others:
            others.append(next(other for other in scan_shards() if other.id != shard.id))
            resize_shard(others[0], others[0].capacity + 1)
        return resize_shard(shard, capacity)

    monkeypatch.setattr(store, "resize_shard", meet_another)
    resize_stock("t", 3, 31)
    assert read_stock(3).capacity == 31


def test_a_shard_created_by_another_resize_is_read_again(monkeypatch):
    create_stock(10, 1)
    create_shard, created = store.create_shard, []

    def come_second(item):
        if item.id == "t#1":  # the shards are created in threads, and this must happen in one of them
            created.append(create_shard(item))
            store.resize_shard(created[0], 5)
        return create_shard(item)

    monkeypatch.setattr(store, "create_shard", come_second)
    resize_stock("t", 1, 40, grow_to=4)
    assert read_stock(4).capacity == 40


@pytest.mark.parametrize("capacity", [30, 40])
def test_a_resize_from_an_outdated_stock_reaches_its_capacity(capacity):
    create_stock(30, 3)
    known = read_shards([f"t#{number}" for number in range(3)])
    hold(9, 3)
    resize_stock("t", 3, 33)
    resize_stock("t", 3, capacity, known=known)
    assert read_stock(3).capacity == capacity


@pytest.mark.slow
def test_a_resize_that_crashed_is_completed_by_the_next_one():
    for number in range(1, 6):
        create_stock(30, 3)
        with faults.crash_after(number):
            resize_stock("t", 3, 12)
        assert read_stock(3).capacity >= 12
        resize_stock("t", 3, 12)
        assert read_stock(3).capacity == 12


def test_a_resize_of_many_shards_that_crashed_is_completed_by_the_next_one(threaded_store):
    """The crash ends the calls of all threads."""
    count, crashed = 10, 0
    for number in itertools.count(1, 3):
        create_stock(80 * count, count, sold=7)
        with faults.crash_after(number) as crash:
            resize_stock("t", count, 160 * count, grow_to=2 * count)
        crashed += crash.was_triggered
        assert read_stock(count).sold == 7
        resize_stock("t", count, 160 * count, grow_to=2 * count)
        assert read_stock(2 * count) == Stock(capacity=160 * count, available=160 * count - 7, held=0, sold=7, is_open=True)
        if not crash.was_triggered:
            break
        for shard in scan_shards():
            dynamo.client().delete_item(TableName=ShardRow.name(), Key={"id": {"S": shard.id}})
    assert crashed > 5
