"""Create, show, change and delete promo codes through the API, and write the codes from the bootstrap file.

Codes from the bootstrap file are read-only in the API.
"""

import hmac
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.accounts import profiles
from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import Catalog, Event
from chalicelib.catalog.revisions import ANY_VERSION, Expected, ManagedByBootstrap
from chalicelib.catalog.tier_management import DEFAULT_CURRENCY
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import ids, parallel, secret_settings, settings
from chalicelib.foundation.errors import InvalidInput, NotFound
from chalicelib.inventory.model import Stock
from chalicelib.promotions import service, views
from chalicelib.promotions.model import (
    MAX_CODES,
    CodeWithUses,
    DiscountType,
    PromoCode,
    PromoCodeTaken,
    TooManyPromoCodes,
    normalize,
    shard_count,
    stock_id_of,
)
from chalicelib.promotions.service import find_promo_code, find_typed_code, retry_conflicts, with_uses
from chalicelib.promotions.views import NewPromoCode, NewPromoCodes, PromoCodeChanges, PromoCodeTerms


class Validation(Struct, frozen=True):
    """Whether a code can be used now. If it cannot, `promo_code` is None, and `reason` says why if the reason may be public."""

    promo_code: PromoCode | None
    reason: Literal["expired", "used_up", "limit_reached"] | None = None


def create_code(event: Event, fields: NewPromoCode, new_id: str, actor: str, now: int) -> CodeWithUses:
    """Create a code and the stock of its uses. If an earlier attempt with this `new_id` created the code, return it unchanged.

    Raises InvalidInput, PromoCodeTaken and TooManyPromoCodes.
    """
    new = _new_code(event, fields.code, fields, fields.discount_type, stock_id_of(new_id), now)
    _check(new, None)
    _check_code_count(event, [new.code])
    return _create(new, actor, now)


def create_codes(event: Event, fields: NewPromoCodes, batch_id: str, actor: str, now: int) -> list[str]:
    """Create many codes with the same terms, each with its own stock. A repeated call with this `batch_id` creates the missing codes.

    Raises InvalidInput, PromoCodeTaken and TooManyPromoCodes.
    """
    texts = [normalize(fields.prefix) + _random_text(f"{batch_id} {number}") for number in range(fields.count)]
    stock_ids = [stock_id_of(f"{batch_id}.{number}") for number in range(fields.count)]
    new = [_new_code(event, text, fields, fields.discount_type, stock_id, now) for text, stock_id in zip(texts, stock_ids, strict=True)]
    _check(new[0], None)
    _check_code_count(event, texts)
    parallel.call_each(lambda promo_code: _create(promo_code, actor, now), new)
    return texts


def _random_text(seed: str) -> str:
    """Return letters and digits that nobody can compute without the stage's secret. The same seed gives the same text."""
    mac = hmac.digest(secret_settings.derived_key("promo codes"), seed.encode(), "sha256")
    return "".join(views.CODE_LETTERS[byte % len(views.CODE_LETTERS)] for byte in mac[: views.RANDOM_LENGTH])


def _new_code(event: Event, text: str, terms: PromoCodeTerms, discount_type: DiscountType, stock_id: str, now: int) -> PromoCode:
    """Return a new code with these terms, whose own `discount_type` may be UNSET."""
    currency = next((tier.currency for tier in catalog.snapshot().listed_tiers(event.id)), DEFAULT_CURRENCY)
    values = terms.values(discount_type, currency)
    return PromoCode(
        event_id=event.id,
        code=normalize(text),
        currency=currency,
        stock_id=stock_id,
        shards=shard_count(values.get("max_total_uses")),
        created_at=now,
        updated_at=now,
        **values,
    )


def _create(new: PromoCode, actor: str, now: int) -> CodeWithUses:
    try:
        service.write_new_code(new, actor, now)
    except dynamo.ConditionFailed:
        existing = find_promo_code(new.event_id, new.code)
        if existing is None or existing.stock_id != new.stock_id:
            raise PromoCodeTaken(promo_code=new.code) from None
        return with_uses(existing)
    return CodeWithUses(new, Stock(capacity=new.capacity, available=new.capacity, held=0, sold=0, is_open=True))


