"""When tickets run out: which buyers are refused without a read of all shards, and that tickets that come back are soon sold."""

from contextlib import suppress

import pytest

from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock
from chalicelib.inventory import allocation, store
from chalicelib.inventory import display as displays
from chalicelib.inventory import service as inventory
from chalicelib.inventory.allocation import HoldRequest, hold_tickets, leave_expired_holds
from chalicelib.inventory.availability import cached_stock
from chalicelib.inventory.display import StockGroup
from chalicelib.inventory.model import MAX_HOLDS, Hold, NotEnoughTickets, SalePaused, TooManyHolds
from tests.inventory.stocks import EXPIRES_AT, NOW, DisplayingInstance, create_stock, read_stock
from tests.simulation import faults
from tests.simulation.call_log import record_calls
from tests.simulation.instance_memory import separate_memories

pytestmark = pytest.mark.usefixtures("store")

READ_ITEM, READ_SHARDS = ("BatchGetItem", "stock-display"), ("BatchGetItem", "inventory")
TRY_SHARD, WRITE_ITEM = ("UpdateItem", "inventory"), ("UpdateItem", "stock-display")


@pytest.fixture(autouse=True)
def instances(monkeypatch):
    monkeypatch.setattr(allocation.deadline, "wait", lambda seconds: None)
    with separate_memories(), clock.override(lambda: NOW):
        yield


def buy(instance, now=NOW, quantity=1, shard_count=8, *, expires_at=EXPIRES_AT, purchase_id="p"):
    """What the hold takes from the store, and the hold or the refusal."""
    with record_calls() as log, instance.active():
        try:
            result = hold_tickets(
                HoldRequest("t", shard_count, quantity, purchase_id, expires_at, now, StockGroup("g", {"t": shard_count}))
            )
        except NotEnoughTickets as refusal:
            result = refusal
    return [(entry.operation, *entry.tables) for entry in log.entries], result


def sell_out(capacity=8, shard_count=8, **fields):
    create_stock(capacity, shard_count)
    holds = hold_tickets(HoldRequest("t", shard_count, capacity, "first", fields.get("expires_at", EXPIRES_AT), NOW))
    if not fields:
        inventory.convert_holds(holds)
    return holds


