"""Queries for purchases: a buyer's own purchases, any order for admins and promoters, and purchases by id for other parts of the code."""

from collections.abc import Iterable, Iterator, Sequence

from chalicelib.accounts.model import Account, email_key
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import deadline, parallel
from chalicelib.foundation.log import logger
from chalicelib.purchases import store
from chalicelib.purchases.errors import CheckoutNotFound, OrderNotFound, ReservationNotFound
from chalicelib.purchases.model import MOVED_PREFIX, Buyer, BuyerRecord, CheckoutDetails, Purchase
from chalicelib.purchases.store import (
    find_owner_email,
    list_bank_transfers,
    load_buyer,
    load_details,
    load_many,
    load_many_details,
    load_owner_emails,
    load_readable,
    read_image,
    scan_purchases,
    scan_slice,
)
from chalicelib.purchases.store import load as load_purchase
from chalicelib.tickets import service as tickets
from chalicelib.tickets.model import Ticket, may_be_ticket_id, ticket_id
from chalicelib.tickets.store import load_tickets as load_tickets_by_id

__all__ = [
    "find_buyer",
    "find_giver_name",
    "find_owner_email",
    "get_newest_order",
    "get_order",
    "get_order_of_address",
    "get_own_checkout",
    "get_own_order",
    "get_own_purchase",
    "has_paid_order",
    "is_pass_used",
    "list_all_purchase_ids",
    "list_all_tickets",
    "list_bank_transfers",
    "list_event_order_ids",
    "list_kept_page",
    "list_order_ids_of_address",
    "list_own_orders",
    "list_ticket_page",
    "list_tickets_of_address",
    "load_buyer",
    "load_buyers",
    "load_details",
    "load_many",
    "load_many_details",
    "load_owner_emails",
    "load_purchase",
    "load_readable",
    "load_tickets",
    "move_pass_items",
    "portions_of_address",
    "read_image",
    "regain_pass_items",
    "scan_purchases",
    "scan_slice",
]


MAX_OF_ADDRESS = 100  # tickets
MAX_IDS_OF_ADDRESS = 1000  # purchases and received tickets, including unpaid checkouts, that are read at once
SECONDS_RESERVED = 5  # for the rest of a request that has read some of the tickets of an address


def get_own_purchase(user_id: str, purchase_id: str) -> Purchase:
    """Return the user's purchase in any state. Raises ReservationNotFound if the user has no such purchase."""
    purchase = store.load(purchase_id)
    if purchase is None or purchase.user_id != user_id:
        raise ReservationNotFound()
    return purchase


def get_own_checkout(user_id: str, purchase_id: str) -> Purchase:
    """Return the user's purchase in any state, if its checkout was opened. Raises CheckoutNotFound."""
    purchase = store.load(purchase_id)
    if purchase is None or purchase.user_id != user_id or purchase.checkout_at is None:
        raise CheckoutNotFound()
    return purchase


def get_newest_order(user_id: str, event_id: str) -> tuple[Purchase, list[Ticket]]:
    """Return the user's newest order for an event with its tickets. Raises OrderNotFound."""
    buyer = store.load_buyer(user_id, event_id)
    if buyer is None or not buyer.orders:
        raise OrderNotFound()
    return get_own_order(user_id, max(buyer.orders))  # ULIDs sort by time


def get_own_order(user_id: str, order_id: str) -> tuple[Purchase, list[Ticket]]:
    """Return one of the user's orders with its tickets. The order may also be unpaid or refunded, or have ended without payment.

    Raises OrderNotFound if the user has no such order, for a reservation without a checkout, and for a purchase whose money was refunded
    because it got no tickets. A refunded bank transfer is still shown, because the money takes days to arrive.
    """
    purchase = store.load(order_id)
    if purchase is None or purchase.user_id != user_id or not _is_shown_as_order(purchase):
        raise OrderNotFound()
    return purchase, load_tickets(purchase)


def list_own_orders(user_id: str, limit: int, before: str | None) -> tuple[list[Purchase], str | None]:
    """Return a page of the user's orders, newest first, and the id to continue with, which is None on the last page.

    A page has at most `limit` orders that have tickets, had tickets, or wait for their payment. `before` is the id that the previous page
    returned. Takes two round trips.
    """
    ids = list_all_purchase_ids(user_id)
    newest_first = sorted((order_id for order_id in ids if before is None or order_id < before), reverse=True)  # ULIDs sort by time
    page = newest_first[:limit]
    purchases = store.load_readable(page)[0]
    found = [purchase for order_id in page if (purchase := purchases.get(order_id)) is not None]
    return [purchase for purchase in found if _is_shown_as_order(purchase)], page[-1] if len(newest_first) > limit else None


