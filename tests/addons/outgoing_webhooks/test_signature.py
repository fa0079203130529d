"""Signatures as the specification has them."""

from chalicelib.addons.outgoing_webhooks.endpoints import new_secret
from chalicelib.addons.outgoing_webhooks.sender import signed_headers
from tests.addons.outgoing_webhooks.receiver import Received


def test_the_example_of_the_specification():
    """https://github.com/standard-webhooks/standard-webhooks, of the libraries' tests."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    headers = signed_headers("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}', [secret])
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_a_new_secret_is_one_that_the_library_takes(time):
    secret = new_secret()
    assert secret != new_secret()
    headers = signed_headers("msg_1", time.now, b'{"a": "\xc3\xbc"}', [new_secret(), secret])
    assert Received("/", headers, b'{"a": "\xc3\xbc"}').verified(secret) == {"a": "ü"}
