"""One comparison while it runs: its report, what it may still refund, and the findings that it shows to the admins."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from chalicelib import log, settings
from chalicelib.cases import service as cases
from chalicelib.payments.model import ProviderUnavailable
from chalicelib.purchases.provider_events.apply import EventResult
from chalicelib.purchases.record.errors import FATAL_ERRORS
from chalicelib.purchases.record.model import Purchase
from chalicelib.reconciliation.model import ReconciliationReport

_FATAL_ERRORS: tuple[type[Exception], ...] = (ProviderUnavailable, *FATAL_ERRORS)


class Comparison:
    """`open_findings` has the (purchase id, finding id) of every finding that is open already."""

    def __init__(self, report: ReconciliationReport, now: int, max_unknown: int | None) -> None:
        self.report, self.now = report, now
        self.unknown_left = max_unknown
        self.compared: dict[str, bool] = {}  # refunds and disputes by id, and whether they are ours
        open_cases = cases.list_open()
        self.open_disputes = [case for case in open_cases if case.kind == "dispute"]
        findings = [case for case in open_cases if case.kind == "finding"]
        self.open_findings = {(case.purchase_id, case.id) for case in findings}
        self.payment_findings = [case for case in findings if "capture" in case.details]

    def is_ours(self, provider_id: str, namespace: str | None) -> bool:
        """Whether a refund or dispute belongs to this shop; remembered, so that its events are not processed again."""
        self.compared[provider_id] = namespace == settings.current().provider_namespace
        return self.compared[provider_id]

    def count_repaired(self, kind: str, result: EventResult) -> Purchase | None:
        """Count what was news to the purchase; returns the purchase as it is now."""
        if result.changed:
            self.report.count_repaired(kind)
        return result.purchase

    def show(self, purchase_id: str, kind: str, about: str, differs: bool, details: dict[str, Any]) -> None:
        """Keep a finding open for as long as the difference is there."""
        finding = (purchase_id, f"{kind}-{about}")
        if differs:
            self.report.count_finding(kind)
            if finding not in self.open_findings:
                cases.record_finding(*finding, self.now, details)
        elif finding in self.open_findings:
            cases.close_finding(*finding)

    @contextmanager
    def isolate_errors(self, purchase_id: str, about: str) -> Iterator[None]:
        """What fails with an error inside is shown as a finding, and does not stop the rest of the comparison."""
        error_name = None
        try:
            yield
        except _FATAL_ERRORS:
            raise
        except Exception as error:
            log.exception("reconciliation.not_dealt_with", purchase_id=purchase_id, about=about)
            error_name = type(error).__name__
        payment_details = {"capture": about} if about.startswith("pi_") else {}
        self.show(purchase_id, "not_dealt_with", about, error_name is not None, {"error": error_name, **payment_details})
