"""Each fault does what its name says, and affects no other call."""

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, ReadTimeoutError

from chalicelib.dynamodb import dynamo
from chalicelib.foundation import deadline
from chalicelib.inventory import store as stock
from chalicelib.purchases.store import PurchaseRow
from tests.simulation import faults
from tests.simulation.threads import run_in_threads

pytestmark = pytest.mark.usefixtures("store")


def put(number=1):
    PurchaseRow(f"p{number}", state="held", version=1).save()


def stored_ids():
    return sorted(row.id for row in PurchaseRow.scan())


def put_both(**conditions):
    rows = [PurchaseRow(purchase_id, state="held", version=1) for purchase_id in ("p1", "p2")]
    dynamo.transact([dynamo.transact_put(row, conditions.get(row.id)) for row in rows])


def test_a_crash_after_a_call_leaves_what_it_did_and_nothing_follows():
    with faults.crash_after(2) as crash:
        put(1)
        try:
            put(2)
        finally:
            put(3)
    assert crash.was_triggered
    assert stored_ids() == ["p1", "p2"]


def test_a_crash_before_a_call_leaves_nothing_of_it():
    with faults.crash_before(2):
        put(1)
        put(2)
    assert stored_ids() == ["p1"]


def test_a_crash_is_not_an_exception_that_code_handles():
    with faults.crash_after(1):
        try:
            put(1)
        except Exception:
            put(2)
    assert stored_ids() == ["p1"]


def test_a_fault_that_was_not_triggered_says_so():
    with faults.crash_after(9) as crash:
        put()
    assert not crash.was_triggered


@pytest.mark.parametrize(
    ("error", "code", "kind"),
    [
        (faults.throttled, "ThrottlingException", ClientError),
        (faults.internal_error, "InternalServerError", ClientError),
        (faults.conflict, "TransactionConflictException", ClientError),
        (faults.timeout, "", ReadTimeoutError),
        (faults.unreachable, "", ConnectTimeoutError),
    ],
)
def test_errors_are_those_of_the_sdk(error, code, kind, monkeypatch):
    monkeypatch.setattr(deadline.time, "sleep", lambda seconds: None)  # between the retries of a write that conflicts
    with faults.record_calls() as calls, faults.fail_from(1, error) as fault, pytest.raises(kind) as raised:
        stock.create_shard(stock.new_shard("t#0", capacity=1, sold=0, is_open=True))
    assert dynamo.error_code(raised.value) == code
    assert fault.call.attempts == 1, "no waiting for the SDK's repetitions"
    with faults.fail_from(1, error), pytest.raises(kind) as raised:
        stored_ids()
    assert dynamo.error_code(raised.value) == code
    assert dynamo.is_unavailable(raised.value)
    assert calls == []
    assert stored_ids() == []


def test_the_sdk_repeats_what_fails_once():
    with faults.record_calls() as calls, faults.fail(1, faults.throttled, attempts=1) as fault:
        put()
    assert fault.call.attempts == 2
    assert calls.round_trips == 1
    assert stored_ids() == ["p1"]


def test_our_code_repeats_a_transaction_after_a_conflict():
    with faults.record_calls() as calls, faults.fail(1, faults.conflict) as fault:
        put_both()
    assert [reason["Code"] for reason in fault.call.error.response["CancellationReasons"]] == ["TransactionConflict", "None"]
    assert calls.names == ["TransactWriteItems"]
    assert stored_ids() == ["p1", "p2"]


def test_a_lost_answer_took_effect():
    with faults.lose_answer(1), pytest.raises(dynamo.STORE_ERRORS) as raised:
        put()
    assert dynamo.is_unavailable(raised.value)
    assert stored_ids() == ["p1"]


def test_a_call_repeated_after_a_lost_answer_finds_its_own_effect():
    with faults.record_calls() as calls, faults.lose_answer(1, repeated=True):
        is_written, stored = dynamo.put_if_returning(PurchaseRow("p1", state="held", version=1), PurchaseRow.id.does_not_exist())
    assert not is_written
    assert stored is not None
    assert calls.round_trips == 2
    assert calls.entries[0].outcome == "refused"


def test_a_repeated_transaction_takes_effect_once_by_its_token():
    with faults.lose_answer(1, repeated=True):
        put_both(p1=PurchaseRow.id.does_not_exist())
    assert stored_ids() == ["p1", "p2"]


def test_a_fault_can_be_for_an_operation_and_a_table():
    with faults.crash_before(1, operation="PutItem", table="inventory") as crash:
        put(1)
        stock.read_shards(["t#0"])
        stock.create_shard(stock.new_shard("t#0", capacity=1, sold=0, is_open=True))
    assert crash.call.tables == ["inventory"]
    assert stored_ids() == ["p1"]
    assert stock.read_shards(["t#0"]) == []


def test_everything_from_a_call_on_can_fail():
    with faults.fail_from(2, faults.throttled):
        put(1)
        for number in (2, 3):
            with pytest.raises(dynamo.STORE_ERRORS):
                put(number)
    assert stored_ids() == ["p1"]


def test_faults_can_be_nested():
    with faults.crash_after(2), faults.fail(1, faults.throttled):
        with pytest.raises(dynamo.STORE_ERRORS):
            put(1)
        put(2)
        put(3)
    assert stored_ids() == ["p2"]


def test_a_crash_ends_only_its_own_process(threaded_store):
    def work(name):
        with faults.process(name):
            if name == "two":
                with faults.crash_after(1):
                    put("two-1")
                    put("two-2")
                return
            for number in range(3):
                put(f"{name}-{number}")

    run_in_threads(3, work, ["one", "two", "three"])
    assert stored_ids() == ["pone-0", "pone-1", "pone-2", "pthree-0", "pthree-1", "pthree-2", "ptwo-1"]


def test_nothing_is_left_listening():
    with faults.crash_after(1), faults.record_calls():
        put(1)
    with faults.record_calls() as calls:
        put(2)
    put(3)
    assert calls.names == ["PutItem"]
