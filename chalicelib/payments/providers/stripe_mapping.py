"""Stripe's objects, as JSON, in our words. Currencies are lower case there and capitals with us."""

from typing import Any, Literal

from chalicelib.payments.model import DisputeStatus, ProviderDispute, ProviderPayment, ProviderRefund

Json = dict[str, Any]

_REFUND_STATUS: dict[str, Literal["pending", "succeeded", "failed"]] = {
    "succeeded": "succeeded",
    "pending": "pending",
    "requires_action": "pending",  # the buyer is asked where to; Stripe says `failed` if they never answer
    "failed": "failed",
    "canceled": "failed",
}
_DISPUTE_STATUS: dict[str, DisputeStatus] = {
    "needs_response": "open",
    "under_review": "open",
    "won": "won",
    "lost": "lost",
}


def payment_of_intent(found: Json) -> ProviderPayment:
    """A Payment Intent, with its latest charge if that was expanded."""
    return ProviderPayment(id=found["id"], client_secret=found.get("client_secret"), **_payment_fields(found))


def payment_of_session(found: Json) -> ProviderPayment:
    """A Checkout Session, with its Payment Intent expanded where somebody has begun to pay."""
    behind = found.get("payment_intent")
    behind = behind if isinstance(behind, dict) else None
    metadata = found.get("metadata") or {}
    details: Json = {
        "status": "requires_payment_method",
        "amount": found["amount_total"],
        "amount_received": 0,
        "amount_refunded": 0,
        "currency": found["currency"].upper(),
        "created": found["created"],
        "namespace": metadata.get("namespace"),
        "purchase_id": metadata.get("purchase_id"),
        "event_id": metadata.get("event_id"),
    }
    if behind is not None:
        details |= _payment_fields(behind)
    if found["status"] != "open" and details["status"] not in ("succeeded", "processing"):
        details["status"] = "canceled"
    return ProviderPayment(id=found["id"], url=found.get("url"), **details)


def refund_of(found: Json) -> ProviderRefund:
    """A refund, with its Payment Intent if that was expanded."""
    metadata = found.get("metadata") or {}
    owner = metadata if "purchase_id" in metadata else _metadata_of_payment(found)
    attempt = str(metadata.get("attempt", "0"))
    return ProviderRefund(
        id=found["id"],
        status=_REFUND_STATUS[found["status"]],
        amount_cents=found["amount"],
        currency=found["currency"].upper(),
        payment_intent_id=_id_of(found.get("payment_intent")),
        refund_id=metadata.get("refund_id"),
        attempt=int(attempt) if attempt.isdecimal() else 0,
        namespace=owner.get("namespace"),
        purchase_id=owner.get("purchase_id"),
        failure=found.get("failure_reason"),
    )


def dispute_of(found: Json) -> ProviderDispute:
    """A dispute, with its Payment Intent expanded."""
    owner = _metadata_of_payment(found)
    return ProviderDispute(
        id=found["id"],
        status=_DISPUTE_STATUS.get(found["status"]),
        amount_cents=found["amount"],
        currency=found["currency"].upper(),
        payment_intent_id=_id_of(found.get("payment_intent")),
        reason=found["reason"],
        namespace=owner.get("namespace"),
        purchase_id=owner.get("purchase_id"),
    )


def _payment_fields(found: Json) -> Json:
    metadata = found.get("metadata") or {}
    charge = found.get("latest_charge")
    known = charge if isinstance(charge, dict) else {}
    error = found.get("last_payment_error") or {}
    return {
        "status": found["status"],
        "amount": found["amount"],
        "amount_received": found.get("amount_received") or 0,
        "amount_refunded": known.get("amount_refunded") or 0,
        "currency": found["currency"].upper(),
        "created": found["created"],
        "payment_intent_id": found["id"],
        "namespace": metadata.get("namespace"),
        "purchase_id": metadata.get("purchase_id"),
        "event_id": metadata.get("event_id"),
        "charge_id": _id_of(charge) or error.get("charge"),
        "decline_code": error.get("decline_code") or error.get("code"),
    }


def _metadata_of_payment(found: Json) -> Json:
    behind = found.get("payment_intent")
    return (behind.get("metadata") or {}) if isinstance(behind, dict) else {}


def _id_of(one: Any) -> str | None:
    """The id of a field that holds an object or only its id."""
    found: str | None = one["id"] if isinstance(one, dict) else one
    return found
