"""The change feed, as Lambda would deliver it; the tests move the clocks and make the steps."""

import random

import pytest

from devtools.dynamodb.event_source_mapping import FIRST_PAUSE_SECONDS, EventSourceMapping, StreamPoller
from devtools.dynamodb.store import open_store
from tests.devtools.dynamodb.conftest import Clock, put, serving, table

DAY = 24 * 3600


class Handler:
    """Notes the ids of what it gets, and does with each batch what `plan` says next."""

    def __init__(self, *plan) -> None:
        self.batches: list[list[str]] = []
        self.events: list[dict] = []
        self._plan = list(plan)

    def __call__(self, event, _context):
        self.events.append(event)
        self.batches.append([record["dynamodb"]["Keys"]["id"]["S"] for record in event["Records"]])
        does = self._plan.pop(0) if self._plan else None
        if isinstance(does, Exception):
            raise does
        return does(event) if callable(does) else does


def failing(*positions: int):
    """An answer that names the records at these places of the batch."""
    return lambda event: {
        "batchItemFailures": [{"itemIdentifier": event["Records"][place]["dynamodb"]["SequenceNumber"]} for place in positions]
    }


@pytest.fixture
def store(clock):
    return open_store(clock=clock)


@pytest.fixture
def client(store, clients):
    with serving(store, clients) as serves:
        table(serves, stream=True)
        yield serves


@pytest.fixture
def ticks() -> Clock:
    return Clock()


def runner(store, ticks, handler, **more) -> StreamPoller:
    return StreamPoller(store, [EventSourceMapping(name="notes", table="things", handler=handler, **more)], ticks)


def test_events_are_lambdas(store, client, ticks):
    put(client, "1", a="x")
    put(client, "1", a="y")
    put(client, "1", a="y")  # changes nothing, so it is no change
    client.delete_item(TableName="things", Key={"id": {"S": "1"}})
    handler = Handler()
    assert runner(store, ticks, handler).drain() == 3
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


def test_batches_in_order(store, client, ticks):
    for number in range(7):
        put(client, str(number))
    handler = Handler()
    feed = runner(store, ticks, handler, batch_size=3)
    assert [feed.poll_once() for _ in range(4)] == [3, 3, 1, 0]
    assert handler.batches == [["0", "1", "2"], ["3", "4", "5"], ["6"]]


def test_a_failure_is_tried_again_after_a_longer_and_longer_pause(store, client, ticks):
    put(client, "1")
    handler = Handler(ValueError("once"), ValueError("twice"))
    feed = runner(store, ticks, handler)
    assert (feed.poll_once(), feed.poll_once()) == (0, 0)
    put(client, "2")
    ticks.now += FIRST_PAUSE_SECONDS
    assert (feed.poll_once(), feed.poll_once()) == (0, 0)
    ticks.now += FIRST_PAUSE_SECONDS / 2
    assert feed.poll_once() == 0
    ticks.now += 2 * FIRST_PAUSE_SECONDS
    assert feed.drain() == 2
    assert handler.batches == [["1"], ["1"], ["1"], ["2"]]  # what failed is tried again alone, as it was


def test_from_the_first_record_that_failed_on(store, client, ticks):
    for number in range(5):
        put(client, str(number))
    handler = Handler(failing(3, 2), failing())
    feed = runner(store, ticks, handler)
    assert feed.poll_once() == 2
    ticks.now += 60
    assert feed.drain() == 3
    assert handler.batches == [["0", "1", "2", "3", "4"], ["2", "3", "4"]]


@pytest.mark.parametrize("answer", [None, {}, {"batchItemFailures": []}, {"batchItemFailures": None}, "text", {"other": 1}])
def test_answers_that_mean_success(store, client, ticks, answer):
    put(client, "1")
    assert runner(store, ticks, Handler(answer)).poll_once() == 1


@pytest.mark.parametrize("entry", [{"itemIdentifier": "123"}, {"itemIdentifier": ""}, {"itemIdentifier": None}, {}, "text"])
def test_answers_that_mean_that_all_failed(store, client, ticks, entry):
    put(client, "1")
    put(client, "2")
    assert runner(store, ticks, Handler({"batchItemFailures": [entry]})).poll_once() == 0


