"""Rules for the code that no linter checks: docstrings, and where calls, imports, state, stores and provider names may occur."""

import ast
import functools
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

import app
from chalicelib.edge.openapi import list_operations
from chalicelib.foundation import settings
from chalicelib.foundation.settings import ExternalProviderName
from tests.repository import CODE, PRODUCT, ROOT, name_of


@functools.cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def test_packages_are_empty_except_the_declarations_of_addons():
    filled = [path for path in CODE if path.name == "__init__.py" and path.read_text()]
    addons = ROOT / "chalicelib" / "addons"
    assert [name_of(path) for path in filled if path.parent != addons and path.parent.parent != addons] == []


def test_the_declaration_of_an_addon_imports_only_its_type():
    declarations = list((ROOT / "chalicelib" / "addons").glob("*/__init__.py"))
    assert {path.parent.name for path in declarations} == set(settings.ADDONS)
    for path in declarations:
        _, *imports, declared = map(ast.unparse, _tree(path).body)
        assert imports == ["from chalicelib.foundation.addons import Addon"], path
        assert declared.startswith("ADDON = Addon("), path


def test_app_only_registers():
    for node in _tree(ROOT / "app.py").body[1:]:
        registers = isinstance(node, ast.Expr) and ".register_" in ast.unparse(node)
        loops = isinstance(node, ast.For) and all(".register_" in ast.unparse(line) for line in node.body)
        collects = ast.unparse(node) in ("gc.disable()", "gc.freeze()", "gc.enable()")
        is_for_chalice = isinstance(node, ast.If) and "AWS_CHALICE_CLI_MODE" in ast.unparse(node.test)  # never on Lambda
        is_for_later = isinstance(node, ast.FunctionDef | ast.If) and "register_other_blueprints" in ast.unparse(node)
        known = isinstance(node, ast.Import | ast.ImportFrom | ast.Assign) or registers or loops or collects
        assert known or is_for_chalice or is_for_later, ast.unparse(node)


def test_routes_and_jobs_are_in_blueprints_that_are_registered():
    blueprints = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in PRODUCT
        if any(ast.unparse(node) == "bp = Blueprint(__name__)" for node in _tree(path).body)
    }
    routes = {operation.handler.__module__ for operation in list_operations(app.app.routes)}
    jobs = {job.handler_string.rpartition(".")[0] for job in [*app.app.event_sources, *app.app.pure_lambda_functions]}
    assert routes | jobs == blueprints


# Calls that only some files of chalicelib may make: pattern -> allowed files.
RESTRICTED_CALLS = {
    r"os\.(environ|getenv)": {"foundation/settings.py"},
    r"\btime\.(time|time_ns)\b|datetime\.(now|utcnow|today)\b|date\.today\b": {"foundation/clock.py", "waiting_room/verify.py"},
    r"\bprint\(": set(),
    r"json\.decode\([^\n]*\btype=|json\.Decoder\(": {"foundation/memory.py"},  # because of threads
    r"\btime\.sleep\(": {"foundation/deadline.py"},
    r"\btime\.(monotonic|perf_counter)": {"foundation/clock.py"},
}


@pytest.mark.parametrize("pattern", RESTRICTED_CALLS)
def test_calls_are_only_where_they_belong(pattern):
    found = {str(path.relative_to(ROOT / "chalicelib")) for path in PRODUCT if re.search(pattern, path.read_text(encoding="utf-8"))}
    assert found <= RESTRICTED_CALLS[pattern]


# Packages that only some files of chalicelib may import: package -> allowed files and folders.
RESTRICTED_IMPORTS = {
    "chalice": {"edge", "api.py", "jobs.py"},
    "boto3": set(),  # it is larger than botocore, which makes the same clients
    "botocore": {"dynamodb", "foundation", "inventory/store.py", "addons/images/store.py", "notifications/providers.py"},
    "PIL": {"addons/images/rendering.py", "addons/documents/electronic.py", "addons/wallets/apple.py"},
    "facturx": {"addons/documents/electronic.py"},
    "h2": {"addons/wallets/apple.py"},
    "pypdf": {"addons/documents/electronic.py"},
    "mollie": {"payments/providers"},
    "stripe": {"payments/providers"},
}


@functools.cache
def _imported(path: Path) -> set[str]:
    """Return the modules that a file imports, and the imported names as `module.name`."""
    tree = _tree(path)
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            modules |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return modules


@pytest.mark.parametrize("package", RESTRICTED_IMPORTS)
def test_packages_are_imported_only_where_they_belong(package):
    for path in PRODUCT:
        place = path.relative_to(ROOT / "chalicelib")
        if any(module.split(".")[0] == package for module in _imported(path)):
            assert any(place.is_relative_to(allowed) or place.name.endswith(allowed) for allowed in RESTRICTED_IMPORTS[package]), place


