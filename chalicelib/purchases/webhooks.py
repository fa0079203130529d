"""Stripe's webhooks: signed, deduplicated, and only ever a reason to look, never a truth to act on."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib import dynamo, log, settings
from chalicelib.errors import Refusal
from chalicelib.payments import service as payments
from chalicelib.purchases import news, store
from chalicelib.purchases.news import Told

KEPT_SECONDS = 30 * 86_400  # as long as Stripe keeps, and may send, an event


class SignatureRefused(Refusal):
    code: ClassVar[str] = "signature_refused"
    status: ClassVar[int] = 400
    default_message: ClassVar[str] = "The signature is not that of the payment provider, or too old."


class Seen(dynamo.Table):
    """Events that were dealt with, by id."""

    feature = "webhooks"

    class Meta:
        table_name = None

    id = UnicodeAttribute(hash_key=True)
    type = UnicodeAttribute()
    result = UnicodeAttribute()
    ttl = NumberAttribute()


def take_in(body: bytes, signature: str, now: int) -> str:
    """Deal with one event, in any order and any number of times; what came of it, in a word.

    Raises SignatureRefused. Any other exception makes Stripe send the event again, which is what we want then.
    """
    event = payments.verified_event(body, signature, now)
    if event is None:
        log.count("webhooks_refused")
        log.warning("webhook.refused")
        raise SignatureRefused()
    return deal_with(event, now).result


def unheard(events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those of these events (100 at most) that are for us and were never dealt with; one round trip."""
    ours = {str(event["id"]): event for event in events if not _foreign(event)}
    found = dynamo.batch_get(Seen.name(), [{"id": {"S": event_id}} for event_id in ours], consistent=True)
    known = {Seen.from_raw_data(item).id for item in found}
    return [event for event_id, event in ours.items() if event_id not in known]


def deal_with(event: dict[str, Any], now: int) -> Told:
    """The same for an event whose sender is known: a webhook, or Stripe's own list of what it told us."""
    event_id, kind = str(event.get("id", "")), str(event.get("type", ""))
    handle = next((handle for names, handle in HANDLED.items() if kind in names), None)
    if handle is None:
        return Told("ignored")
    if _foreign(event):
        return Told("not_ours")
    if Seen.find(event_id) is not None:
        return Told("seen")
    told = handle(event["data"]["object"], now)
    # Noted when it was dealt with, not before: a crash in between brings the event again, and dealing with it twice is safe.
    Seen(event_id, type=kind, result=told.result, ttl=now + KEPT_SECONDS).save()
    log.count("webhooks")
    log.info("webhook.taken", event=event_id, kind=kind, result=told.result)
    return told


def _foreign(event: dict[str, Any]) -> bool:
    """Whether it is another stage's, or another shop's on the same account.

    Payments of ours are marked; refunds by hand and disputes have to be looked at, as it is their payment that is.
    """
    found = event["data"]["object"]
    said = (found.get("metadata") or {}).get("stage")
    marked = found["object"] in ("payment_intent", "checkout.session", "charge")
    return bool(said != settings.current().stripe_mark) and (marked or said is not None)


def _payment(found: dict[str, Any], now: int) -> Told:
    """A Payment Intent or a Checkout Session. What the purchase knows already is not asked for again: each call to Stripe counts."""
    purchase = store.load(str((found.get("metadata") or {}).get("purchase_id")))
    payment = purchase.payment if purchase is not None else None
    if purchase is not None and payment is not None:
        own = found["id"] in (payment.reference, payment.capture)
        if own and purchase.is_order and payment.capture is not None:
            return Told(purchase.state, purchase)
        if own and purchase.state in ("expired", "cancelled") and found["status"] in ("canceled", "expired"):
            return Told(purchase.state, purchase)  # the echo of our own cancelling
    if found["status"] == "requires_action":
        return Told("waiting")
    return news.of_payment(str(found["id"]), now)


def _charge(found: dict[str, Any], now: int) -> Told:
    capture = found.get("payment_intent")
    told = [news.of_refund(seen, now) for seen in payments.refunds_of(capture)] if capture else []
    return next((one for one in told if one.changed), told[0] if told else Told("not_ours"))


def _refund(found: dict[str, Any], now: int) -> Told:
    return news.of_refund(payments.find_refund(str(found["id"])), now)


def _dispute(found: dict[str, Any], now: int) -> Told:
    return news.of_dispute(payments.find_dispute(str(found["id"])), now)


HANDLED: dict[tuple[str, ...], Callable[[dict[str, Any], int], Told]] = {
    (
        "payment_intent.succeeded",
        "payment_intent.payment_failed",
        "payment_intent.canceled",
        "payment_intent.requires_action",
        "checkout.session.completed",
        "checkout.session.expired",
        "checkout.session.async_payment_succeeded",
        "checkout.session.async_payment_failed",
    ): _payment,
    ("charge.refunded",): _charge,
    ("refund.created", "refund.updated", "refund.failed", "charge.refund.updated"): _refund,
    (
        "charge.dispute.created",
        "charge.dispute.updated",
        "charge.dispute.closed",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.funds_reinstated",
    ): _dispute,
}
