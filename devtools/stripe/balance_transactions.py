"""Balance transactions: every movement of money on the account's balance."""

from devtools.stripe.account_state import AccountState
from devtools.stripe.objects import StripeObject

AVAILABLE_AFTER_SECONDS = 2 * 86400


def create_balance_transaction(state: AccountState, kind: str, source_id: str, amount: int, currency: str, fee: int = 0) -> StripeObject:
    """Move `amount` into the balance, or out of it when it is negative; `fee` is taken from it. In the currency's smallest unit."""
    fee_details = [
        {"amount": fee, "application": None, "currency": currency, "description": "Stripe processing fees", "type": "stripe_fee"}
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
        "fee": fee,
        "fee_details": fee_details if fee else [],
        "net": amount - fee,
        "reporting_category": "dispute" if kind == "adjustment" else kind,
        "source": source_id,
        "status": "pending",
        "type": kind,
    }
    return state.put("balance_transaction", transaction)
