"""Small runs of `bench.region`: a region dies or is cut off in a drop, the standby takes over, and the first region comes back."""

import gc

import pytest

from bench import region
from chalicelib.dynamodb import dynamo
from chalicelib.purchases.model import Purchase
from infra import region_recovery

pytestmark = pytest.mark.not_on_moto


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("loss", ["dies", "cut off"])
def test_the_standby_keeps_all_promises(loss, seed):
    result = region.Day(seed, loss, people=60).play()
    assert result.seconds_without_sales <= region.MAX_SECONDS_WITHOUT_SALES
    assert result.counts["orders shown"] > 10
    assert len(result.reports) == 2


def test_a_region_that_is_cut_off_refuses_its_buyers_once_its_lease_has_ended():
    result = region.Day(4, "cut off", people=100).play()
    assert result.counts[f"503 in {region.FIRST}"] > 0
    assert result.counts["sweep (standby)"] > 0


def test_the_tickets_that_a_filled_store_lacks_are_issued_again():
    report, _ = region.repair(orders=20)
    assert (report.purchases, report.tickets_issued_again, report.lost_sales, report.oversold) == (20, 2, {}, {})
    assert report.shards_corrected == report.entries_added == report.buyers_corrected == 0


def test_a_repair_keeps_few_orders_in_memory(monkeypatch):
    """However many orders there are."""
    transact, counts = dynamo.transact, []

    def count_purchases():
        gc.collect()
        return sum(type(each) is Purchase for each in gc.get_objects())

    def transact_and_count(*arguments, **options):
        counts.append(count_purchases())
        return transact(*arguments, **options)

    of_other_tests = count_purchases()
    monkeypatch.setattr(region_recovery, "CHUNK", 5)
    monkeypatch.setattr(dynamo, "transact", transact_and_count)
    report, _ = region.repair(orders=60)
    assert report.tickets_issued_again == 10
    assert max(counts) < of_other_tests + 10
