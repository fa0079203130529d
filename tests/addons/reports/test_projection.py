"""The figures, orders and sales equal a recount of everything, however the changes come."""

import random
from collections import defaultdict
from itertools import islice

import pytest
from msgspec.structs import replace
from pynamodb.expressions.operand import Path

import app
from chalicelib.addons.reports import projection
from chalicelib.addons.reports import store as reports
from chalicelib.addons.reports.store import FigureRow, ReportRow
from chalicelib.catalog.quotas import MAX_FILE_TIERS
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import settings
from chalicelib.purchases import queries
from chalicelib.purchases.model import Refund
from chalicelib.purchases.store import PurchaseRow
from chalicelib.tickets.store import scan_tickets
from tests import builders
from tests.addons.reports.conftest import change_records, check_reports, kept_figures, recounted_figures
from tests.simulation import faults
from tests.simulation.limits import Limits
from tests.simulation.projection import project_sale


def play_sale(api, time, purchases, seed):
    """Random purchases of three events: paid, declined, given back, expired, free; some tickets are refunded, given to others, scanned."""
    rng = random.Random(seed)
    shops = []
    for prices in ((5000, 12_000), (0, 990), (2500,)):
        event_id = builders.create_event(api, name=f"Night {prices}")
        fields = {"capacity": 10_000, "admits": 2}
        tiers = [builders.create_tier(api, event_id, name=f"Tier {price}", price_cents=price, **fields) for price in prices]
        shops.append((event_id, tiers))
    orders = []
    for number in range(purchases):
        event_id, tiers = rng.choice(shops)
        user = f"user-{number}"
        quantities = {tier_id: rng.randrange(3) for tier_id in tiers} | {rng.choice(tiers): 2}
        purchase_id = builders.reserve_items(api, user, event_id, quantities).json["id"]
        step = rng.random()
        if step < 0.15:
            api.delete(f"/reservations/{purchase_id}", user=user)
        elif step > 0.25:
            builders.start_checkout(api, user, purchase_id)
            if step > 0.35:
                is_free = api.get(f"/checkout/sessions/{purchase_id}", user=user).json["payment"]["provider"] == "free"
                outcome = None if is_free else "fail" if step < 0.45 else "success"
                if builders.confirm(api, user, purchase_id, outcome).json.get("order"):
                    orders.append((purchase_id, sum(quantities.values()), user))
        if orders and rng.random() < 0.2:
            order_id, quantity, _ = rng.choice(orders)
            tickets = [f"{order_id}-{rng.randint(1, quantity)}"] if rng.random() < 0.7 else None
            builders.refund(api, order_id, key=f"refund-{number}", tickets=tickets)
        if orders and rng.random() < 0.3:
            order_id, quantity, _ = rng.choice(orders)
            admit(api, f"{order_id}-{rng.randint(1, quantity)}", rng)
        if orders and rng.random() < 0.2:
            order_id, quantity, buyer = rng.choice(orders)
            give(api, f"{order_id}-{rng.randint(1, quantity)}", buyer, f"friend-{number}")
        time.advance(rng.randrange(120))
    time.advance(600)
    builders.run_sweep()


def give(api, ticket_id, buyer, friend):
    """The buyer gives a ticket to a friend, if it is valid, unused and still theirs."""
    offer = api.post(f"/tickets/{ticket_id}/transfer", user=buyer)
    if offer.status < 300:
        assert api.post(f"/transfers/{offer.json['token']}/accept", user=friend).status == 201


def admit(api, ticket_id, rng):
    """One or two people come in with a ticket, if it is valid; sometimes that is undone."""
    with settings.override(doors_open_seconds=31 * 86_400):
        reply = api.post(f"/tickets/{ticket_id}/validate", json={"count": rng.choice([1, "all"])}, token=builders.admin_token())
    if reply.status < 300 and rng.random() < 0.3:
        api.post(f"/tickets/{ticket_id}/undo", json={"reason": "wrong person"}, token=builders.admin_token())


