"""Choose the shards for a hold. When tickets run out, decide by the stock's figures, so that few requests read all shards.

Figures only save work: every hold is a conditional write of a shard. Figures refuse a buyer only if the shards would have refused them
too when the figures were read, at most `MAX_REFUSAL_AGE_SECONDS` earlier.
"""

import random
from collections.abc import Sequence
from functools import partial

from chalicelib.dynamodb import dynamo
from chalicelib.foundation import deadline, log
from chalicelib.foundation.memory import Memory
from chalicelib.inventory import hold_attempts
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
    note_movement,
    publish_figures,
    try_read_display,
)
from chalicelib.inventory.hold_attempts import HoldRequest
from chalicelib.inventory.model import Hold, NotEnoughTickets, Shard, TooManyHolds

MAX_ROUNDS = 4
PAUSE_SECONDS = (0.03, 0.06)  # while another instance reads all shards
MAX_EXPIRED_SHARDS = 2
MAX_EXPIRED_HOLDS = 10  # reported to one refused buyer, who needs only a few

# Stocks whose expired holds a buyer's request could not recover, and when: other requests of the same second do not try it.
_stuck: Memory[str, int] = Memory()


def hold_tickets(
    stock_id: str,
    shard_count: int,
    quantity: int,
    purchase_id: str,
    expires_at: int,
    now: int,
    group: StockGroup | None = None,
    *,
    is_pooled: bool = False,
    takes_kept: bool = False,
) -> list[Hold]:
    """Hold `quantity` tickets for a purchase until `expires_at`, in one shard if one has enough, otherwise in several.

    Takes one round trip while tickets are plentiful. Raises NotEnoughTickets only when all shards together have too few, TooManyHolds
    when the shards with tickets take no further holds, SalePaused while the sale is paused, and PoolMismatch if `is_pooled` contradicts
    the stock. After an error nothing remains held. If the stock's `group` is given, figures that are up to `MAX_REFUSAL_AGE_SECONDS` old
    may decide NotEnoughTickets and TooManyHolds. Tickets that are kept for the waitlist count only if the caller `takes_kept`.
    """
    request = HoldRequest(stock_id, shard_count, quantity, purchase_id, expires_at, now, group, is_pooled, takes_kept)
    holds = _hold(request)
    note_movement(stock_id, now)
    return holds


def check_figures(stock_id: str, shard_count: int, quantity: int, now: int, group: StockGroup) -> None:
    """Raise the NotEnoughTickets that `hold_tickets` would raise by figures alone.

    A purchase from several stocks checks all of them first, so that it does not hold tickets which it would have to release at once.
    """
    _check_shortage(HoldRequest(stock_id, shard_count, quantity, "", now, now, group))


def leave_expired_holds(stock_id: str, now: int) -> None:
    """Let the other requests of this second refuse buyers without looking at expired holds, because a request could not recover them."""
    _stuck.entries[stock_id] = now


def _hold(request: HoldRequest) -> list[Hold]:
    is_known_short = _check_shortage(request)
    if not is_known_short or request.shard_count == 1:
        holds, refusing_shards = hold_attempts.hold_in_one(request, hold_attempts.choose_shards(request))
        if holds:
            return holds
        if request.shard_count == 1:
            _note_shards(request, refusing_shards)
            raise hold_attempts.not_enough(refusing_shards, request)
    if request.group is None:
        return hold_attempts.hold_across_all(request, lambda _: None)
    return _hold_by_figures(request, request.group)


def _check_shortage(request: HoldRequest) -> bool:
    """Return whether figures show too few tickets while expired holds may give some back. Raises NotEnoughTickets if none can come back."""
    figures = _find_shortage(request)
    if figures is not None and not _has_expired(request, figures):
        raise _refusal_by_figures(request, figures)
    return figures is not None


