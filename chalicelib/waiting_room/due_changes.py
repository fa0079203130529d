"""The changes that a room needs as time passes: create it, close and run its draw, follow a pause, and limit its admission plan.

No scheduled job makes these changes: each instance that loads a room makes the changes that are due. Instances see data of different ages,
so the first written decision binds them all. There is one decision for each catalog revision, and one for the size of each wave.
"""

import random
from collections.abc import Callable
from contextlib import suppress

import msgspec
from msgspec.structs import replace

from chalicelib.catalog import sale_rules
from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import EntryRule, Event
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import log, memory, settings
from chalicelib.foundation.log import logger
from chalicelib.inventory.availability import cached_stock
from chalicelib.inventory.display import expect_movement
from chalicelib.inventory.model import Stock, finite
from chalicelib.payments import service as payments
from chalicelib.waiting_room import admission_plan, draw, model, store
from chalicelib.waiting_room.admission_plan import Segment
from chalicelib.waiting_room.draw import Chain
from chalicelib.waiting_room.entries import MAX_MEMBERS
from chalicelib.waiting_room.model import TicketsLeft
from chalicelib.waiting_room.store import Room

# Within this time, only one instance may close the counters or run the draw. If it crashes, the next instance that loads the room does it.
OPENING_LEASE_SECONDS = 3
MIN_JOINING_SECONDS = 60  # before the draw closes
CLOCK_SECONDS = 10  # by which the clocks of two instances may differ
# A buyer's request waits for a mirror for at most this long. Over all instances, only one request waits per BEACON_LEASE_SECONDS.
BEACON_SECONDS = 1.5
BEACON_LEASE_SECONDS = 4
BEACON_DELAY_SECONDS = 1  # after which mirrors usually have a round
_MAX_ATTEMPTS = 5
_FOR_SALE = ("available", "test", "coming-soon")


def next_due_change(revision: int, event: Event, room: Room | None, last_position: int, now: int) -> Callable[[], Room | None] | None:
    """Return the next change that the room needs, as a function that writes it. Returns None if no change is due.

    The function returns the changed room, or None if the caller must load the room again. It raises `store.RoomConflict`.
    `event` comes from the catalog of this `revision`; `last_position` is the last position given out. An instance whose catalog is
    older than the catalog that the room follows changes nothing, because it would undo a change by another instance.
    """
    assert event.on_sale_at is not None  # it has a waiting room
    if room is None:
        return lambda: store.commit(create_room_item(event, revision, now))
    if revision < room.revision:
        return None
    if room.has_list and room.drawn_counts is None and now >= event.on_sale_at - room.closing_seconds:
        return (lambda: _close(room, now)) if room.opening_lease_ends_at <= now else None
    if room.n is None and room.lacks_round and room.round_at is not None and now >= room.round_at + BEACON_DELAY_SECONDS:
        return (lambda: _fetch_round(room, now)) if room.opening_lease_ends_at <= now else None
    if room.n is None and now >= event.on_sale_at:
        may_open = room.opening_lease_ends_at <= now and (room.root is not None or not room.has_list) and not room.lacks_round
        return (lambda: _open(room, now)) if may_open else None
    if room.drawn_counts is None and (wanted := _rule_and_groups(event, room, last_position)) != (room.rule, room.has_groups):
        return lambda: store.set_rule(room, *wanted)
    after = _follow_catalog(revision, event, room, now) or _follow_figures(event, room, last_position, now)
    return (lambda: store.save_plan(room, after)) if after is not None else None


def _rule_and_groups(event: Event, room: Room, last_position: int) -> tuple[EntryRule, bool | None]:
    """Return the rule of entry, and whether people may form groups.

    Until somebody has joined, both follow the event, so that everybody is subject to the same rule. Later, groups may be added.
    """
    if last_position == 0:
        return event.entry_rule, event.allows_groups
    may_add = event.allows_groups and event.entry_rule == room.rule
    return room.rule, None if room.has_groups is None else room.has_groups or may_add


def follow_catalog(revision: int, event: Event, now: int) -> None:
    """Bring the event's room, if it exists, in line with this revision of the catalog, for example after a pause.

    This needs neither arrival counts nor stock, so it costs one read and one write. A draw that is due is left to the next request that
    loads the room.
    """
    for _ in range(_MAX_ATTEMPTS):
        room = store.find_room(event.id)
        if room is None or revision < room.revision or (room.n is None and now >= (event.on_sale_at or 0)):
            return
        after = _follow_catalog(revision, event, room, now)
        if after is None:
            return
        with suppress(store.RoomConflict):  # another instance was faster
            store.save_plan(room, after)
            return


