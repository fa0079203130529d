"""Which shards a hold is taken from: the better of two, then any that has enough, then several together."""

import random

from chalicelib import dynamo, ids, log
from chalicelib.inventory import store
from chalicelib.inventory.model import Hold, NotEnough, Shard, StockClosed
from chalicelib.inventory.model import shard_ids as ids_of

SPANNING_ROUNDS = 8
UNKNOWN = 1 << 30

# What the last answers said is available in a shard. Only a hint for where to try first: the shard's condition decides.
_seen: dict[str, int] = {}


def take(stock_id: str, shards: int, quantity: int, purchase_id: str, until: int, now: int) -> list[Hold]:
    """Set `quantity` aside for a purchase, in one shard if one has enough, else in several.

    One round trip while stock is plentiful. Raises NotEnough only when the sum over all shards is short, with what is left,
    and StockClosed when the sale is paused; nothing stays held then.
    """
    all_ids = ids_of(stock_id, shards)
    hold_id = _fresh(purchase_id)
    refused: list[Shard] = []
    for chosen in _better_of_two(all_ids, quantity):
        held, found = store.hold(chosen, hold_id, quantity, until)
        if held:
            _seen[chosen] = found if isinstance(found, int) else UNKNOWN
            return [Hold(chosen, hold_id, quantity)]
        if isinstance(found, Shard):
            refused.append(_refused(found))
        else:
            log.warning("stock.missing", shard_id=chosen)
    if len(all_ids) == 1:
        raise _short(refused, quantity, now)
    return _span(all_ids, quantity, purchase_id, until, now)


def _fresh(purchase_id: str) -> str:
    """A hold id for one try. A release of an earlier try that reaches the store late must not meet a hold of this one."""
    return f"{purchase_id}.{ids.nonce()}"


def _better_of_two(shard_ids: list[str], quantity: int) -> list[str]:
    """Two at random, the one with more left first: balances nearly as well as the best of all (Mitzenmacher, 2001).

    Shards that are believed to have too little are left out: one reading of all of them is cheaper than trying each in turn.
    """
    if len(shard_ids) == 1:
        return shard_ids
    pair = sorted(random.sample(shard_ids, 2), key=lambda shard_id: _seen.get(shard_id, UNKNOWN), reverse=True)
    return [shard_id for shard_id in pair if _seen.get(shard_id, UNKNOWN) >= quantity]


def _refused(shard: Shard) -> Shard:
    _seen[shard.id] = shard.available
    if not shard.open:
        raise StockClosed()
    log.count("oversell_attempts")
    return shard


def _span(shard_ids: list[str], quantity: int, purchase_id: str, until: int, now: int) -> list[Hold]:
    """Take pieces from several shards; the decision "not enough" is only made on a reading taken after our own pieces went back.

    So of several buyers that fail on each other's pieces, the last to give back sees them all and succeeds.
    """
    for _ in range(SPANNING_ROUNDS):
        shards = store.read(shard_ids)
        for shard in shards:
            _seen[shard.id] = shard.available
        if any(not shard.open for shard in shards):
            raise StockClosed()
        if sum(shard.available for shard in shards) < quantity:
            raise _short(shards, quantity, now)
        pieces = _take_pieces(shards, quantity, _fresh(purchase_id), until)
        if sum(piece.quantity for piece in pieces) == quantity:
            return pieces
        for piece in pieces:
            store.end_hold("release", piece)
    raise dynamo.StoreUnavailable("others kept taking the pieces")


def _take_pieces(shards: list[Shard], quantity: int, hold_id: str, until: int) -> list[Hold]:
    pieces: list[Hold] = []
    missing = quantity
    for shard in sorted(shards, key=lambda one: one.available, reverse=True):
        share = min(missing, shard.available)
        if share == 0:
            break
        held, _ = store.hold(shard.id, hold_id, share, until)
        if held:
            pieces.append(Hold(shard.id, hold_id, share))
            missing -= share
    return pieces


def _short(shards: list[Shard], quantity: int, now: int) -> NotEnough:
    over = [hold for shard in shards for hold in shard.over(now)]
    return NotEnough(sum(shard.available for shard in shards), quantity, over)
