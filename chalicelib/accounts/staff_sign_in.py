"""Sign-in for the operator's own staff through an OpenID Connect provider, such as Entra ID, Google Workspace, Okta or Keycloak.

The sign-in is the authorization code flow with PKCE (RFC 7636). The browser keeps a secret in a cookie, from which the state, the nonce and
the verifier are derived. So only the browser that began a sign-in can finish it, once and within FLOW_SECONDS. Unless the settings name a
provider, its routes reply as if they did not exist.
"""

import base64
import hmac
import secrets
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import msgspec
from msgspec import Struct

from chalicelib.accounts import factors, mails, service, store
from chalicelib.accounts.model import (
    Account,
    AccountChanging,
    AccountLocked,
    Email,
    StaffAddressRefused,
    StaffSignInExpired,
    StaffSignInRefused,
    StaffSignInUnavailable,
    email_key,
)
from chalicelib.accounts.service import Tokens
from chalicelib.audit import service as audit
from chalicelib.dynamodb import dynamo
from chalicelib.edge.auth import Role
from chalicelib.edge.routes import RequestContext
from chalicelib.foundation import deadline, ids, memory, outbound_http, secret_settings, settings
from chalicelib.foundation.errors import ApiError, NotFound
from chalicelib.foundation.log import logger
from chalicelib.foundation.memory import Memory
from chalicelib.foundation.outbound_http import Destination, HostReply

FLOW_SECONDS = 600
CLOCK_SKEW_SECONDS = 60
KEPT_SECONDS = 3600  # how long an instance keeps what the provider publishes
RETRY_SECONDS = 60  # the least time between two reads of the provider's keys because a key is missing
GOOGLE = "https://accounts.google.com"
_ALGORITHMS = ["RS256", "ES256"]
_REPLY_BYTES = 65_536
_PROVIDER_SECONDS = 4.0

T = TypeVar("T")


class _Provider(Struct, frozen=True):
    """The provider's discovery document."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str


class _Published(Struct, frozen=True):
    """What the provider publishes, and when this instance read it (epoch seconds)."""

    provider: _Provider
    keys: dict[str, Any]
    read_at: int


class _TokenReply(Struct, frozen=True):
    id_token: str


class _Claims(Struct, frozen=True):
    """The claims about a person that this module uses. They are read only after the token's verification."""

    email: Email
    email_verified: bool
    hd: str | None = None  # the domain of the company that manages a Google account
    given_name: str | None = None
    family_name: str | None = None


_published: Memory[str, _Published] = Memory()  # by issuer


def begin(now: int) -> tuple[str, str]:
    """Return the provider's address for the browser to open, and the secret for the browser to keep. Raises StaffSignInUnavailable."""
    _require()
    provider, secret = _read_published(now).provider, secrets.token_urlsafe(32)
    mails.put_challenge(_derive(secret, "state"), "staff_sign_in", mails.NO_USER, now, FLOW_SECONDS)
    verifier = _derive(secret, "verifier")
    query = {
        "response_type": "code",
        "client_id": settings.current().oidc_client_id,
        "redirect_uri": _return_address(),
        "scope": "openid email profile",
        "state": _derive(secret, "state"),
        "nonce": _derive(secret, "nonce"),
        "code_challenge": factors.text_of(sha256(verifier.encode()).digest()),
        "code_challenge_method": "S256",
    }
    address = provider.authorization_endpoint
    return f"{address}{'&' if '?' in address else '?'}{urlencode(query)}", secret


