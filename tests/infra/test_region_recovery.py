"""The recovery of a region's records: what it does with single losses. `tests/bench/test_region.py` plays whole drops."""

import zlib
from collections import Counter
from threading import current_thread

import pytest
from msgspec.structs import replace

from bench import large_catalog
from chalicelib.catalog import stock_ledger
from chalicelib.catalog.stock_ledger import StockLedgerRow, StoredEntry
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock, deadline, memory
from chalicelib.inventory.store import ShardRow
from chalicelib.ledger import money_cases
from chalicelib.ledger.money_cases import CaseRow
from chalicelib.ledger.store import LedgerRow
from chalicelib.payments.providers import stripe
from chalicelib.purchases.store import BuyerRow, PurchaseRow
from chalicelib.reconciliation import compare, jobs
from chalicelib.tickets.seat_numbers import CounterRow
from chalicelib.tickets.store import TicketRow, scan_tickets
from chalicelib.waiting_room import store as rooms
from chalicelib.waiting_room.store import WaitingRoomRow
from infra import region_recovery
from tests import builders, invariants
from tests.reconciliation.comparing import pay_without_webhooks
from tests.simulation.call_log import record_calls
from tests.simulation.faults import crash_before


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
def test_an_account_that_cannot_be_read_does_not_keep_the_region_from_selling(shop, monkeypatch, status):
    """It is compared afterwards."""
    monkeypatch.setattr(deadline, "wait", lambda seconds: None)  # before a refused call is repeated
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


def open_past_events(count):
    """Events on sale, each with a stock ledger, seat numbers, and late arrivals in the eight counters of its waiting room."""
    event_ids = large_catalog.write_events(count)
    stock_ledger.record_totals(event_ids)
    dynamo.batch_put([CounterRow(event_id, last=100, prefix="T") for event_id in event_ids])
    for event_id in event_ids:
        dynamo.transact([rooms.create_room_item(event_id, 8, 1)])
        dynamo.batch_put([WaitingRoomRow(f"counter#{event_id}#1#{number}", arrivals=3) for number in range(8)])


def test_calls_for_events_of_the_past_are_few_and_parallel(api, time):
    with clock.override(lambda: large_catalog.START):
        open_past_events(50)
    time.now = large_catalog.START + 30 * 86_400
    with record_calls() as calls:
        recover(time)
    assert len(calls.of("Query", "stock-ledger")) == 2 * 50  # the last entries, here and in the sweep
    assert len(calls.of("UpdateItem", "waiting-room")) == 0  # since nobody can have joined
    assert calls.sequential_round_trips < 80


def test_records_that_did_not_arrive_are_written_for_several_orders_at_once(api, time):
    shop = builders.create_shop(api, capacity=100)
    for number in range(40):
        builders.create_order(api, shop, 2, user=f"u{number}")
    before = {table: sorted(str(row.attribute_values) for row in table.scan()) for table in (TicketRow, LedgerRow, BuyerRow)}
    for table in before:
        dynamo.batch_delete(list(table.scan()))
    with record_calls() as calls:
        report = recover(time)
    assert (report.tickets_issued_again, report.entries_added, report.buyers_corrected) == (80, 40, 40)
    assert {table: sorted(str(row.attribute_values) for row in table.scan()) for table in before} == before
    assert calls.round_trips > 160
    assert calls.sequential_round_trips < 60


@pytest.mark.parametrize("days", [0, 3])
def test_a_stock_ledger_ends_where_the_entries_of_two_regions_part(api, time, days):
    """Also if the first region comes back long after it added its last entries."""
    event_id, _ = builders.create_shop(api)
    for _ in range(3):
        stock_ledger.record_totals([event_id])
        builders.create_tier(api, event_id, f"Tier {time.now}")
        time.advance(20)
    stopped_at, last = time.now, stock_ledger.find_last(event_id)
    other = StoredEntry(replace(last.entry, previous="of another region", number=last.entry.number + 1), b"{}")
    dynamo.batch_put([StockLedgerRow(event_id, other.entry.number, body=zlib.compress(other.entry.encode()))])
    time.advance(days * 86_400)
    memory.forget_everything()
    assert region_recovery.recover(time.now - 3600, time.now, stopped_at).entries_removed == 1
    assert (stock_ledger.cut_fork(event_id), stock_ledger.find_last(event_id).entry.previous) == (0, last.hash)  # the totals of the sweep


@pytest.mark.parametrize("is_lost", [False, True])
def test_only_the_missing_case_of_a_refund_is_written(shop, is_lost):
    order_id = shop.buy("ada", 1)
    shop.fake.fail_next_request("POST", "/v1/refunds", status=500, should_retry=False)
    builders.refund(shop.api, order_id)
    [case] = money_cases.list_open_cases()
    shop.time.advance(5)
    if is_lost:
        dynamo.batch_delete([CaseRow(case.purchase_id, f"refund#{case.id}")])
    with record_calls() as calls:
        recover(shop.time)
    assert len(calls.of("TransactWriteItems", "cases")) == is_lost
    assert [(each.id, each.next_at is None) for each in money_cases.list_open_cases()] == [(case.id, False)]


def test_accounts_are_read_at_once_and_compared_if_they_have_payments(shop, monkeypatch):
    """The schedule compares the others."""
    idle = [shop.connect_account(f"idle-{number}") for number in range(3)]
    busy = []
    for user in ("ada", "bob"):
        busy.append(shop.connect_account(user))
        pay_without_webhooks(shop, user, 1)
    threads, compared = [], []
    list_payments, compare_account = stripe.list_payments, compare.compare_account

    def list_and_note(since, until, account):
        threads.append(current_thread())
        return list_payments(since, until, account)

    def compare_and_note(account, *arguments, **options):
        compared.append(account)
        return compare_account(account, *arguments, **options)

    monkeypatch.setattr(stripe, "list_payments", list_and_note)
    monkeypatch.setattr(compare, "compare_account", compare_and_note)
    report = recover(shop.time)
    assert len(set(threads)) > 2
    assert {account for account in compared if account is not None} == set(busy)
    assert report.accounts_unread == []
    assert idle
    shop.account = None


@pytest.mark.parametrize("number", range(1, 100, 7))
def test_a_recovery_that_crashed_is_repeated_and_loses_at_most_one_order(api, time, number):
    shop = builders.create_shop(api, capacity=20)
    unknown, unpaid, *others = orders = [builders.create_order(api, shop, 2, user=f"u{number}") for number in range(8)]
    dynamo.batch_delete([PurchaseRow(unknown)])
    dynamo.update_now(PurchaseRow(unpaid), PurchaseRow.set_or_remove({"state": "paying", "ended_at": None, "confirmed_at": None}))
    dynamo.batch_delete(row for row in TicketRow.scan() if row.purchase_id in others)
    with crash_before(number) as crash:
        recover(time)
    assert crash.was_triggered
    recover(time)
    kept = [row.id for row in PurchaseRow.scan() if row.state == "paid"]
    assert len(kept) >= len(orders) - 1
    assert Counter(ticket.purchase_id for ticket in scan_tickets(1)) == dict.fromkeys(kept, 2)
    invariants.check(time.now)
