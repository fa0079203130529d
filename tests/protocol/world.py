"""The world of the model: what the store and the payment provider keep, and their calls, each of them atomic.

Every ticket is one unit: a purchase takes one from each shard in its plan. A call is a method of `Store`: it takes a world and
answers the outcomes it may have, as (world, answer) pairs; only `meet` and `is_over` have more than one.
"""

from collections.abc import Mapping
from typing import NamedTuple

HoldId = tuple[str, str]  # purchase, nonce
Listed = tuple[tuple[int, HoldId], ...]  # shard, hold id

STATES = ("absent", "held", "paying", "paid", "expired", "cancelled", "refunded")
ALIVE = ("held", "paying")


class Shard(NamedTuple):
    available: int
    sold: int
    is_open: bool
    holds: frozenset[HoldId]


class Purchase(NamedTuple):
    state: str  # one of STATES
    listed: Listed
    version: int


class Buyer(NamedTuple):
    active: str | None
    bought: int


class World(NamedTuple):
    shards: tuple[Shard, ...]
    purchases: tuple[Purchase, ...]
    buyers: tuple[Buyer, ...]
    payments: tuple[str, ...]  # none opened attached processing captured cancelled refunded, by purchase
    in_time: tuple[bool, ...]  # ghost: was the money there, and the purchase alive, when it could still be cancelled?


class Cast(NamedTuple):
    """Who is in a world: capacity of each shard, shards that each purchase takes one from, its buyer, and who pays money."""

    capacities: tuple[int, ...]
    plans: Mapping[str, tuple[int, ...]]
    owners: Mapping[str, str]
    limit: int = 9
    charged: frozenset[str] = frozenset()  # the other purchases are free or simulated

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.plans)

    def start(self) -> World:
        count = len(self.plans)
        return World(
            tuple(Shard(capacity, 0, True, frozenset()) for capacity in self.capacities),
            (Purchase("absent", (), 0),) * count,
            (Buyer(None, 0),) * len(set(self.owners.values())),
            ("none",) * count,
            (False,) * count,
        )


def _with(items, index, value):
    return (*items[:index], value, *items[index + 1 :])


