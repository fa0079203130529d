"""What a thousand waiting browsers cost the API: they run the page's own module under Node, against the local server."""

import json
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from chalicelib.foundation import clock
from infra import web
from infra.local.gateway import Gateway, GatewayResponse
from infra.local.server import LocalServer
from tests import builders, invariants, javascript

BUYERS = 1000
HIDDEN_EVERY = 4  # each fourth looks at another tab
OPENING_SECONDS, OPENS_AFTER = 20, 30  # they open the page within the first; the sale opens after the second
WAVE_SIZE, WAVE_SECONDS = 200, 10
SECONDS = OPENS_AFTER + WAVE_SECONDS * (BUYERS // WAVE_SIZE)
# The rates of docs/web.md: seconds from one fetch of the document to the next, while the sale is near and while the line moves.
NEAR, MOVING = {"seen": 8, "hidden": 20}, {"seen": 2, "hidden": 20}


class CountingGateway(Gateway):
    """Counts requests by route and by second."""

    def __init__(self, app, time) -> None:
        super().__init__(app)
        self.time, self.calls, self.states = time, Counter(), Counter()

    def handle(self, method, target, *arguments) -> GatewayResponse:
        route = f"{method} {str(self.resource_of(target)).removeprefix('/v1/events/{event_id}')}"
        self.calls[route] += 1
        self.states[self.time.now] += route == "GET /waiting-room/state"
        return super().handle(method, target, *arguments)


@pytest.mark.slow
def test_a_thousand_browsers_call_only_join_state_and_reserve(threaded_store, api, time):
    import app

    opens_at = time.now + OPENS_AFTER
    room = {"enabled": True, "wave_size": WAVE_SIZE, "wave_seconds": WAVE_SECONDS}
    event_id = builders.create_event(api, "The Drop", on_sale_at=clock.iso(opens_at), waiting_room=room)
    tier_id = builders.create_tier(api, event_id, capacity=BUYERS)
    gateway = CountingGateway(app.app, time)
    server = LocalServer(0)
    server.start(gateway, web.BUILT)
    try:
        buyers = _run_crowd(time, origin=server.origin, eventId=event_id, tierId=tier_id)
    finally:
        server.stop()

    assert [buyer["failures"] for buyer in buyers if buyer["failures"]] == []
    assert sorted(buyer["position"] for buyer in buyers) == list(range(1, BUYERS + 1))
    assert all(buyer["draw"]["isKept"] and buyer["draw"]["noted"] for buyer in buyers)
    assert [buyer for buyer in buyers if _wave(buyer) != (buyer["reservedAt"] - opens_at) // WAVE_SECONDS] == []
    states = gateway.calls.pop("GET /waiting-room/state")
    assert gateway.calls == {"POST /waiting-room/join": BUYERS, "POST /reservations": BUYERS}
    allowed = sum(_allowed_fetches(buyer, opens_at) for buyer in buyers)
    assert 0.7 * allowed < states <= allowed
    assert max(gateway.states.values()) < BUYERS * 0.6  # just after the opening, when everybody fetches the draw within two seconds
    invariants.check(time.now)


def _run_crowd(time, **plan: str) -> list[dict]:
    """Run the buyers to the end; before each of their seconds the server's clock is set."""
    plan |= {"module": (web.SOURCES / "src" / "place.ts").as_uri(), "start": time.now, "seconds": SECONDS, "buyers": BUYERS}
    plan |= {"openingSeconds": OPENING_SECONDS, "hiddenEvery": HIDDEN_EVERY}
    crowd = Path(__file__).with_name("crowd.mjs")
    command = [str(web.find_node().binary), *javascript.TYPESCRIPT, str(crowd), json.dumps(plan)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for line in process.stdout:
            message = json.loads(line)
            if isinstance(message, list):
                return message
            time.set(message)
            process.stdin.write("\n")
            process.stdin.flush()
    raise AssertionError(f"the crowd stopped with exit code {process.returncode}")


def _wave(buyer: dict) -> int:
    return (buyer["position"] - 1) // WAVE_SIZE


def _allowed_fetches(buyer: dict, opens_at: int) -> float:
    """When the page opens, after joining, just after the opening, and in between by the rates."""
    kind = "hidden" if buyer["isHidden"] else "seen"
    return 3 + (opens_at - buyer["openedAt"]) / NEAR[kind] + (buyer["reservedAt"] - opens_at) / MOVING[kind]
