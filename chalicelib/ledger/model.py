"""Entries of the money ledger, and an event's revenue totals."""

from typing import Any, Literal

from msgspec import Struct

from chalicelib.foundation.money import Currency

EntryKind = Literal["opened", "declined", "captured", "refunded", "refund_failed", "disputed", "dispute_won"]

# The sign of an entry's amount: positive for money received, negative for money paid out. An entry with sign 0 moves no money; its details
# contain the requested amount. The kinds are in the order in which they happen, which sorts a purchase's entries of the same second.
SIGNS: dict[EntryKind, int] = {
    "opened": 0,
    "declined": 0,
    "captured": +1,
    "refunded": -1,
    "refund_failed": +1,  # the provider could not deliver the refund, so the money came back to us
    "disputed": -1,  # the bank holds the money until the dispute is decided
    "dispute_won": +1,
}
KIND_ORDER = {kind: number for number, kind in enumerate(SIGNS)}


class LedgerEntry(Struct, frozen=True, kw_only=True):
    """One entry of the ledger. `amount_cents` is positive for money received and negative for money paid out. `at` is in epoch seconds."""

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
    """An event's revenue through one provider in one currency: sums in minor units, and the number of entries of each kind.

    `refunded_cents` excludes failed refunds, and `disputed_cents` excludes disputes that were won. `balance_cents` is the money
    that we keep.
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
    """The revenue of an event by provider and currency, without sums across providers or currencies."""

    event_id: str
    totals: list[RevenueTotals]
