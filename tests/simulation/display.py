"""A simulation of what people who wait see of a sale: pages fetch the public state through a CDN, from many instances with wrong clocks."""

import random
from collections.abc import Callable, Generator
from typing import Any

import msgspec

from chalicelib.catalog import service as catalog
from chalicelib.foundation import clock
from chalicelib.inventory.allocation import HoldRequest, hold_tickets
from chalicelib.waiting_room.room_cache import MAX_AGE_SECONDS
from tests import builders
from tests.client import Client
from tests.simulation.instances import Result, simulated_fleet

PAUSE_SECONDS = 1.62, 1.98  # between two fetches of a visible page while the line moves, as in web/src/place.ts
CLOCK_ERROR = 0.3  # the most seconds by which an instance's clock is early or late
TRIP_SECONDS = 0.01, 0.1  # from a page to the CDN, and back
OPENING, BUYING_FROM, BUYERS, BUYERS_PER_SECOND, QUANTITY, SETTLED = 5, 10, 160, 4, 10, 10


class DisplayReport(msgspec.Struct):
    """For how many seconds the shown numbers of tickets had been wrong: when the API answered, and at the end of each pause of a page.

    `last_shown` is what each page showed in the end.
    """

    in_replies: list[float] = msgspec.field(default_factory=list)
    on_pages: list[float] = msgspec.field(default_factory=list)
    last_shown: set[int] = msgspec.field(default_factory=set)


def watch_sale(api: Client, *, instances: int, pages: int, cdn_places: int, seed: int, start: float) -> DisplayReport:
    """Sell all tickets of an event, and let people watch. Each place of the CDN keeps a reply for as long as the API allows."""
    rng, report, shown = random.Random(seed), DisplayReport(), dict[int, int]()
    end = BUYING_FROM + BUYERS / BUYERS_PER_SECOND + SETTLED
    with simulated_fleet(instances, start=start, seed=seed, clock_error=CLOCK_ERROR) as (timeline, fleet, _):
        opens_at = clock.iso(int(start) + OPENING)
        event_id = builders.create_event(api, on_sale_at=opens_at, status="scheduled", waiting_room={"wave_size": 100})
        tier_id = builders.create_tier(api, event_id, capacity=BUYERS * QUANTITY)
        current = catalog.load_current()
        shard_count = current.tier_shard_counts(current.tiers[tier_id])[tier_id]
        left, kept = [(0.0, BUYERS * QUANTITY)], dict[int, tuple[float, int]]()

        def seconds_wrong(number: int) -> float:
            return next((timeline.now - at for at, then in left if then < number), 0.0)

        def buy(number: int) -> None:
            request = HoldRequest(tier_id, shard_count, QUANTITY, f"p{number}", int(start) + 10_000, int(start) + 10)
            fleet.submit(lambda: hold_tickets(request), lambda _: left.append((timeline.now, left[-1][1] - QUANTITY)))

        def send(request: tuple[int], reply: Callable[[int], None]) -> None:
            timeline.at(timeline.now + rng.uniform(*TRIP_SECONDS), lambda: ask_cdn(*request, reply))

        def ask_cdn(place: int, reply: Callable[[int], None]) -> None:
            def answer() -> None:
                _, number = kept[place]
                timeline.at(timeline.now + rng.uniform(*TRIP_SECONDS), lambda: reply(number))

            def keep(result: Result) -> None:
                kept[place] = timeline.now, result.value.json["tickets"][tier_id]["available"]
                report.in_replies.append(seconds_wrong(kept[place][1]))
                answer()

            if place in kept and timeline.now < kept[place][0] + MAX_AGE_SECONDS:
                answer()
            else:
                fleet.submit(lambda: api.get(f"/events/{event_id}/waiting-room/state"), keep)

        def watch(page: int, place: int) -> Generator[Any, int, None]:
            yield rng.uniform(OPENING + 2, OPENING + 4)
            while True:
                number = yield (place,)
                if page in shown:
                    report.on_pages.append(seconds_wrong(shown[page]))
                shown[page] = number
                yield rng.uniform(*PAUSE_SECONDS)

        for number in range(BUYERS):
            timeline.at(BUYING_FROM + (number + rng.random()) / BUYERS_PER_SECOND, lambda number=number: buy(number))
        for page in range(pages):
            timeline.follow(watch(page, rng.randrange(cdn_places)), send, end)
        timeline.run()
    report.last_shown = set(shown.values())
    return report
