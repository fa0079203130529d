"""Canonical forms, sizes and the order of values."""

import random
from decimal import Decimal, localcontext

import pytest

from devtools.dynamodb.values import ApiError, add_numbers, canonical_number, check_item, check_value, checked_request, sortable
from tests import seeds
from tests.contract.wire_values import wire_value


@pytest.mark.parametrize(
    ("text", "canonical"),
    [("1.0", "1"), ("-0", "0"), ("+5", "5"), (".50", "0.5"), ("1e3", "1000"), ("1E-3", "0.001"), ("12e-1", "1.2"), ("5.", "5")],
)
def test_numbers_have_one_form(text, canonical):
    assert canonical_number(text) == canonical


@pytest.mark.parametrize("text", ["", "a", "1 2", "NaN", "Infinity", "1e126", "1e-131", "1e99999999999999999999", "1" * 39, "١"])
def test_what_is_not_a_number(text):
    with pytest.raises(ApiError) as caught:
        canonical_number(text)
    assert caught.value.code == "ValidationException"


def test_sums_are_exact_or_refused():
    """Against Python's decimal numbers with more digits than any sum needs."""
    chance = random.Random(seeds.first)
    for _ in range(2000):
        one, other = (canonical_number(f"{chance.randint(-(10**12), 10**12)}e{chance.randint(-40, 40)}") for _ in range(2))
        with localcontext(prec=300):
            total = Decimal(one) + Decimal(other)
        try:
            assert Decimal(add_numbers(one, other)) == total
        except ApiError:
            assert len("".join(map(str, total.as_tuple().digits)).strip("0")) > 38


def test_equal_values_have_equal_dictionaries():
    one, other = {"NS": ["1.0", "20", "3"]}, {"NS": ["3", "1", "2e1"]}
    check_value(one)
    check_value(other)
    assert one == other


def test_size_of_an_item():
    item = {"id": wire_value("äb"), "n": wire_value(-125), "m": wire_value({"a": [True, None]}), "b": {"B": "AAEC"}}
    assert check_item(item) == (2 + 3) + (1 + 4) + (1 + 3 + 1 + 1 + 3 + 2 * 2) + (1 + 3)


@pytest.mark.parametrize("value", [{"S": 1}, {"M": []}, {"L": {}}, {"SS": "a"}, {"NS": [1]}, {"B": "?"}, {"BOOL": "true"}, "a", ["a"]])
def test_values_of_a_wrong_json_type(value):
    with pytest.raises(ApiError) as caught:
        check_value(value)
    assert caught.value.code == "SerializationException"


def test_texts_are_in_the_order_of_their_bytes():
    texts = ["\U0001f600", "\ufb01", "é", "b", "a#", "a", "Z"]
    assert sorted(texts, key=lambda text: sortable({"S": text})) == sorted(texts, key=lambda text: text.encode())


@pytest.mark.parametrize(
    ("operation", "request_", "code"),
    [
        ("GetItem", {"TableName": "things"}, "ValidationException"),
        ("GetItem", {"TableName": 1, "Key": {}}, "SerializationException"),
        ("PutItem", {"TableName": "things", "Item": {}, "ReturnValues": "SOME"}, "ValidationException"),
        ("Query", {"TableName": "things", "Limit": 0}, "ValidationException"),
        ("TransactWriteItems", {"TransactItems": []}, "ValidationException"),
        ("BatchWriteItem", {"RequestItems": {"things": [{"PutRequest": {}}]}}, "ValidationException"),
        ("GetRecords", {}, "ValidationException"),
    ],
)
def test_requests_follow_the_model(operation, request_, code):
    with pytest.raises(ApiError) as caught:
        checked_request(operation, request_)
    assert caught.value.code == code
