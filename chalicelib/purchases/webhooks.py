"""Stripe's webhooks: signed, deduplicated, and only ever a reason to look, never a truth to act on."""

from typing import Any, ClassVar

from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib import dynamo, log
from chalicelib.errors import Refusal
from chalicelib.payments import service as payments
from chalicelib.purchases import checkout

KEPT_SECONDS = 30 * 86_400
HANDLED = frozenset({"payment_intent.succeeded", "payment_intent.payment_failed", "payment_intent.canceled"})


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
    event_id, kind = str(event.get("id", "")), str(event.get("type", ""))
    if kind not in HANDLED:
        return "ignored"
    if Seen.find(event_id) is not None:
        return "seen"
    result = checkout.provider_says(_payment_of(event), now)
    # Noted when it was dealt with, not before: a crash in between brings the event again, and dealing with it twice is safe.
    Seen(event_id, type=kind, result=result, ttl=now + KEPT_SECONDS).save()
    log.count("webhooks")
    log.info("webhook.taken", event=event_id, kind=kind, result=result)
    return result


def _payment_of(event: dict[str, Any]) -> str:
    return str(event["data"]["object"]["id"])
