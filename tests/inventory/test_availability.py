"""The figures for display: what one instance reads, all show."""

from contextlib import suppress
from functools import partial

import pytest

from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock
from chalicelib.inventory import availability, display
from chalicelib.inventory import service as inventory
from chalicelib.inventory.availability import cached_stock
from chalicelib.inventory.display import PATIENCE_SECONDS, StockGroup, invalidate_figures
from tests.inventory.stocks import NOW, DisplayingInstance, create_stock, hold
from tests.simulation import faults
from tests.simulation.call_log import record_calls
from tests.simulation.instance_memory import separate_memories

pytestmark = pytest.mark.usefixtures("store")


@pytest.fixture(autouse=True)
def instances():
    with separate_memories():
        yield


@pytest.fixture(autouse=True)
def everybody_contends(monkeypatch):
    """Every instance that notices overdue figures tries to refresh them, not one in sixteen."""
    monkeypatch.setattr(display.random, "randrange", lambda _: 0)


@pytest.fixture
def nobody_contends(monkeypatch):
    """Before the patience with the last instance has ended, no other instance tries."""
    monkeypatch.setattr(display.random, "randrange", lambda contenders: contenders - 1)


def sell(quantity):
    """Sell tickets at an instance that shows no figures."""
    with DisplayingInstance().active():
        inventory.convert_holds(hold(quantity, 2, f"p{quantity}"))


def calls_of(action):
    with record_calls() as log:
        action()
    return [(entry.operation, *entry.tables) for entry in log.entries]


READ_ITEM, READ_SHARDS, WRITE_ITEM = ("BatchGetItem", "stock-display"), ("BatchGetItem", "inventory"), ("UpdateItem", "stock-display")


def test_the_holder_of_the_lease_writes_what_other_instances_read():
    create_stock(10, 2)
    first, second = DisplayingInstance(), DisplayingInstance()
    assert calls_of(lambda: first.show(NOW)) == [READ_ITEM, WRITE_ITEM, READ_SHARDS, WRITE_ITEM]
    assert calls_of(lambda: second.show(NOW)) == [READ_ITEM]
    assert calls_of(lambda: (first.show(NOW), second.show(NOW))) == []
    assert second.show(NOW).available == 10


def test_the_instance_that_refreshed_last_continues_without_a_lease(nobody_contends):
    create_stock(10, 2)
    first, second = DisplayingInstance(), DisplayingInstance()
    first.show(NOW)
    for now in range(NOW + 1, NOW + 4):
        sell(1 + now - NOW)
        second.show(now)
        assert calls_of(partial(first.show, now)) == [READ_ITEM, READ_SHARDS, WRITE_ITEM]
    assert calls_of(lambda: second.show(NOW + 4)) == [READ_ITEM]
    assert second.show(NOW + 4).available == first.show(NOW + 4).available == 1


def test_stale_figures_are_shown_while_another_thread_reads_new_ones():
    create_stock(10, 2)
    instance = DisplayingInstance()
    instance.show(NOW)
    sell(1)
    with instance.active(), display.lock_copies(must_wait=True):  # as the thread that reads them does
        assert calls_of(lambda: instance.show(NOW + 1)) == []
        assert instance.show(NOW + 1).available == 10
    assert calls_of(lambda: instance.show(NOW + 1)) == [READ_ITEM, READ_SHARDS, WRITE_ITEM]
    assert instance.show(NOW + 1).available == 9


def test_figures_that_do_not_change_are_read_a_third_as_often():
    create_stock(10, 2)
    instance = DisplayingInstance()
    for now in range(NOW, NOW + 6):
        instance.show(now)
    refreshed = [READ_SHARDS in calls_of(partial(instance.show, now)) for now in range(NOW + 6, NOW + 15)]
    assert refreshed == [True, False, False] * 3
    sell(3)
    assert instance.show(NOW + 15).available == 7
    sell(1)
    assert instance.show(NOW + 16).available == 6


def groups_of(count):
    for number in range(count):
        dynamo.batch_put(inventory.new_shards(f"t{number}", capacity=10, sold=0, shard_count=2, is_open=True))
    return [StockGroup(f"g{number}", {f"t{number}": 2}) for number in range(count)]


