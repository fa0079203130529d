"""Export one event with its tiers in the format of the bootstrap file, so that another stage can import it."""

from collections.abc import Container, Sequence
from typing import Any

from msgspec import Struct, to_builtins

from chalicelib.bootstrap_file.validation import Tree
from chalicelib.catalog.fields import declared_fields, default_values, file_values
from chalicelib.catalog.model import Catalog, Event, Tier
from chalicelib.foundation import clock
from chalicelib.promotions.model import PromoCode
from chalicelib.promotions.views import promo_code_view

MAX_VERSION_LENGTH = 50
IMAGE_LEFT_OUT = "its uploaded image is left out, because only this stage's bucket has it; set an `image_url` elsewhere"


class EventExport(Struct, frozen=True):
    """A bootstrap document, and its differences from the event."""

    tree: Tree
    differences: list[str]


def to_document(catalog: Catalog, event: Event, promo_codes: Sequence[PromoCode], stage: str) -> EventExport:
    """Return the document of an event, its promo codes and its tiers in the catalog. Stripe prices are taken from `stage`."""
    tiers = [tier for tier in catalog.event_tiers(event.id) if not tier.removed]
    differences = _left_out("event", event, "hold_seconds")
    if event.status == "draft":
        differences.append(f"event {event.id}: is a draft, which the file does not support; it is written as `test`, which is not listed")
    if event.image:
        differences.append(f"event {event.id}: {IMAGE_LEFT_OUT}")
    for tier in tiers:
        differences += _left_out("tier", tier)
        if tier.hidden:
            differences.append(f"tier {tier.id}: is hidden, which the file does not support; it is written as `closed`")
        if tier.image:
            differences.append(f"tier {tier.id}: {IMAGE_LEFT_OUT}")
    tier_ids = {tier.id for tier in tiers}
    codes = [promo_code for promo_code in promo_codes if _has_tiers(promo_code, tier_ids)]
    differences += [
        f"promo code {promo_code.code}: is left out, because all its tiers were deleted"
        for promo_code in promo_codes
        if promo_code not in codes
    ]
    tree: Tree = {
        "version": f"export of {event.id}"[:MAX_VERSION_LENGTH],
        "events": {event.id: _event(event) | _set(promo_codes=[_promo_code(promo_code, tier_ids) for promo_code in codes])},
        "ticket_types": {tier.id: _ticket(tier, stage) for tier in tiers},
    }
    return EventExport(tree, differences)


def _left_out(kind: str, entry: Event | Tier, *others: str) -> list[str]:
    """Name the fields whose values the file cannot hold. A copy has the defaults of these fields."""
    names = [*(name for name, field in declared_fields(type(entry)).items() if field.in_file == "no"), *others]
    left_out = [name for name in names if getattr(entry, name)]
    return [f"{kind} {entry.id}: `{name}` is left out, because the file does not support it" for name in left_out]


def _event(event: Event) -> Tree:
    is_in_file = event.managed_by == "bootstrap"
    # In the file's metadata, `capacity` would set the capacity of each tier; in the API's it has no meaning.
    metadata = {key: value for key, value in event.metadata.items() if is_in_file or key != "capacity"}
    known = {
        "description": event.description,
        "timezone": event.timezone,
        "city": event.city,
        "image_url": None if event.image else event.image_url,
        "featured": event.featured,
        "promoter_id": event.promoter_id,
    }
    return {
        "id": event.id,
        "name": event.name,
        "venue": event.venue,
        "date": event.date if is_in_file else clock.iso(event.starts_at),
        "status": {"draft": "test", "scheduled": "active", "on_sale": "active"}.get(event.status, event.status),
        **_set(
            end_date=event.end_date if is_in_file else _iso(event.ends_at),
            display_order=event.display_order or None,
            on_sale_at=_iso(event.on_sale_at),
            purchase_limit=event.purchase_limit,
            guests_until=_iso(event.guests_until),
            **_declared(event),
        ),
        "metadata": {**metadata, **_set(**known)},
    }


def _ticket(tier: Tier, stage: str) -> Tree:
    window = _set(start_date=_iso(tier.sale_starts_at), end_date=_iso(tier.sale_ends_at), max_per_transaction=tier.max_per_transaction)
    return {
        "id": tier.id,
        "event_id": tier.event_id,
        "name": tier.name,
        "price_cents": tier.price_cents,
        "currency": tier.currency,
        "status": "closed" if tier.hidden else tier.status,
        **_set(
            max_quantity=tier.capacity,
            stripe_price_id={stage: tier.stripe_price_id} if tier.stripe_price_id else None,
            display_order=tier.display_order or None,
            metadata=tier.metadata,
            availability=window,
            per_user_limit=tier.per_user_limit,
            image_url=None if tier.image else tier.image_url,
            options=to_builtins(tier.options),
            **_declared(tier),
        ),
    }


def _declared(entry: Event | Tier) -> Tree:
    """Return the fields that the file has under the same names, without empty ones that have the default."""
    defaults = default_values(type(entry))
    values = file_values(type(entry), entry)
    return {name: to_builtins(value) for name, value in values.items() if value or value != defaults[name]}


def _has_tiers(promo_code: PromoCode, tier_ids: set[str]) -> bool:
    """Return whether the event still has tiers that the code applies to and, if it opens any tiers, tiers that it opens."""
    return all(not named or tier_ids.intersection(named) for named in (promo_code.package_ids, promo_code.opens_package_ids))


def _promo_code(promo_code: PromoCode, tier_ids: Container[str]) -> Tree:
    view = promo_code_view(promo_code)
    return {
        "code": view.code,
        "discount_type": view.discount_type,
        "discount_value": view.discount_value,
        **_set(
            starts_at=view.starts_at,
            expires_at=view.expires_at,
            max_total_uses=view.max_total_uses,
            max_uses_per_donor=view.max_uses_per_donor,
            package_ids=[tier_id for tier_id in promo_code.package_ids if tier_id in tier_ids],
            opens_package_ids=[tier_id for tier_id in promo_code.opens_package_ids if tier_id in tier_ids],
            skips_waiting_room=promo_code.skips_waiting_room or None,
            holdback_id=promo_code.holdback_id,
            bank_transfer_days=promo_code.bank_transfer_days,
            admits_to_draw=promo_code.admits_to_draw or None,
            minimum_total=view.minimum_total,
        ),
        **({} if view.is_active else {"is_active": False}),
    }


def _set(**fields: Any) -> Tree:
    """Return the fields that are not empty. False and 0 are values: a disabled waiting room, an alarm at 0 tickets left."""
    return {name: value for name, value in fields.items() if value not in (None, "", [], {})}


def _iso(at: int | None) -> str | None:
    return None if at is None else clock.iso(at)
