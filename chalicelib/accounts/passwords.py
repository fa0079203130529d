"""Passwords: hash them with Argon2id, and refuse passwords that attackers try first.

argon2 and zxcvbn are imported where they are used, because few requests need them.
"""

import re
import unicodedata
from typing import TYPE_CHECKING

from chalicelib.accounts.model import MIN_PASSWORD_LENGTH, CommonPassword
from chalicelib.foundation import settings

if TYPE_CHECKING:
    from argon2 import PasswordHasher

# OWASP's cheat sheet on password storage recommends at least 19 MiB, two passes and one thread.
_PASSES, _THREADS = 2, 1
# A password is refused if an attacker who knows the owner's names and address would find it in fewer guesses than this.
MIN_GUESSES = 100_000
MAX_ESTIMATED_LENGTH = 32  # longer texts make the estimate slow: an attacker could choose 72 characters that take two seconds


def hash_password(password: str) -> str:
    """Return a new salted hash, which includes its parameters."""
    return _hasher().hash(_normalize(password))


def is_correct(password: str, password_hash: str | None) -> bool:
    """Return whether the password has this hash. Without a hash, return False after the same work, so that the time reveals nothing."""
    from argon2.exceptions import VerifyMismatchError

    hasher = _hasher()
    if password_hash is None:
        hasher.hash(_normalize(password))  # as expensive as a verification
        return False
    try:
        return hasher.verify(password_hash, _normalize(password))
    except VerifyMismatchError:
        return False


def is_outdated(password_hash: str) -> bool:
    """Return whether the hash was made with parameters other than the current parameters."""
    return _hasher().check_needs_rehash(password_hash)


def refuse_common(password: str, *owner_texts: str | None) -> None:
    """Raise CommonPassword if somebody who knows the `owner_texts`, such as the owner's name and address, could guess the password.

    Several spaces in a row count as one toward the minimum length.
    """
    from zxcvbn import zxcvbn

    words = [word for text in owner_texts if text for word in (text, *text.replace("@", " ").replace(".", " ").split())]
    is_padded = len(re.sub(" +", " ", password)) < MIN_PASSWORD_LENGTH
    if is_padded or zxcvbn(password[:MAX_ESTIMATED_LENGTH], user_inputs=words)["guesses"] < MIN_GUESSES:
        raise CommonPassword("This password is easy to guess. Choose a different one.", path="$.password")


def _hasher() -> "PasswordHasher":
    from argon2 import PasswordHasher

    return PasswordHasher(time_cost=_PASSES, memory_cost=settings.current().password_memory_kib, parallelism=_THREADS)


def _normalize(password: str) -> str:
    """Normalize the text: devices can produce different code points for the same characters."""
    return unicodedata.normalize("NFKC", password)
