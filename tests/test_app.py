"""An instance that starts on demand loads the routes that buyers rarely use with a request for one of them. No start collects garbage."""

import json
import os
import subprocess
import sys

import app
from infra.local.gateway import Gateway
from infra.template.stages import ROOT

# The modules of the jobs are imported last, so an error in them must not leave the routes registered.
SCRIPT = """
import json, sys
import app

events = json.loads(sys.argv[1])
early = len(app.app.routes)
if sys.argv[2] == "broken":
    sys.modules["chalicelib.addons.reports.jobs"] = None
    broken = app.app(events[0], None)["statusCode"]
    del sys.modules["chalicelib.addons.reports.jobs"]
else:
    broken = None
replies = [app.app(event, None)["statusCode"] for event in events]
routes = sorted([method, path] for path, methods in app.app.routes.items() for method in methods)
jobs = sorted(function.name for function in app.app.pure_lambda_functions + app.app.event_sources)
print(json.dumps({"early": early, "broken": broken, "replies": replies, "routes": routes, "jobs": jobs}))
"""


def _run(*requests: tuple[str, str], state: str = "sound") -> dict:
    gateway = Gateway(app.app)
    events = [gateway.proxy_event(method, f"/api/v1{path}", [("Accept", "*/*")], b"") for method, path in requests]
    environment = {**os.environ, "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand"}
    command = [sys.executable, "-c", SCRIPT, json.dumps(events), state]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def _everything() -> dict:
    routes = sorted([method, path] for path, methods in app.app.routes.items() for method in methods)
    return {"routes": routes, "jobs": sorted(function.name for function in app.app.pure_lambda_functions + app.app.event_sources)}


def test_a_late_route_as_the_first_request_registers_all_routes_and_jobs():
    found = _run(("POST", "/checkin"), ("GET", "/events/none/manifest"), ("POST", "/checkin"))
    assert found["early"] < len(app.app.routes)
    assert found["replies"] == [401, 401, 401]
    assert {name: found[name] for name in ("routes", "jobs")} == _everything()


def test_after_a_failed_import_the_next_request_registers_everything():
    found = _run(("POST", "/checkin"), ("GET", "/events/none/manifest"), state="broken")
    assert (found["broken"], found["replies"]) == (500, [401, 401])
    assert {name: found[name] for name in ("routes", "jobs")} == _everything()


COLLECTIONS = """
import gc, json
before = [generation["collections"] for generation in gc.get_stats()]
import app
after = [generation["collections"] for generation in gc.get_stats()]
print(json.dumps({"collections": sum(after) - sum(before), "is_enabled": gc.isenabled(), "left_out": gc.get_freeze_count()}))
"""


def test_no_garbage_is_collected_while_modules_are_imported():
    done = subprocess.run([sys.executable, "-c", COLLECTIONS], cwd=ROOT, capture_output=True, text=True, check=True)
    report = json.loads(done.stdout)
    assert report["collections"] < 5  # of about 180; some may be due before the collector is stopped, and when it works again
    assert report["is_enabled"]
    assert report["left_out"] > 10_000
