"""The payment provider's webhook: check the signature, skip events that were processed, and process the rest.

What an event says is never trusted: it is only a reason to fetch its object from the provider.
"""

from collections.abc import Sequence
from typing import ClassVar, Self

from chalicelib.foundation import log, settings
from chalicelib.foundation.errors import ApiError
from chalicelib.payments import service as payments
from chalicelib.payments.model import ProviderEvent, ProviderName
from chalicelib.purchases.provider_events import service, store
from chalicelib.purchases.provider_events.service import EventResult
from chalicelib.purchases.record import queries


class SignatureRefused(ApiError):
    code: ClassVar[str] = "signature_refused"
    status: ClassVar[int] = 400
    default_message: ClassVar[str] = "The signature is older than five minutes or was not made with the webhook's signing secret."

    @classmethod
    def of(cls, provider: ProviderName) -> Self:
        """The refusal that names the setting to check."""
        return cls(f"{cls.default_message} Check {settings.PREFIX}{provider.upper()}_WEBHOOK_SECRETS.")


def handle_webhook(provider: ProviderName, body: bytes, signature: str, now: int) -> str:
    """Process one event of an external provider, in any order and any number of times; returns the result in a word.

    Raises SignatureRefused. After any other exception the provider sends the event again, so it is not lost.
    """
    event = payments.external_provider(provider).verify_event(body, signature, now)
    if event is None:
        log.count("webhooks_refused")
        log.warning("webhook.refused")
        raise SignatureRefused.of(provider)
    return process_event(event, now).result


def select_unprocessed(events: Sequence[ProviderEvent]) -> list[ProviderEvent]:
    """Those of these events (100 at most) that are ours and were never processed; one round trip."""
    our_events = {event.id: event for event in events if not _is_foreign(event)}
    processed = store.select_processed(our_events)
    return [event for event_id, event in our_events.items() if event_id not in processed]


def process_event(event: ProviderEvent, now: int) -> EventResult:
    """Process an event whose sender is known: from a webhook, or from the provider's own list of events."""
    if event.subject is None:
        return EventResult("ignored")
    if _is_foreign(event):
        return EventResult("not_ours")
    if store.is_processed(event.id):
        return EventResult("seen")
    result = _apply(event, now)
    # Recorded last: after a crash the provider sends the event again, and processing it twice is safe.
    store.record_processed(event.id, event.type, result.result, now)
    log.count("webhooks")
    log.info("webhook.taken", event=event.id, kind=event.type, result=result.result)
    return result


def _is_foreign(event: ProviderEvent) -> bool:
    """Whether the event is about a payment of another stage, or of another shop on the same account.

    Disputes and external refunds carry no metadata, only their payment does: they count as ours until they were fetched.
    """
    is_ours = event.namespace == settings.current().provider_namespace
    return not is_ours and (event.carries_metadata or event.namespace is not None)


def _apply(event: ProviderEvent, now: int) -> EventResult:
    match event.subject:
        case "refund":
            return service.apply_refund(payments.external_provider(event.provider).fetch_refund(event.object_id), now)
        case "dispute":
            return service.apply_dispute(payments.external_provider(event.provider).fetch_dispute(event.object_id), now)
        case "refunds_of_payment":
            return _apply_refunds_of_payment(event, now)
        case _:
            return _result_without_fetch(event) or service.apply_payment_by_id(event.provider, event.object_id, now)


def _result_without_fetch(event: ProviderEvent) -> EventResult | None:
    """The result of an event about a payment that we know already, to save a call to the provider; None if it has to be fetched."""
    purchase = queries.load(str(event.purchase_id))
    payment = purchase.payment if purchase is not None else None
    if purchase is not None and payment is not None and event.object_id in (payment.provider_id, payment.payment_intent_id):
        if purchase.is_order and payment.payment_intent_id is not None:
            return EventResult(purchase.state, purchase)
        if purchase.state in ("expired", "cancelled") and event.object_status in ("canceled", "expired"):
            return EventResult(purchase.state, purchase)  # we cancelled the payment ourselves
    return EventResult("waiting") if event.object_status == "requires_action" else None


def _apply_refunds_of_payment(event: ProviderEvent, now: int) -> EventResult:
    if event.payment_intent_id is None:
        return EventResult("not_ours")
    refunds = payments.external_provider(event.provider).list_refunds_of_payment(event.payment_intent_id)
    results = [service.apply_refund(refund, now) for refund in refunds]
    changed = next((result for result in results if result.changed), None)
    return changed or (results[0] if results else EventResult("not_ours"))
