"""Stock figures for display, which `availability` reads. Each group of stocks has one item, and one instance at a time refreshes it.

The module contains the types and rules, then the table, then this instance's copies of the items, and finally the refresh.
"""

import math
import random
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal, Self

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.expressions.condition import Condition

from chalicelib.dynamodb import dynamo
from chalicelib.dynamodb.struct_attribute import StructAttribute
from chalicelib.foundation import clock, ids, parallel
from chalicelib.foundation.log import logger
from chalicelib.foundation.memory import Memory
from chalicelib.inventory import store
from chalicelib.inventory.model import NO_STOCK, Shard, Stock, shard_ids

LEASE_SECONDS = 2
PATIENCE_SECONDS = 0.1  # after this time, any instance may refresh due figures, not only the instance that refreshed them last
MAX_QUIET = 2  # after this many refreshes without a change, figures are read a third as often as changing figures
MAX_SKEW_SECONDS = 5
CONTENDERS = 16  # until figures are overdue, about one in this many of the instances that find them due tries to refresh them

MAX_SHARDS_WITH_TICKETS = 32
MAX_EXPIRING_SHARDS = 8
FEW_TICKETS_PER_SHARD = 4


class StockGroup(Struct, frozen=True):
    """Stocks whose figures are shown and refreshed together: stock id -> number of shards."""

    id: str
    shard_counts: Mapping[str, int]


class Figures(Struct, frozen=True, array_like=True):
    """The figures of a stock, read at `read_at` (epoch seconds). `quiet` counts the latest consecutive refreshes without a change.

    `holdable` is the quantity available in shards that accept another hold. `with_tickets` lists the shards with the most holdable
    tickets as (shard number, quantity); it is longer when few tickets are left. `expiring` lists the shards whose holds expire soonest as
    (shard number, epoch seconds).
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
    for_waitlist: int = 0

    @classmethod
    def of(cls, shards: Sequence[Shard], read_at: int, before: Self | None = None) -> Self:
        """Return the figures of these shards. `before` are the figures of the previous refresh, if there was one."""
        total = replace(Stock.shown_of(shards), returned=0, unpaid=0) if shards else NO_STOCK
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
            for_waitlist=total.for_waitlist,
        )

    @property
    def stock(self) -> Stock:
        return Stock(
            capacity=self.capacity,
            available=self.available,
            held=self.held,
            sold=self.sold,
            is_open=self.is_open,
            for_waitlist=self.for_waitlist,
        )

    def age(self, now: int) -> int:
        """Return the seconds since the figures were read. Returns 0 if clock skew makes them appear to be read in the future."""
        seconds = now - self.read_at
        return 0 if -MAX_SKEW_SECONDS <= seconds < 0 else abs(seconds)

    def interval(self, base_seconds: int) -> int:
        """Return the seconds after which the figures are due: `base_seconds`, or up to three times as long while nothing changes."""
        return base_seconds * (1 + self.quiet)

    def expired_shards(self, now: int) -> list[int]:
        """Return the numbers of the shards that are known to have expired holds."""
        return [number for number, expires_at in self.expiring if expires_at <= now]


class Display(Struct, frozen=True):
    """The display item of a group. Each write increments `version`. `holder` is the instance that is or was the last to refresh the item.

    Until `leased_until` (epoch seconds; 0 means no lease), only the holder refreshes the item.
    """

    group_id: str
    version: int = 0
    holder: str = ""
    leased_until: int = 0
    figures: dict[str, Figures] = {}

    def is_leased_to_another(self, instance: str, now: int) -> bool:
        """Whether another instance is refreshing the item. A lease that ends later than clock skew can explain is ignored."""
        return self.holder != instance and 0 < self.leased_until - now <= LEASE_SECONDS + MAX_SKEW_SECONDS

    def seconds_due(
        self, group: StockGroup, now: int, base_seconds: int, *, moving: Container[str] = (), not_before: int = 0
    ) -> dict[str, float]:
        """Return the stocks that are due for a refresh: stock id -> seconds since they became due (infinity for stocks without figures).

        `base_seconds` is the interval for figures that change, or that will soon change because this instance is `moving` their tickets.
        Figures read before `not_before` are ignored.
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
        """Whether this instance should refresh the due figures: always if it refreshed the item last, otherwise once the item is overdue.

        Until then, only some of the other instances try: thousands may notice at once, and a refused write costs as much as a successful
        write.
        """
        if not seconds_due or self.is_leased_to_another(instance, now):
            return False
        is_overdue = max(seconds_due.values()) + clock.precise_now() - now >= PATIENCE_SECONDS
        return self.holder == instance or is_overdue or random.randrange(CONTENDERS) == 0

    def replaced_by(self, other: Self, now: int) -> Self:
        """Return the other item, with this item's figures where they are newer or the other item has none."""
        newer = {
            stock_id: figures
            for stock_id, figures in self.figures.items()
            if stock_id not in other.figures or figures.age(now) < other.figures[stock_id].age(now)
        }
        return other.with_figures(newer) if newer else other

    def with_figures(self, figures: Mapping[str, Figures]) -> Self:
        return replace(self, figures={**self.figures, **figures})


