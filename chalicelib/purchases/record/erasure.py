"""What purchases and tickets keep of a person, apart from an id, is taken away; what was bought and paid stays for the books."""

from msgspec import Struct

from chalicelib import parallel
from chalicelib.purchases.record import store
from chalicelib.purchases.record.queries import list_all_purchase_ids, list_all_tickets
from chalicelib.tickets.model import Ticket
from chalicelib.tickets.seats import service as seats


class PersonalDetails(Struct, frozen=True):
    """Where details of a person are: the ids of their purchases, and the tickets that are theirs."""

    purchase_ids: list[str]
    tickets: list[Ticket]


def find_personal_details(user_id: str) -> PersonalDetails:
    """Three round trips, however much there is."""
    ids, owned = parallel.both(lambda: list_all_purchase_ids(user_id), lambda: list_all_tickets(user_id))
    return PersonalDetails(sorted(ids), owned)


def erase_personal_details(details: PersonalDetails) -> None:
    """Empty what the user sent along with checkouts, and take the names off their tickets, those of guests too. May be repeated."""
    parallel.both(
        lambda: parallel.call_each(store.erase_details, details.purchase_ids),
        lambda: parallel.call_each(seats.erase_names, details.tickets),
    )
