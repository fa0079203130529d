"""Batches: their size, their results, what remains unprocessed; and the functions of `dynamo` that repeat them."""

import pytest

from chalicelib.foundation import deadline
from tests.contract.outcomes import INVALID, completion, outcome
from tests.contract.test_models import Thing
from tests.contract.wire_values import plain_item, wire_item

MEGABYTE = 1024 * 1024


def write(db, *requests: dict):
    return outcome(lambda: db.client.batch_write_item(RequestItems={db.things: list(requests)})["UnprocessedItems"])


def put(key: str, **item) -> dict:
    return {"PutRequest": {"Item": wire_item({"id": key, **item})}}


def delete(key: str) -> dict:
    return {"DeleteRequest": {"Key": wire_item({"id": key})}}


def read(db, *keys: str, **more):
    def call():
        result = db.client.batch_get_item(RequestItems={db.things: {"Keys": [wire_item({"id": key}) for key in keys], **more}})
        items = {item["id"]["S"]: plain_item(item) for item in result["Responses"][db.things]}
        return items, result["UnprocessedKeys"]

    return outcome(call)


@pytest.mark.parametrize("count", [0, 1, 25, 26])
def test_number_of_writes(db, assert_matches, count):
    assert_matches(write(db, *(put(key) for key in db.more_keys(count))), {} if 1 <= count <= 25 else INVALID)


def test_puts_and_deletes(db, assert_matches):
    db.put({"n": 1})
    first, second = db.more_keys(2)
    result = write(db, delete(db.id), put(first, n=1), delete(second))
    assert_matches((result, db.get(), db.get(first)), ({}, None, {"n": 1}))


@pytest.mark.parametrize("second", [put, delete])
def test_an_item_is_written_once(db, assert_matches, second):
    assert_matches((write(db, put(db.id, n=1), second(db.id)), db.get()), (INVALID, None))


def test_an_invalid_request_refuses_the_batch(db, assert_matches):
    result = write(db, put(db.id), {"PutRequest": {"Item": {"other": {"S": "x"}}}})
    assert_matches((result, db.get()), (INVALID, None))


def test_a_too_large_item_refuses_the_batch(db, assert_matches):
    result = write(db, put(db.id), put(f"{db.id}-large", a="x" * 410_000))
    assert_matches((result, db.get()), (INVALID, None))


@pytest.mark.parametrize("count", [0, 1, 100, 101])
def test_number_of_reads(db, assert_matches, count):
    assert_matches(read(db, *db.more_keys(count)), ({}, {}) if 1 <= count <= 100 else INVALID)


@pytest.mark.parametrize("consistent", [True, False])
def test_only_existing_items_are_read(db, assert_matches, consistent):
    first, second, third = db.more_keys(3)
    for key in (first, third):
        db.put({"n": 1}, key=key)
    items = read(db, first, second, third, ConsistentRead=consistent)
    if not consistent and isinstance(items, tuple):
        items = (items[0].keys() <= {first, third}, items[1])  # the read may not see the writes yet
        assert_matches(items, (True, {}))
        return
    assert_matches(items, ({key: {"id": key, "n": 1} for key in (first, third)}, {}))


def test_a_key_is_read_once(db, assert_matches):
    assert_matches(read(db, db.id, db.id), INVALID)


def test_a_key_of_another_type(db, assert_matches):
    keys = {"Keys": [{"id": {"N": "1"}}]}
    assert_matches(completion(lambda: db.client.batch_get_item(RequestItems={db.things: keys})), INVALID)


def test_a_missing_table(db, assert_matches):
    keys = {"Keys": [wire_item({"id": "1"})]}
    assert_matches(outcome(lambda: db.client.batch_get_item(RequestItems={f"{db.things}-missing": keys})), "ResourceNotFoundException 400")


def test_a_batch_of_reads_stops_at_16_megabytes(db, assert_matches, monkeypatch):
    """What is above them comes back as unprocessed keys, and `find_all` asks again."""
    monkeypatch.setattr(deadline.time, "sleep", lambda seconds: None)
    size, keys = 400_000, list(db.more_keys(44))
    for first in range(0, len(keys), 11):
        write(db, *(put(key, a="x" * size) for key in keys[first : first + 11]))
    items, unprocessed = read(db, *keys, ConsistentRead=True)
    left = unprocessed.get(db.things, {}).get("Keys", [])
    everything = Thing.find_all(keys)
    whole = (len(items) * size <= 16 * MEGABYTE, len(items) + len(left), {row.id for row in everything} == set(keys))
    assert_matches(whole, (True, 44, True))
