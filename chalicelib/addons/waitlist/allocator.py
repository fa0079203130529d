"""The allocator offers returned tickets to the waitlist one by one, and records how earlier offers ended.

The allocator reads the stock, and then the line page by page. For each page it plans offers (`offer_plan`), and makes one offer at a time.
Each offer is a transaction that fails unless its entry is still waiting and this allocator still holds the lease on the line. If an offer
fails because its entry or its buyer has just changed, the allocator plans the rest of the page again, so its tickets go to the next person.
"""

import itertools
import sys
from collections.abc import Callable, Iterable, Set

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.addons.waitlist import kept_stocks, store
from chalicelib.addons.waitlist.model import (
    KEPT_SECONDS,
    LAST_DAY_SECONDS,
    OF_CANCELLATION,
    TOLD_ALL,
    BallotOffer,
    Census,
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
from chalicelib.foundation import addons, deadline, ids, parallel, settings
from chalicelib.foundation.errors import ApiError
from chalicelib.foundation.log import logger
from chalicelib.inventory.model import NotEnoughTickets, PoolMismatch, SalePaused, TooManyHolds
from chalicelib.purchases import offers, queries
from chalicelib.purchases.errors import ActiveReservationExists, OwnTicketsForResale, PurchaseLimitExceeded
from chalicelib.purchases.model import ACTIVE_STATES, Purchase
from chalicelib.waiting_room.model import RoomState

MAX_PASSES = 3  # per run; the line is read again after stocks were released, because somebody may have joined in the meantime
MAX_FOLLOWED_PAGES = 4  # of the line, read while following a change: meanwhile, emails and webhooks wait
MAX_FOLLOWED_OFFERS = 20
MAX_FOLLOWED_ENDS = 100  # offers that are checked while following a change
MAX_CHECKED = 5000  # offers that a scheduled run checks; if there are more, the next run continues
DRAWN_PAGE = 1000  # places that are planned at once in the drawn order
RELEASE_SECONDS = 60  # after this time, a release has added its tickets to the stock; the draw begins before that
MAX_NOTES = 200  # per run: entries that are noted as passed over for the first time
MAX_TOLD = 1000  # per run: people who are told that their event was cancelled; one run of `send_messages` sends about as many emails
MAX_PROLONGED = 200  # per run: entries that are kept longer because their event was postponed
PLACES_PER_SECOND = 500  # counted on average: a line of 30,000 is counted each minute, and longer lines less often
MAX_BUYERS = dynamo.MAX_BATCH_GET  # checked at once
SHORTEST_OFFER_SECONDS = 900  # unless the sale ends earlier
TURNS = Turns(patience=3600, keep=3600)
NOBODY = sys.maxsize  # the smallest quantity if nobody may have an offer now
MAX_FAILED_LINES = 3  # after this many in a row, the store is probably down for all lines
SECONDS_FOR_OFFER = 3  # no offer is started with less time left
SECONDS_FOR_OTHERS = 30  # left to the other followers of a change; the schedule runs the allocator for the other lines within a minute


class AllocationReport(Struct):
    """The counts of a run: new offers, offers that ended, and entries that were deferred because their buyers could not get an offer."""

    offered: int = 0
    ended: int = 0
    deferred: int = 0


def allocate_all(now: int) -> AllocationReport:
    """Run the allocator for all events with a line, until time runs out. The line whose last run was longest ago comes first.

    Raises the first store error after the other lines.
    """
    return allocate_each(store.list_lines(), now, is_following=False)


def allocate_each(lines: Iterable[Line], now: int, *, is_following: bool) -> AllocationReport:
    """Run the allocator for these lines. An error in one event does not stop the others.

    Raises the first store error after the other lines, or at once after MAX_FAILED_LINES lines in a row. `is_following`: the run follows a
    change (see `allocate`), and has little time.
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
    """Record ended offers, and offer returned tickets unless another allocator holds the lease. Safe to repeat or to run in parallel.

    An allocator that is following a change makes only the first offers, and leaves the rest of the line to the next run.
    """
    current = catalog.find_snapshot(lambda catalog: line.event_id in catalog.events)
    event, report = current.find_event(line.event_id), AllocationReport()
    if event is None:
        return report
    report.ended, open_offers = end_offers(line, now, is_following)
    if not _takes_offers(event, now):
        # The next steps may delete a line in which people wait, so check the current catalog: a newer version may allow the waitlist again.
        current = catalog.load_current()
        event = current.find_event(line.event_id)
    if event is None:
        return report
    if not _takes_offers(event, now):
        are_all_told = not is_following and _tell_of_cancellation(event, line, now)
        if line.stock_ids:
            kept_stocks.release_stocks(current, event, line)
            store.remove_stocks(line, line.stock_ids)
        elif are_all_told and not store.list_offered(event.id, limit=1):
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


def _takes_offers(event: Event, now: int) -> bool:
    return event.has_waitlist and event_phase(event, now) not in ("closed", "cancelled")


def _tell_of_cancellation(event: Event, line: Line, now: int) -> bool:
    """Tell the next MAX_TOLD waiting people that the event was cancelled. Returns whether all are told; if not, the next run continues."""
    told_to = line.told_of(OF_CANCELLATION)
    if told_to == TOLD_ALL or event.status != "cancelled" or now > event.last_sale_at or not addons.is_on("messages"):
        return True
    entries = [place.entry for place in next(store.read_pages(event.id, told_to, MAX_TOLD // store.PARTS), [])]
    parallel.call_each(lambda entry: _queue_email("waitlist_cancelled", entry, now), entries)
    store.save_told(event.id, entries[-1].id if entries else TOLD_ALL, OF_CANCELLATION)
    return not entries


def _queue_email(kind: str, entry: Entry, now: int) -> None:
    """Queue the only email of this kind about an entry. Does nothing if it was queued before."""
    from chalicelib.notifications import outbox  # few runs need it

    user_id, event_id = entry.user_id, entry.event_id
    email = outbox.new_notification(kind, entry.id, 1, user_id=user_id, event_id=event_id, now=now, language=entry.language)
    outbox.queue_notification(email)


def end_offers(line: Line, now: int, is_following: bool = False) -> tuple[int, int]:
    """Mark the event's finished offers as accepted, declined or expired. Returns their number, and the number of the other offers.

    Uses at most half of the remaining time, so that thousands of offers that expire together do not delay other lines. If there are more
    than MAX_CHECKED offers, each run continues where the last run stopped: a ballot has many thousands of offers, which are open for hours,
    and people see the outcome of an offer even before it is recorded. The number of the other offers is then taken from the last census,
    minus the offers that this run has ended. An allocator that is following a change checks only the first offers.
    """
    after, limit = (None, MAX_FOLLOWED_ENDS) if is_following else (line.checked_to, MAX_CHECKED)
    offered = store.list_offered(line.event_id, after, limit)
    census = None
    if not is_following and (after is not None or len(offered) == limit):
        # Save the position first, so that an offer that makes a run fail does not keep later offers from being checked.
        store.save_checked(line.event_id, offered[-1].id if len(offered) == limit else None)
        census = store.find_census(line.event_id)
    purchases, unreadable = _load_purchases(offered)
    decided = [entry for entry in offered if entry.purchase_id not in unreadable]  # a newer version can read the others
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
    """Return the item that lets the sweep delete the saved card of an entry that has ended, if it has one."""
    return [] if entry.card is None else [offers.card_item(entry.id, None, entry.card, now, is_needed=False)]


def offer_state(purchase: Purchase | None, now: int) -> EntryState:
    """Return the state of an entry whose offer is this purchase: `offered` while the offer is open, then its outcome."""
    if purchase is not None and purchase.was_order:
        return "accepted"
    if purchase is not None and purchase.state == "cancelled" and not purchase.is_declined:
        return "declined"
    # An offer stays open past its deadline while the bank is still deciding on a payment.
    return "offered" if purchase is not None and (purchase.is_active(now) or purchase.state == "paying") else "expired"


def make_offer(
    event: Event, entry: Entry, tier: Tier, allocator: str | None, now: int, extra: Callable[[str], list[dynamo.TransactItem]]
) -> Purchase:
    """Hold the tickets for an entry, and mark the entry as offered. Raises what `offers.create_offer` raises."""
    until = offer_ends_at(event.for_tiers([tier]), tier, settings.current().waitlist_offer_seconds, SHORTEST_OFFER_SECONDS, now)

    def items_for(purchase_id: str) -> list[dynamo.TransactItem]:
        return [*store.offer_items(entry, purchase_id, until, allocator), *extra(purchase_id)]

    card = entry.card if entry.has_card and tier.price_cents > 0 else None
    return offers.create_offer(entry.user_id, event, tier, entry.quantity, entry.id, until, items_for, now, entry.language, card)


def _begin_census(event_id: str, now: int) -> Census:
    """Return an empty census. Its numbers include everybody who has ever joined, because people who have left have numbers too."""
    people, tickets = store.read_arrivals(event_id)
    return Census(full_at=now, people_to=people, tickets_to=tickets)


class _Pass:
    """One pass through the line of an event, from its beginning until no tickets are left or the line ends.

    `left` has the number of tickets that the rest of the line may get, by stock id, and `claimed` has the ids of the stocks for which a
    large party ahead takes turns. `wanted` has the ids of the tiers that people wait for, ignoring people who are known to be at their
    limit. `smallest` has the smallest quantity that somebody wants, by tier id, ignoring everybody who is known to be unable to get an
    offer now.
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
        self.left = dict(self.stock.free)
        # This runs the draw if it is due, even if nobody opens the room.
        self.draw = _find_draw(event, now) if event.has_ballot and not is_following else None
        supplies = {} if event.has_ballot else self.stock.for_line(self.line)  # in a ballot, all tickets are offered in the drawn order
        self.drawn = {tier_id: supply for tier_id, supply in supplies.items() if supply.tier.stock_id in self.line.draws}
        self.supplies = {tier_id: supply for tier_id, supply in supplies.items() if tier_id not in self.drawn}
        self.claimed: Set[str] = frozenset()
        self.turns = TURNS if event.last_sale_at - now > LAST_DAY_SECONDS else None
        self.wanted, self.smallest = set[str](), dict[str, int]()
        census = None if is_following else store.find_census(event.id)
        self.is_full = not is_following and (census is None or now >= census.full_at + census.people // PLACES_PER_SECOND)
        self.census = _begin_census(event.id, now) if self.is_full else census or Census(full_at=now)
        self.notes = 0
        self.kept_until = event.last_sale_at + KEPT_SECONDS
        self.prolonged = 0
        self.is_stopped = False  # no more offers can be made in this pass
        self.busy = set[str]()  # ids of stocks whose shards accept no more offers for now
        self.gone = set[str]()  # ids of entries that got an offer or have just changed
        self.checked = dict[str, ApiError | None]()  # entry id -> why the entry cannot have an offer now
        self.sellers = set[str]()  # ids of users who have offered tickets of the event for resale, and may not be offered their own
        self.upcoming = list[Entry]()  # the entries of the current page
        self.chunk = 1  # how many buyers are checked next; grows while many of them cannot have an offer

    def run(self) -> bool:
        """Make offers, count the line, and release tickets that nobody wants, or that are fewer than anybody in the line wants.

        Returns whether to pass through the line again.
        """
        if self.drawn and not self.is_following:
            self._serve_draws()
        if self.draw is not None and event_phase(self.event, self.now) == "open":  # the opening may have been postponed after the draw
            self._serve_ballot(self.draw)
        is_complete = self._serve_line()
        if deadline.remaining() < SECONDS_FOR_OFFER or (self.is_following and not is_complete):
            return False
        if not self.is_following:
            if not self.is_full:
                for places in store.read_pages(self.event.id, self.census.counted_to or None):
                    self._note_wanted(places)
                    self._count(places)
            self.census.offered = self.open_offers + self.report.offered
            store.save_census(self.event.id, self.census, self.now, self.kept_until)
            if self.prolonged:
                store.prolong_arrivals(self.event.id, self.kept_until)
        counted = {key for key, supply in self.stock.supplies.items() if supply.tier.id in self.census.tiers}
        wanted = self.wanted if is_complete else self.wanted | counted
        if kept_stocks.keep_wanted(self.event, self.stock, self.line, wanted):
            return True
        left = {tier_id: free_tickets(supply, self.left) for tier_id, supply in self.supplies.items()}
        if (is_complete and not self.is_stopped) or not any(left.values()):
            smallest = {tier_id: self.smallest.get(tier_id, NOBODY) for tier_id in self.supplies}
            too_large = {tier_id: quantity for tier_id, quantity in smallest.items() if 0 < left[tier_id] < quantity}
            kept_stocks.spare_leftovers(self.current, self.event, self.stock, self.line, too_large)
        return False

    def _serve_draws(self) -> None:
        """Offer the tickets of each stock that is drawn, in the drawn order. The draw ends when its tickets or its people have run out.

        Reads the whole line once, and keeps it in memory.
        """
        has_tickets = any(free_tickets(supply, self.left) for supply in self.drawn.values())
        line = [place for page in store.read_pages(self.event.id) for place in page] if has_tickets else []
        for tier_id, supply in self.drawn.items():
            draw = self.line.draws[supply.tier.stock_id]
            if not free_tickets(supply, self.left) and self.now < draw.begun_at + RELEASE_SECONDS:
                continue
            waiting = [place for place in line if place.entry.id <= draw.last_id and place.entry.accepts(supply.tier)]
            waiting.sort(key=lambda place: draw.rank(place.entry))
            self._serve_in_order(waiting, {tier_id: supply})
            if self.is_stopped or not self.busy.isdisjoint(supply.stock_ids) or deadline.remaining() < SECONDS_FOR_OFFER:
                return  # the next run continues
            draws = {stock_id: other for stock_id, other in self.line.draws.items() if other != draw}
            if store.set_draws(self.line, draws):  # otherwise a stock was added, and the next run ends the draw
                self.line = replace(self.line, draws=draws, namings=self.line.namings + 1)

    def _serve_ballot(self, draw: RoomState) -> None:
        """Offer all tickets in the drawn order. Then tell the people who got none, once all ticket types are on sale.

        People without a number of this draw follow in order of arrival. Reads the whole line once, and keeps it in memory.
        """
        supplies = self.stock.supplies
        if self._has_tickets(supplies):
            # Accounts that proved the same address share a position. The position gets one offer, and trying to hold tickets for the other
            # accounts would take time.
            taken = {offer.position for offer in store.list_ballot_offers(self.event.id, draw.room)}
            drawn, others = dict[int, Place](), list[Place]()
            for place in (place for page in store.read_pages(self.event.id) for place in page):
                if not _is_registered(self.current, self.event, place.entry):
                    continue
                position = _drawn_position(place.entry, draw)
                if position is None:
                    others.append(place)
                elif position not in taken:
                    drawn.setdefault(position, place)
            self._serve_in_order([*(drawn[position] for position in sorted(drawn)), *others], supplies)
        tiers = self.current.visible_tiers(self.event)
        is_waiting = any(current_tier_status(self.current, tier, self.now) == "coming-soon" for tier in tiers)
        if not (self.is_stopped or self.busy or is_waiting or self.event.is_paused):
            self._tell_losers(draw)

    def _tell_losers(self, draw: RoomState) -> None:
        """Tell everybody who took part in the draw and still waits for an offer, and record the loss for better odds in the next ballot.

        The next run continues after the last page that was told.
        """
        told_to = self.line.told_of(draw.room)
        if told_to == TOLD_ALL or not (addons.is_on("messages") or draw.better_odds):
            return
        from chalicelib.waiting_room import service as waiting_room  # few runs need it

        held = sum(shard.held for supply in self.stock.supplies.values() for shard in self.stock.shards[supply.tier.stock_id])
        if held > self._count_offered_tickets():
            return  # tickets may come back without an offer to anybody, for example after a crash
        for places in store.read_pages(self.event.id, told_to):
            for entry in (place.entry for place in places):
                if deadline.remaining() < SECONDS_FOR_OFFER:  # a page may have thousands of people
                    if told_to is not None:
                        store.save_told(self.event.id, told_to, draw.room)
                    return
                if (
                    entry.id not in self.gone
                    and _is_registered(self.current, self.event, entry)
                    and _drawn_position(entry, draw) is not None
                ):
                    if addons.is_on("messages"):
                        _queue_email("ballot_lost", entry, self.now)
                    if entry.odds_key is not None and self._could_win(entry):
                        waiting_room.record_loss(entry.odds_key, draw, self.now)
                told_to = entry.id
            if places:
                store.save_told(self.event.id, places[-1].entry.id, draw.room)
        store.save_told(self.event.id, TOLD_ALL, draw.room)

    def _count_offered_tickets(self) -> int:
        """Return the number of tickets in open offers. Reads all of their purchases, because outcomes are recorded later."""
        offered = store.list_offered(self.event.id)
        purchases, unreadable = _load_purchases(offered)
        return sum(
            entry.quantity for entry in offered if entry.purchase_id in unreadable or _is_open(purchases.get(entry.purchase_id or ""))
        )

    def _could_win(self, entry: Entry) -> bool:
        """Return whether some tickets fit an entry. Otherwise, people could collect better odds with wishes that nobody can meet."""
        return any(entry.accepts(supply.tier) and entry.can_fit(supply.tier) for supply in self.stock.supplies.values())

    def _serve_in_order(self, places: list[Place], supplies: dict[str, TierSupply]) -> None:
        """Offer the supplies to people in a drawn order, in portions, while tickets are left."""
        for first in range(0, len(places), DRAWN_PAGE):
            if self._has_tickets(supplies):
                self._serve(places[first : first + DRAWN_PAGE], supplies, None)

    def _has_tickets(self, supplies: dict[str, TierSupply]) -> bool:
        return not self.is_stopped and any(free_tickets(supply, self.left) > 0 for supply in supplies.values())

    def _serve_line(self) -> bool:
        """Make offers while tickets are left, and count the places if a full count is due. Returns whether the whole line was read."""
        pages = store.read_pages(self.event.id)
        for number in itertools.count():
            has_tickets = self._has_tickets(self.supplies)
            if not (has_tickets or self.is_full) or (self.is_following and number == MAX_FOLLOWED_PAGES):
                return False
            places = next(pages, None)
            if places is None:
                return True
            if has_tickets:
                self._serve(places, self.supplies, self.turns)
            if deadline.remaining() < SECONDS_FOR_OFFER:
                return False
            self._note_wanted(places)
            if self.is_full:
                self._count(places)
                self._prolong(places)
        return False

    def _note_wanted(self, places: list[Place]) -> None:
        for place in places:
            entry = place.entry
            error = self.checked.get(entry.id)
            if isinstance(error, PurchaseLimitExceeded):
                continue
            tiers = {tier_id: supply.tier for tier_id, supply in self.stock.supplies.items() if entry.accepts(supply.tier)}
            self.wanted |= tiers.keys()  # even if the entry is too large now, because more capacity would go to the line
            if entry.id not in self.gone and error is None:
                is_seller = entry.user_id in self.sellers
                fitting = [tier_id for tier_id, tier in tiers.items() if entry.can_fit(tier) and not (is_seller and tier.is_resale)]
                self.smallest |= {tier_id: min(entry.quantity, self.smallest.get(tier_id, entry.quantity)) for tier_id in fitting}

    def _count(self, places: list[Place]) -> None:
        for place in places:
            if place.entry.id not in self.gone:
                self.census.add(place.entry)

    def _prolong(self, places: list[Place]) -> None:
        """Keep entries longer if the event was postponed since people joined. Later runs continue with the rest."""
        for entry in (place.entry for place in places if place.entry.ttl < self.kept_until):
            if self.prolonged == MAX_PROLONGED or deadline.remaining() < SECONDS_FOR_OFFER:
                return
            if entry.id not in self.gone:
                store.prolong_entry(entry, self.kept_until)
                self.prolonged += 1

    def _serve(self, places: list[Place], supplies: dict[str, TierSupply], turns: Turns | None) -> None:
        """Offer the supplies to the people of a page in order, and note the entries that are passed over for the first time."""
        while not self.is_stopped:
            places = [place for place in places if place.entry.id not in self.gone]
            self.upcoming = [place.entry for place in places]
            plan = plan_offers(places, supplies, self.left, self.now, turns, self._is_blocked, self.claimed)
            if self._make_offers(plan.offers):
                for entry in plan.passed[: MAX_NOTES - self.notes]:
                    store.note_passed(entry, self.now)
                    self.notes += 1
                self.left, self.claimed = plan.left, plan.claimed
                return

    def _make_offers(self, planned: list[PlannedOffer]) -> bool:
        """Make planned offers. Returns False if an offer could not be made, so that the rest of the page must be planned again."""
        for offer in planned:
            if deadline.remaining() < SECONDS_FOR_OFFER or (self.is_following and self.report.offered >= MAX_FOLLOWED_OFFERS):
                self.is_stopped = True
                return False
            try:
                make_offer(self.event, offer.entry, offer.tier, self.allocator, self.now, self._ballot_items(offer))
            except (ActiveReservationExists, PurchaseLimitExceeded) as error:
                self._note_blocked(offer.entry, error)
                return False
            except OwnTicketsForResale:  # offered just now
                self.sellers.add(offer.entry.user_id)
                return False
            except offers.Conflict:
                self.gone.add(offer.entry.id)
                self.is_stopped = (store.find_line(self.event.id) or self.line).leased_by != self.allocator
                return False
            except PoolMismatch:
                catalog.refresh_snapshot()
                self.is_stopped = True
                return False
            except TooManyHolds as refusal:  # until some of the people with an offer have answered
                logger.info("waitlist.not_offered", event_id=self.event.id, reason=refusal.code)
                self.busy.add(refusal.stock_id)
                self.left[refusal.stock_id] = 0
                return False
            except (NotEnoughTickets, SalePaused) as refusal:
                logger.info("waitlist.not_offered", event_id=self.event.id, reason=refusal.code)
                self.is_stopped = True
                return False
            self.report.offered += 1
            self.gone.add(offer.entry.id)
            take(TierSupply(offer.tier, tuple(self.current.tier_shard_counts(offer.tier))), offer.entry.quantity, self.left)
        return True

    def _ballot_items(self, offer: PlannedOffer) -> Callable[[str], list[dynamo.TransactItem]]:
        """Return the items that publish an offer of a ballot. They refuse a second offer to the same number of the draw."""
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
            from chalicelib.waiting_room import service as waiting_room  # few lines have better odds

            items.append(waiting_room.record_win_item(offer.entry.odds_key, self.now))
        return lambda _: items

    def _is_blocked(self, entry: Entry, tier: Tier) -> bool:
        if entry.id not in self.checked:
            first = next(number for number, upcoming in enumerate(self.upcoming) if upcoming.id == entry.id)
            entries = [upcoming for upcoming in self.upcoming[first : first + self.chunk] if upcoming.id not in self.checked]
            quantities = {upcoming.user_id: upcoming.quantity for upcoming in entries}
            blocked = offers.find_blocked(self.event, quantities)
            if any(supply.tier.is_resale and free_tickets(supply, self.left) for supply in self.stock.supplies.values()):
                self.sellers |= offers.find_sellers(self.event, quantities)
            for upcoming in entries:
                self._note_blocked(upcoming, blocked.get(upcoming.user_id))
            self.chunk = min(2 * self.chunk, MAX_BUYERS)
        return self.checked[entry.id] is not None or (tier.is_resale and entry.user_id in self.sellers)

    def _note_blocked(self, entry: Entry, error: ApiError | None) -> None:
        self.checked[entry.id] = error
        self.report.deferred += error is not None


def _find_draw(event: Event, now: int) -> RoomState | None:
    from chalicelib.waiting_room import service as waiting_room  # few lines have a ballot

    return waiting_room.find_draw(event.id, now)


def _drawn_position(entry: Entry, draw: RoomState | None) -> int | None:
    return None if entry.draw_number is None else entry.draw_number.position(draw)


def _is_registered(current: Catalog, event: Event, entry: Entry) -> bool:
    """Return whether an entry may get an offer of a ballot. If the event requires a card, wishes for tickets with a price need one."""
    if event.ballot_cards != "required" or entry.has_card:
        return True
    return not any(tier.price_cents for tier_id in entry.tier_ids if (tier := current.tiers.get(tier_id)) is not None)


def _is_open(purchase: Purchase | None) -> bool:
    return purchase is not None and purchase.state in ACTIVE_STATES
