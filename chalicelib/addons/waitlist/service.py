"""Join and leave a waitlist, list its entries, make offers by hand, and run the allocator when tickets come back."""

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.addons.waitlist import allocator, kept_stocks, store
from chalicelib.addons.waitlist.model import (
    KEPT_SECONDS,
    MAX_TIERS,
    AmountChanged,
    BallotOffer,
    CardNotWanted,
    Census,
    DrawNumber,
    Entry,
    EntryBusy,
    EntryNotFound,
    EntryNotWaiting,
    EntryStatus,
    Line,
    Place,
    Position,
    TicketsAvailable,
    WaitlistClosed,
    entry_event_id,
)
from chalicelib.addons.waitlist.offer_plan import cheapest_first
from chalicelib.audit import service as audit
from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import Catalog, Event, Tier, TierStatus
from chalicelib.catalog.sale_rules import EventNotOnSale, TierNotOnSale, current_tier_status, event_phase
from chalicelib.changes.model import Change, EventChanged, EventResumed, OrderPaid, SeatsReturned, TierChanged
from chalicelib.dynamodb import dynamo
from chalicelib.edge import rate_limits
from chalicelib.edge.languages import Language
from chalicelib.foundation import clock, ids, log, parallel, settings
from chalicelib.foundation.errors import ApiError, InvalidInput, NotFound
from chalicelib.foundation.log import logger
from chalicelib.inventory.availability import cached_stock, read_shown_stock
from chalicelib.inventory.model import NO_STOCK, NotEnoughTickets, PoolMismatch, Stock
from chalicelib.payments import service as payments
from chalicelib.payments.model import CardCheck, CardRefused, SavedCard
from chalicelib.purchases import offers, queries, reservations
from chalicelib.purchases.errors import ActiveReservationExists, OwnTicketsForResale, TierLimitExceeded
from chalicelib.purchases.model import ACTIVE_STATES, Purchase
from chalicelib.waiting_room import service as waiting_room
from chalicelib.waiting_room.model import DrawnByBallot

MAX_COUNTED = 100  # lines of up to this many people are counted on request, longer lines once a minute
MAX_COUNTED_OFFERS = 100  # if there are more open offers, they are counted once a minute instead of for each page that a manager loads


class JoinRequest(Struct, frozen=True):
    """A request to join. `tier_ids` defaults to all tiers that are sold out or not on sale yet, cheapest first. Emails use `language`.

    Before the draw of a ballot, `token` is the user's token of the waiting room.
    """

    event_id: str
    quantity: int = 1
    tier_ids: Sequence[str] | None = None
    max_price_cents: int | None = None
    language: Language | None = None
    token: str | None = None


class OwnEntry(Struct, frozen=True):
    """An entry of a user, with its position while it waits, its offer (if any), and its position in the draw of a ballot."""

    entry: Entry
    position: Position | None = None
    offer: Purchase | None = None
    drawn_position: int | None = None

    def status(self, event: Event | None, now: int) -> EntryStatus:
        """Return the status that the owner sees.

        It shows an offer's outcome even before the outcome is recorded. A waiting entry that can no longer get an offer is `closed`.
        """
        if self.entry.state == "offered":
            return allocator.offer_state(self.offer, now)
        is_closed = event is None or not event.has_waitlist or event_phase(event, now) in ("closed", "cancelled")
        return "closed" if self.entry.state == "waiting" and is_closed else self.entry.state


class LineOverview(Struct, frozen=True):
    """The line of an event, and a page of either its waiting entries or its entries with an open offer, in order of arrival.

    `waiting` and `offered` are the numbers of entries, and `tiers` has (people, tickets) of the waiting entries by tier id. In a line that
    is longer than a page, these numbers are up to a minute old. `is_last` means that no entry follows the page.
    """

    line: Line
    page: list[Place]
    is_last: bool
    waiting: int
    offered: int
    tiers: dict[str, tuple[int, int]]


class EntryCardFormView(Struct, frozen=True):
    """What a page needs to save a card: the `provider`, the key for its form, and the promoter's `account` there if it takes the payments.

    `max_cents` is the most that the card may be charged; send this amount back to accept it. The provider `simulated` has no form: any text
    is a card. Its bank declines the card `declined` at once, and the card `declined-later` when the card is charged.
    """

    event_id: str
    provider: str
    publishable_key: str | None
    account: str | None
    max_cents: int
    currency: str


