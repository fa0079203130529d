"""A drop on many instances, whose caches have different ages and whose clocks differ by up to two seconds.

The bounds must not depend on the number of instances, except for what each instance has to read for itself.
"""

import pytest

from chalicelib.catalog import service as catalog
from chalicelib.inventory import service as inventory
from tests import invariants
from tests.conftest import START
from tests.simulation.drop import OPENING, DropPlan, run_drop

pytestmark = pytest.mark.usefixtures("threaded_store")

FEW, MANY = 5, 50
MAX_STATE_BYTES = 4096
PLAN = {"buyers": 100, "capacity": 60, "wave_size": 20, "pause_at": 12, "resume_at": 20, "all_in_at": 45, "ends_at": 60}


@pytest.fixture
def run(api):
    return lambda instances: run_drop(api, DropPlan(instances=instances, **PLAN), start=START)


def replies(report, name):
    """How many replies to requests of this name had which status and error."""
    return {(status, error): count for (request, status, error), count in report.replies.items() if request == name}


def test_everything_is_sold_once(run):
    report = run(MANY)
    invariants.check(int(START + OPENING + PLAN["ends_at"]))
    (stock,) = inventory.read_stock(catalog.load_current().shard_counts([report.event_id])).values()
    assert (stock.available, stock.sold + stock.held) == (0, 60)
    assert replies(report, "confirm").keys() == {(201, "")}
    # An instance whose clock is behind may refuse a buyer whom another one has let in; the buyer tries again.
    refusals = {(409, "not_enough_tickets"), (403, "event_paused"), (403, "not_admitted")}
    assert {(201, ""), (409, "not_enough_tickets")} <= replies(report, "reserve").keys() <= {(201, ""), *refusals}
    assert report.throttles == {}
