"""The cached figures for display."""

import pytest

from chalicelib import dynamo
from chalicelib.inventory import service as inventory
from tests.inventory.stocks import NOW, create_stock
from tests.simulation import faults
from tests.simulation.call_log import record_calls

pytestmark = pytest.mark.usefixtures("store")


def test_figures_are_read_once_a_second_and_remain_while_the_store_is_down():
    create_stock(10, 2)
    with record_calls() as calls:
        assert inventory.cached_stock({"t": 2}, NOW)["t"].available == 10
        inventory.cached_stock({"t": 2}, NOW)
        inventory.cached_stock({"t": 2}, NOW + 1)
    assert calls == ["BatchGetItem"] * 2
    with faults.refuse_from(1):
        assert inventory.cached_stock({"t": 2}, NOW + 5)["t"].available == 10


def test_figures_remain_while_the_store_leaves_keys_unprocessed(monkeypatch):
    create_stock(10, 2)
    inventory.cached_stock({"t": 2}, NOW)

    def give_up(*_, **__):
        raise dynamo.StoreUnavailable("keys stay unprocessed")

    monkeypatch.setattr(dynamo, "batch_get", give_up)
    assert inventory.cached_stock({"t": 2}, NOW + 5)["t"].available == 10
