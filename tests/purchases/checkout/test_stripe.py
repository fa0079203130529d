"""Payments by Stripe: each way they can go, over real HTTP with the real SDK; all of them end with the books balanced."""

import pytest
from msgspec.structs import replace

from chalicelib import settings
from chalicelib.payments.providers import stripe_client
from chalicelib.purchases.record import store
from chalicelib.purchases.settlement import cancellation
from tests import builders
from tests.simulation import faults


def state(session):
    return store.load(session["id"]).state


def test_a_paid_intent_ends_in_tickets_by_the_clients_confirmation(shop):
    session = shop.open_checkout()
    assert session["payment"]["provider"] == "stripe"
    shop.pay(session)
    reply = shop.confirm(session)
    assert (reply.status, len(reply.json["tickets"])) == (201, 2)
    again = shop.confirm(session)
    assert (again.status, again.json["tickets"]) == (200, reply.json["tickets"])
    shop.fake.deliver()
    assert {attempt.status for attempt in shop.fake.delivery_attempts} == {200}
    assert shop.received_and_kept() == (10000, 10000)


def test_the_happy_path_asks_the_provider_twice(shop):
    session = shop.open_checkout()
    assert shop.fake.request_log.counts == {"POST /v1/payment_intents": 1}
    shop.pay(session)
    shop.fake.request_log.clear()
    assert shop.confirm(session).status == 201
    assert shop.fake.request_log.counts == {"GET /v1/payment_intents/:id": 1}


def test_the_webhook_alone_is_enough(shop):
    session = shop.open_checkout()
    shop.pay(session)
    shop.fake.deliver()
    assert state(session) == "paid"
    assert shop.confirm(session).status == 200


def test_a_checkout_that_is_asked_for_again_shows_the_same_payment(shop):
    session = shop.open_checkout()
    again = builders.start_checkout(shop.api, "ada", session["id"], key="other")
    assert (again.status, again.json["payment"]) == (200, session["payment"])


def test_a_declined_card_leaves_the_hold_for_another_one(shop):
    session = shop.open_checkout()
    shop.pay(session, "pm_card_visa_chargeDeclined", expect="declined")
    shop.fake.deliver()
    refused = shop.confirm(session)
    assert (refused.status, refused.json["error"]) == (409, "payment_not_completed")
    shop.pay(session)
    assert shop.confirm(session).status == 201


def test_three_d_secure_waits_for_the_buyer(shop):
    session = shop.open_checkout()
    shop.pay(session, "pm_card_authenticationRequired", expect="requires_action")
    refused = shop.confirm(session)
    assert (refused.status, refused.json["payment_status"]) == (409, "requires_action")
    shop.fake.authenticate(shop.fetch_payment_intent(session).id, ok=True)
    assert shop.confirm(session).status == 201


def test_simulating_has_no_place_where_money_is_real(shop):
    session = shop.open_checkout()
    refused = builders.confirm(shop.api, "ada", session["id"], "success")
    assert (refused.status, refused.json["path"]) == (400, "$.simulate")


def test_what_expires_is_cancelled_first(shop):
    session = shop.open_checkout()
    shop.time.advance(181)
    builders.run_sweep()
    assert (state(session), shop.fetch_payment_intent(session).status) == ("expired", "canceled")
    shop.pay(session, expect="closed")


def test_what_was_paid_in_the_last_second_is_issued_by_whoever_comes_to_expire_it(shop):
    session = shop.open_checkout()
    shop.pay(session)
    shop.time.advance(181)
    builders.run_sweep()
    assert state(session) == "paid"


def test_a_release_cancels_the_payment_or_finds_an_order(shop):
    session = shop.open_checkout()
    assert shop.api.delete(f"/reservations/{session['id']}", user="ada").status == 200
    assert shop.fetch_payment_intent(session).status == "canceled"
    session = shop.open_checkout()
    shop.pay(session)
    refused = shop.api.delete(f"/reservations/{session['id']}", user="ada")
    assert (refused.status, refused.json["error"]) == (409, "reservation_converted")
    assert state(session) == "paid"


def lapsed_but_paid(shop, quantity=2):
    """A purchase that expired while the provider was not to be reached for the look, and whose payment came in."""
    session = shop.open_checkout(quantity=quantity)
    shop.pay(session)
    shop.expire_without_asking_stripe(session["id"])
    return session


def test_late_money_is_given_tickets_while_there_are_any(shop):
    session = lapsed_but_paid(shop)
    shop.fake.deliver()
    assert state(session) == "paid"
    assert shop.received_and_kept() == (10000, 10000)


