"""The calls that we make to Stripe, and nothing else of it. `stripe` is imported with the first call: a cold start does without.

Every creating call carries an idempotency key made of what it is for, so that a repeated one (ours, the SDK's, a retry after a
crash) is the same payment or refund. Each function raises ProviderUnavailable when Stripe is out of reach or overloaded.
"""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from chalicelib import log, settings
from chalicelib.payments.model import (
    CheckoutPage,
    PaymentMetadata,
    PriceMismatch,
    ProviderDispute,
    ProviderPayment,
    ProviderRefund,
    ProviderUnavailable,
)
from chalicelib.payments.providers import stripe_mapping as shapes

if TYPE_CHECKING:
    import stripe

API_VERSION = "2026-10-28.endive"
TIMEOUT_SECONDS = 10
RETRIES = 2  # of the SDK, with its own jittered backoff and the same idempotency key
SIGNATURE_TOLERANCE_SECONDS = 300
MAX_PAGE_SIZE = 100  # Stripe's most

_SIGNED_AT = re.compile(r"(?:^|,)t=([0-9]{1,12})(?:,|$)", re.ASCII)

# Refunds that were made by hand, and disputes, say in their payment whose they are.
_EXPAND_PAYMENT = {"expand": ["payment_intent"]}
_EXPAND_IN_LISTS = {"expand": ["data.payment_intent"]}

ListName = Literal["payment_intents", "refunds", "disputes", "events"]


def create_payment_intent(owner: PaymentMetadata, amount: int, currency: str) -> ProviderPayment:
    """Open a payment for our own page; the same one for the same purchase and sum."""
    params: Any = {
        "amount": amount,
        "currency": currency.lower(),
        "automatic_payment_methods": {"enabled": True},
        "metadata": _metadata(owner),
    }
    return shapes.payment_of_intent(
        _call_to_open(lambda api: api.v1.payment_intents.create(params, _idempotency_key("intent", owner.purchase_id, params)))
    )


def create_checkout_session(owner: PaymentMetadata, currency: str, hosted: CheckoutPage) -> ProviderPayment:
    """Open a hosted page; the same one for the same purchase and content. It expires with the hold, by `cancel`."""
    items = [
        {"quantity": one.quantity, "price": one.price_id}
        if one.price_id is not None
        else {
            "quantity": one.quantity,
            "price_data": {"currency": currency.lower(), "unit_amount": one.price_cents, "product_data": {"name": one.name}},
        }
        for one in hosted.items
    ]
    params: Any = {
        "mode": "payment",
        "line_items": items,
        "success_url": hosted.success_url,
        "client_reference_id": owner.purchase_id,
        "metadata": _metadata(owner),
        "payment_intent_data": {"metadata": _metadata(owner)},
        **({"cancel_url": hosted.cancel_url} if hosted.cancel_url else {}),
        **({"expires_at": hosted.expires_at} if hosted.expires_at else {}),
    }
    return shapes.payment_of_session(
        _call_to_open(lambda api: api.v1.checkout.sessions.create(params, _idempotency_key("session", owner.purchase_id, params)))
    )


def fetch_by_id(provider_id: str) -> ProviderPayment:
    """What was opened, a Payment Intent or a Checkout Session, as it is now."""
    if _is_checkout_session(provider_id):
        params: Any = {"expand": ["payment_intent.latest_charge"]}
        return shapes.payment_of_session(_call_for_object(lambda api: api.v1.checkout.sessions.retrieve(provider_id, params)))
    return shapes.payment_of_intent(
        _call_for_object(lambda api: api.v1.payment_intents.retrieve(provider_id, {"expand": ["latest_charge"]}))
    )


def find_by_id(provider_id: str) -> ProviderPayment | None:
    """As `retrieve`; None where Stripe has no such thing."""
    import stripe

    try:
        return fetch_by_id(provider_id)
    except stripe.InvalidRequestError as error:
        if error.code != "resource_missing":
            raise
        return None


