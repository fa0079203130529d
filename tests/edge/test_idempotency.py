"""Idempotency-Key: one execution, one reply."""

import pytest

from chalicelib.dynamodb import dynamo
from chalicelib.edge import idempotency, store
from tests.edge.conftest import SoldOut


def post(edge, key="k1", body=None, user="ada", path="/once"):
    return edge.post(path, json=body or {"n": 1}, user=user, headers={"Idempotency-Key": key} if key is not None else {})


pytestmark = pytest.mark.usefixtures("store", "time")


def test_a_repeated_request_gets_the_same_reply(edge, execution):
    first, second = post(edge), post(edge)
    assert (first.status, second.status) == (201, 200)
    assert first.json["id"] == second.json["id"]
    assert "idempotent" in second.json["message"]
    assert second.headers["idempotency-replayed"] == "true"
    assert len(execution.ids) == 1


def test_without_a_key_every_request_is_executed(edge, execution):
    assert post(edge, key=None).json["id"] != post(edge, key=None).json["id"]


@pytest.mark.parametrize("key", [None, ""])
def test_a_key_can_be_required(edge, execution, key):
    reply = post(edge, key=key, path="/once-with-required-key")
    assert (reply.status, reply.json["error"], execution.ids) == (400, "idempotency_key_required", [])


@pytest.mark.parametrize("key", ["x" * 256, "ü", "a\tb"])
def test_a_malformed_key_is_a_400(edge, execution, key):
    assert post(edge, key=key).status == 400
    assert execution.ids == []


def test_another_payload_under_the_same_key_is_a_409(edge, execution):
    post(edge)
    reply = post(edge, body={"n": 2})
    assert (reply.status, reply.json["error"]) == (409, "idempotency_key_reused")
    assert len(execution.ids) == 1


def test_a_key_belongs_to_one_user_and_one_address(edge, execution):
    replies = [post(edge), post(edge, user="bob"), post(edge, path="/once-with-required-key")]
    assert [reply.status for reply in replies] == [201, 201, 201]
    assert len(set(execution.ids)) == 3


def test_a_request_during_the_first_one_is_a_409_with_retry_after(edge, execution):
    inner = []
    execution.action = lambda: inner.append(post(edge)) if not inner else None
    assert post(edge).status == 201
    assert (inner[0].status, inner[0].json["error"]) == (409, "request_in_flight")
    assert inner[0].headers["retry-after"] == str(inner[0].json["retry_after_seconds"]) == str(idempotency.LOCK_SECONDS)
    assert len(execution.ids) == 1


def test_an_execution_that_died_is_taken_over_with_the_same_resource_id(edge, execution, time, monkeypatch):
    def die(row):
        raise KeyboardInterrupt  # the process ends without cleaning up

    execution.action = lambda: (_ for _ in ()).throw(KeyboardInterrupt)
    with monkeypatch.context() as patched:
        patched.setattr(store, "delete_key", die)
        with pytest.raises(KeyboardInterrupt):
            post(edge)
    execution.action = lambda: None
    assert post(edge).status == 409
    time.advance(idempotency.LOCK_SECONDS)
    assert post(edge).status == 201
    assert len(execution.ids) == 2
    assert len(set(execution.ids)) == 1


@pytest.mark.parametrize(("status", "is_undone"), [(409, True), (429, True), (500, False), (503, False)])
def test_only_an_unknown_outcome_keeps_the_resource_id(edge, execution, status, is_undone):
    class Refused(SoldOut):
        pass

    Refused.status = status
    execution.action = lambda: (_ for _ in ()).throw(Refused())
    assert post(edge).status == status
    execution.action = lambda: None
    assert post(edge).status == 201
    assert len(execution.ids) == 2
    assert len(set(execution.ids)) == (2 if is_undone else 1)


def test_a_takeover_first_asks_for_what_an_earlier_execution_has_created(edge, execution):
    execution.action = lambda: (_ for _ in ()).throw(ZeroDivisionError)
    assert post(edge, path="/once-or-found").status == 500
    assert execution.asked == []
    execution.finds = False
    assert post(edge, path="/once-or-found").status == 500
    assert (len(execution.ids), execution.asked) == (2, execution.ids[:1])
    execution.finds = True
    found = post(edge, path="/once-or-found")
    assert (found.status, found.json) == (201, {"id": execution.ids[0], "found": True})
    assert post(edge, path="/once-or-found").headers["idempotency-replayed"] == "true"
    assert (len(execution.ids), len(execution.asked)) == (2, 2)


def test_a_refusal_of_what_an_earlier_execution_has_created_frees_the_key(edge, execution):
    execution.action = lambda: (_ for _ in ()).throw(ZeroDivisionError)
    post(edge, path="/once-or-found")
    execution.finds = SoldOut()
    assert post(edge, path="/once-or-found").status == 409
    execution.action = lambda: None
    assert post(edge, path="/once-or-found").status == 201
    assert len(set(execution.ids)) == 2


def test_a_reply_is_kept_for_a_day_and_no_longer(edge, execution, time):
    first = post(edge)
    time.advance(86_399)
    assert post(edge).json["id"] == first.json["id"]
    time.advance(1)
    assert post(edge).json["id"] != first.json["id"]


def test_the_row_has_a_ttl_of_a_day(edge, execution, time):
    post(edge)
    items = dynamo.client().scan(TableName=store.IdempotencyRow.name())["Items"]
    assert [item["ttl"]["N"] for item in items] == [str(time.now + 86_400)]


def test_one_of_two_requests_takes_over_a_key_and_only_that_one_changes_it(time):
    row = store.IdempotencyRow("k", payload="", resource_id="first", locked_until=time.now, expires_at=time.now + 60, ttl=time.now + 60)
    row.save()
    winner, loser = (store.IdempotencyRow.find("k") for _ in range(2))
    assert store.take_over_key(winner, time.now + 30)
    assert not store.take_over_key(loser, time.now + 30)
    store.save_reply(loser, "{}", 201)
    store.delete_key(loser)
    assert (store.IdempotencyRow.find("k").locked_until, store.IdempotencyRow.find("k").reply) == (time.now + 30, None)
