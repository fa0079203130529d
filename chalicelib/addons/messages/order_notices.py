"""Decide who is notified of a change to an order, a refund or a ticket.

Each notification is queued once, even if changes arrive repeatedly or out of order.
"""

from collections.abc import Iterator, Sequence
from hashlib import sha256

from chalicelib.accounts import service as accounts
from chalicelib.addons.messages import event_notices
from chalicelib.catalog import service as catalog
from chalicelib.changes.model import (
    Change,
    CheckoutOpened,
    EventChanged,
    EventPaused,
    OrderPaid,
    OrderRefunded,
    OrderResent,
    ReservationCancelled,
    ReservationExpired,
    ReturnDeclined,
    ReturnRequested,
    TicketTransferred,
    TicketVoided,
    WaitlistOffered,
)
from chalicelib.foundation import clock
from chalicelib.foundation.log import logger
from chalicelib.notifications import outbox
from chalicelib.notifications.model import Fact, Notification
from chalicelib.purchases.model import EVENT_CANCELLED, Purchase

# Older changes cause no email. DynamoDB keeps changes for a day, and dead letters about changes can be replayed until then.
MAX_AGE_SECONDS = 86_400

# A shorter offer has no reminder, because the reminder would follow too soon after the first email.
MIN_REMINDED_SECONDS = 3600
REMINDER_SHARE, MAX_REMINDER_SECONDS = 4, 3 * 3600  # remind when a quarter of the time is left, but at most three hours before the end

TRANSFER_SECONDS = 2 * 86_400  # this long before the deadline, the buyer is reminded of a bank transfer that has not arrived

SILENT_REFUNDS = ("undone",)  # reasons of refunds without an email; a reset of a demo undoes orders


def follow(changes: Sequence[Change]) -> None:
    """Queue the notifications about changes. Ignores copied items, because people were notified when the changes happened."""
    changes = [change for change in changes if not change.is_copy]
    oldest = clock.now() - MAX_AGE_SECONDS
    event_notices.note_changes([change for change in changes if isinstance(change, EventChanged) and change.at >= oldest])
    unreachable = _orders_without_address(changes)
    for change in changes:
        if isinstance(change, OrderPaid) and change.purchase.id in unreachable:
            continue
        for notification in _notifications(change):
            if change.at >= oldest:
                outbox.queue_notification(notification)
            else:
                logger.info("notification.too_old", kind=notification.kind, subject_id=notification.subject_id)


def _orders_without_address(changes: Sequence[Change]) -> set[str]:
    """Return the ids of the paid orders whose buyers have neither given an address nor an account."""
    paid = [change.purchase for change in changes if isinstance(change, OrderPaid) and not change.purchase.has_details]
    known = {account.user_id for account in accounts.find_accounts({purchase.user_id for purchase in paid})} if paid else set()
    return {purchase.id for purchase in paid if purchase.user_id not in known}


def _notifications(change: Change) -> Iterator[Notification]:
    match change:
        case OrderPaid() if change.purchase.payment is None or change.purchase.payment.provider != "imported":
            yield _confirmation(change)  # another system sold imported orders, and sends its own emails
        case OrderResent():
            yield _confirmation(change)
        case CheckoutOpened():
            yield from _transfer_requests(change)
        case ReservationExpired() | ReservationCancelled():
            yield from _ended_transfer(change)
        case OrderRefunded():
            yield from _refund_notifications(change)
        case ReturnRequested():
            yield from _requested_return(change)
        case ReturnDeclined():
            yield _declined_return(change)
        case EventPaused():
            yield from _restricted_account(change)
        case WaitlistOffered():
            yield from _offer_notifications(change)
        case TicketTransferred():
            yield from _transfer_notifications(change)
        case TicketVoided():
            yield from _void_ticket_notifications(change)


def _buyer_notification(
    kind: str, purchase: Purchase, version: str | int, *, due_at: int | None = None, is_urgent: bool = False, **facts: Fact
) -> Notification:
    """Return a notification about a purchase for its buyer."""
    return outbox.new_notification(
        kind,
        purchase.id,
        version,
        user_id=purchase.user_id,
        event_id=purchase.event_id,
        now=clock.now(),
        due_at=due_at,
        language=purchase.language,
        facts={"order_id": purchase.id, **facts},
        is_urgent=is_urgent,
    )


def _confirmation(change: OrderPaid | OrderResent) -> Notification:
    purchase = change.purchase
    return _buyer_notification("order_confirmed", purchase, purchase.version, is_urgent=purchase.costs_money)


def _refund_notifications(change: OrderRefunded) -> Iterator[Notification]:
    """Notify the buyer of a refund: of returned tickets, of a payment that got no tickets, or of a cancelled event."""
    purchase, refund = change.purchase, change.refund
    if refund.reason in SILENT_REFUNDS:
        return
    kind = "payment_returned" if not refund.tickets else "event_cancelled" if refund.reason == EVENT_CANCELLED else "order_refunded"
    yield _buyer_notification(kind, purchase, refund.id.replace(".", "_"), refund_id=refund.id)


