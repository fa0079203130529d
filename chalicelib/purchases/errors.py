"""Errors for requests about purchases, the errors that each kind of route can raise, and the errors that stop a job."""

from typing import ClassVar, Self

from chalicelib.catalog.custom_options import AnswersRequired
from chalicelib.catalog.revisions import CatalogChanging
from chalicelib.catalog.sale_rules import EventNotOnSale, TierNotOnSale
from chalicelib.dynamodb import dynamo
from chalicelib.edge.auth import Unauthenticated, UserRequired
from chalicelib.edge.rate_limits import RateLimited
from chalicelib.foundation import settings
from chalicelib.foundation.errors import ApiError, InvalidInput, NotFound
from chalicelib.inventory.model import NotEnoughTickets, SalePaused, TooManyHolds
from chalicelib.payments.model import (
    PROVIDER_ERRORS,
    AmountNotPayable,
    PaymentNotCompleted,
    ProviderNotOffered,
    SimulationRefused,
    SimulationRequired,
    TaxNotCalculated,
)
from chalicelib.promotions.model import ACCESS_ERRORS, USE_ERRORS
from chalicelib.purchases.model import BuyerRecord, Purchase
from chalicelib.waiting_room.model import TOKEN_ERRORS

# A job that handles many purchases stops at these errors, because the next purchase would fail too. After any other error, it continues.
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


class ComplimentaryClosed(ApiError):
    """No complimentary tickets can be issued for the event; `reason` is `draft`, `closed` (it has ended) or `cancelled`."""

    code: ClassVar[str] = "complimentary_closed"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "Complimentary tickets can be issued only for a published event that has not ended."


class BoxOfficeClosed(ApiError):
    """The box office cannot sell tickets for the event; `reason` is `draft`, `closed` (it has ended) or `cancelled`."""

    code: ClassVar[str] = "box_office_closed"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "The box office sells tickets only for a published event that has not ended."


class SaleIdUsed(InvalidInput):
    code: ClassVar[str] = "sale_id_used"
    default_message: ClassVar[str] = "Another sale already has this `id`. Give each sale a different id."

    def __init__(self) -> None:
        super().__init__(self.default_message, path="$.id")


class PriceChanged(ApiError):
    """The tier's price differs from what the buyer paid; `price_cents` is the current price."""

    code: ClassVar[str] = "price_changed"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "The price of these tickets has changed. Check the price with the buyer, then sell again."


class NotSoldHere(NotFound):
    code: ClassVar[str] = "not_sold_here"
    default_message: ClassVar[str] = "The box office of this event has no order with this id."


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
    default_message: ClassVar[str] = "That is over the limit per person for this event; earlier orders count too. Choose fewer tickets."

    @classmethod
    def for_buyer(cls, limit: int, requested: int, buyer: BuyerRecord | None) -> Self:
        """Return the refusal with the numbers of tickets that the buyer has bought and holds. Without a record, both numbers are 0."""
        bought, held = (buyer.bought, buyer.active_quantity) if buyer is not None else (0, 0)
        return cls(limit=limit, already_purchased=bought, active_holds=held, requested=requested)


class TierLimitExceeded(InvalidInput):
    code: ClassVar[str] = "tier_limit_exceeded"
    default_message: ClassVar[str] = "You cannot buy that many tickets of one type in one purchase. Choose fewer tickets."


class CompanionsWithoutSpace(InvalidInput):
    """`limit` is the number of companion seats that can be bought with the wheelchair spaces of this purchase."""

    code: ClassVar[str] = "companions_without_space"
    default_message: ClassVar[str] = (
        "Companion seats are sold together with wheelchair spaces: up to three for each space. Add a wheelchair space, or choose other "
        "tickets."
    )


class RefundInvalid(InvalidInput):
    code: ClassVar[str] = "refund_invalid"
    default_message: ClassVar[str] = "The `tickets` of this refund are unknown, repeated, already refunded, or too many at once."


class NotRefundable(ApiError):
    code: ClassVar[str] = "not_refundable"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "Only an order that still has tickets can be refunded."


class ReturnsClosed(ApiError):
    """Buyers cannot return these tickets now. `refundable_until` was the deadline; it is null if the tickets could never be returned."""

    code: ClassVar[str] = "returns_closed"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "These tickets cannot be returned, or the deadline for returns has passed."


class TicketsNotReturnable(ApiError):
    """These tickets cannot be returned or offered for resale.

    `reason` says why: `used`, `given_away`, `frozen`, `void`, `declined`, `free`, `cancelled` if the date is cancelled and the tickets are
    refunded automatically, or `changed` if the ticket type has changed too much for a resale.
    """

    code: ClassVar[str] = "tickets_not_returnable"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "These tickets cannot be returned. You can return paid tickets that you own and that nobody has used."