@pytest.mark.slow
@pytest.mark.usefixtures("threaded_store")
def test_reports_equal_a_recount_of_random_changes_in_any_order(api, time):
    play_sale(api, time, 1000, seed=1)
    states = {purchase.state for purchase in queries.scan_purchases()}
    assert states == {"paid", "partially_refunded", "refunded", "expired", "cancelled"}
    assert {len(ticket.checkins) for ticket in scan_tickets()} == {0, 1, 2}
    assert {ticket.owner_id.partition("-")[0] for ticket in scan_tickets()} == {"user", "friend"}
    deliver(random_batches(change_records(), random.Random(2)))
    check_reports()
    before = kept_figures()
    deliver(random_batches(change_records(), random.Random(3)))  # everything again
    assert kept_figures() == before


def random_batches(records, rng):
    """The records in batches of random size and order, with batches that come again. One item's records stay in order within a delivery."""
    by_item = defaultdict(list)
    for record in records:
        by_item[record["eventSourceARN"], str(record["dynamodb"]["Keys"])].append(record)
    waiting, sent = list(by_item.values()), []
    while waiting:
        batch = []
        for _ in range(rng.randint(1, 120)):
            if not waiting:
                break
            place = rng.randrange(len(waiting))
            batch += [waiting[place].pop(0) for _ in range(min(len(waiting[place]), rng.randint(1, 3)))]
            if not waiting[place]:
                waiting[place] = waiting[-1]
                waiting.pop()
        sent.append(batch)
        yield batch
        if rng.random() < 0.3:
            yield rng.choice(sent)


def deliver(batches):
    for batch in batches:
        assert app.app.handler_map["project_reports"]({"Records": batch}, None) == {"batchItemFailures": []}


@pytest.mark.slow
def test_the_projector_continues_after_a_crash_anywhere(api, poller, time):
    play_sale(api, time, 12, seed=4)
    records = change_records()
    with faults.record_calls() as calls:
        deliver([records])
    clear_reports()
    for number in range(1, len(calls) + 1):
        with faults.crash_after(number) as crash:
            deliver([records])
        assert crash.was_triggered
        deliver([records])
        check_reports()
        clear_reports()


def clear_reports():
    from chalicelib.addons.reports.store import ReportRow

    for row in ReportRow.scan():
        row.delete()


def test_changes_from_the_poller_are_counted_once_after_each_step(api, poller, time):
    shop = builders.create_shop(api)
    order_id = builders.create_order(api, shop)
    poller.drain()
    check_reports()
    builders.refund(api, order_id, tickets=builders.ticket_ids(order_id, 1))
    poller.drain()
    check_reports()
    assert kept_figures()[shop[0]]["totals"][f"tier#{shop[1]}#returned"] == 1


@pytest.mark.parametrize("counted_before", [0, 1])
@pytest.mark.parametrize("transaction", [1, 2])
def test_runs_that_count_the_same_at_once_count_it_once(api, poller, time, counted_before, transaction):
    """The other run commits everything between the reads of the first one and its write, of purchases (1) or of ledger entries (2)."""
    builders.create_order(api, builders.create_shop(api))
    records = change_records()
    purchases = [record for record in records if ":table/" + dynamo.table_name("purchases") in record["eventSourceARN"]]
    deliver([purchases[:counted_before]])
    transact, calls = dynamo.transact, []

    def transact_second(items):
        calls.append(items)
        if len(calls) == transaction:
            deliver([records])
        transact(items)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dynamo, "transact", transact_second)
        deliver([records])
    assert len(calls) > transaction
    check_reports()


def test_an_older_version_that_comes_last_in_a_batch_changes_nothing(api, poller, time):
    builders.create_order(api, builders.create_shop(api))
    deliver([change_records()[::-1]])
    check_reports()


