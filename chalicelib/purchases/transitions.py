"""The state machine of a purchase: the action for every state and every trigger.

`settlement.py` carries out the actions on payments; its `_reissue_or_refund` decides what a late payment becomes. docs/payments.md shows
this table, and the tests cover every pair of state and trigger.
"""

from typing import Literal, get_args

from chalicelib.payments.model import Payment, ProviderPayment
from chalicelib.purchases.model import Purchase, PurchaseState

Trigger = Literal[
    "payment_succeeded",
    "payment_mismatched",
    "payment_duplicated",
    "payment_pending",
    "payment_declined",
    "payment_cancelled",
    "hold_expired",
    "release_requested",
    "refund_requested",
    "refund_failed",
    "refunded_externally",
    "dispute_opened",
    "dispute_won",
    "dispute_lost",
]
Action = Literal[
    "issue",
    "reissue_or_refund",
    "refund",
    "ignore",
    "end",
    "cancel_payment",
    "refuse",
    "return_tickets",
    "retry",
    "record",
    "settle_first",
    "freeze",
    "thaw",
    "void",
    "never",
]

STATES: tuple[PurchaseState, ...] = get_args(PurchaseState)

TRIGGERS: dict[Trigger, str] = {
    "payment_succeeded": "the payment came in",
    "payment_mismatched": "the payment came in with a different amount or currency",
    "payment_duplicated": "a second payment for the same purchase came in",
    "payment_pending": "the buyer has yet to pay or to pass 3D Secure, or the bank has yet to answer",
    "payment_declined": "an attempt to pay was declined",
    "payment_cancelled": "the payment can no longer be completed",
    "hold_expired": "the hold has expired",
    "release_requested": "the buyer cancels the reservation",
    "refund_requested": "a promoter or admin refunds tickets",
    "refund_failed": "a refund did not reach the buyer",
    "refunded_externally": "someone made a refund in the provider's dashboard",
    "dispute_opened": "the buyer's bank has withdrawn the money until it decides the dispute",
    "dispute_won": "the bank gave the money back to us",
    "dispute_lost": "the bank gave the money to the buyer",
}

ACTIONS: dict[Action, str] = {
    "issue": "the tickets are issued: `paid`",
    "reissue_or_refund": "if stock and limits allow, the tickets are issued: `paid`; otherwise the payment is refunded in full: `refunded`",
    "refund": "the payment is refunded in full; unless this is a second payment, the purchase becomes `refunded`",
    "ignore": "nothing changes",
    "end": "the tickets go back to the stock: `expired`, or `cancelled` if the buyer or the provider ended the purchase",
    "cancel_payment": "the payment is cancelled at the provider, then `end` follows; if money has come in, the payment is settled instead",
    "refuse": "the request is refused with 409, or with 404 if there never was an order",
    "return_tickets": "tickets become void, seats return, money is refunded: `partially_refunded`, or `refunded` if no tickets are left",
    "retry": "the refund is tried again, three times in all, and then shown to the admins",
    "record": "the refund or dispute is recorded; a fully refunded order loses its tickets, a partly refunded order is shown to the admins",
    "settle_first": "the payment's current state at the provider is applied; then this row applies again, in the purchase's new state",
    "freeze": "the tickets are frozen",
    "thaw": "the frozen tickets are valid again",
    "void": "tickets worth the disputed amount become void, and their seats return to the stock; the other tickets are valid again",
    "never": "cannot happen",
}

# One action for each of STATES: held, paying, paid, partially_refunded, refunded, expired, cancelled.
_TABLE: dict[Trigger, tuple[Action, ...]] = {
    "payment_succeeded": ("never", "issue", "ignore", "ignore", "ignore", "reissue_or_refund", "reissue_or_refund"),
    "payment_mismatched": ("never", "refund", "never", "never", "ignore", "refund", "refund"),
    "payment_duplicated": ("refund", "refund", "refund", "refund", "refund", "refund", "refund"),
    "payment_pending": ("ignore", "ignore", "ignore", "ignore", "ignore", "ignore", "ignore"),
    "payment_declined": ("ignore", "ignore", "ignore", "ignore", "ignore", "ignore", "ignore"),
    "payment_cancelled": ("never", "end", "ignore", "ignore", "ignore", "ignore", "ignore"),
    "hold_expired": ("end", "cancel_payment", "ignore", "ignore", "ignore", "ignore", "ignore"),
    "release_requested": ("end", "cancel_payment", "refuse", "refuse", "refuse", "ignore", "ignore"),
    "refund_requested": ("refuse", "refuse", "return_tickets", "return_tickets", "refuse", "refuse", "refuse"),
    "refund_failed": ("retry", "retry", "retry", "retry", "retry", "retry", "retry"),
    "refunded_externally": ("settle_first", "settle_first", "record", "record", "record", "settle_first", "settle_first"),
    "dispute_opened": ("settle_first", "settle_first", "freeze", "freeze", "record", "settle_first", "settle_first"),
    "dispute_won": ("settle_first", "settle_first", "thaw", "thaw", "record", "settle_first", "settle_first"),
    "dispute_lost": ("settle_first", "settle_first", "void", "void", "record", "settle_first", "settle_first"),
}


def action_for(state: PurchaseState, trigger: Trigger) -> Action:
    """Return what to do when `trigger` happens to a purchase in `state`."""
    return _TABLE[trigger][STATES.index(state)]


def classify_payment(purchase: Purchase, provider_payment: ProviderPayment) -> Trigger:
    """Return the trigger that a payment's state at the provider means for its purchase.

    The purchase's own payment is the payment that paid for it or, before it is paid, the payment that its checkout opened.
    """
    payment = purchase.payment
    if provider_payment.is_paid:
        if payment is None or not _is_own(payment, provider_payment):
            return "payment_duplicated"
        return "payment_succeeded" if purchase.is_order or provider_payment.matches(payment) else "payment_mismatched"
    if provider_payment.is_closed and payment is not None and provider_payment.id == payment.provider_id and payment.status != "replaced":
        return "payment_cancelled"  # the end of any other payment says nothing about the buyer's current payment
    return "payment_declined" if provider_payment.decline_code is not None else "payment_pending"


def _is_own(payment: Payment, provider_payment: ProviderPayment) -> bool:
    if payment.provider != provider_payment.provider:
        return False
    if payment.payment_intent_id is not None:
        return provider_payment.payment_intent_id == payment.payment_intent_id
    # The id is None if the request that opened this payment died before saving the id.
    return payment.provider_id in (None, provider_payment.id)
