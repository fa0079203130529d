"""The factors that prove who signs in: a password, and for some accounts also a code from an authenticator app, or a passkey.

Passwords are hashed with Argon2id, and passwords that attackers try first are refused. The app's codes are time-based one-time passwords
(RFC 6238) of six digits, and people who have lost the app use recovery codes. A passkey (WebAuthn) signs a challenge for this site alone,
after the authenticator has verified its user. Callers make sure that each challenge is used once. The libraries are imported where they are
used, because few requests need them.
"""

import base64
import hmac
import re
import secrets
import unicodedata
from collections.abc import Sequence
from hashlib import sha256
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from msgspec import Struct

from chalicelib.accounts.model import MIN_PASSWORD_LENGTH, CommonPassword, Passkey, PasskeyRefused, PasskeySignature
from chalicelib.foundation import memory, settings
from chalicelib.foundation.log import logger

if TYPE_CHECKING:
    from argon2 import PasswordHasher
    from cryptography.hazmat.primitives.twofactor.totp import TOTP
    from fido2.server import Fido2Server

# OWASP's cheat sheet on password storage recommends at least 19 MiB, two passes and one thread.
_PASSES, _THREADS = 2, 1
# A password is refused if an attacker who knows the owner's names and address would find it in fewer guesses than this.
MIN_GUESSES = 100_000
MAX_ESTIMATED_LENGTH = 32  # the rest is ignored, because the estimate is slow: an attacker could choose 72 characters that take two seconds
CODE_SECONDS = 30  # each code from the app is valid for one time step of this length
_SECRET_BYTES = 20  # RFC 4226 recommends 160 bits
RECOVERY_CODES = 10
_RECOVERY_BYTES = 10  # 80 bits: nobody can find a code from its hash
PASSKEY_ALGORITHMS = (-7, -8, -257)  # ES256, EdDSA and RS256 (RFC 9053); every authenticator supports one of them
_MAX_CREDENTIAL_BYTES = 2048  # an id of at most 1,023 bytes, and a key
_PASSKEY_CODE_LENGTH = 10  # 50 bits, which are enough for a few minutes


def hash_password(password: str) -> str:
    """Return a new salted hash, which includes its parameters."""
    return _hasher().hash(_normalize(password))


def is_correct(password: str, password_hash: str | None) -> bool:
    """Return whether the password has this hash. Without a hash, returns False after the same work, so that the time reveals nothing."""
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

    Several spaces in a row count as one character toward the minimum length.
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
    """Normalize a password, because devices can produce different code points for the same characters."""
    return unicodedata.normalize("NFKC", password)


def new_secret() -> str:
    """Return a new secret for an authenticator app, as people type it: 32 characters of base32."""
    return base64.b32encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def app_address(secret: str, email: str, shop_name: str) -> str:
    """Return the `otpauth:` address that gives a secret to an authenticator app."""
    return _totp(secret).get_provisioning_uri(email, shop_name)


def qr_code(text: str) -> str:
    """Return a QR code as an SVG document."""
    import qrcode
    from qrcode.image.svg import SvgPathFillImage

    return str(qrcode.make(text, image_factory=SvgPathFillImage).to_string(encoding="unicode"))


def find_step(secret: str, code: str, now: int) -> int | None:
    """Return the number of the time step to which a code belongs. Returns None for a wrong code.

    The previous and the next step are accepted too, because clocks differ. Callers accept each step only once.
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
    return sha256(plain_code(code).encode()).hexdigest()


def new_passkey_code() -> str:
    """Return a code for somebody who has just used a passkey. Its length differs from the lengths of app codes and recovery codes."""
    code = base64.b32encode(secrets.token_bytes(7)).decode().lower()[:_PASSKEY_CODE_LENGTH]
    return f"{code[:5]}-{code[5:]}"


def is_passkey_code(code: str) -> bool:
    """Return whether a text has the form of the codes that `new_passkey_code` returns."""
    return len(plain_code(code)) == _PASSKEY_CODE_LENGTH


def plain_code(code: str) -> str:
    """Return a code in lower case, without hyphens and spaces, so that these make no difference."""
    return re.sub("[- ]", "", code).lower()


class _ClientData(Struct, rename={"is_cross_origin": "crossOrigin"}):
    """What the browser adds to a challenge before the authenticator signs it. The library checks the rest."""

    challenge: str
    is_cross_origin: bool = False


def site_id() -> str:
    """Return the host of the shop's pages, to which passkeys belong (the relying party id)."""
    return urlsplit(settings.current().shop_url).hostname or ""


