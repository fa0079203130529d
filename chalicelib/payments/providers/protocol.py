"""The interface of an external payment provider, and the list of providers.

To add a provider, add a module here, an entry in MODULES, and its name and secrets in `foundation/settings.py` (docs/recipes.md).
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

from chalicelib.foundation.money import TaxAddress
from chalicelib.payments.model import (
    AccountLink,
    CardCheck,
    CheckoutPage,
    Payment,
    PaymentChanges,
    PaymentMetadata,
    PayoutPage,
    ProviderAccount,
    ProviderBalance,
    ProviderDescription,
    ProviderDispute,
    ProviderEvent,
    ProviderName,
    ProviderPayment,
    ProviderRefund,
    ReturnedFee,
    TaxCalculation,
    TaxPlace,
)
from chalicelib.payments.providers import mollie, stripe


class ExternalProvider(Protocol):
    """A company with its own books, where payments are opened, verified and refunded. Modules such as `stripe` implement it.

    The protocols below are for providers with more features, which their DESCRIPTION lists.

    Each function raises ProviderUnavailable if the company cannot be reached. Lists with `since` and `until` contain the objects that were
    created in [since, until), in epoch seconds, in any order. Two providers never use the same id.

    `account` is the id of the connected account to act for, None for the operator's own account. It has no default, so that no caller
    forgets it. Functions that get a Payment act for the payment's account.
    """

    DESCRIPTION: ProviderDescription

    def is_offered(self) -> bool:
        """Whether buyers in this stage can pay through this provider."""

    def call_rate(self) -> int:
        """Return how many calls per second the provider accepts in total."""

    def endpoint_rate(self) -> int:
        """Return how many calls per second one endpoint accepts, for example the endpoint that opens payments."""

    def verify_event(self, body: bytes, signature: str, now: int) -> ProviderEvent | None:
        """Return the event of a webhook if the provider recently signed exactly these bytes. Otherwise returns None."""

    def open_payment(self, payment: Payment, metadata: PaymentMetadata, page: CheckoutPage | None) -> ProviderPayment:
        """Open the payment so that the buyer can pay: on the provider's hosted page if `page` is given, otherwise on the shop's own page.

        A repeated call returns the same payment. Raises AmountNotPayable, PriceMismatch and ProviderUnavailable.
        """

    def cancel_payment(self, payment: Payment) -> ProviderPayment | None:
        """Make sure that the payment can no longer be paid. Returns None on success, or the payment if it was paid or may still be paid.

        Also returns the payment if it `is_unreachable`.

        Without a `provider_id`, there is nothing to cancel yet: a concurrent request that is opening the payment can no longer save the
        payment's id, so that request cancels the payment itself. Raises ProviderUnavailable.
        """

    def fetch_payment_by_id(self, provider_id: str, account: str | None) -> ProviderPayment:
        """Fetch a payment, or a hosted page, in its current state."""

    def find_payment_by_id(self, provider_id: str, account: str | None) -> ProviderPayment | None:
        """Like `fetch_payment_by_id`, but return None if the provider has no such payment."""

    def find_refund(self, provider_id: str, account: str | None) -> ProviderRefund | None:
        """Return a refund in its current state, or None if the provider has no such refund."""

    def fetch_dispute(self, provider_id: str, account: str | None) -> ProviderDispute:
        """Fetch a dispute in its current state."""

    def create_refund(
        self,
        purchase_id: str,
        refund_id: str,
        attempt: int,
        payment_intent_id: str,
        amount: int,
        currency: str,
        account: str | None,
        *,
        returns_fee: bool,
    ) -> ProviderRefund:
        """Refund an amount of a payment, once per attempt. If the provider refuses, the refund is `failed` and has no id.

        With `returns_fee`, the connected account gets the operator's fee for this amount back.
        """

    def list_refunds_of_payment(self, payment_intent_id: str, account: str | None) -> list[ProviderRefund]:
        """Return all refunds of one payment, newest first. Returns an empty list if the account was disconnected."""

    def list_payments(self, since: int, until: int, account: str | None) -> Iterator[ProviderPayment]: ...

    def list_refunds(self, since: int, until: int, account: str | None) -> Iterator[ProviderRefund]: ...

    def list_disputes(self, since: int, until: int, account: str | None) -> Iterator[ProviderDispute]: ...

    def list_events(self, since: int, until: int, account: str | None) -> Iterator[ProviderEvent]:
        """Yield the events that the provider sent, or tried to send, to our webhook."""

    def list_payouts(self, limit: int, after: str | None, account: str | None) -> PayoutPage:
        """Return a page of the account's payouts after the payout `after`, newest first. Raises InvalidInput if `after` does not exist."""

    def check_setup(self) -> None:
        """Check the provider's settings without calling the provider. Raises SettingsError."""


