"""Transactions: all or nothing, the reasons, what a transaction may not contain, and repetition with a token."""

import uuid

import pytest

from tests.contract.outcomes import CONDITION_FAILED_REASON, INVALID, TRANSACTION_CANCELED, outcome

SMALL = {"n": 1}
NEVER = {"condition": "attribute_not_exists(id)"}


def everything(db, *keys: str) -> list:
    return [db.get(key) for key in (db.id, *keys)]


def test_all_actions_over_two_tables(db, assert_matches):
    put, update, delete, check = db.more_keys(4)
    for key in (update, delete, check):
        db.put(SMALL, key=key)
    line = {"Put": {"TableName": db.lines, "Item": {"id": {"S": db.id}, "at": {"S": "1"}}}}
    result = db.transact(
        {"Put": db.put_arguments(SMALL, key=put)},
        {"Update": db.update_arguments("ADD n :one", "n = :one", key=update, values={":one": 1})},
        {"Delete": db.key_arguments(delete)},
        {"ConditionCheck": {**db.key_arguments(check), "ConditionExpression": "attribute_exists(id)"}},
        line,
    )
    items = [db.get(key) for key in (put, update, delete, check)]
    assert_matches((result, items, db.query()["Count"]), ("done", [{"n": 1}, {"n": 2}, None, {"n": 1}], 1))


def test_reasons_are_in_the_order_of_the_items(db, assert_matches):
    first, second, third, fourth = db.more_keys(4)
    for key, n in ((second, 2), (fourth, 4)):
        db.put({"n": n}, key=key)
    result = db.transact(
        {"Put": db.put_arguments(SMALL, **NEVER, key=first)},
        {"Put": db.put_arguments(SMALL, **NEVER, return_item=True, key=second)},
        {"Update": db.update_arguments("ADD n :one", "attribute_exists(id)", values={":one": 1}, return_item=True, key=third)},
        {"Delete": {**db.key_arguments(fourth), "ConditionExpression": "attribute_not_exists(id)"}},
    )
    # The second comes with its item, there is none for the third, and the fourth did not ask.
    reasons = ["None", (CONDITION_FAILED_REASON, {"id": second, "n": 2}), CONDITION_FAILED_REASON, CONDITION_FAILED_REASON]
    assert_matches(
        (result, [db.get(key) for key in (first, second, third, fourth)]),
        ((TRANSACTION_CANCELED, reasons), [None, {"n": 2}, None, {"n": 4}]),
    )


def test_a_failed_check_stops_the_transaction(db, assert_matches):
    other = f"{db.id}-other"
    db.put({"version": 1})
    check = {**db.update_arguments("", "version = :seen", values={":seen": 2}, return_item=True)}
    del check["UpdateExpression"]
    result = db.transact({"Put": db.put_arguments(key=other)}, {"ConditionCheck": check})
    assert_matches(
        (result, db.get(other)), ((TRANSACTION_CANCELED, ["None", (CONDITION_FAILED_REASON, {"id": db.id, "version": 1})]), None)
    )


def test_a_delete_of_a_missing_item(db, assert_matches):
    assert_matches(db.transact({"Delete": db.key_arguments()}), "done")


TWICE = {
    "two puts": lambda db: [{"Put": db.put_arguments()}, {"Put": db.put_arguments(SMALL)}],
    "put and delete": lambda db: [{"Put": db.put_arguments()}, {"Delete": db.key_arguments()}],
    "check and update": lambda db: [
        {"ConditionCheck": {**db.key_arguments(), "ConditionExpression": "attribute_not_exists(id)"}},
        {"Update": db.update_arguments("ADD n :one", values={":one": 1})},
    ],
}


@pytest.mark.parametrize("case", TWICE)
def test_an_item_may_occur_once(db, assert_matches, case):
    assert_matches((db.transact(*TWICE[case](db)), db.get()), (INVALID, None))