def _find_shortage(request: HoldRequest) -> Figures | None:
    """Return recent figures that show too few tickets for this request. None if no shortage is known.

    Asks the store only if this instance has seen a shortage before, so that a request costs no read while tickets are plentiful.
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
    """Hold tickets in shards that have some according to the figures, or refuse.

    If the figures do not decide, one instance at a time reads all shards, and the others wait for its figures.
    """
    for _ in range(MAX_ROUNDS):
        display = try_read_display(group.id, request.now)
        if display is None:  # without figures, the shards decide
            break
        figures = display.figures.get(request.stock_id)
        if figures is not None and _is_short(request, figures):
            return _hold_released(request, figures)
        if figures is not None and can_refuse(request.stock_id, figures, request.now):
            holds = _hold_in_known(request, figures)
            if holds:
                return holds
        leased = _begin_refresh(display, request.now)
        if leased is not None:
            return hold_attempts.hold_across_all(request, partial(_publish, request, leased))
        deadline.wait(random.uniform(*PAUSE_SECONDS))
    return hold_attempts.hold_across_all(request, partial(_note_shards, request))


def _is_short(request: HoldRequest, figures: Figures) -> bool:
    """Whether these figures are recent enough to refuse the request, and do."""
    return figures.holdable < request.quantity and can_refuse(request.stock_id, figures, request.now)


def _has_expired(request: HoldRequest, figures: Figures) -> bool:
    """Whether expired holds may give this request tickets."""
    return bool(figures.expired_shards(request.now)) and _stuck.entries.get(request.stock_id) != request.now


def _hold_released(request: HoldRequest, figures: Figures) -> list[Hold]:
    """Hold tickets that were released since the figures were read, in a few shards with expired holds.

    If these shards have too few, raise the refusal with some of their expired holds, which the caller may recover.
    """
    refusal = _refusal_by_figures(request, figures)
    if not _has_expired(request, figures):
        raise refusal
    numbers = figures.expired_shards(request.now)
    chosen = [f"{request.stock_id}#{number}" for number in random.sample(numbers, min(MAX_EXPIRED_SHARDS, len(numbers)))]
    shards = hold_attempts.read_shards(chosen)
    holds, _ = hold_attempts.hold_in_one(request, [shard.id for shard in shards if shard.holdable >= request.quantity])
    if holds:
        return holds
    expired_holds = [hold for shard in shards for hold in shard.expired_holds(request.now)]
    refusal.expired_holds = random.sample(expired_holds, min(MAX_EXPIRED_HOLDS, len(expired_holds)))
    raise refusal


def _hold_in_known(request: HoldRequest, figures: Figures) -> list[Hold]:
    """Hold tickets in one of the shards that have enough according to the figures (two random ones are tried), or parts in several.

    Returns no holds if other buyers were quicker.
    """
    amounts = [(f"{request.stock_id}#{number}", amount) for number, amount in figures.with_tickets]
    sufficient = [shard_id for shard_id, amount in amounts if amount >= request.quantity]
    if sufficient:
        holds, _ = hold_attempts.hold_in_one(request, random.sample(sufficient, min(2, len(sufficient))))
        return holds
    if sum(amount for _, amount in amounts) < request.quantity:
        return []
    return hold_attempts.hold_parts(request, random.sample(amounts, len(amounts)))


def _begin_refresh(display: Display, now: int) -> Display | None:
    """Return the item if this instance may refresh it; None if another instance refreshes it or the store fails."""
    instance = instance_name()
    if display.is_leased_to_another(instance, now):
        return None
    try:
        is_ours, current = begin_refresh(display, instance, now)
    except dynamo.STORE_ERRORS as error:
        log.warning("display.not_leased", group_id=display.group_id, error=type(error).__name__)
        return None
    return current if is_ours else None


def _publish(request: HoldRequest, display: Display, shards: Sequence[Shard]) -> None:
    keep_display(publish_figures(display, instance_name(), {request.stock_id: shards}, request.now), request.now)


def _note_shards(request: HoldRequest, shards: Sequence[Shard]) -> None:
    """Keep the figures of all shards for this instance's next requests."""
    if request.group is not None and shards:
        keep_figures(request.group.id, {request.stock_id: Figures.of(shards, request.now)})


def _refusal_by_figures(request: HoldRequest, figures: Figures) -> NotEnoughTickets:
    error = TooManyHolds if figures.available >= request.quantity else NotEnoughTickets
    return error(figures.available, request.quantity, [])
