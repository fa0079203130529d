"""The allocator offers returned tickets to the waitlist one by one, and records how earlier offers ended.

The allocator reads the stock, and then the line page by page. For each page it plans offers (`offer_plan`), and makes one offer at a time.
Each offer is a transaction that fails unless its entry is still waiting and this allocator still holds the lease on the line. If an offer
fails because its entry or its buyer has just changed, the allocator plans the rest of the page again, so its tickets go to the next person.

The schedule runs the allocator for all lines once a minute. `is_following` marks a short run for one change (`service.follow`).
"""

import heapq
import itertools
import sys
from collections.abc import Callable, Iterable, Iterator, Set
from contextlib import suppress
from functools import partial
from operator import itemgetter

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.addons.waitlist import kept_stocks, store
from chalicelib.addons.waitlist.model import (
    CANCELLATION,
    KEPT_SECONDS,
    LAST_DAY_SECONDS,
    NOTIFIED_ALL,
    BallotOffer,
    Census,
    Draw,
    Entry,
    EntryState,
    Line,
    Place,
    offer_ends_at,
)
from chalicelib.addons.waitlist.offer_plan import PlannedOffer, TierSupply, Turns, free_tickets, plan_offers, take
from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import Catalog, Event, Tier
from chalicelib.catalog.sale_rules import current_tier_status, event_phase
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import addons, clock, deadline, ids, parallel, settings
from chalicelib.foundation.errors import ApiError
from chalicelib.foundation.log import logger
from chalicelib.inventory.model import NotEnoughTickets, PoolMismatch, SalePaused, TooManyHolds
from chalicelib.purchases import offers, queries
from chalicelib.purchases.errors import ActiveReservationExists, OwnTicketsForResale, PurchaseLimitExceeded
from chalicelib.purchases.model import ACTIVE_STATES, Purchase
from chalicelib.waiting_room.model import RoomState

MAX_PASSES = 3  # per run; the line is read again after stocks were released, because somebody may have joined in the meantime
# Limits on a run that follows a change, because emails and webhooks wait for the run to finish.
MAX_PAGES_WHILE_FOLLOWING = 4  # pages of the line
MAX_OFFERS_WHILE_FOLLOWING = 20
MAX_CHECKED_WHILE_FOLLOWING = 100  # open offers whose outcomes are checked
MAX_CHECKED = 5000  # offers that a scheduled run checks; if there are more, the next run continues
OFFERS_PORTION = 1000  # offers whose purchases are in memory at once, at six kilobytes each
DRAWN_PLACES = 10_000  # places of a drawn order that are in memory at once: more than a run makes offers
DRAWN_PAGE = 1000  # in the drawn order, offers are planned for this many places at once
RELEASE_SECONDS = 60  # a release adds its tickets to the stock within this time after its draw has begun
MAX_PASSED_OVER = 200  # per run: entries recorded as passed over for the first time
MAX_NOTIFIED = 10_000  # people whom one run tells of a cancellation or a lost ballot, even if more emails may be queued
MAX_PROLONGED = 2000  # per run: entries that are kept longer because their event has been postponed
PLACES_PER_SECOND = 500  # the average speed of full counts: a line of 30,000 is counted each minute, and longer lines less often
MAX_BUYERS = dynamo.MAX_BATCH_GET  # buyers who are checked at once
SHORTEST_OFFER_SECONDS = 900  # unless the sale ends earlier
TURNS = Turns(patience=3600, keep=3600)
NO_REQUEST = sys.maxsize  # the smallest wanted quantity if nobody can get an offer now
MAX_FAILED_LINES = 3  # after this many failures in a row, the store is probably down for all lines
RENEWAL_SECONDS = 10  # how often a run extends its lease
SECONDS_FOR_OFFER = 3  # an offer begins only if at least this much time is left
SECONDS_FOR_OTHERS = 30  # time left for the other followers of a change; the scheduled run serves the other lines within a minute

Rank = tuple[int, str]  # the place of an entry in a drawn order: the lowest rank comes first


class AllocationReport(Struct):
    """The counts of a run: new offers, offers that ended, and entries that were passed over because their buyers could not get an offer."""

    offered: int = 0
    ended: int = 0
    deferred: int = 0


def allocate_all(now: int) -> AllocationReport:
    """Run the allocator for all events with a line, until time runs out. The line whose last run was longest ago comes first.

    Raises the first store error once the other lines have run.
    """
    return allocate_each(store.list_lines(), now, is_following=False)