def finish(request: RequestContext, secret: str | None, state: str, code: str, issuer: str | None) -> Tokens:
    """Begin a session for the owner of the address that the provider has verified, and mark the address as verified.

    `secret` is the secret that the browser has kept. `issuer`, if given, is the provider named in the reply (RFC 9207).
    Raises StaffSignInExpired, StaffSignInRefused, StaffAddressRefused, StaffSignInUnavailable, AccountLocked or AccountChanging.
    """
    _require()
    if secret is None or not hmac.compare_digest(_derive(secret, "state").encode(), state.encode()):
        raise StaffSignInExpired()
    if not mails.use_challenge(state, "staff_sign_in", mails.NO_USER, request.now):
        raise StaffSignInExpired()
    if issuer not in (None, settings.current().oidc_issuer):
        raise _refused("another issuer")
    claims = _verify(_exchange(code, _derive(secret, "verifier"), request.now), _derive(secret, "nonce"), request.now)
    person = _person(claims)
    account = _find_or_create(person, request.now)
    if account.locked_at is not None:
        raise AccountLocked()
    roles: tuple[Role, ...] = ("user", "admin") if _is_admin(claims) else ("user",)
    entry = audit.entry_item(f"account#{account.user_id}", "account.staff_signed_in", account.user_id, request.now, {"roles": roles})
    tokens = service.begin_staff_session(request, account, roles, entry)
    logger.info("login.succeeded", user_id=account.user_id, by="provider", roles=roles)
    return tokens


def _require() -> None:
    """Raise NotFound on a stage without a provider, as if the route did not exist."""
    if not settings.current().has_staff_sign_in:
        raise NotFound()


def _return_address() -> str:
    return settings.current().page_url("sign-in")


def _derive(secret: str, purpose: str) -> str:
    key = secret_settings.derived_key("staff sign-in")
    return factors.text_of(hmac.digest(key, f"{purpose} {secret}".encode(), "sha256"))


def _person(claims: Mapping[str, Any]) -> _Claims:
    """Return who has signed in. Raises StaffAddressRefused unless the provider has verified an address of a domain in the settings."""
    try:
        person = memory.convert(claims, _Claims)
    except msgspec.ValidationError:
        raise StaffAddressRefused() from None
    domains = {email_key(person.email).rpartition("@")[2]}
    if settings.current().oidc_issuer == GOOGLE:  # Google also verifies addresses of private accounts, which outlive a person's employment
        domains.add(person.hd or "")
    if not (person.email_verified and domains <= settings.current().oidc_domain_names):
        raise StaffAddressRefused()
    return person


def _is_admin(claims: Mapping[str, Any]) -> bool:
    """Return whether the claim named in the settings has the value that makes people admins, alone or in a list."""
    name, _, wanted = settings.current().oidc_admin_group.partition("=")
    found = claims.get(name) if name else None
    return wanted in found if isinstance(found, list) else found == wanted and found is not None


def _find_or_create(person: _Claims, now: int) -> Account:
    """Return the account of an address. Creates the account, or marks its address as verified, if necessary. Raises AccountChanging.

    Somebody else may have registered an unverified address, so its password is replaced and its sessions end.
    """
    for _ in range(service.MAX_ATTEMPTS):
        credentials, account = service.find_login(person.email)
        if account is not None and account.verified_at is not None:
            return account
        unknown = secrets.token_urlsafe(32)  # nobody knows the password: the owner can choose one by email
        if account is None or credentials is None:
            names = {"first_name": person.given_name, "last_name": person.family_name}
            new = Account(user_id=ids.new_id(), email=person.email, roles=("user",), created_at=now, verified_at=now)
            service.create_account(msgspec.structs.replace(new, **{name: text and text[:100] for name, text in names.items()}), unknown)
            continue
        items = [
            store.set_password_item(credentials.email_key, account.user_id, factors.hash_password(unknown)),
            store.end_sessions_item(account.user_id, verified_at=now, generation=account.generation),
        ]
        try:
            dynamo.transact(items)
        except dynamo.ConditionFailed:
            continue
    raise AccountChanging()


# The provider.


def _read_published(now: int, wanted_after: int = 0) -> _Published:
    """Return what the provider publishes, as read within the last hour and after `wanted_after`. Raises StaffSignInUnavailable."""
    issuer = settings.current().oidc_issuer
    found = _published.entries.get(issuer)
    if found is None or not max(now - KEPT_SECONDS, wanted_after) < found.read_at <= now:
        provider = _decode(_get(f"{issuer.rstrip('/')}/.well-known/openid-configuration"), _Provider)
        if provider.issuer != issuer:
            raise _unavailable("the discovery document is of another issuer")
        found = _Published(provider, _decode(_get(provider.jwks_uri), dict[str, Any]), now)
        _published.entries[issuer] = found
    return found


