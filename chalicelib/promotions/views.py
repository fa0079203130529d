"""Promo codes in replies."""

from typing import Literal

from msgspec import Struct

from chalicelib.catalog.model import ManagedBy
from chalicelib.foundation import clock
from chalicelib.foundation.clock import Timestamp
from chalicelib.foundation.money import to_major_units
from chalicelib.inventory.model import NO_STOCK, Stock
from chalicelib.pricing.model import DiscountType
from chalicelib.promotions.model import PromoCode


class PromoCodeView(Struct, frozen=True, kw_only=True):
    """A promo code; its `id` is the code. `discount_value` is a percentage, or an amount in major units of `currency`.

    `times_used` counts the purchases that were paid with it, refunded ones too; `times_held` the checkouts that are using it now. A null
    limits nothing. Those that the bootstrap file manages cannot be changed here.
    """

    id: str
    event_id: str
    code: str
    discount_type: DiscountType
    discount_value: float
    currency: str
    starts_at: Timestamp | None
    expires_at: Timestamp | None
    max_total_uses: int | None
    max_uses_per_donor: int | None
    package_ids: list[str] | None
    minimum_total: float | None
    is_active: bool
    times_used: int
    times_held: int
    uses_left: int | None
    managed_by: ManagedBy
    version: int
    created_at: Timestamp
    updated_at: Timestamp


class PromoCodesView(Struct, frozen=True):
    """A page of the promo codes of an event, in alphabetical order. `next_cursor` is null on the last page."""

    promo_codes: list[PromoCodeView]
    next_cursor: str | None


class DeletedPromoCodeView(Struct, frozen=True, kw_only=True):
    """A code that was deleted; or, because it was used, only deactivated."""

    id: str
    deleted: bool
    is_active: bool
    message: str


class ValidationView(Struct, frozen=True, kw_only=True):
    """Whether a code can be used now, and what it takes off; if not, all else is null, except that an expired or used up one says so."""

    code: str
    valid: bool
    reason: Literal["expired", "used_up"] | None = None
    discount_type: DiscountType | None = None
    discount_value: float | None = None
    currency: str | None = None
    package_ids: list[str] | None = None
    minimum_total: float | None = None
    expires_at: Timestamp | None = None


def promo_code_view(promo_code: PromoCode, stock: Stock = NO_STOCK) -> PromoCodeView:
    return PromoCodeView(
        id=promo_code.code,
        event_id=promo_code.event_id,
        code=promo_code.code,
        discount_type=promo_code.discount_type,
        discount_value=_discount_value(promo_code),
        currency=promo_code.currency,
        starts_at=_iso(promo_code.starts_at),
        expires_at=_iso(promo_code.expires_at),
        max_total_uses=promo_code.max_total_uses,
        max_uses_per_donor=promo_code.max_uses_per_donor,
        package_ids=promo_code.package_ids or None,
        minimum_total=_minimum_total(promo_code),
        is_active=promo_code.is_active,
        times_used=stock.sold,
        times_held=stock.held,
        uses_left=None if promo_code.max_total_uses is None else promo_code.max_total_uses - stock.sold - stock.held,
        managed_by=promo_code.managed_by,
        version=promo_code.version,
        created_at=clock.iso(promo_code.created_at),
        updated_at=clock.iso(promo_code.updated_at),
    )


def validation_view(promo_code: PromoCode) -> ValidationView:
    """The terms of a code that can be used now."""
    return ValidationView(
        code=promo_code.code,
        valid=True,
        discount_type=promo_code.discount_type,
        discount_value=_discount_value(promo_code),
        currency=promo_code.currency,
        package_ids=promo_code.package_ids or None,
        minimum_total=_minimum_total(promo_code),
        expires_at=_iso(promo_code.expires_at),
    )


def _discount_value(promo_code: PromoCode) -> float:
    if promo_code.discount_type == "percentage":
        return promo_code.discount_value
    return to_major_units(promo_code.discount_value, promo_code.currency)


def _minimum_total(promo_code: PromoCode) -> float | None:
    minimum = promo_code.minimum_total_cents
    return None if minimum is None else to_major_units(minimum, promo_code.currency)


def _iso(at: int | None) -> str | None:
    return None if at is None else clock.iso(at)
