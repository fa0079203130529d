"""Simulated buyers of one event: through the waiting room to a ticket in five steps, or without it in three; and the event itself."""

import asyncio
import itertools
import secrets
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from msgspec import Struct, field
from yarl import URL

from bench.load_client import Connection, RequestFailed, Response, Visit, run_visits

THREE_STEPS = ("reserve", "checkout", "confirm")
FIVE_STEPS = ("join", "status", *THREE_STEPS)
JOIN_ONLY = ("join",)
POLL_SECONDS = 1.0
SOLD_OUT_CODES = {"not_enough_tickets", "waiting_room_stopped"}
MAX_WAVE_SIZE = 100_000
PRICE_CENTS = 5000

Outcome = Literal["bought", "joined", "refused", "gave up", "failed"]


class Sale(Struct, frozen=True):
    event_id: str
    tier_id: str


class NoSale(Exception):
    """There is no event to buy from; the message names the reason and the remedy."""


class BuyerResults(Struct):
    """What the buyers of a run experienced.

    `times` holds the seconds of each step's responses. An error is (step, status, code); status 0 means that no response came. `orders`
    holds the user and the id of each confirmed order, `tokens` the waiting room's tokens. `seconds` and `client_cpu`, a share of one core,
    cover the whole run.
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


class _VisitEnded(Exception):
    """A buyer leaves without tickets."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome)
        self.outcome: Outcome = outcome


def run_buyers(
    base_url: URL,
    sale: Sale,
    *,
    connections: int,
    seconds: float,
    buyers: int | None = None,
    steps: tuple[str, ...] = FIVE_STEPS,
    fresh_connections: bool = False,
) -> BuyerResults:
    """Let `buyers` people buy one ticket each, `connections` of them at once; None: as many as can start within `seconds`.

    After `seconds` no new buyer starts, and buyers who still wait to be admitted give up. A connection serves one buyer after another,
    unless each buyer gets a fresh one. Each connection has its own source address if the API is on this machine.
    """
    results, run, deadline = BuyerResults(), secrets.token_hex(4), time.perf_counter() + seconds

    def visits() -> Iterator[Visit]:
        numbers = itertools.count() if buyers is None else range(buyers)
        for number in numbers:
            if time.perf_counter() >= deadline:
                return
            yield _Buyer(sale, f"bench-{run}-{number}", steps, results, deadline).visit

    began, cpu = time.perf_counter(), time.process_time()
    run_visits(base_url, visits(), min(connections, buyers or connections), own_addresses=True, fresh_connections=fresh_connections)
    results.seconds = time.perf_counter() - began
    results.client_cpu = (time.process_time() - cpu) / results.seconds
    return results


class _Buyer:
    def __init__(self, sale: Sale, user: str, steps: tuple[str, ...], results: BuyerResults, deadline: float) -> None:
        self._sale, self._user, self._steps, self._results, self._deadline = sale, user, steps, results, deadline
        self._room = f"/events/{sale.event_id}/waiting-room"

    async def visit(self, connection: Connection) -> None:
        self._connection = connection
        try:
            token = await self._join() if "join" in self._steps else None
            if "status" in self._steps and token is not None:
                await self._wait_for_turn(token)
            if "reserve" in self._steps:
                await self._buy(token)
            outcome: Outcome = "bought" if "reserve" in self._steps else "joined"
        except _VisitEnded as ended:
            outcome = ended.outcome
        self._results.outcomes[outcome] += 1

    async def _join(self) -> str | None:
        """Returns the token; None if the event has no waiting room."""
        token: str | None = (await self._call("join", "POST", f"{self._room}/join", {}))["token"]
        if token is not None:
            self._results.tokens.append(token)
        return token

    async def _wait_for_turn(self, token: str) -> None:
        """Poll until admitted."""
        while True:
            status = await self._call("status", "GET", f"{self._room}/status?token={token}")
            if status["can_enter"]:
                return
            if status.get("stopped"):
                raise _VisitEnded("refused")
            if time.perf_counter() >= self._deadline:
                raise _VisitEnded("gave up")
            await asyncio.sleep(POLL_SECONDS)

    async def _buy(self, token: str | None) -> None:
        order = {"tier_id": self._sale.tier_id, "quantity": 1} | ({"token": token} if token else {})
        reservation = (await self._call("reserve", "POST", f"/events/{self._sale.event_id}/reservations", order))["id"]
        session = await self._call("checkout", "POST", "/checkout/sessions", {"reservation_id": reservation}, key=reservation)
        payment = {"checkout_id": session["id"], "simulate": "success"}
        paid = await self._call("confirm", "POST", "/checkout/confirm", payment)
        self._results.orders.append((self._user, paid["order"]["id"]))

    async def _call(self, step: str, method: str, path: str, body: Any = None, *, key: str | None = None) -> Any:
        """Send one request and return the body of its successful response. Any other response ends the buyer's visit."""
        headers = {"X-User-Id": self._user} | ({"Idempotency-Key": key} if key else {})
        try:
            response = await self._connection.send(method, path, body, headers)
        except RequestFailed as error:
            self._results.errors[step, 0, str(error)] += 1
            raise _VisitEnded("failed") from None
        self._results.times[step].append(response.seconds)
        if response.status in (200, 201):
            return response.json()
        code = error_code(response)
        if code in SOLD_OUT_CODES:
            raise _VisitEnded("refused")
        self._results.errors[step, response.status, code] += 1
        raise _VisitEnded("failed")


