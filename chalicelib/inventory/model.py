"""Stock as it is kept: shards with their holds, and what they add up to."""

from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, Self

from msgspec import Struct

from chalicelib.errors import ApiError

SMALL_CAPACITY = 100
TICKETS_PER_HOLD = 2
HOLDS_PER_SHARD = 18
MAX_SHARDS = 32


class Hold(Struct, frozen=True):
    """A quantity set aside in one shard. `hold_id` is `<purchase_id>.<nonce>` and is never used twice."""

    shard_id: str
    hold_id: str
    quantity: int

    @property
    def purchase_id(self) -> str:
        return self.hold_id.partition(".")[0]


class Shard(Struct, frozen=True):
    """One slice of a stock, as one DynamoDB item. Holds: hold id -> (quantity, end in epoch seconds)."""

    id: str
    capacity: int
    available: int
    sold: int
    holds: dict[str, tuple[int, int]]
    open: bool
    version: int

    @classmethod
    def of(cls, item: dict[str, Any]) -> Self:
        """From DynamoDB's wire format; by hand, since every refusal and every look at the stock passes here."""
        holds = {key: (int(entry["L"][0]["N"]), int(entry["L"][1]["N"])) for key, entry in item["holds"]["M"].items()}
        numbers = {name: int(item[name]["N"]) for name in ("capacity", "available", "sold", "version")}
        return cls(id=item["id"]["S"], holds=holds, open=item["open"]["BOOL"], **numbers)

    @property
    def held(self) -> int:
        return sum(quantity for quantity, _ in self.holds.values())

    def expired_holds(self, now: int) -> Iterator[Hold]:
        """The holds whose time is over; they still count until the arbiter lets them go."""
        for hold_id, (quantity, expires_at) in self.holds.items():
            if expires_at <= now:
                yield Hold(self.id, hold_id, quantity)


class Stock(Struct, frozen=True):
    """What shards, or stocks, add up to. `open` only if every one of them is."""

    capacity: int
    available: int
    held: int
    sold: int
    open: bool

    @classmethod
    def of(cls, parts: Iterable["Shard | Stock"]) -> Self:
        parts = list(parts)
        return cls(
            capacity=sum(part.capacity for part in parts),
            available=sum(part.available for part in parts),
            held=sum(part.held for part in parts),
            sold=sum(part.sold for part in parts),
            open=all(part.open for part in parts),
        )


# What there is of a stock that has no shards.
NO_STOCK = Stock(capacity=0, available=0, held=0, sold=0, open=False)


class NotEnoughTickets(ApiError):
    """The sum over all shards is short. `over` are holds met on the way whose time is over: giving them back may help."""

    code: ClassVar[str] = "not_enough_tickets"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "Not enough tickets available"

    def __init__(self, available: int, requested: int, over: list[Hold]) -> None:
        super().__init__(available=available, requested=requested)
        self.expired_holds = over


class SalePaused(ApiError):
    """The shards' `open` flag is off: the sale is paused. No cache has a say in it."""

    code: ClassVar[str] = "event_paused"
    status: ClassVar[int] = 403
    default_message: ClassVar[str] = "The sale is paused. Nobody loses anything; please wait."

    def __init__(self) -> None:
        super().__init__(paused=True)


class CapacityInUse(ApiError):
    code: ClassVar[str] = "capacity_in_use"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "More tickets are sold or on hold than the new capacity."


def shard_ids(stock_id: str, shards: int) -> list[str]:
    return [f"{stock_id}#{number}" for number in range(shards)]


def default_shards(capacity: int) -> int:
    """How many shards a stock gets when nobody says.

    Each hold adds 49 bytes to its shard, and a write costs 1 WCU for each KB: 18 holds keep it at one. As many holds are
    expected at once as a sell-out in twos makes, so shards follow the capacity up to a limit that one read can fetch.
    """
    if capacity <= SMALL_CAPACITY:
        return 1
    return min(MAX_SHARDS, -(-capacity // (TICKETS_PER_HOLD * HOLDS_PER_SHARD)))


def split_evenly(total: int, parts: int) -> list[int]:
    """`total` in `parts` that differ by one at most."""
    share, rest = divmod(total, parts)
    return [share + (1 if number < rest else 0) for number in range(parts)]
