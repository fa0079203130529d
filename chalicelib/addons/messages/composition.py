"""Compose the email for a notification from the tables, only when the email is sent, so that the outbox contains no secrets."""

from collections.abc import Collection, Mapping, Sequence
from email.utils import parseaddr
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from chalicelib.accounts import service as accounts
from chalicelib.addons.messages import push, store, turn_notices
from chalicelib.addons.messages.model import Announcement, EventDetails, event_details
from chalicelib.addons.messages.push import PushMessage
from chalicelib.addons.messages.turn_notices import Turn
from chalicelib.catalog import service as catalog
from chalicelib.catalog import sharing
from chalicelib.catalog.model import Event
from chalicelib.edge.languages import Language, in_language, moment_text
from chalicelib.foundation import addons, clock, memory, money, settings
from chalicelib.notifications import templates, unsubscription
from chalicelib.notifications.model import SHOP_BUDGET, Attachment, MailMessage, Notification
from chalicelib.promoters.service import Seller, find_verified_promoter, is_known, is_manager, seller_of
from chalicelib.purchases import guest_orders, queries
from chalicelib.purchases.model import CheckoutDetails, Purchase, Refund
from chalicelib.tickets import qr
from chalicelib.tickets import service as tickets
from chalicelib.tickets.model import Ticket, order_number
from chalicelib.waiting_room.model import GUEST_PREFIX

if TYPE_CHECKING:
    from chalicelib.addons.waitlist.model import Entry

OFFERS = ("waitlist_offer", "offer_expiring")  # emails with an unsubscribe link
TO_SELLERS = ("webhook_disabled", "return_requested", "payments_paused")  # emails to sellers, who get no Reply-To to themselves
TRANSFERS = ("transfer_due", "transfer_ended")  # emails about orders that buyers pay by bank transfer
TO_HOLDERS = ("event_changed", "announcement")  # emails that managers cause; these count toward limits even for paid orders
MAX_PAID_REFUNDS = 10  # per order; emails about further refunds count like emails about free orders


class Moot(Exception):
    """The email has become pointless, or its recipient has no address."""


def compose(notification: Notification, *, is_above_limit: bool = False) -> MailMessage | None:
    """Return the email for a notification. Returns None if the email has become pointless or its recipient has no address.

    If `is_above_limit` is set and the buyer keeps tickets of an order with a returnable price, the email contains no text that a stranger
    may have typed, and need not wait. Raises Postponed if an email about a turn is not due yet.
    """
    event = catalog.find_event(notification.event_id)
    try:
        if event is None:
            raise Moot
        event = _valid_for(notification, event.in_language(notification.language))
        address = _address(notification, event)
        promoter = find_verified_promoter(event)
        is_owner, paid = _is_owner(notification, address), _find_paid_order(notification)
        is_paid = paid is not None
        is_trusted = is_known(event, promoter)
        is_returnable = not is_owner and paid is not None and _is_returnable(paid, event)
        is_kept = is_returnable and paid is not None and any(map(paid.ticket_price, paid.kept_tickets)) and not paid.is_disputed
        is_reduced = is_kept and is_above_limit
        budget = None if notification.kind in turn_notices.KINDS or (is_paid and notification.kind not in TO_HOLDERS) else _budget(event)
        if notification.kind == "announcement" and not is_trusted:
            raise Moot
        if not (is_owner or is_trusted or (is_paid and not is_reduced)):
            short = _short_message(notification, event, address)
            return replace(short, is_to_stranger=False, is_short=False, budget=budget) if is_reduced else short
        if not is_trusted:
            event = replace(event, change_note=None)
        is_to_stranger = not (is_owner or is_paid)
        values, attachments = _content(notification, event, address, has_names=not (is_to_stranger or is_reduced))
    except Moot:
        return None
    seller = seller_of(promoter)
    headers = _unsubscription_headers(notification)
    if seller.email is not None and notification.kind not in TO_SELLERS:
        headers |= {"Reply-To": seller.email}
    values |= _frame(event, seller, headers.get("Reply-To"))
    text = templates.render(notification.kind, notification.language, values)
    return MailMessage(
        notification.kind,
        address,
        text.subject,
        text.text,
        text.html,
        tuple(attachments),
        notification_id=notification.id,
        headers=headers,
        is_to_stranger=is_to_stranger,
        is_returnable=is_returnable and not is_reduced,
        reduced=partial(compose, notification, is_above_limit=True) if is_kept and not is_reduced else None,
        budget=budget,
    )