def list_all_purchase_ids(user_id: str) -> set[str]:
    """Return the ids of the user's orders, including past orders, and of the user's active purchases."""
    return _purchase_ids(store.list_buyer_records(user_id))


def list_event_order_ids(user_id: str, event_id: str) -> set[str]:
    """Return the ids of the user's orders for an event, including past orders."""
    record = store.load_buyer(user_id, event_id)
    return set() if record is None else {*record.orders, *record.past_orders}


def list_all_tickets(user_id: str) -> list[Ticket]:
    """Return all tickets that the user owns, including void tickets, in no particular order."""
    return _owned_tickets(user_id, store.list_buyer_records(user_id))


def list_event_tickets(user_id: str, event_id: str) -> list[Ticket]:
    """Return the tickets for an event that the user owns, including void tickets, in no particular order."""
    record = store.load_buyer(user_id, event_id)
    return [] if record is None else _owned_tickets(user_id, [record])


def _owned_tickets(user_id: str, records: Sequence[BuyerRecord]) -> list[Ticket]:
    orders = store.load_readable({order_id for record in records for order_id in record.orders | record.past_orders})[0]
    bought = {ticket_id(order.id, number) for order in orders.values() if order for number in range(1, order.quantity + 1)}
    return tickets.load_all_owned_tickets(user_id, bought.union(*(record.received for record in records)))


def list_tickets_of_address(email: str) -> list[Ticket]:
    """Return the valid and frozen tickets of an email address, newest order first.

    Leaves out tickets that were transferred to somebody else. Returns at most MAX_OF_ADDRESS tickets. Unpaid checkouts do not count. If
    there are more tickets, free tickets are the first to be left out: anybody can enter somebody else's address at a checkout, and a
    stranger's checkouts must not hide tickets that the owner has paid for. Therefore only the request's time limits how many checkouts are
    read. The newest checkouts are always read.
    """
    found = list[Ticket]()
    for ids in portions_of_address(email):
        found += list_tickets_of_ids(ids)
        found.sort(key=lambda ticket: ticket.price_cents == 0)  # a stable sort, so the newest order still comes first among equals
        found = found[:MAX_OF_ADDRESS]
        if len(found) == MAX_OF_ADDRESS and found[-1].price_cents > 0:
            break
        if deadline.remaining() < SECONDS_RESERVED:
            logger.warning("tickets.not_all_found", tickets=len(found))
            break
    return sorted(found, key=lambda ticket: _page_order(ticket.id))


def portions_of_address(email: str) -> Iterator[list[str]]:
    """Yield the ids of an email address's purchases and received tickets, newest purchase first, in lists that fit one batch read.

    Free orders and unpaid checkouts come last.
    """
    for is_paid in (True, False):
        before = None
        while ids := store.list_ids_of_address(email, MAX_IDS_OF_ADDRESS, before, is_paid=is_paid):
            for begin in range(0, len(ids), dynamo.MAX_BATCH_GET):
                yield ids[begin : begin + dynamo.MAX_BATCH_GET]
            if len(ids) < MAX_IDS_OF_ADDRESS:
                break
            before = ids[-1]


def has_paid_order(email: str) -> bool:
    """Return whether an email address has a paid order.

    Free orders, received tickets and sales at a box office do not count, because they cost strangers nothing.
    """
    ids = [found for found in store.list_ids_of_address(email, MAX_IDS_OF_ADDRESS) if "-" not in found]
    return any(order is not None and order.was_order and order.costs_money for order in store.load_readable(ids)[0].values())


def list_order_ids_of_address(email: str, limit: int) -> list[str]:
    """Return the ids of at most `limit` purchases that were made, or whose tickets were accepted, with this email address.

    Orders that cost money come first, then free orders, then unpaid checkouts, because anybody can enter somebody else's address at a
    checkout. Among equals, the newest come first. Reads at most MAX_IDS_OF_ADDRESS purchases of each kind.
    """
    ids = store.list_ids_of_address(email, MAX_IDS_OF_ADDRESS)
    if len(ids) < limit:
        ids += store.list_ids_of_address(email, MAX_IDS_OF_ADDRESS, is_paid=False)
    found = list(dict.fromkeys(row_id.partition("-")[0] for row_id in ids))
    if len(found) > limit:
        loaded, _ = store.load_readable(found)
        orders = {order.id: order.costs_money for order in loaded.values() if order is not None and order.was_order}
        found.sort(key=lambda order_id: (order_id not in orders, not orders.get(order_id)))
    return found[:limit]


