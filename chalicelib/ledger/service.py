"""The money ledger: one entry for every payment attempt, capture, refund and dispute, written together with the change that it records.

The entries of a purchase add up to the balance of its order, which is the money that we keep, before the fees of the provider and of the
operator. The entries of an event add up to its revenue. The ledger is independent of providers: `provider` is a label that separates
simulated money from real money.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NotRequired, TypedDict, Unpack

import msgspec

from chalicelib.dynamodb import dynamo
from chalicelib.foundation.money import Currency, TaxShare, add_taxes, by_rate
from chalicelib.ledger import store
from chalicelib.ledger.model import FEE_SIGNS, KIND_ORDER, SIGNS, EntryKind, LedgerEntry, RevenueReport, RevenueTotals, StatementTotals

_FIRST_ID, _LAST_ID = "-", "z" * 100  # no id sorts before the first or after the last


class EntryFields(TypedDict):
    """The arguments of a new entry. Functions that take them raise ValueError for an invalid amount, currency or key.

    `reference` identifies the attempt, refund or dispute at the provider: a purchase has one entry for each kind and reference. `amount`
    is in minor units and never negative, because the kind gives the sign. `now` is in epoch seconds. `details` must be JSON-encodable and
    hold no secrets.
    """

    event_id: str
    purchase_id: str
    kind: EntryKind
    reference: str
    amount: int
    currency: str
    provider: str
    now: int
    details: NotRequired[dict[str, Any]]


def entry_item(**fields: Unpack[EntryFields]) -> dynamo.TransactItem:
    """Return the transaction item that adds an entry. It cancels the transaction if the ledger already has the entry."""
    return dynamo.transact_put(_row(**fields), store.ABSENT)


def record_entry(**fields: Unpack[EntryFields]) -> bool:
    """Add one entry outside a transaction, for example for a declined attempt, which changes nothing else.

    Returns False, and writes nothing, if the ledger already has the entry. Also returns False if this call wrote the entry but the
    store's reply was lost and the SDK repeated the call.
    """
    return dynamo.put_if(_row(**fields), store.ABSENT)


def list_purchase_entries(event_id: str, purchase_id: str) -> list[LedgerEntry]:
    """Return the entries of one purchase in the order in which they happened. Takes one strongly consistent query."""
    entries = [_entry(row) for row in store.query_purchase(event_id, purchase_id)]
    return sorted(entries, key=lambda entry: (entry.at, KIND_ORDER[entry.kind], entry.reference))


def list_event_entries(event_id: str) -> Iterator[LedgerEntry]:
    """Yield all entries of an event in order of purchase id, so that older purchases come first. Reads page by page while iterating."""
    return map(_entry, store.query_event(event_id))


def list_entries_between(event_id: str, first_purchase_id: str, last_purchase_id: str) -> Iterator[LedgerEntry]:
    """Yield entries like `list_event_entries`, but only for purchases from the first to the last id, both included.

    Reads a few hundred entries at a time, so that a caller who stops early has read little too much.
    """
    return map(_entry, store.query_event_between(event_id, first_purchase_id, last_purchase_id))


def scan_entries(segments: int = 1) -> Iterator[LedgerEntry]:
    """Yield all entries of all events, and read `segments` pages at once.

    Reads the whole table, so it is only for rebuilding derived data, never for requests.
    """
    return map(_entry, store.scan(segments))


def read_image(image: dict[str, Any]) -> LedgerEntry:
    """Convert an item in wire format, as in the change stream, to an entry."""
    return _entry(store.LedgerRow.from_raw_data(image))


def balances(entries: Iterable[LedgerEntry]) -> dict[str, int]:
    """Map each currency to the amount that we keep, in minor units."""
    sums: Counter[str] = Counter()
    for entry in entries:
        sums[entry.currency] += entry.amount_cents
    return dict(sums)


def revenue_report(event_id: str) -> RevenueReport:
    """Return the revenue of an event up to now. Reads all of its entries, so it is too slow for requests about large events."""
    cents: dict[tuple[str, str], Counter[EntryKind]] = {}
    counts: dict[tuple[str, str], Counter[EntryKind]] = {}
    taxes: dict[tuple[str, str], list[TaxShare]] = {}
    fees: Counter[tuple[str, str]] = Counter()
    for entry in list_event_entries(event_id):
        key = (entry.provider, entry.currency)
        cents.setdefault(key, Counter())[entry.kind] += entry.amount_cents
        counts.setdefault(key, Counter())[entry.kind] += 1
        taxes.setdefault(key, []).extend(entry.taxes)
        fees[key] += entry.included_fee_cents
    return RevenueReport(event_id, [revenue_totals(*key, cents[key], counts[key], taxes[key], fees[key]) for key in sorted(cents)])


def revenue_totals(
    provider: str,
    currency: str,
    cents: Counter[EntryKind],
    counts: Counter[EntryKind],
    taxes: Iterable[TaxShare],
    included_fee_cents: int,
) -> RevenueTotals:
    """Return the totals of entries through one provider in one currency.

    `cents` and `counts` are the sums and numbers of the entries by kind.
    """
    return RevenueTotals(
        provider=provider,
        currency=currency,
        captured_cents=cents["captured"],
        refunded_cents=-cents["refunded"] - cents["refund_failed"],
        disputed_cents=-cents["disputed"] - cents["dispute_won"],
        balance_cents=cents.total(),
        attempts=counts["opened"],
        declined=counts["declined"],
        payments=counts["captured"],
        refunds=counts["refunded"],
        failed_refunds=counts["refund_failed"],
        disputes=counts["disputed"],
        disputes_won=counts["dispute_won"],
        taxes=by_rate(taxes),
        included_fee_cents=included_fee_cents,
    )


def statement(event_id: str) -> list[StatementTotals]:
    """Return what an event's entries add up to on each account. Reads all of its entries, like `revenue_report`."""
    cents: dict[tuple[str, str, str], Counter[EntryKind]] = {}
    taxes: dict[tuple[str, str, str], list[TaxShare]] = {}
    fees: Counter[tuple[str, str, str]] = Counter()
    for entry in list_event_entries(event_id):
        key = (entry.provider, entry.account or "", entry.currency)
        if entry.net_cents:
            cents.setdefault(key, Counter())[entry.kind] += entry.net_cents
            taxes.setdefault(key, []).extend(entry.taxes)
            fees[key] += entry.included_fee_cents
    return [_statement_totals(*key, cents[key], add_taxes(taxes[key]), fees[key]) for key in sorted(cents)]


