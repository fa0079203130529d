"""A simulation in which the orders of one event reach the projector of the reports at a steady rate, through the shards of the streams.

One order is bought, and its items and change records are copied under other ids, because buying each order would take longer.
"""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any
from unittest import mock
from zlib import crc32

import msgspec

from chalicelib.addons.reports import projection, store
from chalicelib.changes.stream import record_changes
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import ids, parallel
from chalicelib.purchases.store import CheckoutDetailsRow, PurchaseRow
from chalicelib.tickets.store import TicketRow
from tests import builders, engines
from tests.client import Client
from tests.simulation.limits import Limits, simulate
from tests.simulation.scheduler import current_actor

SHARDS = {"purchases": 10, "payment-transactions": 4}
BATCH, WINDOW_SECONDS = 500, 2.0  # as Lambda passes records to the projector (infra/event_sources.py)
TABLES: dict[str, type[dynamo.Table]] = {table.feature: table for table in (PurchaseRow, TicketRow, CheckoutDetailsRow)}
BUYER = "buyer-of-the-simulation"

Record = tuple[float, dict[str, Any]]  # the virtual second of a change, and its record


class ProjectionReport(msgspec.Struct):
    """The results of a run. `behind` is the longest time in seconds from a change to its place in the reports, `failures` are runs.

    `units` are write units of the reports for each order, and `busiest_key` is the most that one partition key took in a second.
    """

    orders: int
    behind: float = 0.0
    failures: Counter[str] = msgspec.field(default_factory=Counter)
    throttled: int = 0
    conflicts: int = 0
    units: float = 0.0
    busiest_key: float = 0.0


def project_sale(api: Client, *, rate: int, seconds: int, limits: Limits | None = None) -> ProjectionReport:
    """Let the projector follow `rate` orders of two tickets a second. Each order is reserved, checked out and paid within three seconds."""
    report = ProjectionReport(rate * seconds)
    event_id, shards = _records(api, rate, rate * seconds)

    def consume(records: Sequence[Record]) -> Callable[[], None]:
        def work() -> None:
            actor, position, size = current_actor(), 0, BATCH
            assert actor is not None
            while position < len(records):
                # A batch is full, or its first record has waited for the window.
                full_at = records[position + BATCH - 1][0] if position + BATCH <= len(records) else float("inf")
                begin = max(actor.wake, min(full_at, records[position][0] + WINDOW_SECONDS))
                actor.pause("waits for changes", begin)
                batch = [record for at, record in records[position : position + size] if at <= begin]
                try:
                    projection.project([change for record in batch for change in record_changes(record)])
                except Exception as error:
                    if not dynamo.is_unavailable(error):
                        raise
                    report.failures[type(error).__name__] += 1
                    size = max(1, len(batch) // 2)
                    continue
                report.behind = max(report.behind, actor.wake - records[position][0])
                position, size = position + len(batch), BATCH

        return work

    projection.project([])
    with mock.patch.object(parallel, "FEW", 10**9):  # threads would not be simulated
        load = simulate({name: (0.0, consume(records)) for name, records in shards.items()}, limits=limits)
    totals = store.load_totals(store.load_generations().current, event_id)
    assert totals["orders"] == report.orders, f"{totals['orders']} orders are counted"
    reports = dynamo.table_name("reports")
    report.throttled, report.conflicts = load.throttles.total(), load.conflicts.total()
    report.units = sum(write for (table, _), (_, write) in load.units.items() if table == reports) / report.orders
    report.busiest_key = max(writes for (table, _), writes in load.busiest_seconds.items() if table == reports)
    return report


def _records(api: Client, rate: int, count: int) -> tuple[str, dict[str, list[Record]]]:
    """Put `count` paid orders of one event into the tables.

    Returns the event's id, and their change records in the order of time, by shard of a stream.
    """
    event_id, tier_id = builders.create_shop(api, capacity=100)
    reserved = builders.reserve(api, BUYER, event_id, tier_id, 2).json["id"]
    attendees = [{"name": "Ada Lovelace"}, {"name": "Ada Lovelace"}]
    builders.start_checkout(api, BUYER, reserved, attendees=attendees, customer_email="ada@example.com")
    assert builders.confirm(api, BUYER, reserved).status == 201
    local = engines.local_engine()
    arns = local.stream_arns()
    changed = {name: local.stream_records(arns[dynamo.table_name(name)], "", 1_000_000) or [] for name in SHARDS}
    shards: dict[str, list[Record]] = {f"{name} {number}": [] for name in SHARDS for number in range(SHARDS[name])}
    items = {name: json.dumps(_items(name, reserved)) for name in TABLES}
    templates = {name: [json.dumps(record) for record in records] for name, records in changed.items()}
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in items}
    for number in range(count):
        order_id = ids.new_id()

        def copy(text: str, order_id: str = order_id, number: int = number) -> Any:
            return json.loads(text.replace(reserved, order_id).replace(BUYER, f"buyer-{number}"))

        for name, text in items.items():
            rows[name] += copy(text)
        for name, texts in templates.items():
            shard = shards[f"{name} {crc32(order_id.encode()) % SHARDS[name]}"]
            shard += [(number / rate + 3 * step / len(texts), copy(text)) for step, text in enumerate(texts)]
    for name, found in rows.items():
        dynamo.batch_put(map(TABLES[name].from_raw_data, found))
    return event_id, {name: sorted(records, key=lambda record: record[0]) for name, records in shards.items()}


def _items(feature: str, order_id: str) -> list[dict[str, Any]]:
    found = dynamo.client().scan(TableName=dynamo.table_name(feature), ConsistentRead=True)["Items"]
    return [item for item in found if order_id in json.dumps(item)]
