"""Small makers of the things that tests are about."""

from typing import Any

from bootstrap import rollout
from bootstrap.validation import validate_tree
from chalicelib import clock
from chalicelib.edge import auth
from tests.bootstrap import conftest as bootstrap
from tests.client import Client, ClientReply


def token(user_id: str = "ada", *roles: auth.Role) -> str:
    """An access token; a plain user unless roles are named."""
    return auth.issue_token(user_id, {"user", *roles}, seconds=86_400)


def admin_token() -> str:
    return token("root", "admin")


def event(api: Client, name: str = "Night", **fields: Any) -> str:
    """An event made through the API, on sale since an hour and starting in thirty days, without a waiting room; its id."""
    body = {
        "name": name,
        "venue": "Hall",
        "starts_at": clock.iso(clock.now() + 30 * 86_400),
        "on_sale_at": clock.iso(clock.now() - 3600),
        "status": "on_sale",
        "waiting_room": {"enabled": False},
    }
    reply = api.post("/admin/events", json=body | fields, token=admin_token())
    assert reply.status == 201, reply.json
    return str(reply.json["id"])


def tier(api: Client, event_id: str, name: str = "Floor", **fields: Any) -> str:
    """A tier of 10 tickets at 50.00; its id."""
    body = {"event_id": event_id, "name": name, "price_cents": 5000, "capacity": 10}
    reply = api.post("/admin/tiers", json=body | fields, token=admin_token())
    assert reply.status == 201, reply.json
    return str(reply.json["id"])


def shop(api: Client, **tier_fields: Any) -> tuple[str, str]:
    """An event on sale with one tier: the ids of both."""
    event_id = event(api)
    return event_id, tier(api, event_id, **tier_fields)


def promoted_shop(promoter_id: str) -> tuple[str, str]:
    """The same out of a bootstrap file that names the event's promoter."""
    tickets = {"fest-pass": bootstrap.ticket("fest-pass")}
    events = {"fest": bootstrap.event("fest", metadata={"timezone": "America/Denver", "promoter_id": promoter_id})}
    tree = {"version": "1", "events": events, "ticket_types": tickets}
    rollout.apply(validate_tree(tree), "test", clock.now())
    return "fest", "fest-pass"


def reserve(api: Client, user: str, event_id: str, tier_id: str, quantity: int = 1) -> ClientReply:
    return api.post(f"/events/{event_id}/reservations", json={"tier_id": tier_id, "quantity": quantity}, user=user)


def begin(api: Client, user: str, reservation_id: str, key: str = "key", **fields: Any) -> ClientReply:
    body = {"reservation_id": reservation_id} | fields
    return api.post("/checkout/sessions", json=body, user=user, headers={"Idempotency-Key": key})


def confirm(api: Client, user: str, checkout_id: str, simulate: str | None = "success") -> ClientReply:
    body = {"checkout_id": checkout_id} | ({"simulate": simulate} if simulate else {})
    return api.post("/checkout/confirm", json=body, user=user)


def buy(api: Client, user: str, event_id: str, tier_id: str, quantity: int = 1, **fields: Any) -> ClientReply:
    """A whole purchase; the confirmation."""
    reserved = reserve(api, user, event_id, tier_id, quantity)
    assert reserved.status == 201, reserved.json
    begun = begin(api, user, reserved.json["id"], key=reserved.json["id"], **fields)
    assert begun.status == 201, begun.json
    return confirm(api, user, begun.json["id"])


def bought(api: Client, stand: tuple[str, str], quantity: int = 2, user: str = "ada") -> str:
    """The id of a paid order of a tier, given as (event id, tier id)."""
    return str(buy(api, user, *stand, quantity).json["order"]["id"])


def ticket_ids(order_id: str, *numbers: int) -> list[str]:
    return [f"{order_id}-{number}" for number in numbers]


def refund(api: Client, order_id: str, *, key: str = "refund", by: str = "", **fields: Any) -> ClientReply:
    """Asked for by an admin unless a token says otherwise; a goodwill refund unless a reason is given, since that one has no fee."""
    body = {"reason": "goodwill"} | fields
    headers = {"Idempotency-Key": key} if key else {}
    return api.post(f"/admin/orders/{order_id}/refunds", json=body, token=by or admin_token(), headers=headers)


def sweep() -> dict[str, Any]:
    """One run of the schedule, as EventBridge would start it."""
    from chalicelib.purchases import jobs

    event = {"version": "0", "account": "0", "region": "", "detail": {}, "detail-type": "Scheduled Event", "source": "aws.events"}
    event |= {"time": "", "id": "1", "resources": []}
    return dict(jobs.sweep(event, None))