def shard_number(shard_id: str) -> int:
    return int(shard_id.rpartition("#")[2])


def _select_with_tickets(shards: Sequence[Shard]) -> tuple[tuple[int, int], ...]:
    """Return the shards with the most tickets: a few shards, or more if so few tickets are left that random shards may have none."""
    amounts = [(shard_number(shard.id), shard.holdable) for shard in shards if shard.holdable]
    is_plenty = sum(amount for _, amount in amounts) >= FEW_TICKETS_PER_SHARD * len(shards)
    return tuple(sorted(amounts, key=lambda entry: entry[1], reverse=True)[: 4 if is_plenty else MAX_SHARDS_WITH_TICKETS])


def _select_expiring(shards: Sequence[Shard], now: int) -> tuple[tuple[int, int], ...]:
    """Return the shards with expired holds, followed by the shards whose holds expire next.

    If too many shards have expired holds, a random sample is taken, because an undecided payment may keep a hold long after its expiry.
    """
    ends = [(shard_number(shard.id), min(expires_at for _, expires_at in shard.holds.values())) for shard in shards if shard.holds]
    expired = [entry for entry in ends if entry[1] <= now]
    if len(expired) >= MAX_EXPIRING_SHARDS:
        return tuple(random.sample(expired, MAX_EXPIRING_SHARDS))
    return tuple(sorted(ends, key=lambda entry: entry[1])[:MAX_EXPIRING_SHARDS])


# The table of display items: each group's figures, and the instance that refreshes them.


class DisplayRow(dynamo.Table):
    """A display item. `figures` has the figures by stock id, each as a list, which takes a third of the space of an object."""

    feature = "stock-display"
    contents = "The stock figures of an event that all instances show."
    personal_data = None

    id = UnicodeAttribute(hash_key=True)
    version = NumberAttribute()
    holder = UnicodeAttribute()
    leased_until = NumberAttribute()
    figures = StructAttribute(dict[str, Figures], null=True, always_text=True)


def read_displays(group_ids: Iterable[str]) -> dict[str, Display]:
    """Read the items of these groups. A group without an item gets an empty item.

    Costs half a read unit per item, and takes one round trip per 100 items. The reads are eventually consistent. That is enough, because
    the figures may be seconds old anyway, and each write of an item is conditional.
    """
    ids = list(group_ids)
    displays = {group_id: Display(group_id) for group_id in ids}
    return displays | {row.id: _display(row) for row in DisplayRow.find_all(ids, consistent_read=False)}


def take_lease(display: Display, instance: str, now: int) -> tuple[bool, Display]:
    """Take the lease of an item unless it has changed since it was read. Returns whether this instance has the lease, and the item."""
    changes = {"version": display.version + 1, "holder": instance, "leased_until": now + LEASE_SECONDS}
    done, row = dynamo.update_if_returning(DisplayRow(display.group_id), DisplayRow.set_or_remove(changes), _version_is(display.version))
    current = _display(row) if row is not None else Display(display.group_id)
    # botocore repeats a call whose response was lost; in that case the first call took the lease.
    return done or (current.holder == instance and current.version == display.version + 1), current


