"""What calls of AWS's SDK observe, on the events of a real client: the deadline, and what a write may have done."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectTimeoutError, ReadTimeoutError

from chalicelib.foundation import deadline, effects, sdk_calls
from chalicelib.foundation.deadline import DeadlineExceeded

ITEM = {"id": {"S": "a"}}
URL = "http://127.0.0.1:1"
TRANSACTION = {"TransactItems": [{"Put": {"TableName": "t", "Item": ITEM}}], "ClientRequestToken": "token"}

Answer = Exception | tuple[int, str]
OK = (200, "")
REFUSED = (400, "ConditionalCheckFailedException")
THROTTLED = (400, "ThrottlingException")
DOWN = (500, "InternalServerError")
LOST = ReadTimeoutError(endpoint_url=URL)
NEVER_THERE = ConnectTimeoutError(endpoint_url=URL)


class Raw:
    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, *_: Any) -> Iterator[bytes]:
        yield self._content


class Service:
    """DynamoDB: gives the answers in order, each after `seconds`."""

    def __init__(self, advance: Callable[[int], Any]) -> None:
        self.answers: list[Answer] = []
        self.seconds = 0
        self.attempts = 0
        self._advance = advance
        config = Config(retries={"mode": "standard", "total_max_attempts": 3}, parameter_validation=False)
        self.client: Any = sdk_calls.create_client("dynamodb", "us-east-1", config, URL)
        sdk_calls.keep_deadline(self.client, "dynamodb")
        sdk_calls.report_effects(self.client, "dynamodb")
        self.client.meta.events.register_last("before-send.dynamodb", self._answer)

    def _answer(self, request: Any, **_: Any) -> AWSResponse:
        self.attempts += 1
        self._advance(self.seconds)
        answer = self.answers[min(self.attempts, len(self.answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        status, code = answer
        body = f'{{"__type": "com.amazonaws.dynamodb.v20120810#{code}"}}' if code else "{}"
        return AWSResponse(request.url, status, {"content-type": "application/x-amz-json-1.0"}, Raw(body.encode()))

    def put(self) -> None:
        self.client.put_item(TableName="t", Item=ITEM)


@pytest.fixture
def service(time, monkeypatch) -> Service:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)
    return Service(time.advance)


@contextmanager
def failing() -> Iterator[None]:
    with pytest.raises((ClientError, ReadTimeoutError, ConnectTimeoutError, DeadlineExceeded)):
        yield


# ------------------------------------------------------------------ the deadline


def test_no_call_begins_when_too_little_time_is_left(service):
    service.answers = [OK]
    with deadline.within(sdk_calls.MIN_SECONDS / 2), pytest.raises(DeadlineExceeded):
        service.put()
    assert service.attempts == 0


@pytest.mark.parametrize("answer", [LOST, DOWN, THROTTLED])
@pytest.mark.parametrize(("seconds", "attempts"), [(3, 1), (5, 2), (60, 3)])
def test_the_sdk_repeats_a_call_as_long_as_there_is_time(service, answer, seconds, attempts):
    service.answers, service.seconds = [answer], 2
    with deadline.within(seconds), pytest.raises((ClientError, ReadTimeoutError)):
        service.put()
    assert service.attempts == attempts


def test_without_a_deadline_the_sdk_repeats_by_its_own_rules(service):
    service.answers, service.seconds = [LOST, DOWN, OK], 1000
    service.put()
    assert service.attempts == 3


# ------------------------------------------------------------------ what may have been done


def may_be_done(service: Service, *answers: Answer, call: Callable[[], Any] | None = None) -> bool:
    service.answers = list(answers)
    with effects.observed():
        if answers[-1] == OK:
            (call or service.put)()
        else:
            with failing():
                (call or service.put)()
        assert service.attempts == len(answers)
        return effects.may_have_happened()


@pytest.mark.parametrize(
    "answers", [(OK,), (LOST,) * 3, (DOWN,) * 3, (LOST, OK), (LOST, REFUSED), (DOWN, REFUSED), (LOST, THROTTLED, THROTTLED)]
)
def test_a_write_may_be_done_unless_each_of_its_attempts_was_refused(service, answers):
    assert may_be_done(service, *answers)


@pytest.mark.parametrize(
    "answers", [(REFUSED,), (THROTTLED,) * 3, (NEVER_THERE,) * 3, (THROTTLED, REFUSED), (NEVER_THERE, THROTTLED, REFUSED)]
)
def test_a_write_that_was_refused_each_time_is_not_done(service, answers):
    assert not may_be_done(service, *answers)


def test_a_transaction_that_is_still_in_progress_may_be_done(service):
    in_progress = (400, "TransactionInProgressException")
    assert may_be_done(service, *(in_progress,) * 3, call=lambda: service.client.transact_write_items(**TRANSACTION))


def test_a_cancelled_transaction_is_not_done(service):
    cancelled = (400, "TransactionCanceledException")
    assert not may_be_done(service, cancelled, call=lambda: service.client.transact_write_items(**TRANSACTION))


@pytest.mark.parametrize("answer", [OK, LOST])
def test_a_read_changes_nothing(service, answer):
    answers = [answer] if answer == OK else [answer] * 3
    assert not may_be_done(service, *answers, call=lambda: service.client.get_item(TableName="t", Key=ITEM))


def test_a_call_that_never_began_did_nothing(service):
    with effects.observed(), deadline.within(0.1):
        with failing():
            service.put()
        assert not effects.may_have_happened()


def test_a_later_refusal_leaves_what_was_done_before(service):
    service.answers = [OK, REFUSED]
    with effects.observed():
        service.put()
        with failing():
            service.put()
        assert effects.may_have_happened()