class CardSaving(Struct, frozen=True):
    """An entry with its saved card, or what the provider's form needs so that the owner can first confirm the card to the bank."""

    own: OwnEntry
    check_id: str | None = None
    client_secret: str | None = None


class JoinedEntry(Struct, frozen=True):
    """The entry of a user who joined. `has_left_before`: an earlier entry of the user for this event has ended."""

    own: OwnEntry
    is_new: bool
    has_left_before: bool = False


def join_waitlist(user_id: str, wanted: JoinRequest, now: int) -> JoinedEntry:
    """Join the waitlist of an event. Returns the existing entry if the person already waits or has an open offer.

    Raises NotFound, InvalidInput, EventNotOnSale, WaitlistClosed, TicketsAvailable, TierNotOnSale, TierLimitExceeded, PurchaseLimitExceeded
    and, for a ballot, what `waiting_room.number_in_draw` raises.
    """
    current, event = catalog.get_visible_event(wanted.event_id)
    before, line = store.find_entry_and_line(user_id, event.id)
    if before is not None and not before.has_ended and not _has_offer_ended(before, now):
        return JoinedEntry(_own_entry(before, now), is_new=False)
    _check_event(event, now)
    stocks = _find_stocks(current, event, wanted, now)
    tiers, sold_out = _choose_tiers(current, event, stocks, wanted, now)
    offers.check_limit(user_id, event, wanted.quantity)
    numbered = waiting_room.number_in_draw(event.id, user_id, wanted.token, now) if event.has_ballot else None
    entry = Entry(
        id=f"{event.id}.{ids.new_id()}",
        user_id=user_id,
        event_id=event.id,
        tier_ids=[tier.id for tier in tiers],
        quantity=wanted.quantity,
        joined_at=now,
        ttl=event.last_sale_at + KEPT_SECONDS,
        max_price_cents=wanted.max_price_cents,
        language=wanted.language,
        draw_number=None if numbered is None else DrawNumber.of_listed(numbered.room, numbered.entry),
        odds_key=None if numbered is None else numbered.odds_key,
    )
    if line is None:
        store.open_line(event.id, entry.ttl)
    entry = store.count_arrival(entry)
    if not store.create_entry(entry, before):
        joined = store.find_entry(user_id, event.id)
        return JoinedEntry(_own_entry(joined or entry, now), is_new=False)
    for_resale = [resale for tier in sold_out for resale in tier.resale_tiers if stocks.get(resale.stock_id, NO_STOCK).available == 0]
    not_kept = [tier for tier in (*sold_out, *for_resale) if line is None or tier.stock_id not in line.stock_ids]
    if not_kept:
        kept_stocks.keep_stocks_for_line(current, event, not_kept, {stock_id: stock.available for stock_id, stock in stocks.items()})
    log.count("waitlist_joins")
    logger.info("waitlist.joined", event_id=event.id, entry_id=entry.id, quantity=entry.quantity)
    return JoinedEntry(_own_entry(entry, now), is_new=True, has_left_before=before is not None)


def leave_waitlist(user_id: str, entry_id: str, now: int) -> OwnEntry:
    """Give up the place of an entry, or decline its offer. An entry that has already ended is returned unchanged.

    Raises EntryNotFound, and what `reservations.release` raises for an offer that is paid or being paid.
    """
    entry = _find_own(user_id, entry_id)
    if entry.state == "waiting":
        left = store.end_waiting(entry, now, allocator.removal_items(entry, now))
        if left is not None:
            return OwnEntry(left)
        entry = _find_own(user_id, entry_id)  # the entry has just got an offer, or its owner has just saved a card
        if entry.state == "waiting":
            raise EntryBusy()
    if entry.state == "offered" and entry.purchase_id is not None:
        purchase = reservations.release(user_id, entry.purchase_id, now)
        return OwnEntry(allocator.end_offer(entry, purchase, now), offer=purchase)
    return _own_entry(entry, now)


# Saved cards: in a ballot with cards, the sweep charges the entry's card for its offer.


