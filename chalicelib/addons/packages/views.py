"""Packages over HTTP: request bodies, replies, history and purchases. Event coordinators call a tier a package."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import asdict

from chalicelib.audit.model import AuditEntry, FieldChange
from chalicelib.catalog.custom_options import AskedPer, Choices, CustomOption, NotBlank, OptionLabel, OptionLabels, OptionType, OtherChoices
from chalicelib.catalog.fields import Count, Text, Texts, extended, optional_fields
from chalicelib.catalog.forms import ImageUrl, OrderLimit, Position, TierChanges, TierFields, Version, given_fields
from chalicelib.catalog.images import ImageView
from chalicelib.catalog.model import Catalog, ManagedBy, Tier, TierStatus
from chalicelib.catalog.tier_management import common_currency, next_position
from chalicelib.catalog.views import DeletedView, Stocks, TierFieldsView, admin_tier_view, tier_view
from chalicelib.edge.languages import Language
from chalicelib.foundation import clock, money
from chalicelib.foundation.clock import Timestamp
from chalicelib.foundation.ids import Id
from chalicelib.foundation.money import Currency, MajorUnits
from chalicelib.purchases import views
from chalicelib.purchases.model import Purchase
from chalicelib.purchases.views import SessionPayment
from chalicelib.tickets.model import Seat
from chalicelib.tickets.views import SeatView, seat_view

MAX_PACKAGES = 100

# Fields of a package whose names differ from those of its tier.
TIER_NAMES = {
    "seats_per_package": "admits",
    "quantity_limit": "capacity",
    "is_enabled": "on_sale",
    "display_order": "position",
    "sold_count": "sold",
    "reserved_count": "reserved",
    "limit_per_order": "per_user_limit",
}
UNLIMITED_PER_ORDER = 50  # the `per_user_limit` of a package without its own limit: no order may have more tickets

PackageName = Annotated[NotBlank, Meta(max_length=100, examples=["Table for eight"])]
Seats = Annotated[int, Meta(ge=1, le=100, description="How many people one package admits.")]
PackageIds = Annotated[list[Id], Meta(min_length=1, max_length=MAX_PACKAGES)]


class NewPackage(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A package to create. Without a `quantity_limit`, its sales are not limited. If the limit is 0, nobody can buy the package.

    `limit_per_order` is the maximum number of these packages in one order. If it is null, only the event's `purchase_limit` applies, which
    limits all orders of a buyer together. A null `description` counts as empty. By default, the package has the `currency` of the event's
    other packages and is displayed after them.
    """

    name: PackageName
    price: MajorUnits
    description: Text | None = ""
    names: dict[Language, PackageName] = {}
    descriptions: Texts = {}
    currency: Currency | None = None
    seats_per_package: Seats = 1
    is_sponsorship: bool = False
    quantity_limit: Count | None = None
    limit_per_order: OrderLimit | None = None
    is_enabled: bool = True
    display_order: Position | None = None
    image_url: ImageUrl | None = None

    def tier_fields(self, others: Sequence[Tier]) -> TierFields:
        """Return the fields of the tier. `others` are the event's other tiers. Raises InvalidInput for an impossible price."""
        fields = {name: value for name, value in asdict(self).items() if name not in ("price", "currency")}
        if self.display_order is None:
            fields["display_order"] = next_position(others)
        currency = self.currency or common_currency(others)
        price_cents = money.to_minor_units(self.price, currency, "$.price")
        return TierFields(price_cents=price_cents, currency=currency, **_named_as_tier(fields))


