"""Entries of the money ledger, and an event's revenue totals."""

from typing import Any, Literal

from msgspec import Struct

from chalicelib.foundation import memory
from chalicelib.foundation.money import Currency, TaxShare

EntryKind = Literal["opened", "declined", "captured", "fee", "refunded", "fee_returned", "refund_failed", "disputed", "dispute_won"]

# The sign of an entry's amount: positive for money received, negative for money paid out. An entry with sign 0 moves no money from or to
# buyers; its details contain the requested amount, or the operator's fee. The kinds are in the order in which they happen. This order sorts
# entries that a purchase got in the same second.
SIGNS: dict[EntryKind, int] = {
    "opened": 0,
    "declined": 0,
    "captured": +1,
    "fee": 0,  # the operator's fee, taken from the promoter's account
    "refunded": -1,
    "fee_returned": 0,  # the fee's share of a refund, given back to the promoter's account
    "refund_failed": +1,  # the provider could not deliver the refund, so the money came back to us
    "disputed": -1,  # the bank holds the money until the dispute is decided
    "dispute_won": +1,
}
KIND_ORDER = {kind: number for number, kind in enumerate(SIGNS)}
FEE_SIGNS: dict[EntryKind, int] = {"fee": -1, "fee_returned": +1}  # for the promoter's account


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

    @property
    def account(self) -> str | None:
        """The id of the promoter's account on which the money moved, or None for the operator's account."""
        account: str | None = self.details.get("account")
        return account

    @property
    def seller_id(self) -> str | None:
        """The id of the promoter who sold the tickets of a captured payment, or None for the shop."""
        seller: str | None = self.details.get("seller")
        return seller

    @property
    def taxes(self) -> list[TaxShare]:
        """The taxes in the amount, with the sign of the amount."""
        return [share.times(SIGNS[self.kind]) for share in memory.convert(self.details.get("taxes", []), list[TaxShare])]

    @property
    def included_fee_cents(self) -> int:
        """The fee in the price that is part of the amount, with the sign of the amount."""
        return SIGNS[self.kind] * int(self.details.get("included_fee_cents", 0))

    @property
    def net_cents(self) -> int:
        """What the entry adds to the balance of its account, before the provider's own fees."""
        fee_sign = FEE_SIGNS.get(self.kind)
        return self.amount_cents if fee_sign is None else fee_sign * int(self.details["fee_cents"])


class RevenueTotals(Struct, frozen=True, kw_only=True):
    """An event's revenue through one provider in one currency: sums in minor units, and the number of entries of each kind.

    `refunded_cents` excludes failed refunds, and `disputed_cents` excludes disputes that were won. `balance_cents` is the money that we
    keep. `taxes` are the taxes in the sales less refunds and disputes, one share for each rate. `included_fee_cents` is the included fee in
    these sales.
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
    taxes: list[TaxShare] = []
    included_fee_cents: int = 0


class RevenueReport(Struct, frozen=True):
    """The revenue of an event by provider and currency, without sums across providers or currencies."""

    event_id: str
    totals: list[RevenueTotals]


class StatementTotals(Struct, frozen=True, kw_only=True):
    """What an event's ledger entries add up to on one account, through one provider in one currency, in minor units.

    `account` is the promoter's account at the provider; it is null for the operator's account, and for bank transfers to the promoter.
    `refunded_cents` excludes failed refunds, `disputed_cents` excludes disputes that were won, and `fee_cents` is the operator's fee, less
    the parts that refunds returned. `net_cents` is what remains of `captured_cents`, before the provider's own fees. `taxes` are the taxes
    in the sales less refunds and disputes. `included_fee_cents` is the included fee in these sales.
    """

    provider: str
    account: str | None
    currency: Currency
    captured_cents: int
    refunded_cents: int
    disputed_cents: int
    fee_cents: int
    net_cents: int
    taxes: list[TaxShare] = []
    included_fee_cents: int = 0
