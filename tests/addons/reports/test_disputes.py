"""The disputes of an event, and its purchases that failed, over HTTP for who manages it."""

from chalicelib.foundation import clock
from tests import builders
from tests.addons.reports.conftest import check_reports, pages

NINE_DAYS = 9 * 86_400  # within which the fake Stripe takes evidence


def orders(shop, **query):
    return [order["id"] for order in pages(shop.api, "/orders", "orders", event_id=shop.event_id, **query)]


def disputes(shop, **query):
    return pages(shop.api, f"/events/{shop.event_id}/disputes", "disputes", **query)


def test_a_dispute_is_listed_with_its_reason_and_until_when_to_answer(poller, shop):
    first, second = shop.buy("ada"), shop.buy("bob")
    shop.time.advance(60)
    dispute_id = shop.create_dispute(first, 3000)
    poller.drain()
    now = shop.time.now
    shown = {"order_id": first, "id": dispute_id, "status": "open", "amount_cents": 3000, "currency": "USD", "reason": "fraudulent"}
    assert disputes(shop) == [shown | {"at": clock.iso(now), "due_at": clock.iso(now + NINE_DAYS)}]
    assert (orders(shop), orders(shop, status="disputed")) == ([second, first], [first])
    [of_order] = shop.api.get(f"/admin/orders/{first}", token=builders.admin_token()).json["disputes"]
    assert of_order["due_at"] == clock.iso(now + NINE_DAYS)
    shop.close_dispute(dispute_id, won=True)
    poller.drain()
    assert [dispute["status"] for dispute in disputes(shop)] == ["won"]
    assert orders(shop, status="disputed") == [first]
    check_reports()


def test_disputes_are_listed_in_pages_of_their_orders(poller, shop):
    bought = [shop.buy(user, 1) for user in ("ada", "bob", "cyd")]
    for order_id in bought:
        shop.create_dispute(order_id)
    poller.drain()
    assert [dispute["order_id"] for dispute in disputes(shop, limit=1)] == bought[::-1]


def test_a_purchase_that_failed_is_found_with_how_it_ended(api, time, poller):
    event_id, tier_id = builders.create_shop(api)

    def failed():
        poller.drain()
        orders = pages(api, "/orders", "orders", event_id=event_id, status="failed")
        return [(order["id"], order["user_id"], order["status"]) for order in orders]

    reserved = builders.reserve(api, "ada", event_id, tier_id).json["id"]
    checkout = builders.start_checkout(api, "ada", reserved).json["id"]
    assert failed() == [], "it may still be paid"
    assert builders.confirm(api, "ada", checkout, "fail").json["checkout_session"]["state"] == "failed"
    assert failed() == [(reserved, "ada", "cancelled")]
    check_reports()


def test_a_payment_that_comes_late_makes_a_failed_purchase_an_order(poller, shop):
    session = shop.open_checkout()
    shop.expire_without_asking_stripe(session["id"])
    poller.drain()
    assert (orders(shop), orders(shop, status="failed")) == ([], [session["id"]])
    shop.pay(session)
    shop.fake.deliver()
    poller.drain()
    assert (orders(shop), orders(shop, status="failed")) == ([session["id"]], [])


def test_only_managers_see_the_disputes_of_an_event(api, store):
    event_id, _ = builders.create_shop(api)
    coordinator = builders.auth.issue_token("cleo", {"user"}, events={event_id: "coordinator"})
    path = f"/events/{event_id}/disputes"
    assert api.get(path, token=coordinator).json == {"disputes": [], "next_cursor": None}
    for token in (builders.staff_token(event_id), builders.token("pia", "promoter"), builders.token()):
        assert api.get(path, token=token).status == 403
    assert api.get("/events/nowhere/disputes", token=builders.admin_token()).status == 404
    assert api.get(path, query={"limit": 101}, token=coordinator).json["path"] == "limit"
