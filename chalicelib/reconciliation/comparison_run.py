"""The state of one comparison while it runs: its report, its limit of refunds for unknown purchases, and the open findings."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from chalicelib.cases import service as cases
from chalicelib.foundation import log, settings
from chalicelib.payments.model import ProviderUnavailable
from chalicelib.purchases.provider_events.service import EventResult
from chalicelib.purchases.record.errors import FATAL_ERRORS
from chalicelib.purchases.record.model import Purchase
from chalicelib.reconciliation.model import ReconciliationReport


class ComparisonRun:
    """What one comparison has done so far. `open_findings` are the (purchase id, finding id) of all that were open at its start."""

    def __init__(self, report: ReconciliationReport, now: int, max_unknown: int | None) -> None:
        self.report, self.now = report, now
        self.unknown_left = max_unknown
        self.compared: dict[str, bool] = {}  # id of a refund or dispute -> whether it is ours
        open_cases = cases.list_open()
        self.open_disputes = [case for case in open_cases if case.kind == "dispute"]
        findings = [case for case in open_cases if case.kind == "finding"]
        self.open_findings = {(case.purchase_id, case.id) for case in findings}
        self.payment_findings = [case for case in findings if "capture" in case.details]

    def mark_compared(self, provider_id: str, namespace: str | None) -> bool:
        """Remember that a refund or dispute is compared here, so that its events are not processed too. Returns whether it is ours."""
        self.compared[provider_id] = namespace == settings.current().provider_namespace
        return self.compared[provider_id]

    def count_repaired(self, kind: str, result: EventResult) -> Purchase | None:
        """Count a repair of this kind if the purchase changed. Returns the purchase as it is now."""
        if result.changed:
            self.report.count_repaired(kind)
        return result.purchase

    def update_finding(self, purchase_id: str, kind: str, about: str, differs: bool, details: dict[str, Any]) -> None:
        """Open the finding `<kind>-<about>` of a purchase if there is a difference, and close it if there is none."""
        finding = (purchase_id, f"{kind}-{about}")
        if differs:
            self.report.count_finding(kind)
            if finding not in self.open_findings:
                cases.open_finding(*finding, self.now, details)
        elif finding in self.open_findings:
            cases.close_finding(*finding)

    @contextmanager
    def isolate_errors(self, purchase_id: str, about: str, *, payment_at: str | None = None) -> Iterator[None]:
        """Turn an error inside the block into a finding, so that it does not stop the rest of the comparison.

        `payment_at`: `about` is a payment at this provider, so the finding is compared again.
        """
        error_name = None
        try:
            yield
        except ProviderUnavailable:
            raise
        except FATAL_ERRORS:
            raise
        except Exception as error:
            log.exception("reconciliation.not_dealt_with", purchase_id=purchase_id, about=about)
            error_name = type(error).__name__
        payment_details = {"provider": payment_at, "capture": about} if payment_at is not None else {}
        self.update_finding(purchase_id, "not_dealt_with", about, error_name is not None, {"error": error_name, **payment_details})
