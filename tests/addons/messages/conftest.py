"""A shop whose changes are followed, and whose mails a fake provider takes."""

from unittest.mock import patch

import pytest

import app
from chalicelib.addons.messages import jobs
from chalicelib.foundation import deadline, settings
from chalicelib.notifications import providers
from infra.local.event_sources import create_poller
from infra.local.schedules import scheduled_event
from tests import engines
from tests.notifications.fake_provider import FakeProvider


class Post:
    """Passes changes on and sends the mails that follow."""

    def __init__(self, provider):
        self.provider, self._poller = provider, create_poller(app.app, engines.local_engine(), window_seconds=0)

    def deliver(self):
        """All mails that were sent so far, as a mail program reads them."""
        self.follow()
        self.send()
        return self.provider.parsed()

    def follow(self):
        self._poller.drain()

    def send(self):
        with patch.object(deadline.time, "sleep"):  # between chunks, for the provider's rate
            return jobs.send_messages(scheduled_event(), None)

    @property
    def kinds(self):
        return sorted(notification_id.partition(".")[0] for notification_id in self.provider.ids)


@pytest.fixture
def post(threaded_store, monkeypatch):
    fake = FakeProvider()
    monkeypatch.setattr(providers, "find_provider", lambda: fake)
    with settings.override(mail_from="Shop <tickets@shop.test>", shop_url="https://shop.test"):
        yield Post(fake)
