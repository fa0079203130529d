"""Open cases as admins see them: refunds and disputes that are not done, and findings of the reconciliation."""

from chalicelib.foundation import clock, ids
from chalicelib.ledger import money_cases
from tests import builders


def test_only_admins_see_open_cases(api, time):
    assert api.get("/admin/reconciliation").status == 401
    assert api.get("/admin/reconciliation", user="ada").status == 403
    assert api.get("/admin/reconciliation", token=builders.token("eve", "promoter")).status == 403
    shown = api.get("/admin/reconciliation", token=builders.admin_token())
    assert (shown.status, shown.json["open"], shown.json["last_run"]) == (200, [], None)
    assert shown.json["next_cursor"] is None


def test_open_cases_are_listed_page_by_page_from_the_oldest_on(api, time):
    purchases = [ids.new_id() for _ in range(5)]
    for number, purchase_id in enumerate(purchases):
        money_cases.open_finding(purchase_id, f"amounts_differ-pi_{number}", time.now - number, {})
    shown, cursor = [], ""
    while cursor is not None:
        page = api.get("/admin/reconciliation", query={"limit": "2", "cursor": cursor}, token=builders.admin_token()).json
        assert len(page["open"]) <= 2
        shown.append([case["id"][-1] for case in page["open"]])
        if shown == [["4", "3"]]:
            money_cases.close_finding(purchases[3], "amounts_differ-pi_3")  # the one where the next page begins
            money_cases.close_finding(purchases[0], "amounts_differ-pi_0")
        cursor = page["next_cursor"]
    assert shown == [["4", "3"], ["2", "1"]]


def test_open_cases_are_shown_with_their_refund_or_dispute(shop):
    order_id = shop.buy("ada", 1)
    dispute = shop.fake.create_dispute(shop.fetch_charge(order_id).id, "product_not_received")
    shop.fake.deliver()
    since = clock.iso(shop.time.now)
    other = shop.buy("bob", 1)
    shop.time.advance(1)
    shop.fake.fail_next_request("POST", "/v1/refunds", status=500, should_retry=False)
    refund = builders.refund(shop.api, other).json["refund"]
    common = {"event_id": shop.event_id, "amount_cents": 5000, "currency": "USD"}
    assert shop.api.get("/admin/reconciliation", token=builders.admin_token()).json["open"] == [
        {
            "order_id": order_id,
            "kind": "dispute",
            "id": dispute["id"],
            "since": since,
            "next_try_at": None,
            "reason": "product_not_received",
            "provider": "stripe",
        }
        | common,
        {
            "order_id": other,
            "kind": "refund",
            "id": refund["id"],
            "since": clock.iso(shop.time.now),
            "next_try_at": clock.iso(shop.time.now + 60),
            "status": "due",
            "failure": None,
        }
        | common,
    ]
