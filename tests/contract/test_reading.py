"""Queries and scans: order, ranges, pages."""

import pytest

from tests.contract.outcomes import INVALID, completion
from tests.contract.wire_values import wire_item

# In the order of their UTF-8 bytes; the last two are the other way round in UTF-16.
TEXTS = ["#", "0", "00", "1", "10", "2", "A", "Z", "a", "a#", "ab", "b", "é", "\ufb01", "\U0001f600"]


def ats(result: dict) -> list[str]:
    return [item["at"]["S"] for item in result["Items"]]


@pytest.fixture
def filled(db):
    for at in sorted(TEXTS, key=hash):
        db.put_line(at, n=1)
    return db


@pytest.mark.parametrize("forward", [True, False])
def test_items_are_in_the_order_of_bytes(filled, assert_matches, forward):
    assert_matches(ats(filled.query(ConsistentRead=True, ScanIndexForward=forward)), TEXTS if forward else TEXTS[::-1])


RANGES = {
    "at = :a": lambda at: at == "a",
    "at < :a": lambda at: at.encode() < b"a",
    "at <= :a": lambda at: at.encode() <= b"a",
    "at > :a": lambda at: at.encode() > b"a",
    "at >= :a": lambda at: at.encode() >= b"a",
    "begins_with(at, :a)": lambda at: at.startswith("a"),
    "at BETWEEN :a AND :b": lambda at: b"a" <= at.encode() <= b"b",
}


@pytest.mark.parametrize("condition", RANGES)
def test_ranges(filled, assert_matches, condition):
    values = {":a": "a", **({":b": "b"} if ":b" in condition else {})}
    result = filled.query(f"id = :id AND {condition.replace('at', '#at', 1)}", names={"#at": "at"}, values=values, ConsistentRead=True)
    assert_matches(ats(result), [at for at in TEXTS if RANGES[condition](at)])


@pytest.mark.parametrize("forward", [True, False])
def test_limit(filled, assert_matches, forward):
    result = filled.query(Limit=4, ScanIndexForward=forward, ConsistentRead=True)
    expected = (TEXTS if forward else TEXTS[::-1])[:4]
    assert_matches(
        (ats(result), result["Count"], result.get("LastEvaluatedKey")), (expected, 4, wire_item({"id": filled.id, "at": expected[-1]}))
    )


@pytest.mark.parametrize("forward", [True, False])
def test_pages(filled, assert_matches, forward):
    arguments = {"TableName": filled.lines, "KeyConditionExpression": "id = :id", "ConsistentRead": True, "Limit": 4}
    arguments |= {"ExpressionAttributeValues": wire_item({":id": filled.id}), "ScanIndexForward": forward}
    pages = [ats(page) for page in filled.client.get_paginator("query").paginate(**arguments)]
    assert_matches(
        ([at for page in pages for at in page], [len(page) for page in pages]), (TEXTS if forward else TEXTS[::-1], [4, 4, 4, 3])
    )


def test_a_limit_that_is_just_met_has_a_last_key(db, assert_matches):
    """ "If LastEvaluatedKey is not empty, it does not necessarily mean that there is more data": the next page is empty."""
    db.put_line("1")
    first = db.query(Limit=1, ConsistentRead=True)
    second = db.query(Limit=1, ConsistentRead=True, ExclusiveStartKey=first["LastEvaluatedKey"]) if "LastEvaluatedKey" in first else None
    assert_matches(("LastEvaluatedKey" in first, second and (second["Count"], "LastEvaluatedKey" in second)), (True, (0, False)))


def test_a_start_key_of_a_deleted_item(filled, assert_matches):
    """The last item of a page was deleted: the next page begins after its position."""
    start = {"ExclusiveStartKey": wire_item({"id": filled.id, "at": "aa"})}
    assert_matches(ats(filled.query(ConsistentRead=True, **start)), TEXTS[TEXTS.index("ab") :])


def test_a_query_without_results(db, assert_matches):
    result = db.query(ConsistentRead=True)
    assert_matches((result["Items"], result["Count"], "LastEvaluatedKey" in result), ([], 0, False))


def test_a_page_has_at_most_a_megabyte(db, assert_matches):
    for number in range(5):
        db.put_line(str(number), a="x" * 400_000)
    sizes, found, more = [], [], {}
    while True:
        page = db.query(ConsistentRead=True, **more)
        sizes.append(len(page["Items"]))
        found += ats(page)
        if "LastEvaluatedKey" not in page:
            break
        more = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
    assert_matches((max(sizes) <= 3, len(sizes) > 1, found), (True, True, ["0", "1", "2", "3", "4"]))


def test_a_scan_finds_everything_in_pages(db, assert_matches):
    """There is more than one megabyte in the table by now, so there are pages."""
    for key in db.more_keys(4):
        db.put({"a": "x" * 300_000}, key=key)
    pages = list(db.client.get_paginator("scan").paginate(TableName=db.things, ConsistentRead=True))
    found = [item["id"]["S"] for page in pages for item in page["Items"]]
    assert_matches((len(pages) > 1, len(found) == len(set(found)), set(db.more_keys(4)) <= set(found)), (True, True, True))


def test_scans_with_a_limit(db, assert_matches):
    for key in db.more_keys(3):
        db.put(key=key)
    page = db.client.scan(TableName=db.things, Limit=2, ConsistentRead=True)
    assert_matches((page["Count"], page["ScannedCount"], set(page.get("LastEvaluatedKey", {}))), (2, 2, {"id"}))


def test_a_get_of_a_missing_item(db, assert_matches):
    assert_matches("Item" in db.client.get_item(**db.key_arguments(), ConsistentRead=True), False)


WRONG = {
    "no hash key": {
        "KeyConditionExpression": "#at = :a",
        "ExpressionAttributeValues": {":a": {"S": "a"}},
        "ExpressionAttributeNames": {"#at": "at"},
    },
    "a hash key of another type": {"KeyConditionExpression": "id = :id", "ExpressionAttributeValues": {":id": {"N": "1"}}},
    "a range of hash keys": {"KeyConditionExpression": "id > :id", "ExpressionAttributeValues": {":id": {"S": "a"}}},
    "another attribute": {
        "KeyConditionExpression": "id = :id AND n = :n",
        "ExpressionAttributeValues": {":id": {"S": "a"}, ":n": {"N": "1"}},
    },
    "a choice": {
        "KeyConditionExpression": "id = :id OR id = :n",
        "ExpressionAttributeValues": {":id": {"S": "a"}, ":n": {"S": "b"}},
    },
    "a limit of 0": {"KeyConditionExpression": "id = :id", "ExpressionAttributeValues": {":id": {"S": "a"}}, "Limit": 0},
    "no condition": {},
    "a start of another partition": {
        "KeyConditionExpression": "id = :id",
        "ExpressionAttributeValues": {":id": {"S": "a"}},
        "ExclusiveStartKey": {"id": {"S": "b"}, "at": {"S": "1"}},
    },
    "an empty prefix's type": {
        "KeyConditionExpression": "id = :id AND begins_with(#at, :a)",
        "ExpressionAttributeNames": {"#at": "at"},
        "ExpressionAttributeValues": {":id": {"S": "a"}, ":a": {"N": "1"}},
    },
}


@pytest.mark.parametrize("case", WRONG)
def test_invalid_queries(db, assert_matches, case):
    assert_matches(completion(lambda: db.client.query(TableName=db.lines, **WRONG[case])), INVALID)