def write_figures(display: Display, instance: str, figures: Mapping[str, Figures]) -> Display:
    """Write new figures into an item unless it has changed since it was read, and end its lease. Returns the item with these figures.

    If another instance has written the item in the meantime, its figures stay in the store, and only this instance uses the new figures.
    """
    after = display.with_figures(figures)
    changes = {"version": display.version + 1, "holder": instance, "leased_until": 0, "figures": after.figures}
    if dynamo.update_if(DisplayRow(display.group_id), DisplayRow.set_or_remove(changes), _version_is(display.version)):
        return msgspec.structs.replace(after, version=display.version + 1, holder=instance, leased_until=0)
    return after


def _version_is(version: int) -> Condition:
    """Return the condition that an item has this version; 0 means that it does not exist."""
    return DisplayRow.version == version if version else DisplayRow.id.does_not_exist()


def _display(row: DisplayRow) -> Display:
    return Display(row.id, int(row.version), row.holder, int(row.leased_until), row.figures or {})


# This instance's copies of display items, and its own changes to stock that the items do not show yet.

MOVING_SECONDS = 5  # how long this instance expects further changes to a stock after moving some of its tickets
MAX_REFUSAL_AGE_SECONDS = 2  # older figures must not refuse a buyer


class Copy(Struct):
    """This instance's copy of a display item, and the time at which the item was last read (epoch seconds)."""

    display: Display
    checked_at: int


_copies: Memory[tuple[str, str], Copy] = Memory()  # by table and group id
_names: Memory[Literal["instance"], str] = Memory()  # the name under which this instance holds leases

# By stock id: when this instance last moved tickets of the stock, and when it last released tickets or opened or closed the stock.
_moved_at: Memory[str, int] = Memory()
_changed_at: Memory[str, int] = Memory()

# Figures read at `at` or earlier are not used, except to show groups that this instance has refreshed since.
_invalidation: Memory[Literal["at"], int] = Memory()
_refreshed_groups: Memory[str, bool] = Memory()


@contextmanager
def lock_copies(*, must_wait: bool) -> Iterator[bool]:
    """Let one thread at a time load copies. Yields whether this thread has the lock. With `must_wait`, it waits for the lock."""
    is_locked = _copies.lock.acquire(blocking=must_wait)
    try:
        yield is_locked
    finally:
        if is_locked:
            _copies.lock.release()


def instance_name() -> str:
    return _names.entries.setdefault("instance", ids.nonce())


def find_copy(group_id: str) -> Copy | None:
    return _copies.entries.get((DisplayRow.name(), group_id))


def find_figures(group_id: str, stock_id: str) -> Figures | None:
    copy = find_copy(group_id)
    return None if copy is None else copy.display.figures.get(stock_id)


def keep_display(display: Display, now: int) -> None:
    """Keep a copy of an item, with the newest figures of each stock, because this instance may have figures that it could not write."""
    old = find_copy(display.group_id)
    display = display if old is None else old.display.replaced_by(display, now)
    _copies.entries[(DisplayRow.name(), display.group_id)] = Copy(display, now)


def keep_figures(group_id: str, figures: Mapping[str, Figures]) -> None:
    """Keep figures that this instance has read from the shards, without reading the item."""
    copy = find_copy(group_id) or Copy(Display(group_id), 0)
    _copies.entries[(DisplayRow.name(), group_id)] = Copy(copy.display.with_figures(figures), copy.checked_at)


def try_read_display(group_id: str, now: int) -> Display | None:
    """Read and keep the item of a group. Returns None if the store fails, because a hold can do without the item."""
    try:
        display = read_displays([group_id])[group_id]
    except dynamo.STORE_ERRORS as error:
        logger.warning("display.not_read", group_id=group_id, error=type(error).__name__)
        return None
    keep_display(display, now)
    return display


def note_movement(stock_id: str, now: int) -> None:
    """Remember that this instance has moved tickets of a stock."""
    _moved_at.entries[stock_id] = now


def expect_movement(group: StockGroup, now: int) -> None:
    """Refresh the figures of a group as often as if they were changing, because people are watching its sale."""
    for stock_id in group.shard_counts:
        note_movement(stock_id, now)


