"""An open case: money that needs follow-up, by the sweep or by a person."""

from typing import Any, Literal

from msgspec import Struct

from chalicelib.foundation import clock

CaseKind = Literal["refund", "dispute", "finding"]


class Case(Struct, frozen=True):
    """A refund that is not finished, a dispute that is not decided, or a finding: a difference that only a person can resolve.

    Times are epoch seconds. `since` is when it was opened, `next_at` when the sweep works on it; null if only a person or the bank can.
    """

    purchase_id: str
    kind: CaseKind
    id: str
    since: int
    next_at: int | None
    details: dict[str, Any]

    @property
    def needs_person(self) -> bool:
        """Whether only a person can close it: a finding, or a refund that has failed for good. A dispute waits for the bank."""
        return self.kind != "dispute" and self.next_at is None

    def view(self) -> dict[str, Any]:
        """The case as JSON for admins and for the command line, with times in ISO 8601."""
        return {"order_id": self.purchase_id, "kind": self.kind, "id": self.id, "since": clock.iso(self.since), **self.details}
