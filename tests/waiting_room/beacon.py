"""A beacon for draws in tests."""

from collections.abc import Iterator
from contextlib import contextmanager

from chalicelib.foundation import settings
from devtools.beacon import FakeBeacon
from tests.conftest import Time

CLOSING_SECONDS = 90


@contextmanager
def open_beacon(time: Time) -> Iterator[FakeBeacon]:
    """A beacon that follows the test's clock. It is the only mirror of the stage, and new rooms use its chain."""
    with FakeBeacon(now=lambda: time.now) as beacon:
        mirrors = {"beacon_chain": beacon.chain, "beacon_mirrors": beacon.url, "webhook_targets": "local"}
        with settings.override(draw_closing_seconds=CLOSING_SECONDS, **mirrors):
            yield beacon
