"""`python -m bench.cancellation`: how long 100,000 refunds and the ends of 30,000 expired reservations take.

The first orders are really bought, cancelled and refunded, by one run of the sweep after another: with the calls that Stripe accepts to one
endpoint by default, and with as many as Stripe accepts in total, which Stripe grants on request. On a virtual clock, calls to the store
and to the provider take the latency of AWS and Stripe, and transactions also take processor time. The provider refuses calls above its
limits. The minutes for all orders are computed from the minutes for the first orders, of which each takes the same share.

The reservations all expire in the same minute. The minutes for all of them are computed: the runs that were played, plus one run a minute
for the others, each with as many ends as the slowest full run. Takes seven minutes of processor time.
"""

import math
import sys
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any, TypeVar
from unittest import mock

from msgspec import Struct

from bench.app_in_process import app_in_process
from bench.measure import Bound, print_bounds
from chalicelib.foundation import clock, deadline, parallel, settings
from chalicelib.payments import provider_tasks
from chalicelib.payments.model import CheckoutPage, Payment, PaymentMetadata, ProviderPayment, ProviderRefund, TooManyCalls
from chalicelib.payments.providers import protocol, stripe
from chalicelib.purchases import event_cancellation, sweep
from tests import builders
from tests.client import Client
from tests.simulation import capacity
from tests.simulation.interception import Listener, StoreCall, intercept
from tests.simulation.limits import Limits

ORDERS = 100_000  # orders of the cancelled event
EXPIRED = 30_000  # reservations of an event that expire together
PLAYED_RESERVATIONS = 10_000  # the part that is really ended
# The part that is really refunded, by the calls a second that the provider accepts to one endpoint, and the bound in minutes.
PLAYED_ORDERS = ((25, 10_000, 180), (100, 25_000, 60))
START = 1_780_315_200
PRICE_CENTS = 5000  # of an order
PROVIDER_SECONDS = 0.35  # for one call
REFUSAL_SECONDS = 0.08  # for a call that is one too many
STORE_SECONDS = {"TransactWriteItems": 0.010}
OTHER_STORE_SECONDS = 0.005
# For each transaction. An order has two, which together take as much as a purchase on a function with 1,024 MB (docs/performance.md).
PROCESSOR_SECONDS = 0.003
COUNTED_RUNS = 2  # runs of the sweep
LIMITS = Limits()

T = TypeVar("T")
R = TypeVar("R")


class KeyUnits:
    """Counts the capacity units of each partition key in each second, while `is_counting`, because each count reads the written items."""

    def __init__(self) -> None:
        self.is_counting = False
        self._units: defaultdict[tuple[int, tuple[str, str], int], float] = defaultdict(
            float
        )  # (0 for reads or 1 for writes, table and key, second) -> units
        self._before: dict[int, capacity.Items] = {}

    def begin(self, call: StoreCall) -> None:
        if self.is_counting:
            self._before[id(call)] = capacity.read_items(call.accesses) if capacity.is_write(call.operation) else {}

    def end(self, call: StoreCall, second: int) -> None:
        before = self._before.pop(id(call), None)
        if before is None or call.answer is None:
            return
        after = capacity.read_items(call.accesses) if capacity.is_write(call.operation) else {}
        for key, units in capacity.consumed_units(call, before, after).items():
            for kind, amount in enumerate(units):
                self._units[kind, key, second] += amount
        for key, amount in capacity.index_units_by_key(call, before, after).items():
            self._units[1, key, second] += amount

    def bounds(self, name: str) -> Iterator[Bound]:
        """Compare the busiest second of a key with DynamoDB's limits, above which it would throttle calls."""
        for kind, (unit, limit) in enumerate((("read", LIMITS.read_units), ("write", LIMITS.write_units))):
            busiest = max((units for (of, _, _), units in self._units.items() if of == kind), default=0)
            yield Bound(f"{name}: most {unit} units of a key in a second", busiest, f"{unit} units", limit)