def _valid_for(notification: Notification, event: Event) -> Event:
    """Return the event with only the dates for which the tickets of the notification are valid."""
    if not event.dates:
        return event
    ticket = tickets.find_ticket(str(notification.facts.get("ticket_id", "")))
    if ticket is not None:
        return catalog.snapshot().narrow(event, [ticket.tier_id])
    order_id = notification.facts.get("order_id")
    purchase = queries.load_purchase(str(order_id)) if order_id is not None else None
    if purchase is None:
        return event
    refund = purchase.find_refund(str(notification.facts.get("refund_id", "")))
    lines = [purchase.ticket_line(number) for number in refund.tickets] if refund is not None and refund.tickets else purchase.lines
    return catalog.snapshot().narrow(event, [line.tier_id for line in lines])


def find_address(notification: Notification, event: Event) -> str | None:
    """Return the address for a notification. Returns None if its recipient has no address."""
    try:
        return _address(notification, event)
    except Moot:
        return None


def preview_announcement(announcement: Announcement, event: Event, language: Language) -> templates.RenderedMail:
    """Return the email of an announcement, which is the same for all of its readers in a language."""
    seller = seller_of(find_verified_promoter(event))
    values = {**_announcement_values(announcement, language), **_frame(event.in_language(language), seller, seller.email)}
    return templates.render("announcement", language, values)


def _announcement_values(announcement: Announcement, language: Language) -> dict[str, Any]:
    subject = in_language(announcement.subject, announcement.subjects, language)
    text = in_language(announcement.text, announcement.texts, language)
    return {"title": subject, "note": text.splitlines(), "is_waiting": announcement.audience == "waiting"}


def _frame(event: Event, seller: Seller, reply_to: str | None) -> dict[str, Any]:
    """Return the values that every email needs."""
    return {
        "shop": settings.current().shop_name,
        "event": sharing.mail_values(event),
        "seller": {"name": seller.name, "contact": seller.contact, "policies": seller.policies, "email": reply_to},
    }


def compose_push(notification: Notification) -> PushMessage | None:
    """Return the push message for a notification about a turn.

    Returns None if the message has become pointless or the browser has unsubscribed. Raises Postponed if the message is not due yet.
    """
    now, event = clock.now(), catalog.find_event(notification.event_id)
    turn = turn_notices.find_turn(notification, now) if event is not None else None
    if event is None or turn is None:
        return None
    notice, topic = turn.notice, push.topic_of(turn.notice.arrival.pass_id)
    if notice.push is None:
        return None
    event = event.in_language(notice.language)
    values = {**_turn_values(turn, event, now), "event": sharing.mail_values(event)}
    title, body = templates.render_push(notification.kind, notice.language, values)
    content = {"title": title, "body": body, "url": values["url"], "tag": topic, "lang": notice.language}
    return PushMessage(notice.push, content, turn.seconds_left(now), topic, lambda: turn_notices.forget_push(notice))


def _short_message(notification: Notification, event: Event, address: str) -> MailMessage:
    """Return an email without any text of the promoter or the buyer, because a stranger may have typed the address. Raises Moot."""
    order_id = notification.facts.get("order_id")
    if notification.kind in turn_notices.KINDS or (order_id is None and "ticket_id" not in notification.facts):
        raise Moot
    is_change, is_offer = notification.kind == "event_changed", notification.kind in OFFERS
    if is_change:
        _earlier_details(notification, event)  # raises Moot
    until = _offer(notification, event)[0]["until"] if is_offer else None  # raises Moot
    is_order = notification.kind == "order_confirmed" and order_id is not None
    token = f"#token={guest_orders.order_token(str(order_id), address)}" if is_order else ""
    page = "account" if is_offer else f"find-tickets{token}"
    values = {"shop": settings.current().shop_name, "url": settings.current().page_url(page), "is_change": is_change, "until": until}
    text = templates.render("order_short", notification.language, values)
    return MailMessage(
        "order_short",
        address,
        text.subject,
        text.text,
        text.html,
        notification_id=notification.id,
        headers=_unsubscription_headers(notification),
        is_to_stranger=True,
        is_short=True,
        budget=_budget(event),
    )


def _unsubscription_headers(notification: Notification) -> dict[str, str]:
    return unsubscription.mail_headers(notification.subject_id) if notification.kind in OFFERS else {}


