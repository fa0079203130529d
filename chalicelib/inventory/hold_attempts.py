"""Try to hold the tickets of a request in one shard, or parts of them in several shards."""

import random
from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct

from chalicelib.dynamodb import dynamo
from chalicelib.foundation import ids, log
from chalicelib.foundation.memory import Memory
from chalicelib.inventory import display, store
from chalicelib.inventory.display import StockGroup
from chalicelib.inventory.model import Hold, NotEnoughTickets, PoolMismatch, SalePaused, Shard, TooManyHolds, shard_ids

MAX_SPANNING_ROUNDS = 8
UNKNOWN_AVAILABLE = 1 << 30

# How many tickets each shard had available when this instance last read or wrote it. Only a hint which shard to try first: the condition
# of the write decides.
_available_hints: Memory[str, int] = Memory()


class HoldRequest(Struct, frozen=True):
    """Hold `quantity` tickets of a stock for a purchase until `expires_at`. Times are epoch seconds.

    `group` is the group with the stock's figures; without it all shards are read instead. `is_pooled`: the tickets are also taken from
    the pool of their event, by a request of its own. `takes_kept`: the hold may take tickets that are kept for the waitlist.
    """

    stock_id: str
    shard_count: int
    quantity: int
    purchase_id: str
    expires_at: int
    now: int
    group: StockGroup | None = None
    is_pooled: bool = False
    takes_kept: bool = False

    @property
    def shard_ids(self) -> list[str]:
        return shard_ids(self.stock_id, self.shard_count)

    def hold_in(self, shard_id: str, hold_id: str, quantity: int) -> int:
        """Hold `quantity` tickets in one shard; returns how many are still available there. Raises HoldRefused."""
        return store.hold_in_shard(shard_id, hold_id, quantity, self.expires_at, self.is_pooled, self.takes_kept)

    def new_hold_id(self) -> str:
        """A hold id that is used for one attempt only, so that a late release of an earlier attempt cannot remove this hold."""
        return f"{self.purchase_id}.{ids.nonce()}"


def choose_shards(request: HoldRequest) -> list[str]:
    """Choose two random shards, the fuller one first, which balances nearly as well as the fullest of all shards (Mitzenmacher, 2001).

    Shards whose hint says that they have too few tickets are left out. If that leaves none, two shards whose hints say that they have
    enough are chosen.
    """
    every = request.shard_ids
    if len(every) == 1:
        return every
    pair = sorted(random.sample(every, 2), key=_available_hint, reverse=True)
    hopeful = [shard_id for shard_id in pair if _available_hint(shard_id) >= request.quantity]
    if hopeful:
        return hopeful
    known = [shard_id for shard_id in every if request.quantity <= _available_hints.entries.get(shard_id, 0)]
    return random.sample(known, min(2, len(known)))


def hold_in_one(request: HoldRequest, shard_ids: Iterable[str]) -> tuple[list[Hold], list[Shard]]:
    """Hold all tickets in the first of these shards that has enough. Returns the hold, if any, and the shards that refused.

    Raises SalePaused and PoolMismatch, and NotEnoughTickets if the tickets are kept for the waitlist.
    """
    hold_id = request.new_hold_id()
    refusing_shards: list[Shard] = []
    for shard_id in shard_ids:
        try:
            available = request.hold_in(shard_id, hold_id, request.quantity)
        except store.HoldRefused as refusal:
            if refusal.shard is None:
                log.warning("stock.missing", shard_id=shard_id)
            else:
                _note_refusal(refusal.shard, request)
                refusing_shards.append(refusal.shard)
            continue
        _available_hints.entries[shard_id] = available
        return [Hold(shard_id, hold_id, request.quantity)], refusing_shards
    return [], refusing_shards


def hold_across_all(request: HoldRequest, note_first_read: Callable[[list[Shard]], None]) -> list[Hold]:
    """Take parts of the quantity from several shards; if other buyers were quicker, release the parts and start over.

    Only a read that follows the release of our own parts decides "not enough". So if several buyers block each other with their parts,
    the last buyer to release sees all tickets and succeeds.
    """
    for number in range(MAX_SPANNING_ROUNDS):
        shards = read_shards(request.shard_ids)
        if number == 0:
            note_first_read(shards)
        for shard in shards:
            _check_usable(shard, request)
        if sum(shard.holdable for shard in shards) < request.quantity:
            raise not_enough(shards, request)
        parts = hold_parts(request, [(shard.id, shard.holdable) for shard in shards])
        if parts:
            return parts
    raise dynamo.StoreUnavailable("other buyers kept taking the last tickets of this stock's shards")


def read_shards(shard_ids: Sequence[str]) -> list[Shard]:
    shards = store.read_shards(shard_ids)
    for shard in shards:
        _available_hints.entries[shard.id] = shard.holdable
    return shards


def hold_parts(request: HoldRequest, amounts: Iterable[tuple[str, int]]) -> list[Hold]:
    """Hold the quantity in several shards, the fullest first; `amounts` are (shard id, holdable tickets).

    If other buyers were quicker, the parts are released and the result is empty.
    """
    hold_id = request.new_hold_id()
    parts: list[Hold] = []
    missing = request.quantity
    for shard_id, amount in sorted(amounts, key=lambda entry: entry[1], reverse=True):
        share = min(missing, amount)
        if share == 0:
            break
        try:
            request.hold_in(shard_id, hold_id, share)
        except store.HoldRefused:
            continue
        parts.append(Hold(shard_id, hold_id, share))
        missing -= share
    if missing == 0:
        return parts
    for part in parts:
        release(part)
    return []


def release(hold: Hold) -> bool:
    """Make the tickets of a hold available again, and update this instance's hint for the shard. False if the hold no longer exists."""
    released = store.release_hold(hold)
    if released:
        hint = _available_hints.entries.get(hold.shard_id)
        _available_hints.entries[hold.shard_id] = hold.quantity if hint is None else hint + hold.quantity
        display.note_change(hold.stock_id)
    return released


def not_enough(shards: list[Shard], request: HoldRequest) -> NotEnoughTickets:
    """Return the refusal for a request; `shards` are all shards of its stock."""
    expired_holds = [hold for shard in shards for hold in shard.expired_holds(request.now)]
    own_holds = [hold for shard in shards for hold in shard.holds_of(request.purchase_id)]
    available = sum(shard.available for shard in shards)
    error = TooManyHolds if available >= request.quantity else NotEnoughTickets
    return error(available, request.quantity, expired_holds, own_holds)


def _available_hint(shard_id: str) -> int:
    return _available_hints.entries.get(shard_id, UNKNOWN_AVAILABLE)


def _note_refusal(shard: Shard, request: HoldRequest) -> None:
    """Remember what a shard that refused a hold has available. Raises what `_check_usable` raises, if that is the reason."""
    _available_hints.entries[shard.id] = shard.holdable
    _check_usable(shard, request)
    log.count("oversell_attempts")


def _check_usable(shard: Shard, request: HoldRequest) -> None:
    """Raise SalePaused, PoolMismatch or (for kept tickets) NotEnoughTickets if a shard refuses the request however many tickets it has."""
    if not shard.is_open:
        raise SalePaused()
    if shard.is_pooled != request.is_pooled:
        raise PoolMismatch
    if shard.is_kept and not request.takes_kept:
        raise NotEnoughTickets(0, request.quantity, [])
