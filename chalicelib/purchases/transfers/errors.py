"""Why a ticket cannot change hands."""

from typing import ClassVar

from chalicelib.foundation.errors import ApiError, NotFound


class TransferNotFound(NotFound):
    code: ClassVar[str] = "transfer_not_found"
    default_message: ClassVar[str] = "This link has been used or cancelled, or it never existed. Ask the sender for a new one."


class TransferExpired(ApiError):
    code: ClassVar[str] = "transfer_expired"
    status: ClassVar[int] = 410
    default_message: ClassVar[str] = "This link has expired. Ask the sender for a new one."


class TransferToSelf(ApiError):
    code: ClassVar[str] = "transfer_to_self"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "This ticket is already yours. Send the link to the person who should have it."


class TransferClosed(ApiError):
    code: ClassVar[str] = "transfer_closed"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "The event is over or cancelled, so this ticket can no longer be transferred."


class TicketUsed(ApiError):
    code: ClassVar[str] = "ticket_used"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "This ticket has been used to enter the event, so it can no longer be transferred."
