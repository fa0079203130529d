"""Repeatable random numbers: from the same state and the same seed, the product chooses the same ids, secrets, samples and pauses."""

import os
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from unittest import mock

import ulid

from chalicelib.foundation import deadline, parallel


@contextmanager
def repeatable_randomness(run: int) -> Iterator[Callable[[str], None]]:
    """Yield a function that starts the numbers of a seed. Calls in parallel come one after the other, and pauses take no time.

    `run` makes the numbers of this run differ from those of others. Bytes depend on how many times as many bytes were drawn before, so a
    further draw of one kind, such as the token of a repeated transaction, does not change the ids after it.
    """
    numbers: dict[int, random.Random] = {}
    seeds, before = [""], random.getstate()

    def draw(count: int) -> bytes:
        return numbers.setdefault(count, random.Random(f"{seeds[0]} {count}")).randbytes(count)

    def start(seed: str) -> None:
        seeds[0] = f"{run} {seed}"
        numbers.clear()
        random.seed(seeds[0])
        ulid.default_generator = ulid.ULIDGenerator()  # a generator remembers its last id

    with ExitStack() as stack:
        for owner, name in ((os, "urandom"), (random, "_urandom")):
            stack.enter_context(mock.patch.object(owner, name, draw))
        stack.enter_context(mock.patch.object(ulid, "default_generator"))
        stack.enter_context(mock.patch.object(parallel, "FEW", sys.maxsize))
        stack.enter_context(mock.patch.object(deadline, "time", SimpleNamespace(sleep=lambda seconds: None)))
        start("")
        try:
            yield start
        finally:
            random.setstate(before)
