"""Checkout and confirmation with payments by Stripe, on the shop's own page and on Stripe's hosted page."""

import pytest

from chalicelib.foundation import settings
from chalicelib.ledger import service as ledger
from chalicelib.payments import service as payments
from tests import builders
from tests.bootstrap.conftest import ticket
from tests.devtools.stripe.browser import visit
from tests.payment_pages import AUTHENTICATION_REQUIRED, DECLINED, PATH, RETURN_URL, on_either_page
from tests.simulation import faults


@on_either_page
def test_a_paid_checkout_is_confirmed_with_its_tickets(shop, page):
    session = shop.open_checkout(page=page, success_url=RETURN_URL)
    assert session["payment"]["provider"] == "stripe"
    assert shop.pay(session) == (RETURN_URL if page == "hosted" else None)
    reply = shop.confirm(session)
    assert (reply.status, len(reply.json["tickets"]), reply.json["checkout_session"]["state"]) == (201, 2, "completed")
    again = shop.confirm(session)
    assert (again.status, again.json["tickets"]) == (200, reply.json["tickets"])
    assert {attempt.status for attempt in shop.fake.deliver()} == {200}
    assert shop.received_and_kept() == (10_000, 10_000)


def assert_confirmed_once(shop, session):
    """The next confirm is a first one, and every later one says that it is repeated."""
    first, again = shop.confirm(session), shop.confirm(session)
    assert (first.status, again.status) == (201, 200)
    assert (first.json["message"], "idempotent" in again.json["message"]) == ("Payment received. Here are your tickets.", True)
    assert len(first.json["tickets"]) == 2
    assert first.json | {"message": ""} == again.json | {"message": ""}


@on_either_page
def test_the_first_confirmation_is_one_also_if_the_webhook_was_faster(shop, page):
    session = shop.open_checkout(page=page)
    shop.pay(session)
    assert {attempt.status for attempt in shop.fake.deliver()} == {200}
    assert shop.purchase_state(session) == "paid"
    assert_confirmed_once(shop, session)


def test_the_first_confirmation_counts_although_the_webhook_came_first(shop, monkeypatch):
    session = shop.open_checkout()
    shop.pay(session)
    fetch_payment = payments.fetch_payment

    def fetch_after_the_webhook(payment):
        monkeypatch.undo()
        shop.fake.deliver()
        return fetch_payment(payment)

    monkeypatch.setattr(payments, "fetch_payment", fetch_after_the_webhook)
    assert_confirmed_once(shop, session)


def test_the_first_confirmation_counts_although_the_sweep_came_first(shop):
    session = shop.open_checkout()
    shop.pay(session)
    shop.time.advance(181)
    builders.run_sweep()
    assert shop.purchase_state(session) == "paid"
    assert_confirmed_once(shop, session)


@pytest.mark.parametrize(("call", "status"), [(1, 201), (2, 200), (3, 200)])
def test_after_a_crashed_confirmation_another_one_shows_the_tickets(shop, call, status):
    session = shop.open_checkout()
    shop.pay(session)
    shop.fake.deliver()
    with faults.crash_after(call) as crash:
        shop.confirm(session)
    assert crash.was_triggered
    again = shop.confirm(session)
    assert (again.status, len(again.json["tickets"])) == (status, 2)


def test_a_refund_before_the_first_confirmation_stays(shop):
    session = shop.open_checkout()
    shop.pay(session)
    shop.fake.deliver()
    assert builders.refund(shop.api, session["id"], tickets=builders.ticket_ids(session["id"], 1)).status == 201
    assert shop.confirm(session).json["order"]["status"] == "partially_refunded"
    assert shop.ticket_states(session["id"]) == ["void", "valid"]


@on_either_page
def test_checkout_and_confirmation_call_stripe_once_each(shop, page):
    session = shop.open_checkout(page=page)
    assert shop.fake.request_log.counts == {f"POST {PATH[page]}": 1}
    shop.pay(session)
    shop.fake.request_log.clear()
    assert shop.confirm(session).status == 201
    assert shop.fake.request_log.counts == {f"GET {PATH[page]}/:id": 1}


@on_either_page
def test_a_repeated_checkout_shows_the_same_payment(shop, page):
    session = shop.open_checkout(page=page)
    other_options = {"page": "own" if page == "hosted" else "hosted", "success_url": "https://evil.test"}
    for again in (
        shop.request_checkout(session["id"], page=page),
        shop.request_checkout(session["id"], key="another", page=page),
        shop.request_checkout(session["id"], key="third", **other_options),
    ):
        assert (again.status, again.json["payment"]) == (200, session["payment"])
    assert shop.fake.request_log.counts[f"POST {PATH[page]}"] == 1
    assert len(shop.dashboard.v1.checkout.sessions.list().data) + len(shop.dashboard.v1.payment_intents.list().data) == 1


