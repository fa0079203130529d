"""Transactions: all or nothing, the reasons, what may not be in one, and repetition with a token."""

import uuid

import pytest

from tests.contract.calls import CANCELLED, FAILED, INVALID, outcome

SMALL = {"n": 1}
NEVER = {"condition": "attribute_not_exists(id)"}


def everything(db, *keys: str) -> list:
    return [db.get(key) for key in (db.id, *keys)]


def test_all_kinds_over_two_tables(db, agrees):
    put, update, delete, check = db.others(4)
    for key in (update, delete, check):
        db.put(SMALL, key=key)
    line = {"Put": {"TableName": db.lines, "Item": {"id": {"S": db.id}, "at": {"S": "1"}}}}
    answer = db.transact(
        {"Put": db.put_arguments(SMALL, key=put)},
        {"Update": db.update_arguments("ADD n :one", "n = :one", key=update, values={":one": 1})},
        {"Delete": db.key_arguments(delete)},
        {"ConditionCheck": {**db.key_arguments(check), "ConditionExpression": "attribute_exists(id)"}},
        line,
    )
    found = [db.get(key) for key in (put, update, delete, check)]
    agrees((answer, found, db.query()["Count"]), ("done", [{"n": 1}, {"n": 2}, None, {"n": 1}], 1))


def test_reasons_are_in_order_with_the_items(db, agrees):
    first, second, third, fourth = db.others(4)
    for key, n in ((second, 2), (fourth, 4)):
        db.put({"n": n}, key=key)
    answer = db.transact(
        {"Put": db.put_arguments(SMALL, **NEVER, key=first)},
        {"Put": db.put_arguments(SMALL, **NEVER, told=True, key=second)},
        {"Update": db.update_arguments("ADD n :one", "attribute_exists(id)", values={":one": 1}, told=True, key=third)},
        {"Delete": {**db.key_arguments(fourth), "ConditionExpression": "attribute_not_exists(id)"}},
    )
    # The second comes with its item, there is none for the third, and the fourth did not ask.
    reasons = ["None", (FAILED, {"id": second, "n": 2}), FAILED, FAILED]
    agrees((answer, [db.get(key) for key in (first, second, third, fourth)]), ((CANCELLED, reasons), [None, {"n": 2}, None, {"n": 4}]))


def test_a_check_that_fails_stops_the_rest(db, agrees):
    other = f"{db.id}-other"
    db.put({"version": 1})
    check = {**db.update_arguments("", "version = :seen", values={":seen": 2}, told=True)}
    del check["UpdateExpression"]
    answer = db.transact({"Put": db.put_arguments(key=other)}, {"ConditionCheck": check})
    agrees((answer, db.get(other)), ((CANCELLED, ["None", (FAILED, {"id": db.id, "version": 1})]), None))


def test_a_delete_of_nothing(db, agrees):
    agrees(db.transact({"Delete": db.key_arguments()}), "done")


TWICE = {
    "two puts": lambda db: [{"Put": db.put_arguments()}, {"Put": db.put_arguments(SMALL)}],
    "put and delete": lambda db: [{"Put": db.put_arguments()}, {"Delete": db.key_arguments()}],
    "check and update": lambda db: [
        {"ConditionCheck": {**db.key_arguments(), "ConditionExpression": "attribute_not_exists(id)"}},
        {"Update": db.update_arguments("ADD n :one", values={":one": 1})},
    ],
}


@pytest.mark.parametrize("case", TWICE)
def test_an_item_is_in_it_once(db, agrees, case):
    agrees((db.transact(*TWICE[case](db)), db.get()), (INVALID, None))


@pytest.mark.parametrize("count", [0, 1, 100, 101])
def test_how_many(db, agrees, count):
    answer = db.transact(*({"Put": db.put_arguments(key=key)} for key in db.others(count)))
    agrees(answer, "done" if 1 <= count <= 100 else INVALID)


def test_two_actions_in_one_item(db, agrees):
    agrees(db.transact({"Put": db.put_arguments(), "Delete": db.key_arguments(f"{db.id}-other")}), INVALID)


def test_a_table_that_is_missing(db, agrees):
    elsewhere = {"TableName": f"{db.things}-missing", "Item": {"id": {"S": "1"}}}
    agrees((db.transact({"Put": db.put_arguments()}, {"Put": elsewhere}), db.get()), ("ResourceNotFoundException 400", None))


def adding(db, number: int = 1) -> dict:
    return {"Update": db.update_arguments("ADD n :n", values={":n": number})}


def test_a_token_makes_it_once(db, agrees):
    token = str(uuid.uuid4())
    answers = [db.transact(adding(db), ClientRequestToken=token) for _ in range(3)]
    agrees((answers, db.get()), (["done"] * 3, {"n": 1}))


def test_a_token_makes_a_conditional_one_once(db, agrees):
    """The SDK's repetition after a lost answer: the condition would not hold a second time."""
    token = str(uuid.uuid4())
    item = {"Put": db.put_arguments(SMALL, **NEVER)}
    agrees([db.transact(item, ClientRequestToken=token) for _ in range(2)], ["done", "done"])


def test_a_token_belongs_to_one_request(db, agrees):
    token = str(uuid.uuid4())
    answers = [db.transact(adding(db, number), ClientRequestToken=token) for number in (1, 2)]
    agrees((answers, db.get()), (["done", "IdempotentParameterMismatchException 400"], {"n": 1}))


def test_without_a_token_each_is_another(db, agrees):
    """botocore sends a fresh token with each call."""
    agrees(([db.transact(adding(db)) for _ in range(2)], db.get()), (["done", "done"], {"n": 2}))


def test_a_token_of_37_characters(db, agrees):
    agrees(db.transact(adding(db), ClientRequestToken="x" * 37), INVALID)


def test_the_refusal_is_a_class_of_its_own(db, agrees):
    db.put()
    try:
        db.client.transact_write_items(TransactItems=[{"Put": db.put_arguments(None, **NEVER)}])
    except db.client.exceptions.TransactionCanceledException as error:
        reason = error.response["CancellationReasons"][0]
        agrees((reason["Code"], reason["Message"]), (FAILED, "The conditional request failed"))


def test_what_is_too_large_at_the_end(db, agrees):
    """An update that makes an item larger than 400 KB is found out when it is tried."""
    other = f"{db.id}-other"
    db.put({"a": "x" * 300_000})
    growing = db.update_arguments("SET b = :b", values={":b": "x" * 200_000})
    answer = db.transact({"Put": db.put_arguments(key=other)}, {"Update": growing})
    agrees((answer, db.get(other)), ((CANCELLED, ["None", "ValidationError"]), None))


@pytest.mark.parametrize(("count", "allowed"), [(10, True), (11, False)])
def test_four_megabytes(db, agrees, count, allowed):
    item = {"a": "x" * 400_000}
    answer = db.transact(*({"Put": db.put_arguments(item, key=key)} for key in db.others(count)))
    agrees(answer, "done" if allowed else INVALID)


def test_reads_of_a_transaction(db, agrees):
    """None of the code does so yet; the answers are in order, and empty where nothing is."""
    db.put(SMALL)
    gets = [{"Get": db.key_arguments(key)} for key in (f"{db.id}-none", db.id)]
    answer = outcome(lambda: db.client.transact_get_items(TransactItems=gets)["Responses"])
    agrees(answer, [{}, {"Item": {"id": {"S": db.id}, "n": {"N": "1"}}}])
