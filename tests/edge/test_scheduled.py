"""Scheduled jobs: the report is returned, and an exception is raised again."""

import math
from types import SimpleNamespace

import pytest

from chalicelib import deadline, log
from chalicelib.edge import time_limits
from chalicelib.edge.scheduled import scheduled_job


def test_a_job_returns_its_report_and_logs_it_under_its_name(monkeypatch):
    lines = []
    monkeypatch.setattr(log, "info", lambda event, /, **details: lines.append((event, details)))
    assert scheduled_job("sweep")(lambda: {"released": 2})({}) == {"released": 2}
    assert lines == [("sweep.done", {"released": 2})]


def test_a_failed_job_is_logged_and_raises_so_that_lambda_sees_it(monkeypatch):
    lines = []
    monkeypatch.setattr(log, "exception", lines.append)

    def fail():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        scheduled_job("sweep")(fail)({})
    assert lines == ["sweep.failed"]


def test_a_job_ends_before_lambda_would_end_it(time, manual_lambda):
    event = SimpleNamespace(context=manual_lambda(120))
    run = scheduled_job("sweep")(lambda: {"seconds": deadline.remaining()})
    assert run(event) == {"seconds": 120 - time_limits.RESERVE_SECONDS}


def test_a_job_outside_lambda_has_no_deadline():
    run = scheduled_job("sweep")(lambda: {"seconds": deadline.remaining()})
    assert run(SimpleNamespace(context=None)) == run({}) == {"seconds": math.inf}
