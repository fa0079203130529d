"""Who calls, and who may call a route.

Callers send access tokens, which are JWTs signed with HS256 only, API keys, or the demo header, which gives only the role `user`. A token
names its key (`kid`). The first key of the setting `jwt_keys` signs tokens, and all keys verify them. To rotate keys, put a new key first,
and remove the old key once its last token has expired.

We use no authorizer of Chalice. It would be a second Lambda function that API Gateway calls before a request, it would refuse requests
without a token, which public routes also serve, and it could not check the rights that depend on the event.
"""

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, ClassVar, Literal, Self

import msgspec
from msgspec import Meta

from chalicelib.foundation import clock, memory, secret_settings, settings
from chalicelib.foundation.errors import ApiError

ALGORITHM = "HS256"
ACCESS_SECONDS = 15 * 60
API_KEY_PREFIX = "fgk_"
AUDIENCE = "fairgate-api"  # so that other kinds of tokens that this shop may sign are not accepted as access tokens

# `guest`: somebody without an account, who can register later and keep their tickets.
Role = Literal["user", "guest", "promoter", "staff", "admin"]
# A coordinator manages the event; staff admit people at its door; cashiers also sell at its box office; accountants see its money.
EventRole = Literal["coordinator", "staff", "cashier", "accountant"]

# The token is sent in a header, and API Gateway accepts about 10 KB of headers, which is enough for 100 ids of ordinary length.
MAX_EVENTS = 100

_USER_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")

EventId = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")]
Events = Annotated[dict[EventId, EventRole], Meta(max_length=MAX_EVENTS)]


class Claims(msgspec.Struct):
    """The claims of an access token, except its issuer and time of issue. `exp` is in epoch seconds; `sid` is a session's id.

    `events`: the roles from `accounts.members.event_roles`, when a session issues the token.
    """

    sub: str
    exp: int
    sid: Annotated[str, Meta(max_length=64)] | None = None
    roles: Annotated[list[str], Meta(max_length=16)] = []
    events: Events = {}


class Identity(msgspec.Struct, frozen=True):
    """The authenticated caller of a request. `events`: event id -> the caller's role at an event that somebody else owns.

    `session_id`: the session that issued the access token. It is None if no session issued one. An API key is a caller of its own: its
    `user_id` is nobody's account, and it has rights only at `events`. `counted_as`: the id whose rate limits it uses up, if not its own.
    """

    user_id: str
    roles: frozenset[str]
    events: Mapping[str, EventRole] = {}
    session_id: str | None = None
    is_api_key: bool = False
    counted_as: str | None = None

    @property
    def limits_id(self) -> str:
        """The id under which rate limits count the caller."""
        return self.counted_as or self.user_id


class Unauthenticated(ApiError):
    code: ClassVar[str] = "unauthenticated"
    status: ClassVar[int] = 401
    default_message: ClassVar[str] = "Send a valid access token as `Authorization: Bearer <token>`."

    @classmethod
    def without_login(cls) -> Self:
        """Return the refusal of a request without a login, which names every way to identify the caller in this stage."""
        return cls(f"{cls.default_message} This stage also accepts a user id in the header X-User-Id." if _is_demo() else None)


class UserRequired(ApiError):
    """The demo user id is malformed."""

    code: ClassVar[str] = "user_required"
    status: ClassVar[int] = 400
    default_message: ClassVar[str] = "The header X-User-Id must be 1 to 64 letters, digits or . _ @ + -, beginning with a letter or digit."


class Forbidden(ApiError):
    code: ClassVar[str] = "forbidden"
    status: ClassVar[int] = 403
    default_message: ClassVar[str] = "Your role does not allow this. Send the access token of a user with the required role."


def issue_token(
    user_id: str,
    roles: set[Role],
    *,
    events: Mapping[str, EventRole] | None = None,
    session_id: str | None = None,
    seconds: int = ACCESS_SECONDS,
) -> str:
    """Return a signed access token, valid for `seconds` from now. `events`: event id -> the user's role at somebody else's event.

    Raises ValueError for claims that `identify` would refuse: an invalid user id, more than MAX_EVENTS events, or an invalid event id.
    """
    with _without_cryptography():
        import jwt

    if not _USER_ID.fullmatch(user_id):
        raise ValueError(f"{user_id!r} cannot be a user id")
    now = clock.now()
    claims = {"iss": _issuer(), "aud": AUDIENCE, "sub": user_id, "roles": sorted(roles), "iat": now, "exp": now + seconds}
    if session_id is not None:
        claims["sid"] = session_id
    if events:
        try:
            claims["events"] = memory.convert(events, Events)
        except msgspec.ValidationError as error:
            raise ValueError(f"a token cannot name these events: {error}") from None
    key_id, key = next(iter(_keys().items()))
    return jwt.encode(claims, key, algorithm=ALGORITHM, headers={"kid": key_id})


