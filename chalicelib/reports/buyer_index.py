"""The index that finds an order by its buyer's e-mail address, and by the names of its buyer, of who comes, and of the guests of its seats.

It follows from what is stored now: the purchase, its tickets, its checkout and the buyer's account, read anew at each change that may
matter. What an order is indexed by is kept beside it and compared when it is written, so of two runs at once the one that read first
writes nothing. Of a buyer who was erased only names on tickets that others have now are indexed.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from chalicelib.accounts.model import Account, email_key
from chalicelib.catalog.text_index import words_of
from chalicelib.changes.model import BuyerErased, Change, OrderPaid, TicketNamesChanged
from chalicelib.foundation import parallel
from chalicelib.purchases.record import queries
from chalicelib.purchases.record.model import CheckoutDetails, Purchase
from chalicelib.reports import store
from chalicelib.reports.store import Terms
from chalicelib.tickets import service as tickets
from chalicelib.tickets.model import Ticket, ticket_id

CHUNK = 16  # orders that are read at once
MAX_NAMES = 100  # of one order; a table of guests has more only if somebody names many of them
MAX_WORD_LENGTH = 50

Order = tuple[str, str]  # the ids of the event and the purchase


def changed_orders(changes: Iterable[Change]) -> list[Order]:
    """The orders whose entries in the index may be others after these changes."""
    found: dict[Order, None] = {}
    for change in changes:
        match change:
            case OrderPaid() | BuyerErased():
                found[change.purchase.event_id, change.purchase.id] = None
            case TicketNamesChanged():
                found[change.ticket.event_id, change.ticket.purchase_id] = None
    return list(found)


def update(generation: int, orders: Sequence[Order], retry: Callable[[Callable[[], None]], None]) -> None:
    """Bring the entries of orders of a generation up to date. `retry` repeats what others were faster than."""
    for start in range(0, len(orders), CHUNK):
        retry(partial(_update_chunk, generation, orders[start : start + CHUNK]))


def _update_chunk(generation: int, orders: Sequence[Order]) -> None:
    # The old entries are read first, so `change_index` refuses if somebody else has written them since.
    before = _load_index(generation, orders)
    purchases = [purchase for purchase in queries.load_many(order_id for _, order_id in orders).values() if purchase and purchase.was_order]
    terms = _terms(purchases)
    changed = [order for order in orders if before.get(order[1], {}) != terms.get(order[1], {})]
    parallel.call_each(
        lambda order: store.change_index(generation, *order, before.get(order[1], {}), terms.get(order[1], {})),
        changed,
    )


def _load_index(generation: int, orders: Sequence[Order]) -> dict[str, Terms]:
    found: dict[str, Terms] = {}
    for event_id in dict.fromkeys(event_id for event_id, _ in orders):
        found |= store.load_index(generation, event_id, [order_id for of, order_id in orders if of == event_id])
    return found


def _terms(purchases: Sequence[Purchase]) -> dict[str, Terms]:
    """What to index these orders by."""
    from chalicelib.accounts import service as accounts

    known = [purchase for purchase in purchases if not purchase.is_erased]
    users = {purchase.user_id for purchase in known}
    (details, buyers), issued = parallel.both(
        lambda: parallel.both(lambda: queries.load_many_details(known), lambda: accounts.find_accounts(users)),
        lambda: tickets.load_tickets(
            ticket_id(purchase.id, number) for purchase in purchases for number in range(1, purchase.quantity + 1)
        ),
    )
    by_user = {account.user_id: account for account in buyers}
    return {
        purchase.id: order_terms(
            by_user.get(purchase.user_id) if not purchase.is_erased else None,
            details.get(purchase.id),
            sorted((ticket for ticket in issued if ticket.purchase_id == purchase.id), key=lambda ticket: ticket.number),
        )
        for purchase in purchases
    }


def order_terms(buyer: Account | None, details: CheckoutDetails | None, issued: Sequence[Ticket]) -> Terms:
    """What to index an order by; `buyer` is null without an account, `details` if nothing was sent along with the checkout."""
    names = [" ".join(filter(None, (buyer.first_name, buyer.last_name)))] if buyer is not None else []
    for ticket in issued:
        names += [ticket.attendee.name] if ticket.attendee is not None else []
        names += [guest.name for guest in ticket.guests if guest.name is not None]
    folded = list(dict.fromkeys(name for text in names if (name := " ".join(name_words(text)))))[:MAX_NAMES]
    terms: Terms = {f"name#{word}": folded for word in dict.fromkeys(word for name in folded for word in name.split())}
    addresses = [buyer.email if buyer is not None else None, details.customer_email if details is not None else None]
    return terms | {f"email#{email_key(address)}": [] for address in addresses if address is not None}


def name_words(text: str) -> list[str]:
    """The words of a name as they are compared, without accents and case."""
    return [word[:MAX_WORD_LENGTH] for word in words_of(text)]
