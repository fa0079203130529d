"""Packages, their history and their purchases over HTTP. A package is a tier in the words of people who sell tables and sponsorships."""

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import asdict

from chalicelib.audit.model import AuditEntry, FieldChange
from chalicelib.catalog.custom_options import CustomOption, in_option_order
from chalicelib.catalog.images import ImageView, image_view
from chalicelib.catalog.model import Catalog, ManagedBy, Tier, TierStatus
from chalicelib.catalog.sale_rules import current_tier_status
from chalicelib.catalog.views import Stocks, iso_or_none
from chalicelib.foundation import clock, money
from chalicelib.foundation.clock import Timestamp
from chalicelib.inventory.model import finite
from chalicelib.purchases import views
from chalicelib.purchases.model import Purchase
from chalicelib.purchases.views import SessionPayment
from chalicelib.tickets.model import Seat
from chalicelib.tickets.views import SeatView, seat_view


class PackageFieldsView(Struct, frozen=True, kw_only=True):
    """The fields of all views of a package. `price` is in major units of the currency, `price_cents` in minor units.

    `quantity_limit` is null for a package without a limit; `available` is null if the event has no capacity either. `sold_count` counts
    packages, and each admits `seats_per_package` people.
    """

    id: str
    event_id: str
    name: str
    description: str
    price: float
    price_cents: int
    currency: str
    seats_per_package: int
    is_sponsorship: bool
    quantity_limit: int | None
    sold_count: int
    available: int | None
    is_enabled: bool
    display_order: int
    image_url: str | None
    image: ImageView | None
    options: list[CustomOption]


class PublicPackageView(PackageFieldsView, frozen=True, kw_only=True):
    """A package as buyers see it. `status` and `message` depend on the time and the stock. `sold_out` means that none are left."""

    status: TierStatus
    sold_out: bool
    message: str | None


class PublicPackagesView(Struct, frozen=True):
    """The packages of an event that buyers see, in display order. There are never enough for a second page."""

    packages: list[PublicPackageView]


class PackageView(PackageFieldsView, frozen=True, kw_only=True):
    """A package for managers of its event. Packages that the bootstrap file manages cannot be changed over HTTP.

    `warnings` tell what a change means for a package that has sales.
    """

    reserved_count: int
    managed_by: ManagedBy
    version: int
    created_at: Timestamp | None
    updated_at: Timestamp | None
    warnings: list[str] = []


class PackagesView(Struct, frozen=True):
    """All packages of an event in display order, including disabled ones. There are never enough for a second page."""

    packages: list[PackageView]


class OptionsView(Struct, frozen=True):
    """The options of a package in display order, four at most."""

    options: list[CustomOption]


class PackageAuditEntry(Struct, frozen=True, kw_only=True):
    """Who (`actor`) did what (`action`) when (`at`); `changes` has the values of each field before and after."""

    id: str
    at: Timestamp
    action: str
    actor: str
    request_id: str | None
    address: str | None
    changes: dict[str, FieldChange]
    details: dict[str, Any]


class PackageAuditView(Struct, frozen=True):
    """A page of the history of a package, newest first."""

    audit_logs: list[PackageAuditEntry]
    next_cursor: str | None


# Fields of a tier in the audit log that have other names in a package.
_PACKAGE_NAMES = {"admits": "seats_per_package", "capacity": "quantity_limit", "status": "is_enabled"}


def package_view(catalog: Catalog, tier: Tier, stocks: Stocks) -> PackageView:
    """Return a package for managers of its event."""
    return PackageView(
        **_fields(catalog, tier, stocks),
        reserved_count=catalog.tier_stock(tier, stocks).held,
        managed_by=tier.managed_by,
        version=tier.version,
        created_at=iso_or_none(tier.created_at or None),
        updated_at=iso_or_none(tier.updated_at or None),
    )


def public_package_view(catalog: Catalog, tier: Tier, stocks: Stocks, now: int) -> PublicPackageView:
    """Return a package as buyers see it."""
    fields = _fields(catalog, tier, stocks)
    status = current_tier_status(catalog, tier, now, catalog.tier_stock(tier, stocks))
    return PublicPackageView(**fields, status=status, sold_out=status == "sold-out", message=catalog.states[status].message)


def audit_entry_view(entry: AuditEntry) -> PackageAuditEntry:
    """Return an audit entry about a tier with the field names of packages."""
    changes = {_PACKAGE_NAMES.get(name, name): _change(name, change) for name, change in entry.changes.items()}
    return PackageAuditEntry(
        id=entry.id,
        at=entry.at,
        action=entry.action.replace("tier.", "package."),
        actor=entry.actor,
        request_id=entry.request_id,
        address=entry.address,
        changes=changes,
        details={_PACKAGE_NAMES.get(name, name): value for name, value in entry.details.items()},
    )


def _fields(catalog: Catalog, tier: Tier, stocks: Stocks) -> dict[str, Any]:
    stock = catalog.tier_stock(tier, stocks)
    return {
        "id": tier.id,
        "event_id": tier.event_id,
        "name": tier.name,
        "description": tier.description,
        "price": money.to_major_units(tier.price_cents, tier.currency),
        "price_cents": tier.price_cents,
        "currency": tier.currency,
        "seats_per_package": tier.admits,
        "is_sponsorship": tier.is_sponsorship,
        "quantity_limit": tier.capacity,
        "sold_count": stock.sold,
        "available": finite(stock.available),
        "is_enabled": _is_enabled(tier.status),
        "display_order": tier.display_order,
        "image_url": tier.image_url,
        "image": image_view(tier.image),
        "options": in_option_order(tier.options),
    }


def _change(name: str, change: FieldChange) -> FieldChange:
    return FieldChange(_is_enabled(change.before), _is_enabled(change.after)) if name == "status" else change


def _is_enabled(status: str) -> bool:
    return status != "closed"


class AssignedSeatView(SeatView, frozen=True, kw_only=True):
    """A seat that was bought, as `GET /orders/{order_id}/seats` lists it.

    `code` admits the seat: the code of its guest, or without a guest the code of the ticket, which admits as many people as the ticket has
    seats. It is null if the ticket was transferred to another owner.
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
    """Return a purchase of one package with a page of its seats. With an external provider, it is paid with `client_secret` or at `url`."""
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
