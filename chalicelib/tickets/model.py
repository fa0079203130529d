"""Tickets, their ids and their codes."""

import re
import secrets
from typing import ClassVar, Literal

from msgspec import Struct

from chalicelib import dynamo
from chalicelib.errors import ApiError, NotFound

TicketState = Literal["valid", "frozen", "void"]  # frozen: its payment is disputed

MAX_TICKETS = 50  # of one purchase: with the purchase, the buyer's record and the ledger they fit one transaction of 100 items

# Crockford's base32 (https://www.crockford.com/base32.html): no I, L, O or U, so that nobody at the door misreads a code.
CODE_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CODE_LENGTH = 20  # of 5 bits each: 100 bits cannot be guessed
CODE_GROUP_LENGTH = 5

_TICKET_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}-[1-9][0-9]?")


class TicketLine(Struct, frozen=True):
    """`quantity` tickets of one tier, at the price that was agreed when they were reserved. Each ticket admits `admits` people."""

    tier_id: str
    quantity: int
    admits: int
    price_cents: int
    currency: str


class Ticket(Struct, frozen=True):
    """A ticket lets `admits` people in once. `price_cents` is what was paid for it; `created_at` is in epoch seconds."""

    id: str
    code: str
    qr_sig: str
    purchase_id: str
    owner_id: str
    event_id: str
    tier_id: str
    admits: int
    price_cents: int
    currency: str
    state: TicketState
    created_at: int

    @property
    def number(self) -> int:
        """The ticket's number within its purchase, from 1."""
        return int(self.id.rpartition("-")[2])

    @property
    def admissible(self) -> bool:
        """Whether the ticket is good for entry."""
        return self.state == "valid"


class TicketIssue(Struct, frozen=True):
    """New tickets, and the transaction items that write them; the tickets exist once the caller has committed the items."""

    tickets: list[Ticket]
    items: list[dynamo.TransactItem]


class TicketNotFound(NotFound):
    default_message: ClassVar[str] = "There is no ticket with this id. GET /me/tickets lists your tickets."


class TicketVoid(ApiError):
    code: ClassVar[str] = "ticket_void"
    status: ClassVar[int] = 410
    default_message: ClassVar[str] = (
        "This ticket is void: it was refunded, or its payment was reversed in a dispute. To attend, buy another ticket."
    )


class TicketFrozen(ApiError):
    code: ClassVar[str] = "ticket_frozen"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = (
        "The payment for this ticket is disputed, so the ticket cannot be used now. "
        "It becomes valid again if the dispute ends and the payment stands."
    )


def ticket_id(purchase_id: str, number: int) -> str:
    """The id of ticket `number` (from 1) of a purchase. It is always the same, so a purchase cannot get its tickets twice."""
    return f"{purchase_id}-{number}"


def may_be_ticket_id(text: str) -> bool:
    """Whether `text` has the form of a ticket id. Other text would be an error of the store, which limits keys, not "not found"."""
    return _TICKET_ID.fullmatch(text) is not None


def new_code() -> str:
    """A random code of four groups of five characters, such as `7K3MX-0QWZ9-H4TRB-V81CD`."""
    # 32 characters, so that each byte gives one with equal chances.
    characters = "".join(CODE_ALPHABET[byte % len(CODE_ALPHABET)] for byte in secrets.token_bytes(CODE_LENGTH))
    return "-".join(characters[start : start + CODE_GROUP_LENGTH] for start in range(0, CODE_LENGTH, CODE_GROUP_LENGTH))