def test_the_figures_of_many_groups_are_read_less_often(monkeypatch):
    monkeypatch.setattr(availability, "GROUPS_PER_SECOND", 2)
    groups = groups_of(20)  # every ten seconds, and a third as often while nothing changes

    def keys_read(now):
        with clock.override(lambda: now), record_calls() as calls:
            cached_stock(groups, now)
        return sum(len(entry.keys) for entry in calls.of("BatchGetItem", "inventory"))

    with DisplayingInstance().active():
        assert [keys_read(now) for now in range(NOW, NOW + 10)] == [40, *[0] * 9]
        assert sum(keys_read(now) for now in range(NOW + 10, NOW + 100)) <= 40 * 5
        with record_calls() as calls:
            assert cached_stock(groups[:1], NOW + 100)["t0"].available == 10
        assert len(calls) > 0, "an event's own page shows the newest figures"


def test_one_call_refreshes_only_some_of_many_groups(monkeypatch):
    monkeypatch.setattr(availability, "MAX_REFRESHED", 8)
    monkeypatch.setattr(availability, "GROUPS_PER_SECOND", 1)
    groups = groups_of(20)
    with DisplayingInstance().active():
        cached_stock(groups, NOW)
        refreshed = []
        for now in range(NOW + 100, NOW + 105):
            with clock.override(partial(int, now)), record_calls() as calls:
                assert len(cached_stock(groups, now)) == 20
            refreshed.append(sum(len(entry.keys) for entry in calls.of("BatchGetItem", "inventory")))
    assert refreshed[:4] == [16, 16, 8, 0]


def test_an_instance_shows_its_own_sales_after_a_second():
    create_stock(10, 2)
    instance = DisplayingInstance()
    for now in range(NOW, NOW + 7):
        instance.show(now)
    with instance.active():
        display.note_movement("t", NOW + 7)
    sell(2)
    assert instance.show(NOW + 7).available == 8


def test_another_instance_takes_over_from_a_silent_one(nobody_contends):
    create_stock(10, 2)
    gone, early, other = DisplayingInstance(), DisplayingInstance(), DisplayingInstance()
    gone.show(NOW)
    sell(3)
    assert early.show(NOW + 1).available == 10, "it is the turn of the first instance"
    assert other.show(NOW + 1 + PATIENCE_SECONDS).available == 7
    assert calls_of(lambda: other.show(NOW + 2))[1:] == [READ_SHARDS, WRITE_ITEM]


def test_the_first_reader_refreshes_figures_that_were_long_unread():
    create_stock(10, 2)
    DisplayingInstance().show(NOW)
    sell(3)
    assert DisplayingInstance().show(NOW + 600).available == 7


@pytest.mark.parametrize("crash_after", [2, 3])
def test_the_lease_of_an_instance_that_crashed_ends(crash_after):
    """It crashes when it has taken the lease, or has read the shards too."""
    create_stock(10, 2)
    DisplayingInstance().show(NOW)
    sell(3)
    with faults.crash_after(crash_after) as crash:
        DisplayingInstance().show(NOW + 10)
    assert crash.was_triggered
    other = DisplayingInstance()
    assert [other.show(NOW + 10).available, other.show(NOW + 11).available, other.show(NOW + 12).available] == [10, 10, 7]


def test_each_instance_reads_the_very_first_figures_itself():
    create_stock(10, 2)
    with faults.crash_after(2):
        DisplayingInstance().show(NOW)
    other = DisplayingInstance()
    assert calls_of(lambda: other.show(NOW)) == [READ_ITEM, READ_SHARDS]
    assert other.show(NOW).available == 10


def test_only_some_of_many_instances_try_to_take_over_at_once(nobody_contends):
    create_stock(10, 2)
    DisplayingInstance().show(NOW)
    others = [DisplayingInstance() for _ in range(20)]
    assert [WRITE_ITEM in calls_of(partial(other.show, NOW + 1.01)) for other in others[:10]] == [False] * 10
    assert [WRITE_ITEM in calls_of(partial(other.show, NOW + 1.11)) for other in others[10:]] == [True] + [False] * 9


