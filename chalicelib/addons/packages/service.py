"""Find, change and show the tiers of the catalog as packages, which is the event coordinators' word for tiers."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from msgspec.structs import replace

from chalicelib.addons.packages.views import (
    TIER_NAMES,
    DeletedOptionView,
    DeletedPackageView,
    NewOption,
    NewPackage,
    OptionChanges,
    PackageAuditView,
    PackageChanges,
    PackagesView,
    PackageView,
    PublicPackagesView,
    audit_entry_view,
    package_view,
    public_package_view,
)
from chalicelib.audit import service as audit
from chalicelib.audit.model import POSITION_FORM, AuditFilter
from chalicelib.catalog import permissions, response_cache, tier_management
from chalicelib.catalog import service as catalog
from chalicelib.catalog.custom_options import CustomOption, in_option_order
from chalicelib.catalog.forms import TierChanges
from chalicelib.catalog.model import Catalog, Tier, in_display_order
from chalicelib.catalog.revisions import Expected, PreconditionFailed, VersionConflict
from chalicelib.catalog.tier_management import TierHasSales
from chalicelib.catalog.views import sales_warnings
from chalicelib.edge import cursors
from chalicelib.edge.auth import Identity
from chalicelib.edge.languages import Language
from chalicelib.edge.routes import CacheableReply
from chalicelib.foundation import clock
from chalicelib.foundation.errors import ApiError, NotFound
from chalicelib.inventory.availability import cached_stock, read_shown_stock
from chalicelib.inventory.model import Stock

# Words in error messages about tiers, each with the words that replace them for packages.
_WORDS = (
    ("ticket type", "package"),
    ("Tickets of this type", "Packages of this kind"),
    ("tickets of this type", "packages of this kind"),
    ("ticket of this type", "package of this kind"),
    ("tickets are", "packages are"),
)


def require_package(identity: Identity, event_id: str, package_id: str) -> Tier:
    """Return the tier of a package, even of a deleted package, if the caller may manage its event. Raises NotFound or Forbidden."""
    permissions.require_manager(identity, event_id)
    tier = catalog.find_snapshot(lambda found: package_id in found.tiers).tiers.get(package_id)
    if tier is None or tier.event_id != event_id:
        raise _not_found(package_id)
    return tier


def public_packages_reply(event_id: str, language: Language | None, now: int) -> CacheableReply[PublicPackagesView]:
    """Return the packages of an event that buyers see, in display order. Raises NotFound."""
    snapshot, event = catalog.get_visible_event(event_id, language)

    def build_body() -> PublicPackagesView:
        stocks = cached_stock([snapshot.stock_group(event_id)], now)
        tiers = in_display_order(snapshot.visible_tiers(event))
        return PublicPackagesView([public_package_view(snapshot, tier, stocks, now) for tier in tiers])

    return response_cache.cached_reply(("packages", event_id, language), snapshot, now, response_cache.LIST_MAX_AGE, build_body)


def list_packages(event_id: str) -> PackagesView:
    """Return all packages of an event in display order."""
    return _packages_view(catalog.load_current(), event_id)


def get_package(package_id: str) -> PackageView:
    """Return the current state of a package. Raises NotFound."""
    return _show(catalog.load_current(), package_id)


def create_package(package_id: str, event_id: str, new: NewPackage, actor: str, now: int) -> PackageView:
    """Create a package. Raises what `tier_management.create_tier` raises, and InvalidInput for a price that the currency does not allow."""
    fields = new.tier_fields(catalog.load_current().listed_tiers(event_id))
    with reword_errors():
        return _created_view(tier_management.create_tier(package_id, event_id, fields, actor, now))


def duplicate_package(package_id: str, source_id: str, actor: str, now: int) -> PackageView:
    """Create a disabled copy of a package. Raises what `tier_management.duplicate_tier` raises."""
    with reword_errors():
        return _created_view(tier_management.duplicate_tier(package_id, source_id, actor, now))


def update_package(package_id: str, changes: PackageChanges, actor: str, now: int, expected: Expected) -> PackageView:
    """Change fields of a package. The returned view has a warning if the package has sales.

    Raises what `tier_management.update_tier` raises. A version conflict contains the current package.
    """
    current = catalog.load_current().tiers.get(package_id)
    currency = current.currency if current is not None else tier_management.DEFAULT_CURRENCY
    with add_current_to_conflicts(package_id):
        tier_management.update_tier(package_id, changes.tier_changes(currency), actor, now, expected)
    view = _show(catalog.snapshot(), package_id)
    return replace(view, warnings=sales_warnings(view.sold_count, view.reserved_count, view.reserved_for_waitlist, "name, price and seats"))


def set_enabled(package_id: str, is_enabled: bool, actor: str, now: int, expected: Expected) -> PackageView:
    """Put a package on sale or take it off sale. Raises what `update_package` raises."""
    with add_current_to_conflicts(package_id):
        tier_management.update_tier(package_id, TierChanges(on_sale=is_enabled), actor, now, expected)
    return _show(catalog.snapshot(), package_id)


def delete_package(package_id: str, actor: str, now: int, expected: Expected) -> DeletedPackageView:
    """Delete a package, or disable it if it has sales or reservations. Raises what `tier_management.delete_tier` raises."""
    with add_current_to_conflicts(package_id):
        try:
            deleted = tier_management.delete_tier(package_id, actor, now, expected)
        except TierHasSales as refusal:
            tier_management.update_tier(package_id, TierChanges(on_sale=False), actor, now, expected)
            counts = f"Sold: {refusal.details['sold']}, reserved: {refusal.details['held']}."
            message = f"{counts} The package is disabled, not deleted: nobody can buy it, but sold and reserved packages stay valid."
            return DeletedPackageView(id=package_id, deleted_at=None, message=message)
    return DeletedPackageView(id=package_id, deleted_at=clock.iso(deleted.updated_at), message="The package is deleted.")


def reorder_packages(event_id: str, package_ids: Sequence[str], seen_ids: Sequence[str] | None, actor: str, now: int) -> PackagesView:
    """Put all packages of an event in this order. Raises what `tier_management.reorder_tiers` raises."""
    return _packages_view(tier_management.reorder_tiers(event_id, package_ids, seen_ids, actor, now), event_id)


def list_options(package_id: str) -> list[CustomOption]:
    """Return the options of a package in display order. Raises NotFound."""
    return in_option_order(_get_tier(catalog.load_current(), package_id).options)


def create_option(package_id: str, option_id: str, new: NewOption, actor: str, now: int) -> CustomOption:
    """Add an option to a package. Raises NotFound and what `tier_management.create_option` raises."""
    return tier_management.create_option(package_id, new.option(option_id, list_options(package_id)), actor, now)


def update_option(package_id: str, option_id: str, changes: OptionChanges, actor: str, now: int, expected: Expected) -> CustomOption:
    """Change fields of an option. Raises what `tier_management.update_option` raises; a version conflict contains the current package."""
    with add_current_to_conflicts(package_id):
        return tier_management.update_option(package_id, option_id, changes.values(), actor, now, expected)


def delete_option(package_id: str, option_id: str, actor: str, now: int, expected: Expected) -> DeletedOptionView:
    """Delete an option. The returned view has a warning if buyers may have answered it. Raises what `update_option` raises."""
    with add_current_to_conflicts(package_id):
        tier_management.delete_option(package_id, option_id, actor, now, expected)
    package = _show(catalog.snapshot(), package_id)
    warnings = []
    if package.sold_count or package.reserved_count > package.reserved_for_waitlist:
        counts = f"Sold: {package.sold_count}, reserved: {package.reserved_count}."
        warnings = [f"{counts} Answers to this question stay in the orders, but new buyers are not asked."]
    return DeletedOptionView(id=option_id, deleted_at=clock.iso(now), message="The option is deleted.", warnings=warnings)


def list_history(package_id: str, limit: int, cursor: str | None, *, shows_addresses: bool) -> PackageAuditView:
    """Return the changes to a package, newest first. Raises InvalidInput for a cursor from another list."""
    page = audit.search_entries(
        AuditFilter(subjects=(f"tier#{package_id}",)), limit, cursors.decode(cursor, POSITION_FORM) if cursor else None
    )
    page = page if shows_addresses else page.without_addresses()
    next_cursor = cursors.encode(page.next_before) if page.next_before else None
    return PackageAuditView([audit_entry_view(entry) for entry in page.entries], next_cursor)


@contextmanager
def add_current_to_conflicts(package_id: str) -> Iterator[None]:
    """Add the current package to a version conflict in the block, so that the editor can decide again. Rewords errors too."""
    with reword_errors():
        try:
            yield
        except (VersionConflict, PreconditionFailed) as conflict:
            conflict.details["current"] = get_package(package_id)
            raise


@contextmanager
def reword_errors() -> Iterator[None]:
    """Reword an error in the block with the words and field names of packages instead of those of tiers."""
    try:
        yield
    except ApiError as error:
        for word, ours in _WORDS:
            error.message = error.message.replace(word, ours)
        names = {tier_name: name for name, tier_name in TIER_NAMES.items()} | {"price_cents": "price", "max_per_order": "limit_per_order"}
        names["included_fee.cents"] = "price"  # a request about a package has no fee field, so name the price
        field = str(error.details.get("path", "")).removeprefix("$.")
        if field in names:
            error.details["path"] = f"$.{names[field]}"
            error.message = error.message.replace(f"`{field}`", f"`{names[field]}`")
            if "field" in error.details:
                error.details["field"] = names[field]
        if "tier_id" in error.details:
            error.details["package_id"] = error.details.pop("tier_id")
        raise


def _packages_view(found: Catalog, event_id: str) -> PackagesView:
    stocks = read_shown_stock(found.shard_counts([event_id]))
    return PackagesView([package_view(found, tier, stocks) for tier in in_display_order(found.listed_tiers(event_id))])


def _show(found: Catalog, package_id: str) -> PackageView:
    tier = _get_tier(found, package_id)
    return package_view(found, tier, read_shown_stock(found.tier_shard_counts(tier)))


def _get_tier(found: Catalog, package_id: str) -> Tier:
    tier = found.tiers.get(package_id)
    if tier is None or tier not in found.listed_tiers(tier.event_id):
        raise _not_found(package_id)
    return tier


def _created_view(tier: Tier) -> PackageView:
    """Return the view of a new package, whose stock is all available, without reading the store."""
    stock = Stock(capacity=tier.stock_capacity, available=tier.stock_capacity, held=0, sold=0, is_open=True)
    return package_view(Catalog.build([], [tier]), tier, {tier.stock_id: stock})


def _not_found(package_id: str) -> NotFound:
    return NotFound("This event has no package with this id.", package_id=package_id)
