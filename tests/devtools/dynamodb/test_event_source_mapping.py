"""Event source mappings, as Lambda polls them. The tests move the clocks and call the poller."""

import threading
import time

import pytest

from devtools.dynamodb.engine import Engine
from devtools.dynamodb.journal import StoreFailed, open_journal
from devtools.dynamodb.streams import RECORD_SECONDS
from devtools.event_source_mapping import FIRST_PAUSE_SECONDS, EventSourceMapping, StreamPoller
from tests.devtools.dynamodb.conftest import Caller, Clock
from tests.devtools.dynamodb.recording_handler import RecordingHandler, create_poller, failed_records


@pytest.fixture
def poll_clock() -> Clock:
    """The clock of pollers, which measures their pauses."""
    return Clock(0.0)


def put(db: Caller, key: str, table: str = "things", **attributes: str) -> None:
    db.put({"id": key, **attributes}, table)


def test_events_have_lambdas_shape(db, poll_clock):
    put(db, "1", a="x")
    put(db, "1", a="y")
    put(db, "1", a="y")  # changes nothing, so it is no change
    db.delete("1")
    handler = RecordingHandler()
    assert create_poller(db.engine, poll_clock, handler).drain() == 3
    first, second, third = handler.events[0]["Records"]
    assert set(first) == {"eventID", "eventName", "eventVersion", "eventSource", "awsRegion", "dynamodb", "eventSourceARN"}
    assert [record["eventName"] for record in (first, second, third)] == ["INSERT", "MODIFY", "REMOVE"]
    assert (first["eventSource"], first["eventVersion"], first["awsRegion"]) == ("aws:dynamodb", "1.1", "us-east-1")
    assert first["eventSourceARN"] == db.engine.stream_arns()["things"]
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


def test_batches_in_order(db, poll_clock):
    for number in range(7):
        put(db, str(number))
    handler = RecordingHandler()
    stream_poller = create_poller(db.engine, poll_clock, handler, batch_size=3)
    assert [stream_poller.poll_once() for _ in range(4)] == [3, 3, 1, 0]
    assert handler.batches == [["0", "1", "2"], ["3", "4", "5"], ["6"]]


def test_a_pattern_chooses_the_changes_that_the_handler_gets(db, poll_clock):
    for key, value in (("1", "x"), ("2", "y2"), ("1", "y"), ("3", "x"), ("4", "z")):
        put(db, key, a=value)
    handler = RecordingHandler()
    pattern = {"eventName": ["INSERT"], "dynamodb": {"NewImage": {"a": {"S": ["x", {"prefix": "y"}]}}}}
    stream_poller = create_poller(db.engine, poll_clock, handler, batch_size=4, pattern=pattern)
    assert [stream_poller.poll_once() for _ in range(3)] == [4, 1, 0]
    assert handler.batches == [["1", "2", "3"]]


def test_changes_are_batched_for_a_while_or_until_a_batch_is_full(db, poll_clock):
    handler = RecordingHandler()
    stream_poller = create_poller(db.engine, poll_clock, handler, batch_size=3, batching_window_seconds=2)
    for number in range(4):
        put(db, str(number))
    assert [stream_poller.poll_once() for _ in range(2)] == [3, 1]
    for number in range(4, 6):
        put(db, str(number))
        poll_clock.now += 0.9
        assert stream_poller.poll_once() == 0
    poll_clock.now += 0.3
    assert stream_poller.poll_once() == 2
    assert handler.batches == [["0", "1", "2"], ["3"], ["4", "5"]]


def test_a_store_failure_is_not_an_error_of_the_handler(db, poll_clock, caplog):
    put(db, "1")

    def fail() -> None:
        raise StoreFailed("no space left")

    def break_store(event, context):
        db.engine.commit = lambda records: fail
        put(db, "2")

    with pytest.raises(StoreFailed, match="no space left"):
        create_poller(db.engine, poll_clock, break_store).poll_once()
    assert not caplog.records


def test_a_failed_batch_is_retried_after_growing_pauses(db, poll_clock):
    put(db, "1")
    handler = RecordingHandler(ValueError("once"), ValueError("twice"))
    stream_poller = create_poller(db.engine, poll_clock, handler)
    assert (stream_poller.poll_once(), stream_poller.poll_once()) == (0, 0)
    put(db, "2")
    poll_clock.now += FIRST_PAUSE_SECONDS
    assert (stream_poller.poll_once(), stream_poller.poll_once()) == (0, 0)
    poll_clock.now += FIRST_PAUSE_SECONDS / 2
    assert stream_poller.poll_once() == 0
    poll_clock.now += 2 * FIRST_PAUSE_SECONDS
    assert stream_poller.drain() == 2
    assert handler.batches == [["1"], ["1"], ["1"], ["2"]]  # what failed is tried again alone, as it was


def test_a_batch_is_retried_from_its_first_failed_record(db, poll_clock):
    for number in range(5):
        put(db, str(number))
    handler = RecordingHandler(failed_records(3, 2), failed_records())
    stream_poller = create_poller(db.engine, poll_clock, handler)
    assert stream_poller.poll_once() == 2
    poll_clock.now += 60
    assert stream_poller.drain() == 3
    assert handler.batches == [["0", "1", "2", "3", "4"], ["2", "3", "4"]]


@pytest.mark.parametrize("answer", [None, {}, {"batchItemFailures": []}, {"batchItemFailures": None}, "text", {"other": 1}])
def test_responses_that_mean_success(db, poll_clock, answer):
    put(db, "1")
    assert create_poller(db.engine, poll_clock, RecordingHandler(answer)).poll_once() == 1


