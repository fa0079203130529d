"""Reads over HTTP as fast as the server answers: prepared requests over connections that stay open, each response checked."""

import itertools
import time
from collections.abc import Sequence

from msgspec import Struct

from bench.http_client import Script, Target, play


class ReadRate(Struct, frozen=True):
    """`client_cpu` is the client's own share of one core: it measures itself when that is near 1."""

    per_second: float
    client_cpu: float


class WrongResponse(Exception):
    """A response has another status than 200, or another length than the first response to the same request."""


def read_repeatedly(target: Target, requests: Sequence[bytes], *, connections: int, seconds: float, tolerance: int = 0) -> ReadRate:
    """Send the requests in turn, each connection from another one on, for some seconds.

    Lengths may differ by `tolerance` bytes, for responses that contain the time. Raises WrongResponse.
    """
    lengths: dict[bytes, int] = {}
    responses = itertools.count()
    end = time.perf_counter() + seconds

    def script(number: int) -> Script:
        order = itertools.cycle(requests)
        for request in itertools.islice(order, number * len(requests) // connections, None):
            response = yield request
            length = len(response.body)
            if response.status != 200 or abs(length - lengths.setdefault(request, length)) > tolerance:
                raise WrongResponse(f"{request!r}: {response.status}, {length} bytes instead of {lengths.get(request)}")
            next(responses)
            if time.perf_counter() >= end:
                return

    began, cpu = time.perf_counter(), time.process_time()
    play(target, iter([script(number) for number in range(connections)]), connections, own_addresses=True)
    elapsed = time.perf_counter() - began
    return ReadRate(next(responses) / elapsed, (time.process_time() - cpu) / elapsed)
