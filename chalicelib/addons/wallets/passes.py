"""Passes in wallets: create them, find the changes that affect them, and repeat each update until Google and Apple accept it.

An update is stored before it is made, and deleted only afterward, so nothing is lost if a run crashes or a service is down. Each update
sends the current state of the ticket, so updates may be repeated, and their order does not matter. A ticket or event has one update,
however often it changes. Changed tickets come before changed events, and events take turns. Updates of which only Google's part is left
come last, so Apple's passes never wait for Google.
"""

import secrets
from collections import Counter
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, ClassVar
from zlib import crc32

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.addons.wallets import apple, google, store
from chalicelib.addons.wallets.google import GoogleFailed
from chalicelib.addons.wallets.store import Pass, Update, Wallet
from chalicelib.catalog import service as catalog
from chalicelib.catalog import snapshots
from chalicelib.catalog.model import NO_BRAND, Brand, Catalog, Event, Tier
from chalicelib.changes.model import (
    AdmissionRestored,
    AdmissionSuspended,
    Change,
    EventChanged,
    TicketNamesChanged,
    TicketTransferred,
    TicketVoided,
    TierChanged,
)
from chalicelib.edge.languages import Language
from chalicelib.foundation import clock, deadline, log, parallel, settings
from chalicelib.foundation.deadline import DeadlineExceeded
from chalicelib.foundation.errors import ApiError, NotFound
from chalicelib.foundation.log import logger
from chalicelib.foundation.settings import SettingsError
from chalicelib.promoters.service import find_seller
from chalicelib.tickets import service as tickets
from chalicelib.tickets.model import Ticket, TicketFrozen, TicketVoid

COLOR = "#14161a"  # the background of passes for events without a brand
LOGO_PIXELS = 480  # the width of a logo on a phone with the highest resolution
MAX_EVENTS = 1000  # that take turns
PORTION = 100  # tickets whose passes are updated before the due updates are read again
GOOGLE_PORTION = 40  # updates of which only Google's part is left that are made before the due updates are read again: five seconds
# How long an update waits for its turn at Google. Tickets wait only a moment, so that their Apple passes change soon. Without a turn, only
# Google's part of the update stays due.
SECONDS_FOR_TURN, TICKET_SECONDS_FOR_TURN = 10.0, 1.0
SECONDS_RESERVED = 15  # of a run, for the pushes and for recording failures
FIRST_DELAY_SECONDS, MAX_DELAY_SECONDS = 30, 3600
MAX_SECONDS = 3 * 86_400  # after this time, an update is given up, as a webhook is
UNKNOWN_PHONE = (HTTPStatus.BAD_REQUEST, HTTPStatus.GONE)  # APNs does not know the push token, or no longer knows it


Phone = tuple[Pass, str, str]  # a pass, a phone that has it, and the phone's push token


class Attempt(Struct, frozen=True):
    """An attempt at an update: the phones that need a push, and whether everything else succeeded.

    `is_left` means that Google accepts no more calls at the moment, so the update has not failed, and stays due.
    """

    phones: Sequence[Phone]
    is_done: bool
    is_left: bool = False


class WalletUnavailable(ApiError):
    code: ClassVar[str] = "wallet_unavailable"
    status: ClassVar[int] = 503
    default_message: ClassVar[str] = "The wallet service is not responding at the moment. Your ticket is safe. Try again later."


def offered_wallets(now: int) -> list[Wallet]:
    """Return the wallets that are set up and whose keys are usable."""
    found: list[Wallet] = []
    if apple.is_configured() and apple.find_setup_error(now) is None:
        found.append("apple")
    if google.is_configured() and google.find_setup_error() is None:
        found.append("google")
    return found


def list_setup_errors(now: int) -> list[str]:
    """Return the codes of the errors in the keys of the wallets that are set up. Returns no errors while the secrets cannot be read."""
    try:
        found = [
            apple.find_setup_error(now) if apple.is_configured() else None,
            google.find_setup_error() if google.is_configured() else None,
        ]
    except (SettingsError, DeadlineExceeded):
        return []
    return [error for error in found if error is not None]