class AccountProvider(ExternalProvider, Protocol):
    """A provider whose DESCRIPTION `has_accounts`."""

    def create_account(self, promoter_id: str, number: int) -> str:
        """Create the promoter's account with this number, from 1. A repeated call returns the same account. Returns its id."""

    def create_account_link(self, account: str, return_url: str) -> AccountLink:
        """Return a link to the page on which the account's owner provides what is missing."""

    def fetch_account(self, account: str) -> ProviderAccount:
        """Fetch a connected account in its current state. Raises AccountUnreachable."""

    def fetch_balances(self, account: str) -> list[ProviderBalance]:
        """Fetch the balance of a connected account in each currency. Raises AccountUnreachable."""

    def list_returned_fees(self, fee_id: str) -> list[ReturnedFee]:
        """Return the parts of a payment's fee that the operator gave back by hand. Empty if the account was disconnected."""


class CardChecker(ExternalProvider, Protocol):
    """A provider whose DESCRIPTION `checks_cards`."""

    def check_card(self, card: str, owner: str, account: str | None, customer_id: str | None = None) -> CardCheck:
        """Ask the card's bank to confirm the card, without a charge. `card` is what the provider's form on our page returned.

        With a `customer_id`, the card is saved for charges without its owner. A repeated call returns the same check. If `card`
        does not name a card that the provider knows, the check is `declined`.
        """

    def find_card_check(self, check_id: str, account: str | None) -> CardCheck | None:
        """Fetch a check in its current state. Returns None if the provider has no such check."""

    def create_customer(self, owner: str, account: str | None) -> str:
        """Create a customer who can have saved cards. A repeated call within a day returns the same customer's id."""

    def delete_customer(self, customer_id: str, account: str | None) -> None:
        """Delete a customer with all saved cards. Does nothing if the customer does not exist, or the account was disconnected."""

    def charge_card(self, payment: Payment, method_id: str) -> ProviderPayment:
        """Pay an open payment with a saved card of its customer, without the buyer. A repeated call does not charge it again.

        Returns the payment in its current state, which is not paid if the bank refuses or wants to ask the buyer.
        """


class TaxCalculator(ExternalProvider, Protocol):
    """A provider whose DESCRIPTION `calculates_taxes`."""

    def create_tax_location(self, address: TaxAddress, account: str | None) -> str:
        """Create a tax location for events at this address. Within a day, a repeated call returns the same id. Raises TaxNotCalculated."""

    def calculate_taxes(self, payment: Payment, metadata: PaymentMetadata, place: TaxPlace, amounts: Sequence[int]) -> TaxCalculation:
        """Calculate the taxes that these amounts of a payment include. A repeated call returns the same calculation.

        The provider enters the calculation in its tax reports once the payment is paid, if `open_payment` gets its id. Raises
        TaxNotCalculated.
        """


class ChangesProvider(ExternalProvider, Protocol):
    """A provider whose events have the subject `payment_changes`."""

    def find_payment_changes(self, provider_id: str) -> PaymentChanges | None:
        """Fetch a payment with its refunds and disputes. Returns None if the provider has no such payment."""


MODULES: tuple[ExternalProvider, ...] = (stripe, mollie)
EXTERNAL: dict[ProviderName, ExternalProvider] = {module.DESCRIPTION.name: module for module in MODULES}
