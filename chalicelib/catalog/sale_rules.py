"""Rules that decide when tickets are on sale, the status that buyers see, and what may not change around an opening.

The only stored data that these rules read is an event's line.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Literal

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.catalog.model import (
    MAX_PUBLIC_CHANGES,
    Catalog,
    DisplayState,
    EntryRule,
    Event,
    EventStatus,
    PublicChange,
    PublicEventStatus,
    PublicValue,
    Tier,
    TierStatus,
)
from chalicelib.foundation import clock, settings
from chalicelib.foundation.errors import ApiError
from chalicelib.foundation.money import Tax, find_default_tax, read_default_taxes
from chalicelib.inventory.model import Stock, finite


class EventNotOnSale(ApiError):
    code: ClassVar[str] = "event_not_on_sale"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "This event is not on sale."

    def __init__(self, phase: Literal["scheduled", "closed", "cancelled"], on_sale_at: str | None) -> None:
        message = {
            "scheduled": f"The sale for this event has not opened yet. Come back at {on_sale_at}.",
            "closed": "The sale for this event has ended.",
            "cancelled": "This event was cancelled.",
        }[phase]
        super().__init__(message, event_status=phase, on_sale_at=on_sale_at)


class TierNotOnSale(ApiError):
    code: ClassVar[str] = "tier_not_on_sale"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "This ticket is not on sale at the moment. Choose a different ticket."


DATE_CANCELLED = "The date for which this ticket is valid was cancelled. Choose a ticket for a different date."


class RoundPublic(ApiError):
    """The sale cannot be postponed, because the random number of its draw is public."""

    code: ClassVar[str] = "round_public"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = (
        "The public random number that decides this draw is already known, so the sale can no longer be postponed. Reset the waiting room "
        "first. Everybody then has to join again."
    )


ACCOUNT_NEEDED = "Connect your payment account, and finish setting it up at the payment provider, so that buyers can pay you."


def lacks_account(catalog: Catalog, event: Event) -> bool:
    """Return whether the settings require the promoter to have a payment account, and the promoter has none that can take payments."""
    account = catalog.event_account(event.id)
    is_required = settings.current().connected_account_required == "on" and event.promoter_id is not None
    return is_required and (account is None or account.state != "active")


TAX_ADDRESS_NEEDED = (
    "Taxes are calculated automatically, which needs the address of the venue: `address`, `city`, `postal_code`, `country`, and in Canada "
    "and the United States also `region`. Dates cannot have venues of their own."
)


def has_automatic_tax(catalog: Catalog, event: Event) -> bool:
    """Return whether the payment provider calculates an event's taxes. The promoter decides this, or the shop for its own events."""
    if event.promoter_id is not None:
        return catalog.choices_of(event.promoter_id).automatic_tax
    return settings.current().automatic_tax == "on"


def lacks_tax_address(catalog: Catalog, event: Event) -> bool:
    """Return whether the event's taxes are calculated automatically, and its address is incomplete. Free tickets are not taxed."""
    return has_automatic_tax(catalog, event) and event.tax_address is None


def current_tier_status(catalog: Catalog, tier: Tier, now: int, stock: Stock | None = None) -> TierStatus:
    """Return a tier's status at `now`, which depends on its sale period and, if `stock` is given, on the available tickets."""
    if not catalog.states[tier.status].purchasable:
        return tier.status
    if tier.sale_starts_at is not None and now < tier.sale_starts_at:
        return "coming-soon"
    if tier.sale_ends_at is not None and now > tier.sale_ends_at:
        return "closed"
    event = catalog.event_for(tier.event_id, [tier.id])
    if event is not None and event.dates and (event.status == "cancelled" or now > event.last_sale_at):
        return "closed"
    if stock is not None and stock.available <= 0:
        return "sold-out"
    return tier.status