class NothingForResale(Exception):
    """The resale tickets that a buyer holds can no longer be sold: they have been used at the door, refunded or disputed."""


class TicketsBeingSold(ApiError):
    """Somebody has reserved a ticket for resale at this price, so the offer cannot be withdrawn now."""

    code: ClassVar[str] = "tickets_being_sold"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = (
        "Somebody is buying this ticket right now. Try again in a few minutes: if they do not pay, you keep it."
    )


class OwnTicketsForResale(ApiError):
    code: ClassVar[str] = "own_tickets_for_resale"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "You have offered tickets of this event for resale. Withdraw them before you buy tickets for resale."


class ReturnDecided(ApiError):
    """The request to return tickets is no longer open. `status` is `accepted`, `declined` or `withdrawn`."""

    code: ClassVar[str] = "return_decided"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "This request has already been decided or withdrawn. Load the order again."


class OrderDisputed(ApiError):
    code: ClassVar[str] = "order_disputed"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = (
        "The buyer's bank disputes this payment and will decide who gets the money. Answer the dispute at the payment provider."
    )


class AccountAddressFixed(ApiError):
    code: ClassVar[str] = "account_address_fixed"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = (
        "The buyer has an account, so the tickets can be sent only to the order's address or to the account's address. "
        "Only the buyer can change the account's address."
    )


class ResentTooOften(RateLimited):
    code: ClassVar[str] = "resent_too_often"
    default_message: ClassVar[str] = "The tickets of this order have been resent several times today. Try again tomorrow."


class TicketsNotSendable(ApiError):
    """The order has no tickets to send. `reason` says why."""

    code: ClassVar[str] = "tickets_not_sendable"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "This order has no tickets that can be sent to its buyer."


class ReturnAddressRefused(InvalidInput):
    code: ClassVar[str] = "return_address_refused"
    default_message: ClassVar[str] = "`success_url` and `cancel_url` must be addresses that this shop allows."


def refusal_of_ended(purchase: Purchase) -> ApiError:
    """Return the error for a purchase that no longer holds tickets: already paid, refunded, or ended unpaid."""
    if purchase.was_order:
        return ReservationConverted("This reservation is already paid. Your tickets are in your order.")
    refunds = [refund for refund in purchase.refunds if not refund.tickets]
    if refunds:
        return PaymentRefunded(
            order_id=purchase.id,
            amount_cents=sum(refund.amount_cents for refund in refunds),
            refund_status=refunds[-1].status,
        )
    return ReservationEnded()


# Errors of every route that can reserve tickets.

RESERVE_ERRORS: tuple[type[ApiError], ...] = (
    Unauthenticated,
    UserRequired,
    NotFound,
    EventNotOnSale,
    TierNotOnSale,
    NotEnoughTickets,
    CatalogChanging,
    TooManyHolds,
    SalePaused,
    ActiveReservationExists,
    PassUsed,
    PurchaseLimitExceeded,
    TierLimitExceeded,
    CompanionsWithoutSpace,
    OwnTicketsForResale,
    ReservationEnded,
    ReservationConverted,
    PaymentRefunded,
    RateLimited,
    *ACCESS_ERRORS,
    *TOKEN_ERRORS,
    *PROVIDER_ERRORS,
)


# Errors of every route that can open or confirm a checkout.

CHECKOUT_ERRORS: tuple[type[ApiError], ...] = (
    RateLimited,
    *USE_ERRORS,
    AnswersRequired,
    ReturnAddressRefused,
    ProviderNotOffered,
    ReservationNotFound,
    ReservationEnded,
    ReservationConverted,
    EventNotOnSale,
    SalePaused,
    PaymentRefunded,
    PaymentNotCompleted,
    AmountNotPayable,
    TaxNotCalculated,
    *PROVIDER_ERRORS,
)

CONFIRM_ERRORS: tuple[type[ApiError], ...] = (
    RateLimited,
    CheckoutNotFound,
    SimulationRequired,
    SimulationRefused,
    PaymentNotCompleted,
    PaymentRefunded,
    ReservationEnded,
    *PROVIDER_ERRORS,
)


# Errors of ticket transfers.


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
    """The ticket cannot be transferred.

    `reason` is `excluded` if the rules of the event exclude transfers, and `listed` while the ticket is for resale.
    """

    code: ClassVar[str] = "transfer_closed"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "The event has ended or was cancelled, so this ticket can no longer be transferred."


class TicketUsed(ApiError):
    code: ClassVar[str] = "ticket_used"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "This ticket has been used to enter the event, so it can no longer be transferred."
