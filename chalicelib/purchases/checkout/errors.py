"""Why a checkout or its confirmation is refused, in one place for the routes that can do either."""

from chalicelib.catalog.model import EventNotOnSale
from chalicelib.edge.rate_limits import RateLimited
from chalicelib.errors import ApiError
from chalicelib.payments.model import PROVIDER_ERRORS, PaymentNotCompleted, ProviderNotOffered, SimulationRefused, SimulationRequired
from chalicelib.purchases.record.errors import (
    CheckoutNotFound,
    PaymentRefunded,
    PromoCodeInvalid,
    ReservationConverted,
    ReservationEnded,
    ReservationNotFound,
    ReturnAddressRefused,
)

CHECKOUT_ERRORS: tuple[type[ApiError], ...] = (
    RateLimited,
    PromoCodeInvalid,
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