def test_without_reports_the_answer_means_nothing(store, client, ticks):
    put(client, "1")
    assert runner(store, ticks, Handler(failing(0)), report_batch_item_failures=False).poll_once() == 1


def test_given_up_after_its_retries(store, client, ticks):
    put(client, "1")
    lost = []
    handler = Handler(*[ValueError("always")] * 3)
    feed = runner(store, ticks, handler, max_retry_attempts=2, on_failure=lost.extend)
    for _ in range(3):
        feed.poll_once()
        ticks.now += 60
    assert [record["dynamodb"]["Keys"]["id"]["S"] for record in lost] == ["1"]
    put(client, "2")
    assert feed.poll_once() == 1


def test_bisected_until_the_one_that_fails_is_alone(store, client, ticks):
    for number in range(8):
        put(client, str(number))
    lost, handled = [], []

    def handler(event, _):
        keys = [record["dynamodb"]["Keys"]["id"]["S"] for record in event["Records"]]
        if "5" in keys:
            raise ValueError("5")
        handled.extend(keys)

    feed = runner(store, ticks, handler, bisect_batch_on_error=True, max_retry_attempts=0, on_failure=lost.extend)
    for _ in range(12):
        feed.poll_once()
    assert handled == ["0", "1", "2", "3", "4", "6", "7"]
    assert [record["dynamodb"]["Keys"]["id"]["S"] for record in lost] == ["5"]


def test_a_source_that_fails_does_not_hold_up_the_others(store, client, ticks):
    put(client, "1")
    good, bad = Handler(), Handler(ValueError())
    sources = [EventSourceMapping(name="bad", table="things", handler=bad), EventSourceMapping(name="good", table="things", handler=good)]
    assert StreamPoller(store, sources, ticks).poll_once() == 1
    assert good.batches == [["1"]]


def test_names_are_positions(store, ticks):
    with pytest.raises(ValueError, match="same name"):
        StreamPoller(store, [EventSourceMapping(name="a", table="t", handler=print)] * 2, ticks)


def test_a_handler_cannot_change_what_others_get(store, client, ticks):
    put(client, "1", a="x")

    def spoil(event, _):
        event["Records"][0]["dynamodb"]["NewImage"].clear()

    handler = Handler()
    StreamPoller(
        store,
        [EventSourceMapping(name="spoil", table="things", handler=spoil), EventSourceMapping(name="b", table="things", handler=handler)],
        ticks,
    ).poll_once()
    assert handler.events[0]["Records"][0]["dynamodb"]["NewImage"]["a"] == {"S": "x"}


def test_it_goes_on_where_it_was(clients, tmp_path, clock, ticks):
    store = open_store(tmp_path, clock=clock)
    with serving(store, clients) as client:
        table(client, stream=True)
        for number in range(4):
            put(client, str(number))
        assert runner(store, ticks, Handler(), batch_size=2).poll_once() == 2
    store = open_store(tmp_path, clock=clock)
    with serving(store, clients) as client:
        put(client, "4")
        handler = Handler()
        runner(store, ticks, handler).drain()
        assert handler.batches == [["2", "3", "4"]]
        store.write_snapshot()
    with open_store(tmp_path, clock=clock) as store:
        assert runner(store, ticks, handler).drain() == 0


def test_records_live_for_a_day_and_longer_for_who_still_waits_for_them(clients, tmp_path, clock, ticks):
    store = open_store(tmp_path, clock=clock)
    with serving(store, clients) as client:
        for name in ("things", "watched"):
            table(client, name, stream=True)
            put(client, "old", name)
        watcher = [EventSourceMapping(name="w", table="watched", handler=Handler(ValueError()))]
        StreamPoller(store, watcher, ticks).poll_once()
        clock.now += DAY + 1
        for name in ("things", "watched"):
            put(client, "new", name)
        streams = store.stream_arns()
        assert len(store.stream_records(streams["things"], "", 10)) == 1
        assert len(store.stream_records(streams["watched"], "", 10)) == 2
    store = open_store(tmp_path, clock=clock)
    with store:
        handler = Handler()
        StreamPoller(store, [EventSourceMapping(name="w", table="watched", handler=handler)], ticks).drain()
        assert handler.batches == [["old", "new"]]
        clock.now += DAY + 1
        assert store.stream_records(streams["watched"], "", 10) == []