def event_phase(event: Event, now: int) -> Literal["scheduled", "open", "closed", "cancelled"]:
    """Return the sale phase according to the event's own dates and status, regardless of its tiers."""
    if event.status == "cancelled":
        return "cancelled"
    if event.status == "past" or now > event.last_sale_at:
        return "closed"
    return "scheduled" if event.on_sale_at is not None and now < event.on_sale_at else "open"


def public_event_status(catalog: Catalog, event: Event, now: int, stocks: Mapping[str, Stock]) -> PublicEventStatus:
    """Return an event's status for buyers. It is `sold_out` if no tier on sale has available tickets; held tickets are not available."""
    phase = event_phase(event, now)
    if phase != "open":
        return phase
    tiers = catalog.visible_tiers(event)
    statuses = {
        current_tier_status(catalog, tier, now, catalog.tier_stock(tier, stocks) if tier.stock_id in stocks else None) for tier in tiers
    }
    if not tiers or statuses & {"available", "test"}:
        return "on_sale"
    if "coming-soon" in statuses:
        return "scheduled"
    return "sold_out" if "sold-out" in statuses else "closed"


def cheapest_tier(catalog: Catalog, event: Event, now: int, stocks: Mapping[str, Stock]) -> Tier | None:
    """Return the tier with the "from" price of an event: the cheapest tier that can be bought now.

    If no tier can be bought now, return the cheapest tier whose sale begins later, or else the cheapest sold-out tier. Returns None if
    there is no such tier either.
    """
    tiers = [(current_tier_status(catalog, tier, now, stocks.get(tier.stock_id)), tier) for tier in catalog.visible_tiers(event)]
    for statuses in (("available", "test"), ("coming-soon",), ("sold-out",)):
        for status, tier in tiers:  # cheapest first
            if status in statuses:
                return tier
    return None


def effective_tax(catalog: Catalog, tier: Tier) -> Tax | None:
    """Return the tax that a tier's price includes: the tier's own, or else the default for the event's country and region.

    The defaults are those of the event's promoter or, for an event without a promoter, of the shop.
    """
    event = catalog.events.get(tier.event_id)
    if tier.tax is not None or event is None or event.country is None:
        return tier.own_tax
    if event.promoter_id is not None:
        return find_default_tax(catalog.choices_of(event.promoter_id).taxes, event.country, event.region)
    return find_default_tax(read_default_taxes(settings.current().default_taxes), event.country, event.region)


def sale_refusal(catalog: Catalog, event: Event, tier: Tier, now: int, allow_test: bool, *, is_presale: bool = False) -> ApiError | None:
    """Return the error for a tier that cannot be bought at `now`. Returns None if the tier can be bought.

    In a presale, the event's sale need not have opened. Checks neither the stock, nor whether the event is paused, nor whether the buyer
    has the code that the tier requires.
    """
    phase = event_phase(event, now)
    if phase != "open" and not (is_presale and phase == "scheduled"):
        on_sale_at = None if event.on_sale_at is None else clock.iso(event.on_sale_at)
        return EventNotOnSale(phase, on_sale_at)
    if event.for_tiers([tier]).status == "cancelled":
        return TierNotOnSale(DATE_CANCELLED, tier_id=tier.id, reason="cancelled", sale_starts_at=None)
    status = "closed" if tier.removed else current_tier_status(catalog, tier, now)
    if status == "test" and not allow_test:
        status = "closed"
    elif catalog.states[status].purchasable:
        return None
    starts_at = tier.sale_starts_at if status == "coming-soon" else None
    message = catalog.states[status].message
    return TierNotOnSale(message, tier_id=tier.id, reason=status, sale_starts_at=None if starts_at is None else clock.iso(starts_at))


# The promise around an opening (docs/decisions/0193-promise-around-an-opening.md): from a day before it until everybody in line has had
# their turn, at the latest three days after it, no price rises, no more expensive kind of ticket appears, and no rule of entry gets
# stricter.

