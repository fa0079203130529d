"""Whoever reads the emails of an address exports and erases what is kept about buyers without an account who typed it."""

import pytest

from chalicelib.dynamodb import dynamo
from chalicelib.edge import cursors
from chalicelib.purchases import store
from tests import builders, invariants
from tests.accounts.conftest import PASSWORD, mailbox, register  # noqa: F401
from tests.privacy.test_api import stored_text
from tests.purchases.test_lost_tickets import EMAIL, ask, buy, find, follow, leave_unpaid
from tests.simulation import faults

NAME, ANSWER = "Lovelace-Byron", "allergic to nuts"


@pytest.fixture
def shop(api, time):
    return builders.create_shop(api, capacity=50)


@pytest.fixture
def orders(api, shop) -> list[str]:
    """Two visits of a buyer without an account; the first order has names, answers and a refunded ticket."""
    first = builders.reserve(api, "guest-1", *shop, quantity=2).json["id"]
    details = {"customer_email": EMAIL, "attendees": [{"name": NAME}, {"name": NAME}], "responses": {"note": ANSWER}}
    builders.start_checkout(api, "guest-1", first, **details)
    assert builders.confirm(api, "guest-1", first).status == 201
    assert builders.refund(api, first, tickets=[f"{first}-2"]).status == 201
    return [first, buy(api, shop, "guest-2", EMAIL.upper())]


def open_link(api, mailbox, email=EMAIL) -> str:  # noqa: F811
    """Follow a new link. Returns the token for the data."""
    ask(api, email)
    return follow(api, mailbox.token("find_tickets")).json["data_token"]


def call(api, action, token):
    return api.post(f"/lost-tickets/{action}", json={"token": token})


def test_an_export_has_the_orders_of_all_visits(api, shop, orders, mailbox):  # noqa: F811
    buy(api, shop, "guest-1", "bob@example.com")
    shown = call(api, "export", open_link(api, mailbox)).json
    assert shown["email"] == EMAIL
    assert sorted(order["id"] for order in shown["orders"]) == sorted(orders)
    first = next(order for order in shown["orders"] if order["id"] == orders[0])
    assert (first["customer_email"], first["responses"], first["attendees"][0]["name"]) == (EMAIL, {"note": ANSWER}, NAME)
    assert {(ticket["id"], ticket["state"]) for ticket in shown["tickets"]} == {
        (f"{orders[0]}-1", "valid"),
        (f"{orders[0]}-2", "void"),
        (f"{orders[1]}-1", "valid"),
    }


def test_an_export_has_pages(api, shop, orders, mailbox):  # noqa: F811
    token = open_link(api, mailbox)
    whole = call(api, "export", token).json
    assert (len(whole["orders"]), whole["next_cursor"]) == (2, None)
    pages, cursor = [], None
    for _ in orders:
        pages.append(api.post("/lost-tickets/export", json={"token": token, "limit": 1, "cursor": cursor}).json)
        cursor = pages[-1]["next_cursor"]
    assert cursor is None
    assert [page["orders"] for page in pages] == [[order] for order in sorted(whole["orders"], key=lambda order: order["id"], reverse=True)]
    shown = [ticket for page in pages for ticket in page["tickets"]]
    assert sorted(shown, key=str) == sorted(whole["tickets"], key=str)


def test_pages_of_an_export_fit_into_a_reply(api, shop, orders, mailbox, monkeypatch):  # noqa: F811
    """Strangers may order tickets of long tours for the address. Each ticket repeats the dates, and Lambda returns at most 6 MB."""
    token = open_link(api, mailbox)
    whole = call(api, "export", token).json
    monkeypatch.setattr(cursors, "MAX_PAGE_BYTES", 100)
    first = call(api, "export", token).json
    last = api.post("/lost-tickets/export", json={"token": token, "cursor": first["next_cursor"]}).json
    assert [[order["id"] for order in page["orders"]] for page in (first, last)] == [[orders[1]], [orders[0]]]
    assert last["next_cursor"] is None
    assert sorted(first["tickets"] + last["tickets"], key=str) == sorted(whole["tickets"], key=str)


def test_an_erasure_leaves_valid_tickets_without_a_person(api, time, shop, orders, mailbox):  # noqa: F811
    other = buy(api, shop, "guest-1", "bob@example.com")
    token = open_link(api, mailbox)
    assert all(text in stored_text() for text in (NAME, ANSWER))
    assert [call(api, "erase", token).status for _ in range(2)] == [200, 200]  # a repeated call finds nothing left
    assert [text for text in (NAME, ANSWER) if text in stored_text()] == []
    assert find(api, mailbox) == []
    assert call(api, "export", token).json["orders"] == []
    assert api.get(f"/tickets/{orders[0]}-1", user="guest-1").json["state"] == "valid"
    assert find(api, mailbox, "bob@example.com") == [f"{other}-1"]
    invariants.check(time.now)