@pytest.mark.parametrize("count", [0, 1, 100, 101])
def test_number_of_actions(db, assert_matches, count):
    result = db.transact(*({"Put": db.put_arguments(key=key)} for key in db.more_keys(count)))
    assert_matches(result, "done" if 1 <= count <= 100 else INVALID)


def test_two_actions_in_one_item(db, assert_matches):
    assert_matches(db.transact({"Put": db.put_arguments(), "Delete": db.key_arguments(f"{db.id}-other")}), INVALID)


def test_a_missing_table(db, assert_matches):
    elsewhere = {"TableName": f"{db.things}-missing", "Item": {"id": {"S": "1"}}}
    assert_matches((db.transact({"Put": db.put_arguments()}, {"Put": elsewhere}), db.get()), ("ResourceNotFoundException 400", None))


def adding(db, number: int = 1) -> dict:
    return {"Update": db.update_arguments("ADD n :n", values={":n": number})}


def test_a_token_makes_a_transaction_once(db, assert_matches):
    token = str(uuid.uuid4())
    results = [db.transact(adding(db), ClientRequestToken=token) for _ in range(3)]
    assert_matches((results, db.get()), (["done"] * 3, {"n": 1}))


def test_a_token_makes_a_conditional_transaction_once(db, assert_matches):
    """The SDK's repetition after a lost result: the condition would not hold a second time."""
    token = str(uuid.uuid4())
    item = {"Put": db.put_arguments(SMALL, **NEVER)}
    assert_matches([db.transact(item, ClientRequestToken=token) for _ in range(2)], ["done", "done"])


def test_a_token_belongs_to_one_request(db, assert_matches):
    token = str(uuid.uuid4())
    results = [db.transact(adding(db, number), ClientRequestToken=token) for number in (1, 2)]
    assert_matches((results, db.get()), (["done", "IdempotentParameterMismatchException 400"], {"n": 1}))


def test_without_a_token_each_transaction_is_made(db, assert_matches):
    """botocore sends a fresh token with each call."""
    assert_matches(([db.transact(adding(db)) for _ in range(2)], db.get()), (["done", "done"], {"n": 2}))


def test_a_token_of_37_characters(db, assert_matches):
    assert_matches(db.transact(adding(db), ClientRequestToken="x" * 37), INVALID)


def test_the_refusal_has_its_own_exception_class(db, assert_matches):
    db.put()
    try:
        db.client.transact_write_items(TransactItems=[{"Put": db.put_arguments(None, **NEVER)}])
    except db.client.exceptions.TransactionCanceledException as error:
        reason = error.response["CancellationReasons"][0]
        assert_matches((reason["Code"], reason["Message"]), (CONDITION_FAILED_REASON, "The conditional request failed"))


def test_an_item_that_becomes_too_large(db, assert_matches):
    """An update that makes an item larger than 400 KB is detected when the transaction is executed."""
    other = f"{db.id}-other"
    db.put({"a": "x" * 300_000})
    growing = db.update_arguments("SET b = :b", values={":b": "x" * 200_000})
    result = db.transact({"Put": db.put_arguments(key=other)}, {"Update": growing})
    assert_matches((result, db.get(other)), ((TRANSACTION_CANCELED, ["None", "ValidationError"]), None))


@pytest.mark.parametrize(("count", "allowed"), [(10, True), (11, False)])
def test_four_megabytes(db, assert_matches, count, allowed):
    item = {"a": "x" * 400_000}
    result = db.transact(*({"Put": db.put_arguments(item, key=key)} for key in db.more_keys(count)))
    assert_matches(result, "done" if allowed else INVALID)


def test_reads_of_a_transaction(db, assert_matches):
    """None of the code does so yet; the results are in order, and empty where nothing is."""
    db.put(SMALL)
    gets = [{"Get": db.key_arguments(key)} for key in (f"{db.id}-none", db.id)]
    result = outcome(lambda: db.client.transact_get_items(TransactItems=gets)["Responses"])
    assert_matches(result, [{}, {"Item": {"id": {"S": db.id}, "n": {"N": "1"}}}])
