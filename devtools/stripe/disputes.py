"""Disputes: the buyer's bank takes the money back until the dispute is decided."""

from devtools.stripe import account_state
from devtools.stripe.account_state import AccountState
from devtools.stripe.balance import create_balance_transaction
from devtools.stripe.wire_format import StripeObject, invalid_request, updated_metadata

FEE = 1500
EVIDENCE_SECONDS = 9 * 86400
OPEN_STATUSES = ("needs_response", "under_review", "appeal_under_review")

_EVIDENCE_FIELDS = (
    "access_activity_log billing_address cancellation_policy cancellation_policy_disclosure cancellation_rebuttal customer_communication "
    "customer_email_address customer_name customer_purchase_ip customer_signature duplicate_charge_documentation "
    "duplicate_charge_explanation duplicate_charge_id product_description receipt refund_policy refund_policy_disclosure "
    "refund_refusal_explanation service_date service_documentation shipping_address shipping_carrier shipping_date shipping_documentation "
    "shipping_tracking_number uncategorized_file uncategorized_text"
)


def create(state: AccountState, charge: StripeObject, reason: str, amount: int | None = None, *, prevented: bool = False) -> StripeObject:
    """Dispute a charge, all of it when `amount` is None: the amount and a fee are withdrawn from the balance.

    If `prevented`, the amount is paid back to the buyer at once, and nobody decides the dispute.
    """
    amount = charge["amount"] if amount is None else amount
    dispute_id = state.new_id("du_1")
    dispute = {
        "id": dispute_id,
        "object": "dispute",
        "amount": amount,
        "balance_transactions": [create_balance_transaction(state, "adjustment", dispute_id, -amount, charge["currency"], FEE)],
        "charge": charge["id"],
        "created": state.now(),
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {**dict.fromkeys(_EVIDENCE_FIELDS.split()), "enhanced_evidence": {}},
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
            "card": {
                "brand": "visa",
                "case_type": "resolution" if prevented else "chargeback",
                "network": "visa",
                "network_reason_code": "10.4",
            },
            "type": "card",
        },
        "reason": reason,
        "status": "prevented" if prevented else "needs_response",
    }
    charge["disputed"] = True
    state.put("charge", charge)
    account_state.emit_event(state, "charge.dispute.created", state.put("dispute", dispute))
    account_state.emit_event(state, "charge.dispute.funds_withdrawn", dispute)
    return dispute


def update(state: AccountState, dispute: StripeObject, params: StripeObject) -> StripeObject:
    """Submit evidence. The texts `winning_evidence` and `losing_evidence` decide the dispute at once, as in Stripe's test mode."""
    _check_open(dispute)
    before = {"evidence": dict(dispute["evidence"]), "status": dispute["status"]}
    dispute["evidence"].update(params.get("evidence", {}))
    dispute["metadata"] = updated_metadata(dispute["metadata"], params.get("metadata", {}))
    if params.get("evidence"):
        dispute["evidence_details"]["has_evidence"] = True
        if params.get("submit", True):
            dispute["evidence_details"].update(
                submission_count=dispute["evidence_details"]["submission_count"] + 1, submission_method="manual"
            )
            dispute["status"] = "under_review"
    account_state.emit_event(state, "charge.dispute.updated", state.put("dispute", dispute), before)
    decisive_text = dispute["evidence"]["uncategorized_text"]
    if dispute["status"] == "under_review" and decisive_text in ("winning_evidence", "losing_evidence"):
        return close(state, dispute, won=decisive_text == "winning_evidence")
    return dispute


def close(state: AccountState, dispute: StripeObject, *, won: bool) -> StripeObject:
    """Decide the dispute. When it is won, the amount and the fee return to the balance; when an appeal is lost, they leave it again."""
    _check_open(dispute)
    before = {"status": dispute["status"]}
    dispute["status"] = "won" if won else "lost"
    is_withdrawn = sum(moved["amount"] for moved in dispute["balance_transactions"]) < 0
    if won == is_withdrawn:
        amount, fee = (dispute["amount"], -FEE) if won else (-dispute["amount"], FEE)
        moved = create_balance_transaction(state, "adjustment", dispute["id"], amount, dispute["currency"], fee)
        dispute["balance_transactions"].append(moved)
    account_state.emit_event(state, "charge.dispute.closed", state.put("dispute", dispute), before)
    if won == is_withdrawn:
        account_state.emit_event(state, f"charge.dispute.funds_{'reinstated' if won else 'withdrawn'}", dispute)
    return dispute


def appeal(state: AccountState, dispute: StripeObject) -> StripeObject:
    """Appeal against the decision of a dispute, so that the dispute is decided again. The money stays where it is until then."""
    before = {"status": dispute["status"]}
    dispute["status"] = "appeal_under_review"
    account_state.emit_event(state, "charge.dispute.updated", state.put("dispute", dispute), before)
    return dispute


def _check_open(dispute: StripeObject) -> None:
    if dispute["status"] not in OPEN_STATUSES:
        raise invalid_request("This dispute is already closed", code="dispute_already_closed")
