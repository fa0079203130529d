"""Webhooks: the queue of deliveries (which endpoint gets which event when), signed requests, and retries until a response with 2xx."""

import hmac
import random
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from hashlib import sha256
from http.client import HTTPException
from typing import Any, Literal
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from devtools.stripe.account_state import AccountState
from devtools.stripe.wire_format import StripeObject, encode, public_copy


def signature_header(body: bytes, secrets: Sequence[str], at: int) -> str:
    """Return the Stripe-Signature header. Stripe adds `v0` to test events; it is not a signature, and receivers must ignore it."""
    signatures = [f"v1={_digest(body, secret, at)}" for secret in secrets]
    return ",".join([f"t={at}", *signatures, f"v0={sha256(body).hexdigest()}"])


def _digest(body: bytes, secret: str, at: int) -> str:
    return hmac.new(secret.encode(), f"{at}.".encode() + body, sha256).hexdigest()


TIMEOUT_SECONDS = 20

Receiver = Callable[[bytes, Mapping[str, str]], int]


class _NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        """Follow no redirects: as at Stripe, a redirect is a failed delivery."""


def webhook_headers(signature: str | None) -> dict[str, str]:
    headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)"}
    return headers if signature is None else {**headers, "Stripe-Signature": signature}


def send(target: str | Receiver, body: bytes, headers: Mapping[str, str]) -> int:
    """Post to a URL, or call a function. Returns the HTTP status; 0 without a response."""
    if callable(target):
        return target(body, headers)
    opener = build_opener(ProxyHandler({}), _NoRedirects)
    try:
        with opener.open(Request(target, data=body, headers=dict(headers), method="POST"), timeout=TIMEOUT_SECONDS) as response:
            return int(response.status)
    except HTTPError as error:
        error.close()
        return error.code
    except (OSError, HTTPException):
        return 0


# Seconds between attempts, about three days in all. After the last attempt, the delivery fails for good.
RETRY_SECONDS = (300, 1800, 7200, 18000, 36000, *[43200] * 4)
MAX_DELIVERIES_PER_CALL = 10_000

DeliveryOrder = Literal["as_created", "reversed", "shuffled"]


@dataclass
class WebhookEndpoint:
    """`target`: a URL, or a function of (body, headers) that returns a status. All `secrets` sign: two while one is rolled over.

    The endpoint gets the events of connected accounts if `connect`, and otherwise those of the platform's own account.
    """

    id: str
    target: str | Receiver
    secrets: list[str]
    types: tuple[str, ...] = ("*",)
    connect: bool = False

    def takes(self, event: StripeObject) -> bool:
        return self.connect == ("account" in event)


@dataclass(frozen=True)
class DeliveryAttempt:
    """One attempt. Status 0 means that there was no response."""

    event_id: str
    type: str
    endpoint_id: str
    attempt: int
    status: int
    at: int

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300


@dataclass
class DeliveryRule:
    """A rule for the next `remaining` events of matching types: drop them, delay them (seconds), or send them several times."""

    pattern: str
    remaining: int
    drop: bool = False
    delay: int = 0
    copies: int = 1


