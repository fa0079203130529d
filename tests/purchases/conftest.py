"""What tests of purchases share."""

from collections.abc import Iterator

import pytest

from tests import builders, invariants


@pytest.fixture
def stand(api, time) -> Iterator[tuple[str, str]]:
    """A sale without Stripe: (event id, id of a tier of 10 at 50.00)."""
    yield builders.create_shop(api)
    invariants.check(time.now)
