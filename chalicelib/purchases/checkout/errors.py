"""Why a checkout or its confirmation is refused, in one place for the routes that can do either."""

from chalicelib.catalog.answers import AnswersRequired
from chalicelib.catalog.sale_rules import EventNotOnSale
from chalicelib.edge.rate_limits import RateLimited
from chalicelib.foundation.errors import ApiError
from chalicelib.payments.model import PROVIDER_ERRORS, PaymentNotCompleted, ProviderNotOffered, SimulationRefused, SimulationRequired
from chalicelib.promotions.model import USE_ERRORS
from chalicelib.purchases.record.errors import (
    CheckoutNotFound,
    PaymentRefunded,
    ReservationConverted,
    ReservationEnded,
    ReservationNotFound,
    ReturnAddressRefused,
)

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
    PaymentRefunded,
    PaymentNotCompleted,
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
