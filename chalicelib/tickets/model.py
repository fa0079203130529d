"""Tickets, their ids and their codes."""

import re
import secrets
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Container
from functools import lru_cache
from typing import Annotated, ClassVar, Literal

from msgspec import Meta, Struct
from msgspec.structs import replace

from chalicelib.accounts.model import NOT_IN_LINES, Email, PersonName
from chalicelib.catalog.custom_options import AnswerValue, OptionType, SentAnswer
from chalicelib.catalog.model import Event, TransferPolicy
from chalicelib.dynamodb import dynamo
from chalicelib.edge.languages import Language
from chalicelib.foundation.errors import ApiError, NotFound

TicketState = Literal["valid", "frozen", "void"]  # frozen: the payment is disputed
Direction = Literal["in", "out"]
VoidReason = Literal["refunded", "disputed"]  # disputed: the bank gave the money back to the buyer

MAX_TICKETS = 50  # per purchase: together with the purchase, the buyer's record and the ledger, they fit into one transaction of 100 items

# Crockford's base32 (https://www.crockford.com/base32.html): no I, L, O or U, so that nobody at the door misreads a code.
CODE_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
IMPORTED_OWNER_PREFIX = "imported-"  # begins the owner ids of tickets that another system sold
ORDER_KEY_LENGTH = 8  # the characters of an order's id that are in its number
CODE_LENGTH = 20  # characters of 5 bits each; a code of 100 bits cannot be guessed
CODE_GROUP_LENGTH = 5
_FORMATTED_CODE_LENGTH = CODE_LENGTH + CODE_LENGTH // CODE_GROUP_LENGTH - 1  # with the hyphens between the groups

MAX_DUPLICATES = 20  # per ticket, so that the ticket's item stays small
MAX_UNDONE = 20  # per ticket; devices resend a scan for a few hours at most, so older scans are not needed

# Letters that are not in the alphabet become the digits that they look like. Hyphens and spaces are removed.
_MISREAD_CHARACTERS = str.maketrans({"O": "0", "I": "1", "L": "1", "-": None, " ": None})

TICKET_ID_FORM = r"[A-Za-z0-9_.-]{1,64}-[1-9][0-9]?"

_TICKET_ID = re.compile(TICKET_ID_FORM)
_SEAT_ID = re.compile(rf"({TICKET_ID_FORM})\.([1-9][0-9]{{0,2}})")


class TicketLine(Struct, frozen=True):
    """Tickets of one tier: one ticket for each of the `prices`, in minor units. Each ticket admits `admits` people."""

    tier_id: str
    admits: int
    prices: list[int]
    currency: str


