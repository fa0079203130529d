"""Streams: the lifetime of records, streams that are switched off, sequence numbers."""

import random

from devtools.dynamodb.event_source_mapping import EventSourceMapping, StreamPoller
from devtools.dynamodb.store import open_store
from tests.devtools.dynamodb.conftest import attached_client, create_table, put
from tests.devtools.dynamodb.recording_handler import RecordingHandler, create_poller

DAY = 24 * 3600


def test_records_are_kept_for_a_day_and_unprocessed_ones_longer(clients, tmp_path, clock, poll_clock):
    store = open_store(tmp_path, clock=clock)
    with attached_client(store, clients) as client:
        for name in ("things", "watched"):
            create_table(client, name, stream=True)
            put(client, "old", name)
        watcher = [EventSourceMapping(name="w", table="watched", handler=RecordingHandler(ValueError()))]
        StreamPoller(store, watcher, poll_clock).poll_once()
        clock.now += DAY + 1
        for name in ("things", "watched"):
            put(client, "new", name)
        streams = store.stream_arns()
        assert len(store.stream_records(streams["things"], "", 10)) == 1
        assert len(store.stream_records(streams["watched"], "", 10)) == 2
    store = open_store(tmp_path, clock=clock)
    with store:
        handler = RecordingHandler()
        StreamPoller(store, [EventSourceMapping(name="w", table="watched", handler=handler)], poll_clock).drain()
        assert handler.batches == [["old", "new"]]
        clock.now += DAY + 1
        assert store.stream_records(streams["watched"], "", 10) == []


def test_a_stream_that_is_switched_off_is_read_to_its_end(store, client, poll_clock):
    put(client, "1")
    handler = RecordingHandler()
    stream_poller = create_poller(store, poll_clock, handler, batch_size=1)
    stream_poller.poll_once()
    put(client, "2")
    client.update_table(TableName="things", StreamSpecification={"StreamEnabled": False})
    put(client, "unseen")
    client.update_table(TableName="things", StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"})
    put(client, "3")
    for _ in range(5):
        stream_poller.poll_once()
    assert handler.batches == [["1"], ["2"], ["3"]]


def test_sequence_numbers_never_go_back(clients, tmp_path, clock):
    """Not when the clock result, and not over a restart."""
    chance, seen = random.Random(1), []
    for _ in range(3):
        store = open_store(tmp_path, clock=clock)
        with attached_client(store, clients) as client:
            if not store.stream_arns():
                create_table(client, stream=True)
            for number in range(5):
                clock.now += chance.choice((-100, 0, 100))
                put(client, str(number), at=str(len(seen) + number))
            seen = [record["dynamodb"]["SequenceNumber"] for record in store.stream_records(store.stream_arns()["things"], "", 100)]
    assert seen == sorted(set(seen))
    assert len(seen) == 15