def _statement_totals(
    provider: str, account: str, currency: Currency, cents: Counter[EntryKind], taxes: list[TaxShare], included_fee_cents: int
) -> StatementTotals:
    return StatementTotals(
        provider=provider,
        account=account or None,
        currency=currency,
        captured_cents=cents["captured"],
        refunded_cents=-cents["refunded"] - cents["refund_failed"],
        disputed_cents=-cents["disputed"] - cents["dispute_won"],
        fee_cents=-cents["fee"] - cents["fee_returned"],
        net_cents=cents.total(),
        taxes=taxes,
        included_fee_cents=included_fee_cents,
    )


def list_statement_entries(event_id: str, after: str | None, limit: int) -> tuple[list[LedgerEntry], str | None]:
    """Return the entries of the statement in the order of the purchases, from the first purchase after the id `after`.

    The page ends after the purchase that brings it to `limit` entries. Returns the entries, and the last purchase's id if there may be
    more.
    """
    page: list[LedgerEntry] = []
    for entry in list_entries_between(event_id, after or _FIRST_ID, _LAST_ID):
        if len(page) >= limit and entry.purchase_id != page[-1].purchase_id:
            return _chronological(page), page[-1].purchase_id
        if entry.purchase_id != after and entry.net_cents:
            page.append(entry)
    return _chronological(page), None


def _chronological(entries: list[LedgerEntry]) -> list[LedgerEntry]:
    """Sort entries by purchase, and then in the order in which they happened."""
    return sorted(entries, key=lambda entry: (entry.purchase_id, entry.at, KIND_ORDER[entry.kind], entry.reference))


def _row(**fields: Unpack[EntryFields]) -> store.LedgerRow:
    kind, amount = fields["kind"], fields["amount"]
    sign, details = SIGNS[kind], fields.get("details", {})
    if amount < 0:
        raise ValueError(f"the kind gives the sign, so the amount of a `{kind}` entry cannot be {amount}")
    if sign == 0:
        details = {**details, "fee_cents" if kind in FEE_SIGNS else "asked_cents": amount}
    lane, key = store.entry_key(fields["event_id"], fields["purchase_id"], kind, fields["reference"])
    return store.LedgerRow(
        lane,
        key,
        amount_cents=sign * amount,
        # Only capitals are valid: `usd`, as the provider writes it, would be summed as a separate currency.
        currency=msgspec.convert(fields["currency"], Currency),
        provider=fields["provider"],
        at=fields["now"],
        details=details,
    )


def _entry(row: store.LedgerRow) -> LedgerEntry:
    event_id, purchase_id, kind, reference = store.entry_key_parts(row)
    return LedgerEntry(
        event_id=event_id,
        purchase_id=purchase_id,
        kind=msgspec.convert(kind, EntryKind),
        reference=reference,
        amount_cents=int(row.amount_cents),
        currency=row.currency,
        provider=row.provider,
        at=int(row.at),
        details=row.details,
    )
