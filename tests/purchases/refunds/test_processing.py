"""Refunds that do not go through at once: what the provider cannot do now, or takes back later, and what somebody did by hand."""

import pytest
from msgspec.structs import replace

from chalicelib.cases import service as cases
from chalicelib.ledger import service as ledger
from chalicelib.purchases.record import store
from devtools.stripe import pending_outcomes
from tests import builders

HOUR, DAY = 3600, 86_400


def refund(order_id, number=0):
    return store.load(order_id).refunds[number]


def progress(order_id, number=0):
    return refund(order_id, number).status, refund(order_id, number).attempt


def matter(shop):
    """What the admins see open."""
    found = shop.api.get("/admin/reconciliation", token=builders.admin_token()).json["open"]
    return [(one["kind"], one["id"], one.get("status"), one["next_try_at"]) for one in found]


def calls(shop):
    """How often Stripe was asked for a refund since the last time."""
    made = shop.fake.request_log.counts.get("POST /v1/refunds", 0)
    shop.fake.request_log.clear()
    return made


def retry(shop, order_id, number=0):
    path = f"/admin/orders/{order_id}/refunds/{refund(order_id, number).id}/retry"
    return shop.api.post(path, token=builders.admin_token())


def sweep_after(shop, seconds):
    shop.time.advance(seconds)
    builders.run_sweep()
    shop.fake.deliver()


def down(shop):
    """Stripe is out of order for one call of ours; the SDK does not try again."""
    shop.fake.fail_next_request("POST", "/v1/refunds", status=500, should_retry=False)


def failed_for_good(shop):
    order_id = shop.buy(card="pm_card_refundFail")
    builders.refund(shop.api, order_id)
    for seconds in (10, HOUR, 10, DAY, 10):
        sweep_after(shop, seconds)
    assert progress(order_id) == ("failed", 3)
    return order_id


def test_a_refund_that_fails_after_all_is_made_again_and_then_shown(shop):
    order_id = shop.buy(card="pm_card_refundFail")
    assert builders.refund(shop.api, order_id).json["refund"]["status"] == "succeeded"
    assert calls(shop) == 1
    shop.assert_books_balance()
    for attempt, seconds in ((2, HOUR), (3, DAY)):
        sweep_after(shop, 10)  # the bank answers, and the webhook says so
        assert progress(order_id) == ("due", attempt)
        shop.assert_books_balance()
        sweep_after(shop, seconds - 11)
        assert calls(shop) == 0
        sweep_after(shop, 11)
        assert calls(shop) == 1
        assert progress(order_id) == ("succeeded", attempt)
        assert matter(shop) == []
    sweep_after(shop, 10)
    assert progress(order_id) == ("failed", 3)
    assert matter(shop) == [("refund", refund(order_id).id, "failed", None)]
    sweep_after(shop, 30 * DAY)
    assert calls(shop) == 0
    kinds = [(one.kind, one.amount_cents) for one in ledger.list_purchase_entries(shop.event_id, order_id)][2:]
    assert sorted(kinds) == [("refund_failed", 10_000)] * 3 + [("refunded", -10_000)] * 3
    shown = shop.api.get(f"/admin/orders/{order_id}", token=builders.admin_token()).json
    assert (shown["balance_cents"], shown["order"]["status"]) == (10_000, "refunded")
    assert shown["refunds"][0]["failure"] == "expired_or_canceled_card"


def test_what_failed_for_good_can_be_tried_again_by_a_person(shop):
    order_id = failed_for_good(shop)
    calls(shop)
    for attempt in (4, 5):
        reply = retry(shop, order_id)
        assert (reply.status, reply.json["refund"]["status"], reply.json["refund"]["attempt"]) == (200, "succeeded", attempt)
        refused = retry(shop, order_id)
        assert (refused.status, refused.json["error"], refused.json["status_of_refund"]) == (409, "not_refundable", "succeeded")
        assert matter(shop) == []
        sweep_after(shop, 10)
        assert progress(order_id) == ("failed", attempt)
        assert len(matter(shop)) == 1
    assert calls(shop) == 2


def test_what_failed_for_good_can_be_closed_by_who_paid_otherwise(shop):
    order_id = failed_for_good(shop)
    path = f"/admin/reconciliation/{order_id}/{refund(order_id).id}"
    assert shop.api.delete(path, token=builders.admin_token()).status == 200
    assert matter(shop) == []
    assert shop.api.delete(path, token=builders.admin_token()).status == 404
    assert retry(shop, order_id).json["refund"]["status"] == "succeeded"


