"""What the scenes of most flows have in common: time passes for the whole product, and an outcome that counts what is stored."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

from chalice.app import ScheduledEventConfig

import app
from chalicelib.addons.documents import order_pages
from chalicelib.catalog import service as catalog
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import settings
from chalicelib.inventory.store import scan_shards
from chalicelib.purchases import store
from chalicelib.tickets import qr
from infra import tables
from infra.local.event_sources import create_poller
from infra.local.gateway import Gateway
from infra.local.schedules import scheduled_event
from tests import engines, invariants
from tests.addons.reports.conftest import kept_figures, recounted_figures
from tests.client import Client, ClientReply
from tests.documented import check_reply
from tests.simulation.interception import unobserved
from tests.simulation.moments import Moment

SCHEDULES = {source.name: app.app.handler_map[source.name] for source in app.app.event_sources if isinstance(source, ScheduledEventConfig)}
# Tables whose items depend on when and how often something ran, or on the choice of a lane.
_NOT_COUNTED = {
    "audit",
    "catalog",
    "idempotency",
    "job-runs",
    "login-attempts",
    "purchases",
    "rate-limits",
    "reports",
    "stock-ledger",
    "sweep",
}

# What counts of other tables.
_COUNTED: dict[str, dict[str, Any]] = {
    "accounts": {"FilterExpression": "attribute_not_exists(#ttl)", "ExpressionAttributeNames": {"#ttl": "ttl"}},
    "waiting-room": {"FilterExpression": "not begins_with(id, :refusals)", "ExpressionAttributeValues": {":refusals": {"S": "excluded#"}}},
}


@contextmanager
def open_app() -> Iterator[Client]:
    """The app with an empty store and empty buckets in this process."""
    with TemporaryDirectory() as images, engines.folder_buckets(Path(images)), engines.local(), drawn_once():
        yield Client(Gateway(app.app), check_reply)


@contextmanager
def drawn_once() -> Iterator[None]:
    """Draw each code and each PDF of tickets once for all tries, which took two thirds of the time of flows that send tickets."""
    render, known = order_pages.render_tickets, dict[str, bytes]()

    def render_once(purchase: Any, tickets: Any, symbols: Any, event: Any, *rest: Any) -> bytes:
        valid_for = event and [catalog.snapshot().narrow(event, [ticket.tier_id]) for ticket in tickets]
        key = repr((purchase, tickets, event, valid_for, rest, settings.current().shop_name))
        if key not in known:
            known[key] = render(purchase, tickets, symbols, event, *rest)
        return known[key]

    with mock.patch.object(qr, "modules", lru_cache(qr.modules)), mock.patch.object(order_pages, "render_tickets", render_once):
        yield


class StoredScene:
    """A scene whose outcome is what is stored in the end. Its steps are methods that return a reply, or None: `refund ada 1 2` calls
    `refund("ada", "1", "2")`."""

    ROUNDS: Sequence[int] = (301, 3700)

    def __init__(self, api: Client, time: Any) -> None:
        self.api, self.time = api, time

    def run(self, *steps: str) -> ClientReply | None:
        """Make the steps. Returns the reply to the last one. Lambda runs a function again that raises an error and has no caller."""
        reply: ClientReply | None = None
        with suppress(*dynamo.STORE_ERRORS):
            for step in steps:
                name, *words = step.split()
                reply = getattr(self, name)(*words)
        return reply

    def state(self) -> Any:
        return repr(sorted((name, value) for name, value in vars(self).items() if isinstance(value, (str, dict))))

    def snapshot(self) -> Moment:
        return Moment(self.time)

    def check(self) -> None:
        invariants.check(self.time.now)

    def recover(self, seconds: int) -> None:
        """Holds expire, all schedules run, and the streams of changes are read."""
        self.time.advance(seconds)
        for run in SCHEDULES.values():
            run(scheduled_event(), None)
        self.follow_changes()

    def check_recovered(self) -> None:
        invariants.check(self.time.now, recovered=True)
        assert kept_figures() == recounted_figures()

    def follow_changes(self, function: str = "") -> None:
        """Pass the changes in the streams to all functions that read them, or to one."""
        poller = create_poller(app.app, engines.local_engine(), window_seconds=0)
        poller.mappings[:] = [mapping for mapping in poller.mappings if mapping.name.startswith(function)]
        poller.drain()

    def outcome(self) -> Any:
        current = catalog.load_current()
        return {
            "events": sorted((event.name, event.status, event.paused) for event in current.events.values()),
            "tiers": sorted((tier.name, tier.capacity, tier.price_cents) for tier in current.tiers.values()),
            "stock": sorted((shard.sold, shard.held, shard.available, shard.is_open) for shard in scan_shards()),
            "purchases": sorted(
                (each.state, each.quantity, len(each.refunds)) for each in store.scan_purchases() if each.state != "expired"
            ),
            "items": _count_items(),
        }


def _count_items() -> dict[str, int]:
    """Count the items of each table.

    Links in mails, which nobody has received, expire by themselves, so they do not count. Nor do the public figures of refusals, which are
    left out if the store fails.
    """
    counts: Counter[str] = Counter()
    with unobserved():
        for feature in tables.definitions().keys() - _NOT_COUNTED:
            options = _COUNTED.get(feature, {})
            for page in dynamo.client().get_paginator("scan").paginate(TableName=dynamo.table_name(feature), Select="COUNT", **options):
                counts[feature] += page["Count"]
    return dict(counts)
