"""`fairgate rehearse <event id> --url URL --token TOKEN`: the simulated crowd plays an event of a deployed stage over HTTP, in real time.

The crowd, its seed and the report are those of the rehearsal in this process. Payments are simulated, or the tickets are free: each
checkout asks for a simulated payment, and the rehearsal ends if the stage refuses the first one. The people, the rate of requests and the
time are bounded.
"""

import queue
import random
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import urlsplit

import urllib3
from msgspec import Struct

from bench.rehearsal import LEAD_SECONDS, NO_REPLY, Crowd, Kind, Options, Refusal, RehearsalRefused, Report, Request
from chalicelib.edge import proof_of_work
from chalicelib.foundation import clock
from chalicelib.foundation.settings import PRODUCTION
from infra.local.gateway import Gateway, GatewayResponse, Headers
from tests.client import BASE, Client, ClientReply
from tests.simulation.instances import Timeline

MAX_PEOPLE = 2000
MAX_RATE = 200  # requests a second
MAX_MINUTES = 180
MAX_LEAD_SECONDS = 1800  # the event must open within this time
CONNECTIONS = 64
REPLY_SECONDS = 30  # a request without a reply by then has failed
STATE_SECONDS = 2
SLOW_SECONDS = 5  # "no go" if 5% of the replies to a step of buyers take longer
BUYERS_STEPS = ("join", "status", "reserve", "checkout", "confirm")
MAX_DIFFICULTY = 20  # difficulty of a proof of work that takes a second
SIGN_IN_TRIES = 60

Receive = Callable[[ClientReply], None]
Submit = Callable[[Callable[[], ClientReply], Callable[[ClientReply, float], None]], None]


class StageOptions(Struct, frozen=True, kw_only=True):
    """The bounds of a rehearsal on a stage: requests a second, and minutes after the opening."""

    rate: int = 50
    minutes: int = 30

    def check(self, people: int) -> None:
        """Raise RehearsalRefused unless the rehearsal is bounded."""
        for name, value, most in (
            ("--people", people, MAX_PEOPLE),
            ("--rate", self.rate, MAX_RATE),
            ("--minutes", self.minutes, MAX_MINUTES),
        ):
            if value > most:
                raise RehearsalRefused(f"A rehearsal on a stage has {name} {most:,} at most, not {value:,}.")


