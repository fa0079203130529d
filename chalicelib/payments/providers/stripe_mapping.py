"""Conversion of Stripe's JSON objects to our types. Stripe writes currencies in lower case; we write them in capitals.

Stripe's unit of a currency is ours, except for currencies that have lost their decimals: Stripe still writes them with two zeros.
"""

from decimal import Decimal
from typing import Any, Literal

from chalicelib.foundation import ids
from chalicelib.foundation.money import TaxShare
from chalicelib.payments.model import (
    CardCheck,
    DisputeStatus,
    EventSubject,
    ProviderAccount,
    ProviderBalance,
    ProviderDispute,
    ProviderEvent,
    ProviderPayment,
    ProviderPayout,
    ProviderRefund,
    ReturnedFee,
    TaxCalculation,
    TaxNotCalculated,
    find_bought,
)

Json = dict[str, Any]

_REFUND_STATUS: dict[str, Literal["pending", "succeeded", "failed"]] = {
    "succeeded": "succeeded",
    "pending": "pending",
    "requires_action": "pending",  # Stripe asks the buyer where to send the money, and reports `failed` if they never answer
    "failed": "failed",
    "canceled": "failed",
}
_DISPUTE_STATUS: dict[str, DisputeStatus] = {
    "needs_response": "open",
    "under_review": "open",
    "appeal_needs_response": "open",
    "appeal_under_review": "open",
    "won": "won",
    "lost": "lost",
}

# The event types that our webhook handles, and the subject of each.
EVENT_TYPES: dict[str, EventSubject] = {
    "payment_intent.succeeded": "payment",
    "payment_intent.payment_failed": "payment",
    "payment_intent.canceled": "payment",
    "payment_intent.requires_action": "payment",
    "checkout.session.completed": "payment",
    "checkout.session.expired": "payment",
    "checkout.session.async_payment_succeeded": "payment",
    "checkout.session.async_payment_failed": "payment",
    "charge.refunded": "refunds_of_payment",
    "refund.created": "refund",
    "refund.updated": "refund",
    "refund.failed": "refund",
    "charge.dispute.created": "dispute",
    "charge.dispute.updated": "dispute",
    "charge.dispute.closed": "dispute",
    "charge.dispute.funds_withdrawn": "dispute",
    "charge.dispute.funds_reinstated": "dispute",
    "account.updated": "account",
    "account.application.deauthorized": "account",
    "application_fee.refunded": "fee",
}
_WITH_TWO_ZEROS = ("ISK", "UGX")  # https://docs.stripe.com/currencies#special-cases
# Refunds made in the dashboard and disputes do not carry our metadata; only their payment does.
_CARRIES_METADATA = ("payment_intent", "checkout.session", "charge")


def to_stripe(cents: int, currency: str) -> int:
    """Convert an amount in our minor units to Stripe's."""
    return cents * _units_per_cent(currency)


def from_stripe(amount: int, currency: str) -> int:
    """Convert an amount in Stripe's units to our minor units. Rounds fractions, which only amounts that Stripe computed have."""
    return round(amount / _units_per_cent(currency))


def _units_per_cent(currency: str) -> int:
    return 100 if currency.upper() in _WITH_TWO_ZEROS else 1


def convert_payment_intent(intent: Json, account: str | None) -> ProviderPayment:
    """Convert a Payment Intent, with its latest charge if the charge was expanded."""
    secret = intent.get("client_secret")
    return ProviderPayment(provider="stripe", id=intent["id"], client_secret=secret, account=account, **_payment_fields(intent))


def convert_checkout_session(session: Json, account: str | None) -> ProviderPayment:
    """Convert a Checkout Session, with its Payment Intent if the buyer has begun to pay and the Payment Intent was expanded."""
    payment_intent = session.get("payment_intent")
    metadata = session.get("metadata") or {}
    fields: Json = {
        "status": "requires_payment_method",
        "amount": from_stripe(session["amount_total"], session["currency"]),
        "amount_received": 0,
        "amount_refunded": 0,
        "currency": session["currency"].upper(),
        "created": session["created"],
        "namespace": metadata.get("namespace"),
        "region": metadata.get("region"),
        "purchase_id": ids.find_id(metadata, "purchase_id"),
        "event_id": ids.find_id(metadata, "event_id"),
        "bought": find_bought(metadata),
    }
    if isinstance(payment_intent, dict):
        fields |= _payment_fields(payment_intent)
    if session["status"] != "open" and fields["status"] not in ("succeeded", "processing"):
        fields["status"] = "canceled"
    email = (session.get("customer_details") or {}).get("email")
    return ProviderPayment(provider="stripe", id=session["id"], url=session.get("url"), email=email, account=account, **fields)