def test_check_ins_count_after_a_move_to_a_stream_that_begins_lower(api, poller, time):
    shop = builders.create_shop(api, admits=3)
    ticket_id = f"{builders.create_order(api, shop, 1)}-1"

    def scan(path="validate", **body):
        with settings.override(doors_open_seconds=31 * 86_400):
            assert api.post(f"/tickets/{ticket_id}/{path}", json=body, token=builders.admin_token()).status == 200

    def ticket_records():
        return [record for record in change_records() if f":table/{dynamo.table_name('tickets')}/" in record["eventSourceARN"]]

    scan(count=1)
    deliver([change_records()])
    before = len(ticket_records())
    scan(count=2)
    scan("undo", reason="wrong person")
    new_stream = ticket_records()[before:]
    for number, record in enumerate(new_stream, start=1):
        record["dynamodb"]["SequenceNumber"] = str(number)
    deliver([new_stream[:1]])
    assert kept_figures()[shop[0]]["totals"][f"tier#{shop[1]}#admitted"] == 3
    deliver([new_stream, new_stream[:1]])
    assert kept_figures()[shop[0]]["totals"][f"tier#{shop[1]}#admitted"] == 1


def test_a_batch_of_one_event_takes_few_transactions(api, poller, time):
    event_id, tier_id = builders.create_shop(api, capacity=100)
    for number in range(projection.CHUNK):
        builders.reserve(api, f"user-{number}", event_id, tier_id)
    deliver([[]])  # decides the first generation
    with faults.record_calls("project", measured=True) as calls:
        deliver([change_records()])
    assert calls.names == ["GetItem", "BatchGetItem", "TransactWriteItems"]


def test_the_reports_of_an_earlier_version_continue_in_their_lanes(store):
    states = [many_hours(number) for number in range(2)]
    projection.count_states(1, states[:1])
    assert reports.start_generations().written == reports.start_generations().written == [1]
    projection.count_states(1, states)
    assert reports.load_totals(1, "fest") == {"tier#floor#admitted": 16}


def test_runs_that_decide_the_first_generation_at_once_agree(store):
    find, found = ReportRow.find, []

    def find_late(*key):
        row = find(*key)
        if not found:
            found.append(reports.start_generations)
            assert reports.start_generations().written == [reports.FIRST_WIDE]
        return row

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ReportRow, "find", find_late)
        assert reports.start_generations().written == [reports.FIRST_WIDE]


@pytest.mark.slow
@pytest.mark.not_on_moto
def test_the_reports_of_one_event_follow_a_fast_sale(api):
    """The limits and the rate are a tenth of DynamoDB's and of a large sale's, so that the test takes less time."""
    report = project_sale(api, rate=100, seconds=3, limits=Limits(write_units=100, read_units=300))
    assert report.failures == {}
    assert report.behind < 5


def test_a_purchase_that_the_store_forgets_stays_counted(api, poller, time):
    event_id, tier_id = builders.create_shop(api)
    builders.reserve(api, "ada", event_id, tier_id)
    time.advance(600)
    builders.run_sweep()
    poller.drain()
    before = kept_figures()
    assert before == recounted_figures()
    time.advance(40 * 86_400)
    PurchaseRow(next(iter(queries.scan_purchases())).id).delete()
    poller.drain()
    assert list(queries.scan_purchases()) == []
    assert kept_figures() == before


def many_hours(number):
    """The counted state of a ticket with which eight people came in, each in an hour of their own."""
    figures = {"totals": {"tier#floor#admitted": 8}}
    for hour in range(8 * number, 8 * number + 8):
        figures.setdefault(f"day#2026-06-{1 + hour // 24:02}", {})[f"{hour % 24:02}#tier#floor#admitted"] = 1
    return projection.State(reports.CountedState(event_id="fest", key=f"ticket#{number}", position="1", figures=figures))


