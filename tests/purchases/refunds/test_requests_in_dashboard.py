"""Refunds that somebody made in Stripe's dashboard, without asking us."""

import pytest

from chalicelib.purchases.record import store
from tests import builders


def order(order_id):
    return store.load(order_id)


def shown(shop):
    found = shop.api.get("/admin/reconciliation", token=builders.admin_token()).json["open"]
    return [(one["kind"], one["id"]) for one in found]


def states(shop, user="ada"):
    return [one["state"] for one in shop.api.get("/me/tickets", user=user).json["tickets"]]


def by_hand(shop, order_id, cents):
    made = shop.refund_in_dashboard(order_id, cents)
    shop.fake.deliver()
    assert {attempt.status for attempt in shop.fake.delivery_attempts} == {200}
    return made.id


def test_some_of_the_money_is_shown_and_closed_by_a_person(shop):
    order_id = shop.buy()
    made = by_hand(shop, order_id, 3000)
    assert (order(order_id).state, states(shop)) == ("paid", ["valid", "valid"])
    assert shown(shop) == [("finding", made)]
    shown_order = shop.api.get(f"/admin/orders/{order_id}", token=builders.admin_token()).json
    assert (shown_order["balance_cents"], shown_order["refunds"][0]["reason"]) == (7000, "by_hand")
    path = f"/admin/reconciliation/{order_id}/{made}"
    for who, status in (({}, 401), ({"user": "ada"}, 403), ({"token": builders.token("eve", "promoter")}, 403)):
        assert shop.api.delete(path, **who).status == status
    assert shop.api.delete(path, token=builders.admin_token()).status == 200
    assert shop.api.delete(path, token=builders.admin_token()).status == 404
    for event in shop.fake.events("*refund*"):
        shop.post_webhook(*shop.fake.signed_delivery(event["id"]))
    shop.fake.resend_event(shop.fake.events("charge.refunded")[0]["id"])
    shop.fake.deliver()
    assert shown(shop) == []


@pytest.mark.parametrize("parts", [(10_000,), (6000, 4000), (1, 9999)])
@pytest.mark.parametrize("order_of_news", ["as_created", "reversed"])
def test_all_of_the_money_takes_the_tickets(shop, parts, order_of_news):
    order_id = shop.buy()
    shop.fake.set_delivery_order(order_of_news)
    for cents in parts:
        shop.refund_in_dashboard(order_id, cents)
    shop.fake.deliver()
    assert (order(order_id).state, states(shop)) == ("refunded", [])
    assert order(order_id).refunded_cents == 10_000
    assert all(one.fee_cents == 0 for one in order(order_id).refunds)
    assert shop.buy(quantity=4)


def test_what_went_back_by_hand_is_not_given_back_again(shop):
    order_id = shop.buy()
    by_hand(shop, order_id, 7000)
    first = builders.refund(shop.api, order_id, key="1", tickets=[f"{order_id}-1"])
    assert (first.json["refund"]["amount_cents"], first.json["refund"]["status"]) == (3000, "succeeded")
    shop.fake.request_log.clear()
    second = builders.refund(shop.api, order_id, key="2")
    assert (second.json["refund"]["amount_cents"], second.json["refund"]["status"]) == (0, "succeeded")
    assert (second.json["order"]["status"], dict(shop.fake.request_log.counts)) == ("refunded", {})


def test_by_hand_after_some_tickets_were_refunded_by_us(shop):
    order_id = shop.buy()
    builders.refund(shop.api, order_id, tickets=[f"{order_id}-1"], fee_cents=500)
    by_hand(shop, order_id, 5000)
    assert (order(order_id).state, states(shop)) == ("partially_refunded", ["valid"])
    by_hand(shop, order_id, 500)
    assert (order(order_id).state, states(shop)) == ("refunded", [])


def test_by_hand_before_our_own_refund_that_is_due(shop):
    """Ours is refused, three times, and then closed by who made the other one."""
    order_id = shop.buy()
    shop.fake.fail_next_request("POST", "/v1/refunds", status=500, should_retry=False)
    builders.refund(shop.api, order_id)
    by_hand(shop, order_id, 10_000)
    for seconds in (60, 3600, 86_400):
        shop.time.advance(seconds)
        builders.run_sweep()
        shop.assert_books_balance()
    ours = order(order_id).refunds[0]
    assert (ours.status, ours.failure) == ("failed", "charge_already_refunded")
    assert shown(shop) == [("refund", ours.id)]
    assert shop.api.delete(f"/admin/reconciliation/{order_id}/{ours.id}", token=builders.admin_token()).status == 200
    assert shown(shop) == []


def test_one_by_hand_that_fails_is_shown_and_leaves_the_tickets_void(shop):
    order_id = shop.buy(card="pm_card_refundFail")
    made = by_hand(shop, order_id, 10_000)
    assert order(order_id).state == "refunded"
    shop.time.advance(10)
    shop.fake.deliver()
    assert (order(order_id).refunds[0].status, order(order_id).state) == ("failed", "refunded")
    assert shown(shop) == [("refund", made)]
    retried = shop.api.post(f"/admin/orders/{order_id}/refunds/{made}/retry", token=builders.admin_token())
    assert (retried.status, retried.json["error"]) == (409, "not_refundable")


def test_one_by_hand_that_failed_is_still_owed(shop):
    order_id = shop.buy(card="pm_card_refundFail")
    by_hand(shop, order_id, 3000)
    shop.time.advance(10)
    shop.fake.deliver()
    reply = builders.refund(shop.api, order_id)
    assert (reply.json["refund"]["status"], reply.json["refund"]["amount_cents"]) == ("succeeded", 10_000)


def test_one_by_hand_that_is_pending_is_followed(shop):
    order_id = shop.buy(card="pm_card_pendingRefund")
    made = by_hand(shop, order_id, 10_000)
    shop.assert_books_balance()
    assert shown(shop) == [("refund", made)]
    shop.fake.drop_webhooks("*", times=9)
    shop.time.advance(6 * 3600)
    builders.run_sweep()
    assert (order(order_id).refunds[0].status, shown(shop)) == ("succeeded", [])


@pytest.mark.parametrize("news", ["as_created", "reversed", "the refund alone"])
@pytest.mark.parametrize("cents", [4000, 10_000])
def test_by_hand_before_we_heard_that_the_money_had_come_in(shop, cents, news):
    """What is left is another sum than was asked for, and goes back; where nothing is left, nothing came in."""
    session = shop.open_checkout()
    if news == "the refund alone":
        shop.fake.drop_webhooks("payment_intent.*", times=9)
    else:
        shop.fake.set_delivery_order(news)
    shop.pay(session)
    shop.dashboard.v1.refunds.create({"charge": shop.fetch_payment_intent(session).latest_charge, "amount": cents})
    shop.fake.deliver()
    assert shop.received_and_kept() == (10_000, 0)
    assert (order(session["id"]).state, states(shop)) == ("cancelled" if cents == 10_000 else "refunded", [])


def test_a_second_payment_that_went_back_can_go_back_no_more(shop):
    """A refund by hand of another payment of the same purchase says nothing about the tickets."""
    order_id = shop.buy()
    other = shop.pay_in_dashboard(order_id)
    shop.fake.deliver()
    assert shop.received_and_kept() == (20_000, 10_000)
    assert [(one.payment_intent_id, one.status) for one in order(order_id).refunds] == [(other, "succeeded")]
    assert (order(order_id).state, states(shop)) == ("paid", ["valid", "valid"])
