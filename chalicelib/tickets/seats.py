"""Name a guest for each seat of a ticket, invite the guests, give seats to other guests, and erase guests.

The ticket's item decides races: it has the code and the name of each guest, so a new guest comes strictly before or after a scan, a
transfer, a refund or another change to the seat. A guest's personal details are in a separate item, which is written in the same
transaction. The details are valid as long as the ticket has a guest with the same code.
"""

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from hmac import compare_digest
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec.structs import replace

from chalicelib.accounts.model import email_key
from chalicelib.audit import service as audit
from chalicelib.catalog import service as catalog
from chalicelib.catalog.custom_options import CustomOption, Question, SentAnswer, check_required, check_values, in_option_order, read_value
from chalicelib.catalog.model import Event
from chalicelib.dynamodb import dynamo
from chalicelib.edge import cursors, rate_limits
from chalicelib.edge.languages import Language
from chalicelib.foundation import clock, log, parallel, settings
from chalicelib.foundation.errors import InvalidInput
from chalicelib.foundation.log import logger
from chalicelib.notifications import service as notifications
from chalicelib.notifications.service import MailDraft
from chalicelib.promoters.service import invitation_values
from chalicelib.tickets import service, signature, store
from chalicelib.tickets.model import (
    MAX_ANSWERS_BYTES,
    AttendeeLocked,
    Guest,
    GuestAdmitted,
    GuestAnswer,
    GuestDetails,
    InvitationNotFound,
    NamedGuest,
    NoInvitation,
    Seat,
    SeatNotFound,
    Ticket,
    TicketVoid,
    new_code,
    seat_id,
    split_seat_id,
)

MAX_ATTEMPTS = 5
SECRET_BYTES = 16
# DynamoDB deletes a guest's details this long after the event (or after the write, if that is later), even if a crash left them behind.
RETENTION_SECONDS = 366 * 86_400


def list_seats(places: Iterable[tuple[Ticket, int]]) -> list[Seat]:
    """Return the given seats of tickets, in this order, with the details of their guests. Takes one round trip per 100 guests."""
    seats = [Seat(ticket, number) for ticket, number in places]
    details = store.load_details(seat.id for seat in seats if seat.guest is not None)
    return [_with_details(seat, details.get(seat.id)) for seat in seats]


def list_order_seats(issued: Iterable[Ticket], limit: int, cursor: str | None = None) -> tuple[list[Seat], str | None]:
    """Return at most `limit` seats of an order's tickets, the first ticket's seats first, and the cursor for the next page."""
    places = (((ticket.number, seat), (ticket, seat)) for ticket in issued for seat in range(1, ticket.admits + 1))
    page, next_cursor = cursors.take_page(places, tuple[int, int], limit, cursor)
    return list_seats(page), next_cursor


def list_ticket_seats(owner_id: str, ticket_id: str) -> list[Seat]:
    """Return all seats of the owner's ticket. Raises TicketNotFound."""
    ticket = service.get_owned_ticket(owner_id, ticket_id)
    return list_seats((ticket, number) for number in range(1, ticket.admits + 1))


def guests_until(event: Event) -> int:
    """Return when an event's guests become final, in epoch seconds.

    This is the event's `guests_until`, but not later than its start. Without a `guests_until`, it is `attendee_until`.
    """
    return service.attendee_until(event) if event.guests_until is None else min(event.guests_until, event.starts_at)


def name_guest(owner_id: str, named_seat: str, named: NamedGuest, language: Language, now: int) -> Seat:
    """Name the guest of a seat, replacing any earlier guest. Invites a guest who has an address and has not been invited yet.

    A different person gets a new code and a new link, and the old code and link stop working. Raises SeatNotFound, TicketVoid,
    AttendeeLocked, GuestAdmitted, AnswersRequired and InvalidInput.
    """
    for _ in range(MAX_ATTEMPTS):
        seat = _get_changeable_seat(owner_id, named_seat, now)
        after = _with_guest(seat, named)
        if after == seat or _save(seat, after, "ticket.guest_named", owner_id, now):
            if after.details is not None and after.details.email is not None and after.details.invited_at is None:
                return send_invitation(after, language, now)
            return after
    raise dynamo.Contention("the ticket kept changing")


