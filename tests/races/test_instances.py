"""A drop on many instances, whose caches have different ages and whose clocks differ by up to two seconds.

An admin pauses and resumes while waves come in, and the waves follow the stock. The bounds must not depend on the number of instances,
except for what each instance has to read for itself.
"""

import pytest

from chalicelib.catalog import service as catalog
from chalicelib.inventory.availability import read_stock
from tests import engines, invariants
from tests.conftest import START
from tests.simulation.drop import ARRIVAL_COUNTERS, CLOSING_SECONDS, OPENING, DropPlan, run_drop

pytestmark = pytest.mark.usefixtures("threaded_store")

FEW, MANY = 5, 50
PLAN = {"buyers": 100, "capacity": 60, "wave_size": 20, "pause_at": 12, "resume_at": 20, "all_in_at": 45, "ends_at": 60}

MAX_SEGMENTS = 12  # a pause, a resume, and a few waves whose size follows the stock
MAX_STATE_BYTES = 2048
MAX_READS_PER_INSTANCE = 2.1  # units a second: the head of the catalog, the room with its late arrivals, the stock as it is shown
MAX_WRITES_AT_OPENING = 2 * ARRIVAL_COUNTERS + 4  # joins aside, of the room and its counters, also those that are refused
MAX_REFUSAL_MS = 100


def run_alone(api, instances):
    """Run the drop in empty tables of its own. Everything must be sold once, and nobody may get an error."""
    with engines.fresh_stage():
        report = run_drop(api, DropPlan(instances=instances, **PLAN), start=START)
        invariants.check(int(START + OPENING + PLAN["ends_at"]))
        (stock,) = read_stock(catalog.load_current().shard_counts([report.event_id])).values()
    assert (stock.available, stock.sold + stock.held) == (0, PLAN["capacity"])
    assert report.listed_at is not None
    assert -CLOSING_SECONDS - 1 < report.listed_at < 0  # clocks may be a second fast
    assert replies(report, "entry").keys() <= {(200, ""), (404, "entry_unknown")}
    assert replies(report, "entry")[200, ""] == PLAN["buyers"]
    assert replies(report, "confirm").keys() == {(201, "")}
    # An instance whose clock is behind may refuse a buyer whom another one has let in; the buyer tries again.
    refusals = {(409, "not_enough_tickets"), (403, "event_paused"), (403, "not_admitted")}
    assert {(201, ""), (409, "not_enough_tickets")} <= replies(report, "reserve").keys() <= {(201, ""), *refusals}
    assert report.throttles == {}
    return report


def replies(report, name):
    """How many replies to requests of this name had which status and error."""
    return {(status, error): count for (request, status, error), count in report.replies.items() if request == name}


@pytest.mark.slow
def test_many_instances_add_only_their_own_reads_to_a_drop(api):
    few, many = run_alone(api, FEW), run_alone(api, MANY)
    assert many.max_segments() <= MAX_SEGMENTS
    assert many.state_bytes <= MAX_STATE_BYTES
    assert many.writes_at_opening <= MAX_WRITES_AT_OPENING
    assert many.rate("writes") <= 1.25 * few.rate("writes")
    assert (many.rate("reads") - few.rate("reads")) / (MANY - FEW) <= MAX_READS_PER_INSTANCE
    assert many.percentile("reserve 409") <= MAX_REFUSAL_MS