def _requested_return(change: ReturnRequested) -> Iterator[Notification]:
    """Notify each manager of the event, at most once a day for each order. The ids contain hashes of user ids, because logs show them."""
    from chalicelib.promoters.service import list_manager_ids  # imported here, because few changes need it

    purchase = change.purchase
    event = catalog.find_event(purchase.event_id)
    if event is None:
        return
    day = clock.local(change.request.at, event.timezone).date().isoformat()
    for user_id in list_manager_ids(event):
        yield outbox.new_notification(
            "return_requested",
            purchase.id,
            f"{day}-{sha256(user_id.encode()).hexdigest()[:32]}",
            user_id=user_id,
            event_id=purchase.event_id,
            now=clock.now(),
            facts={"order_id": purchase.id},
        )


def _declined_return(change: ReturnDeclined) -> Notification:
    return _buyer_notification("return_declined", change.purchase, change.number, number=change.number)


def _restricted_account(change: EventPaused) -> Iterator[Notification]:
    """Notify a promoter whose sales are paused because the payment account cannot take payments. The email names the next event."""
    if "#" not in change.event_id:  # a manager has paused one event
        return
    current, now = catalog.load_current(), clock.now()
    events = [current.events[event_id] for event_id in catalog.find_flagged_events(current, change.event_id)]
    paused = [event for event in events if event.payments_off and event.status == "active" and event.last_sale_at >= now]
    if not paused:
        return
    event = min(paused, key=lambda event: (event.starts_at, event.id))
    account = current.event_account(event.id)
    if account is not None and not event.suspended:
        yield outbox.new_notification("payments_paused", account.id, change.at, user_id=account.promoter_id, event_id=event.id, now=now)


def _offer_notifications(change: WaitlistOffered) -> Iterator[Notification]:
    """Notify the buyer of an offer, and remind the buyer shortly before the offer expires. An offer never changes, so its version is 1."""
    purchase, now = change.purchase, clock.now()
    seconds = purchase.expires_at - change.at if purchase.saved_card is not None else purchase.expires_at - purchase.created_at
    remind_at = purchase.expires_at - min(seconds // REMINDER_SHARE, MAX_REMINDER_SECONDS)
    due = {"waitlist_offer": now}
    if seconds >= MIN_REMINDED_SECONDS and remind_at > now:
        due["offer_expiring"] = remind_at
    for kind, due_at in due.items():
        # An offer may expire within minutes, but the reminder must not come early.
        yield _buyer_notification(kind, purchase, 1, due_at=due_at, is_urgent=kind == "waitlist_offer")


def _transfer_requests(change: CheckoutOpened) -> Iterator[Notification]:
    """Notify a buyer who must pay by bank transfer at once, and again two days before the tickets are released."""
    purchase, now = change.purchase, clock.now()
    if not purchase.is_by_transfer:
        return
    for number, due_at in enumerate((now, purchase.expires_at - TRANSFER_SECONDS), start=1):
        if number == 1 or due_at >= now + MIN_REMINDED_SECONDS:
            yield _buyer_notification("transfer_due", purchase, number, due_at=due_at, number=number)


def _ended_transfer(change: ReservationExpired | ReservationCancelled) -> Iterator[Notification]:
    """Notify a buyer whose bank transfer has not arrived that the tickets have been released, so that the buyer does not pay."""
    if change.purchase.is_by_transfer:
        yield _buyer_notification("transfer_ended", change.purchase, 1)


def _transfer_notifications(change: TicketTransferred) -> Iterator[Notification]:
    ticket = change.ticket
    mails = (("ticket_received", ticket.owner_id, ticket.language), ("ticket_given", change.from_user_id, change.from_language))
    for kind, user_id, language in mails:
        yield outbox.new_notification(
            kind,
            ticket.id,
            change.sequence.lstrip("0"),
            user_id=user_id,
            event_id=ticket.event_id,
            now=clock.now(),
            language=language,
            facts={"ticket_id": ticket.id, "order_id": ticket.purchase_id},
        )


def _void_ticket_notifications(change: TicketVoided) -> Iterator[Notification]:
    """Notify the person to whom the ticket was transferred. The buyer gets an email about the refund instead."""
    ticket = change.ticket
    if ticket.transfer is None or ticket.transfer.accepted_at is None:
        return
    yield outbox.new_notification(
        "ticket_voided",
        ticket.id,
        change.sequence.lstrip("0"),
        user_id=ticket.owner_id,
        event_id=ticket.event_id,
        now=clock.now(),
        language=ticket.language,
        facts={"ticket_id": ticket.id},
    )
