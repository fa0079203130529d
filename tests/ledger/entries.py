"""Entries of the money ledger, for its tests."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from chalicelib.dynamodb import dynamo
from chalicelib.ledger import service as ledger
from chalicelib.ledger.model import LedgerEntry

NOW = 1_780_315_200
PURCHASE_ID = "01J00000000000000000000001"


def entry_fields(
    kind: str = "captured", amount: int = 5000, reference: str = "pi_1", purchase_id: str = PURCHASE_ID, **others: Any
) -> dict[str, Any]:
    """The arguments of `entry_item` and `record_entry`."""
    fields = {"event_id": "ev", "purchase_id": purchase_id, "kind": kind, "reference": reference, "amount": amount}
    return {**fields, "currency": "EUR", "provider": "stripe", "now": NOW, **others}


def write_entry(*args: Any, **others: Any) -> None:
    """Write an entry in a transaction."""
    dynamo.transact([ledger.entry_item(**entry_fields(*args, **others))])


def kinds_and_cents(entries: Iterable[LedgerEntry]) -> list[tuple[str, int]]:
    return [(entry.kind, entry.amount_cents) for entry in entries]


@contextmanager
def limited_pages(client: Any, size: int) -> Iterator[None]:
    """DynamoDB ends a page of a query after 1 MB. In here it does after `size` entries."""

    def limit(params: dict[str, Any], **_: Any) -> None:
        params["Limit"] = size

    client.meta.events.register("provide-client-params.dynamodb.Query", limit, unique_id="pages")
    try:
        yield
    finally:
        client.meta.events.unregister("provide-client-params.dynamodb.Query", unique_id="pages")
