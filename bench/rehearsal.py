"""The rehearsal of a sale: a simulated crowd plays an event from the bootstrap files before the sale takes place.

The event's own waiting room, tickets, limits and times decide, with the handlers of the product, on a virtual clock, against DynamoDB's
limits. The clock starts some minutes before the event goes on sale. Payments are simulated. The same seed always plays the same sale.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Mapping
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any, ClassVar, Literal

import msgspec
from msgspec import Struct, field

from bench import costs
from bench.app_in_process import app_in_process
from bench.prices import Usage, cdn_dollars, total_dollars
from chalicelib.bootstrap_file import rollout
from chalicelib.bootstrap_file.validation import Tree, to_events, validate_tree
from chalicelib.foundation import clock
from chalicelib.notifications import outbox
from chalicelib.waiting_room import entries, room_cache, tokens
from chalicelib.waiting_room.model import compute_queue_status
from tests import builders, invariants
from tests.client import Client, ClientReply
from tests.simulation.instances import Fleet, Result, Timeline, simulated_fleet
from tests.simulation.interception import feature_of
from tests.simulation.limits import Limits, SimulatedService, percentile

LEAD_SECONDS = 600  # from the start of the clock to the opening
WATCH_SECONDS = 5  # the promoter reads the live page this often
MAX_HOURS = 3  # the rehearsal ends this long after the opening
END_SECONDS = LEAD_SECONDS + MAX_HOURS * 3600
LIMITS = Limits()
TRIES = 15  # how often people try to reserve tickets during their turn
NEAR = 0.7  # the report warns from this share of a limit on
LATE_MAIL_SECONDS = 600
NO_REPLY = 599  # the status of a request without a reply
STATE_BYTES = 1500  # size of the public state, which pages of people in line fetch

Kind = Literal["patient", "impatient", "double-clicking", "vanishing", "declined", "bot"]
CROWD: dict[Kind, float] = {"patient": 0.5, "impatient": 0.17, "double-clicking": 0.1, "vanishing": 0.06, "declined": 0.07, "bot": 0.1}
QUANTITIES, QUANTITY_WEIGHTS = (1, 2, 3, 4), (30, 50, 8, 12)
BOT_ADDRESSES = 20  # all bots share them

# A person is a generator. It yields either the seconds for which it waits, or requests at the same time, and then receives the best reply.
Request = tuple[str, Callable[[Client], ClientReply]]
Person = Generator[float | tuple[Request, ...], ClientReply, None]


class Limit(Struct, frozen=True):
    """A limit, the highest use of it, and what to do before it is reached."""

    name: str
    peak: float
    limit: float
    unit: str
    advice: str

    @property
    def share(self) -> float:
        return self.peak / self.limit


class Moment(Struct, frozen=True):
    """What the promoter sees `second` seconds after the opening. `waiting` counts the people in line who have not had a turn."""

    second: float
    sold: int
    held: int
    waiting: int


class Refusal(Struct):
    """A kind of reply 429, or 500 and above: how many there were, and the second after the opening of the first one."""

    second: float
    count: int = 0


class Report(Struct, kw_only=True):
    """A rehearsal. `waits` are (place, seconds from the opening to the turn). `ends` counts how it ended for the people, by kind.

    `faults` are reasons for "no go" besides limits, and `notes` say what the rehearsal left out. A rehearsal on a stage has its address as
    `stage`, the seconds until the replies by kind of request, and its refusals by name. It has no limits, costs and emails.
    """

    event_id: str
    event_name: str
    people: int
    seed: int
    opens_at: str
    waits: list[tuple[int, float]] = []
    ends: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    replies: Counter[str] = field(default_factory=Counter)
    moments: list[Moment] = []
    limits: list[Limit] = []
    sold_out_after: float | None = None
    orders: int = 0
    dollars: float = 0.0
    last_mail_late: float = 0.0
    faults: list[str] = []
    notes: list[str] = []
    stage: str = ""
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    refusals: dict[str, Refusal] = {}

    @property
    def nearest_limits(self) -> list[Limit]:
        """The limits, in the order in which a larger crowd would reach them."""
        return sorted(self.limits, key=lambda limit: -limit.share)

    @property
    def nearest(self) -> Limit | None:
        return self.nearest_limits[0] if self.limits else None

    @property
    def first_refusals(self) -> list[tuple[str, Refusal]]:
        """The refusals, the earliest first."""
        return sorted(self.refusals.items(), key=lambda item: item[1].second)

    @property
    def is_go(self) -> bool:
        return not self.faults and (self.nearest is None or self.nearest.share < 1)

    @property
    def advice(self) -> list[str]:
        near = [limit.advice for limit in self.nearest_limits if limit.share >= NEAR]
        if self.last_mail_late > LATE_MAIL_SECONDS:
            near.append(
                f"The last ticket email leaves {self.last_mail_late / 60:.0f} minutes late: ask the mail provider for a higher rate."
            )
        return near

    def wait(self, percent: float) -> float:
        """Return the percentile of the seconds from the opening to a turn, among the people who had one."""
        return percentile([second for _, second in self.waits], percent)

    def reply_seconds(self, percent: float, name: str | None = None) -> float:
        """Return the percentile of the seconds until a reply, to one kind of request or to all."""
        lists = self.seconds.values() if name is None else [self.seconds.get(name, [])]
        return percentile([seconds for each in lists for seconds in each], percent)


def save(report: Report, file: Path) -> None:
    file.write_bytes(msgspec.json.encode(report))


def load(file: Path) -> Report:
    """Read a saved rehearsal. Raises RehearsalRefused."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=Report, dec_hook=lambda _, value: Counter(value))
    except OSError as error:
        raise RehearsalRefused(f"{file} cannot be read: {error.strerror}.") from None
    except msgspec.DecodeError as error:
        raise RehearsalRefused(f"{file} is not a saved rehearsal: {error}.") from None


