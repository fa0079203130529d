"""The sweep, which runs every minute and finishes what requests left behind.

A run corrects shards that a pause or resume did not reach, recovers expired holds (`hold_recovery`), adds totals to the stock ledgers,
requests the refunds of cancelled events, releases holdbacks, makes due refunds and charges (`refunds_at_provider.DueCases`), deletes
unneeded saved cards and the leftovers of unfinished publications and deletions, and reports tiers with few tickets. A run ends before the
next run begins, and its work is saved. Postponed work comes last in the next run, so nobody waits behind a payment that never completes.
Checkouts whose payment must be cancelled at the provider are processed in the order in which they expired, across all events, while the
accounts take turns.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

import msgspec
from msgspec.structs import replace

from chalicelib.catalog import holdbacks
from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import Catalog, Event, is_split_off
from chalicelib.catalog.sale_rules import current_tier_status, event_phase, max_hold_seconds
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock, deadline, log, settings
from chalicelib.foundation.log import logger
from chalicelib.inventory import service as inventory
from chalicelib.inventory.model import Hold, Shard, shard_ids, stocks_of
from chalicelib.inventory.store import mark_pooled, read_shards, scan_slice
from chalicelib.payments import provider_tasks
from chalicelib.payments.provider_tasks import alternate
from chalicelib.purchases import checkout, event_cancellation, hold_recovery, offers, resale, sweep_store
from chalicelib.purchases.hold_recovery import LapsedCheckout, RecoveryReport
from chalicelib.purchases.refunds_at_provider import DueCases, refund_task
from chalicelib.purchases.sweep_store import KEPT_SECONDS, MINUTE, Mark, SweepState

MAX_SECONDS = 50  # less than the time between two runs
SECONDS_WITHOUT_PROVIDER = 25  # for reading shards, and for holds that need no provider
SECONDS_FOR_RELEASES = 10  # for releasing holdbacks
SECONDS_FOR_CANCELLATIONS = 15  # the rest is for calls to the provider: refunds, and expired holds with a payment

LINGER_SECONDS = 86_400  # the first run also looks at events whose last hold expired up to this long ago
SLICE = 1000  # shards of the whole table in each run; holds that the index misses are found within (all shards / SLICE) minutes
PORTION = 1000  # shards that are read and recovered together; a portion may have more, because it has all shards of each of its events
SECONDS_TO_READ = 10  # for a portion of several events; if that is not enough, its events are read one by one
LARGE_EVENT = 5000  # an event with more shards comes last and alone, so that no other event waits for it
MAX_POSTPONED = 1000  # the state keeps the order of only this many events, so that it stays small; the index has all of them
SECONDS_FOR_PORTION = 3  # with less time left, the next run continues


def run_sweep(now: int) -> dict[str, Any]:
    """Run the sweep once. Returns what it did and what remains, for the log.

    Concurrent runs are safe, because every write has a condition. An event that cannot be processed delays nothing else: the next run
    tries it again, last. Raises the store's errors if the index, the slice of all shards or the due refunds cannot be read.
    """
    with deadline.within(MAX_SECONDS):
        return _run(now)


def _run(now: int) -> dict[str, Any]:
    stock = StockPass(catalog.snapshot(), _load_state(now), now)
    stock.run()
    stock.save_progress()  # first, because no failure below may keep the next run at the same slice
    report = stock.report
    with deadline.within(SECONDS_FOR_CANCELLATIONS):
        cancelled = _unless_store_fails("sweep.cancellations_not_processed", lambda: event_cancellation.process_cancellations(now))
    with deadline.within(SECONDS_FOR_RELEASES):
        released = _unless_store_fails("sweep.holdbacks_not_released", lambda: holdbacks.release_due(now))
    refunds, charges = DueCases("refund", refund_task, now), DueCases("charge", checkout.charge_task, now)
    removals = DueCases("card", offers.removal_task, now)
    expiries = hold_recovery.expiry_tasks(stock.lapsed, now, report)
    # Nobody waits for the deletion of a card, so it comes last.
    result = provider_tasks.run_each(chain(alternate(refunds.tasks(), expiries, charges.tasks()), removals.tasks()))
    deleted = _unless_store_fails("sweep.leftovers_not_deleted", lambda: catalog.delete_leftovers(stock.slice, now))
    snapshots = _unless_store_fails("sweep.snapshot_not_written", catalog.write_if_due)
    # If this fails, the run still counts as finished, because figures can wait.
    figures = _unless_store_fails("sweep.figures_not_recorded", lambda: catalog.record_figures(now))
    has_failed_step = stock.corrected is None or cancelled is None or deleted is None or released is None
    # Thousands of refunds of a cancelled event may take many runs. They delay nothing else, so a run is unfinished only if they are late.
    has_work_left = (
        result.gave_up or report.remaining > 0 or refunds.has_failed or charges.has_failed or (refunds.has_more and refunds.is_late)
    )
    is_finished = not has_failed_step and not has_work_left and stock.events_left == 0
    _count_run(is_finished, stock.active_holds, stock.catalog.version)
    return {
        "shards": stock.shards_read,
        "events_left": stock.events_left,
        "holds_over": stock.holds_over,
        "active_holds": stock.active_holds,
        "low_tiers": len(stock.low_tiers),
        "reopened_or_closed": stock.corrected,
        "orders_of_cancelled_events": cancelled,
        "tiers_released": released,
        "listings_closed": stock.closed,
        "shards_deleted": deleted,
        "catalog_snapshots": snapshots,
        "figures_recorded": figures,
        "refunds_due": refunds.begun_count,
        "charges_due": charges.begun_count,
        "cards_to_delete": removals.begun_count,
        "has_more_refunds": refunds.has_more,
        "gave_up": result.gave_up,
        "finished": is_finished,
        "seconds_left": round(deadline.remaining()),
        **msgspec.to_builtins(report),
    }


def _load_state(now: int) -> SweepState:
    """Load the state. If there is no index yet, or the sweep has not run for days, first mark all events that may have holds."""
    state, minute = sweep_store.load_state(), now // MINUTE
    if state.due_minute is not None and state.due_minute * MINUTE >= now - KEPT_SECONDS // 2:
        return state
    sweep_store.mark_due([event.id for event in catalog.snapshot().events.values() if _may_have_holds(event, now)], minute)
    return replace(state, due_minute=minute, due_event=None, indexed_since=state.indexed_since or now)


def _may_have_holds(event: Event, now: int) -> bool:
    """Whether the event may have holds, judging by its dates and whether it is a draft. A cancelled event may still have earlier holds."""
    current = settings.current()
    last_hold_until = event.last_sale_at + max_hold_seconds(event) + current.checkout_seconds
    return event.status != "draft" and (event.on_sale_at is None or event.on_sale_at <= now) and now <= last_hold_until + LINGER_SECONDS


class StockPass:
    """The part of a run that reads stock, with its results.

    It reads the shards of the events that are due according to the index, in portions, earliest due event first, and recovers the holds of
    each portion before it reads the next portion. It also reads a slice of all shards, to find holds that the index misses.

    Large events, and the events of a portion that failed, come last, one by one. Of these events, the next run begins with those that this
    run did not reach and ends with those that failed again, so each event gets its turn.

    `lapsed` are the checkouts whose payment must be cancelled at the provider, earliest expiry first. `corrected` is the number of shards
    that were opened or closed, or None if the store failed.
    """

    def __init__(self, catalog: Catalog, state: SweepState, now: int) -> None:
        self.catalog, self.state, self.now = catalog, state, now
        self.report = RecoveryReport()
        self.lapsed: list[LapsedCheckout] = []
        self.slice: list[Shard] = []
        self.corrected: int | None = 0
        self.shards_read = self.closed = self.holds_over = self.active_holds = self.events_left = 0
        self.low_tiers = {tier_id for tier_id in state.low_tiers if _is_for_sale(catalog, tier_id, now)}
        self._events = _events_by_stock(catalog)
        self._marks: defaultdict[int, set[str]] = defaultdict(set)  # minute -> events to look at again
        self._expired_at: dict[Hold, int] = {}
        self._last = [*state.postponed]  # events to process last, one by one
        self._is_slice_recovered = False
        self._next = state

    def run(self) -> None:
        """Process the slice and the first portion, then the other portions and the last events while there is time.

        Raises the store's errors if the index or the slice cannot be read.
        """
        reserved = deadline.remaining() - SECONDS_WITHOUT_PROVIDER
        after: Mark = (self.state.due_minute or 0, self.state.due_event or "")
        portions = self._portions(sweep_store.load_due(after, self.now // MINUTE))
        self.slice, next_shard_id = scan_slice(self.state.shard_id, SLICE)
        portion = next(portions, [])
        is_slice_processed = self._try(self.slice, _ids(portion), reserved) or (bool(portion) and self._try(self.slice, [], reserved))
        self._is_slice_recovered = is_slice_processed and self.corrected is not None and self.report.remaining == 0
        for following in portions:
            if deadline.remaining() - reserved < SECONDS_FOR_PORTION:
                self.events_left = len(following) + sum(map(len, portions))
                break
            portion = following
            self._try([], _ids(portion), reserved)
        minute, event_id = portion[-1] if self.events_left else (self.now // MINUTE + 1, None)
        postponed = self._process_last(reserved)
        self.events_left += len(postponed)
        self._marks[clock.now() // MINUTE + 1].update(postponed)
        self._next = replace(
            self.state, shard_id=next_shard_id, due_minute=minute, due_event=event_id, postponed=tuple(postponed[:MAX_POSTPONED])
        )
        self.lapsed.sort(key=lambda checkout: min(map(self._expired_at.__getitem__, checkout.holds)))
        for minute, event_ids in self._marks.items():
            sweep_store.mark_due(event_ids, minute)

    def save_progress(self) -> None:
        """Save which tiers are low, and whether the next run continues after this slice or, if time was too short, with this slice again.

        The slice counts as finished even if its checkouts still wait for the provider, because the index has the events of these checkouts.
        """
        shard_id = self._next.shard_id if self._is_slice_recovered else self.state.shard_id
        sweep_store.save_state(replace(self._next, shard_id=shard_id, low_tiers=frozenset(self.low_tiers)))

    def _portions(self, marks: Iterable[Mark]) -> Iterator[list[Mark]]:
        """Divide marks into portions of about PORTION shards. If an event has several marks, only the first counts.

        Large events are added to `_last` instead.
        """
        portion, size, seen = list[Mark](), 0, set(self._last)
        for mark in marks:
            if mark[1] in seen:
                continue
            seen.add(mark[1])
            event_size = sum(self.catalog.shard_counts([mark[1]]).values())
            if event_size > LARGE_EVENT:
                self._last.append(mark[1])
                continue
            portion.append(mark)
            size += event_size
            if size >= PORTION:
                yield portion
                portion, size = [], 0
        if portion:
            yield portion

    def _try(self, sliced: list[Shard], event_ids: list[str], reserved: float) -> bool:
        """Process these shards and events. If that fails, add the events to `_last` and return False."""
        try:
            self._process(sliced, event_ids, reserved)
        except Exception:  # an error in one event must not stop the refunds and the other events
            logger.exception("sweep.events_not_processed", event_ids=event_ids[:10], count=len(event_ids))
            self._last += event_ids
            return False
        return True

    def _process_last(self, reserved: float) -> list[str]:
        """Process the last events one by one while there is time. Returns the events not reached, followed by the events that failed."""
        waiting, self._last = self._last, []
        while waiting and deadline.remaining() - reserved >= SECONDS_FOR_PORTION:
            self._try([], [waiting.pop(0)], reserved)
        return [*waiting, *self._last]

    def _process(self, sliced: list[Shard], due: list[str], reserved: float) -> None:
        """Read the shards of these events, and process them with the shards of the slice. Raises the store's errors if it cannot read."""
        ids = [shard_id for stock_id, count in self.catalog.all_shard_counts(due).items() for shard_id in shard_ids(stock_id, count)]
        seconds = deadline.remaining() - reserved
        with deadline.within(seconds if len(due) <= 1 else min(seconds, SECONDS_TO_READ)):
            found = read_shards(ids)
        shards = [*({shard.id: shard for shard in sliced} | {shard.id: shard for shard in found}).values()]
        with deadline.within(deadline.remaining() - reserved):
            corrected = _unless_store_fails("sweep.flags_not_corrected", lambda: _correct_open_flags(shards, self._events))
        expired_holds = _expired_holds(shards, self.now)
        self._expired_at |= expired_holds
        with deadline.within(deadline.remaining() - reserved):
            self.lapsed += hold_recovery.recover_holds(expired_holds, self.now, self.report)
        with deadline.within(deadline.remaining() - reserved):
            self.closed += resale.close_listings(shards, self._events, self.now)
        with deadline.within(deadline.remaining() - reserved):
            recorded = _unless_store_fails("sweep.totals_not_recorded", lambda: len(catalog.record_totals(due)))
        self.shards_read += len(shards)
        self.holds_over += len(expired_holds)
        self.active_holds += sum(shard.held for shard in shards) - sum(hold.quantity for hold in expired_holds)
        self._plan(shards, due if corrected is None or recorded is None else [])
        self._check_low_stock(shards)
        self.corrected = None if corrected is None or self.corrected is None else self.corrected + corrected

    def _plan(self, shards: list[Shard], failed_event_ids: Iterable[str]) -> None:
        """Mark each event with holds for the minute in which its earliest hold expires, or for the next minute if a hold has expired."""
        next_minute = clock.now() // MINUTE + 1
        self._marks[next_minute].update(failed_event_ids)
        for shard in shards:
            event = self._events.get(shard.stock_id)
            if event is not None and shard.holds:
                earliest = min(expires_at for _, expires_at in shard.holds.values())
                self._marks[max(earliest // MINUTE, next_minute)].add(event.id)

    def _check_low_stock(self, shards: list[Shard]) -> None:
        """Report tiers that have become low. A stock counts only if all of its shards were read, because a slice may have only a few.

        A tier is reported once when its available tickets fall to its `low_stock_at`. Before the tier is reported again, it must have had
        more tickets than that. If a run ends before its state is saved, the next run reports the same tiers again.
        """
        events = {event.id: event for shard in shards if (event := self._events.get(shard.stock_id)) is not None}
        sizes, read = self.catalog.shard_counts(events), Counter(shard.stock_id for shard in shards)
        stocks = stocks_of(shard for shard in shards if read[shard.stock_id] == sizes.get(shard.stock_id))
        for tier in (tier for event_id in events for tier in self.catalog.event_tiers(event_id) if tier.low_stock_at is not None):
            if self.catalog.tier_shard_counts(tier).keys() <= stocks.keys():
                available = self.catalog.tier_stock(tier, stocks).available
                if not _is_for_sale(self.catalog, tier.id, self.now) or available > (tier.low_stock_at or 0):
                    self.low_tiers.discard(tier.id)
                elif tier.id not in self.low_tiers:
                    self.low_tiers.add(tier.id)
                    log.count("low_stocks")
                    details = {"event_id": tier.event_id, "available": available, "low_stock_at": tier.low_stock_at}
                    logger.warning("stock.low", tier_id=tier.id, extra=details)


def _ids(marks: Iterable[Mark]) -> list[str]:
    return [event_id for _, event_id in marks]


def _expired_holds(shards: Iterable[Shard], now: int) -> dict[Hold, int]:
    """Return when each expired hold expired, the earliest first. Postponing a hold changes its expiry, so postponed holds come last."""
    found = [(hold, shard.expires_at(hold)) for shard in shards for hold in shard.expired_holds(now)]
    return dict(sorted(found, key=lambda entry: (entry[1], entry[0].hold_id)))


def _events_by_stock(current: Catalog) -> dict[str, Event]:
    """Return the event of each stock, including the stocks of tickets for resale of deleted tiers."""
    events = {stock_id: event for event in current.events.values() for stock_id in current.all_shard_counts([event.id])}
    deleted = (tier for tier in current.tiers.values() if tier.removed and tier.event_id in current.events)
    return events | {resale_tier.stock_id: current.events[tier.event_id] for tier in deleted for resale_tier in tier.resale_tiers}


def _is_for_sale(catalog: Catalog, tier_id: str, now: int) -> bool:
    tier = catalog.tiers.get(tier_id)
    is_open = tier is not None and event_phase(catalog.events[tier.event_id], now) == "open"
    return tier is not None and is_open and catalog.states[current_tier_status(catalog, tier, now)].purchasable


def _count_run(is_finished: bool, active_holds: int, catalog_version: int) -> None:
    log.count("sweep_runs")
    log.gauge("active_holds", active_holds)
    log.gauge("catalog_version", catalog_version)
    if not is_finished:
        log.count("sweeps_unfinished")


def _unless_store_fails(event: str, step: Callable[[], int | None]) -> int | None:
    """Run a step that no other step depends on. Returns its result, or None after a store failure, which is logged as `event`."""
    try:
        return step()
    except dynamo.STORE_ERRORS:
        logger.exception(event)
        return None


def _correct_open_flags(shards: list[Shard], events: Mapping[str, Event]) -> int:
    """Open or close shards that do not match the state of their event. Returns how many shards were corrected.

    A pause, a publication or a cancellation writes the event first, so the event decides. The snapshot only shows which shards to suspect.
    The events of the suspect shards are read after the shards, and a shard is changed only if it has not changed since it was read, so a
    concurrent pause is not undone. Shards that should be marked as pooled are marked first and opened by the next run. `events` maps stock
    ids to events.
    """
    _mark_pooled(shards, events)
    suspects = _mismatched_shards(shards, events)
    return inventory.correct_open_flags(_mismatched_shards(suspects, _events_by_stock(catalog.load_current()))) if suspects else 0


def _mark_pooled(shards: list[Shard], events: Mapping[str, Event]) -> None:
    """Mark shards whose event has a pool, if a crash left them unmarked. An event never loses its pool, so any snapshot will do.

    The pool does not have the tickets of holdbacks.
    """
    for shard in shards:
        event = events.get(shard.stock_id)
        is_marked = shard.is_pooled or is_split_off(shard.stock_id)
        if event is not None and event.pool_id not in (None, shard.stock_id) and not is_marked:
            mark_pooled(shard.id)


def _mismatched_shards(shards: list[Shard], events: Mapping[str, Event]) -> list[Shard]:
    pairs = [(shard, event) for shard in shards if (event := events.get(shard.stock_id)) is not None]
    return [shard for shard, event in pairs if event.is_closed == shard.is_open]
