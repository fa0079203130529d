"""What the draw promises and how anybody checks it: the commitment to the key, and the position that an arrival drew.

Nothing but the standard library: the verifier runs wherever Python does.
"""

from collections.abc import Sequence
from hashlib import sha256

from chalicelib.waiting_room.permutation import permute


def commitment(key: bytes) -> str:
    """What is public before the first join: it binds us to the key and says nothing about it."""
    return sha256(key).hexdigest()


def position(key: bytes, n: int, offsets: Sequence[int], counter: int, number: int) -> int:
    """From 1. Arrivals after the opening (a counter below 0) stand behind all n that were drawn, in order.

    `number` counts from 1 within its counter; `offsets[counter]` arrivals were counted by the counters before it.
    """
    return n + number if counter < 0 else 1 + permute(key, n, offsets[counter] + number - 1)
