"""Our records are compared with each other: a difference becomes a case, and the case closes once the records agree again."""

import pytest
from msgspec import to_builtins

from chalicelib.catalog.model import is_resale_stock
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import deadline, settings
from chalicelib.inventory.capacity import resize_stock
from chalicelib.inventory.store import ShardRow, new_shard, scan_shards
from chalicelib.ledger.store import LedgerRow
from chalicelib.purchases import holds, store
from chalicelib.purchases.store import BuyerRow, PurchaseRow
from chalicelib.reconciliation import jobs, records
from chalicelib.reconciliation.records import RecordsReport
from chalicelib.tickets.store import ListingRow, TicketRow
from infra.local.schedules import scheduled_event
from tests import builders, invariants, store_calls
from tests.builders import create_shop
from tests.simulation.call_log import record_calls


@pytest.fixture
def order_id(api, time) -> str:
    """An order of two tickets among other purchases."""
    event_id, tier_id = create_shop(api, capacity=200)
    order_id = builders.buy(api, "ada", event_id, tier_id, 2).json["order"]["id"]
    for user in ("bob", "cid"):
        builders.buy(api, user, event_id, tier_id, 1)
    builders.reserve(api, "dan", event_id, tier_id, 1)
    refunded = builders.buy(api, "eve", event_id, tier_id, 1).json["order"]["id"]
    assert builders.refund(api, refunded).status < 300
    time.advance(records.SETTLE_SECONDS + 1)
    invariants.check(time.now)
    return order_id


def run(time) -> RecordsReport:
    with store_calls.made_by("reconcile"):
        return records.run(time.now)


def run_pass(time) -> RecordsReport:
    """Run the pass of the next day to its end."""
    time.advance(86_400)
    return run(time)


def list_cases(api) -> dict[str, str]:
    """Return the id of the record that differs -> the id of the case."""
    cases = api.get("/admin/reconciliation", token=builders.admin_token()).json["open"]
    return {case["order_id"]: case["id"] for case in cases}


def change(row, **changes):
    dynamo.update_now(row, type(row).set_or_remove(changes))


def remove_captured(order_id):
    [entry] = [row for row in LedgerRow.scan() if row.entry.startswith(f"{order_id}#captured")]
    entry.delete()


def forget_order(order_id):
    order = store.load(order_id)
    change(BuyerRow(order.user_id, order.event_id), orders=None)


def first_shard(order_id) -> ShardRow:
    return ShardRow(store.load(order_id).holds[0].shard_id)


DIFFERENCES = {
    "a ticket is missing": (lambda order_id: TicketRow(f"{order_id}-2").delete(), "has"),
    "a ticket is void": (lambda order_id: change(TicketRow(f"{order_id}-2"), state="void"), "has the ticket states"),
    "a ticket has the code of another": (lambda order_id: change(TicketRow(f"{order_id}-2"), code="AAAA"), "signature"),
    "the payment is not in the ledger": (remove_captured, "the ledger adds up to"),
    "the access code is missing": (lambda order_id: change(PurchaseRow(order_id), needs_code=True), "needs an access code"),
    "the buyer's record does not name the order": (forget_order, "the record's orders are"),
}


@pytest.mark.parametrize("name", DIFFERENCES)
def test_a_difference_is_an_open_case(api, time, order_id, name):
    break_it, text = DIFFERENCES[name]
    break_it(order_id)
    report = run(time)
    assert (report.differences, list_cases(api)) == (1, {order_id: "records_differ-purchase"})
    [case] = api.get("/admin/reconciliation", token=builders.admin_token()).json["open"]
    assert any(text in found for found in case["found"])


def test_records_that_agree_leave_no_case(api, time, order_id):
    report = run(time)
    assert to_builtins(report) | {"reads": 0} == {"purchases": 5, "shards": 3, "events": 1, "reads": 0, "differences": 0, "skipped": []}
    assert list_cases(api) == {}


def test_the_case_closes_once_the_records_agree(api, time, order_id):
    ticket = TicketRow.find(f"{order_id}-2")
    ticket.delete()
    assert run(time).differences == 1
    time.advance(900)
    assert (run(time).differences, len(list_cases(api))) == (1, 1)
    ticket.save()
    time.advance(900)
    assert (run(time).differences, list_cases(api)) == (0, {})


