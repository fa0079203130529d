"""Batches of the store whose parts stay unprocessed: they are sent again after a wait, as long as each round gets on."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from chalicelib.dynamodb import dynamo

TABLE = "things"
ROUNDS = dynamo._MAX_STALLED_ROUNDS


class ThrottledClient:
    """A client of DynamoDB that processes as many of each batch's entries as `capacity(call number)` says, the first ones."""

    def __init__(self, capacity: Callable[[int], int]) -> None:
        self._capacity = capacity
        self.calls = 0
        self.stored: list[str] = []

    def batch_get_item(self, RequestItems: Any) -> dict[str, Any]:
        request = RequestItems[TABLE]
        done, left = self._split(request["Keys"])
        unprocessed = {TABLE: {**request, "Keys": left}} if left else {}
        return {"Responses": {TABLE: done}, "UnprocessedKeys": unprocessed}

    def batch_write_item(self, RequestItems: Any) -> dict[str, Any]:
        done, left = self._split(RequestItems[TABLE])
        self.stored += [_id(request["PutRequest"]["Item"]) for request in done]
        return {"UnprocessedItems": {TABLE: left} if left else {}}

    def _split(self, entries: list[Any]) -> tuple[list[Any], list[Any]]:
        self.calls += 1
        capacity = self._capacity(self.calls)
        return entries[:capacity], entries[capacity:]


@pytest.fixture
def throttle(monkeypatch) -> Callable[[Callable[[int], int]], ThrottledClient]:
    def install(capacity: Callable[[int], int]) -> ThrottledClient:
        client = ThrottledClient(capacity)
        monkeypatch.setattr(dynamo, "client", lambda: client)
        return client

    return install


def _keys(count: int) -> list[dict[str, Any]]:
    return [{"id": {"S": f"{number:04}"}} for number in range(count)]


def _id(item: dict[str, Any]) -> str:
    return str(item["id"]["S"])


def test_a_read_whose_keys_are_all_processed_does_not_wait(throttle, waits):
    client = throttle(lambda call: 1000)
    assert dynamo.batch_get(TABLE, _keys(230)) == _keys(230)
    assert (client.calls, waits) == (3, [])


def test_a_read_gets_through_while_some_keys_stay_unprocessed_each_time(throttle, waits):
    client = throttle(lambda call: 2)
    items = dynamo.batch_get(TABLE, _keys(60))
    assert sorted(map(_id, items)) == [_id(key) for key in _keys(60)]
    assert (client.calls, len(waits)) == (30, 29)
    assert len(set(waits)) == 1, "a round that gets on does not lengthen the next wait"


def test_a_write_gets_through_while_some_items_stay_unprocessed_each_time(throttle, waits):
    client = throttle(lambda call: 24)
    dynamo.batch_put(TABLE, _keys(1000))
    assert sorted(client.stored) == [_id(key) for key in _keys(1000)]
    assert len(waits) > ROUNDS


@pytest.mark.parametrize("operation", [dynamo.batch_get, dynamo.batch_put])
def test_a_batch_without_progress_is_given_up(throttle, waits, operation):
    client = throttle(lambda call: 0)
    with pytest.raises(dynamo.StoreUnavailable):
        operation(TABLE, _keys(3))
    assert client.calls == ROUNDS
    assert [low for low, _ in waits] == [0] * (ROUNDS - 1), "full jitter"
    assert all(later == 2 * earlier for (_, earlier), (_, later) in pairwise(waits))


@pytest.mark.parametrize("operation", [dynamo.batch_get, dynamo.batch_put])
def test_one_entry_that_is_never_processed_does_not_hide_behind_the_others(throttle, waits, operation):
    throttle(lambda call: 25 if call <= 5 else 0)
    with pytest.raises(dynamo.StoreUnavailable):
        operation(TABLE, _keys(126))


@pytest.mark.parametrize(("operation", "page"), [(dynamo.batch_get, dynamo.MAX_BATCH_GET), (dynamo.batch_put, dynamo.MAX_BATCH_WRITE)])
def test_whole_batches_between_stalled_ones_are_progress(throttle, waits, operation, page):
    throttle(lambda call: page if call % 2 == 0 else 0)
    operation(TABLE, _keys(page * (ROUNDS + 1)))
    assert len(waits) == ROUNDS + 1


@pytest.mark.parametrize("operation", [dynamo.batch_get, dynamo.batch_put])
def test_progress_begins_the_count_of_rounds_again(throttle, waits, operation):
    client = throttle(lambda call: 1 if call % ROUNDS == 0 else 0)
    operation(TABLE, _keys(4))
    assert client.calls == 4 * ROUNDS
