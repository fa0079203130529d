"""The report of a comparison of our books with the payment provider's, and the last run of the schedule."""

from collections import Counter
from typing import Any

from msgspec import Struct, field, to_builtins

from chalicelib.foundation import clock


class ReconciliationReport(Struct):
    """The result of comparing [since, until), in epoch seconds: how much was compared, repaired and found.

    `unheard` counts events that no webhook had delivered. `repaired` and `findings` are counts by kind. Every finding is also an open case.
    """

    since: int
    until: int
    payments: int = 0
    refunds: int = 0
    disputes: int = 0
    unheard: int = 0
    repaired: dict[str, int] = field(default_factory=dict)
    findings: dict[str, int] = field(default_factory=dict)

    def view(self) -> dict[str, Any]:
        """Return the report for admins and for the command line, with times in ISO 8601."""
        return {**to_builtins(self), "since": clock.iso(self.since), "until": clock.iso(self.until)}

    def add(self, following: "ReconciliationReport") -> None:
        """Add the report of the time span that follows the span of this report."""
        self.until = following.until
        self.payments += following.payments
        self.refunds += following.refunds
        self.disputes += following.disputes
        self.unheard += following.unheard
        self.repaired = dict(Counter(self.repaired) + Counter(following.repaired))
        self.findings = dict(Counter(self.findings) + Counter(following.findings))

    def count_repaired(self, kind: str) -> None:
        self.repaired[kind] = self.repaired.get(kind, 0) + 1

    def count_finding(self, kind: str) -> None:
        self.findings[kind] = self.findings.get(kind, 0) + 1


class LastRun(Struct):
    """The last run of the schedule. It ran at `at`, and the books are compared up to `until`; both are epoch seconds."""

    at: int
    until: int
    report: ReconciliationReport
