"""Send emails to ticket holders when their event's name, place or time changes, and announcements to them or to the waitlist.

A change is first recorded in a notice. A few minutes after the last of several changes, the emails are queued in portions, and the progress
is saved after each portion. The notice keeps the details that holders know, and these are compared with the current event. A change that
was undone therefore causes no email, and a change that is delivered twice causes no second email.

The emails about an announcement are queued in the same portions. The id of each email contains a keyed hash of its address, so that an
address with several tickets, orders or accounts gets one email, even after a crash.
"""

import hmac
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import NamedTuple

from msgspec.structs import asdict, replace

from chalicelib.addons.messages import store
from chalicelib.addons.messages.model import (
    Announcement,
    AnnouncementNotFound,
    AnnouncementStarted,
    EventDetails,
    EventNotice,
    Mailing,
    event_details,
)
from chalicelib.audit import service as audit
from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import Catalog, Event
from chalicelib.changes.model import EventChanged
from chalicelib.dynamodb import dynamo
from chalicelib.edge import rate_limits
from chalicelib.foundation import addons, deadline, parallel, secret_settings
from chalicelib.foundation.log import logger
from chalicelib.notifications import outbox
from chalicelib.notifications.model import Fact, Notification, notification_id
from chalicelib.purchases import queries
from chalicelib.purchases.model import Purchase
from chalicelib.tickets.model import Ticket
from chalicelib.tickets.store import position_at, query_changed_tickets

QUIET_SECONDS = 300  # from the last change until the emails are queued
MAX_DELAY_SECONDS = 1800  # from the first change until the emails are queued, even if more changes keep coming
PORTION = 250  # tickets
HEARD_SECONDS = 60  # for this long after a change, an instance may still sell tickets with the event's old details
SECONDS_RESERVED = 42  # of each run: 12 to send the push messages, and 30 to send the emails
UNLISTED_MINUTES = 15  # how often to look for notices that the previous version wrote during an upgrade
MAX_ATTEMPTS = 5
SILENT_STATUSES = ("draft", "cancelled", "past")  # ticket holders of a cancelled event get an email about the refund instead


def note_changes(changes: Iterable[EventChanged]) -> None:
    """Record changes to details that ticket holders must know about, for many events at once. Safe to repeat."""
    by_event: dict[str, list[tuple[EventDetails, int]]] = {}  # the details before each change, and the time of the change
    for change in changes:
        if change.before is None or change.after is None or change.before.status == "draft":
            continue
        before = event_details(change.before)
        if before != event_details(change.after):
            by_event.setdefault(change.event_id, []).append((before, change.at))
    parallel.call_each(lambda each: _note_changes(*each), list(by_event.items()))


def _note_changes(event_id: str, changes: Iterable[tuple[EventDetails, int]]) -> None:
    for before, at in changes:
        for _ in range(MAX_ATTEMPTS):
            notice = store.find_notice(event_id)
            if store.save_notice(notice, _with_change(notice or EventNotice(event_id=event_id, known=before), before, at), at):
                break
        else:
            raise dynamo.Contention("the notice kept changing")