def card_limit(entry: Entry) -> tuple[int, str] | None:
    """Return the highest amount in cents that an offer to a waiting entry can cost now, and its currency.

    Returns None if the event takes no cards for this entry, for example because its tickets are free.
    """
    current = catalog.snapshot()
    event = current.find_event(entry.event_id)
    tiers = [tier for tier_id in entry.tier_ids if (tier := current.tiers.get(tier_id)) is not None and entry.accepts(tier)]
    prices = [tier.price_cents for tier in tiers]
    if event is None or event.ballot_cards == "none" or event_phase(event, clock.now()) in ("closed", "cancelled") or not any(prices):
        return None
    return entry.quantity * max(prices), tiers[0].currency


def show_card_form(user_id: str, entry_id: str) -> EntryCardFormView:
    """Return what a page needs to save the card of an entry. Raises EntryNotFound, CardNotWanted and PaymentsUnavailable."""
    entry = _find_own(user_id, entry_id)
    limit, provider = _require_limit(entry), payments.card_checker()
    key = payments.browser_key(provider) if payments.is_external(provider) else None
    return EntryCardFormView(entry.event_id, provider, key, catalog.snapshot().charged_account_id(entry.event_id), *limit)


def save_card(user_id: str, entry_id: str, card: str, max_cents: int, now: int) -> CardSaving:
    """Save a card that may be charged `max_cents` once, if the entry is offered tickets. Replaces an earlier card. Safe to repeat.

    The caller must first count each call as an attempt to use a card. Raises EntryNotFound, CardNotWanted, AmountChanged, EntryBusy,
    CardRefused, RateLimited if banks have declined too many cards, PaymentsUnavailable, AccountUnreachable and ProviderUnavailable.
    """
    entry = _find_own(user_id, entry_id)
    currency = _check_accepted_amount(entry, max_cents)
    rate_limits.check_guesses(rate_limits.DECLINED_CARD, entry.event_id, now)
    provider, account = payments.card_checker(), catalog.snapshot().charged_account_id(entry.event_id)
    saved = SavedCard(provider, account, max_cents, currency, now)
    if entry.card is not None and (entry.card.provider, entry.card.account) == (provider, account):
        saved = replace(saved, customer_id=entry.card.customer_id)
    if saved.customer_id is None:
        entry = _write_card(entry, saved, now)  # before the customer is created, so that the sweep finds the customer even after a crash
        saved = replace(saved, customer_id=payments.create_customer(provider, entry.id, account))
        entry = _write_card(entry, saved, now)
    return _finish_saving(entry, saved, payments.check_card(card, entry.id, account, saved.customer_id), now)


def finish_card(user_id: str, entry_id: str, check_id: str, max_cents: int, now: int) -> CardSaving:
    """Save a card after its owner has confirmed it to the bank. Raises what `save_card` raises."""
    entry = _find_own(user_id, entry_id)
    currency = _check_accepted_amount(entry, max_cents)
    if entry.card is None:
        raise CardRefused(reason="declined")
    saved = replace(entry.card, max_cents=max_cents, currency=currency, accepted_at=now)
    return _finish_saving(entry, saved, payments.find_card_check(check_id, saved.account), now)


def _require_limit(entry: Entry) -> tuple[int, str]:
    limit = card_limit(entry) if entry.state == "waiting" else None
    if limit is None:
        raise CardNotWanted()
    return limit


def _check_accepted_amount(entry: Entry, max_cents: int) -> str:
    """Return the currency of the amount that a person accepts.

    Raises CardNotWanted if the entry needs no card, and AmountChanged if the highest amount has changed.
    """
    limit, currency = _require_limit(entry)
    if max_cents != limit:
        raise AmountChanged(max_cents=limit, currency=currency)
    return currency


def _finish_saving(entry: Entry, saved: SavedCard, check: CardCheck | None, now: int) -> CardSaving:
    if check is None or check.status == "declined" or (check.owner, check.customer_id) != (entry.id, saved.customer_id):
        rate_limits.count_guess(rate_limits.DECLINED_CARD, entry.event_id, now)
        raise CardRefused(reason="declined")
    if check.status == "requires_action":
        return CardSaving(_own_entry(entry, now), check.id, check.client_secret)
    if check.is_wallet:
        raise CardRefused(reason="wallet")
    return CardSaving(_own_entry(_write_card(entry, replace(saved, method_id=check.method_id), now), now))


def _write_card(entry: Entry, card: SavedCard, now: int) -> Entry:
    event = catalog.snapshot().find_event(entry.event_id)
    written = store.save_card(entry, card, offers.card_item(entry.id, event, card, now, is_needed=True))
    if written is None:
        raise EntryBusy()
    return written


