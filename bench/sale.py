"""The event that buyers of a load run buy from: a new one, or one that is on sale already."""

from datetime import UTC, datetime, timedelta
from typing import Any

from bench.buyers import Sale, error_code
from bench.http_client import Response, Script, Target, play, request_bytes

MAX_WAVE_SIZE = 100_000
PRICE_CENTS = 5000


class NoSale(Exception):
    """There is nothing to buy from; the message says why and what to do."""


def exchange(target: Target, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Response:
    """Send one request on a connection of its own. Raises RequestFailed."""
    responses = []

    def script() -> Script:
        responses.append((yield request_bytes(target, method, path, body, headers)))

    play(target, iter([script()]), 1)
    return responses[0]


def create_sale(target: Target, admin_token: str, tickets: int, *, waiting_room: bool = True) -> Sale:
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
    event_id = _created_id(exchange(target, "POST", "/admin/events", event, headers))
    tier = {"event_id": event_id, "name": "Floor", "price_cents": PRICE_CENTS, "capacity": tickets}
    return Sale(event_id, _created_id(exchange(target, "POST", "/admin/tiers", tier, headers)))


def find_sale(target: Target, event_id: str | None = None, tier_id: str | None = None) -> Sale:
    """The tier with the most tickets left at an event that is on sale, or at the given one. Raises NoSale."""
    events = [event_id] if event_id else [event["id"] for event in _read(target, "/events") if event["status"] == "on_sale"]
    lines = [line | {"event_id": event} for event in events for line in _read(target, f"/events/{event}/availability")["availability"]]
    lines = [line for line in lines if line["available"] > 0 and tier_id in (None, line["tier_id"])]
    if not lines:
        raise NoSale("Nothing like that is on sale with tickets left. With --admin-token, a new event is created.")
    most = max(lines, key=lambda line: int(line["available"]))
    return Sale(most["event_id"], most["tier_id"])


def _created_id(response: Response) -> str:
    if response.status != 201:
        raise NoSale(f"The event could not be created: {response.status} {error_code(response)}. Is the admin token right?")
    return str(response.json()["id"])


def _read(target: Target, path: str) -> Any:
    response = exchange(target, "GET", path)
    if response.status != 200:
        raise NoSale(f"GET {path} was answered with {response.status}. Is this the base URL, such as http://127.0.0.1:8000/api/v1?")
    try:
        return response.json()
    except ValueError:
        raise NoSale(f"GET {path} was answered with something that is not JSON.") from None


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
