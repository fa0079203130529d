"""The types of the stock (shards, their holds, and their total), and the rules that need no store."""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, ClassVar, Self

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.foundation import addons
from chalicelib.foundation.errors import ApiError

# The number of holds that one shard accepts. With this many holds, its item has at most 4 KB. See docs/decisions/0021-shards.md.
MAX_HOLDS = 80
# The number of holds up to which a shard accepts offers to the waitlist. It is higher than MAX_HOLDS, because most offers last for a day,
# and all tickets for resale at one price are in one shard. With this many holds, the shard's item has at most 12 KB.
MAX_OFFERS = 240
# More shards would not serve more buyers, but a pause writes all shards, and a refused hold may read all of them.
MAX_SHARDS = 1250
NEW_VERSION = 1  # the version of a shard that has not been written to since its creation
# The capacity of a stock without a limit. Nobody sells this many tickets, so only `finite` and `default_shard_count` treat it differently.
UNLIMITED = 1_000_000_000
UNLIMITED_SHARDS = 64  # 5,120 purchases can hold tickets of such a stock at the same time
RETRY_SECONDS = 5  # clients wait this long after TooManyHolds; by then, some of the buyers have paid


OFFER_MARK = "w"  # the last character of the hold ids of offers to the waitlist; other hold ids end with a hexadecimal digit


class Hold(Struct, frozen=True):
    """Tickets set aside in one shard for a purchase. `hold_id` is `<purchase_id>.<nonce>` and is never reused."""

    shard_id: str
    hold_id: str
    quantity: int

    @property
    def purchase_id(self) -> str:
        return self.hold_id.partition(".")[0]

    @property
    def stock_id(self) -> str:
        return stock_id_of(self.shard_id)

    @property
    def is_offer(self) -> bool:
        """Whether the hold belongs to an offer to a person on the waitlist."""
        return self.hold_id.endswith(OFFER_MARK)


def keeps_tickets() -> bool:
    """Whether shards that the waitlist has marked keep their tickets for people on the waitlist.

    A stage without the waitlist ignores the marks and sells the tickets, because nothing would ever remove the marks.
    """
    return addons.is_on("waitlist")


class Shard(Struct, frozen=True):
    """One part of a stock: one DynamoDB item. `holds` maps each hold id to (quantity, expiry in epoch seconds).

    `is_pooled` means that each ticket is also taken from the pool, the stock of an event with its own capacity. Once set, it stays set.
    `is_kept` means that the available tickets are kept for offers to people on the waitlist. It is always false in a stage without the
    waitlist. With `kept_above`, a shard keeps its tickets only while more tickets than this are available.
    `returned` counts all tickets that were sold and became available again. `unpaid` counts all tickets that became available again
    because the buyer who reserved them did not pay.
    """

    id: str
    capacity: int
    available: int
    sold: int
    holds: dict[str, tuple[int, int]]
    is_open: bool
    version: int
    is_pooled: bool = False
    is_kept: bool = False
    kept_above: int | None = None
    returned: int = 0
    unpaid: int = 0

    @property
    def stock_id(self) -> str:
        return stock_id_of(self.id)

    @property
    def is_unused(self) -> bool:
        """Whether the shard has not been written to since its creation."""
        return self.version == NEW_VERSION

    @property
    def held(self) -> int:
        return sum(quantity for quantity, _ in self.holds.values())

    @property
    def is_marked(self) -> bool:
        """Whether the shard keeps its tickets for the waitlist, or would keep tickets that come back."""
        return self.is_kept or self.kept_above is not None

    @property
    def for_waitlist(self) -> int:
        """The tickets that are kept for people on the waitlist, or held for their offers."""
        kept = self.available if self.is_kept else 0
        return kept + sum(quantity for hold_id, (quantity, _) in self.holds.items() if hold_id.endswith(OFFER_MARK))

    @property
    def holdable(self) -> int:
        """The largest quantity that a new hold can have: the available tickets, or 0 while the shard has its maximum number of holds."""
        return self.available if len(self.holds) < MAX_HOLDS else 0

    def expires_at(self, hold: Hold) -> int:
        """Return when this hold of the shard expires, in epoch seconds."""
        return self.holds[hold.hold_id][1]

    def expired_holds(self, now: int) -> Iterator[Hold]:
        """Yield the holds that have expired. Their tickets remain held until the purchase ends and releases them."""
        for hold_id, (quantity, expires_at) in self.holds.items():
            if expires_at <= now:
                yield Hold(self.id, hold_id, quantity)

    def holds_of(self, purchase_id: str) -> Iterator[Hold]:
        """Return the shard's holds for this purchase, whether or not the purchase lists them."""
        holds = (Hold(self.id, hold_id, quantity) for hold_id, (quantity, _) in self.holds.items())
        return (hold for hold in holds if hold.purchase_id == purchase_id)


