"""Proof of work: only a solution of the user's own challenge for the event passes, until it expires."""

from itertools import count

import pytest

from chalicelib.edge import proof_of_work
from chalicelib.foundation import settings
from chalicelib.foundation.errors import ApiError

NOW = 1_780_315_200


@pytest.fixture(autouse=True)
def _difficulty_8(_settings):
    with settings.override(join_difficulty=8):
        yield


def solve(challenge, bits=8):
    return next(str(number) for number in count() if proof_of_work.leading_zero_bits(challenge, str(number)) >= bits)


def refusal_of(challenge, nonce, *, now=NOW, event="e1", user="ada"):
    with pytest.raises(ApiError) as refusal:
        proof_of_work.verify_solution(challenge, nonce, event, user, now)
    assert refusal.value.status == 403
    return refusal.value


def test_a_solution_passes_and_passes_again_until_it_expires():
    challenge = proof_of_work.issue_challenge("e1", "ada", NOW)
    nonce = solve(challenge)
    proof_of_work.verify_solution(challenge, nonce, "e1", "ada", NOW)
    proof_of_work.verify_solution(challenge, nonce, "e1", "ada", NOW + 299)


@pytest.mark.parametrize(("challenge", "nonce"), [(None, None), ("", "1"), (None, "1")])
def test_a_request_without_a_challenge_gets_one_that_can_be_solved(challenge, nonce):
    refusal = refusal_of(challenge, nonce)
    assert refusal.code == "challenge_required"
    assert (refusal.details["difficulty"], refusal.details["expires_in_seconds"]) == (8, 300)
    proof_of_work.verify_solution(refusal.details["challenge"], solve(refusal.details["challenge"]), "e1", "ada", NOW)


def test_a_challenge_expires():
    challenge = proof_of_work.issue_challenge("e1", "ada", NOW)
    refusal = refusal_of(challenge, solve(challenge), now=NOW + 300)
    assert refusal.code == "challenge_expired"
    assert refusal.details["challenge"] == proof_of_work.issue_challenge("e1", "ada", NOW + 300)


@pytest.mark.parametrize("other", [{"user": "eve"}, {"event": "e2"}])
def test_a_challenge_is_invalid_for_another_user_or_event(other):
    challenge = proof_of_work.issue_challenge("e1", "ada", NOW)
    assert refusal_of(challenge, solve(challenge), **other).code == "challenge_invalid"


def test_event_and_user_are_separated_in_the_signature():
    challenge = proof_of_work.issue_challenge("e1", "ada", NOW)
    assert refusal_of(challenge, solve(challenge), event="e1a", user="da").code == "challenge_invalid"


def test_a_challenge_is_invalid_in_another_stage_or_with_another_secret():
    challenge = proof_of_work.issue_challenge("e1", "ada", NOW)
    for other in ({"stage": "other"}, {"jwt_secret": "another-secret-of-the-tests-that-signs-tokens"}):
        with settings.override(**other):
            assert refusal_of(challenge, solve(challenge)).code == "challenge_invalid"


def test_a_nonce_that_does_not_solve_the_challenge_is_refused():
    challenge = proof_of_work.issue_challenge("e1", "ada", NOW)
    wrong = next(str(number) for number in count() if proof_of_work.leading_zero_bits(challenge, str(number)) == 7)
    for nonce in (wrong, None, "", "x" * 65, "\ud800"):
        assert refusal_of(challenge, nonce).code == "challenge_invalid"


def test_a_challenge_with_changed_difficulty_or_time_is_refused():
    challenge = proof_of_work.issue_challenge("e1", "ada", NOW)
    for forged in (challenge.replace("c1.8.", "c1.0."), challenge.replace(str(NOW), str(NOW + 9)), challenge.replace("c1.8.", "c1.08.")):
        assert refusal_of(forged, solve(forged)).code == "challenge_invalid"


@pytest.mark.parametrize(
    "challenge", ["x", "c1.8.1.", "c1.8.1." + "é" * 43, "c1.٨.1." + "a" * 43, "c1.8.1." + "a" * 43 + "\n", "c2.8.1." + "a" * 43]
)
def test_a_malformed_challenge_is_refused(challenge):
    assert refusal_of(challenge, "1").code == "challenge_invalid"


def test_a_challenge_of_the_former_difficulty_still_passes():
    challenge = proof_of_work.issue_challenge("e1", "ada", NOW)
    with settings.override(join_difficulty=12):
        proof_of_work.verify_solution(challenge, solve(challenge), "e1", "ada", NOW)


def test_difficulty_zero_requires_no_work():
    with settings.override(join_difficulty=0):
        proof_of_work.verify_solution(None, None, "e1", "ada", NOW)


@pytest.mark.parametrize(("value", "valid"), [("0", True), ("24", True), ("25", False), ("-1", False)])
def test_the_difficulty_setting_has_bounds(value, valid):
    if valid:
        assert settings.read({"FAIRGATE_JOIN_DIFFICULTY": value}).join_difficulty == int(value)
    else:
        with pytest.raises(settings.SettingsError, match=r"^FAIRGATE_JOIN_DIFFICULTY: "):
            settings.read({"FAIRGATE_JOIN_DIFFICULTY": value})


def test_a_solution_has_the_zero_bits_in_its_sha256_digest():
    """Checked independently: the digest in hex begins with zeros, as the browser code counts them."""
    from hashlib import sha256

    challenge = proof_of_work.issue_challenge("e1", "ada", NOW)
    assert sha256((challenge + solve(challenge)).encode()).hexdigest().startswith("00")
