"""Event source mappings, as Lambda polls them. The tests move the clocks and call the poller."""

import pytest

from devtools.dynamodb.errors import StoreFailed
from devtools.dynamodb.event_source_mapping import FIRST_PAUSE_SECONDS, EventSourceMapping, StreamPoller
from devtools.dynamodb.store import open_store
from tests.devtools.dynamodb.conftest import attached_client, create_table, put
from tests.devtools.dynamodb.recording_handler import RecordingHandler, create_poller, failed_records


def test_events_have_lambdas_shape(store, client, poll_clock):
    put(client, "1", a="x")
    put(client, "1", a="y")
    put(client, "1", a="y")  # changes nothing, so it is no change
    client.delete_item(TableName="things", Key={"id": {"S": "1"}})
    handler = RecordingHandler()
    assert create_poller(store, poll_clock, handler).drain() == 3
    first, second, third = handler.events[0]["Records"]
    assert set(first) == {"eventID", "eventName", "eventVersion", "eventSource", "awsRegion", "dynamodb", "eventSourceARN"}
    assert [record["eventName"] for record in (first, second, third)] == ["INSERT", "MODIFY", "REMOVE"]
    assert (first["eventSource"], first["eventVersion"], first["awsRegion"]) == ("aws:dynamodb", "1.1", "us-east-1")
    assert first["eventSourceARN"] == store.stream_arns()["things"]
    assert first["dynamodb"] == {
        "ApproximateCreationDateTime": 1_780_000_000,
        "Keys": {"id": {"S": "1"}},
        "NewImage": {"id": {"S": "1"}, "a": {"S": "x"}},
        "SequenceNumber": first["dynamodb"]["SequenceNumber"],
        "SizeBytes": 8,
        "StreamViewType": "NEW_AND_OLD_IMAGES",
    }
    assert second["dynamodb"]["OldImage"]["a"] == {"S": "x"}
    assert "NewImage" not in third["dynamodb"]


def test_batches_in_order(store, client, poll_clock):
    for number in range(7):
        put(client, str(number))
    handler = RecordingHandler()
    stream_poller = create_poller(store, poll_clock, handler, batch_size=3)
    assert [stream_poller.poll_once() for _ in range(4)] == [3, 3, 1, 0]
    assert handler.batches == [["0", "1", "2"], ["3", "4", "5"], ["6"]]


def test_changes_are_batched_for_a_while_or_until_a_batch_is_full(store, client, poll_clock):
    handler = RecordingHandler()
    stream_poller = create_poller(store, poll_clock, handler, batch_size=3, batching_window_seconds=2)
    for number in range(4):
        put(client, str(number))
    assert [stream_poller.poll_once() for _ in range(2)] == [3, 1]
    for number in range(4, 6):
        put(client, str(number))
        poll_clock.now += 0.9
        assert stream_poller.poll_once() == 0
    poll_clock.now += 0.3
    assert stream_poller.poll_once() == 2
    assert handler.batches == [["0", "1", "2"], ["3"], ["4", "5"]]


def test_a_store_failure_is_not_an_error_of_the_handler(tmp_path, clients, poll_clock, caplog):
    def break_store(event, context):
        store._journal.failure = OSError("no space left")
        put(client, "2")

    store = open_store(tmp_path)
    with attached_client(store, clients) as client:
        create_table(client, stream=True)
        put(client, "1")
        with pytest.raises(StoreFailed, match="no space left"):
            create_poller(store, poll_clock, break_store).poll_once()
    assert not caplog.records


def test_a_failed_batch_is_retried_after_growing_pauses(store, client, poll_clock):
    put(client, "1")
    handler = RecordingHandler(ValueError("once"), ValueError("twice"))
    stream_poller = create_poller(store, poll_clock, handler)
    assert (stream_poller.poll_once(), stream_poller.poll_once()) == (0, 0)
    put(client, "2")
    poll_clock.now += FIRST_PAUSE_SECONDS
    assert (stream_poller.poll_once(), stream_poller.poll_once()) == (0, 0)
    poll_clock.now += FIRST_PAUSE_SECONDS / 2
    assert stream_poller.poll_once() == 0
    poll_clock.now += 2 * FIRST_PAUSE_SECONDS
    assert stream_poller.drain() == 2
    assert handler.batches == [["1"], ["1"], ["1"], ["2"]]  # what failed is tried again alone, as it was


def test_a_batch_is_retried_from_its_first_failed_record(store, client, poll_clock):
    for number in range(5):
        put(client, str(number))
    handler = RecordingHandler(failed_records(3, 2), failed_records())
    stream_poller = create_poller(store, poll_clock, handler)
    assert stream_poller.poll_once() == 2
    poll_clock.now += 60
    assert stream_poller.drain() == 3
    assert handler.batches == [["0", "1", "2", "3", "4"], ["2", "3", "4"]]