def note_change(stock_id: str) -> None:
    """Remember that this instance has released tickets of a stock, or opened or closed it.

    Figures that were read earlier no longer refuse buyers.
    """
    now = clock.now()
    _moved_at.entries[stock_id] = _changed_at.entries[stock_id] = now


def is_moving(stock_id: str, now: int) -> bool:
    return abs(now - _moved_at.entries.get(stock_id, 0)) <= MOVING_SECONDS


def can_refuse(stock_id: str, figures: Figures, now: int) -> bool:
    """Whether figures are new enough to refuse a buyer."""
    last_change = max(_changed_at.entries.get(stock_id, -1), _invalidation.entries.get("at", -1))
    return figures.is_open and figures.age(now) <= MAX_REFUSAL_AGE_SECONDS and figures.read_at > last_change


def invalidate_figures() -> None:
    """Make this instance read the shards again before it uses figures, because an admin has changed the stock.

    The refresh also gives the other instances the new figures.
    """
    _copies.forget()
    _refreshed_groups.forget()
    _invalidation.entries["at"] = clock.now()


def note_refresh(group_id: str) -> None:
    """Remember that this instance has refreshed a group since the last invalidation."""
    _refreshed_groups.entries[group_id] = True


def earliest_shown_read(group_id: str) -> int:
    """Return the earliest `read_at` (epoch seconds) of figures that may still be shown for the group."""
    return 0 if group_id in _refreshed_groups.entries else _invalidation.entries.get("at", -1) + 1


# The refresh of display items: take the lease, read the shards, write the figures.
#
# The instance that refreshed an item last needs no lease: its write is refused if another instance has taken over. A crash after any step
# leaves at most a lease, which expires.


class RefreshRequest(Struct, frozen=True):
    """A display item to refresh, and its stocks: stock id -> number of shards."""

    display: Display
    shard_counts: Mapping[str, int]


def refresh_displays(requests: Sequence[RefreshRequest], instance: str, now: int) -> list[Display]:
    """Refresh these items, except items that another instance is refreshing. Returns the current state of all these items."""
    attempts = parallel.call_each(lambda request: (*begin_refresh(request.display, instance, now), request.shard_counts), requests)
    leased = [RefreshRequest(display, shard_counts) for is_ours, display, shard_counts in attempts if is_ours]
    shards = read_shards_by_stock({stock_id: count for request in leased for stock_id, count in request.shard_counts.items()})
    published = parallel.call_each(
        lambda request: publish_figures(request.display, instance, {stock_id: shards[stock_id] for stock_id in request.shard_counts}, now),
        leased,
    )
    return [*published, *(display for is_ours, display, _ in attempts if not is_ours)]


def begin_refresh(display: Display, instance: str, now: int) -> tuple[bool, Display]:
    """Return whether this instance may refresh the item now, and the item's current state."""
    if display.holder == instance:
        return True, display
    return take_lease(display, instance, now)


def publish_figures(display: Display, instance: str, shards: Mapping[str, Sequence[Shard]], now: int) -> Display:
    """Write the figures of these shards, given by stock id. Returns the item with these figures even if the write failed."""
    figures = {stock_id: Figures.of(stock_shards, now, display.figures.get(stock_id)) for stock_id, stock_shards in shards.items()}
    try:
        return write_figures(display, instance, figures)
    except dynamo.STORE_ERRORS as error:
        logger.warning("display.not_written", group_id=display.group_id, error=type(error).__name__)
        return display.with_figures(figures)


def read_shards_by_stock(shard_counts: Mapping[str, int]) -> dict[str, list[Shard]]:
    """Read the shards of stocks, given as stock id -> number of shards. Takes one strongly consistent round trip per 100 shards."""
    ids = [shard_id for stock_id, count in shard_counts.items() for shard_id in shard_ids(stock_id, count)]
    pages = [ids[start : start + dynamo.MAX_BATCH_GET] for start in range(0, len(ids), dynamo.MAX_BATCH_GET)]
    by_stock: dict[str, list[Shard]] = {stock_id: [] for stock_id in shard_counts}
    for page in parallel.call_each(store.read_shards, pages):
        for shard in page:
            by_stock[shard.stock_id].append(shard)
    return by_stock
