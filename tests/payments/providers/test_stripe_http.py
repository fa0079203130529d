"""A Stripe that hangs or breaks off, in virtual time: how long a request waits for it, and what its reply says."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import pytest
import requests

from chalicelib.edge import error_replies
from chalicelib.foundation import deadline, effects
from chalicelib.payments.model import ProviderUnavailable
from chalicelib.payments.providers import stripe, stripe_http


class Network:
    """The network to Stripe: breaks each attempt off with `error`, after its timeouts."""

    def __init__(self, time, error: type[Exception]) -> None:
        self._time, self._error = time, error
        self.timeouts: list[tuple[float, float]] = []

    def request(self, session, method, url, *, timeout, **options):
        self.timeouts.append(timeout)
        connect, read = timeout
        self._time.advance(int(connect if self._error is requests.ConnectTimeout else read))
        raise self._error


@contextmanager
def broken_network(time, error: type[Exception] = requests.ReadTimeout) -> Iterator[Network]:
    network = Network(time, error)
    with mock.patch.object(requests.Session, "request", lambda *arguments, **options: network.request(*arguments, **options)):
        yield network


def test_a_hanging_stripe_is_a_503_within_the_deadline_of_the_request(shop, time):
    reservation_id = shop.reserve()
    began = time.now
    with broken_network(time) as network:
        reply = shop.request_checkout(reservation_id)
    assert (reply.status, reply.json["error"], reply.json["outcome"]) == (503, "payment_provider_unavailable", "unknown")
    assert error_replies.REPEAT in reply.json["message"]
    assert time.now - began <= 14 - stripe_http.STORE_SECONDS
    assert network.timeouts == [(2, 6), (2, 6)]


def test_the_second_attempt_waits_no_longer_than_the_request_may(shop, time):
    with broken_network(time) as network, deadline.within(11), pytest.raises(ProviderUnavailable):
        stripe.call(lambda api: api.v1.payment_intents.retrieve("pi_1"))
    assert network.timeouts == [(2, 6), (2, 3)]


def test_stripe_is_not_asked_when_too_little_time_is_left(shop, time):
    with broken_network(time) as network, deadline.within(3), pytest.raises(ProviderUnavailable):
        stripe.call(lambda api: api.v1.payment_intents.retrieve("pi_1"))
    assert network.timeouts == []


@pytest.mark.parametrize("status", [500, 503])
def test_a_failing_stripe_is_not_asked_again_when_too_little_time_is_left(shop, status):
    shop.fake.fail_next_request("GET", "/v1/payment_intents/*", status=status, times=3)
    before = len(shop.fake.request_log)
    with deadline.within(4), pytest.raises(ProviderUnavailable):
        stripe.call(lambda api: api.v1.payment_intents.retrieve("pi_1"))
    assert len(shop.fake.request_log) == before + 1


def test_a_webhook_waits_no_longer_than_a_buyer(shop, time):
    session = shop.open_checkout()
    shop.pay(session)
    body, headers = shop.sign_newest_event("payment_intent.succeeded")
    began = time.now
    with broken_network(time) as network:
        assert shop.post_webhook(body, headers).status == 503
    assert time.now - began <= 14
    assert network.timeouts
    shop.fake.deliver()
    assert shop.purchase_state(session) == "paid"


INTENT = {"amount": 100, "currency": "usd"}


@pytest.mark.parametrize(
    ("error", "expected"), [(requests.ReadTimeout, True), (requests.ConnectionError, True), (requests.ConnectTimeout, False)]
)
def test_a_request_sent_to_stripe_may_have_happened(shop, time, error, expected):
    with broken_network(time, error), effects.observed():
        with pytest.raises(ProviderUnavailable):
            stripe.call(lambda api: api.v1.payment_intents.create(INTENT))
        assert effects.may_have_happened() == expected


def test_a_question_changes_nothing(shop, time):
    with broken_network(time), effects.observed():
        with pytest.raises(ProviderUnavailable):
            stripe.call(lambda api: api.v1.payment_intents.retrieve("pi_1"))
        assert not effects.may_have_happened()


@pytest.mark.parametrize(("status", "expected"), [(429, False), (500, True)])
def test_a_request_that_stripe_refused_did_not_happen(shop, status, expected):
    shop.fake.fail_next_request("POST", "/v1/payment_intents", status=status, times=3)
    with effects.observed():
        with pytest.raises(ProviderUnavailable):
            stripe.call(lambda api: api.v1.payment_intents.create(INTENT))
        assert effects.may_have_happened() == expected