FROZEN_BEFORE_SECONDS = 86_400
FROZEN_AFTER_SECONDS = 3 * 86_400
SETUP_SECONDS = 600  # a newer tier does not limit the prices of further tiers: nobody relies on an event or a price that is minutes old
LONGER_FACTOR = 3  # buyers who ask for more time get this many times the usual turn and time to pay
MAX_TURN_SECONDS, MAX_HOLD_SECONDS = 86_400, 3_600  # the longest times that an event may set
CLOCK_SECONDS = 60  # an opening that moves to the present may be this far in the past by the time the change arrives

_UNPUBLISHED = ("draft", "test")
# Maps an entry rule to the rules that may replace it, because they admit everybody whom it admits. By default: the rule itself and `open`.
_NOT_STRICTER: dict[EntryRule, tuple[EntryRule, ...]] = {"account": ("account", "verified_address", "open")}


class FrozenField(Struct, frozen=True):
    """A field that cannot change before `until` (epoch seconds), unless the line empties sooner.

    With `may_postpone`, the opening is in the future. The change is then possible once the opening has moved to more than a day from now.
    """

    field: str
    until: int
    may_postpone: bool = False


class SaleFrozen(ApiError):
    """This change of `field` is refused until `until`, because the opening of the sale is near."""

    code: ClassVar[str] = "sale_frozen"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "This field cannot change in this way around the opening of a sale, because buyers rely on it."

    def __init__(self, frozen: FrozenField) -> None:
        message = (
            f"`{frozen.field}` cannot change in this way around the opening of a sale, because buyers rely on it. "
            f"Make this change at {clock.iso(frozen.until)} or later"
        )
        message += ", or first postpone the opening to more than 24 hours from now." if frozen.may_postpone else "."
        super().__init__(message, field=frozen.field, path=f"$.{frozen.field}", until=clock.iso(frozen.until))


class Freeze(Struct, frozen=True):
    """The time around one or several openings of an event, in epoch seconds. `until` is the first second after it."""

    since: int
    until: int
    may_postpone: bool


class Line(Struct, frozen=True):
    """The line of an event. It is empty when everybody has had their turn. `opened_at` is the time of the draw; None before the draw.

    `room` is the number of the waiting room, and `late_counts` has how many numbers each counter gave out after the draw closed. Since
    `began_at` (None before the draw), people up to the place `admitted_place` have been admitted; `last_place` is the last place given out.
    """

    is_empty: bool
    opened_at: int | None
    room: int = 0
    late_counts: tuple[int, ...] = ()
    began_at: int | None = None
    admitted_place: int = 0
    last_place: int = 0


def _assume_line(event: Event, now: int) -> Line:  # noqa: ARG001
    return Line(is_empty=False, opened_at=None)


_read_line: Callable[[Event, int], Line] = _assume_line


def read_line(event: Event, now: int) -> Line:
    """Read the line of an event with a waiting room, with strong consistency."""
    return _read_line(event, now)


def set_line_reader(read_line: Callable[[Event, int], Line]) -> None:
    """Register the function that reads the line of an event with a waiting room. The feature `waiting_room`, which is above, calls this."""
    global _read_line
    _read_line = read_line


def find_freeze(event: Event, tiers: Sequence[Tier], now: int) -> Freeze | None:
    """Return the freeze of an event at `now`. Returns None if it is not frozen. Drafts and test events are never frozen.

    `tiers` are all tiers of the event: closing or deleting a tier does not end the freeze around its opening. Without a waiting room there
    is no line, so the freeze ends at the opening. After an opening, this reads the room.
    """
    if event.status in _UNPUBLISHED:
        return None
    after = FROZEN_AFTER_SECONDS if event.has_waiting_room else 0
    current = [opening for opening in _openings(event, tiers) if opening - FROZEN_BEFORE_SECONDS <= now < opening + after]
    if min(current, default=now + 1) <= now and _read_line(event, now).is_empty:
        current = [opening for opening in current if opening > now]
    if not current:
        return None
    may_postpone = event.on_sale_at is not None and event.on_sale_at > now
    return Freeze(min(current) - FROZEN_BEFORE_SECONDS, max(current) + after, may_postpone)


