"""A drop on many instances: a thousand buyers wait, enter and pay, an admin pauses and resumes the sale, and all tickets are sold.

Times are seconds after the opening. `run_drop` returns the load on the store and how long the requests of buyers took.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Mapping
from typing import Any

import msgspec

from chalicelib.foundation import clock, settings
from chalicelib.waiting_room import entries, tokens
from tests import builders
from tests.client import Client, ClientReply
from tests.simulation.instances import Fleet, Result, Timeline, simulated_fleet
from tests.simulation.interception import Listener, StoreCall, feature_of, intercept
from tests.simulation.limits import SimulatedService, percentile

OPENING = 110.0  # virtual seconds from the creation of the event to the opening
CLOSING_SECONDS = 15  # before the opening: the draw closes, and the list of entries is published
JOINING = (80.0, 92.0)  # virtual seconds in which the buyers join
WAVES = {"wave_seconds": 5, "pass_seconds": 90, "grace_seconds": 0, "follow_stock": True}
ARRIVAL_COUNTERS = 4
PER_USER = 2
PATIENCE = 5  # how often a buyer tries to reserve when all tickets are gone

# A buyer is a generator. It yields either the seconds for which it waits, or a request, and then receives the reply to the request.
Request = tuple[str, Callable[[Client], ClientReply]]
Buyer = Generator[float | Request, ClientReply, None]


class DropPlan(msgspec.Struct, frozen=True, kw_only=True):
    instances: int
    buyers: int = 1000
    capacity: int = 600
    wave_size: int = 100
    pause_at: float = 12
    resume_at: float = 20
    all_in_at: float = 60  # an admin lets everybody in, although everything is sold
    ends_at: float = 85
    seed: int = 1


class Second(msgspec.Struct):
    """The work of the store in one second: units by feature of the table, and the highest write units of a single item."""

    reads: Counter[str]
    writes: Counter[str]
    hottest: tuple[str, float] = ("", 0.0)


class DropReport(msgspec.Struct):
    """The results of a run. `seconds` begin at the first join. `durations` are by request and status, in seconds.

    `replies` are counted by (request, status, error). `room_writes` are (second after the opening, key, outcome).
    `listed_at` is the second after the opening in which the list of entries was seen; it is negative.
    """

    plan: DropPlan
    seconds: list[Second] = []
    replies: Counter[tuple[str, int, str]] = msgspec.field(default_factory=Counter)
    durations: dict[str, list[float]] = msgspec.field(default_factory=lambda: defaultdict(list))
    segments: list[tuple[float, int]] = []
    state_bytes: int = 0
    room_writes: list[tuple[float, str, str]] = []
    throttles: Counter[str] = msgspec.field(default_factory=Counter)
    event_id: str = ""
    listed_at: float | None = None

    def rate(self, kind: str, start: float = 0, end: float | None = None) -> float:
        """Return the average units per second from `start` to `end` after the opening. `kind` is reads or writes."""
        span = self.seconds[int(OPENING + start) : int(OPENING + (self.plan.ends_at if end is None else end))]
        return sum(getattr(second, kind).total() for second in span) / len(span)

    def peak(self, kind: str) -> float:
        return max(getattr(second, kind).total() for second in self.seconds[int(OPENING) :])

    def by_table(self, kind: str) -> Counter[str]:
        """Return the units since the opening, by table."""
        return sum((getattr(second, kind) for second in self.seconds[int(OPENING) :]), Counter())

    def percentile(self, name: str, percent: float = 99) -> float:
        """Return the milliseconds that `percent` of the requests with this name did not exceed."""
        return 1000 * percentile(self.durations[name], percent)

    @property
    def writes_at_opening(self) -> int:
        """How often instances tried to write the room or one of its counters around the opening, from 2 s before to 3 s after."""
        return sum(-2 <= at <= 3 for at, _, _ in self.room_writes)

    def max_segments(self, start: float = 0, end: float = 1e9) -> int:
        return max(count for at, count in self.segments if start <= at < end)


class _RoomWrites(Listener):
    """Records the writes of the room and its counters. Any instance that finds such a write due makes it."""

    rank = 90

    def __init__(self, timeline: Timeline, report: DropReport) -> None:
        self._timeline, self._report = timeline, report

    def after(self, call: StoreCall) -> None:
        for access in call.accesses:
            key = access.id[1]
            if access.kind == "write" and key.startswith(("room#", "counter#")):
                self._report.room_writes.append((self._timeline.now - OPENING, key, call.outcome))


class Drop:
    """A run of the scenario."""

    def __init__(self, api: Client, plan: DropPlan, timeline: Timeline, fleet: Fleet, service: SimulatedService) -> None:
        self.api, self.plan, self.timeline, self.fleet, self.service = api, plan, timeline, fleet, service
        self.report = DropReport(plan)
        self.event_id = self.tier_id = self._commitment = ""
        self._random = random.Random(plan.seed)
        self._units: dict[tuple[str, str], tuple[float, float]] = {}

    def prepare(self) -> None:
        on_sale_at = clock.iso(int(clock.precise_now() + OPENING))
        self.event_id = builders.create_event(
            self.api, "Drop", on_sale_at=on_sale_at, status="scheduled", waiting_room=WAVES | {"wave_size": self.plan.wave_size}
        )
        self.report.event_id = self.event_id
        self.tier_id = builders.create_tier(self.api, self.event_id, capacity=self.plan.capacity, per_user_limit=PER_USER)

    def start(self) -> None:
        end = OPENING + self.plan.ends_at
        for number in range(self.plan.buyers):
            self.timeline.follow(self._buyer(f"buyer-{number}"), self._send, OPENING + self.plan.ends_at)
        admin = f"/admin/events/{self.event_id}"
        for at, path, body in (
            (self.plan.pause_at, "/pause", None),
            (self.plan.resume_at, "/resume", None),
            (self.plan.all_in_at, "/waiting-room/let-in", {"count": self.plan.buyers}),
        ):
            self.timeline.at(OPENING + at, lambda path=path, body=body: self._send(self._admin_request(admin + path, body)))
        for second in range(int(end)):
            self.timeline.at(second + 1, self._note_second)
            self.timeline.at(second + 0.5, lambda: self._send(("state", lambda api: api.get(self._room("state"))), self._note_state))
        for second in range(0, int(end), 60):
            self.timeline.at(second, lambda: self.fleet.submit(builders.run_sweep))

    def _buyer(self, user: str) -> Buyer:
        yield self._random.uniform(*JOINING)
        token = (yield "join", lambda api: api.post(self._room("join"), user=user, source_ip=_address(user))).json["token"]
        proof: Mapping[str, Any] | None = None
        while True:
            yield self._random.uniform(1, 2)
            if proof is None and self.report.listed_at is not None:
                entry = yield "entry", lambda api: api.get(self._room(f"entries/{self._digest(token)}"))
                # An instance whose copy of the room is a second old may not know the list yet.
                proof = {name: entry.json[name] for name in ("index", "page_size", "path")} if entry.status == 200 else None
            if self._random.random() < 0.3:
                yield "availability", lambda api: api.get(f"/events/{self.event_id}/availability")
            if self._random.random() < 0.1:
                yield "events", lambda api: api.get("/events")
            status = (yield "status", lambda api: api.get(self._room("status"), query={"token": token})).json
            if status["can_enter"] or self._now > self.plan.all_in_at + 2:
                break
        yield from self._buy(user, token, proof)

    def _digest(self, token: str) -> str:
        """Return the digest of an entrant, which their browser computes from the public state."""
        entrant = tokens.read_token(token)
        assert entrant is not None
        return entries.entrant_digest(self._commitment, entrant.user).hex()

    def _buy(self, user: str, token: str, proof: Mapping[str, Any] | None) -> Buyer:
        body = {"tier_id": self.tier_id, "quantity": self._random.choice((1, 2, 2)), "token": token, "entry_proof": proof}
        for _ in range(PATIENCE):
            yield self._random.uniform(0.5, 3)
            reserved = yield "reserve", lambda api: api.post(self._event("reservations"), json=body, user=user, source_ip=_address(user))
            if reserved.status == 201:
                break
        else:
            return
        yield self._random.uniform(1, 4)
        checkout = {"json": {"reservation_id": reserved.json["id"]}, "headers": {"Idempotency-Key": reserved.json["id"]}}
        opened = yield "checkout", lambda api: api.post("/checkout/sessions", user=user, source_ip=_address(user), **checkout)
        if opened.status != 201:
            return
        yield self._random.uniform(2, 10)
        payment = {"checkout_id": opened.json["id"], "simulate": "success"}
        yield "confirm", lambda api: api.post("/checkout/confirm", json=payment, user=user, source_ip=_address(user))

    @property
    def _now(self) -> float:
        return self.timeline.now - OPENING

    def _send(self, request: Request, receive: Callable[[ClientReply], None] = lambda _: None) -> None:
        name, call = request

        def note(result: Result) -> None:
            reply: ClientReply = result.value
            error = reply.json["error"] if reply.status >= 400 else ""
            self.report.replies[name, reply.status, error] += 1
            self.report.durations[f"{name} {reply.status}"].append(result.seconds)
            assert reply.status != 500, reply.json
            receive(reply)

        self.fleet.submit(lambda: call(self.api), note)

    def _admin_request(self, path: str, body: Any) -> Request:
        options = {} if body is None else {"json": body}
        return path.rpartition("/")[2], lambda api: api.post(path, token=builders.admin_token(), **options)

    def _note_state(self, reply: ClientReply) -> None:
        self.report.state_bytes = max(self.report.state_bytes, len(reply.body))
        self.report.segments.append((self._now, len(reply.json["segments"])))
        self._commitment = reply.json["commitment"]
        if self.report.listed_at is None and reply.json["root"] is not None:
            self.report.listed_at = self._now

    def _note_second(self) -> None:
        """Record the units that the store consumed since the last second."""
        second, before = Second(Counter(), Counter()), self._units
        self._units = dict(self.service.report.units)
        for (table, key), (read, write) in self._units.items():
            read_before, write_before = before.get((table, key), (0.0, 0.0))
            second.reads[feature_of(table)] += read - read_before
            second.writes[feature_of(table)] += write - write_before
            second.hottest = max(second.hottest, (f"{feature_of(table)} {key}", write - write_before), key=lambda item: item[1])
        self.report.seconds.append(second)

    def _room(self, name: str) -> str:
        return f"/events/{self.event_id}/waiting-room/{name}"

    def _event(self, name: str) -> str:
        return f"/events/{self.event_id}/{name}"


def run_drop(api: Client, plan: DropPlan, *, start: float) -> DropReport:
    """Run the scenario with rate limits, in the empty tables of the current stage."""
    with (
        settings.override(
            rate_limits="on",
            waiting_room_counters=ARRIVAL_COUNTERS,
            event_purchase_limit=PER_USER,
            draw_closing_seconds=CLOSING_SECONDS,
        ),
        simulated_fleet(plan.instances, start=start, seed=plan.seed) as (timeline, fleet, service),
    ):
        drop = Drop(api, plan, timeline, fleet, service)
        drop.prepare()
        with intercept(_RoomWrites(timeline, drop.report)):
            drop.start()
            timeline.run()
        drop.report.throttles = service.report.throttles
        return drop.report


def _address(user: str) -> str:
    """Return a source address that only this user has."""
    number = int(user.rpartition("-")[2])
    return f"10.0.{number // 250}.{number % 250}"
