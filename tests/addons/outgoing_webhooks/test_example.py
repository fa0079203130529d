"""The receiver of the documentation believes what we send, and nothing else."""

import runpy

import pytest

from chalicelib.addons.outgoing_webhooks.endpoints import new_secret
from chalicelib.addons.outgoing_webhooks.sender import signed_headers
from tests.repository import ROOT

SECRET, BODY, NOW = new_secret(), b'{"type": "ping"}', 1_780_315_200


@pytest.fixture(scope="module")
def is_genuine():
    return runpy.run_path(str(ROOT / "docs" / "examples" / "webhook_receiver.py"))["is_genuine"]


def signed(*secrets):
    return signed_headers("msg_1", NOW, BODY, secrets)


def test_a_request_by_its_secret_is_believed_also_beside_another_signature(is_genuine):
    assert is_genuine(signed(SECRET), BODY, SECRET, NOW + 299)
    assert is_genuine(signed(new_secret(), SECRET), BODY, SECRET, NOW)


@pytest.mark.parametrize(
    ("headers", "body", "now"),
    [
        (signed(new_secret()), BODY, NOW),
        (signed(SECRET), BODY + b" ", NOW),
        (signed(SECRET), BODY, NOW + 300),
        (signed(SECRET) | {"webhook-id": "msg_2"}, BODY, NOW),
        (signed(SECRET) | {"webhook-timestamp": str(NOW + 1)}, BODY, NOW),
        ({}, BODY, NOW),
    ],
    ids=["another secret", "another body", "old", "another id", "another time", "unsigned"],
)
def test_others_are_not(is_genuine, headers, body, now):
    assert not is_genuine(headers, body, SECRET, now)
