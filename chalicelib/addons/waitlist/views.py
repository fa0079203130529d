"""Waitlist entries in replies, for their owners and for managers of the event."""

from collections.abc import Mapping

from msgspec import Struct

from chalicelib.addons.waitlist import store
from chalicelib.addons.waitlist.model import BallotOffer, Entry, EntryState, EntryStatus
from chalicelib.addons.waitlist.service import OwnEntry
from chalicelib.catalog import service as catalog
from chalicelib.foundation import clock
from chalicelib.foundation.addons import PersonalItems
from chalicelib.foundation.clock import Timestamp
from chalicelib.purchases.views import ReservationView, reservation_view


class WaitlistEntryView(Struct, frozen=True, kw_only=True):
    """An entry. While it waits, `people_before` counts the people ahead who wait for at least one of the same tiers.

    `tickets_before` counts the tickets that these people wait for. The line is counted once a minute. Near its front, the count is exact;
    farther back, the real number may be up to a tenth lower. `position` is `people_before` + 1. All three are null while they are
    unknown, and in a ballot. There, `has_number` says whether you take part in the draw, and `drawn_position` is the position that the draw
    gave you, from 1; it is null before the draw. `offer` is a reservation, which must be paid before it expires, like any other
    reservation. `max_price_cents` is the highest accepted price of one ticket.
    """

    id: str
    event_id: str
    event_name: str
    event_timezone: str | None
    tier_ids: list[str]
    quantity: int
    max_price_cents: int | None
    status: EntryStatus
    joined_at: Timestamp
    position: int | None
    people_before: int | None
    tickets_before: int | None
    has_number: bool
    drawn_position: int | None
    offer: ReservationView | None


class OwnEntriesView(Struct, frozen=True):
    """The caller's latest entry for each event, newest first."""

    entries: list[WaitlistEntryView]


class ManagedEntryView(Struct, frozen=True, kw_only=True):
    """An entry for managers of the event, and in the export of a user's data.

    `passed_over_since` is when tickets were first free, but too few for the entry.
    """

    id: str
    user_id: str
    tier_ids: list[str]
    quantity: int
    max_price_cents: int | None
    status: EntryState
    joined_at: Timestamp
    passed_over_since: Timestamp | None
    reservation_id: str | None
    offer_expires_at: Timestamp | None


class TierDemandView(Struct, frozen=True):
    """How many people wait for a tier, and for how many tickets. A person who accepts several tiers counts for each tier."""

    tier_id: str
    people: int
    tickets: int


class BallotOfferView(Struct, frozen=True, kw_only=True):
    """An offer of a ballot. The draw gave the listed entry with this `digest`, `counter` and `number` the `position`, from 1."""

    position: int
    digest: str
    counter: int
    number: int
    tier_id: str
    quantity: int
    offered_at: Timestamp


class BallotView(Struct, frozen=True):
    """A page of the offers that a ballot has made, in the drawn order. `next_cursor` is null on the last page.

    `room` is the number of the waiting room whose draw decides; it is null before the draw, and for events without a ballot.
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
    )


def own_entry_view(own: OwnEntry, now: int) -> WaitlistEntryView:
    entry, position = own.entry, own.position
    event = catalog.snapshot().events.get(entry.event_id)
    return WaitlistEntryView(
        id=entry.id,
        event_id=entry.event_id,
        event_name=event.name if event is not None else "",
        event_timezone=event.timezone if event is not None else None,
        tier_ids=entry.tier_ids,
        quantity=entry.quantity,
        max_price_cents=entry.max_price_cents,
        status=own.status(event, now),
        joined_at=clock.iso(entry.joined_at),
        position=position.people_before + 1 if position is not None else None,
        people_before=position.people_before if position is not None else None,
        tickets_before=position.tickets_before if position is not None else None,
        has_number=entry.draw_number is not None,
        drawn_position=own.drawn_position,
        offer=reservation_view(own.offer, now) if own.offer is not None else None,
    )


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
        reservation_id=entry.purchase_id,
        offer_expires_at=None if entry.offered_until is None else clock.iso(entry.offered_until),
    )


PERSONAL_ITEMS = PersonalItems(
    field="waitlist",
    view=ManagedEntryView,
    read=store.list_user_entries,
    show=lambda entry, _now: managed_entry_view(entry),
    delete=lambda entries, _user_id, _now: store.delete_entries(entries),
)


def demand_views(tiers: Mapping[str, tuple[int, int]]) -> list[TierDemandView]:
    """Return the demand, given as (people, tickets) by tier id, with the tier for which people want the most tickets first."""
    by_tickets = sorted(tiers.items(), key=lambda item: item[1][1], reverse=True)
    return [TierDemandView(tier_id, people, tickets) for tier_id, (people, tickets) in by_tickets]
