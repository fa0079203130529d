"""A purchase, from the hold to the order and its refunds. Its `state` decides what its holds, tickets and payment mean."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Annotated, Literal, NamedTuple, Self, TypeVar

from msgspec import Meta, Struct
from msgspec.structs import replace

from chalicelib.accounts.model import Company, Email, PostalAddress, TaxId
from chalicelib.catalog.custom_options import AnswerValue, OptionType
from chalicelib.catalog.fields import Label
from chalicelib.catalog.model import Catalog, Event, ReturnPolicy, Tier, TransferPolicy
from chalicelib.edge.languages import Language
from chalicelib.foundation import money
from chalicelib.foundation.ids import KeyUse
from chalicelib.foundation.money import Country, IncludedFee, Tax, TaxShare
from chalicelib.inventory.model import Hold
from chalicelib.payments.model import FIRST_PROVIDER, DisputeStatus, Payment, ProviderName, SavedCard
from chalicelib.tickets.model import Attendee
from chalicelib.waiting_room.entries import EntryProof

EVENT_CANCELLED = "event_cancelled"  # the reason for refunds of a cancelled event

PaidBy = Literal["cash", "card"]
RefundStatus = Literal["due", "pending", "succeeded", "failed"]
PurchaseState = Literal["held", "paying", "paid", "partially_refunded", "refunded", "expired", "cancelled"]
ACTIVE_STATES: tuple[PurchaseState, ...] = ("held", "paying")
ORDER_STATES: tuple[PurchaseState, ...] = ("paid", "partially_refunded")

T = TypeVar("T")

MAX_QUANTITY = 50
MAX_LINE_ITEMS = 10
MAX_BOUGHT_TEXT = 500
# An order's id has the form of a ULID, which begins with a time. Orders that were written without a checkout have ids with this prefix, a
# time before 2005, so they sort before all other orders.
DIRECT_ID_PREFIX = "00"
QUOTA_SUFFIX = ".quota"  # ends the ids of holds that set tickets aside for the box office
ANY_USES = 1_000_000  # more than a buyer's record can have
# Returned orders of one buyer and event. The buyer's record names them, and every further order writes the whole record several times.
MAX_PAST_ORDERS = 500
MAX_TRANSFERS = 100  # bank transfers for one purchase, because all of them are in its item
EXCESS = "-excess"  # after the id of a bank transfer: the part of the transfer that exceeds the price
MOVED_PREFIX = "moved#"  # begins the second entry of a pass that has moved to another user


class LineItem(Struct, frozen=True, omit_defaults=True):
    """Tickets of one tier, at the price at which they were held.

    `discounts` has the cents that a promo code takes off each ticket. The list is empty if the purchase has no promo code.

    With `is_resale`, the tickets are other buyers' tickets for resale, which `resale_holds` hold in a stock of their own. Once the purchase
    is paid, `holds` are the holds that became the seats of these tickets, one for each ticket, in the sellers' purchases.

    `tax` is a tax by percentage. If the provider has calculated the taxes of the payment, `calculated_tax` is the line's share and replaces
    `tax`.
    """

    tier_id: str
    tier_name: str
    quantity: int
    price_cents: int
    admits: int
    holds: list[Hold]
    stripe_price_id: str | None = None
    discounts: list[int] = []
    is_resale: bool = False
    resale_holds: list[Hold] = []
    tax: Tax | None = None
    included_fee: IncludedFee | None = None
    calculated_tax: TaxShare | None = None

    @classmethod
    def for_tier(cls, tier: Tier, quantity: int, tax: Tax | None) -> Self:
        """Return a line at the tier's current price, which includes the `tax`, without holds."""
        return cls(
            tier_id=tier.id,
            tier_name=tier.name,
            quantity=quantity,
            price_cents=tier.price_cents,
            admits=tier.admits,
            holds=[],
            stripe_price_id=tier.stripe_price_id,
            is_resale=tier.is_resale,
            tax=tax,
            included_fee=tier.included_fee,
        )

    @property
    def ticket_prices(self) -> list[int]:
        """The price of each ticket in cents, after its discount."""
        return [self.price_cents - discount for discount in self.discounts or [0] * self.quantity]

    @property
    def discount_cents(self) -> int:
        return sum(self.discounts)

    @property
    def total_cents(self) -> int:
        """The price of all tickets in cents, after the discount."""
        return self.quantity * self.price_cents - self.discount_cents

    @property
    def effective_tax(self) -> Tax | None:
        """The tax that the price includes: calculated by the provider, or else by percentage."""
        return self.tax if self.calculated_tax is None else self.calculated_tax.tax

    @property
    def tax_share(self) -> TaxShare | None:
        """The tax in the price of all tickets, after the discount. None for free tickets, and if documents do not mention tax."""
        cents = self.total_cents
        if self.calculated_tax is not None or self.tax is None or not cents:
            return self.calculated_tax
        return TaxShare(self.tax.percent, cents, self.tax.included_in(cents), self.tax.exempt_because)

    @property
    def included_fee_cents(self) -> int:
        """The fee that the price of all tickets includes, after the discount. The fee is rounded for each ticket."""
        return 0 if self.included_fee is None else sum(map(self.included_fee.included_in, self.ticket_prices))