@pytest.mark.parametrize("answer", [None, {}, {"batchItemFailures": []}, {"batchItemFailures": None}, "text", {"other": 1}])
def test_responses_that_mean_success(store, client, poll_clock, answer):
    put(client, "1")
    assert create_poller(store, poll_clock, RecordingHandler(answer)).poll_once() == 1


@pytest.mark.parametrize("entry", [{"itemIdentifier": "123"}, {"itemIdentifier": ""}, {"itemIdentifier": None}, {}, "text"])
def test_responses_that_mean_that_all_failed(store, client, poll_clock, entry):
    put(client, "1")
    put(client, "2")
    assert create_poller(store, poll_clock, RecordingHandler({"batchItemFailures": [entry]})).poll_once() == 0


def test_failures_are_ignored_unless_reported(store, client, poll_clock):
    put(client, "1")
    assert create_poller(store, poll_clock, RecordingHandler(failed_records(0)), report_batch_item_failures=False).poll_once() == 1


def test_a_batch_is_given_up_after_its_retries(store, client, poll_clock):
    put(client, "1")
    lost = []
    handler = RecordingHandler(*[ValueError("always")] * 3)
    stream_poller = create_poller(store, poll_clock, handler, max_retry_attempts=2, on_failure=lost.extend)
    for _ in range(3):
        stream_poller.poll_once()
        poll_clock.now += 60
    assert [record["dynamodb"]["Keys"]["id"]["S"] for record in lost] == ["1"]
    put(client, "2")
    assert stream_poller.poll_once() == 1


def test_a_batch_is_bisected_until_the_failing_record_is_alone(store, client, poll_clock):
    for number in range(8):
        put(client, str(number))
    lost, handled = [], []

    def handler(event, _):
        keys = [record["dynamodb"]["Keys"]["id"]["S"] for record in event["Records"]]
        if "5" in keys:
            raise ValueError("5")
        handled.extend(keys)

    stream_poller = create_poller(store, poll_clock, handler, bisect_batch_on_error=True, max_retry_attempts=0, on_failure=lost.extend)
    for _ in range(12):
        stream_poller.poll_once()
    assert handled == ["0", "1", "2", "3", "4", "6", "7"]
    assert [record["dynamodb"]["Keys"]["id"]["S"] for record in lost] == ["5"]


def test_a_failing_mapping_does_not_delay_others(store, client, poll_clock):
    put(client, "1")
    good, bad = RecordingHandler(), RecordingHandler(ValueError())
    sources = [EventSourceMapping(name="bad", table="things", handler=bad), EventSourceMapping(name="good", table="things", handler=good)]
    assert StreamPoller(store, sources, poll_clock).poll_once() == 1
    assert good.batches == [["1"]]


def test_names_are_unique(store, poll_clock):
    with pytest.raises(ValueError, match="same name"):
        StreamPoller(store, [EventSourceMapping(name="a", table="t", handler=print)] * 2, poll_clock)


def test_a_handler_cannot_change_the_records_of_others(store, client, poll_clock):
    put(client, "1", a="x")

    def spoil(event, _):
        event["Records"][0]["dynamodb"]["NewImage"].clear()

    handler = RecordingHandler()
    StreamPoller(
        store,
        [EventSourceMapping(name="spoil", table="things", handler=spoil), EventSourceMapping(name="b", table="things", handler=handler)],
        poll_clock,
    ).poll_once()
    assert handler.events[0]["Records"][0]["dynamodb"]["NewImage"]["a"] == {"S": "x"}


def test_polling_continues_after_a_restart(clients, tmp_path, clock, poll_clock):
    store = open_store(tmp_path, clock=clock)
    with attached_client(store, clients) as client:
        create_table(client, stream=True)
        for number in range(4):
            put(client, str(number))
        assert create_poller(store, poll_clock, RecordingHandler(), batch_size=2).poll_once() == 2
    store = open_store(tmp_path, clock=clock)
    with attached_client(store, clients) as client:
        put(client, "4")
        handler = RecordingHandler()
        create_poller(store, poll_clock, handler).drain()
        assert handler.batches == [["2", "3", "4"]]
        store.write_snapshot()
    with open_store(tmp_path, clock=clock) as store:
        assert create_poller(store, poll_clock, handler).drain() == 0


def test_polling_in_a_thread(store, client):
    import threading

    there = threading.Event()
    stream_poller = StreamPoller(store, [EventSourceMapping(name="notes", table="things", handler=lambda event, context: there.set())])
    stream_poller.start()
    put(client, "1")
    assert there.wait(60)
    stream_poller.stop()
