"""The sweep over all of the stock, as its schedule runs it."""

from chalicelib.inventory.store import scan_shards
from tests import builders, invariants
from tests.simulation import faults


def test_the_sweep_expires_only_reservations_whose_time_is_over(api, time):
    event_id, tier_id = builders.create_shop(api)
    builders.reserve(api, "ada", event_id, tier_id, 2)
    time.advance(100)
    builders.reserve(api, "bob", event_id, tier_id, 3)
    time.advance(80)
    report = builders.run_sweep()
    assert (report["expired"], report["released"], report["active_holds"]) == (1, 1, 3)
    assert builders.run_sweep()["holds_over"] == 0
    invariants.check(time.now, recovered=True)


def test_the_sweep_finishes_a_pause_that_missed_the_shards(api, time):
    event_id, _ = builders.create_shop(api)
    builders.create_tier(api, event_id, "Balcony")
    with faults.crash_after(1, operation="TransactWriteItems"):
        api.post(f"/admin/events/{event_id}/pause", token=builders.admin_token())
    assert {shard.is_open for shard in scan_shards()} == {True}
    assert builders.run_sweep()["reopened_or_closed"] >= 1
    assert {shard.is_open for shard in scan_shards()} == {False}
    api.post(f"/admin/events/{event_id}/resume", token=builders.admin_token())
    assert {shard.is_open for shard in scan_shards()} == {True}
    assert builders.run_sweep()["reopened_or_closed"] == 0
