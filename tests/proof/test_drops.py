"""Whole drops: more buyers than tickets on real threads, within the limits of DynamoDB, at 1,000 holds a second, and on many instances.

Instances have caches of different ages and clocks that differ by up to two seconds. Bounds do not depend on their number, except for what
each instance has to read for itself.
"""

from collections import Counter

import pytest
from pynamodb.expressions.condition import size

from chalicelib.catalog import service as catalog
from chalicelib.dynamodb import dynamo
from chalicelib.inventory import service as inventory
from chalicelib.inventory import store
from chalicelib.inventory.availability import read_stock
from chalicelib.inventory.model import default_shard_count
from chalicelib.inventory.store import new_shard, scan_shards
from tests import builders, engines, invariants
from tests.conftest import START
from tests.simulation.drop import ARRIVAL_COUNTERS, CLOSING_SECONDS, OPENING, DropPlan, run_drop
from tests.simulation.faults import without_lower_bound
from tests.simulation.limits import Limits, simulate
from tests.simulation.sell_out import STOCK_ID, sell_out
from tests.simulation.threads import run_in_threads

pytestmark = pytest.mark.usefixtures("threaded_store")

THREADS = 32
KB = 1024

# A sale with a part of the tickets at that part of the rate is the same for each of its shards, which share nothing.
CAPACITY, RATE = 100_000, 1000
BUYERS = 240
LIMITS = Limits(write_units=100)  # a tenth of the real limit, so that a tenth of the buyers suffices

FEW, MANY = 5, 50
PLAN = {"buyers": 100, "capacity": 60, "wave_size": 20, "pause_at": 12, "resume_at": 20, "all_in_at": 45, "ends_at": 60}
MAX_SEGMENTS = 12  # a pause, a resume, and a few waves whose size follows the stock
MAX_STATE_BYTES = 2048
MAX_READS_PER_INSTANCE = 2.1  # units a second: the head of the catalog, the room with its late arrivals, the stock as it is shown
MAX_WRITES_AT_OPENING = 2 * ARRIVAL_COUNTERS + 4  # joins aside, of the room and its counters, also those that are refused
MAX_REFUSAL_MS = 100


def run_on_threads(api, capacity, buyers):
    """Let so many people buy a ticket as far as they get. Returns how many got which status and error."""
    event_id, tier_id = builders.create_shop(api, capacity=capacity)

    def buy_as(number):
        user = f"buyer-{number}"
        reply = builders.reserve(api, user, event_id, tier_id)
        if reply.status == 201:
            builders.start_checkout(api, user, reply.json["id"])
            reply = builders.confirm(api, user, reply.json["id"])
        return reply.status, reply.json.get("error")

    return Counter(run_in_threads(THREADS, buy_as, range(buyers)))


def test_a_thousand_buyers_and_a_hundred_tickets(api, time):
    assert run_on_threads(api, 100, 1000) == {(201, None): 100, (409, "not_enough_tickets"): 900}
    assert [(shard.sold, shard.available, shard.held) for shard in scan_shards()] == [(50, 0, 0)] * 2
    invariants.check(time.now, recovered=True)


def test_without_the_condition_a_drop_oversells(api, time):
    with without_lower_bound("available"):
        assert run_on_threads(api, 20, 60)[201, None] > 20
    with pytest.raises(AssertionError, match="something is negative"):
        invariants.check(time.now)


@pytest.mark.parametrize(("scale", "quantity", "units"), [(25, 2, 1.7), (50, 1, 2.7)])
def test_100_000_tickets_at_1000_holds_a_second(scale, quantity, units):
    capacity = CAPACITY // scale
    assert default_shard_count(capacity) * scale == default_shard_count(CAPACITY)
    report = sell_out(capacity, rate=RATE / scale, quantity=quantity, late_buyers=10)
    assert (report.holds * quantity, report.refused_buyers) == (capacity, 10)
    stock = read_stock({STOCK_ID: report.shards})[STOCK_ID]
    assert (stock.held, stock.available) == (capacity, 0)
    assert report.largest_item <= 4 * KB
    assert report.hottest_shard <= 30, "of the 1,000 write units that one item takes in a second"
    assert report.throttled == 0
    assert report.units_per_hold < units
    assert report.refused_writes < report.holds * 0.05
    assert report.read_units < report.holds * 0.5, "near the end not every buyer reads all shards"


@pytest.mark.parametrize("capacity", [100, 1000])
def test_smaller_tiers_sell_out_in_a_second_and_no_shard_is_throttled(capacity):
    report = sell_out(capacity, rate=RATE, quantity=2, late_buyers=50)
    assert (report.holds * 2, report.refused_buyers) == (capacity, 50)
    assert report.largest_item <= 2.5 * KB
    assert report.throttled == 0


def test_without_the_limit_of_holds_an_item_outgrows_4_kb(monkeypatch):
    """The counter-test: a quarter of the tickets that each of 32 shards for 100,000 would have."""
    monkeypatch.setattr(store, "_HAS_ROOM", size(store.ShardRow.holds) < CAPACITY)
    report = sell_out(800, rate=10, quantity=2, shard_count=1)
    assert report.largest_item > 19 * KB
    assert report.units_per_hold > 9


def run_within_limits(api, shards, seconds):
    """Every buyer reserves two of 400 tickets, within so many seconds. Returns the report and the number of reservations."""
    event_id, tier_id = builders.create_shop(api, capacity=400)
    items = inventory.new_shards(tier_id, capacity=400, sold=0, shard_count=shards, is_open=True)
    for number in range(shards, default_shard_count(400)):  # the rest of the tier's shards are empty here
        items.append(new_shard(f"{tier_id}#{number}", capacity=0, sold=0, is_open=True))
    dynamo.batch_put(items)
    api.get(f"/events/{event_id}")
    statuses = []

    def buy(number):
        statuses.append(builders.reserve(api, f"buyer-{number}", event_id, tier_id, 2).status)

    actors = {f"buyer-{number}": (seconds * number / BUYERS, lambda number=number: buy(number)) for number in range(BUYERS)}
    return simulate(actors, seed=1, limits=LIMITS), statuses.count(201)


def test_one_shard_cannot_take_a_drop_and_five_can(api, time):
    one_shard, _ = run_within_limits(api, 1, seconds=0.5)
    invariants.check(time.now)
    five_shards, reservations = run_within_limits(api, default_shard_count(400), seconds=0.5)
    invariants.check(time.now)
    assert one_shard.throttles["inventory"] > 50
    assert five_shards.throttles["inventory"] == 0
    assert reservations == 200
    assert five_shards.conflicts == one_shard.conflicts == {}, "buyers share no item but the shards, which no transaction writes"
    assert five_shards.percentile(99) < 0.2 < one_shard.percentile(99)


def run_on_instances(api, instances):
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


def test_many_instances_add_only_their_own_reads_to_a_drop(api):
    few, many = run_on_instances(api, FEW), run_on_instances(api, MANY)
    assert many.max_segments() <= MAX_SEGMENTS
    assert many.state_bytes <= MAX_STATE_BYTES
    assert many.writes_at_opening <= MAX_WRITES_AT_OPENING
    assert many.rate("writes") <= 1.25 * few.rate("writes")
    assert (many.rate("reads") - few.rate("reads")) / (MANY - FEW) <= MAX_READS_PER_INSTANCE
    assert many.percentile("reserve 409") <= MAX_REFUSAL_MS
