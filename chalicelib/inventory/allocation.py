"""Hold tickets: choose shards, and place the hold in one shard, or parts of the hold in several.

When tickets run low, the stock's figures show which shards to try and whether to refuse a buyer, so that few requests read all shards. The
figures only save work: every hold is a conditional write to a shard. A buyer is refused because of the figures only if the shards would
also have refused the buyer when the figures were read, at most `MAX_REFUSAL_AGE_SECONDS` earlier.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from msgspec import Struct

from chalicelib.dynamodb import dynamo
from chalicelib.foundation import deadline, ids, log
from chalicelib.foundation.log import logger
from chalicelib.foundation.memory import Memory
from chalicelib.inventory import store
from chalicelib.inventory.display import (
    Display,
    Figures,
    StockGroup,
    begin_refresh,
    can_refuse,
    find_figures,
    instance_name,
    keep_display,
    keep_figures,
    note_change,
    note_movement,
    publish_figures,
    try_read_display,
)
from chalicelib.inventory.model import OFFER_MARK, Hold, NotEnoughTickets, PoolMismatch, SalePaused, Shard, TooManyHolds, shard_ids


class HoldRequest(Struct, frozen=True):
    """A request to hold `quantity` tickets of a stock for a purchase until `expires_at`. Times are epoch seconds.

    `group` is the group with the stock's figures; without it, all shards are read instead. `is_pooled` means that the tickets are also
    taken from the pool of their event, by a separate request. `takes_kept` means that the hold may take tickets that are kept for the
    waitlist. `is_offer` means that the tickets are for an offer to a person on the waitlist.
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
    is_offer: bool = False

    @property
    def shard_ids(self) -> Sequence[str]:
        return shard_ids(self.stock_id, self.shard_count)

    def new_hold_id(self) -> str:
        """Return a hold id for one attempt only, so that a late release from an earlier attempt cannot remove this hold."""
        nonce = ids.nonce()
        return f"{self.purchase_id}.{nonce[:-1] + OFFER_MARK if self.is_offer else nonce}"


def hold_tickets(request: HoldRequest) -> list[Hold]:
    """Hold the tickets of a request, in one shard if one has enough, otherwise in several.

    Takes one round trip while tickets are plentiful. Raises NotEnoughTickets only if all shards together have too few, TooManyHolds
    when the shards with tickets accept no more holds, SalePaused while the sale is paused, and PoolMismatch if `is_pooled` contradicts
    the stock. After these errors, nothing remains held; after a store error, parts may remain held until they expire. With a
    `group`, figures that are up to `MAX_REFUSAL_AGE_SECONDS` old may cause NotEnoughTickets and TooManyHolds.
    """
    is_known_short = check_figures(request)
    hold_id = request.new_hold_id()
    refusing_shards: list[Shard] = []
    for shard_id in _choose_shards(request) if not is_known_short or request.shard_count == 1 else ():
        whole = Hold(shard_id, hold_id, request.quantity)
        try:
            available = store.hold_in_shard(whole, request.expires_at, is_pooled=request.is_pooled, takes_kept=request.takes_kept)
        except store.HoldRefused as refusal:
            refusing_shards += _note_refusal(request, shard_id, refusal)
        else:
            _available_hints.entries[shard_id] = available
            note_movement(request.stock_id, request.now)
            return [whole]
    holds = _hold_when_short(request, refusing_shards)
    note_movement(request.stock_id, request.now)
    return holds


def release(hold: Hold, *, is_unpaid: bool = False) -> bool:
    """Make the tickets of a hold available again, and update the hint for the shard. Returns False if the hold no longer exists."""
    released = store.release_hold(hold, is_unpaid=is_unpaid)
    if released:
        hint = _available_hints.entries.get(hold.shard_id)
        _available_hints.entries[hold.shard_id] = hold.quantity if hint is None else hint + hold.quantity
        note_change(hold.stock_id)
    return released


