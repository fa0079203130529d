"""Where the bed listens: botocore's events around every attempt of every call, so for any engine, and for boto3 and PynamoDB alike."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

import msgspec

from chalicelib import dynamo

# Who makes a call. Threads of a test are one process, "", unless they say otherwise: then faults can be those of one of them.
_process: ContextVar[str] = ContextVar("process", default="")
_local = threading.local()
_listeners: tuple["Listener", ...] = ()
_changing = threading.Lock()

_WRITES = {"Put": "Item", "Update": "Key", "Delete": "Key", "ConditionCheck": "Key", "PutRequest": "Item", "DeleteRequest": "Key"}
_SINGLE = {"PutItem": "Put", "UpdateItem": "Update", "DeleteItem": "Delete"}
_REPORTING = {*_SINGLE, "GetItem", "Query", "Scan", "BatchGetItem", "BatchWriteItem", "TransactWriteItems", "TransactGetItems"}


class Touch(msgspec.Struct, frozen=True):
    """One item that a call is about, by its key in wire format. `kind`: read, write or check."""

    table: str
    key: dict[str, Any]
    kind: str

    @property
    def id(self) -> tuple[str, str]:
        """Table and partition key."""
        return self.table, next(iter(next(iter(self.key.values())).values()))


class Call:
    """One call of the store as its caller sees it. botocore may make several attempts of it."""

    def __init__(self, operation: str, request: dict[str, Any]) -> None:
        self.operation = operation
        self.request = request
        self.process = _process.get()
        self.attempts = 0  # begun
        self.announced = False  # the listeners have heard of the attempt that botocore is about to send
        self.answer: dict[str, Any] | None = None  # of the last attempt; an error of the store is an answer too
        self.error: BaseException | None = None  # no answer at all
        self.touches = tuple(_touches(operation, request))

    @property
    def tables(self) -> list[str]:
        """Features whose tables it is about, in order: `purchases`, `buyers`."""
        named = [self.request["TableName"]] if "TableName" in self.request else list(self.request.get("RequestItems", ()))
        return list(dict.fromkeys(feature_of(name) for name in named or [touch.table for touch in self.touches]))

    @property
    def outcome(self) -> str:
        """`done`, `refused` (a condition), or the name of what went wrong."""
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
        return f"{self.operation:18} {','.join(self.tables):28} {','.join(_short(touch.key) for touch in self.touches[:4])}"


class Listener:
    """Hears of every attempt. The lower its rank, the farther from the store it stands: it is asked first and told last."""

    rank = 0
    measures = False  # ask the store to report consumed capacity

    def before(self, call: Call) -> None:
        """An attempt is about to leave; if this raises, it never reaches the store."""

    def after(self, call: Call) -> None:
        """An attempt has ended, with `call.answer` or `call.error`; if this raises, the caller hears that instead."""

    def retry(self, call: Call) -> bool | None:
        """Whether the SDK repeats a failed attempt, at once; None leaves it to the SDK."""
        return None


@contextmanager
def process(name: str) -> Iterator[None]:
    """What this thread does in the block is done by a process of its own."""
    token = _process.set(name)
    try:
        yield
    finally:
        _process.reset(token)


def current_process() -> str:
    return _process.get()


@contextmanager
def quiet() -> Iterator[None]:
    """Calls of this thread in the block are the bed's own: nobody hears of them."""
    before, _local.quiet = getattr(_local, "quiet", False), True
    try:
        yield
    finally:
        _local.quiet = before


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    events = dynamo.client().meta.events
    with _changing:
        _set((*_listeners, listener), events)
    try:
        yield
    finally:
        with _changing:
            _set(tuple(one for one in _listeners if one is not listener), events)


def _set(listeners: tuple[Listener, ...], events: Any) -> None:
    global _listeners
    was, _listeners = _listeners, tuple(sorted(listeners, key=lambda one: one.rank))
    if bool(was) == bool(_listeners):
        return
    for event, handler in _HANDLERS.items():
        if _listeners:
            events.register_first(f"{event}.dynamodb", handler)
        else:
            events.unregister(f"{event}.dynamodb", handler)


def _on_parameters(params: dict[str, Any], model: Any, **_: Any) -> None:
    if model.name in _REPORTING and any(one.measures for one in _listeners):
        params.setdefault("ReturnConsumedCapacity", "TOTAL")