def convert_refund(refund: Json, account: str | None) -> ProviderRefund:
    """Convert a refund, with its Payment Intent and its balance transaction if they were expanded."""
    metadata = refund.get("metadata") or {}
    owner = metadata if "purchase_id" in metadata else _payment_metadata(refund)
    attempt = str(metadata.get("attempt", "0"))
    return ProviderRefund(
        provider="stripe",
        id=refund["id"],
        status=_REFUND_STATUS.get(refund["status"], "pending"),  # Stripe documents that a refund may have no status
        amount_cents=from_stripe(refund["amount"], refund["currency"]),
        currency=refund["currency"].upper(),
        payment_intent_id=_object_id(refund.get("payment_intent")),
        refund_id=metadata.get("refund_id"),
        attempt=int(attempt) if attempt.isdecimal() else 0,
        namespace=owner.get("namespace"),
        purchase_id=ids.find_id(owner, "purchase_id"),
        failure=refund.get("failure_reason"),
        account=account,
        returned_fee_cents=_returned_fee(refund.get("balance_transaction")),
    )


def convert_dispute(dispute: Json, account: str | None) -> ProviderDispute:
    """Convert a dispute whose Payment Intent was expanded."""
    owner = _payment_metadata(dispute)
    return ProviderDispute(
        provider="stripe",
        id=dispute["id"],
        status=_dispute_status(dispute),
        amount_cents=from_stripe(dispute["amount"], dispute["currency"]),
        currency=dispute["currency"].upper(),
        payment_intent_id=_object_id(dispute.get("payment_intent")),
        reason=dispute["reason"],
        due_at=(dispute.get("evidence_details") or {}).get("due_by"),
        namespace=owner.get("namespace"),
        purchase_id=ids.find_id(owner, "purchase_id"),
        account=account,
    )


def convert_account(account: Json) -> ProviderAccount:
    """Convert a connected account."""
    requirements = account.get("requirements") or {}
    return ProviderAccount(
        id=account["id"],
        takes_payments=bool(account.get("charges_enabled")),
        gets_payouts=bool(account.get("payouts_enabled")),
        missing=list(requirements.get("currently_due") or []),
        disabled_reason=requirements.get("disabled_reason"),
    )


def convert_setup_intent(intent: Json) -> CardCheck:
    """Convert a Setup Intent whose payment method was expanded. After a decline, it has no payment method."""
    method, status = intent.get("payment_method"), intent["status"]
    card = (method.get("card") or {}) if isinstance(method, dict) else {}
    return CardCheck(
        id=intent["id"],
        status="confirmed" if status == "succeeded" else "requires_action" if status == "requires_action" else "declined",
        owner=(intent.get("metadata") or {}).get("owner"),
        fingerprint=card.get("fingerprint"),
        is_wallet=card.get("wallet") is not None,
        client_secret=intent.get("client_secret"),
        customer_id=_object_id(intent.get("customer")),
        method_id=_object_id(method),
    )


def convert_balance(balance: Json) -> list[ProviderBalance]:
    """Convert the balance of an account, with one entry for each currency."""
    available, pending = (
        {funds["currency"]: from_stripe(funds["amount"], funds["currency"]) for funds in balance[part]} for part in ("available", "pending")
    )
    return [
        ProviderBalance(currency=name.upper(), available_cents=available.get(name, 0), pending_cents=pending.get(name, 0))
        for name in sorted({*available, *pending})
    ]


def convert_payout(payout: Json) -> ProviderPayout:
    """Convert a payout. Payouts cover the whole account, including the sales of other systems."""
    return ProviderPayout(
        id=payout["id"],
        amount_cents=from_stripe(payout["amount"], payout["currency"]),
        currency=payout["currency"].upper(),
        status="cancelled" if payout["status"] == "canceled" else payout["status"],
        created_at=payout["created"],
        arrives_at=payout["arrival_date"],
        is_automatic=payout["automatic"],
        failure=payout["failure_message"],
    )


def select_returned_by_hand(returned: list[Json], refunds: list[Json]) -> list[Json]:
    """Return the refunds of a charge's application fee that did not come with refunds of the charge.

    Stripe does not say which refund of a fee came with which refund of the charge, so this looks for the same amount, nearest in time.
    Needs the balance transactions of the `refunds`.
    """
    by_hand = list(returned)
    for refund in refunds:
        same = [part for part in by_hand if from_stripe(part["amount"], part["currency"]) == _returned_fee(refund["balance_transaction"])]
        if same:
            by_hand.remove(min(same, key=lambda part: abs(part["created"] - refund["created"])))
    return by_hand


def convert_returned_fees(by_hand: list[Json], charge: Json, account: str) -> list[ReturnedFee]:
    """Convert the refunds of a charge's application fee. Needs the Payment Intent of the charge."""
    metadata = _payment_metadata(charge)
    return [
        ReturnedFee(
            provider="stripe",
            id=part["id"],
            amount_cents=from_stripe(part["amount"], part["currency"]),
            currency=part["currency"].upper(),
            payment_intent_id=str(_object_id(charge["payment_intent"])),
            namespace=metadata.get("namespace"),
            purchase_id=ids.find_id(metadata, "purchase_id"),
            account=account,
        )
        for part in by_hand
    ]


