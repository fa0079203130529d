"""A link, mailed to the address that tickets were bought with, shows the tickets on any device."""

import json
import re

import pytest

from chalicelib.dynamodb import dynamo
from chalicelib.edge import cursors
from chalicelib.foundation import clock, ids, settings
from chalicelib.purchases import queries, store
from tests import builders, invariants
from tests.accounts.conftest import mailbox  # noqa: F401
from tests.addons.messages.conftest import post  # noqa: F401
from tests.simulation import faults

EMAIL = "ada@example.com"


@pytest.fixture
def shop(api, time):
    return builders.create_shop(api, capacity=50)


def buy(api, shop, user, email=EMAIL, quantity=1):
    """Buy tickets as a user who typed this address. Returns the order's id."""
    reservation_id = builders.reserve(api, user, *shop, quantity=quantity).json["id"]
    builders.start_checkout(api, user, reservation_id, customer_email=email)
    assert builders.confirm(api, user, reservation_id).status == 201
    return reservation_id


def ask(api, email=EMAIL):
    return api.post("/lost-tickets", json={"email": email})


def follow(api, token):
    return api.post("/lost-tickets/open", json={"token": token})


def find(api, mailbox, email=EMAIL):  # noqa: F811
    """The ids of the tickets that a new link shows."""
    assert ask(api, email).status == 200
    reply = follow(api, mailbox.token("find_tickets"))
    assert reply.status == 200, reply.json
    return [found["ticket"]["id"] for found in reply.json["tickets"]]


def test_a_link_shows_the_tickets_of_all_visits_with_their_qr_codes(api, shop, mailbox):  # noqa: F811
    first, second = buy(api, shop, "guest-1", "Ada@Example.com", quantity=2), buy(api, shop, "guest-2")
    buy(api, shop, "guest-1", "bob@example.com")
    assert ask(api, "ADA@example.com").status == 200
    found = follow(api, mailbox.token("find_tickets")).json["tickets"]
    assert [each["ticket"]["id"] for each in found] == [f"{second}-1", f"{first}-1", f"{first}-2"]
    own = api.get(f"/orders/{second}", user="guest-2").json["tickets"][0]
    assert found[0]["ticket"]["code"] == own["code"]
    shown = api.get(f"/tickets/{second}-1/qr?format=svg", user="guest-2")
    assert found[0]["qr_svg"] == shown.body.decode()


def test_unpaid_checkouts_with_an_address_hide_no_tickets_of_its_owner(api, shop, mailbox):  # noqa: F811
    paid = buy(api, shop, "guest-1")
    other = builders.create_shop(api, capacity=1)
    for number in range(queries.MAX_OF_ADDRESS + 1):
        reserved = builders.reserve(api, f"stranger-{number}", *other)
        builders.start_checkout(api, f"stranger-{number}", reserved.json["id"], customer_email=EMAIL)
        assert api.delete(f"/reservations/{reserved.json['id']}", user=f"stranger-{number}").status == 200
    assert find(api, mailbox) == [f"{paid}-1"]


def leave_unpaid(api, shop, number, email=EMAIL):
    """Begin a checkout with an address as a new guest, and give the tickets back. Returns the id of the purchase."""
    reserved = builders.reserve(api, f"stranger-{number}", *shop).json["id"]
    assert builders.start_checkout(api, f"stranger-{number}", reserved, customer_email=email).status == 201
    assert api.delete(f"/reservations/{reserved}", user=f"stranger-{number}").status == 200
    return reserved


def test_strangers_checkouts_hide_no_paid_order_from_searches(api, shop, time, monkeypatch):
    paid = buy(api, shop, "guest-1")
    time.advance(1)
    free = builders.create_shop(api, price_cents=0)
    gifts = [buy(api, free, f"stranger-{number}") for number in range(3)]
    unpaid = [leave_unpaid(api, shop, number) for number in range(3)]
    reserved = builders.reserve(api, "stranger-0", *shop).json["id"]
    assert builders.start_checkout(api, "stranger-0", reserved, customer_email=EMAIL).status == 201  # and does not pay
    assert queries.list_order_ids_of_address(EMAIL, 20) == [paid, reserved, *reversed(unpaid), *reversed(gifts)]
    assert queries.list_order_ids_of_address(EMAIL, 4) == [paid, *reversed(gifts)]
    monkeypatch.setattr(queries, "MAX_IDS_OF_ADDRESS", 2)
    assert queries.has_paid_order(EMAIL)
    assert queries.list_order_ids_of_address(EMAIL, 1) == [paid]
    assert builders.confirm(api, "stranger-0", reserved).status == 201
    assert queries.list_order_ids_of_address(EMAIL, 2) == [reserved, paid]


