"""Functions that consume the stream: what they get, and what becomes of records that fail."""

import pytest

import app
from chalicelib.changes.model import (
    CheckInUndone,
    EventChanged,
    EventPaused,
    EventResumed,
    TicketCheckedIn,
    TicketIssued,
    TicketVoided,
    TierChanged,
)
from chalicelib.changes.stream import record_changes, stream_consumer
from chalicelib.dynamodb import dynamo
from devtools.event_source_mapping import EventSourceMapping, StreamPoller
from infra.local.event_sources import create_poller
from tests import builders, engines


@pytest.fixture
def local(threaded_store):
    return engines.local_engine()


def records(local, feature):
    return local.stream_records(local.stream_arns()[dynamo.table_name(feature)], "", 1_000_000)


def changes(local, feature):
    return [change for record in records(local, feature) for change in record_changes(record)]


def kinds(local, feature):
    return [type(change).__name__ for change in changes(local, feature)]


def test_the_steps_of_a_purchase_are_read_from_the_stream(api, local, time):
    shop = builders.create_shop(api)
    order_id = builders.create_order(api, shop)
    builders.refund(api, order_id)
    assert kinds(local, "purchases") == [
        "ReservationMade",
        "CheckoutOpened",
        "OrderPaid",
        "OrderRefunded",
        "SeatsReturned",
        "RefundSucceeded",
    ]
    assert [change.entry.kind for change in changes(local, "payment-transactions")] == ["captured", "refunded"]
    assert [type(change) for change in changes(local, "tickets")] == [TicketIssued, TicketIssued, TicketVoided, TicketVoided]
    assert [change.ticket.id for change in changes(local, "tickets")][:2] == builders.ticket_ids(order_id, 1, 2)


def test_check_ins_of_the_stream_have_increasing_sequences(api, local, time):
    shop = builders.create_shop(api, admits=3)
    ticket_id = f"{builders.create_order(api, shop, 1)}-1"
    [issued] = changes(local, "tickets")
    time.advance(30 * 86_400 - 3600)  # the stream keeps a record for a day
    for count in (1, 2):
        assert api.post(f"/tickets/{ticket_id}/validate", json={"count": count}, token=builders.admin_token()).status == 200
    assert api.post(f"/tickets/{ticket_id}/undo", json={"reason": "wrong person"}, token=builders.admin_token()).status == 200
    first, second, undone = changes(local, "tickets")
    assert [type(change) for change in (issued, first, second, undone)] == [TicketIssued, TicketCheckedIn, TicketCheckedIn, CheckInUndone]
    assert (first.people, second.people, undone.people) == (1, 2, 2)
    assert issued.sequence < first.sequence < second.sequence < undone.sequence


def test_changes_of_the_catalog_are_read_from_the_stream(api, local, time):
    event_id, tier_id = builders.create_shop(api)
    for action in ("pause", "resume"):
        api.post(f"/admin/events/{event_id}/{action}", token=builders.admin_token())
    found = changes(local, "catalog")
    assert [type(change) for change in found] == [EventChanged, TierChanged, EventPaused, EventResumed]
    assert (found[0].before, found[0].after.id, found[1].after.id) == (None, event_id, tier_id)


def test_a_poison_record_becomes_a_dead_letter_and_delays_only_later_ones(api, local, time):
    """The records before it are processed, and after its last attempt the rest of the batch is too."""
    event_id, tier_id = builders.create_shop(api)
    for number in range(9):
        builders.reserve(api, f"user-{number}", event_id, tier_id)
    purchase_ids = [change.purchase.id for change in changes(local, "purchases")]
    poison, consumed, dead = purchase_ids[4], [], []

    @stream_consumer("test")
    def consume(batch):
        if any(change.purchase.id == poison for change in batch):
            raise ValueError("cannot be processed")
        consumed.extend(change.purchase.id for change in batch)

    table = dynamo.table_name("purchases")
    mapping = EventSourceMapping(
        name="test", table=table, handler=consume, max_retry_attempts=2, bisect_batch_on_error=True, on_failure=dead.extend
    )
    clock = [0.0]
    poller = StreamPoller(local, [mapping], clock=lambda: clock[0])
    for _ in range(30):
        poller.drain()
        clock[0] += 60
    assert [record["dynamodb"]["Keys"]["id"]["S"] for record in dead] == [poison]
    assert set(consumed) == {*purchase_ids} - {poison}


def test_a_record_that_cannot_be_decoded_delays_no_other_items(api, local, time):
    """After a rollback, the stream may have purchases with values that only the newer version knows."""
    event_id, tier_id = builders.create_shop(api)
    orders = [builders.create_order(api, (event_id, tier_id), 1, f"user-{number}") for number in range(3)]
    found = records(local, "purchases")
    newer = next(record for record in found if record["dynamodb"]["Keys"]["id"]["S"] == orders[0])
    newer["dynamodb"]["NewImage"]["lines"] = {"S": '[{"added_later": 1}]'}
    consumed = []

    @stream_consumer("test")
    def consume(batch):
        consumed.extend(type(change).__name__ + change.purchase.id for change in batch)

    for _ in range(2):
        failures = consume({"Records": found}, None)["batchItemFailures"]
        assert failures == [{"itemIdentifier": newer["dynamodb"]["SequenceNumber"]}]
    assert {name + order_id for name in ("ReservationMade", "OrderPaid") for order_id in orders[1:]} < set(consumed)
    assert [name for name in consumed if name.endswith(orders[0])] == [], "the order of changes to one item is kept"


def test_an_error_after_a_record_that_fails_changes_nothing(api, local, time):
    event_id, tier_id = builders.create_shop(api)
    for number in range(3):
        builders.reserve(api, f"user-{number}", event_id, tier_id)
    found = records(local, "purchases")

    @stream_consumer("test")
    def consume(batch):
        if any(change.purchase.user_id == "user-1" for change in batch):
            raise ValueError("cannot be processed")
        if any(change.purchase.user_id == "user-2" for change in batch):
            raise dynamo.StoreUnavailable("down")

    assert consume({"Records": found}, None)["batchItemFailures"] == [{"itemIdentifier": found[1]["dynamodb"]["SequenceNumber"]}]


def test_while_the_store_is_down_nothing_is_given_up(api, local, time):
    event_id, tier_id = builders.create_shop(api)
    builders.reserve(api, "ada", event_id, tier_id)
    calls = []

    @stream_consumer("test")
    def consume(batch):
        calls.append(batch)
        raise dynamo.StoreUnavailable("down")

    with pytest.raises(dynamo.StoreUnavailable):
        consume({"Records": records(local, "purchases")}, None)
    assert len(calls) == 1  # not record by record, which would ask a store that is down again and again


def test_a_record_of_an_unknown_table_fails(local):
    arn = f"arn:aws:dynamodb:us-east-1:1:table/{dynamo.table_name('other')}/stream/x"
    with pytest.raises(ValueError, match="other"):
        record_changes({"eventSourceARN": arn, "dynamodb": {"ApproximateCreationDateTime": 1}})


@pytest.mark.needs_addon
def test_the_local_run_passes_changes_to_the_functions_that_consume_them(api, local, time):
    event_id, tier_id = builders.create_shop(api)
    builders.create_order(api, (event_id, tier_id))
    assert create_poller(app.app, local, window_seconds=0).drain() > 0
    reply = api.get(f"/events/{event_id}/analytics", token=builders.admin_token())
    assert reply.json["funnel"]["orders"] == 1
