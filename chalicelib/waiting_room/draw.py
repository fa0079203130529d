"""The draw, which shuffles the line. A keyed permutation gives each arrival its position, and a commitment fixes the key in advance.

The order may also depend on a round of the public beacon drand, which nobody can foresee or choose (see "The beacon" below). `due_changes`
runs the draw of a room when its sale opens.

Anyone can check a draw, with `verify.py` on the command line or with `web/waiting-room.js` in a browser. This module uses only the standard
library, so that `verify.py` runs wherever Python does. Only the check of a round's signature needs a package.
"""

from functools import lru_cache
from hashlib import sha256
from math import isqrt
from typing import NamedTuple

# The keyed permutation of 0..n-1 is computed for one number at a time, without a list of n numbers and without sorting.
#
# It is a Feistel network (Luby and Rackoff, 1988) on pairs (left, right) with left < a and right < b, where a and b are about the
# square root of n and a * b is n or slightly more. The halves are added modulo a and b in turn, as in NIST's FF1 with two radices
# (Black and Rogaway, 2002: "generalized Feistel"). A result outside 0..n-1 is encrypted again until it is inside (cycle walking).
# At most about one result in sqrt(n) is outside.
#
# After each pair of rounds, at most 1/b of the correlation between two neighbors remains. There are enough pairs of rounds to bring it
# below 2^-32, and always at least the ten rounds of FF1. With only ten rounds, some orders of six people would come up 47 % too often. The
# round function is the first 48 bits of SHA-256(key, round, half). All three inputs have fixed lengths (32 + 1 + 8 bytes, one block of
# SHA-256), so a message cannot be extended, and HMAC's second pass would only cost time. A JavaScript number holds 48 bits exactly, and
# their remainder modulo a or b is uniform to within 2^-28 for n up to 2^40. `web/waiting-room.js` does the same computation.

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
def position(key: bytes, n: int, offsets: tuple[int, ...], counter: int, number: int, late_counters: int = 1, weight: int = 1) -> int:
    """Return the position, from 1, of arrival `number` (from 1) of a counter, in a draw of `n` arrivals.

    An arrival has `weight` consecutive numbers, which begin with `number`. The best of them counts. `offsets[counter]` is the number of
    arrivals counted by the earlier counters. Arrivals after the opening follow all drawn arrivals. Their counters are -1, -2, ...
    -`late_counters`, which take turns: the line has number 1 of each counter, then number 2 of each.
    """
    if counter < 0:
        return n + (number - 1) * late_counters - counter
    return 1 + min(permute(key, n, offsets[counter] + number - 1 + more) for more in range(weight))


# The beacon. About every three seconds, the members of drand, who are independent of each other, sign the number of the next round. Nobody
# can sign alone, and a round has only one valid signature, so nobody can foresee or choose it. With a beacon, the permutation's key is a
# hash of the committed key and the round's randomness: before the round, the operator knows only the key, and the members of drand know
# only the randomness.

BEACON_ALGORITHM = f"{ALGORITHM}+drand"
# These suffixes of the algorithm's name prevent earlier versions of the program from checking draws in which entrants share a number
# (groups) or entries have several numbers (weights); see `entries.py`.
GROUPS, WEIGHTS = "+groups", "+weights"
BEACON_SCHEME = "bls-unchained-g1-rfc9380"
# The round of a draw is the first one at or after both of these times. The list of entries is usually public within a minute of the
# closing, and always before the round, because a late list postpones the round. The list must be public for 30 seconds before the round,
# even if the shop's clock is ten seconds slow.
ROUND_SECONDS_AFTER_CLOSING = 70
ROUND_SECONDS_AFTER_LIST = 40
SIGNATURE_BYTES = 48
SEED_DOMAIN = b"fairgate draw, key and beacon, 1"
_CURVE_DOMAIN = b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_"
_FIELD_MODULUS = 0x1A0111EA397FE69A4B1BA7B6434BACD764774B84F38512BF6730D2A0F6B0F6241EABFFFEB153FFFFB9FEFFFFFFFFAAAB
_FIELD_BYTES, _UNIFORM_BYTES = 48, 64  # of a field element, and of the hash from which it is made


