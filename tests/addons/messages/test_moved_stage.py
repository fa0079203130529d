"""A stage moves as docs/backup.md says: the new tables' streams report every loaded item, but nothing is announced a second time."""

import json

import pytest

from chalicelib.dynamodb import dynamo
from chalicelib.foundation import memory, settings
from chalicelib.notifications.store import NotificationRow
from infra import tables
from infra.backup import main
from tests import builders, engines
from tests.addons.messages.conftest import Post
from tests.addons.outgoing_webhooks.receiver import open_receiver


def follow_new_tables(post):
    """Consume the streams of the current stage's tables from the beginning, as new functions do (TRIM_HORIZON)."""
    moved, engine = Post(post.provider), engines.local_engine()
    for mapping in moved._poller.mappings:
        engine.save_stream_position(mapping.name, engine.stream_arns()[mapping.table], "")
    return moved


def forget_notifications():
    """Delete the outbox, as DynamoDB does after 90 days."""
    dynamo.batch_delete(NotificationRow.scan())


@pytest.mark.not_on_moto
@pytest.mark.parametrize("days", [0, 100])
def test_a_moved_stage_announces_only_what_is_new(post, api, time, tmp_path, days):
    with open_receiver() as receiver, settings.override(webhook_targets="local"):
        event_id, tier_id = builders.create_promoted_shop("nora")
        token = builders.token("nora", "promoter")
        assert api.post("/promoters/nora/webhook-endpoints", json={"url": receiver.url}, token=token).status == 201
        orders = [
            str(builders.buy(api, user, event_id, tier_id, 2, customer_email=f"{user}@home.test").json["order"]["id"])
            for user in ("ada", "bob")
        ]
        builders.refund(api, orders[1], key="part", tickets=[f"{orders[1]}-1"])
        assert api.post(f"/admin/events/{event_id}/pause", token=builders.admin_token()).status == 200
        post.deliver()
        kinds = ["order_confirmed", "order_confirmed", "order_refunded"]
        types = ["event.changed", "event.changed", "order.paid", "order.paid", "order.refunded"]
        assert post.kinds == kinds
        assert sorted(json.loads(message.body)["type"] for message in receiver.received) == types

        if days:
            forget_notifications()
        time.advance(days * 86_400 + settings.current().hold_seconds + 1)
        assert main(["backup", str(tmp_path / "backup")]) == 0
        with settings.override(stage="moved"):
            tables.create_all(dynamo.client())
            memory.forget_everything()
            assert main(["restore", str(tmp_path / "backup")]) == 0
            time.advance(3600)
            moved = follow_new_tables(post)
            moved.deliver()
            assert moved.kinds == kinds
            assert sorted(json.loads(message.body)["type"] for message in receiver.received) == types

            assert api.post(f"/admin/events/{event_id}/resume", token=builders.admin_token()).status == 200
            builders.refund(api, orders[0], key="all")
            moved.deliver()
            assert moved.kinds == [*kinds, "order_refunded"]
            assert sorted(json.loads(message.body)["type"] for message in receiver.received[len(types) :]) == [
                "event.changed",
                "order.refunded",
            ]
    memory.forget_everything()
