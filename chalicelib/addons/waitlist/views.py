"""Waitlist entries in replies, for their owners and for managers of the event."""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from chalicelib.addons.waitlist import allocator, store
from chalicelib.addons.waitlist.model import BallotOffer, Entry, EntryState, EntryStatus
from chalicelib.addons.waitlist.service import CardSaving, OwnEntry, card_limit
from chalicelib.catalog import service as catalog
from chalicelib.edge.languages import Language
from chalicelib.foundation import clock
from chalicelib.foundation.addons import PersonalItems
from chalicelib.foundation.clock import Timestamp
from chalicelib.purchases.views import ReservationView, reservation_view


class EntryCardView(Struct, frozen=True):
    """The card of an entry in a ballot with cards, which may be charged up to `max_cents` in `currency`.

    `missing`: no card is saved. If the event requires cards, the entry takes part in the draw only once a card is saved. `saved`: the card
    is charged if you are offered tickets. `charging`: the card is being charged for the offer. `refused`: the card could not be charged, so
    pay for the offer as for any other reservation.
    """

    status: Literal["missing", "saved", "charging", "refused"]
    max_cents: int
    currency: str


class WaitlistEntryView(Struct, frozen=True, kw_only=True):
    """An entry. While it waits, `people_before` counts the people ahead who wait for at least one of the same tiers.

    `tickets_before` counts the tickets that these people wait for. The line is counted once a minute. Near the front, the count is exact;
    farther back, the real number may be up to a tenth lower. `position` is `people_before` + 1. These three fields are null while they are
    unknown, and in a ballot. In a ballot, `has_number` says whether you take part in the draw, and `drawn_position` is the position that
    the draw gave you, from 1; it is null before the draw. With better odds, `weight` is how many numbers you have in the draw; otherwise it
    is null. `card` is null if the entry needs no card. `offer` is a reservation, which must be paid before it expires.
    `max_price_cents` is the highest accepted price of one ticket. For early clients, `created_at` repeats `joined_at`, and `tier_id`
    repeats the first of `tier_ids`.
    """

    id: str
    event_id: str
    event_name: str
    event_timezone: str | None
    tier_ids: list[str]
    tier_id: str
    quantity: int
    max_price_cents: int | None
    status: EntryStatus
    joined_at: Timestamp
    created_at: Timestamp
    position: int | None
    people_before: int | None
    tickets_before: int | None
    has_number: bool
    drawn_position: int | None
    weight: int | None
    card: EntryCardView | None
    offer: ReservationView | None


class CardSavingView(Struct, frozen=True):
    """The entry with its saved card.

    If the bank asks for your confirmation, `check_id` is not null: let the provider's form handle the `client_secret`, then send the
    `check_id`.
    """

    entry: WaitlistEntryView
    check_id: str | None
    client_secret: str | None


class OwnEntriesView(Struct, frozen=True):
    """The caller's latest entry for each event, newest first."""

    entries: list[WaitlistEntryView]


class ManagedEntryView(Struct, frozen=True, kw_only=True):
    """An entry for managers of the event, and in the export of a user's data.

    `passed_over_since` is when the entry was first passed over because too few tickets were free. `has_card` says whether a card is saved.
    """

    id: str
    user_id: str
    tier_ids: list[str]
    quantity: int
    max_price_cents: int | None
    status: EntryState
    joined_at: Timestamp
    passed_over_since: Timestamp | None
    has_card: bool
    reservation_id: str | None
    offer_expires_at: Timestamp | None


class TierDemandView(Struct, frozen=True):
    """How many people wait for a tier, and for how many tickets. A person who accepts several tiers counts for each tier."""

    tier_id: str
    people: int
    tickets: int