class StageGateway(Gateway):
    """Sends requests to the API of a stage, in place of the app in this process."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise RehearsalRefused(f"--url must be the address of an API, such as https://shop.example.com{BASE}, not {url!r}.")
        self._url = url.rstrip("/").removesuffix(BASE)
        self._http = urllib3.PoolManager(maxsize=CONNECTIONS, block=True, retries=False, timeout=REPLY_SECONDS)

    def handle(self, method: str, target: str, headers: Headers = (), body: bytes = b"", source_ip: str = "") -> GatewayResponse:
        del source_ip  # the stage sees the address of this machine
        try:
            reply = self._http.request(method, self._url + target, body=body or None, headers=dict(headers), redirect=False)
        except urllib3.exceptions.HTTPError:
            return GatewayResponse(NO_REPLY, {}, b"")
        return GatewayResponse(reply.status, dict(reply.headers), reply.data)


class RealTimeline(Timeline):
    """A timeline on the clock of this machine. Threads send the requests; all actions run in the thread of `run`."""

    def __init__(self, opening: float, rate: int) -> None:
        super().__init__()
        self._opening, self._gap, self._next_send = opening, 1 / rate, 0.0
        self._arrived: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._pending = self.late_count = 0  # requests under way; requests that had to wait for the rate
        self._read_clock()

    def run(self) -> None:
        with ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="crowd") as self._pool:
            while self._actions or self._pending:
                self._read_clock()
                while self._actions and self._actions[0][0] <= self.now:
                    self._run_next()
                wait = max(0.001, self._actions[0][0] - self.now) if self._actions else REPLY_SECONDS
                with suppress(queue.Empty):
                    action = self._arrived.get(timeout=wait)
                    self._read_clock()
                    action()

    def submit(self, call: Callable[[], ClientReply], receive: Callable[[ClientReply, float], None]) -> None:
        """Send a request as soon as the rate permits."""
        at = max(self.now, self._next_send)
        self._next_send = at + self._gap
        self.late_count += at > self.now + 1
        self._pending += 1

        def work() -> None:
            began = clock.monotonic()
            reply = call()
            seconds = clock.monotonic() - began
            self._arrived.put(lambda: finish(reply, seconds))

        def finish(reply: ClientReply, seconds: float) -> None:
            self._pending -= 1
            receive(reply, seconds)

        def begin() -> None:
            self._pool.submit(work)

        self.at(at, begin)

    def _read_clock(self) -> None:
        self.now = max(self.now, clock.precise_now() - self._opening + LEAD_SECONDS)


class StageRehearsal(Crowd):
    """A run of the sale on a stage. `submit` sends a request and passes on the reply and its seconds."""

    checkout_fields: ClassVar[dict[str, Any]] = {"provider": "simulated"}

    def __init__(
        self, api: Client, token: str, options: Options, report: Report, timeline: Timeline, max_seconds: int, submit: Submit
    ) -> None:
        super().__init__(api, options, report, timeline, max_seconds)
        self._token, self._submit = token, submit

    def start(self) -> None:
        super().start()
        if self._has_room:
            self._look_every(STATE_SECONDS, int(self.timeline.now), "state", lambda api: api.get(self._room("state")), lambda _: None)

    def finish(self) -> None:
        """Complete the report, and compare the stage's figures with the crowd's tickets."""
        report = self.report
        report.orders = self._mails.total()
        self.note_faults()
        for name in BUYERS_STEPS:
            if (slow := report.reply_seconds(95, name)) > SLOW_SECONDS:
                report.faults.append(f"5% of the replies to {name} took longer than {slow:,.0f} seconds.")
        status = self.api.get(f"/admin/events/{self.event_id}/status", token=self._token)
        if status.status != 200:
            report.faults.append(f"The figures of the sale could not be read: status {status.status}.")
        elif status.json["total_sold"] != self.tickets:
            report.faults.append(f"The stage sold {status.json['total_sold']:,} tickets, and the crowd bought {self.tickets:,}.")
        if any("by address" in name for name in report.refusals):
            report.notes.append(
                "The crowd shares the network address of this machine, so limits for addresses were reached earlier than in the drop. "
                "Set FAIRGATE_ADDRESS_FACTOR of the stage to 1000 for the rehearsal."
            )

    def _sign_in(self) -> Generator[Any, Any, dict[str, Any]]:
        for _ in range(SIGN_IN_TRIES):
            reply = yield (("guest", lambda api: api.post("/auth/guest")),)
            if reply.status not in (429, 503):
                break
            yield float(reply.headers.get("retry-after", 1)) + 1
        return {"user": None, "token": reply.json["access_token"] if reply.status in (200, 201) else None}

    def _join(self, numbers: random.Random, who: dict[str, Any], *, twice: bool) -> Generator[Any, Any, ClientReply]:
        reply = yield from super()._join(numbers, who, twice=twice)
        if reply.status == 403 and (reply.json or {}).get("error") == "challenge_required" and reply.json["difficulty"] <= MAX_DIFFICULTY:
            body = {"challenge": reply.json["challenge"], "nonce": solve(reply.json["challenge"], reply.json["difficulty"])}
            reply = yield from self._insist(numbers, "join", lambda api: api.post(self._room("join"), json=body, **who), twice=twice)
        return reply

    def _wait_for_turn(self, numbers: random.Random, kind: Kind, token: str) -> Generator[Any, Any, Mapping[str, Any] | str | None]:
        """Ask for the status when the turn is expected, but at least every 16 seconds. The stage reads the entry, so there is no proof."""
        joined_at = self.timeline.now
        leaves_at = max(joined_at, LEAD_SECONDS) + (numbers.uniform(120, 900) if kind == "impatient" else self.max_seconds)
        yield max(0.0, LEAD_SECONDS - self.timeline.now) + numbers.uniform(0.5, 4)
        while True:
            reply = yield (("status", lambda api: api.get(self._room("status"), query={"token": token})),)
            if reply.status == 200 and reply.json["can_enter"]:
                self.report.waits.append((reply.json["position"] or 0, self.timeline.now - LEAD_SECONDS))
                return None
            if self._is_sold_out or self.timeline.now > leaves_at:
                return "sold out" if self._is_sold_out else "left the line"
            soon, expected = numbers.uniform(1, 2), reply.json["eta_seconds"] or 0 if reply.status == 200 else 5
            yield min(max(soon, expected), max(soon, leaves_at - self.timeline.now), 15 + soon)

    def _send(self, request: Request, receive: Receive) -> None:
        name, call = request

        def note(reply: ClientReply, seconds: float) -> None:
            report = self.report
            if name == "checkout" and isinstance(reply.json, dict) and reply.json.get("error") == "payment_provider_not_offered":
                raise RehearsalRefused(
                    "The stage takes real payments: it does not simulate them (FAIRGATE_PAYMENT_SIMULATION). Nobody paid."
                )
            report.replies[f"{name} {reply.status}"] += 1
            report.seconds[name].append(seconds)
            if reply.status == 429 or reply.status >= 500:
                refusal = report.refusals.setdefault(refusal_name(name, reply), Refusal(self.timeline.now - LEAD_SECONDS))
                refusal.count += 1
            receive(reply)

        self._submit(lambda: call(self.api), note)

    def _note_live(self, reply: ClientReply) -> None:
        if reply.status == 200:
            super()._note_live(reply)

    def _admin_token(self) -> str:
        return self._token


def refusal_name(request: str, reply: ClientReply) -> str:
    """Name a refusal by its request, its error and, for a rate limit, the limit and what it counts."""
    found = reply.json if isinstance(reply.json, dict) else {}
    error = found.get("error", "no reply" if reply.status == NO_REPLY else f"status {reply.status}")
    limit = f" ({found['limiter']}: {found['limit']:,} in {found['period_seconds']:,} s by {found['by']})" if "limiter" in found else ""
    return f"{request}: {error}{limit}"


def solve(challenge: str, difficulty: int) -> str:
    """Return the nonce that solves a proof of work."""
    nonce = 0
    while proof_of_work.leading_zero_bits(challenge, str(nonce)) < difficulty:
        nonce += 1
    return str(nonce)


def check_stage(api: Client, token: str, event_id: str) -> float:
    """Return the epoch second of the event's opening. Raises RehearsalRefused if a rehearsal could harm a buyer or a sale."""
    health = api.get("/health")
    if health.status != 200 or not isinstance(health.json, dict) or "stage" not in health.json:
        raise RehearsalRefused(f"The stage does not respond like Fairgate: GET /health returned status {health.status}.")
    if health.json["stage"] == PRODUCTION:
        raise RehearsalRefused(f"Stage {PRODUCTION} takes real payments. Rehearse on another stage with a copy of the event.")
    status = api.get(f"/admin/events/{event_id}/status", token=token)
    if status.status != 200:
        error = (status.json or {}).get("message", f"status {status.status}")
        raise RehearsalRefused(f"The token cannot read the sale of event '{event_id}': {error}")
    sale = status.json
    if sale["total_sold"] or sale["total_active_holds"]:
        raise RehearsalRefused(
            f"Event '{event_id}' has orders: {sale['total_sold']:,} tickets sold, {sale['total_active_holds']:,} on hold. Use a fresh copy."
        )
    shown = api.get(f"/events/{event_id}")
    if shown.status != 200:
        raise RehearsalRefused(f"Event '{event_id}' is not published: publish the copy, with an opening in some minutes.")
    if sale["status"] != "scheduled" or shown.json["on_sale_at"] is None:
        raise RehearsalRefused(
            f"Event '{event_id}' is {sale['status']}. A rehearsal needs a copy that has not opened, so that nobody else buys."
        )
    room = sale["waiting_room"] or {"total": 0, "entry": "open"}
    if room["total"]:
        raise RehearsalRefused(f"People have joined the line of event '{event_id}'. Use a copy that nobody has seen.")
    if room["entry"] != "open":
        raise RehearsalRefused(f"Only some people may join the line of event '{event_id}'. Use a copy that everybody may join.")
    opening = datetime.fromisoformat(shown.json["on_sale_at"]).timestamp()
    if opening - clock.precise_now() > MAX_LEAD_SECONDS:
        raise RehearsalRefused(
            f"Event '{event_id}' opens at {shown.json['on_sale_at']}. Start at most {MAX_LEAD_SECONDS // 60} minutes earlier."
        )
    return opening


def rehearse(url: str, token: str, event_id: str, options: Options, bounds: StageOptions) -> Report:
    """Play the sale of an event of a stage. Raises RehearsalRefused."""
    bounds.check(options.people)
    api = Client(StageGateway(url))
    opening = check_stage(api, token, event_id)
    timeline = RealTimeline(opening, bounds.rate)
    report = play(api, url, token, event_id, options, opening, timeline, bounds.minutes * 60, timeline.submit)
    if timeline.late_count:
        report.notes.append(
            f"{timeline.late_count:,} requests were sent later than planned, because of the bound of {bounds.rate} a second."
        )
    return report


def play(
    api: Client,
    url: str,
    token: str,
    event_id: str,
    options: Options,
    opening: float,
    timeline: Timeline,
    max_seconds: int,
    submit: Submit,
) -> Report:
    """Play the sale of an event that `check_stage` permits."""
    report = Report(event_id=event_id, event_name="", people=options.people, seed=options.seed, opens_at=clock.iso(int(opening)), stage=url)
    rehearsal = StageRehearsal(api, token, options, report, timeline, max_seconds, submit)
    rehearsal.start()
    timeline.run()
    rehearsal.finish()
    return report
