"""Faults of calls to services outside: the payment provider, the mail provider, and the hosts that receive promoters' webhooks.

Calls are counted from 1 over all services. The blocks swallow the Crash that they cause.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from itertools import count
from typing import Any
from unittest import mock

from chalicelib.foundation import outbound_http
from chalicelib.notifications.providers import MailFailed
from chalicelib.payments.model import ProviderUnavailable
from chalicelib.payments.providers import stripe
from tests.notifications.fake_provider import FakeProvider
from tests.simulation import faults
from tests.simulation.interception import Listener, StoreCall, intercept

# The function that makes all calls to a service, and the error that it raises if the service does not respond.
_SERVICES: list[tuple[Any, str, Callable[[], Exception]]] = [
    (stripe, "call", ProviderUnavailable),
    (FakeProvider, "send", lambda: MailFailed("timeout")),
    (outbound_http, "post", lambda: outbound_http.SendFailed("timeout")),
]
_Effect = Callable[[int, Callable[[], Exception]], None]  # of the call's number and the service's error


@contextmanager
def record_provider_calls() -> Iterator[list[Any]]:
    """Record the names of the functions that the block calls and that return."""
    with _provider_calls() as calls:
        yield calls


@contextmanager
def crash_before_provider_call(number: int) -> Iterator[list[Any]]:
    """Crash the process before call `number`."""
    process = _Process(number)
    with process.running(), _provider_calls(before=process.crash) as calls:
        yield calls


@contextmanager
def crash_after_provider_call(number: int) -> Iterator[list[Any]]:
    """Crash the process after the service has processed call `number`; no answer from then on is used."""
    process = _Process(number)
    with process.running(), _provider_calls(after=process.crash) as calls:
        yield calls


@contextmanager
def fail_provider_call(number: int) -> Iterator[list[Any]]:
    """Let call `number` fail without an effect."""
    with _provider_calls(before=partial(_raise_at, number)) as calls:
        yield calls


@contextmanager
def lose_provider_answer(number: int) -> Iterator[list[Any]]:
    """Let call `number` take effect while its caller gets an error."""
    with _provider_calls(after=partial(_raise_at, number)) as calls:
        yield calls


class _Process(Listener):
    """The process that crashes at a call. From then on, no store call reaches the store."""

    rank = 50

    def __init__(self, number: int) -> None:
        self._number, self._is_crashed = number, False

    @contextmanager
    def running(self) -> Iterator[None]:
        with suppress(faults.Crash), intercept(self):
            yield

    def crash(self, number: int, _: Callable[[], Exception]) -> None:
        if number >= self._number:
            self._is_crashed = True
            raise faults.Crash

    def before(self, call: StoreCall) -> None:
        if self._is_crashed:
            raise faults.Crash


def _raise_at(chosen: int, number: int, error: Callable[[], Exception]) -> None:
    if number == chosen:
        raise error()


def _nothing(*_: Any) -> None:
    """Have no effect."""


@contextmanager
def _provider_calls(before: _Effect = _nothing, after: _Effect = _nothing) -> Iterator[list[str]]:
    calls: list[str] = []
    numbers = count(1)

    def intercepted(original: Callable[..., Any], name: str, error: Callable[[], Exception]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            number = next(numbers)
            before(number, error)
            answer = original(*arguments, **options)
            calls.append(name)
            after(number, error)
            return answer

        return call

    with ExitStack() as stack:
        for owner, name, error in _SERVICES:
            stack.enter_context(mock.patch.object(owner, name, intercepted(getattr(owner, name), name, error)))
        yield calls