def queue_mails(now: int) -> int:
    """Queue the due emails about changes to events and announcements, for about `outbox.bulk_limit` tickets. Returns the number of tickets.

    Notices and announcements take turns, and queue one portion in each turn. Each run begins with a different notice or announcement. So
    neither a large event nor an error delays the emails of other events.
    """
    event_ids = store.list_open_notices(now)
    if now // 60 % UNLISTED_MINUTES == 0:
        event_ids += store.list_unlisted_notices()
    notices = deque((event_id, _queue_portions(event_id, now)) for event_id in event_ids)
    notices.extend((due[1], _queue_announcement(*due, now)) for due in store.list_due_announcements(now))
    notices.rotate(now // 60)
    tickets, max_tickets = 0, outbox.bulk_limit()
    while notices and tickets < max_tickets and deadline.remaining() >= SECONDS_RESERVED:
        event_id, portions = notices.popleft()
        try:
            tickets += next(portions)
        except StopIteration:
            continue
        except Exception as error:
            if dynamo.is_unavailable(error):
                raise
            logger.exception("event_notice.failed", event_id=event_id)
            continue
        notices.append((event_id, portions))
    return tickets


def _queue_portions(event_id: str, now: int) -> Iterator[int]:
    """Queue the due emails of an event's notice, and yield the number of tickets after each portion."""
    current = store.find_notice(event_id)
    if current is not None and current.has_ended:
        store.save_notice(current, current, now)  # the previous version ended the notice, but left it in the list
    if current is not None and current.mailing is None:
        current = _begin_mailing(current, now)
    while current is not None and current.mailing is not None:
        current, tickets = _queue_portion(current, current.mailing, now)
        yield tickets


def _with_change(notice: EventNotice, before: EventDetails, at: int) -> EventNotice:
    first_at = at if notice.first_at is None else min(notice.first_at, at)
    last_at = at if notice.last_at is None else max(notice.last_at, at)
    due_at = min(last_at + QUIET_SECONDS, first_at + MAX_DELAY_SECONDS)
    # Changes may arrive out of order. But a much older change is a repeated delivery, and holders may already know about it.
    is_late = notice.mailing is None and notice.first_at is not None and notice.first_at - QUIET_SECONDS < at < notice.first_at
    return replace(notice, known=before if is_late else notice.known, first_at=first_at, last_at=last_at, due_at=due_at)


def _begin_mailing(notice: EventNotice, now: int) -> EventNotice | None:
    """Start to queue the emails about a change. Returns None if nothing is due or another run has already started."""
    if notice.due_at is None or notice.last_at is None or now < notice.due_at:
        return None
    event = catalog.load_current().find_event(notice.event_id)
    details = notice.known if event is None else event_details(event)
    begun = replace(notice, known=details, first_at=None, last_at=None, due_at=None)
    if event is not None and details != notice.known and event.status not in SILENT_STATUSES and now <= event.last_sale_at:
        position = position_at(0)
        begun = replace(begun, mailing=Mailing(began_at=now, changed_at=notice.last_at, before=notice.known, position=position))
    return begun if store.save_notice(notice, begun, now) else None


def _queue_portion(notice: EventNotice, mailing: Mailing, now: int) -> tuple[EventNotice | None, int]:
    """Queue the emails for a portion of tickets. Returns the updated notice, and the number of tickets.

    The notice is None if another run has changed it in the meantime.
    """
    found, position = query_changed_tickets(notice.event_id, mailing.position, PORTION)
    latest = mailing.changed_at + HEARD_SECONDS
    snapshot = catalog.snapshot()
    wanted = {
        ticket.owner_id: ticket
        for ticket in found
        if ticket.state != "void" and _owned_since(ticket) <= latest and _is_affected(ticket, mailing.before, snapshot)
    }
    orders = queries.load_readable({ticket.purchase_id for ticket in wanted.values()})[0] if wanted else {}
    mails = list(_notifications(notice.event_id, mailing, wanted.values(), orders, snapshot, now))
    parallel.call_each(outbox.queue_notification, mails)
    after = replace(notice, mailing=None if position is None else replace(mailing, position=position))
    if not store.save_notice(notice, after, now):
        return None, len(found)
    if position is None:
        logger.info("event_notice.queued", event_id=notice.event_id, began_at=mailing.began_at)
    return after, len(found)


def _is_affected(ticket: Ticket, before: EventDetails, snapshot: Catalog) -> bool:
    """Return whether a detail of the event has changed for the dates for which a ticket is valid. An unknown event counts as changed."""
    event, tier = snapshot.events.get(ticket.event_id), snapshot.tiers.get(ticket.tier_id)
    return event is None or before.has_changed(event_details(event), tier.date_ids if tier is not None else [])


def _owned_since(ticket: Ticket) -> int:
    transfer = ticket.transfer
    return ticket.created_at if transfer is None or transfer.accepted_at is None else transfer.accepted_at


def _notifications(
    event_id: str, mailing: Mailing, wanted: Iterable[Ticket], orders: Mapping[str, Purchase | None], snapshot: Catalog, now: int
) -> Iterator[Notification]:
    """Yield a notification for the owner of each ticket. Notification ids appear in logs, so they contain a hash of the owner's id."""
    event = snapshot.events.get(event_id)
    for ticket in wanted:
        known, order = mailing.before, orders.get(ticket.purchase_id)
        if event is not None:  # an email to a buyer is about all tickets of the order
            tier_ids = [line.tier_id for line in order.lines] if order and order.user_id == ticket.owner_id else [ticket.tier_id]
            known = known.narrowed(event_details(event), [date.id for date in snapshot.narrow(event, tier_ids).dates])
        before = {f"before_{name}": value for name, value in asdict(known).items()}
        version = f"{mailing.began_at}-{sha256(ticket.owner_id.encode()).hexdigest()[:32]}"
        yield _holder_notification("event_changed", event_id, version, ticket, order, before, now)


def _holder_notification(
    kind: str, subject_id: str, version: str, ticket: Ticket, order: Purchase | None, facts: Mapping[str, Fact], now: int
) -> Notification:
    """Return a notification for the owner of a ticket, in the language of the buyer or of the person who received the ticket."""
    is_buyer = order is not None and order.user_id == ticket.owner_id
    return outbox.new_notification(
        kind,
        subject_id,
        version,
        user_id=ticket.owner_id,
        event_id=ticket.event_id,
        now=now,
        language=ticket.language or (order.language if order is not None and is_buyer else None),  # older tickets have no language
        facts={**facts, **({"order_id": ticket.purchase_id} if is_buyer else {"ticket_id": ticket.id})},
    )


def save_announcement(announcement: Announcement, promoter_id: str | None, actor: str, now: int) -> Announcement:
    """Create an announcement, or change a scheduled announcement, and return the stored announcement. Safe to repeat.

    Raises AnnouncementStarted if the announcement is no longer scheduled, and RateLimited if the limit of the event, of its promoter or of
    the stage is reached.
    """
    before = store.find_announcement(announcement.event_id, announcement.id)
    after = announcement if before is None else replace(announcement, created_at=before.created_at)
    if before is not None:
        if _content(before, now) == _content(after, now):
            return before
        if before.status != "scheduled" or before.due_at <= now:
            raise AnnouncementStarted(announcement_id=before.id)
    else:
        rate_limits.count_effect_or_refuse(rate_limits.ANNOUNCEMENT, announcement.event_id, now)
        if promoter_id is not None:
            rate_limits.count_effect_or_refuse(rate_limits.PROMOTER_ANNOUNCEMENTS, promoter_id, now)
        rate_limits.count_effect_or_refuse(rate_limits.ALL_ANNOUNCEMENTS, "", now)
    details = {
        "announcement_id": after.id,
        "subject": after.subject,
        "tier_ids": after.tier_ids,
        "date_ids": after.date_ids,
        "door": after.door,
        "audience": after.audience,
        "due_at": after.due_at,
    }
    action = "announcement.created" if before is None else "announcement.changed"
    entry = audit.entry_item(f"event#{after.event_id}", action, actor, now, details)
    try:
        dynamo.transact([*store.announcement_items(before, after), entry])
    except dynamo.ConditionFailed:
        stored = store.find_announcement(after.event_id, after.id)
        if stored is not None and _content(stored, now) == _content(after, now):  # the same request arrived twice at once
            return stored
        raise AnnouncementStarted(announcement_id=after.id) from None
    return after


def stop_announcement(event_id: str, announcement_id: str, actor: str, now: int) -> Announcement:
    """Stop an announcement, so that no further emails are sent. Safe to repeat. Raises AnnouncementNotFound."""
    for _ in range(MAX_ATTEMPTS):
        before = store.find_announcement(event_id, announcement_id)
        if before is None:
            raise AnnouncementNotFound()
        if before.status == "stopped":
            return before
        after = replace(before, status="stopped")
        details = {"announcement_id": announcement_id, "status": before.status, "tickets": before.tickets}
        entry = audit.entry_item(f"event#{event_id}", "announcement.stopped", actor, now, details)
        try:
            dynamo.transact([*store.announcement_items(before, after), entry])
        except dynamo.ConditionFailed:  # a run has saved its progress
            continue
        return after
    raise dynamo.Contention("the announcement kept changing")


def _content(announcement: Announcement, now: int) -> Announcement:
    """Return the fields that managers choose, for comparison. Ignores the time of due announcements, so that repeated calls are equal."""
    due_at = 0 if announcement.due_at <= now else announcement.due_at
    return replace(announcement, status="scheduled", position=None, tickets=0, due_at=due_at, created_at=0, written_at=0)


def _queue_announcement(key: str, event_id: str, announcement_id: str, now: int) -> Iterator[int]:
    """Queue the emails of a due announcement, and yield the size of each portion. Waits while the promoter is locked."""
    while True:
        current, event = store.find_announcement(event_id, announcement_id), catalog.find_event(event_id)
        if current is None or event is None or current.status in ("queued", "stopped"):
            store.close_announcement(key)
            return
        if now < current.due_at or event.suspended:
            return
        read = _read_waiting if current.audience == "waiting" else _read_holders
        portion = read(current, event, now)
        _queue_announcement_mails(current, event, portion.mails)
        status = "queued" if portion.position is None else "sending"
        position = portion.position or current.position
        after = replace(current, status=status, position=position, tickets=current.tickets + portion.tickets)
        if store.save_announcement(current, after) and portion.position is None:
            logger.info("announcement.queued", event_id=event_id, announcement_id=announcement_id)
        yield portion.size


class _Portion(NamedTuple):
    """A portion of an announcement: the emails, the number of their tickets, the number of items read, and the next position."""

    mails: list[Notification]
    tickets: int
    size: int
    position: str | None


def _read_holders(announcement: Announcement, event: Event, now: int) -> _Portion:
    found, position = query_changed_tickets(event.id, announcement.position or position_at(0), PORTION)
    wanted = [
        ticket
        for ticket in found
        if ticket.state != "void"
        and _concerns(announcement, event, [ticket.tier_id])
        and (announcement.door is None or (announcement.door == "entered") == bool(ticket.checkins))
    ]
    orders = queries.load_readable({ticket.purchase_id for ticket in wanted})[0] if wanted else {}
    mails = [
        _holder_notification("announcement", announcement.id, "", ticket, orders.get(ticket.purchase_id), {}, now)
        for ticket in {(ticket.owner_id, ticket.purchase_id): ticket for ticket in wanted}.values()
    ]
    return _Portion(mails, len(wanted), len(found), position)


def _read_waiting(announcement: Announcement, event: Event, now: int) -> _Portion:
    """Read the next entries of the waitlist. The position is the id of the last entry, or None after an empty page, which ends the list."""
    from chalicelib.addons.waitlist import store as waitlist

    if not addons.is_on("waitlist"):
        return _Portion([], 0, 0, None)
    places = next(waitlist.read_pages(event.id, announcement.position, PORTION // waitlist.PARTS), [])
    wanted = [place.entry for place in places if _concerns(announcement, event, place.entry.tier_ids)]
    mails = [
        outbox.new_notification(
            "announcement",
            announcement.id,
            "",
            user_id=entry.user_id,
            event_id=event.id,
            now=now,
            language=entry.language,
            facts={"entry_id": entry.id},
        )
        for entry in wanted
    ]
    return _Portion(mails, sum(entry.quantity for entry in wanted), len(places), places[-1].entry.id if places else None)


def _concerns(announcement: Announcement, event: Event, tier_ids: Sequence[str]) -> bool:
    """Return whether an announcement is for people who have or want tickets of these types."""
    valid = {date.id for date in catalog.snapshot().narrow(event, tier_ids).dates} if announcement.date_ids else set()
    is_of_date = not announcement.date_ids or not valid.isdisjoint(announcement.date_ids)
    return is_of_date and (not announcement.tier_ids or not set(announcement.tier_ids).isdisjoint(tier_ids))


def _queue_announcement_mails(announcement: Announcement, event: Event, mails: Sequence[Notification]) -> None:
    """Queue one email for each address. Leaves out people without an address."""
    from chalicelib.addons.messages.composition import find_address  # imported here because few functions compose emails

    key = secret_settings.derived_key("announcements")

    def queue(mail: Notification) -> None:
        address = find_address(mail, event)
        if address is not None:
            digest = hmac.digest(key, f"{event.id} {announcement.id} {address.strip().lower()}".encode(), "sha256").hex()[:32]
            outbox.queue_notification(replace(mail, id=notification_id("announcement", announcement.id, digest)))

    parallel.call_each(queue, mails)