class Chain(NamedTuple):
    """A chain of drand with the scheme BEACON_SCHEME. `hash` and `public_key` are hex; `genesis` (epoch seconds) is the time of round 1."""

    hash: str
    public_key: str
    genesis: int
    period: int

    def encode(self) -> str:
        """Return the chain as text, which `parse_chain` reads."""
        return "/".join(map(str, self))


def parse_chain(text: str) -> Chain:
    """Return the chain in a text `<hash>/<public key>/<genesis>/<period>`. Raises ValueError."""
    chain_hash, public_key, genesis, period = text.split("/")
    return Chain(chain_hash, public_key, int(genesis), int(period))


QUICKNET = Chain(
    "52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971",
    "83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d1064510d1fec758c921cc22b0e17e63aaf4bcb"
    "5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a",
    1_692_803_367,
    3,
)


def algorithm(*, has_beacon: bool, has_groups: bool, has_weights: bool) -> str:
    """Return the name of a draw's algorithm in proofs."""
    name = BEACON_ALGORITHM if has_beacon else ALGORITHM
    return name + (WEIGHTS if has_weights else "") + (GROUPS if has_groups else "")


def first_round(chain: Chain, at: int) -> int:
    """Return the number of the first round at or after `at`, in epoch seconds."""
    return max(1, 1 - (chain.genesis - at) // chain.period)


def round_time(chain: Chain, number: int) -> int:
    """Return the time of a round, in epoch seconds. Nobody knows the round's randomness earlier."""
    return chain.genesis + (number - 1) * chain.period


def round_of_draw(chain: Chain, closes_at: int, listed_at: int) -> int:
    """Return the number of the round that decides a draw. Its list of entries was published at `listed_at`."""
    return first_round(chain, max(closes_at + ROUND_SECONDS_AFTER_CLOSING, listed_at + ROUND_SECONDS_AFTER_LIST))


def beacon_randomness(signature: bytes) -> bytes:
    """Return the randomness of a round."""
    return sha256(signature).digest()


def seed(key: bytes, randomness: bytes) -> bytes:
    """Return the permutation's key for a draw with a beacon. All inputs have 32 bytes."""
    return sha256(SEED_DOMAIN + key + randomness).digest()


def is_signed(chain: Chain, number: int, signature: bytes) -> bool:
    """Return whether the signature is the chain's for this round. Raises ImportError without the package py_arkworks_bls12381."""
    from py_arkworks_bls12381 import GT, G1Point, G2Point  # imported here, because few instances ever check a round

    if len(signature) != SIGNATURE_BYTES:
        return False
    public_key = G2Point.from_compressed_bytes(bytes.fromhex(chain.public_key))
    try:
        point = G1Point.from_compressed_bytes(signature)  # also checks that it is in the right group
    except ValueError:
        return False
    first, second = map(G1Point.map_from_fp_be, _hash_to_field(sha256(number.to_bytes(8, "big")).digest()))
    return GT.pairing_check([point, -(first + second)], [G2Point(), public_key])


def _hash_to_field(message: bytes) -> tuple[bytes, bytes]:
    """Return two field elements: `hash_to_field` with `expand_message_xmd` and SHA-256, as in RFC 9380, section 5.

    The sum of the two points to which they are mapped is the message's point, because the package's map clears the cofactor.
    """
    domain, length = _CURVE_DOMAIN + bytes([len(_CURVE_DOMAIN)]), 2 * _UNIFORM_BYTES
    start = sha256(bytes(64) + message + length.to_bytes(2, "big") + b"\0" + domain).digest()
    block = bytes(len(start))
    uniform = b""
    for turn in range(1, 1 + length // len(start)):
        block = sha256(bytes(a ^ b for a, b in zip(start, block, strict=True)) + bytes([turn]) + domain).digest()
        uniform += block
    first, second = (int.from_bytes(half, "big") % _FIELD_MODULUS for half in (uniform[:_UNIFORM_BYTES], uniform[_UNIFORM_BYTES:]))
    return first.to_bytes(_FIELD_BYTES, "big"), second.to_bytes(_FIELD_BYTES, "big")