def make_pass(owner_id: str, ticket_id: str, wallet: Wallet, language: Language, now: int) -> Pass:
    """Return the pass of the owner's ticket, creating it if necessary. An existing pass keeps its language.

    Raises TicketNotFound, TicketVoid, TicketFrozen, NotFound if the stage does not offer the wallet, and WalletUnavailable.
    """
    if wallet not in offered_wallets(now):
        raise NotFound("This shop does not support this wallet.")
    ticket = tickets.get_owned_ticket(owner_id, ticket_id)
    if not ticket.is_admissible:
        raise TicketVoid() if ticket.state == "void" else TicketFrozen()
    digest = store.code_digest(ticket.code)
    found = store.find_pass(wallet, ticket.id, digest)
    if found is None:
        snapshot = catalog.snapshot()
        event = tickets.event_of(ticket, snapshot)
        ends_at = max((times.closes_at for times in tickets.all_door_times(event)), default=now) if event is not None else now
        found = store.create_pass(
            Pass(
                wallet=wallet,
                ticket_id=ticket.id,
                event_id=ticket.event_id,
                digest=digest,
                token=secrets.token_urlsafe(24),
                language=language,
                changed_at=now,
                ttl=max(now, ends_at) + store.KEPT_SECONDS,
            )
        )
    return found


def google_link(made: Pass) -> str:
    """Create or update a pass at Google. Returns the link with which the owner saves the pass. Raises WalletUnavailable.

    The class is written first, because an object needs it, but only if Google does not have it yet, because Google limits the calls.
    """
    snapshot, ticket = catalog.snapshot(), tickets.get_ticket(made.ticket_id)
    event, tier = snapshot.events.get(ticket.event_id), snapshot.tiers.get(ticket.tier_id)
    saved = google.ticket_object(ticket, made.serial, event, tier, is_valid=_is_valid(made, ticket, snapshot))
    try:
        if event is not None:
            shared = _class(snapshot, event, tier, ticket.tier_id)
            (known, kept_until), digest = store.find_class(event.id, ticket.tier_id), google.digest(shared)
            if known != digest:
                google.put("eventTicketClass", shared)
            if known != digest or kept_until < made.ttl - store.SPARE_SECONDS:  # the event may have been postponed
                store.add_class(event.id, ticket.tier_id, digest, known, max(kept_until, made.ttl))
        google.put("eventTicketObject", saved)
        # If the ticket or the event has changed in the meantime, its update may have run before our write.
        if not _is_valid(made, tickets.get_ticket(ticket.id), snapshots.load_current()):
            _queue_again([made], clock.now())
    except GoogleFailed as error:
        logger.warning("wallets.google_failed", ticket_id=ticket.id, error=str(error))
        raise WalletUnavailable() from None
    return google.save_link(saved)


def apple_file(made: Pass) -> bytes:
    """Return the file of a pass in its current state."""
    snapshot, ticket = catalog.snapshot(), tickets.get_ticket(made.ticket_id)
    event, tier = tickets.event_of(ticket, snapshot), snapshot.tiers.get(ticket.tier_id)
    is_valid = _is_valid(made, ticket, snapshot)
    brand = _brand(snapshot, event)
    images = apple.draw_images(brand.color or COLOR) | _logo_images(brand)
    return apple.pass_file(made, ticket, event, tier, find_seller(event).name, brand.color or COLOR, images, is_valid=is_valid)


def follow(changes: Sequence[Change]) -> None:
    """Queue updates of the passes that the changes affect. Safe to repeat."""
    changed: dict[str, Ticket] = {}
    events: set[str] = set()
    for change in changes:
        if change.is_copy:
            continue
        match change:
            case TicketVoided() | AdmissionSuspended() | AdmissionRestored() | TicketTransferred() | TicketNamesChanged():
                changed[change.ticket.id] = change.ticket
            case EventChanged(before=Event() as before, after=Event() as after) if _shown(before) != _shown(after):
                events.add(change.event_id)
            case TierChanged(before=Tier() as old, after=Tier() as new) if (old.name, old.names, old.date_ids) != (
                new.name,
                new.names,
                new.date_ids,
            ):
                events.add(new.event_id)
    now = clock.now()
    updates = [Update("ticket", ticket_id, now) for ticket_id in store.tickets_with_passes(changed.values())]
    store.put_updates([*updates, *(Update("event", event_id, now) for event_id in sorted(events))])


def update_due(now: int) -> dict[str, Any]:
    """Make due updates until none are left or the time runs out. Returns a report of the run."""
    setup_errors = list_setup_errors(now)
    outcomes, turns = Counter[str](), Counter[str]()  # turns by event
    while deadline.remaining() > SECONDS_RESERVED:
        events = store.list_changed_events(MAX_EVENTS)
        due, max_wait = store.list_changed_tickets(PORTION) or store.list_others(now, PORTION), TICKET_SECONDS_FOR_TURN
        if earlier := [(key, update) for key, update in due if update.has_tickets]:
            _merge(earlier)
            continue
        if not due and not outcomes["left"]:  # as long as Google accepts calls
            due, max_wait = store.list_left_to_google(google.JOB_RATE if events else GOOGLE_PORTION), SECONDS_FOR_TURN
        if not (due or events):
            break
        outcomes += _update(due, now, max_wait)
        if events:
            first = now // 60 % len(events)  # each minute, a different event has the first turn
            key, update = min(events[first:] + events[:first], key=lambda entry: turns[entry[1].id])
            turns[update.id] += 1
            outcomes += _update_portion(key, update, now)
    counts = {name: outcomes[name] for name in ("updated", "failed", "given_up", "left")}
    return {"due": outcomes.total(), **counts, "setup_errors": setup_errors}