def get_code(event_id: str, code: str) -> CodeWithUses:
    """Return a code with the current stock of its uses. Raises NotFound."""
    return with_uses(_get_promo_code(event_id, code))


def list_codes_with_uses(event_id: str, limit: int, after: str | None) -> list[CodeWithUses]:
    """Return at most `limit` codes of an event that follow the code `after` alphabetically, with their uses."""
    return service.with_all_uses(service.list_codes(event_id, limit, after))


def change_code(
    event_id: str, code: str, changes: PromoCodeChanges, actor: str, now: int, expected: Expected = ANY_VERSION
) -> CodeWithUses:
    """Change fields of a code. Open checkouts keep their discount. If the changes have no effect, no new version is written.

    Raises InvalidInput, NotFound, ManagedByBootstrap, MaxUsesTooSmall, PromoCodeChanging and the errors of `expected`.
    """

    def attempt() -> CodeWithUses:
        before = _get_changeable(event_id, code)
        expected.check(before)
        if isinstance(changes.code, str) and normalize(changes.code) != before.code:
            raise InvalidInput("A promo code cannot be renamed. Create a new code and deactivate this one.", path="$.code")
        after = replace(before, **changes.values(before.discount_type, before.currency))
        _check(after, before)
        return with_uses(service.write_change(before, after, actor, now))

    return retry_conflicts(attempt)


def delete_code(event_id: str, code: str, actor: str, now: int, expected: Expected = ANY_VERSION) -> tuple[PromoCode, bool]:
    """Delete an unused code and its stock; deactivate a used code. Returns the code, and whether it was deleted.

    Raises NotFound, ManagedByBootstrap, PromoCodeChanging and the errors of `expected`.
    """

    def attempt() -> tuple[PromoCode, bool]:
        before = _get_changeable(event_id, code)
        expected.check(before)
        return service.withdraw_code(before, actor, now)

    return retry_conflicts(attempt)


def validate_code(event_id: str, code: str, now: int) -> Validation:
    """Return whether a code of a visible event can be used now. Raises NotFound only if the event is missing."""
    catalog.get_visible_event(event_id)
    promo_code = find_typed_code(event_id, code)
    if promo_code is None or promo_code.admits_to_draw or not promo_code.is_active:
        return Validation(None)
    if promo_code.is_expired(now):
        return Validation(None, "expired")
    if not promo_code.is_usable(now):
        return Validation(None)
    if with_uses(promo_code).uses.available == 0:
        return Validation(None, "used_up")
    return Validation(promo_code)


def _get_promo_code(event_id: str, code: str) -> PromoCode:
    promo_code = find_typed_code(event_id, code)
    if promo_code is None:
        raise NotFound("This event does not have this promo code.", event_id=event_id, promo_code=normalize(code))
    return promo_code


def _get_changeable(event_id: str, code: str) -> PromoCode:
    promo_code = _get_promo_code(event_id, code)
    if promo_code.managed_by == "bootstrap":
        message = "This promo code is managed by the bootstrap file. Change it there and apply the file."
        raise ManagedByBootstrap(message, event_id=event_id, promo_code=promo_code.code)
    return promo_code


def _check(promo_code: PromoCode, before: PromoCode | None) -> None:
    """Raise InvalidInput if the code's terms contradict each other, or if it names a tier or a holdback that the event does not have.

    `before` is the code before the change. The code may keep a holdback that has since been removed.
    """
    views.check_terms(promo_code)
    event_id, named = promo_code.event_id, (*promo_code.package_ids, *promo_code.opens_package_ids)
    current = catalog.find_snapshot(lambda snapshot: all(_has_tier(snapshot, event_id, tier_id) for tier_id in named))
    for field in ("package_ids", "opens_package_ids"):
        for number, tier_id in enumerate(getattr(promo_code, field)):
            if not _has_tier(current, event_id, tier_id):
                raise InvalidInput("This event has no ticket type with this id.", path=f"$.{field}[{number}]", tier_id=tier_id)
    if before is None or (before.holdback_id, before.opens_package_ids) != (promo_code.holdback_id, promo_code.opens_package_ids):
        _check_holdback(promo_code)


