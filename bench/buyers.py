"""Buyers as scripts of the HTTP client: through the waiting room to the tickets in five steps, or without it in three."""

import itertools
import secrets
import time
from collections import Counter, defaultdict
from collections.abc import Generator, Iterator
from typing import Any, Literal

from msgspec import Struct, field

from bench.http_client import RequestFailed, Response, Script, Target, play, request_bytes

THREE_STEPS = ("reserve", "checkout", "confirm")
FIVE_STEPS = ("join", "status", *THREE_STEPS)
JOIN_ONLY = ("join",)
POLL_SECONDS = 1.0
SOLD_OUT_CODES = {"not_enough_tickets", "waiting_room_stopped"}

Outcome = Literal["bought", "joined", "refused", "gave up", "failed"]
Steps = Generator[bytes | float, Response, Any]


class Sale(Struct, frozen=True):
    event_id: str
    tier_id: str


class Record(Struct):
    """What happened to the buyers of a run.

    `times` has the seconds of each step's responses. An error is (step, status, code); status 0 stands for no response at all.
    `orders` are the users and ids of the confirmed orders, `tokens` those of the waiting room. `seconds` and `client_cpu`, a share of
    one core, are of the whole run.
    """

    times: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    errors: Counter[tuple[str, int, str]] = field(default_factory=Counter)
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    orders: list[tuple[str, str]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    seconds: float = 0.0
    client_cpu: float = 0.0

    def per_second(self, outcome: Outcome) -> float:
        return self.outcomes[outcome] / self.seconds if self.seconds else 0.0


class _Ended(Exception):
    """A buyer goes home without tickets."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome)
        self.outcome: Outcome = outcome


def run_buyers(
    target: Target,
    sale: Sale,
    *,
    connections: int,
    seconds: float,
    buyers: int | None = None,
    steps: tuple[str, ...] = FIVE_STEPS,
    fresh_connections: bool = False,
) -> Record:
    """Let that many buyers buy one ticket each, `connections` of them at once; None: as many as come within `seconds`.

    After `seconds` nobody new begins, and who still waits to be admitted gives up. Connections stay open for the next buyer, unless each
    is to have a fresh one. Each connection has its own source address if the target is this machine.
    """
    record, run, deadline = Record(), secrets.token_hex(4), time.perf_counter() + seconds

    def scripts() -> Iterator[Script]:
        numbers = itertools.count() if buyers is None else range(buyers)
        for number in numbers:
            if time.perf_counter() >= deadline:
                return
            yield _Buyer(target, sale, f"bench-{run}-{number}", record, deadline).script(steps)

    began, cpu = time.perf_counter(), time.process_time()
    play(target, scripts(), min(connections, buyers or connections), own_addresses=True, fresh_connections=fresh_connections)
    record.seconds = time.perf_counter() - began
    record.client_cpu = (time.process_time() - cpu) / record.seconds
    return record


class _Buyer:
    def __init__(self, target: Target, sale: Sale, user: str, record: Record, deadline: float) -> None:
        self._target, self._sale, self._user, self._record, self._deadline = target, sale, user, record, deadline
        self._room = f"/events/{sale.event_id}/waiting-room"

    def script(self, steps: tuple[str, ...]) -> Script:
        try:
            token = (yield from self._join()) if "join" in steps else None
            if "status" in steps and token is not None:
                yield from self._wait_for_turn(token)
            if "reserve" in steps:
                yield from self._buy(token)
            outcome: Outcome = "bought" if "reserve" in steps else "joined"
        except _Ended as ended:
            outcome = ended.outcome
        self._record.outcomes[outcome] += 1

    def _join(self) -> Steps:
        """Returns the token, None if the event has no waiting room."""
        token = (yield from self._call("join", "POST", f"{self._room}/join", {}))["token"]
        if token is not None:
            self._record.tokens.append(token)
        return token

    def _wait_for_turn(self, token: str) -> Steps:
        """Poll until admitted."""
        while True:
            status = yield from self._call("status", "GET", f"{self._room}/status?token={token}")
            if status["canEnter"]:
                return
            if status.get("stopped"):
                raise _Ended("refused")
            if time.perf_counter() >= self._deadline:
                raise _Ended("gave up")
            yield POLL_SECONDS

    def _buy(self, token: str | None) -> Steps:
        order = {"tier_id": self._sale.tier_id, "quantity": 1} | ({"token": token} if token else {})
        reservation = (yield from self._call("reserve", "POST", f"/events/{self._sale.event_id}/reservations", order))["id"]
        session = yield from self._call("checkout", "POST", "/checkout/sessions", {"reservation_id": reservation}, key=reservation)
        payment = {"checkout_id": session["id"], "simulate": "success"}
        paid = yield from self._call("confirm", "POST", "/checkout/confirm", payment)
        self._record.orders.append((self._user, paid["order"]["id"]))

    def _call(self, step: str, method: str, path: str, body: Any = None, *, key: str | None = None) -> Steps:
        """One request; returns the body of a successful response. Anything else ends the buyer's visit."""
        headers = {"X-User-Id": self._user} | ({"Idempotency-Key": key} if key else {})
        try:
            response = yield request_bytes(self._target, method, path, body, headers)
        except RequestFailed as error:
            self._record.errors[step, 0, str(error)] += 1
            raise _Ended("failed") from None
        self._record.times[step].append(response.seconds)
        if response.status in (200, 201):
            return response.json()
        code = error_code(response)
        if code in SOLD_OUT_CODES:
            raise _Ended("refused")
        self._record.errors[step, response.status, code] += 1
        raise _Ended("failed")


def error_code(response: Response) -> str:
    """The machine-readable code of an error, or the beginning of a body that is not ours."""
    try:
        return str(response.json()["error"])
    except (ValueError, KeyError, TypeError):
        return response.body[:60].decode("utf-8", "replace")
