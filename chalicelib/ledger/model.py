"""Entries of the money ledger, and the sums over them."""

from typing import Any, Literal

from msgspec import Struct

from chalicelib.foundation.money import Currency

EntryKind = Literal["opened", "declined", "captured", "refunded", "refund_failed", "disputed", "dispute_won"]

# The sign of an entry's amount: money that came in is positive, money that went out negative. Where no money moves (0), the requested
# amount is kept in the details. The kinds are in the order in which they happen, which sorts a purchase's entries of the same second.
SIGNS: dict[EntryKind, int] = {
    "opened": 0,
    "declined": 0,
    "captured": +1,
    "refunded": -1,
    "refund_failed": +1,  # the provider could not deliver it, so the money came back to us
    "disputed": -1,  # the bank took the money until the dispute is decided
    "dispute_won": +1,
}
KIND_ORDER = {kind: number for number, kind in enumerate(SIGNS)}


class LedgerEntry(Struct, frozen=True, kw_only=True):
    """One entry of the ledger. `amount_cents` is signed: positive came in, negative went out. `at` is in epoch seconds."""

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
    """What an event took through one provider in one currency, in minor units, and how many entries of each kind that were.

    `refunded_cents` leaves out refunds that failed, `disputed_cents` disputes that were won; `balance_cents` is what we keep.
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
    """The revenue of an event by provider and currency; nothing is added up across them."""

    event_id: str
    totals: list[RevenueTotals]
