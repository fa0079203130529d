"""Single writes to a shard."""

import pytest

from chalicelib.inventory import service as inventory
from chalicelib.inventory import store
from chalicelib.inventory.model import Hold
from tests.inventory.stocks import EXPIRES_AT, create_stock, hold, read_stock

pytestmark = pytest.mark.usefixtures("store")


def test_a_repeated_hold_takes_its_tickets_once():
    """As botocore repeats a call whose response was lost."""
    create_stock(5, 1)
    assert [store.hold_in_shard("t#0", "p.n", 2, EXPIRES_AT) for _ in range(2)] == [3, 3]
    assert read_stock(1).held == 2


def test_an_extended_hold_expires_later():
    create_stock(5, 1)
    (held,) = hold(2, 1)
    assert inventory.extend_hold(held, EXPIRES_AT + 60)
    (shard,) = inventory.scan_shards()
    assert list(shard.expired_holds(EXPIRES_AT)) == []
    assert list(shard.expired_holds(EXPIRES_AT + 60)) == [held]


def test_a_hold_that_does_not_exist_is_not_extended():
    assert not inventory.extend_hold(Hold("t#0", "p.n", 1), EXPIRES_AT)
    assert list(inventory.scan_shards()) == []
