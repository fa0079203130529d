"""`make run` as a process: requests per second, and purchases per second with 1, 50 and 200 buyers at once.

The client is written in Python and runs on the same cores, so the figures are a lower bound.
"""

import http.client
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from bench.measure import Measure

SECONDS = 4
CONNECTIONS = 32
BUYERS = (1, 50, 200)
CAPACITY = 100_000

_users = itertools.count()


class ApiClient:
    """A client of the API with one connection that stays open."""

    def __init__(self, port: int, token: str = "") -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self._token = {"Authorization": f"Bearer {token}"} if token else {}

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        sent = {"Content-Type": "application/json", **self._token, **{name.replace("_", "-"): value for name, value in headers.items()}}
        self._connection.request(method, f"/api/v1{path}", json.dumps(body) if body is not None else None, sent)
        response = self._connection.getresponse()
        return response.status, json.loads(response.read() or b"null")


def take_measures(scratch: Path) -> Iterator[Measure]:
    with _local_runtime(scratch / "data") as (port, admin):
        figure = _per_second(CONNECTIONS, partial(_reader, port))
        yield Measure("local runtime, GET /events/{id}", figure, "requests/s", note=f"{CONNECTIONS} connections")
        for buyers in BUYERS:
            event_id, tier_id = _create_sale(port, admin, f"{buyers} buyers")
            figure = _per_second(buyers, partial(_buyer, port, event_id, tier_id))
            note = "reserve, checkout and confirm; the store journals"
            yield Measure(f"local runtime, purchases, {buyers} at once", figure, "purchases/s", note=note)


def _per_second(threads: int, create_client: Callable[[], Callable[[], None]]) -> float:
    """How many times per second `threads` clients together do what theirs does."""
    clients = [create_client() for _ in range(threads)]
    clients[0]()
    end = time.perf_counter() + SECONDS

    def work(client: Callable[[], None]) -> int:
        count = 0
        while time.perf_counter() < end:
            client()
            count += 1
        return count

    began = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        count = sum(pool.map(work, clients))
    return count / (time.perf_counter() - began)


def _reader(port: int) -> Callable[[], None]:
    api = ApiClient(port)

    def read() -> None:
        status, _ = api.request("GET", "/events/summits-v-harbor")
        assert status == 200

    return read


def _buyer(port: int, event_id: str, tier_id: str) -> Callable[[], None]:
    api = ApiClient(port)

    def buy() -> None:
        user = f"bench-{next(_users)}"
        status, reservation = api.request("POST", f"/events/{event_id}/reservations", {"tier_id": tier_id, "quantity": 1}, X_User_Id=user)
        assert status == 201, reservation
        body = {"reservation_id": reservation["id"]}
        status, session = api.request("POST", "/checkout/sessions", body, X_User_Id=user, Idempotency_Key=reservation["id"])
        assert status == 201, session
        status, paid = api.request("POST", "/checkout/confirm", {"checkout_id": session["id"], "simulate": "success"}, X_User_Id=user)
        assert status == 201, paid

    return buy


def _create_sale(port: int, token: str, name: str) -> tuple[str, str]:
    """Create an event with one tier that is on sale now; returns the ids of both."""
    now, api = datetime.now(UTC), ApiClient(port, token)
    times = {"starts_at": now + timedelta(days=9), "on_sale_at": now - timedelta(days=1)}
    event = {"name": f"Bench, {name}", "venue": "Here", "status": "on_sale", "waiting_room": {"enabled": False}} | {
        key: value.strftime("%Y-%m-%dT%H:%M:%SZ") for key, value in times.items()
    }
    status, created_event = api.request("POST", "/admin/events", event)
    assert status == 201, created_event
    tier = {"event_id": created_event["id"], "name": "Floor", "price_cents": 5000, "capacity": CAPACITY}
    status, created_tier = api.request("POST", "/admin/tiers", tier)
    assert status == 201, created_tier
    return created_event["id"], created_tier["id"]


@contextmanager
def _local_runtime(data: Path) -> Iterator[tuple[int, str]]:
    """Runs `make run` on a free port; yields the port and an admin's token."""
    # All buyers come from one address, with more requests than its limit allows.
    overrides = {"POWERTOOLS_LOG_LEVEL": "ERROR", "POWERTOOLS_METRICS_DISABLED": "true", "FAIRGATE_RATE_LIMITS": "off"}
    environment = {**os.environ, **overrides, "PORT": "0", "DATA": str(data)}
    process = subprocess.Popen([sys.executable, "-m", "infra.local"], env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        if not any("Ctrl-C stops it" in line for line in process.stdout):
            raise RuntimeError("the local runtime did not start; the reason is printed above")
        demo = json.loads((data / "demo.json").read_bytes())
        yield int(demo["web_url"].rstrip("/").rpartition(":")[2]), demo["admin"]["token"]
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