def check_figures(request: HoldRequest) -> bool:
    """Return True if the figures show too few tickets, but recovering expired holds may free some.

    Raises NotEnoughTickets if the figures show too few tickets and no holds have expired. A purchase from several stocks checks all of them
    first, so that it does not hold tickets that it would have to release at once.
    """
    figures = _find_shortage(request)
    if figures is not None and not _has_expired(request, figures):
        raise _refusal_by_figures(request, figures)
    return figures is not None


def leave_expired_holds(stock_id: str, now: int) -> None:
    """Leave the expired holds of a stock alone for the rest of this second, because a request has failed to recover them.

    During this time, other requests refuse buyers without looking at expired holds.
    """
    _failed_recoveries.entries[stock_id] = now


# Shards that probably have enough tickets.

UNKNOWN_AVAILABLE = 1 << 30

# How many tickets each shard had available when this instance last read or wrote it. This is only a hint about which shard to try first:
# the condition of the write decides.
_available_hints: Memory[str, int] = Memory()


def _choose_shards(request: HoldRequest) -> Sequence[str]:
    """Choose two random shards, the fuller one first, which balances nearly as well as choosing the fullest (Mitzenmacher, 2001).

    A shard is left out if its hint shows too few tickets. If both are left out, choose up to two shards whose hints show enough tickets.
    """
    all_ids = request.shard_ids
    if len(all_ids) == 1:
        return all_ids
    pair = sorted(random.sample(all_ids, 2), key=_available_hint, reverse=True)
    promising = [shard_id for shard_id in pair if _available_hint(shard_id) >= request.quantity]
    if promising:
        return promising
    sufficient = [shard_id for shard_id in all_ids if request.quantity <= _available_hints.entries.get(shard_id, 0)]
    return random.sample(sufficient, min(2, len(sufficient)))


def _available_hint(shard_id: str) -> int:
    return _available_hints.entries.get(shard_id, UNKNOWN_AVAILABLE)


def _note_refusal(request: HoldRequest, shard_id: str, refusal: store.HoldRefused) -> list[Shard]:
    """Remember how many tickets a shard that refused a hold has available.

    Returns a list with the shard, or an empty list if the shard does not exist. Raises what `_check_usable` raises.
    """
    if refusal.shard is None:
        logger.warning("stock.missing", shard_id=shard_id)
        return []
    _available_hints.entries[shard_id] = refusal.shard.holdable
    _check_usable(refusal.shard, request)
    log.count("oversell_attempts")
    return [refusal.shard]


def _check_usable(shard: Shard, request: HoldRequest) -> None:
    """Raise SalePaused, PoolMismatch or (for kept tickets) NotEnoughTickets if a shard refuses the request, however many tickets it has."""
    if not shard.is_open:
        raise SalePaused()
    if shard.is_pooled != request.is_pooled:
        raise PoolMismatch
    if shard.is_kept and not request.takes_kept:
        raise NotEnoughTickets(0, request.quantity, stock_id=request.stock_id)


def _read_shards(shard_ids: Sequence[str]) -> list[Shard]:
    shards = store.read_shards(shard_ids)
    for shard in shards:
        _available_hints.entries[shard.id] = shard.holdable
    return shards


# If the chosen shards have too few tickets, use the figures, or read all shards.

MAX_ROUNDS = 4
MAX_SPANNING_ROUNDS = 8
PAUSE_SECONDS = (0.03, 0.06)  # while another instance reads all shards
MAX_EXPIRED_SHARDS = 2
MAX_EXPIRED_HOLDS = 10  # returned with one refusal, because a buyer needs only a few

# By stock id: the second in which a request failed to recover the stock's expired holds. Other requests in this second do not try again.
_failed_recoveries: Memory[str, int] = Memory()


def _hold_when_short(request: HoldRequest, refusing_shards: list[Shard]) -> list[Hold]:
    """Hold tickets after the chosen shards have refused. Raises what `hold_tickets` raises."""
    if request.shard_count == 1:
        _note_shards(request, refusing_shards)
        raise _not_enough(refusing_shards, request)
    if request.group is None:
        return _hold_across_all(request, lambda _: None)
    return _hold_by_figures(request, request.group)