def _budget(event: Event) -> str:
    return SHOP_BUDGET if event.promoter_id is None else event.promoter_id


def _find_paid_order(notification: Notification) -> Purchase | None:
    """Return the paid order that the email is about. The price of orders limits how many such emails somebody can cause.

    Returns None for emails about a single ticket, because a ticket can be transferred again and again. Also returns None for emails about
    an offer or a bank transfer, because nobody has paid yet. Of the emails about refunds, only those about the first refunds of an order
    count, because a cheap order can have many refunds.
    """
    if "ticket_id" in notification.facts or "order_id" not in notification.facts or notification.kind in (*OFFERS, *TRANSFERS):
        return None
    purchase = queries.load_purchase(str(notification.facts["order_id"]))
    if purchase is None or not purchase.costs_money:
        return None
    first_refunds = {refund.id for refund in purchase.refunds[:MAX_PAID_REFUNDS]}
    return purchase if "refund_id" not in notification.facts or notification.facts["refund_id"] in first_refunds else None


def _is_returnable(purchase: Purchase, event: Event) -> bool:
    """Return whether the terms of a paid order give its whole price back, so that the price limits no emails."""
    returns = purchase.returns
    has_fee = returns is None or returns.policy == "none" or any(returns.fee(line.price_cents) for line in purchase.lines)
    return event.refundable_until is not None or not has_fee


def _is_owner(notification: Notification, address: str) -> bool:
    """Return whether the address is the verified address of the recipient's account."""
    account = accounts.find_account(notification.user_id)
    return account is not None and account.verified_at is not None and account.email.lower() == address.lower()


def _content(notification: Notification, event: Event, address: str, *, has_names: bool) -> tuple[dict[str, Any], Sequence[Attachment]]:
    """Return the values for the template, and the attachments. Raises Moot.

    If `has_names` is False, the email contains no names that buyers typed, because a stranger may have typed the names and the address.
    """
    match notification.kind:
        case "order_confirmed":
            return _confirmation(notification, event, address, has_names=has_names)
        case "order_refunded" | "event_cancelled" | "payment_returned":
            return _refund(notification, event, has_names=has_names)
        case "transfer_due":
            return _due_transfer(notification, event)
        case "transfer_ended":
            return _ended_transfer(notification, event)
        case "return_requested":
            return _requested_return(notification, event)
        case "return_declined":
            return _declined_return(notification, event)
        case "ticket_received":
            return _received_ticket(notification, event, has_names=has_names)
        case "ticket_given" | "ticket_voided":
            ticket = _ticket(notification)
            return {"tier": _tier_name(ticket, notification.language), "is_cancelled": event.status == "cancelled"}, []
        case "waitlist_offer" | "offer_expiring":
            return _offer(notification, event)
        case "ballot_lost":
            return _lost_ballot(notification, event)
        case "waitlist_cancelled":
            return _cancelled_wait(notification, event)
        case "event_changed":
            return _event_change(notification, event, address)
        case "announcement":
            return _announcement(notification, event), []
        case "place_drawn" | "turn_near":
            return _turn(notification, event)
        case "payments_paused":
            if not event.payments_off:
                raise Moot
            return {"url": settings.current().page_url("manage/profile")}, []
        case "webhook_disabled":
            facts = notification.facts
            return {"host": facts["host"], "is_gone": facts["reason"] == "gone", "url": settings.current().page_url("manage/webhooks")}, []
    raise ValueError(f"unknown kind of mail: {notification.kind!r}")


def _confirmation(
    notification: Notification, event: Event, address: str, *, has_names: bool
) -> tuple[dict[str, Any], Sequence[Attachment]]:
    purchase = _purchase(notification)
    kept = [ticket for ticket in queries.load_tickets(purchase) if ticket.is_admissible and ticket.owner_id == purchase.user_id]
    if not kept:
        raise Moot
    if not has_names:
        kept = [_without_names(ticket) for ticket in kept]
    symbols = qr.symbols(kept)
    shown, images = _shown_tickets(kept, symbols, event, notification.language)
    values = {
        "tickets": shown,
        "order_number": order_number(purchase.id, event),
        "terms_url": settings.current().page_url(f"legal/{purchase.accepted_terms}") if purchase.accepted_terms else None,
        "is_saved_card": purchase.saved_card is not None and not purchase.saved_card.is_refused,
        "total": _amount(purchase.total_cents, purchase.currency),
        "included_fee": _amount(purchase.included_fee_cents, purchase.currency),
        "currency": purchase.currency,
        "has_wallets": _has_wallets(),
        "url": settings.current().page_url(f"find-tickets#token={guest_orders.order_token(purchase.id, address)}"),
    }
    documents = [*_documents(notification, purchase, kept, symbols, event), *(_invoices(purchase, event) if has_names else [])]
    return values, [*images, *documents, _calendar(event, notification.language)]


