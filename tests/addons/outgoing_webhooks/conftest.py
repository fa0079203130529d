"""A promoter with an event on sale and an endpoint that is a real server on this machine."""

from collections.abc import Iterator
from typing import Any

import pytest
from msgspec import Struct

import app
from chalicelib.addons.outgoing_webhooks import jobs
from chalicelib.foundation import clock, settings
from infra.local.event_sources import create_poller
from infra.local.schedules import scheduled_event
from tests import builders, engines, invariants
from tests.addons.outgoing_webhooks.receiver import Receiver, open_receiver
from tests.client import Client, ClientReply

PROMOTER = "nora"
ENDPOINTS = f"/promoters/{PROMOTER}/webhook-endpoints"


@pytest.fixture(autouse=True)
def _local_targets(_settings) -> Iterator[None]:
    with settings.override(webhook_targets="local"):
        yield


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with open_receiver() as opened:
        yield opened


class Promoter(Struct):
    """Sends requests as the promoter; `shop` is an event of theirs and its tier."""

    api: Client
    shop: tuple[str, str]

    def send(self, method: str, path: str = "", **fields: Any) -> ClientReply:
        headers = fields.pop("headers", {})
        options = {"json": fields} if fields else {}
        return self.api.request(method, ENDPOINTS + path, token=builders.token(PROMOTER, "promoter"), headers=headers, **options)

    def create(self, receiver: Receiver, **fields: Any) -> dict[str, Any]:
        reply = self.send("POST", url=receiver.url, **fields)
        assert reply.status == 201, reply.json
        return dict(reply.json)

    def show(self, endpoint: dict[str, Any]) -> dict[str, Any]:
        return dict(self.send("GET", f"/{endpoint['id']}").json)

    def deliveries(self, endpoint: dict[str, Any], query: str = "") -> list[dict[str, Any]]:
        return list(self.send("GET", f"/{endpoint['id']}/deliveries{query}").json["deliveries"])

    def delivery(self, endpoint: dict[str, Any], delivery_id: str) -> dict[str, Any]:
        return dict(self.send("GET", f"/{endpoint['id']}/deliveries/{delivery_id}").json)


@pytest.fixture
def promoter(api, threaded_store, time) -> Iterator[Promoter]:
    token = builders.token(PROMOTER, "promoter")
    fields = {"name": "Fest", "venue": "Hall", "starts_at": clock.iso(time.now + 3600), "on_sale_at": clock.iso(time.now - 3600)}
    event_id = api.post("/events", json=fields | {"waiting_room": {"enabled": False}}, token=token).json["id"]
    tier = {"name": "Floor", "price_cents": 5000, "capacity": 50}
    tier_id = api.post(f"/events/{event_id}/tiers", json=tier, token=token).json["id"]
    assert api.post(f"/events/{event_id}/publish", token=token).status == 200
    yield Promoter(api, (event_id, tier_id))
    invariants.check(time.now)


@pytest.fixture
def poller(promoter):
    """Passes the changes of the store to their consumers when the test says `poller.drain()`. The setup's changes are already passed."""
    created = create_poller(app.app, engines.local_engine(), window_seconds=0)
    created.drain()
    return created


def retry() -> dict[str, Any]:
    """Run the schedule once."""
    return dict(jobs.retry_webhooks(scheduled_event(), None))