def test_a_table_is_used_by_its_own_feature_alone():
    """Other features call named functions of a store. They import neither a table's rows nor the whole module."""
    for path in PRODUCT:
        feature = path.relative_to(ROOT / "chalicelib").parts[0]
        imports = [node for node in ast.walk(_tree(path)) if isinstance(node, ast.ImportFrom) and node.module is not None]
        for node in imports:
            if node.module.startswith("chalicelib.") and node.module.split(".")[1] != feature:
                private = [name.name for name in node.names if name.name.endswith(("Row", "store"))]
                assert not private, f"{path}: {node.module}: {private}"


# Functions whose cached results would be equal in every instance: parsed texts and fonts, clients, positions.
KEPT_RESULTS = {
    "iso",
    "number_prefix",
    "shard_ids",
    "load_font",
    "_face",
    "_characters",
    "_other_files",
    "_credentials",
    "_private_key",
    "_font",
    "_hash_key",
    "_places",
    "_key_attributes",
    "_client",
    "_ses_client",
    "_session",
    "_parse_keys",
    "_quota",
    "position",
    "_environment",
    "_derive_key",
    "_signing_key",
    "enabled",
    "tls_context",
    "declared_fields",
    "draw_images",
    "_decoder",
}


# Names that modules fill while they are imported, with equal content in every instance.
DECLARED_AT_IMPORT = {"INTERVALS"}


def _forgotten_state(tree: ast.Module) -> list[str]:
    """Return the state that the module keeps between requests outside a Memory, which `memory.forget_everything` would miss."""
    assignments = [node for node in tree.body if isinstance(node, ast.Assign | ast.AnnAssign)]
    mutable = [
        ast.unparse(node)
        for node in assignments
        if node.value is not None
        and ast.unparse(node.value) in ("{}", "[]", "set()", "dict()", "None")
        and ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target) not in DECLARED_AT_IMPORT
    ]
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    kept = [node.name for node in functions if any("cache" in ast.unparse(decorator) for decorator in node.decorator_list)]
    return [*mutable, *(name for name in kept if name not in KEPT_RESULTS)]


def test_what_an_instance_remembers_is_in_a_memory():
    modules = [path for path in PRODUCT if path.name not in ("settings.py", "memory.py")]
    assert {name_of(path): state for path in modules if (state := _forgotten_state(_tree(path)))} == {}


def test_the_check_of_memories_can_fail():
    tree = ast.parse("_rooms: dict[str, str] = {}\n_last = None\n\n\n@lru_cache\ndef load_room(): ...\n")
    assert _forgotten_state(tree) == ["_rooms: dict[str, str] = {}", "_last = None", "load_room"]


def test_tests_never_sleep():
    tests = [path for path in CODE if path.is_relative_to(ROOT / "tests") and path != Path(__file__)]
    assert [name_of(path) for path in tests if re.search(r"\bsleep\(", path.read_text(encoding="utf-8"))] == []


def test_importing_the_app_reads_only_its_addons_and_opens_no_connection():
    script = """
import os, socket, sys

class Watched(dict):
    def _check(self, name):
        own = str(name).startswith("FAIRGATE_") and name != "FAIRGATE_ADDONS"
        if own or str(name).startswith(("AWS_REGION", "AWS_DEFAULT", "AWS_PROFILE", "AWS_ACCESS", "AWS_SECRET")):
            raise AssertionError(f"read {name} at import")
    def __getitem__(self, name): self._check(name); return super().__getitem__(name)
    def get(self, name, default=None): self._check(name); return super().get(name, default)
    def __contains__(self, name): self._check(name); return super().__contains__(name)

def refuse(*args): raise AssertionError("opened a connection at import")

os.environ = Watched(os.environ)
socket.socket.connect = refuse
import app
assert app.app.routes
"""
    finished = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env={}, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr


# The files that may name a payment provider. Other code asks `payments` what a provider can do, so that a new provider does not change it.
PROVIDER_ROOMS = [Path(name) for name in ("payments/providers", "payments/model.py", "foundation/settings.py")]
PROVIDER_NAMES = get_args(ExternalProviderName)


def _provider_names(tree: ast.Module) -> list[str]:
    """Return the strings that are the name of an external payment provider."""
    return [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and node.value in PROVIDER_NAMES]


def test_only_payments_names_a_provider():
    others = [path for path in PRODUCT if not any(path.relative_to(ROOT / "chalicelib").is_relative_to(room) for room in PROVIDER_ROOMS)]
    assert {name_of(path): names for path in others if (names := _provider_names(_tree(path)))} == {}


def test_the_check_of_provider_names_can_fail():
    assert _provider_names(ast.parse("if payment.provider == 'stripe': ...")) == ["stripe"]
    assert _provider_names(ast.parse('"""Payments by Stripe."""\nstripe = log.count("stripe_calls")')) == []
