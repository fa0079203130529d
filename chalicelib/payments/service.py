"""Choose the provider of each payment, and pass calls about the payment on to that provider.

`providers/protocol.py` lists the external providers. The other providers make no calls: `free` is for free orders, `simulated` for stages
that allow simulated payments, and `imported` for orders from another system. That system holds their money and refunds it. With
`bank_transfer`, promoters record which money has arrived and which money they have sent back.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Literal, TypeVar, cast

from msgspec.structs import replace

from chalicelib.accounts.model import BankAccount
from chalicelib.catalog import event_states
from chalicelib.foundation import log, money, settings
from chalicelib.foundation.log import logger
from chalicelib.foundation.money import TaxAddress
from chalicelib.foundation.settings import Settings
from chalicelib.payments.model import (
    AccountRefused,
    AccountUnreachable,
    CardCheck,
    CheckoutPage,
    ConnectedAccount,
    Payment,
    PaymentChanges,
    PaymentMetadata,
    PaymentNotCompleted,
    PaymentsUnavailable,
    PriceMismatch,
    ProviderDescription,
    ProviderDispute,
    ProviderEvent,
    ProviderName,
    ProviderNotOffered,
    ProviderPayment,
    ProviderRefund,
    ReturnedFee,
    SimulatedOutcome,
    SimulationRefused,
    SimulationRequired,
    TaxCalculation,
    TaxNotCalculated,
)
from chalicelib.payments.providers.protocol import (
    EXTERNAL,
    AccountProvider,
    CardChecker,
    ChangesProvider,
    ExternalProvider,
    TaxCalculator,
)

T = TypeVar("T")
SIMULATED_DECLINE = "declined"  # the simulated card that its bank declines
SIMULATED_LATE_DECLINE = "declined-later"  # its bank confirms this card, and declines it when it is charged without the buyer


def new_payment(
    amount_cents: int,
    currency: str,
    requested: ProviderName | None = None,
    *,
    account: str | None = None,
    ticket_count: int = 0,
    bank_account: BankAccount | None = None,
    has_automatic_tax: bool = False,
) -> Payment:
    """Choose a provider, and return a new payment. Nothing is opened at the provider yet.

    The money goes to the connected `account`, if there is one, less the operator's fee for `ticket_count` tickets. A payment of 0 is always
    `free`, even if another provider was requested. With a `bank_account`, `bank_transfer` is offered. If the event `has_automatic_tax`, the
    only external providers that are offered are those that calculate taxes.

    Raises ProviderNotOffered if the requested provider is not offered here, or if an `account` must get the money and the external provider
    has no connected accounts. Raises PaymentsUnavailable if no provider was requested and the default provider is not offered.
    """
    if amount_cents == 0:
        return Payment("free", "open", 0, currency)
    if requested == "bank_transfer" and bank_account is not None:
        return Payment(requested, "open", amount_cents, currency, bank_account=bank_account)
    if requested is not None and (requested == "free" or not _is_offered(requested)):
        raise ProviderNotOffered(
            f"Payments with `{requested}` are not available here. Leave out `provider` to use the default provider.", path="$.provider"
        )
    provider = requested or _default_provider(account)
    if has_automatic_tax and is_external(provider) and not external_provider(provider).DESCRIPTION.calculates_taxes:
        calculator = find_tax_calculator()
        if requested is not None or calculator is None:
            message = f"Payments with `{provider}` are not available for this event: its taxes are calculated by another provider."
            raise ProviderNotOffered(message, path="$.provider")
        provider = calculator
    if not _is_offered(provider):
        raise PaymentsUnavailable()
    payment = Payment(provider, "open", amount_cents, currency)
    if account is None or not is_external(provider):
        return payment
    if not external_provider(provider).DESCRIPTION.has_accounts:
        message = f"Payments with `{provider}` are not available for this event: its seller has an account at another provider."
        raise ProviderNotOffered(message, path="$.provider")
    returns_fee = settings.current().application_fee_refunds == "on"
    return replace(payment, connected=ConnectedAccount(account, application_fee(amount_cents, currency, ticket_count), returns_fee))


def application_fee(amount_cents: int, currency: str, ticket_count: int) -> int:
    """Return the operator's fee for a payment of this amount, in minor units. The percentage is rounded half up.

    In a currency with three decimals, the sum is rounded down to two.
    """
    current = settings.current()
    share = money.divide_half_up(amount_cents * current.application_fee_basis_points, 10_000)
    fee = ticket_count * current.application_fee_cents + share
    return min(amount_cents, fee - fee % money.step(currency))


def account_provider() -> AccountProvider | None:
    """Return the offered provider at which promoters can connect accounts, or None if no provider allows it."""
    return next((cast(AccountProvider, provider) for provider in _offered_providers() if provider.DESCRIPTION.has_accounts), None)


def takes_payments(provider: str, account: str) -> bool:
    """Return whether a connected account may take payments now. Raises ProviderUnavailable."""
    try:
        return cast(AccountProvider, external_provider(provider)).fetch_account(account).takes_payments
    except AccountUnreachable:
        return False


def list_returned_fees(provider: str, fee_id: str) -> list[ReturnedFee]:
    """Return the parts of a payment's fee that the operator gave back by hand, at a provider with accounts. Raises ProviderUnavailable."""
    return cast(AccountProvider, external_provider(provider)).list_returned_fees(fee_id)


