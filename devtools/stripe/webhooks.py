"""Webhooks: which endpoint gets which event when, again and again until it answers with 2xx."""

import json
import random
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from hashlib import sha256
from http.client import HTTPException
from typing import Any, Literal
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, ProxyHandler, build_opener
from urllib.request import Request as UrlRequest

from devtools.stripe import signing
from devtools.stripe.errors import Obj
from devtools.stripe.events import public
from devtools.stripe.state import State

# Seconds between attempts; then it is given up. About three days in all.
RETRIES = (300, 1800, 7200, 18000, 36000, *[43200] * 4)
TIMEOUT_SECONDS = 20
MAX_ROUNDS = 10_000

Receiver = Callable[[bytes, Mapping[str, str]], int]
Order = Literal["as_created", "reversed", "shuffled"]


@dataclass
class Endpoint:
    """`target`: a URL, or a function of (body, headers) that answers with a status. All `secrets` sign: two while one is rolled over."""

    id: str
    target: str | Receiver
    secrets: list[str]
    types: tuple[str, ...] = ("*",)


@dataclass(frozen=True)
class Attempt:
    """One delivery. `status` 0: no answer came."""

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
class Rule:
    """What happens to the next `left` events of a kind: dropped, delayed, or sent several times."""

    pattern: str
    left: int
    drop: bool = False
    delay: int = 0
    copies: int = 1


class _NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        """A redirect is a failed delivery, as it is for Stripe."""


@dataclass
class Webhooks:
    state: State
    endpoints: list[Endpoint] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    order: Order = "as_created"
    seed: int = 0
    attempts: deque[Attempt] = field(default_factory=deque)
    woken: Callable[[], None] = lambda: None
    # Deliveries that are under way. They stay in the state until they are answered: a run that is killed meanwhile sends them again.
    _sending: set[str] = field(default_factory=set)

    def add(self, target: str | Receiver, secret: str, types: tuple[str, ...], name: str = "") -> Endpoint:
        """The id depends on the name, or else on the URL, so that what waits in a journal finds its endpoint again."""
        name = name or (target if isinstance(target, str) else f"function {len(self.endpoints)}")
        endpoint = Endpoint(f"we_{sha256(name.encode()).hexdigest()[:24]}", target, [secret], types)
        with self.state.lock:
            self.endpoints = [one for one in self.endpoints if one.id != endpoint.id] + [endpoint]
        return endpoint

    def plan(self, event: Obj) -> None:
        """A new event. Under the lock."""
        rule = self._rule(event["type"])
        for endpoint in self.endpoints:
            if rule is not None and rule.drop:
                event["_delivered"] = False
            elif any(fnmatchcase(event["type"], pattern) for pattern in endpoint.types):
                for _ in range(rule.copies if rule is not None else 1):
                    self._enqueue(event, endpoint.id, self.state.now() + (rule.delay if rule is not None else 0))

    def again(self, event: Obj, copies: int) -> None:
        """Send an event once more to everybody, whatever happened to it. Under the lock."""
        for endpoint in self.endpoints:
            for _ in range(copies):
                self._enqueue(event, endpoint.id, self.state.now())

    def deliver(self, *, now: int | None = None, only: int | None = None) -> list[Attempt]:
        """Send what is due at `now` (default: the clock's), and what comes of it, at most `only`. The lock is free while it is sent."""
        made: list[Attempt] = []
        while len(made) < (MAX_ROUNDS if only is None else only):
            with self.state.lock:
                delivery = self._next(self.state.now() if now is None else now)
            if delivery is None:
                break
            try:
                made.append(self._send(delivery))
            finally:
                self._sending.discard(delivery["id"])
        self.attempts.extend(made)
        return made

    def waiting(self) -> list[Obj]:
        """Deliveries that have not succeeded yet, with `at`, `event`, `endpoint` and `attempt`."""
        with self.state.lock:
            return [dict(delivery) for delivery in self.state.all("_delivery")]

    def signed(self, endpoint: Endpoint, event: Obj, at: int | None = None) -> tuple[bytes, dict[str, str]]:
        """Body and headers of a delivery."""
        body = json.dumps(public(event), indent=2).encode()
        return body, headers(signing.header(body, endpoint.secrets, self.state.now() if at is None else at))

    def _send(self, delivery: Obj) -> Attempt:
        with self.state.lock:
            event = self.state.find("event", delivery["event"])
            endpoint = next((one for one in self.endpoints if one.id == delivery["endpoint"]), None)
            at = self.state.now()
            sent = self.signed(endpoint, event) if event is not None and endpoint is not None else None
        assert event is not None, "events are never removed"
        status = send(endpoint.target, *sent) if endpoint is not None and sent is not None else 0
        attempt = Attempt(event["id"], event["type"], delivery["endpoint"], delivery["attempt"], status, at)
        with self.state.lock:
            if attempt.ok:
                event["pending_webhooks"] -= 1
                event["_delivered"] = event["pending_webhooks"] == 0
                self.state.remove("_delivery", delivery["id"])
            elif delivery["attempt"] > len(RETRIES):
                self.state.remove("_delivery", delivery["id"])
            else:
                again = {**delivery, "at": at + RETRIES[delivery["attempt"] - 1], "attempt": delivery["attempt"] + 1}
                self.state.put("_delivery", again)
            self.state.put("event", event)
            self.state.commit()
        return attempt

    def _next(self, now: int) -> Obj | None:
        waiting = (one for one in self.state.all("_delivery") if one["at"] <= now and one["id"] not in self._sending)
        due = sorted(waiting, key=lambda one: one["at"])
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

    def _enqueue(self, event: Obj, endpoint_id: str, at: int) -> None:
        delivery = {"id": self.state.new_id("dlv"), "event": event["id"], "endpoint": endpoint_id, "at": at, "attempt": 1}
        self.state.put("_delivery", delivery)
        event["pending_webhooks"] += 1
        event["_delivered"] = False
        self.state.put("event", event)
        self.woken()

    def _rule(self, kind: str) -> Rule | None:
        for rule in self.rules:
            if fnmatchcase(kind, rule.pattern):
                rule.left -= 1
                if rule.left == 0:
                    self.rules.remove(rule)
                return rule
        return None


def headers(signature: str | None) -> dict[str, str]:
    fixed = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)"}
    return fixed if signature is None else {**fixed, "Stripe-Signature": signature}


def send(target: str | Receiver, body: bytes, told: Mapping[str, str]) -> int:
    """The status; 0 when no answer came."""
    if callable(target):
        return target(body, told)
    opener = build_opener(ProxyHandler({}), _NoRedirects)
    try:
        with opener.open(UrlRequest(target, data=body, headers=dict(told), method="POST"), timeout=TIMEOUT_SECONDS) as answer:
            return int(answer.status)
    except HTTPError as error:
        error.close()
        return error.code
    except (OSError, HTTPException):
        return 0
