"""The box office: sales for cash or by card, refunds at the counter, quotas for selling offline, and the closing of a day."""

import threading

import pytest

from chalicelib.audit import service as audit
from chalicelib.catalog import service as catalog
from chalicelib.edge import auth
from chalicelib.foundation import clock
from chalicelib.inventory.availability import read_stock
from chalicelib.ledger import service as ledger
from chalicelib.purchases import box_office, store
from chalicelib.purchases.guest_orders import order_token
from chalicelib.tickets.model import new_code
from chalicelib.tickets.service import find_ticket
from tests import builders, invariants
from tests.catalog.requests import create_draft, create_kind, create_published, promoter
from tests.simulation import faults

pytestmark = pytest.mark.usefixtures("store", "time")

COUNTER = {"id": "counter", "reason": "box_office", "quantity": 4}
PRICE, FEE = 5000, 150


def cashier(event_id: str, user_id: str = "cass") -> dict:
    return {"token": auth.issue_token(user_id, {"user"}, events={event_id: "cashier"}, seconds=8 * 86_400)}


def sell(api, shop: tuple[str, str], sale: str = "till-1/sale-1", *, by: str = "cass", who: dict | None = None, **fields):
    body = {"id": sale, "tier_id": shop[1], "holdback_id": "counter", "quantity": 1, "price_cents": PRICE, "method": "cash"} | fields
    return api.post(f"/events/{shop[0]}/box-office-orders", json=body, **(who or cashier(shop[0], by)))


def sold(reply) -> str:
    """The id of the order that was sold now or earlier."""
    assert reply.status in (200, 201), reply.json
    return reply.json["order_id"]


def pay_back(api, shop, order_id: str, key: str = "refund-1", *, by: str = "cass", **fields):
    path = f"/events/{shop[0]}/box-office-orders/{order_id}/refunds"
    return api.post(path, json=fields, headers={"Idempotency-Key": key}, **cashier(shop[0], by))


def claim(api, shop, quantity: int, quota: str = "till-1/quota-1", *, by: str = "cass"):
    body = {"id": quota, "tier_id": shop[1], "holdback_id": "counter", "quantity": quantity}
    return api.post(f"/events/{shop[0]}/box-office-quotas", json=body, **cashier(shop[0], by))


def sell_offline(api, shop, sale: str, time, quantity: int = 1, quota: str = "till-1/quota-1", **fields):
    return sell(api, shop, sale, quantity=quantity, quota_id=quota, sold_at=clock.iso(time.now), **fields)


def give_back(api, shop, quota: str = "till-1/quota-1"):
    body = {"id": quota, "tier_id": shop[1], "holdback_id": "counter"}
    reply = api.post(f"/events/{shop[0]}/box-office-quotas/return", json=body, **cashier(shop[0]))
    assert reply.status == 200, reply.json
    return reply


def closing(api, shop, who: dict | None = None, **query) -> dict[str, dict]:
    reply = api.get(f"/events/{shop[0]}/box-office-closing", query=query, **(who or cashier(shop[0])))
    assert reply.status == 200, reply.json
    return {till["user_id"]: till for till in reply.json["tills"]}


def left(api, shop) -> int:
    [offer] = api.get(f"/events/{shop[0]}/box-office", **cashier(shop[0])).json["offers"]
    return offer["left"]


@pytest.fixture
def shop(api, time):
    """A published event with a tier of 10 tickets, of which 4 are held back for the box office."""
    shop = create_published(api, price_cents=PRICE, included_fee={"cents": FEE}, holdbacks=[COUNTER])
    yield shop
    invariants.check_recovery(time)


