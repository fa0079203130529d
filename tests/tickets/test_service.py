"""Issue, read, freeze, thaw and void tickets in the store."""

import pytest

from chalicelib.dynamodb import dynamo
from chalicelib.foundation.errors import NotFound
from chalicelib.tickets import service, signature
from chalicelib.tickets.model import MAX_TICKETS, TicketLine
from chalicelib.tickets.store import TicketRow
from tests.simulation import faults

NOW = 1_780_315_200
PURCHASE = "01KB6Z5C0V8S3J5Y7N9Q2R4T6W"
LINES = [TicketLine("seat", 1, [500, 450], "USD"), TicketLine("table", 8, [4_000], "USD")]
CHANGES = {
    "freeze": service.freeze_items,
    "thaw": service.thaw_items,
    "void": lambda tickets: service.void_items((ticket.id for ticket in tickets), "refunded"),
}
CHANGES_TO_REACH = {"valid": [], "frozen": ["freeze"], "void": ["void"]}


def seats(quantity):
    return [TicketLine("seat", 1, [500] * quantity, "USD")]


def issue(purchase_id=PURCHASE, owner="ada", lines=LINES, now=NOW):
    """Issue and commit the tickets of a purchase."""
    ticket_issue = service.issue_tickets(purchase_id, owner, "gala", lines, now)
    dynamo.transact(ticket_issue.items)
    return ticket_issue.tickets


def load_owned(*tickets, owner="ada"):
    return service.load_owned_tickets(owner, [ticket.id for ticket in tickets])


def test_each_line_gets_a_ticket_for_each_of_its_prices(store):
    tickets = issue()
    assert [ticket.id for ticket in tickets] == [f"{PURCHASE}-{number}" for number in (1, 2, 3)]
    assert [(ticket.tier_id, ticket.admits, ticket.price_cents) for ticket in tickets] == [
        ("seat", 1, 500),
        ("seat", 1, 450),
        ("table", 8, 4_000),
    ]
    assert {(ticket.owner_id, ticket.event_id, ticket.currency, ticket.state, ticket.created_at) for ticket in tickets} == {
        ("ada", "gala", "USD", "valid", NOW)
    }
    assert all(signature.is_genuine(ticket.qr_sig, ticket.id, "gala", ticket.code) for ticket in tickets)
    assert [ticket.number for ticket in tickets] == [1, 2, 3]
    assert service.load_purchase_tickets(PURCHASE, 3) == tickets
    assert service.get_ticket(tickets[2].id) == tickets[2]


def test_a_second_issue_is_cancelled_whole_and_the_first_tickets_stay(store):
    first = issue()
    again = service.issue_tickets(PURCHASE, "ada", "gala", LINES, NOW + 5)
    assert [ticket.id for ticket in again.tickets] == [ticket.id for ticket in first]
    assert [ticket.code for ticket in again.tickets] == [ticket.code for ticket in first]
    with pytest.raises(dynamo.ConditionFailed) as cancelled:
        dynamo.transact(again.items)
    assert all(cancelled.value.failed(index) for index in range(len(again.items)))
    assert service.load_purchase_tickets(PURCHASE, 3) == first
    assert load_owned(*first) == first


def test_a_second_issue_with_more_tickets_adds_none(store):
    issue(lines=seats(1))
    with pytest.raises(dynamo.ConditionFailed):
        issue(lines=seats(4))
    assert len(service.load_purchase_tickets(PURCHASE, 4)) == 1


def test_the_largest_purchase_fits_one_transaction_and_one_read(store):
    with faults.record_calls() as store_calls:
        tickets = issue(lines=seats(MAX_TICKETS))
        assert service.load_purchase_tickets(PURCHASE, MAX_TICKETS) == tickets
    assert store_calls == ["TransactWriteItems", "BatchGetItem"]


@pytest.mark.parametrize("quantity", [0, MAX_TICKETS + 1])
def test_a_purchase_without_tickets_or_with_too_many_is_refused(store, quantity):
    with pytest.raises(ValueError, match="1 to 50"):
        service.issue_tickets(PURCHASE, "ada", "gala", seats(quantity), NOW)