@pytest.mark.slow
@pytest.mark.parametrize("shard_count", [8, 250])
def test_after_the_sell_out_one_instance_reads_all_shards_and_no_other(shard_count):
    sell_out(shard_count, shard_count)
    first, others = DisplayingInstance(), [DisplayingInstance() for _ in range(20)]
    calls, refusal = buy(first, shard_count=shard_count)
    assert calls[:2] == [TRY_SHARD] * 2
    assert calls[2:] == [READ_ITEM, WRITE_ITEM] + [READ_SHARDS] * -(-shard_count // 100) + [WRITE_ITEM]
    assert (refusal.code, refusal.details) == ("not_enough_tickets", {"available": 0, "requested": 1})
    for other in others:
        assert buy(other, shard_count=shard_count)[0] == [TRY_SHARD, TRY_SHARD, READ_ITEM]
    for now in (NOW, NOW + 1, NOW + 2):
        assert all(buy(instance, now, shard_count=shard_count)[0] == [] for instance in (first, *others)), "their copies suffice"
    again = [buy(instance, NOW + 3, shard_count=shard_count)[0] for instance in (*others, first)]
    assert sum(calls.count(READ_SHARDS) for calls in again) == -(-shard_count // 100)
    assert max(len(calls) for calls in again[1:]) <= 2


def test_a_stock_of_one_shard_is_not_asked_again_for_two_seconds():
    sell_out(4, 1)
    instance = DisplayingInstance()
    assert buy(instance, shard_count=1)[0] == [TRY_SHARD]
    assert [buy(instance, now, shard_count=1)[0] for now in (NOW, NOW + 2)] == [[], []]
    assert buy(instance, NOW + 3, shard_count=1)[0] == [READ_ITEM, TRY_SHARD]


def test_figures_refuse_only_requests_for_more_than_is_left():
    create_stock(8, 8)
    instance = DisplayingInstance()
    buy(instance, quantity=6)
    assert buy(instance, quantity=3)[1].details == {"available": 2, "requested": 3}
    assert [len(buy(instance, quantity=1, purchase_id=f"p{n}")[1]) for n in range(2)] == [1, 1]


@pytest.mark.parametrize("shard_count", [1, 8])
def test_returned_tickets_are_sold_at_once_locally_and_soon_elsewhere(shard_count):
    holds = sell_out(8, shard_count, expires_at=EXPIRES_AT)
    here, elsewhere, silent = DisplayingInstance(), DisplayingInstance(), DisplayingInstance()
    for instance in (here, elsewhere, silent):
        assert isinstance(buy(instance, shard_count=shard_count)[1], NotEnoughTickets)
    with here.active():
        inventory.release_holds(holds)
    assert buy(here, shard_count=shard_count, purchase_id="here")[1][0].quantity == 1
    assert isinstance(buy(elsewhere, NOW + 2, shard_count=shard_count)[1], NotEnoughTickets)
    assert buy(elsewhere, NOW + 3, shard_count=shard_count, purchase_id="elsewhere")[1][0].quantity == 1


def test_figures_that_a_display_has_refreshed_let_buyers_in_earlier():
    holds = sell_out(8, 8, expires_at=EXPIRES_AT)
    seller, shower = DisplayingInstance(8), DisplayingInstance(8)
    shower.show(NOW)
    assert isinstance(buy(seller)[1], NotEnoughTickets)
    inventory.release_holds(holds)
    assert shower.show(NOW + 1).available == 8
    with seller.active():
        cached_stock([shower.group], NOW + 1)
    assert buy(seller, NOW + 1)[1][0].quantity == 1


@pytest.mark.slow
def test_the_figures_lead_to_the_last_tickets_without_reading_all_shards():
    create_stock(250, 250)
    sold = hold_tickets(HoldRequest("t", 250, 246, "first", EXPIRES_AT, NOW))
    inventory.convert_holds(sold)
    buy(DisplayingInstance(), quantity=5, shard_count=250)  # refused, after a read of all shards
    calls, holds = buy(DisplayingInstance(), shard_count=250)
    found_by_chance = ([TRY_SHARD], [TRY_SHARD] * 2)  # four of the 250 shards have a ticket
    assert calls in (*found_by_chance, [TRY_SHARD, TRY_SHARD, READ_ITEM, TRY_SHARD])
    calls, holds = buy(DisplayingInstance(), quantity=2, shard_count=250, purchase_id="q")
    assert sum(hold.quantity for hold in holds) == 2
    assert READ_SHARDS not in calls or calls.count(READ_SHARDS) == 3, "its shards may have been the one that was sold just now"


def test_a_buyer_waits_for_the_figures_that_another_instance_reads(monkeypatch):
    sell_out()
    other, waits = DisplayingInstance(), []

    def finish_the_other(seconds):
        waits.append(seconds)
        buy(other)

    with other.active():
        (display,) = displays.read_displays(["g"]).values()
        leased, _ = displays.take_lease(display, displays.instance_name(), NOW)
        assert leased
    monkeypatch.setattr(allocation.deadline, "wait", finish_the_other)
    calls, refusal = buy(DisplayingInstance())
    assert (len(waits), refusal.details["available"]) == (1, 0)
    assert calls[:3] == [TRY_SHARD, TRY_SHARD, READ_ITEM]


def test_a_buyer_reads_all_shards_if_the_reading_instance_crashed():
    sell_out()
    with DisplayingInstance().active():
        (display,) = displays.read_displays(["g"]).values()
        displays.take_lease(display, "crashed", NOW)
    calls, refusal = buy(DisplayingInstance())
    assert calls == [TRY_SHARD] * 2 + [READ_ITEM] * allocation.MAX_ROUNDS + [READ_SHARDS]
    assert refusal.details["available"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", faults.KINDS)
def test_a_fault_during_a_refusal_neither_oversells_nor_blocks_tickets(kind):
    """Two tries of a shard, the item, its lease, all shards, the figures."""
    for number in range(1, 7):
        holds = sell_out(8, 8, expires_at=EXPIRES_AT)
        dynamo.client().delete_item(TableName=dynamo.table_name("stock-display"), Key={"id": {"S": "g"}})
        with faults.KINDS[kind](number) as fault, suppress(*dynamo.STORE_ERRORS):
            assert isinstance(buy(DisplayingInstance())[1], NotEnoughTickets)
        assert fault.was_triggered
        assert isinstance(buy(DisplayingInstance())[1], NotEnoughTickets)
        inventory.release_holds(holds)
        assert sum(hold.quantity for hold in buy(DisplayingInstance(), NOW + 3, quantity=8)[1]) == 8
        assert read_stock(8).available == 0


def test_a_refused_buyer_checks_a_few_shards_for_expired_holds():
    sell_out(60, 8, expires_at=NOW + 1)
    reader, buyer = DisplayingInstance(), DisplayingInstance()
    buy(reader)
    calls, refusal = buy(buyer, NOW + 1)
    assert calls == [TRY_SHARD] * 2 + [READ_ITEM, READ_SHARDS]
    assert 1 <= len(refusal.expired_holds) <= 2
    with buyer.active():
        inventory.release_holds(refusal.expired_holds)
        released = sum(hold.quantity for hold in refusal.expired_holds)
    assert buy(buyer, NOW + 1, purchase_id="q")[1][0].quantity == 1
    assert released >= 7


def test_unrecoverable_holds_are_left_alone_for_a_second():
    sell_out(8, 8, expires_at=NOW + 1)
    buyer = DisplayingInstance()
    buy(buyer)
    assert buy(buyer, NOW + 1)[1].expired_holds != []
    with buyer.active():
        leave_expired_holds("t", NOW + 1)
    calls, refusal = buy(buyer, NOW + 1)
    assert (calls, refusal.expired_holds) == ([], [])
    assert buy(buyer, NOW + 2)[1].expired_holds != []


@pytest.mark.slow
def test_a_stock_with_too_many_holds_is_not_called_sold_out():
    create_stock(3 * MAX_HOLDS * 2, 2)
    for number in range(MAX_HOLDS * 2):
        store.hold_in_shard(Hold(f"t#{number % 2}", f"p{number}.n", 2), EXPIRES_AT)
    for _ in range(2):
        refusal = buy(DisplayingInstance(), shard_count=2)[1]
        assert isinstance(refusal, TooManyHolds)
        assert refusal.details["available"] == MAX_HOLDS * 2


def test_a_paused_sale_is_called_paused_and_a_resumed_one_sells():
    create_stock(8, 8)
    instance = DisplayingInstance()
    with instance.active():
        inventory.set_open({"t": 8}, False)
        for _ in range(2):
            with pytest.raises(SalePaused):
                hold_tickets(HoldRequest("t", 8, 9, "p", EXPIRES_AT, NOW, StockGroup("g", {"t": 8})))
        inventory.set_open({"t": 8}, True)
    assert buy(instance)[1][0].quantity == 1
