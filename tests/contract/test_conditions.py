"""Conditions: when they hold, what is returned when they do not, and which conditions are invalid."""

import pytest

from tests.contract.outcomes import CONDITION_FAILED, INVALID
from tests.contract.wire_values import N, RawValue

ITEM = {
    "n": 5,
    "letters": "abc",
    "flag": True,
    "nothing": None,
    "tags": {"a", "b"},
    "numbers": {1, 2},
    "bits": b"\x00\xff",
    "series": [1, "x"],
    "holds": {"h1": [2, 100], "h2": [3, 200]},
}

# Condition -> whether it holds for ITEM. `#h` is h1, `#gone` is a hold that is not there, `#n` is n.
CONDITIONS = {
    "attribute_exists(id)": True,
    "attribute_not_exists(id)": False,
    "attribute_exists(absent)": False,
    "attribute_not_exists(absent)": True,
    "attribute_exists(nothing)": True,
    "attribute_exists(holds.#h)": True,
    "attribute_not_exists(holds.#h)": False,
    "attribute_exists(holds.#gone)": False,
    "attribute_not_exists(holds.#gone)": True,
    "attribute_not_exists(absent.#gone)": True,
    "attribute_not_exists(n.#gone)": True,
    "holds.#h[0] = :two": True,
    "holds.#h[0] = :five": False,
    "holds.#h[9] = :two": False,
    "holds.#gone[0] = :two": False,
    "absent.#gone[0] = :two": False,
    "n[0] = :five": False,
    "n = :five": True,
    "n = :long_five": True,
    "n = :text_five": False,
    "n = :two": False,
    "absent = :five": False,
    "n < :text_five": False,
    "n >= :five": True,
    "n <= :five": True,
    "n > :five": False,
    "n > :less": True,
    "absent <= :five": False,
    "attribute_not_exists(absent) OR absent <= :five": True,
    "n <> :text_five": True,
    "n <> :five": False,
    "absent <> :five": True,
    "n BETWEEN :two AND :five": True,
    "#n = :five": True,
    "letters = :abc": True,
    "letters < :b": True,
    "bits = :bits": True,
    "flag = :true": True,
    "flag = :one": False,
    "letters IN (:a, :abc)": True,
    "letters IN (:a, :b)": False,
    "absent IN (:a, :b)": False,
    "contains(tags, :a)": True,
    "contains(tags, :abc)": False,
    "contains(absent, :a)": False,
    "NOT contains(absent, :a)": True,
    "NOT contains(tags, :a)": False,
    "contains(numbers, :two)": True,
    "contains(numbers, :text_five)": False,
    "contains(letters, :b)": True,
    "contains(series, :x)": True,
    "contains(n, :five)": False,
    "begins_with(letters, :a)": True,
    "begins_with(letters, :b)": False,
    "begins_with(absent, :a)": False,
    "size(tags) = :two": True,
    "size(letters) = :five": False,
    "tags = :tags": True,
    "holds = :holds": True,
    "series = :series": True,
    "NOT n = :two": True,
    "NOT n = :two AND n = :two": False,
    "NOT (n = :two AND n = :two)": True,
    "n = :two AND n = :two OR n = :five": True,
    "n = :five OR n = :two AND n = :two": True,
    "(n = :five OR n = :two) AND n = :two": False,
    "not n = :two and n = :five": True,
}
VALUES = {
    ":one": 1,
    ":two": 2,
    ":five": 5,
    ":long_five": N("5.00"),
    ":less": N("4.99999999999999999999999999999999999"),
    ":text_five": "5",
    ":true": True,
    ":abc": "abc",
    ":a": "a",
    ":b": "b",
    ":x": "x",
    ":bits": b"\x00\xff",
    ":tags": {"b", "a"},
    ":holds": {"h2": [3, 200], "h1": [2, N("1e2")]},
    ":series": [1, "x"],
}
NAMES = {"#h": "h1", "#gone": "01J-gone", "#n": "n"}


def placeholders_of(expression: str) -> dict:
    """The names and values that an expression needs: unused ones are refused."""
    words = set(expression.replace("(", " ").replace(")", " ").replace(",", " ").replace(".", " ").replace("[", " ").split())
    return {
        "names": {name: to for name, to in NAMES.items() if name in words},
        "values": {name: value for name, value in VALUES.items() if name in words},
    }


@pytest.mark.parametrize("condition", CONDITIONS)
def test_conditions_of_updates(db, assert_matches, condition):
    db.put(ITEM)
    result = db.update("SET done = :done", condition, **_with_done(placeholders_of(condition)))
    assert_matches((result, "done" in db.get()), ("done", True) if CONDITIONS[condition] else (CONDITION_FAILED, False))


def _with_done(arguments: dict) -> dict:
    return {**arguments, "values": {**arguments["values"], ":done": True}}


@pytest.mark.parametrize("condition", CONDITIONS)
def test_conditions_of_transactions(db, assert_matches, condition):
    """The same conditions as ConditionChecks."""
    db.put(ITEM)
    arguments = db.update_arguments("", condition, **placeholders_of(condition))
    del arguments["UpdateExpression"]
    result = db.transact({"ConditionCheck": arguments})
    assert_matches(result, "done" if CONDITIONS[condition] else ("TransactionCanceledException 400", ["ConditionalCheckFailed"]))