def test_an_order_whose_checkout_began_in_an_earlier_release_is_found(api, shop):
    reserved = builders.reserve(api, "guest-1", *shop).json["id"]
    assert builders.start_checkout(api, "guest-1", reserved, customer_email=EMAIL).status == 201
    row = store.CheckoutDetailsRow(reserved)
    dynamo.update_now(row, [store.CheckoutDetailsRow.email_key.set(EMAIL)])
    assert not queries.has_paid_order(EMAIL)
    assert builders.confirm(api, "guest-1", reserved).status == 201
    assert queries.has_paid_order(EMAIL)


@pytest.mark.not_on_moto
def test_not_even_thousands_of_unpaid_checkouts_hide_tickets(api, shop, time, mailbox):  # noqa: F811
    paid = buy(api, shop, "guest-1")
    time.advance(1)
    dynamo.batch_put(store.CheckoutDetailsRow(ids.new_id(), email_key=EMAIL) for _ in range(2500))  # what strangers typed
    assert find(api, mailbox) == [f"{paid}-1"]


def test_a_link_shows_what_it_found_when_too_many_unpaid_checkouts_take_too_long(api, shop, time, mailbox, monkeypatch):  # noqa: F811
    older = buy(api, shop, "guest-1")
    time.advance(1)
    newer = buy(api, shop, "guest-2")
    monkeypatch.setattr(dynamo, "MAX_BATCH_GET", 1)
    assert find(api, mailbox) == [f"{newer}-1", f"{older}-1"]
    monkeypatch.setattr(queries, "SECONDS_RESERVED", settings.current().request_seconds + 1)
    assert find(api, mailbox) == [f"{newer}-1"]


@pytest.mark.slow
def test_free_tickets_with_an_address_hide_no_tickets_that_its_owner_paid_for(api, shop, mailbox):  # noqa: F811
    paid = buy(api, shop, "guest-1")
    free = builders.create_shop(api, price_cents=0, capacity=200)
    others = [buy(api, free, f"stranger-{number}", quantity=4) for number in range(26)]
    found = find(api, mailbox)
    assert len(found) == 100
    assert found[-1] == f"{paid}-1"  # the newest order still comes first
    assert found[0] == f"{others[-1]}-1"


def test_strangers_break_no_link_with_free_tickets_of_long_tours(api, shop, mailbox, monkeypatch):  # noqa: F811
    """Each ticket repeats the dates of its event, and Lambda returns at most 6 MB."""
    paid = buy(api, shop, "guest-1", quantity=2)
    tour = builders.create_event(api)
    dates = [{"id": f"d{day}", "starts_at": f"2026-09-{day:02}T18:00:00Z", "name": "x" * 100, "venue": "x" * 100} for day in range(1, 29)]
    assert api.patch(f"/events/{tour}", json={"dates": dates}, token=builders.admin_token()).status == 200
    free = tour, builders.create_tier(api, tour, price_cents=0)
    others = [buy(api, free, f"stranger-{number}", quantity=2) for number in range(2)]
    monkeypatch.setattr(cursors, "MAX_PAGE_BYTES", 35_000)
    assert ask(api).status == 200
    reply = follow(api, mailbox.token("find_tickets"))
    assert len(json.dumps(reply.json["tickets"])) < 40_000
    assert [found["ticket"]["id"] for found in reply.json["tickets"]] == [f"{others[1]}-1", f"{paid}-1", f"{paid}-2"]


def test_a_link_is_used_up_only_once_its_tickets_were_read(api, shop, mailbox):  # noqa: F811
    order_id = buy(api, shop, "guest-1")
    ask(api)
    token = mailbox.token("find_tickets")
    with faults.fail_from(1, faults.unreachable, operation="BatchGetItem"):
        assert follow(api, token).status == 503
    assert [found["ticket"]["id"] for found in follow(api, token).json["tickets"]] == [f"{order_id}-1"]


@pytest.mark.parametrize("address", ["call/+1-555-0100<ada@example.com>", "ada@example.com\n", "\U0001f600" * 252 + "@x", "ada@home"])
def test_a_checkout_takes_only_addresses_that_an_account_could_have(api, shop, address):
    reserved = builders.reserve(api, "guest-1", *shop).json["id"]
    for fields in ({"customer_email": address}, {"attendees": [{"name": "Ada", "email": address}]}):
        refused = builders.start_checkout(api, "guest-1", reserved, **fields)
        assert (refused.status, refused.json["error"]) == (400, "invalid_input"), refused.json
        assert "email" in refused.json["path"]


