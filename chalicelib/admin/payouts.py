"""The payment provider's payouts to the bank, and the time up to which our books have been compared with the provider's."""

from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import asdict

from chalicelib.catalog import service as catalog
from chalicelib.edge import cursors
from chalicelib.edge.auth import Identity
from chalicelib.edge.cursors import Cursor
from chalicelib.foundation import clock
from chalicelib.foundation.clock import Timestamp
from chalicelib.foundation.errors import InvalidInput
from chalicelib.payments import service as payments
from chalicelib.payments.model import PayoutPage, PayoutStatus, ProviderBalance, ProviderName, ProviderPayout
from chalicelib.promoters.service import require_own
from chalicelib.reconciliation.jobs import load_account_until, load_last_run

_PAYOUT_ID = r"\w[\w.-]{2,254}"


class PayoutsQuery(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The requested page of a provider's payouts. Without `provider`, the payouts of the stage's first provider are listed."""

    provider: ProviderName | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    cursor: Cursor | None = None


class AccountPayoutsQuery(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The requested page of the payouts of a promoter's account."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    cursor: Cursor | None = None


class PayoutView(Struct, frozen=True, kw_only=True):
    """A transfer to the bank. `arrives_at` is when the bank should receive the transfer, and `failure` says why the bank sent it back.

    `is_compared` means that all payments made before the payout have been compared with our books.
    """

    id: str
    amount_cents: int
    currency: str
    state: PayoutStatus
    created_at: Timestamp
    arrives_at: Timestamp
    is_automatic: bool
    failure: str | None
    is_compared: bool


class PayoutsView(Struct, frozen=True, kw_only=True):
    """The payouts of an account at the provider, newest first. They include money from sales outside this shop.

    `providers` are the external payment providers of this stage. `provider` is the provider of the listed payouts; it is null if the stage
    has no external provider. `compared_until` is the time up to which payments have been compared with our books, and `findings` is the
    number of differences found by the last comparison; both are null before the first comparison, and promoters get no `findings`.
    """

    payouts: list[PayoutView]
    next_cursor: str | None
    provider: ProviderName | None
    providers: list[ProviderName]
    compared_until: Timestamp | None
    findings: int | None


class AccountPayoutsView(PayoutsView, frozen=True, kw_only=True):
    """The payouts of a promoter's account. `balances` is the money that has not been paid out, by currency; it is empty on later pages."""

    balances: list[ProviderBalance]


def list_payouts(query: PayoutsQuery) -> PayoutsView:
    """Return a page of payouts. Raises InvalidInput for an unknown provider or an invalid cursor, and ProviderUnavailable."""
    names = payments.external_provider_names()
    if query.provider is not None and query.provider not in names:
        offered = ", ".join(names) or "none"
        raise InvalidInput(f"`{query.provider}` has no payouts on this stage. Providers with payouts: {offered}.", path="provider")
    provider = query.provider or next(iter(names), None)
    after, last_run = _after(query.cursor), load_last_run()
    page = None if provider is None else payments.external_provider(provider).list_payouts(query.limit, after, None)
    findings = None if last_run is None else sum(last_run.report.findings.values())
    return _payouts_view(page, provider, names, None if last_run is None else last_run.until, findings)


def list_account_payouts(identity: Identity, promoter_id: str, query: AccountPayoutsQuery) -> AccountPayoutsView:
    """Return a page of the payouts of a promoter's account, with its balance. It is empty if the promoter has no account.

    Raises Forbidden, InvalidInput for an invalid cursor, AccountUnreachable and ProviderUnavailable.
    """
    require_own(identity, promoter_id, "You can only see the payouts of your own account.")
    after, account, provider = _after(query.cursor), catalog.load_current().accounts.get(promoter_id), payments.account_provider()
    if account is None or account.state == "removed" or provider is None:
        return AccountPayoutsView(**asdict(_payouts_view(None, None, [], None, None)), balances=[])
    name = provider.DESCRIPTION.name
    listed, until = provider.list_payouts(query.limit, after, account.id), load_account_until(account.id)
    page = _payouts_view(listed, name, [name], until, None)
    return AccountPayoutsView(**asdict(page), balances=provider.fetch_balances(account.id) if after is None else [])


def _after(cursor: str | None) -> str | None:
    return None if cursor is None else cursors.decode(cursor, _PAYOUT_ID)


def _payouts_view(
    page: PayoutPage | None, provider: ProviderName | None, names: list[ProviderName], until: int | None, findings: int | None
) -> PayoutsView:
    return PayoutsView(
        payouts=[_payout_view(payout, until or 0) for payout in page.payouts] if page else [],
        next_cursor=cursors.encode(page.next_after) if page and page.next_after else None,
        provider=provider,
        providers=names,
        compared_until=None if until is None else clock.iso(until),
        findings=findings,
    )


def _payout_view(payout: ProviderPayout, compared_until: int) -> PayoutView:
    return PayoutView(
        id=payout.id,
        amount_cents=payout.amount_cents,
        currency=payout.currency,
        state=payout.status,
        created_at=clock.iso(payout.created_at),
        arrives_at=clock.iso(payout.arrives_at),
        is_automatic=payout.is_automatic,
        failure=payout.failure,
        is_compared=payout.created_at <= compared_until,
    )
