"""Proof of work, modeled on hashcash (http://www.hashcash.org/hashcash.pdf): joining a waiting room costs computing time.

A single browser hardly notices the cost; a bot farm that joins under ten thousand names pays it ten thousand times. A challenge is a signed
statement of event, user, difficulty and time of issue, so the server stores nothing: verifying a solution takes one HMAC and one hash.
Using a solution twice gains nothing, because a user has only one place in the waiting room of an event.
"""

import hmac
import re
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import ClassVar

import msgspec

from chalicelib.foundation import secret_settings, settings
from chalicelib.foundation.errors import ApiError

MAX_NONCE_LENGTH = 64
CHALLENGE_SECONDS = 300  # how long a solution is accepted

_CHALLENGE = re.compile(r"c1\.([0-9]{1,2})\.([0-9]{1,12})\.[A-Za-z0-9_-]{43}", re.ASCII)


class ChallengeRequired(ApiError):
    """The details contain a challenge: find a `nonce` for which sha256(challenge + nonce) begins with `difficulty` zero bits."""

    code: ClassVar[str] = "challenge_required"
    status: ClassVar[int] = 403
    default_message: ClassVar[str] = "Solve the challenge in this reply, then repeat the request with `challenge` and `nonce`."


class ChallengeInvalid(ChallengeRequired):
    code: ClassVar[str] = "challenge_invalid"
    default_message: ClassVar[str] = (
        "The nonce does not solve the challenge, or the challenge belongs to another user. Solve the new challenge in this reply."
    )


class ChallengeExpired(ChallengeRequired):
    code: ClassVar[str] = "challenge_expired"
    default_message: ClassVar[str] = "The challenge has expired. Solve the new challenge in this reply."


WORK_ERRORS: tuple[type[ApiError], ...] = (ChallengeRequired, ChallengeInvalid, ChallengeExpired)


def issue_challenge(event_id: str, user_id: str, now: int) -> str:
    """Return a challenge with the current difficulty: `c1.<difficulty>.<issued at>.<signature>`. It also signs event and user."""
    return _sign(event_id, user_id, settings.current().join_difficulty, now)


def verify_solution(challenge: str | None, nonce: str | None, event_id: str, user_id: str, now: int) -> None:
    """Raise an error with a new challenge unless the nonce solves the challenge or no work is required."""
    if settings.current().join_difficulty == 0:
        return
    if not challenge:
        raise ChallengeRequired(**_new_challenge(event_id, user_id, now))
    fields = _CHALLENGE.fullmatch(challenge)
    if fields is None:
        raise ChallengeInvalid(**_new_challenge(event_id, user_id, now))
    difficulty, issued_at = int(fields[1]), int(fields[2])
    if not hmac.compare_digest(challenge, _sign(event_id, user_id, difficulty, issued_at)):
        raise ChallengeInvalid(**_new_challenge(event_id, user_id, now))
    if now >= issued_at + CHALLENGE_SECONDS:
        raise ChallengeExpired(**_new_challenge(event_id, user_id, now))
    if nonce is None or len(nonce) > MAX_NONCE_LENGTH or leading_zero_bits(challenge, nonce) < difficulty:
        raise ChallengeInvalid(**_new_challenge(event_id, user_id, now))


def leading_zero_bits(challenge: str, nonce: str) -> int:
    """Return the number of leading zero bits of sha256(challenge + nonce); the text is encoded as UTF-8."""
    digest = int.from_bytes(sha256((challenge + nonce).encode(errors="replace")).digest(), "big")
    return 256 - digest.bit_length()


def _new_challenge(event_id: str, user_id: str, now: int) -> dict[str, str | int]:
    return {
        "challenge": issue_challenge(event_id, user_id, now),
        "difficulty": settings.current().join_difficulty,
        "expires_in_seconds": CHALLENGE_SECONDS,
    }


def _sign(event_id: str, user_id: str, difficulty: int, issued_at: int) -> str:
    message = msgspec.json.encode((settings.current().stage, event_id, user_id, difficulty, issued_at))
    mac = hmac.digest(secret_settings.derived_key("join challenge"), message, "sha256")
    return f"c1.{difficulty}.{issued_at}.{urlsafe_b64encode(mac).rstrip(b'=').decode()}"