@pytest.mark.parametrize("skew", [-1, 1])
def test_a_clock_off_by_a_second_neither_stops_nor_doubles_refreshes(skew):
    create_stock(10, 2)
    right, wrong = DisplayingInstance(), DisplayingInstance()
    right.show(NOW)
    wrong.show(NOW + skew)
    for now in range(NOW + 1, NOW + 9):
        sell(1)
        before = calls_of(partial(right.show, now)) + calls_of(partial(wrong.show, now + skew))
        assert before.count(READ_SHARDS) <= 1, "they would take turns"
    assert right.show(NOW + 9).available <= 2
    assert wrong.show(NOW + 9 + skew).available <= 2


def test_a_slow_refresh_does_not_replace_the_figures_of_a_later_one(monkeypatch):
    create_stock(10, 2)
    slow, quick, reader = DisplayingInstance(), DisplayingInstance(), DisplayingInstance()
    slow.show(NOW)
    read = display.read_shards_by_stock

    def read_and_fall_asleep(shard_counts):
        shards = read(shard_counts)
        monkeypatch.setattr(display, "read_shards_by_stock", read)
        sell(3)
        assert quick.show(NOW + 4).available == 7
        return shards

    monkeypatch.setattr(display, "read_shards_by_stock", read_and_fall_asleep)
    slow.show(NOW + 1)
    assert reader.show(NOW + 4).available == 7
    assert slow.show(NOW + 5).available == 7


def test_an_invalidation_reads_shards_at_once_and_reaches_all_soon():
    create_stock(10, 2)
    admins, other = DisplayingInstance(), DisplayingInstance()
    with clock.override(lambda: NOW):
        for now in range(NOW - 9, NOW + 1):
            other.show(now)
        sell(3)
        with admins.active():
            invalidate_figures()
        assert admins.show(NOW).available == 7
        assert calls_of(lambda: admins.show(NOW)) == []
    assert other.show(NOW + 3).available == 7


def test_stocks_of_a_group_are_read_when_they_are_new_to_it():
    create_stock(10, 2)
    DisplayingInstance().show(NOW)
    instance = DisplayingInstance()
    instance.group = StockGroup("g", {"t": 2, "u": 1})
    items = inventory.new_shards("u", capacity=4, sold=0, shard_count=1, is_open=True)
    dynamo.batch_put(items)
    with instance.active():
        assert cached_stock([instance.group], NOW)["u"].available == 4
    assert calls_of(lambda: DisplayingInstance().show(NOW)) == [READ_ITEM]


def test_a_stock_without_shards_and_a_group_without_stocks_are_left_out():
    with DisplayingInstance().active():
        groups = [StockGroup("g", {"t": 2}), StockGroup("empty", {})]
        assert cached_stock(groups, NOW) == {}
        with record_calls() as calls:
            cached_stock(groups, NOW)
    assert calls == []


@pytest.mark.parametrize("kind", faults.KINDS)
@pytest.mark.parametrize("is_new", [True, False])
def test_a_fault_at_any_call_leaves_figures_that_are_soon_right_again(kind, is_new):
    """A new instance takes the lease and may have to refuse its request; an instance that has refreshed before always has figures."""
    for number in range(1, 5 if is_new else 4):
        create_stock(10, 2)
        instance = DisplayingInstance()
        instance.group = StockGroup(f"g{number}", {"t": 2})
        instance.show(NOW)
        sell(3)
        if is_new:
            group = instance.group
            instance = DisplayingInstance()
            instance.group = group
        with faults.KINDS[kind](number) as fault, suppress(*dynamo.STORE_ERRORS if is_new else ()):
            assert instance.show(NOW + 10).available in (7, 10)
        assert fault.was_triggered
        assert instance.show(NOW + 12).available == 7


def test_figures_remain_while_the_store_is_down():
    create_stock(10, 2)
    instance = DisplayingInstance()
    instance.show(NOW)
    with faults.refuse_from(1):
        assert instance.show(NOW + 60).available == 10
        assert calls_of(lambda: instance.show(NOW + 60)) == [], "the next attempt is made a second later"


def test_figures_remain_while_the_store_leaves_keys_unprocessed(monkeypatch):
    create_stock(10, 2)
    instance = DisplayingInstance()
    instance.show(NOW)

    def give_up(*_, **__):
        raise dynamo.StoreUnavailable("keys stay unprocessed")

    monkeypatch.setattr(display.DisplayRow, "find_all", give_up)
    assert instance.show(NOW + 5).available == 10