def test_a_sale_issues_tickets_from_the_holdback_and_keeps_the_money_apart(api, shop):
    assert left(api, shop) == 4
    reply = sell(api, shop, quantity=2, method="card", reference=" 0042 ", name="Ada")
    assert (reply.status, reply.json["total_price_cents"], reply.json["reference"]) == (201, 2 * PRICE, "0042")
    assert [ticket["ticket"]["attendee"] for ticket in reply.json["tickets"]] == [{"name": "Ada"}, None]
    assert all(ticket["qr_svg"].startswith("<svg") for ticket in reply.json["tickets"])
    order = store.load(reply.json["order_id"])
    assert (order.payment.provider, order.box_office.seller, order.box_office.reference) == ("box_office", "cass", "0042")
    [entry] = ledger.list_purchase_entries(shop[0], order.id)
    assert (entry.kind, entry.provider, entry.amount_cents) == ("captured", "box_office", 2 * PRICE)
    assert left(api, shop) == 2
    assert read_stock({shop[1]: 1})[shop[1]].sold == 0
    manifest = api.get(f"/events/{shop[0]}/manifest", **cashier(shop[0])).json
    assert len(manifest["tickets"]) == 2


def test_a_repeated_sale_sells_once_and_another_sale_needs_another_id(api, shop):
    first, again = sell(api, shop), sell(api, shop)
    assert (first.status, again.status) == (201, 200)
    assert first.json == again.json
    refused = sell(api, shop, quantity=2)
    assert (refused.status, refused.json["error"], refused.json["path"]) == (400, "sale_id_used", "$.id")
    assert left(api, shop) == 3


def test_the_holdback_is_never_oversold(api, shop):
    sold(sell(api, shop, quantity=3))
    refused = sell(api, shop, "till-2/sale-1", quantity=2)
    assert (refused.status, refused.json["error"], refused.json["available"]) == (409, "not_enough_tickets", 1)
    sold(sell(api, shop, "till-2/sale-1"))
    assert left(api, shop) == 0


def test_the_box_office_sees_the_fee_in_the_price(api, shop):
    [offer] = api.get(f"/events/{shop[0]}/box-office", **cashier(shop[0])).json["offers"]
    assert (offer["price_cents"], offer["included_fee_cents"]) == (PRICE, FEE)
    sold = sell(api, shop, quantity=2).json
    assert (sold["total_price_cents"], sold["included_fee_cents"]) == (2 * PRICE, 2 * FEE)


def test_a_sale_at_another_price_is_refused(api, shop):
    refused = sell(api, shop, price_cents=PRICE - 1)
    assert (refused.status, refused.json["error"], refused.json["price_cents"]) == (409, "price_changed", PRICE)


def test_a_refund_at_the_counter_voids_the_tickets_and_returns_them_to_the_holdback(api, shop):
    order_id = sold(sell(api, shop, quantity=2))
    first = pay_back(api, shop, order_id, tickets=[f"{order_id}-1"], method="card", by="carl")
    assert (first.status, first.json["amount_cents"], first.json["status"]) == (201, PRICE, "succeeded")
    assert pay_back(api, shop, order_id, tickets=[f"{order_id}-1"], method="card", by="carl").json["id"] == first.json["id"]
    assert (left(api, shop), store.load(order_id).state) == (3, "partially_refunded")
    assert pay_back(api, shop, order_id, "refund-2").json["amount_cents"] == PRICE
    assert (left(api, shop), store.load(order_id).state) == (4, "refunded")
    assert [refund.method for refund in store.load(order_id).refunds] == ["card", "cash"]
    tills = closing(api, shop, promoter())
    assert (tills["cass"]["cash"]["expected_cents"], tills["carl"]["card"]["expected_cents"]) == (PRICE, -PRICE)


def test_a_used_ticket_is_not_paid_back_at_the_counter(api, shop, time):
    order_id = sold(sell(api, shop, quantity=2))
    time.advance(30 * 86_400 - 60)  # the doors are open
    door = {"token": builders.staff_token(shop[0])}
    assert api.post(f"/tickets/{order_id}-1/validate", **door).status == 200
    refused = pay_back(api, shop, order_id, tickets=[f"{order_id}-1"])
    assert (refused.status, refused.json["error"], refused.json["reason"]) == (409, "tickets_not_returnable", "used")
    assert pay_back(api, shop, order_id, "refund-2").json["tickets"] == [f"{order_id}-2"]