def test_a_shard_that_does_not_add_up_is_found(api, time, order_id):
    shard = first_shard(order_id)
    available = ShardRow.find(shard.id).available
    change(shard, available=available + 1)
    assert run(time).differences == 1
    stock_id, number = shard.id.rsplit("#")
    assert list_cases(api) == {stock_id: f"records_differ-shard-{number}"}
    path = f"/admin/reconciliation/{stock_id}/records_differ-shard-{number}"
    change(shard, available=available)
    assert (run(time).differences, list_cases(api)) == (0, {})
    assert api.delete(path, token=builders.admin_token()).status == 404  # closed by itself


@pytest.mark.parametrize("stock_id", ["event:fest", "promo:spring", "tier/press"])
def test_the_case_of_a_shard_can_be_closed_by_hand(api, time, stock_id):
    new_shard(f"{stock_id}#0", capacity=5, sold=2, is_open=True).save()
    change(ShardRow(f"{stock_id}#0"), available=4)
    run(time)
    [(subject, case_id)] = list_cases(api).items()
    assert api.delete(f"/admin/reconciliation/{subject}/{case_id}", token=builders.admin_token()).status == 200
    assert list_cases(api) == {}


def test_the_case_of_a_shard_closes_when_the_shard_is_deleted(api, time, order_id):
    new_shard("gone#0", capacity=5, sold=2, is_open=True).save()
    change(ShardRow("gone#0"), available=4)
    assert (run(time).differences, list_cases(api)) == (1, {"gone": "records_differ-shard-0"})
    ShardRow("gone#0").delete()
    time.advance(900)
    assert (run(time).differences, list_cases(api)) == (0, {})


def test_more_tickets_than_sold_are_found(api, time, order_id):
    """The shard adds up, but has sold fewer tickets than there are."""
    shard = first_shard(order_id)
    row = ShardRow.find(shard.id)
    change(shard, sold=row.sold - 1, available=row.available + 1)
    event_id = store.load(order_id).event_id
    assert (run(time).differences, list_cases(api)) == (1, {event_id: "records_differ-event"})
    change(shard, sold=row.sold, available=row.available)
    assert (run_pass(time).differences, list_cases(api)) == (0, {})


def test_tickets_that_are_on_sale_though_they_are_held_back_are_found(api, time, order_id):
    tier_id, event_id = store.load(order_id).lines[0].tier_id, store.load(order_id).event_id
    body = {"holdbacks": [{"id": "press", "reason": "press", "quantity": 5}]}
    assert api.patch(f"/tiers/{tier_id}", json=body, token=builders.admin_token()).status == 200
    assert (run(time).differences, list_cases(api)) == (0, {})
    resize_stock(tier_id, 3, 200)
    assert (run_pass(time).differences, list_cases(api)) == (1, {event_id: "records_differ-event"})
    assert api.patch(f"/tiers/{tier_id}", json=body, token=builders.admin_token()).status == 200
    assert (run_pass(time).differences, list_cases(api)) == (0, {})


def test_complimentary_tickets_are_compared_with_the_stock_of_their_holdback(api, time, order_id):
    tier_id, event_id = store.load(order_id).lines[0].tier_id, store.load(order_id).event_id
    builders.issue_complimentary(api, (event_id, tier_id), 2)
    time.advance(900)
    assert (run(time).differences, list_cases(api)) == (0, {})
    row = ShardRow.find(f"{tier_id}/press#0")
    row.sold, row.available = 1, 3
    row.save()
    assert (run_pass(time).differences, list_cases(api)) == (1, {event_id: "records_differ-event"})


def test_tickets_of_the_box_office_are_compared_with_the_stock_of_their_holdback(api, time, order_id):
    event_id, [line] = store.load(order_id).event_id, store.load(order_id).lines
    tier_id = line.tier_id
    builders.sell_at_counter(api, (event_id, tier_id), 2, price_cents=line.price_cents)
    time.advance(900)
    assert (run(time).differences, list_cases(api)) == (0, {})
    row = ShardRow.find(f"{tier_id}/counter#0")
    row.sold, row.available = 1, 3
    row.save()
    assert (run_pass(time).differences, list_cases(api)) == (1, {event_id: "records_differ-event"})


