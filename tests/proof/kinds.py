"""The kinds of fault. Each affects one call of a flow: to the store, to a service outside, or to the app as a delivery."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Literal
from unittest import mock

from msgspec import Struct

from chalicelib.foundation import clock, memory
from tests.proof import deliveries
from tests.simulation import faults, provider_faults
from tests.simulation.instance_memory import InstanceMemory, separate_memories
from tests.simulation.interception import intercept

Target = Literal["store", "service", "delivery"]
HOUR = 3600


class Kind(Struct, frozen=True):
    """`inject(number, time, step)` is a context manager that affects call `number` (from 1) to the target. `step` makes the flow's step."""

    target: Target
    inject: Callable[[int, Any, Callable[[], Any]], AbstractContextManager[Any]]
    keeps_outcome: bool = True  # False: time limits may pass, such as a hold's, so the flow may end in another way
    repeats: bool = False  # True: the fault makes the step once more, so it is for flows whose step can be repeated


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


KINDS = {name: _plain("store", inject) for name, inject in faults.KINDS.items()}
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
}