def _invoices(purchase: Purchase, event: Event, refund: Refund | None = None) -> list[Attachment]:
    """Return the invoice of an order for a promoter's event, or the credit note of a refund, as a PDF if it has been issued.

    The follower that issues documents runs before the follower that queues emails, so the invoice nearly always exists by now. A credit
    note exists once the provider has made the refund, even if the event no longer has a promoter.
    """
    is_of_shop = event.promoter_id is None and refund is None
    if is_of_shop or not purchase.costs_money or not addons.is_on("documents"):
        return []
    from chalicelib.addons.documents.invoices import list_order_invoices, refund_sources

    issued = list_order_invoices(purchase.id, refund_sources(refund) if refund is not None else None)
    if not issued:
        return []
    from chalicelib.addons.documents.order_pages import render_invoice

    return [Attachment(f"{invoice.number}.pdf", "application/pdf", render_invoice(invoice)) for invoice in issued]


def _documents(
    notification: Notification, purchase: Purchase, kept: Sequence[Ticket], symbols: Mapping[str, qr.Modules], event: Event
) -> list[Attachment]:
    """Return the tickets as a PDF file to print. Returns an empty list if the `documents` add-on is disabled."""
    if not addons.is_on("documents"):
        return []
    from chalicelib.addons.documents.order_pages import render_tickets

    pages = render_tickets(purchase, kept, symbols, event, notification.language, clock.now())
    return [Attachment("tickets.pdf", "application/pdf", pages)]


def _has_wallets() -> bool:
    """Return whether the page with the tickets can add them to a phone's wallet."""
    if not addons.is_on("wallets"):
        return False
    from chalicelib.addons.wallets.passes import offered_wallets

    return bool(offered_wallets(clock.now()))


def _received_ticket(notification: Notification, event: Event, *, has_names: bool) -> tuple[dict[str, Any], Sequence[Attachment]]:
    ticket = _ticket(notification)
    purchase = queries.load_purchase(ticket.purchase_id)
    if ticket.owner_id != notification.user_id or ticket.state == "void" or purchase is None:
        raise Moot
    if not has_names:
        ticket = _without_names(ticket)
    symbols = qr.symbols([ticket])
    shown, images = _shown_tickets([ticket], symbols, event, notification.language)
    giver = queries.find_giver_name(ticket, ticket.transfer.by) if has_names and ticket.transfer is not None else None
    values = {"tickets": shown, "giver": giver, "has_wallets": _has_wallets(), "url": settings.current().page_url("tickets")}
    return values, [*images, *_documents(notification, purchase, [ticket], symbols, event), _calendar(event, notification.language)]


def _offer(notification: Notification, event: Event) -> tuple[dict[str, Any], Sequence[Attachment]]:
    """Describe an offer to a person on the waitlist. Raises Moot if the offer was paid or declined, or has expired."""
    purchase = _purchase(notification)
    if not purchase.is_active(clock.now()):
        raise Moot
    tiers = ", ".join(catalog.tier_name(line.tier_id, line.tier_name, notification.language) for line in purchase.lines)
    until = clock.local(purchase.expires_at, event.timezone)
    url = settings.current().page_url(f"events/{event.id}")
    is_refused = purchase.saved_card is not None and purchase.saved_card.is_refused
    values = {"tier": tiers, "count": purchase.quantity, "until": until, "url": url}
    return {**values, "is_ballot": event.has_ballot, "is_card_refused": is_refused}, []


def _lost_ballot(notification: Notification, event: Event) -> tuple[dict[str, Any], Sequence[Attachment]]:
    """Describe a ballot in which a person got no tickets. Raises Moot if the person has got an offer since, or has left the waitlist."""
    _find_waiting(notification.subject_id)
    return {"url": settings.current().page_url(f"events/{event.id}")}, []


