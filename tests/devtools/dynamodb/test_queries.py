"""Queries and scans against a plain model of them."""

import random

import pytest

from tests import seeds
from tests.contract.wire_values import N, wire_item

NUMBERS = [-20, -3, N("-0.5"), 0, 1, N("1.5"), 2, 10, 300]


@pytest.fixture
def filled(db):
    for number in random.Random(seeds.first).sample(NUMBERS, len(NUMBERS)):
        db.put({"id": "a", "at": number, "n": 1}, "lines")
    db.put({"id": "b", "at": 5}, "lines")
    return db


def queried(db, condition, forward=True, limit=4, **values):
    request = {"TableName": "lines", "KeyConditionExpression": condition, "Limit": limit, "ScanIndexForward": forward}
    request["ExpressionAttributeNames"] = {"#at": "at"} if "#at" in condition else None
    request["ExpressionAttributeValues"] = wire_item({":id": "a", **{f":{name}": value for name, value in values.items()}})
    request = {name: value for name, value in request.items() if value is not None}
    return [item["at"] for page in db.pages("Query", request) for item in page]


@pytest.mark.parametrize("forward", [True, False])
@pytest.mark.parametrize(
    ("condition", "test"),
    [
        ("#at = :v", lambda at: at == 1),
        ("#at < :v", lambda at: at < 1),
        ("#at <= :v", lambda at: at <= 1),
        ("#at > :v", lambda at: at > 1),
        (":v <= #at", lambda at: at >= 1),
        ("#at BETWEEN :v AND :w", lambda at: 1 <= at <= 10),
    ],
)
def test_ranges_of_numbers(filled, condition, test, forward):
    values = {"v": 1, "w": 10} if ":w" in condition else {"v": 1}
    expected = [at for at in NUMBERS if test(float(at))]
    assert queried(filled, f"id = :id AND {condition}", forward, **values) == (expected if forward else expected[::-1])


def test_pages_of_any_size(filled):
    for limit in range(1, 12):
        assert queried(filled, "id = :id", limit=limit) == NUMBERS
        scanned = filled.pages("Scan", {"TableName": "lines", "Limit": limit})
        assert sorted(float(item["at"]) for page in scanned for item in page) == sorted([*map(float, NUMBERS), 5])


def test_segments_cover_the_table(db):
    for number in range(200):
        db.put({"id": str(number)})
    request = {"TableName": "things", "TotalSegments": 7, "Limit": 5}
    found = [item["id"] for segment in range(7) for page in db.pages("Scan", {**request, "Segment": segment}) for item in page]
    assert sorted(found, key=int) == [str(number) for number in range(200)]


def test_a_filter_counts_what_it_leaves_out(filled):
    request = {"TableName": "lines", "FilterExpression": "n = :one", "ExpressionAttributeValues": {":one": {"N": "1"}}, "Select": "COUNT"}
    assert filled.engine.call("Scan", request) == {"Count": len(NUMBERS), "ScannedCount": len(NUMBERS) + 1}


@pytest.mark.parametrize(
    "request_",
    [
        {"FilterExpression": "id = :id"},
        {"Select": "SPECIFIC_ATTRIBUTES"},
        {"Select": "COUNT", "ProjectionExpression": "n"},
        {"IndexName": "missing"},
        {"ExclusiveStartKey": {"id": {"S": "b"}, "at": {"N": "5"}}},
        {"ExclusiveStartKey": {"id": {"S": "a"}}},
    ],
)
def test_refused_queries(filled, request_):
    query = {"TableName": "lines", "KeyConditionExpression": "id = :id", "ExpressionAttributeValues": {":id": {"S": "a"}}}
    assert filled.error("Query", **query, **request_) == "ValidationException"
