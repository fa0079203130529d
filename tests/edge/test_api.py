"""Health and metrics."""

from chalicelib import dynamo, log, settings


def test_health_reports_service_stage_and_time(api, time):
    reply = api.get("/health")
    assert reply.status == 200
    assert reply.json == {"status": "ok", "service": "fairgate", "stage": settings.current().stage, "time": "2026-06-01T12:00:00Z"}
    assert reply.headers["x-request-id"]


def test_health_does_not_need_the_store(api, store, monkeypatch):
    monkeypatch.setattr(dynamo, "client", None)
    assert api.get("/health").status == 200


def test_metrics_are_in_prometheus_text_format(api):
    log.count("sweep_runs")
    reply = api.get("/metrics")
    assert reply.headers["content-type"].startswith("text/plain")
    assert b"fairgate_sweep_runs_total" in reply.body
    assert b"# HELP fairgate_oversell_attempts_total" in reply.body
