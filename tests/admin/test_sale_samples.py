"""What the page of a running sale makes of its looks at it: rates and the forecast of the sell-out (web/src/manage/live/sample.ts)."""

from tests.javascript import run_module

SCRIPT = """
import { createInterface } from "node:readline";
import { forecastSellOut, soldPerMinute, withSample } from "$WEB/src/manage/live/sample.ts";
for await (const line of createInterface({ input: process.stdin })) {
  const samples = JSON.parse(line).reduce(withSample, []);
  console.log(JSON.stringify({ times: samples.map(({ at }) => at), rate: soldPerMinute(samples), forecast: forecastSellOut(samples) }));
}
"""
CAPACITY = 100


def look(at, sold, *, capacity=CAPACITY, paused=False):
    return {
        "at": at,
        "waiting": 0,
        "admitted": 0,
        "held": 0,
        "sold": sold,
        "capacity": capacity,
        "cents": 0,
        "failed": 0,
        "isPaused": paused,
    }


def judge(*looks):
    [result] = run_module(SCRIPT, [list(looks)])
    return result


def test_the_rate_of_sales_predicts_the_end_of_the_stock():
    seen = judge(*(look(2 * number, number) for number in range(31)))  # 30 tickets in a minute
    assert seen["rate"] == 30
    assert seen["forecast"] == {"kind": "sells_out", "seconds": 140}


def test_only_the_last_two_minutes_count():
    """An hour without a sale, then one ticket every two seconds."""
    looks = [look(60 * minute, 0) for minute in range(60)] + [look(3540 + 2 * number, number) for number in range(1, 61)]
    assert judge(*looks)["rate"] == 30


def test_a_pause_does_not_count_as_time_without_sales():
    running = [look(2 * number, number) for number in range(16)]
    paused = [look(30 + 10 * number, 15, paused=True) for number in range(1, 31)]
    again = [look(330 + 2 * number, 15 + number) for number in range(16)]
    assert judge(*running, *paused)["forecast"] == {"kind": "paused"}
    assert 25 <= judge(*running, *paused, *again)["rate"] <= 30


def test_returned_tickets_do_not_count_as_sales():
    assert judge(look(0, 20), look(60, 10))["rate"] == 0


def test_an_impossible_forecast_says_why():
    assert judge()["forecast"] == {"kind": "too_early"}
    assert judge(look(0, 1))["forecast"] == {"kind": "too_early"}
    assert judge(look(0, 0), look(5, 1))["forecast"] == {"kind": "too_early"}
    assert judge(look(0, 1), look(60, 1))["forecast"] == {"kind": "not_selling"}
    assert judge(look(0, 1, capacity=None), look(60, 5, capacity=None))["forecast"] == {"kind": "unlimited"}
    assert judge(look(0, 0, capacity=0))["forecast"] == {"kind": "nothing"}
    assert judge(look(0, 1), look(60, CAPACITY))["forecast"] == {"kind": "sold_out"}


def test_samples_are_in_order_one_for_each_moment_and_not_too_many():
    assert judge(look(4, 1), look(2, 0), look(4, 2), look(6, 3))["times"] == [4, 6]
    times = judge(*(look(number, 0) for number in range(1000)))["times"]
    assert (len(times), times[-1]) == (900, 999)
