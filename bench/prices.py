"""AWS's charges, computed from counted requests, round trips to the store, and units. Nothing is timed.

List prices of us-east-1 without free tiers, as published in November 2026. Not included: logs, storage, backups, data transfer from API
Gateway (about a kilobyte per request), and the payment provider's fees.
"""

import math
from typing import Literal

from msgspec import Struct

Architecture = Literal["arm64", "x86_64"]

# https://aws.amazon.com/dynamodb/pricing/on-demand/
DOLLARS_PER_READ_UNIT = 0.125 / 1_000_000
DOLLARS_PER_WRITE_UNIT = 0.625 / 1_000_000
# https://aws.amazon.com/lambda/pricing/
DOLLARS_PER_INVOCATION = 0.20 / 1_000_000
DOLLARS_PER_GB_SECOND: dict[Architecture, float] = {"arm64": 0.0000133334, "x86_64": 0.0000166667}
# https://aws.amazon.com/api-gateway/pricing/: REST APIs, the first 333 million a month
DOLLARS_PER_API_CALL = 3.50 / 1_000_000
# https://aws.amazon.com/cloudfront/pricing/pay-as-you-go/: HTTPS requests and the first 10 TB in North America
DOLLARS_PER_CDN_REQUEST = 0.0100 / 10_000
DOLLARS_PER_CDN_GB = 0.085

# Lambda bills the time that a request waits for the store. These assumptions are the same for every version: the mean times of
# tests/simulation, and a generous allowance for the processor at a gigabyte of memory.
TRIP_MS = 5.0
TRANSACTION_MS = 10.0
HANDLER_MS = 3.0


class Usage(Struct, frozen=True):
    """The usage of requests. `trips` does not include transactions."""

    requests: float = 0
    trips: float = 0
    transactions: float = 0
    read_units: float = 0
    write_units: float = 0

    def __add__(self, other: "Usage") -> "Usage":
        pairs = zip(_values(self), _values(other), strict=True)
        return Usage(*(mine + theirs for mine, theirs in pairs))

    def __mul__(self, factor: float) -> "Usage":
        return Usage(*(value * factor for value in _values(self)))

    @property
    def billed_seconds(self) -> float:
        """The time that Lambda bills."""
        return (self.requests * HANDLER_MS + self.trips * TRIP_MS + self.transactions * TRANSACTION_MS) / 1000


def _values(usage: Usage) -> list[float]:
    return [getattr(usage, name) for name in Usage.__struct_fields__]


def store_dollars(usage: Usage) -> float:
    return usage.read_units * DOLLARS_PER_READ_UNIT + usage.write_units * DOLLARS_PER_WRITE_UNIT


def lambda_dollars(usage: Usage, memory_mb: int, architecture: Architecture) -> float:
    gb_seconds = usage.billed_seconds * memory_mb / 1024
    return usage.requests * DOLLARS_PER_INVOCATION + gb_seconds * DOLLARS_PER_GB_SECOND[architecture]


def total_dollars(usage: Usage, memory_mb: int, architecture: Architecture) -> float:
    """Return the dollars for the store, Lambda and API Gateway together."""
    return store_dollars(usage) + lambda_dollars(usage, memory_mb, architecture) + usage.requests * DOLLARS_PER_API_CALL


def cdn_dollars(requests: float, response_bytes: int) -> float:
    """Return the price of a CDN's own responses. Its requests to the API are part of the API's usage."""
    return requests * DOLLARS_PER_CDN_REQUEST + requests * response_bytes / 1024**3 * DOLLARS_PER_CDN_GB


def instances(requests_per_second: float, seconds_each: float) -> int:
    """Return the minimum number of instances that work at the same time."""
    return max(1, math.ceil(requests_per_second * seconds_each))
