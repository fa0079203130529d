"""Table `reconciliation`: one item that says how far the schedule has come and what its last run found."""

import msgspec
from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib import dynamo
from chalicelib.reconciliation.model import LastRun, ReconciliationReport

_ID = "last"


class ReconciliationRow(dynamo.Table):
    feature = "reconciliation"

    class Meta:
        table_name = None

    id = UnicodeAttribute(hash_key=True)
    until = NumberAttribute()
    at = NumberAttribute()
    report = UnicodeAttribute()


def load_last_run() -> LastRun | None:
    row = ReconciliationRow.find(_ID)
    return LastRun(int(row.at), msgspec.json.decode(row.report, type=ReconciliationReport)) if row is not None else None


def load_progress() -> tuple[int | None, int | None]:
    """Until when the books were compared, and when the last run was; epoch seconds, null before the first run."""
    row = ReconciliationRow.find(_ID)
    return (int(row.until), int(row.at)) if row is not None else (None, None)


def save_progress(reached: int | None, report: ReconciliationReport, now: int) -> bool:
    """Record how far a run has come. False, and nothing written, if another run has moved on from `reached`: it is never taken back."""
    unmoved = ReconciliationRow.id.does_not_exist() if reached is None else ReconciliationRow.until == reached
    row = ReconciliationRow(_ID, until=report.until, at=now, report=msgspec.json.encode(report).decode())
    return dynamo.put_if(row, unmoved) is None