def test_only_orders_of_the_events_own_box_office_are_paid_back(api, shop):
    order_id, other = sold(sell(api, shop)), create_published(api, price_cents=PRICE, holdbacks=[COUNTER])
    bought = builders.create_order(api, shop)
    for event, order in ((other, order_id), (shop, bought), (shop, "unknown")):
        assert pay_back(api, event, order).json["error"] == "not_sold_here"


def test_buyers_return_tickets_of_the_box_office_only_at_its_counter(api, shop, time):
    """Nobody but the promoter has the money, so a refund that the shop records by itself would never reach the buyer."""
    changed = {"refundable_until": clock.iso(time.now + 86_400), "returns": {"policy": "refund"}}
    assert api.patch(f"/events/{shop[0]}", json=changed, **promoter()).status == 200
    order_id = sold(sell(api, shop, email="ada@example.com"))
    token = order_token(order_id, "ada@example.com")
    assert api.post("/lost-tickets/open", json={"token": token}).json["returnable"] == []
    refused = api.post("/lost-tickets/return", json={"token": token, "order_id": order_id})
    assert (refused.status, refused.json["error"]) == (409, "returns_closed")
    assert (store.load(order_id).state, set(closing(api, shop, promoter()))) == ("paid", {"cass"})
    assert pay_back(api, shop, order_id).json["amount_cents"] == PRICE


def test_managers_refund_an_order_of_the_box_office_from_their_own_till(api, shop):
    order_id = sold(sell(api, shop))
    body, headers = {"reason": "goodwill"}, {"Idempotency-Key": "refund"}
    assert api.post(f"/admin/orders/{order_id}/refunds", json=body, headers=headers, **promoter()).status == 201
    assert closing(api, shop, promoter())["pia"]["cash"]["expected_cents"] == -PRICE


def test_a_day_is_closed_by_each_person_with_the_difference(api, shop, time):
    sold(sell(api, shop))
    sold(sell(api, shop, "till-1/sale-2", method="card"))
    order_id = sold(sell(api, shop, "till-1/sale-3"))
    pay_back(api, shop, order_id)
    sold(sell(api, shop, "till-2/sale-1", by="carl"))
    assert set(closing(api, shop)) == {"cass"}, "cashiers see their own tills"
    day = clock.iso(time.now)[:10]
    body = {"date": day, "currency": "USD", "counted_cents": PRICE - 200}
    reply = api.post(f"/events/{shop[0]}/box-office-closing", json=body, **cashier(shop[0]))
    assert reply.status == 200, reply.json
    [till] = reply.json["tills"]
    assert (till["counted_cents"], till["difference_cents"], till["counted_at"]) == (PRICE - 200, -200, clock.iso(time.now))
    assert till["cash"] == {"sales": 2, "sold_cents": 2 * PRICE, "refunds": 1, "refunded_cents": PRICE, "expected_cents": PRICE}
    assert till["card"] == {"sales": 1, "sold_cents": PRICE, "refunds": 0, "refunded_cents": 0, "expected_cents": PRICE}
    tills = closing(api, shop, promoter(), date=day)
    assert (tills["cass"]["difference_cents"], tills["carl"]["difference_cents"]) == (-200, None)
    [entry] = [entry for entry in audit.list_entries(f"event#{shop[0]}") if entry.action == "box_office.closed"]
    assert (entry.actor, entry.details) == ("cass", {**body, "expected_cents": PRICE})


def test_a_sale_during_the_count_of_the_cash_is_expected_too(api, shop, time, monkeypatch):
    sold(sell(api, shop))
    view = box_office._view

    def slowly(row):
        monkeypatch.setattr(box_office, "_view", view)
        sold(sell(api, shop, "till-1/sale-2"))
        return view(row)

    monkeypatch.setattr(box_office, "_view", slowly)
    body = {"date": clock.iso(time.now)[:10], "currency": "USD", "counted_cents": 2 * PRICE}
    assert api.post(f"/events/{shop[0]}/box-office-closing", json=body, **cashier(shop[0])).json["tills"][0]["difference_cents"] == 0
    [entry] = [entry for entry in audit.list_entries(f"event#{shop[0]}") if entry.action == "box_office.closed"]
    assert entry.details["expected_cents"] == 2 * PRICE


