"""Options, markers and fixtures of all tests: the store's engine, the settings, the clock, the client. Tests never sleep or reach AWS."""

import contextlib
import gc
import importlib
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import hypothesis
import msgspec
import pytest
import stripe
from botocore.loaders import JSONFileLoader

from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock, deadline, parallel, settings
from infra.local.environment import LOCAL_CREDENTIALS
from tests import engines, seeds, store_calls
from tests.client import Client

if TYPE_CHECKING:
    from chalice.app import Chalice

    from devtools.s3.folder_buckets import FolderBuckets
    from infra.local.gateway import Gateway
    from tests.stripe_shop import StripeShop

JWT_SECRET = "a-secret-of-the-tests-that-signs-access-tokens"
TICKET_KEYS = "k1:a-secret-of-the-tests-that-signs-tickets"
TESTS = Path(__file__).parent
# The sets below contain names of folders and files at any depth of tests/. docs/testing.md explains which command runs which tests.
# Tests of tools, of the tree, and of all features together. They are never repeated on moto.
NOT_OF_A_FEATURE = {"access", "bench", "browser", "clients", "contract", "devtools", "infra"}
NOT_OF_A_FEATURE |= {"proof", "simulation", "test_docs", "test_docs_commands", "test_code_rules", "test_layers"}
NOT_OF_A_FEATURE_IF_IT_ENDS_SO = ("_races", "_crashes", "_interference")
# Only `make test-all` runs these tests, the tests marked `slow`, the browser tests that are not marked `journey`, and the tests of the
# deployment (`infra` without `local`).
SLOW = {"devtools", "simulation", "bench", "clients", "proof"}
NOT_SLOW = {"test_races"}
# Tests that decide about stock and money, and tests of the tools that break the store, run on moto, an engine that is not ours.
ON_MOTO = {"inventory", "reservations", "settlement", "simulation"}
FEW = parallel.FEW
START = 1_780_315_200  # 2026-06-01T12:00:00Z

# No test may fail because the machine is busy, or because of what an earlier run found.
hypothesis.settings.register_profile("tests", deadline=None, database=None, suppress_health_check=list(hypothesis.HealthCheck))
hypothesis.settings.load_profile("tests")


def pytest_addoption(parser: pytest.Parser) -> None:
    seeds.add_options(parser)
    parser.addoption("--addons", choices=["all", "none"], default="all", help="none: run the tests of the core without the add-ons")
    parser.addoption(
        "--proof", choices=["some", "all"], default="some", help="break flows at one call for each kind of fault (default), or at all calls"
    )
    parser.addoption("--case", help="replay the case of a simulated day in this file (docs/proof.md)")
    parser.addoption("--days", type=float, default=0, help="run simulated days with fresh seeds for so many minutes (docs/proof.md)")
    parser.addoption("--store", choices=["local", "moto", "both"], help="the engine of the `store` fixture (default: each test says)")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Give the seed to a worker of pytest-xdist, which reads the options again."""
    node.workerinput["seed"] = seeds.first


def pytest_configure(config: pytest.Config) -> None:
    seeds.choose(config)
    for name in [name for name in os.environ if name.startswith(("AWS_", settings.PREFIX))]:
        del os.environ[name]
    os.environ[f"{settings.PREFIX}ADDONS"] = config.option.addons
    os.environ.update(LOCAL_CREDENTIALS, AWS_EC2_METADATA_DISABLED="true", AWS_CONFIG_FILE=os.devnull)
    os.environ.update(AWS_SHARED_CREDENTIALS_FILE=os.devnull, NO_PROXY="127.0.0.1", no_proxy="127.0.0.1")
    stripe.HTTPClient.INITIAL_DELAY = stripe.HTTPClient.MAX_DELAY = 0  # retries of Stripe's SDK do not wait
    JSONFileLoader.load_file = staticmethod(cache(JSONFileLoader().load_file))  # each session of boto3 reads the models of AWS again
    engines.speed_up_moto()
    store_calls.record()


def pytest_sessionstart(session: pytest.Session) -> None:
    if reporter := session.config.pluginmanager.get_plugin("terminalreporter"):
        _print_seed(reporter)
    _import_a_part(session)


def _import_a_part(session: pytest.Session) -> None:
    """Import a different part of the test files first on each worker, so that each file is compiled by one worker and not by all."""
    worker = getattr(session.config, "workerinput", None)
    if worker is None or [Path(name).absolute() for name in session.config.args] != [TESTS]:
        return
    files = sorted(file for file in TESTS.rglob("test_*.py") if not (_leaves_out_slow(session.config) and _is_slow(file)))
    for file in files[int(worker["workerid"].removeprefix("gw")) :: worker["workercount"]]:
        with contextlib.suppress(Exception):  # the collection reports the error
            importlib.import_module(".".join(file.relative_to(TESTS.parent).with_suffix("").parts))


@cache
def _names(path: Path) -> set[str]:
    return set(path.relative_to(TESTS).with_suffix("").parts)


def _is_of_a_feature(path: Path) -> bool:
    return not NOT_OF_A_FEATURE & _names(path) and not path.stem.endswith(NOT_OF_A_FEATURE_IF_IT_ENDS_SO)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the tests of features on both engines with `--store both`.

    Tests with threads run on the local store only, because moto loses updates under threads. So do tests marked `not_on_moto`, which
    repeat a flow so often that they would take minutes there, follow the streams of changes, or need a limit that moto does not have.
    """
    if metafunc.config.option.store == "both" and metafunc.definition.get_closest_marker("not_on_moto") is None:
        fixtures, path = set(metafunc.fixturenames), metafunc.definition.path
        if fixtures & {"store", "api"} and "threaded_store" not in fixtures and _is_of_a_feature(path):
            metafunc.parametrize("store_engine", ["local", "moto"], indirect=True)