class RequestedItem(Struct, frozen=True):
    """Tickets of a tier. With `resale_price_cents`, they are other buyers' tickets for resale at this price."""

    tier_id: str
    quantity: int
    resale_price_cents: int | None = None


class ReservationRequest(Struct, frozen=True, kw_only=True):
    """The tickets that a user wants to reserve. `token` is the waiting room's token, if the event has one. `now` is in epoch seconds.

    `entry_proof` shows that the token's number belongs to the user.

    `promo_code` is a code as the user typed it. The reservation uses it only if it needs an access code; a checkout may use any code.
    """

    user_id: str
    event_id: str
    items: Sequence[RequestedItem]
    token: str | None
    now: int
    promo_code: str | None = None
    entry_proof: EntryProof | None = None


class Refund(Struct, frozen=True, kw_only=True):
    """A refund of the payment `payment_intent_id`, which is null for a free or simulated payment. `at` is in epoch seconds.

    A refund is `due` until the provider has accepted it, and `failed` once its last attempt has failed. `tickets` are the numbers of the
    tickets that the refund took back; `fee_cents` is the part of their price that we kept. An external refund was made in the provider's
    dashboard. `provider` is the payment's provider. Earlier versions stored refunds without `provider`, because Stripe was then the only
    external provider. `method` is how the box office paid the money back. `resold_to` is the purchase that has the seats of the tickets,
    if they were resold. `taxes` and `included_fee_cents` are the taxes and the fee that are included in the refunded amount. The ledger
    records both with the money.
    """

    id: str
    status: RefundStatus
    amount_cents: int
    currency: str
    reason: str
    by: str
    at: int
    tickets: list[int] = []
    fee_cents: int = 0
    seats_returned: bool = True
    payment_intent_id: str | None = None
    attempt: int = 1
    provider_id: str | None = None
    failure: str | None = None
    note: str | None = None
    is_external: bool = False
    provider: ProviderName = FIRST_PROVIDER
    method: PaidBy | None = None
    resold_to: str | None = None
    taxes: list[TaxShare] = []
    included_fee_cents: int = 0


class BoxOfficeSale(Struct, frozen=True, omit_defaults=True):
    """How an order was paid at the box office, and to whom. `reference` names the receipt of the promoter's card terminal."""

    seller: str
    method: PaidBy
    reference: str | None = None


ReturnReason = Literal["cannot_come", "ill", "wrong_tickets", "other"]
ReturnStatus = Literal["open", "accepted", "declined", "withdrawn"]


