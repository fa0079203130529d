"""Amounts in major units, as some bodies and replies have them."""

from decimal import Decimal

import msgspec
import pytest
from iso4217 import Currency as IsoCurrency

from chalicelib.foundation import money
from chalicelib.foundation.errors import InvalidInput


@pytest.mark.parametrize(
    ("amount", "currency", "cents"),
    [
        ("1200", "USD", 120_000),
        ("12.5", "EUR", 1250),
        ("12.50", "EUR", 1250),
        ("12.500", "EUR", 1250),
        ("0", "EUR", 0),
        ("1200.0", "JPY", 1200),
        ("1.23", "KWD", 1230),
        ("1200", "MGA", 1200),
        ("1000000", "USD", 100_000_000),
        ("1.25", "XAU", 125),
        ("1.25", "ABC", 125),
    ],
)
def test_an_amount_has_the_digits_of_its_currency(amount, currency, cents):
    assert money.to_minor_units(Decimal(amount), currency, "$.price") == cents
    assert money.to_major_units(cents, currency) == float(amount)


@pytest.mark.parametrize(
    ("amount", "currency", "message"),
    [
        ("12.345", "USD", "An amount in USD has at most 2 decimals."),
        ("0.1000000000000000000000000000000000001", "USD", "An amount in USD has at most 2 decimals."),
        ("5.1255", "KWD", "An amount in KWD has at most 3 decimals."),
        ("5.125", "KWD", "The third decimal of an amount in KWD must be 0, as in 5.120."),
        ("12.5", "JPY", "An amount in JPY has no decimals."),
        ("-1", "USD", "An amount must be a number from 0 to 1000000 USD."),
        ("1000000.01", "USD", "An amount must be a number from 0 to 1000000 USD."),
        ("1e999999", "USD", "An amount must be a number from 0 to 1000000 USD."),
        ("1e-999999999", "USD", "An amount in USD has at most 2 decimals."),
        ("NaN", "USD", "An amount must be a number from 0 to 1000000 USD."),
        ("Infinity", "JPY", "An amount must be a number from 0 to 100000000 JPY."),
    ],
)
def test_an_amount_that_cannot_be_is_refused(amount, currency, message):
    with pytest.raises(InvalidInput) as refusal:
        money.to_minor_units(Decimal(amount), currency, "$.price")
    rule = {"rule": "amount_digits" if "decimal" in message else "amount_too_large"}
    rule = {"rule": "too_small", "limit": 0} if amount == "-1" else rule
    assert (refusal.value.message, refusal.value.details) == (message, {"path": "$.price", **rule})


def test_amounts_keep_their_digits_in_json():
    for cents in (1, 7, 10, 29, 115, 1999, 99_999_999, 100_000_000):
        written = msgspec.json.encode(money.to_major_units(cents, "USD"))
        assert money.to_minor_units(msgspec.json.decode(written, type=Decimal), "USD", "$") == cents


def test_the_currencies_are_those_of_iso_4217():
    funds = {"BOV", "CHE", "CHW", "CLF", "COU", "MXV", "USN", "UYI", "UYW", "XAD"}
    iso = {found.code: found.exponent for found in IsoCurrency if found.exponent is not None and found.code not in funds}
    assert {code: money.digits(code) for code in money.CURRENCIES} == iso | {"MGA": 0}


@pytest.mark.parametrize("code", ["EUE", "XAU", "XXX", "CLF", "EUR\n", "eur", ""])
def test_a_code_that_is_not_a_currency_is_refused(code):
    money.check_currency("EUR", "$.currency")
    with pytest.raises(InvalidInput, match="Use an ISO 4217 code") as refusal:
        money.check_currency(code, "$.currency")
    assert refusal.value.details == {"path": "$.currency", "rule": "unknown_currency"}
