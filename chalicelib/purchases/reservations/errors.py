"""Why a reservation is refused, in one place for the routes that can reserve."""

from chalicelib.catalog.sale_rules import EventNotOnSale, TierNotOnSale
from chalicelib.edge.auth import Unauthenticated, UserRequired
from chalicelib.edge.rate_limits import RateLimited
from chalicelib.foundation.errors import ApiError, NotFound
from chalicelib.inventory.model import NotEnoughTickets, SalePaused, TooManyHolds
from chalicelib.payments.model import PROVIDER_ERRORS
from chalicelib.purchases.record.errors import (
    ActiveReservationExists,
    PassUsed,
    PaymentRefunded,
    PurchaseLimitExceeded,
    ReservationConverted,
    ReservationEnded,
    TierLimitExceeded,
)
from chalicelib.waiting_room.model import TOKEN_ERRORS

RESERVE_ERRORS: tuple[type[ApiError], ...] = (
    Unauthenticated,
    UserRequired,
    NotFound,
    EventNotOnSale,
    TierNotOnSale,
    NotEnoughTickets,
    TooManyHolds,
    SalePaused,
    ActiveReservationExists,
    PassUsed,
    PurchaseLimitExceeded,
    TierLimitExceeded,
    ReservationEnded,
    ReservationConverted,
    PaymentRefunded,
    RateLimited,
    *TOKEN_ERRORS,
    *PROVIDER_ERRORS,
)
