"""Issue and wallet against the store."""

from collections import Counter

import pytest

from chalicelib import dynamo
from chalicelib.errors import NotFound
from chalicelib.tickets import service
from chalicelib.tickets.model import CODE_ALPHABET, MAX_TICKETS, TicketLine, new_code
from tests.simulation import faults

NOW = 1_780_315_200
PURCHASE = "01KB6Z5C0V8S3J5Y7N9Q2R4T6W"
LINES = [TicketLine("seat", 2, 1, 500, "USD"), TicketLine("table", 1, 8, 4_000, "USD")]


def issued(purchase_id=PURCHASE, owner="ada", lines=LINES, now=NOW):
    made = service.issue_tickets(purchase_id, owner, "gala", lines, now)
    dynamo.transact(made.items)
    return made.tickets


def test_one_ticket_for_each_of_each_line(store):
    tickets = issued()
    assert [ticket.id for ticket in tickets] == [f"{PURCHASE}-{number}" for number in (1, 2, 3)]
    assert [(ticket.tier_id, ticket.admits, ticket.price_cents) for ticket in tickets] == [
        ("seat", 1, 500),
        ("seat", 1, 500),
        ("table", 8, 4_000),
    ]
    assert {(t.owner_id, t.event_id, t.currency, t.state, t.created_at) for t in tickets} == {("ada", "gala", "USD", "valid", NOW)}
    assert all(service.is_genuine(ticket.qr_sig, ticket.id, "gala", ticket.code) for ticket in tickets)
    assert [ticket.number for ticket in tickets] == [1, 2, 3]
    assert service.load_purchase_tickets(PURCHASE, 3) == tickets
    assert service.get_ticket(tickets[2].id) == tickets[2]


def test_a_second_issue_is_refused_whole_and_the_first_tickets_stay(store):
    first = issued()
    again = service.issue_tickets(PURCHASE, "ada", "gala", LINES, NOW + 5)
    assert [ticket.id for ticket in again.tickets] == [ticket.id for ticket in first]
    assert not {ticket.code for ticket in again.tickets} & {ticket.code for ticket in first}
    with pytest.raises(dynamo.TransactionCanceled) as refused:
        dynamo.transact(again.items)
    assert all(refused.value.failed(index) for index in range(len(again.items)))
    assert service.load_purchase_tickets(PURCHASE, 3) == first
    assert service.list_owned("ada") == first


def test_a_second_issue_with_more_tickets_adds_none(store):
    issued(lines=[TicketLine("seat", 1, 1, 500, "USD")])
    with pytest.raises(dynamo.TransactionCanceled):
        issued(lines=[TicketLine("seat", 4, 1, 500, "USD")])
    assert len(service.load_purchase_tickets(PURCHASE, 4)) == len(service.list_owned("ada")) == 1


def test_the_largest_purchase_fits_one_transaction_and_one_read(store):
    with faults.record_calls() as made:
        tickets = issued(lines=[TicketLine("seat", MAX_TICKETS, 1, 500, "USD")])
        assert service.load_purchase_tickets(PURCHASE, MAX_TICKETS) == tickets
    assert made == ["TransactWriteItems", "BatchGetItem"]


@pytest.mark.parametrize("quantity", [0, MAX_TICKETS + 1])
def test_no_purchase_has_none_or_more(store, quantity):
    with pytest.raises(ValueError, match="1 to 50"):
        service.issue_tickets(PURCHASE, "ada", "gala", [TicketLine("seat", quantity, 1, 500, "USD")], NOW)


def test_the_wallet_is_one_query_and_one_batch_for_each_hundred(store):
    for order in range(3):
        issued(f"order{order}", lines=[TicketLine("seat", 40, 1, 500, "USD")], now=NOW + order)
    issued("other", owner="bob")
    with faults.record_calls() as made:
        tickets = service.list_owned("ada")
    assert made == ["Query", "BatchGetItem", "BatchGetItem"]
    assert [ticket.id for ticket in tickets] == [f"order{order}-{number}" for order in (2, 1, 0) for number in range(1, 41)]


def test_the_order_is_ours_whatever_order_the_store_answers_in(store, monkeypatch):
    tickets = issued(lines=[TicketLine("seat", 12, 1, 500, "USD")])
    answer = dynamo.batch_get
    monkeypatch.setattr(dynamo, "batch_get", lambda *args, **options: answer(*args, **options)[::-1])
    assert service.list_owned("ada") == service.load_purchase_tickets(PURCHASE, 12) == tickets


def test_an_empty_wallet_is_one_query(store):
    with faults.record_calls() as made:
        assert service.list_owned("nobody") == []
    assert made == ["Query"]


@pytest.mark.parametrize("odd", ["never-1", "never", "", "x" * 3000, "a b-1", "é-1", "a-0"])
def test_an_unknown_ticket_is_not_found(store, odd):
    with pytest.raises(NotFound):
        service.get_ticket(odd)


def test_codes_are_unambiguous_and_have_a_hundred_bits():
    codes = {new_code() for _ in range(500)}
    assert len(codes) == 500
    signs = Counter("".join(codes).replace("-", ""))
    assert set(signs) == set(CODE_ALPHABET)
    assert len(CODE_ALPHABET) == 32
    assert not set("ILOU") & set(CODE_ALPHABET)
    assert {tuple(len(group) for group in code.split("-")) for code in codes} == {(5, 5, 5, 5)}
