"""Decide who gets returned tickets: a pure function of the line, the free tickets and the time.

The parties are considered in order of arrival. A party that wants no more tickets than are free gets an offer. A larger party is passed
over, and smaller parties behind it get offers. From then on, tickets are kept back for the larger party in turns: no tickets for the first
`patience` seconds, then all tickets for `keep` seconds, no tickets for `patience` seconds again, then all tickets for twice `keep` seconds,
and so on. If several large parties want the same tickets, only the first of them takes turns. Otherwise, the turns of one party could fill
the pauses of another. So a smaller party never waits longer than one turn for a kept ticket. No party waits forever either: if enough
tickets come back at all, some turn is long enough. On the last day of the sale, no tickets are kept back.
"""

from collections.abc import Callable, Iterable, Mapping, Set

from msgspec import Struct

from chalicelib.addons.waitlist.model import Entry, Place
from chalicelib.catalog.model import Tier


class TierSupply(Struct, frozen=True):
    """A tier that is on sale, and the stocks from which each of its tickets is taken.

    The tickets for resale form one separate supply for each price.
    """

    tier: Tier
    stock_ids: tuple[str, ...]

    @property
    def key(self) -> str:
        """The id of the tier, or of the stock if its tickets are for resale."""
        return self.tier.stock_id if self.tier.is_resale else self.tier.id


class Turns(Struct, frozen=True):
    """How long a large party is passed over (`patience`), and for how long tickets are then kept back (`keep`), in seconds."""

    patience: int
    keep: int

    def keeps_back(self, passed_at: int, now: int) -> bool:
        """Return whether tickets are kept back now for a party that was first passed over at `passed_at`."""
        elapsed, keep = now - passed_at, self.keep
        while elapsed >= self.patience:
            elapsed -= self.patience
            if elapsed < keep:
                return True
            elapsed -= keep
            keep *= 2
        return False


class PlannedOffer(Struct, frozen=True):
    entry: Entry
    tier: Tier


class OfferPlan(Struct, frozen=True):
    """The `offers` in order, and the entries that are `passed` over for the first time.

    `remaining` has the number of tickets for later places by stock id, without the tickets that are kept back for a large party. `claimed`
    has the ids of the stocks for which a large party takes turns; no later party takes turns for these stocks.
    """

    offers: list[PlannedOffer]
    passed: list[Entry]
    remaining: dict[str, int]
    claimed: Set[str] = frozenset()


def _is_never_blocked(*_: object) -> bool:
    return False


def cheapest_first(tier: Tier) -> tuple[int, bool]:
    """Return the key that sorts a tier and its resale tiers into the order in which their tickets are offered."""
    return tier.price_cents, not tier.is_resale


def plan_offers(
    places: Iterable[Place],
    supplies: Mapping[str, TierSupply],
    free: Mapping[str, int],
    now: int,
    turns: Turns | None,
    is_blocked: Callable[[Entry, Tier], bool] = _is_never_blocked,
    claimed: Set[str] = frozenset(),
) -> OfferPlan:
    """Plan offers for the places, in order of arrival, from the supplies (by key) and the free tickets (by stock id).

    The cheapest supply of a tier comes first. Without `turns`, no tickets are kept back. `is_blocked` returns whether an entry cannot get
    an offer of a tier now, for example because its owner has another active reservation. `is_blocked` is called only for entries that would
    otherwise get tickets or take turns. `claimed` comes from the plan of the places ahead of these places.
    """
    remaining, offers, passed, claimed = dict(free), list[PlannedOffer](), list[Entry](), set(claimed)
    by_tier: dict[str, list[TierSupply]] = {}
    for supply in sorted(supplies.values(), key=lambda supply: cheapest_first(supply.tier)):
        by_tier.setdefault(supply.tier.id, []).append(supply)
    for place in places:
        entry = place.entry
        accepted = [supply for tier_id in entry.tier_ids for supply in by_tier.get(tier_id, ()) if entry.accepts(supply.tier)]
        wanted = [supply for supply in accepted if entry.can_fit(supply.tier)]
        if not wanted:
            continue
        fitting = [supply for supply in wanted if free_tickets(supply, remaining) >= entry.quantity]
        if fitting:
            allowed = next((supply for supply in fitting if not is_blocked(entry, supply.tier)), None)
            if allowed is not None:
                offers.append(PlannedOffer(entry, allowed.tier))
                take(allowed, entry.quantity, remaining)
            continue
        largest = max(wanted, key=lambda supply: free_tickets(supply, remaining))
        too_few = free_tickets(largest, remaining)
        if too_few == 0:
            continue
        if place.passed_at is None:
            passed.append(place.entry)
            continue
        scarce = {stock_id for stock_id in largest.stock_ids if remaining.get(stock_id, 0) == too_few}
        if turns is not None and claimed.isdisjoint(scarce) and not is_blocked(entry, largest.tier):
            claimed |= scarce
            if turns.keeps_back(place.passed_at, now):
                take(largest, too_few, remaining)
    return OfferPlan(offers, passed, remaining, claimed)


def free_tickets(supply: TierSupply, remaining: Mapping[str, int]) -> int:
    """Return how many tickets of a supply are left, given the number that remains in each stock."""
    return min(remaining.get(stock_id, 0) for stock_id in supply.stock_ids)


def take(supply: TierSupply, quantity: int, remaining: dict[str, int]) -> None:
    """Subtract tickets of a supply from `remaining`."""
    for stock_id in supply.stock_ids:
        remaining[stock_id] -= quantity
