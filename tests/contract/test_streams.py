"""The change feed: what makes a record, what is in it, and the order."""

from tests.contract.outcomes import CONDITION_FAILED
from tests.contract.wire_values import N, RawValue, plain_item


def seen(db, count: int, table: str = "") -> list:
    """(event, old image, new image) of this test's changes, in the stream's order."""
    return [
        (record["eventName"], *(image(record, name) for name in ("OldImage", "NewImage"))) for record in db.change_records(count, table)
    ]


def image(record: dict, name: str) -> dict | None:
    attributes = record["dynamodb"].get(name)
    return None if attributes is None else {key: value for key, value in plain_item(attributes).items() if key != "id"}


def test_records_of_an_item_from_insert_to_remove(db, assert_matches):
    db.put({"n": 1, "tags": {"a"}})
    db.update("SET n = :two, holds = :map", values={":two": 2, ":map": {"h": [1]}})
    db.put({"n": 3})
    db.delete()
    first, second = {"n": 1, "tags": {"a"}}, {"n": 2, "tags": {"a"}, "holds": {"h": [1]}}
    expected = [("INSERT", None, first), ("MODIFY", first, second), ("MODIFY", second, {"n": 3}), ("REMOVE", {"n": 3}, None)]
    assert_matches(seen(db, 4), expected)


def test_contents_of_a_record(db, assert_matches):
    db.put_line("1", n=1)
    record = db.change_records(1, db.lines)[0]
    change = record["dynamodb"]
    keys_size = len("id") + len(db.id) + len("at") + len("1")
    has_right_keys = plain_item(change["Keys"]) == {"id": db.id, "at": "1"}
    has_right_size = change["SizeBytes"] == 2 * keys_size + len("n") + 2  # moto's size also depends on the time of the write
    assert_matches(
        (record["eventSource"], has_right_keys, change["StreamViewType"], has_right_size),
        ("aws:dynamodb", True, "NEW_AND_OLD_IMAGES", True),
    )


def test_writes_that_change_nothing_make_no_record(db, assert_matches):
    db.put({"n": 1, "tags": {"a"}})
    db.put({"tags": {"a"}, "n": N("1.0")})
    db.update("SET n = :one", values={":one": 1})
    db.update("REMOVE absent DELETE tags :c", values={":c": {"c"}})
    db.transact({"Update": db.update_arguments("ADD n :none", values={":none": 0})})
    db.delete()
    db.delete()
    assert_matches([event for event, *_ in seen(db, 2)], ["INSERT", "REMOVE"])


def test_the_order_of_a_set_is_not_a_change(db, assert_matches):
    for members in (["a", "b"], ["b", "a"]):
        db.put({"tags": RawValue(SS=members)})
    assert_matches([event for event, *_ in seen(db, 1)], ["INSERT"])


def test_refused_writes_make_no_record(db, assert_matches):
    db.put({"n": 1})
    refused = db.update("SET n = :two", "n = :two", values={":two": 2})
    other = f"{db.id}-other"
    db.transact({"Put": db.put_arguments(key=other)}, {"Put": db.put_arguments(None, "attribute_not_exists(id)")})
    db.delete()
    assert_matches((refused, [event for event, *_ in seen(db, 2)]), (CONDITION_FAILED, ["INSERT", "REMOVE"]))


def test_records_of_a_transaction_and_of_a_batch(db, assert_matches):
    first, second, third, fourth = db.more_keys(4)
    db.put({"n": 1}, key=second)
    db.transact(
        {"Put": db.put_arguments({"n": 1}, key=first)},
        {"Update": db.update_arguments("ADD n :one", values={":one": 1}, key=second)},
        {"Delete": db.key_arguments(third)},
    )
    requests = [{"PutRequest": {"Item": {"id": {"S": fourth}}}}, {"DeleteRequest": {"Key": {"id": {"S": first}}}}]
    db.client.batch_write_item(RequestItems={db.things: requests})
    records = db.change_records(5)
    events = [
        [record["eventName"] for record in records if record["dynamodb"]["Keys"]["id"]["S"] == key]
        for key in (first, second, third, fourth)
    ]
    assert_matches(events, [["INSERT", "REMOVE"], ["INSERT", "MODIFY"], [], ["INSERT"]])


def test_the_changes_of_an_item_are_in_order(db, assert_matches):
    for number in range(30):
        db.update("SET n = :n", values={":n": number}, key=list(db.more_keys(3))[number % 3])
    records = db.change_records(30)
    by_item = [
        [image(record, "NewImage").get("n") for record in records if record["dynamodb"]["Keys"]["id"]["S"] == key]
        for key in db.more_keys(3)
    ]
    numbers = [int(record["dynamodb"]["SequenceNumber"]) for record in records]
    assert_matches((by_item, len(set(numbers))), ([list(range(index, 30, 3)) for index in range(3)], 30))


def test_numbers_in_images(db, assert_matches):
    db.put({"n": N("1.50")})
    assert_matches(db.change_records(1)[0]["dynamodb"]["NewImage"]["n"], {"N": "1.5"})
