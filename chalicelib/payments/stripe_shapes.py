"""Stripe's objects, as JSON, in our words. Currencies are lower case there and capitals with us."""

from typing import Any, Literal

from chalicelib.payments.model import DisputeSeen, Intent, RefundSeen, Verdict

Json = dict[str, Any]

_REFUND_STATUS: dict[str, Literal["pending", "succeeded", "failed"]] = {
    "succeeded": "succeeded",
    "pending": "pending",
    "requires_action": "pending",  # the buyer is asked where to; Stripe says `failed` if they never answer
    "failed": "failed",
    "canceled": "failed",
}
_VERDICT: dict[str, Verdict] = {
    "needs_response": "open",
    "under_review": "open",
    "won": "won",
    "lost": "lost",
}


def intent(found: Json) -> Intent:
    """A Payment Intent, with its latest charge if that was expanded."""
    return Intent(id=found["id"], client_secret=found.get("client_secret"), **_payment(found))


def session(found: Json) -> Intent:
    """A Checkout Session, with its Payment Intent expanded where somebody has begun to pay."""
    behind = found.get("payment_intent")
    behind = behind if isinstance(behind, dict) else None
    metadata = found.get("metadata") or {}
    facts: Json = {
        "status": "requires_payment_method",
        "amount": found["amount_total"],
        "amount_received": 0,
        "amount_refunded": 0,
        "currency": found["currency"].upper(),
        "created": found["created"],
        "stage": metadata.get("stage"),
        "purchase_id": metadata.get("purchase_id"),
        "event_id": metadata.get("event_id"),
    }
    if behind is not None:
        facts |= _payment(behind)
    if found["status"] != "open" and facts["status"] not in ("succeeded", "processing"):
        facts["status"] = "canceled"
    return Intent(id=found["id"], url=found.get("url"), **facts)


def refund(found: Json) -> RefundSeen:
    """A refund, with its Payment Intent if that was expanded."""
    metadata = found.get("metadata") or {}
    owner = metadata if "purchase_id" in metadata else _payments_metadata(found)
    attempt = str(metadata.get("attempt", "0"))
    return RefundSeen(
        id=found["id"],
        status=_REFUND_STATUS[found["status"]],
        amount_cents=found["amount"],
        currency=found["currency"].upper(),
        capture=_id(found.get("payment_intent")),
        refund_id=metadata.get("refund_id"),
        attempt=int(attempt) if attempt.isdecimal() else 0,
        stage=owner.get("stage"),
        purchase_id=owner.get("purchase_id"),
        failure=found.get("failure_reason"),
    )


def dispute(found: Json) -> DisputeSeen:
    """A dispute, with its Payment Intent expanded."""
    owner = _payments_metadata(found)
    return DisputeSeen(
        id=found["id"],
        verdict=_VERDICT.get(found["status"]),
        amount_cents=found["amount"],
        currency=found["currency"].upper(),
        capture=_id(found.get("payment_intent")),
        reason=found["reason"],
        stage=owner.get("stage"),
        purchase_id=owner.get("purchase_id"),
    )


def _payment(found: Json) -> Json:
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
        "capture": found["id"],
        "stage": metadata.get("stage"),
        "purchase_id": metadata.get("purchase_id"),
        "event_id": metadata.get("event_id"),
        "charge": _id(charge) or error.get("charge"),
        "decline": error.get("decline_code") or error.get("code"),
    }


def _payments_metadata(found: Json) -> Json:
    behind = found.get("payment_intent")
    return (behind.get("metadata") or {}) if isinstance(behind, dict) else {}


def _id(one: Any) -> str | None:
    """The id of a field that holds an object or only its id."""
    found: str | None = one["id"] if isinstance(one, dict) else one
    return found
