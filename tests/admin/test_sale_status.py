"""The status of a sale as admins see it."""

from tests import builders


def test_the_status_shows_what_is_sold_held_and_available(api, time):
    event_id, tier_id = builders.create_shop(api)
    builders.buy(api, "ada", event_id, tier_id, 3)
    builders.reserve(api, "bob", event_id, tier_id, 2)
    reply = api.get(f"/admin/events/{event_id}/status", token=builders.admin_token())
    assert reply.json == {
        "event_id": event_id,
        "event_name": "Night",
        "status": "on_sale",
        "paused": False,
        "total_capacity": 10,
        "total_sold": 3,
        "total_active_holds": 2,
        "total_available": 5,
        "queue_length": 0,
        "waiting_room": None,
        "tiers": [{"tier_id": tier_id, "tier_name": "Floor", "capacity": 10, "sold": 3, "active_holds": 2, "available": 5}],
    }
