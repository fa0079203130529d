"""Metrics of a request or job whose threads count at once."""

import json
import logging
import sys
from contextlib import redirect_stdout
from contextvars import copy_context
from threading import Thread

import pytest
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter

from chalicelib.foundation import log
from infra.local.telemetry import WholeLines

TIMES = 20_000
REQUESTS = 500


def test_counts_of_parallel_threads_are_complete(capsys):
    def count():
        for _ in range(TIMES):
            log.count("stripe_calls")

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with log.scope("job"):
            threads = [Thread(target=copy_context().run, args=(count,)) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    finally:
        sys.setswitchinterval(interval)
    [line] = [line for line in capsys.readouterr().out.splitlines() if "stripe_calls" in line]
    assert json.loads(line)["stripe_calls"] == [8 * TIMES]


@pytest.mark.parametrize("trace_id", ["", "Root=1-2-3;Parent=4"])
def test_a_line_is_as_powertools_would_write_it(monkeypatch, trace_id):
    monkeypatch.setenv("_X_AMZN_TRACE_ID", trace_id)
    details = {
        "request_id": "r",
        "purchase_id": "01PURCHASE",
        "total_cents": 5000,
        "late": False,
        "network": None,
        "event_name": 'Nächte "Süd"',
    }
    short, whole = (logging.LogRecord("fairgate", logging.INFO, "", 0, "order.paid", None, None) for _ in range(2))
    short.line, whole.created, whole.msecs = details, short.created, short.msecs
    vars(whole).update(details)
    powertools = LambdaPowertoolsFormatter(utc=True, location=None, service="fairgate", build="development")
    assert log._Formatter(utc=True, location=None).format(short) == powertools.format(whole)


@pytest.fixture(autouse=True)
def _nothing_is_carried_along():
    log._carried.forget()


def written_metrics(capsys) -> list[dict]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_metrics_are_written_in_the_format_that_cloudwatch_reads(capsys):
    with log.scope("job"):
        log.count("orders_paid")
        log.count("tickets_issued", 2)
        log.count("cache_hit")
    (line,) = written_metrics(capsys)
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

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with redirect_stdout(WholeLines(sys.stdout)):  # as in the local run
            threads = [Thread(target=serve) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    finally:
        sys.setswitchinterval(interval)
    lines = written_metrics(capsys)
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
    assert [line.get("cache_hit") for line in written_metrics(capsys)] == [[2], None]


def test_the_metric_of_a_labelled_gauge_is_its_highest_value(capsys):
    with log.scope("read"):
        for event_id, length in (("e1", 3), ("e2", 9), ("e3", 4)):
            log.gauge("queue_length", length, event_id=event_id)
    (line,) = written_metrics(capsys)
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
