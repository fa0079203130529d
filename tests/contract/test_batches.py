"""Batches: how many, what comes back, what is left over; and the loops of `dynamo` around them."""

import pytest

from chalicelib import dynamo
from tests.contract.calls import INVALID, attributes, done, item_of, outcome

MEGABYTE = 1024 * 1024


def write(db, *requests: dict):
    return outcome(lambda: db.client.batch_write_item(RequestItems={db.things: list(requests)})["UnprocessedItems"])


def put(key: str, **item) -> dict:
    return {"PutRequest": {"Item": attributes({"id": key, **item})}}


def delete(key: str) -> dict:
    return {"DeleteRequest": {"Key": attributes({"id": key})}}


def read(db, *keys: str, **more):
    def call():
        answer = db.client.batch_get_item(RequestItems={db.things: {"Keys": [attributes({"id": key}) for key in keys], **more}})
        found = {item["id"]["S"]: item_of(item) for item in answer["Responses"][db.things]}
        return found, answer["UnprocessedKeys"]

    return outcome(call)


@pytest.mark.parametrize("count", [0, 1, 25, 26])
def test_how_many_writes(db, agrees, count):
    agrees(write(db, *(put(key) for key in db.others(count))), {} if 1 <= count <= 25 else INVALID)


def test_puts_and_deletes(db, agrees):
    db.put({"n": 1})
    one, other = db.others(2)
    answer = write(db, delete(db.id), put(one, n=1), delete(other))
    agrees((answer, db.get(), db.get(one)), ({}, None, {"n": 1}))


@pytest.mark.parametrize("second", [put, delete])
def test_an_item_is_written_once(db, agrees, second):
    agrees((write(db, put(db.id, n=1), second(db.id)), db.get()), (INVALID, None))


def test_one_that_is_wrong_refuses_all(db, agrees):
    answer = write(db, put(db.id), {"PutRequest": {"Item": {"other": {"S": "x"}}}})
    agrees((answer, db.get()), (INVALID, None))


def test_one_that_is_too_large_refuses_all(db, agrees):
    answer = write(db, put(db.id), put(f"{db.id}-large", a="x" * 410_000))
    agrees((answer, db.get()), (INVALID, None))


@pytest.mark.parametrize("count", [0, 1, 100, 101])
def test_how_many_reads(db, agrees, count):
    agrees(read(db, *db.others(count)), ({}, {}) if 1 <= count <= 100 else INVALID)


@pytest.mark.parametrize("consistent", [True, False])
def test_what_is_there(db, agrees, consistent):
    first, second, third = db.others(3)
    for key in (first, third):
        db.put({"n": 1}, key=key)
    found = read(db, first, second, third, ConsistentRead=consistent)
    if not consistent and isinstance(found, tuple):
        found = (found[0].keys() <= {first, third}, found[1])  # it may be late
        agrees(found, (True, {}))
        return
    agrees(found, ({key: {"id": key, "n": 1} for key in (first, third)}, {}))


def test_a_key_is_asked_for_once(db, agrees):
    agrees(read(db, db.id, db.id), INVALID)


def test_a_key_of_another_type(db, agrees):
    keys = {"Keys": [{"id": {"N": "1"}}]}
    agrees(done(lambda: db.client.batch_get_item(RequestItems={db.things: keys})), INVALID)


def test_a_table_that_is_missing(db, agrees):
    keys = {"Keys": [attributes({"id": "1"})]}
    agrees(outcome(lambda: db.client.batch_get_item(RequestItems={f"{db.things}-missing": keys})), "ResourceNotFoundException 400")


def test_sixteen_megabytes(db, agrees):
    """What is above them comes back as unprocessed keys, and `dynamo.batch_get` asks again."""
    size, keys = 400_000, list(db.others(44))
    for first in range(0, len(keys), 11):
        write(db, *(put(key, a="x" * size) for key in keys[first : first + 11]))
    found, unprocessed = read(db, *keys, ConsistentRead=True)
    left = unprocessed.get(db.things, {}).get("Keys", [])
    everything = dynamo.batch_get(db.things, (attributes({"id": key}) for key in keys), consistent=True)
    whole = (len(found) * size <= 16 * MEGABYTE, len(found) + len(left), {item["id"]["S"] for item in everything} == set(keys))
    agrees(whole, (True, 44, True))


def test_more_than_one_batch(db, agrees):
    keys = list(db.others(230))
    dynamo.batch_put(db.things, (attributes({"id": key}) for key in keys))
    found = dynamo.batch_get(db.things, (attributes({"id": key}) for key in [*keys, f"{db.id}-none"]), consistent=True)
    agrees(sorted(item["id"]["S"] for item in found), keys)
