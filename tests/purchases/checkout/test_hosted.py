"""Money that Stripe's own page takes: each way it can go, over real HTTP with the real SDK and a buyer who fills in the page."""

import threading

import pytest

from chalicelib import log, settings
from chalicelib.catalog import service as catalog
from chalicelib.inventory import service as inventory
from chalicelib.ledger import service as ledger
from chalicelib.purchases.record import store
from tests import builders
from tests.bootstrap.conftest import ticket
from tests.devtools.stripe.browser import visit
from tests.stripe_shop import AUTHENTICATION_REQUIRED, DECLINED

BACK = "https://shop.test/thanks"
CHALLENGED = AUTHENTICATION_REQUIRED


def state(session):
    return store.load(session["id"]).state


def available(shop):
    tier = catalog.load_current().tiers[shop.tier_id]
    return sum(shard.available for shard in inventory.scan_shards() if shard.id.rpartition("#")[0] == tier.stock_id)


def told(shop, kind):
    """The newest event of that kind, signed."""
    return shop.fake.signed_delivery(shop.fake.events(kind)[-1]["id"])


def test_paid_on_the_page_then_confirmed_by_the_client(shop):
    session = shop.open_checkout(success_url=BACK)
    assert shop.pay_on_hosted_page(session)[::2] == (303, BACK)
    reply = shop.confirm(session)
    assert (reply.status, len(reply.json["tickets"]), reply.json["checkout_session"]["status"]) == (201, 2, "completed")
    again = shop.confirm(session)
    assert (again.status, again.json["tickets"]) == (200, reply.json["tickets"])
    assert shop.received_and_kept() == (10000, 10000)


def test_the_happy_path_asks_the_provider_twice_and_its_webhooks_not_at_all(shop):
    session = shop.open_checkout(page="hosted")
    assert shop.fake.request_log.counts == {"POST /v1/checkout/sessions": 1}
    shop.pay_on_hosted_page(session)
    shop.fake.request_log.clear()
    assert shop.confirm(session).status == 201
    assert shop.fake.request_log.counts == {"GET /v1/checkout/sessions/:id": 1}
    shop.fake.request_log.clear()
    assert {attempt.status for attempt in shop.fake.deliver()} == {200}
    assert shop.fake.request_log.counts == {}


def test_the_webhook_alone_is_enough(shop):
    session = shop.open_checkout(page="hosted")
    shop.pay_on_hosted_page(session)
    shop.fake.request_log.clear()
    assert shop.post_webhook(*told(shop, "checkout.session.completed")).json == {"received": "paid"}
    assert shop.fake.request_log.counts == {"GET /v1/checkout/sessions/:id": 1}
    assert shop.confirm(session).status == 200


@pytest.mark.parametrize("kinds", [["payment_intent.succeeded"], ["payment_intent.succeeded", "checkout.session.completed"], []])
@pytest.mark.parametrize("copies", [1, 3])
def test_webhooks_of_one_payment_in_any_order_and_number_are_one_order(shop, kinds, copies):
    session = shop.open_checkout(page="hosted")
    shop.pay_on_hosted_page(session)
    for kind in kinds * copies:
        assert shop.post_webhook(*told(shop, kind)).status == 200
    shop.fake.set_delivery_order("reversed")
    for event in shop.fake.events():
        shop.fake.resend_event(event["id"], copies=copies)
    assert {attempt.status for attempt in shop.fake.deliver()} == {200}
    assert (state(session), shop.confirm(session).status) == ("paid", 200)
    assert shop.received_and_kept() == (10000, 10000)


def test_declined_then_paid_on_the_same_page(shop):
    session = shop.open_checkout(success_url=BACK)
    status, html, _ = shop.pay_on_hosted_page(session, DECLINED)
    assert (status, "insufficient funds" in html) == (402, True)
    refused = shop.confirm(session)
    assert (refused.status, refused.json["error"], refused.json["payment_status"]) == (
        409,
        "payment_not_completed",
        "requires_payment_method",
    )
    shop.fake.deliver()
    assert state(session) == "paying"
    assert shop.pay_on_hosted_page(session)[2] == BACK
    assert shop.confirm(session).status == 201
    kinds = [one.kind for one in ledger.list_purchase_entries(shop.event_id, session["id"])]
    assert sorted(kinds) == ["captured", "declined", "opened"]


