"""The currencies that the fake knows, and the amounts that can be charged in them, in the smallest unit of the currency."""

from devtools.stripe.errors import invalid_request

MIN_AMOUNTS = {
    **dict.fromkeys("usd eur chf aud cad nzd sgd brl".split(), 50),  # noqa: SIM905
    "jpy": 50,
    "gbp": 30,
    "dkk": 250,
    "sek": 300,
    "nok": 300,
    "pln": 200,
    "czk": 1500,
    "huf": 17500,
    "mxn": 1000,
    "hkd": 400,
    "inr": 50,
}
MAX_AMOUNT = 99_999_999


def check_amount(amount: int, currency: str) -> str:
    """Return the currency in lower case. Raises StripeApiError for an unknown currency or an amount that cannot be charged."""
    currency = currency.lower()
    if currency not in MIN_AMOUNTS:
        known = ", ".join(sorted(MIN_AMOUNTS))
        raise invalid_request(f"Invalid currency: {currency}. Stripe currently supports these currencies: {known}", param="currency")
    if amount < MIN_AMOUNTS[currency]:
        minimum = formatted_amount(MIN_AMOUNTS[currency], currency)
        raise invalid_request(f"Amount must be at least {minimum}", param="amount", code="amount_too_small")
    if amount > MAX_AMOUNT:
        maximum = formatted_amount(MAX_AMOUNT, currency)
        raise invalid_request(f"Amount must be no more than {maximum}", param="amount", code="amount_too_large")
    return currency


def formatted_amount(amount: int, currency: str) -> str:
    """Such as "12.50 usd"."""
    return f"{amount} {currency}" if currency == "jpy" else f"{amount / 100:,.2f} {currency}"
