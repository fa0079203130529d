"""Why a ticket cannot change hands."""

from typing import ClassVar

from chalicelib.foundation.errors import ApiError, NotFound


class TransferNotFound(NotFound):
    code: ClassVar[str] = "transfer_not_found"
    default_message: ClassVar[str] = "This link was used or cancelled, or never existed. Ask its sender for a new one."


class TransferExpired(ApiError):
    code: ClassVar[str] = "transfer_expired"
    status: ClassVar[int] = 410
    default_message: ClassVar[str] = "This link has expired. Ask its sender for a new one."


class TransferToSelf(ApiError):
    code: ClassVar[str] = "transfer_to_self"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "This is your own ticket already. Send the link to the person who is to have it."


class TransferClosed(ApiError):
    code: ClassVar[str] = "transfer_closed"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "The event of this ticket is over or cancelled, so the ticket can no longer change hands."


class TicketUsed(ApiError):
    code: ClassVar[str] = "ticket_used"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "Somebody came in with this ticket, so it can no longer change hands."
