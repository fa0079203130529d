"""`python -m devtools.dynamodb_engine.conformance FOLDER` judges the engine by ScyllaDB's tests of DynamoDB's interface.

FOLDER is a checkout of github.com/scylladb/scylladb, which is not part of this repository (its licence is the AGPL). Its tests in
test/alternator are written to run against any implementation, AWS included. They run here as they run against AWS: what they only expect
of Scylla is left out, and what they know to fail on Scylla counts. `--url` names another server to judge.
"""

import argparse
import collections
import importlib
import os
import subprocess
import sys
import time
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

_ITEMS = """item condition_expression update_expression query key_condition_expression filter_expression projection_expression batch gsi
returnvalues number nested limits scan transact returnconsumedcapacity"""
_OTHERS = """streams expected query_filter key_conditions table describe_table tag ttl lsi gsi_updatetable gsi_composite_keys
provisioned_throughput manual_requests"""
CORE, OTHERS = _ITEMS.split(), _OTHERS.split()

# Tests that do not judge an implementation of DynamoDB, with the reason.
NOT_JUDGED = {
    "test_gsi.py::test_gsi_limit_partition_key_len": "finds what test_gsi_limit_partition_key_len_2048 put under the same key",
    "test_gsi_composite_keys.py::test_gsi_composite_keyconditions_blocked": "of Scylla's own: expects a limit of Alternator's",
    "test_gsi_composite_keys.py::test_gsi_composite_base_pk_ck_as_range": "expects an index without the attribute a3 that it gave it",
}
_SCYLLA_FIXTURES = {
    "scylla_only": "of Scylla's own: expects what AWS does not have",
    "dynamodb_bug": "expects what AWS does otherwise",
    "cql": "reads Scylla's tables through CQL",
    "rest_api": "calls Scylla's REST interface",
}
_MAX_SLEEP_SECONDS = 0.1  # AWS takes minutes to make a table or a change record; the engine has them at once


class Report:
    """A plugin of pytest that chooses the tests and collects their results."""

    def __init__(self) -> None:
        self.results: dict[str, tuple[str, str]] = {}  # test -> passed, failed or left out, and the reason

    def pytest_configure(self, config: Any) -> None:
        vars(importlib.import_module("test.alternator.util"))["is_aws"] = lambda _: True
        sleep = time.sleep
        vars(time)["sleep"] = lambda seconds: sleep(min(seconds, _MAX_SLEEP_SECONDS))
        for name in ("skip_bug(link, reason)", "skip_env(reason)"):
            config.addinivalue_line("markers", name)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: Any, items: list[Any]) -> None:
        left_out = {}
        for item in items:
            reasons = [reason for fixture, reason in _SCYLLA_FIXTURES.items() if fixture in item.fixturenames]
            if "veryslow" in item.keywords:
                reasons.append("takes minutes: marked as very slow")
            if reason := NOT_JUDGED.get(_name(item.nodeid).partition("[")[0]) or next(iter(reasons), None):
                left_out[item] = reason
        self.results |= {_name(item.nodeid): ("left out", reason) for item, reason in left_out.items()}
        config.hook.pytest_deselected(items=list(left_out))
        items[:] = [item for item in items if item not in left_out]

    def pytest_runtest_logreport(self, report: Any) -> None:
        name = _name(report.nodeid)
        if report.failed and self.results.get(name, ("",))[0] != "failed":
            lines = [line[1:].strip() for line in report.longreprtext.splitlines() if line.startswith("E ")]
            self.results[name] = "failed", lines[0] if lines else report.longreprtext.strip().splitlines()[-1]
        elif report.skipped:
            self.results[name] = "left out", str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else "skipped"
        elif report.when == "call" and report.passed:
            self.results[name] = "passed", ""


def _name(node: str) -> str:
    """The file and the name of a test."""
    return node[node.rfind("/", 0, node.find("::")) + 1 :]


