"""Amounts of money: an integer number of minor units (cents, pence, yen), never a float, and an ISO 4217 currency code.

Amounts in major units (dollars, pounds, yen) appear only in bodies and replies whose format is fixed.
"""

from collections.abc import Iterable
from decimal import Context, Decimal, Inexact
from typing import Annotated, Any

from msgspec import Meta, Struct
from msgspec.structs import replace

from chalicelib.foundation.errors import InvalidInput

MAX_PRICE_CENTS = 100_000_000
# The currencies of ISO 4217 by their number of decimals, without funds, metals and test codes. The Malagasy ariary (MGA) has two decimals
# there, but nobody uses them. The pages have the same table in web/src/formats.ts.
_CODES = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW MGA PYG RWF UGX VND VUV XAF XOF XPF",
    2: (
        "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC CUP CVE CZK DKK DOP "
        "DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR "
        "LRD LSL MAD MDL MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR "
        "SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER "
        "ZAR ZMW ZWG"
    ),
    3: "BHD IQD JOD KWD LYD OMR TND",
}
CURRENCIES = {code: decimals for decimals, codes in _CODES.items() for code in codes.split()}

Cents = Annotated[int, Meta(ge=0, le=MAX_PRICE_CENTS, examples=[4500], description="Minor units of the currency; 0 is free.")]
Currency = Annotated[
    str, Meta(pattern="^[A-Z]{3}$", examples=["EUR"], description="The ISO 4217 code of a currency in capital letters, such as EUR.")
]
Percent = Annotated[
    str,
    Meta(
        pattern=r"^(0|[1-9][0-9]?)(\.[0-9]{0,2}[1-9])?\Z",
        examples=["8.875"],
        description="A number below 100 with at most three decimals, as text.",
    ),
]
Country = Annotated[
    str, Meta(pattern=r"^[A-Z]{2}\Z", examples=["ES"], description="The ISO 3166-1 code of a country in two capital letters.")
]
Region = Annotated[
    str,
    Meta(
        pattern=r"^[A-Z0-9]{1,3}\Z",
        examples=["CN"],
        description="The second part of a region's ISO 3166-2 code, such as CN for ES-CN (the Canary Islands).",
    ),
]
MajorUnits = Annotated[Decimal, Meta(examples=["45.00"], description="Major units of the currency, as a number or as text; 0 is free.")]


