"""This version reads and changes items that a newer version wrote."""

import msgspec

from chalicelib.dynamodb import dynamo
from chalicelib.foundation import memory
from infra import tables
from tests import builders, invariants


def add_unknown_fields(store):
    """Add an attribute to every item, and a field to every JSON object in one, as a newer version would."""
    for feature in tables.definitions():
        for item in store.scan(TableName=dynamo.table_name(feature))["Items"]:
            newer = {name: with_field(value) for name, value in item.items()} | {"added_later": {"S": "unknown"}}
            store.put_item(TableName=dynamo.table_name(feature), Item=newer)


def with_field(value):
    text = value.get("S", "")
    if not text.startswith("{"):
        return value
    return {"S": msgspec.json.encode(msgspec.json.decode(text) | {"added_later": 1}).decode()}


def test_a_sale_continues(api, store, time):
    event_id, tier_id = shop = builders.create_shop(api, capacity=20)
    first = builders.create_order(api, shop)
    reservation = builders.reserve(api, "bob", event_id, tier_id, 2).json["id"]
    queue = builders.create_event(api, "Queue", waiting_room={"enabled": True, "wave_size": 5, "wave_seconds": 10})
    joined = api.post(f"/events/{queue}/waiting-room/join", user="bob").json
    add_unknown_fields(store)
    memory.forget_everything()
    checkout = builders.start_checkout(api, "bob", reservation).json["id"]
    assert builders.confirm(api, "bob", checkout).status == 201
    assert builders.refund(api, first).status == 201
    assert api.get(f"/events/{queue}/waiting-room/status?token={joined['token']}").status == 200
    assert builders.buy(api, "cleo", event_id, tier_id).status == 201
    builders.run_sweep()
    invariants.check(time.now)