@pytest.fixture
def resale(api, time) -> ShardRow:
    """The stock of three tickets for resale, of which one was bought and one is being paid for. Their buyers' holds are not converted."""
    event_id, tier_id = create_shop(api)
    fields = {"returns": {"policy": "resale"}}
    assert api.patch(f"/events/{event_id}", json=fields, token=builders.admin_token()).status == 200
    order_id = builders.create_order(api, (event_id, tier_id), 3)
    assert api.post(f"/orders/{order_id}/resale", json={}, user="ada").status == 200
    item = {"tier_id": tier_id, "quantity": 1, "resale_price_cents": 5000}
    for user in ("bob", "cid"):
        reserved = api.post(f"/events/{event_id}/reservations", json={"items": [item]}, user=user).json["id"]
        assert builders.start_checkout(api, user, reserved, key=reserved).status == 201
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(holds, "convert_holds", lambda _: 0)
        assert builders.confirm(api, "bob", store.load_buyer("bob", event_id).active_id).status == 201
    time.advance(records.SETTLE_SECONDS + 1)
    [row] = [row for row in ShardRow.scan() if is_resale_stock(row.id.rpartition("#")[0])]
    return row


def remove_listing(_):
    next(iter(ListingRow.scan())).delete()


def unlist_ticket(_):
    change(TicketRow(next(iter(ListingRow.scan())).position.partition("#")[2]), listed_at=None)


def add_to_stock(shard):
    change(shard, capacity=shard.capacity + 1, available=shard.available + 1)


def sell_from_stock(shard):
    change(shard, sold=shard.sold + 1, available=shard.available - 1)


@pytest.mark.parametrize(
    ("break_it", "listed", "expected"),
    [(remove_listing, 1, 2), (unlist_ticket, 1, 2), (add_to_stock, 2, 3), (sell_from_stock, 2, 1)],
)
def test_tickets_for_resale_are_compared_with_the_stock_of_their_price(api, time, resale, break_it, listed, expected):
    assert (run(time).differences, list_cases(api)) == (0, {})
    break_it(resale)
    run_pass(time)
    [case] = [case for case in api.get("/admin/reconciliation", token=builders.admin_token()).json["open"] if "event" in case["id"]]
    stock_id = resale.id.rpartition("#")[0]
    assert case["found"] == [f"{stock_id}: {listed} tickets are for resale, and the stock has {expected}"]


def test_a_ticket_for_resale_that_is_paid_meanwhile_differs_in_nothing(api, time, resale, monkeypatch):
    """Cid pays after the pass has read the stock, and before it reads the tickets for resale."""
    event_id, read = next(iter(TicketRow.scan())).event_id, records.query_listed_tickets
    monkeypatch.setattr(holds, "convert_holds", lambda _: 0)

    def pay_first(*arguments):
        builders.confirm(api, "cid", store.load_buyer("cid", event_id).active_id)
        return read(*arguments)

    monkeypatch.setattr(records, "query_listed_tickets", pay_first)
    report = records.run(time.now)
    assert (report.skipped, report.differences, list_cases(api)) == ([event_id], 0, {})


def test_a_purchase_of_a_newer_version_is_left_alone(api, time, order_id):
    newer = {":refunds": {"S": '[{"status": "of a newer version"}]'}}
    dynamo.client().update_item(
        TableName=PurchaseRow.name(),
        Key={"id": {"S": order_id}},
        UpdateExpression="SET refunds = :refunds",
        ExpressionAttributeValues=newer,
    )
    assert (run(time).purchases, list_cases(api)) == (4, {})


def test_a_pass_goes_on_where_the_last_run_stopped(api, time, order_id, monkeypatch):
    monkeypatch.setattr(records, "READS_PER_RUN", 1)
    monkeypatch.setattr(records, "SLICE", 2)
    TicketRow(f"{order_id}-2").delete()
    total = RecordsReport()
    for _ in range(20):
        report = run(time)
        for name in ("purchases", "shards", "events"):
            setattr(total, name, getattr(total, name) + getattr(report, name))
        time.advance(900)
    assert (total.purchases, total.shards, total.events) == (5, 3, 1)
    assert list_cases(api) == {order_id: "records_differ-purchase"}


