"""`python -m bench.region [people] [seeds]`: a region dies in the middle of a drop, and the standby takes over; then the first comes back.

Two stores in this process, one for each region, and a third for the witness. A replicator copies each table on its own, up to LAG seconds
late. When the first region dies, what has not been copied is missing in the standby, as with DynamoDB's global tables, and arrives when the
region comes back, unless a later write has replaced it. Half of the runs cut the region off instead: it continues to sell to the buyers who
reach it, until its lease ends. Buyers pay a fake Stripe, some get free tickets, some leave. On a virtual clock, an operator notices the
loss after two minutes, and runs `fairgate failover`, and in the end `fairgate failback`.

Everything that buyers were shown must hold in the end: a paid ticket has the code that its buyer has seen, or the money is back; no more
tickets are valid than there are seats, and every invariant of the tests holds.
"""

import heapq
import itertools
import math
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, Literal

import msgspec
from msgspec import Struct, field

from bench.app_in_process import app_in_process
from bench.measure import Bound, print_bounds
from bench.prices import DOLLARS_PER_WRITE_UNIT
from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import RegionClaim
from chalicelib.catalog.snapshots import claim_sales
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock, ids, memory, settings
from chalicelib.inventory.store import ShardRow
from chalicelib.purchases import store as purchases
from chalicelib.tickets import signature
from chalicelib.tickets.store import scan_tickets
from devtools.dynamodb.engine import Engine, Pending, respond
from devtools.dynamodb.tables import Outcome
from devtools.dynamodb.values import decode_item
from devtools.in_process_clients import answered
from devtools.stripe.fake import FakeStripe
from infra import region, region_recovery, tables
from infra.local.environment import UNREACHABLE_ENDPOINT
from infra.local.event_sources import create_poller
from infra.region_recovery import RecoveryReport
from tests import builders, invariants
from tests.client import Client, ClientReply
from tests.payment_pages import VISA, pay_with_element
from tests.proof.scenes import SCHEDULES
from tests.simulation.instance_memory import InstanceMemory, separate_memories
from tests.stripe_shop import post_webhook, sdk_client, without_http

FIRST, STANDBY, WITNESS = "eu-central-1", "eu-west-1", "eu-west-3"
START = 1_795_000_020.0
LAG = 5.0
DROP_SECONDS, DIES_AFTER = 150, (50, 100)
NOTICED_SECONDS = 120
MAX_SECONDS_WITHOUT_SALES = 900
PEOPLE, SEEDS, CAPACITY_SHARE = 300, 4, 0.8
ORDERS, MAX_RECOVERY_SECONDS = 20_000, 30

Loss = Literal["dies", "cut off"]
Location = tuple[str, str, Any]  # region, table, key


class ReplicatedEngine(Engine):
    """A store that tells the network about each change of an item, except those that the network makes."""

    def __init__(self, network: "Network", region: str) -> None:
        super().__init__(network.clock, region)
        self._network, self.is_copying = network, False

    def write(self, outcomes: list[Outcome], *args: Any, **options: Any) -> Pending | None:
        pending = super().write(outcomes, *args, **options)
        if not self.is_copying:
            self._network.note(self.region, [each for each in outcomes if each.old_encoded != each.encoded])
        return pending


class Change(Struct, frozen=True):
    at: float
    number: int
    key: Any
    encoded: bytes | None


