"""Why a request about a purchase is refused, and the errors that end a job."""

from typing import ClassVar

from chalicelib.dynamodb import dynamo
from chalicelib.foundation import settings
from chalicelib.foundation.errors import ApiError, InvalidInput, NotFound

# A job that handles many purchases stops at these, since the next one would fail too. After any other error it goes on with the next.
FATAL_ERRORS: tuple[type[Exception], ...] = (settings.SettingsError, *dynamo.STORE_ERRORS)


class ReservationNotFound(NotFound):
    code: ClassVar[str] = "reservation_not_found"
    default_message: ClassVar[str] = "You have no reservation with this id."


class CheckoutNotFound(NotFound):
    code: ClassVar[str] = "checkout_session_not_found"
    default_message: ClassVar[str] = "You have no checkout session with this id."


class OrderNotFound(NotFound):
    code: ClassVar[str] = "order_not_found"
    default_message: ClassVar[str] = "You have no order with this id."


class OrderAlreadyPaid(ApiError):
    code: ClassVar[str] = "order_paid"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = (
        "This order has been paid, so it cannot be cancelled. Ask the promoter of the event for a refund. "
        "A refund cancels the tickets and returns their price, less the shop's fee if there is one."
    )


class ReservationEnded(ApiError):
    code: ClassVar[str] = "reservation_expired_or_invalid"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "This reservation has ended, and you have not been charged. Please choose your tickets again."


class PaymentRefunded(ApiError):
    code: ClassVar[str] = "payment_refunded"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "Your payment arrived, but the tickets were no longer available. We are refunding the full amount."


class ReservationConverted(ApiError):
    code: ClassVar[str] = "reservation_converted"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "This reservation has been paid and is now an order. Ask for a refund instead."


class ActiveReservationExists(ApiError):
    code: ClassVar[str] = "active_reservation_exists"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "You already have a reservation for this event. Pay for it or cancel it first."


class PassUsed(ApiError):
    code: ClassVar[str] = "pass_used"
    status: ClassVar[int] = 403
    default_message: ClassVar[str] = "You have already bought tickets with this place in line. Join the waiting room again to buy more."


class PurchaseLimitExceeded(ApiError):
    code: ClassVar[str] = "purchase_limit_exceeded"
    status: ClassVar[int] = 403
    default_message: ClassVar[str] = "That is more than one person can buy for this event, including earlier orders. Choose fewer tickets."


class TierLimitExceeded(InvalidInput):
    code: ClassVar[str] = "tier_limit_exceeded"
    default_message: ClassVar[str] = "That is more tickets of one type than a purchase can have. Choose fewer tickets."


class RefundInvalid(InvalidInput):
    code: ClassVar[str] = "refund_invalid"
    default_message: ClassVar[str] = "The `tickets` of this refund are unknown, repeated, already refunded, or too many at once."


class NotRefundable(ApiError):
    code: ClassVar[str] = "not_refundable"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "Only an order that still has tickets can be refunded."


class OrderDisputed(ApiError):
    code: ClassVar[str] = "order_disputed"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = (
        "The buyer's bank disputes this payment and will decide who gets the money. Answer the dispute at the payment provider."
    )


class ReturnAddressRefused(InvalidInput):
    code: ClassVar[str] = "return_address_refused"
    default_message: ClassVar[str] = "`success_url` and `cancel_url` must be addresses that this shop allows."