def check_guest(owner_id: str, named_seat: str, named: NamedGuest, now: int) -> None:
    """Check that the owner may name the guest of a seat. Changes nothing. Raises what `name_guest` raises."""
    _with_guest(_get_changeable_seat(owner_id, named_seat, now), named)


def remove_guest(owner_id: str, named_seat: str, now: int) -> Seat:
    """Take a seat back from its guest, whose code stops working. Raises SeatNotFound, TicketVoid, AttendeeLocked and GuestAdmitted."""
    for _ in range(MAX_ATTEMPTS):
        seat = _get_changeable_seat(owner_id, named_seat, now)
        after = Seat(replace(seat.ticket, guests=_other_guests(seat)), seat.number)
        if seat.guest is None or _save(seat, after, "ticket.guest_removed", owner_id, now):
            return after
    raise dynamo.Contention("the ticket kept changing")


def get_invitable_seat(owner_id: str, named_seat: str) -> tuple[Seat, str]:
    """Return a seat whose guest can be invited, and the guest's address. Raises SeatNotFound, TicketVoid and NoInvitation."""
    seat = _get_owned_seat(owner_id, named_seat)
    if seat.ticket.state == "void":
        raise TicketVoid()
    if seat.details is None or seat.details.email is None:
        raise NoInvitation()
    return seat, seat.details.email


def send_invitation(seat: Seat, language: Language, now: int) -> Seat:
    """Email the invitation's link to the guest of a seat.

    If the email cannot be sent, `invited_at` does not change, and the invitation can be sent again. This includes emails above the limit of
    the mailbox. Above the stage's limit of requested emails, guests of free tickets get no email, even at confirmed addresses, because
    `invited_at` would reveal who is a customer.
    """
    details, token = seat.details, seat.token
    assert details is not None
    assert details.email is not None
    assert token is not None
    draft = draft_invitation(details.email, token, _event(seat), language)
    if not notifications.may_mail_mailbox(draft, now):
        return seat
    if not seat.ticket.price_cents and not rate_limits.may_mail_strangers(now):
        log.count("mails_withheld")
        return seat
    if not notifications.send(draft):
        return seat
    store.record_invitation(details, now)
    return replace(seat, details=replace(details, invited_at=now))


def get_invited_seat(token: str) -> Seat:
    """Return the seat of an invitation. The seat's ticket may have any state. Raises InvitationNotFound."""
    named_seat, _, secret = token.rpartition(".")
    seat = _find_seat(named_seat)
    if seat is None or seat.details is None or not compare_digest(seat.details.secret or "", secret or "none"):
        raise InvitationNotFound()
    return seat


def erase_guest(token: str, now: int) -> Seat:
    """Delete a guest's details at the guest's request. The seat becomes free unless the guest has entered. Raises InvitationNotFound."""
    for _ in range(MAX_ATTEMPTS):
        seat = get_invited_seat(token)
        guest = seat.guest
        assert guest is not None  # a seat with details has a guest
        is_in = seat.checkin is not None
        kept = [replace(guest, name=None)] if is_in else []
        after = Seat(replace(seat.ticket, guests=_by_seat([*_other_guests(seat), *kept])), seat.number)
        entry = _audit_item(seat, "ticket.guest_erased", "guest", now)
        details = store.erase_details_item(seat.id, guest.code) if is_in else store.delete_details_item(seat.id)
        try:
            dynamo.transact([store.erase_guest_item(seat.ticket, after.ticket.guests), details, entry])
        except dynamo.ConditionFailed:
            continue
        return after
    raise dynamo.Contention("the ticket kept changing")


def erase_names(ticket: Ticket) -> None:
    """Remove all names from a ticket and all personal details of its guests, in any state and at any time. Safe to repeat.

    The guests' codes stay valid. Nobody can name the ticket's holder again. Nothing changes if the ticket has a new owner.
    """
    for _ in range(MAX_ATTEMPTS):
        nameless = [replace(guest, name=None) for guest in ticket.guests]
        is_done = ticket.erased_at is not None and nameless == ticket.guests
        if is_done or store.erase_names(ticket, nameless):
            _call_for_guests(ticket, store.erase_details)
            return
        current = service.get_ticket(ticket.id)
        if current.owner_id != ticket.owner_id:
            return
        ticket = current
    raise dynamo.Contention("the ticket kept changing")


