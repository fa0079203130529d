"""Outcomes that come some time after a call: refunds and bank debits that the bank answers later."""

from devtools.stripe.account_state import AccountState
from devtools.stripe.objects import StripeObject

OUTCOME_DELAY_SECONDS = 10


def schedule_outcome(state: AccountState, kind: str, object_id: str, *, fails: bool) -> None:
    """`kind`: "refund" or "debit"; `object_id`: the id of the refund, or of the debit's payment intent."""
    due_at = state.now() + OUTCOME_DELAY_SECONDS
    state.put("_due", {"id": f"{kind}:{object_id}", "at": due_at, "what": kind, "target": object_id, "fails": fails})


def take_outcomes(state: AccountState, *, due_at: int | None) -> list[StripeObject]:
    """Remove and return the outcomes that are due at this time; None: all of them."""
    due = [outcome for outcome in state.oldest_first("_due") if due_at is None or outcome["at"] <= due_at]
    for outcome in due:
        state.remove("_due", outcome["id"])
    return due
