"""Break the store's calls where botocore makes them: any call, before or after it takes effect, in every way that DynamoDB has.

    with crash_after(2): ...                          the process dies when its second call has taken effect
    with crash_before(1, table="tickets"): ...        ... when it is about to make its first call that is about tickets
    with fail(3, throttled): ...                      the third call is refused, also when the SDK repeats it
    with fail(3, throttled, attempts=1): ...          ... but the SDK's repetition is not
    with lost_answer(1): ...                          it takes effect, and the caller hears of a timeout
    with lost_answer(1, repeated=True): ...           ... and the SDK repeats it: the caller hears the second answer

Calls are counted from 1, of all threads; inside `process(...)` only that process is counted, broken and killed.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

from botocore.exceptions import ClientError, ConnectTimeoutError, ReadTimeoutError

from chalicelib import dynamo, settings
from tests.simulation.calls import calls
from tests.simulation.wire import Call, Listener, current_process, listening, process

__all__ = [
    "Crash",
    "calls",
    "conflict",
    "crash_after",
    "crash_before",
    "fail",
    "fail_from",
    "internal_error",
    "lost_answer",
    "process",
    "refuse_from",
    "throttled",
    "timeout",
    "unreachable",
]

Error = Callable[[Call], Exception]


class Crash(BaseException):
    """The process is gone: no `except Exception` runs, and no further call of it reaches the store."""


def timeout(call: Call) -> Exception:
    return ReadTimeoutError(endpoint_url=dynamo.client().meta.endpoint_url)


def unreachable(call: Call) -> Exception:
    return ConnectTimeoutError(endpoint_url=dynamo.client().meta.endpoint_url)


def throttled(call: Call) -> Exception:
    return answer(call, "ThrottlingException", 400)


def internal_error(call: Call) -> Exception:
    return answer(call, "InternalServerError", 500)


def conflict(call: Call, which: int = 0) -> Exception:
    """Another transaction is at item number `which` of this call."""
    if call.operation not in ("TransactWriteItems", "TransactGetItems"):
        return answer(call, "TransactionConflictException", 400)
    reasons: list[dict[str, Any]] = [{"Code": "None"} for _ in call.touches]
    reasons[which] = {"Code": "TransactionConflict", "Message": "Transaction is ongoing for the item"}
    return answer(call, "TransactionCanceledException", 400, CancellationReasons=reasons)


def answer(call: Call, code: str, status: int, **facts: Any) -> ClientError:
    """The exception that boto3 makes out of such an answer of DynamoDB."""
    kind = dynamo.client().exceptions.from_code(code)
    body = {"Error": {"Code": code, "Message": code}, "ResponseMetadata": {"HTTPStatusCode": status, "RetryAttempts": 0}, **facts}
    return kind(body, call.operation)


@contextmanager
def crash_after(number: int, *, operation: str = "", table: str = "") -> Iterator["Fault"]:
    """The process dies when call `number` has reached the store, before it hears the answer; swallows the Crash."""
    with _dying(Fault(number, operation, table, after=_die)) as fault:
        yield fault


@contextmanager
def crash_before(number: int, *, operation: str = "", table: str = "") -> Iterator["Fault"]:
    """The process dies when it is about to make call `number`; swallows the Crash."""
    with _dying(Fault(number, operation, table, before=_die)) as fault:
        yield fault


@contextmanager
def fail(number: int, error: Error, *, attempts: int | None = None, operation: str = "", table: str = "") -> Iterator["Fault"]:
    """Call `number` never reaches the store and ends in `error`; with `attempts`, only so many of its attempts do."""
    with listening(fault := Fault(number, operation, table, before=_raise(error), attempts=attempts)):
        yield fault


@contextmanager
def fail_from(number: int, error: Error, *, operation: str = "", table: str = "") -> Iterator["Fault"]:
    """Calls from `number` on never reach the store and end in `error`."""
    with listening(fault := Fault(number, operation, table, before=_raise(error), lasting=True)):
        yield fault


@contextmanager
def lost_answer(number: int, error: Error = timeout, *, repeated: bool = False, operation: str = "", table: str = "") -> Iterator["Fault"]:
    """Call `number` takes effect, but its caller hears `error`; or, `repeated`, the SDK makes it again before the caller hears."""
    after = None if repeated else _raise(error)
    with listening(fault := Fault(number, operation, table, after=after, attempts=1 if repeated else None)):
        yield fault


@contextmanager
def refuse_from(number: int, code: str = "ProvisionedThroughputExceededException", status: int = 400) -> Iterator["Fault"]:
    """Calls from `number` on are answered with an error of the store instead of reaching it."""
    with fail_from(number, lambda call: answer(call, code, status)) as fault:
        yield fault


class Fault(Listener):
    """One fault while its block runs; `call` is the one it met, None if there was none."""

    rank = 50

    def __init__(
        self,
        number: int,
        operation: str,
        table: str,
        *,
        before: Callable[[Call], None] | None = None,
        after: Callable[[Call], None] | None = None,
        attempts: int | None = None,
        lasting: bool = False,
    ) -> None:
        self.call: Call | None = None
        self.dead = False
        self._met: dict[int, Call] = {}  # keeps the calls, so that their ids are not used again
        self._number, self._operation, self._table = number, operation, table
        self._before, self._after, self._attempts, self._lasting = before, after, attempts, lasting
        self._process = current_process()
        self._made = 0
        self._lock = Lock()

    @property
    def happened(self) -> bool:
        return self.call is not None

    def before(self, call: Call) -> None:
        if self._process not in ("", call.process):
            return
        if self.dead:
            raise Crash
        if call.attempts == 1 and self._matches(call):
            with self._lock:
                self._made += 1
                if self._made == self._number or (self._lasting and self._made > self._number):
                    self.call = self._met[id(call)] = call
        if self._before is not None and self._hits(call):
            self._strike(self._before, call)

    def after(self, call: Call) -> None:
        if self._after is not None and self._hits(call) and not isinstance(call.error, Crash):
            self._strike(self._after, call)

    def retry(self, call: Call) -> bool | None:
        if id(call) not in self._met:
            return None
        if self._attempts is None:
            return False if self._hits(call) and call.error is not None else None
        if call.error is None and call.operation == "TransactWriteItems" and _forgets_tokens():
            return None  # the answer of the first attempt is what the repetition would get, and moto would do it twice
        return True if call.attempts <= self._attempts else None

    def _matches(self, call: Call) -> bool:
        return self._operation in ("", call.operation) and (not self._table or self._table in call.tables)

    def _hits(self, call: Call) -> bool:
        return id(call) in self._met and (self._attempts is None or call.attempts <= self._attempts)

    def _strike(self, way: Callable[[Call], None], call: Call) -> None:
        try:
            way(call)
        except Crash:
            self.dead = True
            raise


@contextmanager
def _dying(fault: Fault) -> Iterator[Fault]:
    with listening(fault):
        try:
            yield fault
        except Crash:
            return


def _forgets_tokens() -> bool:
    """Whether the engine is moto, which ignores the client request token that makes a repeated transaction harmless."""
    from moto.core.models import botocore_stubber

    return bool(botocore_stubber.enabled) and not settings.current().store_endpoint


def _die(call: Call) -> None:
    raise Crash


def _raise(error: Error) -> Callable[[Call], None]:
    def strike(call: Call) -> None:
        raise error(call)

    return strike
