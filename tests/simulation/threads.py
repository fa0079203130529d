"""Many buyers at once, on real threads."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

A = TypeVar("A")
T = TypeVar("T")


def run_in_threads(threads: int, work: Callable[[A], T], arguments: Iterable[A]) -> list[T]:
    """Call `work` for each argument on that many threads. Returns the results in order; raises the exception of a call that raised one."""
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, arguments))