@pytest.mark.parametrize(("outcome", "status"), [("complete", 201), ("fail", 409)])
def test_three_d_secure_waits_for_the_buyer(shop, outcome, status):
    session = shop.open_checkout(success_url=BACK)
    _, _, bank = shop.pay_on_hosted_page(session, CHALLENGED)
    assert {attempt.status for attempt in shop.fake.deliver()} == {200}
    waiting = shop.confirm(session)
    assert (waiting.status, waiting.json["payment_status"]) == (409, "requires_action")
    _, _, returned = visit(bank, outcome=outcome)
    assert (visit(returned)[2] == BACK) == (outcome == "complete")
    assert shop.confirm(session).status == status


def test_an_abandoned_page_is_expired_with_its_hold_and_cannot_be_paid_any_more(shop):
    session = shop.open_checkout(page="hosted")
    shop.pay_on_hosted_page(session, CHALLENGED)
    shop.time.advance(181)
    builders.run_sweep()
    assert (state(session), shop.fetch_hosted_page(session).status, available(shop)) == ("expired", "expired", 4)
    assert shop.pay_on_hosted_page(session)[0] == 410
    shop.fake.request_log.clear()
    assert {attempt.status for attempt in shop.fake.deliver()} == {200}
    assert shop.fake.request_log.counts == {"GET /v1/payment_intents/:id": 1}
    assert shop.received_and_kept() == (0, 0)


def test_what_was_paid_in_the_last_second_is_issued_by_whoever_comes_to_expire_it(shop):
    sessions = [shop.open_checkout(user, 1, page="hosted") for user in ("ada", "bob", "eve")]
    for session in sessions:
        shop.pay_on_hosted_page(session)
    shop.time.advance(180)
    assert builders.reserve(shop.api, "ada", shop.event_id, shop.tier_id).status == 201
    told = shop.request_checkout(sessions[1]["id"], "bob", key="again")
    assert (told.status, told.json["error"]) == (409, "reservation_converted")
    builders.run_sweep()
    assert [state(session) for session in sessions] == ["paid"] * 3
    shop.api.delete(f"/reservations/{store.load_buyer('ada', shop.event_id).active_id}", user="ada")


def test_what_is_paid_while_its_expiry_is_under_way_is_an_order(shop):
    """Stripe refuses to expire the page then, since it is complete."""
    session = shop.open_checkout(page="hosted")
    shop.time.advance(181)
    expiring = shop.fake.hold_next_request("POST", "/v1/checkout/sessions/*/expire")

    def buyer():
        assert expiring.arrived.wait(5)
        shop.pay_on_hosted_page(session)
        expiring.release()

    paying = threading.Thread(target=buyer)
    paying.start()
    builders.run_sweep()
    paying.join()
    assert state(session) == "paid"


def test_a_release_expires_the_page_or_finds_an_order(shop):
    session = shop.open_checkout(page="hosted")
    assert shop.api.delete(f"/reservations/{session['id']}", user="ada").status == 200
    assert (shop.fetch_hosted_page(session).status, available(shop)) == ("expired", 4)
    session = shop.open_checkout(page="hosted")
    shop.pay_on_hosted_page(session)
    refused = shop.api.delete(f"/reservations/{session['id']}", user="ada")
    assert (refused.status, refused.json["error"], state(session)) == (409, "reservation_converted", "paid")


def test_a_page_that_was_expired_in_the_dashboard_gives_the_tickets_back_at_once(shop):
    session = shop.open_checkout(page="hosted")
    shop.dashboard.v1.checkout.sessions.expire(shop.fetch_hosted_page(session).id)
    shop.fake.deliver()
    assert (state(session), available(shop)) == ("cancelled", 4)
    assert shop.open_checkout(page="hosted")["id"] != session["id"]


def debited(shop, *, fails=False):
    """A checkout whose debit is under way longer than the hold lasts."""
    with settings.override(hold_seconds=5):
        session = shop.open_checkout(page="hosted")
    shop.fake.pay_session_by_bank(shop.fetch_hosted_page(session).id, fails=fails)
    shop.time.advance(6)
    assert builders.run_sweep()["undecided"] == 1
    assert (state(session), available(shop)) == ("paying", 2)
    return session


def test_until_the_bank_answers_nothing_is_over_and_nothing_is_charged_twice(shop):
    session = debited(shop)
    for refused in (
        shop.confirm(session),
        shop.request_checkout(session["id"], key="again"),
        shop.api.delete(f"/reservations/{session['id']}", user="ada"),
    ):
        assert (refused.status, refused.json["error"], refused.json["payment_status"]) == (409, "payment_not_completed", "processing")
    refused = builders.reserve(shop.api, "ada", shop.event_id, shop.tier_id)
    assert (refused.status, refused.json["error"], refused.json["reservation_id"]) == (409, "active_reservation_exists", session["id"])
    assert (state(session), available(shop)) == ("paying", 2)


