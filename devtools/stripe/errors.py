"""Refusals in Stripe's words: status, type, code, parameter, and the objects that go with them."""

from typing import Any

Obj = dict[str, Any]


class ApiError(Exception):
    """`saved`: an endpoint had begun to work, so the answer is kept under the idempotency key."""

    def __init__(
        self, status: int, kind: str, message: str, *, code: str | None = None, param: str | None = None, saved: bool = True, **more: Any
    ) -> None:
        super().__init__(message)
        self.status = status
        self.saved = saved
        facts = {"code": code, "message": message, "param": param, "type": kind, **more}
        self.error: Obj = {name: value for name, value in facts.items() if value is not None}
        if code is not None:
            self.error["doc_url"] = f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}"


def invalid(message: str, *, param: str | None = None, code: str | None = None, status: int = 400, **more: Any) -> ApiError:
    return ApiError(status, "invalid_request_error", message, code=code, param=param, **more)


def malformed(message: str, *, param: str | None, code: str | None = None) -> ApiError:
    """A parameter that fails validation: no endpoint began to work, so nothing is kept under the key."""
    return invalid(message, param=param, code=code, saved=False)


def missing(kind: str, wanted: str, *, param: str = "id", status: int = 404) -> ApiError:
    """404 when the path names it, 400 when a parameter does, as Stripe does."""
    return invalid(f"No such {kind}: '{wanted}'", param=param, code="resource_missing", status=status)


def unexpected_state(message: str, intent: Obj) -> ApiError:
    return invalid(message, code="payment_intent_unexpected_state", payment_intent=intent)


def idempotency(message: str, *, status: int = 400, code: str | None = None) -> ApiError:
    return ApiError(status, "idempotency_error", message, code=code, saved=False)


def unauthorized(message: str) -> ApiError:
    return ApiError(401, "invalid_request_error", message, saved=False)


def not_for_publishable_keys() -> ApiError:
    text = "This API call cannot be made with a publishable API key. Please use a secret API key."
    return invalid(text, code="secret_key_required", status=403, saved=False)


def unknown_url(method: str, path: str) -> ApiError:
    return invalid(
        f"Unrecognized request URL ({method}: {path}). The local fake knows the calls of docs/fake-stripe.md.", status=404, saved=False
    )


def injected(status: int) -> ApiError:
    """What a fault answers with, when a test or an operator asked for one."""
    if status == 429:
        text = "Request rate limit exceeded. Learn more about rate limits here https://stripe.com/docs/rate-limits."
        return ApiError(429, "invalid_request_error", text, code="rate_limit", saved=False)
    return ApiError(status, "api_error", "An unknown error occurred (injected by the local fake).", saved=False)
