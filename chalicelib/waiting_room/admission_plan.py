"""Admission as a function of time: how many of the line may have come in, out of a short list of segments.

Nothing is written when a wave opens. Pausing, resuming, another rate and "let in N now" append a segment; each begins with what
was admitted before it, so the number never falls. web/waiting-room.js computes the same.
"""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

RESIZE_WINDOW_SECONDS = 3


class Segment(Struct, frozen=True, omit_defaults=True):
    """From second `since` on, `base` are admitted, and `wave_size` more after every `interval` seconds; nobody more while paused.

    `waited` seconds of the first interval had passed before: a pause or a new rate does not start a wave's wait over. Below 0 the
    first interval begins that much later: those who came meanwhile found no line and are among the `base`.
    """

    since: int
    base: int
    wave_size: int
    interval: int
    waited: int = 0
    paused: bool = False

    def admitted(self, now: int) -> int:
        return self.base if self.paused else self.base + self.wave_size * self._waves(now)

    def _waves(self, now: int) -> int:
        return max(0, now - self.since + self.waited) // self.interval

    def phase(self, now: int) -> int:
        """Seconds of the present interval that have passed."""
        return self.waited if self.paused else (now - self.since + self.waited) % self.interval

    def reaches(self, position: int) -> int | None:
        """The second in which the segment, if it runs for ever, admits `position`; None if it never does."""
        missing = position - self.base
        if missing <= 0:
            return self.since
        if self.paused or self.wave_size == 0:
            return None
        waves = -(-missing // self.wave_size)
        return self.since + self.interval * waves - self.waited


def initial_plan(at: int, wave_size: int, interval: int) -> list[Segment]:
    """The first wave comes in at the opening: as if its wait had passed before."""
    return [Segment(at, 0, wave_size, interval, waited=interval)]


def admitted_count(segments: Sequence[Segment], now: int) -> int:
    """How many are admitted at `now`; 0 before the opening."""
    running = _running_segment(segments, now)
    return running.admitted(now) if running is not None else 0


def is_paused(segments: Sequence[Segment], now: int) -> bool:
    """Before the opening: whether it will open paused."""
    return (_running_segment(segments, now) or segments[0]).paused


def admitted_at(segments: Sequence[Segment], position: int, joined_at: int) -> int | None:
    """The second in which `position` (from 1), taken at `joined_at`, was or will be admitted; None while nothing planned gets there.

    Once passed, that second never changes: later segments begin after it.
    """
    for number, segment in enumerate(segments):
        moment = segment.reaches(position)
        end = segments[number + 1].since if number + 1 < len(segments) else None
        if moment is not None:
            moment = max(moment, joined_at)
            if end is None or moment < end:
                return moment
    return None


def running_seconds(segments: Sequence[Segment], start: int, now: int) -> int:
    """Seconds between `start` and `now` in which the room was not paused: a pass does not run out during a pause."""
    total = 0
    for number, segment in enumerate(segments):
        end = segments[number + 1].since if number + 1 < len(segments) else now
        if not segment.paused:
            total += max(0, min(end, now) - max(segment.since, start))
    return total


def pause(segments: Sequence[Segment], now: int) -> list[Segment]:
    return _append_change(segments, now, paused=True)


def resume(segments: Sequence[Segment], now: int) -> list[Segment]:
    """Going on from `now`: the wave that was under way needs only what it still needed."""
    return _append_change(segments, now, paused=False)


def set_rate(segments: Sequence[Segment], now: int, wave_size: int, interval: int) -> list[Segment]:
    """Other waves from `now` on; the wait so far counts, up to the new interval."""
    latest = _latest(segments, now)
    waited = interval if latest is None else min(latest[0].phase(latest[1]), interval)
    return _append_change(segments, now, wave_size=wave_size, interval=interval, waited=waited)


def let_in(segments: Sequence[Segment], now: int, more: int) -> list[Segment]:
    """`more` come in now, beside the waves; before the opening, with the first wave."""
    latest = _latest(segments, now)
    before = segments[0].base if latest is None else latest[0].admitted(latest[1])
    return _append_change(segments, now, base=before + more)


def cap_unused_admissions(segments: Sequence[Segment], now: int, total: int) -> list[Segment] | None:
    """When the line has run empty, admissions must not pile up: a crowd that comes late still comes in waves.

    None if nothing piled up; otherwise the segments in which no more than one wave beyond `total` arrivals is admitted. Where the
    running segment's waves have admitted nobody, it starts over in its place, so that a room may stand open and empty for weeks.
    """
    latest = _latest(segments, now)
    if latest is None:
        return None
    running, at = latest
    base, waited = total + running.wave_size, running.phase(at)
    if running.paused or running.admitted(at) <= base:
        return None
    if total <= running.base:
        return [*segments[:-1], replace(running, base=base, waited=waited - (at - running.since))]
    return [*segments, replace(running, since=at, base=base, waited=waited)]


def follow_stock(segments: Sequence[Segment], now: int, target: int) -> list[Segment] | None:
    """The next wave is to be `target`; None if nothing is to be done yet.

    Decided at the gate, in the last seconds before a wave, so that a long sale does not make a long list; an end of all waves,
    and their beginning again, at once.
    """
    latest = _latest(segments, now)
    if latest is None:
        return None
    running, at = latest
    if running.paused or running.wave_size == target:
        return None
    near = running.interval - running.phase(at) <= RESIZE_WINDOW_SECONDS
    if not near and target > 0 and running.wave_size > 0:
        return None
    return _append_change(segments, now, wave_size=target)


def shorten(segments: Sequence[Segment], now: int, pass_seconds: int) -> list[Segment]:
    """The same for everybody whose turn is to come or whose pass is alive; what came before is one segment that says "long ago".

    Without it the plan of a room that is steered, or follows its stock, for days would outgrow the document that all poll.
    """
    over = [number for number, one in enumerate(segments) if running_seconds(segments, one.since, now) >= pass_seconds]
    if not over or over[-1] < 2:
        return list(segments)
    first, kept = segments[0], segments[over[-1] :]
    return [Segment(first.since, admitted_count(segments, kept[0].since - 1), 0, first.interval), *kept]


def _append_change(segments: Sequence[Segment], now: int, **changes: Any) -> list[Segment]:
    latest = _latest(segments, now)
    if latest is None:  # what is planned changes, and still begins at the opening
        return [replace(segments[0], **changes)]
    running, at = latest
    kept = {"since": at, "base": running.admitted(at), "waited": running.phase(at)}
    return [*segments, replace(running, **{**kept, **changes})]


def _latest(segments: Sequence[Segment], now: int) -> tuple[Segment, int] | None:
    """The segment that a change follows on, and the second in which it does; None before the opening.

    Not before the segment itself begins: a request that came in the second before may find a change of the second after.
    """
    if len(segments) == 1 and now < segments[0].since:
        return None
    return segments[-1], max(now, segments[-1].since)


def _running_segment(segments: Sequence[Segment], now: int) -> Segment | None:
    return next((segment for segment in reversed(segments) if segment.since <= now), None)
