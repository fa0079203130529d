"""Sessions and their refresh tokens. A refresh token is opaque and valid for one use.

`service.change_password` and others raise the `generation` of an account, and `service` then refuses its older sessions. Access tokens stay
valid for a few minutes (`edge.auth.ACCESS_SECONDS`).

A session ends seven days after its last use, or later if `keep_session` was called. The session of an admin ends twelve hours after the
sign-in.

Each session begins with a sign-in and has one current refresh token. A token is `<session id>.<secret>`. The next secret is an HMAC of the
current token, so a token never has two successors, and a client that lost a reply gets the same new token when it repeats the request
within GRACE_SECONDS. After this time, the use of an old token means that the token was stolen or copied, so the session ends, for the thief
and for the owner (RFC 9700, section 4.14.2). A secret ends with a MAC of the rest of the token, so nobody can end a session by knowing only
its id.
"""

import base64
import hmac
import secrets
from hashlib import sha256
from typing import Any, ClassVar

import msgspec
from msgspec import Struct
from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection

from chalicelib.dynamodb import dynamo
from chalicelib.edge.auth import Role
from chalicelib.foundation import secret_settings
from chalicelib.foundation.errors import ApiError, NotFound
from chalicelib.foundation.log import logger

REFRESH_SECONDS = 7 * 86_400
ADMIN_SECONDS = 12 * 3600  # an admin's session ends this long after the sign-in, even if it is used
MOVED_SECONDS = 40 * 86_400  # how long a moved guest's session is kept: longer than an unpaid purchase
MAX_ATTEMPTS = 5
GUEST_GENERATION = 0  # for sessions of guests, who have no account
GRACE_SECONDS = 10


class Device(Struct, frozen=True):
    """Where a request came from, if known: the network address, and the `User-Agent` header."""

    address: str | None
    user_agent: str | None


class Session(Struct, frozen=True, kw_only=True):
    """A session. It has ended once its `generation` differs from the account's generation.

    Times are epoch seconds. `rotated_at` is the time of the last request that used a refresh token, or of the sign-in if no token has been
    used yet; `device` is the device that made this request. `moved_to` is the id of the account to which a guest's orders move. A staff
    session has `staff_roles`, which the operator's identity provider granted for this session only, and ends ADMIN_SECONDS after the
    sign-in.
    """

    id: str
    user_id: str
    generation: int
    token_hash: str
    previous_hash: str | None
    begun_at: int
    rotated_at: int
    expires_at: int
    device: Device
    moved_to: str | None = None
    staff_roles: tuple[Role, ...] = ()


class SessionEnded(ApiError):
    code: ClassVar[str] = "session_over"
    status: ClassVar[int] = 401
    default_message: ClassVar[str] = "This refresh token is no longer valid. Sign in again."


class SessionNotFound(NotFound):
    default_message: ClassVar[str] = "You have no active session with this id."


def begin_session(user_id: str, generation: int, device: Device, now: int, seconds: int = REFRESH_SECONDS) -> str:
    """Begin a session for a user. It ends after `seconds` without use. Returns the session's first refresh token."""
    token, row = _new_session(user_id, generation, device, now, seconds)
    row.save()
    return token


def begin_session_item(
    user_id: str, generation: int, device: Device, now: int, seconds: int, staff_roles: tuple[Role, ...] = ()
) -> tuple[str, dynamo.TransactItem]:
    """Return the first refresh token of a new session, and the transaction item that begins the session (see `begin_session`)."""
    token, row = _new_session(user_id, generation, device, now, seconds)
    row.staff_roles = " ".join(staff_roles) or None
    return token, dynamo.transact_put(row, SessionRow.id.does_not_exist())


def _new_session(user_id: str, generation: int, device: Device, now: int, seconds: int) -> tuple[str, "SessionRow"]:
    token = _token(secrets.token_hex(16), secrets.token_bytes(16))
    return token, SessionRow(
        session_id(token),
        user_id=user_id,
        generation=generation,
        token_hash=_digest(token),
        begun_at=now,
        rotated_at=now,
        expires_at=now + seconds,
        address=device.address,
        user_agent=device.user_agent,
        position=f"{now:011}#{session_id(token)}",
        ttl=now + seconds,
    )


def get_session(token: str, now: int) -> Session:
    """Return the session of a valid refresh token. Raises SessionEnded for any other token, and ends the session of an old token."""
    session = _load_session(session_id(token)) if _names_session(token) else None
    if session is None or session.expires_at <= now:
        raise SessionEnded()
    if not (_is_current(session, token) or _is_repeated(session, token, now)):
        if _is_previous(session, token) or _is_issued(token):
            logger.warning("session.token_reused", user_id=session.user_id)
            end_session(session.id)
        raise SessionEnded()
    return session


