"""Errors for orders that have no document."""

from typing import ClassVar

from chalicelib.foundation.errors import ApiError


class NotPaid(ApiError):
    code: ClassVar[str] = "order_not_paid"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "This order has not been paid, so it has no receipt or tickets."


class NoValidTickets(ApiError):
    code: ClassVar[str] = "no_valid_tickets"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = (
        "You have no valid tickets in this order: they were all refunded or transferred, or the payment is disputed."
    )