def test_the_day_ends_at_midnight_of_the_event(api, time):
    shop = create_published(api, price_cents=PRICE, holdbacks=[COUNTER])
    assert api.patch(f"/events/{shop[0]}", json={"timezone": "Pacific/Auckland"}, **promoter()).status == 200
    sold(sell(api, shop))
    assert closing(api, shop)["cass"]["cash"]["sales"] == 1
    time.advance(86_400)
    assert closing(api, shop) == {}
    refused = api.post(
        f"/events/{shop[0]}/box-office-closing", json={"date": "2020-01-01", "currency": "USD", "counted_cents": 0}, **cashier(shop[0])
    )
    assert (refused.status, refused.json["path"]) == (400, "$.date")
    invariants.check_recovery(time)


@pytest.mark.parametrize(("fields", "path"), [({"date": "2026-05-99"}, "$.date"), ({"currency": "JPY"}, "$.currency")])
def test_nobody_fills_the_closing_with_tills_that_cannot_be(api, shop, time, fields, path):
    """A closing shows a limited number of tills."""
    assert clock.iso(time.now)[:8] == "2026-06-"
    body = {"date": clock.iso(time.now)[:10], "currency": "USD", "counted_cents": 0} | fields
    refused = api.post(f"/events/{shop[0]}/box-office-closing", json=body, **cashier(shop[0]))
    assert (refused.status, refused.json["path"]) == (400, path)


def test_a_quota_is_sold_offline_and_nobody_else_gets_it(api, shop, time):
    quota = claim(api, shop, 3)
    assert (quota.status, quota.json["quantity"]) == (200, 3), quota.json
    assert claim(api, shop, 3).json == quota.json, "a repeated claim takes no more"
    assert claim(api, shop, 2, "till-2/quota-1").json["error"] == "not_enough_tickets"
    assert sell(api, shop, quantity=2).json["error"] == "not_enough_tickets"
    time.advance(3600)
    codes = [new_code(), new_code()]
    reply = sell_offline(api, shop, "till-1/offline-1", time, 2, codes=codes)
    assert [ticket["ticket"]["code"] for ticket in reply.json["tickets"]] == codes
    assert sell_offline(api, shop, "till-1/offline-1", time, 2, codes=codes).status == 200
    assert sell_offline(api, shop, "till-1/offline-3", time, 2).json["error"] == "not_enough_tickets", "neither has two"
    sold(sell_offline(api, shop, "till-1/offline-2", time))
    assert left(api, shop) == 1
    assert builders.run_sweep()
    assert left(api, shop) == 1


def test_a_sale_cannot_use_the_code_of_another_ticket(api, shop, time):
    """A cashier who has seen the code of a ticket must not be able to keep its owner out."""
    claim(api, shop, 3)
    code = new_code()
    sold(sell_offline(api, shop, "till-1/offline-1", time, codes=[code]))
    reply = sell_offline(api, shop, "till-1/offline-2", time, 2, codes=[new_code(), code])
    assert (reply.status, reply.json["path"]) == (400, "$.codes[1]")
    sold(sell_offline(api, shop, "till-1/offline-2", time, 2, codes=[new_code(), new_code()]))


def test_a_sale_cannot_use_the_code_of_a_guest(api, time):
    """A cashier sees the codes that guests show, and must not be able to keep a guest out."""
    shop = create_published(api, price_cents=PRICE, admits=2, holdbacks=[COUNTER])
    ticket_id = builders.buy(api, "ada", *shop).json["tickets"][0]["id"]
    assert api.put(f"/seats/{ticket_id}.2/guest", json={"name": "Gus"}, user="ada").status == 200
    [guest] = find_ticket(ticket_id).guests
    reply = sell(api, shop, quantity=2, codes=[new_code(), guest.code])
    assert (reply.status, reply.json.get("path")) == (400, "$.codes[1]")
    sold(sell(api, shop, quantity=2, codes=[new_code(), new_code()]))


