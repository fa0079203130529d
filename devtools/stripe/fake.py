"""The whole fake as one object: a context manager with the knobs that tests and `make run` turn."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from devtools.stripe import clockwork, disputes, events, pages, pricing, refunds, sessions, signing, webhooks
from devtools.stripe.api import Api
from devtools.stripe.calls import Calls
from devtools.stripe.errors import Obj
from devtools.stripe.events import public
from devtools.stripe.faults import Faults, Held
from devtools.stripe.postman import Postman
from devtools.stripe.server import Server
from devtools.stripe.state import State
from devtools.stripe.webhooks import Attempt, Endpoint, Order, Receiver, Rule, Webhooks

API_KEY = "sk_test_fairgate_local_fake"
PUBLISHABLE_KEY = "pk_test_fairgate_local_fake"
WEBHOOK_SECRET = "whsec_fairgate_local_fake"

Forgery = Literal["wrong_secret", "no_signature", "tampered", "stale", "garbled"]


class FakeStripe:
    """Serves while the block runs. `deliver="auto"` sends webhooks by itself; "by_hand" leaves it to `deliver()`.

    The port is bound, and `url` known, from the moment it is made; raises OSError when it is taken.
    `clock` answers seconds since the epoch; `sleep` is only used for `slow_next`; `seed` makes ids repeat themselves.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], object] = time.sleep,
        journal: Path | None = None,
        webhook_delivery: Literal["automatic", "manual"] = "manual",
        seed: int | None = None,
    ) -> None:
        self.api_key, self.publishable_key, self.webhook_secret = API_KEY, PUBLISHABLE_KEY, WEBHOOK_SECRET
        self.api_version = events.API_VERSION
        self.request_log = Calls()
        self._state = State(clock, journal, seed)
        self._faults = Faults(sleep)
        self._webhooks = Webhooks(self._state, attempts=deque(maxlen=10_000))
        self._state.listeners.append(self._webhooks.plan)
        self._api = Api(self._state, self._faults, self.request_log, self.api_key, self.publishable_key)
        try:
            self._server = Server(
                port, self._api.handle, lambda method, path, form: pages.answer(self._state, method, path, form, self.url)
            )
        except OSError:
            self._state.close()
            raise
        self.url = self._api.origin = self._server.origin
        self.port = self._server.server_port
        sessions.move(self._state, self.url)
        self._postman = Postman(self._webhooks, self._tick) if webhook_delivery == "automatic" else None

    def __enter__(self) -> Self:
        self._server.start()
        if self._postman is not None:
            self._postman.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._faults.clear()
        self.stop_webhooks()
        self._server.stop()
        self._state.close()

    # What happens on the buyer's and the bank's side.

    def authenticate(self, intent_id: str, *, ok: bool) -> Obj:
        """3D Secure is completed or failed. Answers the payment intent."""
        with self._state.lock:
            clockwork.authenticate(self._state, intent_id, ok=ok)
            return self._done("payment_intent", intent_id)

    def pay_session(self, session_id: str, number: str = "4242424242424242", email: str = "buyer@example.com") -> Obj:
        """Somebody fills in the hosted page. Raises errors.ApiError as the page would show it. Answers the session."""
        form = {"number": number, "expiry": "12/34", "cvc": "123", "name": "A Buyer", "email": email}
        with self._state.lock:
            try:
                sessions.pay(self._state, self._state.get("checkout.session", session_id), pages.given(form), email, self.url)
            finally:
                self._state.commit()
            return self._done("checkout.session", session_id)

    def pay_session_by_bank(self, session_id: str, *, fails: bool = False, email: str = "buyer@example.com") -> Obj:
        """The same with a bank account, whose debit is answered later (`settle`)."""
        form = {"method": "bank_fails" if fails else "bank_ok", "name": "A Buyer", "email": email}
        with self._state.lock:
            sessions.pay(self._state, self._state.get("checkout.session", session_id), pages.given(form), email, self.url)
            return self._done("checkout.session", session_id)

    def complete_pending(self) -> None:
        """The banks answer now what they would answer later: pending and failing refunds, debits."""
        with self._state.lock:
            clockwork.settle_all(self._state)
            self._state.commit()

    def fail_refund(self, refund_id: str) -> Obj:
        with self._state.lock:
            refunds.settle(self._state, self._state.get("refund", refund_id), ok=False)
            return self._done("refund", refund_id)

    def create_dispute(self, charge_id: str, reason: str = "fraudulent", *, amount: int | None = None) -> Obj:
        with self._state.lock:
            made = disputes.open_for(self._state, self._state.get("charge", charge_id), reason, amount)
            return self._done("dispute", made["id"])

    def close_dispute(self, dispute_id: str, *, won: bool) -> Obj:
        with self._state.lock:
            disputes.close(self._state, self._state.get("dispute", dispute_id), won=won)
            return self._done("dispute", dispute_id)

    def add_price(self, price_id: str, *, unit_amount: int, currency: str, name: str) -> Obj:
        """A price that was made in the dashboard. Safe to repeat."""
        with self._state.lock:
            pricing.new_price(self._state, price_id, unit_amount=unit_amount, currency=currency, name=name)
            return self._done("price", price_id)

    def apply_elapsed_time(self) -> None:
        """Let the clock's time take effect (each call does that too): sessions expire, banks answer."""
        self._tick()

    # Webhooks.

    def add_webhook_endpoint(
        self, target: str | Receiver, *, secret: str = WEBHOOK_SECRET, types: Sequence[str] = ("*",), name: str = ""
    ) -> Endpoint:
        """`name`: whose deliveries wait in a journal, when the URL may be another one next time."""
        return self._webhooks.add(target, secret, tuple(types), name)

    def stop_webhooks(self) -> None:
        """From now on no webhook goes out by itself; what is due waits, in the journal for the next start."""
        if self._postman is not None:
            self._postman.stop()

    def deliver(self, *, only: int | None = None) -> list[Attempt]:
        """Send what is due by the clock, and the events that come of it."""
        self._tick()
        return self._webhooks.deliver(only=only)

    @property
    def delivery_attempts(self) -> list[Attempt]:
        return list(self._webhooks.attempts)

    @property
    def pending_deliveries(self) -> list[Obj]:
        return self._webhooks.waiting()

    def drop_webhooks(self, types: str = "*", times: int = 1) -> None:
        """The next `times` events of these types are never sent."""
        self._webhooks.rules.append(Rule(types, times, drop=True))

    def delay_webhooks(self, types: str = "*", *, seconds: int, times: int = 1) -> None:
        self._webhooks.rules.append(Rule(types, times, delay=seconds))

    def duplicate_webhooks(self, types: str = "*", *, copies: int = 2, times: int = 1) -> None:
        self._webhooks.rules.append(Rule(types, times, copies=copies))

    def set_delivery_order(self, order: Order, seed: int = 0) -> None:
        """In which order what is due at once is sent, from now on."""
        self._webhooks.order, self._webhooks.seed = order, seed

    def resend_event(self, event_id: str, copies: int = 1) -> None:
        with self._state.lock:
            self._webhooks.again(self._state.get("event", event_id), copies)
            self._state.commit()

    def events(self, types: str = "*") -> list[Obj]:
        """Oldest first."""
        with self._state.lock:
            return [public(event) for event in self._state.all("event") if fnmatchcase(event["type"], types)]

    def signed_delivery(self, event_id: str, endpoint: Endpoint | None = None, *, at: int | None = None) -> tuple[bytes, dict[str, str]]:
        """Body and headers of a delivery, for tests that post it themselves; `at`: when it was signed."""
        with self._state.lock:
            to = endpoint or Endpoint("we_unregistered", "", [self.webhook_secret])
            return self._webhooks.signed(to, self._state.get("event", event_id), at)

    def forged_delivery(self, event_id: str, how: Forgery) -> tuple[bytes, dict[str, str]]:
        """A delivery that must be refused."""
        now = self._state.now()
        body, told = self.signed_delivery(event_id, at=now - 3600 if how == "stale" else now)
        if how == "wrong_secret":
            told = webhooks.headers(signing.header(body, ["whsec_somebody_else"], now))
        elif how == "no_signature":
            told = webhooks.headers(None)
        elif how == "garbled":
            told = webhooks.headers("t=soon,v1=x")
        elif how == "tampered":
            body = body.replace(b'"livemode": false', b'"livemode": true')
        return body, told

    # Faults. `path` may have `*` for one part: /v1/payment_intents/*/confirm.

    def fail_next_request(
        self, method: str, path: str, *, status: int, times: int = 1, execute: bool = False, should_retry: bool | None = None
    ) -> None:
        """Answer 429 or 5xx; with `effect` the work is done all the same, and its real answer kept under the idempotency key."""
        self._faults.add("status", method, path, times, status=status, effect=execute, retry=should_retry)

    def lose_next_response(
        self, method: str, path: str, *, times: int = 1, execute: bool = True, how: Literal["close", "hang"] = "close"
    ) -> None:
        """Do the work (or, without `effect`, don't) and never answer: close the connection, or let the client time out."""
        self._faults.add(how, method, path, times, effect=execute)

    def delay_next_request(self, method: str, path: str, *, seconds: float, times: int = 1) -> None:
        self._faults.add("slow", method, path, times, seconds=seconds)

    def hold_next_request(self, method: str, path: str) -> Held:
        """The next such call waits inside, its idempotency key taken, until `release`."""
        held = Held()
        self._faults.add("hold", method, path, 1, held=held)
        return held

    def _tick(self) -> None:
        with self._state.lock:
            clockwork.tick(self._state)
            self._state.commit()

    def _done(self, table: str, key: str) -> Obj:
        self._state.commit()
        shown: Obj = public(self._state.get(table, key))
        return shown
