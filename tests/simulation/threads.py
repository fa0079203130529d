"""Many buyers at once, on real threads."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from chalicelib import dynamo

A = TypeVar("A")
T = TypeVar("T")


def at_once(threads: int, work: Callable[[A], T], over: Iterable[A]) -> list[T]:
    """`work` for each of `over` on that many threads; the results in order. An exception of any of them is raised."""
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, over))


@contextmanager
def without_condition(clause: str):
    """The twin: the store never hears one clause of our conditions. A test that then still passes proves nothing."""

    def strip(params: dict[str, Any], **_: Any) -> None:
        if "ConditionExpression" in params:
            params["ConditionExpression"] = params["ConditionExpression"].replace(f"{clause} AND ", "")

    events = dynamo.client().meta.events
    events.register("provide-client-params.dynamodb.UpdateItem", strip)
    try:
        yield
    finally:
        events.unregister("provide-client-params.dynamodb.UpdateItem", strip)