def allocate_each(lines: Iterable[Line], now: int, *, is_following: bool) -> AllocationReport:
    """Run the allocator for these lines. An error in one event does not stop the others.

    Raises the first store error once the other lines have run, or at once if MAX_FAILED_LINES lines in a row have failed. `is_following`:
    the run follows a change (see `allocate`), and has little time.
    """
    total = AllocationReport()
    store_error: Exception | None = None
    failed_in_a_row = 0
    for line in lines:
        if deadline.remaining() < (SECONDS_FOR_OTHERS if is_following else SECONDS_FOR_OFFER):
            break
        try:
            report = allocate(line, now, is_following)
        except Exception as error:
            logger.exception("waitlist.event_failed", event_id=line.event_id)
            if isinstance(error, dynamo.STORE_ERRORS):
                store_error = store_error or error
                failed_in_a_row += 1
                if not is_following:
                    with suppress(*dynamo.STORE_ERRORS):
                        store.save_run(line.event_id, now)  # so that the next run does not begin with this line
                if failed_in_a_row == MAX_FAILED_LINES:
                    break
            continue
        failed_in_a_row = 0
        total.offered, total.ended = total.offered + report.offered, total.ended + report.ended
        total.deferred += report.deferred
    if store_error is not None:
        raise store_error
    return total


def allocate(line: Line, now: int, is_following: bool = False) -> AllocationReport:
    """Record the offers that have ended, and offer returned tickets. Safe to repeat or to run in parallel.

    Makes no offers if another allocator holds the lease. A run that follows a change makes only the first offers, and leaves the rest of
    the line to the next run.
    """
    current = catalog.find_snapshot(lambda catalog: line.event_id in catalog.events)
    event, report = current.find_event(line.event_id), AllocationReport()
    if event is None:
        return report
    report.ended, open_offers = end_offers(line, now, is_following)
    if not _can_make_offers(event, now):
        # The next steps may delete a line in which people wait, so check the current catalog, which may have turned the waitlist on again.
        current = catalog.load_current()
        event = current.find_event(line.event_id)
    if event is None:
        return report
    if not _can_make_offers(event, now):
        are_all_notified = not is_following and _notify_of_cancellation(event, line, now)
        if line.stock_ids:
            kept_stocks.release_stocks(current, event, line)
            store.remove_stocks(line, line.stock_ids)
        elif are_all_notified and not store.list_offered(event.id, limit=1):
            store.delete_line(line)
        return report
    allocator = ids.new_id()
    if not store.take_lease(event.id, allocator, now, is_following=is_following):
        return report
    try:
        for _ in range(MAX_PASSES):
            if not _Pass(current, event, allocator, now, report, open_offers, is_following).run():
                break
    finally:
        store.end_lease(event.id, allocator)
    return report


def _can_make_offers(event: Event, now: int) -> bool:
    return event.has_waitlist and event_phase(event, now) not in ("closed", "cancelled")