@extended(optional_fields(NewPackage, without=("currency",)))
class PackageChanges(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Fields to change; omitted fields keep their values. `version` is the version that the caller has seen."""

    price: MajorUnits | UnsetType = UNSET
    display_order: Position | UnsetType = UNSET
    version: Version | UnsetType = UNSET

    def tier_changes(self, currency: str) -> TierChanges:
        """Return the changes to the tier. Raises InvalidInput for a price that the currency does not allow."""
        given = given_fields(self)
        given.pop("price", None)
        if not isinstance(self.price, UnsetType):
            given["price_cents"] = money.to_minor_units(self.price, currency, "$.price")
        return TierChanges(**_named_as_tier(given))


class NewOrderBody(Struct, frozen=True, forbid_unknown_fields=True):
    """All packages of the event in their new order.

    `seen_package_ids` is the order that the caller has seen. If that order is no longer current, the request is refused.
    """

    package_ids: PackageIds
    seen_package_ids: PackageIds | None = None


class NewOption(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A question for buyers, asked `per` purchase, ticket or guest. A `multi_select` has 2 to 10 `choices`.

    By default, the question comes after the package's other questions.
    """

    label: OptionLabel
    labels: OptionLabels = {}
    option_type: OptionType
    is_required: bool = True
    choices: Choices = []
    other_choices: OtherChoices = {}
    display_order: Position | None = None
    per: AskedPer = "purchase"

    def option(self, option_id: str, others: Sequence[CustomOption]) -> CustomOption:
        """Return the option. `others` are the package's other options."""
        last = max((other.display_order for other in others if other.id != option_id), default=-1)
        values = {name: value for name, value in asdict(self).items() if name != "display_order"}
        return CustomOption(id=option_id, display_order=last + 1 if self.display_order is None else self.display_order, **values)


@extended(optional_fields(NewOption, without=()))
class OptionChanges(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Fields to change; omitted fields keep their values. `version` is the version of the package."""

    display_order: Position | UnsetType = UNSET
    version: Version | UnsetType = UNSET

    def values(self) -> dict[str, Any]:
        """Return the given values."""
        return given_fields(self)


class PackageFieldsView(Struct, frozen=True, kw_only=True):
    """The fields that all views of a package share. `price` is in major units of the currency, and `price_cents` is in minor units.

    The price includes `included_fee_cents`. `quantity_limit` is null for a package without a limit; `available` is null if the event has no
    capacity either. `limit_per_order` is null if only the event limits an order. `sold_count` counts packages; each package admits
    `seats_per_package` people.
    """

    id: str
    event_id: str
    name: str
    description: str
    price: float
    price_cents: int
    included_fee_cents: int
    currency: str
    seats_per_package: int
    is_sponsorship: bool
    quantity_limit: int | None
    limit_per_order: int | None
    sold_count: int
    available: int | None
    is_enabled: bool
    display_order: int
    image_url: str | None
    image: ImageView | None
    options: list[CustomOption]


class PublicPackageView(PackageFieldsView, frozen=True, kw_only=True):
    """A package as buyers see it. `status` and `message` depend on the time and the stock. `sold_out` means that no packages are left."""

    status: TierStatus
    sold_out: bool
    message: str | None


class PublicPackagesView(Struct, frozen=True):
    """The packages of an event that buyers see, in display order. The list always fits on one page."""

    packages: list[PublicPackageView]


class PackageView(PackageFieldsView, frozen=True, kw_only=True):
    """A package for managers of its event. Packages that the bootstrap file manages cannot be changed over HTTP.

    `reserved_for_waitlist` counts the reserved packages that are kept for people on the waitlist or held for their offers. `warnings`
    explain what a change means for a package that has sales.
    """

    names: dict[str, str]
    descriptions: dict[str, str]
    reserved_count: int
    reserved_for_waitlist: int
    managed_by: ManagedBy
    version: int
    created_at: Timestamp
    updated_at: Timestamp
    warnings: list[str] = []


class DeletedPackageView(Struct, frozen=True, kw_only=True):
    """The result of deleting a package.

    A package with sales is only disabled. In this case, `deleted_at` is null, and `message` explains this.
    """

    id: str
    deleted_at: Timestamp | None
    message: str


class DeletedOptionView(DeletedView, frozen=True, kw_only=True):
    """A confirmation that a question was deleted. `warnings` say what the deletion means for a package that has sales."""

    warnings: list[str]


class PackagesView(Struct, frozen=True):
    """All packages of an event in display order, including disabled packages. The list always fits on one page."""

    packages: list[PackageView]


class OptionsView(Struct, frozen=True):
    """The options of a package in display order, at most four."""

    options: list[CustomOption]


class PackageAuditEntry(Struct, frozen=True, kw_only=True):
    """An entry in a package's history: `actor` performed `action` at `at`. `changes` has the old and new value of each changed field."""

    id: str
    at: Timestamp
    action: str
    actor: str
    request_id: str | None
    address: str | None
    changes: dict[str, FieldChange]
    details: dict[str, Any]


class PackageAuditView(Struct, frozen=True):
    """A page of a package's history, newest first."""

    audit_logs: list[PackageAuditEntry]
    next_cursor: str | None


def package_view(catalog: Catalog, tier: Tier, stocks: Stocks) -> PackageView:
    """Return a package for managers of its event."""
    return PackageView(**_fields(PackageView, tier, admin_tier_view(catalog, tier, stocks, clock.now())))


def public_package_view(catalog: Catalog, tier: Tier, stocks: Stocks, now: int) -> PublicPackageView:
    """Return a package as buyers see it."""
    view = tier_view(catalog, tier, stocks, now)
    return PublicPackageView(**_fields(PublicPackageView, tier, view), sold_out=view.status == "sold-out")


def audit_entry_view(entry: AuditEntry) -> PackageAuditEntry:
    """Return an audit entry about a tier with the field names of packages."""
    names = {tier_name: name for name, tier_name in TIER_NAMES.items()} | {"status": "is_enabled"}
    return PackageAuditEntry(
        id=entry.id,
        at=entry.at,
        action=entry.action.replace("tier.", "package."),
        actor=entry.actor,
        request_id=entry.request_id,
        address=entry.address,
        changes={names.get(name, name): _change(name, change) for name, change in entry.changes.items()},
        details={names.get(name, name): value for name, value in entry.details.items()},
    )


def _fields(view: type[PackageFieldsView], tier: Tier, source: TierFieldsView) -> dict[str, Any]:
    """Return the fields of a package view: the fields that it shares with the tier's view, `price` and `is_enabled`."""
    names = {name: TIER_NAMES.get(name, name) for name in view.__struct_fields__}
    taken = {name: getattr(source, tier_name) for name, tier_name in names.items() if hasattr(source, tier_name)}
    if source.per_user_limit >= UNLIMITED_PER_ORDER:
        taken["limit_per_order"] = None
    return taken | {"price": money.to_major_units(tier.price_cents, tier.currency), "is_enabled": _is_enabled(tier.status)}


def _named_as_tier(fields: dict[str, Any]) -> dict[str, Any]:
    defaults = {"description": "", "per_user_limit": UNLIMITED_PER_ORDER}  # what null means
    named = {TIER_NAMES.get(name, name): value for name, value in fields.items()}
    return {name: defaults[name] if value is None and name in defaults else value for name, value in named.items()}


def _change(name: str, change: FieldChange) -> FieldChange:
    return FieldChange(_is_enabled(change.before), _is_enabled(change.after)) if name == "status" else change


def _is_enabled(status: str) -> bool:
    return status != "closed"


class AssignedSeatView(SeatView, frozen=True, kw_only=True):
    """A seat that was bought, as `GET /orders/{order_id}/seats` lists it.

    `code` admits the person in the seat. It is the guest's code or, if the seat has no guest, the ticket's code, which admits as many
    people as the ticket has seats. `code` is null if the ticket was transferred to another owner.
    """

    code: str | None


class PackagePurchaseView(Struct, frozen=True, kw_only=True):
    """The purchase of a package. Prices are in major units of the currency: `total_price` is `base_price` less `discount_amount`.

    A `pending` purchase holds the packages until `expires_at`, and `payment` has the data for paying. A purchase is `failed` if a simulated
    payment was declined; it then holds no packages. `assigned_tickets` are the first 100 seats of a paid purchase. To list the other seats,
    use `next_cursor` in `GET /orders/{order_id}/seats`.
    """

    id: str
    order_id: str
    package_id: str
    quantity: int
    base_price: float
    discount_amount: float
    total_price: float
    included_fee_cents: int
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
    """Return a purchase of one package with a page of its seats. Buyers pay an external provider with `client_secret` or at `url`."""
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
        included_fee_cents=purchase.included_fee_cents,
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