def _openings(event: Event, tiers: Sequence[Tier]) -> set[int]:
    """Return the openings of an event. A tier opens when both its own sale and the sale of its event have begun."""
    own = event.on_sale_at
    openings = {max(own or 0, tier.sale_starts_at) for tier in tiers if tier.sale_starts_at is not None}
    return openings if own is None else openings | {own}


def frozen_event_field(catalog: Catalog, before: Event, after: Event, now: int, tiers: Sequence[Tier] | None = None) -> FrozenField | None:
    """Return the first field of a changed event that breaks the promise. Returns None if the change is allowed.

    `tiers` are the tiers of the event after the change, if they change too.
    """
    known = catalog.event_tiers(before.id)
    if before.status in _UNPUBLISHED:
        return None if after.status in _UNPUBLISHED else _frozen_return(before, after, known if tiers is None else tiers, now)
    strict = _first_stricter_event_field(before, after)
    if strict is None and before.on_sale_at == after.on_sale_at:
        return None
    freeze = find_freeze(before, known, now)
    moved = _frozen_opening("on_sale_at", before.on_sale_at, after.on_sale_at, freeze, now)
    if moved is not None and (freeze is None or not _resumes_early(before, after, now)):
        return moved
    if freeze is not None and _leaves_line_behind(before, after, now):
        return FrozenField("on_sale_at", freeze.until)
    return None if strict is None or freeze is None else FrozenField(strict, freeze.until, freeze.may_postpone)


def check_frozen_event(catalog: Catalog, before: Event, after: Event, now: int) -> None:
    """Raise SaleFrozen if a changed event breaks the promise around its opening."""
    frozen = frozen_event_field(catalog, before, after, now)
    if frozen is not None:
        raise SaleFrozen(frozen)


def withdrawn_opening(catalog: Catalog, before: Event, after: Event, now: int) -> int | None:
    """Return the last public opening of an event that has become a draft or a test, or None if there is none."""
    if after.status not in _UNPUBLISHED:
        return None
    if before.status in _UNPUBLISHED:
        return before.withdrawn_opening
    return max((opening for opening in _openings(before, catalog.event_tiers(before.id)) if opening > now), default=None)


def frozen_tier_field(
    catalog: Catalog, before: Tier | None, after: Tier, now: int, states: Mapping[str, DisplayState] | None = None
) -> FrozenField | None:
    """Return the first field of a new or changed tier that breaks the promise of its event. Returns None if the change is allowed.

    `before` is None for a new tier. A tier that was not for sale during the freeze counts as new when its sale begins. A tier that was for
    sale counts as new when it gets a different name. A new tier may cost no more than the cheapest other tier, even if it is hidden.
    `states` are the display states after the change, if they change too.
    """
    if before is not None and before.event_id != after.event_id:
        left = catalog.events.get(before.event_id)
        freeze = None if left is None else find_freeze(left, catalog.event_tiers(left.id), now)
        if freeze is not None and _was_offered(catalog, before, freeze):
            return FrozenField("event_id", freeze.until)  # the tier would no longer limit the prices of new tiers
        before = None
    event = catalog.events.get(after.event_id)
    if event is None or event.status in _UNPUBLISHED:
        return None
    states = catalog.states if states is None else states
    strict = None if before is None else _first_stricter_tier_field(before, after)
    is_moved = before is not None and before.sale_starts_at != after.sale_starts_at
    was_for_sale = before is not None and _is_offered(catalog.states, before, now, or_hidden=after.hidden)
    starts = not was_for_sale and _is_offered(states, after, now, or_hidden=True)
    is_renamed = before is not None and _comparable_name(before) != _comparable_name(after)
    if strict is None and not (is_moved or starts or is_renamed):
        return None
    tiers = catalog.event_tiers(event.id)
    freeze = find_freeze(event, tiers, now)
    if before is not None and is_moved:
        moved = _frozen_opening("sale_starts_at", before.sale_starts_at, after.sale_starts_at, freeze, now)
        if moved is not None:
            return moved
    if freeze is None:
        return None
    was_offered = before is not None and _was_offered(catalog, before, freeze)
    if strict is None and (is_renamed if was_offered else starts):
        known = [tier for tier in tiers if tier.id != after.id and tier.created_at <= now - SETUP_SECONDS]
        others = [tier for tier in known if _was_offered(catalog, tier, freeze)]
        dearer = _first_dearer_field(after, others)
        if dearer is not None:
            strict = "name" if was_offered else dearer if before is None else _started_by(before, after)
    return None if strict is None else FrozenField(strict, freeze.until, freeze.may_postpone)