def test_a_link_works_once_and_for_fifteen_minutes(api, shop, time, mailbox):  # noqa: F811
    buy(api, shop, "guest-1")
    ask(api)
    used = mailbox.token("find_tickets")
    assert [follow(api, used).status for _ in range(2)] == [200, 410]
    ask(api)
    late = mailbox.token("find_tickets")
    time.advance(900)
    assert follow(api, late).json["error"] == "link_expired"
    assert follow(api, "made up").status == 410


def test_links_of_other_mails_show_no_tickets(api, shop, mailbox):  # noqa: F811
    buy(api, shop, "guest-1")
    assert api.post("/auth/register", json={"email": EMAIL, "password": "seven grey owls"}).status == 201
    assert follow(api, mailbox.token("verify_email")).status == 410
    ask(api)
    token = mailbox.token("find_tickets")
    assert api.post("/auth/email/verify", json={"token": token}).status == 410
    assert api.post("/auth/password/reset", json={"token": token, "password": "nine green herons"}).status == 410


def test_the_reply_and_the_work_do_not_say_whether_there_are_tickets(api, shop, mailbox):  # noqa: F811
    buy(api, shop, "guest-1")
    replies, works = [], []
    for email in (EMAIL, "eve@example.com"):
        with faults.record_calls() as log:
            replies.append(ask(api, email))
        works.append(list(log))
    assert (replies[0].status, replies[0].json) == (replies[1].status, replies[1].json)
    assert works[0] == works[1]
    assert mailbox.kinds("eve@example.com") == mailbox.kinds() == ["find_tickets"]
    assert find(api, mailbox, "eve@example.com") == []


def test_an_address_gets_few_mails(api, time, mailbox):  # noqa: F811
    with settings.override(rate_limits="on", limit_mail="2/900"):
        assert [ask(api, email).status for email in (EMAIL, EMAIL.upper(), EMAIL, "bob@example.com")] == [200, 200, 429, 200]
    assert len(mailbox.kinds()) == 2


def test_only_tickets_that_the_buyer_still_has_are_shown(api, shop, mailbox):  # noqa: F811
    order_id = buy(api, shop, "guest-1", quantity=3)
    unpaid = builders.reserve(api, "guest-2", *shop).json["id"]
    builders.start_checkout(api, "guest-2", unpaid, customer_email=EMAIL)
    offered = api.post(f"/tickets/{order_id}-1/transfer", user="guest-1").json["token"]
    assert api.post(f"/transfers/{offered}/accept", user="bob").status == 201
    assert builders.refund(api, order_id, tickets=[f"{order_id}-2"]).status == 201
    assert find(api, mailbox) == [f"{order_id}-3"]


def give(api, ticket_id, giver, receiver, **body):
    """Transfer a ticket, and accept it with what `body` says."""
    token = api.post(f"/tickets/{ticket_id}/transfer", user=giver).json["token"]
    reply = api.post(f"/transfers/{token}/accept", user=receiver, **({"json": body} if body else {}))
    assert reply.status == 201, reply.json


def test_a_received_ticket_is_found_with_the_address_of_its_present_owner_only(api, shop, mailbox):  # noqa: F811
    order_id = buy(api, shop, "guest-1", "giver@example.com", quantity=2)
    give(api, f"{order_id}-1", "guest-1", "guest-2", email="Ada@Example.com")
    own = buy(api, shop, "guest-3")
    assert find(api, mailbox) == [f"{own}-1", f"{order_id}-1"]
    assert find(api, mailbox, "giver@example.com") == [f"{order_id}-2"]
    give(api, f"{order_id}-1", "guest-2", "guest-4", email="eve@example.com")
    assert (find(api, mailbox), find(api, mailbox, "eve@example.com")) == ([f"{own}-1"], [f"{order_id}-1"])
    give(api, f"{order_id}-1", "guest-4", "guest-5")  # an older client sends no address
    assert find(api, mailbox, "eve@example.com") == []
    give(api, f"{order_id}-1", "guest-5", "guest-1", email="giver@example.com")  # back with its buyer
    assert find(api, mailbox, "giver@example.com") == [f"{order_id}-1", f"{order_id}-2"]
    assert builders.refund(api, order_id, tickets=[f"{order_id}-1"]).status == 201
    assert find(api, mailbox, "giver@example.com") == [f"{order_id}-2"]
    invariants.check(clock.now())


@pytest.mark.parametrize("email", ["", "nobody", "two words@example.com", 5, "x" * 250 + "@example.com"])
def test_a_ticket_is_not_accepted_with_what_is_no_address(api, shop, email):
    order_id = buy(api, shop, "guest-1")
    token = api.post(f"/tickets/{order_id}-1/transfer", user="guest-1").json["token"]
    reply = api.post(f"/transfers/{token}/accept", user="guest-2", json={"email": email})
    assert (reply.status, reply.json["error"], reply.json["path"]) == (400, "invalid_input", "$.email")
    assert api.get("/me/tickets", user="guest-2").json["count"] == 0


