"""Purchases that this instance has written a moment ago, so that their next step need not read them again.

A copy is good only for a step that ends in a write under the copy's version: if somebody has changed the purchase, the write is refused
and the step begins again with the purchase in the store. A step refuses nothing on the strength of a copy.
"""

from msgspec import Struct

from chalicelib.foundation.memory import Memory
from chalicelib.purchases.record.model import Purchase

MAX_AGE_SECONDS = 30
MAX_PURCHASES = 1000


class _Copy(Struct, frozen=True):
    purchase: Purchase
    written_at: int  # epoch seconds


_copies: Memory[str, _Copy] = Memory()  # by purchase id, the oldest first


def remember(purchase: Purchase, now: int) -> None:
    """Keep a purchase as it has just been written."""
    with _copies.lock:
        _copies.entries.pop(purchase.id, None)
        if len(_copies.entries) >= MAX_PURCHASES:
            del _copies.entries[next(iter(_copies.entries))]
        _copies.entries[purchase.id] = _Copy(purchase, now)


def take(user_id: str, purchase_id: str, now: int) -> Purchase | None:
    """This instance's copy of the user's purchase, once: the step that takes it makes it out of date. None if it has no recent one."""
    with _copies.lock:
        copy = _copies.entries.get(purchase_id)
        if copy is None or copy.purchase.user_id != user_id:
            return None
        del _copies.entries[purchase_id]
    return copy.purchase if copy.written_at <= now < copy.written_at + MAX_AGE_SECONDS else None
