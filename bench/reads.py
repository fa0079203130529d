"""Reads over HTTP as fast as the server responds: the same paths again and again, each response checked."""

import itertools
import time
from collections.abc import Iterator, Sequence
from functools import partial

from msgspec import Struct
from yarl import URL

from bench.load_client import Connection, Visit, run_visits


class ReadRate(Struct, frozen=True):
    """`client_cpu` is the client's share of one core: near 1, the figure shows the limit of the client and not of the server."""

    per_second: float
    client_cpu: float


class WrongResponse(Exception):
    """The status is not 200, or the length differs from that of the first response for the same path."""


def read_repeatedly(base_url: URL, paths: Sequence[str], *, connections: int, seconds: float, tolerance: int = 0) -> ReadRate:
    """Read the paths in turn for some seconds; each connection starts at another path.

    Lengths may differ by `tolerance` bytes, for responses that contain the time. Raises WrongResponse.
    """
    lengths: dict[str, int] = {}
    responses = itertools.count()
    end = time.perf_counter() + seconds

    async def read(number: int, connection: Connection) -> None:
        for path in itertools.islice(itertools.cycle(paths), number * len(paths) // connections, None):
            response = await connection.send("GET", path)
            length = len(response.body)
            if response.status != 200 or abs(length - lengths.setdefault(path, length)) > tolerance:
                raise WrongResponse(f"{path}: status {response.status}, {length} bytes instead of {lengths.get(path)}")
            next(responses)
            if time.perf_counter() >= end:
                return

    visits: Iterator[Visit] = (partial(read, number) for number in range(connections))
    began, cpu = time.perf_counter(), time.process_time()
    run_visits(base_url, visits, connections, own_addresses=True)
    elapsed = time.perf_counter() - began
    return ReadRate(next(responses) / elapsed, (time.process_time() - cpu) / elapsed)
