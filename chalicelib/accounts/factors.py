"""What proves at a sign-in who somebody is: a password, and, for accounts that want it, a code of an authenticator app.

Passwords are hashed with Argon2id, and passwords that attackers try first are refused. Codes are time-based one-time passwords (RFC 6238)
of six digits, and recovery codes for people who have lost the app. The libraries are imported where they are used, because few requests
need them.
"""

import base64
import hmac
import re
import secrets
import unicodedata
from hashlib import sha256
from typing import TYPE_CHECKING

from chalicelib.accounts.model import MIN_PASSWORD_LENGTH, CommonPassword
from chalicelib.foundation import settings

if TYPE_CHECKING:
    from argon2 import PasswordHasher
    from cryptography.hazmat.primitives.twofactor.totp import TOTP

# OWASP's cheat sheet on password storage recommends at least 19 MiB, two passes and one thread.
_PASSES, _THREADS = 2, 1
# A password is refused if an attacker who knows the owner's names and address would find it in fewer guesses than this.
MIN_GUESSES = 100_000
MAX_ESTIMATED_LENGTH = 32  # longer texts make the estimate slow: an attacker could choose 72 characters that take two seconds
CODE_SECONDS = 30  # each code of the app is for one such step
_SECRET_BYTES = 20  # RFC 4226 recommends 160 bits
RECOVERY_CODES = 10
_RECOVERY_BYTES = 10  # 80 bits: nobody can find a code from its hash


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


def new_secret() -> str:
    """Return a new secret for an authenticator app, as people type it: 32 characters of base32."""
    return base64.b32encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def app_address(secret: str, email: str, shop_name: str) -> str:
    """Return the `otpauth:` address with which an authenticator app learns a secret."""
    return _totp(secret).get_provisioning_uri(email, shop_name)


def qr_code(text: str) -> str:
    """Return a QR code as an SVG document."""
    import qrcode
    from qrcode.image.svg import SvgPathFillImage

    return str(qrcode.make(text, image_factory=SvgPathFillImage).to_string(encoding="unicode"))


def find_step(secret: str, code: str, now: int) -> int | None:
    """Return the number of the step whose code this is. Returns None for a wrong code.

    The steps before and after the present one count too, because clocks differ. Callers accept each step only once.
    """
    totp, present = _totp(secret), now // CODE_SECONDS
    steps = (present - 1, present, present + 1)
    return max((step for step in steps if hmac.compare_digest(totp.generate(step * CODE_SECONDS), code.encode())), default=None)


def new_recovery_codes() -> list[str]:
    """Return new recovery codes: 16 letters and digits each, in groups of four."""
    codes = [base64.b32encode(secrets.token_bytes(_RECOVERY_BYTES)).decode().lower() for _ in range(RECOVERY_CODES)]
    return ["-".join(code[start : start + 4] for start in range(0, len(code), 4)) for code in codes]


def recovery_hash(code: str) -> str:
    """Return the hash under which a recovery code is stored. Hyphens, spaces and capitals make no difference."""
    return sha256(re.sub("[- ]", "", code).lower().encode()).hexdigest()


def _totp(secret: str) -> "TOTP":
    from cryptography.hazmat.primitives.hashes import SHA1
    from cryptography.hazmat.primitives.twofactor.totp import TOTP

    return TOTP(base64.b32decode(secret), 6, SHA1(), CODE_SECONDS)  # noqa: S303 - what all apps know, and safe in an HMAC
