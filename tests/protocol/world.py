"""The world of the model: what the store and the payment provider keep.

Every ticket is one unit: a purchase takes one from each shard in its plan, and its tickets are numbered in that order.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

HoldId = tuple[str, str]  # purchase, nonce
Listed = tuple[tuple[int, HoldId], ...]  # shard, hold id

STATES = ("absent", "held", "paying", "paid", "partially_refunded", "expired", "cancelled", "refunded")
ALIVE = ("held", "paying")
SOLD = ("paid", "partially_refunded")


class Shard(NamedTuple):
    available: int
    sold: int
    is_open: bool
    holds: frozenset[HoldId]


class Refund(NamedTuple):
    """Money that a purchase has promised to give back: for some of its tickets, or for none where it never gave any."""

    payment: str
    numbers: tuple[int, ...]
    amount: int
    attempt: int = 1
    status: str = "due"  # due made; or, once a dispute was lost: taken (by it), stuck (what is left with us, and cannot be sent)


class Purchase(NamedTuple):
    state: str  # one of STATES
    listed: Listed
    version: int
    paid_by: str = ""  # the payment that its tickets stand for, or that was refused
    refunds: tuple[Refund, ...] = ()
    dispute: str = ""  # of that payment, as far as we know: open won lost; its tickets are frozen while it is open
    voided: tuple[int, ...] = ()  # numbers of the tickets that a lost one took

    def tickets(self) -> tuple[int, ...]:
        """Numbers of those that are valid or frozen."""
        back = {*self.voided, *(number for refund in self.refunds for number in refund.numbers)}
        return tuple(number for number in range(len(self.listed)) if number not in back) if self.state in SOLD else ()


class Buyer(NamedTuple):
    active: str | None
    bought: int


class Sent(NamedTuple):
    """A refund as the provider keeps it: the number that it has in its purchase, under which attempt it was asked for."""

    number: int
    attempt: int
    amount: int
    status: str  # made failed


class Payment(NamedTuple):
    status: str = "none"  # none opened attached processing captured cancelled
    sent: tuple[Sent, ...] = ()
    keys: frozenset[tuple[int, int, str]] = frozenset()  # idempotency keys (number and attempt) and what they were answered
    dispute: str = ""  # open won lost
    disputed: int = 0
    unheard: frozenset[tuple[Any, ...]] = frozenset()  # events that nobody has acknowledged

    def left(self, amount: int) -> int:
        """What is with us of the amount captured; a dispute takes its part when it opens and brings it back when it is won."""
        gone = sum(one.amount for one in self.sent if one.status == "made")
        return amount - gone - (self.disputed if self.dispute in ("open", "lost") else 0)


class World(NamedTuple):
    shards: tuple[Shard, ...]
    purchases: tuple[Purchase, ...]
    buyers: tuple[Buyer, ...]
    payments: tuple[Payment, ...]
    matters: frozenset[tuple[str, int]]  # rows that the sweep reads: purchase, number of a refund that is due
    in_time: tuple[bool, ...]  # ghost: was the money there, and the purchase alive, when it could still be cancelled?


class Cast(NamedTuple):
    """Who is in a world: capacity of each shard, shards that each purchase takes one from, its buyer, and who pays money."""

    capacities: tuple[int, ...]
    plans: Mapping[str, tuple[int, ...]]
    owners: Mapping[str, str]
    limit: int = 9
    charged: frozenset[str] = frozenset()  # the other purchases are free or simulated
    begun: Mapping[str, str] = {}  # purchases that are at the start `paying`, `paid` or `paid and sold` (converted)
    second: Mapping[str, str] = {}  # further payments, and the purchase that each is for
    mismatched: frozenset[str] = frozenset()  # payments of another amount than was asked for

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.plans)

    @property
    def payments(self) -> dict[str, str]:
        """Every payment and its purchase; the first payment of a purchase is named like it."""
        return {name: name for name in self.plans} | dict(self.second)

    def amount(self, payment: str) -> int:
        return len(self.plans[self.payments[payment]]) + (payment in self.mismatched)

    def start(self) -> World:
        shards = [Shard(capacity, 0, True, frozenset()) for capacity in self.capacities]
        for name, begun in self.begun.items():
            for shard, hold_id in self._own(name):
                one = shards[shard]
                more = {"sold": one.sold + 1} if begun == "paid and sold" else {"holds": one.holds | {hold_id}}
                shards[shard] = one._replace(available=one.available - 1, **more)
        people = sorted(set(self.owners.values()))
        return World(
            tuple(shards),
            tuple(self._purchase(name) for name in self.names),
            tuple(self._buyer(who) for who in people),
            tuple(
                Payment({"absent": "none", "paying": "attached", "paid": "captured"}[self._state(name)]) for name in self.payments.values()
            ),
            frozenset(),
            tuple(self._state(name) == "paid" for name in self.names),
        )

    def _state(self, name: str) -> str:
        return self.begun.get(name, "absent").split()[0]

    def _own(self, name: str) -> Listed:
        return tuple((shard, (name, "0")) for shard in self.plans[name]) if name in self.begun else ()

    def _purchase(self, name: str) -> Purchase:
        state = self._state(name)
        return Purchase(state, self._own(name), int(name in self.begun), name if state == "paid" else "")

    def _buyer(self, who: str) -> Buyer:
        mine = [name for name in self.names if self.owners[name] == who]
        active = next((name for name in mine if self._state(name) == "paying"), None)
        return Buyer(active, sum(len(self.plans[name]) for name in mine if self._state(name) == "paid"))


def swapped(items, index, value):
    """The tuple with another value at one index."""
    return (*items[:index], value, *items[index + 1 :])