class VirtualTime(Listener):
    """The latency of all calls so far, plus their processor time.

    Parallel work is done part by part, each from the same moment, and waits as long as its longest part. It shares one processor.
    """

    rank = 20

    def __init__(self) -> None:
        self.waited = float(START)
        self.key_units = KeyUnits()
        self._computed = 0.0
        self._ends: dict[Future[Any], float] = {}

    def now(self) -> float:
        return self.waited + self._computed

    def wait_until(self, moment: float) -> None:
        self.waited += max(0.0, moment - self.now())

    def before(self, call: StoreCall) -> None:
        self.waited += STORE_SECONDS.get(call.operation, OTHER_STORE_SECONDS)
        if call.operation == "TransactWriteItems":
            self._computed += PROCESSOR_SECONDS
        self.key_units.begin(call)

    def after(self, call: StoreCall) -> None:
        self.key_units.end(call, int(self.now()))

    @contextmanager
    def simulated(self) -> Iterator[None]:
        """Let calls to the store take time, and do the work of threads in this thread."""
        with ExitStack() as stack:
            stack.enter_context(intercept(self))
            stack.enter_context(mock.patch.object(deadline, "time", SimpleNamespace(sleep=self._sleep)))
            stack.enter_context(mock.patch.object(parallel, "call_each", self._call_each))
            stack.enter_context(mock.patch.object(provider_tasks, "ThreadPoolExecutor", self._pool))
            stack.enter_context(mock.patch.object(provider_tasks, "wait", self._wait))
            yield

    def _sleep(self, seconds: float) -> None:
        self.waited += seconds

    def _call_each(self, act: Callable[[T], R], items: Sequence[T]) -> list[R]:
        threads, begun, ends, results = min(parallel.MAX_THREADS, len(items)), self.waited, [self.waited], dict[int, R]()
        for first in range(threads):
            self.waited = begun
            results |= {number: act(items[number]) for number in range(first, len(items), threads)}
            ends.append(self.waited)
        self.waited = max(ends)
        return [results[number] for number in range(len(items))]

    @contextmanager
    def _pool(self, _threads: int) -> Iterator[SimpleNamespace]:
        yield SimpleNamespace(submit=self._submit)

    def _submit(self, work: Callable[..., T], *arguments: Any) -> Future[T]:
        begun, future = self.waited, Future[T]()
        try:
            future.set_result(work(*arguments))
        except Exception as error:
            future.set_exception(error)
        self._ends[future] = self.now()
        self.waited = begun
        return future

    def _wait(self, futures: Collection[Future[Any]], return_when: str) -> SimpleNamespace:  # noqa: ARG002
        self.wait_until(min(self._ends[future] for future in futures))
        done = {future for future in futures if self._ends[future] <= self.now()}
        for future in done:
            del self._ends[future]
        return SimpleNamespace(done=done)