def list_own_entries(user_id: str, now: int) -> list[OwnEntry]:
    """Return the user's latest entry for each event, newest first."""
    entries = sorted(store.list_user_entries(user_id), key=lambda entry: entry.joined_at, reverse=True)
    return [_own_entry(entry, now) for entry in entries]


def line_overview(event_id: str, state: Literal["waiting", "offered"], limit: int, after: str | None) -> LineOverview:
    """Return the line of an event with its numbers, and up to `limit` of its entries in this state that follow the entry `after`."""
    line, census = store.find_line(event_id) or Line(event_id=event_id), store.find_census(event_id)
    if state == "waiting":
        places = next(store.read_pages(event_id, after, limit + 1))
    else:
        places = [Place(entry) for entry in store.list_offered(event_id, after, limit + 1)]
    page, is_last = places[:limit], len(places) <= limit
    offered_before = census.offered if census is not None else 0
    if census is None or not census.full_at or (state == "waiting" and after is None and is_last):  # a new or short line is counted now
        census = Census(full_at=0)
        for place in places if state == "waiting" and after is None else next(store.read_pages(event_id)):
            census.add(place.entry)
    offered = store.list_offered(event_id, limit=MAX_COUNTED_OFFERS + 1)
    offered_count = len(offered) if len(offered) <= MAX_COUNTED_OFFERS else max(len(offered), offered_before)
    return LineOverview(line, page, is_last, census.people, offered_count, census.tiers)


def waiting_count(event_id: str) -> int:
    """Return the number of people who wait, which is up to a minute old in a line of more than MAX_COUNTED people."""
    places, census = parallel.both(lambda: next(store.read_pages(event_id, size=MAX_COUNTED + 1), []), lambda: store.find_census(event_id))
    return len(places) if len(places) <= MAX_COUNTED or census is None else max(len(places), census.people)


def list_ballot_offers(event_id: str, limit: int, after: int, now: int) -> tuple[int | None, list[BallotOffer]]:
    """Return the number of the drawn room, and up to `limit` offers to positions after `after`, in the drawn order.

    Returns None and no offers before the draw, and for events without a ballot. Raises NotFound for an unknown event.
    """
    _, event = catalog.get_visible_event(event_id)
    draw = waiting_room.find_draw(event_id, now) if event.has_ballot else None
    return (None, []) if draw is None else (draw.room, store.list_ballot_offers(event_id, draw.room, after, limit))


def offer_by_hand(entry_id: str, actor: str, now: int) -> Entry:
    """Offer available tickets, including tickets for resale, to an entry out of turn, and record the offer in the audit log.

    Raises DrawnByBallot, EntryNotWaiting, NotEnoughTickets, SalePaused, EventNotOnSale, TierNotOnSale, ActiveReservationExists and
    PurchaseLimitExceeded.
    """
    event = catalog.snapshot().find_event(entry_event_id(entry_id))
    if event is not None and event.has_ballot:
        raise DrawnByBallot("The tickets of this event are offered in the order of its draw, so you cannot offer them by hand.")
    place = store.find_waiting(entry_id)
    if place is None:
        raise EntryNotWaiting()
    try:
        return _offer_by_hand(place.entry, actor, now)
    except PoolMismatch:  # the event got a capacity of its own after this instance loaded the catalog
        catalog.refresh_snapshot()
        return _offer_by_hand(place.entry, actor, now)


def _offer_by_hand(entry: Entry, actor: str, now: int) -> Entry:
    """Offer available tickets to an entry. Raises PoolMismatch, and what `offer_by_hand` raises."""
    refusal: ApiError = NotEnoughTickets(0, entry.quantity, [])

    def audit_items(purchase_id: str) -> list[dynamo.TransactItem]:
        details = {"entry": entry.id, "user": entry.user_id, "reservation": purchase_id, "quantity": entry.quantity}
        return [audit.entry_item(f"event#{entry.event_id}", "waitlist.offered", actor, now, details)]

    for tier_id, resale_price_cents in _offered_prices(entry):
        try:
            event, [tier] = catalog.get_sellable_tiers(entry.event_id, [tier_id], now, resale_price_cents=resale_price_cents)
            if tier.requires_code or not entry.accepts(tier) or not entry.can_fit(tier):
                continue
            offers.check_buyer(entry.user_id, event, entry.quantity)
            purchase = allocator.make_offer(event, entry, tier, allocator=None, now=now, extra_items=audit_items)
        except (NotEnoughTickets, TierNotOnSale) as error:
            refusal = error
            continue
        except OwnTicketsForResale:
            continue
        except offers.Conflict:
            raise EntryNotWaiting() from None
        except ActiveReservationExists:
            if store.find_waiting(entry.id) is None:  # the reservation is the offer that an allocator has just made
                raise EntryNotWaiting() from None
            raise
        return replace(entry, state="offered", purchase_id=purchase.id, offered_until=purchase.expires_at)
    raise refusal


