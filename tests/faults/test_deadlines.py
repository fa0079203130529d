"""However slow the store and the provider are, each request ends in time, and recovery finishes what it left."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import requests

from chalicelib.dynamodb import dynamo
from chalicelib.foundation import deadline
from chalicelib.payments.providers.stripe_http import READ_SECONDS
from tests import builders, invariants, shops
from tests.proof import buyers
from tests.proof.buyers import BuyerScene
from tests.simulation import faults
from tests.simulation.interception import Listener, StoreCall, intercept

pytestmark = pytest.mark.usefixtures("threaded_store")

LAMBDA_SECONDS = json.loads(Path(".chalice/config.json").read_text(encoding="utf-8"))["lambda_timeout"]

WITH_REPLY = [name for name, (_, step) in buyers.STEPS.items() if step != "sweep"]


class SlowStore(Listener):
    """A store that takes this many seconds for each call; the answers of the slowest calls are `lost`."""

    rank = 50

    def __init__(self, time: Any, seconds: int, *, lost: bool = False) -> None:
        self._time, self._seconds, self._lost = time, seconds, lost

    def after(self, call: StoreCall) -> None:
        self._time.advance(self._seconds)
        if self._lost:
            raise faults.timeout(call)


@contextmanager
def ending_in_time(time: Any) -> Iterator[None]:
    began = time.now
    yield
    assert time.now - began < LAMBDA_SECONDS


def recover(time: Any) -> None:
    time.advance(200)
    for _ in range(2):
        builders.run_sweep()
    invariants.check(time.now, recovered=True)


@pytest.mark.parametrize("name", WITH_REPLY)
@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize("seconds", [1, 2, 4])
def test_a_request_ends_before_lambda_ends_it(api, time, name, seconds, lost):
    before, step = buyers.STEPS[name]
    with shops.isolated_shop(api) as shop:
        flow = BuyerScene(api, time, shop)
        flow.run(*before)
        with intercept(SlowStore(time, seconds, lost=lost)), ending_in_time(time):
            reply = flow.run(step)
        assert reply.status in (200, 201, 409, 503), reply.json
        recover(time)


def test_without_a_deadline_a_request_would_outlast_lambda(api, time):
    """So the test above proves something."""
    no_deadline = mock.patch.object(deadline, "remaining", return_value=60.0)
    with shops.isolated_shop(api) as shop, intercept(SlowStore(time, 5)), no_deadline, pytest.raises(AssertionError), ending_in_time(time):
        BuyerScene(api, time, shop).reserve()


@contextmanager
def slow_stripe(time: Any, seconds: int) -> Iterator[None]:
    """Stripe takes this many seconds for each answer; an answer that comes after the caller's timeout is lost."""
    send = requests.Session.request

    def request(session: Any, *arguments: Any, **options: Any) -> Any:
        response = send(session, *arguments, **options)
        waits = options["timeout"][1]
        time.advance(int(min(seconds, waits)))
        if seconds > waits:
            raise requests.ReadTimeout
        return response

    with mock.patch.object(requests.Session, "request", request):
        yield


@pytest.mark.parametrize("step", ["checkout", "confirm", "release", "refund", "webhook"])
@pytest.mark.parametrize("stripe_seconds", [5, READ_SECONDS + 1])
@pytest.mark.parametrize("store_seconds", [0, 2])
def test_a_request_that_asks_stripe_ends_before_lambda_ends_it(shop, time, step, stripe_seconds, store_seconds):
    send = _prepare(shop, step)
    with slow_stripe(time, stripe_seconds), intercept(SlowStore(time, store_seconds)), ending_in_time(time):
        reply = send()
    assert reply.status in (200, 201, 409, 503), reply.json
    shop.fake.deliver()
    time.advance(4000)
    builders.run_sweep()
    shop.fake.deliver()


def _prepare(shop: Any, step: str) -> Any:
    """The request of the step, after the steps before it."""
    if step == "refund":
        order_id = shop.buy()
        return lambda: builders.refund(shop.api, order_id)
    if step == "checkout":
        reservation_id = shop.reserve()
        return lambda: shop.request_checkout(reservation_id)
    session = shop.open_checkout()
    if step == "release":
        return lambda: shop.api.delete(f"/reservations/{session['id']}", user="ada")
    shop.pay(session)
    if step == "confirm":
        return lambda: shop.confirm(session)
    body, headers = shop.sign_newest_event("payment_intent.succeeded")
    return lambda: shop.post_webhook(body, headers)


def test_a_job_stops_when_its_time_is_over(api, time):
    """What is left is done by the next run."""
    with shops.isolated_shop(api) as shop:
        for user in ("ada", "bob", "eve"):
            assert shop.reserve(user, floor=1).status == 201
        time.advance(181)
        began = time.now
        with intercept(SlowStore(time, 2)), deadline.within(7), suppress(*dynamo.STORE_ERRORS):
            builders.run_sweep()
        assert time.now - began <= 9
        recover(time)