def get_order_of_address(email: str, order_id: str) -> Purchase:
    """Return the order if it was placed with this email address. Otherwise, raises OrderNotFound."""
    order = get_order(order_id)
    address = store.load_details(order).email
    if address is None or email_key(address) != email_key(email):
        raise OrderNotFound()
    return order


def list_tickets_of_ids(ids: Iterable[str]) -> list[Ticket]:
    """Return the valid and frozen tickets with these ids, newest order first.

    Each id is either the id of a received ticket, or the id of an order. An order's id stands for all of its tickets that were not
    transferred.
    """
    ids = set(ids)
    received = set(filter(may_be_ticket_id, ids))
    found = store.load_readable(ids - received)[0]
    orders = {order.id: order for order in found.values() if order is not None and order.is_order and not order.is_erased}
    bought = {ticket_id(order.id, number): order.user_id for order in orders.values() for number in order.kept_tickets}
    owned = (
        ticket
        for ticket in load_tickets_by_id(received.union(bought))
        if ticket.state != "void" and (ticket.id in received or ticket.owner_id == bought[ticket.id])
    )
    return sorted(owned, key=lambda ticket: _page_order(ticket.id))


def list_kept_page(user_id: str, limit: int, before: str | None) -> tuple[list[Purchase], list[Ticket], str | None]:
    """Read up to `limit` purchases, newest first. Return the user's orders, and all tickets of these purchases that the user owns.

    The purchases are the user's own, and other users' purchases from which the user received a ticket. The tickets include void tickets.
    Also returns the id to continue with, which is None on the last page. `before` is the id that the previous page returned.
    """
    records = store.list_buyer_records(user_id)
    received = {ticket_id for record in records for ticket_id in record.received}
    ids = _purchase_ids(records) | {ticket_id.rpartition("-")[0] for ticket_id in received}
    newest_first = sorted((purchase_id for purchase_id in ids if before is None or purchase_id < before), reverse=True)
    page = newest_first[:limit]
    loaded = store.load_many(page)  # raises for an unreadable order: an export of personal data must not leave it out
    own = [purchase for purchase_id in page if (purchase := loaded.get(purchase_id)) is not None and purchase.user_id == user_id]
    bought = {ticket_id(purchase.id, number) for purchase in own if purchase.was_order for number in range(1, purchase.quantity + 1)}
    wanted = bought | {ticket_id for ticket_id in received if ticket_id.rpartition("-")[0] in loaded}
    orders = [purchase for purchase in own if _is_shown_as_order(purchase)]
    return orders, tickets.load_all_owned_tickets(user_id, wanted), page[-1] if len(newest_first) > limit else None


def list_ticket_page(user_id: str, limit: int, after: str | None) -> tuple[list[Ticket], str | None]:
    """Return at most `limit` of the user's valid and frozen tickets, newest purchase first.

    Also returns the id to continue with, which is None on the last page. `after` is the id that the previous page returned. A page has
    fewer tickets if the user has transferred tickets. Takes three round trips, and one more if it reads more than 100 orders.
    """
    records = store.list_buyer_records(user_id)
    first_order = after.rpartition("-")[0] if after is not None else None
    order_ids = [order_id for record in records for order_id in record.orders if first_order is None or order_id <= first_order]
    # Each order has a ticket, and each order except the first has a ticket that was not on the previous page, so these orders fill a page.
    newest = sorted(order_ids, reverse=True)[: limit + 1]
    ids = sorted(_ticket_ids(records, newest), key=_page_order)
    ids = [ticket_id for ticket_id in ids if after is None or _page_order(ticket_id) > _page_order(after)]
    page = ids[:limit]
    owned = {ticket.id: ticket for ticket in tickets.load_owned_tickets(user_id, page)}
    is_last = len(ids) <= limit and len(newest) == len(order_ids)
    return [owned[ticket_id] for ticket_id in page if ticket_id in owned], None if is_last else page[-1]


def get_order(order_id: str) -> Purchase:
    """Return any user's order, or any purchase that has a checkout but never became an order. Raises OrderNotFound."""
    purchase = store.load(order_id)
    if purchase is None or not (purchase.was_order or purchase.checkout_at is not None):
        raise OrderNotFound()
    return purchase


