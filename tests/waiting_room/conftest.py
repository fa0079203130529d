"""The sale that most tests of the waiting room use."""

import pytest

from tests.waiting_room.sale import create_sale


@pytest.fixture
def sale(api, time):
    """A sale with 50 tickets, as `create_sale` makes it; (event id, tier id)."""
    return create_sale(api, time)