def effective_plan(event: Event, room: Room) -> list[Segment]:
    """Return the room's segments. Until the draw, the only segment begins at the event's opening, and is paused if the event is paused."""
    if room.n is not None:
        return room.segments
    assert event.on_sale_at is not None  # it has a waiting room
    first = room.segments[0] if room.segments else model.first_segment(event, event.on_sale_at)
    return [Segment(event.on_sale_at, first.base, first.wave_size, first.interval, first.waited, event.is_paused)]


def _follow_catalog(revision: int, event: Event, room: Room, now: int) -> Room | None:
    """Return the room updated to this catalog revision. Returns None if the room is up to date, or its plan has no space for a pause.

    A manager may move the opening after the draw. Until the new opening, nobody is admitted, so no turn passes while nobody can buy.

    The revision is recorded even if the plan does not change. Otherwise, after two changes that cancel each other out, an instance that
    has seen only the first change would still apply it.
    """
    if revision == room.revision:
        return None
    if room.n is None:
        return replace(room, revision=revision)
    now = _time_in(room, now)
    opens_at = max(now, event.on_sale_at or 0)
    plan = room.segments
    # Compare with the last segment, not with the active segment: this request may be a second older than the last change.
    is_moved = (opens_at > now and plan[-1].since != opens_at) or plan[-1].since > opens_at + CLOCK_SECONDS
    if is_moved:
        plan = admission_plan.move_opening(plan, now, opens_at)
    if event.is_paused != plan[-1].paused:
        plan = (admission_plan.pause if event.is_paused else admission_plan.resume)(plan, now)
    if plan is room.segments:
        return replace(room, revision=revision)
    plan = admission_plan.shorten(plan, now, sale_rules.longer_pass_seconds(event))
    has_space = not (event.is_paused or is_moved) or len(plan) <= admission_plan.MAX_SEGMENTS_AFTER_PAUSE
    return replace(room, revision=revision, segments=plan) if has_space else None


def _follow_figures(event: Event, room: Room, last_position: int, now: int) -> Room | None:
    """Return the room with its plan adjusted to the arrivals and the stock. Returns None if the plan needs no change."""
    if room.n is None:
        return None
    now = _time_in(room, now)
    pass_seconds = sale_rules.longer_pass_seconds(event)  # the plan keeps what the longest valid pass needs
    plan = admission_plan.shorten(room.segments, now, pass_seconds)
    has_free_segment = admission_plan.has_free_segment(plan, now, pass_seconds)
    capped = admission_plan.cap_unused_admissions(plan, now, last_position)
    if capped is not None and (has_free_segment or len(capped) == len(plan)):
        return replace(room, segments=capped)
    return _follow_stock(event, room, plan, has_free_segment, last_position, now) if model.follows_stock(event) else None


def _follow_stock(event: Event, room: Room, plan: list[Segment], has_free_segment: bool, last_position: int, now: int) -> Room | None:
    """Return the room with the size of its next wave set from the stock. Returns None if there is nothing to decide now.

    The first decision for a wave is final, because other instances see different figures. Decisions are made in a short period before the
    wave. Waves of size 0 may restart earlier, because a quiet room might not be loaded during that period. Only a decision can set the size
    to 0, so such an early restart happens at most once per wave.
    """
    wave_at = admission_plan.find_next_wave(plan, now)
    if wave_at is None or wave_at <= room.sized_wave:
        return None
    is_decision = admission_plan.is_time_to_size(plan, wave_at, now)
    if not is_decision and plan[-1].wave_size > 0:
        return None
    size = _wave_size_for_stock(event, room, last_position, now)
    if has_free_segment and size != plan[-1].wave_size:
        plan = admission_plan.resize_waves(plan, now, size)
    elif not is_decision:
        return None
    return replace(room, segments=plan, sized_wave=wave_at if is_decision else room.sized_wave)


def _time_in(room: Room, now: int) -> int:
    """Return `now` for a room after its draw: never a time before the opening, even if this instance's clock is slow."""
    return max(now, room.segments[0].since)


def create_room_item(event: Event, revision: int, now: int, replacing: Room | None = None) -> dynamo.TransactItem:
    """Return a transaction item that creates the event's room, in place of the room `replacing` if given.

    If the draw would close too soon for anybody to join it, the counters close at the opening. Such a room has no list of entries, unless
    its draw uses the beacon; the opening then waits for the list and the round.
    """
    default = settings.current()
    joining_seconds = (event.on_sale_at or 0) - default.draw_closing_seconds - now
    closing_seconds = default.draw_closing_seconds if joining_seconds >= MIN_JOINING_SECONDS else 0
    chain = None
    if model.has_beacon(event):
        chain = draw.parse_chain(default.beacon_chain) if default.beacon_chain else draw.QUICKNET
    return store.create_room_item(
        event.id,
        default.waiting_room_counters,
        revision,
        replacing,
        closing_seconds=closing_seconds,
        chain=chain,
        rule=event.entry_rule,
        series=model.series_of(event) if closing_seconds or chain is not None else None,
        has_groups=event.allows_groups,
    )


