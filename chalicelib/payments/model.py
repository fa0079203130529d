"""The payment stored in a purchase, the provider's view of payments, refunds, disputes, payouts and events, and payment errors."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from msgspec import Meta, Struct

from chalicelib.accounts.model import BankAccount
from chalicelib.foundation import deadline
from chalicelib.foundation.errors import ApiError, InvalidInput
from chalicelib.foundation.memory import Memory
from chalicelib.foundation.money import TaxAddress, TaxShare
from chalicelib.foundation.settings import ExternalProviderName

SimulatedOutcome = Literal["success", "decline", "fail"]
ProviderName = Literal["free", "simulated", "imported", "complimentary", "box_office", "bank_transfer", ExternalProviderName]
WITHOUT_MONEY: tuple[ProviderName, ...] = (
    "free",
    "imported",
    "complimentary",
)  # orders paid this way have no ledger entries, and nothing to refund
FIRST_PROVIDER: ProviderName = "stripe"  # the provider of records that name no provider, because it was then the only provider
# The share of an endpoint's rate limit that comparisons with the provider's books use. Buyers need the same endpoints at the same time.
COMPARISON_SHARE = 0.25
# A call that the provider refuses because it got too many is repeated after each of these seconds. A comparison is more patient, because a
# call that stays refused ends it.
REFUSED_SECONDS, PATIENT_SECONDS = (1.0, 2.0), (1.0, 2.0, 4.0, 8.0, 16.0)
SECONDS_TO_REPEAT = 5  # with less time left, no call is repeated
PaymentStatus = Literal["open", "captured", "declined", "replaced"]
PayoutStatus = Literal["pending", "in_transit", "paid", "failed", "cancelled"]
DisputeStatus = Literal["open", "won", "lost"]
EventSubject = Literal["payment", "payment_changes", "refunds_of_payment", "refund", "dispute", "account", "fee"]

T = TypeVar("T")


class ConnectedAccount(Struct, frozen=True, omit_defaults=True):
    """The promoter's account on which a payment was opened, and the operator's fee, as they were agreed at that time.

    With `returns_fee`, refunds of sold tickets return the tickets' share of the fee to the promoter.
    """

    id: str
    fee_cents: int = 0
    returns_fee: bool = False


class TaxPlace(Struct, frozen=True, omit_defaults=True):
    """Where an event takes place, if the provider calculates the taxes of a payment: the address, and the provider's id for it.

    `calculation_id` is the provider's calculation, whose taxes the order keeps. It is null until the payment is opened.
    """

    location_id: str
    address: TaxAddress
    calculation_id: str | None = None


class BankTransfer(Struct, frozen=True):
    """Money that arrived for a purchase by bank transfer. `id` distinguishes it from other transfers for the same purchase."""

    id: str
    amount_cents: int


class SavedCard(Struct, frozen=True, omit_defaults=True):
    """A card that the shop may later charge once, for up to `max_cents` in `currency`.

    The card's owner accepted this at `accepted_at` (epoch seconds). The `provider` keeps the card on the `account`, as the `method_id` of a
    customer who exists only for this card. Without a `method_id`, no bank has confirmed the card yet. `is_refused` means that the card
    could not be charged.
    """

    provider: ProviderName
    account: str | None
    max_cents: int
    currency: str
    accepted_at: int
    customer_id: str | None = None
    method_id: str | None = None
    is_refused: bool = False


class Payment(Struct, frozen=True, omit_defaults=True):
    """The payment of a purchase, stored inside the purchase.

    `provider_id` is the id of the Payment Intent opened at the provider, or of the Checkout Session for a hosted page. It is null until the
    payment is opened. `payment_intent_id` is the Payment Intent that took the money. With a `success_url`, the buyer pays on the provider's
    hosted page. If the buyer changes the checkout, the payment is `replaced`, and the next payment of the purchase has the next `number`.
    `connected` is null if the money goes to the operator's account. `seller_id` is the promoter of the event when the payment was opened,
    who issues the invoice. It is null for events of the shop.

    A payment by bank transfer goes to the promoter's `bank_account`, as it was when the checkout was opened. `transfers` are the transfers
    that arrived before the purchase was paid or ended. The payment gets the id of the first transfer.

    `customer_id` is the customer whose saved card the shop charges. If that fails, the buyer can pay in any other way. With a `tax_place`,
    the provider calculates the taxes before it opens the payment.
    """

    provider: ProviderName
    status: PaymentStatus
    amount_cents: int
    currency: str
    provider_id: str | None = None
    payment_intent_id: str | None = None
    success_url: str | None = None
    cancel_url: str | None = None
    number: int = 1
    connected: ConnectedAccount | None = None
    seller_id: str | None = None
    bank_account: BankAccount | None = None
    transfers: list[BankTransfer] = []
    customer_id: str | None = None
    tax_place: TaxPlace | None = None

    @property
    def transferred_cents(self) -> int:
        """The money that has arrived by bank transfer, in minor units."""
        return sum(transfer.amount_cents for transfer in self.transfers)

    @property
    def account(self) -> str | None:
        """The id of the promoter's account on which the payment was opened, or None for the operator's account."""
        return self.connected.id if self.connected is not None else None


class OwnPage(Struct, frozen=True):
    """The key and the addresses that the shop's own page needs to take payments through a provider.

    `key_setting` is the name of the setting with the provider's key for browsers. `sources` are the addresses that the page's
    Content-Security-Policy must allow for the provider, by directive.
    """

    key_setting: str
    sources: dict[str, str]


class ProviderDescription(Struct, frozen=True, kw_only=True):
    """The properties of an external provider that the rest of the code needs.

    `name` is stored with payments, and is part of the webhook's path and of the names of settings and metrics. `title` is the name
    in texts for people. A webhook's signature is in the header `signature_header` or, if the provider does not sign, in the query parameter
    `signature_parameter` of the address that we gave the provider. `event_types` are the types of events that the provider must be told to
    send to the webhook; a provider that gets the address with each payment needs no types. Without `own_page`, buyers always pay on the
    provider's hosted page. With `has_accounts`, promoters can connect accounts of their own. With `checks_cards`, our own page can have a
    card confirmed without a charge, and can save it to charge it later. With `calculates_taxes`, the provider calculates which taxes the
    price of a payment on our own page includes.
    """

    name: ExternalProviderName
    title: str
    signature_header: str | None = None
    signature_parameter: str | None = None
    event_types: tuple[str, ...] = ()
    own_page: OwnPage | None = None
    has_accounts: bool = False
    checks_cards: bool = False
    calculates_taxes: bool = False


class TaxCalculation(Struct, frozen=True):
    """The taxes that a provider has calculated: the share of each amount, in the order of the amounts."""

    id: str
    shares: list[TaxShare]


class CheckoutPageItem(Struct, frozen=True):
    """A line item of the hosted page. With a `price_id`, the provider shows its own name and price; the price must equal ours.

    `note` names the fee that the price includes, if any.
    """

    name: str
    quantity: int
    price_cents: int
    price_id: str | None
    note: str | None = None


class CheckoutPage(Struct, frozen=True):
    """The provider's hosted page: its items, where it sends the buyer afterwards, and when it closes by itself (epoch seconds).

    `email` is the buyer's address, which the page fills in.
    """

    items: list[CheckoutPageItem]
    success_url: str
    cancel_url: str | None
    expires_at: int | None
    email: str | None = None


class PaymentMetadata(Struct, frozen=True, omit_defaults=True):
    """Ids that the provider stores with a payment, so that the payment's events can be matched with our purchase.

    In a stage with a standby, `lines` and `pass_id` say what was bought, so that a purchase that another region has lost can be rebuilt.
    """

    purchase_id: str
    event_id: str
    user_id: str
    lines: str = ""
    pass_id: str = ""


def find_bought(metadata: Mapping[str, Any]) -> PaymentMetadata | None:
    """Return the metadata of a payment if it says what was bought."""
    values = [metadata.get(name) for name in ("purchase_id", "event_id", "user_id", "lines")]
    purchase_id, event_id, user_id, lines = (value if isinstance(value, str) else "" for value in values)
    if not (purchase_id and event_id and user_id and lines):
        return None
    return PaymentMetadata(purchase_id, event_id, user_id, lines, str(metadata.get("pass_id") or ""))


UNREACHABLE = "unreachable"

# Where a provider's lists that have the newest object first can be begun: name of the list -> (epoch seconds, id) of some of its objects.
# The reconciliation saves them with its progress, because reading days of a list may take longer than a run.
list_cursors: Memory[str, list[tuple[int, str]]] = Memory()


class ProviderPayment(Struct, frozen=True, kw_only=True):
    """A payment as the provider reports it: amounts in minor units, `currency` in capitals, `created` in epoch seconds.

    `id` is the id of the Payment Intent or hosted page that was opened. `payment_intent_id` is the Payment Intent behind it; for a hosted
    page, it is null until the buyer pays there. `status` is the status of the Payment Intent, in Stripe's terms; it is `canceled` for a
    hosted page that can no longer be paid. `charge_id` and `decline_code` belong to the latest attempt. `namespace` names the shop that
    the payment belongs to, because several shops may share the provider's account. `region` is the region of the store in which its
    purchase was made; payments of earlier versions have none. `email` is the address that the buyer typed on the hosted page. `account` is
    the connected account that has the payment, or null for the operator's account, and `fee_cents` is the operator's fee. `bought` is the
    metadata from which the purchase can be rebuilt, if the payment has it.
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
    region: str | None = None
    purchase_id: str | None = None
    event_id: str | None = None
    client_secret: str | None = None
    url: str | None = None
    charge_id: str | None = None
    decline_code: str | None = None
    email: str | None = None
    account: str | None = None
    fee_cents: int = 0
    bought: PaymentMetadata | None = None

    @property
    def net_received(self) -> int:
        """The amount received minus the amount refunded, in minor units."""
        return self.amount_received - self.amount_refunded

    @property
    def is_paid(self) -> bool:
        return self.status == "succeeded" and self.net_received > 0

    @property
    def is_unreachable(self) -> bool:
        return self.status == UNREACHABLE

    @property
    def is_closed(self) -> bool:
        """Whether the payment holds no money and can no longer be paid."""
        return self.status == "canceled" or (self.status == "succeeded" and not self.is_paid)

    def matches(self, payment: Payment) -> bool:
        """Whether the net amount received and its currency are the amount and currency of `payment`, which we requested."""
        return (self.net_received, self.currency) == (payment.amount_cents, payment.currency)


