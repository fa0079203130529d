"""Payment methods made from test aliases (pm_card_visa), card numbers or test bank accounts, with the outcomes that Stripe documents."""

from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Literal

from devtools.stripe.account_state import AccountState
from devtools.stripe.wire_format import StripeApiError, StripeObject, card_error, invalid_request

RefundOutcome = Literal["succeeds", "pending", "fails"]
DebitOutcome = Literal["succeeds", "fails"]


@dataclass(frozen=True)
class Card:
    """`error_code` and `decline_code` are those of a failed charge; they are "" when the charge succeeds.

    `requires_authentication`: 3D Secure comes before the charge. `dispute_reason`: a dispute with this reason follows the charge.
    `authenticates_once`: no more 3D Secure once the card has been set up for off-session payments. `is_declined_off_session`: the card
    can be set up, but every charge of it fails.
    `refunds`: whether refunds succeed at once, are pending and then succeed, or succeed and then fail.
    """

    number: str
    error_code: str = ""
    decline_code: str = ""
    requires_authentication: bool = False
    authenticates_once: bool = False
    is_declined_off_session: bool = False
    dispute_reason: str = ""
    refunds: RefundOutcome = "succeeds"
    brand: str = "visa"


@dataclass(frozen=True)
class BankAccount:
    """A test bank account. It accepts debits at once; their outcome follows later."""

    number: str
    debits: DebitOutcome = "succeeds"


_DECLINED = "card_declined"
CARDS: dict[str, Card] = {
    "pm_card_visa": Card("4242424242424242"),
    "pm_card_visa_debit": Card("4000056655665556"),
    "pm_card_mastercard": Card("5555555555554444", brand="mastercard"),
    "pm_card_amex": Card("378282246310005", brand="amex"),
    "pm_card_chargeCustomerFail": Card("4000000000000341", _DECLINED, "generic_decline", is_declined_off_session=True),
    "pm_card_visa_chargeDeclined": Card("4000000000000002", _DECLINED, "generic_decline"),
    "pm_card_visa_chargeDeclinedInsufficientFunds": Card("4000000000009995", _DECLINED, "insufficient_funds"),
    "pm_card_visa_chargeDeclinedLostCard": Card("4000000000009987", _DECLINED, "lost_card"),
    "pm_card_visa_chargeDeclinedStolenCard": Card("4000000000009979", _DECLINED, "stolen_card"),
    "pm_card_visa_chargeDeclinedVelocityLimitExceeded": Card("4000000000006975", _DECLINED, "card_velocity_exceeded"),
    "pm_card_radarBlock": Card("4100000000000019", _DECLINED, "fraudulent"),
    "pm_card_chargeDeclinedExpiredCard": Card("4000000000000069", "expired_card", "expired_card"),
    "pm_card_chargeDeclinedIncorrectCvc": Card("4000000000000127", "incorrect_cvc", "incorrect_cvc"),
    "pm_card_chargeDeclinedProcessingError": Card("4000000000000119", "processing_error", "processing_error"),
    "pm_card_authenticationRequiredOnSetup": Card("4000002500003155", requires_authentication=True, authenticates_once=True),
    "pm_card_authenticationRequired": Card("4000002760003184", requires_authentication=True),
    "pm_card_threeDSecure2Required": Card("4000000000003220", requires_authentication=True),
    "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds": Card(
        "4000008260003178", _DECLINED, "insufficient_funds", requires_authentication=True
    ),
    "pm_card_threeDSecureRequiredChargeDeclined": Card("4000008400001629", _DECLINED, "generic_decline", requires_authentication=True),
    "pm_card_createDispute": Card("4000000000000259", dispute_reason="fraudulent"),
    "pm_card_createDisputeProductNotReceived": Card("4000000000002685", dispute_reason="product_not_received"),
    "pm_card_pendingRefund": Card("4000000000007726", refunds="pending"),
    "pm_card_refundFail": Card("4000000000005126", refunds="fails"),
}
BANK_ACCOUNTS: dict[str, BankAccount] = {
    "pm_usBankAccount": BankAccount("000123456789"),
    "pm_usBankAccount_success": BankAccount("000123456789"),
    "pm_usBankAccount_accountClosed": BankAccount("000111111113", "fails"),
    "pm_usBankAccount_insufficientFunds": BankAccount("000222222227", "fails"),
}

# An alias that Stripe no longer documents, kept because much code still uses it.
CARDS["pm_card_threeDSecureRequired"] = CARDS["pm_card_threeDSecure2Required"]

_CARDS_BY_NUMBER = {card.number: card for card in CARDS.values()}
_BANK_ACCOUNTS_BY_NUMBER = {account.number: account for account in BANK_ACCOUNTS.values()}

DECLINE_MESSAGES = {
    "generic_decline": "Your card was declined.",
    "insufficient_funds": "Your card has insufficient funds.",
    "lost_card": "Your card was declined.",
    "stolen_card": "Your card was declined.",
    "fraudulent": "Your card was declined.",
    "card_velocity_exceeded": "Your card was declined for making repeated attempts too frequently or exceeding its amount limit.",
    "expired_card": "Your card has expired.",
    "incorrect_cvc": "Your card's security code is incorrect.",
    "processing_error": "An error occurred while processing your card. Try again in a little bit.",
}
ADVICE_CODES = {
    "insufficient_funds": "try_again_later",
    "processing_error": "try_again_later",
    "card_velocity_exceeded": "try_again_later",
    "incorrect_cvc": "confirm_card_data",
    "expired_card": "confirm_card_data",
    "lost_card": "do_not_try_again",
    "stolen_card": "do_not_try_again",
}