@on_either_page
def test_a_declined_card_leaves_the_hold_so_that_another_card_can_pay(shop, page):
    session = shop.open_checkout(page=page)
    shop.pay(session, DECLINED, expect="declined")
    shop.fake.deliver()
    refused = shop.confirm(session)
    assert (refused.status, refused.json["error"]) == (409, "payment_not_completed")
    assert refused.json["payment_status"] == "requires_payment_method"
    assert shop.purchase_state(session) == "paying"
    shop.pay(session)
    assert shop.confirm(session).status == 201
    entries = ledger.list_purchase_entries(shop.event_id, session["id"])
    assert sorted(entry.kind for entry in entries) == ["captured", "declined", "opened"]


@on_either_page
@pytest.mark.parametrize(("succeeds", "status"), [(True, 201), (False, 409)])
def test_confirmation_waits_for_3d_secure(shop, page, succeeds, status):
    session = shop.open_checkout(page=page, success_url=RETURN_URL)
    authentication_url = shop.pay(session, AUTHENTICATION_REQUIRED, expect="requires_action")
    assert {attempt.status for attempt in shop.fake.deliver()} == {200}
    waiting = shop.confirm(session)
    assert (waiting.status, waiting.json["payment_status"]) == (409, "requires_action")
    if page == "own":
        shop.fake.authenticate(shop.fetch_payment_intent(session).id, ok=succeeds)
    else:
        _, _, hosted_url = visit(authentication_url, outcome="complete" if succeeds else "fail")
        assert (visit(hosted_url)[2] == RETURN_URL) == succeeds
    assert shop.confirm(session).status == status


def test_a_payment_by_stripe_cannot_be_simulated(shop):
    session = shop.open_checkout()
    refused = builders.confirm(shop.api, "ada", session["id"], "success")
    assert (refused.status, refused.json["path"]) == (400, "$.simulate")


@on_either_page
def test_a_late_buyer_gets_503_while_stripe_is_down_and_keeps_the_hold(shop, page):
    session = shop.open_checkout(page=page)
    shop.time.advance(181)
    with settings.override(stripe_api_base="http://127.0.0.1:9"):
        for refused in (
            shop.request_checkout(session["id"], key="again"),
            builders.reserve(shop.api, "ada", shop.event_id, shop.tier_id),
        ):
            assert (refused.status, refused.json["error"]) == (503, "payment_provider_unavailable")
    assert (shop.purchase_state(session), shop.available_tickets()) == ("paying", 2)


def test_the_checkout_of_a_cancelled_event_is_refused_and_opens_no_payment(shop):
    shop.sell_tiers(ticket("fest-pass"))
    reservation_id = shop.reserve()
    shop.cancel_event()
    refused = shop.request_checkout(reservation_id)
    assert (refused.status, refused.json["error"], refused.json["event_status"]) == (409, "event_not_on_sale", "cancelled")
    assert shop.load_purchase(reservation_id).payment is None


def test_the_hosted_page_gets_the_buyers_address_or_asks_for_it(shop):
    given = shop.open_checkout("bob", page="hosted", success_url=RETURN_URL, customer_email="bob@home.test")
    assert shop.fetch_hosted_page(given).customer_email == "bob@home.test"
    asked = shop.open_checkout(page="hosted", success_url=RETURN_URL)
    for user, session, address in (("bob", given, "bob@home.test"), ("ada", asked, "ada@example.com")):
        shop.pay(session)  # on the page as ada@example.com
        assert shop.confirm(session, user).status == 201
        assert shop.api.get(f"/orders/{session['id']}", user=user).json["order"]["customer_email"] == address
    shop.fake.deliver()


def test_the_address_of_the_hosted_page_is_kept_beside_the_attendees_also_when_the_webhook_is_faster(shop):
    session = shop.open_checkout(page="hosted", success_url=RETURN_URL, attendees=[{"name": "Ada"}])
    shop.pay(session)
    shop.fake.deliver()
    order = shop.api.get(f"/orders/{session['id']}", user="ada").json["order"]
    assert (order["status"], order["customer_email"], order["attendees"]) == ("paid", "ada@example.com", [{"name": "Ada"}])


def test_an_address_that_stripe_refuses_is_asked_for_on_its_page(shop):
    session = shop.open_checkout(page="hosted", success_url=RETURN_URL, customer_email="ada@home.123")
    assert shop.fetch_hosted_page(session).customer_email is None
    shop.pay(session)
    assert shop.confirm(session).status == 201
    assert shop.api.get(f"/orders/{session['id']}", user="ada").json["order"]["customer_email"] == "ada@home.123"