class Endpoint:
    """An endpoint of the provider, which accepts `rate` calls a second on average, and as many at once (a token bucket)."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._left, self._at = float(rate), 0.0

    def accepts(self, now: float) -> bool:
        """Count a call at `now`, unless it is one too many. Parallel calls may come a little out of order."""
        if now > self._at:
            self._left, self._at = min(self._rate, self._left + (now - self._at) * self._rate), now
        is_accepted = self._left >= 1
        self._left -= is_accepted
        return is_accepted


class RefundProvider:
    """Stripe without a network: every payment succeeds, and each call of a job takes PROVIDER_SECONDS.

    Each endpoint accepts `endpoint_rate` calls a second of jobs, by default as many as the settings say. `refused` counts the others.
    """

    def __init__(self, virtual: VirtualTime, endpoint_rate: int | None = None) -> None:
        self._virtual = virtual
        rate = settings.current().stripe_endpoint_rate if endpoint_rate is None else endpoint_rate
        self._endpoints = defaultdict[str, Endpoint](lambda: Endpoint(rate))
        self.refunded = self.refused = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(stripe, name)

    def is_offered(self) -> bool:
        return True

    def open_payment(self, payment: Payment, metadata: PaymentMetadata, page: CheckoutPage | None) -> ProviderPayment:  # noqa: ARG002
        return provider_payment(f"pi_{metadata.purchase_id}", payment.amount_cents, 0)

    def fetch_payment_by_id(self, provider_id: str, account: str | None) -> ProviderPayment:  # noqa: ARG002
        return provider_payment(provider_id, PRICE_CENTS, PRICE_CENTS)

    def call(self, endpoint: str) -> None:
        """Let a call of a job to this endpoint take time. Raises TooManyCalls."""
        if not self._endpoints[endpoint].accepts(self._virtual.now()):
            self.refused += 1
            self._virtual.waited += REFUSAL_SECONDS
            raise TooManyCalls()
        self._virtual.waited += PROVIDER_SECONDS

    def list_refunds_of_payment(self, payment_intent_id: str, account: str | None) -> list[ProviderRefund]:  # noqa: ARG002
        """The first attempt at a refund lists nothing, and no attempt that fails creates one."""
        self.call("list_refunds")
        return []

    def create_refund(
        self,
        purchase_id: str,
        refund_id: str,
        attempt: int,
        payment_intent_id: str,
        amount: int,
        currency: str,
        account: str | None,  # noqa: ARG002
        *,
        returns_fee: bool,  # noqa: ARG002
    ) -> ProviderRefund:
        self.call("create_refund")
        self.refunded += 1
        return ProviderRefund(
            provider="stripe",
            id=f"re_{purchase_id}",
            status="succeeded",
            amount_cents=amount,
            currency=currency,
            payment_intent_id=payment_intent_id,
            refund_id=refund_id,
            attempt=attempt,
        )


def provider_payment(provider_id: str, amount: int, received: int) -> ProviderPayment:
    return ProviderPayment(
        provider="stripe",
        id=provider_id,
        status="succeeded" if received else "requires_payment_method",
        amount=amount,
        amount_received=received,
        amount_refunded=0,
        currency="USD",
        created=START,
        payment_intent_id=provider_id,
        namespace=settings.current().provider_namespace,
        purchase_id=provider_id.removeprefix("pi_"),
        client_secret="secret",
    )


class Refunds(Struct):
    """The refunds that each run of the sweep made, the minutes from the first run to the end, and the number of refused calls."""

    runs: list[int]
    minutes: float
    refused: int


def refund_orders(orders: int, endpoint_rate: int | None = None) -> tuple[Refunds, KeyUnits]:
    """Sell orders, cancel their event, and run the sweep each minute until all are refunded.

    The provider accepts `endpoint_rate` calls a second to one endpoint, by default as many as the settings say. The units of keys are
    counted in the first COUNTED_RUNS runs, because later runs are like them.
    """
    virtual, runs = VirtualTime(), list[int]()
    provider: Any = RefundProvider(virtual, endpoint_rate)
    with app_in_process() as api, clock.override(virtual.now), mock.patch.dict(protocol.EXTERNAL, {"stripe": provider}):
        event_id, tier_id = builders.create_shop(api, capacity=orders, price_cents=PRICE_CENTS)
        for number in range(orders):
            _buy(api, event_id, tier_id, f"buyer-{number}")
        assert api.post(f"/events/{event_id}/cancel", token=builders.admin_token()).status == 200
        first = virtual.now() + event_cancellation.HEARD_SECONDS
        with virtual.simulated():
            while provider.refunded < orders:
                virtual.key_units.is_counting = len(runs) < COUNTED_RUNS
                virtual.wait_until(first + 60 * len(runs))
                began, before = virtual.now(), provider.refunded
                sweep.run_sweep(clock.now())
                assert virtual.now() < began + 60, "a run takes longer than the minute until the next one"
                runs.append(provider.refunded - before)
                assert runs[-1], "no refund in this run"
        cancelled = event_cancellation.find_cancellation(event_id)
        assert cancelled is not None
        assert cancelled.orders == orders
    return Refunds(runs, (virtual.now() - first) / 60, provider.refused), virtual.key_units


def end_reservations(reservations: int) -> tuple[list[int], KeyUnits]:
    """Reserve tickets, and run the sweep each minute until all are on sale again. Returns the reservations that each run ended."""
    virtual, runs = VirtualTime(), list[int]()
    with app_in_process() as api, clock.override(virtual.now):
        event_id, tier_id = builders.create_shop(api, capacity=reservations)
        for number in range(reservations):
            assert builders.reserve(api, f"buyer-{number}", event_id, tier_id).status == 201
        first = virtual.now() + settings.current().hold_seconds + 1
        with virtual.simulated():
            while sum(runs) < reservations:
                virtual.key_units.is_counting = len(runs) < COUNTED_RUNS
                virtual.wait_until(first + 60 * len(runs))
                runs.append(sweep.run_sweep(clock.now())["expired"])
                assert runs[-1], "no reservation ended in this run"
    return runs, virtual.key_units


def total_minutes(total: int, runs: Sequence[int]) -> int:
    """Return the minutes for all, computed from the runs for the first of them."""
    return len(runs) + math.ceil((total - sum(runs)) / min(runs[:-1] or runs))


def _buy(api: Client, event_id: str, tier_id: str, user: str) -> None:
    reserved = builders.reserve(api, user, event_id, tier_id).json["id"]
    opened = builders.start_checkout(api, user, reserved, key=reserved, page="own")
    assert opened.status == 201, opened.json
    assert builders.confirm(api, user, reserved, simulate=None).status == 201


def take_bounds(played: Iterable[tuple[int, int, int]] = PLAYED_ORDERS, reservations: int = PLAYED_RESERVATIONS) -> Iterator[Bound]:
    for rate, orders, bound in played:
        with settings.override(stripe_endpoint_rate=rate):
            refunds, units = refund_orders(orders)
        name = f"{orders:,} orders at {rate} calls a second"
        print(f"{name}; refunds made by each run of the sweep: {', '.join(f'{made:,}' for made in refunds.runs)}", flush=True)
        minutes = math.ceil(refunds.minutes * ORDERS / orders)
        yield Bound(f"minutes to refund {ORDERS:,} orders, computed from {name}", minutes, "min", bound)
        yield Bound(f"refused calls for {name}", refunds.refused, "calls", orders // 100)
        yield from units.bounds(f"refunds of {name}")
    runs, units = end_reservations(reservations)
    print(f"{reservations:,} reservations; ended by each run of the sweep: {', '.join(f'{ended:,}' for ended in runs)}")
    yield Bound(f"minutes to end {EXPIRED:,} reservations, computed from {reservations:,} of them", total_minutes(EXPIRED, runs), "min", 10)
    yield from units.bounds(f"ends of {reservations:,} reservations")


if __name__ == "__main__":
    sys.exit(print_bounds(take_bounds()))
