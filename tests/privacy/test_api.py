"""What is kept about a person, and its erasure: orders stay for the books, the person does not."""

import json

import pytest
from msgspec.structs import replace

from chalicelib.accounts import members
from chalicelib.dynamodb import dynamo
from chalicelib.edge import cursors
from chalicelib.purchases import store
from chalicelib.tickets import service as tickets
from chalicelib.tickets.model import Attendee, HolderErased
from chalicelib.tickets.store import TicketRow
from infra import tables
from tests import builders, invariants
from tests.accounts.conftest import EMAIL, PASSWORD, log_in, mailbox, refresh, register, sign_up  # noqa: F401
from tests.simulation import faults

PHONE, RESPONSE, ATTENDEE = "+49 30 5550199", "allergic to nuts", "Lovelace-Byron"
PERSONAL = [EMAIL, PHONE, RESPONSE, ATTENDEE]


@pytest.fixture
def buyer(api, time, mailbox) -> dict:  # noqa: F811
    """A buyer with an account, an order with details, a refunded ticket, names on both tickets, and a role at an event."""
    shop = builders.create_promoted_shop("nora")
    tokens = sign_up(api, phone=PHONE, first_name="Ada", last_name=ATTENDEE)
    api.post("/auth/email/verify", json={"token": mailbox.token("verify_email"), "password": PASSWORD})
    token = tokens["access_token"]
    reserved = api.post(f"/events/{shop[0]}/reservations", json={"tier_id": shop[1], "quantity": 2}, token=token).json["id"]
    body = {"reservation_id": reserved, "customer_email": EMAIL, "responses": {"note": RESPONSE}}
    assert api.post("/checkout/sessions", json=body, token=token, headers={"Idempotency-Key": "k"}).status == 201
    paid = api.post("/checkout/confirm", json={"checkout_id": reserved, "simulate": "success"}, token=token).json
    for ticket in paid["tickets"]:
        api.patch(f"/tickets/{ticket['id']}", json={"attendee": {"name": ATTENDEE}}, token=token)
    assert builders.refund(api, reserved, tickets=[paid["tickets"][0]["id"]], note=f"Call {PHONE}, she is {RESPONSE}").status == 201
    builders.appoint(shop[0], EMAIL, "staff", "nora", time.now)
    return refresh(api, tokens["refresh_token"]).json | {"order": reserved}


def erase(api, tokens, password=PASSWORD):
    return api.delete("/auth/me", json={} if password is None else {"password": password}, token=tokens["access_token"])


def stored_text() -> str:
    """Everything in all tables, except replies to Idempotency-Keys, which expire within a day."""
    items = []
    for feature in tables.definitions():
        if feature != "idempotency":
            items += dynamo.client().scan(TableName=dynamo.table_name(feature))["Items"]
    return json.dumps(items, default=repr)


def test_an_export_has_all_that_is_kept(api, buyer):
    export = api.get("/me/export", token=buyer["access_token"]).json
    assert (export["user"]["email"], export["user"]["phone"], export["promoter"]) == (EMAIL, PHONE, None)
    assert [(membership["event_id"], membership["role"]) for membership in export["memberships"]] == [("fest", "staff")]
    [order] = export["orders"]
    assert (order["id"], order["customer_email"], order["responses"]) == (buyer["order"], EMAIL, {"note": RESPONSE})
    assert sorted((ticket["state"], ticket["attendee"]["name"]) for ticket in export["tickets"]) == [
        ("valid", ATTENDEE),
        ("void", ATTENDEE),
    ]
    other = api.get("/me/export", user="eve").json
    assert (other["orders"], other["tickets"], other["memberships"]) == ([], [], [])


@pytest.mark.parametrize("limit", [1, 100])
def test_an_export_of_many_orders_has_pages_with_the_tickets_of_each(api, time, monkeypatch, limit):
    if limit == 100:
        monkeypatch.setattr(cursors, "MAX_PAGE_BYTES", 100)  # the tickets of a long tour exceed it
    event_id, tier_id = builders.create_promoted_shop("nora")
    bought = [builders.buy(api, "ada", event_id, tier_id, 2).json for _ in range(2)]
    given = builders.buy(api, "bob", event_id, tier_id).json["tickets"][0]["id"]
    accept = api.post(f"/tickets/{given}/transfer", user="bob").json["token"]
    assert api.post(f"/transfers/{accept}/accept", user="ada").status == 201
    orders, tickets, query = [], [], {"limit": limit}
    while query.get("cursor", "") is not None:
        page = api.get("/me/export", query=query, user="ada").json
        assert len(page["orders"]) <= 1
        orders += [order["id"] for order in page["orders"]]
        tickets += [ticket["id"] for ticket in page["tickets"]]
        query["cursor"] = page["next_cursor"]
    assert orders == sorted((order["order"]["id"] for order in bought), reverse=True)
    assert sorted(tickets) == sorted([ticket["id"] for order in bought for ticket in order["tickets"]] + [given])