def _find_shortage(request: HoldRequest) -> Figures | None:
    """Return recent figures that show too few tickets for this request. Returns None if no shortage is known.

    Reads the store only if this instance has seen a shortage before, so that a request costs no read while tickets are plentiful.
    """
    if request.group is None:
        return None
    figures = find_figures(request.group.id, request.stock_id)
    if figures is None or figures.holdable >= request.quantity:
        return None
    if not can_refuse(request.stock_id, figures, request.now):
        display = try_read_display(request.group.id, request.now)
        figures = display.figures.get(request.stock_id) if display is not None else None
    return figures if figures is not None and _is_short(request, figures) else None


def _hold_by_figures(request: HoldRequest, group: StockGroup) -> list[Hold]:
    """Hold tickets in shards that have tickets according to the figures, or refuse the request.

    If the figures allow neither, one instance at a time reads all shards, and the other instances wait for the new figures.
    """
    for _ in range(MAX_ROUNDS):
        display = try_read_display(group.id, request.now)
        if display is None:  # without figures, read all shards
            break
        figures = display.figures.get(request.stock_id)
        if figures is not None and _is_short(request, figures):
            return _hold_released_tickets(request, figures)
        if figures is not None and can_refuse(request.stock_id, figures, request.now):
            holds = _hold_in_listed_shards(request, figures)
            if holds:
                return holds
        leased = _begin_refresh(display, request.now)
        if leased is not None:
            return _hold_across_all(request, partial(_publish, request, leased))
        deadline.wait(random.uniform(*PAUSE_SECONDS))
    return _hold_across_all(request, partial(_note_shards, request))


def _is_short(request: HoldRequest, figures: Figures) -> bool:
    """Whether these figures show too few tickets for the request and are recent enough to refuse it."""
    return figures.holdable < request.quantity and can_refuse(request.stock_id, figures, request.now)


def _has_expired(request: HoldRequest, figures: Figures) -> bool:
    """Whether expired holds may free tickets for this request."""
    return bool(figures.expired_shards(request.now)) and _failed_recoveries.entries.get(request.stock_id) != request.now


def _hold_released_tickets(request: HoldRequest, figures: Figures) -> list[Hold]:
    """Hold tickets that were released after the figures were read, looking in a few shards with expired holds.

    If these shards have too few, raise the refusal with some of their expired holds, which the caller may recover.
    """
    refusal = _refusal_by_figures(request, figures)
    if not _has_expired(request, figures):
        raise refusal
    numbers = figures.expired_shards(request.now)
    sampled_ids = [f"{request.stock_id}#{number}" for number in random.sample(numbers, min(MAX_EXPIRED_SHARDS, len(numbers)))]
    shards = _read_shards(sampled_ids)
    holds = _hold_parts(request, [(shard.id, shard.holdable) for shard in shards if shard.holdable >= request.quantity])
    if holds:
        return holds
    expired_holds = [hold for shard in shards for hold in shard.expired_holds(request.now)]
    refusal.expired_holds = random.sample(expired_holds, min(MAX_EXPIRED_HOLDS, len(expired_holds)))
    raise refusal


def _hold_in_listed_shards(request: HoldRequest, figures: Figures) -> list[Hold]:
    """Try two random shards that have enough tickets according to the figures. If no shard has enough, hold parts in several shards.

    Returns an empty list if other buyers were quicker.
    """
    amounts = [(f"{request.stock_id}#{number}", amount) for number, amount in figures.with_tickets]
    sufficient = [(shard_id, amount) for shard_id, amount in amounts if amount >= request.quantity]
    if sufficient:
        return _hold_parts(request, random.sample(sufficient, min(2, len(sufficient))))
    if sum(amount for _, amount in amounts) < request.quantity:
        return []
    return _hold_parts(request, random.sample(amounts, len(amounts)))


