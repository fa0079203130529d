"""A door whose tickets are in wallets, with Google's API and Apple's push service in the process of the test."""

from collections.abc import Iterator
from typing import Any

import pytest

import app
from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import Event
from chalicelib.foundation import clock, deadline, memory, settings
from chalicelib.tickets import service as tickets
from infra.local.event_sources import create_poller
from infra.local.schedules import scheduled_event
from tests import builders, engines, invariants, pictures
from tests.addons.wallets import fakes
from tests.addons.wallets.fakes import FakeApns, FakeGoogle
from tests.catalog.test_quotas import verify
from tests.checkin.conftest import Door
from tests.client import ClientReply
from tests.promoters.test_suspension import sign_up_promoter

BOUND_SECONDS = 5  # in which a pass follows its ticket


class WalletDoor(Door):
    """Ada's two tickets for an event that starts in an hour. Buyers return tickets through resale."""

    def __init__(self, api: Any, time: Any, **fields: Any) -> None:
        super().__init__(api, time, returns={"policy": "resale"}, **fields)
        self.poller = create_poller(app.app, engines.local_engine(), clock=lambda: time.now)
        self.poller.drain()

    def add(self, wallet: str, number: int = 1, user: str = "ada", **headers: str) -> ClientReply:
        return self.api.post(f"/tickets/{self.order_id}-{number}/passes", json={"wallet": wallet}, user=user, headers=headers)

    def lose_first_ticket(self, way: str) -> None:
        """Ada's first ticket is no longer hers: she returns it (`refund`), gives it to Bob (`transfer`) or sells it to him (`resale`)."""
        ticket_id = self.tickets[0].id
        if way == "refund":
            assert builders.refund(self.api, self.order_id, tickets=[ticket_id]).status < 300
        elif way == "transfer":
            token = self.api.post(f"/tickets/{ticket_id}/transfer", user="ada").json["token"]
            assert self.api.post(f"/transfers/{token}/accept", user="bob").status == 201
        else:
            self.sell(ticket_id)

    def sell(self, ticket_id: str) -> None:
        """Ada offers a ticket for resale, and Bob buys it."""
        offered = self.api.post(f"/orders/{self.order_id}/resale", json={"tickets": [ticket_id]}, user="ada")
        assert offered.status == 200, offered.json
        item = {"tier_id": self.tier_id, "quantity": 1, "resale_price_cents": 5000}
        reserved = self.api.post(f"/events/{self.event_id}/reservations", json={"items": [item]}, user="bob")
        assert reserved.status == 201, reserved.json
        checkout = builders.start_checkout(self.api, "bob", reserved.json["id"]).json["id"]
        assert builders.confirm(self.api, "bob", checkout).status == 201

    def change_event(self, **fields: Any) -> None:
        reply = self.api.patch(f"/events/{self.event_id}", json=fields, token=builders.admin_token())
        assert reply.status == 200, reply.json

    def name_everything(self, name: str) -> None:
        """The event, its venue, its ticket type and the attendee of Ada's first ticket get this name."""
        self.change_event(name=name, venue=name)
        assert self.api.patch(f"/tiers/{self.tier_id}", json={"name": name}, token=builders.admin_token()).status == 200
        with settings.override(attendee_lock_seconds=1):
            named = self.api.patch(f"/tickets/{self.tickets[0].id}", json={"attendee": {"name": name}}, user="ada")
        assert named.status == 200, named.json

    def spread(self, *starts_at: int, **fields: Any) -> None:
        """Give the event a date at each of these times (epoch seconds), with these fields."""
        self.change_event(dates=[{"id": f"d{number}", "starts_at": clock.iso(at)} | fields for number, at in enumerate(starts_at, 1)])

    def buy_for(self, date_id: str) -> None:
        """Ada buys a ticket of a new type that is valid only for this date. From now on, this order is the door's."""
        self.tier_id = builders.create_tier(self.api, self.event_id, name=date_id)
        changed = self.api.patch(f"/tiers/{self.tier_id}", json={"date_ids": [date_id]}, token=builders.admin_token())
        assert changed.status == 200, changed.json
        self.order_id = builders.create_order(self.api, (self.event_id, self.tier_id), 1)
        self.tickets = [tickets.get_ticket(f"{self.order_id}-1")]

    def cancel(self, **fields: Any) -> None:
        """Cancel the event, or its date `date_id`."""
        reply = self.api.post(f"/events/{self.event_id}/cancel", json=fields, token=builders.admin_token())
        assert reply.status < 300, reply.json

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
def google(monkeypatch) -> Iterator[FakeGoogle]:
    """Google's API. Waits for a turn move only the clock that measures durations."""
    monotonic = clock.monotonic
    with fakes.open_google() as opened:
        monkeypatch.setattr(deadline.time, "sleep", opened.wait)
        monkeypatch.setattr(clock, "monotonic", lambda: monotonic() + opened.waited)
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