def load_buyers(purchases: Sequence[Purchase]) -> dict[str, Buyer]:
    """Load the buyers of orders, by order id. Takes one round trip per 100 orders."""
    from chalicelib.accounts import service as accounts

    details, found = parallel.both(
        lambda: load_many_details(purchases), lambda: accounts.find_accounts({purchase.user_id for purchase in purchases})
    )
    by_user = {account.user_id: account for account in found}
    return {purchase.id: find_buyer(purchase, details.get(purchase.id), by_user.get(purchase.user_id)) for purchase in purchases}


def find_buyer(purchase: Purchase, details: CheckoutDetails | None, account: Account | None) -> Buyer:
    """Return the buyer of an order, from the details of its checkout and from the buyer's account, if they exist."""
    if purchase.is_erased:
        return Buyer()
    details = details or CheckoutDetails()
    attendee = details.attendees[0].name if details.attendees else None
    if account is None:
        return Buyer(attendee, details.email)
    return Buyer(account.name or attendee, details.customer_email or account.email)


def find_giver_name(ticket: Ticket, giver_id: str) -> str | None:
    """Return the giver's name for the receiver of a ticket: the account's name or, without an account, the name on the first ticket.

    The name on the given ticket itself is not used, because it may be the receiver's name. Returns None if there is no name.
    """
    from chalicelib.accounts import service as accounts

    account, purchase = parallel.both(lambda: accounts.find_account(giver_id), lambda: store.load(ticket.purchase_id))
    if account is not None or purchase is None or purchase.user_id != giver_id or ticket.number == 1:
        return account.name if account is not None else None
    return find_buyer(purchase, load_details(purchase), None).name


def is_pass_used(user_id: str, event_id: str, pass_id: str) -> bool:
    """Return whether the user has an order for the event that was bought with this pass of the waiting room."""
    buyer = store.load_buyer(user_id, event_id)
    return buyer is not None and pass_id in buyer.passes


def move_pass_items(event_id: str, pass_id: str, from_user_id: str, to_user_id: str) -> list[dynamo.TransactItem] | None:
    """Return the transaction items that let a user use the pass of another user, if the two users have proved to be the same person.

    The items fail while the other user has an active purchase, or once the other user has used the pass. Returns None if the pass is known
    to be used.
    """
    before, after = store.load_buyer(from_user_id, event_id), store.load_buyer(to_user_id, event_id)
    if before is not None and pass_id in before.passes:
        return None
    return store.move_pass_items(event_id, pass_id, from_user_id, to_user_id, is_return=after is not None and pass_id in after.passes)


def regain_pass_items(event_id: str, pass_id: str, user_id: str) -> list[dynamo.TransactItem]:
    """Return the transaction items that let a user buy again with a pass that had moved to another user."""
    buyer = store.load_buyer(user_id, event_id)
    if buyer is None or f"{MOVED_PREFIX}{pass_id}" not in buyer.passes:
        return []
    return [store.regain_pass_item(event_id, pass_id, user_id)]


def _purchase_ids(records: Iterable[BuyerRecord]) -> set[str]:
    """Return the ids of the orders in these records, including past orders, and of the active purchases."""
    ids = {order_id for record in records for order_id in record.orders | record.past_orders}
    return ids | {record.active_id for record in records if record.active_id is not None}


def _ticket_ids(records: Iterable[BuyerRecord], order_ids: Iterable[str]) -> set[str]:
    """Return the ids of the kept tickets of these orders, and of the tickets that the user has received."""
    orders = [purchase for purchase in store.load_readable(order_ids)[0].values() if purchase is not None]
    kept = {ticket_id(purchase.id, number) for purchase in orders for number in purchase.kept_tickets}
    return kept.union(*(record.received for record in records))


def _page_order(ticket_id: str) -> tuple[int, int]:
    """Return the sort key of a ticket: newest purchase first, then by ticket number."""
    purchase_id, _, number = ticket_id.rpartition("-")
    return -int.from_bytes(purchase_id.encode()), int(number)


def _is_shown_as_order(purchase: Purchase) -> bool:
    return purchase.was_order or (purchase.checkout_at is not None and (purchase.state != "refunded" or purchase.is_by_transfer))


def load_tickets(purchase: Purchase) -> list[Ticket]:
    """Return the tickets of an order, including tickets that were taken back. The list is empty if no tickets were ever issued."""
    return tickets.load_purchase_tickets(purchase.id, purchase.quantity) if purchase.was_order else []
