"""Taxes in prices: an order keeps them, refunds and disputes take them back to the cent, and documents and statements show them."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.foundation.money import Tax, add_taxes
from chalicelib.payments.model import Payment
from chalicelib.purchases.model import LineItem, Purchase, Refund
from tests import builders, invariants, pdfs

STANDARD, REDUCED = {"percent": "19"}, {"percent": "7"}
EXEMPT = {"percent": "0", "exempt_because": "Exempt, § 4 no. 20 UStG"}


def share(percent: str, gross_cents: int, tax_cents: int, **more: str) -> dict:
    return {"percent": percent, "gross_cents": gross_cents, "tax_cents": tax_cents, **more}


@pytest.fixture
def event_id(api, time):
    return builders.create_event(api)


def post_tier(api, event_id: str, name: str, price_cents: int, tax: dict | None):
    body = {"name": name, "price_cents": price_cents, "capacity": 10, "tax": tax}
    return api.post(f"/events/{event_id}/tiers", json=body, token=builders.admin_token())


def create_tier(*arguments) -> str:
    reply = post_tier(*arguments)
    assert reply.status == 201, reply.json
    return str(reply.json["id"])


def buy(api, event_id: str, quantities: dict[str, int], **fields) -> str:
    reservation = builders.reserve_items(api, "ada", event_id, quantities)
    session = builders.start_checkout(api, "ada", reservation.json["id"], **fields)
    assert session.status == 201, session.json
    assert builders.confirm(api, "ada", session.json["id"]).status == 201
    return str(session.json["id"])


def show_taxes(api, order_id: str) -> list[dict]:
    return api.get(f"/orders/{order_id}", user="ada").json["order"]["taxes"]


def totals(api, event_id: str) -> dict:
    [found] = api.get(f"/events/{event_id}/statement", token=builders.admin_token()).json["totals"]
    return found


def test_an_order_shows_the_taxes_in_its_price(api, time, event_id):
    seats = create_tier(api, event_id, "Seats", 1999, STANDARD)
    programme = create_tier(api, event_id, "Programme", 500, REDUCED)
    charity = create_tier(api, event_id, "Charity", 300, EXEMPT)
    coat = create_tier(api, event_id, "Coat check", 200, None)
    reservation = builders.reserve_items(api, "ada", event_id, {seats: 2, programme: 1, charity: 1, coat: 1}).json
    expected = [share("0", 300, 0, exempt_because=EXEMPT["exempt_because"]), share("7", 500, 33), share("19", 3998, 638)]
    assert reservation["taxes"] == expected
    session = builders.start_checkout(api, "ada", reservation["id"]).json
    order = builders.confirm(api, "ada", session["id"]).json["order"]
    assert order["taxes"] == expected
    assert [item["tax"] for item in order["items"]] == [STANDARD, REDUCED, EXEMPT, None]
    assert totals(api, event_id)["taxes"] == expected
    invariants.check(time.now)


def test_a_price_shows_its_tax_before_the_sale(api, event_id):
    tier_id = create_tier(api, event_id, "Seats", 1999, STANDARD)
    [tier] = api.get(f"/events/{event_id}/tiers").json["tiers"]
    assert (tier["id"], tier["tax"]) == (tier_id, STANDARD)


def test_an_order_keeps_the_tax_of_its_sale(api, time, event_id):
    tier_id = create_tier(api, event_id, "Seats", 1190, STANDARD)
    order_id = buy(api, event_id, {tier_id: 1})
    assert api.patch(f"/tiers/{tier_id}", json={"tax": REDUCED}, token=builders.admin_token()).status == 200
    assert show_taxes(api, order_id) == [share("19", 1190, 190)]
    builders.refund(api, order_id)
    assert totals(api, event_id)["taxes"] == [share("19", 0, 0)]
    invariants.check(time.now)


def test_a_discount_lowers_the_tax(api, time, event_id):
    tier_id = create_tier(api, event_id, "Seats", 1000, STANDARD)
    builders.create_promo_code(api, event_id, "SAVE")
    order_id = buy(api, event_id, {tier_id: 1}, promo_code="SAVE")
    assert show_taxes(api, order_id) == [share("19", 900, 144)]
    invariants.check(time.now)


def test_refunds_of_single_tickets_take_back_the_tax_to_the_cent(api, time, event_id):
    """Each ticket has a third of 49 cents, which is rounded to 16: three times 16 would leave a cent."""
    tier_id = create_tier(api, event_id, "Seats", 103, STANDARD)
    order_id = buy(api, event_id, {tier_id: 3})
    left = [totals(api, event_id)["taxes"]]
    for number in (1, 2, 3):
        builders.refund(api, order_id, tickets=[f"{order_id}-{number}"], key=f"refund-{number}")
        left.append(totals(api, event_id)["taxes"])
        invariants.check(time.now)
    assert left == [[share("19", 309, 49)], [share("19", 206, 33)], [share("19", 103, 16)], [share("19", 0, 0)]]


def test_a_kept_fee_keeps_its_tax(api, time, event_id):
    tier_id = create_tier(api, event_id, "Seats", 1190, STANDARD)
    order_id = buy(api, event_id, {tier_id: 1})
    builders.refund(api, order_id, fee_cents=119)
    assert totals(api, event_id)["taxes"] == [share("19", 119, 19)]
    invariants.check(time.now)


def test_a_refund_takes_back_the_tax_of_its_own_tickets(api, time, event_id):
    seats = create_tier(api, event_id, "Seats", 1190, STANDARD)
    programme = create_tier(api, event_id, "Programme", 1070, REDUCED)
    order_id = buy(api, event_id, {seats: 1, programme: 1})
    builders.refund(api, order_id, tickets=[f"{order_id}-2"])
    assert totals(api, event_id)["taxes"] == [share("7", 0, 0), share("19", 1190, 190)]
    invariants.check(time.now)


def test_a_free_ticket_with_a_tax_of_its_own_can_be_refunded(api, time, event_id):
    seats = create_tier(api, event_id, "Seats", 1190, STANDARD)
    children = create_tier(api, event_id, "Children", 0, EXEMPT)
    order_id = buy(api, event_id, {seats: 1, children: 1})
    refund = builders.refund(api, order_id)
    assert refund.status == 201, refund.json
    assert totals(api, event_id)["taxes"] == [share("19", 0, 0)]
    invariants.check(time.now)


def test_refunds_by_hand_and_disputes_take_back_shares_of_the_tax(shop):
    shop.tier_id = create_tier(shop.api, shop.event_id, "Seats", 1190, STANDARD)
    first, second = shop.buy("ada", 1), shop.buy("bob", 1)
    shop.refund_in_dashboard(first, 595)
    shop.fake.deliver()
    dispute_id = shop.create_dispute(second)
    assert totals(shop.api, shop.event_id)["taxes"] == [share("19", 595, 95)]
    shop.close_dispute(dispute_id, won=True)
    assert totals(shop.api, shop.event_id)["taxes"] == [share("19", 1785, 285)]
    shop.assert_books_balance()


@pytest.mark.parametrize("tickets", [[1], [1, 2]])
def test_a_dispute_takes_back_the_tax_although_a_refund_waits_that_cannot_be_made_any_more(shop, tickets):
    """Stripe refuses refunds of a disputed payment, so only the dispute takes the money."""
    fields = {"included_fee": {"cents": 90}, "tax": STANDARD}
    shop.tier_id = create_tier(shop.api, shop.event_id, "Seats", 1190, STANDARD)
    assert shop.api.patch(f"/tiers/{shop.tier_id}", json=fields, token=builders.admin_token()).status == 200
    order_id = shop.buy("ada", 2)
    shop.fake.fail_next_request("POST", "/v1/refunds", status=500, should_retry=False)
    assert builders.refund(shop.api, order_id, tickets=builders.ticket_ids(order_id, *tickets)).status == 201
    dispute_id = shop.create_dispute(order_id)
    receipt = pdfs.read(shop.api.get(f"/orders/{order_id}/receipt.pdf", user="ada").body)[0].text
    assert "Includes fees -" not in receipt
    assert "tax -" not in receipt
    for seconds in (60, 3600, 86_400):
        shop.time.advance(seconds)
        builders.run_sweep()
    assert shop.load_purchase(order_id).refunds[0].status == "failed"
    shop.close_dispute(dispute_id, won=False)
    found = totals(shop.api, shop.event_id)
    assert (found["net_cents"], found["taxes"], found["included_fee_cents"]) == (0, [share("19", 0, 0)], 0)
    shop.assert_books_balance()


def test_a_refund_by_hand_takes_back_the_tax_although_another_waits_that_cannot_be_made_any_more(shop):
    shop.tier_id = create_tier(shop.api, shop.event_id, "Seats", 1190, STANDARD)
    assert shop.api.patch(f"/tiers/{shop.tier_id}", json={"included_fee": {"cents": 90}}, token=builders.admin_token()).status == 200
    order_id = shop.buy("ada", 2)
    shop.fake.fail_next_request("POST", "/v1/refunds", status=500, should_retry=False)
    assert builders.refund(shop.api, order_id, tickets=builders.ticket_ids(order_id, 1)).status == 201
    shop.refund_in_dashboard(order_id, 2380)
    shop.fake.deliver()
    for seconds in (60, 3600, 86_400):
        shop.time.advance(seconds)
        builders.run_sweep()
    assert [refund.status for refund in shop.load_purchase(order_id).refunds] == ["failed", "succeeded"]
    found = totals(shop.api, shop.event_id)
    assert (found["net_cents"], found["taxes"], found["included_fee_cents"]) == (0, [share("19", 0, 0)], 0)
    shop.assert_books_balance()


def test_the_entries_of_the_statement_add_up_to_the_taxes(api, time, event_id):
    tier_id = create_tier(api, event_id, "Seats", 333, STANDARD)
    order_id = buy(api, event_id, {tier_id: 2})
    builders.refund(api, order_id, tickets=[f"{order_id}-1"])
    reply = api.get(f"/events/{event_id}/statement", query={"format": "csv"}, token=builders.admin_token())
    rows = list(csv.DictReader(io.StringIO(reply.body.decode())))
    assert [(row["kind"], row["tax_cents"], row["taxes"]) for row in rows] == [
        ("captured", "106", "19% in 666: 106"),
        ("refunded", "-53", "19% in -333: -53"),
    ]
    assert totals(api, event_id)["taxes"] == [share("19", 333, 53)]


def test_a_sale_at_the_counter_has_its_tax(api, time, event_id):
    tier_id = create_tier(api, event_id, "Seats", 1190, STANDARD)
    builders.sell_at_counter(api, (event_id, tier_id), price_cents=1190)
    assert totals(api, event_id)["taxes"] == [share("19", 1190, 190)]
    invariants.check(time.now)


@pytest.mark.parametrize(
    ("tax", "path"),
    [
        ({"percent": "19", "exempt_because": "A charity"}, "$.tax.exempt_because"),
        ({"percent": "100"}, "$.tax.percent"),
        ({"percent": "7.10"}, "$.tax.percent"),
        ({"percent": 19}, "$.tax.percent"),
        ({}, "$.tax.percent"),
        ({"percent": "19", "name": "VAT"}, "$.tax.name"),
    ],
)
def test_a_wrong_tax_is_refused(api, event_id, tax, path):
    reply = post_tier(api, event_id, "Seats", 100, tax)
    assert (reply.status, reply.json["path"]) == (400, path)


@pytest.mark.parametrize(("percent", "cents", "tax"), [("19", 1190, 190), ("8.875", 10888, 888), ("25", 2, 0), ("25", 3, 1), ("0", 500, 0)])
def test_a_tax_is_rounded_half_up(percent, cents, tax):
    assert Tax(percent).included_in(cents) == tax


PERCENTS = st.sampled_from([None, "0", "7", "8.875", "19"])


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 999), PERCENTS), min_size=1, max_size=4), st.data())
def test_whatever_leaves_an_order_adds_up_to_its_taxes(lines, data):
    items = [
        LineItem(f"t{n}", "T", quantity, price, 1, [], tax=percent and Tax(percent)) for n, (quantity, price, percent) in enumerate(lines)
    ]
    total = sum(item.total_cents for item in items)
    order = Purchase(
        id="o", user_id="u", event_id="e", state="paid", version=1, lines=items, currency="EUR", created_at=0, expires_at=0,
        payment=Payment("stripe", "captured", total, "EUR", payment_intent_id="pi"),
    )  # fmt: skip
    left = total
    numbers = list(range(1, order.quantity + 1))
    while left:
        tickets = data.draw(st.lists(st.sampled_from(numbers), unique=True, max_size=3))
        amount = data.draw(st.integers(1, left)) if data.draw(st.booleans()) else left
        refund = Refund(
            id=f"r{left}", status="succeeded", amount_cents=amount, currency="EUR", reason="by_hand", by="x", at=0, payment_intent_id="pi",
            taxes=order.taxes_of_return(amount, tickets),
        )  # fmt: skip
        order, left = replace(order, refunds=[*order.refunds, refund]), left - amount
        assert all(0 <= kept.tax_cents <= kept.gross_cents for kept in order.kept_taxes)
        assert sum(kept.gross_cents for kept in order.kept_taxes) <= left
    assert all((kept.gross_cents, kept.tax_cents) == (0, 0) for kept in order.kept_taxes)
    assert add_taxes(share for refund in order.refunds for share in refund.taxes) == order.taxes
