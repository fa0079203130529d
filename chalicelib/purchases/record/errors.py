"""Why a request about a purchase is refused, and the conflict that a lost race raises."""

from typing import ClassVar

from chalicelib import dynamo, settings
from chalicelib.errors import ApiError, InvalidInput, NotFound

# After these nothing else would work either. After any other error, a job that handles many purchases goes on with the next one.
FATAL_ERRORS: tuple[type[Exception], ...] = (settings.SettingsError, dynamo.StoreUnavailable, *dynamo.STORE_ERRORS)


class ReservationNotFound(NotFound):
    code: ClassVar[str] = "reservation_not_found"
    default_message: ClassVar[str] = "You have no such reservation."


class CheckoutNotFound(NotFound):
    code: ClassVar[str] = "checkout_session_not_found"
    default_message: ClassVar[str] = "You have no such checkout session."


class OrderNotFound(NotFound):
    code: ClassVar[str] = "order_not_found"
    default_message: ClassVar[str] = "You have no such order."


class ReservationEnded(ApiError):
    code: ClassVar[str] = "reservation_expired_or_invalid"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "The reservation is over. Nothing was charged; please choose again."


class PaymentRefunded(ApiError):
    code: ClassVar[str] = "payment_refunded"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "The payment came when the tickets were gone. All of it goes back to you."


class ReservationConverted(ApiError):
    code: ClassVar[str] = "reservation_converted"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "The reservation became an order and cannot be given back."


class ActiveReservationExists(ApiError):
    code: ClassVar[str] = "active_reservation_exists"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "You already have a reservation for this event. Finish it or give it back first."


class PassUsed(ApiError):
    code: ClassVar[str] = "pass_used"
    status: ClassVar[int] = 403
    default_message: ClassVar[str] = "You have bought with this pass. Join the waiting room again to buy more."


class PurchaseLimitExceeded(ApiError):
    code: ClassVar[str] = "purchase_limit_exceeded"
    status: ClassVar[int] = 403
    default_message: ClassVar[str] = "That is more than one person may buy for this event."


class TierLimitExceeded(InvalidInput):
    code: ClassVar[str] = "tier_limit_exceeded"


class PromoCodeInvalid(InvalidInput):
    code: ClassVar[str] = "promo_code_invalid"


class RefundInvalid(InvalidInput):
    code: ClassVar[str] = "refund_invalid"


class NotRefundable(ApiError):
    code: ClassVar[str] = "not_refundable"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "Only an order with tickets can be refunded."


class OrderDisputed(ApiError):
    code: ClassVar[str] = "order_disputed"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "The payment is disputed. The bank decides about the money; answer the dispute instead."


class ReturnAddressRefused(InvalidInput):
    code: ClassVar[str] = "return_address_refused"
