"""Proof of work: only who computed gets through, for their own name, event and time."""

from itertools import count

import pytest

from chalicelib import settings
from chalicelib.edge import proof_of_work
from chalicelib.errors import ApiError

NOW = 1_780_315_200


@pytest.fixture(autouse=True)
def _hard(_settings):
    with settings.override(join_difficulty=8):
        yield


def solve(text, bits=8):
    return next(str(number) for number in count() if proof_of_work.leading_zero_bits(text, str(number)) >= bits)


def refused(*given, now=NOW, event="e1", user="ada"):
    with pytest.raises(ApiError) as refusal:
        proof_of_work.verify_solution(*given, event, user, now)
    assert refusal.value.status == 403
    return refusal.value


def test_work_lets_through_and_the_same_work_again_too():
    text = proof_of_work.issue_challenge("e1", "ada", NOW)
    nonce = solve(text)
    proof_of_work.verify_solution(text, nonce, "e1", "ada", NOW)
    proof_of_work.verify_solution(text, nonce, "e1", "ada", NOW + 299)


@pytest.mark.parametrize("given", [(None, None), ("", "1"), (None, "1")])
def test_without_a_challenge_there_is_one_to_solve(given):
    refusal = refused(*given)
    assert refusal.code == "challenge_required"
    assert (refusal.details["difficulty"], refusal.details["expires_in_seconds"]) == (8, 300)
    proof_of_work.verify_solution(refusal.details["challenge"], solve(refusal.details["challenge"]), "e1", "ada", NOW)


def test_it_is_over_after_its_time():
    text = proof_of_work.issue_challenge("e1", "ada", NOW)
    refusal = refused(text, solve(text), now=NOW + 300)
    assert refusal.code == "challenge_expired"
    assert refusal.details["challenge"] == proof_of_work.issue_challenge("e1", "ada", NOW + 300)


@pytest.mark.parametrize("other", [{"user": "eve"}, {"event": "e2"}])
def test_it_is_worth_nothing_to_others_or_elsewhere(other):
    text = proof_of_work.issue_challenge("e1", "ada", NOW)
    assert refused(text, solve(text), **other).code == "challenge_invalid"


def test_names_that_run_together_are_different_names():
    text = proof_of_work.issue_challenge("e1", "ada", NOW)
    assert refused(text, solve(text), event="e1a", user="da").code == "challenge_invalid"


def test_another_stage_or_secret_signs_differently():
    text = proof_of_work.issue_challenge("e1", "ada", NOW)
    for other in ({"stage": "other"}, {"jwt_secret": "another-secret-of-the-tests-that-signs-tokens"}):
        with settings.override(**other):
            assert refused(text, solve(text)).code == "challenge_invalid"


def test_a_nonce_must_solve_it():
    text = proof_of_work.issue_challenge("e1", "ada", NOW)
    wrong = next(str(number) for number in count() if proof_of_work.leading_zero_bits(text, str(number)) == 7)
    for nonce in (wrong, None, "", "x" * 65, "\ud800"):
        assert refused(text, nonce).code == "challenge_invalid"


def test_one_cannot_make_it_easier_or_younger():
    text = proof_of_work.issue_challenge("e1", "ada", NOW)
    for forged in (text.replace("c1.8.", "c1.0."), text.replace(str(NOW), str(NOW + 9)), text.replace("c1.8.", "c1.08.")):
        assert refused(forged, solve(forged)).code == "challenge_invalid"


@pytest.mark.parametrize(
    "text", ["x", "c1.8.1.", "c1.8.1." + "é" * 43, "c1.٨.1." + "a" * 43, "c1.8.1." + "a" * 43 + "\n", "c2.8.1." + "a" * 43]
)
def test_what_is_no_challenge_is_refused(text):
    assert refused(text, "1").code == "challenge_invalid"


def test_work_that_was_begun_counts_after_the_difficulty_has_changed():
    text = proof_of_work.issue_challenge("e1", "ada", NOW)
    with settings.override(join_difficulty=12):
        proof_of_work.verify_solution(text, solve(text), "e1", "ada", NOW)


def test_off_asks_for_nothing():
    with settings.override(join_difficulty=0):
        proof_of_work.verify_solution(None, None, "e1", "ada", NOW)


@pytest.mark.parametrize(("value", "fine"), [("0", True), ("24", True), ("25", False), ("-1", False)])
def test_difficulty_has_bounds(value, fine):
    if fine:
        assert settings.read({"FAIRGATE_JOIN_DIFFICULTY": value}).join_difficulty == int(value)
    else:
        with pytest.raises(settings.SettingsError, match=r"^FAIRGATE_JOIN_DIFFICULTY: "):
            settings.read({"FAIRGATE_JOIN_DIFFICULTY": value})


def test_the_bits_are_those_of_the_digest():
    """From outside: the first bits of the sha256 in hex, as the page in the browser counts them."""
    from hashlib import sha256

    text = proof_of_work.issue_challenge("e1", "ada", NOW)
    assert sha256((text + solve(text)).encode()).hexdigest().startswith("00")
