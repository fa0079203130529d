"""Promo codes over HTTP: replies, and the bodies that create and change codes."""

from decimal import Decimal
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from chalicelib.catalog.forms import Moment, Version, epoch_seconds, given_fields
from chalicelib.catalog.model import ManagedBy
from chalicelib.catalog.views import iso_or_none
from chalicelib.foundation import clock
from chalicelib.foundation.clock import Timestamp
from chalicelib.foundation.errors import InvalidInput
from chalicelib.foundation.ids import Id
from chalicelib.foundation.money import MajorUnits, to_major_units, to_minor_units
from chalicelib.inventory.model import NO_STOCK, Stock
from chalicelib.promotions.model import DiscountType, PromoCode


class PromoCodeView(Struct, frozen=True, kw_only=True):
    """A promo code; its `id` is the code. `discount_value` is a percentage, or an amount in major units of `currency`.

    `times_used` counts paid purchases with the code, including refunded purchases, or, if it `admits_to_draw`, the people who joined with
    it. `times_held` counts the checkouts that are using the code now. Null means no limit. Codes managed by the bootstrap file cannot be
    changed here.
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
    opens_package_ids: list[str] | None
    skips_waiting_room: bool
    holdback_id: str | None
    bank_transfer_days: int | None
    admits_to_draw: bool
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
    """A page of an event's promo codes, in alphabetical order. `next_cursor` is null on the last page."""

    promo_codes: list[PromoCodeView]
    next_cursor: str | None


class CreatedPromoCodesView(Struct, frozen=True):
    """The codes that one request has created."""

    codes: list[str]


class AccessCodesView(Struct, frozen=True):
    """Whether the event has an access code that can be used now or later. This reveals nothing else about the codes."""

    has_access_codes: bool


class DeletedPromoCodeView(Struct, frozen=True, kw_only=True):
    """A code that was deleted, or that was deactivated because it had already been used."""

    id: str
    deleted: bool
    is_active: bool
    message: str


class ValidationView(Struct, frozen=True, kw_only=True):
    """Whether a code can be used now, and its discount.

    If the code cannot be used, `reason` may say why, and the fields after `reason` are null. `limit_reached` means that the signed-in
    caller has used the code as often as one person may.
    """

    code: str
    valid: bool
    reason: Literal["expired", "used_up", "limit_reached"] | None = None
    discount_type: DiscountType | None = None
    discount_value: float | None = None
    currency: str | None = None
    package_ids: list[str] | None = None
    opens_package_ids: list[str] | None = None
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
        starts_at=iso_or_none(promo_code.starts_at),
        expires_at=iso_or_none(promo_code.expires_at),
        max_total_uses=promo_code.max_total_uses,
        max_uses_per_donor=promo_code.max_uses_per_donor,
        package_ids=promo_code.package_ids or None,
        opens_package_ids=promo_code.opens_package_ids or None,
        skips_waiting_room=promo_code.skips_waiting_room,
        holdback_id=promo_code.holdback_id,
        bank_transfer_days=promo_code.bank_transfer_days,
        admits_to_draw=promo_code.admits_to_draw,
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
    """Return the terms of a code that can be used now."""
    return ValidationView(
        code=promo_code.code,
        valid=True,
        discount_type=promo_code.discount_type,
        discount_value=_discount_value(promo_code),
        currency=promo_code.currency,
        package_ids=promo_code.package_ids or None,
        opens_package_ids=promo_code.opens_package_ids or None,
        minimum_total=_minimum_total(promo_code),
        expires_at=iso_or_none(promo_code.expires_at),
    )


def _discount_value(promo_code: PromoCode) -> float:
    if promo_code.discount_type == "percentage":
        return promo_code.discount_value
    return to_major_units(promo_code.discount_value, promo_code.currency)


def _minimum_total(promo_code: PromoCode) -> float | None:
    minimum = promo_code.minimum_total_cents
    return None if minimum is None else to_major_units(minimum, promo_code.currency)


# Bodies that create and change promo codes, and the conversion of these bodies to values of the model.

MAX_PERCENTAGE = 100

CodeText = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9-]{4,20}\Z",
        examples=["HARBOR-10"],
        description="4 to 20 letters, digits and hyphens; not case-sensitive.",
    ),
]
TotalUses = Annotated[int, Meta(ge=1, le=10_000)]
TransferDays = Annotated[int, Meta(ge=1, le=60)]
UsesPerDonor = Annotated[int, Meta(ge=1, le=100)]
PackageIds = Annotated[list[Id], Meta(max_length=100)]


