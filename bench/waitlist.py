"""`python -m bench.waitlist`: a long waitlist on a virtual clock, against DynamoDB's limits for a partition key.

First, 1,000 tickets are free for a line of 100,000 people, of whom the first half cannot have an offer, and the allocator runs. Then
300,000 people in the line of a sold-out event look at their places every 20 seconds, while 1,000 more join in each second. Takes ten
minutes.
"""

import os
import random
import secrets
from collections.abc import Iterable
from functools import partial
from typing import Any

from chalicelib.addons.waitlist import allocator, store
from chalicelib.addons.waitlist.model import Entry
from chalicelib.catalog import service as catalog
from chalicelib.dynamodb import dynamo, wire_format
from chalicelib.foundation import clock, ids, settings
from chalicelib.purchases.store import BuyerRow
from infra.local.environment import LOCAL_CREDENTIALS
from infra.local.gateway import Gateway
from tests import builders, engines
from tests.client import Client
from tests.simulation.instances import simulated_fleet
from tests.simulation.limits import Limits, SimulationReport, simulate

START = 1_780_315_200  # 2026-06-01T12:00:00Z
PEOPLE, TICKETS = 100_000, 1_000
CROWD, SECONDS, INSTANCES = 300_000, 10, 300
JOINS, LOOKS = 1_000, CROWD // 20  # per second


def fill_line(event_id: str, tier_id: str, people: int, blocked: int) -> None:
    """Put people into the line of an event; the first `blocked` have reached their limit."""
    fields: dict[str, Any] = {
        "event_id": event_id,
        "tier_ids": [tier_id],
        "quantity": 1,
        "joined_at": START,
        "ttl": START + 10**7,
        "parts": store.WRITTEN_PARTS,
    }
    entries = [Entry(id=f"{event_id}.{ids.new_id()}", user_id=f"{event_id}-{number}", **fields) for number in range(people)]
    store.open_line(event_id, START + 10**7)
    store.add_stocks(event_id, [catalog.load_current().tiers[tier_id].stock_id])
    _put([row for entry in entries for row in (store._entry_row(entry), store._place_row(entry))])
    _put([BuyerRow(entry.user_id, event_id, bought=100) for entry in entries[:blocked]])


def _put(rows: Iterable[dynamo.Table]) -> None:
    rows = list(rows)
    if rows:
        dynamo.batch_put(rows[0].name(), map(wire_format.serialize_row, rows))


def make_offers(api: Client, people: int, tickets: int) -> SimulationReport:
    """Run the allocator once for a line whose first half cannot have an offer. Returns the load of the run."""
    event_id, tier_id = builders.create_shop(api, capacity=tickets)
    fill_line(event_id, tier_id, people, people // 2)
    with clock.override(lambda: float(START)):
        report = simulate({"offer_tickets": (0, lambda: allocator.allocate_all(START))})
    offered = len(store.list_offered(event_id))
    assert offered == tickets, f"{offered} of {tickets} tickets were offered"
    return report


def look_and_join(api: Client) -> SimulationReport:
    """Let people join and look at their places. Returns the load; an error of a request ends the simulation."""
    event_id, tier_id = builders.create_shop(api, capacity=1)
    builders.create_order(api, (event_id, tier_id), 1, "first")
    fill_line(event_id, tier_id, CROWD, 0)
    allocator.allocate_all(START + 60)
    with simulated_fleet(INSTANCES, start=START + 60, limits=Limits()) as (timeline, fleet, service):

        def join(user: str) -> None:
            assert api.post("/waitlist", json={"event_id": event_id}, user=user).status == 201

        def look(user: str) -> None:
            [entry] = api.get("/waitlist", user=user).json["entries"]
            assert entry["position"] is not None

        for number in range(JOINS * SECONDS):
            timeline.at(number / JOINS, partial(fleet.submit, partial(join, f"j{number}")))
        for number in range(LOOKS * SECONDS):
            user = f"{event_id}-{random.randrange(CROWD)}"
            timeline.at(number / LOOKS, partial(fleet.submit, partial(look, user)))
        timeline.run()
        return service.report


def describe(report: SimulationReport) -> str:
    units = {key: units for key, units in report.units.items() if key[0].endswith("waitlist")}
    reads = max(units.items(), key=lambda item: item[1][0])
    writes = max(units.items(), key=lambda item: item[1][1])
    return (
        f"throttled {dict(report.throttles)}, conflicts {dict(report.conflicts)}; "
        f"most reads {reads[0][1]}: {reads[1][0]:,.0f}, most writes {writes[0][1]}: {writes[1][1]:,.0f}"
    )


def main() -> None:
    os.environ.update(
        LOCAL_CREDENTIALS, POWERTOOLS_LOG_LEVEL="CRITICAL", POWERTOOLS_METRICS_DISABLED="true", AWS_EC2_METADATA_DISABLED="true"
    )
    import app

    secret = {"jwt_secret": secrets.token_hex(32), "ticket_keys": f"k1:{secrets.token_hex(32)}"}
    shape = {"identity": "demo", "payment_simulation": "on", "rate_limits": "off"}
    with settings.override(**shape, **secret), engines.local(), engines.fresh_stage(), clock.override(lambda: float(START)):
        api = Client(Gateway(app.app))
        report = make_offers(api, PEOPLE, TICKETS)
        print(
            f"{TICKETS:,} offers in a line of {PEOPLE:,}: {report.elapsed:.1f} s in {report.calls:,} calls; {describe(report)}", flush=True
        )
        print(f"{CROWD:,} people in line, {LOOKS:,} looks and {JOINS:,} joins a second, {SECONDS} s: {describe(look_and_join(api))}")


if __name__ == "__main__":
    main()
