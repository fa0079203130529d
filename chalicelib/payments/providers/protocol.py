"""What every way of paying can do, and the list of them. A new provider is one more module here and one more line in PROVIDERS."""

from typing import Protocol

from chalicelib.payments.model import CheckoutPage, Payment, PaymentMetadata, ProviderName, ProviderPayment, SimulatedOutcome
from chalicelib.payments.providers import free, imported, simulated, stripe


class PaymentProvider(Protocol):
    """Implemented by the modules `free`, `simulated`, `stripe` and `imported`."""

    @property
    def IS_EXTERNAL(self) -> bool:
        """Whether the money is at a company with books of its own: payments are opened, verified and refunded there."""

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


PROVIDERS: dict[ProviderName, PaymentProvider] = {"free": free, "simulated": simulated, "stripe": stripe, "imported": imported}