class RehearsalRefused(Exception):
    """The event cannot be rehearsed, for the reason in the message."""


class Options(Struct, frozen=True, kw_only=True):
    """`instances` is the number of instances that the stage may run at once; rates are per second."""

    people: int
    seed: int = 1
    instances: int = 100
    provider_rate: int = 100
    mail_rate: int = 14


def prepare(tree: Tree, event_id: str) -> tuple[Tree, float, list[str]]:
    """Return the files' content as it can be played, the epoch second of the opening, and notes about what was left out."""
    event = (tree.get("events") or {}).get(event_id)
    if event is None:
        known = ", ".join(sorted(tree.get("events") or {}))
        raise RehearsalRefused(
            f"There is no event '{event_id}' in the files. They have: {known}. To write the file of an event that was created on the "
            f"pages, run `fairgate export --event {event_id} --output {event_id}.json`."
        )
    tree, notes = msgspec.json.decode(msgspec.json.encode(tree)), []
    event = tree["events"][event_id]
    room = event.get("waiting_room")
    if isinstance(room, dict):
        if room.pop("randomness", "key") != "key":
            notes.append("The draw used the shop's key alone, because a round of the public beacon cannot be known in advance.")
        if room.pop("entry", "open") != "open":
            notes.append("Everybody could join: the rule about who may enter was not played.")
    opening = to_events(validate_tree(tree))[event_id].on_sale_at
    if opening is None:
        raise RehearsalRefused(f"Event '{event_id}' has no `on_sale_at`, so there is no opening to rehearse.")
    return tree, float(opening), notes


