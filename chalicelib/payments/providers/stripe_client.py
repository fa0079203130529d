"""One call to Stripe: the SDK's client, and its errors as ours.

The SDK is imported at the first call, so a cold start does without.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from chalicelib.foundation import log, secret_settings, settings
from chalicelib.foundation.deadline import DeadlineExceeded
from chalicelib.payments.model import ProviderUnavailable

if TYPE_CHECKING:
    import stripe

API_VERSION = "2026-10-28.endive"
RETRIES = 2  # by the SDK, with its own jittered backoff and the same idempotency key, as long as there is time


def call(operation: Callable[["stripe.StripeClient"], Any]) -> dict[str, Any]:
    """Call Stripe: run `operation` with the SDK's client and return the object that it gives, as JSON.

    Raises ProviderUnavailable when Stripe cannot be reached, is overloaded or refuses our key, or when too little time is left to
    ask; stripe.InvalidRequestError as it is.
    """
    import stripe

    log.count("stripe_calls")
    log.gauge("stripe_call_budget", settings.current().stripe_call_rate)
    try:
        stripe_object = operation(_client(secret_settings.optional_secret("stripe_api_key"), settings.current().stripe_api_base))
    except stripe.InvalidRequestError:
        raise
    except (stripe.AuthenticationError, stripe.PermissionError) as error:  # until the key is replaced, nobody can pay
        log.exception("stripe.key_refused")
        raise ProviderUnavailable() from error
    except (stripe.APIConnectionError, stripe.RateLimitError, stripe.APIError) as error:
        # APIError: a 5xx, or an idempotency key that another call of ours is using at this moment.
        log.warning("stripe.unavailable", error=type(error).__name__)
        raise ProviderUnavailable() from error
    except DeadlineExceeded as error:
        log.warning("stripe.no_time_left")
        raise ProviderUnavailable() from error
    as_json: dict[str, Any] = stripe_object.to_dict()
    return as_json


def check_key(key: str) -> None:
    """Refuse a live key outside production and a test key in production. Raises SettingsError."""
    live = key.startswith(("sk_live_", "rk_live_"))
    stage = settings.current().stage
    if live and stage != settings.PRODUCTION:
        raise settings.SettingsError(f"FAIRGATE_STRIPE_API_KEY: a live key takes real money; stage {stage} needs a test key (sk_test_...).")
    if not live and stage == settings.PRODUCTION:
        raise settings.SettingsError(f"FAIRGATE_STRIPE_API_KEY: a test key takes no money; stage {stage} needs a live key (sk_live_...).")


@lru_cache(maxsize=4)
def _client(key: str, base: str) -> "stripe.StripeClient":
    import stripe

    from chalicelib.payments.providers.stripe_http import DeadlineClient

    check_key(key)
    return stripe.StripeClient(
        key,
        stripe_version=API_VERSION,
        max_network_retries=RETRIES,
        base_addresses={"api": base} if base else {},
        http_client=DeadlineClient(),
    )