def test_what_is_still_tried_cannot_be_closed(shop):
    order_id = shop.buy()
    down(shop)
    builders.refund(shop.api, order_id)
    assert shop.api.delete(f"/admin/reconciliation/{order_id}/{refund(order_id).id}", token=builders.admin_token()).status == 404
    assert len(matter(shop)) == 1
    retry(shop, order_id)


def test_who_may_try_again(shop):
    order_id = failed_for_good(shop)
    path = f"/admin/orders/{order_id}/refunds/{refund(order_id).id}/retry"
    assert shop.api.post(path).status == 401
    assert shop.api.post(path, user="ada").status == 403
    assert shop.api.post(path, token=builders.token("eve", "promoter")).status == 404
    assert shop.api.post(f"/admin/orders/{order_id}/refunds/none/retry", token=builders.admin_token()).status == 404
    assert progress(order_id) == ("failed", 3)


@pytest.fixture
def pending(shop, monkeypatch):
    """A refund whose bank takes thirteen hours."""
    monkeypatch.setattr(pending_outcomes, "OUTCOME_DELAY_SECONDS", 13 * HOUR)
    order_id = shop.buy(card="pm_card_pendingRefund")
    assert builders.refund(shop.api, order_id).json["refund"]["status"] == "pending"
    shop.fake.deliver()
    shop.fake.request_log.clear()
    return order_id


def test_pending_refunds_are_asked_for_every_six_hours(shop, pending):
    shop.fake.drop_webhooks("*", times=100)
    for looks in (1, 2):
        sweep_after(shop, 6 * HOUR - 60)
        sweep_after(shop, 60)
        sweep_after(shop, 0)
        assert shop.fake.request_log.counts == {"GET /v1/refunds/:id": looks}
        assert (progress(pending), matter(shop)[0][2]) == (("pending", 1), "pending")
    sweep_after(shop, 6 * HOUR)
    assert (progress(pending), matter(shop)) == (("succeeded", 1), [])


def test_a_webhook_tells_sooner(shop, pending):
    shop.fake.complete_pending()
    shop.fake.deliver()
    assert (progress(pending), matter(shop)) == (("succeeded", 1), [])


def test_a_pending_refund_may_fail(shop, pending):
    shop.fake.fail_refund(refund(pending).provider_id)
    shop.fake.deliver()
    assert progress(pending) == ("due", 2)
    shop.assert_books_balance()


def test_stripe_out_of_order_leaves_a_pending_refund_for_the_next_sweep(shop, pending):
    shop.fake.drop_webhooks("*", times=100)
    shop.fake.complete_pending()
    shop.fake.fail_next_request("GET", "/v1/refunds/*", status=500, should_retry=False)
    sweep_after(shop, 6 * HOUR)
    assert progress(pending) == ("pending", 1)
    sweep_after(shop, 60)
    assert progress(pending) == ("succeeded", 1)


def test_stripe_out_of_order_is_a_refund_that_is_due_and_comes_later(shop):
    order_id = shop.buy()
    down(shop)
    reply = builders.refund(shop.api, order_id)
    assert (reply.status, reply.json["refund"]["status"], reply.json["order"]["status"]) == (201, "due", "refunded")
    assert shop.api.get("/me/tickets", user="ada").json["count"] == 0
    shop.assert_books_balance()
    sweep_after(shop, 59)
    assert progress(order_id) == ("due", 1)
    down(shop)
    sweep_after(shop, 1)
    assert progress(order_id) == ("due", 1)
    sweep_after(shop, 60)
    assert progress(order_id) == ("succeeded", 1)
    assert (matter(shop), shop.list_refunds()) == ([], [(10_000, "succeeded")])


def due_at_once(shop, *users):
    """An order of each whose refund Stripe did not answer, so that the sweep has them all to make."""
    orders = [shop.buy(user, 1) for user in users]
    for order_id in orders:
        down(shop)
        builders.refund(shop.api, order_id)
        assert progress(order_id) == ("due", 1)
    return orders


def test_a_sweep_asks_once_while_stripe_is_out_of_order(shop):
    due_at_once(shop, "ada", "bob", "cid")
    calls(shop)
    shop.fake.fail_next_request("GET", "/v1/refunds", status=500, should_retry=False)
    sweep_after(shop, 60)
    assert shop.fake.request_log.counts == {"GET /v1/refunds": 1}
    sweep_after(shop, 60)
    assert len(shop.list_refunds()) == 3


