"""Issue, read, freeze and void tickets. A purchase gets its tickets exactly once, however often its confirmation is repeated."""

from collections.abc import Iterable, Sequence
from operator import attrgetter

from chalicelib import dynamo
from chalicelib.tickets import signature, store
from chalicelib.tickets.model import MAX_TICKETS, Ticket, TicketIssue, TicketLine, TicketNotFound, may_be_ticket_id, new_code, ticket_id


def issue_tickets(purchase_id: str, owner_id: str, event_id: str, lines: Sequence[TicketLine], now: int) -> TicketIssue:
    """Create the tickets of a purchase that is being paid; commit their items in the transaction that marks it as paid.

    Every call creates new codes for the same ids. If a purchase's tickets are issued twice, the second transaction is canceled
    (`dynamo.TransactionCanceled`), and its caller reads those of the first with `load_purchase_tickets`.
    """
    priced = [line for line in lines for _ in range(line.quantity)]
    if not 1 <= len(priced) <= MAX_TICKETS:
        raise ValueError(f"a purchase has 1 to {MAX_TICKETS} tickets, not {len(priced)}")
    tickets = [_new_ticket(purchase_id, number, owner_id, event_id, line, now) for number, line in enumerate(priced, start=1)]
    return TicketIssue(tickets, [store.create_ticket_item(ticket) for ticket in tickets])


def load_purchase_tickets(purchase_id: str, count: int) -> list[Ticket]:
    """The tickets 1 to `count` of a purchase, in that order, strongly consistent. Tickets that do not exist are left out."""
    return sorted(store.load_tickets(ticket_id(purchase_id, number) for number in range(1, count + 1)), key=attrgetter("number"))


def load_owned(owner_id: str, ticket_ids: Iterable[str]) -> list[Ticket]:
    """Those of the tickets that are the owner's, and valid or frozen; the ones of the newest purchase first."""
    tickets = [ticket for ticket in store.load_tickets(ticket_ids) if ticket.owner_id == owner_id and ticket.state != "void"]
    tickets.sort(key=attrgetter("number"))
    tickets.sort(key=lambda ticket: (ticket.created_at, ticket.purchase_id), reverse=True)
    return tickets


def get_ticket(ticket_id: str) -> Ticket:
    """The ticket, whatever its state; raises TicketNotFound."""
    ticket = store.find_ticket(ticket_id) if may_be_ticket_id(ticket_id) else None
    if ticket is None:
        raise TicketNotFound()
    return ticket


def freeze_items(tickets: Sequence[Ticket]) -> list[dynamo.TransactItem]:
    """Transaction items that change the tickets from `valid` to `frozen`.

    The transaction is canceled if any ticket is not valid. So a ticket that is void stays void when the dispute is won.
    """
    return [store.change_state_item(ticket.id, "valid", "frozen") for ticket in tickets]


def thaw_items(tickets: Sequence[Ticket]) -> list[dynamo.TransactItem]:
    """Transaction items that change the tickets from `frozen` to `valid`; canceled if any ticket is not frozen."""
    return [store.change_state_item(ticket.id, "frozen", "valid") for ticket in tickets]


def void_items(*ticket_ids: str) -> list[dynamo.TransactItem]:
    """Transaction items that make tickets void for good; safe to repeat, canceled for a ticket that does not exist."""
    return [store.void_item(ticket_id) for ticket_id in ticket_ids]


def is_genuine(qr_sig: str, ticket_id: str, event_id: str, code: str) -> bool:
    """Whether this shop signed the scanned ticket. The ticket may be void or frozen by now: only the store has its state."""
    return signature.verify(qr_sig, ticket_id, event_id, code)


def _new_ticket(purchase_id: str, number: int, owner_id: str, event_id: str, line: TicketLine, now: int) -> Ticket:
    new_id, code = ticket_id(purchase_id, number), new_code()
    return Ticket(
        id=new_id,
        code=code,
        # Stored, not computed at each display: after a key rotation a repeated confirmation still returns the same ticket, and
        # printed tickets still match those on the screen.
        qr_sig=signature.sign(new_id, event_id, code),
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
