"""Builders of tokens, events, tiers, purchases and refunds for tests. They call the API where it has a route."""

import base64
import hmac
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.accounts import members, store
from chalicelib.accounts import service as accounts
from chalicelib.bootstrap_file import rollout
from chalicelib.bootstrap_file.validation import validate_tree
from chalicelib.dynamodb import dynamo
from chalicelib.edge import auth, rate_limits
from chalicelib.foundation import clock
from chalicelib.tickets.model import Guest, new_code
from chalicelib.tickets.store import EVENT_LANES, TicketRow
from tests.bootstrap import conftest as bootstrap
from tests.client import Client, ClientReply

UNLIMITED = rate_limits.Attempt(rate_limits.RESERVE, None, None)  # the attempt that is made while rate limits are off


def token(user_id: str = "ada", *roles: auth.Role) -> str:
    """Return an access token of a user with the role `user` and the given roles."""
    return auth.issue_token(user_id, {"user", *roles}, seconds=86_400)


def admin_token() -> str:
    return token("root", "admin")


def staff_token(*event_ids: str, user_id: str = "door") -> str:
    """Return an access token of a member of staff at these events."""
    return auth.issue_token(user_id, {"user", "staff"}, events=dict.fromkeys(event_ids, "staff"), seconds=86_400)


def create_event(api: Client, name: str = "Night", **fields: Any) -> str:
    """Create an event that has been on sale for an hour, starts in thirty days and has no waiting room. Returns its id."""
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


def create_tier(api: Client, event_id: str, name: str = "Floor", **fields: Any) -> str:
    """Create a tier of 10 tickets at 50.00. Returns its id."""
    body = {"event_id": event_id, "name": name, "price_cents": 5000, "capacity": 10}
    reply = api.post("/admin/tiers", json=body | fields, token=admin_token())
    assert reply.status == 201, reply.json
    return str(reply.json["id"])


def appoint(event_id: str, email: str, role: auth.EventRole, actor: str, now: int, *, unverified: bool = False) -> members.Membership:
    """Invite a person to work at an event, who accepts at once."""
    return members.accept(members.invite(event_id, email, role, actor, now, unverified=unverified), "invited", now)


def accept_invitation(event_id: str, email: str) -> None:
    """Accept the invitation that somebody got for this event."""
    membership = members.find_membership(event_id, email)
    assert membership is not None
    members.accept(membership, "invited", clock.now())


def create_promo_code(api: Client, event_id: str, code: str = "SAVE", **fields: Any) -> str:
    """Create a promo code of 10 percent unless `fields` set another discount. Returns its id."""
    body = {"code": code, "discount_type": "percentage", "discount_value": 10}
    reply = api.post(f"/admin/events/{event_id}/promo-codes", json=body | fields, token=admin_token())
    assert reply.status == 201, reply.json
    return str(reply.json["id"])


def create_shop(api: Client, *, event_capacity: int | None = None, **tier_fields: Any) -> tuple[str, str]:
    """Create an event on sale with one tier. Returns both ids."""
    event_id = create_event(api, capacity=event_capacity)
    return event_id, create_tier(api, event_id, **tier_fields)


def create_promoted_shop(promoter_id: str) -> tuple[str, str]:
    """Create an event on sale with one tier from a bootstrap file that names the event's promoter. Returns both ids."""
    tickets = {"fest-pass": bootstrap.ticket("fest-pass")}
    events = {"fest": bootstrap.event("fest", metadata={"timezone": "America/Denver", "promoter_id": promoter_id})}
    tree = {"version": "1", "events": events, "ticket_types": tickets}
    rollout.apply(validate_tree(tree), "test", clock.now())
    return "fest", "fest-pass"


def reserve(api: Client, user: str, event_id: str, tier_id: str, quantity: int = 1) -> ClientReply:
    return api.post(f"/events/{event_id}/reservations", json={"tier_id": tier_id, "quantity": quantity}, user=user)


def reserve_items(api: Client, user: str, event_id: str, quantities: Mapping[str, int], key: str = "") -> ClientReply:
    """Reserve tickets of several tiers, given as tier id -> quantity. `key` is sent as the Idempotency-Key."""
    items = [{"tier_id": tier_id, "quantity": quantity} for tier_id, quantity in quantities.items() if quantity]
    headers = {"Idempotency-Key": key} if key else {}
    return api.post(f"/events/{event_id}/reservations", json={"items": items}, user=user, headers=headers)


