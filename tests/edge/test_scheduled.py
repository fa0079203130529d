"""Scheduled jobs: the report is returned, and an exception is raised again."""

import math

import pytest
from chalice.app import Blueprint

from chalicelib.edge import scheduled
from chalicelib.edge.scheduled import INTERVALS, scheduled_job
from chalicelib.foundation import deadline
from chalicelib.foundation.log import logger
from infra.local.schedules import scheduled_event
from tests.simulation import faults
from tests.simulation.call_log import record_calls

pytestmark = pytest.mark.usefixtures("store")


@pytest.fixture(autouse=True)
def _intervals(monkeypatch):
    monkeypatch.setattr(scheduled, "INTERVALS", dict(INTERVALS))


def call(run, context=None):
    """Run a job as EventBridge does, once, as the function `sweep`."""
    return _job(run)(scheduled_event(), context)


def _job(run):
    def sweep():
        return run()

    return scheduled_job(Blueprint("jobs"), "sweep", minutes=1, description="A job.")(sweep)


def test_a_job_returns_its_report_and_logs_it_under_its_name(monkeypatch):
    lines = []
    monkeypatch.setattr(logger, "info", lambda event, **details: lines.append((event, details)))
    assert call(lambda: {"released": 2}) == {"released": 2}
    assert lines == [("sweep.done", {"released": 2})]


def test_changes_of_a_table_may_call_a_job_too(time):
    assert _job(lambda: {"released": 2})({"Records": [{"eventName": "INSERT"}]}, None) == {"released": 2}
    assert scheduled.load_runs(["sweep"])["sweep"].report == {"released": 2}


def test_a_failed_job_is_logged_and_raises_so_that_lambda_sees_it(monkeypatch):
    lines = []
    monkeypatch.setattr(logger, "exception", lines.append)

    def fail():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        call(fail)
    assert lines == ["sweep.failed"]


def test_a_job_ends_before_lambda_would_end_it(time, manual_lambda):
    assert call(lambda: {"seconds": deadline.remaining()}, manual_lambda(120)) == {"seconds": 120 - scheduled.RESERVE_SECONDS}


def test_a_job_outside_lambda_has_no_deadline():
    assert call(lambda: {"seconds": deadline.remaining()}) == {"seconds": math.inf}


def test_the_last_run_is_remembered_with_its_report(time):
    began = time.now

    def run():
        time.advance(2)
        return {"released": 3}

    call(run)
    [found] = scheduled.load_runs(["sweep"]).values()
    assert (found.began_at, found.milliseconds, found.error, found.succeeded_at) == (began, 2000, None, began)
    assert found.report == {"released": 3}
    assert scheduled.load_runs(["reconcile"]) == {}


def test_a_run_that_fails_is_remembered_beside_the_last_one_that_did_not(time):
    call(lambda: {"released": 1})
    began = time.now
    time.advance(60)

    def fail():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        call(fail)
    [found] = scheduled.load_runs(["sweep"]).values()
    assert (found.began_at, found.error, found.succeeded_at, found.report) == (began + 60, "ZeroDivisionError", began, {"released": 1})
    time.advance(60)
    call(dict)
    assert scheduled.load_runs(["sweep"])["sweep"].error is None


def test_an_earlier_run_that_ends_later_does_not_hide_the_later_one(time):
    scheduled.record_run("sweep", time.now, 10, {}, None)
    scheduled.record_run("sweep", time.now - 60, 60_000, None, ValueError())
    assert scheduled.load_runs(["sweep"])["sweep"].error is None


def test_a_run_is_one_write(time):
    with record_calls() as calls:
        call(dict)
    assert [entry.operation for entry in calls.of(table="job-runs")] == [entry.operation for entry in calls.of()] == ["UpdateItem"]


def test_a_store_that_fails_does_not_fail_the_job(time):
    with faults.fail_from(1, faults.unreachable):
        assert call(lambda: {"released": 2}) == {"released": 2}
    assert scheduled.load_runs(["sweep"]) == {}
