"""A rebuild gives the same reports, while changes come in, and after any interruption."""

import json

import pytest

import app
from chalicelib.addons.reports import projection, store
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import settings
from chalicelib.purchases import queries
from chalicelib.purchases.store import PurchaseRow
from infra import rebuild_reports
from tests import builders
from tests.addons.reports.conftest import change_records, check_reports, kept_figures, recounted_figures
from tests.addons.reports.test_projection import play_sale
from tests.simulation import faults

NEXT = store.FIRST_WIDE + 1  # the generation after the first


def no_wait(seconds):
    assert seconds == projection.WAIT_SECONDS


def lanes():
    return {row.lane.split("#")[0] for row in store.ReportRow.scan()}


@pytest.mark.slow
def test_a_rebuild_gives_the_same_and_deletes_the_old_generation(api, poller, time):
    play_sale(api, time, 60, seed=5)
    poller.drain()
    before = kept_figures()
    report = projection.rebuild(no_wait)
    assert (report.generation, report.purchases) == (NEXT, 60)
    assert kept_figures(NEXT) == before
    check_reports(NEXT)
    assert lanes() == {"state", str(NEXT)}


@pytest.mark.slow
def test_a_rebuild_replaces_a_narrow_generation_of_an_earlier_version(api, poller, time):
    store.save_generations(store.Generations(), store.Generations(1))
    play_sale(api, time, 20, seed=8)
    poller.drain()
    before = kept_figures(1)
    check_reports(1)
    assert {row.lane.rpartition("#")[2] for row in store.ReportRow.scan()} == {"state", "figures", "0", "1", "2", "3"}
    [event_id, *_] = before
    path, token = f"/events/{event_id}/analytics", builders.admin_token()
    shown = api.get(path, token=token).json
    assert projection.rebuild(no_wait).generation == store.FIRST_WIDE
    assert kept_figures() == before
    assert api.get(path, token=token).json == shown
    check_reports()
    assert lanes() == {"state", str(store.FIRST_WIDE)}


