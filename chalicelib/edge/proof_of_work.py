"""Proof of work, in the manner of hashcash (http://www.hashcash.org/hashcash.pdf): a join costs seconds of computing.

A person's browser does not notice; a farm that joins under ten thousand names pays ten thousand times. The challenge is
a signed statement about who may join where, how hard it is and since when, so nothing is kept for it: checking a solution takes
one HMAC and one hash. To use a solution twice gains nothing, since a user has one place in an event's room.
"""

import hmac
import re
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import ClassVar

import msgspec

from chalicelib import settings
from chalicelib.errors import ApiError

MAX_NONCE_LENGTH = 64

_CHALLENGE = re.compile(r"c1\.([0-9]{1,2})\.([0-9]{1,12})\.[A-Za-z0-9_-]{43}", re.ASCII)


class ChallengeRequired(ApiError):
    """Its facts carry what to solve: find a `nonce` for which sha256(challenge + nonce) begins with `difficulty` zero bits."""

    code: ClassVar[str] = "challenge_required"
    status: ClassVar[int] = 403
    default_message: ClassVar[str] = "Solve the challenge, and send it again with the nonce that you found."


class ChallengeInvalid(ChallengeRequired):
    code: ClassVar[str] = "challenge_invalid"
    default_message: ClassVar[str] = "The nonce does not solve the challenge, or the challenge is not yours. Here is another one."


class ChallengeExpired(ChallengeRequired):
    code: ClassVar[str] = "challenge_expired"
    default_message: ClassVar[str] = "The challenge is too old. Here is another one."


def issue_challenge(event_id: str, user_id: str, now: int) -> str:
    """A challenge of today's difficulty: `c1.<difficulty>.<issued at>.<signature>`; event and user are in the signature only."""
    return _signed(event_id, user_id, settings.current().join_difficulty, now)


def verify_solution(challenge: str | None, nonce: str | None, event_id: str, user_id: str, now: int) -> None:
    """Pass when no work is asked for or it is done; else refuse, with a fresh challenge in the facts."""
    if settings.current().join_difficulty == 0:
        return
    if not challenge:
        raise ChallengeRequired(**_fresh(event_id, user_id, now))
    stated = _CHALLENGE.fullmatch(challenge)
    if stated is None:
        raise ChallengeInvalid(**_fresh(event_id, user_id, now))
    difficulty, issued_at = int(stated[1]), int(stated[2])
    if not hmac.compare_digest(challenge, _signed(event_id, user_id, difficulty, issued_at)):
        raise ChallengeInvalid(**_fresh(event_id, user_id, now))
    if now >= issued_at + settings.current().challenge_seconds:
        raise ChallengeExpired(**_fresh(event_id, user_id, now))
    if nonce is None or len(nonce) > MAX_NONCE_LENGTH or leading_zero_bits(challenge, nonce) < difficulty:
        raise ChallengeInvalid(**_fresh(event_id, user_id, now))


def leading_zero_bits(challenge: str, nonce: str) -> int:
    """Zero bits at the beginning of sha256(challenge + nonce), in UTF-8."""
    digest = int.from_bytes(sha256((challenge + nonce).encode(errors="replace")).digest(), "big")
    return 256 - digest.bit_length()


def _fresh(event_id: str, user_id: str, now: int) -> dict[str, str | int]:
    chosen = settings.current()
    return {
        "challenge": issue_challenge(event_id, user_id, now),
        "difficulty": chosen.join_difficulty,
        "expires_in_seconds": chosen.challenge_seconds,
    }


def _signed(event_id: str, user_id: str, difficulty: int, issued_at: int) -> str:
    stated = msgspec.json.encode((settings.current().stage, event_id, user_id, difficulty, issued_at))
    mac = hmac.digest(settings.derived_key("join challenge"), stated, "sha256")
    return f"c1.{difficulty}.{issued_at}.{urlsafe_b64encode(mac).rstrip(b'=').decode()}"