def _leaves_out_slow(config: pytest.Config) -> bool:
    return config.option.markexpr == "not slow"


def _is_slow(path: Path) -> bool:
    """Whether all tests of a file are slow because of its folder."""
    names = _names(path)
    return (bool(SLOW & names) and not NOT_SLOW & names) or ("infra" in names and "local" not in names)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not import test files that are left out: without the slow tests, that is a third of what the collection takes.

    With `--addons=none`, collect only the tests of the core's features: others import add-ons.
    """
    if collection_path.suffix != ".py":
        return True if config.option.addons == "none" and collection_path == TESTS / "addons" else None
    is_left_out = config.option.addons == "none" and not _is_of_a_feature(collection_path)
    return True if is_left_out or (_leaves_out_slow(config) and _is_slow(collection_path)) else None


def pytest_collection_modifyitems(items: list[pytest.Item], config: pytest.Config) -> None:
    """Mark the slow tests, and leave out the tests that need an add-on if there is none."""
    if config.option.addons == "none":
        items[:] = [item for item in items if item.get_closest_marker("needs_addon") is None]
    for item in items:
        if _is_slow(item.path) or ("browser" in _names(item.path) and item.get_closest_marker("journey") is None):
            item.add_marker("slow")


def pytest_collection_finish() -> None:
    """Exclude imported objects from garbage collections, and collect less often: collections took a fifth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Three workers for two processors, because many tests wait for a browser, a server or a shell."""
    return max(1, (os.cpu_count() or 1) * 3 // 2)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Add the store calls that a worker of pytest-xdist recorded."""
    store_calls.made.update(map(tuple, getattr(node, "workeroutput", {}).get("store_calls", ())))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail a run of all tests if a role has a permission that no function used."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["store_calls"] = sorted(store_calls.made)
    elif exitstatus == pytest.ExitCode.OK and _is_whole(session.config) and store_calls.unused(store_calls.made):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _print_seed(reporter: pytest.TerminalReporter) -> None:
    if seeds.first:
        reporter.write_line(f"seed: {seeds.first} (--seed={seeds.first} tries the same again)")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config) -> None:
    _print_seed(terminalreporter)
    ended = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
    if ended and _is_whole(config) and (unused := store_calls.unused(store_calls.made)):
        terminalreporter.section("FAILED: infra/template/policies.py", red=True)
        for function, action, table in unused:
            terminalreporter.line(f"{function} is allowed to {action} {table}, which no test makes it do")


def _is_whole(config: pytest.Config) -> bool:
    """Whether all tests were run: no option named, filtered or excluded tests."""
    selecting = ("keyword", "markexpr", "deselect", "ignore", "ignore_glob", "lf", "stepwise", "collectonly")
    is_selected = any(getattr(config.option, name, None) for name in selecting)
    return config.args_source is pytest.Config.ArgsSource.TESTPATHS and not is_selected and config.option.addons == "all"


