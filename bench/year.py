"""`python -m bench.year`: a year of a shop with 200 events on a virtual clock, and what has grown after it.

Promoters create, publish and cancel events; people wait in line, buy, let holds and checkouts expire, get refunds, pass tickets on, join
waitlists and enter. The schedules, the streams and DynamoDB's time to live run as on AWS. After the year and the longest retention, only
the tables in KEPT may have more items than before, and only so many for each event. The work of the background, and what an instance
remembers, must not grow in the course of the year.
"""

import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from msgspec import Struct, field

from bench.app_in_process import app_in_process
from bench.measure import Bound, print_bounds
from chalicelib.foundation import clock, memory
from chalicelib.purchases import store
from chalicelib.purchases.model import ACTIVE_STATES
from infra.local.event_sources import create_poller
from infra.local.schedules import scheduled_event
from tests import builders, engines, invariants
from tests.client import Client, ClientReply
from tests.proof.scenes import SCHEDULES
from tests.simulation.interception import Listener, StoreCall, feature_of, intercept

START = 1_780_272_000  # 2026-06-01T00:00:00Z
DAY = 86_400
DAYS, EVENTS, SEED = 365, 200, 1
SWEEPS_A_DAY = 4
LEAP_DAYS, RETENTION_DAYS = 5, 400  # after the year; all items that expire are gone by then
CAPACITY, BUYERS = 10, 8
MONTHS = 12
MAX_PROCESSOR_MINUTES = 10
MAX_ENTRIES = 40  # in each memory of an instance. On AWS it is up to 10,000, which a year of 200 events would not fill.


class Kept(NamedTuple):
    """How many items of a table may stay for each event of this year, for how long, and why."""

    per_event: int
    reason: str


# Tables whose items stay on purpose. All items of the other tables must be gone in the end.
KEPT = {
    "audit": Kept(10, "as long as the stage: who changed what, and when"),
    "buyers": Kept(11, "as long as the orders: limits of purchases count them"),
    "catalog": Kept(7, "as long as the stage: orders and the public ledgers refer to events and their versions"),
    "checkout-details": Kept(1, "as long as the ticket: the address of the owner who accepted it, empty without one"),
    "event-cancellations": Kept(1, "as long as the event: how many of its orders are refunded"),
    "inventory": Kept(1, "as long as the event: its sold tickets"),
    "job-runs": Kept(0, "one item for each job"),
    "payment-transactions": Kept(7, "as long as the stage: the money ledger"),
    "purchases": Kept(6, "orders, as long as the stage; what was never paid expires"),
    "reconciliation": Kept(0, "one item: the time up to which the books have been compared"),
    "reports": Kept(45, "as long as the event: its figures and the list of its orders"),
    "stock-display": Kept(1, "as long as the event: its figures for display"),
    "stock-ledger": Kept(10, "as long as the event: anybody can check it"),
    "sweep": Kept(0, "one item for each lane of the sweep; the marks of minutes expire"),
    "ticket-numbers": Kept(1, "as long as the event: its last seat number"),
    "tickets": Kept(11, "as long as the orders"),
    "waiting-room": Kept(1, "rooms and their counters, as long as the event: anybody can check the draw; places expire"),
}
FEW_ITEMS = 10  # in each kept table, besides those of events


class Growth(Struct):
    """A month: the calls of the background by table, the number of entries that the instance remembers, and unfinished purchases."""

    calls: Counter[str] = field(default_factory=Counter)
    remembered: int = 0
    unfinished: int = 0


class _Calls(Listener):
    """Counts the calls of the background in `month`, while there is one."""

    month: Growth | None = None

    def before(self, call: StoreCall) -> None:
        if self.month is not None:
            self.month.calls[call.operation] += 1


