"""A simulated day of a small operator, with faults: buyers, promoters, doors, schedules, streams, Stripe and its webhooks on one clock.

A day is a plan: actors and faults, made from a seed. The same plan runs the same way, call by call. `day_cases.py` makes a small case of a
day that fails.
"""

import hashlib
import logging
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import ExitStack, contextmanager, redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec

import app
from chalicelib.addons.documents import order_pages
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock, memory, outbound_http, settings
from chalicelib.ledger import service as ledger
from chalicelib.notifications import providers
from chalicelib.payments import provider_tasks
from chalicelib.payments.model import ProviderUnavailable
from chalicelib.payments.providers import stripe
from chalicelib.payments.providers.stripe_mapping import EVENT_TYPES
from chalicelib.purchases import store
from chalicelib.purchases.model import ACTIVE_STATES
from chalicelib.tickets import qr
from devtools.stripe.fake import FakeStripe
from infra.local.event_sources import create_poller
from infra.local.schedules import scheduled_event
from tests import builders, engines, invariants
from tests.client import Client, ClientReply
from tests.payment_pages import pay_with_element
from tests.proof.day_people import HOUR, SHARES, STAFF, People, Request
from tests.proof.people import Hosts, Provider
from tests.proof.scenes import SCHEDULES, open_app
from tests.simulation import faults
from tests.simulation.instance_memory import InstanceMemory
from tests.simulation.instances import Result, simulated_fleet
from tests.simulation.interception import Listener, StoreCall, intercept, process, unobserved
from tests.simulation.limits import Limits
from tests.simulation.randomness import repeatable_randomness
from tests.simulation.scheduler import current_actor
from tests.stripe_shop import post_webhook, received_and_kept, sdk_client, without_http

START = 1_780_272_000  # 2026-06-01T00:00:00Z
DROP_AT, CANCELLED_AT = 0.4, 0.8  # parts of the day after which the waiting room opens and an event is cancelled
INSTANCES = 8
STREAM_SECONDS = (5, 10, 60, 120)  # between two reads of the streams: the functions that read them are sometimes late
SWEPT_SECONDS = 120  # within which the sweep, which runs every minute, ends a purchase that has expired

BACKGROUND = ("webhooks", "streams", *SCHEDULES)
# Errors that a function without a caller may end with when a fault meets it. Lambda or EventBridge runs the function again.
FUNCTION_ERRORS = (*dynamo.STORE_ERRORS, ProviderUnavailable, outbound_http.SendFailed)

Effect = Callable[[StoreCall], Exception] | None  # None: the process crashes
BEFORE: dict[str, Effect] = {
    "crash before the call": None,
    "throttled": faults.throttled,
    "conflict": faults.conflict,
    "timeout of the call": faults.timeout,
}
AFTER: dict[str, Effect] = {
    "crash before the answer": None,
    "timeout of the answer": faults.timeout,
    "internal error after the call": faults.internal_error,
}
AT_PROVIDER = ("provider unavailable", "provider answer lost", "crash after the provider")


class PlannedFault(msgspec.Struct, frozen=True):
    """A fault at an actor's call number `call` to the store, or for kinds of AT_PROVIDER to a provider. Calls are counted from 1."""

    actor: str
    call: int
    kind: str


class Plan(msgspec.Struct, frozen=True):
    """A day of `hours`. Each of the actors makes its own choices from the seed, so they stay the same when other actors are removed."""

    seed: int
    hours: float
    recovery_hours: float  # in which schedules run, without people and faults
    buyers: int  # for whom the events have tickets
    actors: tuple[str, ...]
    faults: tuple[PlannedFault, ...]


class Report(msgspec.Struct, frozen=True):
    """The results of a day. `digest` covers all store calls and replies in order, and the final state of the store."""

    purchases: int
    replies: Counter[tuple[str, int, str]]
    faults: Counter[str]
    calls: int
    digest: str


