"""A guest's orders and tickets: keep the guest's session, move the orders to an account, and correct the address of an order.

Each order moves in one transaction. Before the first order moves, the account is recorded in the guest's session. A repeated call therefore
finishes an interrupted move, and orders that are paid later move too.
"""

import hmac
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.accounts import sessions
from chalicelib.accounts.model import LinkExpired, email_key
from chalicelib.accounts.sessions import Session
from chalicelib.audit import service as audit
from chalicelib.catalog import service as catalog
from chalicelib.dynamodb import dynamo
from chalicelib.edge import rate_limits
from chalicelib.edge.languages import DEFAULT
from chalicelib.foundation import addons, clock, parallel, secret_settings
from chalicelib.foundation.log import logger
from chalicelib.notifications import service as notifications
from chalicelib.notifications.model import recipient_key
from chalicelib.notifications.service import MailDraft
from chalicelib.purchases import queries, store
from chalicelib.purchases.errors import AccountAddressFixed, ResentTooOften, TicketsNotSendable
from chalicelib.purchases.model import ACTIVE_STATES, Purchase
from chalicelib.tickets.model import Ticket, order_number
from chalicelib.tickets.store import change_account_item
from chalicelib.waiting_room import appeals
from chalicelib.waiting_room.model import GUEST_PREFIX

KEPT_SECONDS = 30 * 86_400

MAX_RESENT, RESENT_PERIOD_SECONDS = 5, 86_400  # how often staff may resend the tickets of an order within a day
MAX_RESENT_IN_TOTAL = 20
REPEAT_SECONDS = 60  # another request for the same address within this time counts as a repetition and sends nothing


class GuestOrders(Struct, frozen=True):
    """The numbers of orders and tickets that can move, or have moved, from a guest to an account.

    `orders` includes reservations; `tickets` includes reserved and received tickets. Both are 0 if the guest's session has ended, for
    example because everything has moved.
    """

    orders: int
    tickets: int


def kept_until(event_ids: Iterable[str]) -> int:
    """Return when the session of a guest with tickets for these events ends: 30 days after the last event, in epoch seconds."""
    events = catalog.snapshot().events
    return max((events[event_id].last_sale_at + KEPT_SECONDS for event_id in event_ids if event_id in events), default=0)


def keep_guests(paid: Iterable[Purchase], received: Iterable[Ticket]) -> None:
    """Extend the sessions of the guests who have paid for these orders or received these tickets.

    If a guest's orders have moved to an account, move these orders and tickets too, unless the guest now has an account. An unfinished move
    of the other orders is left to its request: other followers wait for this one, and a guest may have thousands of orders.
    """
    by_owner: dict[str, tuple[list[Purchase], list[Ticket]]] = defaultdict(lambda: ([], []))
    for order in paid:
        by_owner[order.user_id][0].append(order)
    for ticket in received:
        by_owner[ticket.owner_id][1].append(ticket)
    parallel.call_each(lambda owner: _keep_guest(owner, *by_owner[owner]), sorted(filter(_is_guest, by_owner)))


def _keep_guest(guest_id: str, paid: Sequence[Purchase], received: Sequence[Ticket]) -> None:
    from chalicelib.accounts import service as accounts  # imported here, because `follow_changes` loads this module too

    event_ids = {order.event_id for order in paid} | {ticket.event_id for ticket in received}
    account_id = sessions.keep_guest(guest_id, kept_until(event_ids))
    # The guest may have registered after the move, even with somebody else's address. The owner of the address may then own the account.
    if account_id is not None and accounts.is_guest(guest_id):
        now = clock.now()
        _move_purchases(guest_id, account_id, (order.id for order in paid), now)
        for ticket in received:
            _move_received(ticket, account_id, now)


def _is_guest(user_id: str) -> bool:
    return user_id.startswith(GUEST_PREFIX)


def without_account(orders: Iterable[Purchase]) -> list[Purchase]:
    """Return the orders of guests without an account, in the same order. A guest who has registered keeps the guest's user id."""
    from chalicelib.accounts import service as accounts  # imported here, because `follow_changes` loads this module too

    guests = [order for order in orders if _is_guest(order.user_id)]
    with_account = {account.user_id for account in accounts.find_accounts({order.user_id for order in guests})} if guests else set()
    return [order for order in guests if order.user_id not in with_account]


def find(guest_id: str) -> GuestOrders:
    """Count the orders and tickets of a guest that can move to an account."""
    purchases = _load_purchases(guest_id, queries.list_all_purchase_ids(guest_id))
    reserved = sum(purchase.quantity for purchase in purchases if purchase.state in ACTIVE_STATES)
    owned = [ticket for ticket in queries.list_all_tickets(guest_id) if ticket.state != "void"]
    return GuestOrders(len(purchases), reserved + len(owned))