def test_who_comes_back_while_the_provider_is_down_hears_so(shop):
    session = shop.open_checkout(page="hosted")
    shop.time.advance(181)
    with settings.override(stripe_api_base="http://127.0.0.1:9"):
        for refused in (shop.request_checkout(session["id"], key="again"), builders.reserve(shop.api, "ada", shop.event_id, shop.tier_id)):
            assert (refused.status, refused.json["error"]) == (503, "payment_provider_unavailable")
    assert (state(session), available(shop)) == ("paying", 2)


def test_a_debit_that_succeeds_is_an_order_however_late(shop):
    session = debited(shop)
    shop.fake.complete_pending()
    assert shop.post_webhook(*told(shop, "checkout.session.async_payment_succeeded")).json == {"received": "paid"}
    assert shop.confirm(session).status == 200


def test_a_debit_that_fails_gives_the_tickets_back_and_is_in_the_ledger(shop):
    session = debited(shop, fails=True)
    shop.fake.complete_pending()
    shop.post_webhook(*told(shop, "checkout.session.async_payment_failed"))
    assert (state(session), available(shop)) == ("cancelled", 4)
    entries = ledger.list_purchase_entries(shop.event_id, session["id"])
    assert sorted(one.kind for one in entries) == ["declined", "opened"]
    assert sum(one.amount_cents for one in entries) == 0
    over = shop.confirm(session)
    assert (over.status, over.json["error"]) == (409, "reservation_expired_or_invalid")


def lapsed_but_paid(shop):
    """A purchase that expired while the provider was not to be reached for the look, and whose page was paid."""
    session = shop.open_checkout(page="hosted")
    shop.pay_on_hosted_page(session)
    shop.expire_without_asking_stripe(session["id"])
    return session


def test_late_money_is_given_tickets_while_there_are_any(shop):
    session = lapsed_but_paid(shop)
    shop.fake.deliver()
    assert (state(session), shop.received_and_kept()) == ("paid", (10000, 10000))


def test_late_money_goes_back_when_nothing_is_left(shop):
    session = lapsed_but_paid(shop)
    builders.reserve(shop.api, "bob", shop.event_id, shop.tier_id, 3)
    shop.fake.deliver()
    assert (state(session), shop.received_and_kept()) == ("refunded", (10000, 0))
    refused = shop.confirm(session)
    assert (refused.status, refused.json["error"]) == (409, "payment_refunded")
    again = shop.request_checkout(session["id"], key="again")
    assert (again.status, again.json["error"]) == (409, "payment_refunded")


def mismatches():
    return log.registry.get_sample_value("fairgate_price_mismatches_total")


@pytest.mark.parametrize(
    "at_stripe",
    [{"unit_amount": 4000}, {"unit_amount": 9000}, {"currency": "eur"}, {"unit_amount": 10}],
    ids=["less", "more", "another currency", "below what Stripe takes"],
)
def test_prices_that_are_not_ours_open_no_page(shop, at_stripe):
    shop.sell_tiers(ticket("floor"))
    shop.fake.add_price("price_floor", **{"unit_amount": 5000, "currency": "usd", "name": "Floor"} | at_stripe)
    reserved = builders.reserve(shop.api, "ada", "fest", "floor", 2).json["id"]
    before = mismatches()
    for key in ("one", "two"):
        refused = shop.request_checkout(reserved, key=key)
        assert (refused.status, refused.json["error"]) == (503, "price_mismatch")
    assert mismatches() == before + 2
    pages = shop.dashboard.v1.checkout.sessions.list().data
    assert [page.status for page in pages] == ([] if at_stripe.get("unit_amount") == 10 else ["expired"])
    shop.fake.deliver()
    assert (state({"id": reserved}), available(shop)) == ("paying", 8)
    shop.time.advance(181)
    builders.run_sweep()
    assert (state({"id": reserved}), available(shop)) == ("expired", 10)


def test_a_price_that_stripe_does_not_have_opens_no_page(shop):
    shop.sell_tiers(ticket("floor"), at_stripe=False)
    reserved = builders.reserve(shop.api, "ada", "fest", "floor", 2).json["id"]
    refused = shop.request_checkout(reserved)
    assert (refused.status, refused.json["error"]) == (503, "price_mismatch")