class Network:
    """The links between the regions, and the replication of the tables between the first two: the last writer of an item wins."""

    def __init__(self, seed: int, now: Callable[[], float]) -> None:
        self.clock, self._random, self._numbers = now, random.Random(seed), itertools.count()
        self.away: set[str] = set()  # regions that no other region reaches
        self.engines = {name: ReplicatedEngine(self, name) for name in (FIRST, STANDBY, WITNESS)}
        self._waiting: dict[tuple[str, str], list[Change]] = defaultdict(list)  # by region and table
        self._written: dict[Location, tuple[float, int]] = {}
        self.units = 0  # of writes that have to be copied

    def note(self, source: str, outcomes: list[Outcome]) -> None:
        for each in outcomes:
            change = Change(self.clock(), next(self._numbers), each.key, each.encoded)
            self._written[source, each.table.name, each.key] = (change.at, change.number)
            if source != WITNESS:
                self.units += max(1, math.ceil(len(each.encoded or b"") / 1024))
                self._waiting[source, each.table.name].append(change)

    def replicate(self, lag: float = LAG) -> None:
        """Copy what is old enough, each table up to another moment of the last `lag` seconds."""
        for (source, table), changes in self._waiting.items():
            if self.away & {FIRST, STANDBY}:
                continue
            until = self.clock() - self._random.uniform(0, lag)
            count = sum(change.at <= until for change in changes)
            for change in changes[:count]:
                self._copy(STANDBY if source == FIRST else FIRST, table, change)
            del changes[:count]

    def _copy(self, target: str, name: str, change: Change) -> None:
        engine, stamp = self.engines[target], (change.at, change.number)
        if self._written.get((target, name, change.key), (0.0, 0)) > stamp:
            return
        self._written[target, name, change.key] = stamp
        with engine.lock:
            table = engine.tables[name]
            old_encoded = table.items.get(change.key)
            old, new = (decode_item(item) if item is not None else None for item in (old_encoded, change.encoded))
            engine.is_copying = True
            engine.write([Outcome(table, change.key, old_encoded, old, change.encoded, new)], [])
            engine.is_copying = False

    def answer(self, target: str, operation: str, body: bytes) -> tuple[int, bytes]:
        """Answer a call from the current region to another one, or to itself."""
        source = settings.current().region
        if source != target and {source, target} & self.away:
            return 500, b'{"__type":"InternalServerError","message":"the region cannot be reached"}'
        return respond(self.engines[target], operation, body)

    @contextmanager
    def connected(self) -> Iterator[None]:
        """Serve the clients of all regions."""
        with ExitStack() as stack, settings.override(store_endpoint=UNREACHABLE_ENDPOINT):
            for name in self.engines:
                stack.enter_context(answered(partial(self.answer, name), dynamo.client_of(name)))
            yield


class Shown(Struct):
    """What buyers have seen: the code of each ticket, the region that showed it, and when."""

    codes: dict[str, tuple[str, str, float]] = field(default_factory=dict)
    places: dict[str, tuple[str, int]] = field(default_factory=dict)  # user -> token and number in line


class Result(Struct):
    """A run: counts of what happened, the seconds without sales, and the reports of the failover and of the failback."""

    seed: int
    loss: Loss
    counts: Counter[str] = field(default_factory=Counter)
    seconds_without_sales: float = 0.0
    copied_units: int = 0  # until the end of the drop
    reports: list[RecoveryReport] = field(default_factory=list)


