"""A stage without add-ons: it has no table, function, route or import of theirs, and sells tickets."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

import app
from chalicelib.foundation import addons, settings
from infra import cold_starts, tables
from infra.cold_starts import EVENT, Client, Instance
from infra.template import functions, policies
from infra.template.additions import template_additions
from infra.template.stages import ROOT
from tests.repository import ROOT as REPOSITORY

NONE = {"FAIRGATE_ADDONS": "none"}
TABLES_OF_ADDONS = tables.definitions(settings.ADDONS).keys() - tables.definitions(()).keys()


def run(script: str, *arguments: str) -> Any:
    """Return what a Python process without add-ons prints as JSON."""
    command = [sys.executable, "-c", script, *arguments]
    return json.loads(subprocess.run(command, cwd=ROOT, env=NONE, capture_output=True, check=True).stdout)


def route_names() -> Iterator[tuple[str, str, str]]:
    """Yield method, path and module of each route."""
    for path, methods in app.app.routes.items():
        for method, route in methods.items():
            yield method, path, route.view_function.__module__


def test_each_addon_declares_its_functions():
    script = "import app, json; print(json.dumps([function.name for function in app.app.pure_lambda_functions + app.app.event_sources]))"
    in_core = set(run(script))
    declared = {name: set(addon.functions) for name, addon in addons.declared(settings.ADDONS).items()}
    made = app.app.pure_lambda_functions + app.app.event_sources
    by_addon = {
        name: {each.name for each in made if each.handler_string.startswith(f"{addons.PACKAGE}.{name}.")} for name in settings.ADDONS
    }
    by_addon["documents"].add("documents")  # it shares the routes, so Chalice does not make it
    assert declared == by_addon
    assert {each.name for each in made} == in_core.union(*declared.values()) - {"documents"}


def test_the_template_has_nothing_of_an_addon():
    core, everything = (template_additions(stage, app.app.routes)["Resources"] for stage in ("core", "dev"))
    assert {name for name in everything if name.startswith("Table")} - core.keys() == {tables.logical_id(name) for name in TABLES_OF_ADDONS}
    left_out = {name for addon in addons.declared(settings.ADDONS).values() for name in addon.functions}
    assert functions.functions_of("core").keys() == functions.FUNCTIONS.keys() - left_out
    assert not {functions.FUNCTIONS[name] for name in left_out} & core.keys()
    assert not [name for name in core if name.startswith("Image")]
    used = json.dumps([functions.policy("core", name) for name in functions.functions_of("core")])
    assert not [table for table in TABLES_OF_ADDONS if f"fairgate-core-{table}" in used]
    assert "ImagesBucket" not in json.dumps(core) + used
    paths = core["RestAPI"]["Properties"]["DefinitionBody"]["paths"].keys()
    of_addons = {path for _, path, module in route_names() if module.startswith(addons.PACKAGE)}
    of_core = {path for _, path, module in route_names() if not module.startswith(addons.PACKAGE)}
    assert paths == of_core
    assert of_addons - of_core


def test_functions_use_no_table_for_the_sake_of_an_addon_that_is_left_out():
    of_guests = {"accounts", "audit", "buyers", "purchases", "sessions", "sessions/index/user"}
    of_ledgers = {"catalog", "inventory", "stock-ledger", "waiting-room"}
    assert policies.tables_of("core", "follow_changes").keys() == {"sweep", "ticket-numbers", "tickets", *of_guests, *of_ledgers}
    assert policies.tables_of("dev", "follow_changes") == policies.TABLES["follow_changes"]


def test_routes_of_addons_are_not_found():
    script = """
import json, sys, app
from infra.local.gateway import Gateway, GatewayResponse
statuses = {}
for route in json.loads(sys.argv[1]):
    answer = Gateway(app.app).proxy_event(route[0], "/api" + route[1].replace("{", "").replace("}", ""), [], b"")
    statuses[" ".join(route[:2])] = answer.status if isinstance(answer, GatewayResponse) else 200
print(json.dumps(statuses))
"""
    statuses = run(script, json.dumps(list(route_names())))
    paths = {path for _, path, module in route_names() if not module.startswith(addons.PACKAGE)}
    gone = {f"{method} {path}" for method, path, module in route_names() if module.startswith(addons.PACKAGE) and path not in paths}
    assert len(gone) > 30
    assert {name for name, status in statuses.items() if status == 404} >= gone


def test_the_core_sells_refunds_exports_and_erases_without_loading_an_addon(monkeypatch):
    monkeypatch.setattr(tables, "addon_names", lambda _stage: ())
    with cold_starts.filled_store() as environment, Instance(REPOSITORY, cold_starts.API, environment | NONE) as instance:
        order = cold_starts.buy(instance).json_body()["order"]["id"]
        client = Client(instance)
        health = client.request("GET", "/health").json_body()
        live = client.signed_request("GET", f"/admin/events/{EVENT}/live").json_body()
        exported = client.signed_request("GET", "/me/export").json_body()
        refunded = client.signed_request(
            "POST", f"/admin/orders/{order}/refunds", {"reason": "goodwill"}, Idempotency_Key="all"
        ).json_body()
        client.signed_request("DELETE", "/auth/me", {}).json_body()
        left = client.signed_request("GET", "/me/export")
    assert health["addons"] == []
    assert (live["purchases"], live["takings"], live["sale"]["total_sold"]) == (None, None, 1)
    assert [each["id"] for each in exported["orders"]] == [order]
    assert not {"waitlist", "webhook_endpoints"} & exported.keys()
    assert refunded
    assert not [name for name in left.modules if name.startswith(f"{addons.PACKAGE}.")]
    assert not {"PIL", "reportlab"} & left.packages


@pytest.mark.parametrize("name", settings.ADDONS)
def test_an_addon_is_imported_only_when_it_is_on(name):
    """Every module of the core can be imported without add-ons; so can each add-on alone with those that it names when they are on."""
    folder = REPOSITORY / "chalicelib" / "addons" / name
    for file in folder.rglob("*.py"):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:  # at import; functions import others after `addons.is_on`
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{addons.PACKAGE}."):
                other = (node.module or "").split(".")[2]
                is_shared = any(module == file.stem for module in addons.declared([name])[name].routes_with.values())
                assert other == name or is_shared, f"{file} imports {node.module}"
