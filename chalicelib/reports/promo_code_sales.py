"""What an event has sold with a promo code."""

from msgspec import Struct

from chalicelib.foundation import money
from chalicelib.foundation.errors import NotFound
from chalicelib.promotions import service as promotions
from chalicelib.reports import store
from chalicelib.reports.figures import promo_part


class PromoCodeSalesView(Struct, frozen=True, kw_only=True):
    """Orders that were paid with a promo code (`uses`), their tickets, and those of these that were taken back.

    `revenue` is what the tickets cost after the discount, `refunded` what was paid back of it or is being paid back. Those without `_cents`
    are in major units of `currency`.
    """

    code: str
    uses: int
    tickets_sold: int
    tickets_returned: int
    discount: float
    discount_cents: int
    revenue: float
    revenue_cents: int
    refunded: float
    refunded_cents: int
    currency: str


def promo_code_sales(event_id: str, code: str) -> PromoCodeSalesView:
    """The figures of a promo code, which follow a sale within three seconds. Raises NotFound."""
    promo_code = promotions.find_by_text(event_id, code)
    if promo_code is None:
        raise NotFound("This event has no promo code with this name.", event_id=event_id)
    currency = promo_code.currency
    figures = store.load_part(store.load_generations().current, event_id, promo_part(promo_code.code))
    cents = {name: figures.get(f"{name}#{currency}", 0) for name in ("discount", "revenue", "refunded")}
    return PromoCodeSalesView(
        code=promo_code.code,
        uses=figures.get("uses", 0),
        tickets_sold=figures.get("sold", 0),
        tickets_returned=figures.get("returned", 0),
        discount=money.to_major_units(cents["discount"], currency),
        discount_cents=cents["discount"],
        revenue=money.to_major_units(cents["revenue"], currency),
        revenue_cents=cents["revenue"],
        refunded=money.to_major_units(cents["refunded"], currency),
        refunded_cents=cents["refunded"],
        currency=currency,
    )