class Day:
    """A drop in which the first region is lost. `play` plays all of it and checks the outcome."""

    def __init__(self, seed: int, loss: Loss, people: int = PEOPLE) -> None:
        self.now, self.random, self.people = START, random.Random(f"{seed} {loss}"), people
        self.network = Network(seed, lambda: self.now)
        self.result, self.shown = Result(seed, loss), Shown()
        self.front = FIRST  # the region to which the shop's name leads
        self.dead: set[str] = set()
        self.memories = {name: InstanceMemory() for name in (FIRST, STANDBY)}
        self._actions: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._sold_at = dict[str, float]()  # region -> the first sale there after the loss

    # Time

    def at(self, second: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._actions, (max(self.now, second), next(self._numbers), action))

    def run_until(self, second: float) -> None:
        while self._actions and self._actions[0][0] <= second:
            self.now, _, action = heapq.heappop(self._actions)
            self.network.replicate()
            action()
        self.now = max(self.now, second)
        self.network.replicate()

    def wait(self, seconds: float) -> None:
        self.run_until(self.now + seconds)

    @contextmanager
    def inside(self, name: str) -> Iterator[None]:
        """Act within a region, with the memory of its instance."""
        with settings.override(region=name), self.memories[name].active():
            yield

    # The day

    def play(self) -> Result:
        with ExitStack() as stack:
            stack.enter_context(clock.override(lambda: self.now))
            fake = stack.enter_context(FakeStripe(clock=lambda: self.now))
            stack.enter_context(without_http(fake))
            stack.enter_context(separate_memories())
            shop: dict[str, Any] = {
                "stripe_api_key": fake.api_key,
                "stripe_api_base": fake.url,
                "stripe_webhook_secrets": fake.webhook_secret,
            }
            shop |= {"payment_provider": "auto", "region": FIRST, "regions": f"{FIRST},{STANDBY},{WITNESS}"}
            self.api: Client = stack.enter_context(app_in_process(store=self.network.connected(), **shop))
            self.fake, self.browser = fake, sdk_client(fake, fake.publishable_key)
            self._prepare()
            self._play()
        return self.result

    def _prepare(self) -> None:
        for name in (STANDBY, WITNESS):
            tables.create_all(dynamo.client_of(name))
        self.fake.add_webhook_endpoint(self._receive_webhook)
        with self.inside(FIRST):
            claim_sales([FIRST, WITNESS], RegionClaim(FIRST, 1, 0), int(self.now) + 300)
            capacity = int(self.people * CAPACITY_SHARE)
            self.event_id = builders.create_event(self.api, "Drop")
            self.tier_id = builders.create_tier(self.api, self.event_id, capacity=capacity)
            self.free_id = builders.create_tier(self.api, self.event_id, "Free", price_cents=0, capacity=capacity // 4)
            self.queue_id = builders.create_event(
                self.api, "Queue", on_sale_at=clock.iso(int(START) + 3600), waiting_room={"enabled": True}
            )
        app = sys.modules["app"].app
        self.pollers = {name: create_poller(app, self.network.engines[name], window_seconds=0) for name in (FIRST, STANDBY)}

    def _play(self) -> None:
        self.at(self.now + 1, self._minute)
        self.at(self.now + 1, self._second)
        dies_at = START + self.random.randint(*DIES_AFTER) + self.random.random()
        for number in range(self.people):
            self.at(START + 10 + self.random.uniform(0, DROP_SECONDS), partial(self._visit, f"buyer-{number}"))
        self.run_until(dies_at)
        self._lose_first()
        self.run_until(dies_at + NOTICED_SECONDS)
        with self.inside(STANDBY):
            self.result.reports.append(region.take_over(wait=self.wait))
        self.front, back_at = STANDBY, self.now
        for number in range(self.people // 3):
            self.at(self.now + self.random.uniform(0, 60), partial(self._visit, f"later-{number}"))
        self.run_until(self.now + 900)
        self.result.copied_units = self.network.units
        self.result.seconds_without_sales = self._sold_at.get(STANDBY, back_at) - max(dies_at, self._sold_at.get(FIRST, 0.0))
        self._check(STANDBY)
        self.network.away.clear()
        self.dead.clear()
        self.run_until(self.now + 300)
        with self.inside(FIRST):
            self.result.reports.append(region.take_over(wait=self.wait))
        self.front = FIRST
        for number in range(self.people // 10):
            self.at(self.now + self.random.uniform(0, 60), partial(self._visit, f"last-{number}"))
        self.run_until(self.now + 900)
        self._check(FIRST)

    def _lose_first(self) -> None:
        self.network.away.add(FIRST)
        self.lost_at = self.now
        if self.result.loss == "dies":
            self.dead.add(FIRST)

    # What happens by itself

    def _minute(self) -> None:
        self.at(self.now + 60, self._minute)
        for name in {FIRST, STANDBY} - self.dead:
            with self.inside(name):
                self._run("sweep", builders.run_sweep)
                if int(self.now - START) // 60 % 15 == 0:
                    self._run("reconcile", partial(SCHEDULES["reconcile"], _scheduled(), None))

    def _second(self) -> None:
        self.at(self.now + 2, self._second)
        for name in {FIRST, STANDBY} - self.dead:
            with self.inside(name):
                self.pollers[name].drain()
        self.fake.deliver()

    def _run(self, what: str, run: Callable[[], Any]) -> None:
        report = run()
        self.result.counts[f"{what}{' (standby)' if report == {'standby': True} else ''}"] += 1

    def _receive_webhook(self, body: bytes, headers: Any) -> int:
        reply = self._send(lambda api: post_webhook(api, body, headers))
        return reply.status if reply is not None else 502

    def _send(self, request: Callable[[Client], ClientReply], user: str = "") -> ClientReply | None:
        """Send a request to the region that the caller's name server names. Returns None if nobody answers there."""
        # Until the end of a cut, half of the buyers reach only the first region, whose lease ends meanwhile.
        target = FIRST if self.result.loss == "cut off" and FIRST in self.network.away and hash_of(user) % 2 else self.front
        if target in self.dead:
            return None
        with self.inside(target):
            reply = request(self.api)
        if reply.status >= 500:
            self.result.counts[f"{reply.status} in {target}"] += 1
        return reply

    # People

    def _visit(self, user: str) -> None:
        kind = self.random.choices(("paid", "free", "queue", "leaves"), (60, 10, 20, 10))[0]
        if kind == "queue":
            self._join(user)
            return
        body: dict[str, Any] = {"tier_id": self.free_id if kind == "free" else self.tier_id, "quantity": self.random.randint(1, 3)}
        reserve = partial(builders.reserve, user=user, event_id=self.event_id, tier_id=body["tier_id"], quantity=body["quantity"])
        reserved = self._send(lambda api: reserve(api), user)
        if reserved is None or reserved.status != 201:
            self._again(user, reserved)
        elif kind != "leaves":
            self.at(self.now + self.random.uniform(1, 8), partial(self._check_out, user, reserved.json["id"]))

    def _again(self, user: str, reply: ClientReply | None) -> None:
        """Try again later while nobody sells."""
        if reply is None or reply.status >= 500:
            self.at(self.now + self.random.uniform(10, 40), partial(self._visit, user))
        else:
            self.result.counts[f"refused: {reply.json['error']}"] += 1

    def _join(self, user: str) -> None:
        joined = self._send(lambda api: api.post(f"/events/{self.queue_id}/waiting-room/join", user=user), user)
        if joined is not None and joined.status == 200:
            self.shown.places[user] = joined.json["token"], 0
            self.result.counts["joined"] += 1

    def _check_out(self, user: str, reservation_id: str) -> None:
        opened = self._send(lambda api: builders.start_checkout(api, user, reservation_id, key=reservation_id), user)
        if opened is not None and opened.status in (200, 201):
            self.at(self.now + self.random.uniform(0.5, 6), partial(self._pay, user, opened.json))

    def _pay(self, user: str, session: dict[str, Any]) -> None:
        if "payment" in session and session["payment"].get("client_secret"):
            outcome = pay_with_element(self.browser, session, VISA)
            self.result.counts[f"paid: {outcome}"] += 1
            if outcome != "succeeded":
                return
        self.at(self.now + self.random.uniform(0, 2), partial(self._confirm, user, session["id"]))

    def _confirm(self, user: str, checkout_id: str) -> None:
        target = self.front
        confirmed = self._send(lambda api: builders.confirm(api, user, checkout_id, simulate=None), user)
        if confirmed is None or confirmed.status not in (200, 201):
            return
        if FIRST in self.network.away or self.front != FIRST:
            where = FIRST if self.front == FIRST else target
            self._sold_at[where] = self.now if where == FIRST else self._sold_at.get(where, self.now)
        self.result.counts["orders shown"] += 1
        for ticket in confirmed.json["tickets"]:
            self.shown.codes[ticket["id"]] = ticket["code"], self.front, self.now

    # The outcome

    def _check(self, name: str) -> None:
        with self.inside(name):
            self.run_until(self.now + 600)
            for _ in range(3):
                self.pollers[name].drain()
                builders.run_sweep()
            tickets = {ticket.id: ticket for ticket in scan_tickets()}
            by_id = {purchase.id: purchase for purchase in purchases.scan_purchases()}
            lost = [ticket_id for ticket_id, (code, _, _) in self.shown.codes.items() if self._is_lost(ticket_id, code, tickets, by_id)]
            counts = Counter(ticket.tier_id for ticket in tickets.values() if ticket.state != "void")
            for tier in (catalog.load_current().tiers[tier_id] for tier_id in (self.tier_id, self.free_id)):
                assert counts[tier.id] <= (tier.capacity or 0), f"{tier.id}: {counts[tier.id]} of {tier.capacity}"
            self._check_money(by_id)
            self._check_invariants()
            for token, _ in self.shown.places.values():
                status = self.api.get(f"/events/{self.queue_id}/waiting-room/status", query={"token": token})
                assert status.status == 200, status.json
            self.result.counts["free tickets lost"] = len(lost)
            self.result.counts["tickets honored"] = len(self.shown.codes) - len(lost)

    def _is_lost(self, ticket_id: str, code: str, tickets: dict[str, Any], by_id: dict[str, Any]) -> bool:
        """Return whether a free ticket that a buyer has seen is lost. A paid one must have its code, or its money is back."""
        ticket, purchase = tickets.get(ticket_id), by_id.get(ticket_id.rpartition("-")[0])
        if ticket is not None:
            assert ticket.code == code, f"{ticket_id} has another code than its buyer has seen"
            return False
        intents = [
            intent for intent in self.fake.objects("payment_intent") if intent["metadata"]["purchase_id"] == ticket_id.rpartition("-")[0]
        ]
        paid = [charge for charge in self._charges() if charge["payment_intent"] in [intent["id"] for intent in intents]]
        assert all(charge["amount_refunded"] == charge["amount"] for charge in paid), (
            f"{ticket_id} is lost, and its money is kept: {purchase}"
        )
        _, _, at = self.shown.codes[ticket_id]
        assert paid or at >= self.lost_at - LAG, f"{ticket_id} was lost, and is {self.lost_at - at} seconds older than the loss"
        self.result.counts["paid tickets refunded"] += bool(paid)
        return not paid

    def _charges(self) -> list[dict[str, Any]]:
        return [charge for charge in self.fake.objects("charge") if charge["paid"]]

    def _check_money(self, by_id: dict[str, Any]) -> None:
        for charge in self._charges():
            intent = charge["payment_intent"]
            owners = [purchase for purchase in by_id.values() if purchase.is_order and purchase.is_own_payment(intent)]
            is_back = charge["amount_refunded"] == charge["amount"]
            assert bool(owners) != is_back, f"{intent}: {len(owners)} orders, refunded {charge['amount_refunded']} of {charge['amount']}"

    def _check_invariants(self) -> None:
        """Check the invariants. Sold tickets whose order did not arrive stay sold, so these stocks have more sold than paid ones."""
        lost = {stock for report in self.result.reports for stock, count in report.lost_sales.items() if count}
        try:
            invariants.check(int(self.now), recovered=True)
        except AssertionError as error:
            found = [line for line in str(error).splitlines() if not any(line.startswith(f"{stock}: ") for stock in lost)]
            assert not found, "\n".join(found)


def hash_of(user: str) -> int:
    return sum(user.encode())


def _scheduled() -> dict[str, Any]:
    from infra.local.schedules import scheduled_event

    return dict(scheduled_event())


def fill(orders: int) -> None:
    """Fill the current store with paid orders for two tickets each, as copies of one order. Every tenth has lost its tickets."""
    client, features = dynamo.client(), ("purchases", "tickets", "payment-transactions", "buyers")
    rows = {name: list(client.scan(TableName=dynamo.table_name(name))["Items"]) for name in features}
    [model] = rows["purchases"]
    model_id, buyer = model["id"]["S"], model["user_id"]["S"]
    for number in range(1, orders):
        order_id, user = ids.new_id(), f"buyer-{number}"
        for name, found in rows.items():
            copies = msgspec.json.encode(found).decode().replace(model_id, order_id).replace(f'"{buyer}"', f'"{user}"')
            items = msgspec.json.decode(copies) if name != "tickets" or number % 10 else []
            for item in items:
                if name == "tickets":
                    item["code"] = {"S": signature.derive_code(item["id"]["S"])}
                client.put_item(TableName=dynamo.table_name(name), Item=item)
    order, sold = purchases.load(model_id), 2 * orders
    assert order is not None
    [shard_id] = {hold.shard_id for line in order.lines for hold in line.holds}
    dynamo.update_now(ShardRow(shard_id), [ShardRow.sold.set(sold), ShardRow.capacity.set(sold), ShardRow.available.set(0)])


def repair(orders: int) -> tuple[RecoveryReport, float]:
    """Repair this many orders. Returns the report, and the processor time, with that of the store in this process."""
    with app_in_process() as api:
        builders.create_order(api, builders.create_shop(api, capacity=2 * orders))
        fill(orders)
        memory.forget_everything()
        began = time.process_time()
        report = region_recovery.recover(clock.now() - 3600, clock.now(), clock.now())
        return report, time.process_time() - began


def take_bounds(people: int = PEOPLE, seeds: int = SEEDS) -> Iterator[Bound]:
    """Play the drop with each seed and each way to lose a region, and print what happened."""
    slowest = 0.0
    for seed, loss in itertools.product(range(1, seeds + 1), ("dies", "cut off")):
        result = Day(seed, loss, people).play()  # type: ignore[arg-type]
        slowest = max(slowest, result.seconds_without_sales)
        dollars = result.copied_units * DOLLARS_PER_WRITE_UNIT
        print(f"seed {seed}, {loss}: {dict(sorted(result.counts.items()))}")
        print(f"{result.seconds_without_sales:.0f} seconds without sales; {result.copied_units:,} copied write units (${dollars:.4f})")
        for report in result.reports:
            print(msgspec.json.encode(report).decode())
    yield Bound("longest time without sales", slowest / 60, "min", MAX_SECONDS_WITHOUT_SALES / 60)
    _, seconds = repair(ORDERS)
    yield Bound(f"processor time of a recovery of {ORDERS:,} orders", seconds, "s", MAX_RECOVERY_SECONDS)


if __name__ == "__main__":
    sys.exit(print_bounds(take_bounds(*map(int, sys.argv[1:]))))