def start_checkout(api: Client, user: str, reservation_id: str, key: str = "key", **fields: Any) -> ClientReply:
    body = {"reservation_id": reservation_id} | fields
    return api.post("/checkout/sessions", json=body, user=user, headers={"Idempotency-Key": key})


def order(api: Client, user: str, event_id: str, quantities: Mapping[str, int], key: str = "key", **fields: Any) -> ClientReply:
    """Order tickets, given as tier id -> quantity, in one call."""
    items = [{"tier_id": tier_id, "quantity": quantity} for tier_id, quantity in quantities.items() if quantity]
    return api.post("/orders", json={"event_id": event_id, "items": items} | fields, user=user, headers={"Idempotency-Key": key})


def confirm(api: Client, user: str, checkout_id: str, simulate: str | None = "success") -> ClientReply:
    body = {"checkout_id": checkout_id} | ({"simulate": simulate} if simulate else {})
    return api.post("/checkout/confirm", json=body, user=user)


def buy(api: Client, user: str, event_id: str, tier_id: str, quantity: int = 1, **fields: Any) -> ClientReply:
    """Reserve, check out and confirm. Returns the reply to the confirmation."""
    reserved = reserve(api, user, event_id, tier_id, quantity)
    assert reserved.status == 201, reserved.json
    checkout = start_checkout(api, user, reserved.json["id"], key=reserved.json["id"], **fields)
    assert checkout.status == 201, checkout.json
    return confirm(api, user, checkout.json["id"])


def create_order(api: Client, shop: tuple[str, str], quantity: int = 2, user: str = "ada") -> str:
    """Buy tickets of a shop, given as (event id, tier id). Returns the id of the paid order."""
    return str(buy(api, user, *shop, quantity).json["order"]["id"])


def ticket_ids(order_id: str, *numbers: int) -> list[str]:
    return [f"{order_id}-{number}" for number in numbers]


def issue_complimentary(api: Client, shop: tuple[str, str], *quantities: int, **options: Any) -> list[str]:
    """Hold back 4 tickets of a shop, and issue complimentary tickets from them, one order for each quantity. Returns the orders' ids."""
    event_id, tier_id = shop
    held_back = {"holdbacks": [{"id": "press", "reason": "press", "quantity": 4}]}
    assert api.patch(f"/tiers/{tier_id}", json=held_back, token=admin_token()).status == 200
    names = [f"guest{number}" for number in range(len(quantities))]
    rows = [
        {"id": name, "name": name, "email": f"{name}@example.com", "quantity": quantity}
        for name, quantity in zip(names, quantities, strict=True)
    ]
    body = {"tier_id": tier_id, "holdback_id": "press", "rows": rows}
    reply = api.post(f"/events/{event_id}/complimentary-orders", json=body, token=admin_token(), **options)
    assert reply.status == 200, reply.json
    return [row["order_id"] for row in reply.json["rows"]]


def sell_at_counter(api: Client, shop: tuple[str, str], quantity: int = 1, sale: str = "till-1/sale-1", **fields: Any) -> str:
    """Hold back 4 tickets of a shop for its box office, and sell some of them, by default for cash. Returns the order's id."""
    event_id, tier_id = shop
    held_back = {"holdbacks": [{"id": "counter", "reason": "box_office", "quantity": 4}]}
    assert api.patch(f"/tiers/{tier_id}", json=held_back, token=admin_token()).status == 200
    body = {"id": sale, "tier_id": tier_id, "holdback_id": "counter", "quantity": quantity, "price_cents": 5000, "method": "cash"} | fields
    reply = api.post(f"/events/{event_id}/box-office-orders", json=body, token=admin_token())
    assert reply.status == 201, reply.json
    return str(reply.json["order_id"])


