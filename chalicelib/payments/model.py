"""One way of paying for one purchase, and what the provider says about payments, refunds and disputes."""

from typing import ClassVar, Literal

from msgspec import Struct

from chalicelib.errors import ApiError, InvalidInput

SimulatedOutcome = Literal["success", "fail"]
ProviderName = Literal["free", "simulated", "stripe"]
PaymentStatus = Literal["open", "captured", "declined"]
DisputeStatus = Literal["open", "won", "lost"]


class Payment(Struct, frozen=True):
    """`free` needs no provider; `simulated` stands in for one where a stage allows it. Kept inside the purchase.

    `provider_id` is what was opened at the provider, null before: a Payment Intent, or a Checkout Session (its hosted page).
    `capture` is the Payment Intent that has taken the money. With a `success_url` the provider's own page takes it.
    """

    provider: ProviderName
    status: PaymentStatus
    amount_cents: int
    currency: str
    provider_id: str | None = None
    payment_intent_id: str | None = None
    success_url: str | None = None
    cancel_url: str | None = None


class CheckoutPageItem(Struct, frozen=True):
    """A line of the hosted page. With `price_id` the provider knows name and price; both must be ours all the same."""

    name: str
    quantity: int
    price_cents: int
    price_id: str | None


class CheckoutPage(Struct, frozen=True):
    """What the provider's own page shows, where it sends the buyer afterwards, and when it is gone at the latest (epoch seconds)."""

    items: list[CheckoutPageItem]
    success_url: str
    cancel_url: str | None
    expires_at: int | None


class PaymentMetadata(Struct, frozen=True):
    """Whose payment it is. It travels as metadata, so that whatever the provider tells can be brought home."""

    purchase_id: str
    event_id: str
    user_id: str


class ProviderPayment(Struct, frozen=True, kw_only=True):
    """A payment as the provider sees it: amounts in minor units, `currency` in capitals, `created` in epoch seconds.

    `id` is what was opened, `capture` the Payment Intent behind it (of a hosted page: null until somebody pays there). `status` is
    the Payment Intent's, in Stripe's words; a hosted page that cannot be paid any more is `canceled`. `charge` and `decline` are
    of the latest attempt.
    """

    id: str
    status: str
    amount: int
    amount_received: int
    amount_refunded: int
    currency: str
    created: int
    payment_intent_id: str | None = None
    namespace: str | None = None
    purchase_id: str | None = None
    event_id: str | None = None
    client_secret: str | None = None
    url: str | None = None
    charge_id: str | None = None
    decline_code: str | None = None

    @property
    def net_received(self) -> int:
        """What came in and has not gone back."""
        return self.amount_received - self.amount_refunded

    @property
    def is_paid(self) -> bool:
        return self.status == "succeeded" and self.net_received > 0

    @property
    def is_closed(self) -> bool:
        """Whether it can neither be paid any more nor has money in it."""
        return self.status == "canceled" or (self.status == "succeeded" and not self.is_paid)

    def matches(self, payment: Payment) -> bool:
        """Whether what came in, and is still there, is what was asked for."""
        return (self.net_received, self.currency) == (payment.amount_cents, payment.currency)


class ProviderRefund(Struct, frozen=True, kw_only=True):
    """A refund as the provider sees it. `status`: pending, succeeded or failed; `id` is null for one that it refused to make.

    `refund_id` and `attempt` are ours, null and 0 for a refund that somebody made by hand in the provider's dashboard. `namespace` and
    `purchase_id` are its own, else those of its payment.
    """

    id: str | None
    status: Literal["pending", "succeeded", "failed"]
    amount_cents: int
    currency: str
    payment_intent_id: str | None
    refund_id: str | None = None
    attempt: int = 0
    namespace: str | None = None
    purchase_id: str | None = None
    failure: str | None = None


class ProviderDispute(Struct, frozen=True, kw_only=True):
    """A dispute as the provider sees it. `verdict` is null for an inquiry, which takes no money.

    `namespace` and `purchase_id` are those of its payment.
    """

    id: str
    status: DisputeStatus | None
    amount_cents: int
    currency: str
    payment_intent_id: str | None
    reason: str
    namespace: str | None = None
    purchase_id: str | None = None


class SimulationRequired(InvalidInput):
    code: ClassVar[str] = "simulate_required"


class SimulationRefused(InvalidInput):
    code: ClassVar[str] = "simulation_refused"


class ProviderNotOffered(InvalidInput):
    code: ClassVar[str] = "payment_provider_not_offered"


class PaymentsUnavailable(ApiError):
    code: ClassVar[str] = "payments_unavailable"
    status: ClassVar[int] = 503
    default_message: ClassVar[str] = "No payment provider is set up in this stage, so nothing with a price can be bought."


class ProviderUnavailable(ApiError):
    """The provider did not answer, or asked us to come back. What it may have done is found out with the next try."""

    code: ClassVar[str] = "payment_provider_unavailable"
    status: ClassVar[int] = 503
    default_message: ClassVar[str] = "The payment provider is not answering. Nothing is lost; try again shortly."

    def __init__(self) -> None:
        super().__init__(retryAfterSeconds=5)


class PaymentNotCompleted(ApiError):
    code: ClassVar[str] = "payment_not_completed"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "The payment has not gone through yet. Finish it, or try another card."


class PriceMismatch(ApiError):
    """The provider's prices are not ours, or it takes no payment at ours: somebody has changed one of the two."""

    code: ClassVar[str] = "price_mismatch"
    status: ClassVar[int] = 503
    default_message: ClassVar[str] = "The prices are being updated. Nothing was charged; please try again later."