def move_session(session: Session, user_id: str, now: int) -> GuestOrders:
    """Move all orders and tickets of a guest's session to an account, then end the session. Raises SessionEnded.

    The account's export and erasure then include the guest's appeals. What add-ons keep about the guest is deleted: messages about a place
    in a waiting room, for example, are of no use to the account. A repeated call finishes the work.
    """
    sessions.begin_move(session, user_id, now)
    counts, _ = parallel.both(
        lambda: move(session.user_id, user_id, now),
        lambda: parallel.both(
            lambda: appeals.move(session.user_id, user_id, now),
            lambda: addons.delete_personal_items(addons.read_personal_items(session.user_id), session.user_id, now),
        ),
    )
    sessions.end_moved_session(session, now)
    return counts


def move(guest_id: str, user_id: str, now: int) -> GuestOrders:
    """Move a guest's orders and reservations, and all tickets that the guest owns, to another user.

    A reservation stays with the guest if the user has a reservation for the same event. The guest's reservation moves once it is paid.
    """
    counts = _move_purchases(guest_id, user_id, queries.list_all_purchase_ids(guest_id), now)
    for ticket in queries.list_all_tickets(guest_id):  # only tickets of other people's orders are left
        counts = GuestOrders(counts.orders, counts.tickets + _move_received(ticket, user_id, now))
    logger.info("guest.moved", user_id=user_id, orders=counts.orders, tickets=counts.tickets)
    return counts


def _load_purchases(guest_id: str, purchase_ids: Iterable[str]) -> list[Purchase]:
    found = store.load_many(sorted(purchase_ids)).values()
    return [purchase for purchase in found if purchase is not None and purchase.user_id == guest_id]


def _move_purchases(guest_id: str, user_id: str, purchase_ids: Iterable[str], now: int) -> GuestOrders:
    """Move the purchases that the guest still owns. Returns what was moved."""
    counts = GuestOrders(0, 0)
    for purchase in _load_purchases(guest_id, purchase_ids):
        count = store.retry_on_conflict(purchase, partial(_move_purchase, guest_id, user_id, now=now))
        if count is not None:
            counts = GuestOrders(counts.orders + 1, counts.tickets + count)
    return counts


def _move_purchase(guest_id: str, user_id: str, purchase: Purchase, *, now: int) -> int | None:
    """Move a purchase with its tickets. Returns the number of tickets, or None if the purchase has moved or cannot move now."""
    if purchase.user_id != guest_id or not (purchase.was_order or purchase.state in ACTIVE_STATES):
        return None
    user_record = store.load_buyer(user_id, purchase.event_id)
    if purchase.state in ACTIVE_STATES and user_record is not None and user_record.active_id is not None:
        return None
    guest_record = store.load_buyer(guest_id, purchase.event_id)
    owned = [ticket for ticket in queries.load_tickets(purchase) if ticket.owner_id == guest_id]
    received = guest_record.received.intersection(ticket.id for ticket in owned) if guest_record is not None else frozenset()
    entry = _entry_item(f"order#{purchase.id}", "order.moved", guest_id, user_id, purchase.event_id, now)
    store.move_to_user(purchase, user_id, received, [*(change_account_item(ticket, user_id) for ticket in owned), entry])
    return sum(ticket.state != "void" for ticket in owned) if purchase.was_order else purchase.quantity


def _move_received(ticket: Ticket, user_id: str, now: int) -> bool:
    """Move a ticket that the guest received from somebody else. Returns whether the guest still owned the ticket."""
    entry = _entry_item(f"ticket#{ticket.id}", "ticket.moved", ticket.owner_id, user_id, ticket.event_id, now)
    records = store.receive_ticket_items(ticket.event_id, ticket.id, ticket.owner_id, user_id)
    try:
        dynamo.transact([change_account_item(ticket, user_id), *records, entry])
    except dynamo.ConditionFailed:
        return False
    return True


def _entry_item(subject: str, action: str, guest_id: str, user_id: str, event_id: str, now: int) -> dynamo.TransactItem:
    return audit.entry_item(subject, action, user_id, now, {"from": guest_id, "to": user_id}, event_id=event_id)


# Staff correct the address of an order if the buyer mistyped it.


def send_again(order: Purchase, email: str, by: str, now: int) -> Purchase:
    """Resend the tickets of an order to `email`, which becomes the order's address. Returns the order.

    The same transaction changes the address with which buyers find lost tickets, so links for the old address no longer show the order.
    The tickets keep their codes. The add-on `messages` sends the email. The former address gets an email about the change. A request that
    is repeated within REPEAT_SECONDS does not send the tickets again.

    If the buyer has an account, `email` must be the order's current address or the account's address. Raises TicketsNotSendable,
    AccountAddressFixed and ResentTooOften.
    """
    return store.retry_on_conflict(order, lambda current: _send_again(current, email, by, now))


