"""The engine under the tests, the clock, and the client. Tests never sleep and never reach AWS."""

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest
from moto import mock_aws

from chalicelib import clock, dynamo, settings
from chalicelib.catalog import service as catalog
from chalicelib.inventory import service as inventory
from chalicelib.waiting_room import rooms
from devtools.dynamodb.store import open_store
from devtools.dynamodb.transport import in_process_transport
from infra import tables
from infra.local.environment import CREDENTIALS, NOWHERE
from tests.client import Client
from tests.tracing import leave_out_store_calls

JWT_SECRET = "a-secret-of-the-tests-that-signs-access-tokens"
TICKET_KEYS = "k1:a-secret-of-the-tests-that-signs-tickets"
START = 1_780_315_200  # 2026-06-01T12:00:00Z

_stages = itertools.count(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--store", choices=["moto", "local"], default="moto", help="engine of the `store` fixture")


def pytest_configure() -> None:
    for name in [name for name in os.environ if name.startswith(("AWS_", settings.PREFIX))]:
        del os.environ[name]
    os.environ.update(CREDENTIALS, AWS_EC2_METADATA_DISABLED="true", AWS_CONFIG_FILE=os.devnull)
    os.environ.update(AWS_SHARED_CREDENTIALS_FILE=os.devnull, NO_PROXY="127.0.0.1", no_proxy="127.0.0.1")
    leave_out_store_calls()


@pytest.fixture(autouse=True)
def _settings() -> Iterator[settings.Settings]:
    """Defaults of the code, whatever the environment says, with the secrets and switches of a local stage."""
    values = {field.name: field.default for field in msgspec.structs.fields(settings.Settings)}
    values |= {"stage": "test", "identity": "demo", "payment_simulation": "on", "jwt_secret": JWT_SECRET, "ticket_keys": TICKET_KEYS}
    values |= {"rate_limits": "off"}  # the tests of the limits turn them on
    with settings.changed(**values) as current:
        yield current


@pytest.fixture
def store(request: pytest.FixtureRequest, _settings: settings.Settings) -> Iterator[Any]:
    """Empty tables on the engine that `--store` chose; the value is the DynamoDB client. For one thread."""
    with _on_local() if request.config.getoption("--store") == "local" else _on_moto():
        yield dynamo.client()


@pytest.fixture
def threaded_store(request: pytest.FixtureRequest, _settings: settings.Settings) -> Iterator[Any]:
    """Empty tables on the local store, in this process, whatever `--store` says: moto loses updates under threads."""
    if request.config.getoption("--store") == "local":
        yield request.getfixturevalue("store")
        return
    with _on_local():
        yield dynamo.client()


@pytest.fixture
def api(request: pytest.FixtureRequest) -> Client:
    """The app behind the local gateway. Uses `store`, unless the test asks for `threaded_store`."""
    if "threaded_store" not in request.fixturenames:
        request.getfixturevalue("store")
    import app
    from infra.local.gateway import Gateway

    return Client(Gateway(app.app))


class Time:
    """A clock that stands still until the test moves it."""

    def __init__(self, now: float) -> None:
        self.now = int(now)

    def advance(self, seconds: int) -> int:
        self.now += seconds
        return self.now

    def set(self, epoch: int) -> int:
        self.now = epoch
        return self.now


@pytest.fixture
def time() -> Iterator[Time]:
    frozen = Time(START)
    with clock.replaced(lambda: float(frozen.now)):
        yield frozen


@contextmanager
def _on_moto() -> Iterator[None]:
    with mock_aws(), _fresh_stage():
        yield


@contextmanager
def _on_local() -> Iterator[None]:
    with settings.changed(store_endpoint=NOWHERE), open_store() as kept, in_process_transport(kept, dynamo.client()), _fresh_stage():
        yield


@contextmanager
def _fresh_stage() -> Iterator[None]:
    """Tables of a stage that no test had before: nothing that an instance remembers can be about them."""
    with settings.changed(stage=f"test-{next(_stages)}"):
        tables.create_all(dynamo.client())
        catalog.invalidate()
        inventory.invalidate()
        rooms.invalidate()
        yield