def delete_guest_details(ticket: Ticket) -> None:
    """Delete the details of the guests whom the ticket had when it was read. Safe to repeat."""
    _call_for_guests(ticket, store.delete_details)


def _call_for_guests(ticket: Ticket, act: Callable[[str, str], None]) -> None:
    """Call `act` in parallel with the seat's id and the code of each guest of a ticket."""
    parallel.call_each(lambda guest: act(seat_id(ticket.id, guest.seat), guest.code), ticket.guests)


def _get_changeable_seat(owner_id: str, named_seat: str, now: int) -> Seat:
    seat = _get_owned_seat(owner_id, named_seat)
    event = _event(seat)
    if event is not None and now >= guests_until(event):
        until = clock.iso(guests_until(event))
        message = f"The deadline for naming guests was {until}. Ask the promoter."
        raise AttendeeLocked(message, guests_until=until, starts_at=clock.iso(event.starts_at))
    if seat.ticket.state == "void":
        raise TicketVoid()
    if seat.checkin is not None:
        raise GuestAdmitted()
    return seat


def _get_owned_seat(owner_id: str, named_seat: str) -> Seat:
    seat = _find_seat(named_seat)
    if seat is None or seat.ticket.owner_id != owner_id:
        raise SeatNotFound()
    return seat


def _find_seat(named_seat: str) -> Seat | None:
    """Return a seat with its guest's details, or None if there is no such seat. Takes one round trip."""
    ticket_id, number = split_seat_id(named_seat)
    if number is None:
        return None
    ticket, details = parallel.both(lambda: service.find_ticket(ticket_id), lambda: store.find_details(named_seat))
    if ticket is None or number > ticket.admits:
        return None
    return _with_details(Seat(ticket, number), details)


def _with_details(seat: Seat, details: GuestDetails | None) -> Seat:
    is_theirs = details is not None and seat.guest is not None and details.code == seat.guest.code
    return replace(seat, details=details) if is_theirs else seat


def _with_guest(seat: Seat, named: NamedGuest) -> Seat:
    """Return the seat with this guest. The same person keeps the code and the link. Raises what `read_answers` raises."""
    guest, details = seat.guest, seat.details
    free_form, option_answers = read_answers(seat.ticket.tier_id, named.answers)
    if guest is None or details is None or not _is_same_person(guest, details, named):
        code, secret = new_code(), secrets.token_hex(SECRET_BYTES)
        guest = Guest(seat.number, code, signature.sign(seat.id, seat.ticket.event_id, code), named.name)
        details = GuestDetails(id=seat.id, code=code, secret=secret, email=None, answers={}, option_answers=[], invited_at=None)
    guest = replace(guest, name=named.name)
    ticket = replace(seat.ticket, guests=_by_seat([*_other_guests(seat), guest]))
    return Seat(ticket, seat.number, replace(details, email=named.email, answers=free_form, option_answers=option_answers))


def _is_same_person(guest: Guest, details: GuestDetails, named: NamedGuest) -> bool:
    """Return whether the named guest is the current guest.

    Compares addresses if the current guest has one, because a person who reads emails to the old address must not keep a working link.
    """
    if details.email is None:
        return guest.name == named.name
    return named.email is not None and email_key(named.email) == email_key(details.email)


def _other_guests(seat: Seat) -> list[Guest]:
    return [guest for guest in seat.ticket.guests if guest.seat != seat.number]


def _by_seat(guests: list[Guest]) -> list[Guest]:
    return sorted(guests, key=lambda guest: guest.seat)