_find_api_key: Callable[[str], Identity | None] = lambda _: None  # noqa: E731


def register_api_key_lookup(find: Callable[[str], Identity | None]) -> None:
    """Use `find(key)` to identify callers who send an API key. It must return None if the key is not valid now."""
    global _find_api_key
    _find_api_key = find


def identify(headers: Mapping[str, str]) -> Identity | None:
    """Return the caller of a request. Returns None if the request is anonymous.

    Raises Unauthenticated if the token or API key is forged, expired or malformed, and UserRequired if the demo user id is malformed.
    """
    bearer = headers.get("authorization")
    if bearer is not None:
        scheme, _, token = bearer.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated()
        if not token.startswith(API_KEY_PREFIX):
            return _verify(token)
        identity = _find_api_key(token)
        if identity is None:
            raise Unauthenticated("This API key does not exist, or it has expired. Its promoter can create a new one.")
        return identity
    user_id = headers.get("x-user-id")
    if user_id and _is_demo():
        if not _USER_ID.fullmatch(user_id):
            raise UserRequired()
        return Identity(user_id, frozenset({"user"}))
    return None


def require_user(identity: Identity | None) -> Identity:
    """Return the caller. Raises Unauthenticated if the request is anonymous."""
    if identity is None:
        raise Unauthenticated.without_login()
    return identity


# Who may call a route. This is the only list of roles. Every route must declare its access, so nobody can forget to restrict a route.
#
# `catalog.permissions` decides what a caller may do with a particular event, because promoters, coordinators and staff have rights for
# some events only.

# `public`: anybody. `user`: any identified caller. `door`: people who admit visitors at some event. `manager`: people who manage some
# event, or see its money.
Access = Literal["public", "user", "door", "manager", "admin"]

_ROLES = {
    "door": frozenset({"admin", "promoter", "staff"}),
    "manager": frozenset({"admin", "promoter"}),
    "admin": frozenset({"admin"}),
}
_EVENT_ROLES = {
    "door": frozenset({"coordinator", "staff", "cashier"}),
    "manager": frozenset({"coordinator", "accountant"}),
    "admin": frozenset[str](),
}
_DENIALS = {
    "door": "Only people who work at an event may do this.",
    "manager": "Only promoters, coordinators of an event and admins may do this.",
    "admin": "This request needs the role `admin`. Send the access token of a user who has it.",
}


def check_access(access: Access, identity: Identity | None) -> None:
    """Raise Unauthenticated or Forbidden if the caller may not call a route with this access."""
    if access == "public":
        return
    caller = require_user(identity)
    if access == "user":
        return
    if not (caller.roles & _ROLES[access] or _EVENT_ROLES[access].intersection(caller.events.values())):
        raise Forbidden(_DENIALS[access])


def _is_demo() -> bool:
    return settings.current().identity == "demo"


@contextmanager
def _without_cryptography() -> Iterator[None]:
    """Hide `cryptography` from PyJWT, which would load it for algorithms that we do not use. Its import would then take twice as long."""
    is_hidden = "jwt" not in sys.modules and sys.modules.setdefault("cryptography", None) is None  # type: ignore[arg-type]
    try:
        yield
    finally:
        if is_hidden:
            sys.modules.pop("cryptography", None)


def _keys() -> dict[str, str]:
    """Return the keys of access tokens by id. The signing key comes first. Raises SettingsError."""
    if secret_settings.optional_secret("jwt_keys"):
        return secret_settings.signing_keys("jwt_keys")
    return {"default": secret_settings.secret("jwt_secret")}


def _issuer() -> str:
    # A token from one stage is not valid in another stage, even if both stages have the same secret.
    return f"fairgate-{settings.current().stage}"


def _verify(token: str) -> Identity:
    with _without_cryptography():
        import jwt

    keys = _keys()
    try:
        key = keys.get(str(jwt.get_unverified_header(token).get("kid")))
        if key is None:
            raise Unauthenticated()
        decoded = jwt.decode(
            token,
            key,
            algorithms=[ALGORITHM],
            issuer=_issuer(),
            audience=AUDIENCE,
            # Times are compared below, with the clock of `chalicelib.foundation.clock`.
            options={"require": ["iss", "aud", "sub", "exp", "iat"], "verify_exp": False, "verify_iat": False, "verify_nbf": False},
        )
        claims = memory.convert(decoded, Claims)
    except (jwt.InvalidTokenError, msgspec.ValidationError, UnicodeError, RecursionError):  # PyJWT does not catch the last two
        raise Unauthenticated() from None
    if not _USER_ID.fullmatch(claims.sub):
        raise Unauthenticated()
    if claims.exp <= clock.now():
        raise Unauthenticated("The access token has expired. Get a new one and send it as `Authorization: Bearer <token>`.")
    return Identity(claims.sub, frozenset(claims.roles), claims.events, claims.sid)
