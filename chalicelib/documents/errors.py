"""Why there is no document."""

from typing import ClassVar

from chalicelib.foundation.errors import ApiError


class NotPaid(ApiError):
    code: ClassVar[str] = "order_not_paid"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "This order is not paid, so there is no receipt and there are no tickets."


class NoValidTickets(ApiError):
    code: ClassVar[str] = "no_valid_tickets"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = (
        "None of your tickets of this order is valid now: they were taken back or given away, or their payment is disputed."
    )
