"""`permute` is a bijection for every size and treats all numbers alike. Fixed keys keep the statistical tests from failing by chance."""

import math
from collections import Counter
from hashlib import sha256
from itertools import permutations

import pytest

from chalicelib.waiting_room.draw import ALGORITHM, MAX_N, permute

CROWD_SIZE = 100_000
SMALL_SIZES = [2, 5, 7, 12]
KEY_COUNT = 6_000


def key(number):
    return sha256(f"key {number}".encode()).digest()


@pytest.fixture(scope="module")
def places():
    """Where each arrival of the crowd is placed (from 0), for a fixed key."""
    return [permute(key(0), CROWD_SIZE, number) for number in range(CROWD_SIZE)]


def chi_square(counts, expected):
    return sum((count - expected) ** 2 / expected for count in counts)


def p_value(statistic, degrees):
    """The probability of a chi-square statistic at least this large; from 3 degrees of freedom on, after Wilson and Hilferty (1931)."""
    if degrees == 1:
        return math.erfc(math.sqrt(statistic / 2))
    if degrees == 2:
        return math.exp(-statistic / 2)
    scale = 2 / (9 * degrees)
    return math.erfc(((statistic / degrees) ** (1 / 3) - (1 - scale)) / math.sqrt(2 * scale)) / 2


def test_the_p_value_agrees_with_published_tables():
    """Critical values of the chi-square distribution at 5 % and 0.1 %."""
    for degrees, five_percent, tenth_of_a_percent in (
        (1, 3.841, 10.828),
        (2, 5.991, 13.816),
        (3, 7.815, 16.266),
        (10, 18.307, 29.588),
        (81, 103.010, 126.083),
    ):
        assert p_value(five_percent, degrees) == pytest.approx(0.05, abs=0.001)
        assert p_value(tenth_of_a_percent, degrees) == pytest.approx(0.001, abs=0.0003)


@pytest.mark.slow
def test_up_to_300_every_size_is_permuted():
    for n in range(1, 301):
        for key_number in (1, 2):
            assert sorted(permute(key(key_number), n, number) for number in range(n)) == list(range(n))


@pytest.mark.parametrize("n", [10_007, 65_536, 65_537, 999_999, 1_000_000, 2**31, 2**32 + 1, MAX_N - 1, MAX_N])
def test_samples_of_large_sizes_are_in_range_and_distinct(n):
    sample = {*range(500), *range(n // 2, n // 2 + 500), *range(n - 500, n)}
    images = {permute(key(3), n, number) for number in sample}
    assert len(images) == len(sample)
    assert min(images) >= 0
    assert max(images) < n


@pytest.mark.parametrize(("n", "number"), [(0, 0), (1, 1), (5, -1), (5, 5), (MAX_N + 1, 0)])
def test_a_number_or_size_out_of_range_is_refused(n, number):
    with pytest.raises(ValueError):
        permute(key(0), n, number)


def test_the_algorithm_never_changes():
    """Old proofs must stay checkable: a different algorithm needs a different name."""
    assert ALGORITHM == "feistel-mod-sha256-cycle-walking"
    assert [permute(bytes(range(32)), 10, number) for number in range(10)] == [4, 0, 1, 9, 7, 6, 3, 8, 5, 2]
    assert [permute(bytes(range(32)), 1_000_003, number) for number in (0, 1, 1_000_002)] == [762732, 887981, 855064]


@pytest.mark.slow
def test_a_crowd_of_a_hundred_thousand_is_permuted(places):
    assert sorted(places) == list(range(CROWD_SIZE))


@pytest.mark.slow
def test_no_tenth_of_the_arrivals_is_favoured(places):
    table = Counter((number * 10 // CROWD_SIZE, place * 10 // CROWD_SIZE) for number, place in enumerate(places))
    assert p_value(chi_square((table[row, column] for row in range(10) for column in range(10)), CROWD_SIZE / 100), 81) > 0.001


def test_the_first_thousand_are_not_favoured(places):
    """The first arrivals, and the first positions, are where an advantage would be worth most."""
    counts = Counter(place * 20 // CROWD_SIZE for place in places[:1000])
    assert p_value(chi_square((counts[part] for part in range(20)), 50), 19) > 0.001
    arrivals = Counter(number * 20 // CROWD_SIZE for number, place in enumerate(places) if place < 1000)
    assert p_value(chi_square((arrivals[part] for part in range(20)), 50), 19) > 0.001


@pytest.mark.parametrize("lag", [1, 2, 316, 317])
def test_neighbours_on_arrival_are_not_neighbours_in_the_draw(places, lag):
    """Serial correlation of the positions; 316 and 317 are the width of the network's halves."""
    mean = (CROWD_SIZE - 1) / 2
    variance = (CROWD_SIZE**2 - 1) / 12
    covariance = sum((first - mean) * (second - mean) for first, second in zip(places, places[lag:], strict=False)) / (CROWD_SIZE - lag)
    assert abs(covariance / variance) * math.sqrt(CROWD_SIZE) < 3.3  # standard deviations: two-sided p > 0.001
    gaps = Counter((second - first) % CROWD_SIZE * 20 // CROWD_SIZE for first, second in zip(places, places[lag:], strict=False))
    assert p_value(chi_square((gaps[part] for part in range(20)), (CROWD_SIZE - lag) / 20), 19) > 0.001


@pytest.mark.slow
@pytest.mark.parametrize("n", SMALL_SIZES)
def test_over_many_keys_every_arrival_is_equally_likely_at_every_place(n):
    numbers = {0, 1, n // 2, n - 1}
    table = Counter((number, permute(key(key_number), n, number)) for key_number in range(KEY_COUNT) for number in numbers)
    for number in numbers:
        statistic = chi_square((table[number, place] for place in range(n)), KEY_COUNT / n)
        assert p_value(statistic, n - 1) > 0.001, number


@pytest.mark.slow
@pytest.mark.parametrize("n", [3, 4, 5])
def test_over_many_keys_every_order_of_a_few_arrivals_is_equally_likely(n):
    orders = Counter(tuple(permute(key(key_number), n, number) for number in range(n)) for key_number in range(KEY_COUNT))
    possible = list(permutations(range(n)))
    assert p_value(chi_square((orders[order] for order in possible), KEY_COUNT / len(possible)), len(possible) - 1) > 0.001