class PromoCodeTerms(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The terms of a promo code.

    `discount_value` is a percentage from 1 to 100, or an amount in major units of the event's currency. `starts_at` and `expires_at` are
    the first and the last second in which the code can be used. `package_ids` are the tiers that the code applies to; empty or null means
    all tiers of the event. `minimum_total` applies to the total of the purchase, in major units.

    `opens_package_ids` are the tiers that the code opens: with the code, buyers can buy them even if they require a code, and before the
    event's sale opens. The `discount_value` of such a code may be 0. With `skips_waiting_room`, buyers need no pass from the waiting room
    after the opening. With a `holdback_id`, the code sells only tickets from the holdback with this id, which each of these tiers must
    have. With `bank_transfer_days`, buyers may pay for these tickets by bank transfer within that number of days.

    A code that `admits_to_draw` gives up to `max_total_uses` people a place in the waiting room of an event with the rule of entry
    `access_code`. It must have `max_total_uses`, opens no tiers and has no discount.
    """

    discount_type: DiscountType | UnsetType = UNSET
    discount_value: MajorUnits | UnsetType = UNSET
    starts_at: Moment | UnsetType | None = UNSET
    expires_at: Moment | UnsetType | None = UNSET
    max_total_uses: TotalUses | UnsetType | None = UNSET
    max_uses_per_donor: UsesPerDonor | UnsetType | None = UNSET
    package_ids: PackageIds | UnsetType | None = UNSET
    opens_package_ids: PackageIds | UnsetType | None = UNSET
    skips_waiting_room: bool | UnsetType = UNSET
    holdback_id: Id | UnsetType | None = UNSET
    bank_transfer_days: TransferDays | UnsetType | None = UNSET
    admits_to_draw: bool | UnsetType = UNSET
    minimum_total: MajorUnits | UnsetType | None = UNSET
    is_active: bool | UnsetType = UNSET

    def values(self, discount_type: DiscountType, currency: str) -> dict[str, Any]:
        """Return the given fields as values of the model. `discount_type` applies if the body has none. Raises InvalidInput."""
        values = {name: value for name, value in given_fields(self).items() if name in PromoCodeTerms.__struct_fields__}
        for name in ("starts_at", "expires_at"):
            if name in values:
                values[name] = epoch_seconds(name, values[name])
        if isinstance(self.discount_value, Decimal):
            values["discount_value"] = _read_discount_value(values.get("discount_type", discount_type), self.discount_value, currency)
        elif values.get("discount_type", discount_type) != discount_type:
            raise InvalidInput("Send a new `discount_value` when you change `discount_type`.", path="$.discount_value")
        if "minimum_total" in values:
            minimum = values.pop("minimum_total")
            values["minimum_total_cents"] = None if minimum is None else to_minor_units(minimum, currency, "$.minimum_total")
        for name in ("package_ids", "opens_package_ids"):
            if name in values:
                values[name] = list(dict.fromkeys(values[name] or ()))
        return values


class PromoCodeChanges(PromoCodeTerms, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Fields of a promo code. Omitted fields stay unchanged; `code` itself cannot change."""

    code: CodeText | UnsetType = UNSET
    version: Version | UnsetType = UNSET


class NewPromoCode(PromoCodeChanges, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new promo code. Omitted fields set no limit.

    Only a code that opens tiers or admits to the draw may omit its discount; the discount is then 0.
    """

    code: CodeText
    discount_type: DiscountType = "percentage"
    discount_value: MajorUnits = Decimal(0)


MAX_BATCH = 200
CODE_LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # without the letters and digits that people confuse
RANDOM_LENGTH = 8  # 40 bits


class NewPromoCodes(PromoCodeTerms, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """New promo codes with the same terms. Each code is the `prefix` and eight random letters and digits.

    Without `max_total_uses`, each code has one use; null means no limit.
    """

    count: Annotated[int, Meta(ge=1, le=MAX_BATCH)]
    prefix: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9-]{0,12}\Z", examples=["FANS-"], description="At most 12 letters, digits and hyphens; not case-sensitive."
        ),
    ] = ""
    discount_type: DiscountType = "percentage"
    discount_value: MajorUnits = Decimal(0)
    max_total_uses: TotalUses | None = 1


def check_terms(promo_code: PromoCode) -> None:
    """Raise InvalidInput if the terms contradict each other, or if the code has no effect."""
    if promo_code.admits_to_draw:
        _check_admitting(promo_code)
    elif promo_code.discount_value == 0 and not promo_code.opens_package_ids:
        if promo_code.discount_type == "fixed_amount":
            raise InvalidInput("A discount must be more than 0.", path="$.discount_value", rule="no_discount")
        raise InvalidInput("A percentage is a whole number from 1 to 100.", path="$.discount_value", rule="not_a_percentage")
    if promo_code.skips_waiting_room and not promo_code.opens_package_ids:
        message = "Only a code that opens tickets can skip the waiting room. Choose the tickets in `opens_package_ids`."
        raise InvalidInput(message, path="$.skips_waiting_room", rule="opens_nothing")
    if promo_code.holdback_id is not None and not promo_code.opens_package_ids:
        message = "Only a code that opens tickets can sell from a holdback. Choose the tickets in `opens_package_ids`."
        raise InvalidInput(message, path="$.holdback_id", rule="opens_nothing")
    if promo_code.bank_transfer_days is not None and promo_code.holdback_id is None:
        message = "A bank transfer takes days, so its tickets must come from a holdback. Choose a holdback in `holdback_id`."
        raise InvalidInput(message, path="$.bank_transfer_days", rule="needs_holdback")
    if promo_code.starts_at is not None and promo_code.expires_at is not None and promo_code.expires_at <= promo_code.starts_at:
        raise InvalidInput(
            "The code must expire after it starts. Choose a later `expires_at`.", path="$.expires_at", rule="expires_before_start"
        )


def _check_admitting(promo_code: PromoCode) -> None:
    if promo_code.max_total_uses is None:
        message = "Enter how many people may join the waiting room with this code."
        raise InvalidInput(message, path="$.max_total_uses", rule="admits_without_limit")
    for field in ("discount_value", "opens_package_ids"):
        if getattr(promo_code, field):
            message = "A code that admits to the draw has no discount and opens no tickets. Create a second code for that."
            raise InvalidInput(message, path=f"$.{field}", rule="admits_only")


def _read_discount_value(discount_type: DiscountType, value: Decimal, currency: str) -> int:
    path = "$.discount_value"
    if discount_type == "fixed_amount":
        return to_minor_units(value, currency, path)
    if not value.is_finite() or value != value.to_integral_value() or not 0 <= value <= MAX_PERCENTAGE:
        raise InvalidInput("A percentage is a whole number from 1 to 100.", path=path, rule="not_a_percentage")
    return int(value)
