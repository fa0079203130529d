"""Stripe's wire format: objects, and errors in Stripe's words. Fields whose name starts with `_` are the fake's own and never leave it."""

from typing import Any

import msgspec

StripeObject = dict[str, Any]


def public_copy(value: Any) -> Any:
    """Return a copy without the fake's own fields, at any depth."""
    if isinstance(value, dict):
        return {name: public_copy(inner) for name, inner in value.items() if not name.startswith("_")}
    if isinstance(value, list):
        return [public_copy(inner) for inner in value]
    return value


def encode(value: Any) -> bytes:
    """Return the JSON of a value, indented as Stripe's. `json.dumps` with an indent takes twenty times as long."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2)


class StripeApiError(Exception):
    """An error response. `is_saved`: processing had started, so the response is saved under the idempotency key."""

    def __init__(
        self, status: int, kind: str, message: str, *, code: str | None = None, param: str | None = None, is_saved: bool = True, **more: Any
    ) -> None:
        super().__init__(message)
        self.status = status
        self.is_saved = is_saved
        details = {"code": code, "message": message, "param": param, "type": kind, **more}
        self.error: StripeObject = {name: value for name, value in details.items() if value is not None}
        if code is not None:
            self.error["doc_url"] = f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}"


def invalid_request(message: str, *, param: str | None = None, code: str | None = None, status: int = 400, **more: Any) -> StripeApiError:
    return StripeApiError(status, "invalid_request_error", message, code=code, param=param, **more)


def invalid_parameter(message: str, *, param: str | None, code: str | None = None) -> StripeApiError:
    """Return the error for an invalid parameter. Processing has not started, so nothing is saved under the idempotency key."""
    return invalid_request(message, param=param, code=code, is_saved=False)


def no_such_object(kind: str, object_id: str, *, param: str = "id", status: int = 404) -> StripeApiError:
    """Return the error for an unknown object: as at Stripe, 404 if the path names it, 400 if a parameter does."""
    return invalid_request(f"No such {kind}: '{object_id}'", param=param, code="resource_missing", status=status)


def unexpected_intent_state(message: str, intent: StripeObject) -> StripeApiError:
    return invalid_request(message, code="payment_intent_unexpected_state", payment_intent=intent)


def idempotency_error(message: str, *, status: int = 400, code: str | None = None) -> StripeApiError:
    return StripeApiError(status, "idempotency_error", message, code=code, is_saved=False)


def card_error(message: str, **more: Any) -> StripeApiError:
    return StripeApiError(402, "card_error", message, **more)


def unauthorized(message: str) -> StripeApiError:
    return StripeApiError(401, "invalid_request_error", message, is_saved=False)


def secret_key_required() -> StripeApiError:
    message = "This API call cannot be made with a publishable API key. Please use a secret API key."
    return invalid_request(message, code="secret_key_required", status=403, is_saved=False)


def unknown_url(method: str, path: str) -> StripeApiError:
    message = f"Unrecognized request URL ({method}: {path}). docs/fake-stripe.md lists the calls that the fake Stripe supports."
    return invalid_request(message, status=404, is_saved=False)


def injected_error(status: int) -> StripeApiError:
    """Return the response of a requested fault."""
    if status == 429:
        message = "Request rate limit exceeded. Learn more about rate limits here https://stripe.com/docs/rate-limits."
        return StripeApiError(429, "invalid_request_error", message, code="rate_limit", is_saved=False)
    return StripeApiError(status, "api_error", "An unknown error occurred (injected by the fake Stripe).", is_saved=False)


def updated_metadata(current: StripeObject, changes: StripeObject) -> StripeObject:
    """Return the metadata after an update: an empty value removes its key, and {"": ""} removes all keys."""
    if changes == {"": ""}:
        return {}
    return {name: value for name, value in {**current, **changes}.items() if value != ""}