def get_own_session(user_id: str, own_id: str, now: int) -> Session:
    """Return the user's session with this id, of any generation. Raises SessionNotFound if it has ended or belongs to another user."""
    session = _load_session(own_id)
    if session is None or session.user_id != user_id or session.expires_at <= now:
        raise SessionNotFound()
    return session


def list_sessions(user_id: str, generation: int, limit: int, before: str | None, now: int) -> tuple[list[Session], str | None]:
    """Return up to `limit` active sessions of a user, newest first, before the position `before`, and the position of the next page.

    The position is None on the last page. Sessions that have ended are left out, so a page can have fewer than `limit` sessions. May miss
    sessions that began within the last second.
    """
    precedes = SessionRow.position < before if before is not None else None
    keys = list(SessionRow.user_index.query(user_id, precedes, scan_index_forward=False, limit=limit + 1))
    rows = SessionRow.find_all(key.id for key in keys[:limit])
    rows.sort(key=lambda row: row.position, reverse=True)
    active = [_session(row) for row in rows if int(row.generation) == generation and int(row.expires_at) > now]
    return active, keys[limit - 1].position if len(keys) > limit else None


def use_token(session: Session, token: str, device: Device, now: int, seconds: int) -> str:
    """Use a refresh token that `get_session` accepted, and extend the session to at least `seconds` from now. Returns the next token.

    Raises SessionEnded if the session has just ended.
    """
    successor = _successor(token)
    for _ in range(MAX_ATTEMPTS):
        if _is_current(session, token) and _replace_token(session, _digest(successor), device, now, seconds):
            return successor
        current = _load_session(session.id)
        if current is None or current.expires_at <= now:
            raise SessionEnded()
        # The token was used a moment ago, either by this client, which then lost the reply, or by another tab in the same browser.
        if hmac.compare_digest(current.token_hash, _digest(successor)):
            return successor
        if not _is_current(current, token):
            raise SessionEnded()
        session = current  # `keep_session` has just extended the session
    raise SessionEnded()


def keep_guest(guest_id: str, until: int) -> str | None:
    """Extend the session of a guest like `keep_session`. May miss a session that began within the last second."""
    # Take the oldest session of this user id. A guest has only one session, but after a registration, the account's sessions have the same
    # user id.
    key = next(iter(SessionRow.user_index.query(guest_id, limit=1)), None)
    return keep_session(key.id, until) if key is not None else None


def keep_session(session_id: str, until: int) -> str | None:
    """Let a guest's session last at least until `until` (epoch seconds), unless the guest has ended the session or now has an account.

    Returns the id of the account to which the guest's orders move, or None if they do not move.
    """
    actions = [SessionRow.expires_at.set(until), SessionRow.ttl.set(until)]
    is_guest = (SessionRow.generation == GUEST_GENERATION) & SessionRow.moved_to.does_not_exist()
    kept, row = dynamo.update_if_returning(SessionRow(session_id), actions, is_guest & (SessionRow.expires_at < until))
    return None if kept or row is None else row.moved_to


def begin_move(session: Session, user_id: str, now: int) -> None:
    """Record that the orders of this guest's session move to an account, including orders that are paid later. Raises SessionEnded."""
    actions = [SessionRow.moved_to.set(user_id), SessionRow.ttl.set(max(session.expires_at, now + MOVED_SECONDS))]
    condition = SessionRow.id.exists() & (SessionRow.moved_to.does_not_exist() | (SessionRow.moved_to == user_id))
    if not dynamo.update_if(SessionRow(session.id), actions, condition):
        raise SessionEnded()


def end_moved_session(session: Session, now: int) -> None:
    """End a guest's session whose orders have moved. The item stays for a while, because the guest's payments may still arrive."""
    actions = [SessionRow.expires_at.set(now), SessionRow.address.remove(), SessionRow.user_agent.remove()]
    dynamo.update_if(SessionRow(session.id), actions, SessionRow.moved_to.exists())


def carry_over_session_item(session: Session, generation: int) -> dynamo.TransactItem:
    """Return a transaction item that moves a session to the account's new `generation`.

    The transaction fails if the session has ended or has another generation by then.
    """
    return dynamo.transact_update(
        SessionRow(session.id), [SessionRow.generation.set(generation)], SessionRow.generation == session.generation
    )


def end_session(session_id: str) -> None:
    """End a session. Does nothing if it has already ended."""
    SessionRow(session_id).delete()


def end_session_by_token(token: str) -> None:
    """End the session of this refresh token, even if the token has been replaced. Does nothing for an unknown token.

    Tokens from earlier versions have no MAC, so only their current and their previous token end the session.
    """
    if _is_issued(token):
        end_session(session_id(token))
    elif _names_session(token):
        digest = _digest(token)
        dynamo.delete_if(SessionRow(session_id(token)), (SessionRow.token_hash == digest) | (SessionRow.previous_hash == digest))


