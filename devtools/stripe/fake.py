"""The fake Stripe as one object: a context manager with the controls that tests and `make run` use."""

import pickle
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from devtools.stripe import account_state, accounts, balance, checkout_sessions, disputes, pages, prices, refunds, tax
from devtools.stripe.account_state import AccountState
from devtools.stripe.http_server import StripeHttpServer
from devtools.stripe.outcomes import apply_elapsed_time, complete_authentication, complete_pending, intent_table
from devtools.stripe.pages import confirmation_params
from devtools.stripe.request_handler import FaultQueue, HeldRequest, RequestHandler, RequestLog, StripeRequest, StripeResponse
from devtools.stripe.webhooks import (
    DeliveryAttempt,
    DeliveryOrder,
    DeliveryRule,
    Receiver,
    WebhookEndpoint,
    WebhookQueue,
    WebhookWorker,
    signature_header,
    webhook_headers,
)
from devtools.stripe.wire_format import StripeObject, public_copy

API_KEY = "sk_test_fairgate_local_fake"
PUBLISHABLE_KEY = "pk_test_fairgate_local_fake"
WEBHOOK_SECRET = "whsec_fairgate_local_fake"
CONNECT_WEBHOOK_SECRET = "whsec_fairgate_local_connect_fake"

Forgery = Literal["wrong_secret", "no_signature", "tampered", "stale", "garbled"]