class Attendee(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The person who comes with a ticket. Addresses that earlier versions stored may break the rules of `Email`."""

    name: Annotated[str, Meta(max_length=500)]
    email: str | None = None


class SentAttendee(Attendee, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The person who comes with a ticket, as named in a request."""

    name: Annotated[
        str, Meta(max_length=500, pattern=rf"\A[^{NOT_IN_LINES}]*\Z", examples=["Ada"], description="One line of text, which may be empty.")
    ]
    email: Email | None = None


class CheckIn(Struct, frozen=True, array_like=True):
    """`count` people came in with a ticket at `at` (epoch seconds), admitted by the user `by`. A repeated scan has the same `id`.

    A negative `count` is an exit: that many people went out, and may come back. `seat` is set if a guest came in with the guest's own
    code. `override_reason` is the reason that staff sent to override a refusal. `date` is the id of the event's date for which they came.
    """

    id: str
    at: int
    count: int
    by: str
    gate: str | None = None
    device: str | None = None
    seat: int | None = None
    override_reason: str | None = None
    date: str | None = None  # null: the event had no dates

    @property
    def direction(self) -> Direction:
        """Whether the people came in or went out."""
        return "in" if self.count > 0 else "out"


class Guest(Struct, frozen=True, array_like=True):
    """The data about a seat's guest that the door needs. Each guest has a separate `code`. `name` is None once it has been erased."""

    seat: int
    code: str
    qr_sig: str
    name: str | None


class Transfer(Struct, frozen=True, array_like=True):
    """An offer by the owner `by` to give a ticket away to the person who knows the `secret`. Times are epoch seconds."""

    secret: str
    by: str
    expires_at: int
    accepted_at: int | None = None

    def is_open(self, now: int) -> bool:
        """Return whether the transfer may still be accepted."""
        return self.accepted_at is None and now < self.expires_at


class Serial(Struct, frozen=True, array_like=True):
    """The human-readable numbers of a ticket's seats: `<prefix>-<first>` and so on."""

    prefix: str
    first: int


class Ticket(Struct, frozen=True, kw_only=True):
    """A ticket lets `admits` people in once, on each of its dates. `price_cents` is the price that was paid.

    `created_at` is in epoch seconds.

    `checkins` are the valid check-ins and exits, oldest first; `duplicates` are offline scans that let people in although nobody was left
    to admit. `undone` are the ids of the last scans that were undone. `transfer` is the latest transfer to another person, whatever its
    outcome. The ticket has the seats 1 to `admits`; `guests` has the guests of the assigned seats. `serial` is set a second or two after
    the sale. `checkin_version` counts the changes to `checkins`; it is None if only releases without this field have changed them.
    """

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
    void_reason: VoidReason | None = None
    attendee: Attendee | None = None
    transfer: Transfer | None = None
    serial: Serial | None = None
    guests: list[Guest] = []
    checkins: list[CheckIn] = []
    duplicates: list[CheckIn] = []
    undone: list[str] = []
    checkin_version: int | None = None
    language: Language | None = None  # the language of emails to the owner, as preferred when they bought or accepted the ticket
    erased_at: int | None = None  # when the owner's personal data was erased; a transfer resets it
    transfers: TransferPolicy | None = None  # null: the event allowed transfers when the ticket was sold
    listed_at: int | None = None  # when the buyer listed the ticket for resale; kept until the resale stock no longer has the ticket

    @property
    def is_for_resale(self) -> bool:
        """Whether the ticket is listed for resale, and can still be sold."""
        return self.listed_at is not None and self.state == "valid" and not self.checkins

    def with_checkins_on(self, date: str | None) -> "Ticket":
        """Return the ticket with only its check-ins on a date of the event; None means the check-ins before the event had dates."""
        return replace(self, checkins=[checkin for checkin in self.checkins if checkin.date == date])

    @property
    def last_checkin_date(self) -> str | None:
        """The date of the last check-in, or None if there is no check-in."""
        return self.checkins[-1].date if self.checkins else None

    @property
    def inside_count(self) -> int:
        """The number of people who are inside with the ticket, added up over its dates."""
        return sum(checkin.count for checkin in self.checkins)

    @property
    def checkins_inside(self) -> list[CheckIn]:
        """The check-ins of the people who are inside, oldest first. An exit cancels the latest check-in with the same `seat` and date."""
        exit_counts: Counter[tuple[str | None, int | None]] = Counter()  # people who went out, and whose check-ins the loop has not reached
        found = []
        for checkin in reversed(self.checkins):
            key = checkin.date, checkin.seat
            if checkin.direction == "out":
                exit_counts[key] -= checkin.count
                continue
            gone_count = min(exit_counts[key], checkin.count)
            exit_counts[key] -= gone_count
            if gone_count < checkin.count:
                found.append(replace(checkin, count=checkin.count - gone_count) if gone_count else checkin)
        return found[::-1]

    @property
    def first_entries(self) -> list[CheckIn]:
        """The check-ins of people who had not been inside before, oldest first; the `count` of each leaves out the people who came back.

        A check-in counts as a return unless it brings the number of people inside with the same code to a new maximum. A person who comes
        back with a different code looks like a new person. Therefore, the total is limited to the number of people whom the ticket admits,
        or the highest number inside at once if that is higher. Each date counts separately.
        """
        inside_by_date: dict[str | None, Counter[int | None]] = defaultdict(Counter)
        entered_by_date: dict[str | None, Counter[int | None]] = defaultdict(Counter)
        found = []
        for checkin in self.checkins:
            inside, entered = inside_by_date[checkin.date], entered_by_date[checkin.date]
            inside[checkin.seat] += checkin.count
            max_count = max(self.admits, inside.total()) - entered.total()
            count = min(inside[checkin.seat] - entered[checkin.seat], max_count)
            if count > 0:
                found.append(checkin if count == checkin.count else replace(checkin, count=count))
                entered[checkin.seat] += count
        return found

    def seat_number(self, seat: int) -> str | None:
        """Return the number of a seat within its event, such as `SVH-0042`, or None if the seat is not numbered yet."""
        return f"{self.serial.prefix}-{self.serial.first + seat - 1:04}" if self.serial is not None else None

    def guest_of(self, seat: int) -> Guest | None:
        """Return the guest of a seat, or None if nobody was named."""
        return next((guest for guest in self.guests if guest.seat == seat), None)

    def first_checkin_of(self, seat: int) -> CheckIn | None:
        """Return the first check-in of a seat's guest with the guest's own code, or None if there is no such check-in."""
        return next((checkin for checkin in self.checkins if checkin.seat == seat), None)

    @property
    def inside_with_ticket_code(self) -> int:
        """The number of people who came in with the ticket's own code and are inside."""
        return sum(checkin.count for checkin in self.checkins if checkin.seat is None)

    def inside_with_guest_code(self, seat: int) -> int:
        """Return how many people came in with the code of a seat's guest and are inside."""
        return sum(checkin.count for checkin in self.checkins if checkin.seat == seat)

    @property
    def number(self) -> int:
        """The ticket's number within its purchase, from 1."""
        return int(self.id.rpartition("-")[2])

    @property
    def is_imported(self) -> bool:
        """Whether another system sold the ticket."""
        return self.owner_id.startswith(IMPORTED_OWNER_PREFIX)

    @property
    def is_admissible(self) -> bool:
        """Whether the ticket is valid for entry."""
        return self.state == "valid"


class TicketIssue(Struct, frozen=True):
    """New tickets, and the transaction items that write them; the tickets exist once the caller has committed the items."""

    tickets: list[Ticket]
    items: list[dynamo.TransactItem]


class TicketGift(Struct, frozen=True):
    """A ticket as its new owner receives it, and the transaction item that transfers the ticket."""

    ticket: Ticket
    item: dynamo.TransactItem


class TicketNotFound(NotFound):
    default_message: ClassVar[str] = "There is no ticket with this id. GET /me/tickets lists your tickets."


class AttendeeLocked(ApiError):
    code: ClassVar[str] = "attendee_locked"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "It is too close to the event to change the name on a ticket. Ask the promoter."


class TicketVoid(ApiError):
    code: ClassVar[str] = "ticket_void"
    status: ClassVar[int] = 410
    default_message: ClassVar[str] = (
        "This ticket is no longer valid: it was refunded, or its payment was reversed in a dispute. To attend, buy another ticket."
    )


class HolderErased(ApiError):
    code: ClassVar[str] = "ticket_holder_erased"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = (
        "The holder of this ticket has had all personal data deleted, so you cannot add a name. The ticket is still valid."
    )


class TicketFrozen(ApiError):
    code: ClassVar[str] = "ticket_frozen"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = (
        "The payment for this ticket is disputed, so the ticket cannot be used at the moment. "
        "It becomes valid again if the bank rejects the dispute."
    )


def ticket_id(purchase_id: str, number: int) -> str:
    """Return the id of ticket `number` (from 1) of a purchase. Ids are deterministic, so a purchase cannot get its tickets twice."""
    return f"{purchase_id}-{number}"


# Numbers that people read and say: `SVH-0042` for a seat, `SVH-7K3Q-9XF2` for an order.

_PREFIX_LENGTH = 4
_ORDER_NUMBER = re.compile(r"(?:[A-Z0-9]{1,4}[- ])?([A-Z0-9]{4})[- ]?([A-Z0-9]{4})")


@lru_cache(maxsize=1024)
def number_prefix(name: str) -> str:
    """Return the initials of a name, or the first three letters of a single word. Returns "" for a name without Latin letters."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().upper()
    words = re.findall(r"[A-Z0-9]+", plain)
    initials = "".join(word[0] for word in words) if len(words) > 1 else "".join(words)[:3]
    return initials[:_PREFIX_LENGTH]


def order_number(order_id: str, event: Event | None) -> str:
    """Return the number of an order: the initials of its event, and the last characters of its id, which are random.

    `event` is None if the catalog no longer has the event; the number then has no initials. Searches do not need them.
    """
    prefix = number_prefix(event.slug or event.id) if event is not None else ""
    key = order_key(order_id)
    return "-".join(filter(None, (prefix, key[:4], key[4:])))


def order_key(order_id: str) -> str:
    """Return the characters of an order's id that are in its number."""
    return order_id[-ORDER_KEY_LENGTH:]


def parse_order_key(text: str) -> str | None:
    """Return the key in an order number that somebody typed, with or without initials and hyphens. Returns None for other text."""
    found = _ORDER_NUMBER.fullmatch(text.strip().upper())
    key = f"{found[1]}{found[2]}".translate(_MISREAD_CHARACTERS) if found else ""
    return key if key and set(key) <= set(CODE_ALPHABET) else None


def find_order_keys(text: str, keys: Container[str]) -> list[str]:
    """Return the `keys` that a text contains, such as the reference of a bank transfer. Ignores case, spaces and punctuation."""
    characters = re.sub(r"[^A-Z0-9]", "", text.upper()).translate(_MISREAD_CHARACTERS)
    parts = (characters[start : start + ORDER_KEY_LENGTH] for start in range(len(characters)))
    return list(dict.fromkeys(part for part in parts if part in keys))


def seat_id(ticket_id: str, seat: int) -> str:
    """Return the id of a seat (from 1) of a ticket."""
    return f"{ticket_id}.{seat}"


def split_seat_id(text: str) -> tuple[str, int | None]:
    """Split the id of a seat into (ticket id, seat); any other text becomes (`text`, None)."""
    found = _SEAT_ID.fullmatch(text)
    return (found[1], int(found[2])) if found else (text, None)


def may_be_ticket_id(text: str) -> bool:
    """Return whether `text` has the form of a ticket id. Other text may be too long for a key, and the store would raise an error."""
    return _TICKET_ID.fullmatch(text) is not None


def new_code() -> str:
    """Return a random code of four groups of five characters, such as `7K3MX-0QWZ9-H4TRB-V81CD`."""
    return code_from_bytes(secrets.token_bytes(CODE_LENGTH))


def code_from_bytes(random_bytes: bytes) -> str:
    """Return the code made from CODE_LENGTH or more random bytes."""
    # The alphabet has 32 characters, so each byte selects every character with the same probability.
    return _hyphenate("".join(CODE_ALPHABET[byte % len(CODE_ALPHABET)] for byte in random_bytes[:CODE_LENGTH]))


def has_our_code_format(code: str) -> bool:
    """Return whether a stored code has the form of `new_code`. Another system may still have issued it."""
    return len(code) == _FORMATTED_CODE_LENGTH and normalize_code(code) == code


def normalize_code(text: str) -> str:
    """Normalize a code that somebody typed or a scanner read to the form that tickets store.

    Text that may be one of our codes gets the form of `new_code`. Any other text keeps its case and loses only surrounding spaces, because
    another system may have issued it.
    """
    characters = text.upper().translate(_MISREAD_CHARACTERS)
    if len(characters) == CODE_LENGTH and set(characters) <= set(CODE_ALPHABET):
        return _hyphenate(characters)
    return text.strip() or text


def _hyphenate(characters: str) -> str:
    return "-".join(characters[start : start + CODE_GROUP_LENGTH] for start in range(0, CODE_LENGTH, CODE_GROUP_LENGTH))


# The seats of a ticket, and the details of the guests whom the ticket's owner names.

MAX_ANSWERS = 20
MAX_ANSWERS_BYTES = 4 * 1024  # for the free-form answers about a guest, as JSON; lists show the answers about many guests

Answers = Annotated[dict[Annotated[str, Meta(min_length=1, max_length=64)], SentAnswer], Meta(max_length=MAX_ANSWERS)]


class NamedGuest(Struct, frozen=True, forbid_unknown_fields=True):
    """The guest whom a ticket's owner names for a seat. A guest with an email address is invited by email.

    `answers` maps option ids to answers. If the package has no options for guests, free-form answers (texts by name) are accepted too.
    """

    name: PersonName
    email: Email | None = None
    answers: Answers = {}


class GuestAnswer(Struct, frozen=True, kw_only=True):
    """An answer to an option of the package, with the option's label and choices at the time of the answer."""

    option_id: str
    label: str
    option_type: OptionType
    choices: list[str]
    value: AnswerValue


class GuestDetails(Struct, frozen=True, kw_only=True):
    """A guest's details that the door does not need. `id` is the seat's id. `secret` opens the guest's own page.

    `answers` are free-form answers that belong to no option. Details belong to the ticket's guest with the same `code`; details with
    another code are left over from a guest who lost the seat. An erased guest keeps only the code, which the door can still look up.
    """

    id: str
    code: str
    secret: str | None
    email: str | None
    answers: dict[str, str]
    option_answers: list[GuestAnswer]
    invited_at: int | None


class Seat(Struct, frozen=True):
    """A seat (from 1) of a ticket, with its guest. `details` is None if the seat has no guest."""

    ticket: Ticket
    number: int
    details: GuestDetails | None = None

    @property
    def id(self) -> str:
        return seat_id(self.ticket.id, self.number)

    @property
    def guest(self) -> Guest | None:
        return self.ticket.guest_of(self.number)

    @property
    def checkin(self) -> CheckIn | None:
        """The check-in of the guest with the guest's own code, or None if there is no such check-in."""
        return self.ticket.first_checkin_of(self.number)

    @property
    def token(self) -> str | None:
        """The token in the invitation's link: the seat's id and the guest's secret. None if there is no guest, or after an erasure."""
        return f"{self.id}.{self.details.secret}" if self.details and self.details.secret else None


class SeatNotFound(NotFound):
    default_message: ClassVar[str] = "There is no seat with this id. GET /tickets/{ticket_id}/seats lists the seats of your ticket."


class InvitationNotFound(NotFound):
    code: ClassVar[str] = "invitation_not_found"
    default_message: ClassVar[str] = "This invitation has been withdrawn, or it never existed. Ask the sender for a new one."


class GuestAdmitted(ApiError):
    code: ClassVar[str] = "guest_admitted"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "The guest of this seat has already entered, so the seat can no longer be given to anyone else."


class NoInvitation(ApiError):
    code: ClassVar[str] = "no_invitation"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "This seat has no guest with an email address. Enter an email address to send an invitation."