def test_several_tiers_with_and_without_prices_are_lines_of_one_page(shop):
    shop.sell_tiers(ticket("floor"), ticket("balcony", price_cents=3000), ticket("box", price_cents=12000, stripe_price_id=None))
    wanted = [{"tier_id": "box", "quantity": 1}, {"tier_id": "balcony", "quantity": 3}, {"tier_id": "floor", "quantity": 2}]
    reserved = shop.api.post("/events/fest/reservations", json={"items": wanted}, user="ada").json["id"]
    session = shop.request_checkout(reserved, page="hosted").json
    lines = shop.dashboard.v1.checkout.sessions.line_items.list(shop.fetch_hosted_page(session).id).data
    assert [(one.description, one.quantity, one.amount_total) for one in lines] == [
        ("box", 1, 12000),
        ("balcony", 3, 9000),
        ("floor", 2, 10000),
    ]
    shop.pay_on_hosted_page(session)
    assert len(shop.confirm(session).json["tickets"]) == 6
    assert shop.received_and_kept() == (31000, 31000)


def test_a_tier_without_a_price_makes_our_own_page_the_usual_one(shop):
    shop.sell_tiers(ticket("floor"), ticket("box", stripe_price_id=None))
    wanted = [{"tier_id": "box", "quantity": 1}, {"tier_id": "floor", "quantity": 2}]
    reserved = shop.api.post("/events/fest/reservations", json={"items": wanted}, user="ada").json["id"]
    assert "client_secret" in shop.request_checkout(reserved).json["payment"]


def test_a_provider_that_is_down_is_a_503_and_the_next_try_goes_on(shop):
    reserved = builders.reserve(shop.api, "ada", shop.event_id, shop.tier_id, 2).json["id"]
    shop.fake.fail_next_request("POST", "/v1/checkout/sessions", status=500, times=3)
    refused = shop.request_checkout(reserved, page="hosted")
    assert (refused.status, refused.json["error"]) == (503, "payment_provider_unavailable")
    again = shop.request_checkout(reserved, page="hosted")
    assert (again.status, "url" in again.json["payment"]) == (200, True)


@pytest.mark.parametrize("times", [1, 3])
def test_an_answer_that_was_lost_is_one_page(shop, times):
    """By the SDK's own repetition, or by the buyer's next try: one key, one page."""
    reserved = builders.reserve(shop.api, "ada", shop.event_id, shop.tier_id, 2).json["id"]
    shop.fake.lose_next_response("POST", "/v1/checkout/sessions", times=times)
    session = shop.request_checkout(reserved, page="hosted")
    assert session.status == (201 if times == 1 else 503)
    session = shop.request_checkout(reserved, page="hosted").json
    shop.pay_on_hosted_page(session)
    assert shop.confirm(session).status == 201
    assert len(shop.dashboard.v1.checkout.sessions.list().data) == 1


def test_while_the_provider_is_down_nothing_expires_and_later_it_does(shop):
    session = shop.open_checkout(page="hosted")
    shop.time.advance(181)
    shop.fake.fail_next_request("POST", "/v1/checkout/sessions/*/expire", status=500, times=3)
    assert builders.run_sweep()["undecided"] == 1
    assert state(session) == "paying"
    builders.run_sweep()
    assert (state(session), shop.fetch_hosted_page(session).status) == ("expired", "expired")


@pytest.mark.parametrize("first", ["by hand", "on the page"])
def test_a_payment_made_by_hand_for_a_hosted_purchase_goes_back(shop, first):
    session = shop.open_checkout(page="hosted")

    def by_hand():
        shop.pay_in_dashboard(session["id"])
        shop.fake.deliver()

    for pay in (
        (by_hand, lambda: shop.pay_on_hosted_page(session)) if first == "by hand" else (lambda: shop.pay_on_hosted_page(session), by_hand)
    ):
        pay()
    reply = shop.confirm(session)
    assert (reply.status in (200, 201), len(reply.json["tickets"])) == (True, 2)
    assert [one.reason for one in store.load(session["id"]).refunds] == ["duplicate"]
    assert shop.received_and_kept() == (20000, 10000)


def test_an_intent_that_was_made_and_cancelled_by_hand_leaves_the_hold_alone(shop):
    session = shop.open_checkout(page="hosted")
    given = {"amount": 10000, "currency": "usd", "metadata": shop.fetch_hosted_page(session).metadata.to_dict()}
    shop.dashboard.v1.payment_intents.cancel(shop.dashboard.v1.payment_intents.create(given).id)
    shop.fake.deliver()
    assert (state(session), shop.fetch_hosted_page(session).status) == ("paying", "open")


def test_a_page_that_nobody_came_to_expire_goes_by_itself(shop):
    session = shop.open_checkout(page="hosted")
    shop.time.advance(180 + 1800 + 60)
    assert shop.pay_on_hosted_page(session)[0] == 410
    shop.fake.deliver()
    assert state(session) == "cancelled"
