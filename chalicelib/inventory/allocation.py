"""Which shards a hold is taken from: the better of two, then any that has enough, then several together."""

import random

from chalicelib import dynamo, ids, log
from chalicelib.inventory import store
from chalicelib.inventory.model import Hold, NotEnoughTickets, SalePaused, Shard
from chalicelib.inventory.model import shard_ids as ids_of

SPANNING_ROUNDS = 8
UNKNOWN_AVAILABLE = 1 << 30

# What the last answers said is available in a shard. Only a hint for where to try first: the shard's condition decides.
_available_hints: dict[str, int] = {}


def hold(stock_id: str, shards: int, quantity: int, purchase_id: str, expires_at: int, now: int) -> list[Hold]:
    """Set `quantity` aside for a purchase, in one shard if one has enough, else in several.

    One round trip while stock is plentiful. Raises NotEnough only when the sum over all shards is short, with what is left,
    and StockClosed when the sale is paused; nothing stays held then.
    """
    all_ids = ids_of(stock_id, shards)
    hold_id = _new_hold_id(purchase_id)
    refused: list[Shard] = []
    for chosen in _better_of_two(all_ids, quantity):
        held, found = store.hold_in_shard(chosen, hold_id, quantity, expires_at)
        if held:
            _available_hints[chosen] = found if isinstance(found, int) else UNKNOWN_AVAILABLE
            return [Hold(chosen, hold_id, quantity)]
        if isinstance(found, Shard):
            refused.append(_note_refusal(found))
        else:
            log.warning("stock.missing", shard_id=chosen)
    if len(all_ids) == 1:
        raise _not_enough(refused, quantity, now)
    return _hold_across_shards(all_ids, quantity, purchase_id, expires_at, now)


def _new_hold_id(purchase_id: str) -> str:
    """A hold id for one try. A release of an earlier try that reaches the store late must not meet a hold of this one."""
    return f"{purchase_id}.{ids.nonce()}"


def _better_of_two(shard_ids: list[str], quantity: int) -> list[str]:
    """Two at random, the one with more left first: balances nearly as well as the best of all (Mitzenmacher, 2001).

    Shards that are believed to have too little are left out: one reading of all of them is cheaper than trying each in turn.
    """
    if len(shard_ids) == 1:
        return shard_ids
    pair = sorted(random.sample(shard_ids, 2), key=lambda shard_id: _available_hints.get(shard_id, UNKNOWN_AVAILABLE), reverse=True)
    return [shard_id for shard_id in pair if _available_hints.get(shard_id, UNKNOWN_AVAILABLE) >= quantity]


def _note_refusal(shard: Shard) -> Shard:
    _available_hints[shard.id] = shard.available
    if not shard.open:
        raise SalePaused()
    log.count("oversell_attempts")
    return shard


def _hold_across_shards(shard_ids: list[str], quantity: int, purchase_id: str, expires_at: int, now: int) -> list[Hold]:
    """Take pieces from several shards; the decision "not enough" is only made on a reading taken after our own pieces went back.

    So of several buyers that fail on each other's pieces, the last to give back sees them all and succeeds.
    """
    for _ in range(SPANNING_ROUNDS):
        shards = store.read_shards(shard_ids)
        for shard in shards:
            _available_hints[shard.id] = shard.available
        if any(not shard.open for shard in shards):
            raise SalePaused()
        if sum(shard.available for shard in shards) < quantity:
            raise _not_enough(shards, quantity, now)
        pieces = _hold_pieces(shards, quantity, _new_hold_id(purchase_id), expires_at)
        if sum(piece.quantity for piece in pieces) == quantity:
            return pieces
        for piece in pieces:
            store.release_hold(piece)
    raise dynamo.StoreUnavailable("others kept taking the pieces")


def _hold_pieces(shards: list[Shard], quantity: int, hold_id: str, expires_at: int) -> list[Hold]:
    pieces: list[Hold] = []
    missing = quantity
    for shard in sorted(shards, key=lambda one: one.available, reverse=True):
        share = min(missing, shard.available)
        if share == 0:
            break
        held, _ = store.hold_in_shard(shard.id, hold_id, share, expires_at)
        if held:
            pieces.append(Hold(shard.id, hold_id, share))
            missing -= share
    return pieces


def _not_enough(shards: list[Shard], quantity: int, now: int) -> NotEnoughTickets:
    over = [hold for shard in shards for hold in shard.expired_holds(now)]
    return NotEnoughTickets(sum(shard.available for shard in shards), quantity, over)