class Crowd:
    """The people of a rehearsal, who send requests to `api` on a timeline whose second LEAD_SECONDS is the opening."""

    checkout_fields: ClassVar[dict[str, Any]] = {}  # sent with a checkout

    def __init__(self, api: Client, options: Options, report: Report, timeline: Timeline, max_seconds: int) -> None:
        self.api, self.options, self.report, self.timeline = api, options, report, timeline
        self.event_id, self.max_seconds = report.event_id, max_seconds  # the crowd goes home `max_seconds` after the opening
        self.waited, self.tickets, self._in_line = 0.0, 0, 0
        self._calls, self._mails = Counter[int](), Counter[int]()  # by second
        self._has_room = self._is_over = False
        self._tiers: list[dict[str, Any]] = []
        self._available: dict[str, int | None] = {}

    def start(self) -> None:
        """Read the event, and put the people and the promoter's reads of the live page on the timeline. Raises RehearsalRefused."""
        shown = self.api.get(f"/events/{self.event_id}").json
        self._has_room = self.api.get(self._room("state")).json.get("commitment") is not None
        self._tiers = [tier for tier in shown["tiers"] if tier["status"] not in ("closed", "test")]
        asking = [tier["name"] for tier in self._tiers if any(option["required"] for option in tier["options"])]
        if asking:
            self.report.notes.append(f"Nobody bought {', '.join(asking)}: the made-up people cannot answer questions.")
            self._tiers = [tier for tier in self._tiers if tier["name"] not in asking]
        if not self._tiers:
            raise RehearsalRefused(f"Event '{self.event_id}' has no tickets that the crowd can buy.")
        self.report.event_name = shown["name"]
        kinds = random.Random(self.options.seed).choices(list(CROWD), list(CROWD.values()), k=self.options.people)
        for number, kind in enumerate(kinds):
            self.timeline.follow(self._person(number, kind), self._send_all, self._end)
        self._look_every(WATCH_SECONDS, LEAD_SECONDS, "live", self._live, self._note_live)

    @property
    def _end(self) -> int:
        return LEAD_SECONDS + self.max_seconds

    def note_faults(self) -> None:
        """Add the faults that every rehearsal can have to the report."""
        report = self.report
        if still_here := report.people - sum(map(Counter.total, report.ends.values())):
            report.faults.append(f"{still_here:,} people were still there {self.max_seconds // 60:,} minutes after the opening.")
        for name, count in report.replies.items():
            step, status = name.split()
            if int(status) >= 500:
                failure = "no reply" if int(status) == NO_REPLY else f"status {status}"
                report.faults.append(f"{step}: {failure}, {count:,} times.")

    def _person(self, number: int, kind: Kind) -> Person:
        numbers, user = random.Random(f"{self.options.seed} {number}"), f"{kind}-{number}"
        address = f"192.0.2.{number % BOT_ADDRESSES}" if kind == "bot" else f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        end = yield from self._visit(numbers, kind, {"user": user, "source_ip": address})
        self.report.ends[kind][end] += 1

    def _visit(self, numbers: random.Random, kind: Kind, who: dict[str, Any]) -> Generator[Any, Any, str]:
        # Most people come in the last minutes before the opening, and some after it.
        early = numbers.expovariate(1 / 150) % LEAD_SECONDS
        comes_at = LEAD_SECONDS - early if numbers.random() < 0.8 else LEAD_SECONDS + numbers.expovariate(1 / 60)
        yield max(0.0, comes_at - self.timeline.now)
        who |= yield from self._sign_in()
        token = None
        if kind == "bot":
            for _ in range(5):  # tries without a place
                yield (("reserve", self._reservation(numbers, who, None, None)),)
                yield 0.5
        if self._has_room:
            joined = yield from self._join(numbers, who, twice=kind == "double-clicking")
            if joined.status != 200:
                return "turned away"
            token = joined.json["token"]
            proof = yield from self._wait_in_line(numbers, kind, token)
            if isinstance(proof, str):
                return proof
        else:
            proof = None
            yield max(0.0, LEAD_SECONDS - self.timeline.now) + numbers.uniform(0, 3)
        return (yield from self._buy(numbers, kind, who, token, proof))

    def _sign_in(self) -> Generator[Any, Any, dict[str, Any]]:
        """Return what identifies a person to the API, in addition to the made-up name and address."""
        yield from ()
        return {}

    def _join(self, numbers: random.Random, who: dict[str, Any], *, twice: bool) -> Generator[Any, Any, ClientReply]:
        reply: ClientReply = yield from self._insist(numbers, "join", lambda api: api.post(self._room("join"), **who), twice=twice)
        return reply

    def _wait_in_line(self, numbers: random.Random, kind: Kind, token: str) -> Generator[Any, Any, Mapping[str, Any] | str | None]:
        """Wait for one's turn. Returns the proof of the entry, or None without one; or how the person left if the turn does not come."""
        self._in_line += 1
        try:
            return (yield from self._wait_for_turn(numbers, kind, token))
        finally:
            self._in_line -= 1

    def _wait_for_turn(self, numbers: random.Random, kind: Kind, token: str) -> Generator[Any, Any, Mapping[str, Any] | str | None]:
        raise NotImplementedError

    def _buy(
        self, numbers: random.Random, kind: Kind, who: dict[str, Any], token: str | None, proof: Mapping[str, Any] | None
    ) -> Generator[Any, Any, str]:
        twice, reservation = kind == "double-clicking", self._reservation(numbers, who, token, proof)
        for _ in range(TRIES):
            yield numbers.uniform(3, 25) if kind != "bot" else 2.0
            if self._is_sold_out:
                return "sold out"
            if kind != "bot" and not self._offered_tiers:
                continue  # the page has no button while all tickets are on hold
            reserved = yield from self._insist(numbers, "reserve", reservation, twice=twice)
            if reserved.status == 201:
                break
            reservation = self._reservation(numbers, who, token, proof)
        else:
            return "refused"
        if kind == "vanishing":
            return "left with tickets on hold"
        yield numbers.uniform(15, 90) if kind != "bot" else 1.0
        session = {
            "json": {"reservation_id": reserved.json["id"]} | self.checkout_fields,
            "headers": {"Idempotency-Key": reserved.json["id"]},
        }
        opened = yield from self._insist(numbers, "checkout", lambda api: api.post("/checkout/sessions", **session, **who), twice=twice)
        if opened.status not in (200, 201):
            return "too late"
        self._calls[int(self.timeline.now)] += 1
        outcomes = ("decline", "success" if numbers.random() < 0.6 else "decline") if kind == "declined" else ("success",)
        paid = None
        for outcome in outcomes:
            yield numbers.uniform(5, 40) if kind != "bot" else 1.0
            body = {"checkout_id": opened.json["id"], "simulate": outcome}
            paid = yield from self._insist(numbers, "confirm", partial(_confirm, body, who), twice=twice)
            self._calls[int(self.timeline.now)] += 1
        if paid is None or paid.status not in (200, 201):
            return "card declined" if kind == "declined" else "too late"
        self._mails[int(self.timeline.now)] += 1
        self.tickets += len(paid.json["tickets"])
        return "bought"

    def _insist(self, numbers: random.Random, name: str, call: Callable[[Client], ClientReply], *, twice: bool) -> Generator[Any, Any, Any]:
        """Send a request, and repeat it after a temporary refusal. People who click twice send it twice at once."""
        for attempt in range(3):
            reply = yield ((name, call),) * (2 if twice else 1)
            if reply.status not in (429, 503):
                break
            yield float(reply.headers.get("retry-after", 1)) + numbers.uniform(0, 2) * attempt
        return reply

    def _reservation(
        self, numbers: random.Random, who: dict[str, Any], token: str | None, proof: Mapping[str, Any] | None
    ) -> Callable[[Client], ClientReply]:
        shown = self._offered_tiers or self._tiers
        [tier] = numbers.choices(shown, [tier["capacity"] or 1000 for tier in shown])
        most = min(limit for limit in (4, tier["max_per_order"], tier["per_user_limit"] or None) if limit)
        [quantity] = numbers.choices(QUANTITIES, QUANTITY_WEIGHTS)
        body = {"tier_id": tier["id"], "quantity": min(quantity, most)} | ({"token": token} if token else {})
        path = f"/events/{self.event_id}/reservations"
        return lambda api: api.post(path, json=body | ({"entry_proof": proof} if proof else {}), **who)

    def _send_all(self, requests: tuple[Request, ...], receive: Callable[[ClientReply], None]) -> None:
        replies: list[ClientReply] = []

        def collect(reply: ClientReply) -> None:
            replies.append(reply)
            if len(replies) == len(requests):
                receive(min(replies, key=lambda reply: reply.status))

        for request in requests:
            self._send(request, collect)

    def _send(self, request: Request, receive: Callable[[ClientReply], None]) -> None:
        raise NotImplementedError

    def _look_every(
        self, seconds: int, first: int, name: str, call: Callable[[Client], ClientReply], receive: Callable[[ClientReply], None]
    ) -> None:
        def look() -> None:
            if not self._is_over and self.timeline.now < self._end:
                self._send((name, call), receive)
                self.timeline.at(self.timeline.now + seconds, look)

        self.timeline.at(first, look)

    def _live(self, api: Client) -> ClientReply:
        return api.get(f"/admin/events/{self.event_id}/live", token=self._admin_token())

    def _admin_token(self) -> str:
        return builders.admin_token()

    def _note_live(self, reply: ClientReply) -> None:
        sale, second = reply.json["sale"], self.timeline.now - LEAD_SECONDS
        self._available = {tier["tier_id"]: tier["available"] for tier in sale["tiers"]}
        self.report.moments.append(Moment(second, sale["total_sold"], sale["total_active_holds"], self._in_line))
        if sale["total_available"] == 0 and sale["total_active_holds"] == 0 and self.report.sold_out_after is None:
            self.report.sold_out_after = second
        here = sum(sum(ends.values()) for ends in self.report.ends.values())
        self._is_over = here == self.options.people and sale["total_active_holds"] == 0

    @property
    def _offered_tiers(self) -> list[dict[str, Any]]:
        """The tiers that had tickets left when the live page was last read."""
        return [tier for tier in self._tiers if self._available.get(tier["id"]) != 0]

    @property
    def _is_sold_out(self) -> bool:
        return self.report.sold_out_after is not None

    def _room(self, name: str) -> str:
        return f"/events/{self.event_id}/waiting-room/{name}"


