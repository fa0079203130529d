"""Whatever people with rights change is in the history: every route for them that writes, on a tour of the whole API."""

import app
from bench import tour
from bench.app_in_process import app_in_process
from bench.latency import TouringClient
from chalicelib.audit import store
from tests.access.test_table import OPERATIONS
from tests.simulation.call_log import record_calls

WITH_RIGHTS = ("door", "manager", "admin")
READS = ("GetItem", "BatchGetItem", "Query")
OWN_BOOKS = {"idempotency", "rate-limits", "stock-display"}  # keys, counters and copies: nothing that a person has changed


def writes(calls):
    """The writes of a request, without those to its own books."""
    return [entry for entry in calls.entries if entry.operation not in READS and not OWN_BOOKS.issuperset(entry.tables)]


def test_every_change_by_somebody_with_rights_is_written_down():
    audited = {}

    def note(operation, send):
        with record_calls() as calls:
            reply = send()
        if OPERATIONS[operation].access in WITH_RIGHTS and not operation.startswith("GET ") and (written := writes(calls)):
            is_audited = any("audit" in entry.tables for entry in written)
            audited[operation] = is_audited and audited.get(operation, True)
        return reply

    with app_in_process() as api:
        tour.visit_all(TouringClient(api, app.app, note))
        entries = [entry for entry in store.AuditRow.scan() if entry.actor != tour.OPERATOR]  # a command is no request
    assert {operation for operation, is_audited in audited.items() if not is_audited} == set()
    assert len(audited) > 40
    assert len(entries) > 60
    for entry in entries:
        assert entry.actor != "unknown", entry.action
        assert entry.request_id, entry.action
        assert entry.address, entry.action
        assert not entry.action.endswith(".changed") or entry.changes, f"{entry.action} has no old and new values"