def _notify_of_cancellation(event: Event, line: Line, now: int) -> bool:
    """Email the next waiting people about the event's cancellation, at most MAX_NOTIFIED.

    Returns whether everybody has been emailed. If not, the next run continues.
    """
    notified_to = line.notified_up_to(CANCELLATION)
    if notified_to == NOTIFIED_ALL or event.status != "cancelled" or now > event.last_sale_at or not addons.is_on("messages"):
        return True
    limit = _max_notified()
    entries = [place.entry for place in next(store.read_pages(event.id, notified_to, limit // store.PARTS), [])]
    parallel.call_each(lambda entry: _queue_email("waitlist_cancelled", entry, now), entries)
    store.save_notified_to(event.id, entries[-1].id if entries else NOTIFIED_ALL, CANCELLATION)
    return not entries


def _max_notified() -> int:
    from chalicelib.notifications import outbox  # imported here because few runs need it

    return min(outbox.bulk_limit(), MAX_NOTIFIED)


def _queue_email(kind: str, entry: Entry, now: int) -> None:
    """Queue an email of this kind about an entry. Does nothing if such an email has been queued before."""
    from chalicelib.notifications import outbox  # imported here because few runs need it

    user_id, event_id = entry.user_id, entry.event_id
    email = outbox.new_notification(kind, entry.id, 1, user_id=user_id, event_id=event_id, now=now, language=entry.language)
    outbox.queue_notification(email)


def end_offers(line: Line, now: int, is_following: bool = False) -> tuple[int, int]:
    """Mark the event's finished offers as accepted, declined or expired. Returns their number, and the number of offers still open.

    Uses at most half of the remaining time, so that thousands of offers that expire together do not delay other lines. If there are more
    than MAX_CHECKED offers, each run continues where the last run stopped. That is soon enough for the many thousands of offers of a
    ballot: they are open for hours, and people see the outcome of an offer even before it is recorded. The number of open offers is then
    taken from the last census, minus the offers that this run has ended. A run that follows a change checks only the first offers.
    """
    after, limit = (None, MAX_CHECKED_WHILE_FOLLOWING) if is_following else (line.checked_to, MAX_CHECKED)
    offered = store.list_offered(line.event_id, after, limit)
    census = None
    if not is_following and (after is not None or len(offered) == limit):
        # Save the position first, so that an offer that makes a run fail does not keep later offers from being checked.
        store.save_checked_to(line.event_id, offered[-1].id if len(offered) == limit else None)
        census = store.find_census(line.event_id)
    purchases, unreadable = _load_purchases(offered)
    decided = [
        entry for entry in offered if entry.purchase_id not in unreadable
    ]  # only a newer version of the code can read the other purchases
    ended = [entry for entry in decided if not _is_open(purchases.get(entry.purchase_id or ""))]
    reserved, count = deadline.remaining() / 2 if ended else 0, 0
    for entry in ended:
        if deadline.remaining() < max(reserved, SECONDS_FOR_OFFER):
            break
        end_offer(entry, purchases.get(entry.purchase_id or ""), now)
        count += 1
    return count, max(len(offered), 0 if census is None else census.offered) - count


def _load_purchases(offered: Iterable[Entry]) -> tuple[dict[str, Purchase | None], set[str]]:
    """Return the purchases of offers by id, and the ids of the purchases that this version cannot read."""
    return queries.load_readable(entry.purchase_id for entry in offered if entry.purchase_id is not None)


def end_offer(entry: Entry, purchase: Purchase | None, now: int) -> Entry:
    """Record the outcome of an offer that has ended. `purchase` is None if the purchase has been deleted. Safe to repeat."""
    if purchase is not None:
        offers.return_tickets(purchase)
    after = replace(entry, state=offer_state(purchase, now), ended_at=now, card=None)
    store.end_offer(entry, after, removal_items(entry, now))
    return after


def removal_items(entry: Entry, now: int) -> list[dynamo.TransactItem]:
    """Return the items that let the sweep delete an ended entry's saved card. Returns an empty list if the entry has no card."""
    return [] if entry.card is None else [offers.card_item(entry.id, event=None, card=entry.card, now=now, is_needed=False)]


def offer_state(purchase: Purchase | None, now: int) -> EntryState:
    """Return the state of an entry whose offer is this purchase: `offered` while the offer is open, then its outcome."""
    if purchase is not None and purchase.was_order:
        return "accepted"
    if purchase is not None and purchase.state == "cancelled" and not purchase.is_declined:
        return "declined"
    # An offer stays open past its deadline while the bank is still deciding on a payment.
    return "offered" if purchase is not None and (purchase.is_active(now) or purchase.state == "paying") else "expired"


def make_offer(
    event: Event, entry: Entry, tier: Tier, *, allocator: str | None, now: int, extra_items: Callable[[str], list[dynamo.TransactItem]]
) -> Purchase:
    """Hold the tickets for an entry, and mark the entry as offered. Raises what `offers.create_offer` raises.

    `allocator` must hold the lease on the line, and is None for an offer by hand. `extra_items(purchase_id)` are written too.
    """
    until = offer_ends_at(event.for_tiers([tier]), tier, settings.current().waitlist_offer_seconds, SHORTEST_OFFER_SECONDS, now)

    def items_for(purchase_id: str) -> list[dynamo.TransactItem]:
        return [*store.offer_items(entry, purchase_id, until, allocator), *extra_items(purchase_id)]

    card = entry.card if entry.has_card and tier.price_cents > 0 else None
    return offers.create_offer(entry.user_id, event, tier, entry.quantity, entry.id, until, items_for, now, entry.language, card)


def _begin_census(event_id: str, now: int) -> Census:
    """Return a census that has counted nobody yet. `people_to` and `tickets_to` are the last arrival numbers, including people who left."""
    people, tickets = store.read_arrivals(event_id)
    return Census(full_at=now, people_to=people, tickets_to=tickets)


class _Pass:
    """One pass through the line of an event, from its beginning until no tickets are left or the line ends.

    `remaining` has the number of tickets that the rest of the line may get, by stock id. `claimed_stock_ids` are the stocks for which a
    large party ahead takes turns. `wanted_keys` are the keys of the supplies that people wait for, ignoring people who are known to be at
    their purchase limit. `smallest` has the smallest wanted quantity by key of the supply, ignoring people who are known to be unable to
    get an offer now.
    """

    def __init__(
        self,
        current: Catalog,
        event: Event,
        allocator: str,
        now: int,
        report: AllocationReport,
        open_offers: int,
        is_following: bool,
    ) -> None:
        self.current, self.event, self.allocator, self.now, self.report = current, event, allocator, now, report
        self.open_offers, self.is_following = open_offers, is_following
        self.line = store.find_line(event.id) or Line(event_id=event.id)
        self.stock = kept_stocks.read_stock(current, event, self.line, now)
        self.remaining = dict(self.stock.free)
        # Reading the draw also runs it when it is due, even if nobody opens the waiting room.
        self.draw = _find_draw(event, now) if event.has_ballot and not is_following else None
        supplies = {} if event.has_ballot else self.stock.for_line(self.line)  # in a ballot, all tickets are offered in the drawn order
        self.drawn = {key: supply for key, supply in supplies.items() if supply.tier.stock_id in self.line.draws}
        self.supplies = {key: supply for key, supply in supplies.items() if key not in self.drawn}
        self.claimed_stock_ids: Set[str] = frozenset()
        self.turns = TURNS if event.last_sale_at - now > LAST_DAY_SECONDS else None
        self.wanted_keys, self.smallest = set[str](), dict[str, int]()
        census = None if is_following else store.find_census(event.id)
        self.is_full_count = not is_following and (census is None or now >= census.full_at + census.people // PLACES_PER_SECOND)
        self.last_census = census
        self.census = _begin_census(event.id, now) if self.is_full_count else census or Census(full_at=now)
        if self.is_full_count and census is not None and census.has_considered_all:
            self.census.left_over, self.census.considered_to = census.left_over, census.considered_to
        self.passed_over_count = 0
        self.kept_until = event.last_sale_at + KEPT_SECONDS
        self.prolonged_count = 0
        self.leased_at = now  # when the lease was last extended
        self.read_to = ""  # the last entry that was read for a drawn order
        self.is_stopped = False  # whether this pass can make no more offers
        self.full_stock_ids = set[str]()  # stocks whose shards can hold no more offers for now
        self.handled_entry_ids = set[str]()  # entries that got an offer or have just changed
        self.errors = dict[str, ApiError | None]()  # by id of the checked entry: why it cannot get an offer now, or None if it can
        self.sellers = set[str]()  # ids of users who have tickets of the event for resale, which must not be offered to themselves
        self.upcoming = list[Entry]()  # the entries of the current page
        self.check_size = 1  # how many buyers the next check reads at once; doubles with each check

    def run(self) -> bool:
        """Make offers, count the line, and release tickets that nobody wants, and leftovers that are too few for the smallest request.

        Returns whether another pass through the line is needed.
        """
        if self.drawn and not self.is_following:
            self._serve_draws()
        if self.draw is not None and event_phase(self.event, self.now) == "open":  # the opening may have been postponed after the draw
            self._serve_ballot(self.draw)
        is_complete = self._serve_line()
        if deadline.remaining() < SECONDS_FOR_OFFER or (self.is_following and not is_complete):
            return False
        if not self.is_following:
            if not self.is_full_count:
                for places in store.read_pages(self.event.id, self.census.counted_to or None):
                    self._record_demand(places)
                    self._count(places)
            self.census.offered = self.open_offers + self.report.offered
            store.save_census(self.event.id, self.census, self.now, self.kept_until)
            if self.prolonged_count:
                store.prolong_arrivals(self.event.id, self.kept_until)
        counted = {key for key, supply in self.stock.supplies.items() if supply.tier.id in self.census.tiers}
        wanted = self.wanted_keys if is_complete else self.wanted_keys | counted
        if kept_stocks.keep_wanted(self.event, self.stock, self.line, wanted):
            return True
        remaining = {key: free_tickets(supply, self.remaining) for key, supply in self.supplies.items()}
        if (is_complete and not self.is_stopped) or not any(remaining.values()):
            smallest = {key: self.smallest.get(key, NO_REQUEST) for key in self.supplies}
            too_large = {key: quantity for key, quantity in smallest.items() if 0 < remaining[key] < quantity}
            kept_stocks.release_leftovers(self.current, self.event, self.stock, self.line, too_large)
        return False

    def _serve_draws(self) -> None:
        """Offer the tickets of each stock with a draw, in the drawn order. A draw ends when it has no more tickets or no more people."""
        for key, supply in self.drawn.items():
            draw = self.line.draws[supply.tier.stock_id]
            if not free_tickets(supply, self.remaining) and self.now < draw.begun_at + RELEASE_SECONDS:
                continue
            self._serve_in_order(partial(self._rank_draw, draw), {key: supply})
            if self.is_stopped or not self.full_stock_ids.isdisjoint(supply.stock_ids) or deadline.remaining() < SECONDS_FOR_OFFER:
                return  # the next run continues
            draws = {stock_id: other for stock_id, other in self.line.draws.items() if other != draw}
            if store.set_draws(self.line, draws):  # if this fails, a stock was added meanwhile, and the next run ends the draw
                self.line = replace(self.line, draws=draws, namings=self.line.namings + 1)

    def _serve_ballot(self, draw: RoomState) -> None:
        """Offer all tickets in the drawn order. Once all ticket types are on sale, email the people who got no offer.

        People without a number of this draw follow in order of arrival. If everybody has been considered for the tickets that are free now,
        only people who have joined since then are considered. Each full count considers everybody again, because somebody may have saved a
        card or may be below the purchase limit again.
        """
        supplies = self.stock.supplies
        if self._has_tickets(supplies):
            after = self.census.considered_to if self._is_left_over() else ""
            taken = bytearray((draw.n or 0) + 1)
            for offer in store.list_ballot_offers(self.event.id, draw.room):
                taken[offer.position] = 1
            self._serve_in_order(partial(self._rank_ballot, draw, taken, after), supplies)
            is_complete = not (self.is_stopped or self.full_stock_ids or deadline.remaining() < SECONDS_FOR_OFFER)
            left_over, considered_to = self._list_free() if is_complete else {}, max(after, self.read_to)
            if is_complete and self.last_census is not None:
                self._save_considered(self.last_census, left_over, considered_to)
            self.census.left_over, self.census.considered_to = left_over, considered_to
        tiers = self.current.visible_tiers(self.event)
        is_waiting = any(current_tier_status(self.current, tier, self.now) == "coming-soon" for tier in tiers)
        if not (self.is_stopped or self.full_stock_ids or is_waiting or self.event.is_paused):
            self._notify_losers(draw)

    def _save_considered(self, last: Census, left_over: dict[str, tuple[int, int]], considered_to: str) -> None:
        """Save who was considered in the last census. This run may have no time to read a very long line once more, to count it."""
        known = replace(last, left_over=left_over, considered_to=considered_to, has_considered_all=self.is_full_count)
        if known != last:
            store.save_census(self.event.id, known, self.now, self.kept_until)

    def _notify_losers(self, draw: RoomState) -> None:
        """Email the people who took part in the draw and got no offer, and record their loss, which improves their odds in the next ballot.

        If these are too many people for one run, the next run continues after the last of them.
        """
        notified_to = self.line.notified_up_to(draw.room)
        if notified_to == NOTIFIED_ALL or not (addons.is_on("messages") or draw.better_odds):
            return
        from chalicelib.waiting_room import service as waiting_room  # imported here because few runs need it

        held = sum(shard.held for supply in self.stock.supplies.values() for shard in self.stock.shards[supply.tier.stock_id])
        if held > self._count_offered_tickets():
            return  # some held tickets belong to no offer, for example after a crash, and may still come back
        emails_left = _max_notified()
        for places in store.read_pages(self.event.id, notified_to):
            for entry in (place.entry for place in places):
                if self.is_stopped or not self._keep_lease():
                    return
                if deadline.remaining() < SECONDS_FOR_OFFER or not emails_left:  # a page may have thousands of people
                    if notified_to is not None:
                        store.save_notified_to(self.event.id, notified_to, draw.room)
                    return
                if (
                    entry.id not in self.handled_entry_ids
                    and _is_registered(self.current, self.event, entry)
                    and _drawn_position(entry, draw) is not None
                ):
                    if addons.is_on("messages"):
                        _queue_email("ballot_lost", entry, self.now)
                        emails_left -= 1
                    if entry.odds_key is not None and self._could_win(entry):
                        waiting_room.record_loss(entry.odds_key, draw, self.now)
                notified_to = entry.id
            if places:
                store.save_notified_to(self.event.id, places[-1].entry.id, draw.room)
        store.save_notified_to(self.event.id, NOTIFIED_ALL, draw.room)

    def _count_offered_tickets(self) -> int:
        """Return the number of tickets in open offers. Reads the purchases of all offers, because outcomes are recorded late."""
        count, after = 0, None
        while offered := store.list_offered(self.event.id, after, OFFERS_PORTION):
            purchases, unreadable = _load_purchases(offered)
            self._keep_lease()
            count += sum(
                entry.quantity for entry in offered if entry.purchase_id in unreadable or _is_open(purchases.get(entry.purchase_id or ""))
            )
            after = offered[-1].id
        return count

    def _could_win(self, entry: Entry) -> bool:
        """Return whether the event could meet an entry's request. Impossible requests must not earn better odds."""
        return any(entry.accepts(supply.tier) and entry.can_fit(supply.tier) for supply in self.stock.supplies.values())

    def _list_free(self) -> dict[str, tuple[int, int]]:
        """Return the number of free tickets and their price by key of the supply, for supplies with free tickets."""
        free = {key: (free_tickets(supply, self.remaining), supply.tier.price_cents) for key, supply in self.stock.supplies.items()}
        return {key: (count, price_cents) for key, (count, price_cents) in free.items() if count}

    def _is_left_over(self) -> bool:
        """Return whether the last census has all free tickets as left over, at the same prices."""
        known = self.census.left_over
        return all(key in known and known[key][0] >= count and known[key][1] == price for key, (count, price) in self._list_free().items())

    def _rank_draw(self, draw: Draw) -> Iterator[tuple[Rank, Place]]:
        """Read the line, and return the places that take part in a draw."""
        for place in self._read_places():
            if place.entry.id <= draw.last_id:
                yield (0, draw.rank(place.entry)), place

    def _rank_ballot(self, draw: RoomState, taken: bytearray, after: str) -> Iterator[tuple[Rank, Place]]:
        """Read the line after the entry `after`, and return the places that take part in a ballot. `taken` is 1 for taken positions.

        Accounts that proved the same address share a position, and the position gets one offer. Leaves the other accounts out, because each
        attempt to hold tickets for them takes time and fails.
        """
        taken = taken.copy()
        for place in self._read_places(after):
            if not _is_registered(self.current, self.event, place.entry):
                continue
            position = _drawn_position(place.entry, draw)
            if position is None:
                yield (len(taken), place.entry.id), place
            elif not taken[position]:
                taken[position] = 1
                yield (position, ""), place

    def _read_places(self, after: str = "") -> Iterator[Place]:
        """Read the line after the entry `after`. If time runs out or the lease is lost, ends early and stops this pass."""
        for places in store.read_pages(self.event.id, after or None):
            if not self._keep_lease() or deadline.remaining() < SECONDS_FOR_OFFER:
                self.is_stopped = True
                return
            yield from places
            self.read_to = places[-1].entry.id if places else self.read_to

    def _serve_in_order(self, rank_places: Callable[[], Iterator[tuple[Rank, Place]]], supplies: dict[str, TierSupply]) -> None:
        """Offer the supplies to places in a drawn order, until no tickets or no places are left.

        `rank_places` reads the line, and returns its places in any order, each with another rank. Each reading keeps only the next
        DRAWN_PLACES places that may get an offer. Plans offers for DRAWN_PAGE places at a time.
        """
        last: Rank = (-1, "")
        while self._has_tickets(supplies):
            found = self._find_next_places(rank_places(), last, supplies)
            for first in range(0, len(found), DRAWN_PAGE):
                if self._has_tickets(supplies):
                    self._serve([place for _, place in found[first : first + DRAWN_PAGE]], supplies, None)
            if len(found) < DRAWN_PLACES:
                return
            last = found[-1][0]

    def _find_next_places(
        self, ranked: Iterator[tuple[Rank, Place]], last: Rank, supplies: dict[str, TierSupply]
    ) -> list[tuple[Rank, Place]]:
        """Return the first DRAWN_PLACES places after the rank `last`. Leaves out places that the free tickets do not concern."""
        free = [(supply.tier, free_tickets(supply, self.remaining)) for supply in supplies.values()]

        def is_concerned(place: Place) -> bool:
            entry = place.entry
            most = max((count for tier, count in free if count and entry.accepts(tier) and entry.can_fit(tier)), default=0)
            return most >= entry.quantity or (most > 0 and place.passed_at is None and self.passed_over_count < MAX_PASSED_OVER)

        return heapq.nsmallest(DRAWN_PLACES, (each for each in ranked if each[0] > last and is_concerned(each[1])), key=itemgetter(0))

    def _keep_lease(self) -> bool:
        """Extend the lease from time to time. Stops this pass and returns False if another allocator has taken over."""
        now = clock.now()
        if now >= self.leased_at + RENEWAL_SECONDS:
            self.leased_at = now
            if not store.extend_lease(self.event.id, self.allocator, now):
                self.is_stopped = True
                return False
        return True

    def _has_tickets(self, supplies: dict[str, TierSupply]) -> bool:
        return not self.is_stopped and any(free_tickets(supply, self.remaining) > 0 for supply in supplies.values())

    def _serve_line(self) -> bool:
        """Make offers while tickets are left, and count the line if a full count is due. Returns whether the whole line was read."""
        pages = store.read_pages(self.event.id)
        for number in itertools.count():
            has_tickets = self._has_tickets(self.supplies)
            if not (has_tickets or self.is_full_count) or (self.is_following and number == MAX_PAGES_WHILE_FOLLOWING):
                return False
            places = next(pages, None)
            if places is None:
                return True
            self._keep_lease()
            if has_tickets:
                self._serve(places, self.supplies, self.turns)
            if deadline.remaining() < SECONDS_FOR_OFFER:
                return False
            self._record_demand(places)
            if self.is_full_count:
                self._count(places)
                self._prolong(places)
        return False

    def _record_demand(self, places: list[Place]) -> None:
        for place in places:
            entry = place.entry
            error = self.errors.get(entry.id)
            if isinstance(error, PurchaseLimitExceeded):
                continue
            tiers = {key: supply.tier for key, supply in self.stock.supplies.items() if entry.accepts(supply.tier)}
            self.wanted_keys |= tiers.keys()  # even if the entry is too large now, because added capacity is for the line
            if entry.id not in self.handled_entry_ids and error is None:
                is_seller = entry.user_id in self.sellers
                fitting = [key for key, tier in tiers.items() if entry.can_fit(tier) and not (is_seller and tier.is_resale)]
                self.smallest |= {key: min(entry.quantity, self.smallest.get(key, entry.quantity)) for key in fitting}

    def _count(self, places: list[Place]) -> None:
        for place in places:
            if place.entry.id not in self.handled_entry_ids:
                self.census.add(place.entry)

    def _prolong(self, places: list[Place]) -> None:
        """Keep entries longer if the event has been postponed since people joined. Later runs continue with the rest."""

        def prolong(entry: Entry) -> None:
            if deadline.remaining() >= SECONDS_FOR_OFFER:
                store.prolong_entry(entry, self.kept_until)

        entries = [place.entry for place in places if place.entry.ttl < self.kept_until and place.entry.id not in self.handled_entry_ids]
        entries = entries[: MAX_PROLONGED - self.prolonged_count]
        parallel.call_each(prolong, entries)
        self.prolonged_count += len(entries)

    def _serve(self, places: list[Place], supplies: dict[str, TierSupply], turns: Turns | None) -> None:
        """Offer the supplies to the people of a page in order, and record the entries that are passed over for the first time."""
        while not self.is_stopped:
            places = [place for place in places if place.entry.id not in self.handled_entry_ids]
            self.upcoming = [place.entry for place in places]
            plan = plan_offers(places, supplies, self.remaining, self.now, turns, self._is_blocked, self.claimed_stock_ids)
            if self._make_offers(plan.offers):
                for entry in plan.passed[: MAX_PASSED_OVER - self.passed_over_count]:
                    store.note_passed(entry, self.now)
                    self.passed_over_count += 1
                self.remaining, self.claimed_stock_ids = plan.remaining, plan.claimed
                return

    def _make_offers(self, planned: list[PlannedOffer]) -> bool:
        """Make planned offers. Returns False if an offer could not be made: the caller then plans the rest of the page again."""
        for offer in planned:
            is_late = deadline.remaining() < SECONDS_FOR_OFFER or (self.is_following and self.report.offered >= MAX_OFFERS_WHILE_FOLLOWING)
            if is_late or not self._keep_lease():
                self.is_stopped = True
                return False
            try:
                make_offer(
                    self.event, offer.entry, offer.tier, allocator=self.allocator, now=self.now, extra_items=self._ballot_items(offer)
                )
            except (ActiveReservationExists, PurchaseLimitExceeded) as error:
                self._record_blocked(offer.entry, error)
                return False
            except OwnTicketsForResale:  # the person has just offered tickets of this event for resale
                self.sellers.add(offer.entry.user_id)
                return False
            except offers.Conflict:
                self.handled_entry_ids.add(offer.entry.id)
                self.is_stopped = (store.find_line(self.event.id) or self.line).leased_by != self.allocator
                return False
            except PoolMismatch:
                catalog.refresh_snapshot()
                self.is_stopped = True
                return False
            except TooManyHolds as refusal:  # no more offers until some people have answered theirs
                logger.info("waitlist.not_offered", event_id=self.event.id, reason=refusal.code)
                self.full_stock_ids.add(refusal.stock_id)
                self.remaining[refusal.stock_id] = 0
                return False
            except (NotEnoughTickets, SalePaused) as refusal:
                logger.info("waitlist.not_offered", event_id=self.event.id, reason=refusal.code)
                self.is_stopped = True
                return False
            self.report.offered += 1
            self.handled_entry_ids.add(offer.entry.id)
            take(TierSupply(offer.tier, tuple(self.current.tier_shard_counts(offer.tier))), offer.entry.quantity, self.remaining)
        return True

    def _ballot_items(self, offer: PlannedOffer) -> Callable[[str], list[dynamo.TransactItem]]:
        """Return a function that returns the transaction items that publish a ballot offer, or no items if there is no ballot.

        The transaction fails if the same draw number already has an offer.
        """
        position = _drawn_position(offer.entry, self.draw)
        if position is None or offer.entry.draw_number is None:
            return lambda _: []
        published = BallotOffer(
            position=position,
            draw_number=offer.entry.draw_number,
            tier_id=offer.tier.id,
            quantity=offer.entry.quantity,
            offered_at=self.now,
        )
        items = [store.ballot_offer_item(self.event.id, published, self.kept_until)]
        if offer.entry.odds_key is not None:
            from chalicelib.waiting_room import service as waiting_room  # imported here because few lines have better odds

            items.append(waiting_room.record_win_item(offer.entry.odds_key, self.now))
        return lambda _: items

    def _is_blocked(self, entry: Entry, tier: Tier) -> bool:
        if entry.id not in self.errors:
            first = next(number for number, upcoming in enumerate(self.upcoming) if upcoming.id == entry.id)
            entries = [upcoming for upcoming in self.upcoming[first : first + self.check_size] if upcoming.id not in self.errors]
            quantities = {upcoming.user_id: upcoming.quantity for upcoming in entries}
            blocked = offers.find_blocked(self.event, quantities)
            if any(supply.tier.is_resale and free_tickets(supply, self.remaining) for supply in self.stock.supplies.values()):
                self.sellers |= offers.find_sellers(self.event, quantities)
            for upcoming in entries:
                self._record_blocked(upcoming, blocked.get(upcoming.user_id))
            self.check_size = min(2 * self.check_size, MAX_BUYERS)
        return self.errors[entry.id] is not None or (tier.is_resale and entry.user_id in self.sellers)

    def _record_blocked(self, entry: Entry, error: ApiError | None) -> None:
        self.errors[entry.id] = error
        self.report.deferred += error is not None


def _find_draw(event: Event, now: int) -> RoomState | None:
    from chalicelib.waiting_room import service as waiting_room  # imported here because few lines have a ballot

    return waiting_room.find_draw(event.id, now)


def _drawn_position(entry: Entry, draw: RoomState | None) -> int | None:
    return None if entry.draw_number is None else entry.draw_number.position(draw)


def _is_registered(current: Catalog, event: Event, entry: Entry) -> bool:
    """Return whether an entry may get an offer of a ballot. If the event requires cards, entries for paid tickets need one."""
    if event.ballot_cards != "required" or entry.has_card:
        return True
    return not any(tier.price_cents for tier_id in entry.tier_ids if (tier := current.tiers.get(tier_id)) is not None)


def _is_open(purchase: Purchase | None) -> bool:
    return purchase is not None and purchase.state in ACTIVE_STATES
