"""The draw, which shuffles the line. A keyed permutation gives each arrival its position, and a commitment fixes the key in advance.

Anyone can check a draw, with `verify.py` on the command line or with `web/waiting-room.js` in a browser. This module uses only the standard
library, so that `verify.py` runs wherever Python does.
"""

from functools import lru_cache
from hashlib import sha256
from math import isqrt

# The keyed permutation of 0..n-1 is computed for one number at a time, without a list of n numbers and without sorting.
#
# It is a Feistel network (Luby and Rackoff, 1988) on pairs (left, right) with left < a and right < b, where a and b are about the
# square root of n and a * b is n or slightly more. The halves are added modulo a and b in turn, as in NIST's FF1 with two radices
# (Black and Rogaway, 2002: "generalized Feistel"). A result outside 0..n-1 is encrypted again until it is inside (cycle walking).
# At most about one result in sqrt(n) is outside.
#
# After each pair of rounds, at most 1/b of the correlation between two neighbors remains. There are enough pairs of rounds to bring it
# below 2^-32, and never fewer than the ten rounds of FF1. With only ten rounds, some orders of six people would come up 47 % too often.
# The round function is the first 48 bits of SHA-256(key, round, half). All three inputs have fixed lengths (32 + 1 + 8 bytes, one block of
# SHA-256), so a message cannot be extended, and HMAC's second pass would only cost time. A JavaScript number holds 48 bits exactly,
# and their remainder modulo a or b is uniform to within 2^-28 for n up to 2^40.
# `web/waiting-room.js` does the same computation.

ALGORITHM = "feistel-mod-sha256-cycle-walking"
MIN_ROUNDS = 10
TRACE_BITS = 32
MAX_N = 1 << 40


def permute(key: bytes, n: int, number: int) -> int:
    """Return the image of `number` (0 <= number < n <= 2^40) under the key's permutation. Raises ValueError outside this range.

    A pass through the network takes ten hashes if n is at least 16,257, and more for a smaller n.
    """
    if not 0 <= number < n <= MAX_N:
        raise ValueError(f"number must be from 0 to n - 1, and n at most 2^40; number is {number}, n is {n}")
    a = isqrt(n - 1) + 1
    b = -(-n // a)
    rounds = max(MIN_ROUNDS, 2 * -(-TRACE_BITS // max(1, b.bit_length() - 1)))
    value = number
    while True:
        left, right = divmod(value, b)
        for turn in range(0, rounds, 2):
            left = (left + _round(key, turn, right)) % a
            right = (right + _round(key, turn + 1, left)) % b
        value = left * b + right
        if value < n:
            return value


def _round(key: bytes, turn: int, half: int) -> int:
    return int.from_bytes(sha256(b"%b%c%b" % (key, turn, half.to_bytes(8, "big"))).digest()[:6], "big")


def commitment(key: bytes) -> str:
    """Return the SHA-256 of the key, in hex. It is published before the first join and fixes the key without revealing it."""
    return sha256(key).hexdigest()


@lru_cache(maxsize=65_536)
def position(key: bytes, n: int, offsets: tuple[int, ...], counter: int, number: int, late_counters: int = 1) -> int:
    """Return the position, from 1, of arrival `number` (from 1) of a counter, in a draw of `n` arrivals.

    `offsets[counter]` is the number of arrivals counted by the earlier counters. Arrivals after the opening follow all drawn arrivals.
    Their counters are -1, -2, ... -`late_counters`, which take turns: the line has number 1 of each counter, then number 2 of each.
    """
    if counter < 0:
        return n + (number - 1) * late_counters - counter
    return 1 + permute(key, n, offsets[counter] + number - 1)
