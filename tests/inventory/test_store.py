"""Single writes to a shard."""

import pytest

from chalicelib.dynamodb import dynamo
from chalicelib.foundation import ids
from chalicelib.inventory import service as inventory
from chalicelib.inventory import store
from chalicelib.inventory.model import MAX_HOLDS, MAX_OFFERS, OFFER_MARK, Hold, Shard
from chalicelib.inventory.store import ShardRow, extend_hold, scan_shards
from tests.inventory.stocks import EXPIRES_AT, create_stock, hold, read_stock
from tests.simulation import capacity
from tests.transactions import is_refused

pytestmark = pytest.mark.usefixtures("store")


def test_a_repeated_hold_takes_its_tickets_once():
    """As botocore repeats a call whose response was lost."""
    create_stock(5, 1)
    assert [store.hold_in_shard(Hold("t#0", "p.n", 2), EXPIRES_AT) for _ in range(2)] == [3, 3]
    assert read_stock(1).held == 2


def test_an_extended_hold_expires_later():
    create_stock(5, 1)
    (held,) = hold(2, 1)
    assert extend_hold(held, EXPIRES_AT + 60)
    (shard,) = scan_shards()
    assert list(shard.expired_holds(EXPIRES_AT)) == []
    assert list(shard.expired_holds(EXPIRES_AT + 60)) == [held]


def test_a_hold_that_does_not_exist_is_not_extended():
    assert not extend_hold(Hold("t#0", "p.n", 1), EXPIRES_AT)
    assert list(scan_shards()) == []


def test_a_shard_with_as_many_holds_as_it_takes_has_less_than_4_kb():
    """Under the longest stock id of a bootstrap file, with real hold ids, after a million writes, when thousands of tickets came back."""
    stock_id = f"{'t' * 100}@{10**9}"
    shard_id = f"{stock_id}#1249"
    shard = store.new_shard(shard_id, capacity=MAX_HOLDS, sold=0, is_open=True)
    shard.version = 1234567
    shard.r, shard.u = 9999, 9999
    shard.save()
    for _ in range(MAX_HOLDS):
        store.hold_in_shard(Hold(shard_id, f"{ids.new_id()}.{ids.nonce()}", 1), 1_999_999_999)
    (item,) = dynamo.client().scan(TableName=ShardRow.name())["Items"]
    assert 3900 < capacity.item_size(item) <= 4096


def test_a_shard_refuses_more_holds_than_fit_into_it_though_it_has_tickets():
    create_stock(2 * MAX_HOLDS, 1)
    for number in range(MAX_HOLDS):
        store.hold_in_shard(Hold("t#0", f"p{number}.n", 1), EXPIRES_AT)
    with pytest.raises(store.HoldRefused) as refusal:
        store.hold_in_shard(Hold("t#0", "late.n", 1), EXPIRES_AT)
    assert refusal.value.shard.available == MAX_HOLDS
    inventory.convert_holds([Hold("t#0", "p7.n", 1)])
    store.hold_in_shard(Hold("t#0", "late.n", 1), EXPIRES_AT)


def test_a_shard_has_room_for_more_offers_which_last_longer_than_other_holds():
    create_stock(2 * MAX_OFFERS, 1)
    for number in range(MAX_OFFERS):
        store.hold_in_shard(Hold("t#0", f"p{number}.{OFFER_MARK}", 1), EXPIRES_AT)
    for hold_id in ("late.n", f"late.{OFFER_MARK}"):
        with pytest.raises(store.HoldRefused):
            store.hold_in_shard(Hold("t#0", hold_id, 1), EXPIRES_AT)


# What each write refuses, by its condition alone: callers usually read first, and ask for nothing that would be refused.


def sell(quantity: int) -> Hold:
    """Hold tickets and count them as sold. Returns the hold."""
    (held,) = hold(quantity, 1)
    inventory.convert_holds([held])
    return held


@pytest.fixture
def shard() -> Shard:
    """A shard of five tickets, as it was read before others wrote to it."""
    create_stock(5, 1)
    [shard] = scan_shards()
    return shard


def test_a_hold_that_is_over_is_not_extended(shard):
    (held,) = hold(2, 1)
    inventory.release_holds([held])
    assert not extend_hold(held, EXPIRES_AT + 60)


def test_tickets_that_are_still_on_hold_do_not_return(shard):
    sell(2)
    (held,) = hold(2, 1)
    assert is_refused(*store.return_sold_items([held]))


def test_no_more_tickets_return_than_were_sold(shard):
    (held,) = hold(2, 1)
    inventory.release_holds([held])
    sell(1)
    assert is_refused(*store.return_sold_items([held]))


def test_no_more_tickets_are_sold_at_once_than_are_left(shard):
    hold(4, 1)
    assert is_refused(store.sell_item(shard.id, 2, is_pooled=False))
    assert not is_refused(store.sell_item(shard.id, 1, is_pooled=False))


def test_tickets_of_a_pool_are_sold_with_the_pool_only(shard):
    store.mark_pooled(shard.id)
    assert is_refused(store.sell_item(shard.id, 1, is_pooled=False))
    assert not is_refused(store.sell_item(shard.id, 1, is_pooled=True))


def test_a_shard_is_resized_once_and_keeps_what_is_held(shard):
    assert store.resize_shard(shard, 7).available == 7
    assert store.resize_shard(shard, 7) is None
    [shard] = scan_shards()
    hold(6, 1)
    assert store.resize_shard(shard, 5) is None
    assert is_refused(store.resize_shard_item(shard, 5))


def test_a_shard_that_has_changed_is_not_closed_by_somebody_who_read_it_before(shard):
    hold(1, 1)
    assert store.set_open(shard.id, False, shard.version) is None
    assert store.set_open(shard.id, False).is_open is False


def test_a_pool_is_added_only_while_it_counts_all_tickets(shard):
    hold(1, 1)
    assert not store.mark_pooled(shard.id)


def test_a_shard_in_use_is_not_deleted(shard):
    (held,) = hold(1, 1)
    assert not store.delete_free_shard(shard.id)
    assert is_refused(store.delete_free_shard_item(shard.id))
    inventory.release_holds([held])
    assert not store.delete_unused_shard(shard.id)
    sell(1)
    assert not store.delete_free_shard(shard.id)


def test_a_shard_is_created_once(shard):
    sell(2)
    again = store.new_shard(shard.id, capacity=5, sold=0, is_open=True)
    assert store.create_shard(again) is None
    assert is_refused(store.create_shard_item(again))
    assert read_stock(1).sold == 2
