"""What every way of paying can do, and the list of them. A new provider is one more module here and one more line in a list."""

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
    """Implemented by the modules `free`, `simulated`, `stripe` and `imported`."""

    def is_offered(self) -> bool:
        """Whether buyers of this stage can pay this way."""

    def open_payment(self, payment: Payment, metadata: PaymentMetadata, page: CheckoutPage | None) -> ProviderPayment | None:
        """Open the payment so that the buyer can pay it; the same one when called again. None if there is nothing to open.

        With a `page` the provider's hosted page takes the money. Raises PriceMismatch and ProviderUnavailable.
        """

    def cancel_payment(self, payment: Payment) -> ProviderPayment | None:
        """Make sure that nobody can pay any more. Returns None on success, or the payment if its money has come in or still may.

        Raises ProviderUnavailable.
        """

    def local_outcome(self, payment: Payment, simulate: SimulatedOutcome | None) -> Payment | None:
        """The payment captured or declined, if that is decided here; None if only the provider knows.

        Raises SimulationRequired or SimulationRefused when `simulate` is missing or out of place, and PaymentsUnavailable.
        """


class ExternalProvider(PaymentProvider, Protocol):
    """A company with books of its own: payments are opened, verified and refunded there. Implemented by the module `stripe`.

    Each function raises ProviderUnavailable if the company cannot be reached. Lists are of what was created in [since, until), epoch
    seconds, newest first. The ids of two providers are never equal.
    """

    def takes_own_page(self) -> bool:
        """Whether the shop's own page can take a payment; if not, `open_payment` always gets a `page`."""

    def event_types(self) -> list[str]:
        """The types of events that the provider must send to our webhook."""

    def verify_event(self, body: bytes, signature: str, now: int) -> ProviderEvent | None:
        """The event of a webhook, if the provider has signed exactly these bytes lately; else None."""

    def fetch_payment_by_id(self, provider_id: str) -> ProviderPayment:
        """A payment, or a hosted page, as the provider has it now."""

    def find_payment_by_id(self, provider_id: str) -> ProviderPayment | None:
        """As `fetch_payment_by_id`; None if the provider does not have it."""

    def fetch_refund(self, provider_id: str) -> ProviderRefund:
        """A refund as the provider has it now."""

    def fetch_dispute(self, provider_id: str) -> ProviderDispute:
        """A dispute as the provider has it now."""

    def create_refund(self, purchase_id: str, refund_id: str, attempt: int, payment_intent_id: str, amount: int) -> ProviderRefund:
        """Refund some of a payment, once for each attempt. If the provider refuses, the refund is `failed` and has no id."""

    def list_refunds_of_payment(self, payment_intent_id: str) -> list[ProviderRefund]:
        """All refunds of one payment, newest first."""

    def list_payments(self, since: int, until: int) -> Iterator[ProviderPayment]: ...

    def list_refunds(self, since: int, until: int) -> Iterator[ProviderRefund]: ...

    def list_disputes(self, since: int, until: int) -> Iterator[ProviderDispute]: ...

    def list_events(self, since: int, until: int) -> Iterator[ProviderEvent]:
        """The events that the provider has sent, or tried to send, to our webhook."""

    def list_payouts(self, limit: int, after: str | None) -> PayoutPage:
        """A page of what the provider has sent to the bank of the account. Raises InvalidInput if there is no payout `after`."""


EXTERNAL: dict[ProviderName, ExternalProvider] = {"stripe": stripe}
PROVIDERS: dict[ProviderName, PaymentProvider] = {"free": free, "simulated": simulated, **EXTERNAL, "imported": imported}
