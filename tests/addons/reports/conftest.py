"""The projector, driven by the streams of the local store, and a recount of what it keeps."""

from collections import Counter
from typing import Any

import pytest

import app
from chalicelib.addons.reports import store
from chalicelib.addons.reports.figures import Figures, entry_figures, purchase_figures, ticket_figures, total
from chalicelib.dynamodb import dynamo
from chalicelib.ledger import service as ledger
from chalicelib.payments.model import WITHOUT_MONEY
from chalicelib.purchases import queries
from chalicelib.tickets.store import scan_tickets
from devtools.event_source_mapping import StreamPoller
from infra.event_sources import CONSUMERS
from infra.local.event_sources import create_poller
from tests import builders, engines


@pytest.fixture
def poller(threaded_store) -> StreamPoller:
    """Passes the changes of the store to the projector when the test says `poller.drain()`."""
    return create_poller(app.app, engines.local_engine(), window_seconds=0)


def change_records() -> list[dict[str, Any]]:
    """Return all change records that the projector gets; the records of one item are in order."""
    local = engines.local_engine()
    arns = local.stream_arns()
    streams = [arns[dynamo.table_name(feature)] for feature in CONSUMERS["project_reports"]]
    return [record for stream in streams for record in local.stream_records(stream, "", 1_000_000) or []]


def kept_figures(generation: int = store.FIRST_WIDE) -> dict[str, Figures]:
    """Event id -> all figures that the projector keeps."""
    kept: dict[str, list[Figures]] = {}
    for lane in _lanes(generation):
        if "#figures" in lane:
            kept.setdefault(lane.split("#")[1], []).extend({row.part: row.numbers} for row in store.FigureRow.query(lane))
    return {event_id: total(parts) for event_id, parts in kept.items()}


def recounted_figures() -> dict[str, Figures]:
    """The same, counted from the purchases, the ledger and the tickets."""
    counted: dict[str, list[Figures]] = {}
    for purchase in queries.scan_purchases():
        counted.setdefault(purchase.event_id, []).append(purchase_figures(purchase))
    for entry in ledger.scan_entries():
        counted.setdefault(entry.event_id, []).append(entry_figures(entry))
    for ticket in scan_tickets():
        counted.setdefault(ticket.event_id, []).append(ticket_figures(ticket))
    return {event_id: total(parts) for event_id, parts in counted.items()}


def listed_sales(generation: int = store.FIRST_WIDE) -> Counter[tuple[str, str, str, int]]:
    events = {lane.split("#")[1] for lane in _lanes(generation)}
    sales = [sale for event_id in events for sale, _ in store.query_sales(generation, event_id, "0", "~")]
    return Counter((sale.order_id, sale.kind, sale.reference, sale.amount_cents) for sale in sales if sale.provider not in WITHOUT_MONEY)


def ledger_sales() -> Counter[tuple[str, str, str, int]]:
    entries = [entry for entry in ledger.scan_entries() if entry.amount_cents]
    return Counter((entry.purchase_id, entry.kind, entry.reference, entry.amount_cents) for entry in entries)


def listed_orders(generation: int = store.FIRST_WIDE) -> Counter[tuple[str, str]]:
    events = {lane.split("#")[1] for lane in _lanes(generation)}
    orders = [order for event_id in events for order in store.query_orders(generation, event_id, None)]
    return Counter((order.order_id, order.state) for order in orders)


def stored_orders() -> Counter[tuple[str, str]]:
    return Counter((purchase.id, purchase.state) for purchase in queries.scan_purchases() if purchase.was_order)


def check_reports(generation: int = store.FIRST_WIDE) -> None:
    """What the projector keeps equals a recount of everything."""
    assert kept_figures(generation) == recounted_figures()
    assert listed_sales(generation) == ledger_sales()
    assert listed_orders(generation) == stored_orders()


def pages(api, path, name, **query):
    """All pages of a list."""
    found = []
    while True:
        reply = api.get(path, query=query, token=builders.admin_token())
        assert reply.status == 200, reply.json
        assert len(reply.json[name]) <= query.get("limit", 100)
        found += reply.json[name]
        if reply.json["next_cursor"] is None:
            return found
        query["cursor"] = reply.json["next_cursor"]


@pytest.fixture
def event_ids(api, poller, time):
    """The events of a random sale, whose changes the projector has processed."""
    from tests.addons.reports.test_projection import play_sale

    play_sale(api, time, 60, seed=7)
    poller.drain()
    return [event["id"] for event in api.get("/admin/events", token=builders.admin_token()).json]


def _lanes(generation: int) -> set[str]:
    return {row.lane for row in store.ReportRow.scan() if row.lane.startswith(f"{generation}#")}
