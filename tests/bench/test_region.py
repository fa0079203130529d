"""Small runs of `bench.region`: a region dies or is cut off in a drop, the standby takes over, and the first region comes back."""

import pytest

from bench import region

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
