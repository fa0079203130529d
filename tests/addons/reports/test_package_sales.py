"""Sales of packages over HTTP: counts, revenue, filters, and the parts of an export."""

import csv
import io
import re

import pytest

import app
from chalicelib.ledger import service as ledger
from infra.event_sources import WINDOW_SECONDS
from infra.local.event_sources import create_poller
from tests import builders, engines
from tests.addons.packages.requests import call, create_event, create_package, promoter
from tests.addons.reports.conftest import pages

SALES = "/admin/events/{}/tickets/sales"


@pytest.fixture
def sold(api, time, poller):
    """An event with two orders of a table, one of a sponsorship, and a refund of the first table. Returns the ids."""
    event = create_event(api)
    table = create_package(api, event, name="Table", price="1200.50")["id"]
    sponsor = create_package(api, event, name="=SUM(A1:A9)", price=5000, is_sponsorship=True)["id"]
    orders = []
    for user, package in (("ada", table), ("bob", table), ("eve", sponsor)):
        orders.append(builders.buy(api, user, event, package, 1).json["order"]["id"])
        time.advance(60)
    assert builders.refund(api, orders[0]).status == 201
    poller.drain()
    return event, table, sponsor, orders


def get(api, path, token="", **query):
    return api.get(path, query=query, token=token or promoter())


def parts(api, path, token="", **query):
    """The parts of an export, which Link leads through."""
    found, more = [], "?" + "&".join(f"{name}={value}" for name, value in query.items())
    while more:
        reply = get(api, f"{path}{more}", token)
        assert (reply.status, reply.headers["content-type"]) == (200, "text/csv; charset=utf-8")
        found.append(reply.body)
        link = re.fullmatch(r'<(.*)>; rel="next"', reply.headers.get("link", ""))
        more = link[1] if link else ""
    return found


def rows_of(raw):
    return list(csv.DictReader(io.StringIO(raw.decode("utf-8-sig"), newline="")))


def test_counts_and_revenue_are_those_of_the_ledger(api, sold):
    event, table, sponsor, _ = sold
    [totals] = ledger.revenue_report(event).totals
    body = get(api, SALES.format(event)).json
    assert body["counts"].items() >= {table: 1, sponsor: 1}.items()
    assert sum(body["counts"].values()) == 2
    assert (body["total_revenue"], body["currency"]) == (6200.5, "USD")
    assert body["total_revenue_cents"] == totals.balance_cents == sum(sale["amount_cents"] for sale in body["sales"])
    assert [sale["kind"] for sale in body["sales"]] == ["captured", "captured", "captured", "refunded"]
    summary = get(api, SALES.format(event) + "/summary").json
    assert {name: summary[name] for name in ("counts", "total_revenue")} == {name: body[name] for name in ("counts", "total_revenue")}
    assert sum(hour["sold"] for hour in summary["by_hour"]) == 3


def test_sales_are_filtered_by_package_sponsorship_and_time(api, sold):
    event, table, _, orders = sold
    path = SALES.format(event)
    assert [sale["order_id"] for sale in get(api, path, sponsorship_only="true").json["sales"]] == [orders[2]]
    assert [sale["order_id"] for sale in get(api, path, package_id=table).json["sales"]] == [orders[0], orders[1], orders[0]]
    assert get(api, path, package_id=table, sponsorship_only="true").json["sales"] == []
    last = get(api, path).json["sales"][-1]["at"]
    assert len(get(api, path, to=last).json["sales"]) == 3
    refused = get(api, path, package_id="/")
    assert (refused.status, refused.json["path"]) == (400, "package_id")


def test_sales_come_in_pages(api, sold):
    path = SALES.format(sold[0])
    found, query = [], {"limit": 3}
    while query:
        body = get(api, path, **query).json
        found += body["sales"]
        query = {"limit": 3, "cursor": body["next_cursor"]} if body["next_cursor"] else {}
    assert found == get(api, path).json["sales"]


@pytest.mark.parametrize("limit", [1, 3, 1000])
def test_the_parts_of_an_export_are_one_file_that_adds_up_to_the_ledger(api, sold, limit):
    event = sold[0]
    whole = b"".join(parts(api, SALES.format(event) + "/export", limit=limit, bom="true"))
    assert whole.startswith(b"\xef\xbb\xbf")
    assert whole.count(b"\xef\xbb\xbf") == 1
    rows = rows_of(whole)
    assert len(rows) == 4
    assert sum(int(row["amount_cents"]) for row in rows) == ledger.revenue_report(event).totals[0].balance_cents
    assert b"\xef\xbb\xbf" not in parts(api, SALES.format(event) + "/export", limit=1000)[0]


def test_no_cell_is_a_formula_and_an_order_keeps_the_name_that_was_bought(api, sold):
    event, _, sponsor, _ = sold
    assert call(api, "PATCH", event, sponsor, json={"name": "New"}).status == 200
    [row] = rows_of(parts(api, SALES.format(event) + "/export", sponsorship_only="true")[0])
    assert row["items"] == "1 x =SUM(A1:A9)"
    assert not any(value.startswith(("=", "+", "@")) for value in row.values())


@pytest.mark.slow
def test_the_sales_of_every_event_add_up_in_small_parts(api, event_ids):
    for event_id in event_ids:
        rows = rows_of(b"".join(parts(api, SALES.format(event_id) + "/export", builders.admin_token(), limit=7)))
        assert len(rows) == len(pages(api, f"/events/{event_id}/sales", "sales"))
        assert sum(int(row["amount_cents"]) for row in rows) == sum(
            totals.balance_cents for totals in ledger.revenue_report(event_id).totals
        )


def test_the_summary_has_a_sale_within_three_seconds(api, threaded_store, time):
    """The worst case: a batch of changes was passed on just before, so the next one waits until the window for more of them is over."""
    event = create_event(api)
    table = create_package(api, event, price=100)["id"]
    poller = create_poller(app.app, engines.local_engine(), clock=lambda: time.now)
    assert builders.buy(api, "bob", event, table, 1).status == 201
    poller.drain()
    assert builders.buy(api, "ada", event, table, 1).status == 201
    seen = []
    for _ in range(4):
        poller.drain()
        body = get(api, SALES.format(event) + "/summary").json
        seen.append((body["counts"][table], body["total_revenue"]))
        time.advance(1)
    assert seen[0] == (1, 100.0)
    assert seen[-1] == (2, 200.0)
    assert seen.index((2, 200.0)) <= WINDOW_SECONDS < 3