def _get(url: str) -> bytes:
    reply = _call(url, lambda destination, addresses: outbound_http.get(destination, addresses, _PROVIDER_SECONDS, _REPLY_BYTES))
    if not reply.is_success:
        raise _unavailable(f"status {reply.status}")
    return reply.body


def _call(url: str, send: Callable[[Destination, Sequence[str]], HostReply]) -> HostReply:
    """Send a request to an address of the provider. Raises StaffSignInUnavailable if there is no reply."""
    try:
        destination = outbound_http.parse(url)
        deadline.require(_PROVIDER_SECONDS)
        return send(destination, outbound_http.resolve(destination))
    except (outbound_http.SendFailed, outbound_http.DestinationRefused) as failure:
        raise _unavailable(str(failure)) from None


def _exchange(code: str, verifier: str, now: int) -> str:
    """Return the id token for a code. Raises StaffSignInRefused if the provider refuses the code, and StaffSignInUnavailable."""
    current = settings.current()
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": _return_address(), "code_verifier": verifier}
    client = ":".join(quote(text, "") for text in (current.oidc_client_id, secret_settings.optional_secret("oidc_client_secret")))
    headers = {
        "Accept": "application/json",
        "Authorization": f"Basic {base64.b64encode(client.encode()).decode()}",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    body = urlencode(form).encode()
    reply = _call(
        _read_published(now).provider.token_endpoint,
        lambda destination, addresses: outbound_http.post(destination, addresses, headers, body, _PROVIDER_SECONDS, _REPLY_BYTES),
    )
    if reply.status in (400, 401):
        raise _refused(f"the code was refused with status {reply.status}")
    if not reply.is_success:
        raise _unavailable(f"status {reply.status}")
    return _decode(reply.body, _TokenReply).id_token


def _verify(token: str, nonce: str, now: int) -> Mapping[str, Any]:
    """Return the claims of an id token that is for this shop and this sign-in. Raises StaffSignInRefused or StaffSignInUnavailable."""
    from joserfc import jwt
    from joserfc.errors import InvalidKeyIdError
    from joserfc.jwk import KeySet
    from joserfc.jws import JWSRegistry

    current = settings.current()
    expected = jwt.JWTClaimsRegistry(
        now=now,
        leeway=CLOCK_SKEW_SECONDS,
        iss={"essential": True, "value": current.oidc_issuer},
        aud={"essential": True, "value": current.oidc_client_id},
        azp={"value": current.oidc_client_id},
        nonce={"essential": True, "value": nonce},
        sub={"essential": True},
        exp={"essential": True},
        iat={"essential": True},
    )
    algorithms = JWSRegistry(algorithms=_ALGORITHMS, strict_check_header=False)
    published = _read_published(now)
    try:
        try:
            decoded = jwt.decode(token, KeySet.import_key_set(published.keys), registry=algorithms)  # type: ignore[arg-type]
        except InvalidKeyIdError:  # the provider has a new key
            published = _read_published(now, now - RETRY_SECONDS)
            decoded = jwt.decode(token, KeySet.import_key_set(published.keys), registry=algorithms)  # type: ignore[arg-type]
        expected.validate(decoded.claims)
    except ApiError:
        raise
    except Exception as error:  # the library may raise anything for the token and the keys
        raise _refused(type(error).__name__) from None
    return decoded.claims


def _decode(raw: bytes, shape: type[T]) -> T:
    try:
        return memory.decoder(shape).decode(raw)
    except msgspec.DecodeError:
        raise _unavailable(f"no {shape}") from None


def _refused(reason: str) -> StaffSignInRefused:
    logger.warning("staff_sign_in.refused", reason=reason)
    return StaffSignInRefused()


def _unavailable(reason: str) -> StaffSignInUnavailable:
    logger.warning("staff_sign_in.unavailable", reason=reason)
    return StaffSignInUnavailable()