def test_the_tickets_of_an_owner_are_read_with_one_batch_per_hundred(store):
    issued = [ticket for order in range(3) for ticket in issue(f"order{order}", lines=seats(40), now=NOW + order)]
    issued += issue("other", owner="bob")
    with faults.record_calls() as store_calls:
        tickets = load_owned(*issued)
    assert store_calls == ["BatchGetItem", "BatchGetItem"]
    assert [ticket.id for ticket in tickets] == [f"order{order}-{number}" for order in (2, 1, 0) for number in range(1, 41)]


def test_tickets_are_sorted_whatever_order_the_store_returns_them_in(store, monkeypatch):
    tickets = issue(lines=seats(12))
    find_all = TicketRow.find_all
    monkeypatch.setattr(TicketRow, "find_all", lambda ids: find_all(ids)[::-1])
    assert load_owned(*tickets) == service.load_purchase_tickets(PURCHASE, 12) == tickets


@pytest.mark.parametrize("unknown_id", ["never-1", "never", "", "x" * 3000, "a b-1", "é-1", "a-0"])
def test_an_unknown_or_malformed_ticket_id_is_not_found(store, unknown_id):
    with pytest.raises(NotFound):
        service.get_ticket(unknown_id)


@pytest.mark.parametrize(
    ("before", "change", "after"),
    [
        ("valid", "freeze", "frozen"),
        ("valid", "thaw", "cancelled"),
        ("valid", "void", "void"),
        ("frozen", "freeze", "cancelled"),
        ("frozen", "thaw", "valid"),
        ("frozen", "void", "void"),
        ("void", "freeze", "cancelled"),
        ("void", "thaw", "cancelled"),
        ("void", "void", "void"),
    ],
)
def test_each_change_from_each_state(store, before, change, after):
    # The ticket object is as it was issued: the state in the store decides, not the one that the caller read.
    [ticket] = issue(lines=seats(1))
    for earlier in CHANGES_TO_REACH[before]:
        dynamo.transact(CHANGES[earlier]([ticket]))
    if after == "cancelled":
        with pytest.raises(dynamo.ConditionFailed) as cancelled:
            dynamo.transact(CHANGES[change]([ticket]))
        assert cancelled.value.failed(0)
    else:
        dynamo.transact(CHANGES[change]([ticket]))
    [changed] = service.load_purchase_tickets(PURCHASE, 1)
    assert changed.state == (before if after == "cancelled" else after)
    assert changed.is_admissible == (changed.state == "valid")
    assert (changed.code, changed.qr_sig) == (ticket.code, ticket.qr_sig)


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_a_ticket_that_does_not_exist_is_cancelled(store, change):
    unwritten = service.issue_tickets("never", "ada", "gala", seats(1), NOW).tickets
    with pytest.raises(dynamo.ConditionFailed):
        dynamo.transact(CHANGES[change](unwritten))
    assert service.load_purchase_tickets("never", 1) == []


@pytest.mark.parametrize(("change", "unchanged"), [("freeze", "valid"), ("thaw", "frozen")])
def test_one_voided_ticket_cancels_the_change_of_all(store, change, unchanged):
    tickets = issue(lines=seats(3))
    if change == "thaw":
        dynamo.transact(service.freeze_items(tickets))
    dynamo.transact(service.void_items([tickets[1].id], "refunded"))
    with pytest.raises(dynamo.ConditionFailed) as cancelled:
        dynamo.transact(CHANGES[change](tickets))
    assert [cancelled.value.failed(index) for index in range(3)] == [False, True, False]
    assert [ticket.state for ticket in service.load_purchase_tickets(PURCHASE, 3)] == [unchanged, "void", unchanged]


def test_frozen_tickets_are_their_owners_and_void_ones_are_not(store):
    tickets = issue(lines=seats(3))
    dynamo.transact([*service.freeze_items(tickets[1:2]), *service.void_items([tickets[0].id], "refunded")])
    assert [(ticket.number, ticket.state) for ticket in load_owned(*tickets)] == [(2, "frozen"), (3, "valid")]
    assert service.get_ticket(tickets[0].id).state == "void"


def test_the_largest_purchase_freezes_and_thaws_in_one_transaction_each(store):
    tickets = issue(lines=seats(MAX_TICKETS))
    with faults.record_calls() as store_calls:
        dynamo.transact(service.freeze_items(tickets))
        dynamo.transact(service.thaw_items(tickets))
    assert store_calls == ["TransactWriteItems"] * 2
    assert service.load_purchase_tickets(PURCHASE, MAX_TICKETS) == tickets
