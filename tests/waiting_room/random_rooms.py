"""Random waiting rooms for tests: admission plans with the changes that admins make, rooms in any phase, and arrivals in them."""

import random
from base64 import urlsafe_b64encode

import msgspec
from msgspec import UNSET

from chalicelib.waiting_room import admission_plan, draw
from chalicelib.waiting_room.admission_plan import Segment
from chalicelib.waiting_room.model import LATE, Arrival, BeaconState, RoomState

OPENS = 1_780_315_200
EXPIRES = OPENS + 86_400


def random_change(rng: random.Random, plan: list[Segment], now: int, total: int) -> list[Segment]:
    """The plan after a random change at `now`."""
    kind = rng.randrange(8)
    if kind == 0:
        return (
            admission_plan.resume(plan, now) if admission_plan.is_paused(plan, now) or plan[0].paused else admission_plan.pause(plan, now)
        )
    if kind == 1:
        return admission_plan.resume(plan, now)
    if kind == 2:
        return admission_plan.set_rate(plan, now, rng.choice([0, 1, 7, 100, 5_000]), rng.choice([1, 10, 30, 3_600]))
    if kind == 3:
        return admission_plan.let_in(plan, now, rng.choice([1, 50, 10_000]))
    if kind == 4:
        return admission_plan.cap_unused_admissions(plan, now, total) or plan
    if kind == 5:
        return admission_plan.resize_waves(plan, now, rng.choice([0, 1, 40]))
    if kind == 6 and now >= OPENS:
        return admission_plan.move_opening(plan, now, now + rng.choice([0, 1, 600]))
    return admission_plan.shorten(plan, now, rng.choice([60, 180]))


def random_plan(rng: random.Random, total: int) -> list[Segment]:
    plan = admission_plan.initial_plan(OPENS, rng.choice([1, 3, 100, 10_000]), rng.choice([1, 30, 60, 997]))
    now = OPENS - rng.choice([0, 500])
    for _ in range(rng.choice([0, 1, 2, 5, 12])):
        plan = random_change(rng, plan, now, total)
        now += rng.choice([0, 1, 5, 30, 59, 600, 7_200])
    return plan


def random_room(rng: random.Random) -> RoomState:
    """A room of any phase and size, beyond 2^31 arrivals too."""
    counts = [rng.choice([0, 1, 2, 1_000, rng.randrange(1, 200_000), rng.randrange(1, 1 << 33)]) for _ in range(rng.choice([1, 1, 3, 8]))]
    n, is_open, key = sum(counts), rng.random() < 0.9, rng.randbytes(32)
    return RoomState(
        event_id="ein Fest – 祭",
        room=rng.randrange(1, 4),
        on_sale_at=OPENS,
        commitment=draw.commitment(key),
        key=key.hex() if is_open else None,
        n=n if is_open else None,
        offsets=[sum(counts[:number]) for number in range(len(counts))],
        late_counters=rng.choice([1, len(counts)]),
        segments=random_plan(rng, n),
        total=n + rng.choice([0, 3, 4_000]),
        pass_seconds=rng.choice([60, 180, 86_400]),
        grace_seconds=rng.choice([0, 20, 59]),
        longer_pass_seconds=rng.choice([0, 300]),
        stopped=rng.choice([None, None, None, "sold_out"]),
        may_return=rng.choice([None, None, 17]),
        beacon=rng.choice([UNSET, BeaconState("ab" * 32, 1000, OPENS - 20, rng.randbytes(32).hex() if is_open else None)]),
    )


def random_arrival(rng: random.Random, state: RoomState, n: int) -> Arrival:
    """An arrival in a room whose draw had `n` arrivals: of any counter that counted some, or a late one."""
    ends = [*state.offsets[1:], n]
    counters = [number for number, offset in enumerate(state.offsets) if ends[number] > offset]
    late = state.n is not None and (not counters or rng.random() < 0.2)
    counter = LATE - rng.randrange(state.late_counters) if late or not counters else rng.choice(counters)
    number = rng.randrange(1, 5_000) if counter < 0 else rng.randint(1, ends[counter] - state.offsets[counter])
    is_longer = rng.random() < 0.3
    return Arrival(state.event_id, state.room, "0123456789abcdef", counter, number, _moment(rng, state), EXPIRES, is_longer=is_longer)


def random_time(rng: random.Random, state: RoomState) -> int:
    """Any time, often one at which the plan changes."""
    return _moment(rng, state) + rng.choice([0, 0, 1, 29, 30, 59, 180, 100_000])


def _moment(rng: random.Random, state: RoomState) -> int:
    return rng.choice([segment.since for segment in state.segments]) + rng.choice([-1000, -1, 0, 0, 1, 30, 3_000])


def unsigned_token(counter: int, number: int, event_id: str = "drop", room: int = 1, group: str | None = None) -> str:
    """A token as the shop issues it, but without a valid signature, which only the shop can check."""
    arrival = Arrival(event_id, room, "0123456789abcdef", counter, number, OPENS - 1000, EXPIRES, group=group)
    return urlsafe_b64encode(msgspec.json.encode(arrival)).rstrip(b"=").decode() + ".signature"