def test_nothing_of_a_person_is_left_but_the_order_and_the_money_are(api, time, buyer):
    assert all(text in stored_text() for text in PERSONAL)
    assert erase(api, buyer).status == 200
    assert [text for text in [*PERSONAL, members.member_id(EMAIL)] if text in stored_text()] == []
    assert log_in(api).status == refresh(api, buyer["refresh_token"]).status == 401
    order = api.get(f"/admin/orders/{buyer['order']}", token=builders.admin_token()).json
    assert (order["order"]["user_id"], order["order"]["total_price_cents"]) == (buyer["user"]["id"], 10_000)
    invariants.check(time.now)
    assert erase(api, buyer).status == 200  # the access token lives on for minutes: nothing is left to delete
    assert builders.refund(api, buyer["order"], key="2", note=f"Call {PHONE}").status == 201
    assert PHONE not in stored_text()


def test_a_note_that_an_earlier_release_kept_after_an_erasure_is_shown_to_nobody(api, buyer):
    before = store.load(buyer["order"])
    assert erase(api, buyer).status == 200
    erased = store.load(buyer["order"])
    store.save(erased, replace(erased, refunds=before.refunds))
    [refund] = api.get(f"/admin/orders/{buyer['order']}", token=builders.admin_token()).json["refunds"]
    assert (refund["id"], refund["note"]) == (before.refunds[0].id, None)


STRANGER = "Eve Stranger"


def leave_unpaid(api, shop, email, name, **who):
    """Begin a checkout with an address and a name, and end it without a payment."""
    reserved = api.post(f"/events/{shop[0]}/reservations", json={"tier_id": shop[1], "quantity": 1}, **who).json["id"]
    body = {"reservation_id": reserved, "customer_email": email, "attendees": [{"name": name}]}
    assert api.post("/checkout/sessions", json=body, headers={"Idempotency-Key": reserved}, **who).status == 201
    assert api.post("/checkout/confirm", json={"checkout_id": reserved, "simulate": "fail"}, **who).status == 200


def test_unpaid_checkouts_with_the_address_of_the_account_are_erased(api, buyer):
    shop = builders.create_shop(api)
    leave_unpaid(api, shop, EMAIL.upper(), ATTENDEE, token=buyer["access_token"])
    leave_unpaid(api, shop, EMAIL, STRANGER, user="eve")
    assert erase(api, buyer).status == 200
    assert (ATTENDEE in stored_text(), EMAIL.upper() in stored_text(), STRANGER in stored_text()) == (False, False, True)


def test_an_erasure_reads_no_checkouts_of_strangers_with_the_address_of_the_account(api, buyer):
    shop = builders.create_shop(api)
    leave_unpaid(api, shop, "another@example.com", ATTENDEE, token=buyer["access_token"])
    for number in range(3):
        leave_unpaid(api, shop, EMAIL, STRANGER, user=f"eve-{number}")
    with faults.record_calls() as calls:
        assert erase(api, buyer).status == 200
    read = {key["id"]["S"] for entry in calls.of("BatchGetItem", "purchases") for key in entry.keys}
    assert len(read) == 2, "the order and the own unpaid checkout"
    assert [text for text in (ATTENDEE, "another@example.com") if text in stored_text()] == []


def test_unpaid_checkouts_of_earlier_releases_are_erased(api, buyer):
    """These are found by the address of the account."""
    leave_unpaid(api, builders.create_shop(api), EMAIL, STRANGER, token=buyer["access_token"])
    for row in store.CheckoutDetailsRow.scan():
        if row.id.endswith(store.UNPAID_OF_USER):
            row.delete()
        elif row.email_key.endswith(store.UNPAID):
            dynamo.update_now(row, [store.CheckoutDetailsRow.email_key.set(EMAIL)])
    assert erase(api, buyer).status == 200
    assert STRANGER not in stored_text()