@dataclass
class WebhookQueue:
    """`on_enqueue` is called after each new delivery."""

    state: AccountState
    endpoints: list[WebhookEndpoint] = field(default_factory=list)
    rules: list[DeliveryRule] = field(default_factory=list)
    order: DeliveryOrder = "as_created"
    seed: int = 0
    attempts: deque[DeliveryAttempt] = field(default_factory=deque)
    on_enqueue: Callable[[], None] = lambda: None
    # Ids of the deliveries that are being sent. They stay in the state until there is a response, so that a process that was
    # killed in the meantime sends them again.
    _sending: set[str] = field(default_factory=set)

    def add_endpoint(
        self, target: str | Receiver, secret: str, types: tuple[str, ...], name: str = "", *, connect: bool = False
    ) -> WebhookEndpoint:
        """The id depends on the name, or else on the URL, so that pending deliveries from a journal find their endpoint again."""
        name = name or (target if isinstance(target, str) else f"function {len(self.endpoints)}")
        kind = "connect " if connect else ""
        added = WebhookEndpoint(f"we_{sha256(f'{kind}{name}'.encode()).hexdigest()[:24]}", target, [secret], types, connect)
        with self.state.lock:
            self.endpoints = [endpoint for endpoint in self.endpoints if endpoint.id != added.id] + [added]
        return added

    def enqueue_event(self, event: StripeObject) -> None:
        """Plan the deliveries of a new event. Callers hold the lock."""
        rule = self._take_rule(event["type"])
        for endpoint in self.endpoints:
            if not endpoint.takes(event):
                continue
            if rule is not None and rule.drop:
                event["_delivered"] = False
            elif any(fnmatchcase(event["type"], pattern) for pattern in endpoint.types):
                for _ in range(rule.copies if rule is not None else 1):
                    self._enqueue(event, endpoint.id, self.state.now() + (rule.delay if rule is not None else 0))

    def resend(self, event: StripeObject, copies: int) -> None:
        """Plan further deliveries of an event to all endpoints, whatever happened to the earlier ones. Callers hold the lock."""
        for endpoint in filter(lambda endpoint: endpoint.takes(event), self.endpoints):
            for _ in range(copies):
                self._enqueue(event, endpoint.id, self.state.now())

    def deliver(self, *, only: int | None = None) -> list[DeliveryAttempt]:
        """Send at most `only` deliveries that are due, and those that result from them. The lock is free while they are sent."""
        attempts: list[DeliveryAttempt] = []
        while len(attempts) < (MAX_DELIVERIES_PER_CALL if only is None else only):
            with self.state.lock:
                delivery = self._take_next()
            if delivery is None:
                break
            try:
                attempts.append(self._send(delivery))
            finally:
                self._sending.discard(delivery["id"])
        self.attempts.extend(attempts)
        return attempts

    def pending(self) -> list[StripeObject]:
        """Deliveries that have not succeeded yet, with `at`, `event`, `endpoint` and `attempt`."""
        with self.state.lock:
            return [dict(delivery) for delivery in self.state.oldest_first("_delivery")]

    def signed_request(self, endpoint: WebhookEndpoint, event: StripeObject, at: int | None = None) -> tuple[bytes, dict[str, str]]:
        """Return the body and headers of a delivery, signed at this time (None: now)."""
        body = encode(public_copy(event))
        return body, webhook_headers(signature_header(body, endpoint.secrets, self.state.now() if at is None else at))

    def _send(self, delivery: StripeObject) -> DeliveryAttempt:
        with self.state.lock, self.state.acting_for(self.state.owner("event", delivery["event"])):
            event = self.state.find("event", delivery["event"])
            endpoint = next((endpoint for endpoint in self.endpoints if endpoint.id == delivery["endpoint"]), None)
            at = self.state.now()
            request = self.signed_request(endpoint, event) if event is not None and endpoint is not None else None
        assert event is not None, "events are never removed"
        status = send(endpoint.target, *request) if endpoint is not None and request is not None else 0
        attempt = DeliveryAttempt(event["id"], event["type"], delivery["endpoint"], delivery["attempt"], status, at)
        with self.state.lock:
            self._record(attempt, delivery, event)
            self.state.commit()
        return attempt

    def _record(self, attempt: DeliveryAttempt, delivery: StripeObject, event: StripeObject) -> None:
        if attempt.ok:
            event["pending_webhooks"] -= 1
            event["_delivered"] = event["pending_webhooks"] == 0
            self.state.remove("_delivery", delivery["id"])
        elif attempt.attempt > len(RETRY_SECONDS):
            self.state.remove("_delivery", delivery["id"])
        else:
            retry_at = attempt.at + RETRY_SECONDS[attempt.attempt - 1]
            self.state.put("_delivery", {**delivery, "at": retry_at, "attempt": attempt.attempt + 1})
        self.state.put("event", event)

    def _take_next(self) -> StripeObject | None:
        now = self.state.now()
        pending = self.state.oldest_first("_delivery")
        due = [delivery for delivery in pending if delivery["at"] <= now and delivery["id"] not in self._sending]
        due.sort(key=lambda delivery: delivery["at"])
        if not due:
            return None
        chosen = due[0]
        if self.order == "reversed":
            chosen = due[-1]
        elif self.order == "shuffled":
            self.seed += 1
            chosen = random.Random(self.seed).choice(due)
        self._sending.add(chosen["id"])
        return chosen

    def _enqueue(self, event: StripeObject, endpoint_id: str, at: int) -> None:
        delivery = {"id": self.state.new_id("dlv"), "event": event["id"], "endpoint": endpoint_id, "at": at, "attempt": 1}
        self.state.put("_delivery", delivery)
        event["pending_webhooks"] += 1
        event["_delivered"] = False
        self.state.put("event", event)
        self.on_enqueue()

    def _take_rule(self, event_type: str) -> DeliveryRule | None:
        for rule in self.rules:
            if fnmatchcase(event_type, rule.pattern):
                rule.remaining -= 1
                if rule.remaining == 0:
                    self.rules.remove(rule)
                return rule
        return None


MAX_WAIT_SECONDS = 1.0


class WebhookWorker:
    """Wakes up for each event, and every second for retries and for the effects of elapsed time."""

    def __init__(self, webhooks: WebhookQueue, apply_elapsed_time: Callable[[], None]) -> None:
        self._webhooks, self._apply_elapsed_time = webhooks, apply_elapsed_time
        self._wake = threading.Event()
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name="fake-stripe-webhooks", daemon=True)
        webhooks.on_enqueue = self._wake.set

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._is_stopping = True
        self._wake.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._is_stopping:
            self._wake.wait(MAX_WAIT_SECONDS)
            self._wake.clear()
            if not self._is_stopping:
                self._apply_elapsed_time()
                self._webhooks.deliver()