def find_payment_changes(provider: str, provider_id: str) -> PaymentChanges | None:
    """Fetch a payment with its refunds and disputes, at a provider whose events name only payments. Raises ProviderUnavailable."""
    return cast(ChangesProvider, external_provider(provider)).find_payment_changes(provider_id)


def is_external(provider: str) -> bool:
    """Whether the named provider is a company with its own books, where payments are opened, verified and refunded."""
    return provider in EXTERNAL


def supports_own_page(provider: str) -> bool:
    """Whether buyers can pay the external provider on the shop's own page; if not, `open_payment` needs a `page`."""
    return external_provider(provider).DESCRIPTION.own_page is not None


def browser_key(provider: str, stage_settings: Settings | None = None) -> str:
    """Return the external provider's key for browsers in these settings, by default the current settings. Empty if no key is set."""
    own_page = external_provider(provider).DESCRIPTION.own_page
    key: str = getattr(stage_settings or settings.current(), own_page.key_setting) if own_page else ""
    return key


def has_own_page(provider: str, stage_settings: Settings | None = None) -> bool:
    """Whether buyers pay the external provider on the shop's own page: the settings choose that page, and the key for browsers is set."""
    return (stage_settings or settings.current()).checkout_page == "own" and bool(browser_key(provider, stage_settings))


def own_page_sources(stage_settings: Settings | None = None) -> dict[str, str]:
    """Return the addresses that the shop's own page loads from providers, by directive of the page's Content-Security-Policy."""
    sources: dict[str, str] = {}
    for name, provider in EXTERNAL.items():
        own_page = provider.DESCRIPTION.own_page
        for directive, addresses in own_page.sources.items() if own_page and has_own_page(name, stage_settings) else ():
            sources[directive] = f"{sources.get(directive, '')} {addresses}".strip()
    return sources


def call_rate() -> int:
    """Return how many calls per second the external providers accept: the lowest rate among the providers that are set up in this stage.

    If no provider is set up, returns the rate of the first provider in the list.
    """
    first, *_ = EXTERNAL.values()
    return min((provider.call_rate() for provider in _offered_providers()), default=first.call_rate())


def endpoint_rate() -> int:
    """Return how many calls per second one endpoint of each external provider accepts: the lowest rate, as in `call_rate`."""
    first, *_ = EXTERNAL.values()
    return min((provider.endpoint_rate() for provider in _offered_providers()), default=first.endpoint_rate())


def descriptions() -> list[ProviderDescription]:
    """Return the descriptions of all external providers, whether or not they take payments in this stage."""
    return [provider.DESCRIPTION for provider in EXTERNAL.values()]


def check_setup() -> None:
    """Check the settings of the providers that are set up in this stage, without calling them. Raises SettingsError."""
    for provider in _offered_providers():
        provider.check_setup()


