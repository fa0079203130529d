"""Erasure of personal details from purchases and tickets. User ids, purchases and payments are kept for the books."""

from collections.abc import Iterator, Sequence
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.accounts.model import email_key
from chalicelib.foundation import parallel
from chalicelib.purchases import store
from chalicelib.purchases.model import Purchase
from chalicelib.purchases.queries import list_all_purchase_ids, list_all_tickets, portions_of_address
from chalicelib.tickets import seats
from chalicelib.tickets.model import Ticket, may_be_ticket_id, ticket_id
from chalicelib.tickets.store import load_tickets


class PersonalDetails(Struct, frozen=True):
    """The records with a user's personal details: the user's purchases, and the tickets that the user owns."""

    purchases: list[Purchase]
    tickets: list[Ticket]


def find_personal_details(user_id: str) -> PersonalDetails:
    """Find the user's purchases and tickets. Takes six round trips, and more for users with more than 100 purchases or tickets."""
    purchases, owned = parallel.both(lambda: store.load_many(sorted(list_all_purchase_ids(user_id))), lambda: list_all_tickets(user_id))
    known = [purchase for purchase in purchases.values() if purchase is not None]
    return PersonalDetails([*known, *_find_unpaid_checkouts(user_id, known)], owned)


def _find_unpaid_checkouts(user_id: str, known: Sequence[Purchase]) -> list[Purchase]:
    """Find checkouts of the user that ended unpaid.

    A guest's checkouts are included if other purchases of the guest have moved to the user, because only paid and active purchases move.
    Checkouts of earlier releases are found by the addresses of the account and of the `known` purchases.
    """
    from chalicelib.accounts import service as accounts  # imported here, because Lambda functions that need no accounts load this module

    account, details = parallel.both(lambda: accounts.find_account(user_id), lambda: store.load_many_details(known))
    emails = {email_key(email) for email in (account and account.email, *(sent.email for sent in details.values())) if email}
    users = {user_id} | {purchase.moved_from for purchase in known if purchase.moved_from is not None}
    lists = [partial(store.list_unpaid_ids, user) for user in sorted(users)]
    lists += [partial(store.list_ids_of_address, email, None) for email in sorted(emails)]
    found = parallel.call_each(lambda list_ids: list_ids(), lists)
    ids = {row_id for ids in found for row_id in ids if not may_be_ticket_id(row_id)} - {purchase.id for purchase in known}
    return [purchase for purchase in store.load_many(ids).values() if purchase is not None and purchase.user_id in users]


def find_details_of_address(email: str) -> Iterator[PersonalDetails]:
    """Find the purchases and tickets of people without an account who entered this address when they bought or accepted tickets.

    Yields them in portions, with the paid orders first. A caller that erases each portion before the next one is read can be stopped and
    repeated: strangers may have entered the address at so many checkouts that one request is too short for them.
    """
    return map(_find_details, portions_of_address(email))


def find_details_page(email: str, limit: int, before: str | None) -> tuple[PersonalDetails, str | None]:
    """Find the same as `find_details_of_address` among up to `limit` ids, newest first, and the id to continue with.

    The id is None on the last page; `before` is the id that the previous page returned.
    """
    listed = parallel.both(
        lambda: store.list_ids_of_address(email, limit + 1, before),
        lambda: store.list_ids_of_address(email, limit + 1, before, is_paid=False),
    )
    ids = sorted((row_id for ids in listed for row_id in ids), reverse=True)
    return _find_details(ids[:limit]), ids[limit - 1] if len(ids) > limit else None


def _find_details(ids: Sequence[str]) -> PersonalDetails:
    """Find the purchases and received tickets with these ids, if they belong to people without an account."""
    from chalicelib.accounts import service as accounts  # imported here, because Lambda functions that need no accounts load this module

    received = set(filter(may_be_ticket_id, ids))
    found = [purchase for purchase in store.load_many(row_id for row_id in ids if row_id not in received).values() if purchase is not None]
    bought = {ticket_id(purchase.id, number) for purchase in found if purchase.was_order for number in range(1, purchase.quantity + 1)}
    issued = load_tickets(received | bought)
    users = {purchase.user_id for purchase in found} | {ticket.owner_id for ticket in issued if ticket.id in received}
    with_account = {account.user_id for account in accounts.find_accounts(users)}
    buyers = {purchase.id: purchase.user_id for purchase in found if purchase.user_id not in with_account}
    owned = [
        ticket
        for ticket in issued
        if (ticket.id in received and ticket.owner_id not in with_account) or ticket.owner_id == buyers.get(ticket.purchase_id)
    ]
    return PersonalDetails([purchase for purchase in found if purchase.id in buyers], owned)


def erase_personal_details(details: PersonalDetails) -> None:
    """Erase what the user sent with checkouts, and all names on their tickets, including guests' names. Safe to repeat.

    The purchases are marked as erased, so that every reader of the change stream also deletes what it stored about the buyer.
    """
    parallel.both(
        lambda: parallel.call_each(_erase_purchase, details.purchases),
        lambda: parallel.call_each(_erase_owner, details.tickets),
    )


def _erase_purchase(purchase: Purchase) -> None:
    """Mark the purchase as erased, then erase its details. A request that read the purchase before the mark cannot store details later."""
    store.retry_on_conflict(purchase, lambda current: current if current.is_erased else store.save(current, _erased(current)))
    store.erase_details(purchase.id)


def _erased(purchase: Purchase) -> Purchase:
    """Return the purchase marked as erased, without its saved card, the notes on refunds and the answers to requests to return tickets."""
    requests = [replace(request, answer=None) for request in purchase.return_requests]
    refunds = [replace(refund, note=None) for refund in purchase.refunds]
    return replace(purchase, is_erased=True, refunds=refunds, return_requests=requests, saved_card=None)


def _erase_owner(ticket: Ticket) -> None:
    """Erase the names on a ticket, and the address with which its owner accepted it, if any."""
    parallel.both(lambda: seats.erase_names(ticket), lambda: store.erase_details(ticket.id))
