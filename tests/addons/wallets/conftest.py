"""A door whose tickets are in wallets, with Google's API and Apple's push service in the process of the test."""

from collections.abc import Iterator
from typing import Any

import pytest

import app
from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import Event
from chalicelib.foundation import memory, settings
from infra.local.event_sources import create_poller
from infra.local.schedules import scheduled_event
from tests import engines, invariants, pictures
from tests.addons.wallets import fakes
from tests.addons.wallets.fakes import FakeApns, FakeGoogle
from tests.checkin.conftest import Door
from tests.client import ClientReply
from tests.promoters.test_quotas import verify
from tests.promoters.test_suspension import sign_up_promoter

BOUND_SECONDS = 5  # in which a pass follows its ticket


class WalletDoor(Door):
    """Ada's two tickets for an event that starts in an hour."""

    def __init__(self, api: Any, time: Any, **fields: Any) -> None:
        super().__init__(api, time, **fields)
        self.poller = create_poller(app.app, engines.local_engine(), clock=lambda: time.now)
        self.poller.drain()

    def add(self, wallet: str, number: int = 1, user: str = "ada", **headers: str) -> ClientReply:
        return self.api.post(f"/tickets/{self.order_id}-{number}/passes", json={"wallet": wallet}, user=user, headers=headers)

    def give_away(self) -> None:
        """Ada gives her first ticket to Bob."""
        token = self.api.post(f"/tickets/{self.tickets[0].id}/transfer", user="ada").json["token"]
        assert self.api.post(f"/transfers/{token}/accept", user="bob").status == 201

    def change_event(self, **fields: Any) -> None:
        from tests import builders

        reply = self.api.patch(f"/events/{self.event_id}", json=fields, token=builders.admin_token())
        assert reply.status == 200, reply.json

    def name_everything(self, name: str) -> None:
        """The event, its venue, its ticket type and the attendee of Ada's first ticket get this name."""
        from tests import builders

        self.change_event(name=name, venue=name)
        assert self.api.patch(f"/tiers/{self.tier_id}", json={"name": name}, token=builders.admin_token()).status == 200
        with settings.override(attendee_lock_seconds=1):
            named = self.api.patch(f"/tickets/{self.tickets[0].id}", json={"attendee": {"name": name}}, user="ada")
        assert named.status == 200, named.json

    @property
    def event(self) -> Event:
        return catalog.load_current().events[self.event_id]

    def add_logo(self, size: tuple[int, int]) -> str:
        """A verified promoter, whose event this now is, uploads a logo. Returns the logo's address."""
        promoter_id, by = sign_up_promoter(self.api)
        verify(self.api, promoter_id)
        self.change_event(promoter_id=promoter_id)
        reply = pictures.send(self.api, f"/promoters/{promoter_id}/logo", pictures.picture(size=size), by["token"])
        assert reply.status == 200, reply.json
        return str(reply.json["logo"]["url"])

    def stop_stream(self) -> None:
        """From now on, only the schedule makes updates."""
        self.poller.mappings = [mapping for mapping in self.poller.mappings if not mapping.name.startswith("update_passes/")]

    def wait(self, seconds: int) -> None:
        """Let time pass, in which functions in instances of their own get the changes of the tables, and no schedule runs."""
        memory.forget_everything()
        for _ in range(seconds):
            self.time.advance(1)
            self.poller.drain()

    def run_schedule(self) -> dict[str, Any]:
        return dict(app.app.handler_map["update_passes"](scheduled_event(), None))

    def update(self) -> dict[str, Any]:
        """Pass the changes on, and run the schedule, which finds what failed."""
        self.wait(BOUND_SECONDS)
        return self.run_schedule()


@pytest.fixture
def google() -> Iterator[FakeGoogle]:
    with fakes.open_google() as opened:
        values = {"google_wallet_issuer": fakes.ISSUER, "google_wallet_key": opened.key, "google_wallet_api_base": opened.url}
        with settings.override(webhook_targets="local", **values):
            yield opened


@pytest.fixture
def apns(tmp_path, monkeypatch) -> Iterator[FakeApns]:
    root = tmp_path / "root.pem"
    root.write_text(fakes.certificate_pem("apple root", "apple root"))
    monkeypatch.setenv("SSL_CERT_FILE", str(root))
    with fakes.open_apns(tmp_path) as opened, settings.override(apple_push_base=opened.url, **fakes.apple_settings()):
        yield opened


@pytest.fixture
def door(api, threaded_store, time) -> Iterator[WalletDoor]:
    yield WalletDoor(api, time)
    invariants.check(time.now)
