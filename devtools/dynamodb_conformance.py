"""`python -m devtools.dynamodb_conformance FOLDER` judges the engine by ScyllaDB's tests of DynamoDB's interface.

FOLDER is a checkout of github.com/scylladb/scylladb, which is not part of this repository (its license is the AGPL). Its tests in
test/alternator are written to run against any implementation, AWS included. They run here as they run against AWS: tests that only expect
something of Scylla are left out, and tests that are known to fail on Scylla count. `--url` names another server to judge.
"""

import argparse
import collections
import importlib
import os
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest

from devtools.dynamodb.engine import Engine
from devtools.dynamodb.server import Server

_ITEMS = """item condition_expression update_expression query key_condition_expression filter_expression projection_expression batch gsi
returnvalues number nested limits scan transact returnconsumedcapacity"""
_OTHERS = """streams expected query_filter key_conditions table describe_table tag ttl lsi gsi_updatetable gsi_composite_keys
provisioned_throughput manual_requests"""
CORE, OTHERS = _ITEMS.split(), _OTHERS.split()

# Tests, markers and fixtures that do not judge an implementation of DynamoDB, with the reason.
LEFT_OUT = {
    "test_gsi.py::test_gsi_limit_partition_key_len": "finds what test_gsi_limit_partition_key_len_2048 put under the same key",
    "test_gsi_composite_keys.py::test_gsi_composite_keyconditions_blocked": "of Scylla's own: expects a limit of Alternator's",
    "test_gsi_composite_keys.py::test_gsi_composite_base_pk_ck_as_range": "expects an index without the attribute a3 that it gave it",
    "scylla_only": "of Scylla's own: expects what AWS does not have",
    "dynamodb_bug": "expects what AWS does otherwise",
    "cql": "reads Scylla's tables through CQL",
    "rest_api": "calls Scylla's REST interface",
    "veryslow": "takes minutes: marked as very slow",
}
_SCYLLA_MODULES = ("cassandra", "cassandra.auth", "cassandra.cluster", "cassandra.query", "test.cqlpy", "test.cqlpy.conftest")
_MAX_SLEEP_SECONDS = 0.1  # AWS takes minutes to make a table or a change record; the engine has them at once

Results = dict[str, tuple[str, str]]  # test -> passed, failed or left out, and the reason


class Report:
    """A plugin of pytest that chooses the tests and collects their results."""

    def __init__(self) -> None:
        self.results: Results = {}

    def pytest_configure(self, config: Any) -> None:
        vars(importlib.import_module("test.alternator.util"))["is_aws"] = lambda _: True
        sleep = time.sleep
        vars(time)["sleep"] = lambda seconds: sleep(min(seconds, _MAX_SLEEP_SECONDS))
        for name in ("skip_bug(link, reason)", "skip_env(reason)"):
            config.addinivalue_line("markers", name)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: Any, items: list[Any]) -> None:
        for item in list(items):
            name = _name(item.nodeid)
            if causes := {name.partition("[")[0], *item.keywords, *item.fixturenames} & LEFT_OUT.keys():
                self.results[name] = "left out", LEFT_OUT[min(causes)]
                items.remove(item)
                config.hook.pytest_deselected(items=[item])

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
    """Return the file and the name of a test."""
    return node[node.rfind("/", 0, node.find("::")) + 1 :]


def run(folder: Path, url: str, files: list[str], arguments: list[str]) -> Results:
    """Run tests of the suite against the server at `url`."""
    sys.modules.update({name: MagicMock() for name in (*_SCYLLA_MODULES, "test.pylib.driver_utils")})
    sys.modules["test.conftest"] = MagicMock(dynamic_scope=lambda: "session")
    sys.path.insert(0, str(folder))
    os.environ |= {"SCYLLA_TEST_RUNNER": "runpy", "AWS_DEFAULT_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "-", "AWS_SECRET_ACCESS_KEY": "-"}
    tests, report = folder / "test" / "alternator", Report()
    paths = [str(tests / f"test_{name}.py") for name in files]
    options = ["-q", "--no-header", "--tb=short", "--show-capture=no", "-p", "no:cacheprovider", "-p", "no:xdist", "-c", os.devnull]
    pytest.main([*options, f"--rootdir={folder}", f"--confcutdir={tests}", "--runxfail", "--url", url, *arguments, *paths], [report])
    return report.results


def print_results(results: Results, files: list[str]) -> None:
    for kind in ("left out", "failed"):
        reasons = collections.defaultdict(list)
        for name, (result, reason) in sorted(results.items()):
            if result == kind:
                reasons[reason].append(name)
        print(f"\n{kind.capitalize()}:")
        for reason, names in sorted(reasons.items(), key=lambda pair: -len(pair[1])):
            print(f"  {reason[:300]}", *names, sep="\n    ")
    print(f"\n{'file':28} {'passed':>7} {'failed':>7} {'left out':>9}")
    for title, group in {**{name: [name] for name in files}, "16 files of items": CORE, f"all {len(files)} files": files}.items():
        prefixes = tuple(f"test_{name}.py::" for name in group)
        counts = collections.Counter(result for name, (result, _) in results.items() if name.startswith(prefixes))
        share = 100 * counts["passed"] / max(1, counts["passed"] + counts["failed"])
        print(f"{title:28} {counts['passed']:7} {counts['failed']:7} {counts['left out']:9}  {share:6.1f} %")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m devtools.dynamodb_conformance", description=__doc__)
    parser.add_argument("folder", type=Path, help="a checkout of github.com/scylladb/scylladb")
    parser.add_argument("--url", help="judge the server at this URL (default: the engine)")
    parser.add_argument("--files", nargs="+", default=[*CORE, *OTHERS], help="the files to run, such as: item streams")
    parser.add_argument("-k", help="run the tests with this name only")
    options = parser.parse_args()
    with ExitStack() as on_exit:
        url = options.url or on_exit.enter_context(Server(Engine())).url
        results = run(options.folder, url, options.files, ["-k", options.k] if options.k else [])
    if not results:
        parser.exit(1, "No test ran. If an import failed above, check out the whole folder test/ of the suite.\n")
    print_results(results, options.files)
    return any(result == "failed" for result, _ in results.values())


if __name__ == "__main__":
    sys.exit(main())
