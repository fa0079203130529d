"""What each write to a ticket refuses, by its condition alone: callers usually read first, and ask for nothing that would be refused."""

import pytest
from msgspec.structs import replace

from chalicelib.dynamodb import dynamo
from chalicelib.tickets import service as tickets
from chalicelib.tickets import store
from chalicelib.tickets.model import Attendee, CheckIn, Guest, Serial, Ticket, Transfer
from chalicelib.tickets.store import TicketRow
from tests import builders
from tests.transactions import is_refused

CHECKIN = CheckIn("scan", 1000, 1, "door")
GUEST = Guest(1, "GUEST", "signature", "Bob")
OFFER = Transfer("secret", "ada", 2000)


@pytest.fixture
def ticket(api) -> Ticket:
    """A valid ticket of Ada's, as it was read before others wrote to it."""
    order_id = builders.create_order(api, builders.create_shop(api, admits=2), 1)
    return tickets.get_ticket(f"{order_id}-1")


def change(ticket: Ticket, **values) -> None:
    assert dynamo.update_if(TicketRow(ticket.id), TicketRow.set_or_remove(values), TicketRow.id.exists())


def admit(ticket: Ticket) -> dynamo.TransactItem:
    return store.change_checkins_item(ticket, replace(ticket, checkins=[*ticket.checkins, CHECKIN]), is_entry=True)


def give(ticket: Ticket) -> dynamo.TransactItem:
    return store.transfer_item(ticket, replace(ticket, owner_id="bob", code="NEW"))


def test_a_ticket_is_written_once(ticket):
    assert is_refused(store.create_ticket_item(ticket))


def test_a_ticket_changes_its_state_only_from_the_state_that_was_read(ticket):
    change(ticket, state="void")
    assert is_refused(store.change_state_item(ticket.id, "valid", "frozen"))


# What happens to the ticket after it was read -> the writes that must be refused then.
CHANGES = {
    "a check-in": {"checkins": [CHECKIN]},
    "an undone scan": {"undone": ["scan"]},
    "a refund": {"state": "void"},
    "a dispute": {"state": "frozen"},
    "another code": {"code": "NEW"},
    "another guest": {"guests": [GUEST]},
    "another owner": {"owner_id": "bob"},
    "an offer": {"transfer": OFFER},
    "an erasure": {"erased_at": 1000},
}
WRITES = {
    "admit": (admit, {"a check-in", "an undone scan", "a refund", "a dispute", "another code", "another guest"}),
    "undo": (lambda ticket: store.change_undone_item(ticket, replace(ticket, undone=["x"])), {"a check-in", "an undone scan"}),
    "return unused": (
        lambda ticket: store.void_item(ticket.id, "refunded", only_if_unused_by="ada"),
        {"a check-in", "a refund", "a dispute", "another owner"},
    ),
    "offer": (
        lambda ticket: store.open_transfer(ticket, OFFER),
        {"a check-in", "a refund", "a dispute", "another owner", "an offer"},
    ),
    "give": (give, {"a check-in", "a refund", "a dispute", "another owner", "an offer", "another guest"}),
    "withdraw": (store.remove_transfer, {"another owner", "an offer"}),
    "name": (lambda ticket: store.change_attendee_item(ticket, Attendee("Bob")), {"a refund", "another owner", "an erasure"}),
    "name a guest": (
        lambda ticket: store.change_guests_item(ticket, [GUEST]),
        {"a check-in", "a refund", "another owner", "another guest"},
    ),
    "erase a guest": (lambda ticket: store.erase_guest_item(ticket, []), {"a check-in", "another guest"}),
    "erase names": (lambda ticket: store.erase_names(ticket, []), {"another owner", "another guest"}),
    "move": (lambda ticket: store.change_account_item(ticket, "cid"), {"another owner"}),
}


@pytest.mark.parametrize("write", WRITES)
def test_a_write_is_refused_after_the_changes_that_contradict_it(ticket, write):
    make, contradicting = WRITES[write]
    row = TicketRow.find(ticket.id)
    if write == "withdraw":
        row.transfer = replace(OFFER, secret="former")
        ticket = replace(ticket, transfer=row.transfer)
    refused = set()
    for name, values in CHANGES.items():
        row.save()
        change(ticket, **values)
        result = make(ticket)
        if not (result if isinstance(result, bool) else not is_refused(result)):
            refused.add(name)
    assert refused == contradicting


def test_two_devices_add_their_duplicates_one_after_the_other(ticket):
    assert not is_refused(store.add_duplicate_item(ticket, CHECKIN))
    assert is_refused(store.add_duplicate_item(ticket, replace(CHECKIN, id="other")))


def test_seats_are_numbered_once(ticket):
    assert not is_refused(store.number_seats_item(ticket.id, Serial("N", 1)))
    assert is_refused(store.number_seats_item(ticket.id, Serial("N", 3)))
