"""Erasure of personal details from purchases and tickets. User ids, purchases and payments are kept for the books."""

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.foundation import parallel
from chalicelib.purchases import store
from chalicelib.purchases.model import Purchase
from chalicelib.purchases.queries import list_all_purchase_ids, list_all_tickets
from chalicelib.tickets import seats
from chalicelib.tickets.model import Ticket


class PersonalDetails(Struct, frozen=True):
    """The records with a user's personal details: the user's purchases, and the tickets that the user owns."""

    purchases: list[Purchase]
    tickets: list[Ticket]


def find_personal_details(user_id: str) -> PersonalDetails:
    """Find the user's purchases and tickets. Takes three round trips, and more for users with more than 100 purchases or tickets."""
    purchases, owned = parallel.both(lambda: store.load_many(sorted(list_all_purchase_ids(user_id))), lambda: list_all_tickets(user_id))
    return PersonalDetails([purchase for purchase in purchases.values() if purchase is not None], owned)


def erase_personal_details(details: PersonalDetails) -> None:
    """Erase what the user sent with checkouts, and all names on their tickets, including guests' names. Safe to repeat.

    The purchases are marked as erased, so that every reader of the change stream also deletes what it stored about the buyer.
    """
    parallel.both(
        lambda: parallel.call_each(_erase_purchase, details.purchases),
        lambda: parallel.call_each(_erase_owner, details.tickets),
    )


def _erase_purchase(purchase: Purchase) -> None:
    """Mark the purchase as erased, then erase its details, so that nothing that was read before the mark can store an address again."""
    store.retry_on_conflict(purchase, lambda known: known if known.is_erased else store.save(known, replace(known, is_erased=True)))
    store.erase_details(purchase.id)


def _erase_owner(ticket: Ticket) -> None:
    """Erase the names on a ticket, and the address with which its owner accepted it, if any."""
    parallel.both(lambda: seats.erase_names(ticket), lambda: store.erase_details(ticket.id))
