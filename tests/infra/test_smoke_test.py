"""`fairgate smoke-test` against a served API: it passes where the stage is well, and fails where it is not."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import app
from bootstrap.files import SHIPPED_FILE
from chalicelib.addons.documents import order_pages
from chalicelib.bootstrap_file import rollout
from chalicelib.bootstrap_file.validation import validate_tree
from chalicelib.foundation import settings
from devtools.stripe.fake import FakeStripe
from infra import smoke_test
from infra.local.gateway import Gateway
from infra.local.server import LocalServer
from tests import invariants

TREE = json.loads(SHIPPED_FILE.read_bytes())
for _tier in TREE["ticket_types"].values():
    _tier["sold_count"] = 0  # the invariants know every order
STRIPE_KEYS = {"payment_simulation": "off", "payment_provider": "stripe"}

pytestmark = pytest.mark.usefixtures("threaded_store", "time")


@pytest.fixture
def url(threaded_store, time) -> Iterator[str]:
    """The API over HTTP, with the catalog of the project's own file, before anything was sold."""
    rollout.apply(validate_tree(TREE), "test", time.now)
    server = LocalServer(0)
    server.start(Gateway(app.app), Path(__file__).parent)
    yield f"{server.origin}/api/v1"
    server.stop()


@pytest.fixture
def run(url, capsys, monkeypatch, tmp_path):
    """`run(*arguments)`: exit code, and the line of each check by its name. `version` is the file's version."""
    waited = []
    monkeypatch.setattr(smoke_test, "sleep", waited.append)
    monkeypatch.setattr(smoke_test, "RETRIES", smoke_test.RETRIES.new(backoff_factor=0, respect_retry_after_header=False))

    def call(*arguments: str, address: str = url, version: str = TREE["version"]) -> tuple[int, dict[str, str]]:
        waited.clear()
        file = tmp_path / "tickets.json"
        file.write_text(json.dumps({**TREE, "version": version}))
        code = smoke_test.main([address, *arguments, str(file)])
        return code, {line[11:].split()[0]: line for line in capsys.readouterr().out.splitlines() if line[0] != "{"}

    call.waited = waited
    return call


def test_a_stage_that_simulates_payments_sells_one_ticket(run, time):
    code, lines = run()
    assert code == 0
    assert list(lines) == ["health", "document", "catalog", "events", "purchase"]
    assert all(line.startswith("ok") for line in lines.values())
    assert "version 1 is served, the same as in the file" in lines["catalog"]
    assert "one ticket of test-event-1 was sold, paid by simulation" in lines["purchase"]
    invariants.check(time.now)


def test_a_stage_with_test_keys_sells_one_ticket_to_the_test_card(run, time):
    with FakeStripe() as stripe:
        stripe.add_price("price_test_basic", unit_amount=100, currency="USD", name="Test Ticket")
        keys = {"stripe_api_key": stripe.api_key, "stripe_publishable_key": stripe.publishable_key, "stripe_api_base": stripe.url}
        with settings.override(**STRIPE_KEYS, **keys, stripe_webhook_secrets=stripe.webhook_secret):
            code, lines = run("--stripe-api", stripe.url)
            assert code == 0, lines
            assert "paid by Stripe's test card" in lines["purchase"]
            invariants.check(time.now)


def test_a_stage_where_nobody_can_pay_fails_and_keeps_no_hold(run, time):
    with settings.override(payment_simulation="off"):
        code, lines = run()
    assert code == 1  # no provider at all: nobody could pay
    assert "payments_unavailable" in lines["purchase"]
    invariants.check(time.now)


def test_a_stage_that_makes_no_documents_fails(run, monkeypatch):
    monkeypatch.setattr(order_pages, "render_tickets", lambda *_: b"no PDF")
    code, lines = run()
    assert code == 1
    assert lines["purchase"].startswith("FAILED")
    assert "are not a PDF" in lines["purchase"]


def test_only_reads_buys_nothing(run):
    code, lines = run("--only-reads")
    assert code == 0
    assert lines["purchase"].startswith("not tried")


def test_the_result_can_be_json(url, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(smoke_test, "sleep", lambda _: None)
    file = tmp_path / "tickets.json"
    for version, code, last in ((TREE["version"], 0, ["purchase", "not tried"]), ("another", 1, ["catalog", "failed"])):
        file.write_text(json.dumps({**TREE, "version": version}))
        capsys.readouterr()
        assert smoke_test.main([url, str(file), "--only-reads", "--json"]) == code
        printed = capsys.readouterr()
        result = json.loads(printed.out.splitlines()[-1])  # the test's process also logs to the standard output
        assert (result["url"], result["failed"]) == (url, code == 1)
        assert [result["checks"][-1]["check"], result["checks"][-1]["outcome"]] == last
        assert result["checks"][-1]["text"] in printed.err


def test_in_production_nothing_is_bought(url):
    with settings.override(stage="prod", identity="jwt", payment_simulation="off"), pytest.raises(smoke_test.NotTried, match="stage prod"):
        smoke_test.check_purchase(smoke_test.Site(url, validate_tree(TREE)))


def test_another_catalog_than_the_files_fails_after_a_while(run):
    code, lines = run(version="1.0.1")
    assert code == 1
    assert lines["catalog"].startswith("FAILED")
    assert "purchase" not in lines
    assert sum(run.waited) >= 2 * settings.current().head_check_seconds


def test_a_new_version_is_waited_for(run, time, monkeypatch):
    """The instance serves the version of its last check, until it checks again."""
    run("--only-reads")
    rollout.apply(validate_tree({**TREE, "version": "1.0.1"}), "test", time.now)
    monkeypatch.setattr(smoke_test, "sleep", time.advance)
    code, lines = run("--only-reads", version="1.0.1")
    assert code == 0
    assert "version 2 is served" in lines["catalog"]


def test_an_event_that_is_not_listed_fails(url):
    events = {**TREE["events"], "late": {**TREE["events"]["boulder-fest-2026"], "id": "late"}}
    with pytest.raises(smoke_test.CheckFailed, match="lacks late"):
        smoke_test.check_events(smoke_test.Site(url, validate_tree({**TREE, "events": events})))


@pytest.mark.parametrize(
    ("path", "expected"), [("/api/v2", "GET /health answers 404"), ("/", "GET /health answers 404"), ("", "another shape")]
)
def test_the_address_of_something_else_fails(run, url, path, expected):
    code, lines = run(address=url.removesuffix("/api/v1") + path)
    assert code == 1
    assert list(lines) == ["health"]


def test_nothing_at_the_address_fails_and_says_so(run, monkeypatch):
    monkeypatch.setattr(smoke_test, "RETRIES", 0)
    code, lines = run(address="http://127.0.0.1:9/api/v1")
    assert code == 1
    assert "does not respond" in lines["health"]


def test_wrong_arguments_are_refused(run, tmp_path, capsys):
    assert smoke_test.main(["shop.example.com"]) == 2
    assert "the address must be a URL such as https://" in capsys.readouterr().err
    (tmp_path / "wrong.json").write_text("{}")
    assert smoke_test.main(["http://127.0.0.1:9", str(tmp_path / "wrong.json")]) == 2
    assert smoke_test.main(["http://127.0.0.1:9", str(tmp_path / "none.json")]) == 2
