"""What happens by itself some time after a call: refunds and debits that the bank answers later."""

from devtools.stripe.errors import Obj
from devtools.stripe.state import State

DUE_SECONDS = 10


def plan(state: State, what: str, target: str, *, fails: bool) -> None:
    """`what`: "refund" or "debit"; `target`: the id of the refund or of the payment intent."""
    state.put("_due", {"id": f"{what}:{target}", "at": state.now() + DUE_SECONDS, "what": what, "target": target, "fails": fails})


def take(state: State, *, now: int | None) -> list[Obj]:
    """What is due at `now` (None: all there is), each once."""
    due = [item for item in state.all("_due") if now is None or item["at"] <= now]
    for item in due:
        state.remove("_due", item["id"])
    return due