def _offered_prices(entry: Entry) -> Iterator[tuple[str, int | None]]:
    """Yield (tier id, resale price) for each kind of ticket that the entry accepts, cheapest first within a tier.

    The price is in cents, and None for tickets that are not for resale.
    """
    tiers = catalog.snapshot().tiers
    for tier_id in entry.tier_ids:
        supplies = [*tiers[tier_id].resale_tiers, tiers[tier_id]] if tier_id in tiers else []
        supplies.sort(key=cheapest_first)
        yield from ((tier_id, tier.price_cents if tier.is_resale else None) for tier in supplies)


def follow(changes: Sequence[Change]) -> None:
    """Run the allocator for events whose changes may have returned tickets or paid an offer. Safe to repeat.

    `changes.jobs` calls this hook with each batch of changes, so that people need not wait for the scheduled run.
    """
    event_ids = {event_id for change in changes if (event_id := _affected_event_id(change)) is not None}
    lines = store.find_lines(event_ids)
    _reopen_lines(changes, {line.event_id for line in lines})
    allocator.allocate_each(lines, clock.now(), is_following=True)


def _reopen_lines(changes: Sequence[Change], open_lines: Set[str]) -> None:
    """Reopen the lines of events that have changed or have returned to the catalog.

    The allocator deletes a line when the event has ended or is no longer in the catalog, or when the waitlist is switched off.
    """
    changed = [change.after for change in changes if isinstance(change, EventChanged)]
    events = [event for event in changed if event is not None and event.has_waitlist and event.id not in open_lines]
    now = clock.now()
    waiting = [event for event in events if event_phase(event, now) not in ("closed", "cancelled")]
    store.reopen_lines({event.id: event.last_sale_at + KEPT_SECONDS for event in waiting})


def _affected_event_id(change: Change) -> str | None:
    match change:
        case SeatsReturned():
            return change.purchase.event_id
        case OrderPaid():
            return change.purchase.event_id if change.purchase.waitlist_entry_id is not None else None
        case TierChanged(before=Tier(), after=Tier() as tier):
            return tier.event_id
        case EventChanged(before=Event()) | EventResumed():
            return change.event_id
    return None


def _check_event(event: Event, now: int) -> None:
    phase = event_phase(event, now)
    if phase in ("closed", "cancelled"):
        raise EventNotOnSale(phase, None)
    if not event.has_waitlist:
        raise WaitlistClosed()


def _sells_only_to_line(event: Event, now: int) -> bool:
    """Return whether tickets go only to the line, which is the case until the event's sale opens, even if a tier's sale period has begun.

    In a ballot, the sale never opens.
    """
    return event.has_ballot or event_phase(event, now) == "scheduled"


def _find_stocks(current: Catalog, event: Event, wanted: JoinRequest, now: int) -> dict[str, Stock]:
    """Return the event's stocks by id: this instance's copy, or fresh stocks if that copy shows that a wanted tier can be bought now."""
    group = current.stock_group(event.id)
    stocks = cached_stock([group], now)
    if _sells_only_to_line(event, now):
        return stocks
    tiers = [tier for tier in current.event_tiers(event.id) if wanted.tier_ids is None or tier.id in wanted.tier_ids]
    if any(current_tier_status(current, tier, now, current.tier_stock(tier, stocks)) in ("available", "test") for tier in tiers):
        return read_shown_stock(group.shard_counts)
    return stocks