def test_a_payment_during_an_erasure_restores_no_details(api, time, monkeypatch):
    """The payment reads the details after the purchase was marked as erased, and before they are erased."""
    shop, guest = builders.create_shop(api), api.post("/auth/guest").json
    order_id = builders.reserve(api, guest["user"]["id"], *shop).json["id"]
    assert builders.start_checkout(api, guest["user"]["id"], order_id, customer_email=EMAIL, responses={"note": RESPONSE}).status == 201
    with faults.crash_before(1, operation="UpdateItem", table="checkout-details") as crash:
        erase(api, guest, None)
    assert crash.was_triggered
    load = store.load_details

    def load_and_erase(purchase):
        details = load(purchase)
        if purchase.is_erased:
            store.erase_details(purchase.id)
        return details

    monkeypatch.setattr(store, "load_details", load_and_erase)
    assert builders.confirm(api, guest["user"]["id"], order_id).status == 201
    assert RESPONSE not in stored_text()
    invariants.check(time.now)


def test_a_guests_unpaid_checkouts_with_the_address_of_an_order_are_erased(api, time):
    shop, guest = builders.create_shop(api), api.post("/auth/guest").json
    leave_unpaid(api, shop, EMAIL, ATTENDEE, token=guest["access_token"])
    assert builders.buy(api, guest["user"]["id"], *shop, customer_email=EMAIL).status == 201
    assert erase(api, guest, None).status == 200
    assert [text for text in (EMAIL, ATTENDEE) if text in stored_text()] == []


def test_unpaid_checkouts_from_before_the_orders_moved_to_the_account_are_erased(api, buyer):
    shop, guest = builders.create_shop(api), api.post("/auth/guest").json
    leave_unpaid(api, shop, EMAIL, STRANGER, token=guest["access_token"])
    assert builders.buy(api, guest["user"]["id"], *shop, customer_email=EMAIL).status == 201
    move = {"refresh_token": guest["refresh_token"]}
    assert api.post("/auth/guest/orders", json=move, token=buyer["access_token"]).status == 200
    assert erase(api, buyer).status == 200
    assert [text for text in (EMAIL, STRANGER) if text in stored_text()] == []


def test_nobody_names_a_ticket_again_whose_holder_was_erased(api, buyer):
    ticket_id = f"{buyer['order']}-2"
    erase(api, buyer)
    named = [
        api.patch(f"/tickets/{ticket_id}", json={"attendee": {"name": ATTENDEE}}, token=buyer["access_token"]),
        rename_as_staff(api, buyer["order"], ticket_id),
    ]
    assert [(reply.status, reply.json["error"]) for reply in named] == [(409, "ticket_holder_erased")] * 2
    assert ATTENDEE not in stored_text()


def test_a_new_owner_of_a_ticket_may_have_a_name_until_an_erasure(api, time, buyer):
    ticket_id = f"{buyer['order']}-2"
    transfer = api.post(f"/tickets/{ticket_id}/transfer", token=buyer["access_token"]).json["token"]
    erase(api, buyer)
    guest = api.post("/auth/guest").json
    assert api.post(f"/transfers/{transfer}/accept", token=guest["access_token"]).status == 201
    assert rename_as_staff(api, buyer["order"], ticket_id).status == 200
    assert erase(api, guest, None).status == 200
    assert rename_as_staff(api, buyer["order"], ticket_id).json["error"] == "ticket_holder_erased"


def test_a_ticket_that_is_named_during_an_erasure_stays_nameless(api, buyer):
    """An order whose tickets got their names while its data was being erased, or before tickets knew of it."""
    ticket_id = f"{buyer['order']}-2"
    ticket = tickets.get_ticket(ticket_id)
    erase(api, buyer)
    with pytest.raises(HolderErased):
        tickets.change_attendee(ticket, Attendee(ATTENDEE), 0)
    dynamo.transact([dynamo.transact_update(TicketRow(ticket_id), [TicketRow.erased_at.remove()])])
    assert rename_as_staff(api, buyer["order"], ticket_id).json["error"] == "ticket_holder_erased"


def rename_as_staff(api, order_id, ticket_id):
    path = f"/admin/orders/{order_id}/tickets/{ticket_id}/name"
    return api.put(path, json={"name": ATTENDEE}, token=builders.admin_token())