def refund(api: Client, order_id: str, *, key: str = "refund", by: str = "", **fields: Any) -> ClientReply:
    """Request a refund as an admin, or with the token `by`. The default reason is goodwill, because goodwill refunds have no fee."""
    body = {"reason": "goodwill"} | fields
    headers = {"Idempotency-Key": key} if key else {}
    return api.post(f"/admin/orders/{order_id}/refunds", json=body, token=by or admin_token(), headers=headers)


def run_sweep() -> dict[str, Any]:
    """Run the sweep once, as EventBridge starts it. Returns its report."""
    from chalicelib.purchases import jobs

    event = {"version": "0", "account": "0", "region": "", "detail": {}, "detail-type": "Scheduled Event", "source": "aws.events"}
    event |= {"time": "", "id": "1", "resources": []}
    return dict(jobs.sweep(event, None))


def project_changes() -> None:
    """Let the reports and all followers follow what has happened, as the streams of changes do within a second. Needs the local store."""
    import app
    from infra.local.event_sources import create_poller
    from tests import engines

    create_poller(app.app, engines.local_engine(), window_seconds=0).drain()


@contextmanager
def unreadable(purchase_id: str) -> Iterator[None]:
    """Within the block, the purchase has a dispute whose status only a newer version knows, as after a rollback."""
    from chalicelib.purchases.store import PurchaseRow

    dispute = {"id": "d", "status": "prevented", "amount_cents": 1, "currency": "USD", "reason": "x", "payment_intent_id": "pi", "at": 1}
    dynamo.update_if(PurchaseRow(purchase_id), [PurchaseRow.disputes.set([dispute])], PurchaseRow.disputes.does_not_exist())
    yield
    dynamo.update_if(PurchaseRow(purchase_id), [PurchaseRow.disputes.remove()], PurchaseRow.disputes.exists())


@contextmanager
def unreadable_ticket(ticket_id: str) -> Iterator[None]:
    """Within the block, the ticket has guests in a form that only a newer version knows, as after a rollback."""
    dynamo.update_if(TicketRow(ticket_id), [TicketRow.guests.set([{"place": 1}])], TicketRow.id.exists())
    yield
    dynamo.update_if(TicketRow(ticket_id), [TicketRow.guests.remove()], TicketRow.id.exists())


def name_all_guests(ticket_id: str, number: int = 100) -> None:
    """Give the first seats of a ticket guests with names that are as long as the API allows."""
    guests = [Guest(seat, new_code(), "k1.signature", "\N{GRINNING FACE}" * 100) for seat in range(1, number + 1)]
    dynamo.update_if(TicketRow(ticket_id), [TicketRow.guests.set(guests)], TicketRow.id.exists())


def copy_ticket(ticket_id: str, count: int) -> None:
    """Write more tickets like this ticket, of purchases that do not exist."""
    row = TicketRow.find(ticket_id)
    assert row is not None
    copies = []
    for number in range(count):
        copy_id = f"01ZZ{number:022}-1"
        lane, changed = f"{row.event_id}#{number % EVENT_LANES}", f"{row.changed.partition('#')[0]}#{copy_id}"
        copies.append(TicketRow(**{**row.attribute_values, "id": copy_id, "event_lane": lane, "changed": changed}))
    dynamo.batch_put(copies)


def fill_ticket(ticket_id: str) -> None:
    """Make the item of a ticket as large as the store allows, so that the store refuses to make the ticket void."""
    low, high = 0, 400 * 1024
    while low < high - 1:
        size = (low + high) // 2
        guests = [Guest(1, "code", "signature", "x" * size)]
        try:
            dynamo.update_if(TicketRow(ticket_id), [TicketRow.guests.set(guests)], TicketRow.id.exists())
        except ClientError:
            high = size
        else:
            low = size


def verify_address(email: str) -> None:
    """Mark the address of an account as verified, as the link in the email does."""
    _, account = accounts.find_login(email)
    assert account is not None
    dynamo.transact([store.set_verified_item(account, clock.now())])


def code_of(secret: str, now: int) -> str:
    """The code of an authenticator app, as RFC 6238 says."""
    digest = hmac.digest(base64.b32decode(secret), (now // 30).to_bytes(8, "big"), "sha1")
    offset = digest[-1] & 15
    return f"{(int.from_bytes(digest[offset : offset + 4], 'big') & 0x7FFFFFFF) % 10**6:06}"
