"""Batches of the store whose parts stay unprocessed: they are sent again after a wait, as long as each round gets on.

Also what a table takes over from PynamoDB: the arguments of queries, and the actions of updates.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from pynamodb.attributes import UnicodeAttribute
from pynamodb.expressions.update import SetAction

from chalicelib.dynamodb import dynamo


class Thing(dynamo.Table):
    feature = "things"

    id = UnicodeAttribute(hash_key=True)
    color = UnicodeAttribute(null=True)


ROUNDS = dynamo._MAX_STALLED_ROUNDS


@pytest.mark.parametrize("segments", [2, 16])
def test_a_table_is_scanned_in_segments_that_take_turns_page_by_page(monkeypatch, segments):
    in_segment = [[f"{segment}-{number}" for number in range(segment + 1)] for segment in range(segments)]
    requests = []

    class Paging:
        """A client whose pages have one item each."""

        def scan(self, **request: Any) -> dict[str, Any]:
            requests.append(request)
            ids = in_segment[request["Segment"]]
            start = ids.index(request["ExclusiveStartKey"]["id"]["S"]) + 1 if "ExclusiveStartKey" in request else 0
            last = {"LastEvaluatedKey": {"id": {"S": ids[start]}}} if start + 1 < len(ids) else {}
            return {"Items": [{"id": {"S": ids[start]}}], **last}

    monkeypatch.setattr(dynamo, "client", Paging)
    rows = Thing.scan(segments=segments)
    first = next(rows)
    assert len(requests) == segments
    assert sorted(row.id for row in (first, *rows)) == sorted(each for ids in in_segment for each in ids)
    assert {request["TotalSegments"] for request in requests} == {segments}
    assert all(request["ConsistentRead"] for request in requests)


class ThrottledClient:
    """A client of DynamoDB that processes as many of each batch's entries as `capacity(call number)` says, the first ones."""

    def __init__(self, capacity: Callable[[int], int]) -> None:
        self._capacity = capacity
        self.calls = 0
        self.stored: list[str] = []

    def batch_get_item(self, RequestItems: Any) -> dict[str, Any]:
        request = RequestItems[Thing.name()]
        done, left = self._split(request["Keys"])
        unprocessed = {Thing.name(): {**request, "Keys": left}} if left else {}
        return {"Responses": {Thing.name(): done}, "UnprocessedKeys": unprocessed}

    def batch_write_item(self, RequestItems: Any) -> dict[str, Any]:
        done, left = self._split(RequestItems[Thing.name()])
        self.stored += [_id(request["PutRequest"]["Item"]) for request in done]
        return {"UnprocessedItems": {Thing.name(): left} if left else {}}

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


def _ids(count: int) -> list[str]:
    return [f"{number:04}" for number in range(count)]


def get(count: int) -> list[str]:
    return [row.id for row in Thing.find_all(_ids(count))]


def put(count: int) -> None:
    dynamo.batch_put(map(Thing, _ids(count)))


def _id(item: dict[str, Any]) -> str:
    return str(item["id"]["S"])


def test_a_read_whose_keys_are_all_processed_does_not_wait(throttle, waits):
    client = throttle(lambda call: 1000)
    assert get(230) == _ids(230)
    assert (client.calls, waits) == (3, [])


def test_a_read_gets_through_while_some_keys_stay_unprocessed_each_time(throttle, waits):
    client = throttle(lambda call: 2)
    assert sorted(get(60)) == _ids(60)
    assert (client.calls, len(waits)) == (30, 29)
    assert len(set(waits)) == 1, "a round that gets on does not lengthen the next wait"


def test_a_write_gets_through_while_some_items_stay_unprocessed_each_time(throttle, waits):
    client = throttle(lambda call: 24)
    put(1000)
    assert sorted(client.stored) == _ids(1000)
    assert len(waits) > ROUNDS


@pytest.mark.parametrize("operation", [get, put])
def test_a_batch_without_progress_is_given_up(throttle, waits, operation):
    client = throttle(lambda call: 0)
    with pytest.raises(dynamo.StoreUnavailable):
        operation(3)
    assert client.calls == ROUNDS
    assert [low for low, _ in waits] == [0] * (ROUNDS - 1), "full jitter"
    assert all(later == 2 * earlier for (_, earlier), (_, later) in pairwise(waits))


@pytest.mark.parametrize("operation", [get, put])
def test_one_entry_that_is_never_processed_does_not_hide_behind_the_others(throttle, waits, operation):
    throttle(lambda call: 25 if call <= 5 else 0)
    with pytest.raises(dynamo.StoreUnavailable):
        operation(126)


@pytest.mark.parametrize(("operation", "page"), [(get, dynamo.MAX_BATCH_GET), (put, dynamo.MAX_BATCH_WRITE)])
def test_whole_batches_between_stalled_ones_are_progress(throttle, waits, operation, page):
    throttle(lambda call: page if call % 2 == 0 else 0)
    operation(page * (ROUNDS + 1))
    assert len(waits) == ROUNDS + 1


@pytest.mark.parametrize("operation", [get, put])
def test_progress_begins_the_count_of_rounds_again(throttle, waits, operation):
    client = throttle(lambda call: 1 if call % ROUNDS == 0 else 0)
    operation(4)
    assert client.calls == 4 * ROUNDS


def test_a_query_names_only_the_arguments_that_it_cannot_take():
    with pytest.raises(TypeError, match=r"does not support filter_condition$"):
        Thing.query("a", filter_condition=Thing.color == "red", last_evaluated_key=None, rate_limit=None)


def test_an_action_of_an_update_can_be_shown_and_compared_like_pynamodbs():
    (action,) = Thing.set_or_remove({"color": "red"})
    assert repr(action) == repr(Thing.color.set("red")) == "color = {'S': 'red'}"
    assert [action] == Thing.set_or_remove({"color": "red"})
    assert [action] != Thing.set_or_remove({"color": "blue"})
    assert isinstance(action, SetAction)


@pytest.mark.parametrize("call", [lambda: Thing.get("a"), lambda: Thing.exists(), lambda: Thing("a").refresh()])
def test_an_inherited_method_that_would_make_a_client_names_the_methods_to_use(call):
    with pytest.raises(AttributeError, match="Thing supports only find, find_all"):
        call()
