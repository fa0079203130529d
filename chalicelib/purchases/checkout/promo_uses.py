"""The use of a promo code by a purchase: whether it may, what its tickets cost then, and the hold of the use in the code's stock."""

from msgspec.structs import replace

from chalicelib.inventory import service as inventory
from chalicelib.inventory.model import Hold, NotEnoughTickets, TooManyHolds
from chalicelib.pricing.model import ticket_discounts
from chalicelib.promotions import service as promotions
from chalicelib.promotions.model import INVALID, PATH, PromoCode, PromoCodeBusy, PromoCodeInvalid, PromoCodeLimitReached, PromoCodeUsedUp
from chalicelib.purchases.record import store
from chalicelib.purchases.record.model import Purchase
from chalicelib.purchases.reservations import hold_recovery

_HOLD_ATTEMPTS = 3


def find_code(purchase: Purchase, text: str, now: int) -> PromoCode:
    """The promo code, if a purchase that is held may use it; whether uses are left is decided by the hold.

    How often its buyer has paid with it cannot change while the purchase is held or paid, because it is the only active one of its buyer.
    Raises PromoCodeInvalid, PromoCodeLimitReached and those of `PromoCode.check`.
    """
    promo_code = promotions.find_by_text(purchase.event_id, text)
    if promo_code is None:
        raise PromoCodeInvalid(INVALID, path=PATH)
    promo_code.check([line.tier_id for line in purchase.lines], purchase.total_cents, purchase.currency, now)
    if promo_code.max_uses_per_donor is not None:
        buyer = store.load_buyer(purchase.user_id, purchase.event_id)
        if buyer is not None and promo_code.is_used_up_by(buyer.count_uses(promo_code.code)):
            raise PromoCodeLimitReached(promo_code=promo_code.code, limit=promo_code.max_uses_per_donor)
    return promo_code


def with_discount(purchase: Purchase, promo_code: PromoCode) -> Purchase:
    """The purchase with the discount of the code, split over its tickets. From here on it is what the purchase costs."""
    prices = [price for line in purchase.lines for price in line.ticket_prices]
    is_included = [promo_code.is_for(line.tier_id) for line in purchase.lines for _ in range(line.quantity)]
    discounts = ticket_discounts(promo_code.rule, prices, is_included)
    lines, first = [], 0
    for line in purchase.lines:
        lines.append(replace(line, discounts=discounts[first : first + line.quantity]))
        first += line.quantity
    return replace(purchase, lines=lines, promo_code=promo_code.code)


def hold_use(purchase: Purchase, promo_code: PromoCode, expires_at: int, now: int) -> list[Hold]:
    """Hold a use of the code for the purchase. If none is left, expired holds are recovered and it is tried again.

    Raises PromoCodeUsedUp, and PromoCodeBusy if too many checkouts use the code at the same time; Conflict if an earlier execution of this
    checkout, which died, had the use.
    """
    for attempt in range(_HOLD_ATTEMPTS):
        try:
            return inventory.hold(promo_code.stock_id, promo_code.shards, 1, purchase.id, expires_at, now)
        except NotEnoughTickets as refusal:
            if refusal.own_holds:
                hold_recovery.release_strays(purchase, refusal.own_holds)
                raise store.Conflict from None
            is_last = not refusal.expired_holds or attempt + 1 == _HOLD_ATTEMPTS
            if is_last or not hold_recovery.recover_for_buyer(refusal, purchase.user_id, now):
                if isinstance(refusal, TooManyHolds):
                    raise PromoCodeBusy from None
                raise PromoCodeUsedUp(promo_code=promo_code.code) from None
    raise AssertionError("unreachable")
