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

from chalicelib.accounts.sessions import store
from chalicelib.accounts.sessions.store import Device, Session
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import log, secret_settings
from chalicelib.foundation.errors import ApiError, NotFound

__all__ = ["Device", "Session"]

REFRESH_SECONDS = 7 * 86_400
GRACE_SECONDS = 10


class SessionOver(ApiError):
    code: ClassVar[str] = "session_over"
    status: ClassVar[int] = 401
    default_message: ClassVar[str] = "This refresh token is no longer valid. Log in again."


class SessionNotFound(NotFound):
    default_message: ClassVar[str] = "You have no active session with this id."


def begin(user_id: str, generation: int, device: Device, now: int) -> str:
    """Begin a session of a user. Returns its first refresh token."""
    token, session = _new_session(user_id, generation, device, now)
    store.create(session)
    return token


def begin_item(user_id: str, generation: int, device: Device, now: int) -> tuple[str, dynamo.TransactItem]:
    """The first refresh token of a new session, and the transaction item that begins it."""
    token, session = _new_session(user_id, generation, device, now)
    return token, store.create_item(session)


def find(token: str, now: int) -> Session:
    """The session to which a refresh token belongs that may be used now. Raises SessionOver, and ends the session of an old token."""
    session = store.find(session_id(token)) if 0 < len(session_id(token)) <= 64 else None
    if session is None or session.expires_at <= now:
        raise SessionOver()
    if not (_is_current(session, token) or _is_repeated(session, token, now)):
        log.warning("session.token_reused", user_id=session.user_id)
        store.delete(session.id)
        raise SessionOver()
    return session


def refresh(session: Session, token: str, device: Device, now: int) -> str:
    """Use a refresh token that `find` accepted. Returns the next one. Raises SessionOver if the session has ended meanwhile."""
    successor = _successor(token)
    if _is_current(session, token) and store.rotate(session, _digest(successor), device, now, now + REFRESH_SECONDS):
        return successor
    # The token was used a moment ago, by this client, whose answer was lost, or in another of its tabs.
    current = store.find(session.id)
    if current is None or not hmac.compare_digest(current.token_hash, _digest(successor)):
        raise SessionOver()
    return successor


def end(token: str) -> None:
    """End the session of a refresh token, whether or not it was used already; fine if it is over."""
    if 0 < len(session_id(token)) <= 64:
        store.delete(session_id(token))


def end_session(of: str) -> None:
    """End the session with this id; fine if it is over."""
    store.delete(of)


def list_page(user_id: str, generation: int, limit: int, before: str | None, now: int) -> tuple[list[Session], str | None]:
    """At most `limit` sessions of a user that are not over, the newest first, and the position to go on behind, None on the last page.

    A page has fewer if some are over. Of one that began within the last second it may not know yet.
    """
    found, last = store.query_user(user_id, limit, before)
    return [session for session in found if session.generation == generation and session.expires_at > now], last


def get_own(user_id: str, of: str, now: int) -> Session:
    """The user's session with this id, whatever its generation; raises SessionNotFound if it is over or another's."""
    session = store.find(of)
    if session is None or session.user_id != user_id or session.expires_at <= now:
        raise SessionNotFound()
    return session


def keep_item(session: Session, generation: int) -> dynamo.TransactItem:
    """Transaction item by which a session outlives that its account gets another generation; refused if it is over or changed."""
    return store.set_generation_item(session, generation)


def session_id(token: str) -> str:
    """The id of the session that a refresh token says it belongs to."""
    return token.partition(".")[0]


def _new_session(user_id: str, generation: int, device: Device, now: int) -> tuple[str, Session]:
    token = f"{secrets.token_hex(16)}.{_text(secrets.token_bytes(32))}"
    session = Session(
        id=session_id(token),
        user_id=user_id,
        generation=generation,
        token_hash=_digest(token),
        previous_hash=None,
        begun_at=now,
        rotated_at=now,
        expires_at=now + REFRESH_SECONDS,
        device=device,
    )
    return token, session


def _is_current(session: Session, token: str) -> bool:
    return hmac.compare_digest(session.token_hash, _digest(token))


def _is_repeated(session: Session, token: str, now: int) -> bool:
    """Whether it is the token before the present one, which was replaced a moment ago."""
    is_previous = session.previous_hash is not None and hmac.compare_digest(session.previous_hash, _digest(token))
    return is_previous and now - session.rotated_at <= GRACE_SECONDS


def _successor(token: str) -> str:
    mac = hmac.digest(secret_settings.derived_key("refresh tokens"), token.encode(), "sha256")
    return f"{session_id(token)}.{_text(mac)}"


def _digest(token: str) -> str:
    return sha256(token.encode()).hexdigest()


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