def _close(room: Room, now: int) -> None:
    """Close all counters before the opening, so that the list of entries can be published before the key. See `_open`."""
    counts, event, _ = _closed_counts(room, now, room.closing_seconds)
    store.record_closing(room, counts, (event.on_sale_at or 0) - room.closing_seconds, now)
    logger.info("waiting_room.closed", event_id=room.event_id, room=room.number, n=sum(counts))


class _RoundReply(msgspec.Struct):
    """The required part of a mirror's reply. We ignore the randomness in the reply, because it follows from the signature."""

    signature: str


class _RoundNotFetched(Exception):
    """A mirror does not have the round, or did not return its signature. The message is the reason."""


def _fetch_round(room: Room, now: int) -> None:
    """Get the signature of the room's round from a mirror, verify it and record it.

    One instance at a time does this. If the mirror fails or lies, the next attempt, by any instance, again asks a random mirror. A round
    has only one valid signature, so all attempts record the same one. Raises RoomConflict if another instance has the lease.
    """
    if not store.take_opening_lease(room, now, now + BEACON_LEASE_SECONDS):
        raise store.RoomConflict
    assert room.chain is not None
    assert room.round is not None
    mirror = random.choice([mirror.strip().rstrip("/") for mirror in settings.current().beacon_mirrors.split(",")])
    try:
        signature = _fetch_signature(mirror, room.chain, room.round)
    except _RoundNotFetched as failure:
        logger.warning(
            "waiting_room.round_not_fetched",
            event_id=room.event_id,
            room=room.number,
            mirror=mirror,
            round=room.round,
            reason=str(failure),
            late_seconds=now - (room.round_at or now),
        )
        log.count("beacon_failures")
        return
    store.record_signature(room, signature)
    logger.info("waiting_room.round_fetched", event_id=room.event_id, room=room.number, mirror=mirror, round=room.round)


def _fetch_signature(mirror: str, chain: Chain, number: int) -> bytes:
    """Return the verified signature of a round. Raises _RoundNotFetched."""
    from chalicelib.foundation import outbound_http  # imported here, because few instances ever fetch a round

    try:
        destination = outbound_http.parse(f"{mirror}/{chain.hash}/public/{number}")
        reply = outbound_http.get(destination, outbound_http.resolve(destination), BEACON_SECONDS)
        signature = bytes.fromhex(memory.decoder(_RoundReply).decode(reply.body).signature)
    except outbound_http.SendFailed as failure:
        raise _RoundNotFetched(failure.error) from None
    except (outbound_http.DestinationRefused, msgspec.DecodeError, ValueError) as error:
        raise _RoundNotFetched(type(error).__name__) from None
    if not draw.is_signed(chain, number, signature):
        raise _RoundNotFetched("wrong_signature")
    return signature


def _open(room: Room, now: int) -> None:
    """Record the draw: the number of arrivals as N, and the plan. Closes all counters first, unless they are already closed.

    One instance at a time does this. It first reads the catalog again, because the opening may have been postponed a second ago. Raises
    RoomConflict if another instance has the lease, or if the sale is no longer due to open now. A closed counter never counts again, so all
    instances find the same N.
    """
    counts, event, revision = _closed_counts(room, now, 0)
    _record_draw(revision, event, room, counts, now)
    logger.info("waiting_room.opened", event_id=event.id, room=room.number, n=sum(counts))


def _closed_counts(room: Room, now: int, seconds_before: int) -> tuple[list[int], Event, int]:
    """Take the lease and close all counters. Returns the number of arrivals of each, and the event with the revision of its catalog.

    Raises RoomConflict if another instance has the lease, or if it is earlier than `seconds_before` the opening.
    """
    if not store.take_opening_lease(room, now, now + OPENING_LEASE_SECONDS):
        raise store.RoomConflict
    current = catalog.refresh_snapshot()
    event = current.events.get(room.event_id)
    if event is None or event.on_sale_at is None or now < event.on_sale_at - seconds_before or current.head.public_revision < room.revision:
        raise store.RoomConflict
    counts = room.closed_counts or [store.close_counter(room, counter) for counter in range(room.counters)]
    return counts, event, current.head.public_revision


