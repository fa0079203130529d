"""Watch and break the store's calls where botocore makes them, so for any engine and for boto3 and PynamoDB alike."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

from botocore.exceptions import ClientError

from chalicelib import dynamo


class Crash(BaseException):
    """The process is gone: no `except Exception` runs, and no further call of it reaches the store."""


@contextmanager
def calls() -> Iterator[list[str]]:
    """The operations that reach the store while the block runs, in order, each as `Operation table,table`."""
    seen: list[str] = []
    guard = Lock()

    def note(model: Any, params: dict[str, Any], **_: Any) -> None:
        with guard:
            seen.append(model.name)

    with _handler("before-call.dynamodb", note):
        yield seen


@contextmanager
def crash_after(number: int) -> Iterator[None]:
    """The process dies when call `number` (from 1) has reached the store, before it hears the answer; swallows the Crash."""
    made = 0

    def die(**_: Any) -> None:
        if made >= number:
            raise Crash()

    def count(**_: Any) -> None:
        nonlocal made
        made += 1
        if made == number:
            raise Crash()

    with _handler("before-call.dynamodb", die), _handler("after-call.dynamodb", count):
        try:
            yield
        except Crash:
            return


@contextmanager
def refuse_from(number: int, code: str = "ProvisionedThroughputExceededException", status: int = 400) -> Iterator[None]:
    """Calls from `number` on are answered with an error of the store instead of reaching it."""
    made = 0

    def refuse(model: Any, **_: Any) -> None:
        nonlocal made
        made += 1
        if made >= number:
            raise ClientError({"Error": {"Code": code, "Message": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, model.name)

    with _handler("before-call.dynamodb", refuse):
        yield


@contextmanager
def _handler(event: str, function: Callable[..., None]) -> Iterator[None]:
    events = dynamo.client().meta.events
    events.register(event, function)
    try:
        yield
    finally:
        events.unregister(event, function)
