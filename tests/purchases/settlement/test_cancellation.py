"""Cancelling a purchase cancels its payment first. A payment that has come in by then makes it an order instead."""

import threading

import pytest

from chalicelib.foundation import settings
from chalicelib.ledger import service as ledger
from chalicelib.purchases import settlement, store
from tests import builders, invariants
from tests.payment_pages import AUTHENTICATION_REQUIRED, on_either_page
from tests.simulation import faults

# Expiry and release.


@on_either_page
def test_an_expired_checkout_cannot_be_paid(shop, page):
    session = shop.open_checkout(page=page)
    shop.time.advance(181)
    builders.run_sweep()
    assert (shop.purchase_state(session), shop.is_payment_closed(session), shop.available_tickets()) == ("expired", True, 4)
    shop.pay(session, expect="closed")


def test_a_hosted_page_that_waits_for_3d_secure_is_closed_with_its_hold(shop):
    session = shop.open_checkout(page="hosted")
    shop.pay(session, AUTHENTICATION_REQUIRED, expect="requires_action")
    shop.time.advance(181)
    builders.run_sweep()
    assert (shop.purchase_state(session), shop.is_payment_closed(session), shop.available_tickets()) == ("expired", True, 4)
    shop.pay(session, expect="closed")
    shop.fake.request_log.clear()
    assert {attempt.status for attempt in shop.fake.deliver()} == {200}
    assert shop.fake.request_log.counts == {"GET /v1/payment_intents/:id": 1}
    assert shop.received_and_kept() == (0, 0)


@pytest.mark.slow
@on_either_page
def test_a_checkout_paid_in_the_last_second_becomes_an_order(shop, page):
    """A new reservation of its buyer, another request for it, and the sweep: each of them finds the payment."""
    sessions = [shop.open_checkout(user, 1, page=page) for user in ("ada", "bob", "eve")]
    for session in sessions:
        shop.pay(session)
    shop.time.advance(180)
    assert builders.reserve(shop.api, "ada", shop.event_id, shop.tier_id).status == 201
    refused = shop.request_checkout(sessions[1]["id"], "bob", key="again")
    assert (refused.status, refused.json["error"]) == (409, "reservation_converted")
    builders.run_sweep()
    assert [shop.purchase_state(session) for session in sessions] == ["paid"] * 3


def test_a_hosted_page_paid_while_it_is_being_expired_becomes_an_order(shop):
    """Stripe refuses to expire the page then, since it is complete."""
    session = shop.open_checkout(page="hosted")
    shop.time.advance(181)
    expiry = shop.fake.hold_next_request("POST", "/v1/checkout/sessions/*/expire")

    def pay_during_expiry():
        assert expiry.arrived.wait(60)
        shop.pay(session)
        expiry.release()

    buyer = threading.Thread(target=pay_during_expiry)
    buyer.start()
    builders.run_sweep()
    buyer.join()
    assert shop.purchase_state(session) == "paid"


@on_either_page
def test_releasing_a_reservation_closes_its_payment_or_finds_an_order(shop, page):
    session = shop.open_checkout(page=page)
    assert shop.api.delete(f"/reservations/{session['id']}", user="ada").status == 200
    assert (shop.is_payment_closed(session), shop.available_tickets()) == (True, 4)
    session = shop.open_checkout(page=page)
    shop.pay(session)
    refused = shop.api.delete(f"/reservations/{session['id']}", user="ada")
    assert (refused.status, refused.json["error"], shop.purchase_state(session)) == (409, "reservation_converted", "paid")


def test_a_purchase_read_before_its_payment_was_opened_cannot_be_expired(shop):
    """Expiry finds no payment to cancel, the checkout opens one and the buyer pays: the expiry must read the purchase again."""
    reservation_id = shop.reserve()
    with faults.crash_after(1, operation="UpdateItem", table="purchases"):
        shop.request_checkout(reservation_id, key="first")
    stale = shop.load_purchase(reservation_id)
    assert (stale.state, stale.payment.provider_id) == ("paying", None)
    session = shop.request_checkout(reservation_id, key="second").json
    shop.pay(session)
    shop.time.advance(181)
    with pytest.raises(store.Conflict):
        settlement.cancel_purchase(stale, "expired", shop.time.now)
    builders.run_sweep()
    assert shop.purchase_state(session) == "paid"


