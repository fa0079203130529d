"""The fee inside a price: every price is final, its fee has one name everywhere, and returns take the fee back to the cent."""

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.foundation import settings
from chalicelib.foundation.money import IncludedFee
from chalicelib.payments.model import Payment
from chalicelib.purchases.model import LineItem, Purchase, Refund
from tests import builders, invariants, pdfs
from tests.documented import document
from tests.stripe_shop import open_shop, over_http

PRICE, FEE = 2500, 300
OWN = {"cents": 50, "percent": "10"}
# Fields with the price of tickets.
PRICES = ("price_cents", "price_from_cents", "total_price_cents")
# Views with the price of tickets that do not name its fee.
WITHOUT_FEE = {
    "TicketTier": "the price that was paid for a ticket, whose order names the fee",
    "ResaleTicketView": "what the seller of a ticket paid; the offer to buyers names the fee",
    "TransferredOrderView": "compares the final price with what has arrived, for managers",
    "RefundPreviewView": "what managers refund",
}
# Parts of the shop's pages with a price that show no fee beside it.
PAGES_WITHOUT_FEE = {
    "parts/promo-code.tsx": "says how much a code takes off; the order above has the fee",
    "parts/public-changes.tsx": "says how a price has changed",
    "parts/return-panel.tsx": "says what a buyer gets back",
}


def post_tier(api, event_id: str, **fields):
    body = {"name": "Seats", "price_cents": PRICE, "capacity": 10, "included_fee": OWN} | fields
    return api.post(f"/events/{event_id}/tiers", json=body, token=builders.admin_token())


@pytest.fixture
def shop(api, time) -> tuple[str, str]:
    """An event with one kind of tickets, at PRICE with FEE inside."""
    event_id = builders.create_event(api)
    reply = post_tier(api, event_id)
    assert reply.status == 201, reply.json
    return event_id, reply.json["id"]


@pytest.fixture
def stripe(api, time):
    with open_shop(api, time) as shop:
        shop.tier_id = post_tier(api, shop.event_id).json["id"]
        yield shop
        shop.assert_books_balance()


def statement(api, event_id: str) -> dict[str, Any]:
    [found] = api.get(f"/events/{event_id}/statement", token=builders.admin_token()).json["totals"]
    return found


def shown_prices(shown: Any) -> Iterator[tuple[int, int | None]]:
    """Yield each price of tickets in a reply, and the fee beside it."""
    if isinstance(shown, dict):
        for name in PRICES:
            if shown.get(name) is not None:
                yield shown[name], shown.get("included_fee_cents")
    for part in shown.values() if isinstance(shown, dict) else shown if isinstance(shown, list) else []:
        yield from shown_prices(part)


def test_each_place_shows_the_final_price_with_its_fee(api, time, shop):
    """A buyer sees the price of a ticket in the lists, at the event and in the line, and pays this price."""
    event_id, tier_id = shop
    places = ("/events", f"/events/{event_id}", f"/events/{event_id}/tiers", f"/tiers/{tier_id}", f"/events/{event_id}/availability")
    for place in (*places, "/tickets/types", f"/events/{event_id}/tickets/packages"):
        assert set(shown_prices(api.get(place).json)) == {(PRICE, FEE)}, place
    reservation = builders.reserve(api, "ada", event_id, tier_id, 2).json
    session = builders.start_checkout(api, "ada", reservation["id"]).json
    order = builders.confirm(api, "ada", session["id"]).json["order"]
    shown = api.get(f"/orders/{order['id']}", user="ada").json["order"]
    managed = api.get(f"/admin/orders/{order['id']}", token=builders.admin_token()).json["order"]
    for place in (reservation, session["reservation"], order, shown, managed):
        assert (place["total_price_cents"], place["included_fee_cents"]) == (2 * PRICE, 2 * FEE)
        assert [(item["price_cents"], item["included_fee_cents"]) for item in place["items"]] == [(PRICE, 2 * FEE)]
    found = statement(api, event_id)
    assert (found["captured_cents"], found["included_fee_cents"]) == (2 * PRICE, 2 * FEE)
    invariants.check(time.now)