def has_external_provider() -> bool:
    """Whether any external provider takes payments in this stage."""
    return any(_offered_providers())


def external_provider_names() -> list[ProviderName]:
    """Return the names of the external providers that take payments in this stage."""
    return [name for name, provider in EXTERNAL.items() if provider.is_offered()]


def local_outcome(payment: Payment, simulate: SimulatedOutcome | None) -> Payment | None:
    """Return a free or simulated payment as captured or declined. Returns None for an external payment. Writes nothing.

    After `decline`, as after a declined card, the buyer may pay again; `fail` ends the purchase.

    Raises SimulationRequired if `simulate` is missing, SimulationRefused if it is not allowed, PaymentsUnavailable, and PaymentNotCompleted
    for a bank transfer, whose arrival only the promoter sees.
    """
    if payment.provider == "bank_transfer":
        message = "Your transfer has not arrived yet. You get your tickets as soon as the seller has received it."
        raise PaymentNotCompleted(message, payment_status="processing")
    if is_external(payment.provider):
        if simulate is not None:
            title = external_provider(payment.provider).DESCRIPTION.title
            raise SimulationRefused(f"{title} processes this payment, so leave out `simulate`.", path="$.simulate")
        return None
    if not _is_offered(payment.provider):
        raise PaymentsUnavailable()
    if payment.provider == "simulated" and simulate is None:
        raise SimulationRequired('Choose how the simulated payment ends: "success", "decline" or "fail".', path="$.simulate")
    is_declined = payment.provider == "simulated" and simulate in ("decline", "fail")
    return replace(payment, status="declined" if is_declined else "captured")


def open_payment(payment: Payment, metadata: PaymentMetadata, page: CheckoutPage | None) -> ProviderPayment | None:
    """Open the payment at its provider, for our own page or, with a `page`, for the provider's hosted page.

    A repeated call returns the same payment. Returns None if there is nothing to open. Raises AmountNotPayable, PriceMismatch and
    ProviderUnavailable.
    """
    if not is_external(payment.provider):
        return None
    try:
        return external_provider(payment.provider).open_payment(payment, metadata, page)
    except PriceMismatch as mismatch:
        log.count("price_mismatches")
        logger.warning("payment.price_mismatch", purchase_id=metadata.purchase_id, event_id=metadata.event_id, extra=mismatch.details)
        raise


def find_card_checker() -> ProviderName | None:
    """Return the provider that checks cards on our own page, or else `simulated` in stages that allow it, or None."""
    names = (
        name for name, provider in EXTERNAL.items() if provider.DESCRIPTION.checks_cards and provider.is_offered() and has_own_page(name)
    )
    return next(names, "simulated" if _is_offered("simulated") else None)


def card_checker() -> ProviderName:
    """Return the provider that checks cards, as `find_card_checker` does. Raises PaymentsUnavailable if no provider can."""
    name = find_card_checker()
    if name is None:
        raise PaymentsUnavailable()
    return name


def check_card(card: str, owner: str, account: str | None, customer_id: str | None = None) -> CardCheck:
    """Ask the card's bank to confirm the card, without a charge, on the account that takes the event's payments.

    With a `customer_id`, the card is saved for `charge_card`. In a simulation, any text is a card. Raises PaymentsUnavailable,
    AccountUnreachable and ProviderUnavailable.
    """
    name = card_checker()
    if not is_external(name):
        status: Literal["declined", "confirmed"] = "declined" if card == SIMULATED_DECLINE else "confirmed"
        return CardCheck(id=card, status=status, owner=owner, fingerprint=card, customer_id=customer_id, method_id=card)
    return cast(CardChecker, external_provider(name)).check_card(card, owner, account, customer_id)


def find_card_check(check_id: str, account: str | None) -> CardCheck | None:
    """Return a check in its current state. Returns None if the provider has no such check. Raises what `check_card` raises."""
    name = card_checker()
    return cast(CardChecker, external_provider(name)).find_card_check(check_id, account) if is_external(name) else None