def _begin_refresh(display: Display, now: int) -> Display | None:
    """Return the display item if this instance may refresh it. Returns None if another instance is refreshing it or the store fails."""
    instance = instance_name()
    if display.is_leased_to_another(instance, now):
        return None
    try:
        is_ours, current = begin_refresh(display, instance, now)
    except dynamo.STORE_ERRORS as error:
        logger.warning("display.not_leased", group_id=display.group_id, error=type(error).__name__)
        return None
    return current if is_ours else None


def _hold_across_all(request: HoldRequest, note_first_read: Callable[[list[Shard]], None]) -> list[Hold]:
    """Take parts of the quantity from several shards; if other buyers were quicker, release the parts and start over.

    The request is refused only after a read that was made while it held no parts itself. If several buyers block each other with their
    parts, the last buyer to release therefore sees all tickets and succeeds.
    """
    for number in range(MAX_SPANNING_ROUNDS):
        shards = _read_shards(request.shard_ids)
        if number == 0:
            note_first_read(shards)
        for shard in shards:
            _check_usable(shard, request)
        if sum(shard.holdable for shard in shards) < request.quantity:
            raise _not_enough(shards, request)
        parts = _hold_parts(request, [(shard.id, shard.holdable) for shard in shards])
        if parts:
            return parts
    raise dynamo.Contention("other buyers kept taking the last tickets of this stock's shards")


def _hold_parts(request: HoldRequest, amounts: Iterable[tuple[str, int]]) -> list[Hold]:
    """Hold the quantity in as few shards as possible, the fullest first; `amounts` are (shard id, holdable tickets).

    If other buyers were quicker, the parts are released and the result is empty. Raises what `_check_usable` raises.
    """
    hold_id = request.new_hold_id()
    parts: list[Hold] = []
    missing = request.quantity
    try:
        for shard_id, amount in sorted(amounts, key=lambda entry: entry[1], reverse=True):
            part = Hold(shard_id, hold_id, min(missing, amount))
            if part.quantity == 0:
                break
            try:
                available = store.hold_in_shard(part, request.expires_at, is_pooled=request.is_pooled, takes_kept=request.takes_kept)
            except store.HoldRefused as refusal:
                _note_refusal(request, shard_id, refusal)
            else:
                _available_hints.entries[shard_id] = available
                parts.append(part)
                missing -= part.quantity
    except (SalePaused, PoolMismatch, NotEnoughTickets):
        _release_all(parts)
        raise
    if missing:
        _release_all(parts)
        return []
    return parts


def _release_all(holds: list[Hold]) -> None:
    for hold in holds:
        release(hold)


def _publish(request: HoldRequest, display: Display, shards: Sequence[Shard]) -> None:
    keep_display(publish_figures(display, instance_name(), {request.stock_id: shards}, request.now), request.now)


def _note_shards(request: HoldRequest, shards: Sequence[Shard]) -> None:
    """Keep the figures of all shards for this instance's next requests."""
    if request.group is not None and shards:
        keep_figures(request.group.id, {request.stock_id: Figures.of(shards, request.now)})


def _refusal_by_figures(request: HoldRequest, figures: Figures) -> NotEnoughTickets:
    error = TooManyHolds if figures.available >= request.quantity else NotEnoughTickets
    return error(figures.available, request.quantity, stock_id=request.stock_id)


def _not_enough(shards: list[Shard], request: HoldRequest) -> NotEnoughTickets:
    """Return the refusal for a request; `shards` are all shards of its stock."""
    expired_holds = [hold for shard in shards for hold in shard.expired_holds(request.now)]
    own_holds = [hold for shard in shards for hold in shard.holds_of(request.purchase_id)]
    available = sum(shard.available for shard in shards)
    error = TooManyHolds if available >= request.quantity else NotEnoughTickets
    return error(available, request.quantity, expired_holds, own_holds, stock_id=request.stock_id)
