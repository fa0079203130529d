"""Processor time of a buyer's requests, in this process with the store in memory: a purchase, a join, a QR code.

The floor of a purchase and a join is a bare UpdateItem of the same store through the plain client; that of a QR code is a bare Chalice
handler.
"""

import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import bare_chalice, store
from bench.app_in_process import MANY_TICKETS, app_in_process
from bench.measure import Measure
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import settings
from infra.local.gateway import Gateway
from tests import builders
from tests.client import Client

ROUNDS = 7
ROUND_SECONDS = 0.25
BARE_UPDATE = "a bare UpdateItem"
BARE_CHALICE = "a bare Chalice app"
BASE = "in process, processor time"


def take_measures(scratch: Path) -> Iterator[Measure]:  # noqa: ARG001
    numbers = itertools.count()
    with app_in_process() as api:
        event_id, tier_id = builders.create_shop(api, capacity=MANY_TICKETS)
        with_room = builders.create_event(api, "Queue", waiting_room={"enabled": True, "wave_size": MANY_TICKETS, "wave_seconds": 1})

        def buy() -> None:
            assert builders.buy(api, f"buyer-{next(numbers)}", event_id, tier_id).status == 201

        def buy_with_limits() -> None:
            number = next(numbers)
            with settings.override(rate_limits="on", address_factor=10_000):
                assert builders.buy(api, f"buyer-{number}", event_id, tier_id).status == 201

        def join() -> None:
            assert api.post(f"/events/{with_room}/waiting-room/join", user=f"buyer-{next(numbers)}").status == 200

        order_ids = [builders.create_order(api, (event_id, tier_id), 1, f"owner-{number}") for number in range(20)]
        owned = itertools.cycle([(f"owner-{number}", f"{order_id}-1") for number, order_id in enumerate(order_ids)])

        def qr_code(image: str) -> None:
            user, ticket_id = next(owned)
            assert api.get(f"/tickets/{ticket_id}/qr?format={image}", user=user).status == 200

        bare = Client(Gateway(bare_chalice.create_app()))
        calls: dict[str, Callable[[], object]] = {
            BARE_UPDATE: store.bare_update(dynamo.client()),
            BARE_CHALICE: lambda: bare.get(bare_chalice.PATH.removeprefix("/v1")),
            "a purchase (reserve, checkout, confirm)": buy,
            "a purchase with rate limits": buy_with_limits,
            "a join": join,
            "a QR code, SVG": lambda: qr_code("svg"),
            "a QR code, PNG": lambda: qr_code("png"),
        }
        figures = cpu_microseconds(calls)
    for name, figure in figures.items():
        floor = BARE_CHALICE if "QR" in name else BARE_UPDATE
        is_floor = name in (BARE_UPDATE, BARE_CHALICE)
        yield Measure(name, figure, "µs", None if is_floor else (floor, figures[floor]), note=BASE)


def cpu_microseconds(calls: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Return the median per call. The calls take turns, so that a slowdown of the machine affects all of them."""
    rounds: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(ROUNDS):
        for name, call in calls.items():
            count, began, end = 0, time.process_time(), time.process_time() + ROUND_SECONDS
            while time.process_time() < end:
                call()
                count += 1
            rounds[name].append((time.process_time() - began) / count * 1e6)
    return {name: statistics.median(figures) for name, figures in rounds.items()}
