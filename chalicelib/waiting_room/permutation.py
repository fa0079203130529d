"""The draw: a keyed permutation of 0..n-1 that is computed for one number at a time, with no list and no sorting.

A balanced Feistel network with HMAC-SHA256 as its round function (Luby and Rackoff, 1988) on the smallest even number of bits
that can count to n; results outside are encrypted again until they are inside (cycle walking: Black and Rogaway, 2002). Ten
rounds, as in NIST's FF1, since small domains need them. web/waiting-room.js computes the same.
"""

import hmac

ROUNDS = 10


def permute(key: bytes, n: int, number: int) -> int:
    """Where `number` (0 <= number < n) comes to stand among n; a bijection for each key. O(1): about two walks of ten rounds."""
    if not 0 <= number < n:
        raise ValueError(f"{number} is not below {n}")
    half = max(1, ((n - 1).bit_length() + 1) // 2)
    value = number
    while True:
        value = _encrypt(key, half, value)
        if value < n:
            return value


def _encrypt(key: bytes, half: int, value: int) -> int:
    mask = (1 << half) - 1
    left, right = value >> half, value & mask
    for number in range(ROUNDS):
        left, right = right, left ^ (_round(key, number, right) & mask)
    return left << half | right


def _round(key: bytes, number: int, value: int) -> int:
    digest = hmac.digest(key, bytes([number]) + value.to_bytes(8, "big"), "sha256")
    return int.from_bytes(digest[:8], "big")
