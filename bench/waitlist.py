"""`python -m bench.waitlist`: a long waitlist on a virtual clock, against DynamoDB's limits for a partition key.

First, a sold-out event releases 10,000 held-back tickets to a line of 100,000 people, while other people constantly try to reserve them,
and then to everybody. Next, buyers of another sold-out event offer 1,000 tickets for resale at one price, and the people in the line buy
them. Next, the allocator offers 1,000 free tickets to a line of 100,000 people, the first half of whom cannot have an offer. Last, the
allocator counts a line of 300,000 people at a sold-out event. These people look up their places every 20 seconds, while 1,000 more join in
each second, its managers read the line ten times a second, and the allocator counts the people who joined. Takes almost half an hour of
processor time.
"""

import random
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from typing import Any
from unittest import mock

from bench.app_in_process import app_in_process
from bench.measure import Bound, print_bounds
from chalicelib.addons.waitlist import allocator, store
from chalicelib.addons.waitlist.model import Entry, Place
from chalicelib.audit import service as audit
from chalicelib.catalog import holdbacks
from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import ReleaseTo
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock, ids, memory, parallel
from chalicelib.purchases import sweep
from chalicelib.purchases.store import BuyerRow
from tests import builders
from tests.client import Client, ClientReply
from tests.simulation.call_log import record_calls
from tests.simulation.instances import Result, simulated_fleet
from tests.simulation.limits import Limits, SimulationReport, simulate
from tests.simulation.scheduler import current_actor

START = 1_780_315_200  # 2026-06-01T12:00:00Z
PEOPLE, TICKETS = 100_000, 1_000
RELEASED, WAITING, PASSERS_BY = 10_000, 100_000, 300
RESOLD, SELLERS_AT_ONCE, PAYING_SECONDS = 1_000, 20, 10
CROWD, SECONDS, INSTANCES = 300_000, 10, 300
JOINS, LOOKS, MANAGER_READS = 1_000, CROWD // 20, 10  # per second
RELEASE_TO: tuple[ReleaseTo, ...] = ("waitlist", "draw", "public")
PLACE_SECONDS = 21e-6  # processor time to read and count a place: 12 µs of a whole core, on a function with 1,024 MB


def fill_line(event_id: str, tier_id: str, people: int, blocked: int) -> None:
    """Put people into the line of an event; the first `blocked` have reached their limit."""
    fields: dict[str, Any] = {
        "event_id": event_id,
        "tier_ids": [tier_id],
        "quantity": 1,
        "joined_at": START,
        "ttl": START + 10**7,
        "parts": store.PARTS,
    }
    entries = [Entry(id=f"{event_id}.{ids.new_id()}", user_id=f"{event_id}-{number}", **fields) for number in range(people)]
    store.open_line(event_id, START + 10**7)
    store.add_stocks(event_id, [catalog.load_current().tiers[tier_id].stock_id])
    dynamo.batch_put(row for entry in entries for row in (store._entry_row(entry), store._place_row(entry)))
    dynamo.batch_put(BuyerRow(entry.user_id, event_id, bought=100) for entry in entries[:blocked])


