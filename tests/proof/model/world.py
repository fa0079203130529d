"""The state that the model explores: what the store and the payment provider keep, and the setup that it starts from.

Every ticket is one unit: a purchase takes one from each shard in its plan, and its tickets are numbered in that order.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

HoldId = tuple[str, str]  # purchase, nonce
HoldRefs = tuple[tuple[int, HoldId], ...]  # shard, hold id

STATES = ("absent", "held", "paying", "paid", "partially_refunded", "expired", "cancelled", "refunded")
ACTIVE = ("held", "paying")
SOLD = ("paid", "partially_refunded")


class Shard(NamedTuple):
    available: int
    sold: int
    is_open: bool
    holds: frozenset[HoldId]
    is_kept: bool = False  # somebody waits for its tickets: only offers, and late payments, take holds of it
    is_pooled: bool = False  # its tickets are also taken from the pool, the stock of an event with a capacity of its own
    held_back: int = 0  # tickets of its capacity that the stock does not have, so that nobody can buy them


class Refund(NamedTuple):
    """A refund that a purchase owes or has made: for some of its tickets, or for none if the payment never had tickets."""

    payment: str
    numbers: tuple[int, ...]
    amount: int
    attempt: int = 1
    status: str = "due"  # due succeeded; or, once a dispute was lost: taken (by the dispute), stuck (we have the money, and cannot send it)
    is_resale: bool = False  # the tickets were sold to another buyer, whose purchase has their seats now


class Purchase(NamedTuple):
    state: str  # one of STATES
    holds: HoldRefs
    version: int
    paid_by: str = ""  # the payment that its tickets were bought with, or that was refunded instead
    refunds: tuple[Refund, ...] = ()
    dispute: str = ""  # of that payment, as we have recorded it: open won lost; the tickets are frozen while it is open
    lost_tickets: tuple[int, ...] = ()  # numbers of the tickets that a lost dispute made void
    pool_holds: HoldRefs = ()  # of the tickets, in the same order; none if the event had no pool
    promo_holds: HoldRefs = ()  # of the use of its promo code, from the checkout on
    charge: str = ""  # the payment with which its buyer's saved card is charged
    resale_holds: HoldRefs = ()  # of a purchase from the resale stock; once it is paid, `holds` has the seats of the tickets that it got

    @property
    def all_holds(self) -> HoldRefs:
        return self.holds + self.pool_holds + self.resale_holds + self.promo_holds

    @property
    def was_sold(self) -> bool:
        """Whether it ever had tickets, though all of them may be void by now."""
        return self.state in SOLD or bool(self.lost_tickets) or any(refund.numbers for refund in self.refunds)

    def places_of(self, numbers: tuple[int, ...]) -> HoldRefs:
        """The holds that these tickets were, those in the pool last."""
        return tuple(holds[number] for holds in (self.holds, self.pool_holds) if holds for number in numbers)

    def tickets(self) -> tuple[int, ...]:
        """The numbers of the tickets that are valid or frozen."""
        void = {*self.lost_tickets, *(number for refund in self.refunds for number in refund.numbers)}
        return tuple(number for number in range(len(self.holds)) if number not in void) if self.state in SOLD else ()


class Buyer(NamedTuple):
    active: str | None
    bought: int
    uses: int = 0  # of the promo code, by purchases that were paid


class ProviderRefund(NamedTuple):
    """A refund as the provider keeps it: its number in our purchase, and the attempt under which it was created."""

    number: int
    attempt: int
    amount: int
    status: str  # succeeded failed


class ProviderPayment(NamedTuple):
    status: str = "none"  # none created attached processing recalled succeeded cancelled
    refunds: tuple[ProviderRefund, ...] = ()
    keys: frozenset[tuple[int, int, str]] = frozenset()  # idempotency keys (number and attempt), each with the answer that it got
    dispute: str = ""  # open won lost
    disputed_amount: int = 0
    unacknowledged: frozenset[tuple[Any, ...]] = frozenset()  # events that no webhook has acknowledged yet

    def net_received(self, amount: int) -> int:
        """What we have of a payment of `amount`. An open dispute takes its part, and a dispute that we win returns it."""
        refunded = sum(refund.amount for refund in self.refunds if refund.status == "succeeded")
        return amount - refunded - (self.disputed_amount if self.dispute in ("open", "lost") else 0)


class World(NamedTuple):
    shards: tuple[Shard, ...]
    purchases: tuple[Purchase, ...]
    buyers: tuple[Buyer, ...]
    payments: tuple[ProviderPayment, ...]
    cases: frozenset[tuple[str, int]]  # open cases, which the sweep reads: purchase, number of a refund that is due
    paid_in_time: tuple[bool, ...]  # only for the invariants, of each payment: did the buyer pay while the purchase was active?
    has_pool: bool = False  # what the catalog says; processes may have read it earlier
    entry: str = ""  # of the one who waits: waiting offered left
    overtaken: tuple[str, ...] = ()  # only for the invariants: passers-by who took tickets that were kept
    offered: tuple[str, ...] = ()  # only for the invariants: the offers that were made
    listed: tuple[tuple[str, int], ...] = ()  # the tickets that are for resale, oldest first: purchase and number
    used: frozenset[tuple[str, int]] = frozenset()  # the tickets with which somebody has come in
    holdback: str = ""  # of one ticket, as the catalog says: none held released (the stock may not have grown yet) complete


class Setup(NamedTuple):
    """What a scenario starts with: the capacity of each shard, the shards that each purchase takes a ticket from, and its buyer.

    With a `pool`, the first ticket of a purchase is also taken from the first of its shards, and so on. `gets_pool`: not yet at the start.
    With `resale`, this shard is the stock of the tickets for resale, from which the purchases `from_resale` take theirs; `listed` are for
    resale at the start. With `offers` somebody waits, for whom allocators make these purchases.
    `promo` is the shard with the uses of a promo code, which the purchases `with_code` are to use, each buyer `use_limit` times at most.
    """

    capacities: tuple[int, ...]
    plans: Mapping[str, tuple[int, ...]]
    buyers: Mapping[str, str]
    limit: int = 9
    with_provider: frozenset[str] = frozenset()  # purchases whose payment the provider takes; the others are free or simulated
    initial: Mapping[str, str] = {}  # purchases that are `held`, `paying`, `paid` or `paid and converted` at the start
    extra_payments: Mapping[str, str] = {}  # further payments, each with the purchase that it is for
    mismatched: frozenset[str] = frozenset()  # payments of another amount than the purchase costs
    pool: tuple[int, ...] = ()
    gets_pool: bool = False
    promo: int | None = None
    with_code: frozenset[str] = frozenset()
    use_limit: int = 9
    holdback: int | None = None  # the shard with a ticket that is held back, or may be
    is_held_back: bool = False  # at the start
    resale: int | None = None
    from_resale: frozenset[str] = frozenset()
    listed: tuple[tuple[str, int], ...] = ()
    with_card: frozenset[str] = frozenset()  # offers of a ballot whose buyer has saved a card
    offers: frozenset[str] = frozenset()  # purchases that are made for the one who waits; at the start the tickets are kept for them

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.plans)

    @property
    def payments(self) -> dict[str, str]:
        """Every payment and its purchase; the first payment of a purchase has the purchase's name."""
        return {name: name for name in self.plans} | dict(self.extra_payments)

    @property
    def tier_shards(self) -> tuple[int, ...]:
        return tuple(shard for shard in range(len(self.capacities)) if shard not in (*self.pool, self.promo, self.resale))

    def places(self, name: str, has_pool: bool) -> tuple[int, ...]:
        """Return the shards from which a purchase takes its tickets, the pool's last."""
        return self.plans[name] + (self.pool[: len(self.plans[name])] if has_pool else ())

    def amount(self, payment: str) -> int:
        return len(self.plans[self.payments[payment]]) + (payment in self.mismatched)

    def initial_world(self) -> World:
        has_pool = bool(self.pool) and not self.gets_pool
        shards = [
            Shard(capacity, 0, True, frozenset(), is_kept=bool(self.offers), is_pooled=has_pool and number not in self.pool)
            for number, capacity in enumerate(self.capacities)
        ]
        if self.holdback is not None and self.is_held_back:
            shard = shards[self.holdback]
            shards[self.holdback] = shard._replace(available=shard.available - 1, held_back=1)
        if self.resale is not None:
            shards[self.resale] = shards[self.resale]._replace(available=len(self.listed))
        for name, initial in self.initial.items():
            for number, hold_id in self._initial_holds(name):
                shard = shards[number]
                change = {"sold": shard.sold + 1} if initial == "paid and converted" else {"holds": shard.holds | {hold_id}}
                shards[number] = shard._replace(available=shard.available - 1, **change)
        statuses = {"absent": "none", "held": "none", "paying": "attached", "paid": "succeeded"}
        return World(
            tuple(shards),
            tuple(self._initial_purchase(name) for name in self.names),
            tuple(self._initial_buyer(buyer) for buyer in sorted(set(self.buyers.values()))),
            tuple(ProviderPayment(statuses[self._initial_state(name)]) for name in self.payments.values()),
            frozenset(),
            tuple(self._initial_state(name) == "paid" for name in self.payments.values()),
            has_pool,
            "waiting" if self.offers else "",
            listed=self.listed,
            holdback="" if self.holdback is None else "held" if self.is_held_back else "none",
        )

    def _initial_state(self, name: str) -> str:
        return self.initial.get(name, "absent").split()[0]

    def _initial_holds(self, name: str) -> HoldRefs:
        if name not in self.initial:
            return ()
        uses = () if self.promo is None or name not in self.with_code or self._initial_state(name) == "held" else (self.promo,)
        return tuple((shard, (name, "0")) for shard in (*self.places(name, bool(self.pool)), *uses))

    def _initial_purchase(self, name: str) -> Purchase:
        state = self._initial_state(name)
        holds, tickets = self._initial_holds(name), len(self.plans[name])
        others = holds[tickets:]
        promo_holds = tuple(place for place in others if place[0] == self.promo)
        pool_holds = others[: len(others) - len(promo_holds)]
        paid_by = name if state == "paid" else ""
        if name in self.from_resale:
            return Purchase(state, (), int(name in self.initial), paid_by, resale_holds=holds)
        return Purchase(state, holds[:tickets], int(name in self.initial), paid_by, pool_holds=pool_holds, promo_holds=promo_holds)

    def _initial_buyer(self, buyer: str) -> Buyer:
        states = {name: self._initial_state(name) for name in self.names if self.buyers[name] == buyer}
        active = next((name for name, state in states.items() if state in ACTIVE), None)
        paid = [name for name, state in states.items() if state == "paid"]
        return Buyer(active, sum(len(self.plans[name]) for name in paid), len(self.with_code.intersection(paid)))


def with_item(items, index, value):
    """The tuple with another value at one index."""
    return (*items[:index], value, *items[index + 1 :])