def _check_holdback(promo_code: PromoCode) -> None:
    """Raise InvalidInput unless all tiers that the code opens have its holdback and the holdback has not been released."""
    if promo_code.holdback_id is None:
        return
    current = catalog.load_current()
    for tier_id in promo_code.opens_package_ids:
        if promo_code.holdback_id not in {holdback.id for holdback in current.tiers[tier_id].active_holdbacks}:
            message = "A ticket type that this code opens has no holdback with this id, or it has been released."
            raise InvalidInput(message, path="$.holdback_id", tier_id=tier_id)


def _check_code_count(event: Event, codes: Sequence[str]) -> None:
    """Raise TooManyPromoCodes if the event cannot have this many more codes. Codes that the event already has are not counted twice."""
    limit = settings.current().unverified_codes
    count = service.count_codes(event.id, MAX_CODES)
    if count + len(codes) > limit and (event.promoter_id is None or profiles.is_verified(event.promoter_id)):
        limit = MAX_CODES
    if count + len(codes) > limit:
        missing = parallel.call_each(lambda code: find_promo_code(event.id, code) is None, codes).count(True)
        if missing and count + missing > limit:
            raise TooManyPromoCodes(event_id=event.id, limit=limit)


def _has_tier(snapshot: Catalog, event_id: str, tier_id: str) -> bool:
    return any(tier.id == tier_id for tier in snapshot.listed_tiers(event_id))


# Codes from the bootstrap file. Each code is written in one transaction, on condition that the file's version is still served.

Key = tuple[str, str]  # event id, code


def load_declared_codes(declared: Iterable[Key], event_ids: Iterable[str]) -> Mapping[Key, PromoCode]:
    """Return the stored codes to compare with the file: these events' bootstrap codes, and the API codes that the file declares too.

    `event_ids` are the events that any version of the file has named, because an event stays in the catalog when a later file omits it.
    """
    keys = set(declared)
    found = parallel.call_each(service.list_codes, sorted({*event_ids, *(event_id for event_id, _ in keys)}))
    codes = {(promo_code.event_id, promo_code.code): promo_code for event_codes in found for promo_code in event_codes}
    return {key: promo_code for key, promo_code in codes.items() if promo_code.managed_by == "bootstrap" or key in keys}


def with_stored_fields(stored: PromoCode, declared: PromoCode) -> PromoCode:
    """Return the declared code with the fields that only the store has: its stock, its version, and when it was created and changed."""
    return replace(
        declared,
        stock_id=stored.stock_id,
        shards=stored.shards,
        version=stored.version,
        created_at=stored.created_at,
        updated_at=stored.updated_at,
    )


def put_declared_code(declared: PromoCode, version: int, actor: str, now: int) -> None:
    """Create or update a code as the file declares it, on condition that this version of the catalog is served.

    Raises MaxUsesTooSmall, PromoCodeTaken if the code was created through the API, and PromoCodeChanging. Also raises PromoCodeChanging if
    another version is served.
    """

    def attempt() -> None:
        stored = find_promo_code(declared.event_id, declared.code)
        conditions = [catalog.served_version_item(version)]
        if stored is None:
            shards = shard_count(declared.max_total_uses)
            new = replace(declared, stock_id=stock_id_of(ids.new_id()), shards=shards, created_at=now, updated_at=now)
            service.write_new_code(new, actor, now, conditions)
        elif stored.managed_by == "api":
            raise PromoCodeTaken(promo_code=stored.code)
        else:
            service.write_change(stored, with_stored_fields(stored, declared), actor, now, conditions)

    retry_conflicts(attempt)


def withdraw_declared_code(event_id: str, code: str, version: int, actor: str, now: int) -> None:
    """Delete a code that is no longer in the file, or deactivate it if it was used.

    Raises PromoCodeChanging, including if another version of the catalog is served.
    """

    def attempt() -> None:
        stored = find_promo_code(event_id, code)
        if stored is not None:
            service.withdraw_code(stored, actor, now, [catalog.served_version_item(version)])

    retry_conflicts(attempt)
