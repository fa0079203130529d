"""Who is calling. Tokens are JWTs signed with HS256 (and nothing else); the demo header never gives a role but `user`."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import msgspec

from chalicelib import clock, settings
from chalicelib.errors import ApiError

ALGORITHM = "HS256"
ACCESS_SECONDS = 15 * 60

Role = Literal["user", "promoter", "staff", "admin"]

_USER_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")


class Identity(msgspec.Struct, frozen=True):
    user_id: str
    roles: frozenset[str]


class Unauthenticated(ApiError):
    code: ClassVar[str] = "unauthenticated"
    status: ClassVar[int] = 401
    default_message: ClassVar[str] = "Send a valid access token as `Authorization: Bearer <token>`."


class UserRequired(ApiError):
    code: ClassVar[str] = "user_required"
    status: ClassVar[int] = 400
    default_message: ClassVar[str] = "Name the user in the header X-User-Id: 1 to 64 letters, digits or . _ @ + -."


class Forbidden(ApiError):
    code: ClassVar[str] = "forbidden"
    status: ClassVar[int] = 403
    default_message: ClassVar[str] = "This needs a role that you do not have."


def issue_token(user_id: str, roles: set[Role], *, seconds: int = ACCESS_SECONDS) -> str:
    """A signed access token that is valid for `seconds` from now."""
    import jwt

    now = clock.now()
    claims = {"iss": _issuer(), "sub": user_id, "roles": sorted(roles), "iat": now, "exp": now + seconds}
    return jwt.encode(claims, settings.secret("jwt_secret"), algorithm=ALGORITHM)


def identify(headers: Mapping[str, str]) -> Identity | None:
    """The caller, None when nobody is named; raises Unauthenticated for a token that is forged, expired or malformed."""
    bearer = headers.get("authorization")
    if bearer is not None:
        scheme, _, token = bearer.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated()
        return _verified(token.strip())
    named = headers.get("x-user-id")
    if named and settings.current().identity == "demo":
        if not _USER_ID.fullmatch(named):
            raise UserRequired()
        return Identity(named, frozenset({"user"}))
    return None


def require_user(identity: Identity | None) -> Identity:
    if identity is not None:
        return identity
    raise UserRequired() if settings.current().identity == "demo" else Unauthenticated()


def require_role(identity: Identity | None, role: Role) -> Identity:
    if identity is None:
        raise Unauthenticated()
    if role not in identity.roles:
        raise Forbidden()
    return identity


def _issuer() -> str:
    # A token of one stage must be worth nothing in another, even if somebody gave both the same secret.
    return f"fairgate-{settings.current().stage}"


def _verified(token: str) -> Identity:
    import jwt

    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            settings.secret("jwt_secret"),
            algorithms=[ALGORITHM],
            issuer=_issuer(),
            # Times are compared below, with the injected clock.
            options={"require": ["iss", "sub", "exp", "iat"], "verify_exp": False, "verify_iat": False, "verify_nbf": False},
        )
    except jwt.InvalidTokenError:
        raise Unauthenticated() from None
    expires_at = claims["exp"]
    if not isinstance(expires_at, int) or expires_at <= clock.now():
        raise Unauthenticated("The access token has expired.")
    return Identity(str(claims["sub"]), frozenset(claims.get("roles", [])))
