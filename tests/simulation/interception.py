"""Intercepts every attempt of every store call at botocore's events. This works for any engine."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, cached_property
from typing import Any

import msgspec

from chalicelib.dynamodb import dynamo
from devtools.in_process_clients import emit

# The simulated process that makes a call. All threads of a test belong to the process "", unless `process` names another process.
_process: ContextVar[str] = ContextVar("process", default="")
_call: ContextVar["StoreCall | None"] = ContextVar("call", default=None)  # the last call of this thread or greenlet
_is_inside: ContextVar[bool] = ContextVar("is_inside", default=False)  # the engine handles the call
_is_unobserved: ContextVar[bool] = ContextVar("is_unobserved", default=False)
_listeners: tuple["Listener", ...] = ()
_lock = threading.Lock()

_WRITES = {"Put": "Item", "Update": "Key", "Delete": "Key", "ConditionCheck": "Key", "PutRequest": "Item", "DeleteRequest": "Key"}
_SINGLE = {"PutItem": "Put", "UpdateItem": "Update", "DeleteItem": "Delete"}
_REPORTING = {*_SINGLE, "GetItem", "Query", "Scan", "BatchGetItem", "BatchWriteItem", "TransactWriteItems", "TransactGetItems"}


class ItemAccess(msgspec.Struct, frozen=True):
    """An item that a call accesses, with its key in wire format. `kind` is read, write or check."""

    table: str
    key: dict[str, Any]
    kind: str

    @property
    def id(self) -> tuple[str, str]:
        """Table and partition key."""
        return self.table, next(iter(next(iter(self.key.values())).values()))


class StoreCall:
    """One store call as its caller sees it. botocore may make several attempts."""

    def __init__(self, operation: str, body: bytes) -> None:
        self.operation = operation
        self._body = body
        self.process = _process.get()
        self.attempts = 0  # started
        self.announced = False  # whether the listeners know of the attempt that botocore is about to send
        self.answer: dict[str, Any] | None = None  # of the last attempt; an error response of the store is an answer too
        self.error: BaseException | None = None  # set if the last attempt got no answer

    @cached_property
    def request(self) -> dict[str, Any]:
        """The request in JSON's form."""
        request: dict[str, Any] = msgspec.json.decode(self._body)
        return request

    @cached_property
    def accesses(self) -> tuple[ItemAccess, ...]:
        return tuple(_accesses(self.operation, self.request))

    @property
    def tables(self) -> list[str]:
        """The features whose tables the call uses, in order, such as `purchases`, `buyers`."""
        named = [self.request["TableName"]] if "TableName" in self.request else list(self.request.get("RequestItems", ()))
        return list(dict.fromkeys(feature_of(name) for name in named or [access.table for access in self.accesses]))

    @property
    def queried_key(self) -> tuple[str, str] | None:
        """The table and partition key of a query. The name of an index precedes its partition key. None for other operations."""
        if self.operation != "Query":
            return None
        table, index, names = self.request["TableName"], self.request.get("IndexName"), self.request.get("ExpressionAttributeNames", {})
        partition = _partition_name(feature_of(table), index)
        equal = re.findall(r"(#?\w+)\s*=\s*(:\w+)", self.request["KeyConditionExpression"])
        [operand] = [operand for name, operand in equal if names.get(name, name) == partition]
        value = str(next(iter(self.request["ExpressionAttributeValues"][operand].values())))
        return table, value if index is None else f"{index}/{value}"

    @property
    def outcome(self) -> str:
        """`done`, `refused` (by a condition), `conflict`, or the name of the error."""
        if self.error is not None:
            response = getattr(self.error, "response", None)
            return response["Error"]["Code"] if response else type(self.error).__name__
        code = (self.answer or {}).get("Error", {}).get("Code")
        if code == "ConditionalCheckFailedException":
            return "refused"
        if code == "TransactionCanceledException":
            reasons = {reason.get("Code") for reason in (self.answer or {}).get("CancellationReasons", ())}
            return "refused" if "ConditionalCheckFailed" in reasons else "conflict"
        return code or "done"

    def __str__(self) -> str:
        return self._text

    @cached_property
    def _text(self) -> str:
        return f"{self.operation:18} {','.join(self.tables):28} {','.join(_short(access.key) for access in self.accesses[:4])}"


class Listener:
    """An observer of every attempt. A listener with a lower rank is notified earlier of a call, and later of its answer."""

    rank = 0
    measures = False  # ask the store to report consumed capacity

    def before(self, call: StoreCall) -> None:
        """Handle an attempt that is about to be sent. If this raises, the attempt does not reach the store."""

    def after(self, call: StoreCall) -> None:
        """Handle an attempt that has ended, with `call.answer` or `call.error`. If this raises, the caller gets that exception instead."""

    def retry(self, call: StoreCall) -> bool | None:
        """Return whether the SDK retries a failed attempt without waiting. None leaves the decision to the SDK."""
        return None


@contextmanager
def process(name: str) -> Iterator[None]:
    """Let this thread be a separate simulated process while the block runs, with its own call numbers, faults and crashes."""
    token = _process.set(name)
    try:
        yield
    finally:
        _process.reset(token)


def current_process() -> str:
    return _process.get()


@contextmanager
def unobserved() -> Iterator[None]:
    """Hide this thread's calls in the block from the listeners, because the calls belong to the simulation itself."""
    token = _is_unobserved.set(True)
    try:
        yield
    finally:
        _is_unobserved.reset(token)


@contextmanager
def intercept(listener: Listener) -> Iterator[None]:
    """Notify the listener of every store call while the block runs."""
    events = dynamo.client().meta.events
    with _lock:
        _set_listeners((*_listeners, listener), events)
    try:
        yield
    finally:
        with _lock:
            _set_listeners(tuple(other for other in _listeners if other is not listener), events)


