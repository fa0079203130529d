"""The interfaces of payment providers, and the lists of providers. A new provider is one more module here and one line in a list."""

from collections.abc import Iterator
from typing import Protocol

from chalicelib.payments.model import (
    CheckoutPage,
    Payment,
    PaymentMetadata,
    PayoutPage,
    ProviderDispute,
    ProviderEvent,
    ProviderName,
    ProviderPayment,
    ProviderRefund,
    SimulatedOutcome,
)
from chalicelib.payments.providers import free, imported, simulated, stripe


class PaymentProvider(Protocol):
    """A way to pay. Implemented by the modules `free`, `simulated`, `stripe` and `imported`."""

    def is_offered(self) -> bool:
        """Whether buyers in this stage can pay this way."""

    def open_payment(self, payment: Payment, metadata: PaymentMetadata, page: CheckoutPage | None) -> ProviderPayment | None:
        """Open the payment so that the buyer can pay. Returns None if there is nothing to open.

        A repeated call returns the same payment. With a `page`, the buyer pays on the provider's hosted page. Raises PriceMismatch and
        ProviderUnavailable.
        """

    def cancel_payment(self, payment: Payment) -> ProviderPayment | None:
        """Make sure that the payment can no longer be paid. Returns None on success, or the payment if its money has come in or still may.

        Raises ProviderUnavailable.
        """

    def local_outcome(self, payment: Payment, simulate: SimulatedOutcome | None) -> Payment | None:
        """Return the payment as captured or declined if that is decided here, or None if only the provider knows.

        Raises SimulationRequired if `simulate` is missing, SimulationRefused if it is not allowed, and PaymentsUnavailable.
        """


class ExternalProvider(PaymentProvider, Protocol):
    """A company with its own books, where payments are opened, verified and refunded. Implemented by the module `stripe`.

    Each function raises ProviderUnavailable if the company cannot be reached. The lists with `since` and `until` hold what was created in
    [since, until), epoch seconds, newest first. Two providers never use the same id.
    """

    def takes_own_page(self) -> bool:
        """Whether buyers can pay on the shop's own page; if not, `open_payment` always gets a `page`."""

    def event_types(self) -> list[str]:
        """The event types that the provider must send to our webhook."""

    def verify_event(self, body: bytes, signature: str, now: int) -> ProviderEvent | None:
        """Return the event of a webhook if the provider signed exactly these bytes recently, else None."""

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
        """All refunds of one payment, newest first."""

    def list_payments(self, since: int, until: int) -> Iterator[ProviderPayment]: ...

    def list_refunds(self, since: int, until: int) -> Iterator[ProviderRefund]: ...

    def list_disputes(self, since: int, until: int) -> Iterator[ProviderDispute]: ...

    def list_events(self, since: int, until: int) -> Iterator[ProviderEvent]:
        """Events that the provider sent, or tried to send, to our webhook."""

    def list_payouts(self, limit: int, after: str | None) -> PayoutPage:
        """A page of the account's payouts, newest first, that follow the payout `after`. Raises InvalidInput if `after` does not exist."""


EXTERNAL: dict[ProviderName, ExternalProvider] = {"stripe": stripe}
PROVIDERS: dict[ProviderName, PaymentProvider] = {"free": free, "simulated": simulated, **EXTERNAL, "imported": imported}