def _on_call(model: Any, params: dict[str, Any], event_name: str, **more: Any) -> Any:
    """Make the attempts here if the engine answers to this event (one in this process does), else announce the first one."""
    if getattr(_local, "quiet", False) or getattr(_local, "inside", False):
        return None
    call = _local.call = Call(model.name, json.loads(params["body"]))
    while True:
        try:
            _announce(call)
        except Exception as error:
            _tell(call, None, error)
            if not _repeats(call):
                raise
            continue
        _local.inside = True
        try:
            events = dynamo.client().meta.events
            _, answer = events.emit_until_response(event_name, model=model, params=params, **more)
        finally:
            _local.inside = False
        if answer is None:
            call.announced = True
            return None
        _tell(call, answer[1], None)
        if not _repeats(call):
            return answer


def _on_attempt(**_: Any) -> None:
    call = _heard()
    if call is not None and not call.announced:
        _announce(call)


def _on_answer(parsed_response: dict[str, Any] | None, exception: BaseException | None, **_: Any) -> None:
    call = _heard()
    if call is not None:
        call.announced = False
        _tell(call, parsed_response, exception)


def _on_retry(**_: Any) -> float | bool | None:
    call = _heard()
    decision = _repeats(call) if call is not None else None
    return 0.0 if decision else decision  # no waiting: time is virtual here


def _announce(call: Call) -> None:
    call.attempts += 1
    call.answer = call.error = None
    told: list[Listener] = []
    try:
        for listener in _listeners:
            told.append(listener)
            listener.before(call)
    except Exception:
        raise  # those are told as answers are
    except BaseException as death:
        call.error = death
        for listener in reversed(told):
            listener.after(call)
        raise


def _tell(call: Call, answer: dict[str, Any] | None, error: BaseException | None) -> None:
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


def _repeats(call: Call) -> bool | None:
    return next((decision for one in _listeners if (decision := one.retry(call)) is not None), None)


_HANDLERS = {
    "before-parameter-build": _on_parameters,
    "before-call": _on_call,
    "before-send": _on_attempt,
    "response-received": _on_answer,
    "needs-retry": _on_retry,
}


def _heard() -> Call | None:
    return None if getattr(_local, "quiet", False) else getattr(_local, "call", None)


def _touches(operation: str, request: dict[str, Any]) -> Iterator[Touch]:
    if operation in _SINGLE:
        yield _touch(_SINGLE[operation], request["TableName"], request)
    elif operation == "GetItem":
        yield Touch(request["TableName"], request["Key"], "read")
    elif operation in ("TransactWriteItems", "TransactGetItems"):
        for item in request["TransactItems"]:
            for kind, what in item.items():
                yield Touch(what["TableName"], what["Key"], "read") if kind == "Get" else _touch(kind, what["TableName"], what)
    elif operation == "BatchGetItem":
        for table, what in request["RequestItems"].items():
            for key in what["Keys"]:
                yield Touch(table, key, "read")
    elif operation == "BatchWriteItem":
        for table, entries in request["RequestItems"].items():
            for entry in entries:
                for kind, what in entry.items():
                    yield _touch(kind, table, what)


def _touch(kind: str, table: str, what: dict[str, Any]) -> Touch:
    fields = what[_WRITES[kind]]
    names = _key_names(feature_of(table))
    return Touch(table, {name: fields[name] for name in names if name in fields}, "check" if kind == "ConditionCheck" else "write")


@cache
def _keys() -> dict[str, tuple[str, ...]]:
    from infra import tables

    return {feature: tuple(key["AttributeName"] for key in one["KeySchema"]) for feature, one in tables.definitions().items()}


def _key_names(feature: str) -> tuple[str, ...]:
    return _keys()[feature]


def feature_of(table: str) -> str:
    """`fairgate-<stage>-<feature>` -> feature; a name that is none of ours as it is."""
    return max((feature for feature in _keys() if table.endswith(f"-{feature}")), key=len, default=table)


def _short(key: dict[str, Any]) -> str:
    """The end of each part of a key, which is what differs."""
    return "/".join(str(next(iter(value.values())))[-8:] for value in key.values())
