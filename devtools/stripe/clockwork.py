"""What time alone brings about: sessions expire, banks answer."""

from devtools.stripe import later, payments, refunds, sessions
from devtools.stripe.errors import ApiError
from devtools.stripe.state import State


def tick(state: State) -> None:
    """All that is due by the clock. Under the lock."""
    sessions.expire_due(state)
    _run(state, state.now())


def settle_all(state: State) -> None:
    """Let every bank answer now. Under the lock."""
    _run(state, None)


def _run(state: State, now: int | None) -> None:
    for item in later.take(state, now=now):
        if item["what"] == "refund":
            refunds.settle(state, state.get("refund", item["target"]), ok=not item["fails"])
        else:
            settle_debit(state, item["target"], ok=not item["fails"])


def settle_debit(state: State, intent_id: str, *, ok: bool) -> None:
    intent = payments.settle(state, state.get("payment_intent", intent_id), ok=ok)
    if intent["_session"] is not None:
        sessions.follow(state, intent)


def authenticate(state: State, intent_id: str, *, ok: bool) -> ApiError | None:
    """3D Secure is over; a session that waits for it goes on. The decline, if the charge is declined."""
    intent = state.get("payment_intent", intent_id)
    try:
        payments.authenticate(state, intent, ok=ok)
    except ApiError as error:
        if error.status != 402:
            raise
        return error
    if intent["_session"] is not None:
        sessions.follow(state, intent)
    return None
