"""Open cases for the admins: refunds that are not finished, disputes that are not decided, and findings of the reconciliation."""

from typing import Any

from chalicelib import clock, dynamo, settings
from chalicelib.audit import service as audit
from chalicelib.cases import service as cases
from chalicelib.cases.model import Case
from chalicelib.errors import NotFound
from chalicelib.reconciliation import schedule

MAX_CASES_SHOWN = 1000


def list_open_cases() -> dict[str, Any]:
    """The oldest open cases, how many there are in all, and what the last run of the reconciliation did."""
    last_run, open_cases = schedule.load_last_run(), cases.list_open()
    return {
        "open": [_case_view(case) for case in open_cases[:MAX_CASES_SHOWN]],
        "open_total": len(open_cases),
        "last_run": {"at": clock.iso(last_run.at), **last_run.report.view()} if last_run else None,
        "stripe_call_budget": settings.current().stripe_call_rate,
    }


def dismiss_case(order_id: str, case_id: str, actor: str, now: int) -> None:
    """Close a case that a person has resolved: a finding, or a refund that has failed for good. Raises NotFound.

    Disputes close when the bank has decided, other refunds when they succeed.
    """
    case = cases.find_manual_case(order_id, case_id)
    if case is None:
        raise NotFound("No open case with this id can be closed by hand. Disputes and refunds that are being tried close by themselves.")
    entry = audit.entry_item(f"order#{order_id}", "finding.dismissed", actor, now, {"finding": case_id})
    try:
        dynamo.transact([cases.dismiss_case_item(case), entry])
    except dynamo.TransactionCanceled:
        raise NotFound("This case has just changed. Load the list of open cases again.") from None


def _case_view(case: Case) -> dict[str, Any]:
    return {**case.view(), "next_try_at": clock.iso(case.next_at) if case.next_at is not None else None}