def test_put_if_absent(db, assert_matches):
    first = db.put({"n": 1}, "attribute_not_exists(id)", return_item=True)
    second = db.put({"n": 2}, "attribute_not_exists(id)", return_item=True)
    assert_matches((first, second, db.get()), ("done", (CONDITION_FAILED, {"id": db.id, "n": 1}), {"n": 1}))


def test_put_if_absent_or_expired(db, assert_matches):
    arguments = {"condition": "attribute_not_exists(id) OR expires_at <= :now", "return_item": True}
    results = [db.put({"expires_at": at + 10}, values={":now": at}, **arguments) for at in (100, 109, 110)]
    assert_matches(results, ["done", (CONDITION_FAILED, {"id": db.id, "expires_at": 110}), "done"])


def test_a_refused_update_returns_the_item(db, assert_matches):
    db.put(ITEM)
    result = db.update("SET n = :two", "n = :two", values={":two": 2}, return_item=True)
    assert_matches((result, db.get()), ((CONDITION_FAILED, {"id": db.id, **ITEM}), ITEM))


def test_a_refused_update_of_a_missing_item_returns_and_creates_nothing(db, assert_matches):
    result = db.update("SET n = :two", "attribute_exists(id)", values={":two": 2}, return_item=True)
    assert_matches((result, db.get()), (CONDITION_FAILED, None))


def test_a_refusal_returns_the_item_on_request_only(db, assert_matches):
    db.put(ITEM)
    assert_matches(db.update("SET n = :two", "n = :two", values={":two": 2}), CONDITION_FAILED)


def test_a_delete(db, assert_matches):
    db.put({"n": 1})
    refused = db.delete("n = :two", values={":two": 2}, return_item=True)
    deleted = db.delete("n = :one", values={":one": 1}, returns="ALL_OLD")
    again = db.delete("n = :one", values={":one": 1}, return_item=True)
    assert_matches(
        (refused, deleted, again, db.delete()), ((CONDITION_FAILED, {"id": db.id, "n": 1}), {"id": db.id, "n": 1}, CONDITION_FAILED, "done")
    )


def test_a_put_returns_what_it_replaced(db, assert_matches):
    results = [db.put({"n": number}, returns="ALL_OLD") for number in (1, 2)]
    assert_matches(results, ["done", {"id": db.id, "n": 1}])


def test_the_refusal_has_its_own_exception_class(db, assert_matches):
    db.put()
    exceptions = db.client.exceptions
    try:
        db.client.put_item(**db.put_arguments(None, "attribute_not_exists(id)"))
    except exceptions.ConditionalCheckFailedException as error:
        assert_matches(error.response["Error"]["Message"], "The conditional request failed")


# Reserved, and used as attributes here: the code must write them with a placeholder, in any case of letters.
@pytest.mark.parametrize("word", ["capacity", "open", "Open", "state", "status", "name", "ttl", "count", "role", "at"])
def test_reserved_words(db, assert_matches, word):
    db.put(ITEM)
    without_placeholder = db.update(f"SET {word} = :one", values={":one": 1})
    condition = db.update("SET n = :one", f"{word} = :one", values={":one": 1})
    with_placeholder = db.update("SET #word = :one", names={"#word": word}, values={":one": 1})
    assert_matches((without_placeholder, condition, with_placeholder), (INVALID, INVALID, "done"))


# What the code writes without a placeholder.
@pytest.mark.parametrize("word", ["available", "sold", "holds", "version", "id", "tat", "arrivals", "active_id"])
def test_words_that_are_not_reserved(db, assert_matches, word):
    assert_matches(db.update("SET n = :one", f"attribute_not_exists({word})", values={":one": 1}), "done")


INVALID_CONDITIONS = {
    "an unused name": ("n = :five", {"names": {"#unused": "x"}, "values": {":five": 5}}),
    "an unused value": ("n = :five", {"values": {":five": 5, ":unused": 1}}),
    "an undefined name": ("#undefined = :five", {"values": {":five": 5}}),
    "an undefined value": ("n = :undefined", {}),
    "no operand": ("n =", {}),
    "half a parenthesis": ("(n = :five", {"values": {":five": 5}}),
    "an unknown function": ("exists(n)", {}),
    "a function in capitals": ("ATTRIBUTE_EXISTS(n)", {}),
    "a value alone": (":five", {"values": {":five": 5}}),
    "an attribute compared with itself": ("n = n", {}),
    "bounds the wrong way round": ("n BETWEEN :five AND :one", {"values": {":five": 5, ":one": 1}}),
    "an empty set": ("tags = :none", {"values": {":none": RawValue(SS=[])}}),
    "a value of no type": ("tags = :none", {"values": {":none": RawValue()}}),
    "begins_with a number": ("begins_with(letters, :five)", {"values": {":five": 5}}),
}


@pytest.mark.parametrize("case", INVALID_CONDITIONS)
def test_invalid_conditions(db, assert_matches, case):
    condition, more = INVALID_CONDITIONS[case]
    db.put(ITEM)
    assert_matches((db.put({"n": 1}, condition, **more), db.get() == ITEM), (INVALID, True))