class FakeStripe:
    """Serves within a `with` block. Webhooks go out automatically, or manually when `deliver` is called.

    Its port is bound, and its `url` known, as soon as it is made; raises OSError when the port is in use.
    `clock` returns seconds since the epoch; `sleep` is only used for `delay_next_request`; with a `seed`, ids repeat from run to run.
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
        self.api_version = account_state.API_VERSION
        self.request_log = RequestLog()
        self._state = AccountState(clock, journal, seed)
        self._faults = FaultQueue(sleep)
        self._webhooks = WebhookQueue(self._state, attempts=deque(maxlen=10_000))
        self._state.event_listeners.append(self._webhooks.enqueue_event)
        self._handler = RequestHandler(self._state, self._faults, self.request_log, self.api_key, self.publishable_key)
        try:
            self._server = StripeHttpServer(
                port, self._handler.handle, lambda method, path, form: pages.respond(self._state, method, path, form, self.url)
            )
        except OSError:
            self._state.close()
            raise
        self.url = self._handler.origin = self._server.origin
        self.port = self._server.server_port
        for account in self._state.accounts():
            with self._state.acting_for(account):
                checkout_sessions.update_page_urls(self._state, self.url)
        self._webhook_worker = WebhookWorker(self._webhooks, self.apply_elapsed_time) if webhook_delivery == "automatic" else None

    def __enter__(self) -> Self:
        self._server.start()
        if self._webhook_worker is not None:
            self._webhook_worker.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._faults.clear()
        self.stop_webhooks()
        self._server.stop()
        self._state.close()

    def handle(self, request: StripeRequest) -> StripeResponse:
        """Handle an API request without HTTP."""
        return self._handler.handle(request)

    # Actions of buyers, banks and the shop's staff. Each returns the object that it changed.

    def authenticate(self, intent_id: str, *, ok: bool) -> StripeObject:
        """Complete or fail 3D Secure. Returns the payment intent or the setup intent."""
        table = intent_table(intent_id)
        with self._acting_on(table, intent_id):
            complete_authentication(self._state, intent_id, ok=ok)
            return self._committed(table, intent_id)

    def pay_session(self, session_id: str, number: str = "4242424242424242", email: str = "buyer@example.com") -> StripeObject:
        """Fill in the hosted page of a session. Raises StripeApiError with the message that the page would show."""
        form = {"number": number, "expiry": "12/34", "cvc": "123", "name": "A Buyer", "email": email}
        with self._acting_on("checkout.session", session_id):
            try:
                self._pay(session_id, form)
            finally:
                self._state.commit()
            return self._committed("checkout.session", session_id)

    def pay_session_by_bank(self, session_id: str, *, fails: bool = False, email: str = "buyer@example.com") -> StripeObject:
        """Pay on the hosted page with a bank account; the outcome of the debit is pending."""
        form = {"method": "bank_fails" if fails else "bank_ok", "name": "A Buyer", "email": email}
        with self._acting_on("checkout.session", session_id):
            self._pay(session_id, form)
            return self._committed("checkout.session", session_id)

    def complete_pending(self) -> None:
        """Let the banks report all pending outcomes of refunds and debits now."""
        with self._state.lock:
            complete_pending(self._state)
            self._state.commit()

    def fail_refund(self, refund_id: str) -> StripeObject:
        with self._acting_on("refund", refund_id):
            refunds.complete(self._state, self._state.get("refund", refund_id), ok=False)
            return self._committed("refund", refund_id)

    def create_dispute(
        self, charge_id: str, reason: str = "fraudulent", *, amount: int | None = None, prevented: bool = False
    ) -> StripeObject:
        """Dispute a charge, or all of it without an amount. A `prevented` dispute is paid back at once."""
        with self._acting_on("charge", charge_id):
            dispute = disputes.create(self._state, self._state.get("charge", charge_id), reason, amount, prevented=prevented)
            return self._committed("dispute", dispute["id"])

    def close_dispute(self, dispute_id: str, *, won: bool) -> StripeObject:
        with self._acting_on("dispute", dispute_id):
            disputes.close(self._state, self._state.get("dispute", dispute_id), won=won)
            return self._committed("dispute", dispute_id)

    def appeal_dispute(self, dispute_id: str) -> StripeObject:
        """Appeal against the decision of a dispute, which `close_dispute` then decides again."""
        with self._acting_on("dispute", dispute_id):
            disputes.appeal(self._state, self._state.get("dispute", dispute_id))
            return self._committed("dispute", dispute_id)

    def create_payout(self, currency: str = "usd", *, account: str | None = None) -> StripeObject:
        """Pay out the balance of a currency, like Stripe's daily payout, of a connected account or of the platform's own."""
        with self._state.lock, self._state.acting_for(account):
            return self._committed("payout", balance.create(self._state, currency)["id"])

    def finish_payout(self, payout_id: str, *, arrives: bool = True) -> StripeObject:
        with self._acting_on("payout", payout_id):
            balance.finish(self._state, self._state.get("payout", payout_id), arrives=arrives)
            return self._committed("payout", payout_id)

    # Connected accounts: what their owners and Stripe do. Each returns the account.

    def complete_onboarding(self, account_id: str) -> StripeObject:
        """Provide everything that Stripe asks for, so that the account may take payments. This also ends a restriction."""
        with self._state.lock:
            accounts.complete_onboarding(self._state, self._state.get("account", account_id))
            return self._committed("account", account_id)

    def restrict_account(
        self, account_id: str, reason: str = "requirements.past_due", due: Sequence[str] = ("individual.verification.document",)
    ) -> StripeObject:
        with self._state.lock:
            accounts.restrict(self._state, self._state.get("account", account_id), reason, due)
            return self._committed("account", account_id)

    def revoke_access(self, account_id: str) -> StripeObject:
        """Disconnect the account from the platform, as its owner can in the dashboard."""
        with self._state.lock:
            accounts.revoke(self._state, self._state.get("account", account_id))
            return self._committed("account", account_id)

    def refuse_calls(self, account_id: str, status: int | None = 403) -> StripeObject:
        """Refuse all calls for the account with this HTTP status, or, with None, answer them again."""
        with self._state.lock:
            account = self._state.get("account", account_id)
            self._state.put("account", {**account, "_refused_with": status})
            return self._committed("account", account_id)

    def set_up_tax(self, *, is_active: bool, account: str | None = None) -> None:
        """Turn Stripe Tax off for an account, as if the account had not set it up, or on again."""
        with self._state.lock, self._state.acting_for(account):
            tax.deactivate(self._state, is_active=is_active)
            self._state.commit()

    def add_price(self, price_id: str, *, unit_amount: int | None, currency: str, name: str, **fields: Any) -> StripeObject:
        """Create or replace a price and its product, like the dashboard. `fields` as in `prices.create_price`."""
        with self._state.lock:
            prices.create_price(self._state, price_id, unit_amount=unit_amount, currency=currency, name=name, **fields)
            return self._committed("price", price_id)

    def apply_elapsed_time(self) -> None:
        """Expire overdue sessions and apply the banks' outcomes that are due by the clock, like each API call."""
        with self._state.lock:
            apply_elapsed_time(self._state)
            self._state.commit()

    # Webhooks. `types` may have `*`: "payment_intent.*".

    def add_webhook_endpoint(
        self,
        target: str | Receiver,
        *,
        secret: str | None = None,
        types: Sequence[str] = ("*",),
        name: str = "",
        connect: bool = False,
    ) -> WebhookEndpoint:
        """Send webhooks to a URL or a function: those of connected accounts if `connect`, or those of the platform's own account.

        Pending deliveries in a journal find their endpoint by `name`, or else by its URL.
        """
        secret = secret or (CONNECT_WEBHOOK_SECRET if connect else WEBHOOK_SECRET)
        return self._webhooks.add_endpoint(target, secret, tuple(types), name, connect=connect)

    def stop_webhooks(self) -> None:
        """Stop sending webhooks automatically. Pending webhooks stay in the journal until the next start."""
        if self._webhook_worker is not None:
            self._webhook_worker.stop()

    def deliver(self, *, only: int | None = None) -> list[DeliveryAttempt]:
        """Send at most `only` webhooks that are due by the clock, and the webhooks of events that result from them."""
        self.apply_elapsed_time()
        return self._webhooks.deliver(only=only)

    @property
    def delivery_attempts(self) -> list[DeliveryAttempt]:
        return list(self._webhooks.attempts)

    @property
    def pending_deliveries(self) -> list[StripeObject]:
        return self._webhooks.pending()

    def drop_webhooks(self, types: str = "*", times: int = 1) -> None:
        """Never send the next `times` events of these types."""
        self._webhooks.rules.append(DeliveryRule(types, times, drop=True))

    def delay_webhooks(self, types: str = "*", *, seconds: int, times: int = 1) -> None:
        self._webhooks.rules.append(DeliveryRule(types, times, delay=seconds))

    def duplicate_webhooks(self, types: str = "*", *, copies: int = 2, times: int = 1) -> None:
        self._webhooks.rules.append(DeliveryRule(types, times, copies=copies))

    def set_delivery_order(self, order: DeliveryOrder, seed: int = 0) -> None:
        """From now on, send webhooks that are due at the same time in this order."""
        self._webhooks.order, self._webhooks.seed = order, seed

    def clear_webhook_rules(self) -> None:
        """Send webhooks normally from now on: cancel drop_webhooks, delay_webhooks and duplicate_webhooks."""
        self._webhooks.rules.clear()

    def resend_event(self, event_id: str, copies: int = 1) -> None:
        with self._acting_on("event", event_id):
            self._webhooks.resend(self._state.get("event", event_id), copies)
            self._state.commit()

    def events(self, types: str = "*", *, account: str | None = None) -> list[StripeObject]:
        """All events of these types, oldest first, of a connected account or of the platform's own."""
        with self._state.lock, self._state.acting_for(account):
            return [public_copy(event) for event in self._state.oldest_first("event") if fnmatchcase(event["type"], types)]

    def objects(self, kind: str, *, account: str | None = None) -> list[StripeObject]:
        """All objects of a kind ("charge", "dispute") of an account, oldest first, as they are at this time."""
        self.apply_elapsed_time()
        with self._state.lock, self._state.acting_for(account):
            return [public_copy(found) for found in self._state.oldest_first(kind)]

    def signed_delivery(
        self, event_id: str, endpoint: WebhookEndpoint | None = None, *, at: int | None = None
    ) -> tuple[bytes, dict[str, str]]:
        """Return the body and headers of a delivery, for tests that post it themselves; `at` is the time of the signature."""
        with self._acting_on("event", event_id):
            receiver = endpoint or WebhookEndpoint("we_unregistered", "", [self.webhook_secret])
            return self._webhooks.signed_request(receiver, self._state.get("event", event_id), at)

    def forged_delivery(self, event_id: str, how: Forgery) -> tuple[bytes, dict[str, str]]:
        """Return the body and headers of a delivery that a receiver must refuse."""
        now = self._state.now()
        body, headers = self.signed_delivery(event_id, at=now - 3600 if how == "stale" else now)
        if how == "wrong_secret":
            headers = webhook_headers(signature_header(body, ["whsec_somebody_else"], now))
        elif how == "no_signature":
            headers = webhook_headers(None)
        elif how == "garbled":
            headers = webhook_headers("t=soon,v1=x")
        elif how == "tampered":
            body = body.replace(b'"livemode": false', b'"livemode": true')
        return body, headers

    # Snapshots of the account, for tests that start many trials from the same state.

    def save_account(self) -> bytes:
        """Return the account's objects, pending webhooks and webhook rules, for `restore_account`."""
        with self._state.lock:
            return pickle.dumps((self._state.save(), self._webhooks.rules))

    def restore_account(self, saved: bytes) -> None:
        """Restore the result of this object's `save_account`. Cancels requested faults."""
        tables, rules = pickle.loads(saved)
        with self._state.lock:
            self._state.restore(tables)
            self._webhooks.rules[:] = rules
        self._faults.clear()

    # Errors in Stripe's own books, which no API call could cause and no event reports.

    def overwrite_object(self, kind: str, object_id: str, **fields: object) -> StripeObject:
        """Set fields of an object ("charge", "payment_intent"), or restore a removed one. Returns the object before the change."""
        with self._acting_on(kind, object_id):
            found = self._state.find(kind, object_id) or {}
            before = dict(found)
            self._state.put(kind, found | {"id": object_id} | fields)
            self._state.commit()
            return before

    def remove_object(self, kind: str, object_id: str) -> StripeObject:
        """Remove an object, as if Stripe had never had it. Returns the object."""
        with self._acting_on(kind, object_id):
            removed = self._state.get(kind, object_id)
            self._state.remove(kind, object_id)
            self._state.commit()
            return removed

    def forget_events(self) -> None:
        """Remove all events of all accounts, like Stripe after 30 days."""
        for account in self._state.accounts():
            for event in self.events(account=account):
                self.remove_object("event", event["id"])

    # Faults. `path` may have `*` in place of one segment: /v1/payment_intents/*/confirm.

    def fail_next_request(
        self, method: str, path: str, *, status: int, times: int = 1, execute: bool = False, should_retry: bool | None = None
    ) -> None:
        """Respond with 429 or 5xx. With `execute`, execute the request first and save its real response under its key."""
        self._faults.add("status", method, path, times, status=status, execute=execute, should_retry=should_retry)

    def limit_endpoints(self, rate: int | None) -> None:
        """Respond with 429 to more than `rate` requests to one endpoint in a second. With None, there is no limit."""
        self._handler.endpoint_rate = rate

    def lose_next_response(
        self, method: str, path: str, *, times: int = 1, execute: bool = True, how: Literal["close", "hang"] = "close"
    ) -> None:
        """Execute the request (unless `execute` is False) and never respond: close the connection, or let the client time out."""
        self._faults.add(how, method, path, times, execute=execute)

    def delay_next_request(self, method: str, path: str, *, seconds: float, times: int = 1) -> None:
        self._faults.add("slow", method, path, times, seconds=seconds)

    def hold_next_request(self, method: str, path: str) -> HeldRequest:
        """Hold the next such request, with its idempotency key in use, until `release` is called on the result."""
        held = HeldRequest()
        self._faults.add("hold", method, path, 1, held=held)
        return held

    @contextmanager
    def _acting_on(self, table: str, object_id: str) -> Iterator[None]:
        """Hold the lock and act for the account that has this object."""
        with self._state.lock, self._state.acting_for(self._state.owner(table, object_id)):
            yield

    def _pay(self, session_id: str, form: dict[str, str]) -> None:
        session = self._state.get("checkout.session", session_id)
        checkout_sessions.pay(self._state, session, confirmation_params(form), form["email"], self.url)

    def _committed(self, table: str, key: str) -> StripeObject:
        """Commit, and return a copy of the object."""
        self._state.commit()
        committed: StripeObject = public_copy(self._state.get(table, key))
        return committed
