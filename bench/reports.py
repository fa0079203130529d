"""`python -m bench.reports`: what follows a sale of 1,000 orders a second of one event, as in docs/performance.md.

It measures how far behind the reports are, and how fast the shards of the stream number the seats of the event.

It runs on a virtual clock, against DynamoDB's limits for a partition key. It takes five minutes.
"""

import json
import sys
from collections.abc import Iterator
from functools import partial
from zlib import crc32

from bench.app_in_process import app_in_process
from bench.measure import Bound, print_bounds
from chalicelib.catalog import service as catalog
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock, ids
from chalicelib.tickets import seat_numbers
from chalicelib.tickets.model import Ticket
from chalicelib.tickets.store import TicketRow, load_tickets
from tests import builders
from tests.client import Client
from tests.simulation.limits import SimulationReport, simulate
from tests.simulation.projection import ProjectionReport, project_sale

START = 1_780_315_200
RATE, SECONDS = 1_000, 10
SHARDS = 10  # of the stream of tickets
TICKETS = 2  # per order


def describe(report: ProjectionReport) -> str:
    return (
        f"at most {report.behind:.1f} s behind, {report.units:.1f} write units an order, busiest key {report.busiest_key:.0f} writes/s; "
        f"{report.throttled} calls throttled, {report.conflicts} conflicts, failed runs {dict(report.failures)}"
    )


def number_seats(api: Client, orders: int) -> SimulationReport:
    """Let SHARDS runs number the seats of these orders of one event at the same time, as fast as they can. Returns the load."""
    first = builders.create_order(api, builders.create_shop(api), TICKETS)
    bought = json.dumps([ticket.serialize() for ticket in TicketRow.scan()])
    order_ids = [ids.new_id() for _ in range(orders)]
    copies = (ticket for order_id in order_ids for ticket in json.loads(bought.replace(first, order_id)))
    dynamo.batch_put(map(TicketRow.from_raw_data, copies))
    by_shard: dict[int, list[Ticket]] = {shard: [] for shard in range(SHARDS)}
    tickets = load_tickets(ticket_id for order_id in order_ids for ticket_id in builders.ticket_ids(order_id, *range(1, TICKETS + 1)))
    for ticket in tickets:
        by_shard[crc32(ticket.id.encode()) % SHARDS].append(ticket)
    catalog.find_event(tickets[0].event_id)  # loads the catalog

    report = simulate({f"shard {shard}": (0.0, partial(seat_numbers.number_tickets, issued)) for shard, issued in by_shard.items()})
    numbered = load_tickets(ticket.id for issued in by_shard.values() for ticket in issued)
    assert sorted(ticket.serial.first for ticket in numbered if ticket.serial) == list(range(1, TICKETS * orders + 1))
    return report


def take_bounds(rate: int = RATE) -> Iterator[Bound]:
    load = f"{rate:,} orders a second of one event for {SECONDS} s"
    with app_in_process() as api:
        report = project_sale(api, rate=rate, seconds=SECONDS)
    print(f"{load}: {describe(report)}")
    yield Bound(f"{load}: the reports are behind", report.behind, "s", 5)
    yield Bound(f"{load}: throttled, and runs that failed", report.throttled + report.failures.total(), "calls", 0)
    with app_in_process() as api, clock.override(lambda: float(START)):  # the catalog is loaded once
        numbered = number_seats(api, rate * SECONDS)
    tickets = rate * SECONDS * TICKETS
    print(
        f"{tickets:,} seats numbered by {SHARDS} shards at once: {numbered.elapsed:.1f} s, {numbered.calls:,} calls, {numbered.hottest()}"
    )
    yield Bound(
        f"seats of one event numbered by {SHARDS} shards at once", tickets / numbered.elapsed, "/s", rate * TICKETS, is_minimum=True
    )
    yield Bound("retries of the numbering runs", numbered.conflicts.total() + numbered.throttles.total(), "calls", 0)


if __name__ == "__main__":
    sys.exit(print_bounds(take_bounds()))
