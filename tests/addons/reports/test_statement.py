"""The statement of an event: it adds up to the ledger and to the provider's books, for each account."""

import csv
import io
from urllib.parse import parse_qsl, urlsplit

import pytest

from chalicelib.foundation import settings
from chalicelib.ledger import service as ledger
from tests import builders


@pytest.fixture
def account(shop):
    """The account on which buyers pay in this shop. The operator gets a fee: 2.25 of 50.00."""
    with settings.override(application_fee_cents=100, application_fee_basis_points=250):
        yield shop.connect_account()


def show_statement(shop, **query):
    reply = shop.api.get(f"/events/{shop.event_id}/statement", query=query, token=builders.token("pat", "promoter"))
    assert reply.status == 200, reply.json
    return reply


def test_the_statement_adds_up_to_the_ledger_and_to_stripe(shop, account):
    """Odd amounts, so that shares of the fee are rounded; one order is refunded ticket by ticket, one is disputed."""
    shop.tier_id = builders.create_tier(shop.api, shop.event_id, "Odd", price_cents=3333)
    first, second = shop.buy("ada", 3), shop.buy("bob", 1)
    for number in (1, 2, 3):
        builders.refund(shop.api, first, tickets=[f"{first}-{number}"], key=f"refund-{number}")
    shop.fake.deliver()
    shop.create_dispute(second)
    [totals] = show_statement(shop).json["totals"]
    entries = list(ledger.list_event_entries(shop.event_id))
    assert (totals["account"], totals["captured_cents"], totals["refunded_cents"]) == (account, 4 * 3333, 3 * 3333)
    assert totals["disputed_cents"] == 3333
    assert totals["net_cents"] == sum(entry.net_cents for entry in entries) == -totals["fee_cents"]
    charged = shop.fake.objects("balance_transaction", account=account)
    stripe_fees = sum(detail["amount"] for moved in charged for detail in moved["fee_details"] if detail["type"] == "stripe_fee")
    assert sum(moved["net"] for moved in charged) + stripe_fees == totals["net_cents"]
    shop.assert_books_balance()


def test_the_statement_lists_its_entries_in_parts(shop, account):
    orders = [shop.buy(user, 1) for user in ("ada", "bob", "cem")]
    parts, query = [], {"format": "csv", "limit": 2}
    while query:
        reply = show_statement(shop, **query)
        parts.append(reply.body.decode())
        link = reply.headers.get("link")
        query = dict(parse_qsl(urlsplit(link.partition(">")[0].lstrip("<")).query)) if link else None
    rows = list(csv.DictReader(io.StringIO("".join(parts))))
    assert len(parts) == 3
    assert [(row["order_id"], row["kind"], row["amount_cents"]) for row in rows] == [
        (order_id, kind, cents) for order_id in orders for kind, cents in (("captured", "5000"), ("fee", "-225"))
    ]
    assert {(row["account"], row["currency"], row["provider"]) for row in rows} == {(account, "USD", "stripe")}
    [totals] = show_statement(shop).json["totals"]
    assert sum(int(row["amount_cents"]) for row in rows) == totals["net_cents"] == 3 * 4775


def test_the_statement_tells_accounts_apart(shop):
    shop.buy("ada", 1)
    account = shop.connect_account()
    shop.buy("bob", 1)
    assert [(of["account"], of["net_cents"]) for of in show_statement(shop).json["totals"]] == [(None, 5000), (account, 5000)]


def test_another_promoter_sees_no_statement(shop, account):
    eve = {"token": builders.token("eve", "promoter")}
    for path in ("statement", "statement.pdf"):
        assert shop.api.get(f"/events/{shop.event_id}/{path}", **eve).status == 403
