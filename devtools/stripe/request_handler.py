"""One API request, from its parameters to its response: key, version, route, faults, idempotency, validation, execution, log."""

import base64
import json
import re
import sys
import threading
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qsl

from devtools.stripe import accounts, payment_methods, rendering
from devtools.stripe.account_state import API_VERSION, AccountState
from devtools.stripe.outcomes import apply_elapsed_time
from devtools.stripe.routes import ROUTES, ApiCall, Route
from devtools.stripe.schema import decode_form, parse_parameters
from devtools.stripe.wire_format import (
    StripeApiError,
    StripeObject,
    encode,
    idempotency_error,
    injected_error,
    invalid_request,
    public_copy,
    secret_key_required,
    unauthorized,
    unknown_url,
)

MAX_ENTRIES = 10_000
_SECRET_PARAMETERS = frozenset({"number", "cvc", "account_number", "client_secret", "key"})


@dataclass(frozen=True)
class LoggedRequest:
    """`route` has `:id` in place of ids. `status` 0: no response was sent. `params` contain no card numbers and no secrets.

    `account` is the connected account for which the request acted.
    """

    method: str
    path: str
    route: str
    params: dict[str, Any]
    idempotency_key: str | None
    status: int
    error: str | None
    replayed: bool
    at: float
    request_id: str
    account: str | None = None


class RequestLog:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: deque[LoggedRequest] = deque(maxlen=MAX_ENTRIES)
        self._counts: Counter[str] = Counter()

    def add(self, request: LoggedRequest) -> None:
        with self._lock:
            self._entries.append(request)
            self._counts[f"{request.method} {request.route}"] += 1

    def __iter__(self) -> Iterator[LoggedRequest]:
        with self._lock:
            return iter(list(self._entries))

    def __len__(self) -> int:
        with self._lock:
            return sum(self._counts.values())

    @property
    def counts(self) -> dict[str, int]:
        """Requests by "METHOD /v1/route/:id", since the start or the last `clear`."""
        with self._lock:
            return dict(self._counts)

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()
            self._counts.clear()


def redacted(params: Any) -> Any:
    """Return the parameters with secrets replaced, at any depth."""
    if isinstance(params, dict):
        return {name: "[redacted]" if name in _SECRET_PARAMETERS else redacted(value) for name, value in params.items()}
    return params


FaultKind = Literal["status", "close", "hang", "slow", "hold"]


@dataclass
class HeldRequest:
    """A held request. `arrived` is set while it is held; it continues after `release`."""

    arrived: threading.Event = field(default_factory=threading.Event)
    _released: threading.Event = field(default_factory=threading.Event)

    def release(self) -> None:
        self._released.set()

    def wait(self) -> None:
        self.arrived.set()
        self._released.wait()


@dataclass
class RequestFault:
    """A fault of the next `remaining` matching requests. `execute`: the request is executed before the fault occurs."""

    kind: FaultKind
    method: str
    pattern: re.Pattern[str]
    remaining: int
    status: int = 0
    seconds: float = 0
    execute: bool = False
    should_retry: bool | None = None
    held: HeldRequest | None = None


class FaultQueue:
    """The requested faults. Each request takes the first one that matches it; a fault without remaining requests is removed."""

    def __init__(self, sleep: Callable[[float], object]) -> None:
        self._sleep = sleep
        self._lock = threading.Lock()
        self._faults: list[RequestFault] = []

    def add(self, kind: FaultKind, method: str, path: str, times: int, **more: object) -> RequestFault:
        """Add a fault. `path` may have `*` in place of one segment, as in /v1/payment_intents/*/confirm."""
        pattern = re.compile("[^/]+".join(re.escape(part) for part in path.split("*")))
        fault = RequestFault(kind, method.upper(), pattern, times, **more)  # type: ignore[arg-type]
        with self._lock:
            self._faults.append(fault)
        return fault

    def take(self, method: str, path: str) -> RequestFault | None:
        with self._lock:
            for fault in self._faults:
                if fault.method in (method, "*") and fault.pattern.fullmatch(path):
                    fault.remaining -= 1
                    if fault.remaining == 0:
                        self._faults.remove(fault)
                    return fault
        return None

    def delay(self, fault: RequestFault) -> None:
        """Sleep, or wait for the release, if the fault requires it. Callers hold no lock."""
        if fault.kind == "slow":
            self._sleep(fault.seconds)
        elif fault.held is not None:
            fault.held.wait()

    def clear(self) -> None:
        """Remove all faults, and release the requests that would have been held."""
        with self._lock:
            for fault in self._faults:
                if fault.held is not None:
                    fault.held.release()
            self._faults.clear()


KEY_RETENTION_SECONDS = 24 * 3600
MAX_KEY_LENGTH = 255


@dataclass(frozen=True)
class SavedResponse:
    status: int
    body: str
    request_id: str


