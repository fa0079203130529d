"""GCRA, the Generic Cell Rate Algorithm of ITU-T I.371, which counts a limit in a single time. All times are milliseconds.

A counter is the theoretical arrival time `tat`. Each request moves it on by one interval, and is refused while `tat` is so far in the
future that another interval would exceed a full budget. So a full budget may be used at once, it is restored steadily, and it is known
exactly when the next request will be granted.
"""

from typing import Any

from msgspec import Struct


class Quota(Struct, frozen=True):
    """`count` requests in `seconds`."""

    count: int
    seconds: int

    @property
    def interval(self) -> int:
        """By how much one request moves a counter; rounded up, so that a quota that does not divide evenly is never exceeded."""
        return -(-self.seconds * 1000 // self.count)

    @property
    def burst_tolerance(self) -> int:
        """How far in the future `tat` may be when a request is granted."""
        return (self.count - 1) * self.interval

    def wait(self, tat: int, now: int) -> int:
        """How long until the next request is granted; 0 or less means at once."""
        return tat - self.burst_tolerance - now

    def remaining(self, tat: int, now: int) -> int:
        """How many requests would be granted at once."""
        return max(0, self.count - -(-max(0, tat - now) // self.interval))

    def charge(self, now: int, amount: int = 1) -> "Charge":
        """Of so many requests at this time."""
        return Charge(now, amount * self.interval, now + self.burst_tolerance)


class CounterUpdate(Struct, frozen=True):
    """A charge as `dynamo.update` takes it."""

    changes: dict[str, Any]
    add: dict[str, Any]
    condition: str
    operands: dict[str, int]


class Charge(Struct, frozen=True):
    """Requests to be counted by a write: it moves `tat` on by `step`, unless `tat` is later than `max_tat` already."""

    now: int
    step: int
    max_tat: int

    def update(self, name: str, expected_tat: int) -> CounterUpdate:
        """What writes the charge in the attribute of this name.

        An update cannot say max(tat, now), so `expected_tat` chooses between two updates: one for a counter in the past, or absent (0), and
        one for a counter in the future. If it was wrong the update is refused, and must be made again for the item that is returned.
        """
        if expected_tat <= self.now:
            # In the past: of two concurrent first requests only one may start from now, or the other would not be counted.
            condition = f"(attribute_not_exists({name}) OR {name} <= :now)"
            return CounterUpdate({name: self.now + self.step}, {}, condition, {"now": self.now})
        # In the future: counting on from a time in the past would grant more than a full budget after a pause.
        # max_tat: the limit. `step` is not in it: requests that were granted but not yet reported must be counted above the limit too.
        return CounterUpdate({}, {name: self.step}, f"{name} > :now AND {name} <= :max_tat", {"now": self.now, "max_tat": self.max_tat})
