"""Runs a test while the product has one of the mistakes in `mutations.toml`, which the test must catch.

`python -m tests.proof.mutations NAME` succeeds if the test of this mutation fails. No file changes: Python makes the mistake when it loads
the module.
"""

import sys
import tomllib
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
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


def run_test(name: str) -> int:
    """Run the test of a mutation with the mistake. Returns pytest's exit status."""
    sys.meta_path.insert(0, _Finder(MUTATIONS[name]))
    options = ["--proof=all", "-x", "-q", "-n", "0", "-p", "no:cacheprovider", "--show-capture=no", "--tb=no"]
    return pytest.main([*options, MUTATIONS[name].test])


if __name__ == "__main__":
    sys.exit(0 if run_test(sys.argv[1]) == pytest.ExitCode.TESTS_FAILED else 1)