class Store:
    def __init__(self, cast: Cast, without: frozenset[str]) -> None:
        self.cast, self.without = cast, without
        self.index = {name: index for index, name in enumerate(cast.names)}
        people = sorted(set(cast.owners.values()))
        self.buyer_of = {name: people.index(cast.owners[name]) for name in cast.names}

    # ------------------------------------------------------------------ shards: one conditional update of one item
    def hold(self, w, shard, hold_id):
        one = w.shards[shard]
        if not one.is_open or one.available < 1 or hold_id in one.holds:
            return [(w, False)]
        return [(self._shard(w, shard, one._replace(available=one.available - 1, holds=one.holds | {hold_id})), True)]

    def release(self, w, shard, hold_id):
        one = w.shards[shard]
        if hold_id not in one.holds:
            return [(w, False)]
        return [(self._shard(w, shard, one._replace(available=one.available + 1, holds=one.holds - {hold_id})), True)]

    def convert(self, w, shard, hold_id):
        one = w.shards[shard]
        if hold_id not in one.holds:
            return [(w, False)]
        return [(self._shard(w, shard, one._replace(sold=one.sold + 1, holds=one.holds - {hold_id})), True)]

    def set_open(self, w, shard, is_open):
        return [(self._shard(w, shard, w.shards[shard]._replace(is_open=is_open)), None)]

    def meet(self, w, shard):
        """Read a shard and find a hold in it whose time is over; the clock may say so of any hold at any moment."""
        return [(w, hold_id) for hold_id in sorted(w.shards[shard].holds)] or [(w, None)]

    def is_over(self, w):
        return [(w, True), (w, False)]

    # ------------------------------------------------------------------ the arbiter and the buyer's record
    def read(self, w, name):
        return [(w, w.purchases[self.index[name]])]

    def move(self, w, name, expected, to, version=None, listed=None):
        """One transaction: the purchase's compare-and-set with what follows from it for its buyer and, in a refund, for the
        stock. Answers done, or whose condition refused: purchase, limit, stock, or the name of the buyer's active purchase."""
        purchase = w.purchases[self.index[name]]
        if purchase.state not in expected or (version is not None and purchase.version != version):
            return [(w, "purchase")]
        changed = w
        if "together" not in self.without:
            [(changed, answer)] = self.book(w, name, purchase.state, to)
            if answer != "done":
                return [(w, answer)]
        if purchase.state == "paid" and to == "refunded":
            changed = self._returned(changed, purchase.listed)
            if changed is None:
                return [(w, "stock")]
        after = Purchase(to, purchase.listed if listed is None else listed, purchase.version + 1)
        return [(changed._replace(purchases=_with(w.purchases, self.index[name], after)), "done")]

    def book(self, w, name, before, to):
        """The buyer's part of a change of state; a call of its own only where the rule `together` was taken away."""
        who, quantity = self.buyer_of[name], len(self.cast.plans[name])
        buyer = w.buyers[who]
        begins, late = to == "held", (before, to) == ("expired", "paid")
        if begins or (late and "late_limit" not in self.without):
            if buyer.active is not None:
                return [(w, buyer.active)]
            if buyer.bought + quantity > self.cast.limit:
                return [(w, "limit")]
        if begins:
            buyer = buyer._replace(active=name)
        elif before in ALIVE and to not in ALIVE and buyer.active == name:
            buyer = buyer._replace(active=None)
        if to == "paid":
            buyer = buyer._replace(bought=buyer.bought + quantity)
        elif (before, to) == ("paid", "refunded"):
            buyer = buyer._replace(bought=buyer.bought - quantity)
        return [(w._replace(buyers=_with(w.buyers, who, buyer)), "done")]

    # ------------------------------------------------------------------ the payment provider
    def open_payment(self, w, name):
        return self._payment(w, name, ("none",), "opened")

    def attach(self, w, name):
        """Write the payment's id into the paying purchase, and hand it to the buyer, who can pay from now on."""
        [(after, answer)] = self.move(w, name, ("paying",), "paying")
        if answer == "done":
            after = after._replace(payments=_with(w.payments, self.index[name], "attached"))
        return [(after, answer)]

    def hand_out(self, w, name):
        """Where the rule `attach` was taken away: the buyer can pay, whatever became of the purchase."""
        return self._payment(w, name, ("opened",), "attached")

    def pay(self, w, name):
        """At any moment at which the provider lets them: by card, at once, or by a transfer that cannot be called back."""
        index = self.index[name]
        if w.payments[index] != "attached":
            return [(w, "refused")]
        [(captured, _), (processing, _)] = (self._payment(w, name, ("attached",), to)[0] for to in ("captured", "processing"))
        if w.purchases[index].state in ALIVE:
            captured = captured._replace(in_time=_with(w.in_time, index, True))
        return [(captured, "captured"), (processing, "processing")]

    def arrive(self, w, name):
        return self._payment(w, name, ("processing",), "captured")

    def cancel_payment(self, w, name):
        """Only what the purchase names can be cancelled. Answers whether the money had been taken before."""
        if w.payments[self.index[name]] == "captured":
            return [(w, "captured")]
        return [(self._payment(w, name, ("attached",), "cancelled")[0][0], "none taken")]

    def drop_payment(self, w, name):
        """Cancel a payment that one has opened oneself and shown to nobody."""
        return self._payment(w, name, ("opened",), "cancelled")

    def is_captured(self, w, name):
        return [(w, w.payments[self.index[name]] == "captured")]

    def refund_payment(self, w, name):
        return self._payment(w, name, ("captured",), "refunded")

    # ------------------------------------------------------------------
    def _shard(self, w, shard, value):
        return w._replace(shards=_with(w.shards, shard, value))

    def _payment(self, w, name, expected, status):
        index = self.index[name]
        if w.payments[index] not in expected:
            return [(w, False)]
        return [(w._replace(payments=_with(w.payments, index, status)), True)]

    def _returned(self, w, listed):
        """Sold tickets back to the stock, on condition that none of their holds is still there; None where one is."""
        for shard, hold_id in listed:
            one = w.shards[shard]
            if hold_id in one.holds and "convert_first" not in self.without:
                return None
            w = self._shard(w, shard, one._replace(sold=one.sold - 1, available=one.available + 1))
        return w
