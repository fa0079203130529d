"""The faults: each does what its name says, to boto3 and to PynamoDB, and to nobody else."""

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, ReadTimeoutError
from pynamodb.exceptions import PynamoDBException

from chalicelib import dynamo
from chalicelib.inventory import store as stock
from chalicelib.purchases.record.store import PurchaseRow
from tests.simulation import faults as bed
from tests.simulation.threads import at_once

pytestmark = pytest.mark.usefixtures("store")


def put(number=1):
    PurchaseRow(f"p{number}", state="held", version=1).save()


def there():
    return sorted(row.id for row in PurchaseRow.scan(consistent_read=True))


def put_both(**conditions):
    rows = [PurchaseRow(one, state="held", version=1) for one in ("p1", "p2")]
    dynamo.transact([dynamo.put(row, conditions.get(row.id)) for row in rows])


def test_a_crash_after_a_call_leaves_what_it_did_and_nothing_follows():
    with bed.crash_after(2) as crash:
        put(1)
        try:
            put(2)
        finally:
            put(3)
    assert crash.happened
    assert there() == ["p1", "p2"]


def test_a_crash_before_a_call_leaves_nothing_of_it():
    with bed.crash_before(2):
        put(1)
        put(2)
    assert there() == ["p1"]


def test_a_crash_is_no_exception_that_code_handles():
    with bed.crash_after(1):
        try:
            put(1)
        except Exception:
            put(2)
    assert there() == ["p1"]


def test_a_fault_that_never_comes_says_so():
    with bed.crash_after(9) as crash:
        put()
    assert not crash.happened


@pytest.mark.parametrize(
    ("error", "code", "kind"),
    [
        (bed.throttled, "ThrottlingException", ClientError),
        (bed.internal_error, "InternalServerError", ClientError),
        (bed.conflict, "TransactionConflictException", ClientError),
        (bed.timeout, "", ReadTimeoutError),
        (bed.unreachable, "", ConnectTimeoutError),
    ],
)
def test_errors_are_those_of_the_sdk_for_both_libraries(error, code, kind):
    with bed.calls() as made, bed.fail(1, error) as fault, pytest.raises(kind) as raised:
        stock.create_shard(stock.new_shard_item("t#0", capacity=1, sold=0, is_open=True))
    assert dynamo.error_code(raised.value) == code
    assert fault.call.attempts == 1, "no waiting for the SDK's repetitions"
    with bed.fail(1, error), pytest.raises(PynamoDBException) as raised:
        put()
    assert dynamo.error_code(raised.value) == code
    assert dynamo.is_unavailable(raised.value)
    assert made == []
    assert there() == []


def test_the_sdk_repeats_what_fails_once():
    with bed.calls() as made, bed.fail(1, bed.throttled, attempts=1) as fault:
        put()
    assert fault.call.attempts == 2
    assert made.round_trips == 1
    assert there() == ["p1"]


def test_a_conflict_of_a_transaction_is_tried_again_by_us():
    with bed.calls() as made, bed.fail(1, bed.conflict) as fault:
        put_both()
    assert [reason["Code"] for reason in fault.call.error.response["CancellationReasons"]] == ["TransactionConflict", "None"]
    assert made.names == ["TransactWriteItems"]
    assert there() == ["p1", "p2"]


def test_a_lost_answer_took_effect():
    with bed.lost_answer(1), pytest.raises(PynamoDBException) as raised:
        put()
    assert dynamo.is_unavailable(raised.value)
    assert there() == ["p1"]


def test_a_lost_answer_that_the_sdk_repeats_meets_its_own_effect():
    absent = PurchaseRow.id.does_not_exist()
    with bed.calls() as made, bed.lost_answer(1, repeated=True):
        met = dynamo.put_if(PurchaseRow("p1", state="held", version=1), absent)
    assert met is not None
    assert made.round_trips == 2
    assert made.entries[0].outcome == "refused"


def test_a_repeated_transaction_is_one_by_its_token():
    with bed.lost_answer(1, repeated=True):
        put_both(p1=PurchaseRow.id.does_not_exist())
    assert there() == ["p1", "p2"]


def test_a_fault_can_be_for_an_operation_and_a_table():
    with bed.crash_before(1, operation="PutItem", table="inventory") as crash:
        put(1)
        stock.read_shards(["t#0"])
        stock.create_shard(stock.new_shard_item("t#0", capacity=1, sold=0, is_open=True))
    assert crash.call.tables == ["inventory"]
    assert there() == ["p1"]
    assert stock.read_shards(["t#0"]) == []


def test_everything_from_a_call_on_can_fail():
    with bed.fail_from(2, bed.throttled):
        put(1)
        for number in (2, 3):
            with pytest.raises(PynamoDBException):
                put(number)
    assert there() == ["p1"]


def test_faults_can_be_nested():
    with bed.crash_after(2), bed.fail(1, bed.throttled):
        with pytest.raises(PynamoDBException):
            put(1)
        put(2)
        put(3)
    assert there() == ["p2"]


def test_a_process_dies_alone(threaded_store):
    def work(name):
        with bed.process(name):
            if name == "two":
                with bed.crash_after(1):
                    put("two-1")
                    put("two-2")
                return
            for number in range(3):
                put(f"{name}-{number}")

    at_once(3, work, ["one", "two", "three"])
    assert there() == ["pone-0", "pone-1", "pone-2", "pthree-0", "pthree-1", "pthree-2", "ptwo-1"]


def test_nothing_is_left_listening():
    with bed.crash_after(1), bed.calls():
        put(1)
    with bed.calls() as made:
        put(2)
    put(3)
    assert made.names == ["PutItem"]
