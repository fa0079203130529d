"""What admins read."""

import pytest

from tests.catalog.requests import get

pytestmark = pytest.mark.usefixtures("time")


def test_an_unknown_event_is_a_404(api):
    assert get(api, "/admin/events/nowhere").status == 404


@pytest.mark.parametrize("path", ["/admin/tiers?event_id=nowhere", "/admin/tiers/nowhere"])
def test_an_unknown_tier_and_the_tiers_of_an_unknown_event_are_a_404(api, path):
    assert get(api, path).status == 404
