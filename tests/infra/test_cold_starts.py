"""What exceeds the budgets of modules that functions load. `make check` compares the functions themselves with their budgets."""

import subprocess
import sys

import msgspec
import pytest

import app
from chalicelib.edge.openapi import build_document
from infra import cold_starts
from infra.template import functions
from infra.template.stages import ROOT

pytestmark = pytest.mark.slow

# The first three are the app; the last needs a bucket, and runs once a day.
WITHOUT_BUDGETS_OF_THEIR_OWN = {"api_handler", "webhooks", "documents", "clean_images"}


@pytest.fixture
def only(monkeypatch):
    """Check these budgets only, with other numbers."""

    def choose(*names, **values):
        chosen = {name: msgspec.structs.replace(cold_starts.BUDGETS[name], **values) for name in names}
        monkeypatch.setattr(cold_starts, "BUDGETS", chosen)

    return choose


def test_every_function_has_budgets_for_its_start_and_for_its_first_calls():
    handlers = {budget.handler for budget in cold_starts.BUDGETS.values() if budget.first_calls is not cold_starts.start}
    assert handlers == {budget.handler for budget in cold_starts.BUDGETS.values() if budget.first_calls is cold_starts.start}
    missing = functions.FUNCTIONS.keys() - {handler.rpartition(".")[2] for handler in handlers} - WITHOUT_BUDGETS_OF_THEIR_OWN
    assert missing == set(), "each function has two budgets in infra/cold_starts.py"


def test_one_module_too_many_is_a_problem(only):
    with cold_starts.filled_store() as environment, cold_starts.Instance(ROOT, cold_starts.SWEEP, environment) as instance:
        loaded = len(instance.start.modules)
    only("sweep: start", max_modules=loaded)
    assert cold_starts.check(ROOT) == []
    only("sweep: start", max_modules=loaded - 1)
    [problem] = cold_starts.check(ROOT)
    assert problem.startswith(f"sweep: start: loads {loaded} modules, more than its budget of {loaded - 1}")
    assert f'write {round(1.02 * loaded)} for the budget of "sweep: start"' in problem


def test_an_exceeded_budget_of_the_api_names_its_start(only):
    only("api: read events", max_modules=cold_starts.API_START - 100)
    [problem] = cold_starts.check(ROOT)
    loaded = int(problem.split()[4])
    assert f"write {round(1.02 * (loaded + 100))} for API_START in infra/cold_starts.py" in problem


def test_a_heavy_package_that_a_budget_does_not_name_is_a_problem(only):
    only("api: buy a ticket", heavy=frozenset())
    [problem] = cold_starts.check(ROOT)
    assert problem.startswith("api: buy a ticket: loads jwt: ")


def test_loading_an_undeployed_package_is_a_problem(only, tmp_path):
    (tmp_path / "app.py").write_text(f"import sys; sys.path.append({str(ROOT)!r}); import devtools.stripe; app = None\n")
    only("api: start")
    [problem] = cold_starts.check(tmp_path)
    assert problem.startswith("api: start: loads devtools: ")


def test_an_instance_that_starts_on_demand_loads_the_other_routes_once_one_of_them_is_asked_for():
    with cold_starts.filled_store() as environment, cold_starts.Instance(ROOT, cold_starts.API, environment) as instance:
        client = cold_starts.Client(instance)
        assert "chalicelib.admin.api" not in client.request("GET", f"/events/{cold_starts.EVENT}").modules
        known = client.signed_request("GET", f"/admin/events/{cold_starts.EVENT}/status")
        assert known.reply["statusCode"] == 200, known.reply
        assert "chalicelib.admin.api" in known.modules
        again = client.request("GET", f"/events/{cold_starts.EVENT}")
        assert again.modules == known.modules, "the other routes are loaded once"
        assert client.request("GET", "/openapi.json").json_body()["paths"].keys() == build_document(app.app.routes)["paths"].keys()


def test_preflights_and_unknown_methods_are_answered_again_and_again():
    with cold_starts.filled_store() as environment, cold_starts.Instance(ROOT, cold_starts.API, environment) as instance:
        client = cold_starts.Client(instance)
        for method, status in [("OPTIONS", 204), ("OPTIONS", 204), ("PATCH", 405), ("PATCH", 405)]:
            assert client.request(method, f"/events/{cold_starts.EVENT}/availability").reply["statusCode"] == status


def test_an_instance_that_starts_before_requests_has_all_routes():
    with cold_starts.filled_store() as environment:
        environment["AWS_LAMBDA_INITIALIZATION_TYPE"] = "provisioned-concurrency"
        with cold_starts.Instance(ROOT, cold_starts.API, environment) as instance:
            assert {"chalicelib.admin.api", "chalicelib.addons.reports.api"} <= set(instance.start.modules)


def test_the_sdk_is_not_imported_deep_inside_other_imports():
    """The deeper an import is, the more of its calls are beyond a block of Python's stack, each of which costs calls of the system."""
    script = (
        "import sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'urllib3.util.url':\n"
        "            frame = sys._getframe()\n"
        "            while frame := frame.f_back: depths.append(frame)\n"
        "depths = []\n"
        "sys.meta_path.insert(0, Finder())\n"
        "import app\n"
        "print(len(depths))\n"
    )
    result = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env={}, capture_output=True, text=True, check=True)
    assert 0 < int(result.stdout) <= 75