def _merge(earlier: Sequence[tuple[str, Update]]) -> None:
    """Replace the updates of earlier releases, which stored one for each change of an event, with one for each event."""
    store.put_updates(list({update.id: update for _, update in earlier}.values()))
    parallel.call_each(lambda entry: store.delete_update(*entry), list(earlier))


def _update_portion(key: str, update: Update, now: int) -> Counter[str]:
    """Update some passes of an event, and save the position. Returns the numbers of updates by outcome.

    The first portion changes the event's classes at Google. Each part that fails, or for which Google accepts no more calls, becomes due
    again as a separate update.
    """
    found, position = store.list_tickets_with_passes(update.id, update.position, PORTION)
    tier_ids = store.list_classes(update.id) if update.position == store.START else []
    classes = [replace(update, position=store.END + tier_id) for tier_id in tier_ids]
    updates = [*classes, *(Update("ticket", ticket_id, now) for ticket_id in found)]
    outcomes = _update([(None, each) for each in updates], now, TICKET_SECONDS_FOR_TURN)
    if position is None:
        store.delete_update(key, update)
    else:
        store.save_position(key, update, position)
    return outcomes


def _update(due: Sequence[tuple[str | None, Update]], now: int, max_wait: float) -> Counter[str]:
    """Make updates, then delete or postpone them. Returns the number of updates by outcome. An update without a key is not stored yet.

    An update that gets no turn at Google within `max_wait` seconds stays due for Google alone. If nothing else had been left of the update
    before, its outcome is `left`.
    """
    if not due:
        return Counter()
    attempts = parallel.call_each(lambda entry: _attempt(entry[1], now, max_wait), due)
    phones = {token: (changed, device) for attempt in attempts for changed, device, token in attempt.phones}
    statuses = apple.push(list(phones)) if phones else {}
    unreached = set[str]()
    for token, status in statuses.items():
        changed, device = phones[token]
        if status in UNKNOWN_PHONE:
            store.unregister(changed, device)
        elif status != HTTPStatus.OK:
            unreached.add(token)
    outcomes, left = Counter[str](), list[tuple[str | None, Update]]()
    for (key, update), attempt in zip(due, attempts, strict=True):
        has_pushed = not any(token in unreached for *_, token in attempt.phones)
        is_young = now - update.since < MAX_SECONDS
        if attempt.is_left and has_pushed and is_young:
            left.append((key, update))
            outcomes["left"] += update.is_for_google
            continue
        outcome = "updated" if attempt.is_done and has_pushed else "failed" if is_young else "given_up"
        if outcome == "failed":
            store.put_updates([replace(update, attempts=update.attempts + 1)], _next_attempt_at(update, now))
        elif outcome == "given_up":
            logger.error("wallets.given_up", kind=update.kind, id=update.id)
        if key is not None:
            store.delete_update(key, update)
        outcomes[outcome] += 1
    store.put_updates([update if update.is_for_google else replace(update, position=store.END) for _, update in left])
    for key, update in left:
        if key is not None:
            store.delete_update(key, update)
    log.count("pass_updates_sent", outcomes["updated"])
    log.count("pass_updates_failed", outcomes["failed"] + outcomes["given_up"])
    return outcomes


