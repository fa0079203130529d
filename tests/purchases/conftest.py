"""An event for tests of purchases without Stripe."""

from collections.abc import Iterator

import pytest

from tests import builders, invariants


@pytest.fixture
def event_and_tier(api, time) -> Iterator[tuple[str, str]]:
    """The ids of an event and of its tier of 10 tickets at 50.00. At the end the invariants hold."""
    yield builders.create_shop(api)
    invariants.check(time.now)
