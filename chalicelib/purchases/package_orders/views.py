"""How the purchase of a package looks over HTTP."""

from typing import Literal

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import asdict

from chalicelib.foundation import clock, money
from chalicelib.foundation.clock import Timestamp
from chalicelib.purchases.record import views
from chalicelib.purchases.record.model import Purchase
from chalicelib.purchases.record.views import SessionPayment
from chalicelib.tickets.seats.model import Seat
from chalicelib.tickets.seats.views import SeatView, seat_view


class AssignedSeatView(SeatView, frozen=True, kw_only=True):
    """A seat that was bought, as `GET /orders/{order_id}/seats` lists it.

    `code` admits the seat: that of its guest, or while it has none the ticket's, which admits as many people as the ticket has seats. It is
    null of a ticket that was given to another owner.
    """

    code: str | None


class PackagePurchaseView(Struct, frozen=True, kw_only=True):
    """The purchase of a package. Prices are in major units of the currency: `total_price` is `base_price` less `discount_amount`.

    While it is `pending` the packages are held until `expires_at`, and `payment` has what the payment needs. It is `failed` if a simulated
    payment was declined; nothing is held then. `assigned_tickets` are the seats of one that is paid, the first 100 of them; `next_cursor`
    leads to the others in `GET /orders/{order_id}/seats`.
    """

    id: str
    order_id: str
    package_id: str
    quantity: int
    base_price: float
    discount_amount: float
    total_price: float
    currency: str
    payment_status: Literal["paid", "pending", "failed"]
    payment: SessionPayment | None
    expires_at: Timestamp | None
    assigned_tickets: list[AssignedSeatView]
    next_cursor: str | None
    message: str | UnsetType = UNSET


def package_purchase_view(
    purchase: Purchase, seats: list[Seat], next_cursor: str | None, client_secret: str | None, url: str | None
) -> PackagePurchaseView:
    """A purchase of one package with a page of its seats; at an external provider it is paid with `client_secret` or at `url`."""
    currency = purchase.currency
    base_cents = sum(line.quantity * line.price_cents for line in purchase.lines)
    is_pending = not (purchase.was_order or purchase.is_declined)
    return PackagePurchaseView(
        id=purchase.id,
        order_id=purchase.id,
        package_id=purchase.lines[0].tier_id,
        quantity=purchase.quantity,
        base_price=money.to_major_units(base_cents, currency),
        discount_amount=money.to_major_units(base_cents - purchase.total_cents, currency),
        total_price=money.to_major_units(purchase.total_cents, currency),
        currency=currency,
        payment_status="paid" if purchase.was_order else "failed" if purchase.is_declined else "pending",
        payment=views.session_payment(purchase, client_secret, url),
        expires_at=clock.iso(purchase.expires_at) if is_pending else None,
        assigned_tickets=[_assigned_seat_view(seat, purchase.user_id) for seat in seats],
        next_cursor=next_cursor,
    )


def _assigned_seat_view(seat: Seat, owner_id: str) -> AssignedSeatView:
    view = seat_view(seat, owner_id)
    code = seat.guest.code if seat.guest is not None else seat.ticket.code
    return AssignedSeatView(**asdict(view), code=None if view.transferred else code)