class Rehearsal(Crowd):
    """A run of the sale in this process, on a fleet of simulated instances."""

    def __init__(self, api: Client, options: Options, report: Report, timeline: Timeline, fleet: Fleet) -> None:
        super().__init__(api, options, report, timeline, MAX_HOURS * 3600)
        self.fleet, self.usage = fleet, 0
        self._busy: list[tuple[float, int]] = []  # (virtual second, +1 or -1)
        self._state: dict[str, Any] = {}  # as the public sees it

    def start(self) -> None:
        super().start()
        self._look_every(1, 0, "state", lambda api: api.get(self._room("state")), self._note_state)
        for second in range(30, END_SECONDS, 60):
            self.timeline.at(second, lambda: None if self._is_over else self.fleet.submit(builders.run_sweep))

    def finish(self, service: SimulatedService) -> None:
        report = self.report
        writes, reads = service.report.busiest_seconds, service.report.busiest_reads
        peak_calls, busy = max(self._calls.values(), default=0), max(accumulate(step for _, step in sorted(self._busy)), default=0)
        report.limits = [
            _key_limit("writes", writes, LIMITS.write_units),
            _key_limit("reads", reads, LIMITS.read_units),
            Limit(
                "instances at work at once",
                busy,
                self.options.instances,
                "instances",
                "Raise reserved_concurrency in infra/stages.json, and ask AWS for more concurrent executions.",
            ),
            Limit(
                "calls to the payment provider",
                peak_calls,
                self.options.provider_rate,
                "calls a second",
                "Make the waves smaller, or ask the payment provider for a higher rate.",
            ),
        ]
        report.orders = self._mails.total()
        report.last_mail_late = _backlog_seconds(self._mails, round(self.options.mail_rate * outbox.RATE_SHARE))
        if service.report.throttles.total():
            report.faults.append(f"DynamoDB throttled {service.report.throttles.total():,} calls.")
        self.note_faults()
        read, write = (sum(units[kind] for units in service.report.units.values()) for kind in (0, 1))
        memory_mb, architecture = costs.lambda_configuration()
        usage = Usage(self.usage, service.report.calls, 0, read, write)
        polls = self.waited / costs.POLL_SECONDS[1]
        state = cdn_dollars(polls, costs.HEADER_BYTES + STATE_BYTES)
        report.dollars = total_dollars(usage, memory_mb, architecture) + state

    def _wait_for_turn(self, numbers: random.Random, kind: Kind, token: str) -> Generator[Any, Any, Mapping[str, Any] | str | None]:
        arrival, joined_at, proof = tokens.read_token(token), self.timeline.now, None
        assert arrival is not None
        leaves_at = max(joined_at, LEAD_SECONDS) + (numbers.uniform(120, 900) if kind == "impatient" else self.max_seconds)
        yield max(0.0, LEAD_SECONDS - 40 - self.timeline.now) + numbers.uniform(0, 30)  # a page reads the state every 30 s
        if self._state["root"] is not None and arrival.joined_at < self._state["closes_at"]:
            digest = entries.entrant_digest(self._state["commitment"], arrival.user).hex()
            entry = yield (("entry", lambda api: api.get(self._room(f"entries/{digest}"))),)
            proof = {name: entry.json[name] for name in ("index", "page_size", "path")} if entry.status == 200 else None
        yield max(0.0, LEAD_SECONDS - self.timeline.now) + numbers.uniform(0.5, 4)
        while True:
            # A page computes this too, from the public state that the CDN has.
            now = clock.now()
            place = compute_queue_status(room_cache.get_room(self.event_id, now).state, arrival, now)
            if place.can_enter:
                yield (("status", lambda api: api.get(self._room("status"), query={"token": token})),)
                self.waited += self.timeline.now - joined_at
                self.report.waits.append((place.position or 0, self.timeline.now - LEAD_SECONDS))
                return proof
            if self._is_sold_out or self.timeline.now > leaves_at:
                self.waited += self.timeline.now - joined_at
                return "sold out" if self._is_sold_out else "left the line"
            soon = numbers.uniform(1, 2)  # until the page reads the state again
            yield min(max(soon, place.eta_seconds or 0), max(soon, leaves_at - self.timeline.now), 60 + soon)

    def _send(self, request: Request, receive: Callable[[ClientReply], None]) -> None:
        name, call = request

        def note(result: Result) -> None:
            reply: ClientReply = result.value
            self.report.replies[f"{name} {reply.status}"] += 1
            self._busy += [(self.timeline.now - result.seconds, 1), (self.timeline.now, -1)]
            self.usage += 1
            receive(reply)

        self.fleet.submit(lambda: call(self.api), note)

    def _note_state(self, reply: ClientReply) -> None:
        self._state = reply.json


