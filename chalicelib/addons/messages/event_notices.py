"""Tell ticket holders when the name, place or time of their event changes: one email for each person and change.

A change is first recorded in a notice. A few minutes after the last of several changes, the emails are queued in portions, and the progress
is saved after each portion. A notice compares the details that holders know with the current event, so a change that was undone causes no
email, and a change that is delivered twice causes no second email.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256

from msgspec.structs import asdict, replace

from chalicelib.addons.messages import store
from chalicelib.addons.messages.model import EventDetails, EventNotice, Mailing, event_details
from chalicelib.catalog import service as catalog
from chalicelib.changes.model import EventChanged
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import deadline, parallel
from chalicelib.foundation.log import logger
from chalicelib.notifications import outbox
from chalicelib.notifications.model import Notification
from chalicelib.purchases import queries
from chalicelib.purchases.model import Purchase
from chalicelib.tickets.model import Ticket
from chalicelib.tickets.store import change_position, query_changed_tickets

QUIET_SECONDS = 300  # from the last change until the emails are queued
MAX_DELAY_SECONDS = 1800  # from the first change until the emails are queued, even if more changes keep coming
PORTION = 250  # tickets
MAX_TICKETS = 1000  # per run: about as many emails as one run sends at the initial rate of SES
HEARD_SECONDS = 60  # for this long after a change, an instance may still sell tickets with the event's old details
SECONDS_RESERVED = 30  # per run, for sending
MAX_ATTEMPTS = 5
SILENT_STATUSES = ("draft", "cancelled", "past")  # ticket holders of a cancelled event get an email about the refund instead


def note_changes(changes: Iterable[EventChanged]) -> None:
    """Record the changes that matter to ticket holders, many events at once. Safe to repeat."""
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
            raise dynamo.StoreUnavailable("the notice kept changing")


def queue_mails(now: int) -> int:
    """Queue the due emails about changes to events, for about MAX_TICKETS tickets. Returns the number of tickets.

    The notices take turns: a notice queues one portion in each turn, and each run begins with a different notice. So neither a large event
    nor an error delays the emails of other events.
    """
    notices = deque((notice.event_id, _queue_portions(notice, now)) for notice in store.list_open_notices())
    notices.rotate(now // 60)
    tickets = 0
    while notices and tickets < MAX_TICKETS and deadline.remaining() >= SECONDS_RESERVED:
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


def _queue_portions(notice: EventNotice, now: int) -> Iterator[int]:
    """Queue the due emails of a notice, and yield the number of tickets after each portion."""
    current = _begin_mailing(notice, now) if notice.mailing is None else notice
    while current is not None and current.mailing is not None:
        current, tickets = _queue_portion(current, current.mailing, now)
        yield tickets


def _with_change(notice: EventNotice, before: EventDetails, at: int) -> EventNotice:
    first_at = at if notice.first_at is None else min(notice.first_at, at)
    last_at = at if notice.last_at is None else max(notice.last_at, at)
    due_at = min(last_at + QUIET_SECONDS, first_at + MAX_DELAY_SECONDS)
    # A change may arrive after a later change. A much older change is a repeated delivery, which holders may already know about.
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
        position = change_position(0)
        begun = replace(begun, mailing=Mailing(began_at=now, changed_at=notice.last_at, before=notice.known, position=position))
    return begun if store.save_notice(notice, begun, now) else None


def _queue_portion(notice: EventNotice, under_way: Mailing, now: int) -> tuple[EventNotice | None, int]:
    """Queue the emails for a portion of tickets. Returns the updated notice, and the number of tickets.

    The notice is None if another run has changed it in the meantime.
    """
    found, position = query_changed_tickets(notice.event_id, under_way.position, PORTION)
    latest = under_way.changed_at + HEARD_SECONDS
    wanted = {ticket.owner_id: ticket for ticket in found if ticket.state != "void" and _held_since(ticket) <= latest}
    orders = queries.load_readable({ticket.purchase_id for ticket in wanted.values()})[0] if wanted else {}
    mails = list(_notifications(notice.event_id, under_way, wanted.values(), orders, now))
    parallel.call_each(outbox.queue_notification, mails)
    after = replace(notice, mailing=None if position is None else replace(under_way, position=position))
    if not store.save_notice(notice, after, now):
        return None, len(found)
    if position is None:
        logger.info("event_notice.queued", event_id=notice.event_id, began_at=under_way.began_at)
    return after, len(found)


def _held_since(ticket: Ticket) -> int:
    transfer = ticket.transfer
    return ticket.created_at if transfer is None or transfer.accepted_at is None else transfer.accepted_at


def _notifications(
    event_id: str, under_way: Mailing, wanted: Iterable[Ticket], orders: Mapping[str, Purchase | None], now: int
) -> Iterator[Notification]:
    """Yield a notification for the owner of each ticket. Notification ids appear in logs, so they contain a hash of the owner's id."""
    before = {f"before_{name}": value for name, value in asdict(under_way.before).items()}
    for ticket in wanted:
        order = orders.get(ticket.purchase_id)
        is_buyer = order is not None and order.user_id == ticket.owner_id
        yield outbox.new_notification(
            "event_changed",
            event_id,
            f"{under_way.began_at}-{sha256(ticket.owner_id.encode()).hexdigest()[:32]}",
            user_id=ticket.owner_id,
            event_id=event_id,
            now=now,
            language=ticket.language or (order.language if order is not None and is_buyer else None),  # older tickets have no language
            facts={**before, **({"order_id": ticket.purchase_id} if is_buyer else {"ticket_id": ticket.id})},
        )
