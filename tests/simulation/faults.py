"""Faults of store calls: any call can fail before or after it takes effect, with each kind of error that DynamoDB has.

    with crash_after(2): ...                          the process crashes after its second call has taken effect
    with crash_before(1, table="tickets"): ...        the process crashes just before its first call to the tickets table
    with fail(3, throttled): ...                      the third call is refused, including the SDK's retries
    with fail(3, throttled, attempts=1): ...          the third call is refused, but the SDK's retry succeeds
    with lose_answer(1): ...                          the first call takes effect, and the caller gets a timeout
    with lose_answer(1, repeated=True): ...           the first call takes effect, the SDK retries, and the caller gets the second answer

Calls are counted from 1 over all threads. Inside `process(...)`, a fault counts and affects only the calls of that process.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from threading import Lock
from typing import Any

from botocore.exceptions import ClientError, ConnectTimeoutError, ReadTimeoutError

from chalicelib.dynamodb import dynamo
from chalicelib.foundation import settings
from tests.simulation.call_log import record_calls
from tests.simulation.interception import Listener, StoreCall, current_process, intercept, process

__all__ = [
    "KINDS",
    "Crash",
    "Fault",
    "conflict",
    "crash_after",
    "crash_before",
    "fail",
    "fail_from",
    "internal_error",
    "lose_answer",
    "process",
    "record_calls",
    "refuse_from",
    "throttled",
    "timeout",
    "unreachable",
    "without_lower_bound",
]

Error = Callable[[StoreCall], Exception]


class Crash(BaseException):
    """The process has crashed. No `except Exception` catches a Crash, and no further call of the process reaches the store."""


def timeout(call: StoreCall) -> Exception:
    return ReadTimeoutError(endpoint_url=dynamo.client().meta.endpoint_url)


def unreachable(call: StoreCall) -> Exception:
    return ConnectTimeoutError(endpoint_url=dynamo.client().meta.endpoint_url)


def throttled(call: StoreCall) -> Exception:
    return error_response(call, "ThrottlingException", 400)


def internal_error(call: StoreCall) -> Exception:
    return error_response(call, "InternalServerError", 500)


def conflict(call: StoreCall, index: int = 0) -> Exception:
    """Return the error that DynamoDB sends while another transaction is writing item number `index` (from 0) of this call."""
    if call.operation not in ("TransactWriteItems", "TransactGetItems"):
        return error_response(call, "TransactionConflictException", 400)
    reasons: list[dict[str, Any]] = [{"Code": "None"} for _ in call.accesses]
    reasons[index] = {"Code": "TransactionConflict", "Message": "Transaction is ongoing for the item"}
    return error_response(call, "TransactionCanceledException", 400, CancellationReasons=reasons)


def error_response(call: StoreCall, code: str, status: int, **details: Any) -> ClientError:
    """Return the exception that boto3 raises for an error response of DynamoDB."""
    error_class = dynamo.client().exceptions.from_code(code)
    body = {"Error": {"Code": code, "Message": code}, "ResponseMetadata": {"HTTPStatusCode": status, "RetryAttempts": 0}, **details}
    return error_class(body, call.operation)


@contextmanager
def crash_after(number: int, *, operation: str = "", table: str = "") -> Iterator["Fault"]:
    """Crash the process after call `number` has taken effect, before the process gets the answer. The block swallows the Crash."""
    with _crashing(Fault(number, operation, table, after=_crash)) as fault:
        yield fault


@contextmanager
def crash_before(number: int, *, operation: str = "", table: str = "") -> Iterator["Fault"]:
    """Crash the process just before call `number`. The block swallows the Crash."""
    with _crashing(Fault(number, operation, table, before=_crash)) as fault:
        yield fault


@contextmanager
def fail(number: int, error: Error, *, attempts: int | None = None, operation: str = "", table: str = "") -> Iterator["Fault"]:
    """Let call `number` raise `error` without reaching the store. With `attempts`, only that many of its attempts fail."""
    with intercept(fault := Fault(number, operation, table, before=_raise(error), attempts=attempts)):
        yield fault


@contextmanager
def fail_from(number: int, error: Error, *, operation: str = "", table: str = "") -> Iterator["Fault"]:
    """Let all calls from `number` on raise `error` without reaching the store."""
    with intercept(fault := Fault(number, operation, table, before=_raise(error), is_lasting=True)):
        yield fault


@contextmanager
def lose_answer(number: int, error: Error = timeout, *, repeated: bool = False, operation: str = "", table: str = "") -> Iterator["Fault"]:
    """Let call `number` take effect while its caller gets `error`, or with `repeated` the answer to the SDK's retry of the call."""
    after = None if repeated else _raise(error)
    with intercept(fault := Fault(number, operation, table, after=after, attempts=1 if repeated else None)):
        yield fault


