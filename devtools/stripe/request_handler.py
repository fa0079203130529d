"""One API request, from its parameters to its response: key, version, route, faults, idempotency, validation, execution."""

import base64
import json
import re
import sys
import traceback
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from devtools.stripe import payment_methods, rendering
from devtools.stripe.account_state import AccountState
from devtools.stripe.elapsed_time import apply_elapsed_time
from devtools.stripe.errors import StripeApiError, injected_error, invalid_request, secret_key_required, unauthorized, unknown_url
from devtools.stripe.events import API_VERSION
from devtools.stripe.faults import FaultQueue, RequestFault
from devtools.stripe.form_encoding import decode_form
from devtools.stripe.idempotency_keys import IdempotencyKeys, SavedResponse
from devtools.stripe.objects import StripeObject, public_copy
from devtools.stripe.request_log import LoggedRequest, RequestLog, redacted
from devtools.stripe.routes import ROUTES, ApiCall, Route
from devtools.stripe.schema import parse_parameters

_ROUTE_PATTERNS = [(re.compile(f"{route.method} {route.pattern.pattern}"), route) for route in ROUTES]


@dataclass(frozen=True)
class StripeRequest:
    """`encoded`: the form in the body, or the query of a GET. Header names are in lower case."""

    method: str
    path: str
    encoded: str
    headers: dict[str, str]


@dataclass
class StripeResponse:
    """`lost`: "close" ends the connection without a response, "hang" keeps it open and silent."""

    status: int
    body: str
    headers: dict[str, str] = field(default_factory=dict)
    lost: str = ""


@dataclass
class _RequestProgress:
    """What is known so far about a request that is being handled. `error`: the code of the error response."""

    request: StripeRequest
    request_id: str
    route: Route | None = None
    object_id: str = ""
    from_browser: bool = False
    params: StripeObject = field(default_factory=dict)
    error: str | None = None
    is_replayed: bool = False


