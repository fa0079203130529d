"""Which shards a sweep reads: the shards of events on sale, and a slice of all shards, in turn."""

import pytest

from chalicelib.inventory.allocation import HoldRequest, hold_tickets
from chalicelib.inventory.store import scan_shards
from chalicelib.purchases import sweep
from tests import builders, invariants
from tests.simulation.call_log import record_calls

DAY = 86_400


def create_old_events(api, time, count):
    """Create past events, each with a hold that no sweep has found. Returns the ids of their tiers."""
    tiers = [builders.create_shop(api)[1] for _ in range(count)]
    time.advance(40 * DAY)
    for number, tier_id in enumerate(tiers):
        hold_tickets(HoldRequest(tier_id, 1, 1, f"stray-{number}", time.now - 1, time.now))
    return tiers


def count_held():
    return sum(shard.held for shard in scan_shards())


@pytest.fixture
def small_slice(monkeypatch):
    monkeypatch.setattr(sweep, "SLICE", 2)


def test_strays_of_old_events_are_found_slice_by_slice(api, time, small_slice):
    create_old_events(api, time, 6)
    held = []
    for _ in range(4):
        builders.run_sweep()
        held.append(count_held())
    assert (held[0], held[-1], held) == (4, 0, sorted(held, reverse=True))
    invariants.check(time.now, recovered=True)


def test_after_the_last_slice_the_first_one_is_next(api, time, small_slice):
    tiers = create_old_events(api, time, 3)
    for _ in range(3):
        builders.run_sweep()
    for tier_id in tiers:
        hold_tickets(HoldRequest(tier_id, 1, 1, "later", time.now - 1, time.now))
    for _ in range(3):
        builders.run_sweep()
    assert count_held() == 0


def test_the_shards_of_an_event_on_sale_are_read_in_every_run(api, time, small_slice):
    create_old_events(api, time, 6)
    event_id, tier_id = builders.create_shop(api)
    for _ in range(3):
        assert builders.reserve(api, "ada", event_id, tier_id).status == 201
        time.advance(181)
        assert builders.run_sweep()["expired"] == 1


def test_shards_are_read_until_a_day_after_the_last_hold(api, time, small_slice):
    for _ in range(4):
        builders.create_shop(api)
    time.advance(30 * DAY + 180 + DAY)
    assert len(sweep.read_swept_shards(time.now).shards) == 4
    time.advance(1)
    assert len(sweep.read_swept_shards(time.now).shards) == 2  # the slice alone


def test_an_event_that_is_not_on_sale_yet_is_not_read_in_every_run(api, time, monkeypatch):
    monkeypatch.setattr(sweep, "SLICE", 1)
    builders.create_tier(api, builders.create_event(api, on_sale_at="2026-06-02T12:00:00Z", status="scheduled"))
    builders.create_tier(api, builders.create_event(api, on_sale_at="2026-06-02T12:00:00Z", status="scheduled"))
    assert len(sweep.read_swept_shards(time.now).shards) == 1
    time.advance(2 * DAY)
    assert len(sweep.read_swept_shards(time.now).shards) == 2


def test_an_idle_run_reads_what_is_on_sale_and_one_slice(api, time):
    """The head, the shards on sale, the cursor, a slice; cancelled events, due refunds, open publications: no catalog, no purchase.

    At the end that it ran.
    """
    builders.create_shop(api, capacity=400)
    builders.run_sweep()
    time.advance(60)
    with record_calls() as log:
        builders.run_sweep()
    assert log.names == ["GetItem", "BatchGetItem", "GetItem", "Scan", "Query", "Query", "Query", "UpdateItem"]


def test_the_slice_is_not_left_before_its_holds_were_recovered(api, time, small_slice, monkeypatch):
    create_old_events(api, time, 4)
    monkeypatch.setattr("chalicelib.purchases.sweep.SECONDS_WITHOUT_PROVIDER", 0)
    for _ in range(3):
        assert builders.run_sweep()["finished"] is False
    monkeypatch.undo()
    monkeypatch.setattr(sweep, "SLICE", 2)
    for _ in range(2):
        builders.run_sweep()
    assert count_held() == 0
