"""The kinds of fault: of one call of a flow (to the store, to a service outside, or to the app as a delivery), or of the whole step."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Literal
from unittest import mock

import requests
from msgspec import Struct

from chalicelib.foundation import clock, memory
from chalicelib.payments.providers.stripe_http import READ_SECONDS
from tests.client import Client
from tests.proof import deliveries
from tests.simulation import faults, provider_faults
from tests.simulation.instance_memory import InstanceMemory, separate_memories
from tests.simulation.interception import Listener, StoreCall, intercept

Target = Literal["store", "write", "service", "delivery", "step", "step with services"]
HOUR = 3600
LAMBDA_SECONDS = json.loads(Path(".chalice/config.json").read_text(encoding="utf-8"))["lambda_timeout"]
# How slow each call to the store is, in seconds, and whether all its answers are lost. How slow Stripe and the store are.
STORE_PACES = [(4, False), (2, True)]
STRIPE_PACES = [(5, 2), (READ_SECONDS + 1, 0)]
# A read changes nothing, so that a fault after it is a fault before it, and it conflicts with nothing.
OF_WRITES = ("crash before the answer", "conflict", "timeout of the answer", "internal error after the call", "repeated by the SDK")


class Kind(Struct, frozen=True):
    """`inject(number, time, step)` is a context manager that affects call `number` (from 1) to the target. `step` makes the flow's step.

    Faults of writes count all calls to the store, and affect those that write. A fault of a whole step has `ways` instead of calls.
    """

    target: Target
    inject: Callable[[int, Any, Callable[[], Any]], AbstractContextManager[Any]]
    keeps_outcome: bool = True  # False: time limits may pass, such as a hold's, so the flow may end in another way
    repeats: bool = False  # True: the fault makes the step once more, so it is for flows whose step can be repeated
    ways: int = 1


def _plain(target: Target, inject: Callable[[int], AbstractContextManager[Any]]) -> Kind:
    return Kind(target, lambda number, time, step: inject(number))


def _jump(seconds: int) -> Callable[[int, Any, Any], AbstractContextManager[Any]]:
    @contextmanager
    def jump(number: int, time: Any, step: Any) -> Iterator[faults.Fault]:
        """Move the time of day before a call. The clock that measures durations does not jump."""
        fault = faults.Fault(number, "", "", before=lambda _: time.advance(seconds))

        def monotonic() -> float:
            return float(time.now - seconds * fault.was_triggered)

        with mock.patch.object(clock, "_monotonic_source", monotonic), intercept(fault):
            yield fault

    return jump


@contextmanager
def _overtake(number: int, time: Any, step: Callable[[], Any]) -> Iterator[faults.Fault]:
    """Let another instance make the whole step before a call of this one, which then finds conditions refused and work already done."""
    steps: list[Future[None]] = []

    def make_step() -> None:
        with InstanceMemory().active():
            step()

    def overtake(_: Any) -> None:
        with ThreadPoolExecutor(1) as other:  # another thread, because a thread's context belongs to one request
            steps.append(other.submit(make_step))

    this = InstanceMemory()
    this.entries = {each: each.entries for each in memory.list_memories()}
    with separate_memories(), this.active(), intercept(fault := faults.Fault(number, "", "", before=overtake)):
        yield fault
    for made in steps:
        made.result()


class SlowStore(Listener):
    """A store that takes some seconds for each call, and whose answers may be lost."""

    rank = 50

    def __init__(self, time: Any, seconds: int, *, is_lost: bool = False) -> None:
        self._time, self._seconds, self._is_lost = time, seconds, is_lost

    def after(self, call: StoreCall) -> None:
        self._time.advance(self._seconds)
        if self._is_lost:
            raise faults.timeout(call)


@contextmanager
def ending_in_time(time: Any) -> Iterator[None]:
    """Require that each request of the block is answered before Lambda ends it."""
    send = Client.request

    def request(client: Client, *arguments: Any, **options: Any) -> Any:
        began = time.now
        reply = send(client, *arguments, **options)
        assert time.now - began < LAMBDA_SECONDS, f"a request took {time.now - began} seconds"
        return reply

    with mock.patch.object(Client, "request", request):
        yield


@contextmanager
def _slow_store(number: int, time: Any, step: Any) -> Iterator[None]:
    seconds, is_lost = STORE_PACES[number - 1]
    with intercept(SlowStore(time, seconds, is_lost=is_lost)), ending_in_time(time):
        yield


@contextmanager
def _slow_stripe(number: int, time: Any, step: Any) -> Iterator[None]:
    """Stripe takes some seconds for each answer; an answer that comes after the caller's timeout is lost."""
    seconds, store_seconds = STRIPE_PACES[number - 1]
    send = requests.Session.request

    def request(session: Any, *arguments: Any, **options: Any) -> Any:
        response, waits = send(session, *arguments, **options), options["timeout"][1]
        time.advance(int(min(seconds, waits)))
        if seconds > waits:
            raise requests.ReadTimeout
        return response

    with mock.patch.object(requests.Session, "request", request), intercept(SlowStore(time, store_seconds)), ending_in_time(time):
        yield


KINDS = {name: _plain("write" if name in OF_WRITES else "store", inject) for name, inject in faults.KINDS.items()}
KINDS |= {
    "the clock jumps an hour forward": Kind("store", _jump(HOUR), keeps_outcome=False),
    "the clock is set back five seconds": Kind("store", _jump(-5)),
    "overtaken by the same step": Kind("store", _overtake, repeats=True),
    "crash before the call of a service": _plain("service", provider_faults.crash_before_provider_call),
    "crash before a service's answer": _plain("service", provider_faults.crash_after_provider_call),
    "a service is unreachable": _plain("service", provider_faults.fail_provider_call),
    "a service's answer is lost": _plain("service", provider_faults.lose_provider_answer),
    "delivered twice": _plain("delivery", deliveries.deliver_twice),
    "delivered out of order": _plain("delivery", deliveries.deliver_out_of_order),
    "a slow store": Kind("step", _slow_store, keeps_outcome=False, ways=len(STORE_PACES)),
    "a slow Stripe": Kind("step with services", _slow_stripe, keeps_outcome=False, ways=len(STRIPE_PACES)),
}
