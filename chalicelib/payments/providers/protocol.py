"""The interface of an external payment provider, and the list of providers.

To add a provider, add a module here, an entry in MODULES, and its name and secrets in `foundation/settings.py` (docs/recipes.md).
"""

from collections.abc import Iterator
from typing import Protocol

from chalicelib.payments.model import (
    CheckoutPage,
    Payment,
    PaymentMetadata,
    PayoutPage,
    ProviderDescription,
    ProviderDispute,
    ProviderEvent,
    ProviderName,
    ProviderPayment,
    ProviderRefund,
)
from chalicelib.payments.providers import stripe


class ExternalProvider(Protocol):
    """A company with its own books, where payments are opened, verified and refunded. Modules such as `stripe` implement it.

    Each function raises ProviderUnavailable if the company cannot be reached. Lists with `since` and `until` contain the objects that were
    created in [since, until), in epoch seconds, newest first. Two providers never use the same id.
    """

    DESCRIPTION: ProviderDescription

    def is_offered(self) -> bool:
        """Whether buyers in this stage can pay through this provider."""

    def call_rate(self) -> int:
        """Return how many calls per second the provider accepts."""

    def verify_event(self, body: bytes, signature: str, now: int) -> ProviderEvent | None:
        """Return the event of a webhook if the provider recently signed exactly these bytes. Otherwise returns None."""

    def open_payment(self, payment: Payment, metadata: PaymentMetadata, page: CheckoutPage | None) -> ProviderPayment:
        """Open the payment so that the buyer can pay: on the provider's hosted page if `page` is given, otherwise on the shop's own page.

        A repeated call returns the same payment. Raises PriceMismatch and ProviderUnavailable.
        """

    def cancel_payment(self, payment: Payment) -> ProviderPayment | None:
        """Make sure that the payment can no longer be paid. Returns None on success, or the payment if it was paid or may still be paid.

        Without a `provider_id`, there is nothing to cancel yet: a concurrent request that is opening the payment can no longer save the
        payment's id, so that request cancels the payment itself. Raises ProviderUnavailable.
        """

    def fetch_payment_by_id(self, provider_id: str) -> ProviderPayment:
        """Fetch a payment, or a hosted page, in its current state."""

    def find_payment_by_id(self, provider_id: str) -> ProviderPayment | None:
        """Like `fetch_payment_by_id`, but return None if the provider has no such payment."""

    def fetch_refund(self, provider_id: str) -> ProviderRefund:
        """Fetch a refund in its current state."""

    def fetch_dispute(self, provider_id: str) -> ProviderDispute:
        """Fetch a dispute in its current state."""

    def create_refund(self, purchase_id: str, refund_id: str, attempt: int, payment_intent_id: str, amount: int) -> ProviderRefund:
        """Refund an amount of a payment, once per attempt. If the provider refuses, the refund is `failed` and has no id."""

    def list_refunds_of_payment(self, payment_intent_id: str) -> list[ProviderRefund]:
        """Return all refunds of one payment, newest first."""

    def list_payments(self, since: int, until: int) -> Iterator[ProviderPayment]: ...

    def list_refunds(self, since: int, until: int) -> Iterator[ProviderRefund]: ...

    def list_disputes(self, since: int, until: int) -> Iterator[ProviderDispute]: ...

    def list_events(self, since: int, until: int) -> Iterator[ProviderEvent]:
        """Yield the events that the provider sent, or tried to send, to our webhook."""

    def list_payouts(self, limit: int, after: str | None) -> PayoutPage:
        """Return a page of the account's payouts after the payout `after`, newest first. Raises InvalidInput if `after` does not exist."""


MODULES: tuple[ExternalProvider, ...] = (stripe,)
EXTERNAL: dict[ProviderName, ExternalProvider] = {module.DESCRIPTION.name: module for module in MODULES}