def test_an_interrupted_erasure_continues_after_what_it_has_erased(api, shop, orders, mailbox, monkeypatch):  # noqa: F811
    """The paid orders come first, however many unpaid checkouts strangers have added."""
    monkeypatch.setattr(dynamo, "MAX_BATCH_GET", 1)
    unpaid = [leave_unpaid(api, shop, number) for number in range(3)]
    token = open_link(api, mailbox)
    shown = [order["id"] for order in call(api, "export", token).json["orders"]]
    assert shown == sorted([*orders, *unpaid], reverse=True)
    with faults.crash_before(2, operation="Query", table="checkout-details") as crash:
        call(api, "erase", token)
    assert crash.was_triggered
    assert (NAME in stored_text(), store.list_ids_of_address(EMAIL, None)) == (False, [])
    assert sorted(store.list_ids_of_address(EMAIL, None, is_paid=False)) == sorted(unpaid)
    assert call(api, "erase", token).status == 200
    assert store.load_many_details(store.load_many([*orders, *unpaid]).values()) == {}


def test_checkouts_of_earlier_releases_are_erased(api, shop, orders, mailbox):  # noqa: F811
    unpaid = leave_unpaid(api, shop, 1)
    dynamo.update_now(store.CheckoutDetailsRow(unpaid), [store.CheckoutDetailsRow.email_key.set(EMAIL)])
    assert call(api, "erase", open_link(api, mailbox)).status == 200
    assert store.load_many_details([store.load(unpaid)]) == {}


def test_the_orders_of_an_account_take_the_account(api, shop, mailbox):  # noqa: F811
    assert register(api).status == 201
    api.post("/auth/email/verify", json={"token": mailbox.token("verify_email"), "password": PASSWORD})
    access = api.post("/auth/login", json={"email": EMAIL, "password": PASSWORD}).json["access_token"]
    order_id = api.post(f"/events/{shop[0]}/reservations", json={"tier_id": shop[1], "quantity": 1}, token=access).json["id"]
    body = {"reservation_id": order_id, "customer_email": EMAIL}
    api.post("/checkout/sessions", json=body, token=access, headers={"Idempotency-Key": "key"})
    assert api.post("/checkout/confirm", json={"checkout_id": order_id, "simulate": "success"}, token=access).status == 201
    token = open_link(api, mailbox)
    assert call(api, "export", token).json["orders"] == []
    assert call(api, "erase", token).status == 200
    assert find(api, mailbox) == [f"{order_id}-1"]


def test_a_ticket_that_was_given_away_stays_with_its_owner(api, shop, orders, mailbox):  # noqa: F811
    offered = api.post(f"/tickets/{orders[0]}-1/transfer", user="guest-1").json["token"]
    assert api.post(f"/transfers/{offered}/accept", user="bob").status == 201
    assert api.patch(f"/tickets/{orders[0]}-1", json={"attendee": {"name": "Bob"}}, user="bob").status == 200
    token = open_link(api, mailbox)
    assert f"{orders[0]}-1" not in [ticket["id"] for ticket in call(api, "export", token).json["tickets"]]
    assert call(api, "erase", token).status == 200
    assert api.get(f"/tickets/{orders[0]}-1", user="bob").json["attendee"]["name"] == "Bob"


def test_a_ticket_that_was_accepted_with_the_address_is_included(api, shop, orders, mailbox):  # noqa: F811
    offered = api.post(f"/tickets/{orders[0]}-1/transfer", user="guest-1").json["token"]
    assert api.post(f"/transfers/{offered}/accept", json={"email": "bob@example.com"}, user="guest-3").status == 201
    assert api.patch(f"/tickets/{orders[0]}-1", json={"attendee": {"name": "Bob Received"}}, user="guest-3").status == 200
    token = open_link(api, mailbox, "bob@example.com")
    shown = call(api, "export", token).json
    assert (shown["orders"], [ticket["id"] for ticket in shown["tickets"]]) == ([], [f"{orders[0]}-1"])
    assert shown["ticket_emails"] == {f"{orders[0]}-1": "bob@example.com"}
    assert call(api, "erase", token).status == 200
    assert "Bob Received" not in stored_text()
    assert store.find_owner_email(f"{orders[0]}-1") is None
    assert find(api, mailbox, "bob@example.com") == []
    assert api.get(f"/tickets/{orders[0]}-1", user="guest-3").json["state"] == "valid"


@pytest.mark.parametrize("action", ["export", "erase"])
def test_the_data_take_an_opened_link_of_the_last_fifteen_minutes(api, time, orders, mailbox, action):  # noqa: F811
    ask(api)
    mailed = mailbox.token("find_tickets")
    assert call(api, action, mailed).json["error"] == "link_expired"  # a program that reads emails must not use it
    token = follow(api, mailed).json["data_token"]
    assert follow(api, token).status == 410
    assert call(api, action, mailed).status == call(api, action, "made up").status == 410
    time.advance(900)
    assert call(api, action, token).status == 410