@contextmanager
def refuse_from(number: int, code: str = "ProvisionedThroughputExceededException", status: int = 400) -> Iterator["Fault"]:
    """Answer all calls from `number` on with an error response of DynamoDB. The calls do not reach the store."""
    with fail_from(number, lambda call: error_response(call, code, status)) as fault:
        yield fault


# The kinds of fault that a store call can have: name -> a function of the call's number that is a context manager.
KINDS = {
    "crash before the call": crash_before,
    "crash before the answer": crash_after,
    "throttled": partial(fail, error=throttled),
    "conflict": partial(fail, error=conflict),
    "timeout of the call": partial(fail, error=timeout),
    "timeout of the answer": lose_answer,
    "internal error after the call": partial(lose_answer, error=internal_error),
    "repeated by the SDK": partial(lose_answer, repeated=True),
}


class Fault(Listener):
    """A fault that is active while its block runs. `call` is the call that the fault affected, None if there was no such call."""

    rank = 50

    def __init__(
        self,
        number: int,
        operation: str,
        table: str,
        *,
        before: Callable[[StoreCall], None] | None = None,
        after: Callable[[StoreCall], None] | None = None,
        attempts: int | None = None,
        is_lasting: bool = False,
    ) -> None:
        self.call: StoreCall | None = None
        self.is_crashed = False
        self._targets: dict[int, StoreCall] = {}  # keeps the calls, so that their ids are not reused
        self._number, self._operation, self._table = number, operation, table
        self._before, self._after, self._attempts, self._is_lasting = before, after, attempts, is_lasting
        self._process = current_process()
        self._count = 0
        self._lock = Lock()

    @property
    def was_triggered(self) -> bool:
        return self.call is not None

    def before(self, call: StoreCall) -> None:
        if self._process not in ("", call.process):
            return
        if self.is_crashed:
            raise Crash
        if call.attempts == 1 and self._matches(call):
            with self._lock:
                self._count += 1
                if self._count == self._number or (self._is_lasting and self._count > self._number):
                    self.call = self._targets[id(call)] = call
        if self._before is not None and self._applies_to(call):
            self._inject(self._before, call)

    def after(self, call: StoreCall) -> None:
        if self._after is not None and self._applies_to(call) and not isinstance(call.error, Crash):
            self._inject(self._after, call)

    def retry(self, call: StoreCall) -> bool | None:
        if id(call) not in self._targets:
            return None
        if self._attempts is None:
            return False if self._applies_to(call) and call.error is not None else None
        if call.error is None and call.operation == "TransactWriteItems" and _ignores_tokens():
            return None  # DynamoDB would give a retry the first attempt's answer, but moto would do the work twice
        return True if call.attempts <= self._attempts else None

    def _matches(self, call: StoreCall) -> bool:
        return self._operation in ("", call.operation) and (not self._table or self._table in call.tables)

    def _applies_to(self, call: StoreCall) -> bool:
        return id(call) in self._targets and (self._attempts is None or call.attempts <= self._attempts)

    def _inject(self, effect: Callable[[StoreCall], None], call: StoreCall) -> None:
        try:
            effect(call)
        except Crash:
            self.is_crashed = True
            raise


@contextmanager
def _crashing(fault: Fault) -> Iterator[Fault]:
    with intercept(fault):
        try:
            yield fault
        except Crash:
            return


def _ignores_tokens() -> bool:
    """Whether the engine is moto, which ignores the client request token that makes a repeated transaction harmless."""
    from moto.core.models import botocore_stubber

    return bool(botocore_stubber.enabled) and not settings.current().store_endpoint


def _crash(call: StoreCall) -> None:
    raise Crash


def _raise(error: Error) -> Callable[[StoreCall], None]:
    def raise_error(call: StoreCall) -> None:
        raise error(call)

    return raise_error


@contextmanager
def without_lower_bound(attribute: str) -> Iterator[None]:
    """Make updates ignore the lower bound that their conditions set for an attribute.

    A test of the bound must fail in this block, or it proves nothing.
    """

    def remove(params: dict[str, Any], **_: Any) -> None:
        for placeholder, name in params.get("ExpressionAttributeNames", {}).items():
            if name == attribute and "ConditionExpression" in params:
                bound, always = rf"{placeholder} >= :\d+", rf"(\g<0> OR attribute_exists({placeholder}))"
                params["ConditionExpression"] = re.sub(bound, always, params["ConditionExpression"])

    events = dynamo.client().meta.events
    events.register("provide-client-params.dynamodb.UpdateItem", remove)
    try:
        yield
    finally:
        events.unregister("provide-client-params.dynamodb.UpdateItem", remove)
