"""Health and metrics."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from chalicelib.dynamodb import dynamo
from chalicelib.foundation import addons, log, memory, settings


def test_health_reports_service_stage_and_time(api, time):
    reply = api.get("/health")
    assert reply.status == 200
    assert reply.json == {
        "status": "ok",
        "service": "fairgate",
        "stage": settings.current().stage,
        "identity": settings.current().identity,
        "addons": list(addons.enabled()),
        "time": "2026-06-01T12:00:00Z",
    }
    assert reply.headers["x-request-id"]


@pytest.mark.parametrize("identity", ["demo", "jwt"])
def test_health_shows_how_the_stage_identifies_callers(api, identity):
    with settings.override(identity=identity):
        assert api.get("/health").json["identity"] == identity


def test_health_does_not_need_the_store(api, store, monkeypatch):
    monkeypatch.setattr(dynamo, "client", None)
    assert api.get("/health").status == 200


def test_metrics_are_in_prometheus_text_format(api):
    memory.forget_everything()
    log.count("sweep_runs")
    log.count("sweep_runs", 2)
    log.gauge("queue_length", 7, event_id="gig")
    log.gauge("queue_length", 8, event_id="ball")
    log.gauge("active_holds", 3)
    reply = api.get("/metrics")
    assert reply.headers["content-type"].startswith("text/plain")
    families = {family.name: family for family in text_string_to_metric_families(reply.body.decode())}
    assert families.keys() == {f"fairgate_{name}" for name in (*log.COUNTERS, *log.GAUGES)}
    assert families["fairgate_oversell_attempts"].documentation == log.COUNTERS["oversell_attempts"]
    samples = {(sample.name, *sample.labels.values()): sample.value for family in families.values() for sample in family.samples}
    assert {name: value for name, value in samples.items() if value} == {
        ("fairgate_sweep_runs_total",): 3,
        ("fairgate_queue_length", "gig"): 7,
        ("fairgate_queue_length", "ball"): 8,
        ("fairgate_active_holds",): 3,
    }
    assert samples["fairgate_oversell_attempts_total",] == samples["fairgate_stripe_call_budget",] == 0
