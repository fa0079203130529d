"""Charges: one for each attempt to take money."""

from devtools.stripe import account_state, accounts, payment_methods
from devtools.stripe.account_state import AccountState
from devtools.stripe.balance import create_balance_transaction
from devtools.stripe.payment_methods import billing_details
from devtools.stripe.wire_format import StripeObject

FEE_FIXED = 30


def create_card_charge(state: AccountState, intent: StripeObject, method: StripeObject, *, authenticated: bool) -> StripeObject:
    """Charge a card: the charge succeeds or fails as Stripe documents it for this test card."""
    card = payment_methods.card_by_number(method["_number"])
    assert card is not None
    charge = _new_charge(state, intent, method)
    charge["payment_method_details"] = {"type": "card", "card": _card_details(method, intent["amount"], card, authenticated=authenticated)}
    if card.error_code:
        _mark_failed(charge, card.error_code, card.decline_code, payment_methods.DECLINE_MESSAGES[card.decline_code])
        account_state.emit_event(state, "charge.failed", state.put("charge", charge))
        return charge
    mark_succeeded(state, charge)
    return charge


def create_unauthenticated_charge(state: AccountState, intent: StripeObject, method: StripeObject, code: str, message: str) -> StripeObject:
    """Create a failed charge: the card's issuer refused it because it was not authenticated."""
    card = payment_methods.card_by_number(method["_number"])
    assert card is not None
    charge = _new_charge(state, intent, method)
    charge["payment_method_details"] = {"type": "card", "card": _card_details(method, intent["amount"], card, authenticated=False)}
    _mark_failed(charge, code, code, message)
    account_state.emit_event(state, "charge.failed", state.put("charge", charge))
    return charge


def create_pending_debit(state: AccountState, intent: StripeObject, method: StripeObject) -> StripeObject:
    """Debit a bank account. The charge is pending until the bank reports its outcome."""
    charge = _new_charge(state, intent, method)
    charge["status"] = "pending"
    details = {name: value for name, value in method["us_bank_account"].items() if name not in ("networks", "status_details")}
    charge["payment_method_details"] = {"type": "us_bank_account", "us_bank_account": details}
    account_state.emit_event(state, "charge.pending", state.put("charge", charge))
    return charge


def mark_succeeded(state: AccountState, charge: StripeObject) -> None:
    """Capture the amount, and add it to the balance minus Stripe's fee."""
    charge.update(status="succeeded", paid=True, captured=True, amount_captured=charge["amount"])
    charge["outcome"] = _outcome("authorized", "approved_by_network", "Payment complete.", None, None)
    fee = round(charge["amount"] * 29 / 1000) + FEE_FIXED
    transaction = create_balance_transaction(
        state, "charge", charge["id"], charge["amount"], charge["currency"], fee, application_fee=charge["application_fee_amount"] or 0
    )
    charge["balance_transaction"] = transaction["id"]
    accounts.take_fee(state, charge)
    account_state.emit_event(state, "charge.succeeded", state.put("charge", charge))


def mark_debit_failed(state: AccountState, charge: StripeObject) -> None:
    """Record that the bank refused the pending debit."""
    _mark_failed(charge, "account_closed", "", "The customer's bank account has been closed.")
    account_state.emit_event(state, "charge.failed", state.put("charge", charge))


def charges_of_intent(state: AccountState, intent_id: str) -> list[StripeObject]:
    """Newest first."""
    return [charge for charge in state.newest_first("charge") if charge["payment_intent"] == intent_id]


def _mark_failed(charge: StripeObject, code: str, decline_code: str, message: str) -> None:
    charge.update(status="failed", paid=False, captured=False, failure_code=code, failure_message=message)
    advice = payment_methods.ADVICE_CODES.get(decline_code)
    reason = "blocked" if decline_code == "fraudulent" else "issuer_declined"
    status = "not_sent_to_network" if reason == "blocked" else "declined_by_network"
    charge["outcome"] = _outcome(reason, status, "The bank did not accept the payment.", decline_code or code, advice)


def _outcome(kind: str, network_status: str, seller_message: str, reason: str | None, advice_code: str | None) -> StripeObject:
    return {
        "advice_code": advice_code,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": network_status,
        "reason": reason,
        "risk_level": "normal",
        "risk_score": 12,
        "seller_message": seller_message,
        "type": kind,
    }


def _card_details(method: StripeObject, amount: int, card: payment_methods.Card, *, authenticated: bool) -> StripeObject:
    copied = {
        name: method["card"][name] for name in ("brand", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4", "wallet")
    }
    cvc_check = "fail" if card.error_code == "incorrect_cvc" else "pass"
    three_d_secure = {"authentication_flow": "challenge", "result": "authenticated", "result_reason": None, "version": "2.2.0"}
    return {
        **copied,
        "amount_authorized": amount,
        "authorization_code": None if card.error_code else "123456",
        "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": cvc_check},
        "installments": None,
        "mandate": None,
        "network": card.brand,
        "network_token": {"used": False},
        "regulated_status": "unregulated",
        "three_d_secure": three_d_secure if authenticated else None,
    }


def _new_charge(state: AccountState, intent: StripeObject, method: StripeObject) -> StripeObject:
    empty = (
        "application application_fee balance_transaction failure_balance_transaction failure_code "
        "failure_message on_behalf_of outcome receipt_number review shipping source source_transfer transfer_data"
    )
    charge_id = state.new_id("ch_3" if method["type"] == "card" else "py_3")
    descriptors = ("statement_descriptor", "statement_descriptor_suffix")
    copied = ("amount", "application_fee_amount", "currency", "description", "receipt_email", *descriptors, "transfer_group")
    return {
        "id": charge_id,
        "object": "charge",
        **dict.fromkeys(empty.split()),
        **{name: intent[name] for name in copied},
        "amount_captured": 0,
        "amount_refunded": 0,
        "billing_details": billing_details(method["billing_details"]),
        "calculated_statement_descriptor": "FAIRGATE",
        "captured": False,
        "created": state.now(),
        "customer": intent["customer"],
        "disputed": False,
        "fraud_details": {},
        "livemode": False,
        "metadata": dict(intent["metadata"]),
        "paid": False,
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "radar_options": {},
        "receipt_url": None,
        "refunded": False,
        "_account": method.get("_account"),
        "_number": method.get("_number"),
    }
