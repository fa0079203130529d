"""Crashes after calls to the payment provider, and the list of all points at which a flow can crash."""

from collections.abc import Callable, Iterator, Sized
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any, Literal, NamedTuple
from unittest import mock

from chalicelib.payments.providers import stripe
from tests.simulation import faults


class CrashPoint(NamedTuple):
    """A crash after call `number` (from 1) to the store or to the provider."""

    target: Literal["store", "provider"]
    number: int


@contextmanager
def record_provider_calls() -> Iterator[list[Any]]:
    """Record the calls that the block makes to the provider."""
    with _provider_calls(lambda calls: None) as calls:
        yield calls


@contextmanager
def crash_after_provider_call(number: int) -> Iterator[list[Any]]:
    """Crash the process after the provider has processed call `number`; no answer from then on is used. The block swallows the Crash."""

    def crash(calls: list[Any]) -> None:
        if len(calls) >= number:
            raise faults.Crash

    with _provider_calls(crash) as calls, suppress(faults.Crash):
        yield calls


def crash_points(store_calls: Sized, provider_calls: Sized) -> list[CrashPoint]:
    """Return every point at which a flow that makes these calls can crash."""
    numbers = {"store": len(store_calls), "provider": len(provider_calls)}
    return [CrashPoint(target, number) for target, count in numbers.items() for number in range(1, count + 1)]  # type: ignore[arg-type]


def crash_at(point: CrashPoint) -> AbstractContextManager[Any]:
    return faults.crash_after(point.number) if point.target == "store" else crash_after_provider_call(point.number)


@contextmanager
def _provider_calls(after: Callable[[list[Any]], None]) -> Iterator[list[Any]]:
    """Record the calls to the provider, and run `after` with all recorded calls after each answer."""
    calls: list[Any] = []
    original = stripe.call

    def call(request: Callable[..., Any]) -> Any:
        answer = original(request)
        calls.append(request)
        after(calls)
        return answer

    with mock.patch.object(stripe, "call", call):
        yield calls