class BallotOfferView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An offer of a ballot.

    `position`, from 1, is the place that the draw gave to the listed entry with this `digest`, `counter` and `number`. With better odds,
    `weight` is how many numbers the entry has; the field is missing if the entry has one number.
    """

    position: int
    digest: str
    counter: int
    number: int
    tier_id: str
    quantity: int
    offered_at: Timestamp
    weight: int = 1


class BallotView(Struct, frozen=True):
    """A page of the offers that a ballot has made, in the drawn order. `next_cursor` is null on the last page.

    `room` is the number of the waiting room whose draw sets the order; it is null before the draw, and for events without a ballot.
    """

    event_id: str
    room: int | None
    offers: list[BallotOfferView]
    next_cursor: str | None


class WaitlistView(Struct, frozen=True, kw_only=True):
    """A page of entries in order of arrival, and the counts of all entries. `conversion` is the share of ended offers that were paid.

    If there are more entries than fit on a page, `waiting` and `tiers` are up to a minute old.
    """

    entries: list[ManagedEntryView]
    waiting: int
    offered: int
    accepted: int
    declined: int
    expired: int
    conversion: float | None
    tiers: list[TierDemandView]
    next_cursor: str | None


def ballot_offer_view(offer: BallotOffer) -> BallotOfferView:
    number = offer.draw_number
    return BallotOfferView(
        position=offer.position,
        digest=number.digest,
        counter=number.counter,
        number=number.number,
        tier_id=offer.tier_id,
        quantity=offer.quantity,
        offered_at=clock.iso(offer.offered_at),
        weight=number.weight,
    )


def own_entry_view(own: OwnEntry, language: Language, now: int) -> WaitlistEntryView:
    entry, position = own.entry, own.position
    event = catalog.snapshot().events.get(entry.event_id)
    return WaitlistEntryView(
        id=entry.id,
        event_id=entry.event_id,
        event_name=event.in_language(language).name if event is not None else "",
        event_timezone=event.timezone if event is not None else None,
        tier_ids=entry.tier_ids,
        tier_id=entry.tier_ids[0],
        quantity=entry.quantity,
        max_price_cents=entry.max_price_cents,
        status=own.status(event, now),
        joined_at=clock.iso(entry.joined_at),
        created_at=clock.iso(entry.joined_at),
        position=position.people_before + 1 if position is not None else None,
        people_before=position.people_before if position is not None else None,
        tickets_before=position.tickets_before if position is not None else None,
        has_number=entry.draw_number is not None,
        drawn_position=own.drawn_position,
        weight=entry.draw_number.weight if entry.draw_number is not None and entry.odds_key is not None else None,
        card=_card_view(own),
        offer=reservation_view(own.offer, now) if own.offer is not None else None,
    )


def _card_view(own: OwnEntry) -> EntryCardView | None:
    card, offer = own.entry.card, own.offer
    if own.entry.state == "offered":
        charged = offer.saved_card if offer is not None else None
        if offer is None or charged is None:
            return None
        return EntryCardView("charging" if offer.is_being_charged else "refused", charged.max_cents, charged.currency)
    if own.entry.state != "waiting" or (limit := card_limit(own.entry)) is None:
        return None
    return (
        EntryCardView("saved", card.max_cents, card.currency)
        if card is not None and own.entry.has_card
        else EntryCardView("missing", *limit)
    )


def card_saving_view(saving: CardSaving, language: Language, now: int) -> CardSavingView:
    return CardSavingView(own_entry_view(saving.own, language, now), saving.check_id, saving.client_secret)


def managed_entry_view(entry: Entry, passed_at: int | None = None) -> ManagedEntryView:
    return ManagedEntryView(
        id=entry.id,
        user_id=entry.user_id,
        tier_ids=entry.tier_ids,
        quantity=entry.quantity,
        max_price_cents=entry.max_price_cents,
        status=entry.state,
        joined_at=clock.iso(entry.joined_at),
        passed_over_since=None if passed_at is None else clock.iso(passed_at),
        has_card=entry.has_card,
        reservation_id=entry.purchase_id,
        offer_expires_at=None if entry.offered_until is None else clock.iso(entry.offered_until),
    )


PERSONAL_ITEMS = PersonalItems(
    field="waitlist",
    view=ManagedEntryView,
    read=store.list_user_entries,
    show=lambda entry, _now: managed_entry_view(entry),
    delete=lambda entries, _user_id, now: store.delete_entries((entry, allocator.removal_items(entry, now)) for entry in entries),
)


def demand_views(tiers: Mapping[str, tuple[int, int]]) -> list[TierDemandView]:
    """Return the demand, given as (people, tickets) by tier id, sorted by the number of tickets wanted, highest first."""
    by_tickets = sorted(tiers.items(), key=lambda item: item[1][1], reverse=True)
    return [TierDemandView(tier_id, people, tickets) for tier_id, (people, tickets) in by_tickets]
