"""A sweep gets through whatever is in its way: slow payments, broken ones, a store that fails, and its own end."""

from contextlib import suppress
from threading import Barrier

import pytest
from msgspec.structs import replace

from chalicelib.catalog.model import Catalog
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import deadline, log, parallel
from chalicelib.inventory import service as inventory
from chalicelib.inventory.allocation import HoldRequest, hold_tickets
from chalicelib.inventory.store import scan_shards
from chalicelib.purchases import hold_recovery, store, sweep, sweep_store
from chalicelib.purchases.sweep import MAX_SECONDS
from tests import builders, invariants
from tests.proof.kinds import SlowStore
from tests.purchases.sweep.conftest import create_debits
from tests.simulation import faults
from tests.simulation.interception import intercept
from tests.simulation.provider_faults import crash_after_provider_call, record_provider_calls

pytestmark = pytest.mark.usefixtures("threaded_store")

CANCEL = "POST /v1/payment_intents/:id/cancel"


def count_unfinished():
    return log.total("sweeps_unfinished")


def order_with_due_refund(shop):
    order_id = shop.buy("ada", 1)
    shop.fake.fail_next_request("POST", "/v1/refunds", status=500, should_retry=False)
    assert builders.refund(shop.api, order_id).json["refund"]["status"] == "due"
    return order_id


def close_shards_by_mistake(shop):
    inventory.set_open({shop.tier_id: 1}, False)


def list_wrongly_closed():
    return [shard.id for shard in scan_shards() if not shard.is_open]


def refund_status(order_id):
    return store.load(order_id).refunds[0].status


def not_looked_at(debits, now):
    """Return the debits with expired holds, about which the bank was not asked."""
    expired = {hold.purchase_id for shard in scan_shards() for hold in shard.expired_holds(int(now))}
    return expired.intersection(debits)


def next_minute(time):
    time.now = int(time.now) // 60 * 60 + 60


@pytest.mark.slow
def test_180_payments_that_banks_decide_about_keep_nothing_else_waiting(shop, time, slow_stripe):
    order_id = order_with_due_refund(shop)
    debits = create_debits(shop, 180)
    close_shards_by_mistake(shop)
    time.advance(181)
    shop.fake.request_log.clear()
    before, started_at = count_unfinished(), time.now
    first = builders.run_sweep()
    assert time.now - started_at <= MAX_SECONDS
    assert (first["reopened_or_closed"], list_wrongly_closed(), refund_status(order_id)) == (1, [], "succeeded")
    assert (first["finished"], count_unfinished() - before) == (False, 1)
    assert 0 < first["remaining"] == len(not_looked_at(debits, started_at)) < 180
    runs = [first]
    while not runs[-1]["finished"] and len(runs) < 10:
        next_minute(time)
        runs.append(builders.run_sweep())
    assert (not_looked_at(debits, time.now), runs[-1]["finished"]) == (set(), True)
    assert shop.fake.request_log.counts[CANCEL] == 180


@pytest.mark.slow
def test_sweeps_that_are_killed_reach_everybody_together(shop, time, slow_stripe):
    order_id = order_with_due_refund(shop)
    debits = create_debits(shop, 60)
    close_shards_by_mistake(shop)
    time.advance(181)
    left = [60]
    while left[-1] and len(left) < 20:
        with crash_after_provider_call(20):
            builders.run_sweep()
        assert (list_wrongly_closed(), refund_status(order_id)) == ([], "succeeded")
        left.append(len(not_looked_at(debits, time.now)))
        next_minute(time)
    assert left == sorted(set(left), reverse=True)  # each of them reached somebody
    assert left[-1] == 0