class ProviderRefund(Struct, frozen=True, kw_only=True):
    """A refund as the provider reports it. `id` is null if the provider refused to make the refund.

    `refund_id` and `attempt` are ours. For an external refund, which was made in the provider's dashboard, `refund_id` is null and
    `attempt` is 0. `namespace` and `purchase_id` come from the refund's metadata, or from the payment's metadata if the refund has none.
    `returned_fee_cents` is what the connected `account` got back of the operator's fee.
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
    account: str | None = None
    returned_fee_cents: int = 0

    @classmethod
    def refused(
        cls,
        provider: ProviderName,
        refund_id: str,
        attempt: int,
        payment_intent_id: str,
        amount_cents: int,
        account: str | None,
        failure: str,
    ) -> "ProviderRefund":
        """Return an attempt at one of our refunds that the provider refused. `failure` says why."""
        return cls(
            provider=provider,
            id=None,
            status="failed",
            amount_cents=amount_cents,
            currency="",
            payment_intent_id=payment_intent_id,
            refund_id=refund_id,
            attempt=attempt,
            failure=failure,
            account=account,
        )


class ReturnedFee(Struct, frozen=True, kw_only=True):
    """A part of the operator's fee that the operator gave back by hand, not with a refund of the payment.

    `namespace` and `purchase_id` come from the payment's metadata. `account` is the connected account that got the money.
    """

    provider: ProviderName
    id: str
    amount_cents: int
    currency: str
    payment_intent_id: str
    namespace: str | None
    purchase_id: str | None
    account: str


class ProviderPayout(Struct, frozen=True, kw_only=True):
    """A transfer from the provider to the account's bank. Times are epoch seconds; `arrives_at` is when the bank should receive it.

    `is_automatic` means that the provider made the payout on its own schedule. `failure` says why the bank returned the payout.
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
    """A page of payouts, newest first. The next page starts after the payout `next_after`, which is null on the last page."""

    payouts: list[ProviderPayout]
    next_after: str | None


