"""Deletion of expired items."""

from devtools.dynamodb.store import open_store
from tests.devtools.dynamodb.conftest import attached_client, create_table
from tests.devtools.dynamodb.recording_handler import RecordingHandler, create_poller

DAY = 24 * 3600


def test_expired_items_are_deleted_with_a_change_record(store, client, clients, clock, poll_clock):
    client.update_time_to_live(TableName="things", TimeToLiveSpecification={"Enabled": True, "AttributeName": "ttl"})
    ends = {"past": -1, "now": 0, "future": 1, "six years ago": -6 * 365 * DAY}
    for name, seconds in ends.items():
        client.put_item(TableName="things", Item={"id": {"S": name}, "ttl": {"N": str(int(clock.now) + seconds)}})
    client.put_item(TableName="things", Item={"id": {"S": "text"}, "ttl": {"S": "1"}})
    client.put_item(TableName="things", Item={"id": {"S": "none"}})
    assert store.delete_expired_items() == 1
    assert client.scan(TableName="things")["Count"] == 5
    handler = RecordingHandler()
    create_poller(store, poll_clock, handler).drain()
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
    with attached_client(store, clients) as client:
        create_table(client)
        client.update_time_to_live(TableName="things", TimeToLiveSpecification={"Enabled": True, "AttributeName": "ttl"})
        for first in range(0, 500, 25):
            items = [{"PutRequest": {"Item": {"id": {"S": str(n)}, "ttl": {"N": "1780000000"}}}} for n in range(first, first + 25)]
            client.batch_write_item(RequestItems={"things": items})
        clock.now += 1
        assert store.delete_expired_items() == 500
    with attached_client(open_store(tmp_path, clock=clock), clients) as client:
        assert client.scan(TableName="things")["Count"] == 0