class RequestHandler:
    """`origin` is the address of the server, which pages that buyers are sent to have in their URLs."""

    def __init__(self, state: AccountState, faults: FaultQueue, log: RequestLog, secret_key: str, publishable_key: str) -> None:
        self.origin = ""
        self._state, self._faults, self._log = state, faults, log
        self._secret_key, self._publishable_key = secret_key, publishable_key
        self._idempotency_keys = IdempotencyKeys(state)

    def handle(self, request: StripeRequest) -> StripeResponse:
        progress = _RequestProgress(request, self._state.new_id("req", 14))
        fault = self._faults.take(request.method, request.path)
        response = self._respond(progress, fault)
        response.headers = {"Request-Id": progress.request_id, "Stripe-Version": API_VERSION, **response.headers}
        if fault is not None and fault.should_retry is not None:
            response.headers["Stripe-Should-Retry"] = "true" if fault.should_retry else "false"
        key = request.headers.get("idempotency-key")
        if key is not None:
            response.headers["Idempotency-Key"] = key
        self._add_to_log(progress, response, key)
        return response

    def _add_to_log(self, progress: _RequestProgress, response: StripeResponse, key: str | None) -> None:
        request = progress.request
        self._log.add(
            LoggedRequest(
                method=request.method,
                path=request.path,
                route=progress.route.path if progress.route is not None else request.path,
                params=redacted(progress.params),
                idempotency_key=key,
                status=0 if response.lost else response.status,
                error=progress.error,
                replayed=progress.is_replayed,
                at=float(self._state.now()),
                request_id=progress.request_id,
            )
        )

    def _respond(self, progress: _RequestProgress, fault: RequestFault | None) -> StripeResponse:
        try:
            self._identify(progress)
            if fault is not None and not fault.execute and fault.kind in ("status", "close", "hang"):
                return self._fault_response(progress, fault)
            response = self._execute_once(progress, fault)
        except StripeApiError as error:
            response = self._error_response(progress, error)
        if fault is not None and fault.execute:
            return self._fault_response(progress, fault)
        return response

    def _fault_response(self, progress: _RequestProgress, fault: RequestFault) -> StripeResponse:
        if fault.kind == "status":
            return self._error_response(progress, injected_error(fault.status))
        return StripeResponse(0, "", lost=fault.kind)

    def _identify(self, progress: _RequestProgress) -> None:
        """Check key and API version, find the route, and decode the parameters."""
        request = progress.request
        key = _api_key(request)
        if not key:
            raise unauthorized(
                "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth."
            )
        if key not in (self._secret_key, self._publishable_key):
            raise unauthorized(f"Invalid API Key provided: {key[:8]}{'*' * 12}{key[-4:]}")
        progress.from_browser = key == self._publishable_key
        version = request.headers.get("stripe-version", API_VERSION)
        if version != API_VERSION:
            message = f"Invalid Stripe API version: {version}. The fake Stripe supports {API_VERSION} only."
            raise invalid_request(message, is_saved=False)
        for pattern, route in _ROUTE_PATTERNS:
            match = pattern.fullmatch(f"{request.method} {request.path}")
            if match:
                progress.route, progress.object_id = route, match.groupdict().get("id") or ""
                break
        else:
            raise unknown_url(request.method, request.path)
        if progress.from_browser and progress.route.browser_parameters is None:
            raise secret_key_required()
        progress.params = decode_form(request.encoded)

    def _execute_once(self, progress: _RequestProgress, fault: RequestFault | None) -> StripeResponse:
        """Execute the request, or return the response that is saved under its idempotency key."""
        key = progress.request.headers.get("idempotency-key") if progress.request.method == "POST" else None
        path = progress.request.path
        fingerprint = json.dumps(sorted(parse_qsl(progress.request.encoded, keep_blank_values=True)))
        if key is not None:
            with self._state.lock:
                saved = self._idempotency_keys.begin(key, path, fingerprint)
            if saved is not None:
                progress.is_replayed = True
                return StripeResponse(saved.status, saved.body, {"Idempotent-Replayed": "true", "Original-Request": saved.request_id})
        if fault is not None:
            self._faults.delay(fault)
        with self._state.lock:
            response, is_saved = self._execute(progress, key)
            if key is not None:
                to_save = SavedResponse(response.status, response.body, progress.request_id) if is_saved else None
                self._idempotency_keys.finish(key, path, fingerprint, to_save)
                self._idempotency_keys.delete_expired()
            self._state.commit()
        return response

    def _execute(self, progress: _RequestProgress, key: str | None) -> tuple[StripeResponse, bool]:
        """The response, and whether it is saved under the idempotency key. Callers hold the lock."""
        assert progress.route is not None
        apply_elapsed_time(self._state)
        self._state.request = {"id": progress.request_id, "idempotency_key": key}
        try:
            return StripeResponse(200, _json(self._result(progress, progress.route))), True
        except StripeApiError as error:
            return self._error_response(progress, error), error.is_saved
        except Exception:
            traceback.print_exc(file=sys.stderr)
            message = "The fake Stripe has a bug; its error output has the details."
            return self._error_response(progress, StripeApiError(500, "api_error", message)), False
        finally:
            self._state.request = {"id": None, "idempotency_key": None}

    def _result(self, progress: _RequestProgress, route: Route) -> StripeObject:
        parameters = route.browser_parameters if progress.from_browser and route.browser_parameters is not None else route.parameters
        call = ApiCall(progress.object_id, parse_parameters(parameters, progress.params), progress.from_browser, self.origin)
        payment_methods.check_card_number_source(call.params, from_browser=progress.from_browser)
        if progress.request.method == "POST":
            rendering.check_expand(route.path, call.params.get("expand", []))
        result = route.handler(self._state, call)
        rendered = rendering.render(self._state, result, call.params.get("expand", []))
        if progress.from_browser and result["object"] == "payment_intent":
            return {name: value for name, value in rendered.items() if name in rendering.BROWSER_FIELDS}
        return rendered

    def _error_response(self, progress: _RequestProgress, error: StripeApiError) -> StripeResponse:
        progress.error = error.error.get("code") or error.error["type"]
        rendered = dict(error.error)
        if "payment_intent" in rendered:
            intent = rendered["payment_intent"]
            rendered["payment_intent"] = rendering.browser_view(intent) if progress.from_browser else public_copy(intent)
        rendered["request_log_url"] = f"https://dashboard.stripe.com/test/logs/{progress.request_id}"
        return StripeResponse(error.status, _json({"error": rendered}))


def _api_key(request: StripeRequest) -> str:
    """The key from `Bearer`, from `Basic` (curl -u), or from the form (`key`), which browsers use; "" without one."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value).decode().partition(":")[0]
        except ValueError:
            return ""
    return value.strip() or dict(parse_qsl(request.encoded)).get("key", "")


def _json(value: Any) -> str:
    return json.dumps(value, indent=2)
