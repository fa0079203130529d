"""Choose the shards that a hold is taken from: the better of two, or several together if no single shard has enough."""

import random

from chalicelib import dynamo, ids, log
from chalicelib.inventory import store
from chalicelib.inventory.model import Hold, NotEnoughTickets, SalePaused, Shard, TooManyHolds, shard_ids
from chalicelib.memory import Memory

MAX_SPANNING_ROUNDS = 8
UNKNOWN_AVAILABLE = 1 << 30

# How many tickets each shard had available when this instance last heard of it. Only a hint for which shard to try first: the
# condition of the write decides.
_available_hints: Memory[str, int] = Memory()


def hold(stock_id: str, shard_count: int, quantity: int, purchase_id: str, expires_at: int, now: int) -> list[Hold]:
    """Hold `quantity` tickets for a purchase until `expires_at`, in one shard if one has enough, otherwise in several.

    One round trip while tickets are plentiful. Raises NotEnoughTickets only when all shards together have too few, TooManyHolds when
    those with tickets take no further holds, and SalePaused while the sale is paused; in all cases nothing remains held.
    """
    all_ids = shard_ids(stock_id, shard_count)
    hold_id = _new_hold_id(purchase_id)
    refusing_shards: list[Shard] = []
    for shard_id in _better_of_two(all_ids, quantity):
        try:
            _available_hints.entries[shard_id] = store.hold_in_shard(shard_id, hold_id, quantity, expires_at)
        except store.HoldRefused as refusal:
            if refusal.shard is None:
                log.warning("stock.missing", shard_id=shard_id)
            else:
                _note_refusal(refusal.shard)
                refusing_shards.append(refusal.shard)
            continue
        return [Hold(shard_id, hold_id, quantity)]
    if len(all_ids) == 1:
        raise _not_enough(refusing_shards, quantity, now)
    return _hold_across_shards(all_ids, quantity, purchase_id, expires_at, now)


def _new_hold_id(purchase_id: str) -> str:
    """A hold id that is used for one attempt only, so that a late release of an earlier attempt cannot remove this hold."""
    return f"{purchase_id}.{ids.nonce()}"


def _better_of_two(ids_of_shards: list[str], quantity: int) -> list[str]:
    """Two random shards, the one with more tickets first: balances nearly as well as the best of all (Mitzenmacher, 2001).

    Shards that are believed to have too few tickets are left out: reading all shards once is cheaper than trying each in turn.
    """
    if len(ids_of_shards) == 1:
        return ids_of_shards
    pair = sorted(random.sample(ids_of_shards, 2), key=_available_hint, reverse=True)
    return [shard_id for shard_id in pair if _available_hint(shard_id) >= quantity]


def _available_hint(shard_id: str) -> int:
    return _available_hints.entries.get(shard_id, UNKNOWN_AVAILABLE)


def _note_refusal(shard: Shard) -> None:
    """Remember what a shard that refused a hold has available; raises SalePaused if that is why."""
    _available_hints.entries[shard.id] = shard.holdable
    if not shard.is_open:
        raise SalePaused()
    log.count("oversell_attempts")


def _hold_across_shards(ids_of_shards: list[str], quantity: int, purchase_id: str, expires_at: int, now: int) -> list[Hold]:
    """Take parts of the quantity from several shards, and release them and start over if others were quicker.

    "Not enough" is decided only by a read that follows the release of our own parts. So of several buyers who block each other
    with their parts, the last one to release sees all tickets and succeeds.
    """
    for _ in range(MAX_SPANNING_ROUNDS):
        shards = store.read_shards(ids_of_shards)
        for shard in shards:
            _available_hints.entries[shard.id] = shard.holdable
        if any(not shard.is_open for shard in shards):
            raise SalePaused()
        if sum(shard.holdable for shard in shards) < quantity:
            raise _not_enough(shards, quantity, now)
        parts = _hold_parts(shards, quantity, _new_hold_id(purchase_id), expires_at)
        if sum(part.quantity for part in parts) == quantity:
            return parts
        for part in parts:
            store.release_hold(part)
    raise dynamo.StoreUnavailable("other buyers kept taking the last tickets of this stock's shards")


def _hold_parts(shards: list[Shard], quantity: int, hold_id: str, expires_at: int) -> list[Hold]:
    """Hold up to `quantity` tickets, from the fullest shard on; fewer if shards have changed since they were read."""
    parts: list[Hold] = []
    missing = quantity
    for shard in sorted(shards, key=lambda shard: shard.holdable, reverse=True):
        share = min(missing, shard.holdable)
        if share == 0:
            break
        try:
            store.hold_in_shard(shard.id, hold_id, share, expires_at)
        except store.HoldRefused:
            continue
        parts.append(Hold(shard.id, hold_id, share))
        missing -= share
    return parts


def _not_enough(shards: list[Shard], quantity: int, now: int) -> NotEnoughTickets:
    expired_holds = [hold for shard in shards for hold in shard.expired_holds(now)]
    available = sum(shard.available for shard in shards)
    error = TooManyHolds if available >= quantity else NotEnoughTickets
    return error(available, quantity, expired_holds)