class ProviderDispute(Struct, frozen=True, kw_only=True):
    """A dispute as the provider reports it.

    `status` is null for an inquiry, because an inquiry moves no money. During an appeal, a dispute is `open`. `due_at` (epoch seconds) is
    the provider's deadline for evidence; it is null if the provider gives none. `namespace` and `purchase_id` come from the disputed
    payment.
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
    account: str | None = None


def account_detail(account: str | None) -> dict[str, str]:
    """Return the detail that names the promoter's account in ledger entries and cases. Empty for the operator's account."""
    return {} if account is None else {"account": account}


class ProviderAccount(Struct, frozen=True, kw_only=True):
    """A connected account as the provider reports it.

    `missing` names what the account's owner must provide, in the provider's words. `disabled_reason` says why the account may not take
    payments or get payouts, also in the provider's words.
    """

    id: str
    takes_payments: bool
    gets_payouts: bool
    missing: list[str]
    disabled_reason: str | None


class ProviderBalance(Struct, frozen=True, kw_only=True):
    """The money of an account in one currency, in minor units: what the provider can pay out now, and what becomes available later."""

    currency: str
    available_cents: int
    pending_cents: int


class CardCheck(Struct, frozen=True, kw_only=True):
    """The result of asking a bank about a card without charging it. `fingerprint` is the same for each use of the card on one account.

    `requires_action` means that the bank must ask the card's owner on the page, which needs the `client_secret` for this. `owner` is the
    name for which the check was made; null if we did not make it. A card that `is_wallet`, such as Apple Pay, has a different number from
    the card that the bank issued, and so a different fingerprint. A confirmed card that was saved for `customer_id` has a `method_id`.
    """

    id: str
    status: Literal["confirmed", "requires_action", "declined"]
    owner: str | None
    fingerprint: str | None = None
    is_wallet: bool = False
    client_secret: str | None = None
    customer_id: str | None = None
    method_id: str | None = None


ProviderId = Annotated[
    str, Meta(pattern=r"\A[A-Za-z0-9_-]{1,255}\Z", examples=["pm_1Nv0FGQ9RKHgCVdK"], description="Letters, digits, _ and -.")
]


class CardRefused(ApiError):
    """The shop cannot use this card: it is in a wallet (`reason`: `wallet`), or no bank has confirmed it for the caller (`declined`).

    Nobody learns why a bank declines a card, because strangers try out stolen cards.
    """

    code: ClassVar[str] = "card_refused"
    status: ClassVar[int] = 403
    default_message: ClassVar[str] = (
        "The bank has not confirmed this card, and has charged nothing. Check the card, or use another card that is not in a wallet."
    )


class AccountLink(Struct, frozen=True):
    """A page of the provider on which the account's owner provides what is missing. `expires_at` is in epoch seconds."""

    url: str
    expires_at: int


