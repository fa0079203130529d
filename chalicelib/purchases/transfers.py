"""Transfers: an owner offers a ticket by link, and the first user who accepts it gets the ticket, with a new code.

The ticket's item decides races: one transaction sets the new owner and the new code and ends the transfer, on condition that the ticket
is valid, unused and offered by this transfer (`tickets.store.transfer_item`). An acceptance that races with a scan, a refund, a
dispute or another acceptance therefore either comes first or is refused.
"""

import secrets
from hmac import compare_digest

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.audit import service as audit
from chalicelib.catalog import service as catalog
from chalicelib.dynamodb import dynamo
from chalicelib.edge import rate_limits
from chalicelib.edge.languages import Language
from chalicelib.edge.rate_limits import RECIPIENT
from chalicelib.foundation import log, settings
from chalicelib.foundation.log import logger
from chalicelib.purchases import store
from chalicelib.purchases.errors import TicketUsed, TransferClosed, TransferExpired, TransferNotFound, TransferToSelf
from chalicelib.tickets import seats
from chalicelib.tickets import service as tickets
from chalicelib.tickets.model import Ticket, TicketFrozen, TicketVoid, Transfer
from chalicelib.tickets.store import current_ticket, open_transfer, remove_transfer

MAX_ATTEMPTS = 5
SECRET_BYTES = 16


class OfferResult(Struct, frozen=True):
    """An open transfer. `is_new` means that this call opened the transfer."""

    ticket: Ticket
    transfer: Transfer
    is_new: bool

    @property
    def token(self) -> str:
        """The token in the link: the ticket's id, which identifies the ticket, and the secret."""
        return f"{self.ticket.id}.{self.transfer.secret}"


class AcceptResult(Struct, frozen=True):
    """The ticket as its new owner has it. `repeated` means that the new owner had already accepted the ticket."""

    ticket: Ticket
    repeated: bool


def offer(user_id: str, ticket_id: str, now: int) -> OfferResult:
    """Open a transfer of the user's ticket, or return the open transfer. The ticket stays valid until somebody accepts the transfer.

    Raises TicketNotFound, TicketVoid, TicketFrozen, TicketUsed and TransferClosed.
    """
    ticket = tickets.get_owned_ticket(user_id, ticket_id)
    for _ in range(MAX_ATTEMPTS):
        _require_transferable(ticket, now)
        if ticket.transfer is not None and ticket.transfer.is_open(now):
            return OfferResult(ticket, ticket.transfer, is_new=False)
        transfer = Transfer(secrets.token_hex(SECRET_BYTES), user_id, now + settings.current().transfer_seconds)
        if open_transfer(ticket, transfer):
            logger.info("transfer.offered", ticket_id=ticket_id, event_id=ticket.event_id)
            return OfferResult(ticket, transfer, is_new=True)
        ticket = tickets.get_owned_ticket(user_id, ticket_id)
    raise dynamo.Contention("the ticket kept changing")


def cancel(user_id: str, ticket_id: str, now: int) -> Ticket:
    """End the open transfer of the user's ticket, if there is one. Raises TicketNotFound if the user does not own the ticket now."""
    ticket = tickets.get_owned_ticket(user_id, ticket_id)
    for _ in range(MAX_ATTEMPTS):
        if ticket.transfer is None or not ticket.transfer.is_open(now):
            return ticket
        if remove_transfer(ticket):
            return replace(ticket, transfer=None)
        ticket = tickets.get_owned_ticket(user_id, ticket_id)
    raise dynamo.Contention("the ticket kept changing")


def find_offered(token: str, now: int) -> Ticket:
    """Return the ticket of an open transfer. Changes nothing. If the token is wrong, reads only the ticket.

    Raises TransferNotFound, TransferExpired, TransferClosed, TicketVoid, TicketFrozen and TicketUsed.
    """
    ticket_id, _, secret = token.rpartition(".")
    ticket, transfer = _require_secret(tickets.find_ticket(ticket_id), secret)
    if transfer.accepted_at is not None:
        raise TransferNotFound()
    _require_open(ticket, transfer, now)
    return ticket