@pytest.mark.slow
def test_checkouts_that_expired_first_do_not_wait_behind_a_busy_event(shop, time, slow_stripe, monkeypatch):
    """Its id comes first, so its shards are read first, and it has more checkouts than a run can end."""
    monkeypatch.setattr(sweep, "PORTION", 1)
    monkeypatch.setattr(sweep, "SLICE", 1)
    other = builders.create_event(shop.api)
    assert shop.event_id < other
    first = create_debits(shop, 5, other)
    time.advance(60)
    busy = create_debits(shop, 80)
    time.advance(181)
    builders.run_sweep()
    assert not_looked_at(first, time.now) == set()
    assert 0 < len(not_looked_at(busy, time.now)) < 80


def test_a_provider_that_is_down_does_not_stop_the_slices(shop, time, monkeypatch):
    """Its payments are asked about again in each run, while the slices find what the index does not know."""
    monkeypatch.setattr(sweep, "SLICE", 1)
    old = [builders.create_shop(shop.api)[1] for _ in range(3)]
    time.advance(40 * 86_400)
    shop.event_id, shop.tier_id = builders.create_shop(shop.api, capacity=4)
    for number in range(4):
        shop.open_checkout(f"user-{number}", 1)
    time.advance(181)
    for tier_id in old:
        hold_tickets(HoldRequest(tier_id, 1, 1, f"stray-{tier_id}", time.now - 1, time.now))
    shop.fake.fail_next_request("POST", "/v1/payment_intents/*/cancel", status=500, times=99, should_retry=False)
    for _ in range(len(list(scan_shards()))):
        assert builders.run_sweep()["gave_up"] is True
        time.advance(60)
    assert not_looked_at([f"stray-{tier_id}" for tier_id in old], time.now) == set()


def test_broken_payments_go_behind_the_others(shop, time, slow_stripe):
    """Stripe does not know the payments of the first ones: each costs two calls, and they were in front of all others at every sweep."""
    debits = create_debits(shop, 40)
    for purchase in map(shop.load_purchase, debits[:30]):
        store.save(purchase, replace(purchase, payment=replace(purchase.payment, provider_id="pi_gone")))
    time.advance(181)
    for _ in range(3):
        builders.run_sweep()
        next_minute(time)
    assert not_looked_at(debits[30:], time.now) == set()


def test_an_unwritable_shard_does_not_stop_the_recovery_of_others(api, time):
    event_id, floor = builders.create_shop(api)
    balcony = builders.create_tier(api, event_id, "Balcony")
    builders.reserve(api, "ada", event_id, floor, 2)
    builders.reserve(api, "bob", event_id, balcony, 2)
    time.advance(180)
    with faults.fail_from(1, faults.throttled, table="buyers", operation="TransactWriteItems") as fault:
        assert builders.run_sweep()["undecided"] == 2
    assert fault.was_triggered
    with faults.fail(1, faults.throttled, table="inventory", operation="UpdateItem"):
        assert builders.run_sweep()["released"] == 1
    assert builders.run_sweep()["released"] == 1


def test_reservations_that_expire_together_are_released_at_the_same_time(api, time, monkeypatch):
    """Here, each release waits until the other has begun."""
    shop = builders.create_shop(api)
    for user in ("ada", "bob"):
        builders.reserve(api, user, *shop)
    time.advance(181)
    release, both = inventory.release_holds, Barrier(2)
    monkeypatch.setattr(inventory, "release_holds", lambda holds, **options: (both.wait(60), release(holds, **options))[1])
    assert builders.run_sweep()["released"] == 2
    invariants.check(time.now, recovered=True)


def hold_strays(api, time, count):
    _, tier_id = builders.create_shop(api, capacity=count)
    shards = len(list(scan_shards()))
    for number in range(count):
        hold_tickets(HoldRequest(tier_id, shards, 1, f"stray-{number}", time.now + 60, time.now))
    time.advance(61)


def test_a_run_counts_all_that_it_recovers_in_parallel(api, time):
    hold_strays(api, time, 150)
    report = builders.run_sweep()
    assert (report["orphans"], report["released"], report["undecided"], report["remaining"]) == (150, 150, 0, 0)
    invariants.check(time.now, recovered=True)


