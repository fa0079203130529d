"""The simulated service: its latencies, throttling and conflicts, and equal reports for equal seeds."""

import pytest

from chalicelib.accounts.profiles import PromoterRow
from chalicelib.catalog.store import CatalogRow
from chalicelib.dynamodb import dynamo
from chalicelib.inventory import store as stock
from chalicelib.purchases.store import PurchaseRow
from tests.simulation import faults
from tests.simulation.limits import Latency, Limits, measure_latency, simulate

pytestmark = pytest.mark.usefixtures("store")


def put(purchase_id):
    PurchaseRow(purchase_id, state="held", version=1).save()


def transact(*ids):
    dynamo.transact([dynamo.transact_put(PurchaseRow(purchase_id, state="held", version=1)) for purchase_id in ids])


def test_latencies_have_the_given_percentiles():
    source = Latency(1, p50=5, p99=25)
    times = sorted(source.draw() for _ in range(10_000))
    assert times[5000] == pytest.approx(0.005, rel=0.05)
    assert times[9900] == pytest.approx(0.025, rel=0.1)


def test_latency_of_a_block_is_virtual_and_seeded():
    def elapsed(seed):
        with measure_latency(seed) as report:
            put("p")
            transact("p", "q")
        return report.elapsed

    assert elapsed(1) == elapsed(1) != elapsed(2)
    assert 0.005 < elapsed(1) < 0.2


def writers(number, key, spacing=0.0):
    return {f"w{n}": (n * spacing, lambda n=n: put(key(n))) for n in range(number)}


def test_writes_of_one_item_are_throttled_above_the_limit_and_not_below():
    small = Limits(write_units=20)
    assert simulate(writers(15, lambda _: "p"), limits=small).throttles == {}
    report = simulate(writers(35, lambda _: "p", 0.001), limits=small, seed=3)
    assert report.throttles["purchases"] > 0
    assert report.units[(PurchaseRow.name(), "p")][1] == 35
    assert report.elapsed > 0.5, "the SDK's waiting takes virtual time"


def test_writes_of_many_items_are_not_throttled():
    report = simulate(writers(60, lambda n: f"p{n}", 0.001), limits=Limits(write_units=20))
    assert report.throttles == {}
    assert report.elapsed < 0.2


def test_a_key_that_stays_hot_is_throttled_until_the_sdk_gives_up():
    with pytest.raises(Exception, match="ThrottlingException"):
        simulate(writers(100, lambda _: "p"), limits=Limits(write_units=2))


def test_overlapping_transactions_of_one_item_conflict_and_others_do_not():
    together = {f"t{n}": (0.0, lambda n=n: transact("shared", f"own{n}")) for n in range(5)}
    report = simulate(together)
    assert report.conflicts["purchases"] >= 4
    apart = {f"t{n}": (float(n), lambda n=n: transact("shared", f"own{n}")) for n in range(5)}
    assert simulate(apart).conflicts == {}
    different = {f"t{n}": (0.0, lambda n=n: transact(f"own{n}")) for n in range(5)}
    assert simulate(different).conflicts == {}


def test_a_write_during_a_transaction_of_its_item_is_repeated():
    actors = {"t": (0.0, lambda: transact("shared"))} | {f"w{n}": (n / 1000, lambda: put("shared")) for n in range(12)}
    report = simulate(actors)
    assert 0 < report.conflicts["purchases"] == report.calls - len(actors)


def test_the_same_seed_is_the_same_report():
    def play():
        return str(simulate(writers(30, lambda _: "p", 0.001), limits=Limits(write_units=20), seed=5))

    assert play() == play()


def test_reads_are_counted_as_reads():
    stock.create_shard(stock.new_shard("t#0", capacity=1, sold=0, is_open=True))
    report = simulate({f"r{n}": (0.0, lambda: stock.read_shards(["t#0"])) for n in range(10)}, limits=Limits(read_units=5))
    assert report.throttles["inventory"] > 0
    (key, (read, write)) = next(iter(report.units.items()))
    assert (key, read, write) == ((stock.ShardRow.name(), "t#0"), 10, 0)


def test_queries_are_throttled_by_partition_key():
    for number in range(3):
        CatalogRow("versions", str(number), text="x" * 4000).save()
        CatalogRow(f"other#{number}", "1").save()

    def queries(key):
        return {f"q{n}": (0.0, lambda n=n: list(CatalogRow.query(key(n)))) for n in range(10)}

    assert simulate(queries(lambda n: f"other#{n % 3}"), limits=Limits(read_units=5)).throttles == {}
    report = simulate(queries(lambda _: "versions"), limits=Limits(read_units=5, attempts=9))
    assert report.throttles["catalog"] > 0
    assert report.units == {(CatalogRow.name(), "versions"): (30, 0)}
    assert report.busiest_reads[CatalogRow.name(), "versions"] <= 30


def test_queries_of_an_index_are_throttled_by_its_partition_key():
    def query(n):
        return lambda: list(PromoterRow.state_index.query(f"state{n % 2}", limit=1))

    report = simulate({f"q{n}": (0.0, query(n)) for n in range(4)})
    assert report.units == {(PromoterRow.name(), f"by_state/state{n}"): (1, 0) for n in range(2)}


def test_a_conflict_can_be_injected_too():
    with faults.fail(1, faults.conflict):
        transact("p", "q")
