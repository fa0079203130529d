"""What the paths that a drop runs cost, as exact numbers: round trips, and units by DynamoDB's rules. The budget is the design's."""

import pytest

from chalicelib.inventory import store as stock
from chalicelib.inventory.model import HOLDS_PER_SHARD
from tests import builders
from tests.faults import worlds
from tests.simulation import capacity
from tests.simulation.faults import calls


@pytest.fixture
def world(api, time):
    with worlds.fresh(api) as made:
        builders.reserve(api, "first", made.event_id, made.floor)  # everything is warm
        yield made


def cost(work, expected=201):
    """(round trips, read units, write units)"""
    with calls(measured=True) as log:
        assert work().status == expected
    return log.round_trips, *log.capacity


def test_reserve_takes_two_round_trips_and_five_units(api, world):
    """The hot item: 1. The purchase and the buyer's record, in a transaction: 2 each."""
    with calls("reserve", measured=True) as log:
        builders.reserve(api, "ada", world.event_id, world.floor, 2)
    assert log.names == ["UpdateItem", "TransactWriteItems"]
    assert [entry.write_units for entry in log.entries] == [1, 4]
    assert (log.round_trips, log.capacity) == (2, (0, 5))


def test_a_key_costs_a_claim_and_an_answer(api, world):
    body, key = {"tier_id": world.floor, "quantity": 2}, {"Idempotency-Key": "k"}
    path = f"/events/{world.event_id}/reservations"
    assert cost(lambda: api.post(path, json=body, user="ada", headers=key)) == (4, 0, 7)
    assert cost(lambda: api.post(path, json=body, user="ada", headers=key), 200) == (1, 0, 1)


def test_two_tiers_cost_a_hold_more(api, world):
    items = [{"tier_id": world.floor, "quantity": 2}, {"tier_id": world.balcony, "quantity": 1}]
    assert cost(lambda: api.post(f"/events/{world.event_id}/reservations", json={"items": items}, user="ada")) == (3, 0, 6)


def test_sold_out_costs_one_write(api, world):
    builders.reserve(api, "bob", world.event_id, world.balcony, 4)
    assert cost(lambda: builders.reserve(api, "ada", world.event_id, world.balcony, 2), 409) == (1, 0, 1)


@pytest.mark.parametrize(("quantity", "units"), [(1, 11), (2, 13), (4, 17)])
def test_confirm_takes_three_round_trips_the_reading_included(api, world, quantity, units):
    """The purchase, the buyer's record, the wallet, the ledger and each ticket, in a transaction: 2 each. The hot item: 1."""
    reservation_id = builders.reserve(api, "ada", world.event_id, world.floor, quantity).json["id"]
    assert cost(lambda: builders.begin(api, "ada", reservation_id)) == (4, 1, 3)
    with calls("confirm", measured=True) as log:
        assert builders.confirm(api, "ada", reservation_id).status == 201
    assert log.names == ["GetItem", "TransactWriteItems", "UpdateItem"]
    assert (log.round_trips, log.capacity) == (3, (1, units))
    assert cost(lambda: builders.confirm(api, "ada", reservation_id), 200) == (2, 1 + quantity, 0)


def test_a_shard_with_the_holds_that_are_expected_is_written_for_one_unit():
    shard = stock.new_shard_item("01J0000000000000000000000A#31", capacity=40, sold=0, is_open=True)
    entry = {"L": [{"N": "2"}, {"N": "1780315380"}]}
    shard["holds"]["M"] = {f"01J00000000000000000000{number:03}.0123abcd": entry for number in range(HOLDS_PER_SHARD)}
    assert capacity.item_size(shard) == 961
