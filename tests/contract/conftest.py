"""One suite for every engine: each test runs once per engine, and `assert_matches` compares with what AWS documents."""

from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any

import pytest

from chalicelib.foundation import settings
from tests.contract.contract_engines import ContractEngine, engine_names, run_engine
from tests.contract.database import ContractDatabase
from tests.contract.deviation import case_id
from tests.contract.deviations import expected_results

# In a service, tables take long to create. In this process they take milliseconds, and moto copies all of them at each transaction.
SCOPE = "package" if "remote" in engine_names() else "module"

collected_tests: set[str] = set()  # their node ids, including those that are deselected later


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "assert_matches" in metafunc.fixturenames:
        names = engine_names()
        if "delete_expired" in metafunc.fixturenames:
            names = [name for name in names if name != "remote"]
        metafunc.parametrize("engine", names, indirect=True, scope=SCOPE)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    collected_tests.update(item.nodeid for item in items if "/contract/" in item.nodeid)


@pytest.fixture(scope=SCOPE)
def engine(request: pytest.FixtureRequest) -> Iterator[ContractEngine]:
    with run_engine(request.param) as engine:
        yield engine


@pytest.fixture
def db(request: pytest.FixtureRequest, engine: ContractEngine) -> Iterator[ContractDatabase]:
    with settings.override(**engine.settings):
        yield ContractDatabase(engine, sha256(case_id(request.node.nodeid).encode()).hexdigest()[:32])


@pytest.fixture
def delete_expired(engine: ContractEngine) -> Callable[[], Any] | None:
    """Deletes expired items now. A test that uses it does not run against a service, which does that whenever it wants."""
    return engine.delete_expired


@pytest.fixture
def assert_matches(request: pytest.FixtureRequest, engine: ContractEngine):
    """`assert_matches(observed, expected)`, once per test: `expected` is what AWS documents.

    If the list has a deviation for the test, exactly that must be observed instead.
    """
    test = case_id(request.node.nodeid)
    deviations = expected_results(engine.name)
    compared = []

    def assert_matches(observed: object, expected: object) -> None:
        compared.append(observed)
        if test not in deviations:
            assert observed == expected, f"to accept this as a deviation of {engine.name}, list {test!r}: {observed!r}"
            return
        assert observed != expected, f"{engine.name} now does what AWS documents: remove {test!r} from its deviations"
        assert observed == deviations[test], f"the deviation of {engine.name} has changed: list {test!r}: {observed!r}"

    yield assert_matches
    assert len(compared) <= 1, "a test may compare only once, so that a deviation is one result"