def find_tax_calculator() -> ProviderName | None:
    """Return the provider that calculates the taxes of payments on our own page in this stage, or None."""
    calculators = (name for name, provider in EXTERNAL.items() if provider.DESCRIPTION.calculates_taxes)
    return next((name for name in calculators if _is_offered(name) and has_own_page(name)), None)


def create_tax_location(provider: ProviderName, address: TaxAddress, account: str | None) -> str:
    """Create a tax location for events at this address. Returns its id.

    Raises TaxNotCalculated, AccountUnreachable and ProviderUnavailable.
    """
    return cast(TaxCalculator, external_provider(provider)).create_tax_location(address, account)


def calculate_taxes(payment: Payment, metadata: PaymentMetadata, amounts: Sequence[int]) -> TaxCalculation:
    """Calculate the taxes that the amounts of a payment with a `tax_place` include. A repeated call returns the same calculation.

    Raises AccountUnreachable and ProviderUnavailable. Raises TaxNotCalculated, including if the result does not match the amounts.
    """
    assert payment.tax_place is not None  # the caller has checked it
    provider = cast(TaxCalculator, external_provider(payment.provider))
    found = provider.calculate_taxes(payment, metadata, payment.tax_place, amounts)
    is_plausible = [share.gross_cents for share in found.shares] == [*amounts] and all(
        0 <= share.tax_cents <= share.gross_cents for share in found.shares
    )
    if not is_plausible:
        logger.error("payment.tax_implausible", purchase_id=metadata.purchase_id, calculation=found.id)
        raise TaxNotCalculated()
    return found


def create_customer(provider: ProviderName, owner: str, account: str | None) -> str:
    """Create a customer at the provider for one saved card. A repeated call within a day returns the same customer's id.

    Raises AccountUnreachable and ProviderUnavailable.
    """
    return cast(CardChecker, external_provider(provider)).create_customer(owner, account) if is_external(provider) else owner


def delete_customer(provider: str, customer_id: str, account: str | None) -> None:
    """Delete a customer with the saved card. Does nothing if the customer does not exist. Raises ProviderUnavailable."""
    if is_external(provider):
        cast(CardChecker, external_provider(provider)).delete_customer(customer_id, account)


def charge_card(payment: Payment, method_id: str) -> ProviderPayment:
    """Pay an open payment at an external provider with a saved card of its customer. A repeated call does not charge it again.

    Returns the payment in its current state. Raises AccountUnreachable and ProviderUnavailable.
    """
    return cast(CardChecker, external_provider(payment.provider)).charge_card(payment, method_id)


event_states.set_card_checker(find_card_checker)


def fetch_payment(payment: Payment) -> ProviderPayment:
    """Fetch the current payment from its provider, where it must have been opened before. Raises ProviderUnavailable."""
    assert payment.provider_id is not None
    return external_provider(payment.provider).fetch_payment_by_id(payment.provider_id, payment.account)


def external_provider(name: str) -> ExternalProvider:
    """Return the external provider with this stored name. Raises KeyError for any other name."""
    return EXTERNAL[cast(ProviderName, name)]


# The lists are those of the operator's account at all offered providers, or those of one connected `account`. They are empty if the
# provider no longer lets us act for the account. They raise ProviderUnavailable, and AccountRefused if it refuses the account's list.


def list_payments(since: int, until: int, account: str | None) -> Iterator[ProviderPayment]:
    """Yield the payments created in [since, until), epoch seconds, paid or not."""
    return _list_everywhere(lambda provider: provider.list_payments(since, until, account), account)


def list_refunds(since: int, until: int, account: str | None) -> Iterator[ProviderRefund]:
    """Yield the refunds created in [since, until), epoch seconds."""
    return _list_everywhere(lambda provider: provider.list_refunds(since, until, account), account)


def list_disputes(since: int, until: int, account: str | None) -> Iterator[ProviderDispute]:
    """Yield the disputes created in [since, until), epoch seconds."""
    return _list_everywhere(lambda provider: provider.list_disputes(since, until, account), account)


