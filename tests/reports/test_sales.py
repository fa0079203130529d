"""Sales by time over HTTP."""

import csv
import io
from collections import Counter

import pytest

from bootstrap.__main__ import main
from chalicelib.ledger import service as ledger
from tests import builders
from tests.reports.conftest import pages


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


def test_a_sale_says_what_was_bought_and_free_orders_are_listed_with_nothing(api, poller, time):
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
