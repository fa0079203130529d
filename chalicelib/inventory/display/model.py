"""The figures of stocks for display: one item for each group of stocks, which one instance at a time refreshes. Rules without a store."""

import math
import random
from collections.abc import Container, Mapping, Sequence
from typing import Self

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.inventory.model import NO_STOCK, Shard, Stock

LEASE_SECONDS = 2
PATIENCE_SECONDS = 1  # figures that are due for longer than this are refreshed by any instance, not only by the one that did it last
MAX_QUIET = 2  # after this many refreshes without a change, figures are read a third as often as those that change
MAX_SKEW_SECONDS = 5
CONTENDERS = 16  # of so many instances that find figures overdue in the same second, one tries to refresh them

MAX_SHARDS_WITH_TICKETS = 32
MAX_EXPIRING_SHARDS = 8
FEW_TICKETS_PER_SHARD = 4


class StockGroup(Struct, frozen=True):
    """Stocks whose figures are shown and refreshed together: stock id -> number of shards."""

    id: str
    shard_counts: Mapping[str, int]


class Figures(Struct, frozen=True, array_like=True):
    """What was read of a stock at `read_at` (epoch seconds). `quiet` counts the refreshes in a row that found nothing changed.

    `holdable` is what is available in shards that take another hold. `with_tickets` are the shards that have most of it: (number of the
    shard, quantity), more of them when little is left. `expiring` are those whose holds expire soonest: (number, epoch seconds).
    """

    capacity: int
    available: int
    held: int
    sold: int
    is_open: bool
    read_at: int
    quiet: int = 0
    holdable: int = 0
    with_tickets: tuple[tuple[int, int], ...] = ()
    expiring: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, shards: Sequence[Shard], read_at: int, before: Self | None = None) -> Self:
        """The figures of these shards; `before` are the figures of the refresh before, if there was one.

        Tickets that are kept for people who wait count as held: nobody else can have them.
        """
        total = Stock.total_of(shards) if shards else NO_STOCK
        kept = sum(shard.available for shard in shards if shard.is_kept)
        total = replace(total, available=total.available - kept, held=total.held + kept)
        shards = [shard for shard in shards if not shard.is_kept]
        is_quiet = before is not None and before.stock == total
        return cls(
            capacity=total.capacity,
            available=total.available,
            held=total.held,
            sold=total.sold,
            is_open=total.is_open,
            read_at=read_at,
            quiet=min(before.quiet + 1, MAX_QUIET) if before is not None and is_quiet else 0,
            holdable=sum(shard.holdable for shard in shards),
            with_tickets=_select_with_tickets(shards),
            expiring=_select_expiring(shards, read_at),
        )

    @property
    def stock(self) -> Stock:
        return Stock(capacity=self.capacity, available=self.available, held=self.held, sold=self.sold, is_open=self.is_open)

    def age(self, now: int) -> int:
        """Seconds since they were read; 0 if a clock that is a little ahead of ours read them in the future."""
        seconds = now - self.read_at
        return 0 if -MAX_SKEW_SECONDS <= seconds < 0 else abs(seconds)

    def interval(self, base_seconds: int) -> int:
        """Seconds after which they are due: `base_seconds`, and up to three times as long while nothing changes."""
        return base_seconds * (1 + self.quiet)

    def expired_shards(self, now: int) -> list[int]:
        """The numbers of the shards that have expired holds, as far as they are known."""
        return [number for number, expires_at in self.expiring if expires_at <= now]


class Display(Struct, frozen=True):
    """The display item of a group. `version` rises with each write; `holder` is the instance that refreshed it last or refreshes it now.

    Until `leased_until` (epoch seconds; 0 if nobody refreshes it now) only the holder refreshes it.
    """

    group_id: str
    version: int = 0
    holder: str = ""
    leased_until: int = 0
    figures: dict[str, Figures] = {}

    def is_leased_to_another(self, instance: str, now: int) -> bool:
        """Whether another instance refreshes it. A lease that ends later than the clocks can differ is not believed."""
        return self.holder != instance and 0 < self.leased_until - now <= LEASE_SECONDS + MAX_SKEW_SECONDS

    def seconds_due(
        self, group: StockGroup, now: int, base_seconds: int, *, moving: Container[str] = (), not_before: int = 0
    ) -> dict[str, float]:
        """The stocks of the group that are due for a refresh, and for how many seconds; infinity for those without figures.

        `base_seconds` is the interval of the figures that change, or that will, because this instance is `moving` their tickets. Figures
        that were read before `not_before` do not count.
        """
        due = {}
        for stock_id in group.shard_counts:
            figures = self.figures.get(stock_id)
            if figures is None or figures.read_at < not_before:
                due[stock_id] = math.inf
                continue
            interval = base_seconds if stock_id in moving else figures.interval(base_seconds)
            if figures.age(now) >= interval:
                due[stock_id] = float(figures.age(now) - interval)
        return due

    def is_turn_of(self, instance: str, seconds_due: Mapping[str, float], now: int) -> bool:
        """Whether this instance should refresh what is due: always if it did so last, otherwise when that one has let it become overdue.

        In the first second after that only some of the instances try: thousands may notice it at once, and a write that is refused costs
        as much as one that is not.
        """
        if not seconds_due or self.is_leased_to_another(instance, now):
            return False
        overdue = max(seconds_due.values()) - PATIENCE_SECONDS
        return self.holder == instance or overdue > 0 or (overdue == 0 and random.randrange(CONTENDERS) == 0)

    def replaced_by(self, other: Self, now: int) -> Self:
        """The other item, with those figures of this one that it does not have or that were read later."""
        later = {
            stock_id: figures
            for stock_id, figures in self.figures.items()
            if stock_id not in other.figures or figures.age(now) < other.figures[stock_id].age(now)
        }
        return other.with_figures(later) if later else other

    def with_figures(self, figures: Mapping[str, Figures]) -> Self:
        return replace(self, figures={**self.figures, **figures})


def shard_number(shard_id: str) -> int:
    return int(shard_id.rpartition("#")[2])


def _select_with_tickets(shards: Sequence[Shard]) -> tuple[tuple[int, int], ...]:
    """The shards with the most tickets: a few, and more of them when random choices no longer find tickets."""
    amounts = [(shard_number(shard.id), shard.holdable) for shard in shards if shard.holdable]
    is_plenty = sum(amount for _, amount in amounts) >= FEW_TICKETS_PER_SHARD * len(shards)
    return tuple(sorted(amounts, key=lambda entry: entry[1], reverse=True)[: 4 if is_plenty else MAX_SHARDS_WITH_TICKETS])


def _select_expiring(shards: Sequence[Shard], now: int) -> tuple[tuple[int, int], ...]:
    """Some of the shards with expired holds, and then those whose holds expire next.

    Random ones of the former, because a payment that is still being decided may keep a hold for long after its time.
    """
    ends = [(shard_number(shard.id), min(expires_at for _, expires_at in shard.holds.values())) for shard in shards if shard.holds]
    expired = [entry for entry in ends if entry[1] <= now]
    if len(expired) >= MAX_EXPIRING_SHARDS:
        return tuple(random.sample(expired, MAX_EXPIRING_SHARDS))
    return tuple(sorted(ends, key=lambda entry: entry[1])[:MAX_EXPIRING_SHARDS])
