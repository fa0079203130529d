"""The seats of a ticket, and what is kept of the guests whom its owner names for them."""

from typing import Annotated, ClassVar

from msgspec import Meta, Struct

from chalicelib.catalog.answers import AnswerValue, SentAnswer
from chalicelib.catalog.custom_options import OptionType
from chalicelib.foundation.errors import ApiError, NotFound
from chalicelib.tickets.model import CheckIn, EmailAddress, Guest, Ticket, seat_id

MAX_ANSWERS = 20

GuestName = Annotated[str, Meta(min_length=1, max_length=100)]
Answers = Annotated[dict[Annotated[str, Meta(min_length=1, max_length=64)], SentAnswer], Meta(max_length=MAX_ANSWERS)]


class NamedGuest(Struct, frozen=True, forbid_unknown_fields=True):
    """Whom the owner of a ticket names for a seat. With an e-mail address they are invited by mail.

    `answers`: id of an option -> answer. Where the package asks its guests nothing, also other questions, with texts.
    """

    name: GuestName
    email: EmailAddress | None = None
    answers: Answers = {}


class GuestAnswer(Struct, frozen=True, kw_only=True):
    """An answer to an option of the package, with its label and choices as they were when it was asked."""

    option_id: str
    label: str
    option_type: OptionType
    choices: list[str]
    value: AnswerValue


class GuestDetails(Struct, frozen=True, kw_only=True):
    """What is kept of a guest beside what the door needs. `id` is that of the seat; `secret` opens the guest's own page.
    `answers` are those that no option asked for.

    They belong to the guest with the same `code` in the ticket; others are left over from somebody who has lost the seat. Of a guest who
    was erased only the code is left, by which it is found when it is typed at the door.
    """

    id: str
    code: str
    secret: str | None
    email: str | None
    answers: dict[str, str]
    option_answers: list[GuestAnswer]
    invited_at: int | None


class Seat(Struct, frozen=True):
    """A seat (from 1) of a ticket, with its guest. `details` are None without a guest."""

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
        """The check-in of the guest with their own code."""
        return self.ticket.checkin_of(self.number)

    @property
    def token(self) -> str | None:
        """What the link in the invitation has: the seat's id, by which it is found, and the secret. None without a guest, or one erased."""
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
    default_message: ClassVar[str] = "This seat has no guest with an email address. Name a guest with an address to send an invitation."
