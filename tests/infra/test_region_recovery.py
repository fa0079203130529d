"""The recovery of a region's records: what it does with single losses. `tests/bench/test_region.py` plays whole drops."""

import pytest

from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock, deadline, memory
from chalicelib.inventory.store import ShardRow
from chalicelib.ledger.store import LedgerRow
from chalicelib.payments.providers import stripe
from chalicelib.purchases.store import BuyerRow, PurchaseRow
from chalicelib.reconciliation import jobs
from chalicelib.tickets.seat_numbers import CounterRow
from chalicelib.tickets.store import TicketRow, scan_tickets
from chalicelib.waiting_room.store import WaitingRoomRow
from infra import region_recovery
from tests import builders
from tests.reconciliation.comparing import pay_without_webhooks
from tests.simulation.call_log import record_calls


def recover(time):
    memory.forget_everything()
    return region_recovery.recover(time.now - 3600, time.now, time.now)


def test_large_tables_are_read_in_parallel(api, time):
    """While the records are repaired, nobody can buy."""
    builders.create_order(api, builders.create_shop(api), 2)
    with record_calls() as calls:
        recover(time)
    for table in (PurchaseRow, TicketRow, LedgerRow, BuyerRow, ShardRow, WaitingRoomRow):
        assert len(calls.of("Scan", table.feature)) >= region_recovery.SCANS, table
    assert calls.sequential_round_trips < calls.round_trips / 2


@pytest.mark.parametrize(
    ("event_capacity", "tiers", "highest"),
    [
        (None, [{"capacity": 500}], 500),
        (None, [{"capacity": 200, "admits": 4}, {"capacity": 100}], 900),
        (600, [{"capacity": None}, {"capacity": 500}], 600),
        (None, [{"capacity": None}], 4),
    ],
)
def test_no_seat_gets_a_number_that_another_region_may_have_given(api, time, event_capacity, tiers, highest):
    event_id = builders.create_event(api, capacity=event_capacity)
    [tier_id, *_] = [builders.create_tier(api, event_id, f"Tier {number}", **tier) for number, tier in enumerate(tiers)]
    builders.create_order(api, (event_id, tier_id), 2)
    builders.project_changes()
    recover(time)
    assert int(CounterRow.find(event_id).last) >= highest


def test_an_event_whose_first_numbers_are_all_lost_skips_them(api, time):
    event_id, tier_id = builders.create_shop(api, capacity=500)
    recover(time)
    builders.create_order(api, (event_id, tier_id), 2)
    builders.project_changes()
    assert min(ticket.serial.first for ticket in scan_tickets()) > 500


@pytest.fixture
def queue(api):
    """An event whose sale begins in three hours, with a waiting room."""
    opens_at = clock.iso(clock.now() + 10_800)
    return builders.create_event(api, "Queue", on_sale_at=opens_at, waiting_room={"enabled": True})


def join(api, queue, *users):
    for user in users:
        assert api.post(f"/events/{queue}/waiting-room/join", user=user).status == 200


def counted(queue):
    return {row.id: int(row.arrivals or 0) for row in WaitingRoomRow.scan() if row.id.startswith(f"counter#{queue}#")}


def test_places_in_line_that_people_may_have_got_in_a_rush_are_skipped(api, time, queue):
    for number in range(5):
        time.advance(60)
        join(api, queue, f"early-{number}")
    for number in range(20):
        time.advance(number % 2)
        join(api, queue, f"late-{number}")
    recover(time)
    [count] = counted(queue).values()
    assert count > 25 + 2 * 20 / 10 * region_recovery.LOST_SECONDS


def test_a_counter_whose_item_is_lost_continues_after_the_places_that_arrived(api, time, queue):
    join(api, queue, *map(str, range(5)))
    [counter] = counted(queue)
    dynamo.batch_delete([WaitingRoomRow(counter)])
    time.advance(3601)  # nobody has joined since
    recover(time)
    assert counted(queue) == {counter: 5}


def test_a_room_whose_places_are_lost_skips_those_of_people_who_may_have_joined_before_the_opening(api, time, queue):
    join(api, queue, "ada")
    dynamo.batch_delete([row for row in WaitingRoomRow.scan() if not row.id.startswith("room#")])
    time.advance(10_000)
    recover(time)
    assert min(counted(queue).values()) >= 100


@pytest.mark.parametrize("status", [429, 500, 403])
def test_an_account_that_cannot_be_read_does_not_keep_the_region_from_selling(shop, status):
    """It is compared afterwards."""
    session = pay_without_webhooks(shop, "bob", 1)
    account = shop.connect_account()
    promoted = pay_without_webhooks(shop, "ada", 1)
    shop.fake.refuse_calls(account, status)
    report = recover(shop.time)
    assert report.accounts_unread == [account]
    assert (shop.purchase_state(session), shop.purchase_state(promoted)) == ("paid", "paying")
    shop.fake.refuse_calls(account, None)
    shop.time.advance(900)
    jobs.compare_books(shop.time.now)
    assert (shop.purchase_state(promoted), shop.list_open_cases()) == ("paid", [])
    shop.account = None


def test_an_account_with_too_many_payments_gets_no_more_than_its_time(shop, monkeypatch):
    account, list_payments = shop.connect_account(), stripe.list_payments

    def list_endlessly(since, until, account):
        while account is not None:
            shop.time.advance(10)
            deadline.require(1)
            yield from ()
        yield from list_payments(since, until, account)

    monkeypatch.setattr(stripe, "list_payments", list_endlessly)
    began = shop.time.now
    assert recover(shop.time).accounts_unread == [account]
    assert shop.time.now - began <= region_recovery.ACCOUNT_SECONDS + 10
    shop.account = None


def test_a_reservation_that_cannot_keep_its_tickets_ends_although_they_arrived(api, time):
    event_id = builders.create_event(api)
    free = event_id, builders.create_tier(api, event_id, price_cents=0, capacity=4)
    torn, _ = builders.create_order(api, free, 2, "ada"), builders.create_order(api, free, 2, "bob")
    unpaid = {"state": "paying", "ended_at": None, "confirmed_at": None}
    dynamo.update_now(PurchaseRow(torn), PurchaseRow.set_or_remove(unpaid))
    [shard] = ShardRow.scan()
    dynamo.update_now(ShardRow(shard.id), [ShardRow.capacity.set(2), ShardRow.sold.set(2), ShardRow.available.set(0)])
    report = recover(time)
    assert (PurchaseRow.find(torn).state, report.tickets_withdrawn, report.orders_completed) == ("expired", 2, 0)