def _save(before: Seat, after: Seat, action: str, actor: str, now: int) -> bool:
    """Write or remove the guest of a seat. Returns False and writes nothing if the ticket has changed since it was read."""
    details = store.delete_details_item(after.id) if after.details is None else store.put_details_item(after.details, _ttl(after, now))
    try:
        dynamo.transact([store.change_guests_item(before.ticket, after.ticket.guests), details, _audit_item(after, action, actor, now)])
    except dynamo.ConditionFailed:
        return False
    logger.info(action, ticket_id=after.ticket.id, event_id=after.ticket.event_id, seat=after.number)
    return True


def _audit_item(seat: Seat, action: str, actor: str, now: int) -> dynamo.TransactItem:
    """Return the audit entry about a guest. The entry has no personal data, because audit entries are never deleted."""
    details = {"order_id": seat.ticket.purchase_id, "seat": seat.number}
    return audit.entry_item(f"ticket#{seat.ticket.id}", action, actor, now, details, event_id=seat.ticket.event_id)


def _event(seat: Seat) -> Event | None:
    return service.event_of(seat.ticket, catalog.snapshot())


def _ttl(seat: Seat, now: int) -> int:
    event = _event(seat)
    return max(now, (event.ends_at or event.starts_at) if event else now) + RETENTION_SECONDS


# The answers about a guest are checked against the options of the ticket's tier, and kept with the options as they were then.


def guest_options(tier_id: str) -> list[CustomOption]:
    """Return the options that each guest with a ticket of this tier answers, in order."""
    return [option for option in _options(tier_id) if option.per == "guest"]


def read_answers(tier_id: str, sent: Mapping[str, SentAnswer]) -> tuple[dict[str, str], list[GuestAnswer]]:
    """Split answers into free-form texts, which belong to no option, and answers to options.

    A guest may also answer the buyer's options. Raises AnswersRequired. Raises InvalidInput if an option does not allow its answer, or
    if there is an answer to an unknown question although the tier has options for guests.
    """
    options = _options(tier_id)
    questions = [
        Question(option=option, path=_path(option.id), sent=sent.get(option.id))
        for option in options
        if option.per == "guest" or option.id in sent
    ]
    check_required([question for question in questions if question.option.per == "guest"])
    answered = [question for question in questions if question.is_answered]
    check_values(answered)
    free_form = _free_form(sent, options)
    return free_form, [
        GuestAnswer(
            option_id=question.option.id,
            label=question.option.label,
            option_type=question.option.option_type,
            choices=question.option.choices,
            value=read_value(question),
        )
        for question in answered
    ]


def _free_form(sent: Mapping[str, SentAnswer], options: Sequence[CustomOption]) -> dict[str, str]:
    ids = {option.id for option in options}
    texts = {}
    for name, value in sent.items():
        if name in ids:
            continue
        if any(option.per == "guest" for option in options):
            raise InvalidInput(
                "The package has no question with this id. See the options of the package for its questions.", path=_path(name)
            )
        if not isinstance(value, str):
            raise InvalidInput("The package has no question with this name, so its answer must be text.", path=_path(name))
        texts[name] = value
    if len(msgspec.json.encode(texts)) > MAX_ANSWERS_BYTES:
        message = f"The answers about a guest may have at most {MAX_ANSWERS_BYTES // 1024} KB together. Shorten them."
        raise InvalidInput(message, path="$.answers")
    return texts


def _options(tier_id: str) -> list[CustomOption]:
    tier = catalog.find_snapshot(lambda found: tier_id in found.tiers).tiers.get(tier_id)
    return in_option_order(tier.options) if tier is not None else []


def _path(name: str) -> str:
    return f"$.answers.{name}"


# The email that invites a guest.


def draft_invitation(email: str, token: str, event: Event | None, language: Language) -> MailDraft:
    """Return the email with the link to the guest's own page. The email contains no text that the ticket's owner wrote."""
    unknown: dict[str, Any] = {"name": "", "place": "", "starts": None, "zone": ""}
    values = unknown if event is None else invitation_values(event)
    return MailDraft("guest_invited", email, language, {"event": values, "url": page_url(token)})


def page_url(token: str) -> str:
    """Return the URL of the shop's page for a guest. The token is in the fragment, which browsers never send, so no log contains it."""
    return settings.current().page_url(f"guest#token={quote(token)}")