def test_a_run_stops_recovering_when_the_store_keeps_failing(api, time):
    hold_strays(api, time, 150)
    with faults.fail_from(1, faults.throttled, table="inventory", operation="UpdateItem"):
        report = builders.run_sweep()
    assert (report["released"], report["undecided"] + report["remaining"]) == (0, 150)
    assert 0 < report["undecided"] < hold_recovery.MAX_STORE_ERRORS + parallel.MAX_THREADS
    assert builders.run_sweep()["released"] == 150


def test_a_run_whose_pause_flags_cannot_be_corrected_does_everything_else(api, time):
    event_id, tier_id = builders.create_shop(api)
    builders.reserve(api, "ada", event_id, tier_id, 2)
    inventory.set_open({tier_id: 1}, False)
    time.advance(180)
    with faults.fail(1, faults.throttled, table="inventory", operation="UpdateItem"):
        report = builders.run_sweep()
    assert (report["reopened_or_closed"], report["finished"], report["released"]) == (None, False, 1)
    assert builders.run_sweep()["reopened_or_closed"] == 1


def test_the_holds_that_need_no_provider_leave_time_for_the_others(shop, time, monkeypatch):
    """Each release takes ten seconds here: after half of the time the rest waits for the next run, and a refund is made."""
    order_id = order_with_due_refund(shop)
    for user in ("bob", "cid", "dan", "eve"):
        shop.reserve(user, 1)
    time.advance(181)
    release = inventory.release_holds
    monkeypatch.setattr(parallel, "FEW", 100)  # one after the other
    monkeypatch.setattr(inventory, "release_holds", lambda holds, **options: (time.advance(10 * len(holds)), release(holds, **options))[1])
    report = builders.run_sweep()
    assert (report["expired"], report["remaining"], refund_status(order_id)) == (3, 1, "succeeded")
    assert builders.run_sweep()["remaining"] == 0