def _cancelled_wait(notification: Notification, event: Event) -> tuple[dict[str, Any], Sequence[Attachment]]:
    """Describe the cancellation to a person on the waitlist. Raises Moot if the person has left, or the event is on sale again."""
    entry = _find_waiting(notification.subject_id)
    if event.status != "cancelled":
        raise Moot
    return {"is_ballot": event.has_ballot, "has_card": entry.has_card, "url": settings.current().page_url(f"events/{event.id}")}, []


def _find_waiting(entry_id: str) -> "Entry":
    """Return a waiting entry of the waitlist. Raises Moot if it no longer waits."""
    from chalicelib.addons.waitlist import store as waitlist

    place = waitlist.find_waiting(entry_id) if addons.is_on("waitlist") else None
    if place is None:
        raise Moot
    return place.entry


def _event_change(notification: Notification, event: Event, address: str) -> tuple[dict[str, Any], Sequence[Attachment]]:
    """Describe the current event and the old values of changed details. Raises Moot like `_earlier_details`."""
    values = {
        "before": _earlier_details(notification, event),
        "note": (event.change_note or "").splitlines(),
        "returns": _returns(notification, event, address),
        "url": settings.current().page_url(f"events/{event.id}"),
    }
    return values, [_calendar(event, notification.language)]


def _announcement(notification: Notification, event: Event) -> dict[str, Any]:
    """Return the subject and the text of an announcement.

    Raises Moot if the managers have stopped the announcement, or if its reader no longer holds a ticket that it concerns, or no longer
    waits.
    """
    announcement = store.find_announcement(event.id, notification.subject_id)
    if announcement is None or announcement.status == "stopped" or event.suspended:
        raise Moot
    if announcement.audience == "waiting":
        _find_waiting(str(notification.facts["entry_id"]))
        return _announcement_values(announcement, notification.language)
    order_id, ticket_id = notification.facts.get("order_id"), notification.facts.get("ticket_id")
    purchase = queries.load_purchase(str(order_id)) if order_id is not None else None
    ticket = tickets.find_ticket(str(ticket_id)) if ticket_id is not None else None
    owners = {notification.user_id}
    if purchase is not None and purchase.moved_from == notification.user_id:  # the guest's orders have moved to an account
        owners.add(purchase.user_id)
    own = [ticket] if ticket is not None else queries.load_tickets(purchase) if purchase is not None else []
    others = (each for owner in owners for each in queries.list_event_tickets(owner, event.id))
    held = (each for each in chain(own, others) if _is_held(each, event, owners))
    if not any(not announcement.tier_ids or each.tier_id in announcement.tier_ids for each in held):
        raise Moot
    return _announcement_values(announcement, notification.language)


def _is_held(ticket: Ticket, event: Event, owners: Collection[str]) -> bool:
    return ticket.event_id == event.id and ticket.state != "void" and ticket.owner_id in owners


def _earlier_details(notification: Notification, event: Event) -> dict[str, Any]:
    """Return the old values of changed details. Raises Moot if the change was undone, or the event was cancelled or suspended."""
    facts = notification.facts
    known = {name: facts[f"before_{name}"] for name in EventDetails.__struct_fields__ if f"before_{name}" in facts}
    before, whole = memory.convert(known, EventDetails), catalog.find_event(event.id) or event
    after, date_ids = event_details(whole), [date.id for date in event.dates]
    if not before.has_changed(after, date_ids) or event.status == "cancelled" or event.suspended:
        raise Moot
    former_start, cancelled = before.former_start(after, date_ids), before.newly_cancelled(after, date_ids)
    return {
        "name": before.name if before.name != after.name else "",
        "place": before.former_place(after, date_ids) or "",
        "starts": clock.local(former_start, before.timezone) if former_start and former_start not in cancelled else None,
        "cancelled": [clock.local(start, before.timezone) for start in cancelled],
    }


def _returns(notification: Notification, event: Event, address: str) -> dict[str, Any] | None:
    """Return the deadline and the page for returning tickets. Returns None if the buyer cannot return any tickets."""
    if event.refundable_until is None or "order_id" not in notification.facts:
        return None
    from chalicelib.purchases import refunds  # imported here because few emails need it

    purchase = _purchase(notification)
    found = refunds.find_return(purchase, queries.load_tickets(purchase), clock.now())
    if found is None:
        return None
    has_account = not purchase.user_id.startswith(GUEST_PREFIX) or accounts.find_account(purchase.user_id) is not None
    page = f"orders/{purchase.id}" if has_account else f"find-tickets#token={guest_orders.order_token(purchase.id, address)}"
    return {"until": clock.local(found.until, event.timezone), "url": settings.current().page_url(page)}


