"""What purchases and tickets keep of a person, apart from an id, is taken away; what was bought and paid stays for the books."""

from collections.abc import Callable
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.foundation import parallel
from chalicelib.purchases import store
from chalicelib.purchases.model import Purchase
from chalicelib.purchases.queries import list_all_purchase_ids, list_all_tickets
from chalicelib.tickets import seats
from chalicelib.tickets.model import Ticket


class PersonalDetails(Struct, frozen=True):
    """Where details of a person are: their purchases, and the tickets that are theirs."""

    purchases: list[Purchase]
    tickets: list[Ticket]


def find_personal_details(user_id: str) -> PersonalDetails:
    """Three round trips, however much there is."""
    purchases, owned = parallel.both(lambda: store.load_many(sorted(list_all_purchase_ids(user_id))), lambda: list_all_tickets(user_id))
    return PersonalDetails([purchase for purchase in purchases.values() if purchase is not None], owned)


def erase_personal_details(details: PersonalDetails) -> None:
    """Empty what the user sent along with checkouts, and take the names off their tickets, those of guests too. May be repeated.

    The purchases note it, so that what follows them forgets the buyer too.
    """
    emptied: list[Callable[[], None]] = [partial(store.erase_details, purchase.id) for purchase in details.purchases]
    noted: list[Callable[[], None]] = [partial(_note_erasure, purchase) for purchase in details.purchases]
    parallel.both(
        lambda: parallel.call_each(lambda erase: erase(), [*emptied, *noted]),
        lambda: parallel.call_each(seats.erase_names, details.tickets),
    )


def _note_erasure(purchase: Purchase) -> None:
    store.retry_on_conflict(purchase, lambda known: known if known.is_erased else store.save(known, replace(known, is_erased=True)))