def cancel_by_id(provider_id: str) -> ProviderPayment:
    """See to it that nobody can pay any more, if that is still possible; the payment as it is then, which may be captured."""
    import stripe

    try:
        if _is_checkout_session(provider_id):
            return shapes.payment_of_session(_call_for_object(lambda api: api.v1.checkout.sessions.expire(provider_id)))
        return shapes.payment_of_intent(_call_for_object(lambda api: api.v1.payment_intents.cancel(provider_id)))
    except stripe.InvalidRequestError:
        return fetch_by_id(provider_id)  # it has ended one way or another


def create_refund(purchase_id: str, refund_id: str, attempt: int, capture: str, amount: int) -> ProviderRefund:
    """Give some of a payment back, once for each attempt. A refund that Stripe refuses to make is `failed` and has no id."""
    import stripe

    metadata = {
        "purchase_id": purchase_id,
        "refund_id": refund_id,
        "attempt": str(attempt),
        "namespace": settings.current().provider_namespace,
    }
    params: Any = {"payment_intent": capture, "amount": amount, "metadata": metadata}
    try:
        return shapes.refund_of(
            _call_for_object(lambda api: api.v1.refunds.create(params, _idempotency_key("refund", purchase_id, params)))
        )
    except stripe.InvalidRequestError as error:
        log.warning("stripe.refund_refused", purchase_id=purchase_id, refund_id=refund_id, code=error.code)
        return ProviderRefund(
            id=None,
            status="failed",
            amount_cents=amount,
            currency="",
            payment_intent_id=capture,
            refund_id=refund_id,
            attempt=attempt,
            failure=error.code or "refused",
        )


def list_refunds_of_payment(capture: str) -> list[ProviderRefund]:
    """The refunds of one payment, newest first; Stripe lists up to a hundred, twice what a purchase has tickets."""
    params: Any = {"payment_intent": capture, "limit": MAX_PAGE_SIZE, **_EXPAND_IN_LISTS}
    return [shapes.refund_of(found) for found in _call_for_object(lambda api: api.v1.refunds.list(params))["data"]]


def fetch_refund(provider_id: str) -> ProviderRefund:
    params: Any = _EXPAND_PAYMENT
    return shapes.refund_of(_call_for_object(lambda api: api.v1.refunds.retrieve(provider_id, params)))


def fetch_dispute(provider_id: str) -> ProviderDispute:
    params: Any = _EXPAND_PAYMENT
    return shapes.dispute_of(_call_for_object(lambda api: api.v1.disputes.retrieve(provider_id, params)))


def list_payments(since: int, until: int) -> Iterator[ProviderPayment]:
    """Payment Intents created in [since, until), epoch seconds."""
    return map(shapes.payment_of_intent, _list_created("payment_intents", since, until, expand=["data.latest_charge"]))


def list_refunds(since: int, until: int) -> Iterator[ProviderRefund]:
    return map(shapes.refund_of, _list_created("refunds", since, until, **_EXPAND_IN_LISTS))


def list_disputes(since: int, until: int) -> Iterator[ProviderDispute]:
    return map(shapes.dispute_of, _list_created("disputes", since, until, **_EXPAND_IN_LISTS))


def list_events(since: int, until: int, types: list[str]) -> Iterator[dict[str, Any]]:
    """Stripe's own record of what it told our webhook; it keeps 30 days."""
    return _list_created("events", since, until, types=types)


def verify_event(body: bytes, signature: str, now: int) -> dict[str, Any] | None:
    """A webhook's event, if one of our secrets signed these very bytes within the tolerance; else None."""
    import stripe

    signed_at = _SIGNED_AT.search(signature)
    if signed_at is None or abs(now - int(signed_at[1])) > SIGNATURE_TOLERANCE_SECONDS:
        return None
    for secret in filter(None, (one.strip() for one in settings.optional_secret("stripe_webhook_secrets").split(","))):
        try:
            # The age was checked above, by the injected clock.
            stripe.WebhookSignature.verify_header(body.decode(), signature, secret, tolerance=None)
            event: dict[str, Any] = msgspec.json.decode(body, type=dict[str, Any])
        except (stripe.SignatureVerificationError, UnicodeDecodeError, msgspec.DecodeError):
            continue
        return event
    return None


