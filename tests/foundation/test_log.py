"""Log lines and metrics: what they contain, and that threads do not mix them up."""

import ast
import json
import logging
import re
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from contextvars import copy_context
from functools import partial
from threading import Thread

import pytest

from chalicelib.foundation import log, settings
from chalicelib.foundation.log import logger
from infra.local.telemetry import WholeLines
from tests.repository import PRODUCT

TIMES = 20_000
REQUESTS = 500


def run_in_threads(functions: list[Callable[[], None]]) -> None:
    """Run all functions at once, with many switches between them, and with the output of the local run."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with redirect_stdout(WholeLines(sys.stdout)):
            threads = [Thread(target=function) for function in functions]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    finally:
        sys.setswitchinterval(interval)


def test_counts_of_parallel_threads_are_complete(capsys):
    def count():
        for _ in range(TIMES):
            log.count("stripe_calls")

    with log.scope("job"):
        run_in_threads([partial(copy_context().run, count) for _ in range(8)])
    [line] = [line for line in capsys.readouterr().out.splitlines() if "stripe_calls" in line]
    assert json.loads(line)["stripe_calls"] == [8 * TIMES]


def written_lines(capsys) -> list[dict]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_line_has_the_event_its_details_and_the_request(capsys, monkeypatch):
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-2-3;Parent=4")
    with log.scope("r-1"):
        logger.info("order.paid", total_cents=5000, network=None, event_name='Nächte "Süd"', extra={"late": False})
    (line,) = written_lines(capsys)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\+0000", line.pop("timestamp"))
    assert line.pop("location").startswith("test_a_line_has_the_event_its_details_and_the_request:")
    assert line == {
        "level": "INFO",
        "message": "order.paid",
        "service": "fairgate",
        "build": settings.DEVELOPMENT,
        "request_id": "r-1",
        "xray_trace_id": "1-2-3",
        "total_cents": 5000,
        "event_name": 'Nächte "Süd"',
        "late": False,
    }


def test_an_error_is_logged_with_its_traceback(capsys):
    try:
        raise ZeroDivisionError("by zero")
    except ZeroDivisionError:
        logger.exception("sweep.failed")
    (line,) = written_lines(capsys)
    assert (line["level"], line["exception_name"]) == ("ERROR", "ZeroDivisionError")
    assert "by zero" in line["exception"]


def test_each_line_has_the_id_of_its_own_request(capsys):
    def serve(request_id: str) -> None:
        for _ in range(REQUESTS):
            with log.scope(request_id):
                logger.info("request.served", expected=request_id)
                assert log.request_id() == request_id

    run_in_threads([partial(serve, f"r-{number}") for number in range(8)])
    lines = written_lines(capsys)
    assert len(lines) == 8 * REQUESTS
    assert all(line["request_id"] == line["expected"] for line in lines)


def test_a_job_within_a_request_has_an_id_of_its_own(capsys):
    with log.scope("request"):
        with log.scope("job"):
            logger.info("sweep.done")
        logger.info("request.served")
    logger.info("instance.idle")
    assert [line.get("request_id") for line in written_lines(capsys)] == ["job", "request", None]
    assert log.request_id() == ""


def test_lines_go_where_a_command_redirects_its_output(capsys):
    with redirect_stdout(sys.stderr):
        logger.warning("report.late")
    output = capsys.readouterr()
    assert (output.out, json.loads(output.err)["message"]) == ("", "report.late")


# Python refuses a detail that is named like an attribute of its records, and Powertools leaves out one that is named like its own fields.
NOT_DETAILS = {*vars(logging.makeLogRecord({})), "message", "asctime", "level", "location", "timestamp", "service", "build", "request_id"}


@pytest.mark.slow
def test_no_detail_is_named_like_a_field_of_every_line():
    for path in PRODUCT:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("logger.info", "logger.warning", "logger.exception"):
                assert not NOT_DETAILS & {keyword.arg for keyword in node.keywords}, f"{path}:{node.lineno}"


@pytest.fixture(autouse=True)
def _nothing_is_carried_along():
    log._totals.forget()
    log._written.forget()


def test_metrics_are_written_in_the_format_that_cloudwatch_reads(capsys):
    with log.scope("job"):
        log.count("orders_paid")
        log.count("tickets_issued", 2)
        log.count("cache_hit")
    (line,) = written_lines(capsys)
    (directive,) = line.pop("_aws")["CloudWatchMetrics"]
    (dimensions,) = directive.pop("Dimensions")
    assert sorted(dimensions) == ["service", "stage"]
    metrics = [{"Name": name, "Unit": "Count"} for name in ("orders_paid", "tickets_issued", "cache_hit")]
    assert directive == {"Namespace": "Fairgate", "Metrics": metrics}
    assert line == {"service": "fairgate", "stage": "test", "orders_paid": [1], "tickets_issued": [2], "cache_hit": [1]}


def test_requests_of_parallel_threads_write_all_their_metrics(capsys):
    def serve():
        for _ in range(REQUESTS):
            with log.scope("request"):
                log.count("orders_paid")
                log.count("tickets_issued", 2)

    run_in_threads([serve] * 8)
    lines = written_lines(capsys)
    dimensions = {(*sorted(line["_aws"]["CloudWatchMetrics"][0]["Dimensions"][0]), line["service"], line["stage"]) for line in lines}
    assert dimensions == {("service", "stage", "fairgate", "test")}
    assert sum(sum(line["orders_paid"]) for line in lines) == 8 * REQUESTS
    assert sum(sum(line["tickets_issued"]) for line in lines) == 16 * REQUESTS


def test_counts_of_reads_wait_for_a_line_that_is_written_anyway(capsys):
    for _ in range(2):
        with log.scope("read"):
            log.count("cache_hit")
    assert capsys.readouterr().out == ""
    with log.scope("purchase"):
        log.count("orders_paid")
    with log.scope("another"):
        log.count("orders_paid")
    assert [line.get("cache_hit") for line in written_lines(capsys)] == [[2], None]


def test_the_metric_of_a_labelled_gauge_is_its_highest_value(capsys):
    with log.scope("read"):
        for event_id, length in (("e1", 3), ("e2", 9), ("e3", 4)):
            log.gauge("queue_length", length, event_id=event_id)
    (line,) = written_lines(capsys)
    assert line["queue_length"] == [9]


def test_no_metrics_are_written_if_they_are_disabled(capsys, monkeypatch):
    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "true")
    for _ in range(101):  # Powertools writes a hundred values even then
        with log.scope("job"):
            log.count("orders_paid")
    assert capsys.readouterr().out == ""


def test_only_known_metrics_are_counted():
    with pytest.raises(KeyError, match="typo"):
        log.count("typo")
    with pytest.raises(KeyError, match="typo"):
        log.gauge("typo", 1)
