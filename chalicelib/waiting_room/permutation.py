"""The draw: a keyed permutation of 0..n-1 that is computed for one number at a time, with no list and no sorting.

A Feistel network (Luby and Rackoff, 1988) on pairs (left, right) with left < a and right < b, where a and b are about the
square root of n and a * b barely covers n: the halves are added modulo a and b in turn, as in NIST's FF1 with two radices
(Black and Rogaway, 2002: "generalized Feistel"). A result outside 0..n-1 is encrypted again until it is inside (cycle
walking), which happens once in about sqrt(n) times.

A pair of rounds leaves at most one part in b of the link between two who stood side by side. So there are as many pairs as bring
that below 2^-32, and never fewer than the ten rounds of FF1: with ten, some orders of six people come up 47 % too often.

The round function is the first 48 bits of SHA-256(key, round, half), all of fixed length (32 + 1 + 8 bytes, one block of
SHA-256), so nothing can be extended and HMAC's second pass would add nothing but time. 48 bits are exact in a JavaScript
number, and their remainder modulo a or b is uniform to within 2^-28 for n up to 2^40. web/waiting-room.js computes the same.
"""

from hashlib import sha256
from math import isqrt

ALGORITHM = "feistel-mod-sha256-cycle-walking"
MIN_ROUNDS = 10
TRACE_BITS = 32
MAX_N = 1 << 40


def permute(key: bytes, n: int, number: int) -> int:
    """Where `number` (0 <= number < n <= 2^40) comes to stand among n; a bijection for each key. Ten hashes from n = 16,257 on."""
    if not 0 <= number < n <= MAX_N:
        raise ValueError(f"{number} is not below {n}")
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
