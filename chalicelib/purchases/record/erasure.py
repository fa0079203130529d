"""What purchases and tickets keep of a person, apart from an id, is taken away; what was bought and paid stays for the books."""

from chalicelib.purchases.record import store
from chalicelib.purchases.record.queries import list_all_purchase_ids, list_all_tickets
from chalicelib.tickets import service as tickets


def erase_personal_details(user_id: str) -> None:
    """Empty what the user sent along with checkouts, and take the names off their tickets. May be repeated."""
    for purchase_id in list_all_purchase_ids(user_id):
        store.erase_details(purchase_id)
    for ticket in list_all_tickets(user_id):
        tickets.erase_attendee(ticket)