def convert_event(event: Json, account: str | None = None) -> ProviderEvent:
    """Convert an event of any type, with its object as it was when the event was sent.

    `account` is the connected account in whose list the event is. The event of a webhook names its account itself. A Checkout Session that
    takes no payment is never ours, whatever its metadata says.
    """
    kind = str(event.get("type", ""))
    about: Json = (event.get("data") or {}).get("object") or {}
    is_session = about.get("object") == "checkout.session"
    takes_payment = about.get("mode") == "payment" and None not in (about.get("currency"), about.get("amount_total"))
    metadata = {} if is_session and not takes_payment else about.get("metadata") or {}
    return ProviderEvent(
        provider="stripe",
        id=str(event.get("id", "")),
        type=kind,
        subject=EVENT_TYPES.get(kind),
        object_id=str(about.get("id", "")),
        object_status=about.get("status"),
        namespace=metadata.get("namespace"),
        carries_metadata=about.get("object") in _CARRIES_METADATA,
        purchase_id=ids.find_id(metadata, "purchase_id"),
        payment_intent_id=_object_id(about.get("payment_intent")),
        account=account or event.get("account"),
    )


def _returned_fee(moved: Json | str | None) -> int:
    """Return the application fee that a refund's balance transaction gave back. Returns 0 if the transaction was not expanded."""
    details = (moved.get("fee_details") or []) if isinstance(moved, dict) else []
    return -sum(from_stripe(detail["amount"], detail["currency"]) for detail in details if detail["type"] == "application_fee")


def _payment_fields(intent: Json) -> Json:
    metadata = intent.get("metadata") or {}
    charge = intent.get("latest_charge")
    expanded = charge if isinstance(charge, dict) else {}
    error = intent.get("last_payment_error") or {}
    currency = intent["currency"].upper()
    return {
        "status": intent["status"],
        "amount": from_stripe(intent["amount"], currency),
        "amount_received": from_stripe(intent.get("amount_received") or 0, currency),
        "amount_refunded": from_stripe(expanded.get("amount_refunded") or 0, currency),
        "currency": currency,
        "created": intent["created"],
        "payment_intent_id": intent["id"],
        "namespace": metadata.get("namespace"),
        "region": metadata.get("region"),
        "purchase_id": ids.find_id(metadata, "purchase_id"),
        "event_id": ids.find_id(metadata, "event_id"),
        "bought": find_bought(metadata),
        "charge_id": _object_id(charge) or error.get("charge"),
        "fee_cents": from_stripe(intent.get("application_fee_amount") or 0, currency),
        "decline_code": error.get("decline_code") or error.get("code"),
    }


def convert_tax_calculation(calculation: Json) -> TaxCalculation:
    """Convert a Tax Calculation whose line items have their number as `reference`. Raises TaxNotCalculated if it lacks any items."""
    items = calculation["line_items"]
    if items["has_more"] or calculation["id"] is None or calculation["tax_amount_exclusive"]:
        raise TaxNotCalculated()
    in_order = sorted(items["data"], key=lambda item: int(item["reference"]))
    return TaxCalculation(calculation["id"], [_tax_share(item, calculation["currency"]) for item in in_order])


def _tax_share(item: Json, currency: str) -> TaxShare:
    """Return the tax in a line item. The taxes of a country, a state and a city count as one tax with the sum of their rates."""
    parts = item.get("tax_breakdown") or []
    rates = [Decimal(part["tax_rate_details"]["percentage_decimal"]) for part in parts if part["amount"] and part.get("tax_rate_details")]
    percent = format(sum(rates, Decimal(0)).quantize(Decimal("0.001")).normalize(), "f")
    reasons = dict.fromkeys(part["taxability_reason"].replace("_", " ") for part in parts)
    untaxed = None if item["amount_tax"] or "zero rated" in reasons else f"Stripe Tax: {', '.join(reasons) or 'no tax'}"
    return TaxShare(percent, from_stripe(item["amount"], currency), from_stripe(item["amount_tax"], currency), untaxed)


def _dispute_status(dispute: Json) -> DisputeStatus | None:
    """Return the status of a dispute, or None for an inquiry and for a dispute that was prevented without taking money.

    The card network prevents some disputes by paying the buyer back at once. Nobody can contest that, so such a dispute is lost.
    """
    if dispute["status"] == "prevented":
        return "lost" if sum(moved["amount"] for moved in dispute.get("balance_transactions") or []) < 0 else None
    return _DISPUTE_STATUS.get(dispute["status"])


def _payment_metadata(about: Json) -> Json:
    """Return the metadata of the Payment Intent of a refund, dispute or charge. Empty if the Payment Intent was not expanded."""
    intent = about.get("payment_intent")
    return (intent.get("metadata") or {}) if isinstance(intent, dict) else {}


def _object_id(field: Any) -> str | None:
    """Return the id in a field that holds an object or only the object's id."""
    found: str | None = field["id"] if isinstance(field, dict) else field
    return found
