"""The payment of a purchase, and payments, refunds, disputes and events as the payment provider has them."""

from typing import ClassVar, Literal

from msgspec import Struct

from chalicelib.foundation.errors import ApiError, InvalidInput

SimulatedOutcome = Literal["success", "fail"]
ProviderName = Literal["free", "simulated", "stripe", "imported"]
FIRST_PROVIDER: ProviderName = "stripe"  # what was written before there could be several does not name it
PaymentStatus = Literal["open", "captured", "declined"]
PayoutStatus = Literal["pending", "in_transit", "paid", "failed", "canceled"]
DisputeStatus = Literal["open", "won", "lost"]
EventSubject = Literal["payment", "refunds_of_payment", "refund", "dispute"]


class Payment(Struct, frozen=True):
    """How a purchase is paid. Stored inside the purchase.

    `provider_id` is the id of what was opened at the provider: a Payment Intent, or a Checkout Session for the hosted page; null before.
    `payment_intent_id` is the Payment Intent that has taken the money. With a `success_url` the buyer pays on the provider's hosted page.
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
    """A line of the hosted page. With a `price_id` the provider shows its own name and price, which must equal ours."""

    name: str
    quantity: int
    price_cents: int
    price_id: str | None


class CheckoutPage(Struct, frozen=True):
    """The provider's hosted page: what it shows, where it sends the buyer afterwards, and when it closes at the latest (epoch seconds)."""

    items: list[CheckoutPageItem]
    success_url: str
    cancel_url: str | None
    expires_at: int | None


class PaymentMetadata(Struct, frozen=True):
    """What the provider keeps with a payment, so that its events can be matched with our purchase."""

    purchase_id: str
    event_id: str
    user_id: str


class ProviderPayment(Struct, frozen=True, kw_only=True):
    """A payment as the provider has it: amounts in minor units, `currency` in capitals, `created` in epoch seconds.

    `id` is what was opened; `payment_intent_id` the Payment Intent behind it, for a hosted page null until the buyer pays there.
    `status` is the Payment Intent's, in Stripe's words; a hosted page that cannot be paid any more is `canceled`. `charge_id` and
    `decline_code` are of the latest attempt. `namespace` says which shop on the provider's account it belongs to.
    """

    provider: ProviderName
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
        """What came in less what was refunded, in minor units."""
        return self.amount_received - self.amount_refunded

    @property
    def is_paid(self) -> bool:
        return self.status == "succeeded" and self.net_received > 0

    @property
    def is_closed(self) -> bool:
        """Whether it has no money in it and cannot be paid any more."""
        return self.status == "canceled" or (self.status == "succeeded" and not self.is_paid)

    def matches(self, payment: Payment) -> bool:
        """Whether the amount and currency that came in are those that were requested."""
        return (self.net_received, self.currency) == (payment.amount_cents, payment.currency)


class ProviderRefund(Struct, frozen=True, kw_only=True):
    """A refund as the provider has it. `id` is null for one that the provider refused to make.

    `refund_id` and `attempt` are ours; null and 0 for an external refund, made in the provider's dashboard. `namespace` and
    `purchase_id` are its own, else those of its payment.
    """

    provider: ProviderName
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


class ProviderPayout(Struct, frozen=True, kw_only=True):
    """A transfer from the provider to the bank of the account. Times are epoch seconds; `arrives_at` is when the bank should have it.

    `is_automatic`: the provider made it by its schedule. `failure` says why the bank sent it back.
    """

    id: str
    amount_cents: int
    currency: str
    status: PayoutStatus
    created_at: int
    arrives_at: int
    is_automatic: bool
    failure: str | None


class PayoutPage(Struct, frozen=True):
    """Payouts, the newest first. `next_after` is the id behind which the next page begins, null on the last one."""

    payouts: list[ProviderPayout]
    next_after: str | None


class ProviderDispute(Struct, frozen=True, kw_only=True):
    """A dispute as the provider has it. `status` is null for an inquiry, which takes no money. `due_at` (epoch seconds): until then the
    provider takes evidence; null if it does not say.

    `namespace` and `purchase_id` are those of its payment.
    """

    provider: ProviderName
    id: str
    status: DisputeStatus | None
    amount_cents: int
    currency: str
    payment_intent_id: str | None
    reason: str
    due_at: int | None = None
    namespace: str | None = None
    purchase_id: str | None = None


class ProviderEvent(Struct, frozen=True, kw_only=True):
    """An event of the provider's, from a webhook or from its list of events: a reason to fetch its object, never a truth to act on.

    `subject` is null for types that we do not handle. `object_status`, `namespace`, `purchase_id` and `payment_intent_id` are what the
    object said when the event was sent; `carries_metadata` says whether an object of its kind has a namespace of its own.
    """

    provider: ProviderName
    id: str
    type: str
    subject: EventSubject | None
    object_id: str
    object_status: str | None
    namespace: str | None
    carries_metadata: bool
    purchase_id: str | None
    payment_intent_id: str | None


class SimulationRequired(InvalidInput):
    code: ClassVar[str] = "simulate_required"
    default_message: ClassVar[str] = "Send `simulate` with the outcome of the simulated payment: `success` or `fail`."


class SimulationRefused(InvalidInput):
    code: ClassVar[str] = "simulation_refused"
    default_message: ClassVar[str] = "Stripe processes this payment, so leave out `simulate`."


class ProviderNotOffered(InvalidInput):
    code: ClassVar[str] = "payment_provider_not_offered"
    default_message: ClassVar[str] = "This payment provider is not available here. Leave out `provider` to use the default one."


class PaymentsUnavailable(ApiError):
    code: ClassVar[str] = "payments_unavailable"
    status: ClassVar[int] = 503
    default_message: ClassVar[str] = (
        "This shop cannot take payments yet, so only free tickets are available. An admin has to set up a payment provider first."
    )


class ProviderUnavailable(ApiError):
    """The provider did not answer, or asked us to try later. Whether it did what was asked shows at the next attempt."""

    code: ClassVar[str] = "payment_provider_unavailable"
    status: ClassVar[int] = 503
    default_message: ClassVar[str] = "The payment provider is not responding. Try again."

    def __init__(self) -> None:
        super().__init__(retryAfterSeconds=5)


class PaymentNotCompleted(ApiError):
    code: ClassVar[str] = "payment_not_completed"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "The payment has not gone through yet. Complete it, or try another card."


class PriceMismatch(ApiError):
    """The provider's prices differ from ours, or it refuses a payment at ours: one of the two was changed."""

    code: ClassVar[str] = "price_mismatch"
    status: ClassVar[int] = 503
    default_message: ClassVar[str] = "The prices are being updated, and you have not been charged. Try again later."


PROVIDER_ERRORS: tuple[type[ApiError], ...] = (ProviderUnavailable, PaymentsUnavailable, PriceMismatch)
