"""Promo codes: the discount of a code, the tickets it applies to, and the reasons to refuse it. Nothing here uses the store."""

from collections.abc import Iterable, Sequence
from math import gcd
from typing import ClassVar, Literal

from msgspec import Struct

from chalicelib.catalog.model import ManagedBy
from chalicelib.foundation.errors import ApiError, InvalidInput
from chalicelib.foundation.money import divide_half_up
from chalicelib.inventory.model import UNLIMITED, Stock, default_shard_count

MAX_SHARDS = 64  # for the uses of one code: 5,120 checkouts can use the code at once, and a change still fits into one transaction
RETRY_SECONDS = 5

DiscountType = Literal["percentage", "fixed_amount"]


class DiscountRule(Struct, frozen=True):
    """A discount of `value` percent (1 to 100), or of `value` minor units."""

    discount_type: DiscountType
    value: int

    def amount(self, total_cents: int) -> int:
        """Return the discount on this total, which is never more than the total itself."""
        if self.discount_type == "fixed_amount":
            return min(self.value, total_cents)
        return divide_half_up(total_cents * self.value, 100)


class PromoCode(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A promo code of an event; `code` is in capitals.

    Times are epoch seconds; `starts_at` and `expires_at` are the first and the last second in which the code can be used. `discount_value`
    is a percentage, or an amount in minor units of `currency`. The uses of a code are a stock with the id `stock_id` and `shards` shards.
    The size of the stock is `max_total_uses`; null means no limit. `package_ids` are the tiers that the code applies to; empty means all
    tiers. `minimum_total_cents` applies to the total of the purchase before the discount. `version` counts the changes to the code.

    An access code opens the tiers `opens_package_ids`: with the code, buyers can buy them even if they require a code, and before the
    event's sale opens. Its discount may be 0. With `skips_waiting_room`, buyers need no pass from the waiting room even after the sale has
    opened. With a `holdback_id`, the code sells only tickets that these tiers hold back with this id, even when the tiers are sold out.
    With `bank_transfer_days`, buyers may pay for these tickets by bank transfer within that number of days.

    A code that `admits_to_draw` gives places in a waiting room with the rule of entry `access_code`, and has no other effect. It must have
    `max_total_uses`. Its uses are not in the stock, but in `service.CodeUsesRow`, which lists the user of each use.
    """

    event_id: str
    code: str
    discount_type: DiscountType
    discount_value: int
    currency: str
    stock_id: str
    shards: int
    starts_at: int | None = None
    expires_at: int | None = None
    max_total_uses: int | None = None
    max_uses_per_donor: int | None = None
    package_ids: list[str] = []
    opens_package_ids: list[str] = []
    skips_waiting_room: bool = False
    holdback_id: str | None = None
    bank_transfer_days: int | None = None
    admits_to_draw: bool = False
    minimum_total_cents: int | None = None
    is_active: bool = True
    managed_by: ManagedBy = "api"
    version: int = 1
    created_at: int
    updated_at: int

    @property
    def capacity(self) -> int:
        """The number of uses in the code's stock."""
        return UNLIMITED if self.max_total_uses is None else self.max_total_uses

    @property
    def rule(self) -> DiscountRule:
        return DiscountRule(self.discount_type, self.discount_value)

    def is_for(self, tier_id: str) -> bool:
        """Return whether the code applies to tickets of this tier."""
        return not self.package_ids or tier_id in self.package_ids

    def opens(self, tier_ids: Iterable[str]) -> bool:
        """Return whether the code opens all of these tiers."""
        return set(tier_ids) <= set(self.opens_package_ids)

    def is_expired(self, now: int) -> bool:
        return self.expires_at is not None and now > self.expires_at

    def is_used_up_by(self, times_used: int) -> bool:
        """Return whether a buyer who has paid with the code `times_used` times may not use the code again."""
        return self.max_uses_per_donor is not None and times_used >= self.max_uses_per_donor

    def is_usable(self, now: int) -> bool:
        """Return whether the code is active and `now` is within its validity period."""
        return self.is_active and not self.is_expired(now) and (self.starts_at is None or now >= self.starts_at)

    def check(self, tier_ids: Iterable[str], total_cents: int, currency: str, now: int) -> None:
        """Check that a purchase of these tiers may use the code. `total_cents` is the total before the discount.

        Does not check whether uses are left. Raises PromoCodeInvalid, PromoCodeExpired, PromoCodeNotApplicable or
        PromoCodeMinimumNotReached.
        """
        if self.is_active and self.is_expired(now):
            raise PromoCodeExpired(promo_code=self.code)
        if not self.is_usable(now):
            raise PromoCodeInvalid(INVALID, path=PATH)
        if (
            self.admits_to_draw
            or not any(self.is_for(tier_id) or self.opens([tier_id]) for tier_id in tier_ids)
            or currency != self.currency
        ):
            raise PromoCodeNotApplicable(promo_code=self.code, package_ids=self.package_ids)
        if self.minimum_total_cents is not None and total_cents < self.minimum_total_cents:
            raise PromoCodeMinimumNotReached(promo_code=self.code, minimum_total_cents=self.minimum_total_cents, total_cents=total_cents)


class CodeWithUses(Struct, frozen=True):
    """A code with the stock of its uses: `sold` counts paid purchases, `held` counts open checkouts."""

    promo_code: PromoCode
    uses: Stock


PATH = "$.promo_code"
MAX_CODES = 2_000  # per event
INVALID = "This promo code is not valid for this event. Correct it, or order without a code."


class PromoCodeInvalid(InvalidInput):
    code: ClassVar[str] = "promo_code_invalid"
    default_message: ClassVar[str] = "This promo code is not valid for this event. Correct it, or remove it."
    is_mistake: ClassVar[bool] = False  # it may be a guess


class PromoCodeRequired(InvalidInput):
    """The tier `tier_id` is sold only with a promo code that opens it."""

    code: ClassVar[str] = "promo_code_required"
    default_message: ClassVar[str] = "These tickets need an access code. Enter the code that the promoter gave you."


class PromoCodeOpensOther(ApiError):
    """The promo code does not open all requested tiers that require a code; `opens_package_ids` are the tiers that it opens."""

    code: ClassVar[str] = "promo_code_opens_other"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "This access code is for other tickets. Choose those tickets, or enter a different code."


class PromoCodeFixed(ApiError):
    """The tickets were reserved with the access code `promo_code`, and the checkout names a different code."""

    code: ClassVar[str] = "promo_code_fixed"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = (
        "You reserved these tickets with an access code, so you cannot pay with a different code. "
        "Remove the other code, or cancel the reservation."
    )


class TooManyPromoCodes(ApiError):
    """The event has reached the limit of promo codes, which is `limit`."""

    code: ClassVar[str] = "too_many_promo_codes"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = (
        f"The event has reached its limit of promo codes: {MAX_CODES:,}, or fewer until an admin of the shop has verified its promoter. "
        "Delete codes that nobody has used."
    )


class PromoCodeExpired(ApiError):
    code: ClassVar[str] = "promo_code_expired"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "This promo code has expired. Remove it to continue."


class PromoCodeUsedUp(ApiError):
    code: ClassVar[str] = "promo_code_used_up"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "This promo code has been used up. Remove it to continue."


class PromoCodeLimitReached(ApiError):
    code: ClassVar[str] = "promo_code_limit_reached"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "You have used this promo code as often as one person is allowed to. Remove it to continue."


class PromoCodeNotApplicable(ApiError):
    code: ClassVar[str] = "promo_code_not_applicable"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "This promo code is for other tickets. Remove it, or choose those tickets."


class PromoCodeMinimumNotReached(ApiError):
    code: ClassVar[str] = "promo_code_minimum_not_reached"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "Your order is below the minimum for this promo code. Remove the code, or choose more tickets."


class PromoCodeBusy(ApiError):
    """Uses are left, but only in shards that already have their maximum number of holds."""

    code: ClassVar[str] = "promo_code_busy"
    status: ClassVar[int] = 503
    default_message: ClassVar[str] = "Too many people are using this promo code right now. Try again in a few seconds."

    def __init__(self) -> None:
        super().__init__(retry_after_seconds=RETRY_SECONDS)


# The errors for a purchase that tries to use a code.
USE_ERRORS: tuple[type[ApiError], ...] = (
    PromoCodeInvalid,
    PromoCodeExpired,
    PromoCodeUsedUp,
    PromoCodeLimitReached,
    PromoCodeNotApplicable,
    PromoCodeMinimumNotReached,
    PromoCodeFixed,
    PromoCodeBusy,
)

# The errors for a reservation that may need an access code.
ACCESS_ERRORS: tuple[type[ApiError], ...] = (PromoCodeRequired, PromoCodeOpensOther, *USE_ERRORS)


class PromoCodeTaken(ApiError):
    code: ClassVar[str] = "promo_code_taken"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "The event already has this promo code. Choose a different code."


class MaxUsesTooSmall(ApiError):
    """The new limit is below the uses that are paid or held; `minimum` is the smallest limit allowed now.

    The limit of a code that admits to the draw cannot be lowered once the code is used, because its uses are spread over several items.
    """

    code: ClassVar[str] = "max_total_uses_too_small"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "The promo code has already been used more often than that."

    def __init__(self, used: int, held: int) -> None:
        minimum = used + held
        message = f"The code was used {used} times, and {held} checkouts are using it. Choose {minimum} or more."
        super().__init__(message, minimum=minimum, times_used=used, times_held=held)


class PromoCodeChanging(ApiError):
    code: ClassVar[str] = "promo_code_changing"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "Someone else is changing or using this code right now. Try again."


def normalize(text: str) -> str:
    """Return a code as it is stored and compared: stripped and in capitals."""
    return text.strip().upper()


def stock_id_of(unique_id: str) -> str:
    """Return the id of the stock of a code's uses."""
    return f"promo:{unique_id}"


def shard_count(max_total_uses: int | None) -> int:
    """Return the number of shards for the uses of a code."""
    return min(MAX_SHARDS, default_shard_count(UNLIMITED if max_total_uses is None else max_total_uses))


# Prices of discounted tickets, in whole minor units (cents, pence, yen). See docs/decisions/0061-pricing.md.
#
# A discount is computed once, on the total of all tickets that it applies to, and a percentage is rounded half up to a whole minor unit.
# The discount is then split over these tickets in proportion to their prices by the largest remainder method. The ticket prices therefore
# add up to the amount paid, and refunding some tickets does not change the price of the others.
# `LineItem.ticket_prices` in `purchases/model.py` subtracts the discounts from the prices.


def ticket_discounts(rule: DiscountRule, prices: Sequence[int], is_included: Sequence[bool], step: int = 1) -> list[int]:
    """Return the discount on each ticket, given the ticket prices. Tickets that are not included get no discount.

    The discounts are multiples of `step` if the prices are.
    """
    unit = gcd(step, *prices)
    eligible = [price // unit if included else 0 for price, included in zip(prices, is_included, strict=True)]
    discount = divide_half_up(rule.amount(sum(eligible) * unit), unit)
    return [unit * share for share in split(discount, eligible)]


def split(amount_cents: int, prices: Sequence[int]) -> list[int]:
    """Split an amount in proportion to prices. No share exceeds its price. Raises ValueError if the amount exceeds the sum of the prices.

    Each share is rounded down. The remaining units go to the shares that lost the largest fractions; ties go to the first share.
    """
    total = sum(prices)
    if not 0 <= amount_cents <= total:
        raise ValueError(f"{amount_cents} cannot be split over prices of {total}")
    if amount_cents == 0:
        return [0] * len(prices)
    shares = [amount_cents * price // total for price in prices]
    left = amount_cents - sum(shares)
    for number in sorted(range(len(prices)), key=lambda number: -(amount_cents * prices[number] % total))[:left]:
        shares[number] += 1
    return shares
