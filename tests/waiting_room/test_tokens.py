"""Tokens carry an arrival, and only tokens that the shop signed are read."""

import pytest
from msgspec.structs import replace

from chalicelib.foundation import settings
from chalicelib.waiting_room import tokens
from chalicelib.waiting_room.model import Arrival
from tests.waiting_room.random_rooms import unsigned_token

ARRIVAL = Arrival("drop", 1, "0123456789abcdef", 0, 1, 1_000, 2_000)


def signed(payload):
    return f"{payload}.{tokens._signature(payload)}"


def test_a_signed_token_is_read_back():
    assert tokens.read_token(tokens.sign_arrival(ARRIVAL)) == ARRIVAL


@pytest.mark.parametrize("payload", ["", "e30", "!", "bnVsbA", "x" * tokens.MAX_LENGTH, "é"])
def test_a_signed_payload_that_is_not_an_arrival_is_not_read(payload):
    assert tokens.read_token(signed(payload)) is None


def test_a_token_without_a_valid_signature_is_not_read():
    assert tokens.read_token(unsigned_token(0, 1)) is None


@pytest.mark.parametrize("user_id", ["ada", "guest-1"])
def test_a_token_shows_nobodys_id_and_is_for_one_user(user_id):
    arrival = tokens.read_token(tokens.sign_arrival(replace(ARRIVAL, user=tokens.user_key(user_id))))
    assert user_id not in arrival.user
    assert tokens.belongs_to(arrival, user_id)
    assert not tokens.belongs_to(arrival, "guest-2")


def test_a_guests_token_of_an_earlier_version_stays_valid():
    arrival = replace(ARRIVAL, user="guest-1")
    assert tokens.belongs_to(arrival, "guest-1")
    assert not tokens.belongs_to(arrival, "guest-2")


def test_the_digest_of_a_user_cannot_be_computed_without_the_shops_secret():
    """Otherwise anybody who sees a token could try user ids until one of them fits."""
    digest = tokens.user_key("ada")
    with settings.override(jwt_secret="another-secret-of-the-tests-that-signs-tokens"):
        assert tokens.user_key("ada") != digest