def make_offers(api: Client, people: int, tickets: int) -> SimulationReport:
    """Run the allocator once for a line whose first half cannot have an offer. Returns the load of the run."""
    event_id, tier_id = builders.create_shop(api, capacity=tickets)
    fill_line(event_id, tier_id, people, people // 2)
    with clock.override(lambda: float(START)):
        report = simulate({"offer_tickets": (0, lambda: allocator.allocate_all(START))})
    offered = len(store.list_offered(event_id))
    assert offered == tickets, f"{offered} of {tickets} tickets were offered"
    return report


def release(api: Client, released: int, waiting: int, to: ReleaseTo) -> Iterator[tuple[str, SimulationReport]]:
    """Release held-back tickets of a sold-out event while people wait and others try to reserve. Yields the load of each step.

    Fails if somebody else gets a ticket that is for the line, or if somebody in the line is passed over.
    """
    event_id, tier_id = builders.create_shop(api, capacity=released + 1)
    held_back = {"id": "house", "reason": "house", "quantity": released, "release_when_sold_out": True, "release_to": to}
    assert api.patch(f"/tiers/{tier_id}", json={"holdbacks": [held_back]}, token=builders.admin_token()).status == 200
    builders.create_order(api, (event_id, tier_id), 1, "first")
    fill_line(event_id, tier_id, waiting if to != "public" else 1000, 0)  # a release to the public does not depend on who waits
    line = [place.entry.id for place in store.list_places(event_id)]
    found: list[int] = []

    def pass_by() -> None:
        found.extend(builders.reserve(api, f"passer-by-{number}", event_id, tier_id).status for number in range(PASSERS_BY))

    yield (
        f"{released:,} tickets released to the {to}",
        simulate({"sweep": (0, lambda: holdbacks.release_due(START)), "buyers": (0, pass_by)}),
    )
    assert catalog.load_current().tiers[tier_id].held_back == 0
    if to == "public":
        assert builders.reserve(api, "late", event_id, tier_id).status == 201
        return
    yield (
        f"{released:,} offers to a line of {waiting:,} by {to}",
        simulate({"offers": (0, lambda: allocator.allocate_all(START)), "buyers": (0, pass_by)}),
    )
    assert set(found) == {409}, found
    if to == "draw":
        [seed] = [entry.details["seed"] for entry in audit.list_entries(f"tier#{tier_id}") if entry.action == "waitlist.drawn"]
        line.sort(key=lambda entry_id: sha256(f"{seed} {entry_id}".encode()).hexdigest())
    assert sorted(entry.id for entry in store.list_offered(event_id)) == sorted(line[:released])


def resell(api: Client, listed: int, waiting: int) -> tuple[SimulationReport, float]:
    """Offer tickets of a sold-out event for resale while people wait, and let the people who get an offer buy them.

    SELLERS_AT_ONCE sellers offer their tickets from the first second, one after the other. Each minute, the allocator makes offers, the
    people with an offer pay within PAYING_SECONDS, other people try to reserve, and the sweep refunds the sellers. Returns the load and
    the seconds until the last ticket is sold. Fails if somebody else gets a ticket, if somebody in the line is passed over, or if a seller
    gets no refund.
    """
    event_id, tier_id = builders.create_shop(api, capacity=listed)
    policy = {"returns": {"policy": "resale"}}
    assert api.patch(f"/events/{event_id}", json=policy, token=builders.admin_token()).status == 200
    sellers = {f"seller-{number}": builders.create_order(api, (event_id, tier_id), 1, f"seller-{number}") for number in range(listed)}
    fill_line(event_id, tier_id, waiting, 0)
    line = [place.entry.user_id for place in store.list_places(event_id)]
    item = {"tier_id": tier_id, "quantity": 1, "resale_price_cents": 5000}
    bought, refused, busy = dict[str, float](), set[int](), list[float]()
    with simulated_fleet(INSTANCES, start=START, limits=Limits()) as (timeline, fleet, service):

        def request(call: Callable[[], ClientReply], then: Callable[[ClientReply], None]) -> None:
            """Send a request until it succeeds, like a client that tries again when the shop is busy."""

            def receive(result: Result) -> None:
                reply: ClientReply = result.value
                assert reply.status in (200, 201, 503), reply.json
                if reply.status == 503:
                    busy.append(timeline.now)
                    timeline.at(timeline.now + 1, lambda: request(call, then))
                else:
                    then(reply)

            fleet.submit(call, receive)

        def offer(numbers: Sequence[int]) -> None:
            if numbers:
                user = f"seller-{numbers[0]}"
                request(lambda: api.post(f"/orders/{sellers[user]}/resale", json={}, user=user), lambda _: offer(numbers[1:]))

        def pay(entry: Entry) -> None:
            purchase, user = str(entry.purchase_id), entry.user_id
            confirm = partial(builders.confirm, api, user, purchase)
            open_checkout = partial(builders.start_checkout, api, user, purchase, key=purchase)
            request(open_checkout, lambda _: request(confirm, lambda _: bought.update({user: timeline.now})))

        def pass_by() -> None:
            body = {"items": [item]}
            refused.add(api.post(f"/events/{event_id}/reservations", json=body, user=f"passer-by-{random.random()}").status)

        def minute() -> None:
            if len(bought) == listed:
                return
            fleet.submit(lambda: allocator.allocate_all(clock.now()), lambda _: fleet.submit(lambda: store.list_offered(event_id), pay_all))
            for number in range(PASSERS_BY // 10):
                timeline.at(timeline.now + number, partial(fleet.submit, pass_by))
            timeline.at(timeline.now + 40, partial(fleet.submit, lambda: sweep.run_sweep(clock.now())))
            timeline.at(timeline.now + 60, minute)

        def pay_all(result: Result) -> None:
            for entry in result.value:
                if entry.user_id not in bought:
                    timeline.at(timeline.now + random.uniform(0, PAYING_SECONDS), partial(pay, entry))

        for first in range(SELLERS_AT_ONCE):
            offer(range(first, listed, SELLERS_AT_ONCE))
        timeline.at(60, minute)
        timeline.run()
    assert refused == {409}, refused
    assert set(bought) == set(line[:listed])
    orders = [api.get(f"/orders/{order_id}", user=user).json["order"] for user, order_id in sellers.items()]
    assert {(order["status"], *(refund["status"] for refund in order["refunds"])) for order in orders} == {("refunded", "succeeded")}
    print(f"requests refused with 503 and sent again: {len(busy)}")
    return service.report, max(bought.values())


@contextmanager
def timed_count() -> Iterator[None]:
    """Let the counting of places take virtual time. Without it, the pages of a line would be read faster than anybody can read them."""
    count = allocator._Pass._count

    def timed(run: allocator._Pass, places: list[Place]) -> None:
        actor = current_actor()
        assert actor is not None
        actor.pause("counts places", actor.wake + len(places) * PLACE_SECONDS)
        count(run, places)

    with mock.patch.object(allocator._Pass, "_count", timed):
        yield


def build_crowd(api: Client, people: int) -> tuple[str, SimulationReport]:
    """Put people into the line of a sold-out event, and let the allocator count them. Returns the event's id and the load of the count."""
    event_id, tier_id = builders.create_shop(api, capacity=1)
    builders.create_order(api, (event_id, tier_id), 1, "first")
    fill_line(event_id, tier_id, people, 0)
    with timed_count():
        report = simulate({"offer_tickets": (0, lambda: allocator.allocate_all(START + 60))})
    census = store.find_census(event_id)
    assert census is not None
    assert census.people == people
    return event_id, report


def units_of(read: Callable[[], ClientReply]) -> float:
    """Return the read units of the table that an instance which knows nothing yet takes for a request."""
    memory.forget_everything()
    with record_calls(measured=True) as calls:
        assert read().json["entries"]
    return sum(call.read_units for call in calls.of(table="waitlist"))


def look_and_join(api: Client, event_id: str, people: int) -> SimulationReport:
    """Let people join and look up their places, and managers read the line. Returns the load; an error of a request ends the simulation."""
    with simulated_fleet(INSTANCES, start=START + 60, limits=Limits()) as (timeline, fleet, service):

        def join(user: str) -> None:
            assert api.post("/waitlist", json={"event_id": event_id}, user=user).status == 201

        def look(user: str) -> None:
            [entry] = api.get("/waitlist", user=user).json["entries"]
            assert entry["position"] is not None

        def manage() -> None:
            assert api.get(f"/events/{event_id}/waitlist", token=builders.admin_token()).json["entries"]

        for number in range(JOINS * SECONDS):
            timeline.at(number / JOINS, partial(fleet.submit, partial(join, f"j{number}")))
        for number in range(LOOKS * SECONDS):
            user = f"{event_id}-{random.randrange(people)}"
            timeline.at(number / LOOKS, partial(fleet.submit, partial(look, user)))
        for number in range(MANAGER_READS * SECONDS):
            timeline.at(number / MANAGER_READS, partial(fleet.submit, manage))
        timeline.at(SECONDS / 2, partial(fleet.submit, lambda: allocator.allocate_all(clock.now())))
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


def take_bounds(people: int = PEOPLE, crowd: int = CROWD, released: int = RELEASED, resold: int = RESOLD) -> Iterator[Bound]:
    # Threads would not be simulated, so parallel calls are made one after the other.
    with app_in_process() as api, clock.override(lambda: float(START)), mock.patch.object(parallel, "FEW", 10_000):
        for to in RELEASE_TO:
            for step, report in release(api, released, released * WAITING // RELEASED, to):
                print(f"{step}: {report.elapsed:.1f} s in {report.calls:,} calls; {describe(report)}", flush=True)
                yield Bound(step, report.elapsed, "s", 1800 if "offers" in step else 60)
                yield Bound(f"{step}: throttled", report.throttles.total(), "calls", 0)
        buyers = resold * 6 // 5
        report, seconds = resell(api, resold, buyers)
        step = f"{resold:,} tickets for resale bought by a line of {buyers:,}"
        print(f"{step}: {seconds:.0f} s in {report.calls:,} calls, {report.total_units()}; {describe(report)}")
        yield Bound(step, seconds, "s", 1800)
        yield Bound(f"{step}: throttled", report.throttles.total(), "calls", 0)
        report = make_offers(api, people, TICKETS)
        line = f"{TICKETS:,} offers in a line of {people:,}"
        print(f"{line}: {report.elapsed:.1f} s in {report.calls:,} calls; {describe(report)}", flush=True)
        yield Bound(f"{line}, of whom the first half cannot have one", report.elapsed, "s", 180)
        yield Bound(f"{line}: throttled", report.throttles.total(), "calls", 0)
        event_id, report = build_crowd(api, crowd)
        print(f"count of a line of {crowd:,}: {report.elapsed:.1f} s in {report.calls:,} calls; {describe(report)}", flush=True)
        yield Bound(f"count of a line of {crowd:,}", report.elapsed, "s", 60)
        yield Bound(f"count of a line of {crowd:,}: throttled", report.throttles.total(), "calls", 0)
        look = units_of(lambda: api.get("/waitlist", user=f"{event_id}-{crowd // 2}"))
        yield Bound(f"looking up one's place in a line of {crowd:,}", look, "read units", 2)
        page = units_of(lambda: api.get(f"/events/{event_id}/waitlist", token=builders.admin_token()))
        yield Bound(f"a manager's page of a line of {crowd:,}", page, "read units", 40)
        load = f"{crowd:,} people in line, {LOOKS:,} looks, {JOINS:,} joins and {MANAGER_READS} managers' pages a second, {SECONDS} s"
        report = look_and_join(api, event_id, crowd)
        print(f"{load}: {describe(report)}")
        yield Bound(f"{load}: throttled", report.throttles.total(), "calls", 0)


if __name__ == "__main__":
    sys.exit(print_bounds(take_bounds()))
