"""The admission plan: the number of buyers admitted at any second, computed from a short list of segments.

Admitting a wave writes nothing. A pause, a resume, a new rate, or admitting buyers at once appends a segment. Each segment starts with the
number of buyers admitted before it, so admitted buyers stay admitted. `web/waiting-room.js` does the same computation.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

# `due_changes.py` decides the size of a wave in this period before its admission: late enough for recent figures, but
# early enough for the change to be in the store when the wave is admitted. Otherwise some buyers who saw that they were admitted would have
# to wait again.
RESIZE_FIRST_SECONDS = 5
RESIZE_LAST_SECONDS = 2

# A segment takes at most 100 bytes of the state document, which every buyer polls. Automatic changes, which follow the arrivals and the
# stock, use at most half of the segments. The last two are reserved for a pause and its resume.
MAX_SEGMENTS = 48
MAX_SEGMENTS_AFTER_PAUSE = MAX_SEGMENTS - 1
MAX_SEGMENTS_AFTER_ADMIN_CHANGE = MAX_SEGMENTS - 2
_QUARTER = MAX_SEGMENTS // 4


class Segment(Struct, frozen=True, omit_defaults=True):
    """A part of the plan: from second `since` on, `base` buyers are admitted, and `wave_size` more after every `interval` seconds.

    While `paused`, no further buyers are admitted. `waited` seconds of the first interval had passed before `since`, so a pause or a new
    rate does not make buyers wait for a whole interval again. A negative `waited` postpones the first wave by that many seconds.
    """

    since: int
    base: int
    wave_size: int
    interval: int
    waited: int = 0
    paused: bool = False

    def admitted_count(self, now: int) -> int:
        """Return the number of buyers admitted at `now`. The segment must be active at `now`."""
        return self.base if self.paused else self.base + self.wave_size * self._wave_count(now)

    def _wave_count(self, now: int) -> int:
        return max(0, now - self.since + self.waited) // self.interval

    def seconds_into_interval(self, now: int) -> int:
        """Return how many seconds of the current interval have passed.

        The result is negative while a postponed first wave is more than one interval away.
        """
        elapsed = self.waited if self.paused else now - self.since + self.waited
        return elapsed if self.paused or elapsed < 0 else elapsed % self.interval

    def time_reached(self, position: int) -> int | None:
        """Return the second in which the segment, if it never ended, would admit `position`. Returns None if it never would."""
        missing = position - self.base
        if missing <= 0:
            return self.since
        if self.paused or self.wave_size == 0:
            return None
        waves = -(-missing // self.wave_size)
        return self.since + self.interval * waves - self.waited


def initial_plan(opens_at: int, wave_size: int, interval: int) -> list[Segment]:
    """Return the plan of a new room. The first wave is admitted exactly at the opening, as if its interval had already passed."""
    return [Segment(opens_at, 0, wave_size, interval, waited=interval)]


def admitted_count(segments: Sequence[Segment], now: int) -> int:
    """Return the number of buyers admitted at `now`, which is 0 before the opening."""
    active = _active_segment(segments, now)
    return active.admitted_count(now) if active is not None else 0


def active_pass_count(segments: Sequence[Segment], total: int, pass_seconds: int, now: int) -> int:
    """Return how many of the `total` arrivals were admitted within the last `pass_seconds`. Their passes may still be valid."""
    return min(total, admitted_count(segments, now)) - min(total, admitted_count(segments, now - pass_seconds))


def is_paused(segments: Sequence[Segment], now: int) -> bool:
    """Return whether admission is paused at `now`, or, before the opening, whether the room will open paused."""
    return (_active_segment(segments, now) or segments[0]).paused


def admission_time(segments: Sequence[Segment], position: int, joined_at: int) -> int | None:
    """Return the second in which `position` (from 1), taken at `joined_at`, was or will be admitted.

    Returns None if no planned wave reaches the position. The second never changes once it has passed, because later segments begin after
    it.
    """
    for index, segment in enumerate(segments):
        reached_at = segment.time_reached(position)
        end = segments[index + 1].since if index + 1 < len(segments) else None
        if reached_at is not None:
            admitted_at = max(reached_at, joined_at)
            if end is None or admitted_at < end:
                return admitted_at
    return None


def running_seconds(segments: Sequence[Segment], start: int, now: int) -> int:
    """Return the number of seconds between `start` and `now` in which the room was not paused. Only these seconds use up a pass."""
    total = 0
    for index, segment in enumerate(segments):
        end = segments[index + 1].since if index + 1 < len(segments) else now
        if not segment.paused:
            total += max(0, min(end, now) - max(segment.since, start))
    return total


def pause(segments: Sequence[Segment], now: int) -> list[Segment]:
    """Return the plan with admission paused from `now` on."""
    return _append_change(segments, now, paused=True)


def resume(segments: Sequence[Segment], now: int) -> list[Segment]:
    """Return the plan with admission resumed at `now`; the next wave waits only for the rest of its interval."""
    return _append_change(segments, now, paused=False)


def move_opening(segments: Sequence[Segment], now: int, opens_at: int) -> list[Segment]:
    """Return the plan of a room whose opening was moved after its draw: nobody is admitted between `now` and `opens_at`.

    `opens_at` must not be before `now`. Meanwhile, the passes of admitted buyers do not run down.
    """
    begun = [segment for segment in segments if segment.since <= now]
    last = segments[-1] if segments[-1].since > now else _continue(segments[-1], now)
    return [*begun, replace(_continue(begun[-1], now), paused=True), replace(last, since=opens_at)]


def set_rate(segments: Sequence[Segment], now: int, wave_size: int, interval: int) -> list[Segment]:
    """Return the plan with a new wave size and interval from `now` on. The time waited so far counts, up to the new interval."""
    last = _last_segment(segments, now)
    waited = interval if last is None else min(last[0].seconds_into_interval(last[1]), interval)
    return _append_change(segments, now, wave_size=wave_size, interval=interval, waited=waited)


def let_in(segments: Sequence[Segment], now: int, count: int) -> list[Segment]:
    """Return the plan with `count` more buyers admitted at `now`, in addition to the waves. Before the opening, the first wave grows."""
    last = _last_segment(segments, now)
    admitted = segments[0].base if last is None else last[0].admitted_count(last[1])
    return _append_change(segments, now, base=admitted + count)


def cap_unused_admissions(segments: Sequence[Segment], now: int, last_position: int) -> list[Segment] | None:
    """Return the plan with at most one wave admitted beyond `last_position`, the last position given out.

    Returns None if the plan needs no cap. Without the cap, the waves of an empty queue would add up, and a crowd that arrives late would be
    admitted all at once. If the last segment has not admitted any arrival, it is changed in place, because a room may be open and empty for
    weeks.
    """
    last = _last_segment(segments, now)
    if last is None:
        return None
    segment, at = last
    base, waited = last_position + segment.wave_size, segment.seconds_into_interval(at)
    if segment.paused or segment.admitted_count(at) <= base:
        return None
    if last_position <= segment.base:
        return [*segments[:-1], replace(segment, base=base, waited=waited - (at - segment.since))]
    return [*segments, replace(segment, since=at, base=base, waited=waited)]


def find_next_wave(segments: Sequence[Segment], now: int) -> int | None:
    """Return the second in which the next wave is admitted. Returns None before the opening and while the room is paused.

    This second depends only on the plan, so it identifies the same wave for all instances, regardless of the size of the wave.
    """
    last = _last_segment(segments, now)
    if last is None or last[0].paused:
        return None
    segment, at = last
    return at + segment.interval - segment.seconds_into_interval(at)


def is_time_to_size(segments: Sequence[Segment], wave_at: int, now: int) -> bool:
    """Return whether `now` is in the period for deciding the size of the next wave, which is admitted at `wave_at`."""
    return min(RESIZE_LAST_SECONDS, segments[-1].interval) <= wave_at - max(now, segments[-1].since) <= RESIZE_FIRST_SECONDS


def resize_waves(segments: Sequence[Segment], now: int, wave_size: int) -> list[Segment]:
    """Return the plan with `wave_size` from the next wave on. Size 0 stops the waves; a later size restarts them in the same rhythm."""
    return list(segments) if segments[-1].wave_size == wave_size else _append_change(segments, now, wave_size=wave_size)


def has_free_segment(segments: Sequence[Segment], now: int, pass_seconds: int) -> bool:
    """Return whether an automatic change may add a segment to the plan: a resize, or a cap that does not change the last segment.

    Automatic changes may use the first quarter of the segments at any time, and the second quarter only at intervals, spread over the
    length of a pass.
    """
    if len(segments) < _QUARTER:
        return True
    return len(segments) < 2 * _QUARTER and now - segments[-1].since >= pass_seconds // _QUARTER


def shorten(segments: Sequence[Segment], now: int, pass_seconds: int) -> list[Segment]:
    """Return the plan with its oldest segments merged, and without segments that change nothing.

    The result is equivalent for everyone who is waiting or has a valid pass. Without shortening, a room that is changed often for days, or
    that follows its stock, would have a plan that outgrows the public state document.
    """
    # The passes of all buyers admitted before these segments began have expired.
    expired = [index for index, segment in enumerate(segments) if running_seconds(segments, segment.since, now) >= pass_seconds]
    if not expired or expired[-1] < 2:
        return _without_ineffective(segments)
    first, kept = segments[0], segments[expired[-1] :]
    merged = Segment(first.since, admitted_count(segments, kept[0].since - 1), 0, first.interval)
    return _without_ineffective([merged, *kept])


def _without_ineffective(segments: Sequence[Segment]) -> list[Segment]:
    """Return the segments, except empty segments and segments that continue the previous segment unchanged.

    The first and the last segment always stay: they show an instance with a slow clock that the sale has opened, and when the last change
    took effect.
    """
    kept = [segments[0]]
    for segment, following in pairwise(segments[1:]):
        if segment.since < following.since and segment != _continue(kept[-1], segment.since):
            kept.append(segment)
    return [*kept, *segments[1:][-1:]]


def _append_change(segments: Sequence[Segment], now: int, **changes: Any) -> list[Segment]:
    last = _last_segment(segments, now)
    if last is None:  # before the opening, the planned segment changes and still begins at the opening
        return [replace(segments[0], **changes)]
    return [*segments, replace(_continue(*last), **changes)]


def _continue(segment: Segment, at: int) -> Segment:
    """Return a segment that begins at `at` and admits exactly as `segment` would from then on."""
    return replace(segment, since=at, base=segment.admitted_count(at), waited=segment.seconds_into_interval(at))


def _last_segment(segments: Sequence[Segment], now: int) -> tuple[Segment, int] | None:
    """Return the last segment, and the second in which a new change takes effect. Returns None before the opening.

    The second is never earlier than the start of the segment, even if `now` is earlier: a request may be a second older than the change
    that it reads.
    """
    if len(segments) == 1 and now < segments[0].since:
        return None
    return segments[-1], max(now, segments[-1].since)


def _active_segment(segments: Sequence[Segment], now: int) -> Segment | None:
    return next((segment for segment in reversed(segments) if segment.since <= now), None)
