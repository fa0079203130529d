"""Open cases for admins: unfinished refunds, undecided disputes, and findings from the reconciliation."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from chalicelib.audit import service as audit
from chalicelib.dynamodb import dynamo
from chalicelib.edge import cursors
from chalicelib.edge.cursors import Cursor
from chalicelib.foundation import clock
from chalicelib.foundation.clock import Timestamp
from chalicelib.foundation.errors import NotFound
from chalicelib.ledger import money_cases
from chalicelib.ledger.money_cases import Case
from chalicelib.payments import service as payments
from chalicelib.reconciliation import schedule

_POSITION = r"\d{11}#[^#]+#(refund|dispute|finding)#.+"

_TEXT, _TIME = {"type": "string"}, {"type": "string", "format": "date-time"}
_CASE_FIELDS = {"order_id": _TEXT, "kind": {"enum": ["refund", "dispute", "finding"]}, "id": _TEXT, "since": _TIME}
_CASE_SCHEMA = {
    "properties": {**_CASE_FIELDS, "next_try_at": {"anyOf": [_TIME, {"type": "null"}]}},
    "required": [*_CASE_FIELDS, "next_try_at"],
}
OpenCase = Annotated[dict[str, Any], Meta(description="An open case. Each kind has its own details.", extra_json_schema=_CASE_SCHEMA)]


class OpenCasesQuery(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The requested page of the open cases."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 100
    cursor: Cursor | None = None


class LastRunView(Struct, frozen=True, kw_only=True):
    """The last run of the reconciliation, with the numbers of payments, refunds and disputes that it compared in [since, until).

    `unheard` counts events that no webhook had delivered. `repaired` and `findings` are counts by kind.
    """

    at: Timestamp
    since: Timestamp
    until: Timestamp
    payments: int
    refunds: int
    disputes: int
    unheard: int
    repaired: dict[str, int]
    findings: dict[str, int]


class OpenCasesView(Struct, frozen=True, kw_only=True):
    """A page of the open cases, oldest first. `last_run` is null before the first run, and `next_cursor` is null on the last page."""

    open: list[OpenCase]
    next_cursor: str | None
    last_run: LastRunView | None
    stripe_call_budget: int


def list_open_cases(query: OpenCasesQuery) -> OpenCasesView:
    """Return a page of the open cases, with the result of the last reconciliation."""
    after = cursors.decode(query.cursor, _POSITION) if query.cursor is not None else None
    last_run, (open_cases, last) = schedule.load_last_run(), money_cases.list_cases(query.limit, after)
    return OpenCasesView(
        open=[_case_view(case) for case in open_cases],
        next_cursor=cursors.encode(last) if last else None,
        last_run=LastRunView(at=clock.iso(last_run.at), **last_run.report.view()) if last_run else None,
        stripe_call_budget=payments.call_rate(),
    )


def dismiss_case(order_id: str, case_id: str, actor: str, now: int) -> None:
    """Close a case that a person has resolved: a finding, or a refund that has failed for good.

    Disputes close when the bank decides, and other refunds when they succeed. Raises NotFound if the case cannot be closed by hand or has
    just changed.
    """
    case = money_cases.find_manual_case(order_id, case_id)
    if case is None:
        raise NotFound("No open case with this id can be closed by hand. Disputes and pending refunds close automatically.")
    entry = audit.entry_item(
        f"order#{order_id}", "finding.dismissed", actor, now, {"finding": case_id}, event_id=case.details.get("event_id")
    )
    try:
        dynamo.transact([money_cases.dismiss_case_item(case), entry])
    except dynamo.TransactionCanceled:
        raise NotFound("This case has just changed. Reload the list of open cases.") from None


def _case_view(case: Case) -> OpenCase:
    return {**case.view(), "next_try_at": clock.iso(case.next_at) if case.next_at is not None else None}