def list_events(since: int, until: int, account: str | None) -> Iterator[ProviderEvent]:
    """Yield the events created in [since, until) that providers sent, or tried to send, to us."""
    return _list_everywhere(lambda provider: provider.list_events(since, until, account), account)


def _list_everywhere(list_for: Callable[[ExternalProvider], Iterator[T]], account: str | None) -> Iterator[T]:
    for provider in _offered_providers():
        if account is None or provider.DESCRIPTION.has_accounts:
            try:
                yield from list_for(provider)
            except AccountUnreachable:
                logger.warning("payment.account_skipped", account=account)


def cancel_payment(payment: Payment | None) -> ProviderPayment | None:
    """Make sure that the payment can no longer be paid. Returns None on success, or the payment if it has been paid or may still be paid.

    Also returns the payment if it `is_unreachable`. Raises ProviderUnavailable.
    """
    if payment is not None and payment.transfers:
        return received_transfer(payment, payment.transfers[0].id, payment.transferred_cents)
    if payment is None or not is_external(payment.provider):
        return None
    return external_provider(payment.provider).cancel_payment(payment)


def received_transfer(payment: Payment, payment_intent_id: str, amount_cents: int) -> ProviderPayment:
    """Return money that arrived by bank transfer in the form of a provider's payment."""
    return ProviderPayment(
        provider=payment.provider,
        id=payment_intent_id,
        status="succeeded",
        amount=payment.amount_cents,
        amount_received=amount_cents,
        amount_refunded=0,
        currency=payment.currency,
        created=0,
        payment_intent_id=payment_intent_id,
    )


def is_paid_back_by_hand(provider: str) -> bool:
    """Whether a refund stays due until somebody records that they have sent the money back."""
    return provider == "bank_transfer"


def create_refund(
    provider: str,
    purchase_id: str,
    refund_id: str,
    attempt: int,
    payment_intent_id: str,
    amount_cents: int,
    currency: str,
    account: str | None,
    *,
    returns_fee: bool,
    check_existing: bool,
) -> ProviderRefund:
    """Create one refund of a payment at the external provider, on the connected account that has the payment, if any.

    With `returns_fee`, the account gets the operator's fee for this amount back.

    Set `check_existing` if an earlier call may already have created the refund, because the provider's idempotency keys work for only one
    day. If the provider already has the refund, returns the existing refund, even if an earlier attempt that seemed to fail created it.
    If the provider refuses calls for the account, the refund is `failed`, like any refund that the provider refuses.
    """
    external = external_provider(provider)
    try:
        for refund in external.list_refunds_of_payment(payment_intent_id, account) if check_existing else []:
            is_same = (refund.refund_id, refund.amount_cents) == (refund_id, amount_cents)
            if is_same and (refund.attempt == attempt or refund.status != "failed"):
                return replace(refund, attempt=attempt)
        return external.create_refund(
            purchase_id, refund_id, attempt, payment_intent_id, amount_cents, currency, account, returns_fee=returns_fee
        )
    except AccountRefused:
        name = external.DESCRIPTION.name
        return ProviderRefund.refused(name, refund_id, attempt, payment_intent_id, amount_cents, account, "account_refused")


def _default_provider(account: str | None) -> ProviderName:
    """Return the provider in the settings or, if it cannot pay this `account`, the provider at which promoters have accounts."""
    setting = settings.current().payment_provider
    offered: Iterator[ProviderName] = (name for name, provider in EXTERNAL.items() if provider.is_offered())
    name: ProviderName = setting if setting != "auto" else next(offered, "simulated")
    if account is None or not is_external(name) or external_provider(name).DESCRIPTION.has_accounts:
        return name
    with_accounts = account_provider()
    return with_accounts.DESCRIPTION.name if with_accounts is not None else name


def _is_offered(name: ProviderName) -> bool:
    """Whether payments in this stage can use this provider."""
    if is_external(name):
        return external_provider(name).is_offered()
    return name == "free" or (name == "simulated" and settings.current().payment_simulation == "on")


def _offered_providers() -> Iterator[ExternalProvider]:
    """Yield the external providers that are set up in this stage."""
    return (provider for provider in EXTERNAL.values() if provider.is_offered())
