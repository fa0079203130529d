"""The numbers of tickets left, for display only. These figures never decide a sale.

An instance reads the display item of a group at most every CHECK_SECONDS. When the item is due and it is this instance's turn
(`Display.is_turn_of`), the instance refreshes the item from the shards. The shards are therefore read only once, however many instances
there are.
"""

import heapq
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter

from chalicelib.dynamodb import dynamo
from chalicelib.dynamodb.cache import OVERLAP_SECONDS
from chalicelib.foundation import log
from chalicelib.foundation.log import logger
from chalicelib.inventory import store
from chalicelib.inventory.display import (
    Display,
    Figures,
    RefreshRequest,
    StockGroup,
    earliest_shown_read,
    find_copy,
    instance_name,
    is_moving,
    keep_display,
    keep_figures,
    lock_copies,
    note_refresh,
    read_displays,
    read_shards_by_stock,
    refresh_displays,
)
from chalicelib.inventory.model import Stock, shard_ids

SHARDS_PER_PAGE = 25
CHECK_SECONDS = 1  # between two reads of the figures that an instance shows
GROUPS_PER_SECOND = 20  # of a long list, whose figures are read less often
MAX_REFRESHED = 100  # groups that one call refreshes, so that no request takes long: the other groups follow with the next calls


def read_stock(shard_counts: Mapping[str, int]) -> dict[str, Stock]:
    """Read stocks, given as stock id -> number of shards; stocks without shards are left out.

    The reads are strongly consistent and take one round trip per 100 shards.
    """
    by_stock = read_shards_by_stock(shard_counts)
    return {stock_id: Stock.total_of(shards) for stock_id, shards in by_stock.items() if shards}


def read_shown_stock(shard_counts: Mapping[str, int]) -> dict[str, Stock]:
    """Read stocks like `read_stock`, but as people see them: tickets kept for the waitlist count as held."""
    return {stock_id: Stock.shown_of(shards) for stock_id, shards in read_shards_by_stock(shard_counts).items() if shards}


def is_sold_out(stock_id: str, shard_count: int) -> bool:
    """Return whether tickets of a stock were sold and none is available or held. Stops reading at the first page with such a ticket.

    The reads are strongly consistent.
    """
    has_sales = False
    for start in range(0, shard_count, SHARDS_PER_PAGE):
        shards = store.read_shards(shard_ids(stock_id, shard_count)[start : start + SHARDS_PER_PAGE])
        if any(shard.available or shard.held for shard in shards):
            return False
        has_sales = has_sales or any(shard.sold for shard in shards)
    return has_sales


def cached_stock(groups: Iterable[StockGroup], now: int, base_seconds: int = CHECK_SECONDS) -> dict[str, Stock]:
    """Return the stocks of these groups as they are displayed; stocks without shards are left out.

    While any instance needs the figures, the stocks are read every `base_seconds`, or up to three times less often while they do not
    change. Another instance may show the same figures for CHECK_SECONDS longer. While the store is down, every instance shows its last
    figures. Callers that do not display the figures can pass a longer `base_seconds`. It also becomes longer for many groups: a second for
    each GROUPS_PER_SECOND of them.
    """
    groups = [group for group in groups if group.shard_counts]
    base_seconds = max(base_seconds, len(groups) // GROUPS_PER_SECOND)
    if _select_stale(groups, now, base_seconds):
        # One thread loads the figures. Other threads wait only if their figures have been stale for longer than the overlap.
        must_wait = bool(_select_stale(groups, now - OVERLAP_SECONDS, base_seconds))
        with lock_copies(must_wait=must_wait) as is_locked:
            if is_locked and (stale := _select_stale(groups, now, base_seconds)):
                _load_figures(stale, now, base_seconds)
    entries = [entry for group in groups for entry in _known_figures(group).items()]
    return {stock_id: figures.stock for stock_id, figures in entries if figures.capacity or figures.is_open}


def _known_figures(group: StockGroup) -> dict[str, Figures]:
    """Return this instance's figures of the group, fresh or stale."""
    copy = find_copy(group.id)
    all_figures = {} if copy is None else copy.display.figures
    return {stock_id: all_figures[stock_id] for stock_id in group.shard_counts if stock_id in all_figures}


def _select_stale(groups: Sequence[StockGroup], now: int, base_seconds: int) -> list[StockGroup]:
    return [group for group in groups if not _is_fresh(group, now, base_seconds)]


def _is_fresh(group: StockGroup, now: int, base_seconds: int) -> bool:
    """Whether this instance's copy can be shown: it has all figures, and it was checked recently or no figures are due."""
    copy = find_copy(group.id)
    if copy is None or not group.shard_counts.keys() <= copy.display.figures.keys():
        return False
    return abs(now - copy.checked_at) < CHECK_SECONDS or not _seconds_due(group, copy.display, now, base_seconds)


def _seconds_due(group: StockGroup, display: Display, now: int, base_seconds: int) -> dict[str, float]:
    moving = [stock_id for stock_id in group.shard_counts if is_moving(stock_id, now)]
    return display.seconds_due(group, now, base_seconds, moving=moving, not_before=earliest_shown_read(group.id))


def _load_figures(groups: Sequence[StockGroup], now: int, base_seconds: int) -> None:
    """Read the display items of groups, and refresh the items whose turn it is. Raises a store error only if figures are missing."""
    try:
        displays = read_displays(group.id for group in groups)
        for display in displays.values():
            keep_display(display, now)
        if dynamo.is_writable():
            _refresh(groups, displays, now, base_seconds)
        _read_missing(groups, now)
        if base_seconds > CHECK_SECONDS:
            for group in groups:  # callers that display the figures check them again
                if (copy := find_copy(group.id)) is not None:
                    copy.checked_at = 0
    except dynamo.STORE_ERRORS as error:
        if not dynamo.is_unavailable(error) or any(len(_known_figures(group)) < len(group.shard_counts) for group in groups):
            raise
        log.count("cache_stale")
        logger.warning("stock.stale", error=type(error).__name__)
        for group in groups:  # delays the next attempt, because each attempt may last until the store times out
            copy = find_copy(group.id)
            if copy is not None:
                copy.checked_at = now


def _refresh(groups: Sequence[StockGroup], displays: Mapping[str, Display], now: int, base_seconds: int) -> None:
    """Refresh the display items whose turn it is, beginning with those that have been due for longest."""
    requests = []
    for group in groups:
        due = _seconds_due(group, displays[group.id], now, base_seconds)
        if displays[group.id].is_turn_of(instance_name(), due, now):
            shard_counts = {stock_id: group.shard_counts[stock_id] for stock_id in due}
            requests.append((max(due.values()), RefreshRequest(displays[group.id], shard_counts)))
    longest_due = heapq.nlargest(MAX_REFRESHED, requests, key=itemgetter(0))
    for display in refresh_displays([request for _, request in longest_due], instance_name(), now):
        keep_display(display, now)
        if not display.is_leased_to_another(instance_name(), now):
            note_refresh(display.group_id)


def _read_missing(groups: Sequence[StockGroup], now: int) -> None:
    """Read, for this instance only, the stocks whose first figures another instance is about to write."""
    missing = {
        stock_id: count for group in groups for stock_id, count in group.shard_counts.items() if stock_id not in _known_figures(group)
    }
    if not missing:
        return
    shards = read_shards_by_stock(missing)
    for group in groups:
        keep_figures(group.id, {stock_id: Figures.of(shards[stock_id], now) for stock_id in group.shard_counts if stock_id in missing})