def make_plan(
    seed: int,
    *,
    buyers: int = 2500,
    hours: float = 24,
    recovery_hours: float = 1.5,
    fault_rate: float = 0.15,
    background_faults: int = 200,
) -> Plan:
    """Plan a day. `fault_rate` is the share of the people who meet a fault. Each function in the background meets `background_faults`."""
    numbers = random.Random(f"plan {seed}")
    actors = [f"{event}-{number}" for event, (share, _) in SHARES.items() for number in range(round(buyers * share))]
    actors += [f"{kind}-{number}" for kind in STAFF for number in range(max(2, round(hours)))] + list(BACKGROUND)
    kinds = [*BEFORE, *AFTER, *AT_PROVIDER]
    planned = []
    for actor in actors:
        is_background = actor in BACKGROUND
        count = background_faults if is_background else int(numbers.random() < fault_rate) * numbers.choice((1, 1, 2))
        # About as many calls as the actor makes, so that faults come at any time of the day.
        calls, provider_calls = (8 * buyers, max(40, buyers // 6)) if is_background else (40, 4)
        for _ in range(count):
            kind = numbers.choice(kinds)
            planned.append(PlannedFault(actor, numbers.randint(1, provider_calls if kind in AT_PROVIDER else calls), kind))
    return Plan(seed, hours, recovery_hours, buyers, tuple(actors), tuple(dict.fromkeys(planned)))


class _Faults(Listener):
    """Injects the planned faults into the calls of the actors, and adds all calls to the trace."""

    rank = 50

    def __init__(self, plan: Plan, note: Callable[..., None]) -> None:
        self._note, self.is_active = note, True
        self._planned = {(fault.actor, fault.call, fault.kind in AT_PROVIDER): fault.kind for fault in plan.faults}
        self._counts: Counter[tuple[str, bool]] = Counter()
        self._kinds: dict[int, tuple[StoreCall, str]] = {}
        self.met: Counter[str] = Counter()

    def before(self, call: StoreCall) -> None:
        if call.attempts == 1 and current_actor() is not None and (kind := self._next_kind(call.process, False)):
            self._kinds[id(call)] = call, kind  # keeps the call, so that its id is not reused
        self._inject(call, BEFORE)

    def after(self, call: StoreCall) -> None:
        if current_actor() is None:
            return
        if call.error is None:
            self._inject(call, AFTER)
        self._note(call.process, call, call.outcome)

    def retry(self, call: StoreCall) -> bool | None:
        return False if call.error is not None and id(call) in self._kinds else None

    def call_provider(self, name: str, error: Exception, operation: Callable[[], Any], delay: float) -> Any:
        actor = current_actor()
        if actor is None:
            return operation()
        kind = self._next_kind(actor.name_of_process, True)  # type: ignore[attr-defined]
        actor.pause(name, actor.wake + delay)
        if kind == "provider unavailable":
            raise error
        answer = operation()
        self._note(actor.name_of_process, name, kind)  # type: ignore[attr-defined]
        if kind == "provider answer lost":
            raise error
        if kind:
            self._crash()
        return answer

    def _next_kind(self, actor: str, at_provider: bool) -> str:
        self._counts[actor, at_provider] += 1
        kind = self._planned.get((actor, self._counts[actor, at_provider], at_provider), "") if self.is_active else ""
        if kind:
            self.met[kind] += 1
        return kind

    def _inject(self, call: StoreCall, effects: dict[str, Effect]) -> None:
        _, kind = self._kinds.get(id(call), (None, ""))
        if kind in effects:
            effect = effects[kind]
            if effect is None:
                self._crash()
            else:
                raise effect(call)

    def _crash(self) -> None:
        actor = current_actor()
        assert actor is not None
        actor.is_crashed = True
        raise faults.Crash


class Day:
    """A run of a plan."""

    def __init__(self, plan: Plan, api: Client, fake: FakeStripe, timeline: Any, fleet: Any) -> None:
        self.plan, self.api, self.fake, self.timeline, self.fleet = plan, api, fake, timeline, fleet
        self.browser = sdk_client(fake, fake.publishable_key)
        self.end = plan.hours * HOUR
        self._closes_at = self.end + plan.recovery_hours * HOUR
        self.replies: Counter[tuple[str, int, str]] = Counter()
        self.calls = 0
        self._hash = hashlib.sha256()
        self.faults = _Faults(plan, self._note)
        self._people = People(api, self.end, DROP_AT * self.end, 5 * plan.buyers, self._pay, self._send)
        self._webhooks, self._streams = random.Random(f"webhooks {plan.seed}"), random.Random(f"streams {plan.seed}")
        self._is_polling = False
        self._poller = create_poller(app.app, engines.local_engine(), window_seconds=0, clock=lambda: timeline.now)
        fake.add_webhook_endpoint(self._queue_webhook, types=tuple(EVENT_TYPES))

    def prepare(self) -> None:
        for name, (share, supply) in SHARES.items():
            fields: dict[str, Any] = {"name": name}
            if name == "drop":
                waves = {"wave_size": max(10, self.plan.buyers // 40), "wave_seconds": 30, "pass_seconds": 300, "grace_seconds": 0}
                fields |= {"on_sale_at": clock.iso(int(START + self._people.drop_at)), "status": "scheduled", "waiting_room": waves}
            event_id = builders.create_event(self.api, **fields)
            capacity = max(2, int(self.plan.buyers * share * supply))
            limit = {"per_user_limit": 2} if name == "code" else {}
            tier_id = builders.create_tier(self.api, event_id, capacity=capacity, price_cents=0 if name == "free" else 5000, **limit)
            self._people.events[name] = event_id, tier_id
        builders.create_promo_code(self.api, self._people.events["code"][0], "SAVE", max_total_uses=max(2, self.plan.buyers // 12))
        self._poller.poll_once()  # the streams are read from here on

    def start(self) -> None:
        for actor in self.plan.actors:
            if actor in SCHEDULES:
                self._repeat(_interval(actor), lambda actor=actor: self._submit(actor, lambda: SCHEDULES[actor](scheduled_event(), None)))
            elif actor == "webhooks":
                self._repeat(30, self.fake.deliver)
            elif actor == "streams":
                self._read_streams()
            else:
                self.timeline.follow(self._people.person(actor, self.plan.seed), partial(self._send, actor), self.end)
        self.timeline.at(self.end * CANCELLED_AT, lambda: self._send("admin", ("cancel", self._cancel), lambda _: None))
        self.timeline.at(self.end, self._stop_faults)
        for part in range(1, 5):
            self.timeline.at(self.end * part / 5, self._check)

    def _check(self) -> None:
        with unobserved():
            invariants.check(int(START + self.timeline.now))

    def _stop_faults(self) -> None:
        self.faults.is_active = False

    def _cancel(self) -> ClientReply:
        return self.api.post(f"/events/{self._people.events['cancelled'][0]}/cancel", json={}, token=builders.admin_token())

    # The scheduler.

    def _pay(self, session: dict[str, Any], card: str) -> None:
        if "client_secret" in (session.get("payment") or {}):
            self._note("pays", session["id"], pay_with_element(self.browser, session, card))

    def _send(self, actor: str, request: Request, receive: Callable[[ClientReply | None], None]) -> None:
        name, call = request

        def note(result: Result) -> None:
            reply = result.value
            if isinstance(reply, ClientReply):
                error = reply.json["error"] if reply.status >= 400 else ""
                self.replies[name, reply.status, error] += 1
                self._note(actor, name, reply.status, reply.body)
                assert reply.status != 500, f"{name}: {reply.json}"
            else:
                reply = None
            receive(reply)

        self._submit(actor, call, note)

    def _submit(self, actor: str, call: Callable[[], Any], receive: Callable[[Result], None] = lambda _: None) -> None:
        def work() -> Any:
            server: Any = current_actor()
            server.name_of_process = actor
            try:
                with process(actor):
                    return call()
            except FUNCTION_ERRORS:  # of a function that nobody called
                return None
            except faults.Crash:
                server.is_crashed, server.instance.memory = False, InstanceMemory()
                self.replies[actor.partition("-")[0], 0, "crash"] += 1
                return None
            finally:
                server.is_crashed = False

        self.fleet.submit(work, receive)

    def _repeat(self, seconds: float, act: Callable[[], Any]) -> None:
        def again() -> None:
            act()
            if self.timeline.now + seconds < self._closes_at:
                self.timeline.at(self.timeline.now + seconds, again)

        if seconds < self._closes_at:
            self.timeline.at(self.timeline.now + seconds, again)

    def _read_streams(self) -> None:
        self._poll()
        next_at = self.timeline.now + (self._streams.choice(STREAM_SECONDS) if self.timeline.now < self.end else min(STREAM_SECONDS))
        if next_at < self._closes_at:
            self.timeline.at(next_at, self._read_streams)

    def _poll(self) -> None:
        if not self._is_polling:
            self._is_polling = True
            self._submit("streams", self._poller.poll_once, self._end_poll)

    def _end_poll(self, result: Result) -> None:
        self._is_polling = False
        if result.value:
            self.timeline.at(self.timeline.now + 1, self._poll)

    def _queue_webhook(self, body: bytes, headers: Any) -> int:
        """Take a webhook from the fake Stripe, and deliver it late, twice, and out of order."""
        event_id = msgspec.json.decode(body)["id"]
        for _ in range(self._webhooks.choice((1, 1, 1, 2))):
            delay = self._webhooks.choice((0.1, 1.0, 5.0, 60.0, 400.0)) * self._webhooks.random()
            self.timeline.at(self.timeline.now + delay, lambda: self._post_webhook(event_id, 1))
        return 200

    def _post_webhook(self, event_id: str, attempt: int) -> None:
        def receive(reply: ClientReply | None) -> None:
            if reply is None or reply.status != 200:
                self.timeline.at(self.timeline.now + 60 * 2**attempt, lambda: self._post_webhook(event_id, attempt + 1))

        def post() -> ClientReply:
            return post_webhook(self.api, *self.fake.signed_delivery(event_id))

        self._send("webhooks", ("webhook", post), receive)

    def _note(self, *what: Any) -> None:
        self.calls += 1
        for each in what:
            self._hash.update(each if isinstance(each, bytes) else str(each).encode())
            self._hash.update(b"\n")

    # The end.

    def finish(self) -> Report:
        with unobserved():
            invariants.check(int(START + self.timeline.now), recovered=True)
            purchases = list(store.scan_purchases())
            latest = START + self.timeline.now - SWEPT_SECONDS  # an offer to the waitlist may still be open: it lasts a day
            lapsed = [purchase.id for purchase in purchases if purchase.state in ACTIVE_STATES and purchase.expires_at <= latest]
            assert not lapsed, f"purchases that did not end: {len(lapsed)}"
            due = [refund.id for purchase in purchases for refund in purchase.refunds if refund.status == "due"]
            assert not due, f"refunds that are still due: {len(due)}"
            _, kept = received_and_kept(self.fake)
            events = {purchase.event_id for purchase in purchases}
            entries = [entry for event_id in sorted(events) for entry in ledger.list_event_entries(event_id)]
            balance = sum(entry.amount_cents for entry in entries if entry.provider == "stripe")
            assert kept == balance, f"Stripe kept {kept} and the ledger says {balance}"
            for table in sorted(engines.local_engine().tables.values(), key=lambda table: table.name):
                for item in sorted(table.items.values()):
                    self._hash.update(item)
        orders = sum(purchase.was_order for purchase in purchases)
        return Report(orders, self.replies, self.faults.met, self.calls, self._hash.hexdigest())


def _interval(schedule: str) -> float:
    rate = next(source.schedule_expression for source in app.app.event_sources if source.name == schedule)
    return float(rate.value) * 60


@contextmanager
def _without_pictures() -> Iterator[None]:
    """Draw no PDFs and no codes for emails. That takes half of an email's time, and makes no call that a fault could meet."""
    with (
        mock.patch.object(order_pages, "render_tickets", return_value=b"%PDF-"),
        mock.patch.multiple(qr, modules=lambda _: [], png=lambda _: b"\x89PNG"),
    ):
        yield


class _OneAfterAnother(Executor):
    """Runs a task as soon as it is submitted, in the thread of the caller, whose turns and virtual time the scheduler knows."""

    def __init__(self, _: int) -> None:
        pass

    def submit(self, task: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(task(*arguments, **options))
        except Exception as error:
            future.set_exception(error)
        return future


def run_day(plan: Plan) -> Report:
    """Run a day in an empty store of its own. Raises AssertionError if an invariant, a reply or the end is wrong."""
    with ExitStack() as stack:
        start_numbers = stack.enter_context(repeatable_randomness(plan.seed))
        stack.enter_context(clock.override(lambda: float(START)))
        api = stack.enter_context(open_app())
        stack.enter_context(settings.override(stage="day"))  # always the same, because tokens name it
        engines.create_tables()
        memory.forget_everything()
        start_numbers("day")
        stack.callback(logging.disable, logging.root.manager.disable)
        logging.disable(logging.CRITICAL)
        stack.enter_context(redirect_stdout(stack.enter_context(Path(os.devnull).open("w"))))  # the metrics
        timeline, fleet, _ = stack.enter_context(simulated_fleet(INSTANCES, start=START, seed=plan.seed, limits=Limits(counts_units=False)))
        fake = stack.enter_context(FakeStripe(clock=lambda: START + timeline.now, seed=plan.seed))
        stack.enter_context(without_http(fake))
        secrets = {"stripe_api_key": fake.api_key, "stripe_api_base": fake.url, "stripe_webhook_secrets": fake.webhook_secret}
        stack.enter_context(settings.override(**secrets, checkout_origins="https://shop.test", doors_open_seconds=31 * 86_400))
        stack.enter_context(settings.override(mail_from="Shop <tickets@shop.test>", shop_url="https://shop.test"))
        stack.enter_context(mock.patch.object(provider_tasks, "ThreadPoolExecutor", _OneAfterAnother))
        stack.enter_context(mock.patch.object(provider_tasks, "tasks_at_once", return_value=1))
        stack.enter_context(_without_pictures())
        provider, hosts = Provider(), Hosts()
        stack.enter_context(mock.patch.object(providers, "find_provider", return_value=provider))
        stack.enter_context(mock.patch.multiple(outbound_http, post=hosts.post, resolve=lambda _: ["93.184.215.14"]))
        day = Day(plan, api, fake, timeline, fleet)
        call, delays = stripe.call, random.Random(f"stripe {plan.seed}")
        stack.enter_context(
            mock.patch.object(
                stripe,
                "call",
                lambda *arguments: day.faults.call_provider(
                    "stripe", ProviderUnavailable(), lambda: call(*arguments), delays.uniform(0.1, 0.8)
                ),
            )
        )
        day.prepare()
        day.start()
        with intercept(day.faults):
            timeline.run()
        return day.finish()
