"""Calls that are made in one pass have the results that MiniStack gives them: for random calls, odd ones included."""

import copy
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devtools.dynamodb.engine import Engine
from devtools.dynamodb.plain_calls import NotPlain, plain_size
from tests.devtools.dynamodb.test_pure_functions import MINISTACK, any_values, condition_texts, plain_values, scalars, update_texts
from tests.devtools.manual_clock import ManualClock

SORTED, STREAMED, INDEXED = "sorted", "streamed", "indexed"
PLAIN = ("GetItem", "PutItem", "UpdateItem", "TransactWriteItems")

usually = st.sampled_from([True] * 19 + [False])
names = st.just({"#a": "a", "#b": "b"}) | st.fixed_dictionaries({"#a": st.sampled_from(["a", "id", "", "M", 5])})
key_values = st.sampled_from([{"S": "k"}, {"S": "other"}]) | st.sampled_from([{"S": ""}, {"N": "1"}, {"S": "k" * 3000}, {}, None, "k"])
numbers = st.sampled_from([{"N": "1"}, {"N": "5"}, {"N": "2.0"}, {"N": "9" * 38}])
good_conditions = st.sampled_from(
    ["attribute_exists(id)", "attribute_not_exists(zz)", "#a <> :v", "a <> :v AND (b < :w OR size(a) > :w)", "NOT a = :v", "#a >= :v"]
)
good_updates = st.sampled_from(
    [
        "SET #a = :v",
        "SET a = a + :w, b = :v REMOVE hold",
        "ADD a :w",
        "SET a.b = :v",
        "SET b.x1.a = :v REMOVE a.b",
        "SET a = if_not_exists(a, :w) + :w",
        "REMOVE a, b",
        "SET id = :v",
        "ADD a :s",
        "SET a = :v, a.b = :w",
    ]
)
odd_fields = st.dictionaries(
    st.sampled_from(["ReturnValues", "ReturnValuesOnConditionCheckFailure", "Expected", "ReturnConsumedCapacity", "Other"]),
    st.sampled_from(["NONE", "ALL_OLD", "ALL_NEW", "UPDATED_NEW", "UPDATED_OLD", "TOTAL", "x", {}]),
    max_size=1,
)


@st.composite
def keys(draw, table: str) -> Any:
    key = {"id": draw(st.just({"S": "k"}) if draw(usually) else key_values)}
    if (table == SORTED) == draw(st.sampled_from([True] * 9 + [False])):
        key["part"] = draw(st.just({"N": "1"}) if draw(usually) else st.sampled_from([{"N": "1.0"}, {"N": "x"}, {"S": "1"}]))
    return key


@st.composite
def actions(draw, kind: str) -> dict[str, Any]:
    """The parameters of one write: usual ones most of the time."""
    table = draw(st.sampled_from([SORTED] * 6 + [STREAMED] * 6 + [INDEXED] * 6 + ["missing"]))
    action: dict[str, Any] = {"TableName": table}
    key = draw(keys(table))
    if kind == "Put":
        values = plain_values if draw(usually) else any_values
        action["Item"] = draw(st.dictionaries(st.sampled_from(["a", "b", "hold", "M"]), values, max_size=3)) | key
    else:
        action["Key"] = key
    texts = ""
    if kind == "ConditionCheck" or draw(usually):
        texts = action["ConditionExpression"] = draw(good_conditions if draw(usually) else condition_texts)
    if kind == "Update":
        action["UpdateExpression"] = draw(good_updates if draw(usually) else update_texts)
        texts += action["UpdateExpression"]
    if draw(usually):  # exactly what is used
        every = {":v": draw(scalars | numbers | plain_values), ":w": draw(numbers), ":s": {"SS": ["x", "y"]}, ":one": {"N": "1"}}
        action["ExpressionAttributeValues"] = {name: value for name, value in every.items() if name in texts}
        action["ExpressionAttributeNames"] = {name: value for name, value in draw(names).items() if name in texts}
        for field in ("ExpressionAttributeValues", "ExpressionAttributeNames"):
            if not action[field] and draw(usually):
                del action[field]
    return action | (draw(odd_fields) if not draw(usually) else {})


