"""Which shards a sweep reads: those of events that are due according to the index, and a slice of all shards, in turn."""

import pytest

from chalicelib.inventory.allocation import HoldRequest, hold_tickets
from chalicelib.inventory.store import scan_shards
from chalicelib.purchases import sweep, sweep_store
from tests import builders, invariants
from tests.simulation import faults
from tests.simulation.call_log import record_calls

DAY = 86_400
TIER = {"price_cents": 5000, "capacity": 10}


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


def next_run(time):
    """Let the follower mark the events that have changed, and run the sweep in the minute for which it marked them."""
    builders.project_changes()
    time.now = (time.now + 70) // 60 * 60
    return builders.run_sweep()


@pytest.mark.not_on_moto
def test_the_holds_of_a_sale_are_found_when_they_expire(api, time, monkeypatch):
    monkeypatch.setattr(sweep, "scan_slice", lambda after, limit: ([], after))  # the slices are elsewhere
    event_id, tier_id = builders.create_shop(api)
    next_run(time)
    for _ in range(3):
        assert builders.reserve(api, "ada", event_id, tier_id).status == 201
        expires_at = time.now + 180
        report = next_run(time)
        assert (report["active_holds"], report["expired"]) == (1, 0)
        time.now = expires_at
        assert builders.run_sweep()["expired"] == 1
    invariants.check(time.now, recovered=True)


@pytest.mark.not_on_moto
def test_a_quiet_event_on_sale_is_not_read(api, time, monkeypatch):
    monkeypatch.setattr(sweep, "SLICE", 1)
    for _ in range(5):
        builders.create_shop(api)
    assert builders.run_sweep()["shards"] == 5, "the first run looks at all events"
    next_run(time)
    assert [next_run(time)["shards"] for _ in range(3)] == [1, 1, 1]


@pytest.mark.not_on_moto
def test_drafts_and_deleted_ticket_types_are_not_read(api, time, monkeypatch):
    monkeypatch.setattr(sweep, "scan_slice", lambda after, limit: ([], after))
    pia = {"token": builders.token("pia", "promoter")}
    event_id = api.post("/events", json={"name": "Night", "venue": "Hall", "starts_at": "2026-08-01T20:00:00Z"}, **pia).json["id"]
    tiers = [api.post(f"/events/{event_id}/tiers", json=TIER | {"name": name}, **pia).json["id"] for name in ("A", "B", "C")]
    assert builders.run_sweep()["shards"] == 0
    api.patch(f"/tiers/{tiers[0]}", json={"capacity": 20}, **pia)
    assert api.patch(f"/events/{event_id}", json={"name": "Day"}, **pia).status == 200
    assert next_run(time)["shards"] == 0
    assert api.delete(f"/tiers/{tiers[0]}", **pia).status == 200
    assert api.post(f"/events/{event_id}/publish", **pia).status == 200
    assert next_run(time)["shards"] == 2
    assert api.post(f"/events/{event_id}/unpublish", **pia).status == 200
    assert next_run(time)["shards"] == 2, "a crash may have left tickets on hold"


@pytest.mark.not_on_moto
def test_a_hold_without_a_purchase_is_found_when_its_event_sells_to_others(api, time, monkeypatch):
    monkeypatch.setattr(sweep, "SLICE", 1)
    shops = [builders.create_shop(api) for _ in range(5)]
    next_run(time)
    hold_tickets(HoldRequest(shops[3][1], 1, 1, "stray", time.now + 180, time.now))
    builders.reserve(api, "ada", *shops[3])
    assert next_run(time)["active_holds"] == 2
    time.advance(180)
    assert builders.run_sweep()["orphans"] == 1
    invariants.check(time.now, recovered=True)


