"""Refresh tokens: opaque, valid for seven days and for one use. All that descend from one login are a family, the session.

A token is `<session id>.<secret>`. The next secret is an HMAC of the last one, so a client whose answer was lost gets the same new token
when it repeats the request, within GRACE_SECONDS, and no second one exists. After that, an old token has been stolen or was copied: the
session ends, for the thief and for the owner (RFC 9700, section 4.14.2).
"""

import base64
import hmac
import secrets
from hashlib import sha256
from typing import ClassVar

from chalicelib import log, secret_settings
from chalicelib.accounts.sessions import store
from chalicelib.accounts.sessions.store import Session
from chalicelib.errors import ApiError

REFRESH_SECONDS = 7 * 86_400
GRACE_SECONDS = 10


class SessionOver(ApiError):
    code: ClassVar[str] = "session_over"
    status: ClassVar[int] = 401
    default_message: ClassVar[str] = "This refresh token is not valid any more. Log in again."


def begin(user_id: str, generation: int, now: int) -> str:
    """Begin a session of a user. Returns its first refresh token."""
    token = f"{secrets.token_hex(16)}.{_text(secrets.token_bytes(32))}"
    store.create(Session(_session_id(token), user_id, generation, _digest(token), None, now, now + REFRESH_SECONDS))
    return token


def find(token: str, now: int) -> Session:
    """The session to which a refresh token belongs that may be used now. Raises SessionOver, and ends the session of an old token."""
    session = store.find(_session_id(token)) if 0 < len(_session_id(token)) <= 64 else None
    if session is None or session.expires_at <= now:
        raise SessionOver()
    if not (_is_current(session, token) or _is_repeated(session, token, now)):
        log.warning("session.token_reused", user_id=session.user_id)
        store.delete(session.id)
        raise SessionOver()
    return session


def refresh(session: Session, token: str, now: int) -> str:
    """Use a refresh token that `find` accepted. Returns the next one. Raises SessionOver if the session has ended meanwhile."""
    successor = _successor(token)
    if _is_current(session, token) and store.rotate(session, _digest(successor), now, now + REFRESH_SECONDS):
        return successor
    # The token was used a moment ago, by this client, whose answer was lost, or in another of its tabs.
    current = store.find(session.id)
    if current is None or not hmac.compare_digest(current.token_hash, _digest(successor)):
        raise SessionOver()
    return successor


def end(token: str) -> None:
    """End the session of a refresh token, whether or not it was used already; fine if it is over."""
    session_id = _session_id(token)
    if 0 < len(session_id) <= 64:
        store.delete(session_id)


def end_session(session_id: str) -> None:
    store.delete(session_id)


def _is_current(session: Session, token: str) -> bool:
    return hmac.compare_digest(session.token_hash, _digest(token))


def _is_repeated(session: Session, token: str, now: int) -> bool:
    """Whether it is the token before the present one, which was replaced a moment ago."""
    is_previous = session.previous_hash is not None and hmac.compare_digest(session.previous_hash, _digest(token))
    return is_previous and now - session.rotated_at <= GRACE_SECONDS


def _successor(token: str) -> str:
    mac = hmac.digest(secret_settings.derived_key("refresh tokens"), token.encode(), "sha256")
    return f"{_session_id(token)}.{_text(mac)}"


def _session_id(token: str) -> str:
    return token.partition(".")[0]


def _digest(token: str) -> str:
    return sha256(token.encode()).hexdigest()


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