def test_a_purchase_read_before_its_checkout_extended_it_cannot_be_expired(api, time, event_and_tier):
    reservation_id = builders.reserve(api, "ada", *event_and_tier, 2).json["id"]
    stale = store.load(reservation_id)
    with settings.override(checkout_seconds=600):
        builders.start_checkout(api, "ada", reservation_id)
    time.advance(181)
    with pytest.raises(store.Conflict):
        settlement.cancel_purchase(stale, "expired", time.now)
    assert builders.confirm(api, "ada", reservation_id).status == 201
    invariants.check(time.now)


# Payments that are closed at Stripe.


def test_expiring_a_hosted_page_by_hand_returns_the_tickets_at_once(shop):
    session = shop.open_checkout(page="hosted")
    shop.dashboard.v1.checkout.sessions.expire(shop.fetch_hosted_page(session).id)
    shop.fake.deliver()
    assert (shop.purchase_state(session), shop.available_tickets()) == ("cancelled", 4)
    assert shop.open_checkout(page="hosted")["id"] != session["id"]


def test_a_hosted_page_closes_by_itself_when_the_sweep_does_not_run(shop):
    session = shop.open_checkout(page="hosted")
    shop.time.advance(180 + 1800 + 60)
    shop.pay(session, expect="closed")
    shop.fake.deliver()
    assert shop.purchase_state(session) == "cancelled"


def test_cancelling_another_payment_of_the_purchase_changes_nothing(shop):
    session = shop.open_checkout(page="hosted")
    params = {"amount": 10_000, "currency": "usd", "metadata": shop.fetch_hosted_page(session).metadata.to_dict()}
    shop.dashboard.v1.payment_intents.cancel(shop.dashboard.v1.payment_intents.create(params).id)
    shop.fake.deliver()
    assert (shop.purchase_state(session), shop.fetch_hosted_page(session).status) == ("paying", "open")


# Bank debits that take longer than the hold lasts.


def start_bank_debit(shop, *, fails=False):
    """Pay a hosted page by a bank account, and let the hold's time pass before the bank answers. Returns the session."""
    with settings.override(hold_seconds=5):
        session = shop.open_checkout(page="hosted")
    shop.fake.pay_session_by_bank(shop.fetch_hosted_page(session).id, fails=fails)
    shop.time.advance(6)
    assert builders.run_sweep()["undecided"] == 1
    assert (shop.purchase_state(session), shop.available_tickets()) == ("paying", 2)
    return session


def test_a_pending_bank_debit_keeps_the_hold_and_refuses_a_second_payment(shop):
    session = start_bank_debit(shop)
    for refused in (
        shop.confirm(session),
        shop.request_checkout(session["id"], key="again"),
        shop.api.delete(f"/reservations/{session['id']}", user="ada"),
    ):
        assert (refused.status, refused.json["error"], refused.json["payment_status"]) == (409, "payment_not_completed", "processing")
    refused = builders.reserve(shop.api, "ada", shop.event_id, shop.tier_id)
    assert (refused.status, refused.json["error"], refused.json["reservation_id"]) == (409, "active_reservation_exists", session["id"])
    assert (shop.purchase_state(session), shop.available_tickets()) == ("paying", 2)


def test_a_bank_debit_that_succeeds_late_makes_the_order(shop):
    session = start_bank_debit(shop)
    shop.fake.complete_pending()
    assert shop.post_newest_event("checkout.session.async_payment_succeeded") == "paid"
    assert shop.confirm(session).status == 201


def test_a_bank_debit_that_fails_returns_the_tickets_and_is_in_the_ledger(shop):
    session = start_bank_debit(shop, fails=True)
    shop.fake.complete_pending()
    shop.post_newest_event("checkout.session.async_payment_failed")
    assert (shop.purchase_state(session), shop.available_tickets()) == ("cancelled", 4)
    entries = ledger.list_purchase_entries(shop.event_id, session["id"])
    assert sorted(entry.kind for entry in entries) == ["declined", "opened"]
    assert sum(entry.amount_cents for entry in entries) == 0
    refused = shop.confirm(session)
    assert (refused.status, refused.json["error"]) == (409, "reservation_expired_or_invalid")
