"""Values: how numbers come result, what is a number, binaries, sets, what is empty."""

import pytest

from tests.contract.outcomes import INVALID, completion
from tests.contract.wire_values import N, RawValue

DIGITS = "12345678901234567890123456789012345678"

# As written -> as it comes back.
FORMS = {
    "1": "1",
    "1.0": "1",
    "1.50": "1.5",
    "0001": "1",
    "+5": "5",
    "-7": "-7",
    "0": "0",
    "-0": "0",
    "0.0": "0",
    ".5": "0.5",
    "1e3": "1000",
    "1E-5": "0.00001",
    "100": "100",
    DIGITS: DIGITS,
    f"{DIGITS}0": f"{DIGITS}0",
    f"0.{DIGITS}": f"0.{DIGITS}",
    "1e125": "1" + 125 * "0",
    "-1e125": "-1" + 125 * "0",
    "1e-130": "0." + 129 * "0" + "1",
    "1780315200": "1780315200",
}
INVALID_NUMBERS = ["", "abc", "1,5", "NaN", "Infinity", "0x10", "1 2", f"{DIGITS}9", "1e126", "1e-131", "-1e126"]


def read(db, name: str = "n") -> dict:
    return db.client.get_item(**db.key_arguments(), ConsistentRead=True).get("Item", {}).get(name)


WRITES = {
    "put": lambda db, number: db.put({"n": number}),
    "update": lambda db, number: db.update("SET n = :n", values={":n": number}),
    "transaction": lambda db, number: db.transact({"Update": db.update_arguments("SET n = :n", values={":n": number})}),
    "add": lambda db, number: db.delete() and db.update("ADD n :n", values={":n": number}),
}


@pytest.mark.parametrize("write", WRITES)
def test_numbers_are_normalized(db, assert_matches, write):
    """Compare only numbers that are not in their shortest form: an engine that keeps numbers as text is one deviation, not many."""
    results = {text: (WRITES[write](db, N(text)), read(db)) for text in FORMS}
    assert_matches({text: result for text, result in results.items() if result != ("done", {"N": FORMS[text]})}, {})


@pytest.mark.parametrize("write", WRITES)
def test_invalid_numbers(db, assert_matches, write):
    results = {text: (db.delete() and WRITES[write](db, N(text)), read(db)) for text in INVALID_NUMBERS}
    assert_matches({text: result for text, result in results.items() if result != (INVALID, None)}, {})


SUMS = {
    "tenths": ("0.1", "0.2", "0.3"),
    "a fraction that ends": ("1.5", "0.5", "2"),
    "38 digits": ("12345678901234567890123456789012345678", "1", "12345678901234567890123456789012345679"),
    "one more digit": (38 * "9", "1", "1" + 38 * "0"),
    "back to nothing": ("5", "-5", "0"),
    "milliseconds": ("1780315200123", "250", "1780315200373"),
}


@pytest.mark.parametrize("how", ["SET n = n + :n", "ADD n :n"])
@pytest.mark.parametrize("case", SUMS)
def test_sums(db, assert_matches, case, how):
    first, second, total = SUMS[case]
    db.put({"n": N(first)})
    assert_matches((db.update(how, values={":n": N(second)}), read(db)), ("done", {"N": total}))


@pytest.mark.parametrize("how", ["SET n = n + :n", "ADD n :n"])
def test_a_sum_that_is_too_large(db, assert_matches, how):
    db.put({"n": N("9e125")})
    assert_matches((db.update(how, values={":n": N("9e125")}), read(db)), (INVALID, {"N": "9" + 125 * "0"}))


VALUES = {
    "text": "Ärger, 切符, 🎫",
    "empty text": "",
    "binary": bytes(range(256)),
    "empty binary": b"",
    "true": True,
    "false": False,
    "null": None,
    "empty map": {},
    "empty list": [],
    "list": [1, "a", None, [b"x", {"a": {1, 2}}]],
    "map": {"a": {"b": {"c": [True]}}, "with space": "x"},
    "set of text": {"a", "b", ""},
    "set of numbers": {1, N("2.5"), -3},
    "set of binaries": {b"a", b"\x00"},
}