def run(folder: Path, url: str, files: list[str], arguments: list[str]) -> dict[str, tuple[str, str]]:
    """Run tests of the suite against the server at `url`; returns test -> result and reason."""
    for name, stub in _stubs().items():
        sys.modules[name] = stub
    sys.path.insert(0, str(folder))
    os.environ |= {"SCYLLA_TEST_RUNNER": "runpy", "AWS_DEFAULT_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "-", "AWS_SECRET_ACCESS_KEY": "-"}
    tests = folder / "test" / "alternator"
    report = Report()
    paths = [str(tests / f"test_{name}.py") for name in files]
    options = ["-q", "--no-header", "--tb=short", "--show-capture=no", "-p", "no:cacheprovider", "-p", "no:xdist", "-c", os.devnull]
    pytest.main([*options, f"--rootdir={folder}", f"--confcutdir={tests}", "--runxfail", "--url", url, *arguments, *paths], [report])
    return report.results


def _stubs() -> dict[str, types.ModuleType]:
    """Modules that the suite imports, but needs for Scylla only."""

    class NoHostAvailable(Exception):
        pass

    def no_cluster(*_: Any, **__: Any) -> Any:
        raise NoHostAvailable

    contents: dict[str, dict[str, Any]] = {
        "cassandra": {},
        "cassandra.auth": {"PlainTextAuthProvider": lambda **_: None},
        "cassandra.cluster": {"Cluster": no_cluster, "NoHostAvailable": NoHostAvailable},
        "cassandra.query": {},
        "test.conftest": {"dynamic_scope": lambda: "session"},
        "test.cqlpy": {},
        "test.cqlpy.conftest": {"host": None},
        "test.pylib.driver_utils": {"safe_driver_shutdown": None},
    }
    stubs = {name: types.ModuleType(name) for name in contents}
    for name, stub in stubs.items():
        vars(stub).update(contents[name])
    return stubs


@contextmanager
def served_engine() -> Iterator[str]:
    """The URL of an engine that a process of its own serves."""
    command = [sys.executable, "-m", "devtools.dynamodb_engine", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield next(word for word in process.stdout.readline().split() if word.startswith("http://"))
        finally:
            process.terminate()


def print_results(results: dict[str, tuple[str, str]], files: list[str]) -> None:
    for kind in ("left out", "failed"):
        reasons = collections.defaultdict(list)
        for name, (result, reason) in sorted(results.items()):
            if result == kind:
                reasons[reason].append(name)
        print(f"\n{kind.capitalize()}:")
        for reason, names in sorted(reasons.items(), key=lambda pair: -len(pair[1])):
            print(f"  {reason[:300]}\n" + "".join(f"    {name}\n" for name in names), end="")
    print(f"\n{'file':28} {'passed':>7} {'failed':>7} {'left out':>9}")
    groups = {name: [name] for name in files}
    groups |= {f"{len(CORE)} files of items": CORE, f"all {len(files)} files": files}
    for title, group in groups.items():
        prefixes = tuple(f"test_{name}.py::" for name in group)
        counts = collections.Counter(result for name, (result, _) in results.items() if name.startswith(prefixes))
        judged = counts["passed"] + counts["failed"]
        share = f"{100 * counts['passed'] / judged:6.1f} %" if judged else ""
        print(f"{title:28} {counts['passed']:7} {counts['failed']:7} {counts['left out']:9}  {share}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m devtools.dynamodb_engine.conformance", description=__doc__)
    parser.add_argument("folder", type=Path, help="a checkout of github.com/scylladb/scylladb")
    parser.add_argument("--url", help="judge the server at this URL (default: the engine)")
    parser.add_argument("--files", nargs="+", default=[*CORE, *OTHERS], help="the files to run, such as: item streams")
    parser.add_argument("-k", help="run the tests with this name only")
    options = parser.parse_args()
    arguments = ["-k", options.k] if options.k else []
    if options.url:
        results = run(options.folder, options.url, options.files, arguments)
    else:
        with served_engine() as url:
            results = run(options.folder, url, options.files, arguments)
    print_results(results, options.files)
    return any(result == "failed" for result, _ in results.values())


if __name__ == "__main__":
    sys.exit(main())