def _frozen_return(before: Event, after: Event, tiers: Sequence[Tier], now: int) -> FrozenField | None:
    """Return the field that keeps a draft from being published again: its sale must not begin within a day.

    Otherwise, a promoter could postpone the opening, make the event a draft, raise the prices and publish it with the old opening.
    """
    if before.withdrawn_opening is None or now >= before.withdrawn_opening + FROZEN_AFTER_SECONDS:
        return None
    starts = [tier.sale_starts_at or 0 for tier in tiers if not tier.removed]
    if max(after.on_sale_at or 0, min(starts, default=0)) >= now + FROZEN_BEFORE_SECONDS:
        return None
    return FrozenField("on_sale_at", before.withdrawn_opening + FROZEN_AFTER_SECONDS, may_postpone=True)


def _first_stricter_event_field(before: Event, after: Event) -> str | None:
    """Return the first field that makes a rule of entry stricter, or that would end the promise. Add further rules of entry here."""
    default = settings.current().event_purchase_limit
    checks = {
        "status": after.status in _UNPUBLISHED,
        "purchase_limit": after.limit(default) < before.limit(default),
        # Removing the waiting room, or cutting turns to one second, would end the freeze.
        "waiting_room": after.has_waiting_room != before.has_waiting_room
        or after.has_ballot != before.has_ballot
        or (after.ballot_cards == "required" and before.ballot_cards != "required")
        or pass_seconds(after) < pass_seconds(before)
        or longer_pass_seconds(after) < longer_pass_seconds(before)
        or (before.allows_groups and not after.allows_groups and after.entry_rule == before.entry_rule)
        or after.entry_rule not in _NOT_STRICTER.get(before.entry_rule, (before.entry_rule, "open")),
    }
    return next((field for field, is_stricter in checks.items() if is_stricter), None)


def pass_seconds(event: Event) -> int:
    """Return the number of seconds for which a buyer may reserve after admission: the turn and the grace period after it."""
    return _turn_seconds(event) + grace_seconds(event)


def longer_pass_seconds(event: Event) -> int:
    """Return `pass_seconds` for buyers who have asked for a longer turn. No pass is valid for longer."""
    turn, configured = _turn_seconds(event), event.waiting_room.longer_pass_seconds if event.waiting_room else None
    return max(turn, configured or min(LONGER_FACTOR * turn, MAX_TURN_SECONDS)) + grace_seconds(event)


def longer_hold_seconds(hold_seconds: int) -> int:
    """Return how long a reservation with a longer turn holds its tickets, if other reservations hold them for `hold_seconds`."""
    return max(hold_seconds, min(LONGER_FACTOR * hold_seconds, MAX_HOLD_SECONDS))


def max_hold_seconds(event: Event) -> int:
    """Return the longest time for which a reservation for the event may hold its tickets."""
    usual = event.effective_hold_seconds(settings.current().hold_seconds)
    return longer_hold_seconds(usual) if event.has_waiting_room else usual


def _turn_seconds(event: Event) -> int:
    return (event.waiting_room.pass_seconds if event.waiting_room else None) or settings.current().pass_seconds


def grace_seconds(event: Event) -> int:
    """Return the number of seconds after a missed turn for which the buyer may still reserve."""
    configured = event.waiting_room.grace_seconds if event.waiting_room else None
    return settings.current().grace_seconds if configured is None else configured


