"""Change records, shards and iterators."""

import pytest

from devtools.dynamodb.engine import Engine
from devtools.dynamodb.streams import RECORD_SECONDS, SHARD_COUNT

HOUR = 3600


def arn_of(db, table="things"):
    return db.engine.call("DescribeTable", {"TableName": table})["Table"]["LatestStreamArn"]


def test_shards_have_all_records_of_their_items_in_order(db):
    for number in range(120):
        db.update(f"item-{number % 10}", "SET n = :n", n=number)
    arn = arn_of(db)
    shards = db.engine.call("DescribeStream", {"StreamArn": arn})["StreamDescription"]["Shards"]
    assert len(shards) == SHARD_COUNT
    seen = {}
    for shard in shards:
        for record in db.shard_records(arn, shard["ShardId"]):
            change = record["dynamodb"]
            seen.setdefault(change["Keys"]["id"]["S"], []).append((shard["ShardId"], int(change["NewImage"]["n"]["N"])))
    assert len(seen) == 10
    for key, found in seen.items():
        assert [number for _, number in found] == list(range(int(key[-1]), 120, 10))
        assert len({shard for shard, _ in found}) == 1


def test_iterators_begin_where_they_should(db):
    for number in range(3):
        db.update("a", "SET n = :n", n=number)
    arn, second = arn_of(db), db.records()[1]["dynamodb"]["SequenceNumber"]
    shards = [shard["ShardId"] for shard in db.engine.call("DescribeStream", {"StreamArn": arn})["StreamDescription"]["Shards"]]

    def numbers(kind, **more):
        records = [record for shard in shards for record in db.shard_records(arn, shard, kind, **more)]
        return [int(record["dynamodb"]["NewImage"]["n"]["N"]) for record in records]

    assert numbers("AT_SEQUENCE_NUMBER", SequenceNumber=second) == [1, 2]
    assert numbers("AFTER_SEQUENCE_NUMBER", SequenceNumber=second) == [2]
    assert numbers("LATEST") == []


def test_records_are_forgotten_after_a_day(db, clock):
    db.put({"id": "a"})
    clock.now += RECORD_SECONDS - HOUR
    db.put({"id": "b"})
    clock.now += HOUR + 1
    assert [record["dynamodb"]["Keys"]["id"]["S"] for record in db.records()] == ["b"]
    clock.now += RECORD_SECONDS
    db.put({"id": "c"})
    assert len(db.engine.streams[arn_of(db)].records) == 1


def test_records_are_kept_for_a_consumer_that_has_not_read_them(db, clock):
    arn = arn_of(db)
    db.engine.save_stream_position("consumer", arn, "")
    db.put({"id": "a"})
    clock.now += 3 * RECORD_SECONDS
    (record,) = db.engine.stream_records(arn, "", 10)
    assert (record["eventName"], record["eventSourceARN"]) == ("INSERT", arn)
    db.engine.save_stream_position("consumer", arn, record["dynamodb"]["SequenceNumber"])
    assert db.records() == []


def test_records_are_forgotten_when_every_consumer_has_read_them(db, clock):
    arn = arn_of(db)
    for consumer in ("one", "other"):
        db.engine.save_stream_position(consumer, arn, "")
    for key in "abc":
        db.put({"id": key})
    first, second, _ = (record["dynamodb"]["SequenceNumber"] for record in db.engine.stream_records(arn, "", 10))
    db.engine.save_stream_position("one", arn, second)
    assert len(db.records()) == 3
    db.engine.save_stream_position("other", arn, first)
    assert [record["dynamodb"]["Keys"]["id"]["S"] for record in db.records()] == ["b", "c"]
    rebuilt = Engine(clock)
    rebuilt.apply(db.engine.dump(lambda: None)[1])
    assert len(rebuilt.streams[arn].records) == 2


def test_a_stream_that_is_switched_on_again_is_another_one(db, clock):
    """Also at the same time, and after the state was rebuilt."""
    first = arn_of(db)
    db.engine.call("UpdateTable", {"TableName": "things", "StreamSpecification": {"StreamEnabled": False}})
    rebuilt = Engine(clock)
    rebuilt.apply(db.engine.dump(lambda: None)[1])
    view = {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}
    for engine in (db.engine, rebuilt):
        engine.call("UpdateTable", {"TableName": "things", "StreamSpecification": view})
        assert len({first, *engine.stream_arns().values()}) == 3
        assert engine.call("DescribeStream", {"StreamArn": first})["StreamDescription"]["StreamStatus"] == "DISABLED"


def test_iterators_expire(db, clock):
    arn = arn_of(db)
    shard = db.engine.call("DescribeStream", {"StreamArn": arn})["StreamDescription"]["Shards"][0]["ShardId"]
    request = {"StreamArn": arn, "ShardId": shard, "ShardIteratorType": "LATEST"}
    iterator = db.engine.call("GetShardIterator", request)["ShardIterator"]
    clock.now += 16 * 60
    assert db.error("GetRecords", ShardIterator=iterator) == "ExpiredIteratorException"


def test_a_closed_stream_can_be_read_for_a_day(db, clock):
    arn = arn_of(db)
    db.put({"id": "a"})
    db.engine.call("DeleteTable", {"TableName": "things"})
    description = db.engine.call("DescribeStream", {"StreamArn": arn})["StreamDescription"]
    found = [record for shard in description["Shards"] for record in db.shard_records(arn, shard["ShardId"])]
    assert (description["StreamStatus"], len(found)) == ("DISABLED", 1)
    assert db.engine.stream_records(arn, found[0]["dynamodb"]["SequenceNumber"], 10) is None
    clock.now += RECORD_SECONDS + 1
    assert arn not in [stream["StreamArn"] for stream in db.engine.call("ListStreams", {})["Streams"]]


@pytest.mark.parametrize(
    ("view", "images"), [("KEYS_ONLY", set()), ("NEW_IMAGE", {"NewImage"}), ("OLD_IMAGE", {"OldImage"}), ("NEW_AND_OLD_IMAGES", None)]
)
def test_views(db, view, images):
    db.create_table("viewed", StreamSpecification={"StreamEnabled": True, "StreamViewType": view})
    for number in range(2):
        db.put({"id": "a", "n": number}, "viewed")
    record = db.records("viewed")[1]["dynamodb"]
    assert {"OldImage", "NewImage"} & record.keys() == ({"OldImage", "NewImage"} if images is None else images)