def test_a_quota_is_sold_at_the_price_at_which_it_was_set_aside(api, shop, time):
    """A device without a network cannot hear of a new price, and its buyers have paid and left."""
    claim(api, shop, 3)
    assert api.patch(f"/tiers/{shop[1]}", json={"price_cents": PRICE + 500}, **promoter()).status == 200
    assert sell_offline(api, shop, "till-1/offline-1", time, price_cents=PRICE - 1).json["error"] == "price_changed"
    order = store.load(sold(sell_offline(api, shop, "till-1/offline-1", time)))
    assert (order.total_cents, order.payment.amount_cents) == (PRICE, PRICE)
    assert claim(api, shop, 3).json["quantity"] == 2, "a repeated claim takes no more"
    assert sell_offline(api, shop, "till-1/offline-2", time, 3).json["error"] == "price_changed", "the holdback has the new price"
    sold(sell_offline(api, shop, "till-1/offline-2", time, price_cents=PRICE + 500))
    assert left(api, shop) == 1
    assert sell(api, shop).json["error"] == "price_changed"
    time.advance(2 * 3600)
    builders.run_sweep()
    late = {"quota_id": "till-1/quota-1", "sold_at": clock.iso(time.now - 3600)}
    assert sell(api, shop, "till-1/offline-3", **late).json["error"] == "price_changed", "the quota has expired"
    assert left(api, shop) == 2


def test_a_quota_is_given_back_early_without_what_was_sold(api, shop, time):
    claim(api, shop, 3)
    sold(sell_offline(api, shop, "till-1/offline-1", time))
    assert [give_back(api, shop).json["returned"] for _ in range(2)] == [2, 0]
    assert left(api, shop) == 3
    sold(sell(api, shop, quantity=3))
    refused = sell_offline(api, shop, "till-1/offline-2", time)
    assert (refused.status, refused.json["error"]) == (409, "not_enough_tickets")
    assert give_back(api, shop, "till-2/quota-9").json["returned"] == 0
    [entry] = [entry for entry in audit.list_entries(f"event#{shop[0]}") if entry.action == "box_office.quota_returned"]
    assert (entry.actor, entry.details["tickets"]) == ("cass", 2)


def test_a_quota_given_back_after_the_release_of_its_holdback_is_released_too(api, time):
    shop = create_published(api, price_cents=PRICE, holdbacks=[COUNTER | {"release_at": clock.iso(time.now + 60)}])
    claim(api, shop, 3)
    time.advance(60)
    catalog.invalidate()
    builders.run_sweep()
    assert read_stock({shop[1]: 1})[shop[1]].capacity == 7
    assert give_back(api, shop).json["returned"] == 3
    catalog.invalidate()
    builders.run_sweep()
    assert read_stock({shop[1]: 1})[shop[1]].capacity == 10
    invariants.check_recovery(time)


def test_an_expired_quota_returns_to_the_box_office_and_late_sales_get_what_is_left(api, shop, time):
    claim(api, shop, 3)
    time.advance(2 * 3600)
    builders.run_sweep()
    assert left(api, shop) == 4
    sold(sell(api, shop, quantity=3))
    sold_at = clock.iso(time.now - 3600)
    sold(sell(api, shop, "till-1/offline-1", quota_id="till-1/quota-1", sold_at=sold_at))
    refused = sell(api, shop, "till-1/offline-2", quota_id="till-1/quota-1", sold_at=sold_at)
    assert (refused.status, refused.json["error"], refused.json["available"]) == (409, "not_enough_tickets", 0)
    assert closing(api, shop)["cass"]["cash"]["sales"] == 2


