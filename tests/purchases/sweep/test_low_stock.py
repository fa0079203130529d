"""Tiers of which few tickets are left: reported by the sweep, once each time."""

import pytest

from chalicelib.bootstrap_file import rollout
from chalicelib.foundation import ids, log
from chalicelib.purchases import sweep, sweep_store
from chalicelib.purchases.sweep_store import SweepRow, SweepState
from tests import builders
from tests.bootstrap.conftest import event, ticket, valid_document


@pytest.fixture
def low(caplog):
    """`low()`: run the sweep; the tiers that it reports."""

    def run():
        caplog.clear()
        before = log.total("low_stocks")
        builders.run_sweep()
        reported = [record.tier_id for record in caplog.records if record.message == "stock.low"]
        assert log.total("low_stocks") - before == len(reported)
        return reported

    return run


def create_tier(api, event_id, name="Floor", capacity=10, **fields):
    """Create a tier with fields that only managers of its event set. Returns both ids."""
    tier_id = builders.create_tier(api, event_id, name, capacity=capacity)
    changed = api.patch(f"/tiers/{tier_id}", json=fields, token=builders.admin_token())
    assert {name: changed.json[name] for name in fields} == fields
    return event_id, tier_id


def hold_some(api, shop, quantity, user="ada"):
    return builders.reserve(api, user, *shop, quantity).json["id"]


def test_a_tier_is_reported_when_it_comes_to_its_number_and_not_again(api, time, low):
    shop = create_tier(api, builders.create_event(api), low_stock_at=8)
    hold_some(api, shop, 1)
    assert low() == []
    hold_some(api, shop, 1, "bob")
    assert low() == [shop[1]]
    hold_some(api, shop, 4, "cy")
    assert low() == []


def test_it_is_reported_again_after_it_had_more(api, time, low):
    shop = create_tier(api, builders.create_event(api), capacity=4, low_stock_at=2)
    reservation = hold_some(api, shop, 3)
    assert low() == [shop[1]]
    api.delete(f"/reservations/{reservation}", user="ada")
    assert low() == []
    hold_some(api, shop, 2)
    assert low() == [shop[1]]


def test_the_capacity_of_the_event_counts_too(api, time, low):
    event_id = builders.create_event(api, capacity=4)
    shops = [create_tier(api, event_id, name, capacity=100, low_stock_at=2) for name in ("Floor", "Balcony")]
    assert low() == []
    hold_some(api, shops[0], 2)
    assert sorted(low()) == sorted(tier_id for _, tier_id in shops)


def test_only_what_is_for_sale_and_names_a_number_is_reported(api, time, low):
    event_id = builders.create_event(api)
    for number, fields in enumerate(({}, {"on_sale": False, "low_stock_at": 10}, {"low_stock_at": 0})):
        create_tier(api, event_id, f"Tier {number}", **fields)
    assert low() == []


def test_nothing_is_reported_of_an_event_that_is_over(api, time, low):
    create_tier(api, builders.create_event(api), low_stock_at=10)
    time.advance(31 * 86_400)
    assert low() == []


def test_the_bootstrap_file_names_the_number(store, time, low):
    tickets = {"fest-pass": ticket("fest-pass", low_stock_at=10)}
    rollout.apply(valid_document({"version": "1", "events": {"fest": event("fest")}, "ticket_types": tickets}), "test", time.now)
    assert low() == ["fest-pass"]


@pytest.mark.parametrize("shape", [ids.new_id, lambda: ids.new_id().ljust(100, "-")], ids=["from the API", "as long as in a file"])
def test_a_run_saves_its_progress_however_many_tiers_are_low(store, shape):
    """Their ids do not fit into one item, and a run that cannot save its progress makes no refunds either."""
    low_tiers = frozenset(shape() for _ in range(16_000))
    state = SweepState(low_tiers=low_tiers, due_minute=1, postponed=tuple(shape() for _ in range(sweep.MAX_POSTPONED)))
    sweep_store.save_state(state)
    assert sweep_store.load_state() == state


def test_tiers_that_are_no_longer_low_are_forgotten(store):
    for count in (16_000, 5000, 0):
        state = SweepState(low_tiers=frozenset(ids.new_id() for _ in range(count)))
        sweep_store.save_state(state)
        assert sweep_store.load_state() == state


def test_the_previous_version_kept_all_low_tiers_in_one_item(store):
    SweepRow("cursor", low_tiers={"floor", "balcony"}).save()
    assert sweep_store.load_state().low_tiers == {"floor", "balcony"}
