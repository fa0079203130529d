"""Stock by its own rules: holds, spanning, give-back, resize and the pause flag."""

import pytest

from chalicelib import dynamo
from chalicelib.inventory import service as inventory
from chalicelib.inventory import store
from chalicelib.inventory.model import CapacityInUse, Hold, NotEnoughTickets, SalePaused, Stock, default_shards, split_evenly
from tests.simulation import faults

pytestmark = pytest.mark.usefixtures("store")

NOW, UNTIL = 1000, 1180


def stocked(capacity: int, shards: int, *, sold: int = 0, is_open: bool = True) -> dict[str, int]:
    dynamo.batch_put(inventory.table_name(), inventory.new_shard_items("t", capacity=capacity, sold=sold, shards=shards, is_open=is_open))
    return {"t": shards}


def take(quantity: int, shards: int, purchase: str = "p", until: int = UNTIL, now: int = NOW) -> list[Hold]:
    return inventory.hold("t", shards, quantity, purchase, until, now)


def stock(wanted: dict[str, int]) -> Stock:
    found = inventory.read_stock(wanted)["t"]
    assert found.available + found.held + found.sold == found.capacity
    return found


def test_a_hold_takes_one_call_and_moves_available_to_held():
    wanted = stocked(10, 1)
    with faults.record_calls() as made:
        holds = take(3, 1)
    assert made == ["UpdateItem"]
    assert [(hold.shard_id, hold.purchase_id, hold.quantity) for hold in holds] == [("t#0", "p", 3)]
    assert stock(wanted) == Stock(capacity=10, available=7, held=3, sold=0, open=True)


def test_with_many_shards_a_hold_still_takes_one_call():
    stocked(80, 8)
    with faults.record_calls() as made:
        take(2, 8)
    assert made == ["UpdateItem"]


def test_what_was_sold_elsewhere_is_not_sold_again():
    wanted = stocked(10, 3, sold=7)
    assert stock(wanted) == Stock(capacity=10, available=3, held=0, sold=7, open=True)
    take(3, 3)
    with pytest.raises(NotEnoughTickets):
        take(1, 3, "q")


def test_a_hold_spans_shards_when_none_alone_has_enough():
    wanted = stocked(4, 4)
    holds = take(4, 4)
    assert sorted(hold.shard_id for hold in holds) == ["t#0", "t#1", "t#2", "t#3"]
    assert stock(wanted).available == 0


def test_everything_sellable_is_sold_whatever_the_quantities():
    stocked(50, 8)
    sold, number = 0, 0
    for quantity in [4, 3, 2, 1]:
        while True:
            number += 1
            try:
                sold += sum(hold.quantity for hold in take(quantity, 8, f"p{number}"))
            except NotEnoughTickets:
                break
    assert sold == 50


def test_not_enough_says_what_is_left_and_keeps_nothing():
    wanted = stocked(5, 2)
    with pytest.raises(NotEnoughTickets) as refused:
        take(6, 2)
    assert refused.value.details == {"available": 5, "requested": 6}
    assert stock(wanted).held == 0


def test_a_refusal_names_the_holds_that_are_over_but_does_not_touch_them():
    wanted = stocked(4, 2)
    take(4, 2, "old", until=NOW)
    with pytest.raises(NotEnoughTickets) as refused:
        take(1, 2, "new")
    assert {hold.purchase_id for hold in refused.value.expired_holds} == {"old"}
    assert stock(wanted).held == 4


@pytest.mark.parametrize("shards", [1, 3])
def test_closed_stock_refuses_new_holds_and_lets_old_ones_end(shards):
    wanted = stocked(9, shards)
    holds = take(2, shards)
    inventory.set_open("t", shards, False)
    with pytest.raises(SalePaused):
        take(1, shards, "q")
    assert inventory.convert_holds(holds) == 1
    assert stock(wanted).sold == 2
    inventory.set_open("t", shards, True)
    take(1, shards, "q")


def test_a_call_whose_answer_was_lost_is_not_held_twice():
    wanted = stocked(5, 1)
    assert [store.hold_in_shard("t#0", "p.n", 2, UNTIL) for _ in range(2)] == [(True, 3), (True, 3)]  # as botocore repeats a call
    assert stock(wanted).held == 2