def _set_listeners(listeners: tuple[Listener, ...], events: Any) -> None:
    global _listeners
    before, _listeners = _listeners, tuple(sorted(listeners, key=lambda listener: listener.rank))
    if bool(before) == bool(_listeners):
        return
    for event, handler in _HANDLERS.items():
        if _listeners:
            events.register_first(f"{event}.dynamodb", handler)
        else:
            events.unregister(f"{event}.dynamodb", handler)


def _on_parameters(params: dict[str, Any], model: Any, **_: Any) -> None:
    if model.name in _REPORTING and any(listener.measures for listener in _listeners):
        params.setdefault("ReturnConsumedCapacity", "TOTAL")


def _on_call(model: Any, params: dict[str, Any], event_name: str, **more: Any) -> Any:
    """Make all attempts here if the engine answers to this event, as engines in this process do; else announce the first attempt."""
    if _is_unobserved.get() or _is_inside.get():
        return None
    call = StoreCall(model.name, params["body"])
    _call.set(call)
    while True:
        try:
            _notify_before(call)
        except Exception as error:
            _notify_after(call, None, error)
            if not _is_repeated(call):
                raise
            continue
        token = _is_inside.set(True)
        try:
            answer = emit(dynamo.client(), event_name, is_asked=True, model=model, params=params, **more)
        finally:
            _is_inside.reset(token)
        if answer is None:
            call.announced = True
            return None
        _notify_after(call, answer[1], None)
        if not _is_repeated(call):
            return answer


def _on_attempt(**_: Any) -> None:
    call = _current_call()
    if call is not None and not call.announced:
        _notify_before(call)


def _on_answer(parsed_response: dict[str, Any] | None, exception: BaseException | None, **_: Any) -> None:
    call = _current_call()
    if call is not None:
        call.announced = False
        _notify_after(call, parsed_response, exception)


def _on_retry(**_: Any) -> float | bool | None:
    call = _current_call()
    decision = _is_repeated(call) if call is not None else None
    return 0.0 if decision else decision  # 0.0 retries without waiting, because time is virtual


def _notify_before(call: StoreCall) -> None:
    call.attempts += 1
    call.answer = call.error = None
    notified: list[Listener] = []
    try:
        for listener in _listeners:
            notified.append(listener)
            listener.before(call)
    except Exception:
        raise  # the caller notifies the listeners of this error with `_notify_after`
    except BaseException as crash:
        call.error = crash
        for listener in reversed(notified):
            listener.after(call)
        raise


def _notify_after(call: StoreCall, answer: dict[str, Any] | None, error: BaseException | None) -> None:
    call.answer, call.error = answer, error
    raised: BaseException | None = None
    for listener in reversed(_listeners):
        try:
            listener.after(call)
        except BaseException as error:
            raised = raised or error
            call.error = raised
    if raised is not None:
        raise raised


def _is_repeated(call: StoreCall) -> bool | None:
    for listener in _listeners:
        if (decision := listener.retry(call)) is not None:
            return decision
    return None


_HANDLERS = {
    "before-parameter-build": _on_parameters,
    "before-call": _on_call,
    "before-send": _on_attempt,
    "response-received": _on_answer,
    "needs-retry": _on_retry,
}


def _current_call() -> StoreCall | None:
    return None if _is_unobserved.get() else _call.get()


def _accesses(operation: str, request: dict[str, Any]) -> Iterator[ItemAccess]:
    if operation in _SINGLE:
        yield _write_access(_SINGLE[operation], request["TableName"], request)
    elif operation == "GetItem":
        yield ItemAccess(request["TableName"], request["Key"], "read")
    elif operation in ("TransactWriteItems", "TransactGetItems"):
        for item in request["TransactItems"]:
            for kind, action in item.items():
                table = action["TableName"]
                yield ItemAccess(table, action["Key"], "read") if kind == "Get" else _write_access(kind, table, action)
    elif operation == "BatchGetItem":
        for table, reads in request["RequestItems"].items():
            for key in reads["Keys"]:
                yield ItemAccess(table, key, "read")
    elif operation == "BatchWriteItem":
        for table, writes in request["RequestItems"].items():
            for write in writes:
                for kind, action in write.items():
                    yield _write_access(kind, table, action)


def _write_access(kind: str, table: str, action: dict[str, Any]) -> ItemAccess:
    fields = action[_WRITES[kind]]
    names = _key_names()[feature_of(table)]
    return ItemAccess(table, {name: fields[name] for name in names if name in fields}, "check" if kind == "ConditionCheck" else "write")


@cache
def _key_names() -> dict[str, tuple[str, ...]]:
    from infra import tables

    return {feature: tuple(key["AttributeName"] for key in table["KeySchema"]) for feature, table in tables.definitions().items()}


@cache
def _partition_name(feature: str, index: str | None) -> str:
    from infra import tables

    definition = tables.definitions()[feature]
    schemas = {index["IndexName"]: index["KeySchema"] for index in definition.get("GlobalSecondaryIndexes", ())}
    return str((schemas[index] if index else definition["KeySchema"])[0]["AttributeName"])


@cache
def feature_of(table: str) -> str:
    """Return the feature of a table `fairgate-<stage>-<feature>`. Any other name is returned unchanged."""
    return max((feature for feature in _key_names() if table.endswith(f"-{feature}")), key=len, default=table)


def _short(key: dict[str, Any]) -> str:
    """Return the last characters of each part of a key, where keys differ."""
    return "/".join(str(next(iter(value.values())))[-8:] for value in key.values())
