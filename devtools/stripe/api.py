"""One call from its bytes to its answer: key, version, route, faults, idempotency, parameters, work."""

import base64
import json
import re
import sys
import traceback
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from devtools.stripe import forms, methods, render, schema
from devtools.stripe.calls import Call, Calls, redacted
from devtools.stripe.clockwork import tick
from devtools.stripe.errors import ApiError, Obj, injected, invalid, not_for_publishable_keys, unauthorized, unknown_url
from devtools.stripe.events import API_VERSION, public
from devtools.stripe.faults import Fault, Faults
from devtools.stripe.idempotency import Kept, Keys
from devtools.stripe.routes import ROUTES, Ask, Route
from devtools.stripe.state import State

_PATTERNS = [(re.compile(rf"{route.method} {route.pattern.pattern}"), route) for route in ROUTES]


@dataclass(frozen=True)
class Request:
    """`encoded`: the form of the body, or of the query for GET. Header names in lower case."""

    method: str
    path: str
    encoded: str
    headers: dict[str, str]


@dataclass
class Reply:
    """`lost`: "close" ends the connection without an answer, "hang" keeps it open and silent."""

    status: int
    body: str
    headers: dict[str, str] = field(default_factory=dict)
    lost: str = ""


@dataclass
class _Job:
    """What is known about a call while it is handled."""

    request: Request
    request_id: str
    route: Route | None = None
    target: str = ""
    by_client: bool = False
    params: Obj = field(default_factory=dict)
    error: str | None = None
    replayed: bool = False


class Api:
    def __init__(self, state: State, faults: Faults, calls: Calls, secret_key: str, publishable_key: str) -> None:
        self.origin = ""
        self._state, self._faults, self._calls = state, faults, calls
        self._secret_key, self._publishable_key = secret_key, publishable_key
        self._keys = Keys(state)

    def handle(self, request: Request) -> Reply:
        job = _Job(request, self._state.new_id("req", 14))
        fault = self._faults.strike(request.method, request.path)
        reply = self._answer(job, fault)
        reply.headers = {"Request-Id": job.request_id, "Stripe-Version": API_VERSION, **reply.headers}
        if fault is not None and fault.retry is not None:
            reply.headers["Stripe-Should-Retry"] = "true" if fault.retry else "false"
        key = request.headers.get("idempotency-key")
        if key is not None:
            reply.headers["Idempotency-Key"] = key
        route = job.route.path if job.route is not None else request.path
        status, at = 0 if reply.lost else reply.status, float(self._state.now())
        self._calls.add(
            Call(request.method, request.path, route, redacted(job.params), key, status, job.error, job.replayed, at, job.request_id)
        )
        return reply

    def _answer(self, job: _Job, fault: Fault | None) -> Reply:
        try:
            self._admit(job)
            if fault is not None and not fault.effect and fault.kind in ("status", "close", "hang"):
                return self._struck(job, fault)
            reply = self._once(job, fault)
        except ApiError as error:
            reply = self._refused(job, error)
        if fault is not None and fault.effect:
            return self._struck(job, fault)
        return reply

    def _struck(self, job: _Job, fault: Fault) -> Reply:
        return self._refused(job, injected(fault.status)) if fault.kind == "status" else Reply(0, "", lost=fault.kind)

    def _admit(self, job: _Job) -> None:
        """Who asks, in which version, for what; and the raw parameters."""
        request = job.request
        key = _key(request)
        if not key:
            raise unauthorized(
                "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth."
            )
        if key not in (self._secret_key, self._publishable_key):
            raise unauthorized(f"Invalid API Key provided: {key[:8]}{'*' * 12}{key[-4:]}")
        job.by_client = key == self._publishable_key
        version = request.headers.get("stripe-version", API_VERSION)
        if version != API_VERSION:
            raise invalid(f"Invalid Stripe API version: {version}. The local fake speaks {API_VERSION}.", saved=False)
        for pattern, route in _PATTERNS:
            found = pattern.fullmatch(f"{request.method} {request.path}")
            if found:
                job.route, job.target = route, found.groupdict().get("id") or ""
                break
        else:
            raise unknown_url(request.method, request.path)
        if job.by_client and job.route.client is None:
            raise not_for_publishable_keys()
        job.params = forms.decode(request.encoded)

    def _once(self, job: _Job, fault: Fault | None) -> Reply:
        """Work, or answer what was answered to the same key."""
        key = job.request.headers.get("idempotency-key") if job.request.method == "POST" else None
        fingerprint = json.dumps(sorted(parse_qsl(job.request.encoded, keep_blank_values=True)))
        if key is not None:
            with self._state.lock:
                kept = self._keys.begin(key, job.request.path, fingerprint)
            if kept is not None:
                job.replayed = True
                return Reply(kept.status, kept.body, {"Idempotent-Replayed": "true", "Original-Request": kept.request_id})
        if fault is not None:
            self._faults.delay(fault)
        with self._state.lock:
            reply, saved = self._work(job, key)
            if key is not None:
                answer = Kept(reply.status, reply.body, job.request_id) if saved else None
                self._keys.finish(key, job.request.path, fingerprint, answer)
                self._keys.sweep()
            self._state.commit()
        return reply

    def _work(self, job: _Job, key: str | None) -> tuple[Reply, bool]:
        """The answer, and whether it is kept under the key. Under the lock."""
        assert job.route is not None
        tick(self._state)
        self._state.request = {"id": job.request_id, "idempotency_key": key}
        try:
            fields = job.route.client if job.by_client and job.route.client is not None else job.route.fields
            ask = Ask(job.target, schema.read(fields, job.params), job.by_client, self.origin)
            methods.check_source(ask.given, by_client=job.by_client)
            if job.request.method == "POST":
                render.check(job.route.path, ask.given.get("expand", []))
            made = job.route.work(self._state, ask)
            shown = render.answer(self._state, made, ask.given.get("expand", []))
            if job.by_client and made["object"] == "payment_intent":
                shown = {name: value for name, value in shown.items() if name in render.FOR_BROWSERS}
            return Reply(200, _json(shown)), True
        except ApiError as error:
            return self._refused(job, error), error.saved
        except Exception:
            traceback.print_exc(file=sys.stderr)
            return self._refused(job, ApiError(500, "api_error", "The local fake has a bug; see its error output.")), False
        finally:
            self._state.request = {"id": None, "idempotency_key": None}

    def _refused(self, job: _Job, error: ApiError) -> Reply:
        job.error = error.error.get("code") or error.error["type"]
        shown = dict(error.error)
        if "payment_intent" in shown:
            shown["payment_intent"] = render.for_browser(shown["payment_intent"]) if job.by_client else public(shown["payment_intent"])
        shown["request_log_url"] = f"https://dashboard.stripe.com/test/logs/{job.request_id}"
        return Reply(error.status, _json({"error": shown}))


def _key(request: Request) -> str:
    """From `Bearer`, from `Basic` (curl -u), or from the form (`key`), which browsers use."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value).decode().partition(":")[0]
        except ValueError:
            return ""
    return value.strip() or dict(parse_qsl(request.encoded)).get("key", "")


def _json(value: Any) -> str:
    return json.dumps(value, indent=2)