def _confirm(body: dict[str, Any], who: dict[str, Any], api: Client) -> ClientReply:
    return api.post("/checkout/confirm", json=body, **who)


def _key_limit(name: str, busiest: Mapping[tuple[str, str], float], limit: float) -> Limit:
    (table, _), peak = max(busiest.items(), key=lambda item: item[1], default=(("", ""), 0.0))
    table = feature_of(table)
    advice = f"One key of the table {table} takes nearly all that DynamoDB allows: make the waves smaller."
    return Limit(f"{name} of one key ({table})", peak, limit, "units a second", advice)


def _backlog_seconds(mails: Counter[int], rate: int) -> float:
    """Return how long after its order the last email is sent, at `rate` emails a second."""
    waiting = 0.0
    longest = 0.0
    for second in range(min(mails, default=0), max(mails, default=-1) + 1):
        waiting = max(0.0, waiting + mails[second] - rate)
        longest = max(longest, waiting / rate)
    return longest


def rehearse(tree: Tree, event_id: str, options: Options) -> Report:
    """Play the sale of an event. Raises RehearsalRefused, or InvalidDocument for files that cannot be applied."""
    tree, opening, notes = prepare(tree, event_id)
    report = Report(event_id=event_id, event_name="", people=options.people, seed=options.seed, opens_at=clock.iso(int(opening)))
    report.notes = notes
    with (
        app_in_process(rate_limits="on") as api,
        simulated_fleet(options.instances, start=opening - LEAD_SECONDS, seed=options.seed, limits=LIMITS) as (timeline, fleet, service),
    ):
        rollout.apply(validate_tree(tree), "rehearsal", clock.now())
        rehearsal = Rehearsal(api, options, report, timeline, fleet)
        rehearsal.start()
        timeline.run()
        rehearsal.finish(service)
        try:
            invariants.check(clock.now())
        except AssertionError as error:
            report.faults.append(f"The books do not agree: {error}")
    return report