def error_code(response: Response) -> str:
    """Return the machine-readable code of an error, or the start of a body that is not Fairgate's."""
    try:
        return str(response.json()["error"])
    except (ValueError, KeyError, TypeError):
        return response.body[:60].decode("utf-8", "replace")


def send_request(base_url: URL, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Response:
    """Send one request over a connection of its own. Raises RequestFailed."""
    responses = []

    async def visit(connection: Connection) -> None:
        responses.append(await connection.send(method, path, body, headers))

    run_visits(base_url, iter([visit]), 1)
    return responses[0]


def create_sale(base_url: URL, admin_token: str, tickets: int, *, waiting_room: bool = True) -> Sale:
    """Create an event with one tier that is on sale now; its waiting room admits everybody at once. Raises NoSale."""
    now, headers = datetime.now(UTC), {"Authorization": f"Bearer {admin_token}"}
    room = {"enabled": True, "wave_size": MAX_WAVE_SIZE, "wave_seconds": 1} if waiting_room else {"enabled": False}
    event = {
        "name": f"Load run of {now:%Y-%m-%d %H:%M:%S.%f}",
        "venue": "Here",
        "status": "on_sale",
        "starts_at": _iso(now + timedelta(days=9)),
        "on_sale_at": _iso(now - timedelta(minutes=1)),
        "waiting_room": room,
    }
    event_id = _created_id(send_request(base_url, "POST", "/admin/events", event, headers))
    tier = {"event_id": event_id, "name": "Floor", "price_cents": PRICE_CENTS, "capacity": tickets}
    return Sale(event_id, _created_id(send_request(base_url, "POST", "/admin/tiers", tier, headers)))


def find_sale(base_url: URL, event_id: str | None = None, tier_id: str | None = None) -> Sale:
    """Return the tier with the most tickets left, of one event or of all that are on sale. Raises NoSale."""
    events = [event_id] if event_id else [event["id"] for event in _read(base_url, "/events") if event["status"] == "on_sale"]
    tiers = [
        tier | {"event_id": event}
        for event in events
        for tier in _read(base_url, f"/events/{event}/availability")["availability"]
        if tier["available"] > 0 and tier_id in (None, tier["tier_id"])
    ]
    if not tiers:
        raise NoSale("No matching event is on sale with tickets left. Pass --admin-token to create a new event.")
    fullest = max(tiers, key=lambda tier: int(tier["available"]))
    return Sale(fullest["event_id"], fullest["tier_id"])


def _created_id(response: Response) -> str:
    if response.status != 201:
        raise NoSale(f"The event was not created: {response.status} {error_code(response)}. Is the admin token right?")
    return str(response.json()["id"])


def _read(base_url: URL, path: str) -> Any:
    response = send_request(base_url, "GET", path)
    if response.status != 200:
        raise NoSale(f"GET {path} returned status {response.status}. Is this the base URL, such as http://127.0.0.1:8000/api/v1?")
    try:
        return response.json()
    except ValueError:
        raise NoSale(f"GET {path} did not return JSON. Is this the base URL, such as http://127.0.0.1:8000/api/v1?") from None


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
