"""External refunds: somebody makes them in Stripe's dashboard, and the webhook reports them."""

import pytest

from tests import builders
from tests.payment_pages import REFUNDS_FAIL, REFUNDS_PENDING


def list_cases(shop):
    """(kind, id) of the cases that admins see open."""
    return [(case["kind"], case["id"]) for case in shop.list_open_cases()]


def list_ticket_states(shop):
    """Return the states of ada's tickets, without refunded orders."""
    return [ticket["state"] for ticket in shop.api.get("/me/tickets", user="ada").json["tickets"]]


def refund_and_deliver(shop, order_id, cents):
    """Refund in the dashboard and deliver the webhooks. Returns the id of the refund."""
    refund = shop.refund_in_dashboard(order_id, cents)
    shop.fake.deliver()
    assert {attempt.status for attempt in shop.fake.delivery_attempts} == {200}
    return refund.id


def test_a_partial_external_refund_is_shown_until_an_admin_closes_it(shop):
    order_id = shop.buy()
    refund_id = refund_and_deliver(shop, order_id, 3000)
    assert (shop.load_purchase(order_id).state, list_ticket_states(shop)) == ("paid", ["valid", "valid"])
    assert list_cases(shop) == [("finding", refund_id)]
    shown_order = shop.fetch_order(order_id)
    assert (shown_order["balance_cents"], shown_order["refunds"][0]["reason"]) == (7000, "by_hand")
    path = f"/admin/reconciliation/{order_id}/{refund_id}"
    for who, status in (({}, 401), ({"user": "ada"}, 403), ({"token": builders.token("eve", "promoter")}, 403)):
        assert shop.api.delete(path, **who).status == status
    assert [shop.close_case(order_id, refund_id).status for _ in range(2)] == [200, 404]
    for event in shop.fake.events("*refund*"):
        shop.post_webhook(*shop.fake.signed_delivery(event["id"]))
    shop.fake.resend_event(shop.fake.events("charge.refunded")[0]["id"])
    shop.fake.deliver()
    assert list_cases(shop) == []


@pytest.mark.parametrize("parts", [(10_000,), (6000, 4000), (1, 9999)])
@pytest.mark.parametrize("delivery_order", ["as_created", "reversed"])
def test_external_refunds_of_the_whole_payment_void_the_tickets(shop, parts, delivery_order):
    order_id = shop.buy()
    shop.fake.set_delivery_order(delivery_order)
    for cents in parts:
        shop.refund_in_dashboard(order_id, cents)
    shop.fake.deliver()
    assert (shop.load_purchase(order_id).state, list_ticket_states(shop)) == ("refunded", [])
    assert shop.load_purchase(order_id).refunded_cents == 10_000
    assert all(refund.fee_cents == 0 for refund in shop.load_purchase(order_id).refunds)
    assert shop.buy(quantity=4)


def test_money_refunded_externally_is_not_refunded_again(shop):
    order_id = shop.buy()
    refund_and_deliver(shop, order_id, 7000)
    first = builders.refund(shop.api, order_id, key="1", tickets=[f"{order_id}-1"])
    assert (first.json["refund"]["amount_cents"], first.json["refund"]["status"]) == (3000, "succeeded")
    shop.fake.request_log.clear()
    second = builders.refund(shop.api, order_id, key="2")
    assert (second.json["refund"]["amount_cents"], second.json["refund"]["status"]) == (0, "succeeded")
    assert (second.json["order"]["status"], dict(shop.fake.request_log.counts)) == ("refunded", {})


def test_an_external_refund_of_the_rest_voids_the_other_tickets(shop):
    order_id = shop.buy()
    builders.refund(shop.api, order_id, tickets=[f"{order_id}-1"], fee_cents=500)
    refund_and_deliver(shop, order_id, 5000)
    assert (shop.load_purchase(order_id).state, list_ticket_states(shop)) == ("partially_refunded", ["valid"])
    refund_and_deliver(shop, order_id, 500)
    assert (shop.load_purchase(order_id).state, list_ticket_states(shop)) == ("refunded", [])