def _turn(notification: Notification, event: Event) -> tuple[dict[str, Any], Sequence[Attachment]]:
    """Describe a place in a waiting room, or a turn. Raises Moot if the person can no longer use the place, or Postponed."""
    now = clock.now()
    turn = turn_notices.find_turn(notification, now)
    if turn is None:
        raise Moot
    return _turn_values(turn, event, now), []


def _turn_values(turn: Turn, event: Event, now: int) -> dict[str, Any]:
    state, status = turn.state, turn.status
    return {
        "position": status.position,
        "turn_at": None if status.admitted_at is None else clock.local(status.admitted_at, event.timezone),
        "minutes": max(1, round((status.eta_seconds or 0) / 60)),
        "until": None if status.pass_seconds_left is None else clock.local(now + status.pass_seconds_left, event.timezone),
        "turn_seconds": turn.pass_seconds - state.grace_seconds,
        "grace_seconds": state.grace_seconds,
        "is_guest": turn.notice.email is not None,
        "url": settings.current().page_url(f"events/{event.id}/line"),
    }


def _refund(notification: Notification, event: Event, *, has_names: bool) -> tuple[dict[str, Any], Sequence[Attachment]]:
    purchase = _purchase(notification)
    refund = purchase.find_refund(str(notification.facts["refund_id"]))
    if refund is None:
        raise Moot
    values = {
        "order_number": order_number(purchase.id, event),
        "count": len(refund.tickets),
        "amount": _amount(refund.amount_cents, refund.currency),
        "currency": refund.currency,
        "is_rejected": not purchase.was_order,
        "at_counter": purchase.box_office is not None,
        "is_date": (catalog.find_event(event.id) or event).status != "cancelled",
        "is_resold": refund.resold_to is not None,
        "cancellation_reason": " ".join((event.cancellation_reason or "").split()),
    }
    return values, _invoices(purchase, event, refund) if has_names else []


def _due_transfer(notification: Notification, event: Event) -> tuple[dict[str, Any], Sequence[Attachment]]:
    """Describe the bank transfer that the buyer must make. Raises Moot if the order is paid or has ended."""
    purchase = _purchase(notification)
    payment = purchase.payment
    if payment is None or payment.bank_account is None or purchase.state != "paying" or not purchase.is_active(clock.now()):
        raise Moot
    account = payment.bank_account
    values = {
        "is_reminder": notification.facts["number"] != 1,
        "holder": account.holder,
        "iban": account.iban,
        "bic": account.bic or "",
        "amount": _amount(payment.amount_cents - payment.transferred_cents, payment.currency),
        "included_fee": _amount(0 if payment.transferred_cents else purchase.included_fee_cents, payment.currency),
        "currency": payment.currency,
        "order_number": order_number(purchase.id, event),
        "until": clock.local(purchase.expires_at, event.timezone),
        "url": settings.current().page_url(f"orders/{purchase.id}"),
    }
    return values, []


def _ended_transfer(notification: Notification, event: Event) -> tuple[dict[str, Any], Sequence[Attachment]]:
    """Describe an order that ended before its bank transfer arrived. Raises Moot if the transfer has arrived in the meantime."""
    purchase = _purchase(notification)
    if purchase.state not in ("expired", "cancelled"):
        raise Moot
    values = {
        "is_expired": purchase.state == "expired",
        "is_cancelled": event.status == "cancelled",
        "order_number": order_number(purchase.id, event),
        "url": settings.current().page_url(f"orders/{purchase.id}"),
    }
    return values, []


def _requested_return(notification: Notification, event: Event) -> tuple[dict[str, Any], Sequence[Attachment]]:
    """Describe the open return requests of an order for a manager. Raises Moot if no request is open any more."""
    purchase = _purchase(notification)
    open_requests = [request for request in purchase.return_requests if purchase.return_status(request) == "open"]
    if not open_requests:
        raise Moot
    values = {
        "order_number": order_number(purchase.id, event),
        "count": sum(len(request.tickets) for request in open_requests),
        "reason": open_requests[-1].reason or "",
        "url": settings.current().page_url(f"manage/events/{event.id}/orders/{purchase.id}"),
    }
    return values, []


