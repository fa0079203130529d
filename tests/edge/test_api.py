"""Health and metrics."""

import pytest
from botocore.exceptions import NoCredentialsError
from prometheus_client.parser import text_string_to_metric_families

from chalicelib.dynamodb import dynamo
from chalicelib.foundation import addons, log, memory, settings


def test_health_reports_service_stage_and_time(api, time):
    reply = api.get("/health")
    assert reply.status == 200
    assert reply.json == {
        "status": "ok",
        "service": "fairgate",
        "build": "development",
        "stage": settings.current().stage,
        "identity": settings.current().identity,
        "staff_sign_in": False,
        "addons": list(addons.enabled()),
        "errors": [],
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


def test_health_names_what_is_wrong_with_the_setup(api, monkeypatch):
    def fail(*args, **options):
        raise NoCredentialsError

    with monkeypatch.context() as broken:
        broken.setattr(dynamo, "client", fail)
        memory.forget_everything()
        assert api.get("/events").status == 503
    health = api.get("/health")
    assert (health.status, health.json["status"], health.json["errors"]) == (200, "not_set_up", ["NoCredentialsError"])


@pytest.fixture
def packaged(monkeypatch, tmp_path):
    """Run as the code in a package, which has the name of its build."""
    (tmp_path / "build.txt").write_text("1.2.0+3f9c2ab41d07\n")
    monkeypatch.setattr(settings, "BUILD_FILE", tmp_path / "build.txt")
    settings.build.cache_clear()
    yield
    settings.build.cache_clear()


@pytest.mark.usefixtures("packaged")
def test_the_code_in_a_package_names_its_build(api):
    assert api.get("/health").json["build"] == api.get("/openapi.json").json["info"]["version"] == "1.2.0+3f9c2ab41d07"


@pytest.mark.usefixtures("packaged")
def test_a_deployed_stage_shows_no_metrics_of_an_instance(api):
    assert (api.get("/metrics").status, api.get("/metrics").json["error"]) == (404, "not_found")


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
