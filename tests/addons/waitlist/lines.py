"""Events that are sold out, people who wait for them, and runs of the allocator."""

from collections.abc import Mapping
from typing import Any

from chalicelib.addons.waitlist import jobs
from tests import builders
from tests.client import Client, ClientReply


def sold_out_shop(api: Client, time: Any, sold: int = 2, **tier_fields: Any) -> tuple[str, str, list[str]]:
    """An event whose only tier is sold out to `b0`, `b1`, ..., a ticket for each. Returns the ids of the event, the tier and the orders."""
    event_id, tier_id = builders.create_shop(api, capacity=sold, **tier_fields)
    orders = [str(builders.buy(api, f"b{number}", event_id, tier_id).json["order"]["id"]) for number in range(sold)]
    time.advance(5)  # figures are no older than that
    return event_id, tier_id, orders


def join(api: Client, user: str, event_id: str, quantity: int = 1, headers: Mapping[str, str] | None = None, **fields: Any) -> ClientReply:
    return api.post("/waitlist", json={"event_id": event_id, "quantity": quantity} | fields, user=user, headers=headers)


def own(api: Client, user: str) -> list[dict[str, Any]]:
    return list(api.get("/waitlist", user=user).json["entries"])


def run_allocator() -> dict[str, Any]:
    """Run the allocator once, as EventBridge would start it. Returns its report."""
    event = {"version": "0", "account": "0", "region": "", "detail": {}, "detail-type": "Scheduled Event", "source": "aws.events"}
    event |= {"time": "", "id": "1", "resources": []}
    return dict(jobs.offer_tickets(event, None))


def give_back(api: Client, order_id: str) -> None:
    reply = builders.refund(api, order_id, key=order_id)
    assert reply.status in (200, 201), reply.json