def test_a_quota_outlives_the_release_of_its_holdback(api, time):
    released = COUNTER | {"release_at": clock.iso(time.now + 60)}
    shop = create_published(api, price_cents=PRICE, holdbacks=[released])
    claim(api, shop, 3)
    time.advance(60)
    catalog.invalidate()
    builders.run_sweep()
    assert read_stock({shop[1]: 1})[shop[1]].capacity == 7
    assert sell(api, shop).json["error"] == "holdback_released"
    sold(sell_offline(api, shop, "till-1/offline-1", time, 2))
    time.advance(2 * 3600)
    for _ in range(2):
        builders.run_sweep()
        catalog.invalidate()
    assert read_stock({shop[1]: 1})[shop[1]].capacity == 8, "the rest of the quota is released too"
    invariants.check_recovery(time)


def test_a_quota_keeps_its_tickets_when_the_holdback_shrinks(api, shop):
    claim(api, shop, 3)
    refused = api.patch(f"/tiers/{shop[1]}", json={"holdbacks": [COUNTER | {"quantity": 2}]}, **promoter())
    assert (refused.status, refused.json["error"], refused.json["minimum"]) == (409, "holdback_in_use", 3)


def test_a_sale_of_a_quota_is_delivered_after_the_event(api, shop, time):
    claim(api, shop, 2)
    sold_at = clock.iso(time.now)
    time.advance(60 * 86_400)
    assert sell(api, shop).json.items() >= {"error": "box_office_closed", "reason": "closed"}.items()
    late = sell(api, shop, "till-1/offline-1", quota_id="till-1/quota-1", sold_at=sold_at)
    assert (late.status, late.json["path"]) == (400, "$.sold_at")


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"quantity": 0}, "$.quantity"),
        ({"quantity": 51}, "$.quantity"),
        ({"method": "cheque"}, "$.method"),
        ({"email": "ada"}, "$.email"),
        ({"name": " "}, "$.name"),
        ({"reference": "x" * 101}, "$.reference"),
        ({"id": "short"}, "$.id"),
        ({"price_cents": -1}, "$.price_cents"),
        ({"codes": ["7K3MX-0QWZ9-H4TRB-V81CD", "7K3MX-0QWZ9-H4TRB-V81CE"]}, "$.codes"),
        ({"codes": ["secret"]}, "$.codes[0]"),
        ({"sold_at": "2026-01-01T00:00:00Z"}, "$.sold_at"),
        ({"sold_at": "2026-01-01T00:00:00Z", "quota_id": "till-1/quota-1"}, "$.sold_at"),
        ({"seat": 1}, "$.seat"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_sold(api, shop, fields, path):
    refused = sell(api, shop, **fields)
    assert (refused.status, refused.json["path"]) == (400, path)
    assert list(store.scan_purchases()) == []


def test_only_holdbacks_for_the_box_office_of_a_published_event_are_sold(api, time):
    event_id = create_draft(api)["id"]
    press = {"id": "press", "reason": "press", "quantity": 2}
    shop = event_id, create_kind(api, event_id, price_cents=PRICE, holdbacks=[COUNTER, press])["id"]
    assert sell(api, shop).json.items() >= {"error": "box_office_closed", "reason": "draft"}.items()
    api.post(f"/events/{event_id}/publish", **promoter())
    issue = {"tier_id": shop[1], "holdback_id": "press", "rows": [{"id": "ada", "name": "Ada", "email": "ada@example.com"}]}
    for _ in range(2):  # before and after the holdback gets a stock of its own
        for unknown in ("press", "nothing"):
            refused = sell(api, shop, holdback_id=unknown)
            assert (refused.status, refused.json["path"]) == (404, "$.holdback_id")
        assert sell_offline(api, shop, "till-1/offline-1", time, holdback_id="press").status == 404
        assert api.post(f"/events/{event_id}/complimentary-orders", json=issue, **promoter()).status == 200
    other = create_published(api, price_cents=PRICE, holdbacks=[COUNTER])
    assert sell(api, (event_id, other[1])).status == 404
    assert api.post(f"/events/{event_id}/cancel", **promoter()).status == 200
    assert sell(api, shop).json["reason"] == "cancelled"
    invariants.check_recovery(time)


@pytest.mark.parametrize("role", [None, "staff", "coordinator", "cashier"])
def test_cashiers_and_managers_sell(api, shop, role):
    who = {"token": auth.issue_token("who", {"user"}, events={shop[0]: role} if role else {}, seconds=86_400)}
    status = 201 if role in ("coordinator", "cashier") else 403
    assert sell(api, shop, who=who).status == status
    assert api.get(f"/events/{shop[0]}/box-office", **who).status == (200 if status == 201 else 403)
    assert api.patch(f"/tiers/{shop[1]}", json={"name": "New"}, **who).status == (200 if role == "coordinator" else 403)
    elsewhere = create_published(api, price_cents=PRICE, holdbacks=[COUNTER])
    assert sell(api, elsewhere, who=who).status == 403


def test_a_cancelled_event_leaves_its_orders_to_the_counter(api, shop, time):
    order_id = sold(sell(api, shop))
    paid = builders.create_order(api, shop, user="bob")
    assert api.post(f"/events/{shop[0]}/cancel", **promoter()).status == 200
    for _ in range(3):
        time.advance(60)
        builders.run_sweep()
    assert [store.load(purchase_id).state for purchase_id in (order_id, paid)] == ["paid", "refunded"]
    assert pay_back(api, shop, order_id).json["amount_cents"] == PRICE


@pytest.mark.not_on_moto
def test_two_cashiers_sell_the_last_ticket_once(api, shop):
    sold(sell(api, shop, quantity=3))
    replies = []
    threads = [
        threading.Thread(target=lambda name=name: replies.append(sell(api, shop, f"{name}/sale-1", by=name))) for name in ("carl", "cora")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(reply.status for reply in replies) == [201, 409], [reply.json for reply in replies]
    assert left(api, shop) == 0


@pytest.mark.slow
@pytest.mark.not_on_moto
def test_a_crash_at_any_call_sells_and_counts_once(api, time):
    def run(shop) -> None:
        claim(api, shop, 2)
        sell_offline(api, shop, "till-1/offline-1", time, 2)
        order = sell(api, shop, "till-1/sale-1", quantity=2)
        if order.status in (200, 201):
            pay_back(api, shop, order.json["order_id"], tickets=[f"{order.json['order_id']}-1"])
        claim(api, shop, 1, "till-1/quota-2")
        api.post(path(shop), json={"id": "till-1/quota-2", "tier_id": shop[1], "holdback_id": "counter"}, **cashier(shop[0]))

    def path(shop) -> str:
        return f"/events/{shop[0]}/box-office-quotas/return"

    def create() -> tuple[str, str]:
        return create_published(api, price_cents=PRICE, holdbacks=[COUNTER])

    shop = create()
    with faults.record_calls() as calls:
        run(shop)
    for number in range(1, len(calls) + 1):
        shop = create()
        with faults.crash_after(number):
            run(shop)
        time.advance(60)  # the key of an interrupted request is free again
        run(shop)
        till = closing(api, shop)["cass"]
        assert (till["cash"]["sold_cents"], till["cash"]["refunded_cents"]) == (4 * PRICE, PRICE)
        assert left(api, shop) == 1
    invariants.check_recovery(time)


def test_tickets_for_a_date_are_sold_until_its_doors_close(api, shop, time):
    dates = [{"id": name, "starts_at": clock.iso(time.now + days * 86_400)} for name, days in (("first", 1), ("last", 5))]
    for path, fields in ((f"/events/{shop[0]}", {"dates": dates}), (f"/tiers/{shop[1]}", {"date_ids": ["first"]})):
        assert api.patch(path, json=fields, token=builders.admin_token()).status == 200
    assert claim(api, shop, 1).status in (200, 201)
    time.advance(86_400 + 11 * 3600)
    sold(sell(api, shop))
    time.advance(2 * 3600)
    for refused in (sell(api, shop, "till-1/sale-2"), claim(api, shop, 1, "till-1/quota-2")):
        assert (refused.status, refused.json["error"], refused.json["reason"]) == (409, "box_office_closed", "closed")