def _choose_tiers(
    current: Catalog, event: Event, stocks: Mapping[str, Stock], wanted: JoinRequest, now: int
) -> tuple[list[Tier], list[Tier]]:
    """Return the tiers to wait for, in order of preference, and the sold-out tiers among them. The other tiers are not on sale yet."""
    sells_only_to_line = _sells_only_to_line(event, now)
    statuses: dict[str, TierStatus] = {}
    for tier in current.event_tiers(event.id):
        status = current_tier_status(current, tier, now, current.tier_stock(tier, stocks))
        statuses[tier.id] = "coming-soon" if sells_only_to_line and status in ("available", "test", "sold-out") else status
    if wanted.tier_ids is None:
        waited_for: tuple[TierStatus, ...] = ("sold-out", "coming-soon")
        open_tiers = [tier for tier in current.visible_tiers(event) if not tier.requires_code]
        tiers = [tier for tier in open_tiers if statuses[tier.id] in waited_for][:MAX_TIERS]
        if not tiers:
            raise TicketsAvailable()
    else:
        tiers = [_get_tier(current, event, tier_id) for tier_id in wanted.tier_ids]
    for number, tier in enumerate(tiers):
        _check_tier(tier, statuses[tier.id], wanted, number)
    _check_size(event, tiers, wanted)
    return tiers, [tier for tier in tiers if statuses[tier.id] == "sold-out"]


def _get_tier(current: Catalog, event: Event, tier_id: str) -> Tier:
    tier = current.tiers.get(tier_id)
    if tier is None or tier.event_id != event.id or tier.removed:
        raise NotFound("This event has no ticket type with this id.", event_id=event.id, tier_id=tier_id)
    return tier


def _check_tier(tier: Tier, status: TierStatus, wanted: JoinRequest, number: int) -> None:
    if tier.requires_code:
        message = "Tickets of this type are sold only with an access code, so they have no waitlist."
        raise TierNotOnSale(message, tier_id=tier.id, reason="requires_code")
    if status in ("available", "test"):
        raise TicketsAvailable(tier_id=tier.id)
    if status == "closed":
        raise TierNotOnSale(tier_id=tier.id, reason=status)
    max_quantity = tier.limit(settings.current().tier_purchase_limit)
    if wanted.quantity > max_quantity:
        tickets = "ticket" if max_quantity == 1 else "tickets"
        message = f"You can buy at most {max_quantity} {tickets} of this type at once."
        raise TierLimitExceeded(message, path="$.quantity", tier_id=tier.id, limit=max_quantity, requested=wanted.quantity)
    if wanted.max_price_cents is not None and tier.price_cents > wanted.max_price_cents and wanted.tier_ids is not None:
        message = f"A ticket of type `{tier.id}` costs more than `max_price_cents`. Leave this type out, or send a higher price."
        raise InvalidInput(message, path=f"$.tier_ids[{number}]", tier_id=tier.id)


def _check_size(event: Event, tiers: Sequence[Tier], wanted: JoinRequest) -> None:
    """Raise TierLimitExceeded if no single tier, or the event as a whole, has enough tickets. An offer is for one tier only."""
    largest = max(tiers, key=lambda tier: tier.stock_limit)  # held-back tickets may be released
    limit = min(event.pool_limit, largest.stock_limit)
    if wanted.quantity > limit:
        total = "is only 1 ticket" if limit == 1 else f"are only {limit} tickets"
        message = f"There {total} in total, so the waitlist can never offer you more. Ask for fewer tickets."
        raise TierLimitExceeded(message, path="$.quantity", tier_id=largest.id, limit=limit, requested=wanted.quantity)


def _find_own(user_id: str, entry_id: str) -> Entry:
    event_id = entry_event_id(entry_id)
    entry = store.find_entry(user_id, event_id) if event_id else None
    if entry is None or entry.id != entry_id:
        raise EntryNotFound()
    return entry


def _own_entry(entry: Entry, now: int) -> OwnEntry:
    number = entry.draw_number
    drawn = None if number is None else number.position(waiting_room.find_draw(entry.event_id, now))
    if entry.state == "waiting":
        census = store.cached_census(entry.event_id, now) if number is None else None
        return OwnEntry(entry, None if census is None else census.position(entry), drawn_position=drawn)
    return OwnEntry(entry, offer=queries.load_purchase(entry.purchase_id) if entry.purchase_id is not None else None, drawn_position=drawn)


def _has_offer_ended(entry: Entry, now: int) -> bool:
    """Return whether the offer of an entry has ended. Records the outcome unless it is already recorded."""
    if entry.state != "offered" or entry.purchase_id is None:
        return False
    purchase = queries.load_purchase(entry.purchase_id)
    if purchase is not None and purchase.state in ACTIVE_STATES:
        return False
    allocator.end_offer(entry, purchase, now)
    return True
