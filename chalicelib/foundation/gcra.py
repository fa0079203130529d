"""GCRA, the Generic Cell Rate Algorithm of ITU-T I.371, which stores a rate limit as a single time. All times are milliseconds.

A counter is the theoretical arrival time `tat`. Each granted request moves `tat` forward by one interval. A request is refused while `tat`
is so far in the future that another interval would exceed a full budget. A full budget can therefore be used at once and refills steadily,
and the time of the next granted request is known exactly.
"""

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from pynamodb.attributes import NumberAttribute
    from pynamodb.expressions.condition import Condition
    from pynamodb.expressions.update import Action


class Quota(Struct, frozen=True):
    """`count` requests in `seconds`."""

    count: int
    seconds: int

    @property
    def interval(self) -> int:
        """The time by which one request moves a counter, rounded up so that a quota that does not divide evenly is never exceeded."""
        return -(-self.seconds * 1000 // self.count)

    @property
    def burst_tolerance(self) -> int:
        """The longest time by which `tat` may be ahead of now when a request is granted."""
        return (self.count - 1) * self.interval

    def wait(self, tat: int, now: int) -> int:
        """Return the milliseconds until a request would be granted. 0 or less means that it would be granted now."""
        return tat - self.burst_tolerance - now

    def remaining(self, tat: int, now: int) -> int:
        """Return how many requests would be granted at once."""
        return max(0, self.count - -(-max(0, tat - now) // self.interval))

    def charge(self, now: int, amount: int = 1) -> "Charge":
        """Return the charge for `amount` requests at `now`."""
        return Charge(now, amount * self.interval, now + self.burst_tolerance)


class Charge(Struct, frozen=True):
    """Requests that a write counts: the write moves `tat` forward by `step`, unless `tat` is already later than `max_tat`."""

    now: int
    step: int
    max_tat: int

    def update(self, counter: "NumberAttribute", expected_tat: int) -> tuple["Action", "Condition"]:
        """Return the update that adds the charge to an attribute: its action and its condition.

        An update cannot compute max(tat, now), so `expected_tat` chooses between two updates: one for a counter in the past or absent (0),
        and one for a counter in the future. If `expected_tat` was wrong, the update is refused and must be repeated with the `tat` of the
        returned item.
        """
        if expected_tat <= self.now:
            # In the past: if two concurrent first requests both started from now, only one of them would be counted, so the condition
            # admits only one.
            return counter.set(self.now + self.step), counter.does_not_exist() | (counter <= self.now)
        # In the future: the condition requires this, because adding to a past time would grant more than a full budget after a pause.
        # `max_tat` does not include `step`, because requests that were granted but not yet reported must be counted even if they exceed the
        # limit.
        return counter.add(self.step), (counter > self.now) & (counter <= self.max_tat)
