"""A guest's orders and tickets: how long the guest's session lasts, and how they move to an account.

A move is one transaction for each order. It first notes the account in the guest's session, so that a repeated call finishes a move that
was interrupted, and so that orders which are paid after the move follow it.
"""

from collections.abc import Iterable
from functools import partial

from msgspec import Struct

from chalicelib.accounts import sessions
from chalicelib.accounts.sessions import Session
from chalicelib.audit import service as audit
from chalicelib.catalog import service as catalog
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock, log, parallel
from chalicelib.purchases import queries, store
from chalicelib.purchases.model import ACTIVE_STATES, Purchase
from chalicelib.tickets.model import Ticket
from chalicelib.tickets.store import move_item
from chalicelib.waiting_room.model import GUEST_PREFIX

KEPT_SECONDS = 30 * 86_400


class GuestOrders(Struct, frozen=True):
    """What moves, moved or can move from a guest to an account: orders with reservations, and their tickets with received tickets.

    Both numbers are 0 if the guest's session has ended, for example because everything has moved.
    """

    orders: int
    tickets: int


def kept_until(event_ids: Iterable[str]) -> int:
    """Return until when a guest with tickets for these events stays known: 30 days after the last event ends, in epoch seconds."""
    events = catalog.snapshot().events
    return max((events[event_id].last_sale_at + KEPT_SECONDS for event_id in event_ids if event_id in events), default=0)


def keep_guests(got: Iterable[tuple[str, str]]) -> None:
    """Keep the sessions of guests who got tickets, given as (user id, event id). If a guest's orders have moved, move these too."""
    events: dict[str, set[str]] = {}
    for user_id, event_id in got:
        if user_id.startswith(GUEST_PREFIX):
            events.setdefault(user_id, set()).add(event_id)
    parallel.call_each(lambda guest: _keep_guest(*guest), list(events.items()))


def _keep_guest(guest_id: str, event_ids: set[str]) -> None:
    account_id = sessions.keep_guest(guest_id, kept_until(event_ids))
    if account_id is not None:
        move(guest_id, account_id, clock.now())


def find(guest_id: str) -> GuestOrders:
    """Return how much a guest has that can move to an account."""
    purchases = _load_purchases(guest_id)
    reserved = sum(purchase.quantity for purchase in purchases if purchase.state in ACTIVE_STATES)
    owned = [ticket for ticket in queries.list_all_tickets(guest_id) if ticket.state != "void"]
    return GuestOrders(len(purchases), reserved + len(owned))


def move_session(session: Session, user_id: str, now: int) -> GuestOrders:
    """Move everything of a guest's session to an account, then end the session. A repeated call finishes the work. Raises SessionOver."""
    sessions.begin_move(session, user_id, now)
    moved = move(session.user_id, user_id, now)
    sessions.end_moved(session, now)
    return moved


def move(guest_id: str, user_id: str, now: int) -> GuestOrders:
    """Move a guest's orders, reservations and received tickets to another user, with all tickets that the guest still owns.

    A reservation stays with the guest if the user has a reservation for the same event. It moves once it is paid.
    """
    moved = GuestOrders(0, 0)
    for purchase in _load_purchases(guest_id):
        count = store.retry_on_conflict(purchase, partial(_move_purchase, guest_id, user_id, now=now))
        if count is not None:
            moved = GuestOrders(moved.orders + 1, moved.tickets + count)
    for ticket in queries.list_all_tickets(guest_id):  # only tickets of other people's orders are left
        moved = GuestOrders(moved.orders, moved.tickets + _move_received(ticket, user_id, now))
    log.info("guest.moved", user_id=user_id, orders=moved.orders, tickets=moved.tickets)
    return moved


def _load_purchases(guest_id: str) -> list[Purchase]:
    found = store.load_many(sorted(queries.list_all_purchase_ids(guest_id))).values()
    return [purchase for purchase in found if purchase is not None and purchase.user_id == guest_id]


def _move_purchase(guest_id: str, user_id: str, purchase: Purchase, *, now: int) -> int | None:
    """Move a purchase with its tickets. Returns the number of tickets, or None if the purchase has moved or cannot move now."""
    if purchase.user_id != guest_id or not (purchase.was_order or purchase.state in ACTIVE_STATES):
        return None
    taken = store.load_buyer(user_id, purchase.event_id)
    if purchase.state in ACTIVE_STATES and taken is not None and taken.active_id is not None:
        return None
    given = store.load_buyer(guest_id, purchase.event_id)
    owned = [ticket for ticket in queries.load_tickets(purchase) if ticket.owner_id == guest_id]
    back = given.received.intersection(ticket.id for ticket in owned) if given is not None else frozenset()
    entry = _entry_item(f"order#{purchase.id}", "order.moved", guest_id, user_id, purchase.event_id, now)
    store.move(purchase, user_id, back, [*(move_item(ticket, user_id) for ticket in owned), entry])
    return sum(ticket.state != "void" for ticket in owned) if purchase.was_order else purchase.quantity


def _move_received(ticket: Ticket, user_id: str, now: int) -> bool:
    """Move a ticket that the guest got from somebody else. Returns whether the guest still owned the ticket."""
    entry = _entry_item(f"ticket#{ticket.id}", "ticket.moved", ticket.owner_id, user_id, ticket.event_id, now)
    records = store.receive_ticket_items(ticket.event_id, ticket.id, ticket.owner_id, user_id)
    try:
        dynamo.transact([move_item(ticket, user_id), *records, entry])
    except dynamo.TransactionCanceled:
        return False
    return True


def _entry_item(subject: str, action: str, guest_id: str, user_id: str, event_id: str, now: int) -> dynamo.TransactItem:
    return audit.entry_item(subject, action, user_id, now, {"from": guest_id, "to": user_id}, event_id=event_id)
