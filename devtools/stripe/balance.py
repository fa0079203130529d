"""The balance of the account: a transaction for each movement of money, and payouts to the account's bank."""

from devtools.stripe import account_state
from devtools.stripe.account_state import AccountState
from devtools.stripe.wire_format import StripeObject, invalid_request

AVAILABLE_AFTER_SECONDS = 2 * 86400


def create_balance_transaction(
    state: AccountState, kind: str, source_id: str, amount: int, currency: str, fee: int = 0, *, application_fee: int = 0
) -> StripeObject:
    """Move `amount` into the balance, or out of it when it is negative, in the currency's smallest unit.

    Stripe's `fee` and the platform's `application_fee` are taken from it.
    """
    fees = {"stripe_fee": (fee, "Stripe processing fees"), "application_fee": (application_fee, "Application fee")}
    fee_details = [
        {"amount": cents, "application": None, "currency": currency, "description": description, "type": fee_type}
        for fee_type, (cents, description) in fees.items()
        if cents
    ]
    transaction = {
        "id": state.new_id("txn_3"),
        "object": "balance_transaction",
        "amount": amount,
        "available_on": state.now() + AVAILABLE_AFTER_SECONDS,
        "balance_type": "payments",
        "created": state.now(),
        "currency": currency,
        "description": None,
        "exchange_rate": None,
        "fee": fee + application_fee,
        "fee_details": fee_details,
        "net": amount - fee - application_fee,
        "reporting_category": "dispute" if kind == "adjustment" else kind,
        "source": source_id,
        "status": "pending",
        "type": kind,
    }
    return state.put("balance_transaction", transaction)


def current(state: AccountState) -> StripeObject:
    """Return the balance: what is available for a payout, and what is still pending, by currency. A payout may take pending money too."""
    totals: dict[str, int] = {}
    pending: dict[str, int] = {}
    for moved in state.oldest_first("balance_transaction"):
        currency = moved["currency"]
        totals[currency] = totals.get(currency, 0) + moved["net"]
        is_pending = moved["available_on"] > state.now() and moved["type"] != "payout"
        pending[currency] = pending.get(currency, 0) + (moved["net"] if is_pending else 0)
    still = {currency: max(0, min(total, pending[currency])) for currency, total in totals.items()}
    return {
        "object": "balance",
        "available": [_funds(currency, total - still[currency]) for currency, total in totals.items()],
        "pending": [_funds(currency, still[currency]) for currency in totals],
        "livemode": False,
    }


def _funds(currency: str, amount: int) -> StripeObject:
    return {"amount": amount, "currency": currency, "source_types": {"card": amount}}


ARRIVES_AFTER_SECONDS = 2 * 86_400


def create(state: AccountState, currency: str) -> StripeObject:
    """Pay out everything on the balance of a currency, like an automatic payout. Raises StripeApiError if the balance is empty."""
    amount = sum(moved["net"] for moved in state.newest_first("balance_transaction") if moved["currency"] == currency)
    if amount <= 0:
        raise invalid_request("You have insufficient funds in your Stripe account for this transfer.", code="balance_insufficient")
    payout_id = state.new_id("po_1")
    payout = {
        "id": payout_id,
        "object": "payout",
        "amount": amount,
        "application_fee": None,
        "application_fee_amount": None,
        "arrival_date": state.now() + ARRIVES_AFTER_SECONDS,
        "automatic": True,
        "balance_transaction": create_balance_transaction(state, "payout", payout_id, -amount, currency)["id"],
        "created": state.now(),
        "currency": currency,
        "description": "STRIPE PAYOUT",
        "destination": "ba_1",
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "livemode": False,
        "metadata": {},
        "method": "standard",
        "original_payout": None,
        "payout_method": None,
        "reconciliation_status": "in_progress",
        "reversed_by": None,
        "source_type": "card",
        "statement_descriptor": None,
        "status": "in_transit",
        "trace_id": None,
        "type": "bank_account",
    }
    account_state.emit_event(state, "payout.created", state.put("payout", payout))
    return payout


def finish(state: AccountState, payout: StripeObject, *, arrives: bool) -> StripeObject:
    """Record that the bank accepted the money, or returned it to the balance."""
    before = {"status": payout["status"]}
    if arrives:
        payout |= {"status": "paid", "reconciliation_status": "completed"}
    else:
        returned = create_balance_transaction(state, "payout_failure", payout["id"], payout["amount"], payout["currency"])
        payout |= {
            "status": "failed",
            "failure_balance_transaction": returned["id"],
            "failure_code": "account_closed",
            "failure_message": "The bank account has been closed.",
        }
    account_state.emit_event(state, "payout.paid" if arrives else "payout.failed", state.put("payout", payout), before)
    return payout