def test_a_due_refund_fails_after_an_external_full_refund(shop):
    """Stripe refuses ours three times, and then an admin closes it."""
    order_id = shop.buy()
    shop.fake.fail_next_request("POST", "/v1/refunds", status=500, should_retry=False)
    builders.refund(shop.api, order_id)
    refund_and_deliver(shop, order_id, 10_000)
    for seconds in (60, 3600, 86_400):
        shop.time.advance(seconds)
        builders.run_sweep()
        shop.assert_books_balance()
    ours = shop.load_purchase(order_id).refunds[0]
    assert (ours.status, ours.failure) == ("failed", "charge_already_refunded")
    assert list_cases(shop) == [("refund", ours.id)]
    assert shop.close_case(order_id, ours.id).status == 200
    assert list_cases(shop) == []


def test_a_failed_external_refund_is_shown_and_leaves_tickets_void(shop):
    order_id = shop.buy(card=REFUNDS_FAIL)
    refund_id = refund_and_deliver(shop, order_id, 10_000)
    assert shop.load_purchase(order_id).state == "refunded"
    shop.time.advance(10)
    shop.fake.deliver()
    assert (shop.load_purchase(order_id).refunds[0].status, shop.load_purchase(order_id).state) == ("failed", "refunded")
    assert list_cases(shop) == [("refund", refund_id)]
    retried = shop.retry_refund(order_id, refund_id)
    assert (retried.status, retried.json["error"]) == (409, "not_refundable")


def test_money_of_a_failed_external_refund_can_be_refunded(shop):
    order_id = shop.buy(card=REFUNDS_FAIL)
    refund_and_deliver(shop, order_id, 3000)
    shop.time.advance(10)
    shop.fake.deliver()
    reply = builders.refund(shop.api, order_id)
    assert (reply.json["refund"]["status"], reply.json["refund"]["amount_cents"]) == ("succeeded", 10_000)


def test_a_pending_external_refund_is_checked_by_the_sweep(shop):
    order_id = shop.buy(card=REFUNDS_PENDING)
    refund_id = refund_and_deliver(shop, order_id, 10_000)
    shop.assert_books_balance()
    assert list_cases(shop) == [("refund", refund_id)]
    shop.fake.drop_webhooks("*", times=9)
    shop.time.advance(6 * 3600)
    builders.run_sweep()
    assert (shop.load_purchase(order_id).refunds[0].status, list_cases(shop)) == ("succeeded", [])


@pytest.mark.parametrize("delivery", ["as_created", "reversed", "only the refund"])
@pytest.mark.parametrize("cents", [4000, 10_000])
def test_an_external_refund_may_come_before_the_event_of_the_payment(shop, cents, delivery):
    """What is left of the payment is not the price, so it is refunded. If nothing is left, the purchase is cancelled as unpaid."""
    session = shop.open_checkout()
    if delivery == "only the refund":
        shop.fake.drop_webhooks("payment_intent.*", times=9)
    else:
        shop.fake.set_delivery_order(delivery)
    shop.pay(session)
    shop.dashboard.v1.refunds.create({"charge": shop.fetch_payment_intent(session).latest_charge, "amount": cents})
    shop.fake.deliver()
    assert shop.received_and_kept() == (10_000, 0)
    assert (shop.load_purchase(session["id"]).state, list_ticket_states(shop)) == ("cancelled" if cents == 10_000 else "refunded", [])


def test_the_refund_of_a_second_payment_does_not_change_the_tickets(shop):
    """The refund of another payment of the same purchase does not change the tickets."""
    order_id = shop.buy()
    other = shop.pay_in_dashboard(order_id)
    shop.fake.deliver()
    assert shop.received_and_kept() == (20_000, 10_000)
    assert [(refund.payment_intent_id, refund.status) for refund in shop.load_purchase(order_id).refunds] == [(other, "succeeded")]
    assert (shop.load_purchase(order_id).state, list_ticket_states(shop)) == ("paid", ["valid", "valid"])
