"""Disputes: the buyer's bank takes the money back until somebody has decided."""

from devtools.stripe import charges, events
from devtools.stripe.errors import Obj, invalid
from devtools.stripe.intents import merged
from devtools.stripe.state import State

FEE = 1500
EVIDENCE_SECONDS = 9 * 86400
OPEN = ("needs_response", "under_review")

_EVIDENCE = (
    "access_activity_log billing_address cancellation_policy cancellation_policy_disclosure cancellation_rebuttal customer_communication "
    "customer_email_address customer_name customer_purchase_ip customer_signature duplicate_charge_documentation "
    "duplicate_charge_explanation duplicate_charge_id product_description receipt refund_policy refund_policy_disclosure "
    "refund_refusal_explanation service_date service_documentation shipping_address shipping_carrier shipping_date shipping_documentation "
    "shipping_tracking_number uncategorized_file uncategorized_text"
)


def open_for(state: State, charge: Obj, reason: str, amount: int | None = None) -> Obj:
    """A charge is disputed, all of it when `amount` is silent, and the amount withdrawn with a fee."""
    amount = charge["amount"] if amount is None else amount
    dispute_id = state.new_id("du_1")
    dispute = {
        "id": dispute_id,
        "object": "dispute",
        "amount": amount,
        "balance_transactions": [charges.move(state, "adjustment", dispute_id, -amount, charge["currency"], FEE)],
        "charge": charge["id"],
        "created": state.now(),
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {**dict.fromkeys(_EVIDENCE.split()), "enhanced_evidence": {}},
        "evidence_details": {
            "due_by": state.now() + EVIDENCE_SECONDS,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
            "submission_method": "not_submitted",
        },
        "intended_submission_method": None,
        "is_charge_refundable": False,
        "livemode": False,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "payment_method_details": {
            "card": {"brand": "visa", "case_type": "chargeback", "network": "visa", "network_reason_code": "10.4"},
            "type": "card",
        },
        "reason": reason,
        "status": "needs_response",
    }
    charge["disputed"] = True
    state.put("charge", charge)
    events.emit(state, "charge.dispute.created", state.put("dispute", dispute))
    events.emit(state, "charge.dispute.funds_withdrawn", dispute)
    return dispute


def update(state: State, dispute: Obj, given: Obj) -> Obj:
    """Evidence decides at once when it says `winning_evidence` or `losing_evidence`, as in Stripe's test mode."""
    _check_open(dispute)
    before = {"evidence": dict(dispute["evidence"]), "status": dispute["status"]}
    dispute["evidence"].update(given.get("evidence", {}))
    dispute["metadata"] = merged(dispute["metadata"], given.get("metadata", {}))
    if given.get("evidence"):
        dispute["evidence_details"]["has_evidence"] = True
        if given.get("submit", True):
            dispute["evidence_details"].update(
                submission_count=dispute["evidence_details"]["submission_count"] + 1, submission_method="manual"
            )
            dispute["status"] = "under_review"
    events.emit(state, "charge.dispute.updated", state.put("dispute", dispute), before)
    verdict = dispute["evidence"]["uncategorized_text"]
    if dispute["status"] == "under_review" and verdict in ("winning_evidence", "losing_evidence"):
        return close(state, dispute, won=verdict == "winning_evidence")
    return dispute


def close(state: State, dispute: Obj, *, won: bool) -> Obj:
    _check_open(dispute)
    before = {"status": dispute["status"]}
    dispute["status"] = "won" if won else "lost"
    if won:
        back = charges.move(state, "adjustment", dispute["id"], dispute["amount"], dispute["currency"], -FEE)
        dispute["balance_transactions"].append(back)
    events.emit(state, "charge.dispute.closed", state.put("dispute", dispute), before)
    if won:
        events.emit(state, "charge.dispute.funds_reinstated", dispute)
    return dispute


def _check_open(dispute: Obj) -> None:
    if dispute["status"] not in OPEN:
        raise invalid("This dispute is already closed", code="dispute_already_closed")
