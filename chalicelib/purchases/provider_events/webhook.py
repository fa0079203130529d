"""Stripe's webhooks: signed, deduplicated, and only ever a reason to look, never a truth to act on."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib import dynamo, log, settings
from chalicelib.errors import ApiError
from chalicelib.payments import service as payments
from chalicelib.purchases.provider_events import apply as event_application
from chalicelib.purchases.provider_events.apply import EventResult
from chalicelib.purchases.record import store

RETENTION_SECONDS = 30 * 86_400  # as long as Stripe keeps, and may send, an event


class SignatureRefused(ApiError):
    code: ClassVar[str] = "signature_refused"
    status: ClassVar[int] = 400
    default_message: ClassVar[str] = "The signature is not that of the payment provider, or too old."


class ProcessedEventRow(dynamo.Table):
    """Events that were dealt with, by id."""

    feature = "webhooks"

    class Meta:
        table_name = None

    id = UnicodeAttribute(hash_key=True)
    type = UnicodeAttribute()
    result = UnicodeAttribute()
    ttl = NumberAttribute()


def handle_webhook(body: bytes, signature: str, now: int) -> str:
    """Deal with one event, in any order and any number of times; what came of it, in a word.

    Raises SignatureRefused. Any other exception makes Stripe send the event again, which is what we want then.
    """
    event = payments.verify_event(body, signature, now)
    if event is None:
        log.count("webhooks_refused")
        log.warning("webhook.refused")
        raise SignatureRefused()
    return process_event(event, now).result


def select_unprocessed(events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those of these events (100 at most) that are for us and were never dealt with; one round trip."""
    ours = {str(event["id"]): event for event in events if not _is_foreign(event)}
    found = dynamo.batch_get(ProcessedEventRow.name(), [{"id": {"S": event_id}} for event_id in ours], consistent=True)
    known = {ProcessedEventRow.from_raw_data(item).id for item in found}
    return [event for event_id, event in ours.items() if event_id not in known]


def process_event(event: dict[str, Any], now: int) -> EventResult:
    """The same for an event whose sender is known: a webhook, or Stripe's own list of what it told us."""
    event_id, kind = str(event.get("id", "")), str(event.get("type", ""))
    handle = next((handle for names, handle in HANDLERS.items() if kind in names), None)
    if handle is None:
        return EventResult("ignored")
    if _is_foreign(event):
        return EventResult("not_ours")
    if ProcessedEventRow.find(event_id) is not None:
        return EventResult("seen")
    told = handle(event["data"]["object"], now)
    # Noted when it was dealt with, not before: a crash in between brings the event again, and dealing with it twice is safe.
    ProcessedEventRow(event_id, type=kind, result=told.result, ttl=now + RETENTION_SECONDS).save()
    log.count("webhooks")
    log.info("webhook.taken", event=event_id, kind=kind, result=told.result)
    return told


def _is_foreign(event: dict[str, Any]) -> bool:
    """Whether it is another stage's, or another shop's on the same account.

    Payments of ours are marked; refunds by hand and disputes have to be looked at, as it is their payment that is.
    """
    found = event["data"]["object"]
    said = (found.get("metadata") or {}).get("namespace")
    marked = found["object"] in ("payment_intent", "checkout.session", "charge")
    return bool(said != settings.current().provider_namespace) and (marked or said is not None)


def _handle_payment(found: dict[str, Any], now: int) -> EventResult:
    """A Payment Intent or a Checkout Session. What the purchase knows already is not asked for again: each call to Stripe counts."""
    purchase = store.load(str((found.get("metadata") or {}).get("purchase_id")))
    payment = purchase.payment if purchase is not None else None
    if purchase is not None and payment is not None:
        own = found["id"] in (payment.provider_id, payment.payment_intent_id)
        if own and purchase.is_order and payment.payment_intent_id is not None:
            return EventResult(purchase.state, purchase)
        if own and purchase.state in ("expired", "cancelled") and found["status"] in ("canceled", "expired"):
            return EventResult(purchase.state, purchase)  # the echo of our own cancelling
    if found["status"] == "requires_action":
        return EventResult("waiting")
    return event_application.apply_payment_by_id(str(found["id"]), now)


def _handle_charge(found: dict[str, Any], now: int) -> EventResult:
    payment_intent_id = found.get("payment_intent")
    told = (
        [event_application.apply_refund(seen, now) for seen in payments.list_refunds_of_payment(payment_intent_id)]
        if payment_intent_id
        else []
    )
    return next((one for one in told if one.changed), told[0] if told else EventResult("not_ours"))


def _handle_refund(found: dict[str, Any], now: int) -> EventResult:
    return event_application.apply_refund(payments.fetch_refund(str(found["id"])), now)


def _handle_dispute(found: dict[str, Any], now: int) -> EventResult:
    return event_application.apply_dispute(payments.fetch_dispute(str(found["id"])), now)


HANDLERS: dict[tuple[str, ...], Callable[[dict[str, Any], int], EventResult]] = {
    (
        "payment_intent.succeeded",
        "payment_intent.payment_failed",
        "payment_intent.canceled",
        "payment_intent.requires_action",
        "checkout.session.completed",
        "checkout.session.expired",
        "checkout.session.async_payment_succeeded",
        "checkout.session.async_payment_failed",
    ): _handle_payment,
    ("charge.refunded",): _handle_charge,
    ("refund.created", "refund.updated", "refund.failed", "charge.refund.updated"): _handle_refund,
    (
        "charge.dispute.created",
        "charge.dispute.updated",
        "charge.dispute.closed",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.funds_reinstated",
    ): _handle_dispute,
}
