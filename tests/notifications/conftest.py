"""A provider that takes all mails."""

import pytest

from chalicelib.notifications import providers
from tests.notifications.fake_provider import FakeProvider


@pytest.fixture
def provider(monkeypatch) -> FakeProvider:
    """The provider that all mails go to."""
    fake = FakeProvider()
    monkeypatch.setattr(providers, "find_provider", lambda: fake)
    return fake
