"""Authentication: access tokens (JWTs signed with HS256, no other algorithm), and the demo header, which gives the role `user` only."""

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta

from chalicelib import clock, secret_settings, settings
from chalicelib.errors import ApiError

ALGORITHM = "HS256"
ACCESS_SECONDS = 15 * 60

Role = Literal["user", "promoter", "staff", "admin"]

# A token goes into a header, and API Gateway takes about 10 KB of headers: 100 ids of an ordinary length fit.
MAX_EVENTS = 100

_USER_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")

EventId = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")]
Events = Annotated[list[EventId], Meta(max_length=MAX_EVENTS)]


class Claims(msgspec.Struct):
    """What an access token says, beside its issuer and the time at which it was issued; `exp` is in epoch seconds."""

    sub: str
    exp: int
    roles: Annotated[list[str], Meta(max_length=16)] = []
    events: Events = []


class Identity(msgspec.Struct, frozen=True):
    """The authenticated caller of a request. `events` are the ids of the events at which the caller works as staff."""

    user_id: str
    roles: frozenset[str]
    events: frozenset[str] = frozenset()

    def is_staff_of(self, event_id: str) -> bool:
        """Whether the caller works at the event."""
        return "staff" in self.roles and event_id in self.events


class Unauthenticated(ApiError):
    code: ClassVar[str] = "unauthenticated"
    status: ClassVar[int] = 401
    default_message: ClassVar[str] = "Send a valid access token as `Authorization: Bearer <token>`."


class UserRequired(ApiError):
    code: ClassVar[str] = "user_required"
    status: ClassVar[int] = 400
    default_message: ClassVar[str] = (
        "Send your user id in the header X-User-Id: 1 to 64 letters, digits or . _ @ + -, beginning with a letter or digit."
    )


class Forbidden(ApiError):
    code: ClassVar[str] = "forbidden"
    status: ClassVar[int] = 403
    default_message: ClassVar[str] = "Your role does not allow this. Send the access token of a user who has the necessary role."


def issue_token(user_id: str, roles: set[Role], *, events: Iterable[str] = (), seconds: int = ACCESS_SECONDS) -> str:
    """Return a signed access token that is valid for `seconds` from now; `events` are the ids of the events at which staff work.

    Raises ValueError for what would be refused: text that is no user id, more than MAX_EVENTS events, or text that is no event id.
    """
    import jwt

    if not _USER_ID.fullmatch(user_id):
        raise ValueError(f"{user_id!r} cannot be a user id")
    now = clock.now()
    claims = {"iss": _issuer(), "sub": user_id, "roles": sorted(roles), "iat": now, "exp": now + seconds}
    if event_ids := sorted(set(events)):
        try:
            claims["events"] = msgspec.convert(event_ids, Events)
        except msgspec.ValidationError as error:
            raise ValueError(f"a token cannot name these events: {error}") from None
    return jwt.encode(claims, secret_settings.secret("jwt_secret"), algorithm=ALGORITHM)


def identify(headers: Mapping[str, str]) -> Identity | None:
    """The caller, or None for an anonymous request; raises Unauthenticated for a token that is forged, expired or malformed."""
    bearer = headers.get("authorization")
    if bearer is not None:
        scheme, _, token = bearer.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated()
        return _verify(token.strip())
    user_id = headers.get("x-user-id")
    if user_id and settings.current().identity == "demo":
        if not _USER_ID.fullmatch(user_id):
            raise UserRequired()
        return Identity(user_id, frozenset({"user"}))
    return None


def require_user(identity: Identity | None) -> Identity:
    """The caller; raises UserRequired or Unauthenticated for an anonymous request."""
    if identity is not None:
        return identity
    raise UserRequired() if settings.current().identity == "demo" else Unauthenticated()


def require_role(identity: Identity | None, role: Role) -> Identity:
    """The caller, if they have `role`; raises Unauthenticated or Forbidden."""
    if identity is None:
        raise Unauthenticated()
    if role not in identity.roles:
        raise Forbidden(f"This request needs the role `{role}`. Send the access token of a user who has it.")
    return identity


def _issuer() -> str:
    # A token of one stage is not valid in another, even if both have the same secret.
    return f"fairgate-{settings.current().stage}"


def _verify(token: str) -> Identity:
    import jwt

    try:
        decoded = jwt.decode(
            token,
            secret_settings.secret("jwt_secret"),
            algorithms=[ALGORITHM],
            issuer=_issuer(),
            # Times are compared below, with the clock of `chalicelib.clock`.
            options={"require": ["iss", "sub", "exp", "iat"], "verify_exp": False, "verify_iat": False, "verify_nbf": False},
        )
        claims = msgspec.convert(decoded, Claims)
    except (jwt.InvalidTokenError, msgspec.ValidationError, UnicodeError, RecursionError):  # PyJWT lets the last two through
        raise Unauthenticated() from None
    if not _USER_ID.fullmatch(claims.sub):
        raise Unauthenticated()
    if claims.exp <= clock.now():
        raise Unauthenticated("The access token has expired. Get a new one and send it as `Authorization: Bearer <token>`.")
    return Identity(claims.sub, frozenset(claims.roles), frozenset(claims.events))
