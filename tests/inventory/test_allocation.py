"""Holding tickets: in one shard if possible, across several if necessary, and never more than there are."""

import pytest

from chalicelib.inventory import service as inventory
from chalicelib.inventory import store
from chalicelib.inventory.model import MAX_HOLDS, Hold, NotEnoughTickets, SalePaused, Stock, TooManyHolds
from chalicelib.inventory.store import scan_shards
from tests.inventory.stocks import EXPIRES_AT, NOW, create_stock, hold, read_stock
from tests.simulation.call_log import record_calls

pytestmark = pytest.mark.usefixtures("store")


def test_a_hold_takes_one_call_and_moves_available_tickets_to_held():
    create_stock(10, 1)
    with record_calls() as calls:
        holds = hold(3, 1)
    assert calls == ["UpdateItem"]
    assert [(part.shard_id, part.purchase_id, part.quantity) for part in holds] == [("t#0", "p", 3)]
    assert read_stock(1) == Stock(capacity=10, available=7, held=3, sold=0, is_open=True)


def test_with_many_shards_a_hold_still_takes_one_call():
    create_stock(80, 8)
    with record_calls() as calls:
        hold(2, 8)
    assert calls == ["UpdateItem"]


def test_a_hold_spans_shards_when_no_single_shard_has_enough():
    create_stock(4, 4)
    holds = hold(4, 4)
    assert sorted(part.shard_id for part in holds) == ["t#0", "t#1", "t#2", "t#3"]
    assert read_stock(4).available == 0


def test_all_tickets_can_be_held_whatever_the_quantities():
    create_stock(50, 8)
    held, number = 0, 0
    for quantity in [4, 3, 2, 1]:
        while True:
            number += 1
            try:
                held += sum(part.quantity for part in hold(quantity, 8, f"p{number}"))
            except NotEnoughTickets:
                break
    assert held == 50


def test_a_refusal_says_how_many_are_available_and_leaves_nothing_held():
    create_stock(5, 2)
    with pytest.raises(NotEnoughTickets) as refusal:
        hold(6, 2)
    assert refusal.value.details == {"available": 5, "requested": 6}
    assert read_stock(2).held == 0


def test_a_refusal_lists_the_expired_holds_but_does_not_release_them():
    create_stock(4, 2)
    hold(4, 2, "old", expires_at=NOW)
    with pytest.raises(NotEnoughTickets) as refusal:
        hold(1, 2, "new")
    assert {expired.purchase_id for expired in refusal.value.expired_holds} == {"old"}
    assert read_stock(2).held == 4


@pytest.mark.slow
@pytest.mark.parametrize("shard_count", [1, 3])
def test_a_stock_whose_shards_take_no_further_hold_is_not_sold_out(shard_count):
    create_stock(3 * MAX_HOLDS * shard_count, shard_count)
    for number in range(MAX_HOLDS * shard_count):
        expires_at = NOW if number == 0 else EXPIRES_AT
        store.hold_in_shard(Hold(f"t#{number % shard_count}", f"p{number}.n", 2), expires_at)
    with pytest.raises(TooManyHolds) as refusal:
        hold(1, shard_count, "late")
    assert refusal.value.details == {"available": MAX_HOLDS * shard_count, "requested": 1, "retry_after_seconds": 5}
    assert [expired.purchase_id for expired in refusal.value.expired_holds] == ["p0"]
    inventory.release_holds(refusal.value.expired_holds)
    hold(1, shard_count, "late")


def test_a_stock_without_shards_has_nothing_to_hold():
    with pytest.raises(NotEnoughTickets):
        hold(1, 1)
    assert list(scan_shards()) == []


@pytest.mark.parametrize("shard_count", [1, 3])
def test_a_closed_stock_refuses_new_holds_and_still_converts_existing_ones(shard_count):
    create_stock(9, shard_count)
    holds = hold(2, shard_count)
    inventory.set_open({"t": shard_count}, False)
    with pytest.raises(SalePaused):
        hold(1, shard_count, "q")
    assert inventory.convert_holds(holds) == 1
    assert read_stock(shard_count).sold == 2
    inventory.set_open({"t": shard_count}, True)
    hold(1, shard_count, "q")


def test_a_hold_id_is_never_reused_even_by_the_attempts_of_one_purchase(monkeypatch):
    """A release whose response was lost may reach the store late; it must not remove the hold of a later attempt."""
    create_stock(4, 4)
    attempts = []
    hold_in_shard = store.hold_in_shard

    def lose_some(hold, *arguments, **more):
        attempts.append((hold.shard_id, hold.hold_id))
        if len(attempts) in (3, 5):  # another buyer was quicker
            raise store.HoldRefused(None)
        return hold_in_shard(hold, *arguments, **more)

    monkeypatch.setattr(store, "hold_in_shard", lose_some)
    assert sum(part.quantity for part in hold(4, 4)) == 4
    assert len(attempts) > 8
    assert len(set(attempts)) == len(attempts)