@st.composite
def calls(draw) -> tuple[str, dict[str, Any]]:
    operation = draw(st.sampled_from(PLAIN))
    if operation == "GetItem":
        table = draw(st.sampled_from([SORTED, STREAMED, INDEXED]))
        return operation, {"TableName": table, "Key": draw(keys(table)), **(draw(odd_fields) if not draw(usually) else {})}
    if operation != "TransactWriteItems":
        return operation, draw(actions(operation.removesuffix("Item")))
    kinds = draw(st.lists(st.sampled_from(["Put", "Update", "Delete", "ConditionCheck"]), min_size=1, max_size=3))
    request = {"TransactItems": [{kind: draw(actions(kind))} for kind in kinds]}
    token = draw(st.sampled_from([None, None, "t1", "t2", "", "t" * 40]))
    return operation, request | ({} if token is None else {"ClientRequestToken": token}) | (draw(odd_fields) if not draw(usually) else {})


def engine(*, plain: bool) -> Engine:
    engine = Engine(ManualClock(1_780_000_000.0))
    if not plain:
        engine._plain_handlers.clear()
    attributes = [{"AttributeName": "id", "AttributeType": "S"}]
    for name in (SORTED, STREAMED, INDEXED):
        definition: dict[str, Any] = {"TableName": name, "BillingMode": "PAY_PER_REQUEST", "AttributeDefinitions": attributes}
        definition["KeySchema"] = [{"AttributeName": "id", "KeyType": "HASH"}]
        if name == SORTED:
            definition["KeySchema"] = [*definition["KeySchema"], {"AttributeName": "part", "KeyType": "RANGE"}]
            definition["AttributeDefinitions"] = [*attributes, {"AttributeName": "part", "AttributeType": "N"}]
        if name == STREAMED:
            definition["StreamSpecification"] = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
        if name == INDEXED:
            definition["AttributeDefinitions"] = [*attributes, {"AttributeName": "a", "AttributeType": "S"}]
            keys = [{"AttributeName": "a", "KeyType": "HASH"}]
            definition["GlobalSecondaryIndexes"] = [{"IndexName": "by_a", "KeySchema": keys, "Projection": {"ProjectionType": "ALL"}}]
        assert engine.call_dynamodb("CreateTable", definition)[0] == 200
        filled = {"id": {"S": "k"}, "part": {"N": "1"}, "a": {"S": "x"}, "b": {"N": "5"}}
        assert engine.call_dynamodb("PutItem", {"TableName": name, "Item": filled})[0] == 200
    engine.take_changes()
    return engine


def make_calls(engine: Engine, requests: list[tuple[str, dict[str, Any]]]) -> list[Any]:
    """Status, response and changes of each call, and the state at the end."""
    found: list[Any] = []
    for operation, request in requests:
        status, body = engine.call_dynamodb(operation, _as_json(request))
        # Comparable values: identifiers of change records are random.
        found.append((operation, status, msgspec.json.decode(body), _without(_as_json(engine.take_changes()), "eventID")))
    return [*found, sorted(str(_as_json(change)) for change in engine.dump_state() if "Put" in type(change).__name__)]


def _as_json(value: Any) -> Any:
    """The value as a request has it: no object is in it twice."""
    return msgspec.json.decode(msgspec.json.encode(value))