def challenge_of(client_data: str) -> str:
    """Return the challenge for which a browser used a passkey.

    Raises PasskeyRefused if the data is malformed, or the page is in a frame of another site.
    """
    try:
        sent = memory.decoder(_ClientData).decode(_bytes(client_data))
    except ValueError:
        raise PasskeyRefused() from None
    if sent.is_cross_origin:
        raise PasskeyRefused()
    return sent.challenge


def read_new_passkey(client_data: str, attestation: str) -> tuple[str, int]:
    """Return the credential of a new passkey, as `Passkey.credential` stores it, and its counter. Raises PasskeyRefused.

    The attestation, which names the maker of the authenticator, is ignored.
    """
    response = {"rawId": "AA", "response": {"clientDataJSON": client_data, "attestationObject": attestation}}
    try:
        registration = _passkey_server().register_complete(_state(client_data), response)
    except Exception as error:  # the library may raise anything for bytes from strangers
        raise _refusal(error) from None
    credential = registration.credential_data
    if credential is None or credential.public_key.ALGORITHM not in PASSKEY_ALGORITHMS or len(credential) > _MAX_CREDENTIAL_BYTES:
        raise PasskeyRefused()
    return text_of(credential), registration.counter


def check_passkey(passkeys: Sequence[Passkey], sent: PasskeySignature) -> tuple[Passkey, int]:
    """Return the passkey that made a signature, and its new counter. Raises PasskeyRefused.

    If the counter has not grown, somebody has copied the authenticator.
    """
    from fido2.webauthn import AttestedCredentialData, AuthenticatorData

    credentials = [AttestedCredentialData(_bytes(passkey.credential)) for passkey in passkeys]
    signed = {"clientDataJSON": sent.client_data, "authenticatorData": sent.authenticator_data, "signature": sent.signature}
    try:
        used = _passkey_server().authenticate_complete(
            _state(sent.client_data), credentials, {"rawId": sent.credential_id, "response": signed}
        )
        counter = AuthenticatorData(_bytes(sent.authenticator_data)).counter
    except Exception as error:  # the library may raise anything for bytes from strangers
        raise _refusal(error) from None
    passkey = passkeys[credentials.index(used)]
    if counter <= passkey.counter and (counter, passkey.counter) != (0, 0):
        logger.warning("passkey.counter_repeated", passkey_id=passkey.id)
        raise PasskeyRefused()
    return passkey, counter


def credential_id_of(credential: str) -> str:
    """Return the id of a stored credential, in base64url."""
    from fido2.webauthn import AttestedCredentialData

    return text_of(AttestedCredentialData(_bytes(credential)).credential_id)


def text_of(raw: bytes) -> str:
    """Return bytes in base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def user_id_of(user_handle: str) -> str:
    """Return the user id that an authenticator keeps with a passkey. Raises PasskeyRefused."""
    try:
        return _bytes(user_handle).decode()
    except ValueError:
        raise PasskeyRefused() from None


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _state(client_data: str) -> dict[str, str]:
    """Return the state that the library compares with the reply. Callers check the challenge themselves, so it is taken from the reply."""
    return {"challenge": challenge_of(client_data), "user_verification": "required"}


def _refusal(error: Exception) -> PasskeyRefused:
    logger.info("passkey.refused", reason=type(error).__name__)
    return PasskeyRefused()


def _passkey_server() -> "Fido2Server":
    from fido2.server import Fido2Server
    from fido2.webauthn import PublicKeyCredentialRpEntity

    shop = urlsplit(settings.current().shop_url)
    origin = f"{shop.scheme}://{shop.netloc}".lower()
    site = PublicKeyCredentialRpEntity(name=settings.current().shop_name, id=site_id())
    return Fido2Server(site, verify_origin=lambda sent: sent == origin)


def _totp(secret: str) -> "TOTP":
    from cryptography.hazmat.primitives.hashes import SHA1
    from cryptography.hazmat.primitives.twofactor.totp import TOTP

    return TOTP(base64.b32decode(secret), 6, SHA1(), CODE_SECONDS)  # noqa: S303 - all apps support it, and it is safe in an HMAC
