"""The draw: the commitment to its key, and the position that each arrival drew.

Uses the standard library alone, so that the verifier (verify.py) runs wherever Python does.
"""

from functools import lru_cache
from hashlib import sha256

from chalicelib.waiting_room.permutation import permute


def commitment(key: bytes) -> str:
    """The SHA-256 of the key, hex. It is published before the first join: it fixes the key without revealing it."""
    return sha256(key).hexdigest()


@lru_cache(maxsize=65_536)
def position(key: bytes, n: int, offsets: tuple[int, ...], counter: int, number: int) -> int:
    """The position, from 1, of arrival `number` (from 1) of a counter, in a draw of `n` arrivals.

    `offsets[counter]` arrivals were counted by the counters before it. Arrivals after the opening (their counter is below 0) come behind
    all that were drawn, in the order of their arrival.
    """
    return n + number if counter < 0 else 1 + permute(key, n, offsets[counter] + number - 1)
