"""Runs a test while the product has one of the mistakes in `mutations.toml`, which the test must catch.

No file changes: Python makes the mistake when it loads the module. So each mistake needs a new process that has not loaded the product yet.
"""

import os
import sys
import tomllib
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from multiprocessing import get_context
from pathlib import Path
from types import CodeType, ModuleType

import pytest
from msgspec import Struct


class Mutation(Struct, frozen=True):
    """In `module`, the text `right` occurs once and becomes `wrong`. The test with the id `test` fails then."""

    module: str
    right: str
    wrong: str
    test: str


MUTATIONS = {name: Mutation(**row) for name, row in tomllib.loads(Path(__file__).with_suffix(".toml").read_text()).items()}


class _Loader(SourceFileLoader):
    def __init__(self, spec: ModuleSpec, mutation: Mutation) -> None:
        assert spec.origin is not None
        super().__init__(spec.name, spec.origin)
        self._mutation = mutation

    def get_code(self, fullname: str) -> CodeType:
        return compile(mutate(self._mutation, self.get_source(fullname) or ""), self.path, "exec", dont_inherit=True)


class _Finder:
    """Loads the module of a mutation with the mistake."""

    def __init__(self, mutation: Mutation) -> None:
        self._mutation = mutation

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != self._mutation.module:
            return None
        spec = PathFinder.find_spec(name, path, target)
        assert spec is not None
        spec.loader = _Loader(spec, self._mutation)
        return spec


def mutate(mutation: Mutation, source: str) -> str:
    """Return the source with the mistake. Raises ValueError if the right text does not occur exactly once."""
    if (times := source.count(mutation.right)) != 1:
        raise ValueError(f"{mutation.module} has {times} times: {mutation.right}")
    return source.replace(mutation.right, mutation.wrong)


# What every process needs besides the product. The processes are copies of one that has loaded these packages, which takes two seconds.
PRELOADED = [
    "tests.proof.mutations",
    "aws_lambda_powertools",
    "boto3",
    "chalice",
    "cryptography.x509",
    "hypothesis",
    "moto",
    "pynamodb.models",
    "stripe",
]


def catch(name: str, output: Path) -> bool:
    """Run the test of a mutation with the mistake, and write what pytest prints into a file. Returns whether the test failed."""
    context = get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    process = context.Process(target=_run_test, args=(name, output))
    process.start()
    process.join()
    return process.exitcode == pytest.ExitCode.TESTS_FAILED


def _run_test(name: str, output: Path) -> None:
    file = os.open(output, os.O_WRONLY | os.O_CREAT)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(file, stream.fileno())
    for variable in [variable for variable in os.environ if variable.startswith("PYTEST_")]:
        del os.environ[variable]
    sys.meta_path.insert(0, _Finder(MUTATIONS[name]))
    options = ["--proof=all", "-x", "-q", "-n", "0", "-p", "no:cacheprovider", "--show-capture=no", "--tb=no"]
    sys.exit(pytest.main([*options, MUTATIONS[name].test]))
