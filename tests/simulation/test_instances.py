"""A fleet in virtual time: requests overlap, each instance has its own clock and memory, and serves one request at a time."""

from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock
from chalicelib.foundation.memory import Memory
from tests.conftest import START
from tests.simulation.instances import CPU_SECONDS, MAX_CLOCK_ERROR, simulated_fleet
from tests.simulation.limits import Limits

STEADY = Limits(p50_ms=10, p99_ms=10.0001)  # every call takes 10 ms


def read(key="k"):
    dynamo.client().get_item(TableName=dynamo.table_name("inventory"), Key={"id": {"S": key}})


def add_one():
    key, values = {"id": {"S": "counter"}}, {":one": {"N": "1"}}
    dynamo.client().update_item(
        TableName=dynamo.table_name("inventory"), Key=key, UpdateExpression="ADD arrivals :one", ExpressionAttributeValues=values
    )


def run_requests(count, work, *, requests, limits=STEADY):
    """Run `work` for `requests` simultaneous requests on `count` instances. Returns (end, seconds, value) of each, and the service."""
    ended = []
    with simulated_fleet(count, start=START, limits=limits) as (timeline, fleet, service):
        for number in range(requests):
            fleet.submit(lambda number=number: work(number), lambda result: ended.append((timeline.now, result.seconds, result.value)))
        timeline.run()
    return ended, service


def test_requests_overlap_on_several_instances_and_wait_for_an_idle_one(threaded_store):
    ended, _ = run_requests(2, lambda number: [read(), read(), number][-1], requests=4)
    seconds = 0.020 + CPU_SECONDS
    assert [round(end, 3) for end, _, _ in ended] == [seconds, seconds, 2 * seconds, 2 * seconds]
    assert {round(taken, 3) for _, taken, _ in ended} == {seconds}, "the wait for an idle instance does not count"
    assert {value for _, _, value in ended[:2]} == {0, 1}


def test_an_instance_remembers_what_it_has_read_and_no_other_does(threaded_store):
    hints = Memory()

    def count_requests(_):
        hints.entries["requests"] = hints.entries.get("requests", 0) + 1
        read()
        return hints.entries["requests"]

    ended, _ = run_requests(3, count_requests, requests=9)
    assert sorted(value for _, _, value in ended) == [1, 1, 1, 2, 2, 2, 3, 3, 3]


def test_each_instance_has_its_own_clock_that_moves_with_store_calls(threaded_store):
    def read_clock(_):
        before = clock.precise_now()
        read()
        return before - START, clock.precise_now() - before

    ended, _ = run_requests(50, read_clock, requests=50)
    errors = [error for _, _, (error, _) in ended]
    assert len(set(errors)) == 50
    assert -MAX_CLOCK_ERROR <= min(errors) < -0.5
    assert 0.5 < max(errors) <= MAX_CLOCK_ERROR
    assert {round(moved, 3) for _, _, (_, moved) in ended} == {0.010}


def test_the_store_is_shared_and_throttles_a_hot_item(threaded_store):
    _, service = run_requests(100, lambda _: add_one(), requests=100, limits=Limits(write_units=20, p50_ms=10, p99_ms=10.0001, attempts=9))
    assert service.report.throttles["inventory"] > 50
    assert service.report.hottest()[1] == (0, 100)