def _next_attempt_at(update: Update, now: int) -> int:
    """Return when to retry a failed update. Updates of one target that failed equally often get the same time and become one update."""
    delay: int = min(FIRST_DELAY_SECONDS * 2**update.attempts, MAX_DELAY_SECONDS)
    offset = crc32(update.id.encode()) % delay  # so that updates of different targets are retried at different times
    return ((now + delay // 2 - offset) // delay + 1) * delay + offset


def _attempt(update: Update, now: int, max_wait: float) -> Attempt:
    """Make an update. If Google fails, the phones with the same ticket still get their push."""
    phones, is_done, is_left = list[Phone](), False, False
    try:
        if update.kind == "event":
            _update_classes(update, max_wait)
        else:
            kept = store.list_passes(update.id)
            phones = _touch_passes(kept, now) if update.position == store.START else []
            _update_objects(update.id, kept, now, max_wait)
        is_done = True
    except (GoogleFailed, DeadlineExceeded) as error:
        is_left = isinstance(error, GoogleFailed) and error.is_limit
        if not is_left:
            logger.warning("wallets.update_failed", kind=update.kind, id=update.id, error=str(error))
    except Exception:
        logger.exception("wallets.update_failed", kind=update.kind, id=update.id)
    return Attempt(phones, is_done, is_left)


def _update_classes(update: Update, max_wait: float) -> None:
    """Change one class or all classes of an event at Google. Apple has no classes: each of its passes repeats these details."""
    for tier_id in [update.tier_id] if update.tier_id else store.list_classes(update.id):
        google.wait_for_turn(max_wait)
        snapshot = snapshots.load_current()  # an instance's snapshot may be older than the change
        event = snapshot.events.get(update.id)
        if event is not None:
            google.patch("eventTicketClass", _class(snapshot, event, snapshot.tiers.get(tier_id), tier_id))


def _touch_passes(kept: Sequence[Pass], now: int) -> list[Phone]:
    """Record that the passes at Apple have changed. Returns the phones that have them."""
    touched = [store.touch(each, now) for each in kept if each.wallet == "apple"]
    return [(changed, device, token) for changed in touched for device, token in store.list_devices(changed).items()]


def _update_objects(ticket_id: str, kept: Sequence[Pass], now: int, max_wait: float) -> None:
    """Change the objects of a ticket at Google.

    Passes of void tickets and of former owners stay void, so each is deleted once Google has accepted the change. Otherwise, a
    ticket that changes hands again and again would take more and more calls. If the ticket has changed in the meantime, our write may have
    replaced a later state from another run, so an update is queued.
    """
    objects = [each for each in kept if each.wallet == "google"]
    if not objects:
        return
    google.wait_for_turn(max_wait)
    ticket, snapshot = tickets.get_ticket(ticket_id), snapshots.load_current()
    event, tier = snapshot.events.get(ticket.event_id), snapshot.tiers.get(ticket.tier_id)
    try:
        for number, each in enumerate(objects):
            if number:
                google.wait_for_turn(max_wait)
            is_valid = _is_valid(each, ticket, snapshot)
            is_known = google.patch("eventTicketObject", google.ticket_object(ticket, each.serial, event, tier, is_valid=is_valid))
            if is_known and (ticket.state == "void" or each.digest != store.code_digest(ticket.code)):
                store.delete_pass(each)
    finally:
        if tickets.get_ticket(ticket_id) != ticket:
            _queue_again(objects, now)


def _queue_again(objects: Sequence[Pass], now: int) -> None:
    """Make an update due for a ticket with these passes at Google, because another run may have written a later state before our write.

    If that run has deleted a pass, the pass is stored again.
    """
    for each in objects:
        store.keep_pass(each)
    store.put_updates([Update("ticket", objects[0].ticket_id, now)])


def _is_valid(made: Pass, ticket: Ticket, snapshot: Catalog) -> bool:
    """Return whether a pass admits people: its ticket is valid and has the same code, and its event and dates are not cancelled."""
    event = snapshot.events.get(ticket.event_id)
    is_cancelled = event is not None and snapshot.is_cancelled(event, [ticket.tier_id])
    return ticket.is_admissible and store.code_digest(ticket.code) == made.digest and not is_cancelled


def _class(snapshot: Catalog, event: Event, tier: Tier | None, tier_id: str) -> dict[str, Any]:
    brand = _brand(snapshot, event)
    logo = settings.current().page_url(brand.logo.address[1:]) if brand.logo is not None else None
    return google.event_class(event, tier, tier_id, find_seller(event).name, brand.color or COLOR, logo)


def _brand(snapshot: Catalog, event: Event | None) -> Brand:
    return snapshot.choices_of(event.promoter_id).brand if event is not None else NO_BRAND


def _logo_images(brand: Brand) -> dict[str, bytes]:
    """Return the promoter's logo for an Apple pass. Returns no images if there is no logo, or if its file cannot be read."""
    if brand.logo is None or not settings.current().images_bucket:
        return {}
    widths = brand.logo.widths
    try:
        return apple.logo_images(brand.logo.thumbnail_key(min((width for width in widths if width >= LOGO_PIXELS), default=max(widths))))
    except Exception as error:  # a pass without a logo is better than none
        logger.warning("wallets.logo_not_read", path=brand.logo.path, error=type(error).__name__)
        return {}


def _shown(event: Event) -> tuple[Any, ...]:
    """Return the details of an event that passes show."""
    place, times = (event.venue, event.address, event.city), (event.starts_at, event.ends_at, event.timezone, event.doors_minutes)
    return event.name, event.names, place, times, event.dates, event.cancelled_date_ids, event.status == "cancelled"
