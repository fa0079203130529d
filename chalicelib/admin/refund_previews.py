"""What a refund would do, before anybody asks for it: planned by the same code as the refund itself."""

from msgspec import Struct

from chalicelib.foundation.ids import Id
from chalicelib.purchases.record.model import Purchase
from chalicelib.purchases.record.views import OrderStatus, order_status
from chalicelib.purchases.refunds import requests
from chalicelib.purchases.refunds.requests import RefundRequest
from chalicelib.tickets.model import ticket_id


class RefundPreviewView(Struct, frozen=True, kw_only=True):
    """What a refund would do. The buyer gets `amount_cents`: the `price_cents` of the tickets, less `fee_cents`.

    It is less still if a part of the money was refunded in the provider's dashboard: `refunded_before_cents`. `tickets` are the ids of
    those that become void, `kept` how many the buyer has then, `order_status` what the order is then.
    """

    order_id: str
    tickets: list[Id]
    price_cents: int
    fee_cents: int
    refunded_before_cents: int
    amount_cents: int
    currency: str
    seats_returned: bool
    kept: int
    order_status: OrderStatus


def preview_refund(purchase: Purchase, request: RefundRequest, by: str, now: int) -> RefundPreviewView:
    """What the request would do to the order as it is now. Raises as `requests.request_refund`, and writes nothing."""
    refund = requests.plan_refund(purchase, request, "preview", by, now)
    price = sum(purchase.ticket_price(number) for number in refund.tickets)
    return RefundPreviewView(
        order_id=purchase.id,
        tickets=[ticket_id(purchase.id, number) for number in refund.tickets],
        price_cents=price,
        fee_cents=refund.fee_cents,
        refunded_before_cents=price - refund.fee_cents - refund.amount_cents,
        amount_cents=refund.amount_cents,
        currency=refund.currency,
        seats_returned=refund.seats_returned,
        kept=len(purchase.kept_tickets) - len(refund.tickets),
        order_status=order_status(requests.state_after_return(purchase, refund.tickets)),
    )