def check_key(key: str) -> None:
    """Live money in the live stage only, and play money nowhere near it; raises SettingsError."""
    live = key.startswith(("sk_live_", "rk_live_"))
    if live != (settings.current().stage == "prod"):
        kind = "A live key" if live else "A test key"
        raise settings.SettingsError(f"FAIRGATE_STRIPE_API_KEY: {kind} does not belong to stage {settings.current().stage}.")


def _is_checkout_session(provider_id: str) -> bool:
    return provider_id.startswith("cs_")


def _metadata(owner: PaymentMetadata) -> dict[str, str]:
    # The stage: several may share one account of Stripe, and each hears the webhooks of all.
    return {**msgspec.to_builtins(owner), "namespace": settings.current().provider_namespace}


def _idempotency_key(what: str, purchase_id: str, params: dict[str, Any]) -> Any:
    digest = sha256(msgspec.json.encode(params, order="deterministic")).hexdigest()[:16]
    return {"idempotency_key": f"{what}-{purchase_id}-{digest}"}


def _list_created(what: ListName, since: int, until: int, **more: Any) -> Iterator[dict[str, Any]]:
    """Everything of a list, newest first, one call for each page."""
    params: Any = {"created": {"gte": since, "lt": until}, "limit": MAX_PAGE_SIZE, **more}
    while True:
        page = _fetch_page(what, params)
        yield from page["data"]
        if not page["has_more"]:
            return
        params = {**params, "starting_after": page["data"][-1]["id"]}


def _fetch_page(what: ListName, params: dict[str, Any]) -> dict[str, Any]:
    return _call_for_object(lambda api: getattr(api.v1, what).list(params))


@lru_cache(maxsize=4)
def _client(key: str, base: str) -> "stripe.StripeClient":
    import stripe

    check_key(key)
    return stripe.StripeClient(
        key,
        stripe_version=API_VERSION,
        max_network_retries=RETRIES,
        base_addresses={"api": base} if base else {},
        http_client=stripe.RequestsClient(timeout=TIMEOUT_SECONDS),
    )


def _call_to_open(call: Callable[["stripe.StripeClient"], Any]) -> dict[str, Any]:
    """What was opened. Stripe refuses a price that it does not have, two currencies in one payment, and a sum below its least."""
    import stripe

    try:
        return _call_for_object(call)
    except stripe.InvalidRequestError as error:
        log.exception("stripe.opening_refused", code=error.code, param=error.param)
        raise PriceMismatch() from error


def _call_for_object(call: Callable[["stripe.StripeClient"], Any]) -> dict[str, Any]:
    found: dict[str, Any] = _call(call).to_dict()
    return found


def _call(call: Callable[["stripe.StripeClient"], Any]) -> Any:
    import stripe

    log.count("stripe_calls")
    log.gauge("stripe_call_budget", settings.current().stripe_call_rate)
    try:
        return call(_client(settings.optional_secret("stripe_api_key"), settings.current().stripe_api_base))
    except stripe.InvalidRequestError:
        raise
    except (stripe.AuthenticationError, stripe.PermissionError) as error:  # ours to mend, and until then nobody can pay
        log.exception("stripe.key_refused")
        raise ProviderUnavailable() from error
    except (stripe.APIConnectionError, stripe.RateLimitError, stripe.APIError) as error:
        # APIError: a 5xx, or an idempotency key that is in use by a call of ours that still runs.
        log.warning("stripe.unavailable", error=type(error).__name__)
        raise ProviderUnavailable() from error
