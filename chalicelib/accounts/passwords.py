"""Passwords: Argon2id hashes, and the refusal of those that a guesser tries first.

argon2 and zxcvbn are imported where they are used, because few requests need them.
"""

import unicodedata
from typing import TYPE_CHECKING

from chalicelib.accounts.model import CommonPassword
from chalicelib.foundation import settings

if TYPE_CHECKING:
    from argon2 import PasswordHasher

# OWASP's cheat sheet on password storage: 19 MiB, two passes and one thread at least.
_PASSES, _THREADS = 2, 1
# A password is refused if an attacker who knows nothing about the user would find it within so many guesses.
MIN_GUESSES = 10_000
MAX_ESTIMATED_LENGTH = 72  # estimating takes longer with each character, and what is longer is not common


def hash_password(password: str) -> str:
    """A new salted hash, with its parameters in it."""
    return _hasher().hash(_normalized(password))


def is_correct(password: str, password_hash: str | None) -> bool:
    """Whether the password has this hash. With no hash, the same work is done in vain, and the answer is no."""
    from argon2.exceptions import VerifyMismatchError

    hasher = _hasher()
    if password_hash is None:
        hasher.hash(_normalized(password))  # as expensive as a verification
        return False
    try:
        return hasher.verify(password_hash, _normalized(password))
    except VerifyMismatchError:
        return False


def is_outdated(password_hash: str) -> bool:
    """Whether the hash was made with other parameters than those of today."""
    return _hasher().check_needs_rehash(password_hash)


def refuse_common(password: str, *known: str | None) -> None:
    """Raise CommonPassword for one that is easy to guess, also by somebody who knows these names of its owner."""
    from zxcvbn import zxcvbn

    words = [word for name in known if name for word in (name, *name.replace("@", " ").replace(".", " ").split())]
    if zxcvbn(password[:MAX_ESTIMATED_LENGTH], user_inputs=words)["guesses"] < MIN_GUESSES:
        raise CommonPassword("This password is easy to guess. Choose a different one.", path="$.password")


def _hasher() -> "PasswordHasher":
    from argon2 import PasswordHasher

    return PasswordHasher(time_cost=_PASSES, memory_cost=settings.current().password_memory_kib, parallelism=_THREADS)


def _normalized(password: str) -> str:
    """The same characters can be typed as different code points, depending on the device."""
    return unicodedata.normalize("NFKC", password)