@pytest.mark.not_on_moto
def test_a_pause_that_missed_the_shards_is_finished_through_the_index(api, time, monkeypatch):
    monkeypatch.setattr(sweep, "SLICE", 1)
    event_id = [builders.create_shop(api)[0] for _ in range(5)][2]
    next_run(time)
    with faults.crash_after(1, operation="TransactWriteItems"):
        api.post(f"/admin/events/{event_id}/pause", token=builders.admin_token())
    assert next_run(time)["reopened_or_closed"] == 1


@pytest.mark.not_on_moto
def test_a_run_without_time_recovers_what_it_has_read_and_the_next_run_continues(api, time, monkeypatch):
    monkeypatch.setattr(sweep, "SLICE", 1)
    monkeypatch.setattr(sweep, "PORTION", 1)
    shops = [builders.create_shop(api) for _ in range(8)]
    next_run(time)
    for number, shop in enumerate(shops):
        builders.reserve(api, f"user-{number}", *shop)
    next_run(time)
    time.advance(240)
    read_shards = sweep.read_shards
    monkeypatch.setattr(sweep, "read_shards", lambda ids: (read_shards(ids), time.advance(10))[0])
    runs = []
    while len(runs) < 20 and not (runs and runs[-1]["finished"]):  # the run that reads the last event may have no time for its hold
        runs.append(builders.run_sweep())
        time.advance(20)
    assert runs[0]["expired"] in (2, 3)  # 2 if the slice of the table has the shard of an event whose turn it is anyway
    assert (runs[0]["events_left"], runs[0]["finished"]) == (5, False)
    assert (sum(run["expired"] for run in runs), runs[-1]["finished"]) == (8, True)
    invariants.check(time.now, recovered=True)


def test_an_instance_marks_an_event_once_for_each_minute(api, time):
    event_id, _ = builders.create_shop(api)
    with record_calls() as log:
        for _ in range(3):
            sweep_store.mark_changed([event_id], time.now)
        sweep_store.mark_changed([event_id], time.now + 60)
    assert len(log.of(table="sweep")) == 2


def test_the_first_run_looks_at_an_event_until_a_day_after_its_last_hold(api, time, small_slice):
    for _ in range(4):
        builders.create_shop(api)
    time.advance(30 * DAY + 180 + DAY)
    assert builders.run_sweep()["shards"] == 4
    sweep_store.SweepRow("cursor").delete()
    time.advance(61)
    assert builders.run_sweep()["shards"] == 2  # the slice alone


def test_a_run_after_days_looks_at_all_events_that_have_gone_on_sale(api, time, monkeypatch):
    monkeypatch.setattr(sweep, "SLICE", 1)
    for _ in range(2):
        builders.create_tier(api, builders.create_event(api, on_sale_at="2026-06-02T12:00:00Z", status="scheduled"))
    assert builders.run_sweep()["shards"] == 1
    time.advance(2 * DAY)
    assert builders.run_sweep()["shards"] == 2


def test_an_idle_run_reads_the_index_and_one_slice(api, time):
    """The head, the state, the marks, a slice, the new state; cancelled events, due refunds, open publications, and that it ran.

    No catalog, no purchase.
    """
    builders.create_shop(api, capacity=400)
    builders.run_sweep()
    time.advance(60)
    with record_calls() as log:
        builders.run_sweep()
    assert log.names == ["GetItem", "GetItem", "BatchGetItem", "Scan", "PutItem", *["Query"] * 5, "UpdateItem"]


def test_after_a_pause_of_weeks_a_run_reads_the_index_in_one_call(api, time):
    """A run that read each minute of the pause would take minutes itself, and never end in time."""
    event_id, _ = builders.create_shop(api)
    builders.run_sweep()
    sweep_store.mark_changed([event_id], time.now)
    time.advance(30 * DAY)
    sweep_store.mark_due(["later"], time.now // 60 + 5)
    after = (sweep_store.load_state().due_minute, "")
    with record_calls() as log:
        marks = sweep_store.load_due(after, time.now // 60)
    assert (log.names, [marked for _, marked in marks]) == (["Scan"], [event_id])


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
