"""Refunds: they succeed at once, are pending for a while, or fail after they had succeeded."""

from devtools.stripe import account_state, accounts, charges, payment_methods, tax
from devtools.stripe.account_state import AccountState, schedule_outcome
from devtools.stripe.balance import create_balance_transaction
from devtools.stripe.prices import check_digits
from devtools.stripe.wire_format import StripeObject, invalid_request, unexpected_intent_state, updated_metadata


def create(state: AccountState, params: StripeObject) -> StripeObject:
    charge = _refundable_charge(state, params)
    refundable = charge["amount_captured"] - charge["amount_refunded"]
    if charge["refunded"] or refundable == 0:
        raise invalid_request(f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
    if any(dispute["charge"] == charge["id"] and dispute["status"] != "won" for dispute in state.oldest_first("dispute")):
        raise invalid_request(f"Charge {charge['id']} has been charged back; cannot issue a refund.", code="charge_disputed")
    amount = params.get("amount", refundable)
    check_digits(amount, charge["currency"])
    if amount > refundable:
        message = f"Refund amount ({_formatted(amount)}) is greater than unrefunded amount on charge ({_formatted(refundable)})"
        raise invalid_request(message, param="amount")
    returned_fee = accounts.return_fee(state, charge, charge["amount_refunded"] + amount) if params.get("refund_application_fee") else 0
    refund = _new_refund(state, charge, amount, returned_fee, params)
    card = payment_methods.card_by_number(charge["_number"] or "")
    outcome = card.refunds if card is not None else "succeeds"
    if outcome == "pending":
        refund.update(status="pending", pending_reason="processing")
    state.put("refund", refund)
    tax.reverse(state, refund, charge["amount_refunded"])
    before = {name: charge[name] for name in ("amount_refunded", "refunded")}
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount_captured"]
    account_state.emit_event(state, "refund.created", refund)
    account_state.emit_event(state, "charge.refunded", state.put("charge", charge), before)
    if outcome != "succeeds":
        schedule_outcome(state, "refund", refund["id"], fails=outcome == "fails")
    return refund


def complete(state: AccountState, refund: StripeObject, *, ok: bool) -> StripeObject:
    """Record the bank's outcome: the money arrived or was returned. Does nothing if the refund has already failed."""
    if refund["status"] not in ("pending", "succeeded"):
        return refund
    before = {"status": refund["status"]}
    if ok:
        refund.update(status="succeeded", pending_reason=None)
        state.put("refund", refund)
    else:
        _fail(state, refund)
        account_state.emit_event(state, "refund.failed", refund, before)
    account_state.emit_event(state, "refund.updated", refund, before)
    account_state.emit_event(state, "charge.refund.updated", refund, before)
    return refund


def update(state: AccountState, refund: StripeObject, params: StripeObject) -> StripeObject:
    before = {"metadata": refund["metadata"]}
    refund["metadata"] = updated_metadata(refund["metadata"], params.get("metadata", {}))
    account_state.emit_event(state, "refund.updated", state.put("refund", refund), before)
    return refund


def _fail(state: AccountState, refund: StripeObject) -> None:
    charge = state.get("charge", refund["charge"])
    charge["amount_refunded"] -= refund["amount"]
    charge["refunded"] = False
    state.put("charge", charge)
    returned = create_balance_transaction(state, "refund_failure", refund["id"], refund["amount"], refund["currency"])
    refund.update(
        status="failed", failure_reason="expired_or_canceled_card", failure_balance_transaction=returned["id"], pending_reason=None
    )
    state.put("refund", refund)


def _refundable_charge(state: AccountState, params: StripeObject) -> StripeObject:
    if "charge" in params and "payment_intent" in params:
        raise invalid_request(
            "You may only specify one of these parameters: charge, payment_intent.", param="charge", code="parameters_exclusive"
        )
    if "charge" in params:
        charge = state.get("charge", params["charge"], param="charge", status=404)
        if charge["status"] != "succeeded":
            raise invalid_request(
                f"Charge {charge['id']} is not refundable: it has a status of {charge['status']}.", code="charge_not_refundable"
            )
        return charge
    if "payment_intent" not in params:
        raise invalid_request(
            "One of the following params should be provided for this request: payment_intent or charge.", code="parameter_missing"
        )
    intent = state.get("payment_intent", params["payment_intent"], param="payment_intent", status=404)
    paid = [charge for charge in charges.charges_of_intent(state, intent["id"]) if charge["status"] == "succeeded"]
    if not paid:
        raise unexpected_intent_state(f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund.", intent)
    return paid[0]


def _new_refund(state: AccountState, charge: StripeObject, amount: int, returned_fee: int, params: StripeObject) -> StripeObject:
    refund_id = state.new_id("re_3")
    moved = create_balance_transaction(state, "refund", refund_id, -amount, charge["currency"], application_fee=-returned_fee)
    card = {"reference_status": "pending", "reference_type": "acquirer_reference_number", "type": "refund"}
    return {
        "id": refund_id,
        "object": "refund",
        "amount": amount,
        "balance_transaction": moved["id"],
        "charge": charge["id"],
        "created": state.now(),
        "currency": charge["currency"],
        "customer": None,
        "customer_account": None,
        "destination_details": {"card": card, "type": "card"} if charge["_number"] else None,
        "metadata": updated_metadata({}, params.get("metadata", {})),
        "payment_intent": charge["payment_intent"],
        "payment_method": charge["payment_method"],
        "reason": params.get("reason"),
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "succeeded",
        "transfer_reversal": None,
    }


def _formatted(amount: int) -> str:
    return f"${amount / 100:,.2f}"