class PaymentChanges(Struct, frozen=True):
    """A payment with all its refunds and disputes, each in its current state."""

    payment: ProviderPayment
    refunds: list[ProviderRefund]
    disputes: list[ProviderDispute]


class ProviderEvent(Struct, frozen=True, kw_only=True):
    """An event from the provider's webhook or list of events. It is only a reason to fetch the object, whose current state decides.

    `id` is empty if the provider's events have none; such an event is processed each time it arrives. `subject` is null for event types
    that we do not handle, and `payment_changes` if the event only says that a payment, its refunds or its disputes have changed.
    `object_status`, `namespace`, `purchase_id` and `payment_intent_id` are the object's values when the event was sent. `carries_metadata`
    says whether objects of this kind have a namespace of their own. `account` is the connected account that has the object.
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
    account: str | None = None


class SimulationRequired(InvalidInput):
    code: ClassVar[str] = "simulate_required"
    default_message: ClassVar[str] = "Send `simulate` with the outcome of the simulated payment: `success`, `decline` or `fail`."


class SimulationRefused(InvalidInput):
    code: ClassVar[str] = "simulation_refused"
    default_message: ClassVar[str] = "This payment is not simulated, so leave out `simulate`."


class ProviderNotOffered(InvalidInput):
    code: ClassVar[str] = "payment_provider_not_offered"
    default_message: ClassVar[str] = "This payment provider is not available here. Leave out `provider` to use the default provider."


class PaymentsUnavailable(ApiError):
    code: ClassVar[str] = "payments_unavailable"
    status: ClassVar[int] = 503
    default_message: ClassVar[str] = (
        "This shop cannot take payments yet, so only free tickets are available. An admin must set up a payment provider first."
    )


class AccountUnreachable(ApiError):
    """The provider no longer lets us act for a connected account: its owner has disconnected it, or it was closed."""

    code: ClassVar[str] = "payment_account_unreachable"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "The promoter's payment account is no longer connected to this shop. Contact the seller."


class ProviderUnavailable(ApiError):
    """The provider did not answer, or asked us to try later. The call may have taken effect; the next attempt shows whether it has.

    With `setup_error`, the provider refuses all calls until somebody corrects this error.
    """

    code: ClassVar[str] = "payment_provider_unavailable"
    status: ClassVar[int] = 503
    default_message: ClassVar[str] = "The payment provider is not responding. Try again."

    def __init__(self, *, setup_error: str | None = None) -> None:
        super().__init__(retry_after_seconds=5)
        self.setup_error = setup_error


class TooManyCalls(ProviderUnavailable):
    """The provider refused a call because it got too many calls this second. The call has changed nothing and may be repeated soon."""


def repeat_refused(waits: Sequence[float], call: Callable[..., T], *arguments: Any) -> T:
    """Call a function that calls the provider. Repeat it after each of these `waits` (seconds) as long as it raises TooManyCalls.

    Raises TooManyCalls if the last call was refused too, or if too little time is left to repeat it.
    """
    for seconds in waits:
        try:
            return call(*arguments)
        except TooManyCalls:
            if deadline.remaining() < seconds + SECONDS_TO_REPEAT:
                raise
            deadline.wait(seconds)
    return call(*arguments)


class AccountRefused(ProviderUnavailable):
    """The provider refuses calls for one connected account, for example because it rejected the account. Other accounts still work."""


class PaymentNotCompleted(ApiError):
    code: ClassVar[str] = "payment_not_completed"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "The payment has not gone through yet. Complete it, or try another card."


class PriceMismatch(ApiError):
    """The provider's prices differ from ours, or the provider refuses a payment at our prices: one side has changed its prices."""

    code: ClassVar[str] = "price_mismatch"
    status: ClassVar[int] = 503
    default_message: ClassVar[str] = "The prices are being updated, and you have not been charged. Try again later."


class AmountNotPayable(ApiError):
    """The provider takes no payments of this amount. `reason` is `amount_too_small` or `amount_too_large`."""

    code: ClassVar[str] = "amount_not_payable"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = (
        "The payment provider does not take payments of this amount, and you have not been charged. Choose other tickets, or contact the "
        "seller."
    )


class TaxNotCalculated(ApiError):
    """The taxes of a payment cannot be calculated: the venue's address is incomplete, or the provider refuses or contradicts itself."""

    code: ClassVar[str] = "tax_not_calculated"
    status: ClassVar[int] = 503
    default_message: ClassVar[str] = (
        "The tax in the price could not be calculated, and you have not been charged. Your tickets stay reserved. Try again, or contact "
        "the seller."
    )


PROVIDER_ERRORS: tuple[type[ApiError], ...] = (ProviderUnavailable, PaymentsUnavailable, PriceMismatch, AccountUnreachable)