class ReturnRequest(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A buyer's request to return tickets, on which the event's managers decide. Times are epoch seconds.

    `tickets` are the numbers of the tickets. The request is accepted once all of these tickets have been refunded. `answer` is what the
    managers told the buyer when they declined the request. Until then, the buyer may withdraw the request.
    """

    tickets: list[int]
    at: int
    reason: ReturnReason | None = None
    declined_at: int | None = None
    answer: str | None = None
    withdrawn_at: int | None = None


class Dispute(Struct, frozen=True, kw_only=True):
    """A claim by the buyer's bank for the money of a payment. Times are epoch seconds.

    `due_at` is the provider's deadline for evidence; it is null if the provider gives none. `voided` has the numbers of the tickets that
    became void when the dispute was lost. `taxes` and `included_fee_cents` are the taxes and the fee that are included in the disputed
    amount, and leave or come back with it.
    """

    id: str
    status: DisputeStatus
    amount_cents: int
    currency: str
    reason: str
    payment_intent_id: str
    at: int
    due_at: int | None = None
    voided: list[int] = []
    taxes: list[TaxShare] = []
    included_fee_cents: int = 0


class Purchase(Struct, frozen=True, kw_only=True):
    """One buyer's purchase. Every write raises `version`. Times are epoch seconds. Tickets are numbered from 1, line by line.

    If the event has a capacity of its own, `pool_holds` are the holds in its pool, for all tickets in the order of their numbers. Resold
    tickets of holdbacks have no holds in the pool, and have the last numbers. The checkout sets the `promo_code`, its discounts in the
    lines, and `promo_holds`, which hold one use of the code. Once the purchase is paid, that use is never returned. If the buyer could
    reserve only with an access code, the reservation sets these fields and `needs_code`, and the checkout keeps them. `holdback_id` is the
    holdback of each tier from whose stock the access code sells. With `bank_transfer_days`, the code lets the buyer pay by bank transfer.
    If the buyer saved a card on the waitlist, the shop first tries to charge the offer to the card (`checkout.charge_saved_card`).
    """

    id: str
    user_id: str
    event_id: str
    state: PurchaseState
    version: int
    lines: list[LineItem]
    currency: str
    created_at: int
    expires_at: int
    payment: Payment | None = None
    checkout_at: int | None = None
    checkout_key: KeyUse | None = None  # the key of the request that opened the checkout
    ended_at: int | None = None
    confirmed_at: int | None = None  # when a confirm first gave the buyer the tickets; a webhook may have issued them earlier
    has_details: bool = False  # the buyer's answers and attendees are stored separately from the purchase
    pass_id: str | None = None  # the waiting room's pass that the buyer reserved with
    refunds: list[Refund] = []
    disputes: list[Dispute] = []
    pool_holds: list[Hold] = []
    promo_code: str | None = None
    promo_holds: list[Hold] = []
    needs_code: bool = False
    holdback_id: str | None = None
    bank_transfer_days: int | None = None
    waitlist_entry_id: str | None = None  # the waitlist entry that the tickets were offered to
    language: Language | None = None  # the language of emails about the purchase, set at the checkout or on the waitlist
    is_erased: bool = False  # the buyer's personal details were erased; the purchase is kept
    moved_from: str | None = None  # the guest who made the purchase, before it moved to the guest's account
    resent_at: list[int] = []  # when staff sent the tickets again
    box_office: BoxOfficeSale | None = None
    returns: ReturnPolicy | None = None  # the event's rules for returns when the buyer reserved
    transfers: TransferPolicy | None = None  # null: the event allowed transfers when the buyer reserved
    return_requests: list[ReturnRequest] = []
    accepted_terms: str | None = None  # the id of the seller's terms that the buyer accepted at the checkout
    saved_card: SavedCard | None = None

    def event_in(self, catalog: Catalog) -> Event | None:
        """Return the event with only the dates for which the tickets are valid. Returns None if the event is not in the catalog."""
        return catalog.event_for(self.event_id, [line.tier_id for line in self.lines])

    def with_terms(self, event: Event) -> "Purchase":
        """Return the purchase with the event's current rules for returns and transfers. Later changes of the rules do not affect it."""
        if event.returns is None and event.transfers == "free":
            return self
        return replace(self, returns=event.returns, transfers=None if event.transfers == "free" else event.transfers)

    @property
    def bought_text(self) -> str:
        """The lines as `<tier id>*<quantity>*<price in cents> ...`. Empty if they are not enough to rebuild the purchase, or too long.

        Providers keep texts of up to 500 characters.
        """
        if self.promo_code is not None or self.waitlist_entry_id is not None or self.is_resale or self.is_from_holdback:
            return ""
        text = " ".join(f"{line.tier_id}*{line.quantity}*{line.price_cents}" for line in self.lines)  # `read_bought` reads it
        return text if len(text) <= MAX_BOUGHT_TEXT else ""

    @property
    def quantity(self) -> int:
        return sum(line.quantity for line in self.lines)

    @property
    def charged_ticket_count(self) -> int:
        """The number of tickets that are not free, after the discount. The operator's fee depends on it."""
        return sum(price > 0 for line in self.lines for price in line.ticket_prices)

    @property
    def total_cents(self) -> int:
        """The price of the purchase in cents, after the discount."""
        return sum(line.total_cents for line in self.lines)

    @property
    def discount_cents(self) -> int:
        return sum(line.discount_cents for line in self.lines)

    @property
    def is_resale(self) -> bool:
        """Whether the purchase buys other buyers' tickets for resale. Such a purchase buys nothing else."""
        return any(line.is_resale for line in self.lines)

    @property
    def holds(self) -> list[Hold]:
        """The purchase's own holds. The seats of resold tickets were held, and counted as sold, for the purchases of their sellers."""
        if self.is_resale:
            return [*self.resale_holds, *self.promo_holds]
        return [*(hold for line in self.lines for hold in line.holds), *self.pool_holds, *self.promo_holds]

    @property
    def resale_holds(self) -> list[Hold]:
        return [hold for line in self.lines for hold in line.resale_holds]

    def is_active(self, now: int) -> bool:
        """Whether the purchase still holds its tickets: it has neither ended nor expired."""
        return self.state in ACTIVE_STATES and self.expires_at > now

    @property
    def is_being_charged(self) -> bool:
        """Whether the purchase is waiting for its saved card to be charged."""
        return self.state in ACTIVE_STATES and self.saved_card is not None and not self.saved_card.is_refused

    @property
    def is_order(self) -> bool:
        """Whether the purchase has tickets that the buyer keeps."""
        return self.state in ORDER_STATES

    @property
    def was_order(self) -> bool:
        """Whether tickets were ever issued for the purchase, even if all of them have been taken back."""
        return self.is_order or bool(self.returned_tickets)

    @property
    def is_complimentary(self) -> bool:
        """Whether the tickets were issued from a holdback for free. They are not sold, and not taken from the event's pool."""
        return self.payment is not None and self.payment.provider == "complimentary"

    @property
    def is_issued_by_staff(self) -> bool:
        """Whether staff issued the tickets, for free or at the box office, so that there was no reservation and no limit."""
        return self.is_complimentary or self.box_office is not None

    @property
    def is_from_holdback(self) -> bool:
        """Whether the tickets come from the stock of a holdback, and so are not taken from the event's pool."""
        return self.is_issued_by_staff or self.holdback_id is not None

    @property
    def costs_money(self) -> bool:
        """Whether the buyer pays the shop. At a box office, the promoter's staff enter what was paid, so they can claim any price."""
        return self.total_cents > 0 and self.box_office is None

    @property
    def is_declined(self) -> bool:
        """Whether the purchase ended because its simulated payment was declined."""
        return self.state == "cancelled" and self.payment is not None and self.payment.status == "declined"

    @property
    def account(self) -> str | None:
        """The promoter's account that has the purchase's payments, refunds and disputes, or None for the operator's account."""
        return self.payment.account if self.payment is not None else None

    @property
    def returned_tickets(self) -> set[int]:
        """The numbers of the tickets that were refunded or lost in a dispute."""
        refunded = {number for refund in self.refunds for number in refund.tickets}
        return refunded | {number for dispute in self.disputes for number in dispute.voided}

    @property
    def kept_tickets(self) -> list[int]:
        """The numbers of the tickets that the buyer has paid for and keeps."""
        return [number for number in range(1, self.quantity + 1) if number not in self.returned_tickets] if self.is_order else []

    def kept_tickets_of(self, tier_ids: Collection[str] | None) -> list[int]:
        """Return the kept tickets of these tiers, or of all tiers."""
        kept = self.kept_tickets
        return kept if tier_ids is None else [number for number in kept if self.ticket_line(number).tier_id in tier_ids]

    def return_status(self, request: ReturnRequest) -> ReturnStatus:
        """Return the status of one of the purchase's requests to return tickets."""
        if request.declined_at is not None:
            return "declined"
        if request.withdrawn_at is not None:
            return "withdrawn"
        return "open" if set(self.kept_tickets).intersection(request.tickets) else "accepted"

    @property
    def has_open_return(self) -> bool:
        """Whether the buyer is waiting for a decision about a return."""
        return any(self.return_status(request) == "open" for request in self.return_requests)

    @property
    def is_disputed(self) -> bool:
        """Whether a bank is still deciding a dispute about the payment that bought the tickets."""
        return any(dispute.status == "open" and self.is_own_payment(dispute.payment_intent_id) for dispute in self.disputes)

    def is_own_payment(self, payment_intent_id: str | None) -> bool:
        """Return whether this payment bought the tickets. Any other payment for the purchase is refunded."""
        return self.payment is not None and self.payment.payment_intent_id == payment_intent_id

    @property
    def taxes(self) -> list[TaxShare]:
        """The taxes that the price of the purchase includes, one share for each tax, lowest rate first. Taxes are rounded for each line."""
        return money.add_taxes(share for line in self.lines if (share := line.tax_share) is not None)

    @property
    def kept_taxes(self) -> list[TaxShare]:
        """The taxes included in the payment, less the parts that went back to the buyer."""
        back = [share for change in self._returns() for share in change.taxes]
        return money.add_taxes([*self.taxes, *(share.times(-1) for share in back)])

    def taxes_of_return(self, amount_cents: int, tickets: Sequence[int] = ()) -> list[TaxShare]:
        """Return the taxes in an amount that is paid back: part of the price of the `tickets`, or of what is left of the order.

        A share is the difference between the remaining taxes before and after the return, so the shares of all returns add up exactly.
        """
        kept = self.kept_taxes
        if not kept or not amount_cents:
            return []
        left: dict[Tax | None, int] = {share.tax: max(0, share.gross_cents) for share in kept}  # a due refund and a dispute may both count
        left[None] = max(0, self.total_cents - sum(change.amount_cents for change in self._returns()) - sum(left.values()))
        prices: Counter[Tax | None] = Counter()
        for number in tickets:
            if price := self.ticket_price(number):  # free tickets have no share, even if no other ticket has their tax
                prices[self.ticket_line(number).effective_tax] += price
        parts = _allocate(amount_cents, prices if tickets else left, left)
        found = []
        for before, share in zip(self.taxes, kept, strict=True):
            if part := parts[share.tax]:
                tax_after = money.divide_half_up(before.tax_cents * (share.gross_cents - part), before.gross_cents)
                found.append(replace(share, gross_cents=part, tax_cents=share.tax_cents - tax_after))
        return found

    @property
    def included_fee_cents(self) -> int:
        """The fee that the price of the purchase includes, after the discount."""
        return sum(line.included_fee_cents for line in self.lines)

    @property
    def kept_included_fee_cents(self) -> int:
        """The fee included in the payment, less the parts that went back to the buyer."""
        return self.included_fee_cents - sum(change.included_fee_cents for change in self._returns())

    def included_fee_of_return(self, amount_cents: int, tickets: Sequence[int] = ()) -> int:
        """Return the fee in an amount that is paid back: part of the price of the `tickets`, or of what is left of the order.

        The last return takes back the rest of the fee, and no return takes back more than that, so all returns add up exactly.
        """
        kept = self.kept_included_fee_cents
        if kept <= 0 or not amount_cents:
            return 0
        left = max(0, self.total_cents - sum(change.amount_cents for change in self._returns()))
        fee, price = kept, left
        if tickets:
            fee, price = sum(map(self._ticket_fee, tickets)), sum(map(self.ticket_price, tickets))
        part = money.divide_half_up(fee * amount_cents, price) if price else kept
        return min(kept, amount_cents, max(part, kept - max(0, left - amount_cents)))

    def _ticket_fee(self, number: int) -> int:
        included = self.ticket_line(number).included_fee
        return 0 if included is None else included.included_in(self.ticket_price(number))

    def _returns(self) -> "list[Refund | Dispute]":
        """Return the refunds and disputes of the payment that bought the tickets, except failed refunds and disputes that we won."""
        own_id = self.payment.payment_intent_id if self.payment else None
        refunds = [refund for refund in self.refunds if refund.payment_intent_id == own_id and refund.status != "failed"]
        return [*refunds, *(dispute for dispute in self.disputes if dispute.payment_intent_id == own_id and dispute.status != "won")]

    @property
    def payment_intent_ids(self) -> set[str | None]:
        """The ids of all payments that this purchase accounts for: its own, and any others, which are refunded."""
        own_id = self.payment.payment_intent_id if self.payment else None
        return {own_id, *(refund.payment_intent_id for refund in self.refunds)}

    @property
    def refunded_cents(self) -> int:
        """The total in cents of all refunds of the payment that bought the tickets, whatever their status."""
        own_id = self.payment.payment_intent_id if self.payment else None
        return sum(refund.amount_cents for refund in self.refunds if refund.payment_intent_id == own_id)

    def without_due_refunds(self) -> "Purchase":
        """Return the purchase without due refunds, for a change after which the provider refuses these refunds."""
        return replace(self, refunds=[refund for refund in self.refunds if refund.status != "due"])

    def with_refunds(self, *refunds: Refund) -> "Purchase":
        """Return the purchase with these refunds added. A refund with a known id replaces the earlier refund."""
        return replace(self, refunds=list({refund.id: refund for refund in (*self.refunds, *refunds)}.values()))

    def refunded_total(self, payment_intent_id: str | None, *, include_due: bool) -> int:
        """Return the total in cents of one payment's refunds that the provider has accepted; `include_due` adds the due refunds."""
        states = ("due", "pending", "succeeded") if include_due else ("pending", "succeeded")
        return sum(
            refund.amount_cents for refund in self.refunds if refund.payment_intent_id == payment_intent_id and refund.status in states
        )

    def paid_back_twice_cents(self, payment_intent_id: str | None) -> int:
        """Return the cents of one payment that banks took for lost disputes although they were also refunded, or at most 0.

        Refunds that are due count, because they may have left without an answer.
        """
        lost = sum(each.amount_cents for each in self.disputes if (each.status, each.payment_intent_id) == ("lost", payment_intent_id))
        refunded = self.refunded_total(payment_intent_id, include_due=True)
        is_price = self.was_order and self.is_own_payment(payment_intent_id)  # other payments are refunded in full
        return lost + refunded - (self.total_cents if is_price else refunded) if refunded else 0

    def ticket_price(self, number: int) -> int:
        """Return the price in cents of the ticket with this number, after its discount."""
        return [price for line in self.lines for price in line.ticket_prices][number - 1]

    def ticket_line(self, number: int) -> LineItem:
        """Return the line of the ticket with this number."""
        return next(line for line, numbers in self._numbered_lines() if number in numbers)

    def holds_of_tickets(self, numbers: Iterable[int]) -> list[Hold]:
        """Return the holds that became these tickets, each with only the quantity that these tickets took from it."""
        wanted = set(numbers)
        holds = []
        for tier_or_pool_holds in ([hold for line in self.lines for hold in line.holds], self.pool_holds):
            first = 1
            for hold in tier_or_pool_holds:
                quantity = len(wanted.intersection(range(first, first + hold.quantity)))
                first += hold.quantity
                if quantity:
                    holds.append(Hold(hold.shard_id, hold.hold_id, quantity))
        return holds

    def _numbered_lines(self) -> Iterable[tuple[LineItem, range]]:
        first = 1
        for line in self.lines:
            yield line, range(first, first + line.quantity)
            first += line.quantity

    def find_refund(self, refund_id: str) -> Refund | None:
        return next((refund for refund in self.refunds if refund.id == refund_id), None)

    @property
    def has_external_refund(self) -> bool:
        return any(refund.is_external for refund in self.refunds)

    def find_due_refund(self, amount_cents: int) -> Refund | None:
        """Return the first refund of this amount that is due, if any."""
        return next((refund for refund in self.refunds if refund.status == "due" and refund.amount_cents == amount_cents), None)

    def knows_transfer(self, transfer_id: str) -> bool:
        """Whether this bank transfer, to or from the promoter's account, has been recorded."""
        arrived = self.payment.transfers if self.payment is not None else []
        return (
            any(transfer.id == transfer_id for transfer in arrived)
            or transfer_id in self.payment_intent_ids
            or any(refund.provider_id == transfer_id for refund in self.refunds)
        )

    @property
    def is_by_transfer(self) -> bool:
        """Whether the buyer pays, paid or was going to pay by bank transfer to the promoter's account."""
        return self.payment is not None and self.payment.bank_account is not None

    @property
    def transferred_cents(self) -> int:
        """The money that has arrived by bank transfer, in minor units, including what was paid back or must be paid back."""
        arrived = {transfer.id: transfer.amount_cents for transfer in (self.payment.transfers if self.payment is not None else [])}
        second = [refund for refund in self.refunds if not refund.tickets and refund.reason == "duplicate"]
        excess = [refund for refund in second if str(refund.payment_intent_id).removesuffix(EXCESS) in arrived]
        return sum(arrived.values()) + sum(refund.amount_cents for refund in second if refund not in excess)

    @property
    def keeps_more_transfers(self) -> bool:
        """Whether the purchase has room for another bank transfer."""
        arrived = len(self.payment.transfers) if self.payment is not None else 0
        return arrived + sum(not refund.tickets for refund in self.refunds) < MAX_TRANSFERS

    def find_dispute(self, dispute_id: str) -> Dispute | None:
        return next((dispute for dispute in self.disputes if dispute.id == dispute_id), None)


class BoughtLine(NamedTuple):
    tier_id: str
    quantity: int
    price_cents: int


_BOUGHT_LINE = re.compile(r"([^*]+)\*([0-9]{1,2})\*([0-9]{1,10})")


def read_bought(text: str) -> list[BoughtLine]:
    """Return the lines in the `bought_text` of a purchase.

    Returns no lines for a text that no reservation produces: promoters can write any text on payments of their own accounts.
    """
    found = [_BOUGHT_LINE.fullmatch(part) for part in text.split()]
    lines = [BoughtLine(match[1], int(match[2]), int(match[3])) for match in found if match is not None]
    is_possible = len(found) == len(lines) == len({line.tier_id for line in lines}) <= MAX_LINE_ITEMS
    is_possible = is_possible and all(line.quantity for line in lines) and sum(line.quantity for line in lines) <= MAX_QUANTITY
    return lines if is_possible else []


def _allocate(amount: int, weights: Mapping[T, int], limits: Mapping[T, int]) -> Counter[T]:
    """Split an amount by weight, with at most the key's limit for each key. What exceeds all limits is left out."""
    parts: Counter[T] = Counter()
    total, given, passed = sum(weights.values()), 0, 0
    for key, weight in weights.items():
        passed += weight
        wanted = amount * passed // total - given if total else 0
        given += wanted
        parts[key] = min(wanted, limits[key])
    for key, limit in limits.items():  # what the weights gave to a key whose limit is reached
        parts[key] += min(amount - parts.total(), limit - parts[key])
    return parts


class OptionAnswer(Struct, frozen=True, kw_only=True):
    """An answer to a custom option of a tier, with the option's label and choices as they were when the buyer answered.

    `ticket` is the number of the ticket that the answer is about; it is null if the answer is about the whole purchase.
    """

    option_id: str
    label: str
    option_type: OptionType
    choices: list[str]
    value: AnswerValue
    tier_id: str
    ticket: int | None


class InvoiceBuyer(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The buying company as the invoice must name it. `vat_id` is the company's VAT number, if it has one.

    An electronic invoice needs the company's `country`.
    """

    company: Company
    address: PostalAddress
    vat_id: TaxId | None = None
    country: Country | None = None


class CheckoutDetails(Struct, frozen=True, omit_defaults=True):
    """What the buyer sends with a checkout: free-form texts by name, attendees, the address for emails about the order, and answers.

    `payment_email` is the address that a buyer without a `customer_email` typed on the provider's page. `invoice` is the
    company to name on the invoice, if any.
    """

    responses: dict[str, str] = {}
    attendees: list[Attendee] = []
    customer_email: str | None = None
    answers: list[OptionAnswer] = []
    payment_email: str | None = None
    invoice: InvoiceBuyer | None = None

    @property
    def email(self) -> str | None:
        """The buyer's address from the checkout, or else from the provider's page. None if the buyer gave no address."""
        return self.customer_email or self.payment_email

    @property
    def is_empty(self) -> bool:
        return not (self.responses or self.attendees or self.email or self.answers or self.invoice)


class ComplimentaryRow(Struct, frozen=True, forbid_unknown_fields=True):
    """A recipient of complimentary tickets. All of the recipient's `quantity` tickets are in one order. The first ticket has the `name`.

    The `id` is unique among the rows of a holdback. A repeated row with the same `id` does not issue its tickets again.
    """

    id: Annotated[str, Meta(min_length=1, max_length=300, examples=["ada@example.com#1"])]
    name: Label
    email: Email
    quantity: Annotated[int, Meta(ge=1, le=MAX_QUANTITY)] = 1


class IssuedRow(Struct, frozen=True, kw_only=True):
    """The result of a row: its tickets were issued now or earlier, or all of them were revoked, or the holdback has too few left.

    `order_id` is null if the row has no order.
    """

    id: str
    status: Literal["issued", "already_issued", "revoked", "no_tickets_left"]
    order_id: str | None


class Buyer(Struct, frozen=True):
    """The buyer of an order, for the event's managers: the name of the account or of the first ticket, and an email address.

    A field is None if it is unknown or was erased.
    """

    name: str | None = None
    email: str | None = None


class BuyerRecord(Struct, frozen=True):
    """A user's purchases for one event: the active purchase, if any, the number of tickets bought, and the orders.

    `past_orders` are orders whose tickets were all taken back. `received` are tickets that others gave to the user. `passes` are the
    waiting room's passes that the user bought with, or that have moved to another user (`MOVED_PREFIX`). `promo_uses` are orders that were
    paid with a promo code, including refunded orders, as `<code>#<order id>`. `active_until` is in epoch seconds. `reserve_tat` is the
    counter for the rate limit on reservations: a time in milliseconds (`foundation.gcra`).
    """

    user_id: str
    event_id: str
    active_id: str | None
    active_until: int
    active_quantity: int
    bought: int
    orders: frozenset[str]
    past_orders: frozenset[str]
    received: frozenset[str]
    passes: frozenset[str]
    promo_uses: frozenset[str]
    reserve_tat: int

    def may_buy(self, quantity: int, limit: int) -> bool:
        """Return whether the buyer may order this many more tickets, if `limit` is the most that the buyer may have."""
        return self.bought + quantity <= limit and len(self.past_orders) < MAX_PAST_ORDERS

    def count_uses(self, promo_code: str) -> int:
        """Return how many purchases the user has paid for with this promo code."""
        return sum(use.startswith(f"{promo_code}#") for use in self.promo_uses)


class LatePayment(Struct, frozen=True):
    """The conditions on the buyer's record when a late payment is saved.

    Including the new tickets, the buyer may have at most `limit` tickets for the event. Before the save, the record may have at most
    `promo_uses` uses of promo codes; this is ANY_USES if the purchase has no promo code.
    """

    limit: int
    promo_uses: int = ANY_USES
