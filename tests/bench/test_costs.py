"""Dollars follow from counted requests, trips and units by the list prices."""

import pytest

from bench import bootstrap_apply, costs, follow_up_costs, purchase_calls
from bench.prices import TRIP_MS, Usage, cdn_dollars, instances, lambda_dollars, store_dollars, total_dollars

MILLION = 1_000_000


def test_usages_add_up():
    assert (Usage(1, 2, 3, 4, 5) + Usage(10, 20, 30, 40, 50)) * 2 == Usage(22, 44, 66, 88, 110)


def test_each_million_costs_its_list_price():
    assert store_dollars(Usage(write_units=MILLION)) == pytest.approx(0.625)
    assert store_dollars(Usage(read_units=MILLION)) == pytest.approx(0.125)
    assert cdn_dollars(MILLION, 0) == pytest.approx(1.0)
    assert cdn_dollars(1, 1024**3) == pytest.approx(0.085, rel=1e-4)


def test_lambda_bills_calls_and_the_time_of_handler_and_trips():
    """A second a request: 3 ms of the handler, 99.4 trips of 5 ms, 50 transactions of 10 ms."""
    usage = Usage(requests=1000, trips=99_400, transactions=50_000)
    assert usage.billed_seconds == pytest.approx(1000)
    assert lambda_dollars(usage, 1024, "x86_64") == pytest.approx(0.0002 + 0.0166667)
    assert lambda_dollars(usage, 512, "arm64") == pytest.approx(0.0002 + 0.0133334 / 2)
    assert total_dollars(usage, 1024, "x86_64") == pytest.approx(0.0002 + 0.0166667 + 0.0035)


@pytest.mark.parametrize(("rate", "seconds", "expected"), [(0, 1, 1), (10, 0.003, 1), (10_000, 0.003, 30), (10_001, 0.003, 31)])
def test_instances_are_as_many_as_work_at_once(rate, seconds, expected):
    assert instances(rate, seconds) == expected


def test_the_steps_of_a_purchase_are_counted():
    counts = costs.count_usage()
    assert list(counts.steps) == ["join", "status", "reserve", "checkout", "confirm"]
    assert {usage.requests for usage in counts.steps.values()} == {1}
    assert counts.steps["status"] == Usage(requests=1)
    assert counts.steps["reserve"].transactions == counts.steps["confirm"].transactions == 1
    assert min(counts.steps[step].write_units for step in ("join", "reserve", "checkout", "confirm")) >= 1
    assert counts.early_join.write_units >= 2
    assert (counts.state.requests, counts.state.write_units) == (1, 0)
    assert counts.state.read_units > 0
    assert 100 < counts.state_bytes < 6000


def test_a_second_count_finds_the_same():
    assert costs.count_usage().steps == costs.count_usage().steps


def test_polls_cost_a_reading_for_each_instance_and_second_at_most():
    state = Usage(1, trips=2, read_units=3)
    assert costs._polling(3600, state) == state * 3600
    busy = costs._polling(3600 * 10_000, state)  # 30 instances
    assert (busy.requests, busy.read_units) == (36_000_000, 3 * 30 * 3600)


def test_a_cdn_makes_waiting_cheaper(tmp_path):
    measures = {measure.name.rpartition(", ")[2]: measure.value for measure in costs.take_measures(tmp_path)}
    assert measures["behind a CDN"] < measures["without a CDN"]


def test_the_work_after_a_sale_is_counted():
    counts = follow_up_costs.count_usage()
    assert counts.waiting.write_units > 0  # the lease
    assert counts.offer.transactions == 1
    assert counts.order.write_units >= 3  # a mail, a number, a webhook
    assert counts.webhook.write_units >= 2  # begun and ended
    assert counts.webhook.trips > follow_up_costs.RECEIVER_MS / TRIP_MS
    assert counts.due.write_units == 0


def test_measures_in_process_still_work(monkeypatch, tmp_path):
    monkeypatch.setattr(purchase_calls, "ROUNDS", 1)
    monkeypatch.setattr(purchase_calls, "ROUND_SECONDS", 0.02)
    monkeypatch.setattr(bootstrap_apply, "TIERS", (200,))
    names = [measure.name for module in (purchase_calls, bootstrap_apply) for measure in module.take_measures(tmp_path)]
    assert "a join" in names
    assert "bootstrap, 200 tiers, unchanged" in names
