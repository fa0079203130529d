"""Runs many calls at the same time on real threads, as many buyers do."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

A = TypeVar("A")
T = TypeVar("T")


def run_in_threads(threads: int, work: Callable[[A], T], arguments: Iterable[A]) -> list[T]:
    """Call `work` for each argument on `threads` threads. Returns the results in order. Raises the exception of a failed call."""
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, arguments))
