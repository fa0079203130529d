"""What a ticket is, and what its id and code look like."""

import re
import secrets
from typing import Any, Literal

from msgspec import Struct

TicketState = Literal["valid", "frozen", "void"]  # frozen: its payment is disputed

MAX_TICKETS = 50  # of one purchase: with the purchase, the buyer's record and the wallet they fit one transaction of 100

# Crockford's base32 (https://www.crockford.com/base32.html): no I, L, O or U, so nothing can be misread at the door.
CODE_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CODE_LENGTH = 20  # of 5 bits each: 100 bits, out of reach of guessing
CODE_GROUP = 5

_TICKET_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}-[1-9][0-9]?")


class TicketLine(Struct, frozen=True):
    """`quantity` tickets of one tier, as they were priced when the purchase was held."""

    tier_id: str
    quantity: int
    admits: int
    price_cents: int
    currency: str


class Ticket(Struct, frozen=True):
    """The right of `admits` people to come in once. `created_at` is in epoch seconds."""

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
        """Which of its purchase's tickets it is, counted from 1."""
        return int(self.id.rpartition("-")[2])

    @property
    def admissible(self) -> bool:
        """Whether it is good for entry."""
        return self.state == "valid"


class TicketIssue(Struct, frozen=True):
    """New tickets and the transaction items that write them; they exist once the caller has committed the items."""

    tickets: list[Ticket]
    items: list[dict[str, dict[str, Any]]]


def ticket_id(purchase_id: str, number: int) -> str:
    """Ids follow from the purchase, so that a second issue meets the first; `number` counts from 1."""
    return f"{purchase_id}-{number}"


def may_be_ticket_id(text: str) -> bool:
    """Whether it is worth asking the store: a key of any length and content would be its error, not the caller's."""
    return _TICKET_ID.fullmatch(text) is not None


def new_code() -> str:
    """Four groups of five, such as `7K3MX-0QWZ9-H4TRB-V81CD`."""
    signs = "".join(secrets.choice(CODE_ALPHABET) for _ in range(CODE_LENGTH))
    return "-".join(signs[start : start + CODE_GROUP] for start in range(0, CODE_LENGTH, CODE_GROUP))