def test_an_address_is_free_again_for_somebody_new(api, buyer):
    erase(api, buyer)
    tokens = sign_up(api)
    assert tokens["user"]["id"] != buyer["user"]["id"]
    assert api.get("/me/tickets", token=tokens["access_token"]).json["count"] == 0


def test_event_roles_of_an_address_stay_with_its_owner_until_it_is_verified(api, time, mailbox):  # noqa: F811
    event_id, _ = builders.create_promoted_shop("nora")
    builders.appoint(event_id, EMAIL, "staff", "nora", time.now)
    guest = api.post("/auth/guest").json["access_token"]
    assert register(api, token=guest).status == 201
    assert api.get("/me/export", token=guest).json["memberships"] == []
    assert api.delete("/auth/me", json={"password": PASSWORD}, token=guest).status == 200
    assert [membership.event_id for membership in members.list_memberships(EMAIL)] == [event_id]


def test_an_erasure_deletes_more_roles_than_a_token_can_name(api, buyer, time, monkeypatch):
    for number in range(3):
        builders.appoint(f"event-{number}", EMAIL, "staff", "nora", time.now)
    monkeypatch.setattr(members, "MAX_EVENTS", 2)
    exported = api.get("/me/export", token=buyer["access_token"]).json["memberships"]
    assert [membership["event_id"] for membership in exported] == ["event-0", "event-1", "event-2", "fest"]
    assert erase(api, buyer).status == 200
    assert list(members.list_memberships(EMAIL)) == []


@pytest.mark.parametrize("password", [None, "not the password"])
def test_an_erasure_needs_the_password(api, buyer, password):
    reply = erase(api, buyer, password)
    assert (reply.status, reply.json["error"]) == (403, "wrong_password")
    assert log_in(api).status == 200


def test_a_guest_is_erased_without_one(api, time):
    token = api.post("/auth/guest").json["access_token"]
    assert api.delete("/auth/me", token=token).status == 200


def test_an_erasure_ends_the_sessions_and_revives_none(api, time):
    """After the erasure, the user has no account, like a guest: the guest's session from before the registration must not count again."""
    guest = api.post("/auth/guest").json
    assert api.post("/auth/register", json={"email": EMAIL, "password": PASSWORD}, token=guest["access_token"]).status == 201
    tokens = log_in(api).json
    assert tokens["user"]["id"] == guest["user"]["id"]
    assert erase(api, tokens).status == 200
    assert [refresh(api, old["refresh_token"]).status for old in (guest, tokens)] == [401, 401]
    assert dynamo.client().scan(TableName=dynamo.table_name("sessions"))["Items"] == []


def test_the_session_of_an_erased_guest_is_deleted(api, time):
    guest = api.post("/auth/guest").json
    assert erase(api, guest, None).status == 200
    assert refresh(api, guest["refresh_token"]).status == 401


def test_a_moved_guest_leaves_no_device_behind(api, time):
    guest, tokens = api.post("/auth/guest", headers={"User-Agent": "Lynx of Ada"}).json, sign_up(api)
    move = {"refresh_token": guest["refresh_token"]}
    assert api.post("/auth/guest/orders", json=move, token=tokens["access_token"]).status == 200
    assert "Lynx of Ada" not in stored_text()


def test_a_promoter_is_erased_once_their_events_are_over(api, time):
    promoter = sign_up(api, "nights@example.com", role="promoter", company="Nightly Ltd")
    builders.create_promoted_shop(promoter["user"]["id"])
    refused = erase(api, promoter)
    assert (refused.status, refused.json["error"]) == (409, "promoter_has_events")
    time.advance(200 * 86_400)
    promoter = log_in(api, "nights@example.com").json
    profile = {"name": "Nightly & Sons", "email": "nora.vale@example.com", "description": "Call Nora Vale"}
    assert api.put(f"/promoters/{promoter['user']['id']}", json=profile, token=promoter["access_token"]).status == 200
    assert erase(api, promoter).status == 200
    assert [text for text in ("Nightly", "nora.vale", "Nora Vale") if text in stored_text()] == []


def test_an_erasure_that_crashed_can_be_repeated(api, time, buyer):
    number = 0
    while True:
        number += 1
        time.advance(25)  # a crashed attempt counts like a wrong password, so that the next one may have to wait
        with faults.crash_after(number) as crash:
            reply = erase(api, buyer)
        if not crash.was_triggered:
            break
    assert reply.status == 200
    assert number > 10  # calls to the store
    assert [text for text in PERSONAL if text in stored_text()] == []
