"""What happens after an API call: buyers complete 3D Secure, sessions expire, and banks answer refunds and debits.

Callers hold the state's lock.
"""

from devtools.stripe import checkout_sessions, payment_intents, refunds, setup_intents
from devtools.stripe.account_state import AccountState, take_outcomes
from devtools.stripe.wire_format import StripeApiError


def complete_authentication(state: AccountState, intent_id: str, *, ok: bool) -> StripeApiError | None:
    """Record that the buyer completed or failed 3D Secure. Returns the error when the charge is then declined."""
    intent = state.get(intent_table(intent_id), intent_id)
    authenticate = setup_intents.authenticate if intent["object"] == "setup_intent" else payment_intents.authenticate
    try:
        authenticate(state, intent, ok=ok)
    except StripeApiError as error:
        if error.status != 402:
            raise
        return error
    if intent["_session"] is not None:
        checkout_sessions.update_from_intent(state, intent)
    return None


def intent_table(intent_id: str) -> str:
    """Return the table of a payment intent or a setup intent."""
    return "setup_intent" if intent_id.startswith("seti_") else "payment_intent"


def apply_elapsed_time(state: AccountState) -> None:
    """Apply everything that is due by the clock."""
    for account in state.accounts():
        with state.acting_for(account):
            checkout_sessions.expire_overdue(state)
            _apply_outcomes(state, state.now())


def complete_pending(state: AccountState) -> None:
    """Apply all pending outcomes of banks, whether they are due or not."""
    for account in state.accounts():
        with state.acting_for(account):
            _apply_outcomes(state, None)


def _apply_outcomes(state: AccountState, due_at: int | None) -> None:
    for outcome in take_outcomes(state, due_at=due_at):
        if outcome["what"] == "refund":
            refunds.complete(state, state.get("refund", outcome["target"]), ok=not outcome["fails"])
        else:
            _complete_debit(state, outcome["target"], ok=not outcome["fails"])


def _complete_debit(state: AccountState, intent_id: str, *, ok: bool) -> None:
    intent = payment_intents.complete_debit(state, state.get("payment_intent", intent_id), ok=ok)
    if intent["_session"] is not None:
        checkout_sessions.update_from_intent(state, intent)
