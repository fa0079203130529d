"""The promo codes of the bootstrap file: each is written in one transaction, under the condition that the file's version is served."""

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from chalicelib.catalog import service as catalog
from chalicelib.foundation import ids, parallel
from chalicelib.promotions import store, transactions
from chalicelib.promotions.model import PromoCode, PromoCodeTaken, shard_count

Key = tuple[str, str]  # event id, code


def load(declared: Iterable[Key], event_ids: Iterable[str]) -> Mapping[Key, PromoCode]:
    """The codes that files have ever declared and the store still has, and of those made through the API the ones that a file declares.

    Reads the codes of these events, which are all that a file has ever named: an event that a file leaves out stays in the catalog.
    """
    keys = set(declared)
    found = parallel.call_each(store.list_codes, sorted({*event_ids, *(event_id for event_id, _ in keys)}))
    codes = {(promo_code.event_id, promo_code.code): promo_code for of_event in found for promo_code in of_event}
    return {key: promo_code for key, promo_code in codes.items() if promo_code.managed_by == "bootstrap" or key in keys}


def with_own_fields(stored: PromoCode, declared: PromoCode) -> PromoCode:
    """A declared code with what the store keeps of it beside the file: its stock, its version and when it was written."""
    return replace(
        declared,
        stock_id=stored.stock_id,
        shards=stored.shards,
        version=stored.version,
        created_at=stored.created_at,
        updated_at=stored.updated_at,
    )


def put(declared: PromoCode, version: int, actor: str, now: int) -> None:
    """Make a code what the file says, while this version of the catalog is served.

    Raises MaxUsesTooSmall, PromoCodeTaken if it was made through the API, and PromoCodeChanging, also if another version is served.
    """

    def attempt() -> None:
        stored = store.find(declared.event_id, declared.code)
        conditions = [catalog.served_version_item(version)]
        if stored is None:
            shards = shard_count(declared.max_total_uses)
            new = replace(declared, stock_id=f"promo:{ids.new_id()}", shards=shards, created_at=now, updated_at=now)
            transactions.create(new, actor, now, conditions)
        elif stored.managed_by == "api":
            raise PromoCodeTaken(promo_code=stored.code)
        else:
            transactions.change(stored, with_own_fields(stored, declared), actor, now, conditions)

    transactions.retry(attempt)


def withdraw(event_id: str, code: str, version: int, actor: str, now: int) -> None:
    """Delete a code that is no longer in the file, or deactivate it if it was used. Raises PromoCodeChanging as `put`."""

    def attempt() -> None:
        stored = store.find(event_id, code)
        if stored is not None:
            transactions.withdraw(stored, actor, now, [catalog.served_version_item(version)])

    transactions.retry(attempt)
