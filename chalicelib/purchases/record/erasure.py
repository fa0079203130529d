"""What purchases and tickets keep of a person, apart from an id, is taken away; what was bought and paid stays for the books."""

from chalicelib import parallel
from chalicelib.purchases.record import store
from chalicelib.purchases.record.queries import list_all_purchase_ids, list_all_tickets
from chalicelib.tickets.seats import service as seats


def erase_personal_details(user_id: str) -> None:
    """Empty what the user sent along with checkouts, and take the names off their tickets, those of guests too. May be repeated."""
    ids, owned = parallel.both(lambda: list_all_purchase_ids(user_id), lambda: list_all_tickets(user_id))
    parallel.both(lambda: parallel.call_each(store.erase_details, sorted(ids)), lambda: parallel.call_each(seats.erase_names, owned))