def test_a_stream_that_is_switched_off_is_read_to_its_end(store, client, ticks):
    put(client, "1")
    handler = Handler()
    feed = runner(store, ticks, handler, batch_size=1)
    feed.poll_once()
    put(client, "2")
    client.update_table(TableName="things", StreamSpecification={"StreamEnabled": False})
    put(client, "unseen")
    client.update_table(TableName="things", StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"})
    put(client, "3")
    for _ in range(5):
        feed.poll_once()
    assert handler.batches == [["1"], ["2"], ["3"]]


def test_expired_items_go_with_a_record_that_says_who_deleted_them(store, client, clients, clock, ticks):
    client.update_time_to_live(TableName="things", TimeToLiveSpecification={"Enabled": True, "AttributeName": "ttl"})
    ends = {"past": -1, "now": 0, "future": 1, "six years ago": -6 * 365 * DAY}
    for name, seconds in ends.items():
        client.put_item(TableName="things", Item={"id": {"S": name}, "ttl": {"N": str(int(clock.now) + seconds)}})
    client.put_item(TableName="things", Item={"id": {"S": "text"}, "ttl": {"S": "1"}})
    client.put_item(TableName="things", Item={"id": {"S": "none"}})
    assert store.delete_expired_items() == 1
    assert client.scan(TableName="things")["Count"] == 5
    handler = Handler()
    runner(store, ticks, handler).drain()
    last = handler.events[-1]["Records"][-1]
    assert (last["eventName"], last["dynamodb"]["OldImage"]["id"]) == ("REMOVE", {"S": "past"})
    assert last["userIdentity"] == {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
    streams, arn = clients[1], store.stream_arns()["things"]
    shard = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"][0]["ShardId"]
    start = streams.get_shard_iterator(StreamArn=arn, ShardId=shard, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    record = streams.get_records(ShardIterator=start)["Records"][-1]
    assert record["userIdentity"] == {"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"}


def test_many_expired_items(clients, tmp_path, clock):
    store = open_store(tmp_path, clock=clock)
    with serving(store, clients) as client:
        table(client)
        client.update_time_to_live(TableName="things", TimeToLiveSpecification={"Enabled": True, "AttributeName": "ttl"})
        for first in range(0, 500, 25):
            items = [{"PutRequest": {"Item": {"id": {"S": str(n)}, "ttl": {"N": "1780000000"}}}} for n in range(first, first + 25)]
            client.batch_write_item(RequestItems={"things": items})
        clock.now += 1
        assert store.delete_expired_items() == 500
    with serving(open_store(tmp_path, clock=clock), clients) as client:
        assert client.scan(TableName="things")["Count"] == 0


def test_sequence_numbers_never_go_back(clients, tmp_path, clock):
    """Not when the clock does, and not over a restart."""
    chance, seen = random.Random(1), []
    for _ in range(3):
        store = open_store(tmp_path, clock=clock)
        with serving(store, clients) as client:
            if not store.stream_arns():
                table(client, stream=True)
            for number in range(5):
                clock.now += chance.choice((-100, 0, 100))
                put(client, str(number), at=str(len(seen) + number))
            seen = [record["dynamodb"]["SequenceNumber"] for record in store.stream_records(store.stream_arns()["things"], "", 100)]
    assert seen == sorted(set(seen))
    assert len(seen) == 15


def test_in_a_thread(store, client):
    import threading

    there = threading.Event()
    feed = StreamPoller(store, [EventSourceMapping(name="notes", table="things", handler=lambda event, context: there.set())])
    feed.start()
    put(client, "1")
    assert there.wait(10)
    feed.stop()