def card_by_number(number: str) -> Card | None:
    """Return the test card with this number, or None."""
    return _CARDS_BY_NUMBER.get(number.replace(" ", ""))


def bank_account_by_number(number: str) -> BankAccount | None:
    return _BANK_ACCOUNTS_BY_NUMBER.get(number)


def is_valid_number(number: str) -> bool:
    """Whether the number passes Luhn's check."""
    digits = [int(digit) for digit in number.replace(" ", "")][::-1]
    doubled = [sum(divmod(2 * digit, 10)) if index % 2 else digit for index, digit in enumerate(digits)]
    return sum(doubled) % 10 == 0


_ADDRESS_FIELDS = ("city", "country", "line1", "line2", "postal_code", "state")


def check_card_number_source(params: StripeObject, *, from_browser: bool) -> None:
    """Raise StripeApiError for a card number from a server, because card numbers may only come from browsers."""
    if not from_browser and ("card" in params.get("payment_method_data", params)):
        message = (
            "Sending credit card numbers directly to the Stripe API is generally unsafe. We suggest you use test tokens that map to the "
        )
        raise StripeApiError(
            402, "invalid_request_error", f"{message}test card you are using, see https://stripe.com/docs/testing.", is_saved=False
        )


def resolve_payment_method(state: AccountState, params: StripeObject) -> str | None:
    """The id of the method that `payment_method` or `payment_method_data` names; None if neither is in `params`."""
    if "payment_method" in params and "payment_method_data" in params:
        message = "You may only specify one of these parameters: payment_method, payment_method_data."
        raise invalid_request(message, param="payment_method", code="parameters_exclusive")
    if "payment_method_data" in params:
        return str(create(state, params["payment_method_data"], "payment_method_data")["id"])
    if "payment_method" not in params:
        return None
    alias = params["payment_method"]
    if alias in CARDS:
        return str(_create_card(state, CARDS[alias], {"exp_month": 12, "exp_year": _current_year(state) + 1}, {})["id"])
    if alias in BANK_ACCOUNTS:
        return str(_create_bank_account(state, BANK_ACCOUNTS[alias], {})["id"])
    return str(state.get("payment_method", alias, param="payment_method", status=400)["id"])


def create(state: AccountState, data: StripeObject, prefix: str = "") -> StripeObject:
    """Create a method from the fields of a form. Raises StripeApiError for a card whose number or date is wrong."""
    kind, billing = data["type"], data.get("billing_details", {})
    if kind not in data:
        name = f"{prefix}[{kind}]" if prefix else kind
        raise invalid_request(f"Missing required param: {name}.", param=name, code="parameter_missing")
    if kind == "us_bank_account":
        account = bank_account_by_number(data[kind]["account_number"])
        if account is None:
            raise invalid_request(
                "You must use a test bank account number in test mode.", code="account_number_invalid", param=f"{kind}[account_number]"
            )
        return _create_bank_account(state, account, billing)
    _check_card(state, data["card"])
    card = card_by_number(data["card"]["number"])
    if card is None:
        message = "Your card was declined. Your request was in test mode, but used a non test card."
        raise card_error(message, code="card_declined", decline_code="test_mode_live_card", param="number")
    return _create_card(state, card, data["card"], billing, data.get("metadata"))


def _check_card(state: AccountState, card: StripeObject) -> None:
    today = datetime.fromtimestamp(state.now(), UTC)
    year = _full_year(card)
    if not is_valid_number(card["number"]):
        raise card_error("Your card number is incorrect.", code="incorrect_number", param="number")
    if not 1 <= card["exp_month"] <= 12:
        raise card_error("Your card's expiration month is invalid.", code="invalid_expiry_month", param="exp_month")
    if year < today.year or year > today.year + 50 or (year, card["exp_month"]) < (today.year, today.month):
        raise card_error("Your card's expiration year is invalid.", code="invalid_expiry_year", param="exp_year")


def _create_card(
    state: AccountState, card: Card, data: StripeObject, billing: StripeObject, metadata: StripeObject | None = None
) -> StripeObject:
    details = {
        "brand": card.brand,
        "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "unchecked" if "cvc" in data else None},
        "country": "US",
        "display_brand": card.brand,
        "exp_month": data["exp_month"],
        "exp_year": _full_year(data),
        "fingerprint": sha256(f"{card.number}{state.account or ''}".encode()).hexdigest()[:16],  # which differs between accounts
        "funding": "credit",
        "generated_from": None,
        "last4": card.number[-4:],
        "networks": {"available": [card.brand], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
    }
    return _create(state, "card", details, billing, metadata, {"_number": card.number})


def _create_bank_account(state: AccountState, account: BankAccount, billing: StripeObject) -> StripeObject:
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
    """Return the complete object, with None for missing and empty fields."""
    address = params.get("address", {})
    return {
        "address": {name: address.get(name) or None for name in _ADDRESS_FIELDS},
        "email": params.get("email") or None,
        "name": params.get("name") or None,
        "phone": params.get("phone") or None,
        "tax_id": None,
    }


def _full_year(card: StripeObject) -> int:
    """Return the year with four digits; two digits mean this century."""
    return int(card["exp_year"]) + (2000 if card["exp_year"] < 100 else 0)


def _current_year(state: AccountState) -> int:
    return datetime.fromtimestamp(state.now(), UTC).year