class IdempotencyKeys:
    """Stripe's idempotency keys: the same request gets the same response for 24 hours, errors included. Callers hold the state's lock."""

    def __init__(self, state: AccountState) -> None:
        self._state = state
        self._in_progress: set[str] = set()

    def begin(self, key: str, path: str, fingerprint: str) -> SavedResponse | None:
        """Return the saved response, or None if the caller must process the request and call `finish`. Raises StripeApiError for misuse."""
        if len(key) > MAX_KEY_LENGTH:
            raise idempotency_error(f"Idempotency keys must be at most {MAX_KEY_LENGTH} characters long.")
        if key in self._in_progress:
            message = "There is currently another in-progress request using this Idempotent Key (that probably means you submitted twice, "
            message += f"and the other request is still going through): {key}."
            raise idempotency_error(message, status=409, code="idempotency_key_in_use")
        saved = self._state.find("_key", key)
        if saved is not None and saved["at"] + KEY_RETENTION_SECONDS > self._state.now():
            advice = f"Try using a key other than '{key}' if you meant to execute a different request."
            if saved["path"] != path:
                endpoints = f"the same endpoint they were first used for ('{path}' vs '{saved['path']}')"
                raise idempotency_error(f"Keys for idempotent requests can only be used for {endpoints}. {advice}")
            if saved["fingerprint"] != fingerprint:
                raise idempotency_error(
                    f"Keys for idempotent requests can only be used with the same parameters they were first used with. {advice}"
                )
            return SavedResponse(saved["status"], saved["body"], saved["request_id"])
        self._in_progress.add(key)
        return None

    def finish(self, key: str, path: str, fingerprint: str, response: SavedResponse | None) -> None:
        """Save the response. None means that processing did not start, so the key stays free."""
        self._in_progress.discard(key)
        if response is not None:
            entry = {"id": key, "at": self._state.now(), "path": path, "fingerprint": fingerprint}
            self._state.put("_key", {**entry, "status": response.status, "body": response.body, "request_id": response.request_id})

    def delete_expired(self) -> None:
        now = self._state.now()
        for entry in self._state.oldest_first("_key"):
            if entry["at"] + KEY_RETENTION_SECONDS > now:
                return  # entries are sorted by time
            self._state.remove("_key", entry["id"])


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
    """The state of a request while it is handled. `account`: the connected account to act for. `error`: the code of the error response."""

    request: StripeRequest
    request_id: str
    account: str | None = None
    route: Route | None = None
    object_id: str = ""
    from_browser: bool = False
    params: StripeObject = field(default_factory=dict)
    error: str | None = None
    is_replayed: bool = False


class RequestHandler:
    """`origin` is the server's address, for the URLs of buyers' pages."""

    def __init__(self, state: AccountState, faults: FaultQueue, log: RequestLog, secret_key: str, publishable_key: str) -> None:
        self.origin = ""
        self._state, self._faults, self._log = state, faults, log
        self._secret_key, self._publishable_key = secret_key, publishable_key
        self._idempotency_keys = IdempotencyKeys(state)
        self.endpoint_rate: int | None = None
        self._calls: Counter[str] = Counter()  # by endpoint, since the beginning of `_second`
        self._second = 0

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
                account=progress.account,
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
        progress.account = request.headers.get("stripe-account")
        if progress.account is not None:
            accounts.check_access(self._state, progress.account, key)
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
        if self._is_above_rate(progress.route):
            raise injected_error(429)
        if progress.from_browser and progress.route.browser_parameters is None:
            raise secret_key_required()
        progress.params = decode_form(request.encoded)

    def _is_above_rate(self, route: Route) -> bool:
        """Count the request. Returns whether its endpoint has got more than `endpoint_rate` requests in this second."""
        if self.endpoint_rate is None:
            return False
        with self._state.lock:
            if self._second != self._state.now():
                self._second = self._state.now()
                self._calls.clear()
            endpoint = f"{route.method} {route.path}"
            self._calls[endpoint] += 1
            return self._calls[endpoint] > self.endpoint_rate

    def _execute_once(self, progress: _RequestProgress, fault: RequestFault | None) -> StripeResponse:
        """Execute the request, or return the response that is saved under its idempotency key."""
        key = progress.request.headers.get("idempotency-key") if progress.request.method == "POST" else None
        if key is not None and progress.account is not None:
            key = f"{progress.account}/{key}"  # each account has keys of its own
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
        with self._state.lock, self._state.acting_for(progress.account):
            response, is_saved = self._execute(progress, progress.request.headers.get("idempotency-key"))
            if key is not None:
                to_save = SavedResponse(response.status, response.body, progress.request_id) if is_saved else None
                self._idempotency_keys.finish(key, path, fingerprint, to_save)
                self._idempotency_keys.delete_expired()
            self._state.commit()
        return response

    def _execute(self, progress: _RequestProgress, key: str | None) -> tuple[StripeResponse, bool]:
        """Return the response, and whether to save it under the idempotency key. Callers hold the lock."""
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
        if "setup_intent" in rendered:
            rendered["setup_intent"] = public_copy(rendered["setup_intent"])
        rendered["request_log_url"] = f"https://dashboard.stripe.com/test/logs/{progress.request_id}"
        return StripeResponse(error.status, _json({"error": rendered}))


def _api_key(request: StripeRequest) -> str:
    """Return the key from `Bearer`, from `Basic` (curl -u), or from the form (`key`), as browsers send it; "" without a key."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value).decode().partition(":")[0]
        except ValueError:
            return ""
    return value.strip() or dict(parse_qsl(request.encoded)).get("key", "")


def _json(value: Any) -> str:
    return encode(value).decode()