@pytest.mark.parametrize(("end", "available", "sold"), [(inventory.release_holds, 5, 0), (inventory.convert_holds, 3, 2)])
def test_a_hold_is_released_or_converted_exactly_once(end, available, sold):
    wanted = stocked(5, 1)
    holds = take(2, 1)
    assert [end(holds), inventory.release_holds(holds), inventory.convert_holds(holds)] == [1, 0, 0]
    after = stock(wanted)
    assert (after.available, after.sold) == (available, sold)


def test_a_hold_with_another_quantity_is_not_ours_to_end():
    wanted = stocked(5, 1)
    (hold,) = take(2, 1)
    assert inventory.release_holds([Hold("t#0", hold.hold_id, 3)]) == 0
    assert stock(wanted).held == 2


def test_an_extended_hold_is_over_later():
    stocked(5, 1)
    (hold,) = take(2, 1)
    assert inventory.extend_hold(hold, UNTIL + 60)
    (shard,) = inventory.scan_shards()
    assert list(shard.expired_holds(UNTIL)) == []
    assert list(shard.expired_holds(UNTIL + 60)) == [hold]


def test_extending_or_taking_from_what_is_not_there_changes_nothing():
    assert not inventory.extend_hold(Hold("t#0", "p.n", 1), UNTIL)
    with pytest.raises(NotEnoughTickets):
        take(1, 1)
    assert list(inventory.scan_shards()) == []


@pytest.mark.parametrize("shards", [1, 2, 5])
@pytest.mark.parametrize("capacity", [10, 11, 25, 40])
def test_resize_reaches_the_capacity_and_keeps_what_is_sold_and_held(shards, capacity):
    wanted = stocked(20, shards)
    inventory.convert_holds(take(6, shards, "p"))
    take(4, shards, "q")
    inventory.resize("t", shards, capacity)
    assert stock(wanted) == Stock(capacity=capacity, available=capacity - 10, held=4, sold=6, open=True)
    with faults.record_calls() as made:
        inventory.resize("t", shards, capacity)
    assert made == ["BatchGetItem"]


def test_resize_below_what_is_sold_and_held_is_refused_whole():
    wanted = stocked(20, 3)
    take(8, 3)
    before = list(inventory.scan_shards())
    with pytest.raises(CapacityInUse) as refused:
        inventory.resize("t", 3, 7)
    assert refused.value.details == {"capacity": 7, "sold": 0, "held": 8}
    assert list(inventory.scan_shards()) == before
    assert stock(wanted).capacity == 20


def test_new_shards_share_what_is_added():
    stocked(10, 1)
    inventory.resize("t", 1, 40, grow_to=4)
    assert [shard.capacity for shard in sorted(inventory.scan_shards(), key=lambda one: one.id)] == [10, 10, 10, 10]


def test_a_resize_that_died_is_finished_by_the_next_one():
    for number in range(1, 6):
        wanted = stocked(30, 3)
        with faults.crash_after(number):
            inventory.resize("t", 3, 12)
        assert stock(wanted).capacity >= 12
        inventory.resize("t", 3, 12)
        assert stock(wanted).capacity == 12


def test_shown_levels_are_read_once_a_second_and_survive_a_store_that_is_down():
    wanted = stocked(10, 2)
    with faults.record_calls() as made:
        assert inventory.cached_stock(wanted, NOW)["t"].available == 10
        inventory.cached_stock(wanted, NOW)
        inventory.cached_stock(wanted, NOW + 1)
    assert made == ["BatchGetItem"] * 2
    with faults.refuse_from(1):
        assert inventory.cached_stock(wanted, NOW + 5)["t"].available == 10


def test_shards_grow_with_the_capacity_up_to_a_limit():
    assert [default_shards(capacity) for capacity in (1, 100, 101, 400, 5000)] == [1, 1, 3, 12, 32]
    assert split_evenly(11, 3) == [4, 4, 3]


def test_no_hold_id_is_ever_used_twice_not_even_by_the_tries_of_one_purchase(monkeypatch):
    """A release whose answer was lost may reach the store late; it must not meet a later try's hold."""
    stocked(4, 4)
    used = []
    hold = store.hold_in_shard

    def contended(shard_id, hold_id, quantity, until):
        used.append((shard_id, hold_id))
        if len(used) in (3, 5):  # somebody else was quicker
            return False, None
        return hold(shard_id, hold_id, quantity, until)

    monkeypatch.setattr(store, "hold_in_shard", contended)
    assert sum(one.quantity for one in take(4, 4)) == 4
    assert len(used) > 8
    assert len(set(used)) == len(used)
