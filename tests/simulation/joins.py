"""A simulation in which many people join the waiting room of one event at a steady rate, before, at and after the opening."""

from collections import Counter

import msgspec

from chalicelib.foundation import clock, settings
from chalicelib.waiting_room import model, room_cache, tokens
from tests import builders
from tests.client import Client, ClientReply
from tests.simulation.instances import simulated_fleet
from tests.simulation.limits import Limits

SETTLED = 60  # virtual second in which the positions are read


class JoinReport(msgspec.Struct):
    """The results of a run. `replies` are counted by status.

    `busiest_key` is the most write units that a partition key took in a second. `drawn` people were in the draw, and `late` were not.
    `largest_shift` is the most places by which somebody is before or after the place that the order of arrival gives, and `unused` is the
    number of positions before the last that nobody has.
    """

    replies: Counter[int] = msgspec.field(default_factory=Counter)
    throttled: int = 0
    busiest_key: float = 0.0
    drawn: int = 0
    late: int = 0
    largest_shift: int = 0
    unused: int = 0


def join_at_once(
    api: Client, *, rate: int, seconds: float, opening: float, instances: int, counters: int, start: float, limits: Limits | None = None
) -> JoinReport:
    """Let `rate` people a second join for `seconds`, of a sale that opens `opening` seconds after the first join; 0 if it is open already.

    `start` is the epoch second of the first join.
    """
    report, joined = JoinReport(), []
    with (
        settings.override(waiting_room_counters=counters),
        simulated_fleet(instances, start=start, limits=limits) as (timeline, fleet, service),
    ):
        event_id = builders.create_event(
            api, "Drop", on_sale_at=clock.iso(int(start + opening)), status="scheduled", waiting_room={"wave_size": 100}
        )
        builders.create_tier(api, event_id, capacity=10_000)

        def join(number: int) -> None:
            reply: ClientReply = api.post(f"/events/{event_id}/waiting-room/join", user=f"u{number}")
            report.replies[reply.status] += 1
            if reply.status == 200:
                joined.append((timeline.now, tokens.read_token(reply.json["token"])))

        first = 0.0 if opening else 5.0
        for number in range(int(rate * seconds)):
            timeline.at(first + number / rate, lambda number=number: fleet.submit(lambda: join(number)))
        if not opening:  # let the draw take place before the first join, although some clocks are late
            for second in range(4):
                timeline.at(second, lambda: fleet.submit(lambda: api.get(f"/events/{event_id}/waiting-room/state")))
        timeline.at(SETTLED, lambda: None)
        timeline.run()
        state = room_cache.get_room(event_id, clock.now()).state
        report.throttled = service.report.throttles.total()
        report.busiest_key = max(service.report.busiest_seconds.values())
    assert state.n is not None
    positions = [model.line_position(state, arrival.counter, arrival.number) for _, arrival in joined]
    assert len(set(positions)) == len(positions), "two people have the same position"
    late = [position for (_, arrival), position in zip(joined, positions, strict=True) if arrival.is_late]
    report.drawn, report.late = len(joined) - len(late), len(late)
    report.largest_shift = max((abs(position - state.n - rank) for rank, position in enumerate(late, 1)), default=0)
    report.unused = max(positions, default=0) - len(positions)
    return report