def _first_stricter_tier_field(before: Tier, after: Tier) -> str | None:
    """Return the first field of a tier that raises its price or makes a rule of entry stricter. Add further rules of entry here."""
    default = settings.current().tier_purchase_limit
    is_stricter = after.limit(default) < before.limit(default)
    checks = {
        "price_cents": after.price_cents > before.price_cents,
        "currency": after.currency != before.currency,
        "admits": after.admits < before.admits,
        "requires_code": after.requires_code and not before.requires_code,
        "seating": after.seating == "companion" and before.seating != "companion",
        "max_per_order": is_stricter and after.max_per_transaction != before.max_per_transaction,
        "per_user_limit": is_stricter,
    }
    return next((field for field, breaks_promise in checks.items() if breaks_promise), None)


def _first_dearer_field(tier: Tier, others: Sequence[Tier]) -> str | None:
    """Return the field that makes a tier more expensive than the cheapest of the others, as a whole or for each person whom it admits."""
    if any(tier.currency != other.currency for other in others):
        return "currency"
    if any(tier.price_cents > other.price_cents for other in others):
        return "price_cents"
    return "admits" if any(tier.price_cents * other.admits > other.price_cents * tier.admits for other in others) else None


def _comparable_name(tier: Tier) -> list[str]:
    return tier.name.casefold().split()


def _started_by(before: Tier, after: Tier) -> str:
    """Return the field that begins the sale of a tier that was not for sale."""
    if before.status == after.status and before.hidden and not after.hidden:
        return "hidden"
    return "sale_ends_at" if before.status == after.status and before.sale_ends_at != after.sale_ends_at else "status"


def _frozen_opening(field: str, old: int | None, new: int | None, freeze: Freeze | None, now: int) -> FrozenField | None:
    """Return the field of an opening that may not move from `old` to `new`, or None if it may.

    An opening that is a day away or more may not come nearer than a day, so nobody can postpone an opening, raise a price and move the
    opening back. A nearer opening may not come earlier, because the freeze would end before the people who know its time have joined. Only
    the opening of an event can be postponed by more than a day, because a new tier could replace a tier that is postponed. Once the sale
    has opened, people are in line, so the opening may only move within the next day.
    """
    if new == old or old is None:
        return None
    latest_near = now + FROZEN_BEFORE_SECONDS
    if old > latest_near:
        return FrozenField(field, old - FROZEN_BEFORE_SECONDS) if new is None or new < latest_near else None
    if freeze is None or now >= old + FROZEN_AFTER_SECONDS:
        return None
    may_be_late = old > now and field == "on_sale_at"
    if new is not None and new >= old and (may_be_late or new <= latest_near):
        return None
    return FrozenField(field, freeze.until)


def _resumes_early(before: Event, after: Event, now: int) -> bool:
    """Return whether an opening that was postponed after its draw, because something went wrong, moves to an earlier time.

    The people who came to the opening are in line, so the freeze does not end before they have had their turn.
    """
    old, new = before.on_sale_at, after.on_sale_at
    if old is None or new is None or not now - CLOCK_SECONDS <= new < old <= now + FROZEN_BEFORE_SECONDS:
        return False
    return _was_drawn(before, now)


def _leaves_line_behind(before: Event, after: Event, now: int) -> bool:
    """Return whether an opening that was postponed after its draw is postponed again, by more than a day, so that the freeze would end."""
    old, new = before.on_sale_at, after.on_sale_at
    if old is None or new is None or not old < new or new <= now + FROZEN_BEFORE_SECONDS:
        return False
    return _was_drawn(before, now)


def _was_drawn(event: Event, now: int) -> bool:
    """Return whether the draw of an event was made so recently that the freeze around it may not have ended."""
    opened_at = _read_line(event, now).opened_at if event.has_waiting_room else None
    return opened_at is not None and now < opened_at + FROZEN_AFTER_SECONDS


