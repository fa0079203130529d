"""The calls that we make to Stripe, and nothing else of it. `stripe` is imported with the first call: a cold start does without.

Every creating call carries an idempotency key made of what it is for, so that a repeated one (ours, the SDK's, a retry after a
crash) is the same payment. Amounts are minor units; currencies are capitals with us and lower case there.
"""

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from chalicelib import log, settings
from chalicelib.payments.model import Intent, ProviderUnavailable

if TYPE_CHECKING:
    import stripe

API_VERSION = "2026-10-28.endive"
TIMEOUT_SECONDS = 10
RETRIES = 2  # of the SDK, with its own jittered backoff and the same idempotency key
SIGNATURE_TOLERANCE_SECONDS = 300

_SIGNED_AT = re.compile(r"(?:^|,)t=([0-9]{1,12})(?:,|$)", re.ASCII)


def create(purchase_id: str, attempt: str, amount: int, currency: str, metadata: dict[str, str]) -> Intent:
    """Open a payment; the same one for the same purchase and attempt."""
    params: Any = {
        "amount": amount,
        "currency": currency.lower(),
        "automatic_payment_methods": {"enabled": True},
        "metadata": {"purchase_id": purchase_id, **metadata},
    }
    return _asked(lambda api: api.v1.payment_intents.create(params, {"idempotency_key": f"intent-{purchase_id}-{attempt}"}))


def retrieve(reference: str) -> Intent:
    return _asked(lambda api: api.v1.payment_intents.retrieve(reference))


def cancel(reference: str) -> Intent:
    """Cancel a payment if it still can be; the payment as it is then, which may be captured."""
    import stripe

    try:
        return _asked(lambda api: api.v1.payment_intents.cancel(reference))
    except stripe.InvalidRequestError:
        return retrieve(reference)  # it has ended one way or another


def refund(reference: str, purchase_id: str) -> None:
    """Give all of it back, once: the idempotency key is the purchase's."""
    import stripe

    try:
        _call(lambda api: api.v1.refunds.create({"payment_intent": reference}, {"idempotency_key": f"refund-{purchase_id}"}))
    except stripe.InvalidRequestError as error:
        if error.code != "charge_already_refunded":
            raise


def verified_event(body: bytes, signature: str, now: int) -> dict[str, Any] | None:
    """A webhook's event, if one of our secrets signed these very bytes within the tolerance; else None."""
    import msgspec
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


def _asked(call: Any) -> Intent:
    found: dict[str, Any] = _call(call).to_dict()
    return Intent(
        id=found["id"],
        status=found["status"],
        amount=found["amount"],
        amount_received=found.get("amount_received") or 0,
        currency=found["currency"].upper(),
        purchase_id=(found.get("metadata") or {}).get("purchase_id"),
        client_secret=found.get("client_secret"),
    )


def _call(call: Any) -> Any:
    import stripe

    log.count("stripe_calls")
    try:
        return call(_client(settings.optional_secret("stripe_api_key"), settings.current().stripe_api_base))
    except (stripe.APIConnectionError, stripe.RateLimitError) as error:
        log.warning("stripe.unavailable", error=type(error).__name__)
        raise ProviderUnavailable() from error
    except stripe.InvalidRequestError:
        raise
    except stripe.APIError as error:  # a 5xx, or a key that is in use by a call of ours that still runs
        log.warning("stripe.unavailable", error=type(error).__name__)
        raise ProviderUnavailable() from error
