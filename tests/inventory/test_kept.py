"""Tickets kept for the waitlist: each shard decides, they count as held, and only holds with `takes_kept` get them."""

import pytest

from chalicelib.foundation import addons
from chalicelib.inventory import capacity
from chalicelib.inventory import service as inventory
from chalicelib.inventory.allocation import HoldRequest, hold_tickets
from chalicelib.inventory.model import NotEnoughTickets, SalePaused, shard_ids
from chalicelib.inventory.store import read_shards
from tests.inventory.stocks import EXPIRES_AT, NOW, DisplayingInstance, create_stock, hold, read_stock
from tests.simulation.instance_memory import separate_memories

pytestmark = pytest.mark.usefixtures("store", "time")


def take_kept(quantity, shard_count, purchase_id="offer"):
    return hold_tickets(HoldRequest("t", shard_count, quantity, purchase_id, EXPIRES_AT, NOW, takes_kept=True))


@pytest.mark.parametrize("shard_count", [1, 4])
def test_kept_tickets_are_taken_only_on_request(shard_count):
    create_stock(8, shard_count)
    inventory.set_kept("t", shard_count, True)
    with pytest.raises(NotEnoughTickets) as refusal:
        hold(1, shard_count)
    assert refusal.value.details == {"available": 0, "requested": 1}
    assert sum(part.quantity for part in take_kept(5, shard_count)) == 5
    assert read_stock(shard_count).available == 3
    inventory.set_kept("t", shard_count, False)
    hold(3, shard_count)


@pytest.mark.parametrize("shard_count", [1, 4])
def test_a_stage_without_the_waitlist_sells_what_it_kept(shard_count, monkeypatch):
    create_stock(8, shard_count)
    inventory.set_kept("t", shard_count, True)
    monkeypatch.setattr(addons, "enabled", dict)
    assert read_stock(shard_count).available == 8
    assert sum(part.quantity for part in hold(5, shard_count)) == 5


@pytest.mark.parametrize("shard_count", [1, 4])
def test_tickets_released_in_a_kept_stock_stay_kept(shard_count):
    create_stock(8, shard_count)
    holds = hold(8, shard_count)
    inventory.set_kept("t", shard_count, True)
    inventory.set_kept("t", shard_count, True)  # may be repeated
    inventory.release_holds(holds)
    with pytest.raises(NotEnoughTickets):
        hold(1, shard_count)
    take_kept(8, shard_count)


@pytest.mark.parametrize("shard_count", [1, 4])
def test_a_stock_may_let_everybody_have_what_it_has_and_keep_what_comes_back(shard_count):
    create_stock(8, shard_count)
    holds = hold(7, shard_count)
    inventory.set_kept("t", shard_count, True)
    inventory.keep_above("t", read_shards(shard_ids("t", shard_count)))
    [last] = hold(1, shard_count)
    inventory.release_holds([last])
    hold(1, shard_count)
    inventory.release_holds([*holds, last])
    with pytest.raises(NotEnoughTickets):
        hold(1, shard_count)
    inventory.set_kept("t", shard_count, True)
    assert {shard.kept_above for shard in read_shards(shard_ids("t", shard_count))} == {None}
    take_kept(7, shard_count)


def test_a_stock_that_is_not_kept_has_nothing_to_let_go():
    create_stock(8, 2)
    inventory.keep_above("t", read_shards(shard_ids("t", 2)))
    assert not any(shard.is_marked for shard in read_shards(shard_ids("t", 2)))


def test_a_shard_that_a_crash_left_unkept_is_kept_by_a_repetition():
    create_stock(8, 4)
    inventory.set_kept("t", 2, True)
    inventory.set_kept("t", 4, True)
    assert all(shard.is_kept for shard in read_shards(shard_ids("t", 4)))


def test_a_pause_also_stops_people_who_take_kept_tickets():
    create_stock(2, 1)
    inventory.set_kept("t", 1, True)
    inventory.set_open({"t": 1}, False)
    with pytest.raises(SalePaused):
        take_kept(1, 1)


@pytest.mark.parametrize("shard_count", [1, 4])
def test_new_tickets_of_a_kept_stock_are_kept(shard_count):
    create_stock(8, shard_count)
    inventory.set_kept("t", shard_count, True)
    capacity.resize_stock("t", shard_count, 20, grow_to=6)
    with pytest.raises(NotEnoughTickets):
        hold(1, 6)
    take_kept(20, 6)


def test_kept_tickets_are_shown_as_held_and_refused_by_the_figures():
    create_stock(4, 2)
    inventory.set_kept("t", 2, True)
    with separate_memories():
        instance = DisplayingInstance()
        shown = instance.show(NOW)
        assert (shown.capacity, shown.available, shown.held, shown.sold) == (4, 0, 4, 0)
        with instance.active(), pytest.raises(NotEnoughTickets):
            hold_tickets(HoldRequest("t", 2, 1, "p", EXPIRES_AT, NOW, instance.group))
    assert read_stock(2).available == 4
