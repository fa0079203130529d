"""The cost of the functions behind a sale on AWS: waitlist offers, followed changes, and webhooks of promoters.

`python -m bench.follow_up_costs` prints them. As in `bench.costs`, calls and units are counted in this process and nothing is timed.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from msgspec import Struct

from bench.app_in_process import app_in_process
from bench.costs import lambda_configuration
from bench.measure import Measure
from bench.prices import TRIP_MS, Usage, lambda_dollars, store_dollars
from chalicelib.addons.outgoing_webhooks import sender, store
from chalicelib.addons.outgoing_webhooks.model import QueuedDelivery
from chalicelib.addons.waitlist import allocator
from chalicelib.changes import jobs
from chalicelib.changes.model import Change, OrderPaid, TicketIssued
from chalicelib.foundation import clock, outbound_http
from chalicelib.foundation.outbound_http import HostReply
from chalicelib.purchases import queries
from tests import builders
from tests.client import Client
from tests.simulation.call_log import record_calls

ORDERS = 20  # orders whose changes come in one batch
PEOPLE = 100  # people on the waitlist of an event
RECEIVER_MS = 200.0  # assumed response time of a promoter's server
RUNS_A_MONTH = 30 * 24 * 60  # runs of a function that is called each minute
PROMOTER = "promoter"


class FollowUpCounts(Struct, frozen=True):
    """`waiting` is a run of the allocator without tickets to offer, `offer` the additional usage per offer. `order` is the usage of passing
    on an order with a webhook, `webhook` that of sending it. `due` is a run that looks for webhooks to send again, with one endpoint.
    """

    waiting: Usage
    offer: Usage
    order: Usage
    webhook: Usage
    due: Usage


def take_measures(scratch: Path) -> Iterator[Measure]:  # noqa: ARG001
    counts = count_usage()
    for name, usage in (
        (f"a month of offer_tickets, while {PEOPLE} people wait for one event", counts.waiting * RUNS_A_MONTH),
        ("1,000 offers of the waitlist", counts.offer * 1000),
        ("1,000 orders that are passed on by follow_changes, with a webhook each", counts.order * 1000),
        ("1,000 webhooks that are sent", counts.webhook * 1000),
        ("a month of retry_webhooks, with one endpoint", counts.due * RUNS_A_MONTH),
    ):
        yield Measure(name, _dollars(usage), "$")


def count_usage() -> FollowUpCounts:
    now = [clock.now()]
    with app_in_process(webhook_targets="local") as api, clock.override(lambda: float(now[0])):
        waiting, offer = _count_waitlist(api, now)
        order, webhook, due = _count_webhooks(api, now)
    return FollowUpCounts(waiting, offer, order, webhook, due)


def _count_waitlist(api: Client, now: list[int]) -> tuple[Usage, Usage]:
    event_id, tier_id = builders.create_shop(api, capacity=1)
    order_id = builders.create_order(api, (event_id, tier_id), 1, "first")
    now[0] += 5  # cached figures are at most five seconds old
    for number in range(PEOPLE):
        assert api.post("/waitlist", json={"event_id": event_id, "quantity": 1}, user=f"w{number}").status == 201
    allocator.allocate_all(now[0])  # fills the caches
    waiting = _count(lambda: allocator.allocate_all(now[0]))
    assert builders.refund(api, order_id).status == 201
    return waiting, _less(_count(lambda: allocator.allocate_all(now[0])), waiting)


def _count_webhooks(api: Client, now: list[int]) -> tuple[Usage, Usage, Usage]:
    token = builders.token(PROMOTER, "promoter")
    endpoint = {"url": "http://127.0.0.1:9999/", "event_types": ["order.paid"]}
    created = api.post(f"/promoters/{PROMOTER}/webhook-endpoints", json=endpoint, token=token)
    assert created.status == 201, created.json
    shop = _create_promoted_shop(api, token)
    orders = [builders.create_order(api, shop, 1, f"buyer-{number}") for number in range(ORDERS)]
    changes: list[Change] = []
    for order_id in orders:
        purchase = queries.load_purchase(order_id)
        assert purchase is not None
        [ticket] = queries.load_tickets(purchase)
        changes += [OrderPaid(at=now[0], purchase=purchase), TicketIssued(at=now[0], ticket=ticket, sequence="1")]
    passed_on = _count(lambda: jobs.pass_on(changes)) * (1 / ORDERS)
    [known] = store.list_endpoints(PROMOTER)
    queued = [QueuedDelivery(PROMOTER, known.id, delivery.id) for delivery in store.query_deliveries(known.id, None)]
    assert len(queued) == ORDERS
    reply = HostReply(status=200, body=b"", retry_after=None)
    with mock.patch.object(outbound_http, "post", return_value=reply):
        sent = _count(lambda: sender.send_queued(queued)) * (1 / ORDERS)
    receiving = Usage(trips=RECEIVER_MS / TRIP_MS)  # Lambda also bills the time spent waiting for the receiver
    return passed_on, sent + receiving, _count(lambda: sender.send_due(now[0]))


def _create_promoted_shop(api: Client, token: str) -> tuple[str, str]:
    """Create an event of the promoter that is on sale, with a tier. Returns both ids."""
    dates = {"starts_at": clock.iso(clock.now() + 30 * 86_400), "on_sale_at": clock.iso(clock.now() - 3600)}
    event = {"name": "Fest", "venue": "Hall", "waiting_room": {"enabled": False}, **dates}
    event_id = str(api.post("/events", json=event, token=token).json["id"])
    tier = {"name": "Floor", "price_cents": 5000, "capacity": ORDERS}
    tier_id = str(api.post(f"/events/{event_id}/tiers", json=tier, token=token).json["id"])
    assert api.post(f"/events/{event_id}/publish", token=token).status == 200
    return event_id, tier_id


def _count(work: Callable[[], Any]) -> Usage:
    with record_calls(measured=True) as calls:
        work()
    transactions = sum(entry.round_trips for entry in calls.of("TransactWriteItems"))
    return Usage(1, calls.round_trips - transactions, transactions, *calls.capacity)


def _less(usage: Usage, other: Usage) -> Usage:
    return usage + other * -1


def _dollars(usage: Usage) -> float:
    """Return the dollars for the store and Lambda, without API Gateway."""
    return store_dollars(usage) + lambda_dollars(usage, *lambda_configuration())


def main() -> None:
    for measure in take_measures(Path()):
        print(measure.text_line())


if __name__ == "__main__":
    main()
