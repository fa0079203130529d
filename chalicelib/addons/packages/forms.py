"""Request bodies that create and change packages and their options, and their conversion to tiers."""

from collections.abc import Sequence
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import asdict

from chalicelib.catalog.custom_options import MAX_CHOICES, AskedPer, Choice, CustomOption, NotBlank, OptionLabel, OptionType
from chalicelib.catalog.forms import Capacity, ImageUrl, Position, Text, TierChanges, TierFields, Version, given_fields
from chalicelib.catalog.model import Tier
from chalicelib.catalog.tier_management import common_currency, next_position
from chalicelib.foundation import money
from chalicelib.foundation.ids import Id
from chalicelib.foundation.money import Currency, MajorUnits

MAX_PACKAGES = 100

PackageName = Annotated[NotBlank, Meta(max_length=100, examples=["Table for eight"])]
Seats = Annotated[int, Meta(ge=1, le=100, description="How many people one package admits.")]
Choices = Annotated[list[Choice], Meta(max_length=MAX_CHOICES)]
PackageIds = Annotated[list[Id], Meta(min_length=1, max_length=MAX_PACKAGES)]

# Fields of a package that have other names in a tier.
TIER_NAMES = {"seats_per_package": "admits", "quantity_limit": "capacity", "is_enabled": "on_sale", "display_order": "position"}


class NewPackage(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A package to create. Without a `quantity_limit` its sales are not limited.

    By default it has the `currency` of the event's other packages, and the `display_order` puts it after them.
    """

    name: PackageName
    price: MajorUnits
    description: Text = ""
    currency: Currency | None = None
    seats_per_package: Seats = 1
    is_sponsorship: bool = False
    quantity_limit: Capacity | None = None
    is_enabled: bool = True
    display_order: Position | None = None
    image_url: ImageUrl | None = None

    def tier_fields(self, others: Sequence[Tier]) -> TierFields:
        """Return the fields of the tier beside the event's `others`. Raises InvalidInput for a price that the currency does not allow."""
        fields = {name: value for name, value in asdict(self).items() if name not in ("price", "currency")}
        if self.display_order is None:
            fields["display_order"] = next_position(others)
        currency = self.currency or common_currency(others)
        price_cents = money.to_minor_units(self.price, currency, "$.price")
        return TierFields(price_cents=price_cents, currency=currency, **_named_as_tier(fields))


class PackageChanges(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Fields to change; omitted fields keep their values. `version` is the version that the caller has seen."""

    name: PackageName | UnsetType = UNSET
    price: MajorUnits | UnsetType = UNSET
    description: Text | UnsetType = UNSET
    seats_per_package: Seats | UnsetType = UNSET
    is_sponsorship: bool | UnsetType = UNSET
    quantity_limit: Capacity | UnsetType | None = UNSET
    is_enabled: bool | UnsetType = UNSET
    display_order: Position | UnsetType = UNSET
    image_url: ImageUrl | UnsetType | None = UNSET
    version: Version | UnsetType = UNSET

    def tier_changes(self, currency: str) -> TierChanges:
        """Return the changes of the tier. Raises InvalidInput for a price that the currency does not allow."""
        given = given_fields(self)
        given.pop("price", None)
        if not isinstance(self.price, UnsetType):
            given["price_cents"] = money.to_minor_units(self.price, currency, "$.price")
        return TierChanges(**_named_as_tier(given))


class NewOrderBody(Struct, frozen=True, forbid_unknown_fields=True):
    """All packages of the event in their new order.

    With `seen_package_ids`, the order that the caller has seen, a newer order is not overwritten.
    """

    package_ids: PackageIds
    seen_package_ids: PackageIds | None = None


class NewOption(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A question to buyers. A `multi_select` has 2 to 10 `choices`. `per`: asked once for each purchase, each ticket or each guest."""

    label: OptionLabel
    option_type: OptionType
    is_required: bool = True
    choices: Choices = []
    display_order: Position = 0
    per: AskedPer = "purchase"

    def option(self, option_id: str) -> CustomOption:
        return CustomOption(id=option_id, **asdict(self))


class OptionChanges(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Fields to change; omitted fields keep their values. `version` is the version of the package."""

    label: OptionLabel | UnsetType = UNSET
    option_type: OptionType | UnsetType = UNSET
    is_required: bool | UnsetType = UNSET
    choices: Choices | UnsetType = UNSET
    display_order: Position | UnsetType = UNSET
    per: AskedPer | UnsetType = UNSET
    version: Version | UnsetType = UNSET

    def values(self) -> dict[str, Any]:
        """Return the given values."""
        return given_fields(self)


def _named_as_tier(fields: dict[str, Any]) -> dict[str, Any]:
    return {TIER_NAMES.get(name, name): value for name, value in fields.items()}
