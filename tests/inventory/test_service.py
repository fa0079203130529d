"""What other features do with stock: release, convert and create it."""

from threading import Barrier

import pytest

from chalicelib.foundation import parallel
from chalicelib.inventory import service as inventory
from chalicelib.inventory import store
from chalicelib.inventory.model import Hold, NotEnoughTickets, Stock
from chalicelib.inventory.store import scan_shards
from tests.inventory.stocks import create_stock, hold, read_stock

pytestmark = pytest.mark.usefixtures("store")


@pytest.mark.parametrize(("remove", "available", "sold"), [(inventory.release_holds, 5, 0), (inventory.convert_holds, 3, 2)])
def test_a_hold_is_released_or_converted_exactly_once(remove, available, sold):
    create_stock(5, 1)
    holds = hold(2, 1)
    assert [remove(holds), inventory.release_holds(holds), inventory.convert_holds(holds)] == [1, 0, 0]
    stock = read_stock(1)
    assert (stock.available, stock.sold) == (available, sold)


def test_a_hold_is_not_released_with_a_wrong_quantity():
    create_stock(5, 1)
    (held,) = hold(2, 1)
    assert inventory.release_holds([Hold("t#0", held.hold_id, 3)]) == 0
    assert read_stock(1).held == 2


def test_tickets_that_were_sold_elsewhere_are_not_sold_again():
    create_stock(10, 3, sold=7)
    assert read_stock(3) == Stock(capacity=10, available=3, held=0, sold=7, is_open=True)
    hold(3, 3)
    with pytest.raises(NotEnoughTickets):
        hold(1, 3, "q")


def test_the_shards_of_a_large_stock_are_closed_and_opened_at_once(threaded_store, monkeypatch):
    """Each write waits until as many as there are threads are under way."""
    create_stock(80 * parallel.MAX_THREADS, parallel.MAX_THREADS)
    together, set_one = Barrier(parallel.MAX_THREADS), store.set_open

    def set_open(*arguments):
        together.wait(timeout=60)
        return set_one(*arguments)

    monkeypatch.setattr(store, "set_open", set_open)
    inventory.set_open({"t": parallel.MAX_THREADS}, False)
    shards = list(scan_shards())
    assert {shard.is_open for shard in shards} == {False}
    assert inventory.correct_open_flags(shards) == parallel.MAX_THREADS
    assert {shard.is_open for shard in scan_shards()} == {True}
    monkeypatch.undo()
    assert inventory.correct_open_flags(shards) == 0, "the shards have changed since they were read"
