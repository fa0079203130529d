"""Refunds: money that goes back, at once, later, or not after all."""

from devtools.stripe import cards, charges, events
from devtools.stripe.errors import Obj, invalid, unexpected_state
from devtools.stripe.intents import merged
from devtools.stripe.later import plan
from devtools.stripe.state import State


def create(state: State, given: Obj) -> Obj:
    charge = _charge(state, given)
    left = charge["amount_captured"] - charge["amount_refunded"]
    if charge["refunded"] or left == 0:
        raise invalid(f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
    if any(dispute["charge"] == charge["id"] and dispute["status"] != "won" for dispute in state.all("dispute")):
        raise invalid(f"Charge {charge['id']} has been charged back; cannot issue a refund.", code="charge_disputed")
    amount = given.get("amount", left)
    if amount > left:
        told = f"Refund amount ({_written(amount)}) is greater than unrefunded amount on charge ({_written(left)})"
        raise invalid(told, param="amount")
    refund = _new(state, charge, amount, given)
    card = cards.by_number(charge["_number"] or "")
    refunding = card.refunding if card is not None else "at_once"
    if refunding == "later":
        refund.update(status="pending", pending_reason="processing")
    state.put("refund", refund)
    before = {name: charge[name] for name in ("amount_refunded", "refunded")}
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount_captured"]
    events.emit(state, "refund.created", refund)
    events.emit(state, "charge.refunded", state.put("charge", charge), before)
    if refunding != "at_once":
        plan(state, "refund", refund["id"], fails=refunding == "fails")
    return refund


def settle(state: State, refund: Obj, *, ok: bool) -> Obj:
    """The bank answered: the money arrived, or it came back."""
    if refund["status"] not in ("pending", "succeeded"):
        return refund
    before = {"status": refund["status"]}
    if ok:
        refund.update(status="succeeded", pending_reason=None)
        state.put("refund", refund)
    else:
        _return(state, refund)
        events.emit(state, "refund.failed", refund, before)
    events.emit(state, "refund.updated", refund, before)
    events.emit(state, "charge.refund.updated", refund, before)
    return refund


def update(state: State, refund: Obj, given: Obj) -> Obj:
    before = {"metadata": refund["metadata"]}
    refund["metadata"] = merged(refund["metadata"], given.get("metadata", {}))
    events.emit(state, "refund.updated", state.put("refund", refund), before)
    return refund


def _return(state: State, refund: Obj) -> None:
    charge = state.get("charge", refund["charge"])
    charge["amount_refunded"] -= refund["amount"]
    charge["refunded"] = False
    state.put("charge", charge)
    back = charges.move(state, "refund_failure", refund["id"], refund["amount"], refund["currency"])
    refund.update(status="failed", failure_reason="expired_or_canceled_card", failure_balance_transaction=back["id"], pending_reason=None)
    state.put("refund", refund)


def _charge(state: State, given: Obj) -> Obj:
    if "charge" in given and "payment_intent" in given:
        raise invalid("You may only specify one of these parameters: charge, payment_intent.", param="charge", code="parameters_exclusive")
    if "charge" in given:
        charge = state.get("charge", given["charge"], param="charge", status=404)
        if charge["status"] != "succeeded":
            raise invalid(f"Charge {charge['id']} is not refundable: it has a status of {charge['status']}.", code="charge_not_refundable")
        return charge
    if "payment_intent" not in given:
        raise invalid(
            "One of the following params should be provided for this request: payment_intent or charge.", code="parameter_missing"
        )
    intent = state.get("payment_intent", given["payment_intent"], param="payment_intent", status=404)
    paid = [charge for charge in charges.of_intent(state, intent["id"]) if charge["status"] == "succeeded"]
    if not paid:
        raise unexpected_state(f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund.", intent)
    return paid[0]


def _new(state: State, charge: Obj, amount: int, given: Obj) -> Obj:
    refund_id = state.new_id("re_3")
    card = {"reference_status": "pending", "reference_type": "acquirer_reference_number", "type": "refund"}
    return {
        "id": refund_id,
        "object": "refund",
        "amount": amount,
        "balance_transaction": charges.move(state, "refund", refund_id, -amount, charge["currency"])["id"],
        "charge": charge["id"],
        "created": state.now(),
        "currency": charge["currency"],
        "customer": None,
        "customer_account": None,
        "destination_details": {"card": card, "type": "card"} if charge["_number"] else None,
        "metadata": merged({}, given.get("metadata", {})),
        "payment_intent": charge["payment_intent"],
        "payment_method": charge["payment_method"],
        "reason": given.get("reason"),
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "succeeded",
        "transfer_reversal": None,
    }


def _written(amount: int) -> str:
    return f"${amount / 100:,.2f}"
