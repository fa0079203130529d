"""Every payment attempt, capture, refund and dispute, written once, in the transaction of the change that it belongs to.

The entries of a purchase sum to the order's balance: what we keep for it, before the provider's fees. Those of an event are its money
report. Simulated money is told apart from real by the provider.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Literal, NotRequired, TypedDict, Unpack

import msgspec
from msgspec import Struct

from chalicelib import dynamo
from chalicelib.ledger import store
from chalicelib.money import Currency

EntryKind = Literal["opened", "declined", "captured", "refunded", "refund_failed", "disputed", "dispute_won"]

# What came in counts up, what went out counts down. Where no money moved, the amount that was asked for is kept as a fact.
# The order is that of a purchase's story: it tells apart what happened within one second.
SIGNS: dict[EntryKind, int] = {
    "opened": 0,
    "declined": 0,
    "captured": +1,
    "refunded": -1,
    "refund_failed": +1,  # the provider could not deliver it: it came back to us
    "disputed": -1,  # the bank took it until the dispute is decided
    "dispute_won": +1,
}
_KIND_ORDER = {kind: number for number, kind in enumerate(SIGNS)}


class EntryFields(TypedDict):
    """What the writer of an entry says. `reference` is the provider's id of what happened (the attempt, the refund, the dispute): one
    purchase has one entry for each kind and reference. `amount` is in minor units and never negative; `now` is in epoch seconds;
    `facts` are JSON-encodable and hold no secrets. ValueError for what cannot be an entry.
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


class LedgerEntry(Struct, frozen=True, kw_only=True):
    """One line of the ledger. `amount_cents` is signed: what came in is positive, what went out negative. `at` in epoch seconds."""

    event_id: str
    purchase_id: str
    kind: EntryKind
    reference: str
    amount_cents: int
    currency: Currency
    provider: str
    at: int
    details: dict[str, Any]


class RevenueTotals(Struct, frozen=True, kw_only=True):
    """Money of one provider in one currency, in its minor units. `refunded_cents` is net of refunds that failed, `disputed_cents` of
    disputes that were won; `balance_cents` is what is kept. Below the sums: how many entries of each kind there are.
    """

    provider: str
    currency: Currency
    captured_cents: int
    refunded_cents: int
    disputed_cents: int
    balance_cents: int
    attempts: int
    declined: int
    payments: int
    refunds: int
    failed_refunds: int
    disputes: int
    disputes_won: int


class RevenueReport(Struct, frozen=True):
    """What an event took, by provider and currency; nothing is added up across them."""

    event_id: str
    takings: list[RevenueTotals]


def entry_item(**fields: Unpack[EntryFields]) -> dynamo.TransactItem:
    """A transaction item for `dynamo.transact`. Refused, and with it the whole transaction, if the ledger has this entry.

    So a change that wrote it before cannot be made again; who is refused reads the purchase anew.
    """
    return store.create_entry_item(_row(**fields))


def record_entry(**fields: Unpack[EntryFields]) -> bool:
    """Write one entry that belongs to no change, e.g. a declined attempt. False if the ledger had it: nothing is written then.

    False also if the answer was lost and the SDK repeated the call.
    """
    return store.create_entry(_row(**fields))


def list_purchase_entries(event_id: str, purchase_id: str) -> list[LedgerEntry]:
    """What happened to one purchase, as it happened; strongly consistent, one query."""
    found = [_entry(row) for row in store.query_purchase(event_id, purchase_id)]
    return sorted(found, key=lambda one: (one.at, _KIND_ORDER[one.kind], one.reference))


def list_event_entries(event_id: str) -> Iterator[LedgerEntry]:
    """All entries of an event by purchase id, so by the age of the purchase; read page by page as they are asked for."""
    return map(_entry, store.query_event(event_id))


def list_entries_between(event_id: str, first_purchase_id: str, last_purchase_id: str) -> Iterator[LedgerEntry]:
    """As `of_event`, of the purchases from the first to the last, both included."""
    return map(_entry, store.query_event_between(event_id, first_purchase_id, last_purchase_id))


def balances(entries: Iterable[LedgerEntry]) -> dict[str, int]:
    """Currency -> what is kept, in its minor units."""
    sums: Counter[str] = Counter()
    for one in entries:
        sums[one.currency] += one.amount_cents
    return dict(sums)


def revenue_report(event_id: str) -> RevenueReport:
    """The money of an event. It reads all its entries, and keeps only sums."""
    cents: dict[tuple[str, str], Counter[EntryKind]] = {}
    counts: dict[tuple[str, str], Counter[EntryKind]] = {}
    for one in list_event_entries(event_id):
        of = (one.provider, one.currency)
        cents.setdefault(of, Counter())[one.kind] += one.amount_cents
        counts.setdefault(of, Counter())[one.kind] += 1
    return RevenueReport(event_id, [_revenue_totals(*of, cents[of], counts[of]) for of in sorted(cents)])


def _revenue_totals(provider: str, currency: str, cents: Counter[EntryKind], counts: Counter[EntryKind]) -> RevenueTotals:
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
    )


def _row(**fields: Unpack[EntryFields]) -> store.LedgerRow:
    kind, amount = fields["kind"], fields["amount"]
    sign, details = SIGNS[kind], fields.get("details", {})
    if amount < 0:
        raise ValueError(f"the kind gives the sign, so {amount} cannot be the amount of what was {kind}")
    if sign == 0:
        details = {**details, "asked_cents": amount}
    lane, key = store.entry_key(fields["event_id"], fields["purchase_id"], kind, fields["reference"])
    return store.LedgerRow(
        lane,
        key,
        amount_cents=sign * amount,
        # Capitals, as everywhere here: the provider's `usd` would be a currency of its own.
        currency=msgspec.convert(fields["currency"], Currency),
        provider=fields["provider"],
        at=fields["now"],
        details=msgspec.json.encode(details).decode(),
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
        details=msgspec.json.decode(row.details),
    )