def test_late_money_goes_back_when_nothing_is_left(shop):
    session = lapsed_but_paid(shop)
    builders.reserve(shop.api, "bob", shop.event_id, shop.tier_id, 3)
    shop.fake.deliver()
    assert state(session) == "refunded"
    assert shop.received_and_kept() == (10000, 0)
    told = shop.confirm(session)
    assert (told.status, told.json["error"]) == (409, "payment_refunded")


def test_late_money_goes_back_when_the_buyer_has_bought_otherwise(shop):
    with settings.override(event_purchase_limit=2):
        session = lapsed_but_paid(shop)
        other = shop.open_checkout()
        shop.pay(other)
        assert shop.confirm(other).status == 201
        shop.fake.deliver()
        assert (state(session), state(other)) == ("refunded", "paid")


def test_another_amount_is_never_issued(shop):
    session = shop.open_checkout()
    shop.dashboard.v1.payment_intents.update(shop.fetch_payment_intent(session).id, {"amount": 100})
    shop.pay(session)
    shop.fake.deliver()
    assert state(session) == "refunded"
    assert shop.received_and_kept() == (100, 0)


def test_money_for_a_simulated_order_goes_back(shop):
    """Somebody made a payment by hand, with an order's id in its metadata."""
    order = builders.buy(shop.api, "ada", shop.event_id, shop.tier_id, 1, provider="simulated").json["order"]
    shop.pay_in_dashboard(order["id"], 5000)
    shop.fake.deliver()
    assert (store.load(order["id"]).state, shop.received_and_kept()) == ("paid", (5000, 0))


def test_events_in_any_order_and_number_end_the_same(shop):
    session = shop.open_checkout()
    shop.pay(session)
    shop.fake.resend_event(shop.succeeded_event_id(session), copies=5)
    shop.fake.set_delivery_order("reversed")
    shop.fake.deliver()
    assert {attempt.status for attempt in shop.fake.delivery_attempts} == {200}
    assert shop.confirm(session).status == 200


def test_a_forged_a_changed_and_a_stale_webhook_are_refused(shop):
    session = shop.open_checkout()
    shop.pay(session)
    body, headers = shop.fake.signed_delivery(shop.succeeded_event_id(session))
    for bad_body, bad_headers in (
        (body, {}),
        (body, {"Stripe-Signature": "t=1,v1=00"}),
        (body + b" ", headers),
        shop.fake.signed_delivery(shop.succeeded_event_id(session), at=shop.time.now - 301),
    ):
        reply = shop.post_webhook(bad_body, bad_headers)
        assert (reply.status, reply.json["error"]) == (400, "signature_refused")
    assert state(session) == "paying"
    assert shop.post_webhook(body, headers).json == {"received": "paid"}
    assert shop.post_webhook(body, headers).json == {"received": "seen"}


def test_either_secret_verifies_while_one_is_rolled_over(shop):
    session = shop.open_checkout()
    shop.pay(session)
    both = f"whsec_{'n' * 32}, {shop.fake.webhook_secret}"
    with settings.override(stripe_webhook_secrets=both):
        assert shop.post_webhook(*shop.fake.signed_delivery(shop.succeeded_event_id(session))).status == 200
    with settings.override(stripe_webhook_secrets=""):
        assert shop.post_webhook(*shop.fake.signed_delivery(shop.succeeded_event_id(session))).status == 400


def test_a_webhook_that_fails_comes_again(shop):
    session = shop.open_checkout()
    shop.pay(session)
    shop.fake.fail_next_request("GET", "/v1/payment_intents/*", status=500, times=3)
    shop.fake.deliver(only=3)
    assert state(session) == "paying"
    shop.time.advance(300)
    shop.fake.deliver()
    assert state(session) == "paid"


# What the provider answers, and how often before the SDK gives up: it repeats what may have been a hiccup, but not "too many".
DOWN = pytest.mark.parametrize(("status", "times"), [(429, 1), (500, 3), (503, 3)])


@DOWN
def test_a_provider_that_is_down_is_a_503_and_the_next_try_goes_on(shop, status, times):
    reserved = builders.reserve(shop.api, "ada", shop.event_id, shop.tier_id, 2).json
    shop.fake.fail_next_request("POST", "/v1/payment_intents", status=status, times=times)
    refused = builders.start_checkout(shop.api, "ada", reserved["id"])
    assert (refused.status, refused.json["error"]) == (503, "payment_provider_unavailable")
    assert refused.headers["retry-after"] == "5"
    again = builders.start_checkout(shop.api, "ada", reserved["id"])
    assert again.status in (200, 201)
    assert again.json["payment"]["client_secret"]