def _is_offered(states: Mapping[str, DisplayState], tier: Tier, at: int = 0, *, or_hidden: bool = False) -> bool:
    """Return whether buyers can buy a tier, or see that they can buy it later or could buy it before.

    A tier whose sale has ended before the time `at` is not offered. A hidden tier is for sale only to people who know its id.
    """
    state = states[tier.status]
    is_shown = state.purchasable or (state.display and tier.status != "closed")
    is_hidden = tier.hidden and not or_hidden
    has_ended = tier.sale_ends_at is not None and at > tier.sale_ends_at
    return tier.status != "test" and is_shown and not (tier.removed or is_hidden or has_ended)


def _was_offered(catalog: Catalog, tier: Tier, freeze: Freeze) -> bool:
    """Return whether a tier is offered, or was during the freeze."""
    if _is_offered(catalog.states, tier, freeze.since):
        return True
    if len(tier.public_changes) == MAX_PUBLIC_CHANGES and tier.public_changes[0].at >= freeze.since:
        return True  # the list may have lost the change that closed the tier
    return any(change.field == "on_sale" and not change.after and change.at >= freeze.since for change in tier.public_changes)


# The changes of a published event that its page lists. They are kept in the event and its tiers.


def with_event_changes(before: Event, after: Event, now: int) -> Event:
    """Return a changed event with the new entries of its public list. Changes of drafts and test events are not listed."""
    if before.status in _UNPUBLISHED or after.status in _UNPUBLISHED:
        return after
    return replace(after, public_changes=_extended(before.public_changes, _event_terms(before), _event_terms(after), now))


def with_tier_changes(catalog: Catalog, before: Tier | None, after: Tier, now: int, event_status: EventStatus | None = None) -> Tier:
    """Return a new or changed tier with the new entries of its public list.

    A tier that buyers have never seen is not listed, and neither is a tier that appears while the event is being set up. If a tier appears
    later or disappears, only this change is listed. `event_status` is the event's status after the change, if it changes too.
    """
    event = catalog.events.get(after.event_id)
    if event is None or event.status in _UNPUBLISHED or event_status in _UNPUBLISHED:
        return after
    if before is None and event.created_at > now - SETUP_SECONDS:
        return after
    was_offered = before is not None and _is_offered(catalog.states, before)
    is_offered = _is_offered(catalog.states, after)
    if was_offered != is_offered:
        known: list[PublicChange] = [] if before is None else before.public_changes
        return replace(after, public_changes=_extended(known, {"on_sale": was_offered}, {"on_sale": is_offered}, now))
    if before is None or not (is_offered or before.public_changes) or after.hidden or after.removed:
        return after
    return replace(after, public_changes=_extended(before.public_changes, _tier_terms(before), _tier_terms(after), now))


def _event_terms(event: Event) -> dict[str, PublicValue]:
    return {
        "on_sale_at": event.on_sale_at,
        "starts_at": event.starts_at,
        "capacity": event.capacity,
        "purchase_limit": event.limit(settings.current().event_purchase_limit),
        "has_waiting_room": event.has_waiting_room,
        "has_ballot": event.has_ballot,
        "needs_ballot_card": event.ballot_cards == "required",
        "better_odds": event.has_better_odds,
        "needs_address": event.needs_address,
        "needs_account": event.entry_rule == "account",
        "needs_access_code": event.entry_rule == "access_code",
        "needs_card": event.entry_rule == "payment_card",
    }


def _tier_terms(tier: Tier) -> dict[str, PublicValue]:
    return {
        "price_cents": tier.price_cents,
        "admits": tier.admits,
        "capacity": finite(tier.stock_capacity),
        "per_user_limit": tier.limit(settings.current().tier_purchase_limit),
        "requires_code": tier.requires_code,
        "sale_starts_at": tier.sale_starts_at,
        "sale_ends_at": tier.sale_ends_at,
    }


def _extended(
    known: Sequence[PublicChange], before: Mapping[str, PublicValue], after: Mapping[str, PublicValue], now: int
) -> list[PublicChange]:
    added = [PublicChange(now, field, before[field], value) for field, value in after.items() if value != before[field]]
    return [*known, *added][-MAX_PUBLIC_CHANGES:]
