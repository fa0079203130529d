"""The service says that it is alive, and what it counted."""

from chalicelib import log, settings


def test_health(api, time):
    reply = api.get("/health")
    assert reply.status == 200
    assert reply.json == {"status": "ok", "service": "fairgate", "stage": settings.current().stage, "time": "2026-06-01T12:00:00Z"}
    assert reply.headers["x-request-id"]


def test_metrics_are_prometheus_text(api):
    log.count("sweep_runs")
    reply = api.get("/metrics")
    assert reply.headers["content-type"].startswith("text/plain")
    assert b"fairgate_sweep_runs_total" in reply.body
    assert b"# HELP fairgate_oversell_attempts_total" in reply.body
