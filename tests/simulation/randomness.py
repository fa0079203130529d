"""Repeatable numbers: from the same state and the same seed, the product chooses the same ids, secrets, samples and pauses."""

import os
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from types import SimpleNamespace
from unittest import mock
from zlib import crc32

import ulid

from chalicelib.foundation import deadline, parallel
from infra.local import gateway


@contextmanager
def repeatable_randomness(run: int) -> Iterator[Callable[[str], None]]:
    """Yield a function that restarts all random numbers from a seed. Parallel calls run one after the other, and pauses end at once.

    `run` makes the numbers of this run differ from those of others. Draws of different sizes do not affect each other, so one more draw of
    one size, such as the token of a repeated transaction, does not change the ids after it.
    """
    numbers: dict[int, random.Random] = {}
    seeds, before = [""], random.getstate()

    def draw(size: int) -> bytes:
        if size not in numbers:
            numbers[size] = random.Random(f"{seeds[0]} {size}")
        return numbers[size].randbytes(size)

    def start(seed: str) -> None:
        seeds[0] = f"{run} {seed}"
        numbers.clear()
        random.seed(seeds[0])
        ulid.default_generator = ulid.ULIDGenerator()  # a generator remembers its last id
        gateway._request_numbers = count(crc32(seed.encode()))

    with ExitStack() as stack:
        for owner, name in ((os, "urandom"), (random, "_urandom")):
            stack.enter_context(mock.patch.object(owner, name, draw))
        stack.enter_context(mock.patch.object(ulid, "default_generator"))
        stack.enter_context(mock.patch.object(gateway, "_request_numbers"))
        stack.enter_context(mock.patch.object(gateway, "_REQUEST_ID_PREFIX", "00000000-0000-4000-8000-"))
        stack.enter_context(mock.patch.object(parallel, "FEW", sys.maxsize))
        stack.enter_context(mock.patch.object(deadline, "time", SimpleNamespace(sleep=lambda seconds: None)))
        start("")
        try:
            yield start
        finally:
            random.setstate(before)