def _declined_return(notification: Notification, event: Event) -> tuple[dict[str, Any], Sequence[Attachment]]:
    """Return the managers' answer to a request to return tickets."""
    purchase = _purchase(notification)
    declined = purchase.return_requests[int(notification.facts["number"]) - 1]
    values = {
        "order_number": order_number(purchase.id, event),
        "count": len(declined.tickets),
        "answer": (declined.answer or "").splitlines(),
    }
    return values, []


def _without_names(ticket: Ticket) -> Ticket:
    return replace(ticket, attendee=None, guests=[replace(guest, name=None) for guest in ticket.guests])


def _shown_tickets(
    valid: Sequence[Ticket], symbols: Mapping[str, qr.Modules], event: Event, language: Language
) -> tuple[list[dict[str, Any]], list[Attachment]]:
    """Return the tickets for the template, and an image of each QR code. If the event has several dates, a ticket for one date names it."""
    shown, images = [], []
    for number, ticket in enumerate(valid, start=1):
        content_id = f"ticket-{number}@fairgate"
        attendee = ticket.attendee.name if ticket.attendee else None
        own = catalog.snapshot().narrow(event, [ticket.tier_id])
        date = f", {moment_text(clock.local(own.starts_at, own.timezone), language)}" if len(own.dates) == 1 < len(event.dates) else ""
        shown.append({"tier": f"{_tier_name(ticket, language)}{date}", "attendee": attendee, "code": ticket.code, "content_id": content_id})
        images.append(Attachment(f"{ticket.id}.png", "image/png", qr.png(symbols[ticket.id]), content_id))
    return shown, images


def _calendar(event: Event, language: Language) -> Attachment:
    snapshot = catalog.snapshot()
    host = parseaddr(settings.current().mail_from)[1].rpartition("@")[2] or "fairgate"
    url = settings.current().page_url(f"events/{event.id}")
    text = sharing.render_calendar(event, url, host, snapshot.revision, language, clock.now())
    return Attachment("event.ics", sharing.CALENDAR_MEDIA_TYPE, text.encode())


def _address(notification: Notification, event: Event) -> str:
    """Return the first known address, in this order: from the checkout, from the account, from the payment provider's page.

    For the owner of a transferred ticket, the address with which the owner accepted the ticket comes first. An email about a turn goes to
    the address that the person gave for such emails, and an email to a manager goes to the address of the manager's account. Raises Moot if
    no address is known, or if the person no longer manages the event.
    """
    if notification.kind == "return_requested":
        manager = accounts.find_account(notification.user_id)
        if manager is None or not is_manager(event, manager):
            raise Moot
        return manager.email
    if notification.kind in turn_notices.KINDS:
        address = turn_notices.find_address(notification)
        if address is None:
            raise Moot
        return address
    ticket = tickets.find_ticket(str(notification.facts.get("ticket_id", "")))
    if ticket is not None and ticket.owner_id == notification.user_id:
        email = queries.find_owner_email(ticket.id)
        if email is not None:
            return email
    order_id = notification.facts.get("order_id")
    purchase = queries.load_purchase(str(order_id)) if order_id is not None else None
    is_buyer = purchase is not None and notification.user_id in (purchase.user_id, purchase.moved_from)
    details = queries.load_details(purchase) if purchase is not None and is_buyer else CheckoutDetails()
    if details.customer_email:
        return details.customer_email
    account = accounts.find_account(notification.user_id)
    found = account.email if account is not None else details.payment_email
    if found is None:
        raise Moot
    return found


def _purchase(notification: Notification) -> Purchase:
    purchase = queries.load_purchase(str(notification.facts["order_id"]))
    if purchase is None:
        raise Moot
    return purchase


def _ticket(notification: Notification) -> Ticket:
    ticket = tickets.find_ticket(str(notification.facts["ticket_id"]))
    if ticket is None:
        raise Moot
    return ticket


def _tier_name(ticket: Ticket, language: Language) -> str:
    tier = catalog.snapshot().tiers.get(ticket.tier_id)
    return ticket.tier_id if tier is None else catalog.tier_name(tier.id, tier.name, language)


def _amount(cents: int, currency: str) -> str:
    """Format an amount with the decimal places of its currency. A zero amount becomes `0`."""
    return money.amount_text(cents, currency) if cents else "0"
