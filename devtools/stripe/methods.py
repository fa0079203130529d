"""Payment methods: made of test aliases (pm_card_visa), of card numbers, or of test bank accounts."""

from datetime import UTC, datetime
from hashlib import sha256

from devtools.stripe import cards
from devtools.stripe.errors import ApiError, Obj, invalid
from devtools.stripe.state import State

_ADDRESS = ("city", "country", "line1", "line2", "postal_code", "state")


def check_source(given: Obj, *, by_client: bool) -> None:
    """Card numbers come from browsers only, never through a shop's server. `given`: parameters of any call."""
    if not by_client and ("card" in given.get("payment_method_data", given)):
        told = "Sending credit card numbers directly to the Stripe API is generally unsafe. We suggest you use test tokens that map to the "
        raise ApiError(402, "invalid_request_error", f"{told}test card you are using, see https://stripe.com/docs/testing.", saved=False)


def resolve(state: State, given: Obj) -> str | None:
    """Id of the method that `payment_method` or `payment_method_data` names; None when neither is given."""
    if "payment_method" in given and "payment_method_data" in given:
        told = "You may only specify one of these parameters: payment_method, payment_method_data."
        raise invalid(told, param="payment_method", code="parameters_exclusive")
    if "payment_method_data" in given:
        return str(create(state, given["payment_method_data"], "payment_method_data")["id"])
    if "payment_method" not in given:
        return None
    name = given["payment_method"]
    if name in cards.CARDS:
        return str(_card(state, cards.CARDS[name], {"exp_month": 12, "exp_year": _year(state) + 1}, {})["id"])
    if name in cards.BANKS:
        return str(_bank(state, cards.BANKS[name], {})["id"])
    return str(state.get("payment_method", name, param="payment_method", status=400)["id"])


def create(state: State, data: Obj, prefix: str = "") -> Obj:
    """Of what a form sent. Raises the card errors that a number, a date or a code alone can cause."""
    kind, billing = data["type"], data.get("billing_details", {})
    if kind not in data:
        name = f"{prefix}[{kind}]" if prefix else kind
        raise invalid(f"Missing required param: {name}.", param=name, code="parameter_missing")
    if kind == "us_bank_account":
        bank = cards.by_account(data[kind]["account_number"])
        if bank is None:
            raise invalid(
                "You must use a test bank account number in test mode.", code="account_number_invalid", param=f"{kind}[account_number]"
            )
        return _bank(state, bank, billing)
    _check_card(state, data["card"])
    card = cards.by_number(data["card"]["number"])
    if card is None:
        told = "Your card was declined. Your request was in test mode, but used a non test card."
        raise ApiError(402, "card_error", told, code="card_declined", decline_code="test_mode_live_card", param="number")
    return _card(state, card, data["card"], billing, data.get("metadata"))


def _check_card(state: State, card: Obj) -> None:
    today = datetime.fromtimestamp(state.now(), UTC)
    year = card["exp_year"] + 2000 if card["exp_year"] < 100 else card["exp_year"]
    if not cards.is_valid_number(card["number"]):
        raise ApiError(402, "card_error", "Your card number is incorrect.", code="incorrect_number", param="number")
    if not 1 <= card["exp_month"] <= 12:
        raise ApiError(402, "card_error", "Your card's expiration month is invalid.", code="invalid_expiry_month", param="exp_month")
    if year < today.year or year > today.year + 50 or (year, card["exp_month"]) < (today.year, today.month):
        raise ApiError(402, "card_error", "Your card's expiration year is invalid.", code="invalid_expiry_year", param="exp_year")


def _card(state: State, card: cards.Card, data: Obj, billing: Obj, metadata: Obj | None = None) -> Obj:
    year = data["exp_year"] + 2000 if data["exp_year"] < 100 else data["exp_year"]
    details = {
        "brand": card.brand,
        "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "unchecked" if "cvc" in data else None},
        "country": "US",
        "display_brand": card.brand,
        "exp_month": data["exp_month"],
        "exp_year": year,
        "fingerprint": sha256(card.number.encode()).hexdigest()[:16],
        "funding": "credit",
        "generated_from": None,
        "last4": card.number[-4:],
        "networks": {"available": [card.brand], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
    }
    return _put(state, "card", details, billing, metadata, {"_number": card.number})


def _bank(state: State, bank: cards.Bank, billing: Obj) -> Obj:
    details = {
        "account_holder_type": "individual",
        "account_type": "checking",
        "bank_name": "STRIPE TEST BANK",
        "financial_connections_account": None,
        "fingerprint": sha256(bank.account.encode()).hexdigest()[:16],
        "last4": bank.account[-4:],
        "networks": {"preferred": "ach", "supported": ["ach"]},
        "routing_number": "110000000",
        "status_details": {},
    }
    return _put(state, "us_bank_account", details, billing, None, {"_account": bank.account})


def _put(state: State, kind: str, details: Obj, billing: Obj, metadata: Obj | None, own: Obj) -> Obj:
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
        **own,
    }
    return state.put("payment_method", method)


def billing_details(given: Obj) -> Obj:
    address = given.get("address", {})
    return {
        "address": {name: address.get(name) or None for name in _ADDRESS},
        "email": given.get("email") or None,
        "name": given.get("name") or None,
        "phone": given.get("phone") or None,
        "tax_id": None,
    }


def _year(state: State) -> int:
    return datetime.fromtimestamp(state.now(), UTC).year