def test_tickets_used_in_more_hours_than_a_transaction_has_items_are_counted(store):
    states = [many_hours(number) for number in range(16)]
    projection.count_states(1, states)
    projection.count_states(1, states)
    days = reports.load_days(1, "fest", "2026-06-01", "2026-06-06")
    assert [len(days[f"day#2026-06-0{day}"]) for day in range(1, 7)] == [24, 24, 24, 24, 24, 8]
    assert reports.load_totals(1, "fest") == {"tier#floor#admitted": 128}


def many_tiers(number):
    """The counted state of a purchase of ten tickets, each of a tier of its own."""
    names = [f"tier#{10 * number + tier:040}#{kind}" for tier in range(10) for kind in ("sold", "admits", "gross#USD")]
    figures = {"totals": dict.fromkeys(names, 1)}
    return projection.State(reports.CountedState(event_id="fest", key=f"purchase#{number}", position="1", figures=figures))


@pytest.mark.not_on_moto  # which reads an expression by recursion, and fails at some depth
def test_a_chunk_with_more_tiers_than_an_update_may_name_is_counted(store):
    states = [many_tiers(number) for number in range(projection.CHUNK)]
    projection.count_states(1, states)
    projection.count_states(1, states)
    totals = reports.load_totals(1, "fest")
    assert len(totals) == 30 * projection.CHUNK
    assert set(totals.values()) == {1}


@pytest.mark.slow
def test_a_day_of_five_hundred_tiers_fits(threaded_store):
    tiers = [f"{number:040}" for number in range(500)]
    expected = {f"{hour:02}#tier#{tier}#{kind}": 1200 for hour in range(24) for tier in tiers for kind in ("sold", "gross#USD")}
    names = iter(expected)
    while part := dict.fromkeys(islice(names, 50), 1200):
        reports.commit(reports.figure_items(1, "fest", {"day#2026-06-01": part}))
    assert reports.load_days(1, "fest", "2026-06-01", "2026-06-01") == {"day#2026-06-01": expected}


@pytest.mark.not_on_moto  # which allows larger items
def test_the_totals_of_as_many_ticket_types_as_an_event_may_have_fit_into_one_item(api, monkeypatch):
    """With ids of 64 characters, and each figure that a ticket type can have, counted by the projector."""
    monkeypatch.setattr(reports.random, "randrange", lambda _: 0)
    order = queries.load_purchase(builders.create_order(api, builders.create_shop(api)))
    admit(api, f"{order.id}-1", random.Random(1))
    [ticket] = [ticket for ticket in scan_tickets() if ticket.checkins]
    details = {"status": "succeeded", "currency": order.currency, "reason": "requested", "by": "ada", "at": order.created_at}
    refund = Refund(id="r", amount_cents=1, tickets=[2], **details)
    free = replace(order.payment, provider="complimentary")
    for first in range(0, MAX_FILE_TIERS, 50):
        states = []
        for number in range(first, first + 50):
            line = replace(order.lines[0], tier_id=f"{number:064}", price_cents=900_000_000)
            sold = replace(order, id=f"{number:026}", lines=[line], refunds=[refund])
            states.append(projection.purchase_state(sold))
            states.append(projection.purchase_state(replace(sold, id=f"{number + 1000:026}", refunds=[], payment=free)))
            states.append(projection.ticket_state(replace(ticket, id=f"{sold.id}-1", tier_id=line.tier_id)))
        projection.count_states(1000, states)
    names = [name for name in reports.load_totals(1000, order.event_id) if name.startswith("tier#")]
    assert len(names) == 7 * MAX_FILE_TIERS


def test_figures_of_a_day_in_one_item_as_earlier_versions_wrote_them_are_added(store):
    dynamo.update_now(FigureRow("1#fest#figures", "day#2026-06-01#0"), [Path("13#tier#floor#sold").add(2)])
    reports.commit(reports.figure_items(1, "fest", {"day#2026-06-01": {"13#tier#floor#sold": 3}}))
    assert reports.load_days(1, "fest", "2026-06-01", "2026-06-01") == {"day#2026-06-01": {"13#tier#floor#sold": 5}}
