"""Stripe's test cards and test payment methods, with the outcomes that Stripe documents for them."""

from dataclasses import dataclass
from typing import Literal

RefundOutcome = Literal["succeeds", "pending", "fails"]
DebitOutcome = Literal["succeeds", "fails"]


@dataclass(frozen=True)
class Card:
    """`error_code` and `decline_code` are those of a failed charge; they are "" when the charge succeeds.

    `requires_authentication`: 3D Secure comes before the charge. `dispute_reason`: a dispute with this reason follows the charge.
    `refunds`: whether refunds succeed at once, are pending and then succeed, or succeed and then fail.
    """

    number: str
    error_code: str = ""
    decline_code: str = ""
    requires_authentication: bool = False
    dispute_reason: str = ""
    refunds: RefundOutcome = "succeeds"
    brand: str = "visa"


@dataclass(frozen=True)
class BankAccount:
    """Debits of it are accepted at once; their outcome comes later."""

    number: str
    debits: DebitOutcome = "succeeds"


_DECLINED = "card_declined"
CARDS: dict[str, Card] = {
    "pm_card_visa": Card("4242424242424242"),
    "pm_card_visa_debit": Card("4000056655665556"),
    "pm_card_mastercard": Card("5555555555554444", brand="mastercard"),
    "pm_card_amex": Card("378282246310005", brand="amex"),
    "pm_card_visa_chargeDeclined": Card("4000000000000002", _DECLINED, "generic_decline"),
    "pm_card_visa_chargeDeclinedInsufficientFunds": Card("4000000000009995", _DECLINED, "insufficient_funds"),
    "pm_card_visa_chargeDeclinedLostCard": Card("4000000000009987", _DECLINED, "lost_card"),
    "pm_card_visa_chargeDeclinedStolenCard": Card("4000000000009979", _DECLINED, "stolen_card"),
    "pm_card_visa_chargeDeclinedVelocityLimitExceeded": Card("4000000000006975", _DECLINED, "card_velocity_exceeded"),
    "pm_card_radarBlock": Card("4100000000000019", _DECLINED, "fraudulent"),
    "pm_card_chargeDeclinedExpiredCard": Card("4000000000000069", "expired_card", "expired_card"),
    "pm_card_chargeDeclinedIncorrectCvc": Card("4000000000000127", "incorrect_cvc", "incorrect_cvc"),
    "pm_card_chargeDeclinedProcessingError": Card("4000000000000119", "processing_error", "processing_error"),
    "pm_card_authenticationRequiredOnSetup": Card("4000002500003155", requires_authentication=True),
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
    """None: the number is not one of a test card."""
    return _CARDS_BY_NUMBER.get(number.replace(" ", ""))


def bank_account_by_number(number: str) -> BankAccount | None:
    return _BANK_ACCOUNTS_BY_NUMBER.get(number)


def is_valid_number(number: str) -> bool:
    """Whether the check digit (Luhn's) is right."""
    digits = [int(digit) for digit in number.replace(" ", "")][::-1]
    doubled = [sum(divmod(2 * digit, 10)) if index % 2 else digit for index, digit in enumerate(digits)]
    return sum(doubled) % 10 == 0