def test_documents_name_the_fee(api, time, shop):
    event_id, tier_id = shop
    order_id = builders.create_order(api, (event_id, tier_id))
    manager = {"token": builders.admin_token()}
    receipt = {"en": "Includes fees", "es": "Incluye gastos de gestión"}
    statement = {"en": "Fees included in sales", "es": "Gastos de gestión incluidos en las ventas"}
    for path, caller, texts in (
        (f"/orders/{order_id}/receipt.pdf", {"user": "ada"}, receipt),
        (f"/events/{event_id}/statement.pdf", manager, statement),
    ):
        for language, words in texts.items():
            text = " ".join(page.text for page in pdfs.read(api.get(path, query={"language": language}, **caller).body))
            assert words in text, path
            assert set(re.findall(r"\d+\.\d\d", text.replace(",", "."))) <= {"25.00", "50.00", "6.00", "0.00"}, path
            assert "6.00" in text.replace(",", ".")


def test_every_view_with_a_price_has_its_fee():
    described = document()
    schemas = described["components"]["schemas"]
    found = [
        operation["responses"] for methods in described["paths"].values() for operation in methods.values() if "responses" in operation
    ]
    names = set[str]()
    while found:
        new = set(re.findall(r"#/components/schemas/(\w+)", json.dumps(found))) - names
        names |= new
        found = [schemas[name] for name in new]
    fields = {name: schemas[name].get("properties", {}).keys() for name in names}
    lacking = {name for name in names if fields[name] & {*PRICES, "price", "total_price"} and "included_fee_cents" not in fields[name]}
    assert lacking == WITHOUT_FEE.keys()


def test_every_page_with_a_price_shows_its_fee():
    shop_pages = Path("web/src")
    lacking = set()
    for folder in ("pages", "parts"):
        for path in (shop_pages / folder).glob("*.tsx"):
            source = path.read_text()
            if re.search(r"price(_from)?_cents", source) and not re.search(r"included_fee_cents|<Included ", source):
                lacking.add(f"{folder}/{path.name}")
    assert lacking == PAGES_WITHOUT_FEE.keys()


def test_the_payment_is_the_price_that_was_shown(stripe):
    order_id = stripe.buy("ada", 2)
    [payment] = stripe.fake.objects("payment_intent")
    assert payment["amount"] == 2 * PRICE
    assert stripe.api.get(f"/orders/{order_id}", user="ada").json["order"]["included_fee_cents"] == 2 * FEE


def test_an_order_keeps_the_fee_of_its_sale(api, time, shop):
    event_id, tier_id = shop
    order_id = builders.create_order(api, shop, 1)
    assert api.patch(f"/tiers/{tier_id}", json={"included_fee": None}, token=builders.admin_token()).status == 200
    assert api.get(f"/tiers/{tier_id}").json["included_fee_cents"] == 0
    assert api.get(f"/orders/{order_id}", user="ada").json["order"]["included_fee_cents"] == FEE
    builders.refund(api, order_id)
    assert statement(api, event_id)["included_fee_cents"] == 0
    invariants.check(time.now)


def test_a_discount_lowers_the_share_of_the_price(api, time, shop):
    builders.create_promo_code(api, shop[0], "SAVE")
    order = builders.buy(api, "ada", *shop, promo_code="SAVE").json["order"]
    assert (order["total_price_cents"], order["included_fee_cents"]) == (2250, 275)
    invariants.check(time.now)


def test_a_free_ticket_includes_no_fee(api, time, shop):
    builders.create_promo_code(api, shop[0], "GIFT", discount_value=100)
    order = builders.buy(api, "ada", *shop, promo_code="GIFT").json["order"]
    assert (order["total_price_cents"], order["included_fee_cents"]) == (0, 0)
    invariants.check(time.now)


def test_refunds_of_single_tickets_and_kept_fees_take_the_fee_back(api, time, shop):
    order_id = builders.create_order(api, shop, 3)
    left = []
    for number, kept in ((1, 0), (2, 250), (3, 0)):
        builders.refund(api, order_id, tickets=[f"{order_id}-{number}"], key=f"refund-{number}", fee_cents=kept)
        left.append(statement(api, shop[0])["included_fee_cents"])
        invariants.check(time.now)
    assert left == [2 * FEE, FEE + 30, 30]  # of the 2.50 that were kept of the second ticket, 12 percent are the fee


