"""The orders of an event over HTTP, for who manages it."""

import pytest

from chalicelib.addons.reports import audit_views, store
from chalicelib.purchases import erasure
from tests import builders
from tests.accounts.conftest import mailbox, sign_up  # noqa: F401
from tests.addons.reports.conftest import pages
from tests.simulation import faults


def test_orders_are_listed_newest_first_and_filtered(api, event_ids):
    for event_id in event_ids:
        orders = pages(api, "/orders", "orders", event_id=event_id, limit=4)
        assert [order["id"] for order in orders] == sorted((order["id"] for order in orders), reverse=True)
        assert {order["event_id"] for order in orders} == {event_id}
        refunded = pages(api, "/orders", "orders", event_id=event_id, status="partially_refunded", limit=2)
        assert refunded == [order for order in orders if order["status"] == "partially_refunded"]
        assert pages(api, "/orders", "orders", event_id=event_id, user_id=orders[0]["user_id"]) == [orders[0]]


def test_only_managers_see_the_orders_of_an_event(api, poller, time):
    event_id, _ = builders.create_shop(api)
    coordinator = builders.auth.issue_token("cleo", {"user"}, events={event_id: "coordinator"})
    assert api.get(f"/orders?event_id={event_id}", token=coordinator).json == {"orders": [], "next_cursor": None}
    for token in (builders.staff_token(event_id), builders.token("pia", "promoter"), builders.token()):
        assert api.get(f"/orders?event_id={event_id}", token=token).status == 403
    assert api.get("/orders?event_id=nowhere", token=builders.admin_token()).status == 404


def test_a_page_with_few_matches_ends_early_with_a_cursor(api, poller, time, monkeypatch):
    from chalicelib.addons.reports import orders

    monkeypatch.setattr(orders, "MAX_ROWS_READ", 2)
    shop = builders.create_shop(api, capacity=20)
    ids = [builders.create_order(api, shop, 1, user=f"user-{number}") for number in range(5)]
    poller.drain()
    reply = api.get(f"/orders?event_id={shop[0]}&user_id=user-0", token=builders.admin_token()).json
    assert reply["orders"] == []
    assert [order["id"] for order in pages(api, "/orders", "orders", event_id=shop[0], user_id="user-0")] == ids[:1]


def test_an_order_names_its_buyer_to_the_managers_of_the_event(api, poller, time):
    shop = builders.create_shop(api)
    account = sign_up(api, "ada@example.com", first_name="Ada", last_name="Lovelace")["user"]["id"]
    nameless = sign_up(api, "kay@example.com")["user"]["id"]
    details = {"attendees": [{"name": "José Núñez"}], "customer_email": "jose@example.com"}
    bought = {
        user: builders.buy(api, user, *shop, **fields).json["order"]["id"]
        for user, fields in {account: {}, nameless: {}, "guest-1": details, "guest-2": {}}.items()
    }
    poller.drain()
    buyers = {
        account: {"name": "Ada Lovelace", "email": "ada@example.com"},
        nameless: {"name": None, "email": "kay@example.com"},
        "guest-1": {"name": "José Núñez", "email": "jose@example.com"},
        "guest-2": {"name": None, "email": None},
    }
    listed = pages(api, "/orders", "orders", event_id=shop[0])
    assert {order["user_id"]: order["buyer"] for order in listed} == buyers
    shown = api.get(f"/admin/orders/{bought[account]}", token=builders.admin_token()).json["order"]
    assert shown["buyer"] == buyers[account]
    [own] = api.get("/orders", user="guest-1").json["orders"]
    assert (own["event_name"], "buyer" in own) == ("Night", False)
    erasure.erase_personal_details(erasure.find_personal_details("guest-1"))
    [erased] = pages(api, "/orders", "orders", event_id=shop[0], user_id="guest-1")
    assert erased["buyer"] == {"name": None, "email": None}


def test_an_order_that_cannot_be_read_leaves_the_others_in_all_lists(api, poller, time):
    shop = builders.create_shop(api)
    broken, other = (builders.create_order(api, shop, 1, user=user) for user in ("ada", "bob"))
    poller.drain()
    admin, path = {"token": builders.admin_token()}, f"/events/{shop[0]}"
    with builders.unreadable(broken):
        assert [order["id"] for order in pages(api, "/orders", "orders", event_id=shop[0])] == [other]
        assert [row["order_id"] for row in api.get(f"{path}/attendees", **admin).json["attendees"]] == [other]
        assert [row["id"] for row in api.get("/orders", query={"search": other}, **admin).json["orders"]] == [other]
        assert {row["order_id"] for row in api.get(f"/admin{path}/tickets/sales", **admin).json["sales"]} >= {other}
        for list_path in (f"/admin{path}/tickets/answers", f"/admin{path}/ticket-holders"):
            assert api.get(list_path, **admin).status == 200