def list_session_ids(user_id: str) -> list[str]:
    """Return the ids of all stored sessions of a user, of any generation. May miss a session that began within the last second."""
    return [key.id for key in SessionRow.user_index.query(user_id)]


def session_id(token: str) -> str:
    """Return the session id in a refresh token."""
    return token.partition(".")[0]


def _names_session(token: str) -> bool:
    return 0 < len(session_id(token)) <= 64


def _is_current(session: Session, token: str) -> bool:
    return hmac.compare_digest(session.token_hash, _digest(token))


def _is_repeated(session: Session, token: str, now: int) -> bool:
    """Return whether the token is the previous token and was replaced within the last GRACE_SECONDS."""
    return _is_previous(session, token) and now - session.rotated_at <= GRACE_SECONDS


def _is_previous(session: Session, token: str) -> bool:
    return session.previous_hash is not None and hmac.compare_digest(session.previous_hash, _digest(token))


def _is_issued(token: str) -> bool:
    """Return whether this shop issued the token at any time. Returns False for tokens without a MAC, which earlier versions issued."""
    try:
        raw = base64.urlsafe_b64decode(token.partition(".")[2] + "=")
    except ValueError:
        return False
    return hmac.compare_digest(token.encode(), _token(session_id(token), raw[:16]).encode())


def _successor(token: str) -> str:
    return _token(session_id(token), hmac.digest(secret_settings.derived_key("refresh tokens"), token.encode(), "sha256")[:16])


def _token(session_id: str, secret: bytes) -> str:
    mac = hmac.digest(secret_settings.derived_key("issued refresh tokens"), session_id.encode() + secret, "sha256")
    return f"{session_id}.{_text(secret + mac[:16])}"


def _digest(token: str) -> str:
    return sha256(token.encode()).hexdigest()


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


# The table `sessions`: one item for each sign-in, shared by all of its refresh tokens. Tokens are stored as hashes.
#
# The index `user` contains the keys of a user's sessions. Its entries never change: they are written only when sessions begin or end.


class UserIndex(GlobalSecondaryIndex[Any]):
    class Meta:
        index_name = "user"
        projection = KeysOnlyProjection()

    user_id = UnicodeAttribute(hash_key=True)
    position = UnicodeAttribute(range_key=True)


class SessionRow(dynamo.Table):
    """`previous_hash` is the hash of the previous token; it is absent before the first rotation. `position` is `<begun_at>#<id>`."""

    feature = "sessions"
    contents = "Sessions, with the hashes of their refresh tokens."
    personal_data = dynamo.PersonalData(
        "the network address and browser of the last use", export="no, `GET /auth/sessions` shows it", erasure="deleted"
    )

    id = UnicodeAttribute(hash_key=True)
    user_id = UnicodeAttribute()
    generation = NumberAttribute()
    token_hash = UnicodeAttribute()
    previous_hash = UnicodeAttribute(null=True)
    begun_at = NumberAttribute()
    rotated_at = NumberAttribute()
    expires_at = NumberAttribute()
    address = UnicodeAttribute(null=True)
    user_agent = UnicodeAttribute(null=True)
    position = UnicodeAttribute()
    ttl = NumberAttribute()
    moved_to = UnicodeAttribute(null=True)
    staff_roles = UnicodeAttribute(null=True)
    user_index = UserIndex()


def _load_session(session_id: str) -> Session | None:
    """Return the session, which may have expired. Returns None if it does not exist. The read is strongly consistent."""
    row = SessionRow.find(session_id)
    return None if row is None else _session(row)


def _replace_token(session: Session, token_hash: str, device: Device, now: int, seconds: int) -> bool:
    """Replace the token. Returns False and changes nothing if the session has ended or another request has changed it."""
    expires_at = max(now + seconds, session.expires_at)
    changes = {
        "address": device.address,
        "user_agent": device.user_agent,
        "token_hash": token_hash,
        "previous_hash": session.token_hash,
        "rotated_at": now,
        "expires_at": expires_at,
        "ttl": expires_at,
    }
    condition = (SessionRow.token_hash == session.token_hash) & (SessionRow.expires_at == session.expires_at)
    return dynamo.update_if(SessionRow(session.id), SessionRow.set_or_remove(changes), condition)


def _session(row: SessionRow) -> Session:
    return Session(
        id=row.id,
        user_id=row.user_id,
        generation=int(row.generation),
        token_hash=row.token_hash,
        previous_hash=row.previous_hash,
        begun_at=int(row.begun_at),
        rotated_at=int(row.rotated_at),
        expires_at=int(row.expires_at),
        device=Device(row.address, row.user_agent),
        moved_to=row.moved_to,
        staff_roles=msgspec.convert((row.staff_roles or "").split(), tuple[Role, ...]),
    )
