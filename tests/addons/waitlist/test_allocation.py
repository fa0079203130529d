"""The rule by which tickets that come back are offered: single cases, and long random lines."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.addons.waitlist.model import Entry, Place
from chalicelib.addons.waitlist.offer_plan import OfferPlan, TierSupply, Turns, plan_offers
from chalicelib.catalog.model import Tier
from tests import seeds

NOW = 1_000_000
TURNS = Turns(patience=3600, keep=3600)


def tier(tier_id: str = "a", price_cents: int = 5000) -> Tier:
    shape = {"currency": "USD", "capacity": 10, "status": "available", "shards": 1, "managed_by": "api"}
    return Tier(id=tier_id, event_id="e", name=tier_id, price_cents=price_cents, stock_id=tier_id, **shape)


def place(number: int, quantity: int, *tier_ids: str, passed_at: int | None = None, max_price_cents: int | None = None) -> Place:
    tiers = list(tier_ids or ("a",))
    shape = {"joined_at": number, "ttl": NOW, "max_price_cents": max_price_cents}
    return Place(Entry(id=f"e.{number:04}", user_id=f"u{number}", event_id="e", tier_ids=tiers, quantity=quantity, **shape), passed_at)


def plan(places, free, *, now=NOW, turns=TURNS, supplies=None, skipped=(), claimed=frozenset()) -> OfferPlan:
    supplies = supplies or {tier_id: TierSupply(tier(tier_id), (tier_id,)) for tier_id in ("a", "b")}
    return plan_offers(places, supplies, free, now, turns, lambda entry, tier: entry.id in skipped, claimed)


def offered(made: OfferPlan) -> list[tuple[int, str]]:
    return [(int(offer.entry.id[2:]), offer.tier.id) for offer in made.offers]


def test_the_first_in_line_gets_the_first_tickets():
    assert offered(plan([place(1, 2), place(2, 1), place(3, 1)], {"a": 3})) == [(1, "a"), (2, "a")]


def test_a_party_too_large_for_the_stock_is_passed_over_and_noted():
    made = plan([place(1, 4), place(2, 2), place(3, 2)], {"a": 3})
    assert offered(made) == [(2, "a")]
    assert [entry.id for entry in made.passed] == ["e.0001", "e.0003"]


def test_nobody_is_passed_over_while_there_is_nothing():
    assert plan([place(1, 4)], {"a": 0}) == OfferPlan([], [], {"a": 0})


def test_the_first_wish_that_can_be_granted_is():
    assert offered(plan([place(1, 2, "b", "a"), place(2, 1, "b")], {"a": 2, "b": 1})) == [(1, "a"), (2, "b")]


def test_a_tier_above_the_highest_price_is_not_offered():
    supplies = {"a": TierSupply(tier("a", 6000), ("a",)), "b": TierSupply(tier("b", 5000), ("b",))}
    assert offered(plan([place(1, 1, "a", "b", max_price_cents=5000)], {"a": 1, "b": 1}, supplies=supplies)) == [(1, "b")]


def test_tiers_of_a_pool_share_what_it_has():
    supplies = {tier_id: TierSupply(tier(tier_id), (tier_id, "pool")) for tier_id in ("a", "b")}
    places = [place(1, 2, "a"), place(2, 2, "b"), place(3, 1, "b")]
    assert offered(plan(places, {"a": 5, "b": 5, "pool": 3}, supplies=supplies)) == [(1, "a"), (3, "b")]


def test_a_person_without_an_offer_takes_nothing_from_the_next():
    assert offered(plan([place(1, 2), place(2, 2)], {"a": 2}, skipped={"e.0001"})) == [(2, "a")]


@pytest.mark.parametrize(
    ("hours", "keeps"),
    [
        (0, False),
        (0.9, False),
        (1, True),
        (1.9, True),
        (2, False),
        (2.9, False),
        (3, True),
        (4.9, True),
        (5, False),
        (6, True),
        (9.9, True),
    ],
)
def test_tickets_are_kept_back_in_turns_that_double(hours, keeps):
    """An hour of patience, one of keeping; an hour, two of keeping; an hour, four of keeping."""
    assert TURNS.keeps_back(NOW, NOW + int(hours * 3600)) is keeps


def test_kept_tickets_go_to_nobody_behind_the_party_they_are_kept_for():
    waited = place(2, 4, passed_at=NOW - 3600)
    assert offered(plan([place(1, 1), waited, place(3, 1)], {"a": 3})) == [(1, "a")]
    assert offered(plan([waited, place(3, 1)], {"a": 5})) == [(2, "a"), (3, "a")]
    assert offered(plan([waited, place(3, 1, "a", "b")], {"a": 3, "b": 1})) == [(3, "b")]
    assert offered(plan([waited, place(3, 1)], {"a": 3}, turns=None)) == [(3, "a")]  # in the last day


# A party in a pause between its turns, and a party behind it in a turn of its own.
PAUSING, KEEPING = NOW - 7200, NOW - 3600


def test_only_the_first_large_party_takes_turns():
    first, second = place(1, 4, passed_at=PAUSING), place(2, 4, passed_at=KEEPING)
    made = plan([first, second, place(3, 1)], {"a": 1})
    assert offered(made) == [(3, "a")]
    assert made.claimed == {"a"}
    assert offered(plan([second, place(3, 1)], {"a": 1}, claimed=made.claimed)) == [(3, "a")]  # on the next page of the line
    assert offered(plan([second, place(3, 1)], {"a": 1})) == []


def test_a_large_party_that_can_have_no_offer_takes_no_turns():
    assert offered(plan([place(1, 4, passed_at=PAUSING), place(2, 4, passed_at=KEEPING), place(3, 1)], {"a": 1}, skipped={"e.0001"})) == []


def test_a_large_party_takes_no_turns_for_tickets_that_it_may_not_have():
    """People who offer tickets for resale may have only other tickets."""
    supplies = {"a": TierSupply(tier("a"), ("a",))}
    places = [place(1, 4, passed_at=KEEPING), place(2, 1)]
    made = plan_offers(places, supplies, {"a": 1}, NOW, TURNS, lambda entry, tier: (entry.id, tier.id) == ("e.0001", "a"))
    assert offered(made) == [(2, "a")]


def test_a_large_party_of_each_tier_takes_turns():
    places = [place(1, 4, "a", passed_at=PAUSING), place(2, 4, "b", passed_at=KEEPING), place(3, 1, "b"), place(4, 1, "a")]
    assert offered(plan(places, {"a": 1, "b": 1})) == [(4, "a")]


@pytest.mark.parametrize(("pool", "expected"), [(1, [(3, "b")]), (5, [(4, "a")])])
def test_tiers_whose_pool_is_short_have_one_large_party_that_takes_turns(pool, expected):
    supplies = {tier_id: TierSupply(tier(tier_id), (tier_id, "pool")) for tier_id in ("a", "b")}
    places = [place(1, 4, "a", passed_at=PAUSING), place(2, 4, "b", passed_at=KEEPING), place(3, 1, "b"), place(4, 1, "a")]
    assert offered(plan(places, {"a": 2, "b": 2, "pool": pool}, supplies=supplies)) == expected


def test_tickets_are_kept_back_in_one_tier_only():
    waited = place(1, 4, "a", "b", passed_at=NOW - 3600)
    assert offered(plan([waited, place(2, 1, "a"), place(3, 1, "b")], {"a": 1, "b": 2})) == [(2, "a")]


_LINES = st.lists(st.tuples(st.integers(1, 6), st.sampled_from([("a",), ("b",), ("a", "b"), ("b", "a")]), st.booleans()), max_size=20)


@given(_LINES, st.integers(0, 12), st.integers(0, 12))
def test_nobody_is_overtaken_for_tickets_that_they_could_have_had(line, free_a, free_b):
    places = [place(number, quantity, *tiers, passed_at=NOW - 7200 if old else None) for number, (quantity, tiers, old) in enumerate(line)]
    free = {"a": free_a, "b": free_b}
    made = {offer.entry.id: offer.tier.id for offer in plan(places, free, turns=None).offers}
    for waiting in places:
        if waiting.entry.id in made:
            free[made[waiting.entry.id]] -= waiting.entry.quantity
        else:
            assert all(free[tier_id] < waiting.entry.quantity for tier_id in waiting.entry.tier_ids)
    assert min(free.values()) >= 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(seeds.count(5)))
def test_in_a_long_line_no_party_starves_and_no_ticket_lies_idle(seed):
    """500 entries of 1 to 6 tickets, and a ticket or two that come back every ten minutes, until everybody had an offer."""
    chance = random.Random(seed)
    line = [place(number, chance.randint(1, 6)) for number in range(500)]
    largest = max(entry.entry.quantity for entry in line)
    free, now, waits = 0, NOW, []
    while line:
        free += chance.choice((0, 1, 1, 2))
        made = plan(line, {"a": free}, now=now)
        granted = {offer.entry.id for offer in made.offers}
        free -= sum(offer.entry.quantity for offer in made.offers)
        passed = {entry.id for entry in made.passed}
        waits += [now - known.passed_at for known in line if known.entry.id in granted and known.passed_at is not None]
        line = [Place(known.entry, now if known.entry.id in passed else known.passed_at) for known in line if known.entry.id not in granted]
        if any(known.entry.quantity <= free for known in line):  # then it is kept back, and only for one
            first = next(known for known in line if known.passed_at is not None)
            assert TURNS.keeps_back(first.passed_at, now)
            assert free < largest
        now += 600
        assert now < NOW + 600 * 500 * 6 * 2
    # Once its first turn has begun, a party of 6 needs 6 of the tickets that come back; before it, only those who came earlier.
    assert waits
