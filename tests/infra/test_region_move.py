"""A stage moves to another region as docs/backup.md says, in two regions of an emulated AWS."""

import pytest

from chalicelib.foundation import memory, settings
from infra.backup import main
from tests import builders, engines, invariants


@pytest.fixture
def store():
    """moto, which has regions."""
    with engines.moto(), engines.fresh_stage():
        yield


def test_a_stage_moves_with_its_orders_and_its_line(api, time, tmp_path):
    shop = event_id, tier_id = builders.create_shop(api)
    order = builders.create_order(api, shop)
    queue = builders.create_event(api, "Queue", waiting_room={"enabled": True})
    place = api.post(f"/events/{queue}/waiting-room/join", user="ada").json["token"]
    code = api.get(f"/tickets/{order}-1", user="ada").json["code"]
    builders.reserve(api, "late", event_id, tier_id, 3)

    for paused in (event_id, queue):
        assert api.post(f"/admin/events/{paused}/pause", token=builders.admin_token()).status == 200
    time.advance(settings.current().hold_seconds + 1)
    builders.run_sweep()
    assert main(["save", str(tmp_path / "backup")]) == 0

    with settings.override(region="eu-west-1"):
        memory.forget_everything()
        assert main(["load", str(tmp_path / "backup")]) == 1, "it has no tables"
        assert main(["load", str(tmp_path / "backup"), "--create-tables"]) == 0
        invariants.check(time.now, recovered=True)
        assert builders.reserve(api, "bob", event_id, tier_id).json["error"] == "event_paused"
        for paused in (event_id, queue):
            assert api.post(f"/admin/events/{paused}/resume", token=builders.admin_token()).status == 200
        assert builders.buy(api, "bob", event_id, tier_id, 4).status == 201
        assert api.get(f"/events/{event_id}/availability").json["availability"][0]["available"] == 4
        assert api.get(f"/events/{queue}/waiting-room/status?token={place}").status == 200
        with settings.override(doors_open_seconds=31 * 86_400):
            assert api.post("/checkin", json={"code": code}, token=builders.admin_token()).status == 200
        invariants.check(time.now)

    memory.forget_everything()
    assert builders.reserve(api, "cleo", event_id, tier_id).json["error"] == "event_paused", "the old region sells nothing"
    invariants.check(time.now)