def accept(user_id: str, token: str, email: str | None, language: Language, now: int) -> AcceptResult:
    """Give the ticket of an open transfer to the user. A repeated call returns the same ticket.

    A user without an account gets emails at the address `email`, and finds the ticket again with it. `language` is the language of emails.

    Raises TransferNotFound, TransferExpired, TransferToSelf, TransferClosed, TicketVoid, TicketFrozen and TicketUsed.
    Raises RateLimited for a ticket that has changed hands too often, because each transfer causes two emails.
    """
    ticket_id, _, secret = token.rpartition(".")
    found = tickets.find_ticket(ticket_id)
    for attempt in range(MAX_ATTEMPTS):
        ticket, has_accepted = _require_acceptable(found, secret, user_id, now)
        if has_accepted:
            return AcceptResult(ticket, repeated=True)
        if attempt == 0:
            rate_limits.count_effect_or_refuse(RECIPIENT, f"transfer {ticket.id}", now)
        gift = tickets.give_ticket(ticket, user_id, language, now)
        details = {"order_id": ticket.purchase_id, "from": ticket.owner_id, "to": user_id}
        entry = audit.entry_item(f"ticket#{ticket.id}", "ticket.transferred", user_id, now, details, event_id=ticket.event_id)
        records = store.receive_ticket_items(ticket.event_id, ticket.id, ticket.owner_id, user_id)
        try:
            dynamo.transact([gift.item, *records, entry, store.owner_email_item(ticket.id, email)])
        except dynamo.ConditionFailed as cancelled:
            found = current_ticket(cancelled)
            continue
        seats.delete_guest_details(ticket)
        log.count("tickets_transferred")
        logger.info("transfer.accepted", ticket_id=ticket.id, event_id=ticket.event_id)
        return AcceptResult(gift.ticket, repeated=False)
    raise dynamo.Contention("the ticket kept changing")


def check_acceptance(user_id: str, token: str, now: int) -> None:
    """Check that the user may accept the ticket of a transfer, or has accepted it. Changes nothing. Raises what `accept` raises."""
    ticket_id, _, secret = token.rpartition(".")
    _require_acceptable(tickets.find_ticket(ticket_id), secret, user_id, now)


def _require_acceptable(ticket: Ticket | None, secret: str, user_id: str, now: int) -> tuple[Ticket, bool]:
    """Return the ticket of a transfer, and whether the user has accepted it already. Raises what `accept` raises."""
    ticket, transfer = _require_secret(ticket, secret)
    if transfer.accepted_at is not None:
        if ticket.owner_id == user_id:
            return ticket, True
        raise TransferNotFound()
    if ticket.owner_id == user_id:
        raise TransferToSelf()
    _require_open(ticket, transfer, now)
    return ticket, False


def _require_secret(ticket: Ticket | None, secret: str) -> tuple[Ticket, Transfer]:
    """Return the ticket and its latest transfer, which may have ended, to a caller who knows the secret. Raises TransferNotFound."""
    if ticket is None or ticket.transfer is None or not compare_digest(ticket.transfer.secret.encode(), secret.encode()):
        raise TransferNotFound()
    return ticket, ticket.transfer


def _require_open(ticket: Ticket, transfer: Transfer, now: int) -> None:
    if not transfer.is_open(now):
        raise TransferExpired()
    _require_transferable(ticket, now)


def _require_transferable(ticket: Ticket, now: int) -> None:
    if ticket.state == "void":
        raise TicketVoid()
    if ticket.state == "frozen":
        raise TicketFrozen()
    if ticket.checkins:
        raise TicketUsed()
    if ticket.listed_at is not None:
        raise TransferClosed("This ticket is for resale. Withdraw it from resale before you give it away.", reason="listed")
    event = tickets.event_of(ticket, catalog.snapshot())
    if not tickets.allows_transfers(ticket, event):
        raise TransferClosed("Tickets for this event cannot be transferred.", reason="excluded")
    if event is not None and (event.status == "cancelled" or now > event.last_sale_at + settings.current().doors_close_seconds):
        raise TransferClosed()
