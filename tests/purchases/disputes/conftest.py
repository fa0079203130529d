"""Tests of disputes send webhooks that must all succeed."""

import pytest


@pytest.fixture(autouse=True)
def _every_delivery_succeeds(shop):
    yield
    assert {attempt.status for attempt in shop.fake.delivery_attempts} <= {200}