class Tax(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The tax that a price includes, in the bootstrap file and the API. `percent` is the rate on the price without tax.

    If the rate is 0, `exempt_because` may name the exemption, which receipts show.
    """

    percent: Percent
    exempt_because: Annotated[str, Meta(min_length=1, max_length=200, examples=["Exempt under section 4, no. 20 UStG"])] | None = None

    def included_in(self, cents: int) -> int:
        """Return the tax that an amount includes, in minor units and rounded half up."""
        rate = _thousandths(self.percent)
        return divide_half_up(cents * rate, 100_000 + rate)


class IncludedFee(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The fee in the price of a ticket, in the bootstrap file and the API: `cents` for each ticket plus `percent` of its price.

    Buyers never pay a fee on top of a price. Pages, emails and documents name the fee beside the price that includes it.
    """

    cents: Cents = 0
    percent: Percent = "0"

    def total(self, price_cents: int) -> int:
        """Return the fee at a ticket's price, in minor units and rounded half up, even if it is higher than the price."""
        return self.cents + divide_half_up(price_cents * _thousandths(self.percent), 100_000)

    def included_in(self, price_cents: int) -> int:
        """Return the fee that a ticket's price includes. A discount can lower the price below the fee; then the whole price is fee."""
        return min(price_cents, self.total(price_cents))


class TaxAddress(Struct, frozen=True, omit_defaults=True):
    """The address of a venue, in the parts from which a provider finds the taxes of the place. `state` is a region without its country."""

    line: str
    city: str
    postal_code: str
    country: str
    state: str | None = None


class DefaultTax(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The tax in the prices of tickets for events in a country, or only in a region of it, unless the ticket types specify another."""

    country: Country
    tax: Tax
    region: Region | None = None


def find_default_tax(defaults: Iterable[DefaultTax], country: str | None, region: str | None) -> Tax | None:
    """Return the default tax for events in a place: that of the region, or else that of the whole country."""
    found = [default for default in defaults if default.country == country and default.region in (None, region)]
    return next((default.tax for default in sorted(found, key=lambda default: default.region is None)), None)


def read_default_taxes(text: str) -> tuple[DefaultTax, ...]:
    """Return the default taxes in a setting, such as `ES=21, ES-CN=7`."""
    places = (entry.strip().partition("=") for entry in text.split(",") if text)
    return tuple(DefaultTax(place[:2], Tax(percent), place[3:] or None) for place, _, percent in places)


class TaxShare(Struct, frozen=True, omit_defaults=True):
    """The part of an amount to which one tax applies, `gross_cents`, and the tax that this part includes, both in minor units."""

    percent: str
    gross_cents: int
    tax_cents: int
    exempt_because: str | None = None

    @property
    def tax(self) -> Tax:
        return Tax(self.percent, self.exempt_because)

    def times(self, sign: int) -> "TaxShare":
        """Return the share with the sign of an amount."""
        return replace(self, gross_cents=sign * self.gross_cents, tax_cents=sign * self.tax_cents)


def add_taxes(shares: Iterable[TaxShare]) -> list[TaxShare]:
    """Return one share for each tax, lowest rate first, with the sums of the given shares."""
    sums: dict[Tax, TaxShare] = {}
    for share in shares:
        before = sums.get(share.tax, TaxShare(share.percent, 0, 0, share.exempt_because))
        sums[share.tax] = replace(before, gross_cents=before.gross_cents + share.gross_cents, tax_cents=before.tax_cents + share.tax_cents)
    return sorted(sums.values(), key=lambda share: (Decimal(share.percent), share.exempt_because or ""))


def by_rate(shares: Iterable[TaxShare]) -> list[TaxShare]:
    """Return one share for each rate that applies to an amount, lowest first. Exemptions for different reasons are one share."""
    added = add_taxes(replace(share, exempt_because=None) for share in shares)
    return [share for share in added if share.gross_cents or share.tax_cents]


def _thousandths(percent: str) -> int:
    return int(Decimal(percent).scaleb(3))


def divide_half_up(dividend: int, divisor: int) -> int:
    """Return the quotient of two numbers that are not negative, rounded to the nearest whole number, with halves rounded up."""
    return (2 * dividend + divisor) // (2 * divisor)


def to_minor_units(amount: Decimal, currency: str, path: str) -> int:
    """Convert an amount to minor units. Raises InvalidInput with `path` if it is not a valid price or has too many decimals."""
    highest = to_major_units(MAX_PRICE_CENTS, currency)
    if not amount.is_finite() or not 0 <= amount <= Decimal(highest):
        is_negative = amount.is_signed() and not amount.is_nan()
        rule: dict[str, Any] = {"rule": "too_small", "limit": 0} if is_negative else {"rule": "amount_too_large"}
        raise InvalidInput(f"An amount must be a number from 0 to {highest:.0f} {currency}.", path=path, **rule)
    allowed_digits = digits(currency)
    try:
        exact = amount.quantize(Decimal(1).scaleb(-allowed_digits), context=Context(traps=[Inexact]))
    except Inexact:
        allowed = f"at most {allowed_digits} decimals" if allowed_digits else "no decimals"
        raise InvalidInput(f"An amount in {currency} has {allowed}.", path=path, rule="amount_digits") from None
    cents = int(exact.scaleb(allowed_digits))
    check_last_digit(cents, currency, path)
    return cents


def to_major_units(cents: int, currency: str) -> float:
    """Convert an amount to major units, as a number that JSON writes with the exact digits."""
    return float(cents / 10 ** digits(currency))


def amount_text(cents: int, currency: str) -> str:
    """Format an amount in major units, with all digits of the currency: `12.50`, or `1250` in yen."""
    places = digits(currency)
    return f"{Decimal(cents).scaleb(-places):.{places}f}"


def digits(currency: str) -> int:
    """Return a currency's number of decimals. Codes that are not in the table, which old records may have, count as having two."""
    return CURRENCIES.get(currency, 2)


def check_currency(currency: str, path: str) -> None:
    """Raise InvalidInput with `path` if there is no such currency. For input only, because records keep the currency that they have."""
    if currency not in CURRENCIES:
        message = f"There is no currency with the code `{currency}`. Use an ISO 4217 code, such as EUR."
        raise InvalidInput(message, path=path, rule="unknown_currency")


def step(currency: str) -> int:
    """Return the smallest amount that can be paid, in minor units. The third decimal of a currency must be 0 at Stripe."""
    return 10 if digits(currency) == 3 else 1


def check_last_digit(cents: int, currency: str, path: str) -> None:
    """Raise InvalidInput with `path` if an amount has a third decimal. For input only, because records keep their amounts."""
    if cents % step(currency):
        raise InvalidInput(f"The third decimal of an amount in {currency} must be 0, as in 5.120.", path=path, rule="amount_digits")