def _without(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        return {key: _without(member, name) for key, member in value.items() if key != name}
    return [_without(member, name) for member in value] if isinstance(value, list) else value


@pytest.mark.slow
@settings(max_examples=400)
@given(requests=st.lists(calls(), min_size=1, max_size=6))
def test_calls_have_the_same_results_as_ministacks(requests):
    assert make_calls(engine(plain=True), requests) == make_calls(engine(plain=False), requests)


@settings(max_examples=200)
@given(value=any_values)
def test_the_size_of_a_plain_value(value):
    try:
        size = plain_size(value)
    except NotPlain:
        return
    assert size == MINISTACK._attribute_value_size(value)
    before = copy.deepcopy(value)
    assert MINISTACK._validate_attribute_value("a", value) is None
    assert value == before


KEY = {"id": {"S": "k"}, "part": {"N": "1"}}
SET = {
    "TableName": SORTED,
    "Key": KEY,
    "UpdateExpression": "SET #a = :v, b = b + :w",
    "ConditionExpression": "attribute_exists(id) AND b < :most",
}
SET |= {"ExpressionAttributeNames": {"#a": "a"}, "ExpressionAttributeValues": {":v": {"M": {}}, ":w": {"N": "2"}, ":most": {"N": "9"}}}
USUAL = {
    "GetItem": {"TableName": SORTED, "Key": KEY, "ConsistentRead": True},
    "PutItem": {"TableName": SORTED, "Item": {**KEY, "a": {"L": [{"SS": ["x"]}, {"BOOL": True}]}}, "ConditionExpression": "b = b"},
    "UpdateItem": {**SET, "ReturnValues": "UPDATED_NEW", "ReturnValuesOnConditionCheckFailure": "ALL_OLD"},
    "TransactWriteItems": {
        "ClientRequestToken": "t",
        "TransactItems": [
            {"Update": SET},
            {"Put": {"TableName": STREAMED, "Item": {"id": {"S": "new"}}, "ConditionExpression": "attribute_not_exists(id)"}},
            {"Put": {"TableName": INDEXED, "Item": {"id": {"S": "new"}, "a": {"S": "found"}}}},
            {"Put": {"TableName": INDEXED, "Item": {"id": {"S": "not in the index"}}}},
            {"Update": {"TableName": INDEXED, "Key": {"id": {"S": "k"}}, "UpdateExpression": "REMOVE b"}},
            {"Delete": {"TableName": STREAMED, "Key": {"id": {"S": "k"}}}},
            {"ConditionCheck": {"TableName": STREAMED, "Key": {"id": {"S": "none"}}, "ConditionExpression": "attribute_not_exists(id)"}},
        ],
    },
}


@pytest.mark.parametrize("operation", PLAIN)
def test_usual_calls_are_not_made_by_ministack(operation):
    ours = engine(plain=True)
    ours._handlers[operation] = lambda _request: (500, {}, b"by MiniStack")
    status, body = ours.call_dynamodb(operation, copy.deepcopy(USUAL[operation]))
    assert status == 200, body
    expected = make_calls(engine(plain=False), [(operation, USUAL[operation])] * 2)
    assert make_calls(engine(plain=True), [(operation, USUAL[operation])] * 2) == expected


def test_a_refused_call_changes_nothing():
    ours = engine(plain=True)
    refused = {
        "TransactItems": [{"Update": SET}, {"Delete": {"TableName": STREAMED, "Key": {"id": {"S": "k"}}, "ConditionExpression": "a = b"}}]
    }
    assert ours.call_dynamodb("TransactWriteItems", copy.deepcopy(refused))[0] == 400
    assert ours.take_changes() == []


@pytest.mark.parametrize(
    ("operation", "request_of_index"),
    [
        ("PutItem", {"Item": {"id": {"S": "new"}, "a": {"N": "1"}}}),
        ("PutItem", {"Item": {"id": {"S": "new"}, "a": {"S": ""}}}),
        ("UpdateItem", {"Key": {"id": {"S": "k"}}, "UpdateExpression": "SET a = :v", "ExpressionAttributeValues": {":v": {"N": "1"}}}),
    ],
)
def test_an_item_that_an_index_cannot_take_is_refused(operation, request_of_index):
    request = {"TableName": INDEXED, **request_of_index}
    assert engine(plain=True).call_dynamodb(operation, copy.deepcopy(request))[0] == 400
    assert make_calls(engine(plain=True), [(operation, request)]) == make_calls(engine(plain=False), [(operation, request)])


def test_the_units_of_an_indexed_table_are_those_of_ministack():
    request = {"TableName": INDEXED, "Item": {"id": {"S": "new"}, "a": {"S": "x"}}, "ReturnConsumedCapacity": "INDEXES"}
    assert make_calls(engine(plain=True), [("PutItem", request)]) == make_calls(engine(plain=False), [("PutItem", request)])
