"""Single writes to a shard."""

import pytest

from chalicelib.dynamodb import dynamo
from chalicelib.foundation import ids
from chalicelib.inventory import service as inventory
from chalicelib.inventory import store
from chalicelib.inventory.model import MAX_HOLDS, Hold
from chalicelib.inventory.store import ShardRow, extend_hold, scan_shards
from tests.inventory.stocks import EXPIRES_AT, create_stock, hold, read_stock
from tests.simulation import capacity

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
    """Under the longest stock id of a bootstrap file, with real hold ids, after a million writes."""
    stock_id = f"{'t' * 100}@{10**9}"
    shard_id = f"{stock_id}#1249"
    shard = store.new_shard(shard_id, capacity=MAX_HOLDS, sold=0, is_open=True)
    shard.version = 1234567
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