@DOWN
def test_a_confirmation_waits_for_a_provider_that_is_down(shop, status, times):
    session = shop.open_checkout()
    shop.pay(session)
    shop.fake.fail_next_request("GET", "/v1/payment_intents/*", status=status, times=times)
    refused = shop.confirm(session)
    assert (refused.status, refused.json["error"], refused.json["retryAfterSeconds"]) == (503, "payment_provider_unavailable", 5)
    assert shop.confirm(session).status == 201


def test_a_provider_that_accepted_and_never_answered_has_taken_one_payment(shop, monkeypatch):
    monkeypatch.setattr(stripe_client, "TIMEOUT_SECONDS", 0.3)
    stripe_client._client.cache_clear()
    reserved = builders.reserve(shop.api, "ada", shop.event_id, shop.tier_id, 2).json
    shop.fake.lose_next_response("POST", "/v1/payment_intents", times=1, how="hang")
    session = builders.start_checkout(shop.api, "ada", reserved["id"]).json
    shop.pay(session)
    assert shop.confirm(session).status == 201
    calls = [call for call in shop.fake.request_log if (call.method, call.path) == ("POST", "/v1/payment_intents")]
    assert [call.replayed for call in calls] == [False, True]
    assert len(shop.dashboard.v1.payment_intents.list({"limit": 10}).data) == 1
    stripe_client._client.cache_clear()


def test_an_answer_that_was_lost_is_one_payment(shop):
    reserved = builders.reserve(shop.api, "ada", shop.event_id, shop.tier_id, 2).json
    shop.fake.lose_next_response("POST", "/v1/payment_intents", times=1)
    session = builders.start_checkout(shop.api, "ada", reserved["id"]).json
    shop.pay(session)
    assert shop.confirm(session).status == 201
    assert len(shop.dashboard.v1.payment_intents.list({"limit": 10}).data) == 1


def test_while_the_provider_is_down_nothing_expires_and_later_it_does(shop):
    session = shop.open_checkout()
    shop.time.advance(181)
    shop.fake.fail_next_request("POST", "/v1/payment_intents/*/cancel", status=500, times=3)
    assert builders.run_sweep()["undecided"] == 1
    assert state(session) == "paying"
    builders.run_sweep()
    assert state(session) == "expired"


def test_a_payment_that_stripe_does_not_know_keeps_nobody_elses_tickets(shop):
    strange, other = shop.open_checkout("ada"), shop.open_checkout("bob")
    purchase = store.load(strange["id"])
    changed = store.save(purchase, replace(purchase, payment=replace(purchase.payment, provider_id="pi_gone")))
    shop.time.advance(181)
    report = builders.run_sweep()
    assert (report["expired"], report["released"], report["undecided"]) == (1, 1, 1)
    assert (store.load(strange["id"]).state, store.load(other["id"]).state) == ("paying", "expired")
    store.save(changed, replace(changed, payment=purchase.payment))
    assert builders.run_sweep()["expired"] == 1


def test_a_provider_that_is_silent_is_asked_once_and_keeps_no_tickets_that_need_no_answer(shop):
    for user in ("ada", "bob"):
        shop.open_checkout(user, quantity=1)
    builders.reserve(shop.api, "eve", shop.event_id, shop.tier_id, 1)
    shop.time.advance(181)
    shop.fake.request_log.clear()
    shop.fake.fail_next_request("POST", "/v1/payment_intents/*/cancel", status=500, times=3)
    report = builders.run_sweep()
    assert (report["expired"], report["undecided"], report["provider_silent"]) == (1, 2, True)
    assert shop.fake.request_log.counts == {"POST /v1/payment_intents/:id/cancel": 3}
    assert builders.run_sweep()["expired"] == 2


def test_a_live_key_does_not_start_in_a_test_stage(shop):
    with pytest.raises(settings.SettingsError, match="live key"):
        stripe_client.check_key("sk_live_abc")
    with settings.override(stage="prod"), pytest.raises(settings.SettingsError, match="test key"):
        stripe_client.check_key("sk_test_abc")


def test_who_looked_before_the_payment_was_opened_cannot_end_the_purchase(shop):
    """Expiry finds no payment to cancel, the checkout opens one and the buyer pays: the expiry must look again."""
    reserved = builders.reserve(shop.api, "ada", shop.event_id, shop.tier_id, 2).json["id"]
    with faults.crash_after(1, operation="UpdateItem", table="purchases"):
        builders.start_checkout(shop.api, "ada", reserved, key="k2")
    stale = store.load(reserved)
    assert (stale.state, stale.payment.provider_id) == ("paying", None)
    session = builders.start_checkout(shop.api, "ada", reserved, key="k3").json
    shop.pay(session)
    shop.time.advance(181)
    with pytest.raises(store.Conflict):
        cancellation.cancel_purchase(stale, "expired", shop.time.now)
    builders.run_sweep()
    assert state(session) == "paid"