@pytest.mark.parametrize(("broken", "needed_runs"), [(1, 2), (3, 4)])
@pytest.mark.parametrize("large_event", [0, 5000])
def test_events_that_cannot_be_read_keep_nothing_else_waiting(shop, time, monkeypatch, broken, needed_runs, large_event):
    """Reading one of them takes longer than a run has. They need attention in each minute, and their ids come first."""
    order_id = order_with_due_refund(shop)
    slow_events = [builders.create_shop(shop.api) for _ in range(broken)]
    others = builders.create_shop(shop.api)
    builders.run_sweep()
    held = builders.reserve(shop.api, "ada", *others, 1).json["id"]
    stuck = [builders.reserve(shop.api, "bob", *slow, 1).json["id"] for slow in slow_events]
    next_minute(time)
    time.advance(180)
    monkeypatch.setattr(sweep, "scan_slice", lambda after, limit: ([], after))
    if large_event == 0:  # only the slow events are large
        shard_counts = Catalog.shard_counts
        monkeypatch.setattr(sweep, "LARGE_EVENT", 1)

        def count_shards(catalog, event_ids):
            counts = shard_counts(catalog, event_ids)
            return counts | {tier_id: 2 for _, tier_id in slow_events if tier_id in counts}

        monkeypatch.setattr(Catalog, "shard_counts", count_shards)
        needed_runs = 1
    read_shards = sweep.read_shards

    def read_slowly(ids):
        ids = list(ids)
        if any(shard_id.startswith(tier_id) for shard_id in ids for _, tier_id in slow_events):
            time.advance(int(deadline.remaining()) + 1)
        deadline.require(0)
        return read_shards(ids)

    with monkeypatch.context() as slow:
        slow.setattr(sweep, "read_shards", read_slowly)
        for number in range(needed_runs + 2):
            sweep_store.mark_due([event_id for event_id, _ in (*slow_events, others)], int(time.now) // 60)
            report = builders.run_sweep()
            assert (report["finished"], refund_status(order_id)) == (False, "succeeded")
            assert (not_looked_at([held], time.now) == set()) == (number + 1 >= needed_runs)
            assert not_looked_at(stuck, time.now) == set(stuck)
            next_minute(time)
    reports = [builders.run_sweep(), builders.run_sweep()]
    assert (not_looked_at(stuck, time.now), reports[-1]["finished"]) == (set(), True)


def test_a_broken_event_does_not_stop_the_events_of_its_portion(api, time, monkeypatch):
    shops = [builders.create_shop(api) for _ in range(3)]
    monkeypatch.setattr(sweep, "scan_slice", lambda after, limit: ([], after))
    held = [builders.reserve(api, "ada", *shop, 1).json["id"] for shop in shops]
    time.advance(181)
    recover_holds = hold_recovery.recover_holds

    def recover_some(holds, *values):
        if held[0] in {hold.purchase_id for hold in holds}:
            raise KeyError("unreadable")
        return recover_holds(holds, *values)

    with monkeypatch.context() as broken:
        broken.setattr(hold_recovery, "recover_holds", recover_some)
        report = builders.run_sweep()
        assert (report["released"], report["events_left"], report["finished"]) == (2, 1, False)
    assert builders.run_sweep()["released"] == 1


def test_the_next_run_settles_a_payment_after_a_store_failure(shop, time):
    session = shop.open_checkout()
    shop.pay(session)
    shop.lose_webhooks()
    time.advance(181)
    with faults.fail_from(1, faults.throttled, table="tickets") as fault:
        assert builders.run_sweep()["undecided"] == 1
    assert (fault.was_triggered, shop.purchase_state(session)) == (True, "paying")
    time.advance(60)
    builders.run_sweep()
    assert shop.purchase_state(session) == "paid"


def test_a_paid_checkout_that_contradicts_its_tickets_is_tried_again_only_later(shop, time):
    shop.lose_webhooks()
    session = shop.open_checkout("ada", 1)
    shop.pay(session)

    def read_rows():
        return {feature: dynamo.client().scan(TableName=dynamo.table_name(feature))["Items"] for feature in ("purchases", "inventory")}

    def restore(rows):
        for feature, items in rows.items():
            dynamo.batch_write(dynamo.table_name(feature), [{"PutRequest": {"Item": item}} for item in items])

    before = read_rows()
    assert shop.confirm(session).status == 201
    after = read_rows()
    restore(before)  # the other tables were restored to a later second
    time.advance(181)
    with record_provider_calls() as calls:
        for _ in range(5):
            builders.run_sweep()
            time.advance(60)
    assert 0 < len(calls) <= 2 * store.MAX_ATTEMPTS
    restore(after)


def test_a_sweep_stops_when_its_time_is_over(api, time):
    """What is left is done by the next run."""
    event_id, tier_id = builders.create_shop(api)
    for user in ("ada", "bob", "eve"):
        builders.reserve(api, user, event_id, tier_id)
    time.advance(181)
    began = time.now
    with intercept(SlowStore(time, 2)), deadline.within(7), suppress(*dynamo.STORE_ERRORS):
        builders.run_sweep()
    assert time.now - began <= 9
    invariants.check_recovery(time)


def test_calls_that_stripe_refuses_are_repeated_in_the_same_run(shop, time, monkeypatch):
    """Buyers use most of what Stripe accepts, so the endpoint of the sweep accepts one call a second. Calls come one after the other."""
    sessions = [shop.open_checkout(f"user-{number}", 1) for number in range(4)]
    time.advance(200)
    shop.fake.request_log.clear()
    shop.fake.limit_endpoints(1)
    monkeypatch.setattr(deadline.time, "sleep", lambda seconds: time.advance(int(seconds)))
    monkeypatch.setattr(parallel, "MAX_THREADS", 1)
    before = count_unfinished()
    report = builders.run_sweep()
    assert {shop.purchase_state(session) for session in sessions} == {"expired"}
    assert (report["undecided"], report["gave_up"], count_unfinished() - before) == (0, False, 0)
    assert shop.fake.request_log.counts[CANCEL] > len(sessions), "some calls were refused"
