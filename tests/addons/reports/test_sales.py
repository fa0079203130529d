"""Sales by time over HTTP."""

import csv
import io
from collections import Counter

import pytest

from bootstrap.__main__ import main
from chalicelib.audit import service as audit
from chalicelib.ledger import service as ledger
from tests import builders
from tests.addons.reports.conftest import check_reports, pages


def test_the_sales_add_up_to_the_ledger_to_the_cent(api, event_ids):
    for event_id in event_ids:
        sales = pages(api, f"/events/{event_id}/sales", "sales", limit=7)
        sums = Counter()
        for sale in sales:
            sums[sale["provider"], sale["currency"]] += sale["amount_cents"]
        assert {key: cents for key, cents in sums.items() if key[0] != "free"} == {
            (totals.provider, totals.currency): totals.balance_cents for totals in ledger.revenue_report(event_id).totals if totals.payments
        }
        assert [sale["at"] for sale in sales] == sorted(sale["at"] for sale in sales)


def test_sales_of_a_time_are_those_of_the_ledger_in_that_time(api, event_ids):
    event_id = event_ids[0]
    everything = pages(api, f"/events/{event_id}/sales", "sales")
    middle = everything[len(everything) // 2]["at"]
    before = pages(api, f"/events/{event_id}/sales", "sales", to=middle, limit=3)
    after = pages(api, f"/events/{event_id}/sales", "sales", **{"from": middle})
    assert before + after == everything
    assert all(sale["at"] < middle for sale in before)
    assert after[0]["at"] == middle


def test_a_sale_shows_what_was_bought_and_free_orders_cost_nothing(api, poller, time):
    event_id, tier_id = builders.create_shop(api)
    free = builders.create_tier(api, event_id, name="Guests", price_cents=0)
    order_id = builders.create_order(api, (event_id, tier_id))
    time.advance(60)
    invited = builders.reserve(api, "bob", event_id, free).json["id"]
    builders.start_checkout(api, "bob", invited)
    builders.confirm(api, "bob", invited, None)
    poller.drain()
    paid, given = pages(api, f"/events/{event_id}/sales", "sales")
    assert paid == {
        "at": "2026-06-01T12:00:00Z",
        "order_id": order_id,
        "kind": "captured",
        "amount_cents": 10_000,
        "currency": "USD",
        "provider": "simulated",
        "user_id": "ada",
        "quantity": 2,
        "items": paid["items"],
        "promo_code": None,
        "discount_cents": 0,
        "tax_cents": 0,
        "included_fee_cents": 0,
        "status": "paid",
        "guests": None,
        "buyer": None,
    }
    assert [(item["tier_name"], item["quantity"]) for item in paid["items"]] == [("Floor", 2)]
    assert (given["order_id"], given["amount_cents"], given["provider"]) == (invited, 0, "free")


def test_sales_are_exported_as_csv_that_no_spreadsheet_computes(api, poller, time):
    event_id = builders.create_event(api)
    tier_id = builders.create_tier(api, event_id, name="=HYPERLINK(1)")
    builders.create_order(api, (event_id, tier_id))
    builders.create_order(api, (event_id, tier_id), user="bob")
    poller.drain()
    reply = api.get(f"/events/{event_id}/sales?format=csv&limit=1", token=builders.admin_token())
    header, row = csv.reader(io.StringIO(reply.body.decode()))
    sale = dict(zip(header, row, strict=True))
    assert (sale["amount_cents"], sale["user_id"], sale["items"]) == ("10000", "ada", "2 x =HYPERLINK(1)")
    target = reply.headers["link"].split(">")[0].removeprefix("<?")
    rest = api.get(f"/events/{event_id}/sales?{target}", token=builders.admin_token())
    assert "bob" in rest.body.decode()
    assert "link" not in rest.headers


@pytest.mark.parametrize("query", [{"cursor": "bm9uZSM"}, {"limit": 0}, {"status": "sold"}, {"from": "now"}, {"unknown": 1}])
def test_wrong_parameters_are_named(api, poller, time, query):
    event_id, _ = builders.create_shop(api)
    reply = api.get(f"/events/{event_id}/sales", query=query, token=builders.admin_token())
    assert (reply.status, reply.json["path"]) == (400, next(iter(query)))


def test_imported_tickets_are_sales_without_money(api, poller, tmp_path):
    event_id, tier_id = builders.create_shop(api)
    file = tmp_path / "sold.csv"
    file.write_text(f"code,tier\nOLD-0001,{tier_id}\n")
    assert main(["import-tickets", str(file), "--event", event_id, "--apply"]) == 0
    poller.drain()
    [sale] = pages(api, f"/events/{event_id}/sales", "sales")
    assert (sale["provider"], sale["amount_cents"], sale["quantity"]) == ("imported", 0, 1)
    funnel = api.get(f"/events/{event_id}/analytics", token=builders.admin_token()).json["funnel"]
    assert (funnel["reservations"], funnel["checkouts"], funnel["orders"]) == (1, 1, 1)  # no step exceeds the step before


def test_sales_of_the_box_office_are_sold_and_their_money_is_apart(api, poller):
    event_id, tier_id = builders.create_shop(api)
    counter = builders.sell_at_counter(api, (event_id, tier_id), 2)
    paid = builders.create_order(api, (event_id, tier_id))
    assert builders.refund(api, counter, tickets=[f"{counter}-1"]).status == 201
    poller.drain()
    sales = [(sale["order_id"], sale["provider"], sale["amount_cents"]) for sale in pages(api, f"/events/{event_id}/sales", "sales")]
    assert sorted(sales) == sorted([(counter, "box_office", 10_000), (counter, "box_office", -5000), (paid, "simulated", 10_000)])
    shown = api.get(f"/events/{event_id}/analytics", token=builders.admin_token()).json
    assert (shown["tickets_sold"], shown["tiers"][0]["returned"]) == (4, 1)
    assert {revenue["provider"]: revenue["balance_cents"] for revenue in shown["revenue"]} == {"box_office": 5000, "simulated": 10_000}
    check_reports()


def test_complimentary_tickets_are_marked_and_counted_apart(api, poller):
    event_id, tier_id = builders.create_shop(api)
    first, second = builders.issue_complimentary(api, (event_id, tier_id), 2, 2)
    paid = builders.create_order(api, (event_id, tier_id))
    assert builders.refund(api, first, tickets=[f"{first}-1"], reason="revoked").status == 201
    poller.drain()
    sales = {sale["order_id"]: sale for sale in pages(api, f"/events/{event_id}/sales", "sales")}
    assert {order_id: (sale["provider"], sale["amount_cents"]) for order_id, sale in sales.items()} == {
        first: ("complimentary", 0),
        second: ("complimentary", 0),
        paid: ("simulated", 10_000),
    }
    listed = pages(api, "/orders", "orders", event_id=event_id, status="complimentary")
    assert {(order["id"], order["complimentary"]) for order in listed} == {(first, True), (second, True)}
    shown = api.get(f"/events/{event_id}/analytics", token=builders.admin_token()).json
    [tier] = shown["tiers"]
    assert (tier["sold"], tier["returned"], tier["complimentary"], tier["people_expected"]) == (2, 0, 3, 5)
    assert (shown["tickets_sold"], shown["funnel"]["orders"], shown["funnel"]["reservations"]) == (2, 1, 1)
    assert [revenue["provider"] for revenue in shown["revenue"]] == ["simulated"]
    check_reports()


@pytest.fixture
def promoted(api, poller, time):
    """An event with an order with a promo code, of which a ticket was refunded, and one without. Returns (event, tier, orders)."""
    event_id, tier_id = builders.create_shop(api)
    other_tier = builders.create_tier(api, event_id, "Balcony")
    builders.create_promo_code(api, event_id, "EARLY")
    first = builders.buy(api, "ada", event_id, tier_id, 3, promo_code="early").json["order"]["id"]
    time.advance(60)
    second = builders.create_order(api, (event_id, other_tier), 1, user="bob")
    assert api.put(f"/seats/{second}-1.1/guest", json={"name": "=cmd"}, user="bob").status == 200
    time.advance(60)
    assert builders.refund(api, first, tickets=[f"{first}-1"]).status == 201
    poller.drain()
    return event_id, tier_id, [first, second]


def list_sales(api, event_id, **query):
    return pages(api, f"/events/{event_id}/sales", "sales", **query)


def test_a_sale_has_the_promo_code_and_the_discount_of_its_order(api, promoted):
    event_id, _, (first, second) = promoted
    shown = [(sale["order_id"], sale["promo_code"], sale["discount_cents"], sale["status"]) for sale in list_sales(api, event_id)]
    reduced, plain = (first, "EARLY", 1500, "partially_refunded"), (second, None, 0, "paid")
    assert shown == [reduced, plain, reduced]


def test_sales_are_filtered_by_promo_code_tier_and_status(api, promoted):
    event_id, tier_id, (first, second) = promoted
    for query, orders in (
        ({"promo_code": "early"}, [first, first]),
        ({"promo_code": "LATE"}, []),
        ({"tier_id": tier_id}, [first, first]),
        ({"status": "paid"}, [second]),
        ({"status": "partially_refunded", "promo_code": "EARLY", "limit": 1}, [first, first]),
        ({"status": "refunded"}, []),
    ):
        assert [sale["order_id"] for sale in list_sales(api, event_id, **query)] == orders, query


def test_guests_are_shown_on_request(api, promoted):
    event_id = promoted[0]
    shown = [sale["guests"] for sale in list_sales(api, event_id, guests="true")]
    assert shown == [[], [{"number": "NIG-0004", "name": "=cmd"}], []]
    reply = api.get(f"/events/{event_id}/sales?format=csv&guests=true", token=builders.admin_token())
    rows = list(csv.DictReader(io.StringIO(reply.body.decode())))
    assert [row["guests"] for row in rows] == ["", "NIG-0004 =cmd", ""]
    assert [row["promo_code"] for row in rows] == ["EARLY", "", "EARLY"]


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/events/{}/sales", "/admin/events/{}/tickets/sales"])
def test_a_page_with_guests_ends_before_it_is_too_large_for_lambda(api, poller, path):
    event_id, _ = builders.create_shop(api)
    tier_id = builders.create_tier(api, event_id, name="Groups", capacity=100, admits=100)
    orders = [builders.create_order(api, (event_id, tier_id), 4, user=f"host-{number}") for number in range(8)]
    for order_id in orders:
        for ticket_id in builders.ticket_ids(order_id, 1, 2, 3, 4):
            builders.name_all_guests(ticket_id)
    poller.drain()
    reply = api.get(f"{path.format(event_id)}?guests=true", token=builders.admin_token())
    assert (len(reply.body) < 1_000_000, len(reply.json["sales"]) > 1, reply.json["next_cursor"] is not None) == (True, True, True)
    assert [sale["order_id"] for sale in pages(api, path.format(event_id), "sales", guests="true")] == orders


def test_buyers_are_shown_on_request_and_the_reading_is_audited(api, promoted):
    event_id = promoted[0]
    paths = (f"/events/{event_id}/sales?buyers=true", f"/admin/events/{event_id}/tickets/sales?buyers=true")
    for path in paths:
        buyers = [sale["buyer"] for sale in api.get(path, token=builders.admin_token()).json["sales"]]
        assert buyers[0] == {"name": None, "email": None}
    exported = api.get(f"/admin/events/{event_id}/tickets/sales/export?buyers=true", token=builders.admin_token())
    assert csv.DictReader(io.StringIO(exported.body.decode())).fieldnames[-3:] == ["buyer_email", "tax_cents", "included_fee_cents"]
    audited = [entry.details for entry in audit.list_entries(f"event#{event_id}") if entry.action == "event.people_read"]
    assert audited == [{"listed": "sales", "count": 2, "format": form} for form in ("csv", "json", "json")]


def test_a_sale_names_the_buyer(api, poller, time):
    event_id, tier_id = builders.create_shop(api)
    builders.buy(api, "cleo", event_id, tier_id, customer_email="cleo@example.com", attendees=[{"name": "Cleo"}])
    poller.drain()
    (sale,) = list_sales(api, event_id, buyers="true")
    assert sale["buyer"] == {"name": "Cleo", "email": "cleo@example.com"}
    exported = api.get(f"/events/{event_id}/sales?format=csv&buyers=true", token=builders.admin_token())
    (row,) = csv.DictReader(io.StringIO(exported.body.decode()))
    assert (row["buyer_name"], row["buyer_email"]) == ("Cleo", "cleo@example.com")


def test_a_promo_code_has_the_figures_of_the_orders_that_were_paid_with_it(api, promoted):
    event_id, _, _ = promoted
    path = f"/admin/events/{event_id}/promo-codes/early/stats"
    assert api.get(path, token=builders.admin_token()).json == {
        "code": "EARLY",
        "uses": 1,
        "tickets_sold": 3,
        "tickets_returned": 1,
        "discount": 15.0,
        "discount_cents": 1500,
        "revenue": 135.0,
        "revenue_cents": 13_500,
        "refunded": 45.0,
        "refunded_cents": 4500,
        "currency": "USD",
    }
    builders.create_promo_code(api, event_id, "LATE")
    unused = api.get(f"/admin/events/{event_id}/promo-codes/LATE/stats", token=builders.admin_token()).json
    assert (unused["uses"], unused["revenue"]) == (0, 0.0)
    missing = api.get(f"/admin/events/{event_id}/promo-codes/NONE/stats", token=builders.admin_token())
    assert (missing.status, missing.json["error"]) == (404, "not_found")
