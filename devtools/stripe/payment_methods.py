"""Payment methods: made from test aliases (pm_card_visa), card numbers, or test bank accounts."""

from datetime import UTC, datetime
from hashlib import sha256

from devtools.stripe import cards
from devtools.stripe.account_state import AccountState
from devtools.stripe.errors import StripeApiError, card_error, invalid_request
from devtools.stripe.objects import StripeObject

_ADDRESS_FIELDS = ("city", "country", "line1", "line2", "postal_code", "state")


def check_card_number_source(params: StripeObject, *, from_browser: bool) -> None:
    """Refuse a card number that a server sends: card numbers come from browsers only. `params` are those of any call."""
    if not from_browser and ("card" in params.get("payment_method_data", params)):
        message = (
            "Sending credit card numbers directly to the Stripe API is generally unsafe. We suggest you use test tokens that map to the "
        )
        raise StripeApiError(
            402, "invalid_request_error", f"{message}test card you are using, see https://stripe.com/docs/testing.", is_saved=False
        )


def resolve_payment_method(state: AccountState, params: StripeObject) -> str | None:
    """The id of the method that `payment_method` or `payment_method_data` names; None when neither is params."""
    if "payment_method" in params and "payment_method_data" in params:
        message = "You may only specify one of these parameters: payment_method, payment_method_data."
        raise invalid_request(message, param="payment_method", code="parameters_exclusive")
    if "payment_method_data" in params:
        return str(create(state, params["payment_method_data"], "payment_method_data")["id"])
    if "payment_method" not in params:
        return None
    alias = params["payment_method"]
    if alias in cards.CARDS:
        return str(_create_card(state, cards.CARDS[alias], {"exp_month": 12, "exp_year": _current_year(state) + 1}, {})["id"])
    if alias in cards.BANK_ACCOUNTS:
        return str(_create_bank_account(state, cards.BANK_ACCOUNTS[alias], {})["id"])
    return str(state.get("payment_method", alias, param="payment_method", status=400)["id"])


def create(state: AccountState, data: StripeObject, prefix: str = "") -> StripeObject:
    """Create a method from the fields of a form. Raises StripeApiError for a card whose number or date is wrong."""
    kind, billing = data["type"], data.get("billing_details", {})
    if kind not in data:
        name = f"{prefix}[{kind}]" if prefix else kind
        raise invalid_request(f"Missing required param: {name}.", param=name, code="parameter_missing")
    if kind == "us_bank_account":
        account = cards.bank_account_by_number(data[kind]["account_number"])
        if account is None:
            raise invalid_request(
                "You must use a test bank account number in test mode.", code="account_number_invalid", param=f"{kind}[account_number]"
            )
        return _create_bank_account(state, account, billing)
    _check_card(state, data["card"])
    card = cards.card_by_number(data["card"]["number"])
    if card is None:
        message = "Your card was declined. Your request was in test mode, but used a non test card."
        raise card_error(message, code="card_declined", decline_code="test_mode_live_card", param="number")
    return _create_card(state, card, data["card"], billing, data.get("metadata"))


def _check_card(state: AccountState, card: StripeObject) -> None:
    today = datetime.fromtimestamp(state.now(), UTC)
    year = _full_year(card)
    if not cards.is_valid_number(card["number"]):
        raise card_error("Your card number is incorrect.", code="incorrect_number", param="number")
    if not 1 <= card["exp_month"] <= 12:
        raise card_error("Your card's expiration month is invalid.", code="invalid_expiry_month", param="exp_month")
    if year < today.year or year > today.year + 50 or (year, card["exp_month"]) < (today.year, today.month):
        raise card_error("Your card's expiration year is invalid.", code="invalid_expiry_year", param="exp_year")


def _create_card(
    state: AccountState, card: cards.Card, data: StripeObject, billing: StripeObject, metadata: StripeObject | None = None
) -> StripeObject:
    details = {
        "brand": card.brand,
        "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "unchecked" if "cvc" in data else None},
        "country": "US",
        "display_brand": card.brand,
        "exp_month": data["exp_month"],
        "exp_year": _full_year(data),
        "fingerprint": sha256(card.number.encode()).hexdigest()[:16],
        "funding": "credit",
        "generated_from": None,
        "last4": card.number[-4:],
        "networks": {"available": [card.brand], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
    }
    return _create(state, "card", details, billing, metadata, {"_number": card.number})


def _create_bank_account(state: AccountState, account: cards.BankAccount, billing: StripeObject) -> StripeObject:
    details = {
        "account_holder_type": "individual",
        "account_type": "checking",
        "bank_name": "STRIPE TEST BANK",
        "financial_connections_account": None,
        "fingerprint": sha256(account.number.encode()).hexdigest()[:16],
        "last4": account.number[-4:],
        "networks": {"preferred": "ach", "supported": ["ach"]},
        "routing_number": "110000000",
        "status_details": {},
    }
    return _create(state, "us_bank_account", details, billing, None, {"_account": account.number})


def _create(
    state: AccountState, kind: str, details: StripeObject, billing: StripeObject, metadata: StripeObject | None, private: StripeObject
) -> StripeObject:
    method = {
        "id": state.new_id("pm_1"),
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": billing_details(billing),
        kind: details,
        "created": state.now(),
        "customer": None,
        "customer_account": None,
        "livemode": False,
        "metadata": dict(metadata or {}),
        "type": kind,
        **private,
    }
    return state.put("payment_method", method)


def billing_details(params: StripeObject) -> StripeObject:
    """The complete object: None for what is missing or empty."""
    address = params.get("address", {})
    return {
        "address": {name: address.get(name) or None for name in _ADDRESS_FIELDS},
        "email": params.get("email") or None,
        "name": params.get("name") or None,
        "phone": params.get("phone") or None,
        "tax_id": None,
    }


def _full_year(card: StripeObject) -> int:
    """A year of two digits is one of this century."""
    return int(card["exp_year"]) + (2000 if card["exp_year"] < 100 else 0)


def _current_year(state: AccountState) -> int:
    return datetime.fromtimestamp(state.now(), UTC).year