def test_an_address_gets_few_transferred_tickets(api, shop, time):
    order_id = buy(api, shop, "guest-1", quantity=3)
    with settings.override(rate_limits="on", limit_mail="2/900"):
        statuses = []
        for number in (1, 2, 3):
            token = api.post(f"/tickets/{order_id}-{number}/transfer", user="guest-1").json["token"]
            statuses.append(api.post(f"/transfers/{token}/accept", user="guest-2", json={"email": "eve@example.com"}).status)
    assert statuses == [201, 201, 429]


def test_the_address_of_a_received_ticket_is_exported_and_erased(api, shop, mailbox):  # noqa: F811
    order_id = buy(api, shop, "guest-1", "giver@example.com")
    guest = api.post("/auth/guest").json["access_token"]
    token = api.post(f"/tickets/{order_id}-1/transfer", user="guest-1").json["token"]
    assert api.post(f"/transfers/{token}/accept", token=guest, json={"email": EMAIL}).status == 201
    assert api.get("/me/export", token=guest).json["ticket_emails"] == {f"{order_id}-1": EMAIL}
    assert api.delete("/auth/me", json={}, token=guest).status == 200
    assert find(api, mailbox) == []
    assert store.list_ids_of_address(EMAIL, 10) == []


def test_an_erased_buyers_tickets_are_not_found(api, shop, mailbox):  # noqa: F811
    token = api.post("/auth/guest").json["access_token"]
    reservation = api.post(f"/events/{shop[0]}/reservations", json={"tier_id": shop[1], "quantity": 1}, token=token).json["id"]
    body = {"reservation_id": reservation, "customer_email": EMAIL}
    assert api.post("/checkout/sessions", json=body, token=token, headers={"Idempotency-Key": "key"}).status == 201
    assert api.post("/checkout/confirm", json={"checkout_id": reservation, "simulate": "success"}, token=token).status == 201
    assert find(api, mailbox) == [f"{reservation}-1"]
    assert api.delete("/auth/me", json={}, token=token).status == 200
    assert find(api, mailbox) == []
    assert store.list_ids_of_address(EMAIL, 10) == []


# ------------------------------------------------------------------ the link in the email with the tickets
def order_link(mail):
    """The token in the link of an email with tickets."""
    return re.search(r"/find-tickets#token=(\S+)", mail.get_body(("plain",)).get_content())[1]


@pytest.mark.needs_addon
def test_the_email_with_the_tickets_opens_its_order_on_any_device_and_as_often_as_needed(post, api, shop):  # noqa: F811
    order_id = buy(api, shop, "guest-1", quantity=2)
    buy(api, shop, "guest-1", "bob@example.com")
    [token] = [order_link(mail) for mail in post.deliver() if mail["To"] == EMAIL]
    for _ in range(2):
        reply = follow(api, token)
        assert [found["ticket"]["id"] for found in reply.json["tickets"]] == [f"{order_id}-1", f"{order_id}-2"]
    forged = f"{token[:-1]}{'0' if token[-1] != '0' else '1'}"
    for wrong in (forged, token.replace(order_id, "01KT1GW6G0000000000000000X"), ".", f".{token}"):
        assert follow(api, wrong).json["error"] == "link_expired", wrong


@pytest.mark.needs_addon
def test_a_corrected_address_revokes_the_link_for_the_wrong_one(post, api, shop):  # noqa: F811
    order_id = buy(api, shop, "guest-1", "ada@exmaple.com")
    [old] = map(order_link, post.deliver())
    assert api.put(f"/admin/orders/{order_id}/email", json={"email": EMAIL}, token=builders.admin_token()).status == 200
    new = order_link(post.deliver()[-1])
    assert [follow(api, old).status, follow(api, new).status] == [410, 200]


@pytest.mark.needs_addon
def test_a_link_shows_no_ticket_that_was_refunded_or_given_away(post, api, shop):  # noqa: F811
    order_id = buy(api, shop, "guest-1", quantity=3)
    [token] = map(order_link, post.deliver())
    assert builders.refund(api, order_id, tickets=[f"{order_id}-1"]).status == 201
    offer = api.post(f"/tickets/{order_id}-2/transfer", user="guest-1").json
    assert api.post(f"/transfers/{offer['token']}/accept", user="bob").status == 201
    assert [found["ticket"]["id"] for found in follow(api, token).json["tickets"]] == [f"{order_id}-3"]