class Year:
    """A year of the shop. `run` plays it, and `retire` lets the retention pass."""

    def __init__(self, api: Client, events: int = EVENTS, days: int = DAYS) -> None:
        self.api, self.events, self.days = api, events, days
        self.now, self.random, self.counts = START, random.Random(SEED), Counter[str]()
        self.months: list[Growth] = [Growth() for _ in range(MONTHS)]
        self._later = defaultdict[int, list[Callable[[], None]]](list)
        self._engine, self._calls = engines.local_engine(), _Calls()

    @contextmanager
    def _clock(self) -> Iterator[None]:
        with clock.override(lambda: float(self.now)), intercept(self._calls):
            self._poller = create_poller(sys.modules["app"].app, self._engine, window_seconds=0)
            yield

    def run(self) -> None:
        with self._clock(), _small_memories():
            self._run_background(self.months[0])
            self.at_start = self.items()
            for day in range(self.days):
                month = self.months[day * MONTHS // self.days]
                for number in range(self.events * day // self.days, self.events * (day + 1) // self.days):
                    self._create_event(day, number)
                for action in self._later.pop(day, []):
                    action()
                self._run_background(month)
                month.remembered = sum(len(each.entries) for each in memory.list_memories())
                month.unfinished = (
                    sum(purchase.state in ACTIVE_STATES for purchase in store.scan_purchases()) if day % 30 == 29 else month.unfinished
                )
            self.at_end = self.items()

    def retire(self) -> None:
        """Let the last events take place, and everything expire."""
        with self._clock():
            for day in sorted(self._later):
                self.now = max(self.now, START + day * DAY)
                for action in self._later.pop(day):
                    action()
                self._run_background(Growth())
            for _ in range(RETENTION_DAYS // LEAP_DAYS):
                self.now += (LEAP_DAYS - 1) * DAY
                self._run_background(Growth())
            self.after = self.items()
            invariants.check(self.now, recovered=True)

    def items(self) -> dict[str, int]:
        """Return the number of items in each table."""
        return {feature_of(name): len(table.items) for name, table in self._engine.tables.items()}

    def _run_background(self, month: Growth) -> None:
        """Let a day pass with the schedules, the streams and the deletion of expired items."""
        self._calls.month = month
        midnight = self.now // DAY * DAY
        for number in range(1, SWEEPS_A_DAY + 1):
            self.now = max(self.now, midnight + number * DAY // SWEEPS_A_DAY)
            builders.run_sweep()
            if number == 1:
                for run in SCHEDULES.values():
                    run(scheduled_event(), None)
            self._poller.drain()
        self._engine.delete_expired()
        self._calls.month = None

    def _do(self, what: str, reply: ClientReply) -> Any:
        assert reply.status < 300, (what, reply.status, reply.json)
        self.counts[what] += 1
        return reply.json

    def _plan(self, day: int, action: Callable[[], None]) -> None:
        self._later[day].append(action)

    def _create_event(self, day: int, number: int) -> None:
        promoter = _promoter(number)
        has_room, takes_place = number % 4 == 0, day + self.random.randint(20, 60)
        room = {"waiting_room": {"wave_size": 100, "wave_seconds": 1} if has_room else {"enabled": False}}
        times = {"on_sale_at": clock.iso(self.now + 2 * DAY - 60), "starts_at": clock.iso(self.now + (takes_place - day) * DAY + 3600)}
        body = {"name": f"Event {number}", "venue": "Hall", **times, **room}
        event_id = self._do("event", self.api.post("/events", json=body, **promoter))["id"]
        tier = {"name": "Floor", "price_cents": 5000, "capacity": CAPACITY}
        tier_id = self._do("tier", self.api.post(f"/events/{event_id}/tiers", json=tier, **promoter))["id"]
        self._do("publication", self.api.post(f"/events/{event_id}/publish", **promoter))
        users = [f"e{number}-{name}" for name in range(BUYERS)]
        tokens = dict.fromkeys(users, "")
        if has_room:
            for user in users:
                tokens[user] = self._do("join", self.api.post(f"/events/{event_id}/waiting-room/join", user=user))["token"]
        self._plan(day + 2, lambda: self._sell(day + 2, number, event_id, tier_id, tokens, takes_place))

    def _sell(self, day: int, number: int, event_id: str, tier_id: str, tokens: dict[str, str], takes_place: int) -> None:
        orders: dict[str, str] = {}
        left = CAPACITY
        for place, (user, token) in enumerate(tokens.items()):
            quantity = min(2, left)
            if quantity == 0:
                entry = {"event_id": event_id, "quantity": 1}
                self._do("waitlist", self.api.post("/waitlist", json=entry, user=user))
                continue
            body = {"tier_id": tier_id, "quantity": quantity, **({"token": token} if token else {})}
            held = self._do("reservation", self.api.post(f"/events/{event_id}/reservations", json=body, user=user))["id"]
            left -= quantity
            if place == 0 and number % 3:  # leaves before or after opening the checkout
                if number % 3 == 1:
                    self._do("abandoned checkout", builders.start_checkout(self.api, user, held, key=held))
                self.counts["abandoned hold"] += 1
                continue
            self._do("checkout", builders.start_checkout(self.api, user, held, key=held))
            self._do("order", builders.confirm(self.api, user, held))
            orders[user] = held
        if number % 20 == 7:
            self._plan(day + 3, lambda: self._do("cancelled event", self.api.post(f"/events/{event_id}/cancel", **_promoter(number))))
            return
        first, second, *_ = orders.items()
        self._plan(day + 3, lambda: self._do("refund", builders.refund(self.api, first[1], key=first[1])))
        self._plan(day + 4, lambda: self._pass_on(f"{second[1]}-1", second[0]))
        rest = [order_id for _, order_id in list(orders.items())[2:]]
        self._plan(takes_place, lambda: self._admit(event_id, rest))

    def _pass_on(self, ticket_id: str, user: str) -> None:
        token = self._do("transfer", self.api.post(f"/tickets/{ticket_id}/transfer", user=user))["token"]
        self._do("accepted transfer", self.api.post(f"/transfers/{token}/accept", user=f"{user}-friend"))

    def _admit(self, event_id: str, order_ids: list[str]) -> None:
        for order_id in order_ids:
            for ticket in self.api.get(f"/admin/orders/{order_id}", token=builders.admin_token()).json["tickets"]:
                scan = {"code": ticket["code"], "event_id": event_id}
                self.api.post("/checkin", json=scan, token=builders.admin_token())
                self.counts["scan"] += 1


@contextmanager
def _small_memories() -> Iterator[None]:
    """Let an instance remember at most MAX_ENTRIES of a kind."""
    former = {each: each.max_entries for each in memory.list_memories()}
    for each, most in former.items():
        each.max_entries = min(most, MAX_ENTRIES)
    memory.forget_everything()
    try:
        yield
    finally:
        for each, most in former.items():
            each.max_entries = most
        memory.forget_everything()


def _promoter(number: int) -> dict[str, str]:
    """Return what identifies the promoter of an event to the API now."""
    return {"token": builders.token(f"promoter-{number % 40}", "promoter")}


def take_bounds(events: int = EVENTS, days: int = DAYS) -> Iterator[Bound]:
    """Play the year and print its tables. Yields the figures with their bounds."""
    began = time.process_time()
    with app_in_process() as api:
        year = Year(api, events, days)
        year.run()
        year.retire()
    print(f"{events} events in {days} days: {', '.join(f'{count:,} x {what}' for what, count in year.counts.items())}\n")
    print("| table | at the start | after the year | after the retention | kept |\n| --- | ---: | ---: | ---: | --- |")
    grown = {}
    for table, count in sorted(year.after.items()):
        kept, figures = KEPT.get(table, Kept(0, "")), (year.at_start[table], year.at_end[table], count)
        if any(figures):
            print(f"| {table} | {' | '.join(f'{figure:,}' for figure in figures)} | {kept.reason} |")
        most = kept.per_event * events + FEW_ITEMS if table in KEPT else year.at_start[table]
        if count > most:
            grown[table] = count - most
    print("\n| month | calls of the background | entries remembered | unfinished purchases |\n| ---: | ---: | ---: | ---: |")
    for number, month in enumerate(year.months, 1):
        print(f"| {number} | {month.calls.total():,} | {month.remembered:,} | {month.unfinished:,} |")
    middle, last = year.months[MONTHS // 2 - 2 : MONTHS // 2], year.months[-2:]
    yield Bound(f"items that stay, besides those in KEPT ({', '.join(grown) or 'no table'})", sum(grown.values()), "items", 0)
    yield Bound(
        "calls of the background in the last two months, compared with the middle of the year", _ratio(middle, last, "calls"), "x", 1.3
    )
    yield Bound("entries that an instance remembers, compared in the same way", _ratio(middle, last, "remembered"), "x", 1.3)
    yield Bound("unfinished purchases at the end", float(last[-1].unfinished), "purchases", 10)
    yield Bound("processor time", (time.process_time() - began) / 60, "min", MAX_PROCESSOR_MINUTES)


def _ratio(earlier: list[Growth], later: list[Growth], name: str) -> float:
    def total(months: list[Growth]) -> int:
        return sum(month.calls.total() if name == "calls" else month.remembered for month in months)

    return total(later) / max(1, total(earlier))


if __name__ == "__main__":
    sys.exit(print_bounds(take_bounds()))