@pytest.mark.parametrize("case", VALUES)
def test_values_are_returned_as_they_were_put(db, assert_matches, case):
    assert_matches((db.put({"x": VALUES[case]}), db.get()), ("done", {"x": VALUES[case]}))


NO_VALUES = {
    "an empty set of text": RawValue(SS=[]),
    "an empty set of numbers": RawValue(NS=[]),
    "an empty set of binaries": RawValue(BS=[]),
    "a set with one twice": RawValue(SS=["a", "a"]),
    "a set with one number twice": RawValue(NS=["1", "1.0"]),
    "two types": RawValue(S="a", N="1"),
    "no type": RawValue(),
    "null that is false": RawValue(NULL=False),
}


@pytest.mark.parametrize("case", NO_VALUES)
def test_invalid_values(db, assert_matches, case):
    assert_matches((db.put({"x": NO_VALUES[case]}), db.get()), (INVALID, None))


KEYS = {
    "an empty text": {"S": ""},
    "a number": {"N": "1"},
    "a binary": {"B": b"x"},
    "null": {"NULL": True},
    "2,049 bytes": {"S": "x" * 2049},
}


@pytest.mark.parametrize("case", KEYS)
def test_invalid_hash_keys(db, assert_matches, case):

    key = {"id": KEYS[case]}
    calls = [
        lambda: db.client.put_item(TableName=db.things, Item=key),
        lambda: db.client.get_item(TableName=db.things, Key=key),
        lambda: db.client.delete_item(TableName=db.things, Key=key),
        lambda: db.client.update_item(TableName=db.things, Key=key),
    ]
    assert_matches([completion(call) for call in calls], [INVALID] * 4)


SHAPES = {
    "no sort key": {"id": {"S": "1"}},
    "no hash key": {"at": {"S": "1"}},
    "one attribute too many": {"id": {"S": "1"}, "at": {"S": "1"}, "x": {"S": "1"}},
    "an empty sort key": {"id": {"S": "1"}, "at": {"S": ""}},
    "a sort key of 1,025 bytes": {"id": {"S": "1"}, "at": {"S": "x" * 1025}},
}


@pytest.mark.parametrize("case", SHAPES)
def test_invalid_composite_keys(db, assert_matches, case):

    assert_matches(completion(lambda: db.client.get_item(TableName=db.lines, Key=SHAPES[case])), INVALID)


def test_the_longest_keys(db, assert_matches):
    hash_key = f"{db.id}{'x' * (2048 - len(db.id))}"
    item = {"id": {"S": hash_key}, "at": {"S": "x" * 1024}}

    assert_matches(completion(lambda: db.client.put_item(TableName=db.lines, Item=item)), "done")


# 400 KB are 409,600 bytes: 2 + 32 of the id and its name, 1 of the name, and the text.
@pytest.mark.parametrize(("size", "allowed"), [(409_600, True), (409_601, False)])
def test_maximum_item_size(db, assert_matches, size, allowed):
    result = db.put({"a": "x" * (size - 35)})
    assert_matches(result, "done" if allowed else INVALID)


@pytest.mark.parametrize(("size", "allowed"), [(409_600, True), (409_601, False)])
def test_maximum_item_size_after_an_update(db, assert_matches, size, allowed):
    db.put({"a": "x" * 300_000})
    result = db.update("SET b = :b", values={":b": "ä" * ((size - 300_036) // 2) + "x" * (size % 2)})
    assert_matches((result, "b" in db.get()), ("done", True) if allowed else (INVALID, False))


@pytest.mark.parametrize(("depth", "allowed"), [(32, True), (33, False)])
def test_maximum_depth(db, assert_matches, depth, allowed):
    value: object = "x"
    for _ in range(depth - 1):
        value = {"a": value}
    assert_matches(db.put({"a": value}), "done" if allowed else INVALID)