def test_a_pass_begins_once_a_day(api, time, order_id):
    assert run(time).purchases == 5
    time.advance(86_399)
    assert run(time).purchases == 0
    time.advance(1)
    assert run(time).purchases == 5


def test_a_purchase_that_changes_meanwhile_differs_in_nothing(api, time, order_id, monkeypatch):
    """The order is refunded after the pass has read it and before the pass reads its tickets."""
    load_tickets = records.tickets.load_purchase_tickets

    def refund_first(purchase_id, count):
        if purchase_id == order_id and store.load(order_id).is_order:
            builders.refund(api, order_id)
        return load_tickets(purchase_id, count)

    monkeypatch.setattr(records.tickets, "load_purchase_tickets", refund_first)
    assert (records.run(time.now).differences, list_cases(api)) == (0, {})


def test_an_event_that_sells_meanwhile_is_left_to_the_next_pass(api, time, order_id, monkeypatch):
    event_id = store.load(order_id).event_id
    tier_id = store.load(order_id).lines[0].tier_id
    query = records.query_changed_tickets

    def sell_first(*arguments):
        builders.buy(api, "fay", event_id, tier_id, 1)
        return query(*arguments)

    monkeypatch.setattr(records, "query_changed_tickets", sell_first)
    assert records.run(time.now).skipped == [event_id]
    monkeypatch.undo()
    assert run_pass(time).skipped == []


def test_people_who_come_in_while_an_event_is_counted_count_once(api, time, order_id, monkeypatch):
    """Each check-in moves its ticket to the end of the list that the count reads."""
    monkeypatch.setattr(records, "READS_PER_RUN", 1)
    monkeypatch.setattr(records, "SLICE", 1)
    door = builders.staff_token(store.load(order_id).event_id)
    total = RecordsReport()
    for number in range(20):
        report = run(time)
        total.events, total.differences = total.events + report.events, total.differences + report.differences
        time.advance(900)
        path = f"/tickets/{order_id}-{number % 2 + 1}/validate"
        assert api.post(path, json={"override_reason": "Guest of the band"}, token=door).status == 200
    assert (total.events, total.differences, list_cases(api)) == (1, 0, {})


def test_an_event_that_cannot_be_checked_is_a_case_and_the_pass_goes_on(api, time, order_id):
    """A newer version has changed a refunded order, and was rolled back."""
    event_id = store.load(order_id).event_id
    other_id, _ = create_shop(api)
    assert builders.refund(api, order_id, key="again").status < 300
    time.advance(records.SETTLE_SECONDS + 1)
    with builders.unreadable(order_id):
        assert (run(time).events, list_cases(api)) == (1, {event_id: "records_differ-event"})
    assert (run_pass(time).events, list_cases(api)) == (2, {})
    assert event_id < other_id


def test_tickets_whose_key_was_removed_are_right(api, time, order_id):
    with settings.override(ticket_keys="k2:" + "r" * 32):
        assert (run(time).differences, list_cases(api)) == (0, {})


def test_tickets_whose_hold_is_not_converted_yet_are_sold(api, time, order_id, monkeypatch):
    order = store.load(order_id)
    monkeypatch.setattr(holds, "convert_holds", lambda _: 0)
    builders.buy(api, "fay", order.event_id, order.lines[0].tier_id, 2)
    assert sum(shard.held for shard in scan_shards()) >= 2
    time.advance(records.SETTLE_SECONDS + 1)
    assert (run(time).differences, list_cases(api)) == (0, {})


def test_a_job_that_has_used_up_its_time_leaves_the_records_to_the_next_run(time, order_id):
    with deadline.within(records.SECONDS_PER_SLICE - 1):
        assert run(time) == RecordsReport()
    assert run(time).purchases == 5


def test_a_pass_writes_nothing_but_its_progress(time, order_id):
    with record_calls() as calls:
        run(time)
    assert [call for call in calls if not call.startswith(("Get", "BatchGet", "Query", "Scan"))] == ["PutItem"]


def test_the_job_compares_records_without_a_provider(api, time, order_id):
    report = jobs.reconcile(scheduled_event(), None)
    assert (report["off"], report["records"]["purchases"]) == ("No payment provider takes payments on this stage.", 5)
