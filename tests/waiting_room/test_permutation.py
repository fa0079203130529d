"""The draw is a permutation and favours nobody. Every key is fixed: what passes once passes always."""

import math
from collections import Counter
from hashlib import sha256
from itertools import permutations

import pytest

from chalicelib.waiting_room import draw, verify
from chalicelib.waiting_room.permutation import ALGORITHM, MAX_N, permute
from tests.tracing import untraced
from tests.waiting_room.random_rooms import unsigned_token

CROWD = 100_000
COUNTS = [25_003, 1, 0, 49_996, 25_000]  # arrivals that several counters counted; they add up to the crowd
SMALL_SIZES = [2, 5, 7, 12]
KEYS = 6_000


def key(number):
    return sha256(f"key {number}".encode()).digest()


@pytest.fixture(scope="module")
@untraced
def drawn():
    """The crowd's positions from 0, by arrival, for one key."""
    return [permute(key(0), CROWD, number) for number in range(CROWD)]


def chi_square(counts, expected):
    return sum((count - expected) ** 2 / expected for count in counts)


def p_value(statistic, degrees):
    """Probability of a chi-square statistic this large by chance (from 3 degrees on Wilson and Hilferty, 1931)."""
    if degrees == 1:
        return math.erfc(math.sqrt(statistic / 2))
    if degrees == 2:
        return math.exp(-statistic / 2)
    scale = 2 / (9 * degrees)
    return math.erfc(((statistic / degrees) ** (1 / 3) - (1 - scale)) / math.sqrt(2 * scale)) / 2


def test_the_p_value_is_that_of_the_tables():
    """Critical values of the chi-square distribution at 5 % and 0.1 %."""
    for degrees, five_percent, one_in_a_thousand in (
        (1, 3.841, 10.828),
        (2, 5.991, 13.816),
        (3, 7.815, 16.266),
        (10, 18.307, 29.588),
        (81, 103.010, 126.083),
    ):
        assert p_value(five_percent, degrees) == pytest.approx(0.05, abs=0.001)
        assert p_value(one_in_a_thousand, degrees) == pytest.approx(0.001, abs=0.0003)


@pytest.mark.no_cover
def test_every_small_crowd_is_permuted():
    for n in range(1, 301):
        for number in (1, 2):
            assert sorted(permute(key(number), n, one) for one in range(n)) == list(range(n))


@pytest.mark.parametrize("n", [10_007, 65_536, 65_537, 999_999, 1_000_000, 2**31, 2**32 + 1, MAX_N - 1, MAX_N])
def test_samples_of_a_large_crowd_are_inside_and_distinct(n):
    sample = {*range(500), *range(n // 2, n // 2 + 500), *range(n - 500, n)}
    places = {permute(key(3), n, number) for number in sample}
    assert len(places) == len(sample)
    assert min(places) >= 0
    assert max(places) < n


@pytest.mark.parametrize(("n", "number"), [(0, 0), (1, 1), (5, -1), (5, 5), (MAX_N + 1, 0)])
def test_nobody_stands_outside(n, number):
    with pytest.raises(ValueError):
        permute(key(0), n, number)


def test_the_definition_does_not_move():
    """Old proofs must stay checkable: another construction needs another name."""
    assert ALGORITHM == "feistel-mod-sha256-cycle-walking"
    assert [permute(bytes(range(32)), 10, number) for number in range(10)] == [4, 0, 1, 9, 7, 6, 3, 8, 5, 2]
    assert [permute(bytes(range(32)), 1_000_003, number) for number in (0, 1, 1_000_002)] == [762732, 887981, 855064]


def test_a_crowd_of_a_hundred_thousand_is_permuted(drawn):
    assert sorted(drawn) == list(range(CROWD))


def test_no_tenth_of_the_arrivals_is_favoured(drawn):
    table = Counter((number * 10 // CROWD, place * 10 // CROWD) for number, place in enumerate(drawn))
    assert p_value(chi_square((table[row, column] for row in range(10) for column in range(10)), CROWD / 100), 81) > 0.001


def test_the_first_thousand_are_not_favoured_finely(drawn):
    """Where it would pay most to cheat: the first to come, and the first wave."""
    counts = Counter(place * 20 // CROWD for place in drawn[:1000])
    assert p_value(chi_square((counts[part] for part in range(20)), 50), 19) > 0.001
    arrivals = Counter(number * 20 // CROWD for number, place in enumerate(drawn) if place < 1000)
    assert p_value(chi_square((arrivals[part] for part in range(20)), 50), 19) > 0.001


@pytest.mark.parametrize("lag", [1, 2, 316, 317])
def test_who_comes_together_does_not_stand_together(drawn, lag):
    """Serial correlation of the positions; 316 and 317 are the width of the network's halves."""
    mean = (CROWD - 1) / 2
    variance = (CROWD**2 - 1) / 12
    covariance = sum((one - mean) * (other - mean) for one, other in zip(drawn, drawn[lag:], strict=False)) / (CROWD - lag)
    assert abs(covariance / variance) * math.sqrt(CROWD) < 3.3  # standard deviations: two-sided p > 0.001
    gaps = Counter((other - one) % CROWD * 20 // CROWD for one, other in zip(drawn, drawn[lag:], strict=False))
    assert p_value(chi_square((gaps[part] for part in range(20)), (CROWD - lag) / 20), 19) > 0.001


@pytest.mark.no_cover
@pytest.mark.parametrize("n", SMALL_SIZES)
def test_over_many_keys_everybody_may_stand_everywhere(n):
    table = Counter((one, permute(key(number), n, one)) for number in range(KEYS) for one in {0, 1, n // 2, n - 1})
    rows = {one for one, _ in table}
    for one in rows:
        statistic = chi_square((table[one, place] for place in range(n)), KEYS / n)
        assert p_value(statistic, n - 1) > 0.001, one


@pytest.mark.no_cover
@pytest.mark.parametrize("n", [3, 4, 5])
def test_over_many_keys_every_order_of_a_small_crowd_is_as_likely(n):
    orders = Counter(tuple(permute(key(number), n, one) for one in range(n)) for number in range(KEYS))
    possible = list(permutations(range(n)))
    assert p_value(chi_square((orders[order] for order in possible), KEYS / len(possible)), len(possible) - 1) > 0.001


@pytest.mark.no_cover
def test_the_verifier_accepts_a_hundred_thousand_tokens_and_finds_one_swap():
    offsets = [sum(COUNTS[:counter]) for counter in range(len(COUNTS))]
    proof = verify.DrawProof("drop", 1, draw.commitment(key(7)), key(7), CROWD, offsets)
    claims = []
    for counter, count in enumerate(COUNTS):
        for number in range(1, count + 1):
            position = draw.position(proof.key, CROWD, offsets, counter, number)
            claims.append(verify.PositionClaim(f"line {len(claims) + 1}", unsigned_token(counter, number), position))
    report = verify.check(proof, claims, proof.commitment)
    assert (report.faults, report.drawn, report.compared) == ([], CROWD, CROWD)
    assert sorted(report.positions) == list(range(1, CROWD + 1))
    one, other = claims[12_345], claims[67_890]
    claims[12_345] = verify.PositionClaim(one.where, one.token, other.position)
    claims[67_890] = verify.PositionClaim(other.where, other.token, one.position)
    assert [fault.split(":")[0] for fault in verify.check(proof, claims).faults] == ["line 12346", "line 67891"]