def test_refunds_by_hand_and_disputes_take_the_fee_back(stripe):
    first, second = stripe.buy("ada", 1), stripe.buy("bob", 1)
    stripe.refund_in_dashboard(first, PRICE // 2)
    stripe.fake.deliver()
    dispute_id = stripe.create_dispute(second)
    assert statement(stripe.api, stripe.event_id)["included_fee_cents"] == FEE // 2
    stripe.close_dispute(dispute_id, won=True)
    assert statement(stripe.api, stripe.event_id)["included_fee_cents"] == FEE + FEE // 2


def test_the_entries_of_the_statement_add_up_to_the_fee(api, time, shop):
    order_id = builders.create_order(api, shop)
    builders.refund(api, order_id, tickets=[f"{order_id}-1"])
    reply = api.get(f"/events/{shop[0]}/statement", query={"format": "csv"}, token=builders.admin_token())
    rows = list(csv.DictReader(io.StringIO(reply.body.decode())))
    assert [(row["kind"], row["included_fee_cents"]) for row in rows] == [("captured", "600"), ("refunded", "-300")]


def test_a_sale_at_the_counter_has_its_fee(api, time, shop):
    builders.sell_at_counter(api, shop, price_cents=PRICE)
    assert statement(api, shop[0])["included_fee_cents"] == FEE
    invariants.check(time.now)


@pytest.mark.parametrize(("language", "words"), [("en", "Includes USD 3.00 in fees"), ("es", "Incluye USD 3.00 de gastos de gestión")])
def test_the_hosted_page_names_the_fee(stripe, language, words):
    reservation = builders.reserve(stripe.api, "ada", stripe.event_id, stripe.tier_id, 1).json["id"]
    headers = {"Idempotency-Key": reservation, "Accept-Language": language}
    body = {"reservation_id": reservation, "page": "hosted"}
    with settings.override(checkout_origins="https://shop.test"):
        session = stripe.api.post("/checkout/sessions", json=body, user="ada", headers=headers).json
    with over_http():
        page = requests.get(session["payment"]["url"], timeout=60)
    assert f"1 × Seats ({words})" in page.content.decode()


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"included_fee": {"cents": PRICE + 1}}, "$.included_fee.cents"),
        ({"included_fee": {"cents": 1, "percent": "99.99"}, "price_cents": 100}, "$.included_fee.cents"),
        ({"price_cents": 0}, "$.included_fee.cents"),
        ({"included_fee": {"percent": "100"}}, "$.included_fee.percent"),
        ({"included_fee": {"percent": 5}}, "$.included_fee.percent"),
        ({"included_fee": {"cents": -1}}, "$.included_fee.cents"),
        ({"included_fee": {"name": "Service"}}, "$.included_fee.name"),
    ],
)
def test_a_wrong_fee_is_refused(api, shop, fields, path):
    reply = post_tier(api, shop[0], name="Other", **fields)
    assert (reply.status, reply.json["path"]) == (400, path)


def test_the_price_cannot_fall_below_its_fee(api, shop):
    reply = api.patch(f"/tiers/{shop[1]}", json={"price_cents": 40}, token=builders.admin_token())
    assert (reply.status, reply.json["rule"]) == (400, "fee_above_price")


FEES = st.sampled_from([None, IncludedFee(50), IncludedFee(0, "10"), IncludedFee(7, "2.5")])


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 999), FEES), min_size=1, max_size=4), st.data())
def test_whatever_leaves_an_order_adds_up_to_its_fee(lines, data):
    items = [LineItem(f"t{n}", "T", quantity, price, 1, [], included_fee=fee) for n, (quantity, price, fee) in enumerate(lines)]
    total = sum(item.total_cents for item in items)
    order = Purchase(
        id="o", user_id="u", event_id="e", state="paid", version=1, lines=items, currency="EUR", created_at=0, expires_at=0,
        payment=Payment("stripe", "captured", total, "EUR", payment_intent_id="pi"),
    )  # fmt: skip
    left, numbers = total, list(range(1, order.quantity + 1))
    while left:
        tickets = data.draw(st.lists(st.sampled_from(numbers), unique=True, max_size=3))
        amount = data.draw(st.integers(1, left)) if data.draw(st.booleans()) else left
        refund = Refund(
            id=f"r{left}", status="succeeded", amount_cents=amount, currency="EUR", reason="by_hand", by="x", at=0, payment_intent_id="pi",
            included_fee_cents=order.included_fee_of_return(amount, tickets),
        )  # fmt: skip
        order, left = replace(order, refunds=[*order.refunds, refund]), left - amount
        assert 0 <= order.kept_included_fee_cents <= left
    assert sum(refund.included_fee_cents for refund in order.refunds) == order.included_fee_cents