def _record_draw(revision: int, event: Event, room: Room, counts: list[int], now: int) -> None:
    """Record the draw. Retry if an admin changes the waves at the same time.

    If people had to wait for the beacon after the opening time, the first wave is admitted now, so its turns have their full length. Raises
    RoomConflict if the draw was already recorded, the room was cleared, or all attempts lost a race.
    """
    offsets = store.offsets_of(counts)
    for _ in range(_MAX_ATTEMPTS):
        plan = effective_plan(event, room)
        if room.chain is not None:
            plan = [replace(plan[0], since=max(plan[0].since, now))]
        try:
            return store.record_draw(room, sum(counts), offsets, plan, revision)
        except store.RoomConflict:
            changed = store.find_room(room.event_id)
            if changed is None or changed.number != room.number or changed.n is not None:
                raise
            room = changed
    raise store.RoomConflict


# What the stock decides: the size of the next wave, and whether users can still join; and the stock figures that waiting people see.


def _wave_size_for_stock(event: Event, room: Room, total: int, now: int) -> int:
    """Return how many buyers the next wave may admit: each must be able to buy up to the limit, and to pay within the provider's rates.

    Every buyer with a valid pass counts as still buying, so the estimate errs on the low side. A place may belong to a group, and each of
    its members may buy. A longer turn counts like any other, because nobody knows how many people have asked for one. The quotient is
    rounded up, so if nobody has a valid pass and tickets are left, the wave admits at least one buyer.
    """
    configured = model.first_segment(event, now)
    people = MAX_MEMBERS if event.allows_groups and room.has_list else 1
    limit = people * event.limit(settings.current().event_purchase_limit)
    stock = _event_stock(event, now)
    buying_count = admission_plan.active_pass_count(room.segments, total, sale_rules.pass_seconds(event), now)
    more_buyers = -(-stock.available // limit) - buying_count
    # The calls of a payment go to different endpoints.
    payments_per_second = max(1, min(payments.call_rate() // settings.PROVIDER_CALLS_PER_PAYMENT, payments.endpoint_rate()))
    return max(0, min(configured.wave_size, more_buyers, -(-payments_per_second * configured.interval // people)))


def why_joining_stopped(event: Event, now: int) -> tuple[str | None, int | None]:
    """Return the reason why joining has stopped (`closed`, `cancelled`, `sold_out`), and the number of tickets that may be returned.

    The reason is None if users can join. The number is None unless all remaining tickets are on hold.
    """
    phase = sale_rules.event_phase(event, now)
    if phase in ("closed", "cancelled"):
        return phase, None
    if phase == "scheduled":
        return None, None
    stock = _event_stock(event, now)
    if stock.capacity == 0 or stock.available > 0:
        return None, None
    return (None, stock.held) if stock.held else ("sold_out", None)


def tickets_left(event: Event, now: int) -> dict[str, TicketsLeft] | None:
    """Return the tickets of the event's visible tiers, or None unless the sale is open."""
    if sale_rules.event_phase(event, now) != "open":
        return None
    snapshot = catalog.snapshot()
    stocks = _moving_stocks(event, now)
    left = [(tier.id, snapshot.tier_stock(tier, stocks)) for tier in snapshot.visible_tiers(event)]
    return {
        tier_id: TicketsLeft(available=finite(stock.available), taken=stock.sold + stock.held - stock.for_waitlist)
        for tier_id, stock in left
    }


def _moving_stocks(event: Event, now: int) -> dict[str, Stock]:
    """Return the displayed stocks of an event. They are refreshed as if they were changing, because people wait for a change."""
    group = catalog.snapshot().stock_group(event.id)
    expect_movement(group, now)
    return cached_stock([group], now)


def _event_stock(event: Event, now: int) -> Stock:
    """Return the stock of the event's tickets that are or will be for sale, including tickets for resale, at most a few seconds old.

    Tickets of closed tiers, and of dates that were cancelled or have passed, would otherwise keep people in line for nothing.
    """
    snapshot = catalog.snapshot()
    stocks = _moving_stocks(event, now)
    tiers = [tier for tier in snapshot.event_tiers(event.id) if sale_rules.current_tier_status(snapshot, tier, now) in _FOR_SALE]
    stock = snapshot.event_stock(event, stocks, tiers)
    resale_tiers = [resale for tier in tiers for resale in tier.resale_tiers if resale.stock_id in stocks]
    return Stock.total_of([stock, *(stocks[resale.stock_id] for resale in resale_tiers)]) if resale_tiers else stock
