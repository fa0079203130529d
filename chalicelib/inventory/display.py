"""The figures of stocks for display: one item for each group of stocks, which one instance at a time refreshes. Rules without a store."""

import math
import random
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any, Literal, Self

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock, ids, log, parallel
from chalicelib.foundation.memory import Memory
from chalicelib.inventory import store as shard_store
from chalicelib.inventory.model import NO_STOCK, Shard, Stock, shard_ids

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


# The table of the display items: the figures of each group of stocks, and which instance refreshes them.

_figures = msgspec.json.Decoder(dict[str, Figures])


class DisplayRow(dynamo.Table):
    """`figures` is JSON: stock id -> the fields of `Figures` as a list, which is a third of their size with names."""

    feature = "stock-display"
    contents = "The stock figures of an event that all instances show."
    personal_data = None

    class Meta:
        table_name = None

    id = UnicodeAttribute(hash_key=True)
    version = NumberAttribute()
    holder = UnicodeAttribute()
    leased_until = NumberAttribute()
    figures = UnicodeAttribute(null=True)


def table_name() -> str:
    return DisplayRow.name()


def read_displays(group_ids: Iterable[str]) -> dict[str, Display]:
    """Read the items of these groups, an empty one for a group without an item; half a unit each, one round trip for each 100.

    Eventually consistent: what they say was read from the shards earlier anyway, and each write of them is conditional.
    """
    ids = list(group_ids)
    displays = {group_id: Display(group_id) for group_id in ids}
    for item in dynamo.batch_get(DisplayRow.name(), [{"id": {"S": group_id}} for group_id in ids]):
        display = _display(item)
        displays[display.group_id] = display
    return displays


def take_lease(display: Display, instance: str, now: int) -> tuple[bool, Display]:
    """Take the lease of an item that is still as it was read. Returns whether that worked, and the item as it is then."""
    changes = {"version": display.version + 1, "holder": instance, "leased_until": now + LEASE_SECONDS}
    condition, operands = _version_is(display.version)
    done, item = dynamo.update_if_returning(DisplayRow(display.group_id), changes, condition, **operands)
    current = _display(item) if item else Display(display.group_id)
    # botocore repeats a call whose response was lost; then the first one took the lease.
    return done or (current.holder == instance and current.version == display.version + 1), current


def write_figures(display: Display, instance: str, figures: Mapping[str, Figures]) -> Display:
    """Write new figures into an item that is still as it was read, and end its lease. Returns the item with these figures.

    If another instance has written it meanwhile, its figures stay in the store, and ours are for this instance only.
    """
    after = display.with_figures(figures)
    text = msgspec.json.encode(after.figures).decode()
    changes = {"version": display.version + 1, "holder": instance, "leased_until": 0, "figures": text}
    condition, operands = _version_is(display.version)
    if dynamo.update_if(DisplayRow(display.group_id), changes, condition, **operands):
        return msgspec.structs.replace(after, version=display.version + 1, holder=instance, leased_until=0)
    return after


def _version_is(version: int) -> tuple[str, dict[str, Any]]:
    """The condition that an item has this version, 0 for an item that does not exist, and its operands."""
    return ("version = :before", {"before": version}) if version else ("attribute_not_exists(id)", {})


def _display(item: dict[str, Any]) -> Display:
    row = DisplayRow.from_raw_data(item)
    figures = _figures.decode(row.figures) if row.figures else {}
    return Display(row.id, int(row.version), row.holder, int(row.leased_until), figures)


# What this instance knows of display items, and what it did itself that they do not show yet.

MOVING_SECONDS = 5  # for so long after this instance has moved tickets of a stock, it expects further changes
MAX_REFUSAL_AGE_SECONDS = 2  # figures that are older refuse no buyer


class Copy(Struct):
    """A display item as this instance knows it, and when it last asked for it (epoch seconds)."""

    display: Display
    checked_at: int


copies: Memory[tuple[str, str], Copy] = Memory()  # by table and group id
_names: Memory[Literal["instance"], str] = Memory()  # under which this instance holds leases

# When this instance last moved tickets of a stock, and when it last released some or opened or closed it, by stock id.
_moved_at: Memory[str, int] = Memory()
_changed_at: Memory[str, int] = Memory()

# Figures that were read until `at` are not used, except to show groups that this instance has refreshed since.
_invalidation: Memory[Literal["at"], int] = Memory()
_renewed: Memory[str, bool] = Memory()


def instance_name() -> str:
    return _names.entries.setdefault("instance", ids.nonce())


def find_copy(group_id: str) -> Copy | None:
    return copies.entries.get((table_name(), group_id))


def find_figures(group_id: str, stock_id: str) -> Figures | None:
    copy = find_copy(group_id)
    return None if copy is None else copy.display.figures.get(stock_id)


def keep_display(display: Display, now: int) -> None:
    """Keep a copy of an item, but of each stock the figures that were read last: ours may not have been written."""
    old = find_copy(display.group_id)
    display = display if old is None else old.display.replaced_by(display, now)
    copies.entries[(table_name(), display.group_id)] = Copy(display, now)


