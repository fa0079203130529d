"""Freeze, thaw and void against the store: every change from every state."""

import pytest

from chalicelib import dynamo
from chalicelib.tickets import service
from chalicelib.tickets.model import MAX_TICKETS, TicketLine
from tests.simulation import faults

NOW = 1_780_315_200
PURCHASE = "01KB6Z5C0V8S3J5Y7N9Q2R4T6W"
CHANGES = {
    "freeze": service.freeze_items,
    "thaw": service.thaw_items,
    "void": lambda tickets: service.void_items(*(ticket.id for ticket in tickets)),
}
REACHED_BY = {"valid": [], "frozen": ["freeze"], "void": ["void"]}


def issued(quantity=1):
    made = service.issue_tickets(PURCHASE, "ada", "gala", [TicketLine("seat", quantity, 1, 500, "USD")], NOW)
    dynamo.transact(made.items)
    return made.tickets


def states(count):
    return [ticket.state for ticket in service.load_purchase_tickets(PURCHASE, count)]


@pytest.mark.parametrize(
    ("before", "change", "after"),
    [
        ("valid", "freeze", "frozen"),
        ("valid", "thaw", "refused"),
        ("valid", "void", "void"),
        ("frozen", "freeze", "refused"),
        ("frozen", "thaw", "valid"),
        ("frozen", "void", "void"),
        ("void", "freeze", "refused"),
        ("void", "thaw", "refused"),
        ("void", "void", "void"),
    ],
)
def test_every_change_from_every_state(store, before, change, after):
    # The ticket as it was issued: what counts is the state in the store, not the one that the caller read.
    [ticket] = issued()
    for earlier in REACHED_BY[before]:
        dynamo.transact(CHANGES[earlier]([ticket]))
    if after == "refused":
        with pytest.raises(dynamo.TransactionCanceled) as refused:
            dynamo.transact(CHANGES[change]([ticket]))
        assert refused.value.failed(0)
    else:
        dynamo.transact(CHANGES[change]([ticket]))
    [now] = service.load_purchase_tickets(PURCHASE, 1)
    assert now.state == (before if after == "refused" else after)
    assert now.admissible == (now.state == "valid")
    assert (now.code, now.qr_sig) == (ticket.code, ticket.qr_sig)


@pytest.mark.parametrize("change", CHANGES)
def test_no_change_makes_a_ticket(store, change):
    unwritten = service.issue_tickets("never", "ada", "gala", [TicketLine("seat", 1, 1, 500, "USD")], NOW).tickets
    with pytest.raises(dynamo.TransactionCanceled):
        dynamo.transact(CHANGES[change](unwritten))
    assert service.load_purchase_tickets("never", 1) == []


@pytest.mark.parametrize(("change", "left"), [("freeze", "valid"), ("thaw", "frozen")])
def test_one_ticket_that_was_voided_meanwhile_refuses_all(store, change, left):
    tickets = issued(3)
    if change == "thaw":
        dynamo.transact(service.freeze_items(tickets))
    dynamo.transact(service.void_items(tickets[1].id))
    with pytest.raises(dynamo.TransactionCanceled) as refused:
        dynamo.transact(CHANGES[change](tickets))
    assert [refused.value.failed(index) for index in range(3)] == [False, True, False]
    assert states(3) == [left, "void", left]


def test_the_wallet_keeps_frozen_tickets_and_loses_void_ones(store):
    tickets = issued(3)
    dynamo.transact([*service.freeze_items(tickets[1:2]), *service.void_items(tickets[0].id)])
    assert [(ticket.number, ticket.state) for ticket in service.list_owned("ada")] == [(2, "frozen"), (3, "valid")]
    assert service.get_ticket(tickets[0].id).state == "void"


def test_the_largest_purchase_freezes_and_thaws_in_one_transaction_each(store):
    tickets = issued(MAX_TICKETS)
    with faults.record_calls() as made:
        dynamo.transact(service.freeze_items(tickets))
        dynamo.transact(service.thaw_items(tickets))
    assert made == ["TransactWriteItems"] * 2
    assert service.load_purchase_tickets(PURCHASE, MAX_TICKETS) == tickets
