"""The end of 3D Secure: the payment goes on, and so does the Checkout Session that it belongs to."""

from devtools.stripe import checkout_sessions, confirmation
from devtools.stripe.account_state import AccountState
from devtools.stripe.errors import StripeApiError


def complete_authentication(state: AccountState, intent_id: str, *, ok: bool) -> StripeApiError | None:
    """Record that the buyer completed or failed 3D Secure. Returns the error when the charge is then declined."""
    intent = state.get("payment_intent", intent_id)
    try:
        confirmation.authenticate(state, intent, ok=ok)
    except StripeApiError as error:
        if error.status != 402:
            raise
        return error
    if intent["_session"] is not None:
        checkout_sessions.update_from_intent(state, intent)
    return None