def keep_figures(group_id: str, figures: Mapping[str, Figures]) -> None:
    """Keep figures that this instance has read, without asking for the item."""
    copy = find_copy(group_id) or Copy(Display(group_id), 0)
    copies.entries[(table_name(), group_id)] = Copy(copy.display.with_figures(figures), copy.checked_at)


def try_read_display(group_id: str, now: int) -> Display | None:
    """Read the item of a group; None if the store fails, since a hold can do without it."""
    try:
        display = read_displays([group_id])[group_id]
    except dynamo.STORE_ERRORS as error:
        log.warning("display.not_read", group_id=group_id, error=type(error).__name__)
        return None
    keep_display(display, now)
    return display


def note_movement(stock_id: str, now: int) -> None:
    """Remember that this instance has moved tickets of a stock."""
    _moved_at.entries[stock_id] = now


def note_change(stock_id: str) -> None:
    """Remember that this instance has released tickets of a stock, or opened or closed it: earlier figures refuse nobody here."""
    now = clock.now()
    _moved_at.entries[stock_id] = _changed_at.entries[stock_id] = now


def is_moving(stock_id: str, now: int) -> bool:
    return abs(now - _moved_at.entries.get(stock_id, 0)) <= MOVING_SECONDS


def can_refuse(stock_id: str, figures: Figures, now: int) -> bool:
    """Whether figures are new enough to refuse a buyer by them."""
    last_change = max(_changed_at.entries.get(stock_id, -1), _invalidation.entries.get("at", -1))
    return figures.is_open and figures.age(now) <= MAX_REFUSAL_AGE_SECONDS and figures.read_at > last_change


def invalidate() -> None:
    """Read the shards again before figures are used here, because an admin has changed them. Other instances see what this one reads."""
    copies.forget()
    _renewed.forget()
    _invalidation.entries["at"] = clock.now()


def note_refresh(group_id: str) -> None:
    """Remember that this instance has refreshed a group since the last invalidation."""
    _renewed.entries[group_id] = True


def earliest_shown_read(group_id: str) -> int:
    """Since when figures of the group must have been read to be shown (epoch seconds)."""
    return 0 if group_id in _renewed.entries else _invalidation.entries.get("at", -1) + 1


# Refresh the figures of display items: take the lease, read the shards, write the figures.
#
# The instance that refreshed an item last needs no lease: its write is refused if another one has taken over. A crash after any step leaves
# at most a lease that ends by itself.


class RefreshRequest(Struct, frozen=True):
    """Which stocks of an item are to be refreshed: stock id -> number of shards."""

    display: Display
    shard_counts: Mapping[str, int]


def refresh_displays(requests: Sequence[RefreshRequest], instance: str, now: int) -> list[Display]:
    """Refresh these items, except those that another instance refreshes at this moment. Returns all of them as they are then."""
    begun = parallel.call_each(lambda request: (*begin_refresh(request.display, instance, now), request.shard_counts), requests)
    leased = [RefreshRequest(display, shard_counts) for is_ours, display, shard_counts in begun if is_ours]
    shards = read_shards_by_stock({stock_id: count for request in leased for stock_id, count in request.shard_counts.items()})
    published = parallel.call_each(
        lambda request: publish_figures(request.display, instance, {stock_id: shards[stock_id] for stock_id in request.shard_counts}, now),
        leased,
    )
    return [*published, *(display for is_ours, display, _ in begun if not is_ours)]


def begin_refresh(display: Display, instance: str, now: int) -> tuple[bool, Display]:
    """Whether this instance may refresh the item now, and the item as it is then."""
    if display.holder == instance:
        return True, display
    return take_lease(display, instance, now)


def publish_figures(display: Display, instance: str, shards: Mapping[str, Sequence[Shard]], now: int) -> Display:
    """Write the figures of these shards, given by stock id. Returns the item with them, also if it could not be written."""
    figures = {stock_id: Figures.of(stock_shards, now, display.figures.get(stock_id)) for stock_id, stock_shards in shards.items()}
    try:
        return write_figures(display, instance, figures)
    except dynamo.STORE_ERRORS as error:
        log.warning("display.not_written", group_id=display.group_id, error=type(error).__name__)
        return display.with_figures(figures)


def read_shards_by_stock(shard_counts: Mapping[str, int]) -> dict[str, list[Shard]]:
    """The shards of stocks, given as stock id -> number of shards. Strongly consistent, 100 shards in a round trip."""
    ids = [shard_id for stock_id, count in shard_counts.items() for shard_id in shard_ids(stock_id, count)]
    pages = [ids[start : start + dynamo.MAX_BATCH_GET] for start in range(0, len(ids), dynamo.MAX_BATCH_GET)]
    by_stock: dict[str, list[Shard]] = {stock_id: [] for stock_id in shard_counts}
    for page in parallel.call_each(shard_store.read_shards, pages):
        for shard in page:
            by_stock[shard.stock_id].append(shard)
    return by_stock
