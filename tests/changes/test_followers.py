"""The function that passes changes on: all followers are called, and what one fails at comes again."""

import pytest

import app
from chalicelib.changes import jobs
from chalicelib.changes.model import OrderPaid
from chalicelib.dynamodb import dynamo
from infra import event_sources
from infra.local.event_sources import create_poller
from tests import builders, engines, store_calls


@pytest.fixture
def local(threaded_store):
    return engines.local_engine()


@pytest.fixture
def records(api, time, local):
    """The records of the purchases, after one order was paid."""
    builders.create_order(api, builders.create_shop(api), 1)
    return local.stream_records(local.stream_arns()[dynamo.table_name("purchases")], "", 1_000)


def follow_with(monkeypatch, *followers):
    monkeypatch.setattr(jobs, "followers", lambda: list(followers))


def test_each_follower_gets_all_changes_of_each_table(api, time, local, monkeypatch):
    seen = [[], []]
    follow_with(monkeypatch, seen[0].extend, seen[1].extend)
    builders.create_order(api, builders.create_shop(api), 2)
    create_poller(app.app, local, window_seconds=0).drain()
    assert seen[0] == seen[1]
    names = [type(change).__name__ for change in seen[0]]
    assert {"EventChanged", "TierChanged", "OrderPaid"} < set(names)
    assert names.count("TicketIssued") == 2


def test_a_failing_follower_delays_no_other_and_is_called_again(records, monkeypatch):
    seen = []

    def fail(changes):
        if any(isinstance(change, OrderPaid) for change in changes):
            raise ValueError("cannot follow")

    follow_with(monkeypatch, fail, lambda changes: seen.append(len(changes)))
    reply = jobs.follow_changes({"Records": records}, None)
    paid = records[-1]["dynamodb"]["SequenceNumber"]
    assert reply == {"batchItemFailures": [{"itemIdentifier": paid}]}
    assert seen[0] == sum(seen[1:]) > 0  # at once, then record by record


def test_a_store_failure_fails_the_batch_after_another_followers_error(records, monkeypatch):
    calls = []

    def fail(_):
        raise ValueError("cannot follow")

    def need_store(changes):
        calls.append(changes)
        raise dynamo.StoreUnavailable("down")

    follow_with(monkeypatch, fail, need_store)
    with pytest.raises(dynamo.StoreUnavailable):
        jobs.follow_changes({"Records": records}, None)
    assert len(calls) == 1


def test_tickets_get_their_numbers_through_the_function(api, time, local):
    order_id = builders.create_order(api, builders.create_shop(api), 1)
    records = local.stream_records(local.stream_arns()[dynamo.table_name("tickets")], "", 1_000)
    with store_calls.made_by("follow_changes"):
        assert jobs.follow_changes({"Records": records}, None) == {"batchItemFailures": []}
    assert api.get(f"/tickets/{order_id}-1", user="ada").json["number"]


@pytest.mark.parametrize(("change", "is_read"), [({"venue": "Dome"}, False), ({"capacity": 50}, True)])
def test_the_stock_is_read_only_if_a_change_may_move_tickets(api, time, local, monkeypatch, change, is_read):
    event_id = builders.create_event(api, capacity=20)
    create_poller(app.app, local, window_seconds=0).drain()
    followed = []
    monkeypatch.setattr(jobs.catalog, "follow_sales", lambda event_ids, _: followed.extend(event_ids))
    assert api.patch(f"/events/{event_id}", json=change, token=builders.admin_token()).status == 200
    create_poller(app.app, local, window_seconds=0).drain()
    assert (event_id in followed) == is_read


def test_no_stream_has_more_readers_than_dynamodb_allows():
    for feature in {feature for features in event_sources.CONSUMERS.values() for feature in features}:
        assert sum(feature in features for features in event_sources.CONSUMERS.values()) <= 2