def _send_again(order: Purchase, email: str, by: str, now: int) -> Purchase:
    from chalicelib.accounts import service as accounts  # imported here, because `follow_changes` loads this module too

    (details, account), issued = parallel.both(
        lambda: parallel.both(lambda: queries.load_details(order), lambda: accounts.find_account(order.user_id)),
        lambda: queries.load_tickets(order),
    )
    _require_sendable(order, issued)
    current_email = queries.find_buyer(order, details, account).email
    if account is not None and email_key(email) == email_key(account.email):
        corrected = replace(details, customer_email=None, payment_email=None)  # emails then follow the account's address
    elif account is not None and (current_email is None or email_key(email) != email_key(current_email)):
        raise AccountAddressFixed(path="$.email")
    else:
        corrected = replace(details, customer_email=email, payment_email=None)
    is_changed = current_email != email
    if not is_changed and order.resent_at and now < order.resent_at[-1] + REPEAT_SECONDS:
        return order
    if len(order.resent_at) >= MAX_RESENT_IN_TOTAL:
        raise TicketsNotSendable(
            "The tickets of this order have been resent too often.", reason="sent_too_often", limit=MAX_RESENT_IN_TOTAL
        )
    recent = [at for at in order.resent_at if at > now - RESENT_PERIOD_SECONDS]
    if len(recent) >= MAX_RESENT:
        raise ResentTooOften(retry_after_seconds=recent[0] + RESENT_PERIOD_SECONDS - now, limit=MAX_RESENT)
    entry = audit.entry_item(  # without the addresses, because the audit log outlives an erasure
        f"order#{order.id}", "order.address_changed" if is_changed else "order.resent", by, now, {}, event_id=order.event_id
    )
    saved = store.save(order, replace(order, resent_at=[*order.resent_at, now]), [entry], details=corrected if is_changed else None)
    logger.info("order.resent", order_id=order.id, event_id=order.event_id, is_address_changed=is_changed)
    if current_email is not None and email_key(current_email) != email_key(email):
        _tell_former_address(order, current_email, now)
    return saved


def _tell_former_address(order: Purchase, email: str, now: int) -> None:
    """Tell the former address of an order that the address has changed. The email has neither the new address nor the promoter's texts.

    An address gets only a limited number of these emails, because the buyer may have typed a stranger's address.
    """
    number = order_number(order.id, catalog.snapshot().events.get(order.event_id))
    if rate_limits.may_notify("order_address_changed", recipient_key(email), now):
        notifications.send(MailDraft("order_address_changed", email, order.language or DEFAULT, {"order_number": number}))


def _require_sendable(order: Purchase, issued: Iterable[Ticket]) -> None:
    """Raise TicketsNotSendable unless the buyer still has a valid ticket of the order."""
    if order.is_erased:
        raise TicketsNotSendable("The buyer's personal data was deleted, so the order has no address.", reason="erased")
    if not order.was_order:
        raise TicketsNotSendable("This order is not paid, so it has no tickets yet.", reason="unpaid")
    if not order.is_order:
        raise TicketsNotSendable("All tickets of this order were refunded, so there is nothing to send.", reason="refunded")
    own = [ticket for ticket in issued if ticket.owner_id == order.user_id and ticket.state != "void"]
    if not own:
        raise TicketsNotSendable("The buyer has transferred all tickets of this order to other people.", reason="given_away")
    if not any(ticket.is_admissible for ticket in own):
        raise TicketsNotSendable("The tickets are frozen until the buyer's bank decides the dispute.", reason="frozen")


# The link in the email with the tickets. Like the email, the link shows the tickets on any device, any number of times, without a sign-in.


def order_token(order_id: str, email: str) -> str:
    """Return the token of the link to an order's tickets. It is valid until the order's address changes."""
    mac = hmac.digest(secret_settings.derived_key("order links"), f"{order_id} {email_key(email)}".encode(), "sha256")
    return f"{order_id}.{mac.hex()[:40]}"


def list_tickets_of_link(token: str) -> list[Ticket]:
    """Return the tickets that the link with this token shows. Raises LinkExpired if the order does not have the token's address."""
    return queries.list_tickets_of_ids([get_order_of_link(token).id])


def get_order_of_link(token: str) -> Purchase:
    """Return the order of the link with this token. Raises LinkExpired if the order does not have the token's address."""
    from chalicelib.accounts import service as accounts  # imported here, because `follow_changes` loads this module too

    order_id = token.rpartition(".")[0]
    order = queries.load_purchase(order_id) if order_id else None
    email = None
    if order is not None:
        email = queries.find_buyer(order, queries.load_details(order), accounts.find_account(order.user_id)).email
    if order is None or email is None or not hmac.compare_digest(order_token(order_id, email).encode(), token.encode()):
        raise LinkExpired()
    return order
