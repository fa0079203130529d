"""Table `reconciliation`: one item with the time up to which the schedule has compared, and the report of its last run."""

import msgspec
from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib.dynamodb import dynamo
from chalicelib.reconciliation.model import LastRun, ReconciliationReport

_ID = "last"


class ReconciliationRow(dynamo.Table):
    feature = "reconciliation"
    contents = "How far the comparison with the provider's books has come."
    personal_data = None

    class Meta:
        table_name = None

    id = UnicodeAttribute(hash_key=True)
    until = NumberAttribute()
    at = NumberAttribute()
    report = UnicodeAttribute()


def load_last_run() -> LastRun | None:
    """The last run of the schedule; None before the first one."""
    row = ReconciliationRow.find(_ID)
    if row is None:
        return None
    return LastRun(int(row.at), int(row.until), msgspec.json.decode(row.report, type=ReconciliationReport))


def save_progress(reached: int | None, report: ReconciliationReport, now: int) -> bool:
    """Save the time up to which the books are compared. False, and nothing written, if another run has moved it on from `reached`."""
    row = ReconciliationRow(_ID, until=report.until, at=now, report=msgspec.json.encode(report).decode())
    if reached is None:
        return dynamo.put_if(row, "attribute_not_exists(id)") is None
    return dynamo.put_if(row, "until = :reached", reached=reached) is None