def test_a_refund_that_cannot_be_dealt_with_does_not_keep_others_waiting(shop):
    broken, sound = due_at_once(shop, "ada", "bob")
    purchase = store.load(broken)
    gone = [replace(one, status="pending", provider_id="re_gone") for one in purchase.refunds]
    changed = store.save(purchase, replace(purchase, refunds=gone))
    sweep_after(shop, 60)
    assert (progress(broken), progress(sound)) == (("pending", 1), ("succeeded", 1))
    store.save(changed, replace(changed, refunds=purchase.refunds))
    sweep_after(shop, 60)
    assert progress(broken) == ("succeeded", 1)


def test_it_can_be_made_before_its_time_by_a_person(shop):
    order_id = shop.buy()
    down(shop)
    builders.refund(shop.api, order_id)
    assert retry(shop, order_id).json["refund"]["status"] == "succeeded"
    assert shop.list_refunds() == [(10_000, "succeeded")]


def test_an_answer_that_was_lost_is_one_refund(shop):
    order_id = shop.buy()
    shop.fake.lose_next_response("POST", "/v1/refunds")
    assert builders.refund(shop.api, order_id).json["refund"]["status"] == "succeeded"
    assert shop.list_refunds() == [(10_000, "succeeded")]


@pytest.mark.parametrize("seconds", [60, 25 * HOUR])
def test_a_refund_of_which_no_answer_came_is_found_and_not_made_again(shop, seconds):
    """After 24 hours Stripe has forgotten the idempotency key: only looking first helps. Not so for two halves that are alike."""
    order_id = shop.buy()
    builders.refund(shop.api, order_id, key="1", tickets=[f"{order_id}-1"])
    shop.fake.drop_webhooks("*", times=100)
    shop.fake.lose_next_response("POST", "/v1/refunds", times=3)
    assert builders.refund(shop.api, order_id, key="2").json["refund"]["status"] == "due"
    sweep_after(shop, seconds)
    assert progress(order_id, 1) == ("succeeded", 1)
    assert shop.list_refunds() == [(5000, "succeeded")] * 2


def test_the_webhook_may_be_quicker_than_our_own_note(shop):
    order_id = shop.buy()
    shop.fake.lose_next_response("POST", "/v1/refunds", times=3)
    builders.refund(shop.api, order_id)
    shop.fake.deliver()
    assert (progress(order_id), matter(shop)) == (("succeeded", 1), [])


def test_news_of_an_earlier_attempt_change_nothing(shop):
    order_id = shop.buy(card="pm_card_refundFail")
    builders.refund(shop.api, order_id)
    shop.fake.complete_pending()
    shop.fake.deliver()
    sweep_after(shop, HOUR)
    assert progress(order_id) == ("succeeded", 2)
    for event in shop.fake.events("refund.*"):
        body, headers = shop.fake.signed_delivery(event["id"])
        assert shop.post_webhook(body, headers).status == 200
    version = store.load(order_id).version
    for event in shop.fake.events("charge.refunded"):
        shop.post_webhook(*shop.fake.signed_delivery(event["id"]))
    assert (progress(order_id), store.load(order_id).version) == (("succeeded", 2), version)


def test_a_refund_of_late_money_that_fails_can_be_tried_again_by_a_person(shop):
    """It never was an order, and its money is somebody's all the same."""
    session = shop.open_checkout()
    shop.dashboard.v1.payment_intents.update(shop.fetch_payment_intent(session).id, {"amount": 100})
    shop.pay(session, "pm_card_refundFail")
    shop.fake.deliver()
    for seconds in (10, HOUR, 10, DAY, 10):
        sweep_after(shop, seconds)
    order_id = session["id"]
    assert (progress(order_id), len(matter(shop))) == (("failed", 3), 1)
    assert shop.api.get(f"/admin/orders/{order_id}", token=builders.admin_token()).json["balance_cents"] == 100
    assert builders.refund(shop.api, order_id).status == 404
    assert retry(shop, order_id).json["refund"]["status"] == "succeeded"
    assert shop.api.get(f"/orders/{order_id}", user="ada").status == 404


def test_matters_are_as_old_as_what_they_are_about(shop):
    began = shop.time.now
    failed_for_good(shop)
    assert cases.list_open()[0].since == began