@pytest.fixture(autouse=True)
def _settings(request: pytest.FixtureRequest) -> Iterator[settings.Settings]:
    """The settings' defaults with the secrets and switches of a local stage. The environment is ignored."""
    values = {field.name: field.default for field in msgspec.structs.fields(settings.Settings)}
    values |= {"stage": "test", "identity": "demo", "payment_simulation": "on", "jwt_secret": JWT_SECRET, "ticket_keys": TICKET_KEYS}
    values |= {"rate_limits": "off"}  # the tests of the limits turn them on
    # Most promoters of the tests have no profile.
    values |= {"publishing": "all", "unverified_events": 500, "unverified_tiers": 97, "unverified_endpoints": 10}
    values |= {"unverified_tickets": 2_000_000, "unverified_codes": 2_000, "unverified_drafts": 100_000, "unverified_kilobytes": 10_000}
    # 8 KiB is less than the environment may set. The tests of mails set `email_verification` to `required`.
    values |= {"password_memory_kib": 8, "email_verification": "later"}
    if "time" not in request.fixturenames:  # on the clock of the machine, which may stand still for a while
        values |= {"request_seconds": 600}
    with settings.override(**values) as current:
        yield current


@pytest.fixture(autouse=True)
def store_engine(request: pytest.FixtureRequest) -> str:
    """The engine of the test's `store`: local or moto."""
    chosen = getattr(request, "param", None) or request.config.option.store
    return chosen if chosen in ("local", "moto") else "moto" if ON_MOTO & _names(request.path) else "local"


@pytest.fixture
def store(store_engine: str, _settings: settings.Settings) -> Iterator[Any]:
    """Create empty tables on the test's engine, for tests with one thread. The value is the DynamoDB client."""
    with engines.moto() if store_engine == "moto" else engines.local(), engines.fresh_stage():
        yield dynamo.client()


@pytest.fixture
def threaded_store(request: pytest.FixtureRequest, store_engine: str, _settings: settings.Settings) -> Iterator[Any]:
    """Create empty tables on the local store in this process, regardless of `--store`: moto loses updates under threads."""
    if store_engine == "local":
        yield request.getfixturevalue("store")
        return
    with engines.local(), engines.fresh_stage(), patch.object(parallel, "FEW", FEW):
        yield dynamo.client()


@pytest.fixture
def api(request: pytest.FixtureRequest) -> Client:
    """The app behind the local gateway. Uses `store` unless the test requests `threaded_store`."""
    if "threaded_store" not in request.fixturenames:
        request.getfixturevalue("store")
    import app
    from tests.documented import check_reply

    return Client(_gateway(app.app), check_reply)


@cache
def _gateway(chalice: "Chalice") -> "Gateway":
    from infra.local.gateway import Gateway

    return Gateway(chalice)


@pytest.fixture
def buckets(tmp_path: Path, _settings: settings.Settings) -> Iterator["FolderBuckets"]:
    """The bucket of images, as an empty folder that the product's S3 client uses."""
    with engines.folder_buckets(tmp_path / "buckets") as folder:
        yield folder


@pytest.fixture
def shop(api: Client, time: "Time") -> Iterator["StripeShop"]:
    """A shop with payments by the fake Stripe. At the end, its books must balance before and after the pending webhooks are delivered."""
    from tests.stripe_shop import open_shop

    with open_shop(api, time, checkout_origins="https://shop.test, http://localhost:3000/") as shop:
        yield shop
        shop.assert_books_balance()
        if shop.fake.deliver():
            shop.assert_books_balance()
        shop.assert_closed_purchases_cannot_be_paid()


class Time:
    """A clock that only the test moves."""

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
    with clock.override(lambda: float(frozen.now)):
        yield frozen


@pytest.fixture
def waits(monkeypatch) -> list[tuple[float, float]]:
    """The range in seconds of each wait, as (low, high). Every wait ends at once."""
    ranges: list[tuple[float, float]] = []
    monkeypatch.setattr(dynamo.random, "uniform", lambda low, high: ranges.append((low, high)) or high)
    monkeypatch.setattr(deadline.time, "sleep", lambda seconds: None)
    return ranges
