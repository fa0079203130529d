"""A simulation of what people who wait see of a sale: pages fetch the public state through a CDN, from many instances with wrong clocks."""

import random
from collections.abc import Iterator

import msgspec

from chalicelib.catalog import service as catalog
from chalicelib.foundation import clock
from chalicelib.inventory.allocation import HoldRequest, hold_tickets
from chalicelib.waiting_room.room_cache import MAX_AGE_SECONDS
from tests import builders
from tests.client import Client
from tests.simulation.instances import Result, simulated_fleet

PAUSE_SECONDS = 1.6, 2.4  # between two fetches of a visible page while the line moves, as in web/src/place.ts
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
    with simulated_fleet(instances, start=start, seed=seed) as (timeline, fleet, _):
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

        def fetch(page: int, place: int) -> None:
            def receive(result: Result) -> None:
                kept[place] = timeline.now, result.value.json["tickets"][tier_id]["available"]
                report.in_replies.append(seconds_wrong(kept[place][1]))
                shown[page] = kept[place][1]

            if place in kept and timeline.now < kept[place][0] + MAX_AGE_SECONDS:
                shown[page] = kept[place][1]
            else:
                fleet.submit(lambda: api.get(f"/events/{event_id}/waiting-room/state"), receive)

        def watch(page: int, place: int) -> Iterator[float]:
            yield rng.uniform(OPENING + 2, OPENING + 4)
            while True:
                fetch(page, place)
                yield rng.uniform(*PAUSE_SECONDS)
                report.on_pages.append(seconds_wrong(shown[page]))

        for number in range(BUYERS):
            timeline.at(BUYING_FROM + (number + rng.random()) / BUYERS_PER_SECOND, lambda number=number: buy(number))
        for page in range(pages):
            timeline.follow(watch(page, rng.randrange(cdn_places)), lambda *_: None, end)
        timeline.run()
    report.last_shown = set(shown.values())
    return report
