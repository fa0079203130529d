"""`python -m bench.compare` against the app of this repository over HTTP: reports, refusals and limits."""

import json
import re
from types import SimpleNamespace

import pytest

from bench import buyers, compare
from bench.buyers import THREE_STEPS, BuyerResults, Sale, create_sale, find_sale, run_buyers, send_request
from bench.compare import percentile, report
from bench.load_client import parse_base_url
from chalicelib.foundation import clock, settings
from infra.local.gateway import Gateway
from infra.local.server import LocalServer
from tests import builders, invariants


@pytest.fixture
def url(threaded_store, tmp_path):
    """The app on a port of this machine."""
    import app

    server = LocalServer(0)
    server.start(Gateway(app.app), tmp_path)
    yield f"{server.origin}/api/v1"
    server.stop()


@pytest.fixture
def demo(url, tmp_path):
    """The demo.json of a local run at `url`."""
    file = tmp_path / "demo.json"
    file.write_text(json.dumps({"base_url": url, "admin": {"token": builders.admin_token()}}))
    return str(file)


def outcomes(text: str) -> tuple[int, ...]:
    """bought, refused, gave up, failed"""
    return tuple(int(count) for count, _ in re.findall(r"(\d+) (bought|refused|gave up|failed)", text))


def responses(text: str) -> dict[str, int]:
    return {step: int(count) for step, count in re.findall(r"^(\w+) +(\d+) ", text, re.MULTILINE)}


def test_a_drop_with_too_few_tickets_sells_exactly_these(url, demo, capsys):
    assert compare.main([url, "--demo", demo, "--buyers", "12", "--connections", "4", "--tickets", "5"]) == 0
    text = capsys.readouterr().out
    assert outcomes(text) == (5, 7, 0, 0)
    steps = responses(text)
    assert (steps["join"], steps["checkout"], steps["confirm"]) == (12, 5, 5)
    invariants.check(int(clock.now()))


def test_without_a_token_it_buys_what_is_on_sale(url, capsys):
    sale = create_sale(parse_base_url(url), builders.admin_token(), 3)
    assert compare.main([url, "--demo", "/nowhere/demo.json", "--buyers", "2"]) == 0
    shown = capsys.readouterr()
    assert outcomes(shown.out) == (2, 0, 0, 0)
    assert f"event {sale.event_id}, tier {sale.tier_id}" in shown.out
    assert "To create a new event" in shown.err
    assert compare.main([url, "--event", sale.event_id, "--buyers", "1"]) == 0
    assert compare.main([url, "--event", sale.event_id, "--tier", "another", "--buyers", "1"]) == 2
    assert "No matching event is on sale" in capsys.readouterr().err


def test_errors_are_counted_by_step_status_and_code_and_are_exit_code_1(url, demo, capsys):
    with settings.override(payment_simulation="off"):
        assert compare.main([url, "--demo", demo, "--buyers", "3"]) == 1
    text = capsys.readouterr().out
    assert outcomes(text) == (0, 0, 0, 3)
    assert re.search(r"^3 x \w+: [45]\d\d \w+$", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["http://127.0.0.1:9/api/v1"], "does not respond"), (["nonsense"], "is not a URL")],
)
def test_it_says_why_it_cannot_begin(arguments, message, capsys):
    assert compare.main([*arguments, "--demo", "/nowhere/demo.json"]) == 2
    assert message in capsys.readouterr().err


def test_it_says_what_is_wrong_with_the_url_or_the_token(url, capsys):
    assert compare.main([url.removesuffix("/api/v1"), "--demo", "/nowhere/demo.json"]) == 2
    assert "Is this the base URL" in capsys.readouterr().err
    assert compare.main([url, "--admin-token", "wrong"]) == 2
    assert "Is the admin token right?" in capsys.readouterr().err


@pytest.mark.parametrize("option", [["--buyers", "0"], ["--connections", "5001"], ["--seconds", "1000001"], ["--tickets", "x"]])
def test_everything_has_a_bound(option):
    with pytest.raises(SystemExit):
        compare.main(["http://127.0.0.1:9", *option])


def test_when_the_time_is_up_nobody_new_begins(url):
    base_url = parse_base_url(url)
    sale = create_sale(base_url, builders.admin_token(), 5)
    results = run_buyers(base_url, sale, connections=2, buyers=5, seconds=0)
    assert results.outcomes.total() == 0


def test_buyers_who_are_not_admitted_in_time_give_up(url, monkeypatch):
    base_url = parse_base_url(url)
    sale = create_sale(base_url, builders.admin_token(), 5)
    pause = send_request(
        base_url, "POST", f"/admin/events/{sale.event_id}/pause", {}, {"Authorization": f"Bearer {builders.admin_token()}"}
    )
    assert pause.status == 200
    seconds = iter(range(1000))  # each look at the clock is a second after the one before
    monkeypatch.setattr(buyers, "time", SimpleNamespace(perf_counter=lambda: next(seconds), process_time=lambda: 0))
    monkeypatch.setattr(buyers, "POLL_SECONDS", 0)
    results = run_buyers(base_url, sale, connections=2, buyers=2, seconds=10)
    assert (results.outcomes["gave up"], results.times["reserve"]) == (2, [])


def test_three_steps_need_no_waiting_room(url):
    base_url = parse_base_url(url)
    sale = create_sale(base_url, builders.admin_token(), 4, waiting_room=False)
    assert find_sale(base_url) == sale
    results = run_buyers(base_url, sale, connections=2, buyers=4, seconds=60, steps=THREE_STEPS)
    assert {step: len(times) for step, times in results.times.items()} == dict.fromkeys(THREE_STEPS, 4)
    assert len(set(results.orders)) == 4


@pytest.mark.parametrize(("share", "value"), [(0, 1), (50, 50), (95, 95), (99, 99), (99.5, 100), (100, 100)])
def test_a_percentile_is_a_value_that_was_measured(share, value):
    assert percentile(range(100, 0, -1), share) == value
    assert percentile([], share) == 0
    assert percentile([7], share) == 7


def test_the_report_has_the_errors_and_the_rate():
    results = BuyerResults(times={"join": [0.001, 0.003]}, seconds=2.0, client_cpu=0.25)
    results.errors["join", 0, "no connection"] += 2
    results.outcomes.update(bought=5, failed=2)
    text = report(results, Sale("e", "t"), 7)
    assert responses(text)["join"] == 2
    assert "\n2 x join: no response no connection\n" in text
    assert "5 bought, 0 refused, 0 gave up, 2 failed in 2.0 s: 2.5 purchases/s" in text
    assert "25% of one core" in text