def test_a_page_of_orders_reads_all_its_buyers_at_once(api, poller, time):
    shop = builders.create_shop(api, capacity=20)
    for number in range(5):
        builders.create_order(api, shop, 1, user=f"user-{number}")
    poller.drain()
    with faults.record_calls("orders") as log:
        assert len(pages(api, "/orders", "orders", event_id=shop[0])) == 5
    assert log.names == ["GetItem", *["Query"] * store.LANES["list"], "BatchGetItem", "BatchGetItem", "TransactWriteItems"]


def test_admins_list_the_orders_of_one_person_for_all_events(api, poller, time):
    shops = [builders.create_shop(api) for _ in range(2)]
    bought = [builders.create_order(api, shop, 1, user="ada") for shop in shops]
    builders.create_order(api, shops[0], 1, user="bob")
    found = pages(api, "/orders", "orders", user_id="ada", limit=1)
    assert [(order["id"], order["event_id"]) for order in found] == [(bought[1], shops[1][0]), (bought[0], shops[0][0])]
    pia = builders.token("pia", "promoter")
    assert api.get("/orders", query={"user_id": "ada"}, token=pia).json["path"] == "user_id"


def test_admins_find_orders_of_all_events(api, poller, time, mailbox):  # noqa: F811
    first, second = (builders.create_shop(api) for _ in range(2))
    bought = [builders.create_order(api, shop, 1, user=user) for shop, user in ((first, "ada"), (second, "ada"), (second, "bob"))]
    erin = sign_up(api, "erin@example.com")
    bought.append(builders.create_order(api, first, 1, user=erin["user"]["id"]))
    bought.append(builders.buy(api, "guest-1", *second, 1, customer_email="Erin@Example.com").json["order"]["id"])
    poller.drain()
    number = api.get(f"/orders/{bought[2]}", user="bob").json["order"]["number"]
    [ticket] = api.get(f"/orders/{bought[1]}", user="ada").json["tickets"]
    asked = {
        bought[0]: bought[:1],
        number.lower(): bought[2:3],
        number.partition("-")[2]: [],  # without the initials
        ticket["id"]: bought[1:2],
        ticket["code"]: bought[1:2],
        "erin@example.com": [bought[4], bought[3]],
        "Ada Lovelace": [],
        " ": [],
    }
    assert {text: search(api, text) for text in asked} == asked
    assert len(read_by_admins(api, second[0])) == 4
    assert search(api, bought[0], status="refunded") == []


def test_strangers_checkouts_with_an_address_hide_no_order_from_admins(api, time):
    paid = builders.buy(api, "guest-1", *builders.create_shop(api), 1, customer_email="erin@example.com").json["order"]["id"]
    free = builders.create_shop(api, price_cents=0)
    given = builders.buy(api, "stranger", *free, 1, customer_email="erin@example.com").json["order"]["id"]
    unpaid = [builders.reserve(api, f"stranger-{number}", *free).json["id"] for number in range(3)]
    for number, order in enumerate(unpaid):
        builders.start_checkout(api, f"stranger-{number}", order, customer_email="erin@example.com")
    assert search(api, "erin@example.com", limit=1) == [paid]
    assert search(api, "erin@example.com", limit=2) == [given, paid]
    assert search(api, "erin@example.com") == [*reversed(unpaid), given, paid]


def search(api, text, **query):
    reply = api.get("/orders", query={"search": text, **query}, token=builders.admin_token())
    assert (reply.status, reply.json["next_cursor"]) == (200, None)
    return [order["id"] for order in reply.json["orders"]]


def read_by_admins(api, event_id):
    """The entries of the event's history about lists of people that somebody read."""
    query = {"action": audit_views.PEOPLE_READ}
    return api.get(f"/events/{event_id}/audit", query=query, token=builders.admin_token()).json["entries"]


@pytest.mark.parametrize("query", [{"status": "paid"}, {"user_id": "ada"}, {"limit": 101}, {"cursor": "?"}, {"event_id": "?"}, {"page": 2}])
def test_wrong_parameters_are_named(api, store, query):
    reply = api.get("/orders", query=query, user="ada")
    assert (reply.status, reply.json["path"]) == (400, next(iter(query)))


def test_orders_that_wait_for_a_decision_about_a_return_are_listed(api, poller, time):
    shop = builders.create_shop(api)
    returns = {"returns": {"policy": "refund", "needs_approval": True}}
    assert api.patch(f"/events/{shop[0]}", json=returns, token=builders.admin_token()).status == 200
    time.advance(5)
    waiting, decided, _ = (builders.create_order(api, shop, 1, user) for user in ("ada", "bob", "eve"))
    for order_id, user in ((waiting, "ada"), (decided, "bob")):
        assert api.post(f"/orders/{order_id}/return", json={}, user=user).status == 200
    declined = api.post(f"/admin/orders/{decided}/return-requests/1", json={"accept": False}, token=builders.admin_token())
    assert declined.status == 200, declined.json
    poller.drain()
    listed = pages(api, "/orders", "orders", event_id=shop[0], status="return_requested", limit=1)
    assert [order["id"] for order in listed] == [waiting]
    assert pages(api, "/orders", "orders", event_id=shop[0], status="return_requested", search=waiting) == listed
