"""Tickets from issue to void: exactly one set per purchase, whatever is retried."""

from collections.abc import Sequence
from operator import attrgetter

from chalicelib import dynamo
from chalicelib.errors import NotFound
from chalicelib.tickets import signature, store
from chalicelib.tickets.model import MAX_TICKETS, Ticket, TicketIssue, TicketLine, may_be_ticket_id, new_code, ticket_id


def issue_tickets(purchase_id: str, owner_id: str, event_id: str, lines: Sequence[TicketLine], now: int) -> TicketIssue:
    """Tickets for a purchase that is being paid; commit their items together with its change of state.

    The codes are fresh in every call, the ids are not: of two issues of one purchase the second transaction is refused
    (`dynamo.TransactionRefused`), and its caller reads what the first one wrote with `of_purchase`.
    """
    wanted = [line for line in lines for _ in range(line.quantity)]
    if not 1 <= len(wanted) <= MAX_TICKETS:
        raise ValueError(f"a purchase has 1 to {MAX_TICKETS} tickets, not {len(wanted)}")
    tickets = [_new_ticket(purchase_id, number, owner_id, event_id, line, now) for number, line in enumerate(wanted, start=1)]
    wallet = store.create_wallet_item(owner_id, purchase_id, event_id, len(tickets))
    return TicketIssue(tickets, [*(store.create_ticket_item(ticket) for ticket in tickets), wallet])


def load_purchase_tickets(purchase_id: str, count: int) -> list[Ticket]:
    """The tickets 1 to `count` of a purchase, in that order, strongly consistent; absent ones are left out."""
    return sorted(store.load_tickets(ticket_id(purchase_id, number) for number in range(1, count + 1)), key=attrgetter("number"))


def list_owned(owner_id: str) -> list[Ticket]:
    """The owner's tickets that count or may count again, newest purchase first; void ones are left out."""
    tickets = [ticket for ticket in store.load_tickets(store.list_owned_ids(owner_id)) if ticket.state != "void"]
    tickets.sort(key=attrgetter("number"))
    tickets.sort(key=lambda ticket: (ticket.created_at, ticket.purchase_id), reverse=True)
    return tickets


def get_ticket(one: str) -> Ticket:
    """One ticket, void ones too; raises NotFound."""
    ticket = store.find_ticket(one) if may_be_ticket_id(one) else None
    if ticket is None:
        raise NotFound("There is no such ticket.")
    return ticket


def freeze_items(tickets: Sequence[Ticket]) -> list[dynamo.TransactItem]:
    """`valid -> frozen`, for all of them: refused if one is not valid, so a void ticket never comes back through a dispute."""
    return [store.change_state_item(ticket.id, "valid", "frozen") for ticket in tickets]


def thaw_items(tickets: Sequence[Ticket]) -> list[dynamo.TransactItem]:
    """`frozen -> valid`, for all of them: refused if one is not frozen."""
    return [store.change_state_item(ticket.id, "frozen", "valid") for ticket in tickets]


def void_items(*ticket_ids: str) -> list[dynamo.TransactItem]:
    """`valid|frozen -> void`, for good; safe to repeat, refused for a ticket that does not exist."""
    return [store.void_item(one) for one in ticket_ids]


def is_genuine(qr_sig: str, one: str, event_id: str, code: str) -> bool:
    """Whether a scanned code is one of ours. It says nothing about the ticket's state: only the store knows that."""
    return signature.verify(qr_sig, one, event_id, code)


def _new_ticket(purchase_id: str, number: int, owner_id: str, event_id: str, line: TicketLine, now: int) -> Ticket:
    one, code = ticket_id(purchase_id, number), new_code()
    return Ticket(
        id=one,
        code=code,
        # Kept, not computed when shown: repeats of a confirmation answer the same ticket also after a key was rotated, and
        # what was printed stays what the wallet shows.
        qr_sig=signature.sign(one, event_id, code),
        purchase_id=purchase_id,
        owner_id=owner_id,
        event_id=event_id,
        tier_id=line.tier_id,
        admits=line.admits,
        price_cents=line.price_cents,
        currency=line.currency,
        state="valid",
        created_at=now,
    )