class Stock(Struct, frozen=True):
    """The total of several shards or stocks. The total is open only if all parts are open.

    `for_waitlist` counts the tickets that are kept for people on the waitlist or held for their offers. `returned` and `unpaid` are the
    sums of the shards' counts.
    """

    capacity: int
    available: int
    held: int
    sold: int
    is_open: bool
    for_waitlist: int = 0
    returned: int = 0
    unpaid: int = 0

    @classmethod
    def total_of(cls, parts: Iterable["Shard | Stock"]) -> Self:
        parts = list(parts)
        return cls(
            capacity=sum(part.capacity for part in parts),
            available=sum(part.available for part in parts),
            held=sum(part.held for part in parts),
            sold=sum(part.sold for part in parts),
            is_open=all(part.is_open for part in parts),
            for_waitlist=sum(part.for_waitlist for part in parts),
            returned=sum(part.returned for part in parts),
            unpaid=sum(part.unpaid for part in parts),
        )

    @classmethod
    def shown_of(cls, shards: Sequence[Shard]) -> Self:
        """Return the total as people see it: tickets kept for the waitlist count as held, because other buyers cannot have them."""
        total, kept = cls.total_of(shards), sum(shard.available for shard in shards if shard.is_kept)
        return replace(total, available=total.available - kept, held=total.held + kept)


def stocks_of(shards: Iterable[Shard]) -> dict[str, Stock]:
    """Sum shards by stock. Returns stock id -> the total of its shards."""
    by_stock: dict[str, list[Shard]] = {}
    for shard in shards:
        by_stock.setdefault(shard.stock_id, []).append(shard)
    return {stock_id: Stock.total_of(stock_shards) for stock_id, stock_shards in by_stock.items()}


# The stock of a tier that has no shards yet.
NO_STOCK = Stock(capacity=0, available=0, held=0, sold=0, is_open=False)


class NotEnoughTickets(ApiError):
    """All shards of a stock together have too few tickets. Releasing the `expired_holds` that were found in them may free enough.

    `own_holds` are the purchase's own holds, which an earlier execution of the request may have left; the list is empty if the shards were
    not read.
    """

    code: ClassVar[str] = "not_enough_tickets"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "Not enough tickets are available."

    def __init__(
        self, available: int, requested: int, expired_holds: Sequence[Hold] = (), own_holds: Sequence[Hold] = (), *, stock_id: str = ""
    ) -> None:
        super().__init__(available=available, requested=requested)
        self.stock_id = stock_id
        self.expired_holds = list(expired_holds)
        self.own_holds = own_holds


class TooManyHolds(NotEnoughTickets):
    """Enough tickets are available, but their shards accept no more holds."""

    code: ClassVar[str] = "too_many_holds"
    status: ClassVar[int] = 503
    default_message: ClassVar[str] = (
        "There are tickets left, but too many buyers are paying at the moment to reserve more. Try again in a few seconds."
    )

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.details["retry_after_seconds"] = RETRY_SECONDS


class SalePaused(ApiError):
    """The sale is paused: the `open` flag of the shards is false. The store decides this, never a cache."""

    code: ClassVar[str] = "event_paused"
    status: ClassVar[int] = 403
    default_message: ClassVar[str] = (
        "The sale is paused. Reservations, waiting room places and passes are kept. Try again when the sale resumes."
    )

    def __init__(self) -> None:
        super().__init__(paused=True)


class PoolMismatch(Exception):
    """The caller and the shards disagree about whether the tickets are also taken from a pool, so the caller's catalog is outdated.

    Nothing is held. The caller must load the catalog again and retry.
    """


class CapacityInUse(ApiError):
    code: ClassVar[str] = "capacity_in_use"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "More tickets are sold or on hold than the new capacity allows. Choose a larger capacity."


@lru_cache(maxsize=256)
def shard_ids(stock_id: str, shard_count: int) -> Sequence[str]:
    """Return the keys of a stock's shards: `<stock id>#<number>`. Results are cached, because each hold needs them."""
    return tuple([f"{stock_id}#{number}" for number in range(shard_count)])


def stock_id_of(shard_id: str) -> str:
    """Return the id of the stock that a shard belongs to."""
    return shard_id.rpartition("#")[0]


def finite(amount: int) -> int | None:
    """Return a number of tickets as people see it. Returns None for a stock without a limit."""
    return amount if amount < UNLIMITED // 2 else None


def default_shard_count(capacity: int) -> int:
    """Return the default number of shards for a new stock: one per MAX_HOLDS tickets, at most MAX_SHARDS.

    A stock without a limit gets UNLIMITED_SHARDS. In any other stock, all tickets can be on hold at the same time, each in its own hold,
    unless the stock has more than MAX_SHARDS * MAX_HOLDS tickets.
    """
    if capacity >= UNLIMITED:
        return UNLIMITED_SHARDS
    return max(1, min(MAX_SHARDS, -(-capacity // MAX_HOLDS)))


def split_evenly(total: int, parts: int) -> list[int]:
    """Split `total` into `parts` numbers that differ by at most one."""
    share, rest = divmod(total, parts)
    return [share + (1 if number < rest else 0) for number in range(parts)]


def level(amounts: Sequence[int], change: int) -> list[int]:
    """Change the sum of the amounts by `change`: add to the lowest amounts, or subtract from the highest amounts.

    The amounts become as equal as possible. Raises ValueError if the sum would become negative.
    """
    if sum(amounts) + change < 0:
        raise ValueError("the change removes more than the sum of the amounts")
    sign = 1 if change >= 0 else -1
    order = sorted(range(len(amounts)), key=lambda number: sign * amounts[number])
    # Level the lowest (or highest) amounts together, up to the first amount that their common level does not reach.
    total = change
    result = list(amounts)
    for count, number in enumerate(order, start=1):
        total += amounts[number]
        following = amounts[order[count]] if count < len(order) else None
        if following is None or sign * total <= sign * following * count:
            for member, amount in zip(order[:count], split_evenly(total, count), strict=True):
                result[member] = amount
            break
    return result
