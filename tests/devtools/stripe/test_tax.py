"""Stripe Tax: what the fake calculates, what it refuses, and what it enters in the tax reports."""

import pytest
import stripe

DENVER = {"line1": "1 Main Street", "city": "Denver", "postal_code": "80202", "state": "CO", "country": "US"}
MADRID = {"line1": "Calle Mayor 1", "city": "Madrid", "postal_code": "28013", "country": "ES"}


@pytest.fixture
def tax(shop):
    return shop.client.v1.tax


@pytest.fixture
def calculate(tax):
    def calculate(*amounts, address=DENVER, **more):
        location = tax.locations.create({"type": "performance", "address": address})
        items = [
            {"amount": amount, "reference": str(number), "tax_behavior": "inclusive", "tax_code": "txcd_50010001"}
            | {"performance_location": location.id}
            for number, amount in enumerate(amounts)
        ]
        params = {"currency": "usd", "customer_details": {"address": address, "address_source": "billing"}, "line_items": items}
        return tax.calculations.create({**params, "expand": ["line_items.data.tax_breakdown"], **more})

    return calculate


def hook(calculation):
    return {"inputs": {"tax": {"calculation": calculation.id}}}


def reported(tax, intent):
    """Return the taxes in the lines of each transaction of a payment, oldest first."""
    attempts = tax.associations.find({"payment_intent": intent.id}).tax_transaction_attempts
    transactions = [attempt.committed.transaction for attempt in attempts]
    return [[line.amount_tax for line in tax.transactions.line_items.list(found).data] for found in transactions]


def test_the_place_decides_the_taxes_in_the_amounts(calculate):
    found = calculate(5000, 1999)
    assert (found.amount_total, found.tax_amount_inclusive, found.tax_amount_exclusive) == (6999, 1053, 0)
    assert [(line.amount, line.amount_tax) for line in found.line_items.data] == [(5000, 752), (1999, 301)]
    [first, _] = found.line_items.data
    parts = [(part.amount, part.tax_rate_details.percentage_decimal) for part in first.tax_breakdown]
    assert parts == [(123, "2.9"), (204, "4.81"), (425, "10")]
    assert calculate(12_100, address=MADRID).tax_amount_inclusive == 2100


def test_where_the_seller_has_no_registration_no_tax_is_collected(calculate):
    found = calculate(5000, address={"line1": "1 Rue", "city": "Paris", "postal_code": "75001", "country": "FR"})
    [part] = found.line_items.data[0].tax_breakdown
    assert (found.tax_amount_inclusive, part.taxability_reason, part.tax_rate_details) == (0, "not_collecting", None)


def test_a_payment_and_its_refunds_are_reported(shop, tax, calculate):
    intent = shop.pay(hooks=hook(calculate(3000, 2000)))
    assert reported(tax, intent) == [[452, 301]]
    for amount in (1, 1999, 3000):
        shop.refunds.create({"payment_intent": intent.id, "amount": amount})
    sale, *returns = reported(tax, intent)
    assert [sum(line) for line in zip(sale, *returns, strict=True)] == [0, 0]


def test_an_unpaid_intent_reports_nothing(shop, tax, calculate):
    intent = shop.create_intent(hooks=hook(calculate(5000)))
    with pytest.raises(stripe.InvalidRequestError, match="No such tax association"):
        tax.associations.find({"payment_intent": intent.id})


@pytest.mark.parametrize("reason", ["another_payment_associated_with_calculation", "calculation_expired"])
def test_a_calculation_that_cannot_be_reported(shop, tax, clock, calculate, reason):
    calculation = calculate(5000)
    if reason == "calculation_expired":
        clock.advance(90 * 86_400)
    else:
        shop.pay(hooks=hook(calculation))
    intent = shop.pay(hooks=hook(calculation))
    [attempt] = tax.associations.find({"payment_intent": intent.id}).tax_transaction_attempts
    assert (attempt.status, attempt.errored.reason) == ("errored", reason)
    shop.refunds.create({"payment_intent": intent.id})


@pytest.mark.parametrize(
    ("changes", "param", "code"),
    [
        ({"customer_details": {"address": DENVER | {"state": ""}}}, "customer_details[address]", "customer_tax_location_invalid"),
        ({"customer_details": {}}, "customer_details", "customer_tax_location_invalid"),
        (
            {"line_items": [{"amount": 5000, "tax_behavior": "inclusive", "tax_code": "txcd_50010001"}]},
            "line_items[0][performance_location]",
            "parameter_missing",
        ),
        (
            {"line_items": [{"amount": 5000, "tax_behavior": "inclusive", "performance_location": "taxloc_none"}]},
            "line_items[0][performance_location]",
            "resource_missing",
        ),
    ],
)
def test_what_is_incomplete_is_refused(calculate, changes, param, code):
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        calculate(5000, **changes)
    assert (refusal.value.param, refusal.value.code) == (param, code)


def test_an_account_without_stripe_tax_calculates_nothing(fake, calculate):
    fake.set_up_tax(is_active=False)
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        calculate(5000)
    assert refusal.value.code == "stripe_tax_inactive"
    fake.set_up_tax(is_active=True)
    assert calculate(5000).tax_amount_inclusive == 752


def test_an_unknown_calculation_is_refused(shop):
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        shop.create_intent(hooks={"inputs": {"tax": {"calculation": "taxcalc_none"}}})
    assert (refusal.value.param, refusal.value.code) == ("hooks[inputs][tax][calculation]", "resource_missing")
