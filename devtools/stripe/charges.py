"""Charges: one for each attempt to take money, and what each moves on the balance."""

from devtools.stripe import cards, events
from devtools.stripe.errors import Obj
from devtools.stripe.methods import billing_details
from devtools.stripe.state import State

FEE_FIXED = 30
SETTLES_AFTER_SECONDS = 2 * 86400


def attempt(state: State, intent: Obj, method: Obj, *, authenticated: bool) -> Obj:
    """A charge that succeeded or failed, as the card's documented outcome says."""
    card = cards.by_number(method["_number"])
    assert card is not None
    charge = _new(state, intent, method)
    charge["payment_method_details"] = {"type": "card", "card": _card_details(method, intent["amount"], card, authenticated=authenticated)}
    if card.error:
        _fail(charge, card.error, card.decline, cards.MESSAGES[card.decline])
        events.emit(state, "charge.failed", state.put("charge", charge))
        return charge
    succeed(state, charge)
    return charge


def refuse(state: State, intent: Obj, method: Obj, code: str, message: str) -> Obj:
    """A charge that the issuer refused for want of authentication."""
    card = cards.by_number(method["_number"])
    assert card is not None
    charge = _new(state, intent, method)
    charge["payment_method_details"] = {"type": "card", "card": _card_details(method, intent["amount"], card, authenticated=False)}
    _fail(charge, code, code, message)
    events.emit(state, "charge.failed", state.put("charge", charge))
    return charge


def pending(state: State, intent: Obj, method: Obj) -> Obj:
    """A debit that the bank will answer later."""
    charge = _new(state, intent, method)
    charge["status"] = "pending"
    details = {name: value for name, value in method["us_bank_account"].items() if name not in ("networks", "status_details")}
    charge["payment_method_details"] = {"type": "us_bank_account", "us_bank_account": details}
    events.emit(state, "charge.pending", state.put("charge", charge))
    return charge


def succeed(state: State, charge: Obj) -> None:
    charge.update(status="succeeded", paid=True, captured=True, amount_captured=charge["amount"])
    charge["outcome"] = _outcome("authorized", "approved_by_network", "Payment complete.", None, None)
    fee = round(charge["amount"] * 29 / 1000) + FEE_FIXED
    charge["balance_transaction"] = move(state, "charge", charge["id"], charge["amount"], charge["currency"], fee)["id"]
    events.emit(state, "charge.succeeded", state.put("charge", charge))


def bounce(state: State, charge: Obj) -> None:
    """The bank refused the debit after all."""
    _fail(charge, "account_closed", "", "The customer's bank account has been closed.")
    events.emit(state, "charge.failed", state.put("charge", charge))


def move(state: State, kind: str, source: str, amount: int, currency: str, fee: int = 0) -> Obj:
    """A balance transaction: `amount` is what comes in, negative what goes out; `fee` is taken from it."""
    details = [{"amount": fee, "application": None, "currency": currency, "description": "Stripe processing fees", "type": "stripe_fee"}]
    moved = {
        "id": state.new_id("txn_3"),
        "object": "balance_transaction",
        "amount": amount,
        "available_on": state.now() + SETTLES_AFTER_SECONDS,
        "balance_type": "payments",
        "created": state.now(),
        "currency": currency,
        "description": None,
        "exchange_rate": None,
        "fee": fee,
        "fee_details": details if fee else [],
        "net": amount - fee,
        "reporting_category": "dispute" if kind == "adjustment" else kind,
        "source": source,
        "status": "pending",
        "type": kind,
    }
    return state.put("balance_transaction", moved)


def of_intent(state: State, intent_id: str) -> list[Obj]:
    """Newest first."""
    return [charge for charge in state.newest_first("charge") if charge["payment_intent"] == intent_id]


def _fail(charge: Obj, code: str, decline: str, message: str) -> None:
    charge.update(status="failed", paid=False, captured=False, failure_code=code, failure_message=message)
    advice = cards.ADVICE.get(decline)
    reason = "blocked" if decline == "fraudulent" else "issuer_declined"
    status = "not_sent_to_network" if reason == "blocked" else "declined_by_network"
    charge["outcome"] = _outcome(reason, status, "The bank did not accept the payment.", decline or code, advice)


def _outcome(kind: str, network: str, message: str, reason: str | None, advice: str | None) -> Obj:
    return {
        "advice_code": advice,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": network,
        "reason": reason,
        "risk_level": "normal",
        "risk_score": 12,
        "seller_message": message,
        "type": kind,
    }


def _card_details(method: Obj, amount: int, card: cards.Card, *, authenticated: bool) -> Obj:
    kept = {
        name: method["card"][name] for name in ("brand", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4", "wallet")
    }
    checked = "fail" if card.error == "incorrect_cvc" else "pass"
    secured = {"authentication_flow": "challenge", "result": "authenticated", "result_reason": None, "version": "2.2.0"}
    return {
        **kept,
        "amount_authorized": amount,
        "authorization_code": None if card.error else "123456",
        "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": checked},
        "installments": None,
        "mandate": None,
        "network": card.brand,
        "network_token": {"used": False},
        "regulated_status": "unregulated",
        "three_d_secure": secured if authenticated else None,
    }


def _new(state: State, intent: Obj, method: Obj) -> Obj:
    empty = (
        "application application_fee application_fee_amount balance_transaction customer failure_balance_transaction failure_code "
        "failure_message on_behalf_of outcome receipt_number review shipping source source_transfer transfer_data"
    )
    charge_id = state.new_id("ch_3" if method["type"] == "card" else "py_3")
    kept = ("amount", "currency", "description", "receipt_email", "statement_descriptor", "statement_descriptor_suffix", "transfer_group")
    return {
        "id": charge_id,
        "object": "charge",
        **dict.fromkeys(empty.split()),
        **{name: intent[name] for name in kept},
        "amount_captured": 0,
        "amount_refunded": 0,
        "billing_details": billing_details(method["billing_details"]),
        "calculated_statement_descriptor": "FAIRGATE",
        "captured": False,
        "created": state.now(),
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
