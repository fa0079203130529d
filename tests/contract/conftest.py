"""One suite for every engine: `db` is there once for each of them, and `agrees` compares with what AWS documents."""

from collections.abc import Iterator
from hashlib import sha256

import pytest

from chalicelib import settings
from tests.contract import engines
from tests.contract.calls import Db
from tests.contract.deviation import short_id
from tests.contract.deviations import answers

# Tables of a service take long to make. In this process they take milliseconds, and moto copies all of them at each transaction.
SCOPE = "package" if "remote" in engines.names() else "module"

collected: set[str] = set()  # ids, before any of them are deselected


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "agrees" in metafunc.fixturenames:
        names = engines.names()
        if "expire" in metafunc.fixturenames:
            names = [name for name in names if name != "remote"]
        metafunc.parametrize("engine", names, indirect=True, scope=SCOPE)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    collected.update(item.nodeid for item in items if "/contract/" in item.nodeid)


@pytest.fixture(scope=SCOPE)
def engine(request: pytest.FixtureRequest) -> Iterator[engines.Engine]:
    with engines.running(request.param) as running:
        yield running


@pytest.fixture
def db(request: pytest.FixtureRequest, engine: engines.Engine) -> Iterator[Db]:
    with settings.override(**engine.settings):
        yield Db(engine, sha256(short_id(request.node.nodeid).encode()).hexdigest()[:32])


@pytest.fixture
def expire(engine: engines.Engine):
    """Delete what is expired: only where that can be asked for. A test that uses it does not run against a service."""
    return engine.expire


@pytest.fixture
def agrees(request: pytest.FixtureRequest, engine: engines.Engine):
    """`agrees(observed, expected)`, once in each test: what AWS documents, or exactly the deviation that the table lists."""
    test = short_id(request.node.nodeid)
    deviating = answers(engine.name)
    compared = []

    def agrees(observed: object, expected: object) -> None:
        compared.append(observed)
        if test not in deviating:
            assert observed == expected, f"if it is to stay so: {engine.name}: {test!r}: {observed!r}"
            return
        assert observed != expected, f"{engine.name} does what AWS documents now: remove {test!r} from deviations.py"
        assert observed == deviating[test], f"the deviation is another one now: {observed!r}"

    yield agrees
    assert len(compared) <= 1, "a test compares once, so that a deviation is one answer"