@pytest.mark.parametrize("entry", [{"itemIdentifier": "123"}, {"itemIdentifier": ""}, {"itemIdentifier": None}, {}, "text"])
def test_responses_that_mean_that_all_failed(db, poll_clock, entry):
    put(db, "1")
    put(db, "2")
    assert create_poller(db.engine, poll_clock, RecordingHandler({"batchItemFailures": [entry]})).poll_once() == 0


def test_failures_are_ignored_unless_reported(db, poll_clock):
    put(db, "1")
    assert create_poller(db.engine, poll_clock, RecordingHandler(failed_records(0)), report_batch_item_failures=False).poll_once() == 1


def test_a_batch_is_given_up_after_its_retries(db, poll_clock):
    put(db, "1")
    lost = []
    handler = RecordingHandler(*[ValueError("always")] * 3)
    stream_poller = create_poller(db.engine, poll_clock, handler, max_retry_attempts=2, on_failure=lost.extend)
    for _ in range(3):
        stream_poller.poll_once()
        poll_clock.now += 60
    assert [record["dynamodb"]["Keys"]["id"]["S"] for record in lost] == ["1"]
    put(db, "2")
    assert stream_poller.poll_once() == 1


def test_a_batch_is_bisected_until_the_failing_record_is_alone(db, poll_clock):
    for number in range(8):
        put(db, str(number))
    lost, handled = [], []

    def handler(event, _):
        keys = [record["dynamodb"]["Keys"]["id"]["S"] for record in event["Records"]]
        if "5" in keys:
            raise ValueError("5")
        handled.extend(keys)

    stream_poller = create_poller(db.engine, poll_clock, handler, bisect_batch_on_error=True, max_retry_attempts=0, on_failure=lost.extend)
    for _ in range(12):
        stream_poller.poll_once()
    assert handled == ["0", "1", "2", "3", "4", "6", "7"]
    assert [record["dynamodb"]["Keys"]["id"]["S"] for record in lost] == ["5"]


def test_a_failing_mapping_does_not_delay_others(db, poll_clock):
    put(db, "1")
    good, bad = RecordingHandler(), RecordingHandler(ValueError())
    sources = [EventSourceMapping(name="bad", table="things", handler=bad), EventSourceMapping(name="good", table="things", handler=good)]
    assert StreamPoller(db.engine, sources, poll_clock).poll_once() == 1
    assert good.batches == [["1"]]


def test_names_are_unique(engine, poll_clock):
    with pytest.raises(ValueError, match="same name"):
        StreamPoller(engine, [EventSourceMapping(name="a", table="t", handler=print)] * 2, poll_clock)


def test_a_handler_cannot_change_the_records_of_others(db, poll_clock):
    put(db, "1", a="x")

    def spoil(event, _):
        event["Records"][0]["dynamodb"]["NewImage"].clear()

    handler = RecordingHandler()
    StreamPoller(
        db.engine,
        [EventSourceMapping(name="spoil", table="things", handler=spoil), EventSourceMapping(name="b", table="things", handler=handler)],
        poll_clock,
    ).poll_once()
    assert handler.events[0]["Records"][0]["dynamodb"]["NewImage"]["a"] == {"S": "x"}


def test_polling_continues_after_a_restart(tmp_path, clock, poll_clock):
    def opened() -> Caller:
        return Caller(Engine(clock))

    db = opened()
    with open_journal(tmp_path, db.engine):
        db.create_table("things")
        for number in range(4):
            put(db, str(number))
        assert create_poller(db.engine, poll_clock, RecordingHandler(), batch_size=2).poll_once() == 2
    db, handler = opened(), RecordingHandler()
    with open_journal(tmp_path, db.engine) as journal:
        put(db, "4")
        create_poller(db.engine, poll_clock, handler).drain()
        assert handler.batches == [["2", "3", "4"]]
        journal.compact()
    db = opened()
    with open_journal(tmp_path, db.engine):
        assert create_poller(db.engine, poll_clock, handler).drain() == 0


def test_records_that_a_failing_handler_waits_for_are_kept(db, clock, poll_clock):
    stream_poller = create_poller(db.engine, poll_clock, handler := RecordingHandler(ValueError()))
    put(db, "old")
    stream_poller.poll_once()
    clock.now += RECORD_SECONDS + 120
    put(db, "new")
    poll_clock.now += 60
    assert stream_poller.drain() == 2
    assert handler.batches == [["old"], ["old"], ["new"]]


def test_a_stream_that_is_switched_off_is_read_to_its_end(db, poll_clock):
    def switch(**specification) -> None:
        db.engine.call("UpdateTable", {"TableName": "things", "StreamSpecification": specification})

    put(db, "1")
    handler = RecordingHandler()
    stream_poller = create_poller(db.engine, poll_clock, handler, batch_size=1)
    stream_poller.poll_once()
    put(db, "2")
    switch(StreamEnabled=False)
    put(db, "unseen")
    switch(StreamEnabled=True, StreamViewType="NEW_IMAGE")
    put(db, "3")
    for _ in range(5):
        stream_poller.poll_once()
    assert handler.batches == [["1"], ["2"], ["3"]]


def test_polling_in_a_thread(db):
    there = threading.Event()
    stream_poller = create_poller(db.engine, time.monotonic, lambda event, context: there.set())
    stream_poller.start()
    put(db, "1")
    assert there.wait(60)
    stream_poller.stop()
