"""What becomes of a purchase, for every state and everything that can happen to it: the state machine, as the code asks it.

docs/payments.md shows this table; a test holds the two together, and another one plays every pair.
"""

from typing import Literal, get_args

from chalicelib.payments.model import Payment, ProviderPayment
from chalicelib.purchases.record.model import Purchase, PurchaseState

Trigger = Literal[
    "captured",
    "captured_other",
    "captured_twice",
    "waiting",
    "declined",
    "canceled",
    "time_over",
    "released",
    "refund_asked",
    "refund_failed",
    "refunded_by_hand",
    "disputed",
    "dispute_won",
    "dispute_lost",
]
Action = Literal[
    "issue",
    "issue_again",
    "pay_back",
    "keep",
    "end",
    "stop",
    "refuse",
    "give_back",
    "retry",
    "record",
    "settle",
    "freeze",
    "thaw",
    "void",
    "never",
]

STATES: tuple[PurchaseState, ...] = get_args(PurchaseState)

TRIGGERS: dict[Trigger, str] = {
    "captured": "the payment came in",
    "captured_other": "it came in with another sum or currency",
    "captured_twice": "a second payment for the same purchase came in",
    "waiting": "the buyer has yet to pay or to pass 3D Secure, or the bank to answer",
    "declined": "an attempt was declined",
    "canceled": "it cannot be paid any more",
    "time_over": "the hold's time is over",
    "released": "the buyer gives the tickets back",
    "refund_asked": "a promoter or admin refunds tickets",
    "refund_failed": "a refund did not reach the buyer",
    "refunded_by_hand": "somebody made a refund in Stripe's dashboard",
    "disputed": "the buyer's bank takes the money back for now",
    "dispute_won": "the bank gave it back to us",
    "dispute_lost": "the bank gave it to the buyer",
}

ACTIONS: dict[Action, str] = {
    "issue": "tickets; `paid`",
    "issue_again": "held again if stock and limits allow: tickets, `paid`; else all of it goes back, `refunded`",
    "pay_back": "all of that payment goes back; a purchase without tickets is `refunded` if it was its own payment",
    "keep": "nothing changes",
    "end": "ended: `expired`, or `cancelled` if the buyer or the provider did it; the tickets go back to the stock",
    "stop": "the payment is cancelled at Stripe first; then what Stripe says has become of it",
    "refuse": "refused: 409, or 404 where there never was an order",
    "give_back": "tickets void, seats back to the stock, the money goes back; `partially_refunded`, or `refunded` with the last ticket",
    "retry": "made again, three times in all; then shown to the admins",
    "record": "written down; an order that got all of its money back loses its tickets, one that got some of it is shown to the admins",
    "settle": "what Stripe says about the payment is done first, and then this, in the state that it has led to",
    "freeze": "the tickets are frozen",
    "thaw": "the frozen tickets are valid again",
    "void": "tickets worth the disputed sum are void, their seats back in the stock; the others are valid again",
    "never": "cannot happen",
}

# In the order of STATES:       held        paying      paid         partially_r. refunded    expired        cancelled
_TABLE: dict[Trigger, tuple[Action, ...]] = {
    "captured": ("never", "issue", "keep", "keep", "keep", "issue_again", "issue_again"),
    "captured_other": ("never", "pay_back", "never", "never", "keep", "pay_back", "pay_back"),
    "captured_twice": ("pay_back", "pay_back", "pay_back", "pay_back", "pay_back", "pay_back", "pay_back"),
    "waiting": ("keep", "keep", "keep", "keep", "keep", "keep", "keep"),
    "declined": ("keep", "keep", "keep", "keep", "keep", "keep", "keep"),
    "canceled": ("never", "end", "keep", "keep", "keep", "keep", "keep"),
    "time_over": ("end", "stop", "keep", "keep", "keep", "keep", "keep"),
    "released": ("end", "stop", "refuse", "refuse", "refuse", "keep", "keep"),
    "refund_asked": ("refuse", "refuse", "give_back", "give_back", "refuse", "refuse", "refuse"),
    "refund_failed": ("retry", "retry", "retry", "retry", "retry", "retry", "retry"),
    "refunded_by_hand": ("settle", "settle", "record", "record", "record", "settle", "settle"),
    "disputed": ("settle", "settle", "freeze", "freeze", "record", "settle", "settle"),
    "dispute_won": ("settle", "settle", "thaw", "thaw", "record", "settle", "settle"),
    "dispute_lost": ("settle", "settle", "void", "void", "record", "settle", "settle"),
}


def action_for(state: PurchaseState, trigger: Trigger) -> Action:
    return _TABLE[trigger][STATES.index(state)]


def classify_payment(purchase: Purchase, provider_payment: ProviderPayment) -> Trigger:
    """What a look at a payment says. The purchase's own payment is the one that it was paid with, else the one that it opened."""
    payment = purchase.payment
    if provider_payment.is_paid:
        if payment is None or not _is_own(payment, provider_payment):
            return "captured_twice"
        return "captured" if purchase.is_order or provider_payment.matches(payment) else "captured_other"
    if provider_payment.is_closed and payment is not None and provider_payment.id == payment.provider_id:
        return "canceled"  # another one, opened by hand or never written down, says nothing about the buyer's
    return "declined" if provider_payment.decline_code is not None else "waiting"


def _is_own(payment: Payment, provider_payment: ProviderPayment) -> bool:
    if payment.provider != "stripe":
        return False
    if payment.payment_intent_id is not None:
        return provider_payment.payment_intent_id == payment.payment_intent_id
    # Nothing written down: whoever opened it died before, and this is what they had opened.
    return payment.provider_id in (None, provider_payment.id)