@pytest.mark.slow
def test_the_old_generation_is_deleted_in_batches(api, poller, time):
    play_sale(api, time, 60, seed=5)
    poller.drain()
    rows = sum(row.lane.startswith(f"{store.FIRST_WIDE}#") for row in store.ReportRow.scan())
    with faults.record_calls() as calls:
        assert projection.rebuild(no_wait).deleted == rows
    assert len(calls.of(operation="BatchWriteItem")) == -(-rows // 25)
    assert calls.of(operation="DeleteItem") == []


def test_changes_during_a_rebuild_are_in_both_reports(api, poller, time, monkeypatch):
    shop = builders.create_shop(api, capacity=100)
    first = builders.create_order(api, shop)
    poller.drain()
    scan, seen = queries.scan_purchases, []

    def scan_and_sell():
        purchases = list(scan())
        if not seen:
            seen.append(store.load_generations())
            builders.create_order(api, shop, user="bob")  # not in what was scanned
            builders.refund(api, first)  # a newer version than was scanned
            poller.drain()
        yield from purchases

    monkeypatch.setattr(queries, "scan_purchases", scan_and_sell)
    projection.rebuild(no_wait)
    monkeypatch.undo()
    assert [generations.written for generations in seen] == [[store.FIRST_WIDE, NEXT]]
    poller.drain()
    check_reports(NEXT)
    builders.create_order(api, shop, user="cleo")
    poller.drain()
    check_reports(NEXT)


@pytest.mark.slow
def test_a_rebuild_that_crashes_anywhere_is_repeated(api, poller, time, monkeypatch):
    monkeypatch.setattr(store.random, "randrange", lambda _: 0)  # so that each rebuild has as many rows, and makes as many calls
    play_sale(api, time, 8, seed=6)
    poller.drain()
    before = kept_figures()
    with faults.record_calls() as calls:
        projection.rebuild(no_wait)
    for number in range(1, len(calls) + 1, 3):
        with faults.crash_after(number) as crash:
            projection.rebuild(no_wait)
        assert crash.was_triggered
        assert kept_figures(store.load_generations().current) == before
        assert projection.rebuild(no_wait).generation > NEXT
        current = store.load_generations().current
        check_reports(current)
        assert lanes() == {"state", str(current)}


def test_expired_purchases_stay_counted_after_a_rebuild(api, poller, time):
    event_id, tier_id = builders.create_shop(api)
    reservation_id = builders.reserve(api, "ada", event_id, tier_id).json["id"]
    time.advance(600)
    builders.run_sweep()
    PurchaseRow(reservation_id).delete()
    poller.drain()
    before = kept_figures()
    assert before[event_id]["totals"]["expired"] == 1
    assert projection.rebuild(no_wait).forgotten == 1
    assert kept_figures(NEXT) == before


@pytest.mark.slow
def test_people_who_came_in_in_a_hundred_hours_are_counted_once(api, poller, time):
    """Their figures are too many for one transaction, and a run may crash between two of them."""
    shop = builders.create_shop(api, admits=100)
    order_id = builders.create_order(api, shop, 1)
    poller.drain()

    def come_in(times):
        with settings.override(doors_open_seconds=31 * 86_400):
            for _ in range(times):
                assert api.post(f"/tickets/{order_id}-1/validate", json={"count": 1}, token=builders.admin_token()).status == 200
                time.advance(3600)

    come_in(99)
    records = change_records()
    with faults.crash_after(1, operation="TransactWriteItems") as crash:
        app.app.handler_map["project_reports"]({"Records": records}, None)
    assert crash.was_triggered
    assert kept_figures() != recounted_figures()
    for delivered_again in (records[:-1], records):
        app.app.handler_map["project_reports"]({"Records": delivered_again}, None)
    check_reports()
    come_in(1)
    poller.drain()
    check_reports()
    app.app.handler_map["project_reports"]({"Records": records}, None)
    check_reports()
    assert projection.rebuild(no_wait).checked_in == 1
    check_reports(NEXT)


def test_one_of_two_simultaneous_rebuilds_is_refused(api, poller, time):
    def begin_another(seconds):
        monkey.undo()
        projection.rebuild(no_wait)

    with pytest.MonkeyPatch.context() as monkey, pytest.raises(projection.RebuildConflict):
        projection.rebuild(begin_another)
    assert store.load_generations().building is None


def test_a_rebuild_deletes_nothing_of_the_next_one(api, poller, time):
    builders.create_order(api, builders.create_shop(api))
    poller.drain()
    waits = iter([no_wait, lambda seconds: projection.rebuild(no_wait)])
    projection.rebuild(lambda seconds: next(waits)(seconds))
    current = store.load_generations().current
    assert current == NEXT + 1
    check_reports(current)


def test_the_command_says_what_it_has_counted(api, poller, time, monkeypatch, capsys):
    builders.create_order(api, builders.create_shop(api))
    monkeypatch.setattr(projection, "WAIT_SECONDS", 0)
    assert rebuild_reports.main([]) == 0
    assert "1 purchases, 0 deleted purchases, 1 ledger entries" in capsys.readouterr().out


def test_the_result_can_be_json(api, poller, time, monkeypatch, capsys):
    builders.create_order(api, builders.create_shop(api))
    monkeypatch.setattr(projection, "WAIT_SECONDS", 0)
    capsys.readouterr()
    assert rebuild_reports.main(["--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["stage"], result["purchases"], result["entries"], result["unreadable"]) == (settings.current().stage, 1, 1, 0)


def test_the_command_says_that_the_store_failed(api, poller, time, capsys):
    with faults.fail_from(1, faults.unreachable):
        assert rebuild_reports.main([]) == 1
    assert "the store failed" in capsys.readouterr().err


@pytest.mark.parametrize("feature", ["purchases", "tickets", "payment-transactions"])
def test_an_item_that_cannot_be_read_does_not_stop_the_rebuild(api, poller, time, monkeypatch, capsys, feature):
    """A newer version has written it before a rollback."""
    shop = builders.create_shop(api)
    for user in ("ada", "bob"):
        builders.create_order(api, shop, user=user)
    poller.drain()
    monkeypatch.setattr(projection, "WAIT_SECONDS", 0)
    key, field = {
        "purchases": ("id", "lines"),
        "tickets": ("id", "attendee"),
        "payment-transactions": ("entry", "details"),
    }[feature]
    table = dynamo.table_name(feature)
    item = dynamo.client().scan(TableName=table)["Items"][0]
    newer = item | {key: {"S": "00#captured#newer"}, field: {"S": "of a newer version"}}
    dynamo.client().put_item(TableName=table, Item=newer)
    assert rebuild_reports.main([]) == 0
    assert "cannot read 1 items" in capsys.readouterr().out
    assert store.load_generations() == store.Generations(NEXT)
    counted = kept_figures(NEXT)
    dynamo.client().delete_item(TableName=table, Key={name: newer[name] for name in newer.keys() & {"lane", key}})
    assert counted == recounted_figures()
